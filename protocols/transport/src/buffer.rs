//! Bytes that were read and not yet used, in one block of memory that grows only while it helps.

use std::io::{self, Read};
use std::ops::Range;

/// Unread bytes.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    unread: Range<usize>,
}

/// Enough for almost every head and line; most connections never need more.
const SMALL: usize = 16 * 1024;

/// With blocks of this size, reading and writing is level with the fastest peers.
const LARGE: usize = 256 * 1024;

impl Buffer {
    /// The bytes that were read and not yet used.
    pub(crate) fn unread(&self) -> &[u8] {
        self.slice(self.unread.clone())
    }

    /// Uses up the first `count` unread bytes.
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.unread.start;
        self.unread.start = (start + count).min(self.unread.end);
        self.slice(start..self.unread.start)
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Reads once. Bytes that were lent before are gone then.
    pub(crate) fn fill_from(&mut self, source: &mut dyn Read) -> io::Result<usize> {
        if self.unread.is_empty() {
            // The last read filled all there was, so the peer has more: larger reads pay.
            if self.unread.end == self.bytes.len() {
                self.grow();
            }
            self.unread = 0..0;
        } else if self.unread.end == self.bytes.len() {
            if self.unread.start > 0 {
                self.bytes.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            }
            if self.unread.end == self.bytes.len() {
                self.grow();
            }
        }
        let free = self.bytes.get_mut(self.unread.end..).unwrap_or_default();
        loop {
            match source.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.unread.end += count;
                    return Ok(count);
                }
            }
        }
    }

    fn grow(&mut self) {
        let size = (self.bytes.len() * 4).max(SMALL);
        // Beyond LARGE only a line that is allowed to be longer needs more.
        let size = if self.unread.is_empty() {
            size.min(LARGE)
        } else {
            size
        };
        self.bytes.resize(size.max(self.bytes.len()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_only_while_the_peer_fills_it() {
        let mut buffer = Buffer::default();
        for size in [SMALL, 4 * SMALL, LARGE, LARGE, LARGE] {
            assert_eq!(buffer.fill_from(&mut io::repeat(1)).unwrap(), size);
            buffer.take(size);
        }
        let mut buffer = Buffer::default();
        for _ in 0..10 {
            buffer.fill_from(&mut &[1; 100][..]).unwrap();
            buffer.take(100);
        }
        assert_eq!(buffer.bytes.len(), SMALL);
    }

    #[test]
    fn unread_bytes_survive_moving_and_growing() {
        let mut buffer = Buffer::default();
        let text: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut source = &text[..];
        let mut seen = Vec::new();
        while buffer.fill_from(&mut source).unwrap() > 0 {
            let half = buffer.unread().len() / 2;
            seen.extend_from_slice(buffer.take(half));
        }
        seen.extend_from_slice(buffer.unread());
        assert_eq!(seen, text);
    }
}
