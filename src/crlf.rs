//! Text on its way to a server that wants CRLF, while its size is counted before it is sent.

use std::io::{self, Read};

/// How much is read at a time.
const BLOCK: usize = 32 * 1024;

/// Reads a text whose lines end in CRLF or LF as one whose lines end in CRLF. A CR alone stays.
pub struct Crlf<R> {
    source: R,
    block: Vec<u8>,
    /// What of the block is still to be given out.
    left: std::ops::Range<usize>,
    /// The byte before.
    last: u8,
    /// The CR of this LF is given out.
    has_cr: bool,
}

impl<R: Read> Crlf<R> {
    /// Reads `source`.
    pub fn new(source: R) -> Crlf<R> {
        Crlf {
            source,
            block: vec![0; BLOCK],
            left: 0..0,
            last: 0,
            has_cr: false,
        }
    }
}

impl<R: Read> Read for Crlf<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            self.left = 0..self.source.read(&mut self.block)?;
        }
        let mut given = 0;
        while let Some(room) = out.get_mut(given..).filter(|room| !room.is_empty()) {
            let bytes = self.block.get(self.left.clone()).unwrap_or_default();
            let Some(first) = bytes.first() else {
                break;
            };
            if *first == b'\n' && self.last != b'\r' && !self.has_cr {
                self.has_cr = true;
                if let Some(byte) = room.first_mut() {
                    *byte = b'\r';
                }
                given += 1;
                continue;
            }
            // The line end that comes first, and what follows up to the next.
            let line = memchr::memchr(b'\n', bytes.get(1..).unwrap_or_default());
            let length = line.map_or(bytes.len(), |at| at + 1).min(room.len());
            let (target, part) = (room.get_mut(..length), bytes.get(..length));
            if let (Some(target), Some(part)) = (target, part) {
                target.copy_from_slice(part);
                self.last = part.last().copied().unwrap_or_default();
            }
            self.has_cr = false;
            self.left.start += length;
            given += length;
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slowly<'s>(&'s [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(1);
            self.0.read(&mut out[..most])
        }
    }

    fn converted(text: &[u8], piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut reader = Crlf::new(Slowly(text));
        let mut buffer = vec![0; piece];
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return all,
                got => all.extend_from_slice(&buffer[..got]),
            }
        }
    }

    #[test]
    fn every_line_ends_in_crlf() {
        for (text, wanted) in [
            ("", ""),
            ("a", "a"),
            ("\n", "\r\n"),
            ("\r\n", "\r\n"),
            ("a\nb\r\nc", "a\r\nb\r\nc"),
            ("\n\n\r\n\n", "\r\n\r\n\r\n\r\n"),
            ("a\rb\r\r\n\r", "a\rb\r\r\n\r"),
        ] {
            for piece in 1..5 {
                assert_eq!(
                    converted(text.as_bytes(), piece),
                    wanted.as_bytes(),
                    "{text:?}"
                );
            }
            let mut all = Vec::new();
            Crlf::new(text.as_bytes()).read_to_end(&mut all).unwrap();
            assert_eq!(all, wanted.as_bytes());
        }
    }

    #[test]
    fn cuts_do_not_matter() {
        for shift in 0..4 {
            let text = "x".repeat(BLOCK - shift) + "\r\ny\nz" + &"\n".repeat(BLOCK);
            let mut all = Vec::new();
            Crlf::new(text.as_bytes()).read_to_end(&mut all).unwrap();
            let wanted = text.replace("\r\n", "\n").replace('\n', "\r\n");
            assert!(all == wanted.as_bytes(), "{shift}");
        }
    }
}
