//! Both sides at once: what is typed goes to the peer, what the peer says to stdout, whoever speaks
//! first.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use proto_transport::{Connection, Error, Result, NO_CLOSE_NOTIFY};
use serde_json::{json, Map, Value};

use super::hex::dump;
use super::ConsoleArgs;
use crate::cli::CommonArgs;
use crate::direct::Direct;
use crate::save::Sink;
use crate::script::{Received, Saying, Talk};

/// How much is read of the input at once.
const BLOCK: usize = 16 * 1024;

/// While so much waits to be sent, no more is read: memory stays bounded, and whoever writes to us
/// waits in our place.
const ENOUGH: usize = 64 * 1024;

/// Under TLS, how long a peer must be silent before it is told that the input has ended. Up to TLS 1.2
/// whoever hears that drops what was still to be said (RFC 5246 section 7.2.1), and Postfix does so in
/// TLS 1.3 too.
const LULL: Duration = Duration::from_secs(1);

/// Where no end is wanted, a year is long enough.
const LONG: Duration = Duration::from_secs(31_536_000);

/// A console and the peer.
pub struct Console<'c> {
    connection: &'c mut Connection,
    args: &'c ConsoleArgs,
    timeout: Duration,
    is_quiet: bool,
    input: File,
    /// `None` after the end of the input.
    lines: Option<LineEnds>,
    screen: Screen,
    sent: u64,
    /// The peer has said its last.
    is_over: bool,
    /// When to tell the peer that the input has ended.
    farewell: Option<Instant>,
}

impl<'c> Console<'c> {
    /// Takes stdin and stdout.
    pub fn new(
        connection: &'c mut Connection,
        args: &'c ConsoleArgs,
        common: &CommonArgs,
    ) -> Result<Console<'c>> {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        let stdin = stdin.map_err(|error| Error::io("reading stdin", error))?;
        connection.doing("talking");
        Ok(Console {
            connection,
            args,
            timeout: common.connection.timeout,
            is_quiet: common.looking.quiet,
            input: File::from(stdin),
            lines: Some(LineEnds::new(args.line_end())),
            screen: Screen::new(args.hex)?,
            sent: 0,
            is_over: false,
            farewell: None,
        })
    }

    /// How much went and came.
    pub fn counts(&self) -> Map<String, Value> {
        let counts = [("sent", self.sent), ("received", self.screen.received)];
        let counts = counts.into_iter();
        counts
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect()
    }

    /// Talks until the peer has ended, or until it was waited for long enough behind the input.
    pub fn run(&mut self) -> Result<()> {
        // A peer may think for as long as whoever types does; after that, silence has a limit.
        let mut leave = Instant::now() + LONG;
        loop {
            let reads = self.lines.is_some() && self.connection.queued() < ENOUGH;
            let input = self.input.try_clone();
            let input = input.map_err(|error| Error::io("reading stdin", error))?;
            let wake = match self.farewell {
                Some(farewell) if self.connection.queued() == 0 => farewell.min(leave),
                _ => leave,
            };
            let ready = self.connection.wait(reads.then(|| input.as_fd()), wake)?;
            if ready.peer {
                self.hear()?;
                if self.lines.is_none() && self.args.wait.is_none() {
                    leave = Instant::now() + self.timeout;
                }
                self.farewell = self.farewell.map(|_| Instant::now() + self.lull());
            }
            if ready.other && self.read()? {
                leave = Instant::now() + self.args.wait.unwrap_or(self.timeout);
                let tells = !self.args.keep_open;
                self.farewell = tells.then(|| Instant::now() + self.lull());
            }
            if self.is_over {
                return self.leave();
            }
            self.say_farewell();
            if !ready.peer && !ready.other && Instant::now() >= leave {
                return self.waited_enough();
            }
        }
    }

    /// How long the peer must have been silent before it is told that the input has ended.
    fn lull(&self) -> Duration {
        match self.connection.is_encrypted() {
            true => LULL,
            false => Duration::ZERO,
        }
    }

    /// Tells that this was all, when it is time and everything is sent.
    fn say_farewell(&mut self) {
        let is_time = self.farewell.is_some_and(|time| Instant::now() >= time);
        if is_time && self.connection.queued() == 0 {
            self.farewell = None;
            // A peer that went away meanwhile will be heard to have done so.
            let _ = self.connection.end_writing();
        }
    }

    /// Shows what the peer says, or notes that it says no more.
    fn hear(&mut self) -> Result<()> {
        let error = match self.connection.hear() {
            Ok(Some(heard)) => return self.screen.show(heard),
            Ok(None) => {
                self.is_over = true;
                return Ok(());
            }
            Err(error) => error,
        };
        if !self.is_usual(&error) {
            return Err(error);
        }
        if !self.is_quiet {
            crate::warn(&error.to_string());
        }
        self.is_over = true;
        Ok(())
    }

    /// Whether this is how many servers end, vsftpd among them: without close_notify, as
    /// soon as we have ended. In the middle of a line, and where there are no lines, it is a loss.
    fn is_usual(&self, error: &Error) -> bool {
        let is_cut = matches!(error, Error::Closed { why, .. } if why == NO_CLOSE_NOTIFY);
        is_cut && !self.args.raw && self.screen.last == b'\n'
    }

    /// The peer has said its last; what we still have to say it may yet take.
    fn leave(&mut self) -> Result<()> {
        let _ = self.connection.flush();
        self.screen.finish()?;
        if self.lines.is_some() && self.screen.is_terminal && !self.is_quiet {
            crate::note("proto: the peer has closed the connection");
        }
        Ok(())
    }

    fn waited_enough(&mut self) -> Result<()> {
        self.screen.finish()?;
        match self.args.wait {
            Some(_) => Ok(()),
            None => Err(Error::TimedOut {
                peer: self.connection.peer().to_owned(),
                doing: "waiting for the peer to end, as the input has; --wait leaves earlier"
                    .to_owned(),
                after: self.timeout,
            }),
        }
    }

    /// Reads what was typed; whether that was the end.
    fn read(&mut self) -> Result<bool> {
        let mut block = [0; BLOCK];
        let count = match self.input.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            count => count.map_err(|error| Error::io("reading stdin", error))?,
        };
        let Some(lines) = &mut self.lines else {
            return Ok(false);
        };
        let bytes = match count {
            0 => lines.finish(),
            _ => lines.put(block.get(..count).unwrap_or_default()),
        };
        self.screen.sending(self.sent, &bytes)?;
        self.sent += bytes.len() as u64;
        self.connection.say(&bytes)?;
        if count > 0 {
            return Ok(false);
        }
        self.lines = None;
        Ok(true)
    }
}

/// Line ends on their way to the peer.
struct LineEnds {
    end: Option<&'static [u8]>,
    /// The byte before.
    last: u8,
}

impl LineEnds {
    fn new(end: Option<&'static [u8]>) -> LineEnds {
        LineEnds { end, last: b'\n' }
    }

    /// The bytes with the right line ends. A CR alone is left as it is.
    fn put(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(end) = self.end else {
            return bytes.to_vec();
        };
        let mut made = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for byte in bytes {
            match (byte, self.last) {
                // The CR has gone already.
                (b'\n', b'\r') => made.push(b'\n'),
                (b'\n', _) => made.extend_from_slice(end),
                (byte, _) => made.push(*byte),
            }
            self.last = *byte;
        }
        made
    }

    /// The end of a line that has none when the input ends.
    fn finish(&mut self) -> Vec<u8> {
        match self.end {
            Some(end) if self.last != b'\n' => end.to_vec(),
            _ => Vec::new(),
        }
    }
}

/// Where what comes is shown.
struct Screen {
    output: File,
    is_terminal: bool,
    is_hex: bool,
    received: u64,
    /// The last byte that came.
    last: u8,
    /// On a terminal: the beginning of a character, or a CR of which an LF may follow.
    waiting: Vec<u8>,
}

impl Screen {
    fn new(is_hex: bool) -> Result<Screen> {
        let Direct {
            file, is_terminal, ..
        } = Direct::stdout()?;
        Ok(Screen {
            output: file,
            is_terminal,
            is_hex,
            received: 0,
            last: b'\n',
            waiting: Vec::new(),
        })
    }

    fn show(&mut self, heard: &[u8]) -> Result<()> {
        let offset = self.received;
        self.received += heard.len() as u64;
        self.last = heard.last().copied().unwrap_or(self.last);
        match (self.is_hex, self.is_terminal) {
            (true, _) => self.write(dump('<', offset, heard).as_bytes()),
            (false, false) => self.write(heard),
            (false, true) => self.show_person(heard),
        }
    }

    fn sending(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        match self.is_hex {
            true => self.write(dump('>', offset, bytes).as_bytes()),
            false => Ok(()),
        }
    }

    /// For a terminal: line ends are its own, and what could drive it is escaped.
    fn show_person(&mut self, heard: &[u8]) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.waiting);
        bytes.extend_from_slice(heard);
        let cr = bytes.pop_if(|byte| *byte == b'\r');
        let text = without_cr(&bytes);
        let mut sink = Sink::Terminal(&mut self.output, Vec::new());
        sink.write(&text)?;
        if let Sink::Terminal(_, waiting) = sink {
            self.waiting = waiting;
        }
        self.waiting.extend(cr);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        Sink::Terminal(&mut self.output, waiting).finish()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.output.write_all(bytes);
        written.map_err(|error| Error::io("writing to stdout", error))
    }
}

/// Lines that end in LF.
fn without_cr(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            None => text.extend_from_slice(line),
        }
    }
    text
}

/// A connection that a script talks over.
pub struct Line<'c> {
    connection: &'c mut Connection,
    end: &'static [u8],
}

impl<'c> Line<'c> {
    /// Lines end in `end`.
    pub fn new(connection: &'c mut Connection, end: &'static [u8]) -> Line<'c> {
        Line { connection, end }
    }
}

impl Talk for Line<'_> {
    fn peer(&self) -> &str {
        self.connection.peer()
    }

    fn say(&mut self, saying: &Saying<'_>) -> Result<()> {
        let end = if saying.ends_line { self.end } else { b"" };
        match saying.is_secret {
            true => self.connection.say_secret(saying.bytes, end)?,
            false => self.connection.say(&[saying.bytes, end].concat())?,
        }
        self.connection.flush()
    }

    fn hear(&mut self, until: Instant, heard: &mut Vec<u8>) -> Result<Received> {
        loop {
            if self.connection.wait(None, until)?.peer {
                return Ok(match self.connection.hear()? {
                    Some(bytes) => {
                        heard.extend_from_slice(bytes);
                        Received::Bytes
                    }
                    None => Received::End,
                });
            }
            if Instant::now() >= until {
                return Ok(Received::Nothing);
            }
        }
    }

    fn end_saying(&mut self) -> Result<()> {
        self.connection.end_writing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_wanted_at_every_cut() {
        let text = b"a\nb\r\n\nc\rd\n\r\ne";
        for (end, wanted) in [
            (Some(&b"\r\n"[..]), &b"a\r\nb\r\n\r\nc\rd\r\n\r\ne\r\n"[..]),
            (Some(b"\n"), b"a\nb\r\n\nc\rd\n\r\ne\n"),
            (None, text),
        ] {
            for piece in 1..=text.len() {
                let mut lines = LineEnds::new(end);
                let mut made: Vec<u8> = text
                    .chunks(piece)
                    .flat_map(|part| lines.put(part))
                    .collect();
                made.extend(lines.finish());
                assert_eq!(made, wanted, "{piece}");
            }
        }
        let mut lines = LineEnds::new(Some(b"\r\n"));
        assert_eq!(lines.finish(), b"");
        assert_eq!(lines.put(b"a\n"), b"a\r\n");
        assert_eq!(lines.finish(), b"");
    }

    #[test]
    fn a_terminal_has_line_ends_of_its_own() {
        assert_eq!(without_cr(b"a\r\nb\rc\n\r\n"), b"a\nb\rc\n\n");
    }
}
