//! Messages that are made while they are sent: the same each time, no two alike, and never in
//! memory as a whole.

use std::io::{self, Read};

/// One such message, to be read once.
pub(crate) struct Generated {
    number: u32,
    /// What is still to be made.
    left: u64,
    lines: u64,
    /// What is made and not yet read.
    made: Vec<u8>,
    read: usize,
}

/// A line with its CRLF.
const LINE: u64 = 72;

/// How much is made at once.
const PIECE: usize = 8 * 1024;

/// What lines are cut from, beginning at one of its first 72 octets.
const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog and then sleeps in the sun; \
    the quick brown fox jumps over the lazy dog and then sleeps in the sun; ";

impl Generated {
    /// The message of this number, with so many octets, or as many as it needs at least.
    pub fn new(number: u32, size: usize) -> Generated {
        let header = header(number);
        Generated {
            number,
            left: octets(number, size).saturating_sub(header.len() as u64),
            lines: 0,
            made: header.into_bytes(),
            read: 0,
        }
    }

    /// A line of the body. The last has what is left, which is no line end alone.
    fn make_line(&mut self) {
        let length = match self.left {
            left if left >= LINE + 2 => LINE,
            left => left,
        };
        self.left -= length;
        let text = usize::try_from(length.saturating_sub(2)).unwrap_or(0);
        let seed = u64::from(self.number) * 31 + self.lines * 7;
        let start = usize::try_from(seed % LINE).unwrap_or(0);
        let at = self.made.len();
        let words = TEXT.get(start..start + text).unwrap_or(TEXT);
        self.made.extend_from_slice(words);
        // Now and then a line begins with a dot.
        if let (9, Some(first)) = (self.lines % 10, self.made.get_mut(at)) {
            *first = b'.';
        }
        self.made.extend_from_slice(b"\r\n");
        self.lines += 1;
    }
}

/// How many octets a message has.
pub(crate) fn octets(number: u32, size: usize) -> u64 {
    let header = header(number).len() as u64;
    match (size as u64).checked_sub(header) {
        None | Some(0) => header,
        // There is no line of one octet.
        Some(1) => header + 2,
        Some(body) => header + body,
    }
}

fn header(number: u32) -> String {
    let (minute, second) = (number / 60 % 60, number % 60);
    format!(
        "From: Generator <generator@localhost>\r\n\
        To: Reader <reader@localhost>\r\n\
        Subject: Message {number}\r\n\
        Date: Thu, 01 Jan 2026 12:{minute:02}:{second:02} +0000\r\n\
        Message-ID: <{number}.generated@localhost>\r\n\r\n"
    )
}

impl Read for Generated {
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

    fn message(number: u32, size: usize) -> String {
        let mut text = String::new();
        let mut reader = Generated::new(number, size);
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, octets(number, size));
        text
    }

    #[test]
    fn messages_have_their_size_and_are_the_same_each_time() {
        let header = header(7).len();
        for size in (header..header + 200).chain([1000, 100_000]) {
            let text = message(7, size);
            assert!(text.ends_with("\r\n"));
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
            let expected = if size == header + 1 { size + 1 } else { size };
            assert_eq!(text.len(), expected);
        }
        assert_eq!(message(7, 0).len(), header);
        assert_eq!(message(7, 5000), message(7, 5000));
        assert_ne!(message(7, 5000), message(8, 5000));
        assert!(message(7, 5000).contains("\r\n."));
    }
}
