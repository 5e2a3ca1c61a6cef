//! What the lines of a conversation mean, for those who learn a protocol by watching it.

use crate::session::Side;

/// What lines that begin in the same way mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// How they begin. Case does not matter; of several, the longest counts.
    pub begins: &'static str,
    /// What they mean, in a few words.
    pub meaning: &'static str,
    /// Who says so.
    pub source: &'static str,
}

/// The words of a protocol.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What a client's lines begin with.
    pub said: &'static [Word],
    /// What a server's lines begin with.
    pub heard: &'static [Word],
    /// Commands and their answers begin with a word of the client's choice, which stands as `tag`
    /// in [`Words::heard`] and not at all in [`Words::said`]; a number stands as `n`.
    pub has_tags: bool,
}

impl Words {
    /// A word of a table.
    pub const fn word(begins: &'static str, meaning: &'static str, source: &'static str) -> Word {
        Word {
            begins,
            meaning,
            source,
        }
    }

    /// What a line means, if that is known.
    pub fn of(&self, side: Side, line: &str) -> Option<&'static Word> {
        let line = match (self.has_tags, side) {
            (false, _) => line.to_owned(),
            (true, Side::Client) => line
                .split_once(' ')
                .map_or(line, |(_, rest)| rest)
                .to_owned(),
            (true, Side::Server) => without_tag(line),
        };
        let words = match side {
            Side::Client => self.said,
            Side::Server => self.heard,
        };
        let as_inner = as_inner_line(&line).filter(|_| side == Side::Server);
        let lines = [Some(line), as_inner];
        let begins = |word: &&Word| {
            let starts = lines.iter().flatten();
            let mut starts = starts.filter_map(|line| line.get(..word.begins.len()));
            starts.any(|start| start.eq_ignore_ascii_case(word.begins))
        };
        words
            .iter()
            .filter(begins)
            .max_by_key(|word| word.begins.len())
    }
}

/// `250 AUTH` as `250-AUTH`: what the last line of a reply tells is told in the others, too
/// (RFC 5321 section 4.2.1).
fn as_inner_line(line: &str) -> Option<String> {
    let (code, rest) = line.split_once(' ')?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then(|| format!("{code}-{rest}"))
}

/// `* 12 EXISTS` as `* n EXISTS`, and `a1 OK` as `tag OK`.
fn without_tag(line: &str) -> String {
    match line.split_once(' ') {
        Some(("*", rest)) => match rest.split_once(' ') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("* n {rest}")
            }
            _ => line.to_owned(),
        },
        Some((first, rest)) if first != "+" => format!("tag {rest}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words {
        said: &[
            Words::word("UID", "by UID", "1"),
            Words::word("UID FETCH", "messages", "2"),
        ],
        heard: &[
            Words::word("* n EXISTS", "so many", "3"),
            Words::word("tag OK", "yes", "4"),
            Words::word("+", "go on", "5"),
        ],
        has_tags: true,
    };

    fn source(side: Side, line: &str) -> Option<&'static str> {
        WORDS.of(side, line).map(|word| word.source)
    }

    #[test]
    fn the_longest_beginning_counts() {
        assert_eq!(source(Side::Client, "a1 uid fetch 1 FLAGS"), Some("2"));
        assert_eq!(source(Side::Client, "a1 UID COPY 1 x"), Some("1"));
        assert_eq!(source(Side::Client, "a1 NOOP"), None);
        assert_eq!(source(Side::Client, "DONE"), None);
        assert_eq!(source(Side::Server, "* 12 EXISTS"), Some("3"));
        assert_eq!(source(Side::Server, "a1 OK done"), Some("4"));
        assert_eq!(source(Side::Server, "+ idling"), Some("5"));
        assert_eq!(source(Side::Server, "é"), None);
        assert_eq!(source(Side::Server, ""), None);
        let plain = Words {
            has_tags: false,
            ..WORDS
        };
        assert!(plain.of(Side::Client, "UID").is_some());
        assert!(plain.of(Side::Client, "a1 UID").is_none());
    }

    #[test]
    fn the_last_line_of_a_reply_means_the_same_as_another() {
        const WORDS: Words = Words {
            said: &[Words::word("250-AUTH", "never said", "1")],
            heard: &[
                Words::word("250", "yes", "2"),
                Words::word("250-AUTH", "logins", "3"),
            ],
            has_tags: false,
        };
        let source = |side, line| WORDS.of(side, line).map(|word| word.source);
        assert_eq!(source(Side::Server, "250-AUTH PLAIN"), Some("3"));
        assert_eq!(source(Side::Server, "250 AUTH PLAIN"), Some("3"));
        assert_eq!(source(Side::Server, "250 2.1.0 Ok"), Some("2"));
        assert_eq!(source(Side::Server, "250"), Some("2"));
        assert_eq!(source(Side::Client, "250 AUTH"), None);
    }
}
