//! Who said what, after decryption and after redaction.
//!
//! A [`Transcript`] is shared by all connections of a command. Each connection records through a
//! [`Recorder`] of its own; each sink (a session file, the terminal) sees whole steps in order.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::session::{is_plain, Side, Step, SECRET};

/// Where steps go.
pub trait Sink: Send {
    /// Takes one step of the connection with this number (from 1).
    fn step(&mut self, connection: usize, step: &Step) -> io::Result<()>;
}

/// The record of a command's conversations.
#[derive(Clone)]
pub struct Transcript {
    shared: Arc<Mutex<Shared>>,
    show_secrets: bool,
}

struct Shared {
    sinks: Vec<Box<dyn Sink>>,
    connections: usize,
}

impl Transcript {
    /// A transcript that goes to these sinks. Secrets are blanked unless `show_secrets`.
    pub fn new(sinks: Vec<Box<dyn Sink>>, show_secrets: bool) -> Transcript {
        Transcript {
            shared: Arc::new(Mutex::new(Shared {
                sinks,
                connections: 0,
            })),
            show_secrets,
        }
    }

    /// The record of one more connection.
    pub fn recorder(&self) -> Recorder {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.connections += 1;
        Recorder {
            transcript: self.clone(),
            connection: shared.connections,
            held: RefCell::default(),
        }
    }
}

/// The record of one connection.
pub struct Recorder {
    transcript: Transcript,
    connection: usize,
    /// The beginning of a line of which the rest may still come, and whose it is.
    held: RefCell<Option<(Side, Vec<u8>)>>,
}

/// Bytes of a body that stand in one line of a transcript at most.
const PIECE: usize = 1024;

impl Recorder {
    /// Records a line, given without its line end.
    pub fn line(&self, side: Side, line: &[u8]) -> Result<()> {
        match is_plain(line) {
            Some(text) => self.step(&Step::Line(side, text.to_owned())),
            None => self.step(&Step::Bytes(side, [line, b"\r\n"].concat())),
        }
    }

    /// Records a line that ends in a secret: only what stands before it is shown.
    pub fn secret_line(&self, side: Side, shown: &[u8], secret: &[u8]) -> Result<()> {
        if self.transcript.show_secrets {
            self.line(side, &[shown, secret].concat())
        } else {
            self.line(side, &[shown, SECRET.as_bytes()].concat())
        }
    }

    /// Records a part of a body, a line of the transcript for each of its lines.
    pub fn bytes(&self, side: Side, bytes: &[u8]) -> Result<()> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in line.chunks(PIECE) {
                self.step(&Step::Bytes(side, piece.to_vec()))?;
            }
        }
        Ok(())
    }

    /// Records bytes that come in any cut: whole lines as lines. What is left of a line waits for its
    /// end, or until something else is recorded.
    pub fn stream(&self, side: Side, bytes: &[u8]) -> Result<()> {
        let mut held = match self.held.take() {
            Some((holder, held)) if holder == side => held,
            other => {
                self.held.replace(other);
                self.settle()?;
                Vec::new()
            }
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            held.extend_from_slice(part);
            if let Some(line) = held.strip_suffix(b"\r\n") {
                self.line(side, line)?;
            } else if held.ends_with(b"\n") || held.len() > PIECE {
                self.bytes(side, &held)?;
            } else {
                continue;
            }
            held.clear();
        }
        if !held.is_empty() {
            self.held.replace(Some((side, held)));
        }
        Ok(())
    }

    /// Records what is held.
    fn settle(&self) -> Result<()> {
        match self.held.take() {
            Some((side, held)) => self.bytes(side, &held),
            None => Ok(()),
        }
    }

    /// Records anything else.
    pub fn step(&self, step: &Step) -> Result<()> {
        self.settle()?;
        let shared = &self.transcript.shared;
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in &mut shared.sinks {
            sink.step(self.connection, step)
                .map_err(|error| Error::io("writing the transcript", error))?;
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // A prompt that nobody answered. Nobody is left to hear of a failure.
        let _ = self.settle();
    }
}

/// Writes the session form. Connections that take turns are told apart by notes.
pub struct SessionWriter<W> {
    output: W,
    current: usize,
}

impl<W: Write + Send> SessionWriter<W> {
    /// Writes to `output`, after the comment lines of `header`.
    pub fn new(mut output: W, header: &str) -> io::Result<SessionWriter<W>> {
        for line in header.lines() {
            writeln!(output, "# {}", crate::escape::escaped(line.as_bytes()))?;
        }
        Ok(SessionWriter { output, current: 1 })
    }
}

impl<W: Write + Send> Sink for SessionWriter<W> {
    fn step(&mut self, connection: usize, step: &Step) -> io::Result<()> {
        if connection != self.current {
            self.current = connection;
            writeln!(self.output, "{}", Step::Connection(connection))?;
        }
        writeln!(self.output, "{step}")?;
        // A conversation that hangs or is killed is the one that is wanted most.
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn recorded(show_secrets: bool, record: impl Fn(&Transcript)) -> String {
        let output = Shared::default();
        let writer = SessionWriter::new(output.clone(), "proto \x1btest").unwrap();
        record(&Transcript::new(vec![Box::new(writer)], show_secrets));
        let bytes = output.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_recorded_can_be_read_back() {
        let text = recorded(false, |transcript| {
            let recorder = transcript.recorder();
            recorder.line(Side::Server, b"+OK \x1b[2J").unwrap();
            recorder
                .secret_line(Side::Client, b"PASS ", b"hunter2")
                .unwrap();
            recorder.bytes(Side::Server, b"one\n\0two").unwrap();
        });
        assert_eq!(
            text,
            "# proto \\x1btest\nS| +OK \\x1b[2J\\r\\n\nC: PASS (secret)\nS| one\\n\nS| \\x00two\n"
        );
        assert_eq!(Session::parse(&text).unwrap().steps.len(), 4);
    }

    #[test]
    fn any_cut_gives_the_same_record() {
        let heard = b"+OK one\r\nbare\nlogin: ";
        for piece in 1..=heard.len() {
            let text = recorded(false, |transcript| {
                let recorder = transcript.recorder();
                for part in heard.chunks(piece) {
                    recorder.stream(Side::Server, part).unwrap();
                }
                recorder.stream(Side::Client, b"fr").unwrap();
                recorder.stream(Side::Client, b"ed\r\n").unwrap();
                recorder.stream(Side::Server, b"Password:").unwrap();
            });
            let lines: Vec<&str> = text.lines().skip(1).collect();
            let wanted = [
                "S: +OK one",
                "S| bare\\n",
                "S| login:\\x20",
                "C: fred",
                "S| Password:",
            ];
            assert_eq!(lines, wanted, "{piece}");
        }
    }

    #[test]
    fn secrets_are_shown_only_when_asked_for() {
        let record = |transcript: &Transcript| {
            let recorder = transcript.recorder();
            recorder
                .secret_line(Side::Client, b"PASS ", b"hunter2")
                .unwrap();
        };
        assert!(!recorded(false, record).contains("hunter2"));
        assert!(recorded(true, record).contains("PASS hunter2"));
    }

    #[test]
    fn connections_that_take_turns_are_told_apart() {
        let text = recorded(false, |transcript| {
            let (one, two) = (transcript.recorder(), transcript.recorder());
            one.line(Side::Client, b"a").unwrap();
            two.line(Side::Client, b"b").unwrap();
            two.line(Side::Client, b"c").unwrap();
            one.line(Side::Client, b"d").unwrap();
        });
        let session = Session::parse(&text).unwrap();
        let lengths: Vec<usize> = session.connections().iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2]);
    }
}
