//! TLS as a stream: an end without close_notify is an error, a look costs nothing, and the farewell is
//! said. Which library makes the records does not matter here.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::error::excerpt;
use crate::resumption::Resumption;
use crate::stream::Stream;

/// What a library's stream can do beside reading and writing.
pub(crate) trait Records: Read + Write + Send {
    /// The stream that the records travel on.
    fn below(&self) -> &Below;

    /// The same, to be used.
    fn below_mut(&mut self) -> &mut Below;

    /// Whether bytes were decrypted and not yet read.
    fn is_pending(&self) -> bool;

    /// Sends close_notify.
    fn shut_down(&mut self) -> io::Result<()>;

    /// The session, where the library can resume it on another connection.
    fn resumption(&self) -> Option<Resumption> {
        None
    }
}

impl Records for native_tls::TlsStream<Below> {
    fn below(&self) -> &Below {
        self.get_ref()
    }

    fn below_mut(&mut self) -> &mut Below {
        self.get_mut()
    }

    fn is_pending(&self) -> bool {
        self.buffered_read_size().is_ok_and(|size| size > 0)
    }

    fn shut_down(&mut self) -> io::Result<()> {
        self.shutdown()
    }
}

/// TLS over another stream.
pub(crate) struct TlsSession<R: Records> {
    stream: R,
    /// The byte that was read to see whether there is one.
    first: Option<u8>,
}

impl<R: Records> TlsSession<R> {
    pub(crate) fn over(stream: R) -> TlsSession<R> {
        TlsSession {
            stream,
            first: None,
        }
    }
}

impl<R: Records> Read for TlsSession<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let (Some(slot), Some(byte)) = (buffer.first_mut(), self.first) {
            *slot = byte;
            self.first = None;
            return Ok(1);
        }
        let count = self.stream.read(buffer).map_err(broken_record)?;
        // RFC 8446 section 6.1: an end without close_notify is a truncation.
        if count == 0 && !buffer.is_empty() && self.stream.below().ended {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended without TLS close_notify, so something may be missing",
            ));
        }
        Ok(count)
    }
}

impl<R: Records> Write for TlsSession<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).map_err(broken_record)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(broken_record)
    }
}

/// What the library refuses after the handshake: a record that was tampered with, or an alert.
#[derive(Debug)]
pub(crate) struct BrokenRecord(String);

impl std::fmt::Display for BrokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrokenRecord {}

/// Tells the library's own errors from those of the stream below, which it hands on as they are.
fn broken_record(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Other => io::Error::other(BrokenRecord(error.to_string())),
        _ => error,
    }
}

impl<R: Records> Stream for TlsSession<R> {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.stream.below_mut().inner.set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        self.stream.below().ended
    }

    /// What has arrived below may be half a record, or one that says nothing to us, as the session
    /// tickets do that come behind a TLS 1.3 handshake (RFC 8446 section 4.6.1). So the library looks.
    fn is_readable(&mut self) -> bool {
        if self.first.is_some() || self.stream.is_pending() {
            return true;
        }
        let mut first = [0];
        self.stream.below_mut().may_wait = false;
        let result = self.stream.read(&mut first);
        self.stream.below_mut().may_wait = true;
        match result {
            Ok(1) => self.first = first.first().copied(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            _ => {}
        }
        true
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.below().inner.descriptor()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.stream.shut_down()?;
        self.stream.below_mut().inner.end_writing()
    }

    fn resumption(&self) -> Option<Resumption> {
        self.stream.resumption()
    }
}

/// How long a farewell may take when nothing depends on it.
const FAREWELL: Duration = Duration::from_millis(100);

impl<R: Records> Drop for TlsSession<R> {
    fn drop(&mut self) {
        // RFC 8446 section 6.1: we owe the peer a close_notify. It is one small record.
        self.set_deadline(Some(Instant::now() + FAREWELL));
        let _ = self.stream.shut_down();
    }
}

/// The stream below TLS: reads ahead, because the library would read each record in two calls,
/// and looks at the first bytes, because only they tell what a peer that does not speak TLS said.
pub(crate) struct Below {
    inner: Box<dyn Stream>,
    ahead: Vec<u8>,
    start: usize,
    end: usize,
    begun: bool,
    /// Nothing more comes from below. That end may be orderly there, as when TLS with a proxy ends;
    /// for what goes on above, it is the same as a cut.
    ended: bool,
    /// Whether to wait for bytes that have not arrived.
    may_wait: bool,
}

/// Four TLS records of the largest size (RFC 8446 section 5.2), with room for their headers.
const READ_AHEAD: usize = 4 * (16 * 1024 + 512);

/// The peer's first bytes were not a TLS record; they are kept, escaped.
#[derive(Debug)]
pub(crate) struct NotTls(pub(crate) String);

impl std::fmt::Display for NotTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not TLS: {}", self.0)
    }
}

impl std::error::Error for NotTls {}

impl Below {
    pub(crate) fn new(inner: Box<dyn Stream>) -> Below {
        Below {
            inner,
            ahead: vec![0; READ_AHEAD],
            start: 0,
            end: 0,
            begun: false,
            ended: false,
            may_wait: true,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if !self.may_wait && !self.inner.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.start = 0;
        self.end = 0;
        self.end = self.inner.read(&mut self.ahead)?;
        self.ended |= self.end == 0;
        let bytes = self.ahead.get(..self.end).unwrap_or_default();
        if !self.begun && !bytes.is_empty() {
            self.begun = true;
            // Content types 20 to 23 begin every TLS record (RFC 8446 section 5.1).
            if !bytes.first().is_some_and(|first| (20..=23).contains(first)) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    NotTls(excerpt(bytes)),
                ));
            }
        }
        Ok(())
    }
}

impl Read for Below {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start >= self.end {
            self.fill()?;
        }
        let mut unread = self.ahead.get(self.start..self.end).unwrap_or_default();
        let count = unread.read(buffer)?;
        self.start += count;
        Ok(count)
    }
}

impl Write for Below {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
