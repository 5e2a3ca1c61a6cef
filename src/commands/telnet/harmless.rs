//! Where the host's words go when nobody has a session: to a file as they are, to a terminal as text.

use std::fs::File;
use std::io::Write;

use proto_transport::{Error, Result};

use crate::direct::Direct;
use crate::save::Sink;

/// Standard output.
pub(super) struct Output {
    file: File,
    /// What is to be shown to a person, and is not whole yet.
    waiting: Vec<u8>,
    is_terminal: bool,
    /// A CR that an LF may follow: together they are the end of a line.
    after_cr: bool,
}

impl Output {
    pub fn stdout() -> Result<Output> {
        let direct = Direct::stdout()?;
        Ok(Output {
            file: direct.file,
            waiting: Vec::new(),
            is_terminal: direct.is_terminal,
            after_cr: false,
        })
    }

    /// Writes the next bytes. Nothing that the host says drives a terminal here.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.is_terminal {
            return self
                .file
                .write_all(bytes)
                .map_err(|error| Error::io("writing to stdout", error));
        }
        let text = self.with_bare_line_ends(bytes);
        let mut sink = Sink::Terminal(&mut self.file, std::mem::take(&mut self.waiting));
        sink.write(&text)?;
        if let Sink::Terminal(_, waiting) = sink {
            self.waiting = waiting;
        }
        Ok(())
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Result<()> {
        let last: &[u8] = if self.after_cr { b"\r" } else { b"" };
        let mut sink = Sink::Terminal(&mut self.file, std::mem::take(&mut self.waiting));
        sink.write(last)?;
        sink.finish()
    }

    /// CR LF as LF, whatever the cuts.
    fn with_bare_line_ends(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            if std::mem::take(&mut self.after_cr) && *byte != b'\n' {
                text.push(b'\r');
            }
            match byte {
                b'\r' => self.after_cr = true,
                byte => text.push(*byte),
            }
        }
        text
    }
}
