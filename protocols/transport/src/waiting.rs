//! Waiting for a peer that speaks when it likes, and for somebody else at the same time: for
//! conversations without turns.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::session::Side;

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// The peer has said something, or hung up: [`Connection::next_bytes`] does not wait.
    pub heard: bool,
    /// There is room for a block of a few kilobytes, so that writing it does not wait.
    pub has_room: bool,
    /// The first of the others, by its place, that has something to read or has ended.
    pub other: Option<usize>,
}

impl Connection {
    /// The bytes that come next, however many there are; `None` at the end of the stream. Waits for
    /// the first of them, as long as silence may last.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>> {
        self.in_step()?;
        if !self.has_unread() && self.fill()? == 0 {
            return Ok(None);
        }
        let bytes = self.input.take(self.input.unread().len());
        if let Some(recorder) = &self.recorder {
            recorder.bytes(Side::Server, bytes)?;
        }
        Ok(Some(bytes))
    }

    /// Sends what is queued, and waits until the peer has something for us, until one of the
    /// `others` can be read, or, if that is asked for, until there is room for more to say; but not
    /// longer than until `end`. Then nothing is ready, which is no error; that the whole command's
    /// time is over is one.
    pub fn wait(
        &mut self,
        others: &[BorrowedFd<'_>],
        wants_room: bool,
        end: Option<Instant>,
    ) -> Result<Ready> {
        self.flush()?;
        let started = Instant::now();
        loop {
            // A stream without a descriptor is memory, where a read never waits.
            if self.has_unread() || self.is_answering() || self.descriptor().is_none() {
                return Ok(Ready {
                    heard: true,
                    ..Ready::default()
                });
            }
            let deadline = self.timeouts.deadline;
            let until = [end, deadline].into_iter().flatten().min();
            let mut ready = self.poll(others, wants_room, until)?;
            // What has come may say nothing to us, such as half a TLS record.
            ready.heard = ready.heard && self.is_answering();
            if ready != Ready::default() {
                return Ok(ready);
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(self.timed_out(started));
            }
            if end.is_some_and(|end| end <= now) {
                return Ok(ready);
            }
        }
    }

    /// One look at all descriptors, with a time-out.
    fn poll(
        &mut self,
        others: &[BorrowedFd<'_>],
        wants_room: bool,
        until: Option<Instant>,
    ) -> Result<Ready> {
        let Some(stream) = self.descriptor() else {
            return Ok(Ready::default());
        };
        let room = match wants_room {
            true => PollFlags::OUT,
            false => PollFlags::empty(),
        };
        let mut wanted = vec![PollFd::from_borrowed_fd(stream, PollFlags::IN | room)];
        wanted.extend(
            others
                .iter()
                .map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN)),
        );
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        match poll(&mut wanted, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("waiting", io::Error::from(error))),
        }
        let mut happened = wanted.iter().map(PollFd::revents);
        let stream = happened.next().unwrap_or(PollFlags::empty());
        Ok(Ready {
            heard: !(stream - PollFlags::OUT).is_empty(),
            has_room: stream.contains(PollFlags::OUT),
            other: happened.position(|flags| !flags.is_empty()),
        })
    }
}

/// A time for the system, at least a millisecond, so that a time-out is over when it says so.
fn timespec(time: Duration) -> Timespec {
    let time = time.max(Duration::from_millis(1));
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::socket::Socket;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Connection, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Connection::over(Socket::unix(near)), far)
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(20))
    }

    fn later() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(20))
    }

    #[test]
    fn bytes_come_as_they_are() {
        let mut connection = Connection::over(Memory::in_pieces(["a\r\n", "b\0"]));
        assert!(connection.wait(&[], false, None).unwrap().heard);
        assert_eq!(connection.next_bytes().unwrap(), Some(&b"a\r\n"[..]));
        assert_eq!(connection.next_bytes().unwrap(), Some(&b"b\0"[..]));
        assert!(connection.wait(&[], false, None).unwrap().heard);
        assert_eq!(connection.next_bytes().unwrap(), None);
        assert_eq!(connection.next_bytes().unwrap(), None);
    }

    #[test]
    fn whoever_comes_first_is_told() {
        let (mut connection, mut far) = pair();
        let (mut keys, keyboard) = UnixStream::pair().unwrap();
        let others = [far.as_fd().try_clone_to_owned().unwrap()];
        let keyboard = [others[0].as_fd(), keyboard.as_fd()];
        let nobody = connection.wait(&keyboard, false, soon()).unwrap();
        assert_eq!(nobody, Ready::default());
        let room = connection.wait(&keyboard, true, later()).unwrap();
        assert!(room.has_room && !room.heard);
        keys.write_all(b"x").unwrap();
        let key = connection.wait(&keyboard, false, later()).unwrap();
        assert_eq!((key.heard, key.other), (false, Some(1)));
        far.write_all(b"y").unwrap();
        assert!(connection.wait(&[], false, later()).unwrap().heard);
        assert_eq!(connection.next_bytes().unwrap(), Some(&b"y"[..]));
    }

    #[test]
    fn an_end_is_something_to_hear() {
        let (mut connection, far) = pair();
        drop(far);
        assert!(connection.wait(&[], false, later()).unwrap().heard);
        assert_eq!(connection.next_bytes().unwrap(), None);
    }

    #[test]
    fn the_deadline_of_all_is_an_error() {
        let (mut connection, _far) = pair();
        connection.timeouts.deadline = soon();
        let error = connection.wait(&[], false, later()).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }
}
