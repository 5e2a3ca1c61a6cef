//! Articles that are made while they are sent: the same each time, no two alike, and never in
//! memory as a whole.

use std::io::{self, Read};

/// The moment at which the first generated article arrived: noon on 1 January 2026. Each that
/// follows comes a second later.
pub(super) const BEGINNING: i64 = 1_767_268_800;

/// How many articles stand in one thread.
const THREAD: u64 = 5;

/// The octets of a usual line, without its CRLF.
const LINE: u64 = 70;

/// The octets of a very long one; RFC 5536 section 2.1 allows 998.
const LONG_LINE: u64 = 990;

/// How much is made at once.
const PIECE: usize = 8 * 1024;

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog and then sleeps in the sun, ";

pub(super) fn message_id(group: &str, number: u64) -> String {
    format!("<{number}.{group}@generated.localhost>")
}

/// The group and number of which a Message-ID is made.
pub(super) fn of_message_id(id: &str) -> Option<(&str, u64)> {
    let inner = id.strip_prefix('<')?;
    let inner = inner.strip_suffix("@generated.localhost>")?;
    let (number, group) = inner.split_once('.')?;
    let number = number.parse().ok()?;
    (message_id(group, number) == id).then_some((group, number))
}

/// The header of an article, without what the server adds. The first of a thread has no References.
pub(super) fn header(group: &str, number: u64, lines: u64) -> String {
    let root = (number - 1) / THREAD * THREAD + 1;
    let (references, reply) = match number - root {
        0 => (String::new(), ""),
        _ => {
            let before: Vec<String> = (root..number).map(|one| message_id(group, one)).collect();
            (format!("References: {}\r\n", before.join("\r\n ")), "Re: ")
        }
    };
    format!(
        "Path: localhost!generated!not-for-mail\r\n\
        From: Generator <generator@localhost>\r\n\
        Newsgroups: {group}\r\n\
        Subject: {reply}Article {root}\r\n\
        Message-ID: {}\r\n\
        {references}Lines: {lines}\r\n",
        message_id(group, number)
    )
}

/// The body of an article, to be read once.
pub(super) struct Body {
    number: u64,
    left: u64,
    line: u64,
    made: Vec<u8>,
    read: usize,
}

impl Body {
    /// The body of so many octets, or one more if there is none of so many.
    pub fn new(number: u64, octets: u64) -> Body {
        Body {
            number,
            left: if octets == 1 { 2 } else { octets },
            line: 0,
            made: Vec::new(),
            read: 0,
        }
    }

    /// What there is still to be made.
    pub fn octets(&self) -> u64 {
        self.left
    }

    /// How many lines there are.
    pub fn lines(mut self) -> u64 {
        while self.left > 0 {
            self.left -= self.next_length();
            self.line += 1;
        }
        self.line
    }

    fn kind(&self) -> u64 {
        (self.line + self.number * 3) % 40
    }

    /// The length of the next line with its CRLF. The last has what is left, but no line is a lone
    /// octet.
    fn next_length(&self) -> u64 {
        let usual = 2 + if self.kind() == 29 { LONG_LINE } else { LINE };
        match self.left {
            left if left >= usual + 2 => usual,
            left => left,
        }
    }

    fn make_line(&mut self) {
        let length = self.next_length();
        let text = usize::try_from(length.saturating_sub(2)).unwrap_or(0);
        let start = usize::try_from((self.number * 31 + self.line * 7) % LINE).unwrap_or(0);
        let at = self.made.len();
        match self.kind() {
            13 => self.made.extend("\u{fc}".bytes().cycle().take(text)),
            _ => {
                let words = TEXT.iter().cycle().skip(start);
                self.made.extend(words.take(text));
            }
        }
        let dots = match self.kind() {
            7 | 17 | 37 => 1,
            27 => 2,
            _ => 0,
        };
        for byte in self.made.iter_mut().skip(at).take(dots) {
            *byte = b'.';
        }
        self.made.extend_from_slice(b"\r\n");
        self.left -= length;
        self.line += 1;
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.made.len() {
            self.made.clear();
            self.read = 0;
            while self.left > 0 && self.made.len() < PIECE {
                self.make_line();
            }
        }
        let mut unread = self.made.get(self.read..).unwrap_or_default();
        let count = unread.read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_size_and_their_lines() {
        for octets in (0..300).chain([1000, 100_000]) {
            let mut made = Vec::new();
            Body::new(3, octets).read_to_end(&mut made).unwrap();
            let expected = if octets == 1 { 2 } else { octets };
            assert_eq!(made.len() as u64, expected);
            let lines = made.windows(2).filter(|two| two == b"\r\n").count();
            assert_eq!(Body::new(3, octets).lines(), lines as u64);
            assert!(made.is_empty() || made.ends_with(b"\r\n"));
        }
    }

    #[test]
    fn some_lines_begin_with_dots_are_long_or_have_8_bits() {
        let mut made = Vec::new();
        Body::new(1, 100_000).read_to_end(&mut made).unwrap();
        let text = String::from_utf8_lossy(&made);
        assert!(text.contains("\r\n.") && text.contains("\r\n.."));
        assert!(text.contains("\u{fc}\u{fc}"));
        assert!(text.lines().any(|line| line.len() == 990));
    }

    #[test]
    fn a_message_id_leads_back() {
        let id = message_id("a.b", 7);
        assert_eq!(of_message_id(&id), Some(("a.b", 7)));
        assert_eq!(of_message_id("<07.a.b@generated.localhost>"), None);
        assert_eq!(of_message_id("<x@y>"), None);
        let third = header("a.b", 8, 2);
        assert!(third.contains("References: <6.a.b@generated.localhost>\r\n <7.a.b@"));
        assert!(!header("a.b", 6, 2).contains("References"));
    }
}
