//! Sending more than a line: content of a known length, text with a final dot, and many requests
//! ahead of their answers.

use std::collections::VecDeque;
use std::io::{self, Read};

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
        let mut stuffing = Stuffing::default();
        let mut total = 0;
        loop {
            let got = read_some(source, &mut block)?;
            let bytes = block.get(..got).unwrap_or_default();
            total += got as u64;
            let start = self.output.len();
            let fits = match got {
                0 => stuffing.finish(&mut self.output),
                _ => stuffing.push(bytes, &mut self.output),
            };
            if !fits {
                self.cut_short = true;
                return Err(Error::illegal(
                    "the text holds a CR without LF, which cannot be sent in lines",
                ));
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
        let mut unanswered: VecDeque<(R, usize)> = Default::default();
        let mut bytes = 0;
        loop {
            while unanswered.len() < depth.max(1) && bytes < PIPELINE_BYTES {
                let Some(request) = requests.next() else {
                    break;
                };
                let line = request.to_string();
                self.write_line(&line)?;
                bytes += line.len() + 2;
                unanswered.push_back((request, line.len() + 2));
            }
            let Some((request, length)) = unanswered.pop_front() else {
                return Ok(());
            };
            answer(self, request)?;
            bytes = bytes.saturating_sub(length);
        }
    }
}

/// Reads from our own side, where an interruption is no end.
fn read_some(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|error| Error::io("reading what is to be sent", error)),
        }
    }
}

/// Text on its way into lines: dots doubled, line ends made CRLF, across any cut.
#[derive(Default)]
struct Stuffing {
    in_line: bool,
    after_cr: bool,
}

impl Stuffing {
    /// Appends `bytes`; false when they hold a bare CR.
    fn push(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> bool {
        for byte in bytes {
            if self.after_cr && *byte != b'\n' {
                return false;
            }
            match byte {
                b'\r' => self.after_cr = true,
                b'\n' => {
                    output.extend_from_slice(b"\r\n");
                    (self.after_cr, self.in_line) = (false, false);
                }
                _ => {
                    if !self.in_line && *byte == b'.' {
                        output.push(b'.');
                    }
                    output.push(*byte);
                    self.in_line = true;
                }
            }
        }
        true
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> bool {
        if self.in_line {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
        !self.after_cr
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
