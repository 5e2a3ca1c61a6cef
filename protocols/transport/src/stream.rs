//! What moves bytes: a socket, TLS over any stream, or memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::resumption::Resumption;

/// A stream of bytes with a deadline below everything else.
///
/// The deadline is a point in time. The innermost stream recomputes what is left of it before every
/// system call, so it also holds during a TLS handshake and against a peer that drips.
/// When it passes, reads and writes fail with [`io::ErrorKind::TimedOut`].
pub trait Stream: Read + Write + Send {
    /// Every wait must be over by then; `None` waits for ever.
    fn set_deadline(&mut self, deadline: Option<Instant>);

    /// Whether what we write is encrypted.
    fn is_encrypted(&self) -> bool;

    /// Whether the transport below has seen the peer's end of stream. TLS libraries report such an
    /// end as a clean one even when the close_notify that should come before it is missing.
    fn has_ended(&self) -> bool;

    /// Whether a read would return at once: because there are bytes, an end, or an error.
    fn is_readable(&mut self) -> bool;

    /// What to wait on until [`Stream::is_readable`] may have changed; `None` where there is nothing
    /// to wait on, as in memory.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Urgent data (RFC 9293 section 3.8.5) stays in its place among the rest, where the stream
    /// knows such a thing.
    fn keep_urgent_in_place(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Moves up to `count` bytes to `file` without looking at them. `None` where this stream
    /// cannot do so; `Some(0)` is the end of the stream.
    fn splice_to(&mut self, file: &File, count: u64) -> io::Result<Option<u64>> {
        let _ = (file, count);
        Ok(None)
    }

    /// Tells the peer that we will write no more, where the stream can say so.
    fn end_writing(&mut self) -> io::Result<()>;

    /// The TLS session, where another connection can resume it.
    fn resumption(&self) -> Option<Resumption> {
        None
    }
}

impl Stream for Box<dyn Stream> {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        (**self).set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        (**self).is_encrypted()
    }

    fn has_ended(&self) -> bool {
        (**self).has_ended()
    }

    fn is_readable(&mut self) -> bool {
        (**self).is_readable()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }

    fn keep_urgent_in_place(&mut self) -> io::Result<()> {
        (**self).keep_urgent_in_place()
    }

    fn splice_to(&mut self, file: &File, count: u64) -> io::Result<Option<u64>> {
        (**self).splice_to(file, count)
    }

    fn end_writing(&mut self) -> io::Result<()> {
        (**self).end_writing()
    }

    fn resumption(&self) -> Option<Resumption> {
        (**self).resumption()
    }
}
