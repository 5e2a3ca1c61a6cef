//! A conversation with one peer: lines, bodies and TLS, with limits, deadlines and a transcript as
//! layers below the verbs. This is all that a protocol's client touches.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;

use crate::body::Body;
use crate::buffer::Buffer;
use crate::error::{excerpt, Error, Refusal, Result};
use crate::escape::escaped;
use crate::framing::Framing;
use crate::limits::{Limits, Timeouts};
use crate::session::Side;
use crate::socket::SpliceTarget;
use crate::stream::Stream;
use crate::tls::{Tls, TlsFacts};
use crate::tls_stream::BrokenRecord;
use crate::transcript::Recorder;

/// How a connection came to be.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The endpoint, as `host:port`.
    pub peer: String,
    /// The name that its certificate must carry.
    pub host: String,
    /// The address that accepted.
    pub address: Option<String>,
    /// Our own address; `None` on a Unix socket.
    pub local: Option<std::net::IpAddr>,
    /// The proxy that lies between.
    pub proxy: Option<String>,
    /// How long resolving took.
    pub resolve: Duration,
    /// How long connecting took, with the proxy's part.
    pub connect: Duration,
    /// How long the TLS handshake took.
    pub handshake: Option<Duration>,
    /// What the TLS handshake told.
    pub tls: Option<TlsFacts>,
}

/// A conversation with one peer.
pub struct Connection {
    /// `None` only while TLS takes the stream over, and after that failed.
    pub(crate) stream: Option<Box<dyn Stream>>,
    pub(crate) input: Buffer,
    pub(crate) output: Vec<u8>,
    doing: Cow<'static, str>,
    facts: Facts,
    pub(crate) timeouts: Timeouts,
    limits: Limits,
    pub(crate) tls: Arc<Tls>,
    pub(crate) recorder: Option<Recorder>,
    secret_replies: &'static [&'static str],
    /// A body was not read to its end, so nobody knows what the next bytes mean.
    pub(crate) out_of_step: bool,
    /// Something was not sent to its end, so the peer would not understand what we say next. It
    /// may still be heard.
    pub(crate) cut_short: bool,
    /// Bytes that were ever read.
    heard: u64,
    /// The peer has said that no more will come.
    pub(crate) heard_end: bool,
    /// Since when the peer has taken nothing of what is queued.
    pub(crate) stuck: Option<Instant>,
}

/// Output that waits for a flush is written when it reaches this, so that memory stays bounded.
pub(crate) const OUTPUT: usize = 64 * 1024;

/// How long the last words of a peer that hung up may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Connection {
    /// A conversation over any stream, with the default policy.
    pub fn over(stream: impl Stream + 'static) -> Connection {
        Connection::new(
            Box::new(stream),
            Facts {
                peer: "peer".to_owned(),
                ..Facts::default()
            },
            Timeouts::default(),
            Limits::default(),
            Arc::default(),
            None,
        )
    }

    pub(crate) fn new(
        stream: Box<dyn Stream>,
        facts: Facts,
        timeouts: Timeouts,
        limits: Limits,
        tls: Arc<Tls>,
        recorder: Option<Recorder>,
    ) -> Connection {
        Connection {
            stream: Some(stream),
            input: Buffer::default(),
            output: Vec::new(),
            doing: Cow::Borrowed("talking"),
            facts,
            timeouts,
            limits,
            tls,
            recorder,
            secret_replies: &[],
            out_of_step: false,
            cut_short: false,
            heard: 0,
            heard_end: false,
            stuck: None,
        }
    }

    /// How the connection came to be.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// The endpoint, as errors name it.
    pub fn peer(&self) -> &str {
        &self.facts.peer
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Changes how long silence may last, for a step that may take longer.
    pub fn set_silence(&mut self, silence: Duration) {
        self.timeouts.silence = silence;
    }

    /// How long silence may last.
    pub fn silence(&self) -> Duration {
        self.timeouts.silence
    }

    /// Whether what we write is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.stream.as_ref().is_some_and(|s| s.is_encrypted())
    }

    /// Names what comes next, for errors: "reading the greeting".
    pub fn doing(&mut self, what: impl Into<Cow<'static, str>>) {
        self.doing = what.into();
    }

    /// Lines of the peer that start so (in any case) hold a secret after that, which the
    /// transcript blanks.
    pub fn blank_replies(&mut self, prefixes: &'static [&'static str]) {
        self.secret_replies = prefixes;
    }

    // --- reading ---

    /// Reads one line, given without its CRLF (or bare LF). Its length is bounded.
    pub fn read_line(&mut self) -> Result<&[u8]> {
        self.in_step()?;
        let mut seen = 0;
        let length = loop {
            let unread = self.input.unread();
            match memchr(b'\n', unread.get(seen..).unwrap_or_default()) {
                Some(at) => break seen + at,
                None => seen = unread.len(),
            }
            if seen > self.limits.line.saturating_add(2) {
                return Err(line_too_long(&self.facts, &self.limits));
            }
            if self.fill()? == 0 {
                return Err(self.closed("the connection ended in the middle"));
            }
        };
        let line = self.input.take(length + 1);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.limits.line {
            return Err(line_too_long(&self.facts, &self.limits));
        }
        if let Some(recorder) = &self.recorder {
            record_reply(recorder, self.secret_replies, line)?;
        }
        Ok(line)
    }

    /// Reads a line that may be longer than the limit of lines: it comes in parts then, and `true`
    /// says that its end has come. A part never ends in a CR that could belong to the line end.
    pub fn read_line_part(&mut self) -> Result<(&[u8], bool)> {
        self.in_step()?;
        let mut seen = 0;
        let (length, is_end) = loop {
            let unread = self.input.unread();
            match memchr(b'\n', unread.get(seen..).unwrap_or_default()) {
                Some(at) => break (seen + at + 1, true),
                None => seen = unread.len(),
            }
            if seen > self.limits.line {
                break (seen - usize::from(unread.ends_with(b"\r")), false);
            }
            if self.fill()? == 0 {
                return Err(self.closed("the connection ended in the middle"));
            }
        };
        let part = self.input.take(length);
        if !is_end {
            if let Some(recorder) = &self.recorder {
                recorder.bytes(Side::Server, part)?;
            }
            return Ok((part, false));
        }
        let line = part.strip_suffix(b"\n").unwrap_or(part);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(recorder) = &self.recorder {
            record_reply(recorder, self.secret_replies, line)?;
        }
        Ok((line, true))
    }

    /// Reads more bytes; 0 is the end of the stream. What is queued is sent first: the peer may be
    /// waiting for it.
    pub(crate) fn fill(&mut self) -> Result<usize> {
        self.flush()?;
        self.receive()
    }

    /// The same, while something may still be queued.
    pub(crate) fn receive(&mut self) -> Result<usize> {
        let count = self.wait_for(|stream, input| input.fill_from(stream))?;
        self.heard = self.heard.saturating_add(count as u64);
        Ok(count)
    }

    /// The one place where we wait for the peer: under a deadline, and with errors that say who and
    /// what.
    pub(crate) fn wait_for<T>(
        &mut self,
        act: impl FnOnce(&mut Box<dyn Stream>, &mut Buffer) -> io::Result<T>,
    ) -> Result<T> {
        let deadline = self.timeouts.end_of(self.timeouts.silence);
        let started = Instant::now();
        let Some(stream) = &mut self.stream else {
            return Err(self.closed("the connection is gone"));
        };
        stream.set_deadline(Some(deadline));
        act(stream, &mut self.input).map_err(|error| self.broken(started, error))
    }

    /// How many bytes were ever read; those that were moved unseen do not count.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Whether there are bytes that were read and not yet used.
    pub fn has_unread(&self) -> bool {
        !self.input.unread().is_empty()
    }

    /// How many bytes were read and not yet used.
    pub fn unread(&self) -> usize {
        self.input.unread().len()
    }

    /// Fails if the peer has said something before it was asked, which could pass for the answer to
    /// the next command. For use before each command that is not pipelined.
    pub fn expect_quiet(&self) -> Result<()> {
        match self.input.unread() {
            [] => Ok(()),
            unread => Err(self.malformed("the peer speaks only when asked", unread)),
        }
    }

    /// The body that comes next.
    pub fn body<F: Framing>(&mut self, framing: F) -> Body<'_, F> {
        Body::new(self, framing)
    }

    /// Moves bytes from the stream to a file unseen; `None` where that cannot be done.
    pub(crate) fn splice_to(&mut self, file: &std::fs::File, count: u64) -> Result<Option<u64>> {
        let can = self.recorder.is_none() && self.input.unread().is_empty();
        if !can {
            return Ok(None);
        }
        self.flush()?;
        self.wait_for(|stream, _| stream.splice_to(file, count))
    }

    /// Whether another request may be made: the last body was read to its end, nothing came
    /// unasked, and the peer has not hung up.
    pub fn is_reusable(&mut self) -> bool {
        self.is_in_step() && self.stream.is_some() && !self.has_unread() && !self.is_answering()
    }

    /// Whether the peer has something for us that was not read yet: bytes, an end or an error.
    pub(crate) fn is_answering(&mut self) -> bool {
        self.stream
            .as_mut()
            .is_some_and(|stream| stream.is_readable())
    }

    /// Urgent data stays in its place among the rest.
    pub fn keep_urgent_in_place(&mut self) -> Result<()> {
        match &mut self.stream {
            Some(stream) => stream
                .keep_urgent_in_place()
                .map_err(|error| self.closed(error.to_string())),
            None => Ok(()),
        }
    }

    /// Whether everything was sent and every body was read to its end.
    pub fn is_in_step(&self) -> bool {
        !self.out_of_step && !self.cut_short
    }

    /// Whether the conversation is recorded.
    pub fn is_recorded(&self) -> bool {
        self.recorder.is_some()
    }

    /// What a peer said before it hung up, when sending failed: an early reply that explains why.
    pub fn last_words(&mut self) -> Option<String> {
        self.output.clear();
        let silence = std::mem::replace(&mut self.timeouts.silence, LAST_WORDS);
        let line = self.read_line().ok().map(escaped);
        self.timeouts.silence = silence;
        line
    }

    // --- writing ---

    /// Queues a line; CRLF is added. This is the one gate for all that is said in lines: a line
    /// with CR, LF or NUL in it is refused, because the peer would see another command.
    pub fn write_line(&mut self, line: impl AsRef<[u8]>) -> Result<()> {
        let line = line.as_ref();
        self.queue_line(line, b"")?;
        match &self.recorder {
            Some(recorder) => recorder.line(Side::Client, line),
            None => Ok(()),
        }
    }

    /// Queues a line that ends in a secret. The transcript shows a placeholder for it.
    pub fn write_secret_line(
        &mut self,
        shown: impl AsRef<[u8]>,
        secret: impl AsRef<[u8]>,
    ) -> Result<()> {
        let (shown, secret) = (shown.as_ref(), secret.as_ref());
        self.queue_line(shown, secret)?;
        match &self.recorder {
            Some(recorder) => recorder.secret_line(Side::Client, shown, secret),
            None => Ok(()),
        }
    }

    /// Queues bytes of which the second part is a secret, for the few protocols without lines.
    pub(crate) fn send_secret(&mut self, shown: &[u8], secret: &[u8]) -> Result<()> {
        self.can_say()?;
        self.output.extend_from_slice(shown);
        self.output.extend_from_slice(secret);
        match &self.recorder {
            Some(recorder) => recorder.secret_line(Side::Client, shown, secret),
            None => Ok(()),
        }
    }

    /// Queues bytes that the transcript does not show; [`Connection::record_secret`] says once that
    /// there was something.
    pub fn say_hidden(&mut self, bytes: &[u8]) -> Result<()> {
        self.can_say()?;
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Shows a placeholder for a line that was hidden, for conversations in which a secret is said
    /// piece by piece.
    pub fn record_secret(&mut self, secret: &[u8]) -> Result<()> {
        match &self.recorder {
            Some(recorder) => recorder.secret_line(Side::Client, b"", secret),
            None => Ok(()),
        }
    }

    fn queue_line(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        self.can_say()?;
        if [start, end]
            .concat()
            .iter()
            .any(|byte| matches!(byte, b'\r' | b'\n' | 0))
        {
            return Err(Error::illegal(format!(
                "a line that is sent cannot hold CR, LF or NUL (while {}): \"{}\"",
                self.doing,
                excerpt(start)
            )));
        }
        self.output.extend_from_slice(start);
        self.output.extend_from_slice(end);
        self.output.extend_from_slice(b"\r\n");
        self.flush_if_large()
    }

    pub(crate) fn flush_if_large(&mut self) -> Result<()> {
        if self.output.len() >= OUTPUT {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what is queued. After an error nothing is queued any more: what the peer did not take
    /// now it must not get later, out of its place.
    pub fn flush(&mut self) -> Result<()> {
        let mut queued = std::mem::take(&mut self.output);
        let sent = self.send_all(&queued);
        queued.clear();
        self.output = queued;
        sent
    }

    fn send_all(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            let count = self.wait_for(|stream, _| loop {
                match stream.write(rest) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return result,
                }
            })?;
            match count {
                0 => return Err(self.closed("the peer takes no more bytes")),
                count => sent += count,
            }
        }
        // A layer that compresses holds back what could still become shorter.
        match bytes {
            [] => Ok(()),
            _ => self.wait_for(|stream, _| stream.flush()),
        }
    }

    // --- errors that know who and what ---

    pub(crate) fn can_say(&self) -> Result<()> {
        if self.cut_short {
            return Err(Error::illegal(format!(
                "{}: nothing more can be said: something was not sent to its end",
                self.facts.peer
            )));
        }
        self.in_step()
    }

    pub(crate) fn in_step(&self) -> Result<()> {
        if self.stream.is_none() {
            return Err(self.closed("the connection is gone"));
        }
        if self.out_of_step {
            return Err(Error::illegal(format!(
                "{}: nothing more can be read: a body was not read to its end",
                self.facts.peer
            )));
        }
        Ok(())
    }

    /// The peer hung up.
    pub fn closed(&self, why: impl Into<String>) -> Error {
        Error::Closed {
            peer: self.facts.peer.clone(),
            doing: self.doing.to_string(),
            why: why.into(),
        }
    }

    /// The peer broke a rule with these bytes.
    pub fn malformed(&self, rule: impl Into<String>, bytes: &[u8]) -> Error {
        Error::Malformed {
            peer: self.facts.peer.clone(),
            doing: self.doing.to_string(),
            rule: rule.into(),
            excerpt: excerpt(bytes),
        }
    }

    /// The peer said no. `reply` must be escaped.
    pub fn refused(&self, reply: impl Into<String>, refusal: Refusal) -> Error {
        Error::Refused {
            peer: self.facts.peer.clone(),
            doing: self.doing.to_string(),
            reply: reply.into(),
            refusal,
        }
    }

    /// What an error of the stream means.
    fn broken(&self, started: Instant, error: io::Error) -> Error {
        if let Some(target) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<SpliceTarget>())
        {
            return Error::io("writing the file", io::Error::from(target.0.kind()));
        }
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::TimedOut {
                peer: self.facts.peer.clone(),
                doing: self.doing.to_string(),
                after: started.elapsed(),
            },
            io::ErrorKind::UnexpectedEof => self.closed(error.to_string()),
            _ if error.get_ref().is_some_and(|e| e.is::<BrokenRecord>()) => Error::Insecure {
                peer: self.facts.peer.clone(),
                doing: self.doing.to_string(),
                why: error.to_string(),
                certificate: false,
            },
            io::ErrorKind::InvalidData => self.malformed(error.to_string(), &[]),
            _ => self.closed(error.to_string()),
        }
    }
}

fn line_too_long(facts: &Facts, limits: &Limits) -> Error {
    Error::TooLarge {
        what: format!("{}: a line, in bytes,", facts.peer),
        limit: limits.line as u64,
    }
}

fn record_reply(recorder: &Recorder, secrets: &[&str], line: &[u8]) -> Result<()> {
    for prefix in secrets {
        let start = line.get(..prefix.len()).unwrap_or_default();
        if start.eq_ignore_ascii_case(prefix.as_bytes()) {
            let rest = line.get(prefix.len()..).unwrap_or_default();
            let shown = [start, b" "].concat();
            return recorder.secret_line(Side::Server, &shown, rest.trim_ascii());
        }
    }
    recorder.line(Side::Server, line)
}

mod layers;

#[cfg(test)]
mod tests;
