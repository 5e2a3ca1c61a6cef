//! What they say: status lines, capabilities, and the arguments of replies. Pure parsers.

use proto_transport::{Error, StatusReply};

use crate::argument::{number, MessageId, Moment};

/// `initial-response-line = 3DIGIT *(SP response-argument) [SP trailing-comment]`. No reply has more
/// than one line before its block, so that a hyphen means nothing here.
pub(crate) fn status(line: &[u8]) -> Option<StatusReply> {
    let (digits, rest) = line.split_at_checked(3)?;
    let text = match rest {
        [] => rest,
        [b' ' | b'\t', text @ ..] => text,
        _ => return None,
    };
    let code = u16::try_from(number(digits)?).ok()?;
    let is_status = (100..600).contains(&code) && !line.contains(&0);
    is_status.then(|| StatusReply {
        code,
        lines: vec![text.to_vec()],
    })
}

/// The arguments of a reply.
fn arguments(reply: &StatusReply) -> impl Iterator<Item = &[u8]> {
    let text = reply.lines.first().map(Vec::as_slice).unwrap_or_default();
    words(text)
}

/// What stands between spaces and TABs.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = line.split(|byte| matches!(byte, b' ' | b'\t'));
    words.filter(|word| !word.is_empty())
}

/// What kind of no an error is, if it is a server's no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum No {
    /// There is no such article, or none in that range (420 to 423, 430).
    Missing,
    /// There is no such group (411).
    NoGroup,
    /// A login is needed first (480): see [`Session::into_client`](crate::Session::into_client).
    NeedsLogin,
    /// TLS is needed first (483): see [`Session::into_client`](crate::Session::into_client).
    NeedsTls,
    /// The server does not know the command or a part of it (500, 501, 503).
    Unsupported,
    /// Something else.
    Other,
}

impl No {
    /// What kind of no an error is. `None` if the server did not say no.
    pub fn of(error: &Error) -> Option<No> {
        let code = match error {
            Error::Refused { reply, .. } => reply.get(..3)?,
            Error::Insecure { why, .. } => why.get(..3).filter(|code| *code == "483")?,
            _ => return None,
        };
        Some(match code.parse().ok()? {
            420..=423 | 430 => No::Missing,
            411 => No::NoGroup,
            // RFC 2980 section 3.1 has 450 in the place of 480.
            480 | 450 => No::NeedsLogin,
            483 => No::NeedsTls,
            500 | 501 | 503 => No::Unsupported,
            _ => No::Other,
        })
    }
}

/// What a server can do, as it says in its reply to CAPABILITIES.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<(String, String)>);

impl Capabilities {
    /// Adds a line: `capability-label *(WS capability-argument)`.
    pub fn add(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        let (label, arguments) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !label.is_empty() {
            self.0
                .push((label.to_ascii_uppercase(), arguments.trim().to_owned()));
        }
    }

    /// Whether the server told them. One from before RFC 3977 does not, and may know more than
    /// nothing.
    pub fn are_told(&self) -> bool {
        !self.0.is_empty()
    }

    /// Each label, in capitals, with its arguments.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(label, arguments)| (label.as_str(), arguments.as_str()))
    }

    /// Whether this label is there.
    pub fn offers(&self, label: &str) -> bool {
        self.0.iter().any(|(known, _)| known == label)
    }

    /// Whether this label is there with this argument, as in `OVER MSGID`.
    pub fn offers_with(&self, label: &str, argument: &str) -> bool {
        let lines = self.iter().filter(|(known, _)| *known == label);
        let mut words = lines.flat_map(|(_, arguments)| arguments.split_ascii_whitespace());
        words.any(|word| word.eq_ignore_ascii_case(argument))
    }

    /// The SASL mechanisms that can be used (RFC 4643 section 2.1).
    pub fn mechanisms(&self) -> Vec<String> {
        if !self.offers_with("AUTHINFO", "SASL") {
            return Vec::new();
        }
        let lines = self.iter().filter(|(label, _)| *label == "SASL");
        let words = lines.flat_map(|(_, arguments)| arguments.split_ascii_whitespace());
        words.map(str::to_ascii_uppercase).collect()
    }
}

/// A group that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// About how many articles it has.
    pub count: u64,
    /// The lowest number that an article may have.
    pub low: u64,
    /// The highest number. It is less than `low` if there are no articles.
    pub high: u64,
}

impl Summary {
    /// `response-211-content = "211" 3(SP article-number) SP newsgroup-name`
    pub(crate) fn parse(reply: &StatusReply) -> Option<Summary> {
        let mut numbers = arguments(reply).map(number);
        Some(Summary {
            count: numbers.next()??,
            low: numbers.next()??,
            high: numbers.next()??,
        })
    }

    /// Whether there are no articles, in any of the three ways to say so (RFC 3977 section 6.1.1.2).
    pub fn is_empty(&self) -> bool {
        self.count == 0 || self.high < self.low
    }
}

/// `SP article-number SP message-id`: the number is 0 where there is none, and old servers may leave
/// out the message-id.
pub(crate) fn found(reply: &StatusReply) -> (u64, Option<MessageId>) {
    let mut arguments = arguments(reply);
    let number = arguments.next().and_then(number).unwrap_or(0);
    (number, arguments.next().and_then(MessageId::of_server))
}

/// `response-111-content = "111" SP date4y time`
pub(crate) fn date(reply: &StatusReply) -> Option<Moment> {
    let text = arguments(reply).next()?;
    Moment::parse(std::str::from_utf8(text).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::{Connection, Memory, Refusal};

    fn reply(line: &str) -> StatusReply {
        status(line.as_bytes()).unwrap()
    }

    #[test]
    fn status_lines_have_three_digits() {
        assert_eq!(reply("205 closing connection").code, 205);
        assert_eq!(reply("281").lines, [b"".to_vec()]);
        for wrong in [
            "", "2", "20", "2000 x", "20x y", "200-x", "099 x", "600 x", " 200 x", "200x",
        ] {
            assert!(status(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(status(b"200 a\0b").is_none());
    }

    #[test]
    fn every_prefix_is_read_without_harm() {
        for line in [
            "211 1234 3000234 3002322 misc.test",
            "220 3000234 <45223423@example.com>",
            "111 19990623135624",
        ] {
            for length in 0..=line.len() {
                if let Some(reply) = status(&line.as_bytes()[..length]) {
                    let _ = (Summary::parse(&reply), found(&reply), date(&reply));
                }
            }
        }
    }

    #[test]
    fn summaries_of_the_rfc() {
        // RFC 3977 section 6.1.1.3.
        for (line, count, low, high, is_empty) in [
            (
                "211 1234 3000234 3002322 misc.test",
                1234,
                3_000_234,
                3_002_322,
                false,
            ),
            (
                "211 0 4000 3999 example.currently.empty.newsgroup",
                0,
                4000,
                3999,
                true,
            ),
            ("211 0 0 0 example.currently.empty.newsgroup", 0, 0, 0, true),
            (
                "211 0 4000 4321 example.currently.empty.newsgroup",
                0,
                4000,
                4321,
                true,
            ),
            (
                "211 2000 3000234 3002322 misc.test list follows",
                2000,
                3_000_234,
                3_002_322,
                false,
            ),
            (
                "211 1 0000001 18446744073709551615 x",
                1,
                1,
                u64::MAX,
                false,
            ),
        ] {
            let summary = Summary::parse(&reply(line)).unwrap();
            assert_eq!(summary, Summary { count, low, high }, "{line}");
            assert_eq!(summary.is_empty(), is_empty, "{line}");
        }
        for wrong in [
            "211",
            "211 1 2",
            "211 -1 2 3 x",
            "211 1 2 18446744073709551616 x",
            "211 a b c",
        ] {
            assert_eq!(Summary::parse(&reply(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn articles_have_numbers_and_names() {
        let id = |text: &str| Some(MessageId::new(text).unwrap());
        for (line, number, name) in [
            (
                "220 3000234 <45223423@example.com>",
                3_000_234,
                id("<45223423@example.com>"),
            ),
            (
                "223 0 <45223423@example.com>",
                0,
                id("<45223423@example.com>"),
            ),
            (
                "223 444 <123456@example.net> retrieved",
                444,
                id("<123456@example.net>"),
            ),
            ("222 5", 5, None),
            ("222 body follows", 0, None),
            ("222 99999999999999999999 x@y", 0, None),
        ] {
            assert_eq!(found(&reply(line)), (number, name), "{line}");
        }
    }

    #[test]
    fn dates_are_read() {
        let moment = date(&reply("111 19990623135624")).unwrap();
        assert_eq!(moment.to_string(), "19990623 135624 GMT");
        for wrong in [
            "111",
            "111 today",
            "111 1999062313562",
            "111 19991340000000",
        ] {
            assert_eq!(date(&reply(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn capabilities_and_mechanisms() {
        // RFC 3977 section 5.2.3 and RFC 4643 section 2.2.
        let mut capabilities = Capabilities::default();
        assert!(!capabilities.are_told());
        for line in [
            "VERSION 2",
            "READER",
            "IHAVE",
            "LIST ACTIVE NEWSGROUPS ACTIVE.TIMES OVERVIEW.FMT",
            "IMPLEMENTATION INN 4.2 2004-12-25",
            "OVER MSGID",
            "authinfo USER sasl",
            "SASL CRAM-MD5 plain",
            "",
            "\u{1b}[2J",
        ] {
            capabilities.add(line.as_bytes());
        }
        assert!(capabilities.are_told());
        assert!(capabilities.offers("READER") && !capabilities.offers("POST"));
        assert!(capabilities.offers_with("OVER", "MSGID"));
        assert!(!capabilities.offers_with("LIST", "COUNTS"));
        assert_eq!(capabilities.mechanisms(), ["CRAM-MD5", "PLAIN"]);
        let mut without = Capabilities::default();
        without.add(b"AUTHINFO USER");
        without.add(b"SASL PLAIN");
        assert!(without.mechanisms().is_empty());
    }

    #[test]
    fn a_no_says_what_is_needed() {
        let connection = Connection::over(Memory::new(""));
        for (reply, no) in [
            ("423 No articles in that range", No::Missing),
            ("430 No Such Article Found", No::Missing),
            ("411 unknown", No::NoGroup),
            ("480 Permission denied", No::NeedsLogin),
            ("500 Unknown command", No::Unsupported),
            ("503 Data item not stored", No::Unsupported),
            ("440 Posting not permitted", No::Other),
        ] {
            let error = connection.refused(reply, Refusal::Lasting);
            assert_eq!(No::of(&error), Some(no), "{reply}");
        }
        assert_eq!(No::of(&connection.closed("423")), None);
    }
}
