//! Packed bytes on their way into a decoder.

use std::io::{self, BufRead, ErrorKind, Read};
use std::ops::Range;

/// Packed bytes held by each stage.
const INPUT: usize = 32 * 1024;

/// What a decoder reads from, and can be asked about afterwards.
pub(super) struct Input<'a> {
    source: Box<dyn Read + 'a>,
    bytes: Box<[u8]>,
    unread: Range<usize>,
    ended: bool,
    /// Somebody asked for bytes after the end.
    pub(super) starved: bool,
    /// What the source said; the decoder gets a stand-in for it, since it may wrap its errors.
    pub(super) failure: Option<io::Error>,
}

impl<'a> Input<'a> {
    pub(super) fn new(source: Box<dyn Read + 'a>) -> Input<'a> {
        Input {
            source,
            bytes: vec![0; INPUT].into_boxed_slice(),
            unread: 0..0,
            ended: false,
            starved: false,
            failure: None,
        }
    }

    /// The unread bytes, at least `count` of them unless the source ends before.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.unread.len() < count && !self.ended {
            if self.unread.start > 0 {
                self.bytes.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            }
            let free = self.bytes.get_mut(self.unread.end..).unwrap_or_default();
            match self.source.read(free) {
                Ok(0) => self.ended = true,
                Ok(count) => self.unread.end += count.min(free.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.bytes.get(self.unread.clone()).unwrap_or_default())
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Err(error) = self.peek(1) {
            self.failure = Some(error);
            return Err(io::Error::other("the source failed"));
        }
        self.starved |= self.unread.is_empty();
        Ok(self.bytes.get(self.unread.clone()).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.unread.start = (self.unread.start + count).min(self.unread.end);
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
