//! A body on its way: slices of the connection's own buffer, up to an end that is checked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::framing::{Framing, Length, Step};
use crate::session::Side;

/// A body that is being read. It borrows the connection, so that nothing else can be said before it
/// is done; dropped early, it marks the connection as out of step.
pub struct Body<'c, F: Framing> {
    connection: &'c mut Connection,
    framing: F,
    /// Unread bytes that the framing has said are body, and that nobody has taken yet.
    part: usize,
    done: bool,
}

/// Below this, moving bytes unseen costs more than looking at them.
const SPLICE: u64 = 64 * 1024;

impl<'c, F: Framing> Body<'c, F> {
    pub(crate) fn new(connection: &'c mut Connection, framing: F) -> Body<'c, F> {
        Body {
            connection,
            framing,
            part: 0,
            done: false,
        }
    }

    /// How the body is delimited, with what the framing has learned (such as trailers).
    pub fn framing(&self) -> &F {
        &self.framing
    }

    /// The next part of the body, or `None` at its end. Parts are never empty.
    pub fn next_part(&mut self) -> Result<Option<&[u8]>> {
        self.find_part()?;
        match std::mem::take(&mut self.part) {
            0 => Ok(None),
            count => self.lend(count).map(Some),
        }
    }

    fn lend(&mut self, count: usize) -> Result<&[u8]> {
        let part = self.connection.input.take(count);
        if let Some(recorder) = &self.connection.recorder {
            recorder.bytes(Side::Server, part)?;
        }
        Ok(part)
    }

    /// Moves the next part of the body to `file`, inside the kernel where that is possible.
    /// Returns its length, or `None` at the body's end.
    pub fn next_part_to(&mut self, file: &mut File) -> Result<Option<u64>> {
        let at_hand = self.done || self.connection.has_unread();
        if !at_hand && self.framing.opaque() >= SPLICE {
            match self.connection.splice_to(file, self.framing.opaque())? {
                Some(0) => return self.at_close().map(|()| None),
                Some(count) => {
                    self.framing.advance(count);
                    return Ok(Some(count));
                }
                None => {}
            }
        }
        match self.next_part()? {
            Some(part) => {
                file.write_all(part)
                    .map_err(|error| Error::io("writing the file", error))?;
                Ok(Some(part.len() as u64))
            }
            None => Ok(None),
        }
    }

    /// Reads the rest of the body and forgets it, if that is at most `limit` bytes and takes at most
    /// `time`; a longer body costs the connection. Returns whether the end was reached.
    pub fn discard(mut self, limit: u64, time: Duration) -> Result<bool> {
        if self.framing.ends_at_close() {
            return Ok(false);
        }
        let silence = self.connection.silence();
        self.connection.set_silence(silence.min(time));
        let result = self.pass_over(limit, Instant::now() + time);
        self.connection.set_silence(silence);
        result
    }

    fn pass_over(&mut self, limit: u64, end: Instant) -> Result<bool> {
        let mut left = limit;
        while let Some(part) = self.next_part()? {
            match left.checked_sub(part.len() as u64) {
                Some(rest) if Instant::now() < end => left = rest,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Finds the next part; there is none when the body is done.
    fn find_part(&mut self) -> Result<()> {
        while !self.done && self.part == 0 {
            let unread = self.connection.input.unread();
            let step = self.framing.step(unread);
            let step = step.map_err(|broken| {
                self.connection.out_of_step = true;
                let unread = self.connection.input.unread();
                self.connection.malformed(broken.0, unread)
            })?;
            match step {
                Step::Take(count) => self.part = count,
                Step::Skip(count) => {
                    self.record_framing(count)?;
                    self.connection.input.take(count);
                }
                Step::End(count) => {
                    self.record_framing(count)?;
                    self.connection.input.take(count);
                    self.done = true;
                }
                Step::More => {
                    if self.connection.fill()? == 0 {
                        self.at_close()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn at_close(&mut self) -> Result<()> {
        self.connection.out_of_step = true;
        if self.framing.ends_at_close() {
            self.done = true;
            return Ok(());
        }
        let why = match self.framing.remaining() {
            Some(left) => format!("{left} bytes are missing"),
            None => "its end is missing".to_owned(),
        };
        Err(self.connection.closed(why))
    }

    fn record_framing(&self, count: usize) -> Result<()> {
        match &self.connection.recorder {
            Some(recorder) => {
                let unread = self.connection.input.unread();
                recorder.bytes(Side::Server, unread.get(..count).unwrap_or_default())
            }
            None => Ok(()),
        }
    }
}

impl Connection {
    /// Reads exactly so many bytes into memory, where the caller knows them to be few.
    pub fn read_block(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut block = Vec::new();
        let mut body = self.body(Length::new(count));
        while let Some(part) = body.next_part()? {
            block.extend_from_slice(part);
        }
        Ok(block)
    }
}

/// For decoders and parsers that read. A connection's error comes out as an [`io::Error`] that
/// [`error_of`] turns back.
impl<F: Framing> Read for Body<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.find_part().map_err(io::Error::other)?;
        let count = self.part.min(buffer.len());
        self.part -= count;
        self.lend(count).map_err(io::Error::other)?.read(buffer)
    }
}

/// The workspace's error inside an [`io::Error`] that came through [`Read`], or the error itself.
pub fn error_of(error: io::Error, doing: &str) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(doing, error),
    }
}

impl<F: Framing> Drop for Body<'_, F> {
    fn drop(&mut self) {
        self.connection.out_of_step |= !self.done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Dotted, UntilClose};
    use crate::memory::Memory;

    fn whole(mut body: Body<'_, impl Framing>) -> Result<String> {
        let mut text = Vec::new();
        while let Some(part) = body.next_part()? {
            assert!(!part.is_empty());
            text.extend_from_slice(part);
        }
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let text = b"+OK\r\na\r\n..b\r\n.\r\n+OK two\r\n";
        for piece in 1..=text.len() {
            let mut connection = Connection::over(Memory::in_pieces(text.chunks(piece)));
            connection.read_line().unwrap();
            let body = connection.body(Dotted::default());
            assert_eq!(whole(body).unwrap(), "a\r\n.b\r\n");
            assert_eq!(connection.read_line().unwrap(), b"+OK two");
        }
    }

    #[test]
    fn reading_into_any_buffer_gives_the_same() {
        for size in 1..8 {
            let mut connection = Connection::over(Memory::in_pieces(["a\r\n..", "b\r\n.\r\nrest"]));
            let mut body = connection.body(Dotted::default());
            let (mut text, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                match body.read(&mut buffer).unwrap() {
                    0 => break,
                    count => text.extend_from_slice(&buffer[..count]),
                }
            }
            assert_eq!(text, b"a\r\n.b\r\n");
            drop(body);
            assert!(!connection.out_of_step);
            assert_eq!(connection.input.unread(), b"rest");
        }
    }

    #[test]
    fn a_block_is_as_long_as_it_is_said_to_be() {
        let mut connection = Connection::over(Memory::in_pieces(["ab", "cdef"]));
        assert_eq!(connection.read_block(3).unwrap(), b"abc");
        assert_eq!(connection.read_block(0).unwrap(), b"");
        assert_eq!(connection.read_block(3).unwrap(), b"def");
        assert!(connection.read_block(1).is_err());
    }

    #[test]
    fn an_end_in_the_middle_is_never_the_end() {
        let mut connection = Connection::over(Memory::new("abc"));
        let error = whole(connection.body(Length::new(5))).unwrap_err();
        assert!(error.to_string().contains("2 bytes are missing"), "{error}");
        let mut connection = Connection::over(Memory::new("abc\r\n"));
        let error = whole(connection.body(Dotted::default())).unwrap_err();
        assert!(matches!(error, Error::Closed { .. }));
        let mut connection = Connection::over(Memory::new("abc"));
        assert_eq!(whole(connection.body(UntilClose)).unwrap(), "abc");
    }

    #[test]
    fn a_body_dropped_early_puts_the_connection_out_of_step() {
        let mut connection = Connection::over(Memory::new("abcdef+OK\r\n"));
        let mut body = connection.body(Length::new(6));
        body.read_exact(&mut [0; 2]).unwrap();
        drop(body);
        assert!(matches!(connection.read_line(), Err(Error::Illegal { .. })));
        assert!(matches!(
            connection.write_line("NOOP"),
            Err(Error::Illegal { .. })
        ));
        assert!(!connection.is_reusable());
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_body_that_ends_with_the_connection_is_never_worth_reading() {
        let mut connection = Connection::over(Memory::new("abc"));
        assert!(!connection.body(UntilClose).discard(100, SOON).unwrap());
    }

    #[test]
    fn only_a_short_rest_is_worth_reading() {
        let mut connection = Connection::over(Memory::new("abcdef+OK\r\n"));
        assert!(connection.body(Length::new(6)).discard(6, SOON).unwrap());
        assert_eq!(connection.read_line().unwrap(), b"+OK");
        let mut connection = Connection::over(Memory::new("abcdef"));
        assert!(!connection.body(Length::new(6)).discard(5, SOON).unwrap());
        assert!(!connection.is_reusable());
    }

    #[test]
    fn a_broken_framing_is_the_peers_fault() {
        struct Broken;
        impl Framing for Broken {
            fn step(&mut self, _: &[u8]) -> std::result::Result<Step, crate::framing::Violation> {
                Err(crate::framing::Violation("a rule"))
            }
        }
        let mut connection = Connection::over(Memory::new("\x1b["));
        let error = whole(connection.body(Broken)).unwrap_err();
        assert!(
            matches!(&error, Error::Malformed { rule, .. } if rule == "a rule"),
            "{error}"
        );
    }
}
