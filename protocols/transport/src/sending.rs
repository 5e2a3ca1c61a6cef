//! Sending more than a line: content of a known length, text with a final dot, and many requests
//! ahead of their answers.

use std::collections::VecDeque;
use std::io::{self, Read};

use memchr::memchr2;

use crate::body::error_of;
use crate::connection::{Connection, OUTPUT};
use crate::error::{Error, Result};
use crate::framing::at_most;
use crate::session::Side;

/// What a pipeline may have under way without an answer. Well below the smallest default socket
/// buffers, so neither side can block on writing while the other does too (RFC 2920 section 3.1).
const PIPELINE_BYTES: usize = 8 * 1024;

impl Connection {
    /// Sends exactly `count` bytes of `source`. Returns early, with the number of bytes sent so
    /// far, when the peer answers before it has them all: it may not want the rest
    /// (RFC 9112 section 9.5).
    pub fn send_exactly(&mut self, source: &mut dyn Read, count: u64) -> Result<u64> {
        self.can_say()?;
        let mut block = vec![0; OUTPUT];
        let mut sent = 0;
        while sent < count {
            let wanted = at_most(block.len(), count - sent);
            let part = block.get_mut(..wanted).unwrap_or_default();
            let got = read_some(source, part)?;
            if got == 0 {
                self.cut_short = true;
                return Err(Error::illegal(format!(
                    "what was to be sent ended after {sent} of {count} bytes"
                )));
            }
            let bytes = block.get(..got).unwrap_or_default();
            if let Some(recorder) = &self.recorder {
                recorder.bytes(Side::Client, bytes)?;
            }
            self.output.extend_from_slice(bytes);
            self.flush()?;
            sent += got as u64;
            if sent < count && self.is_answering() {
                self.cut_short = true;
                break;
            }
        }
        Ok(sent)
    }

    /// Sends `source` as lines with dot-stuffing, and the final dot (RFC 5321 section 4.5.2). Line
    /// ends become CRLF; a bare CR cannot be sent. Returns the bytes of `source` that went.
    pub fn send_dotted(&mut self, source: &mut dyn Read) -> Result<u64> {
        self.can_say()?;
        let mut block = vec![0; OUTPUT];
        let mut lines = CanonicalLines::dotted();
        let mut total = 0;
        loop {
            let got = read_some(source, &mut block).inspect_err(|_| self.cut_short = true)?;
            let bytes = block.get(..got).unwrap_or_default();
            total += got as u64;
            let start = self.output.len();
            let fits = match got {
                0 => lines.finish(&mut self.output),
                _ => lines.push(bytes, &mut self.output),
            };
            if fits.is_err() {
                self.give_up_sending();
                return Err(Error::illegal(
                    "the text holds a CR without LF, which cannot be sent in lines",
                ));
            }
            if got == 0 {
                self.output.extend_from_slice(b".\r\n");
            }
            if let Some(recorder) = &self.recorder {
                recorder.bytes(Side::Client, self.output.get(start..).unwrap_or_default())?;
            }
            self.flush_if_large()?;
            if got == 0 {
                return Ok(total);
            }
        }
    }

    /// Queues bytes as they are, for content that was announced by its length.
    pub fn write_block(&mut self, bytes: &[u8]) -> Result<()> {
        self.can_say()?;
        if let Some(recorder) = &self.recorder {
            recorder.bytes(Side::Client, bytes)?;
        }
        self.output.extend_from_slice(bytes);
        self.flush_if_large()
    }

    /// Marks what was begun as never to be finished, so that nothing that follows is taken for it.
    pub fn give_up_sending(&mut self) {
        self.output.clear();
        self.cut_short = true;
    }

    /// Sends requests ahead of their answers, at most `depth` of them and a bounded number of bytes,
    /// reads the answers in order and hands each request back to be answered.
    /// A request's `Display` is its one line.
    pub fn pipeline<R: std::fmt::Display>(
        &mut self,
        depth: usize,
        requests: impl IntoIterator<Item = R>,
        mut answer: impl FnMut(&mut Connection, R) -> Result<()>,
    ) -> Result<()> {
        let mut requests = requests.into_iter();
        let mut pipeline = Pipeline::new(depth);
        loop {
            pipeline.say(self, &mut requests)?;
            let Some(request) = pipeline.next_answered() else {
                return Ok(());
            };
            answer(self, request)?;
        }
    }
}

/// Requests that were made and not yet answered.
#[derive(Debug)]
pub struct Pipeline<R> {
    depth: usize,
    unanswered: VecDeque<(R, usize)>,
    bytes: usize,
}

impl<R: std::fmt::Display> Pipeline<R> {
    /// Room for `depth` requests, at least one.
    pub fn new(depth: usize) -> Pipeline<R> {
        Pipeline {
            depth: depth.max(1),
            unanswered: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Queues requests as long as there is room for them.
    pub fn say(
        &mut self,
        connection: &mut Connection,
        requests: &mut impl Iterator<Item = R>,
    ) -> Result<()> {
        while self.unanswered.len() < self.depth && self.bytes < PIPELINE_BYTES {
            let Some(request) = requests.next() else {
                break;
            };
            let line = request.to_string();
            connection.write_line(&line)?;
            self.bytes += line.len() + 2;
            self.unanswered.push_back((request, line.len() + 2));
        }
        Ok(())
    }

    /// The request that the next answer belongs to.
    pub fn next_answered(&mut self) -> Option<R> {
        let (request, length) = self.unanswered.pop_front()?;
        self.bytes = self.bytes.saturating_sub(length);
        Some(request)
    }
}

/// Reads from our own side, where an interruption is no end. Zero bytes are the end.
pub fn read_some(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|error| error_of(error, "reading what is to be sent")),
        }
    }
}

/// Text on its way to the wire: line ends made CRLF and, if wanted, dots doubled, across any cut.
#[derive(Debug, Default)]
pub struct CanonicalLines {
    stuffs_dots: bool,
    in_line: bool,
    after_cr: bool,
}

/// Text with a CR that no LF follows: what it means depends on who reads it, so it is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareCr;

impl CanonicalLines {
    /// Line ends alone.
    pub fn plain() -> CanonicalLines {
        CanonicalLines::default()
    }

    /// Line ends, and a dot before each dot that begins a line (RFC 5321 section 4.5.2).
    pub fn dotted() -> CanonicalLines {
        CanonicalLines {
            stuffs_dots: true,
            ..CanonicalLines::default()
        }
    }

    /// Appends `bytes` to `output`.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        output: &mut Vec<u8>,
    ) -> std::result::Result<(), BareCr> {
        while let Some(&first) = bytes.first() {
            if self.after_cr && first != b'\n' {
                return Err(BareCr);
            }
            if !self.in_line && first == b'.' && self.stuffs_dots {
                output.push(b'.');
            }
            let end = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            let (text, rest) = bytes.split_at(end);
            output.extend_from_slice(text);
            self.in_line |= !text.is_empty();
            bytes = match rest.split_first() {
                Some((b'\r', rest)) => {
                    self.after_cr = true;
                    rest
                }
                Some((_, rest)) => {
                    output.extend_from_slice(b"\r\n");
                    (self.after_cr, self.in_line) = (false, false);
                    rest
                }
                None => rest,
            };
        }
        Ok(())
    }

    /// Leaves the last line as it is, with an end or without.
    pub fn end(&self) -> std::result::Result<(), BareCr> {
        match self.after_cr {
            true => Err(BareCr),
            false => Ok(()),
        }
    }

    /// Ends the last line if it has no end.
    pub fn finish(&mut self, output: &mut Vec<u8>) -> std::result::Result<(), BareCr> {
        if self.after_cr {
            return Err(BareCr);
        }
        if std::mem::take(&mut self.in_line) {
            output.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::status_reply::{Continuation, StatusReply};

    fn dotted(pieces: &[&[u8]]) -> (Result<u64>, String) {
        struct Pieces<'a>(std::collections::VecDeque<&'a [u8]>);
        impl Read for Pieces<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0
                    .pop_front()
                    .map_or(Ok(0), |mut piece| piece.read(buffer))
            }
        }
        let memory = Memory::new("");
        let said = memory.said();
        let mut connection = Connection::over(memory);
        let pieces = pieces
            .iter()
            .copied()
            .filter(|piece| !piece.is_empty())
            .collect();
        let result = connection.send_dotted(&mut Pieces(pieces));
        if result.is_ok() {
            connection.flush().unwrap();
        }
        (result, said.text())
    }

    #[test]
    fn dots_are_stuffed_at_every_cut() {
        let text = b".\r\n..a\n.b\nc.d\r\n.";
        let expected = "..\r\n...a\r\n..b\r\nc.d\r\n..\r\n.\r\n";
        for cut in 0..=text.len() {
            let (result, said) = dotted(&[&text[..cut], &text[cut..]]);
            assert_eq!(
                (result.unwrap(), said.as_str()),
                (text.len() as u64, expected)
            );
        }
        assert_eq!(dotted(&[]).1, ".\r\n");
    }

    #[test]
    fn a_bare_carriage_return_never_reaches_the_wire() {
        for text in ["a\rb", "a\r", "\r.\r", "\n\r.\r\n"] {
            for cut in 0..=text.len() {
                let (start, end) = text.as_bytes().split_at(cut);
                let (result, said) = dotted(&[start, end]);
                assert!(matches!(result, Err(Error::Illegal { .. })), "{text:?}");
                assert!(!said.contains("\r."), "{said:?}");
            }
        }
    }

    #[test]
    fn pipelines_answer_in_order_and_never_run_ahead_too_far() {
        let replies: String = (0..100).map(|number| format!("250 {number}\r\n")).collect();
        let memory = Memory::in_pieces(replies.split_inclusive('\n'));
        let said = memory.said();
        let mut connection = Connection::over(memory);
        let mut answered = 0;
        connection
            .pipeline(7, 0..100, |connection, number: i32| {
                let reply = StatusReply::read(connection, Continuation::Coded)?;
                assert_eq!(reply.to_string(), format!("250 {number}"));
                let asked = said.text().lines().count();
                assert!(asked <= answered + 7, "{asked} asked, {answered} answered");
                answered += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(answered, 100);
    }

    #[test]
    fn the_bytes_of_a_pipeline_are_bounded_too() {
        let memory = Memory::in_pieces(["250\r\n"; 20]);
        let said = memory.said();
        let mut connection = Connection::over(memory);
        let line = "x".repeat(1_000);
        let mut answered = 0;
        connection
            .pipeline(1_000, vec![line.as_str(); 20], |connection, _| {
                StatusReply::read(connection, Continuation::Coded)?;
                let ahead = said.bytes().len() - answered * 1_002;
                assert!(ahead <= PIPELINE_BYTES + 1_002, "{ahead}");
                answered += 1;
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn sending_stops_when_the_peer_answers_early() {
        let mut connection = Connection::over(Memory::new("413 no\r\n"));
        let sent = connection
            .send_exactly(&mut io::repeat(b'x'), 1 << 30)
            .unwrap();
        assert!(sent < 1 << 20, "{sent}");
        assert_eq!(connection.last_words().as_deref(), Some("413 no"));
        assert!(connection.write_line("more").is_err());
    }

    #[test]
    fn a_source_that_is_too_short_is_an_error() {
        let mut connection = Connection::over(Memory::new(""));
        let error = connection.send_exactly(&mut &b"abc"[..], 4).unwrap_err();
        assert!(error.to_string().contains("3 of 4"), "{error}");
    }
}
