//! A connected TCP or Unix socket whose every wait ends at the deadline.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::pipe::{fcntl_setpipe_size, pipe_with, splice, PipeFlags, SpliceFlags};

use crate::stream::Stream;

/// A connected socket.
pub struct Socket {
    wire: Wire,
    deadline: Option<Instant>,
    /// What the kernel was last told for reads and for writes.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    ended: bool,
    pipe: Option<Pipe>,
}

enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Wire::Tcp(stream) => stream.as_fd(),
            Wire::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The pipe through which bytes go from the socket to a file inside the kernel.
struct Pipe {
    entrance: OwnedFd,
    exit: OwnedFd,
    size: usize,
}

/// The largest pipe that an unprivileged process may have by default
/// (`/proc/sys/fs/pipe-max-size`); fewer and larger moves are what makes splicing fast.
const PIPE_SIZE: usize = 1024 * 1024;

impl Socket {
    /// Takes over a connected TCP socket. Nagle's algorithm is switched off: we write whole
    /// messages, and holding one back for an acknowledgement costs 40 ms.
    pub fn tcp(stream: TcpStream) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        Ok(Socket::new(Wire::Tcp(stream)))
    }

    /// Takes over a connected Unix socket.
    pub fn unix(stream: UnixStream) -> Socket {
        Socket::new(Wire::Unix(stream))
    }

    fn new(wire: Wire) -> Socket {
        Socket {
            wire,
            deadline: None,
            read_timeout: None,
            write_timeout: None,
            ended: false,
            pipe: None,
        }
    }

    /// Closes with a reset instead of an orderly end, so that the peer sees a broken connection.
    pub fn reset(self) -> io::Result<()> {
        match self.wire {
            Wire::Tcp(stream) => {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                drop(stream);
            }
            Wire::Unix(stream) => stream.shutdown(Shutdown::Both)?,
        }
        Ok(())
    }

    fn prepare_read(&mut self) -> io::Result<()> {
        if let Some(timeout) = timeout_to_set(self.deadline, self.read_timeout)? {
            match &self.wire {
                Wire::Tcp(stream) => stream.set_read_timeout(timeout)?,
                Wire::Unix(stream) => stream.set_read_timeout(timeout)?,
            }
            self.read_timeout = timeout;
        }
        Ok(())
    }

    fn prepare_write(&mut self) -> io::Result<()> {
        if let Some(timeout) = timeout_to_set(self.deadline, self.write_timeout)? {
            match &self.wire {
                Wire::Tcp(stream) => stream.set_write_timeout(timeout)?,
                Wire::Unix(stream) => stream.set_write_timeout(timeout)?,
            }
            self.write_timeout = timeout;
        }
        Ok(())
    }

    /// Repeats a call that the kernel's time-out ended, for as long as the deadline allows.
    fn read_with<T>(
        &mut self,
        mut call: impl FnMut(&mut Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            self.prepare_read()?;
            match call(self) {
                Err(error) if may_repeat(&error) => continue,
                other => return other,
            }
        }
    }
}

impl Pipe {
    fn open() -> io::Result<Pipe> {
        let (exit, entrance) = pipe_with(PipeFlags::CLOEXEC)?;
        let size = fcntl_setpipe_size(&entrance, PIPE_SIZE).unwrap_or(64 * 1024);
        Ok(Pipe {
            entrance,
            exit,
            size,
        })
    }
}

impl Pipe {
    /// Moves the `count` bytes that are in the pipe through our own memory.
    fn pour_to(&self, mut file: &File, count: usize) -> io::Result<()> {
        let mut bytes = vec![0; count];
        File::from(self.exit.try_clone()?).read_exact(&mut bytes)?;
        let written = file.write_all(&bytes);
        written.map_err(|error| SpliceTarget(error).into())
    }
}

/// Whether a call came back only because the kernel's time-out, or a signal, ended it.
/// `prepare_read` and `prepare_write` then look at the deadline itself.
fn may_repeat(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// What to tell the kernel, or `None` when what it was told still serves.
///
/// The kernel's time-out need not be exact: it may be shorter than what is left, because the call is
/// then repeated. So it is set to the power of two (in milliseconds) below what is left and stays
/// until less than that is left: almost every read costs no second system call. A time-out of zero
/// would mean "for ever" (and std refuses it), so the shortest is one millisecond.
fn timeout_to_set(
    deadline: Option<Instant>,
    current: Option<Duration>,
) -> io::Result<Option<Option<Duration>>> {
    let Some(deadline) = deadline else {
        return Ok(current.map(|_| None));
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    if current.is_some_and(|current| current <= left && left < current.saturating_mul(64)) {
        return Ok(None);
    }
    let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
    let floor = 1_u64 << milliseconds.ilog2().min(40);
    Ok(Some(Some(Duration::from_millis(floor))))
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_with(|socket| match &mut socket.wire {
            Wire::Tcp(stream) => stream.read(buffer),
            Wire::Unix(stream) => stream.read(buffer),
        })?;
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            self.prepare_write()?;
            let result = match &mut self.wire {
                Wire::Tcp(stream) => stream.write(buffer),
                Wire::Unix(stream) => stream.write(buffer),
            };
            match result {
                Err(error) if may_repeat(&error) => continue,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Socket {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    fn is_encrypted(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn is_readable(&mut self) -> bool {
        let mut wanted = [PollFd::from_borrowed_fd(self.wire.as_fd(), PollFlags::IN)];
        poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.wire.as_fd())
    }

    fn keep_urgent_in_place(&mut self) -> io::Result<()> {
        match &self.wire {
            Wire::Tcp(stream) => socket2::SockRef::from(stream).set_out_of_band_inline(true),
            Wire::Unix(_) => Ok(()),
        }
    }

    fn splice_to(&mut self, file: &File, count: u64) -> io::Result<Option<u64>> {
        // Taken out, so that a pipe with bytes left in it after an error is not used again.
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => Pipe::open()?,
        };
        let wanted = crate::framing::at_most(pipe.size, count);
        let flags = SpliceFlags::MOVE;
        let moved = self.read_with(|socket| {
            let moved = match &socket.wire {
                Wire::Tcp(stream) => splice(stream, None, &pipe.entrance, None, wanted, flags),
                Wire::Unix(stream) => splice(stream, None, &pipe.entrance, None, wanted, flags),
            };
            Ok(moved?)
        })?;
        self.ended |= moved == 0 && wanted > 0;
        let mut left = moved;
        while left > 0 {
            match splice(&pipe.exit, None, file, None, left, flags) {
                Ok(0) => return Err(SpliceTarget(io::ErrorKind::WriteZero.into()).into()),
                Ok(written) => left = left.saturating_sub(written),
                Err(rustix::io::Errno::INTR) => {}
                // Nothing can be spliced to a file that is appended to, or to some devices.
                Err(rustix::io::Errno::INVAL) => {
                    pipe.pour_to(file, left)?;
                    left = 0;
                }
                Err(error) => return Err(SpliceTarget(error.into()).into()),
            }
        }
        self.pipe = Some(pipe);
        Ok(Some(moved as u64))
    }

    fn end_writing(&mut self) -> io::Result<()> {
        match &self.wire {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Wire::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// The file, not the socket, failed in a splice.
#[derive(Debug)]
pub(crate) struct SpliceTarget(pub io::Error);

impl std::fmt::Display for SpliceTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SpliceTarget {}

impl From<SpliceTarget> for io::Error {
    fn from(target: SpliceTarget) -> io::Error {
        io::Error::new(target.0.kind(), target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::tcp(near).unwrap(), listener.accept().unwrap().0)
    }

    #[test]
    fn a_deadline_that_has_passed_is_a_time_out() {
        let (mut socket, _far) = pair();
        socket.set_deadline(Some(Instant::now()));
        let error = socket.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let error = socket.write(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_deadline_holds_against_a_peer_that_drips() {
        let (mut socket, mut far) = pair();
        let dripper = thread::spawn(move || {
            while far.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        socket.set_deadline(Some(Instant::now() + Duration::from_millis(100)));
        let error = loop {
            if let Err(error) = socket.read_exact(&mut [0; 8]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(socket);
        dripper.join().unwrap();
    }

    #[test]
    fn the_deadline_holds_when_the_peer_does_not_read() {
        let (mut socket, _far) = pair();
        socket.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
        let error = loop {
            if let Err(error) = socket.write(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_kernel_is_told_only_when_it_must_be() {
        let at = |left: u64| Some(Instant::now() + Duration::from_millis(left));
        let set = |left, current| timeout_to_set(at(left), current).unwrap();
        let told = set(30_000, None).unwrap();
        assert_eq!(told, Some(Duration::from_millis(16_384)));
        assert_eq!(set(29_000, told), None);
        assert_eq!(set(9_000, told), Some(Some(Duration::from_millis(8_192))));
        assert_eq!(set(10, None), Some(Some(Duration::from_millis(8))));
        assert_eq!(timeout_to_set(None, told).unwrap(), Some(None));
        assert_eq!(timeout_to_set(None, None).unwrap(), None);
    }

    #[test]
    fn the_end_is_noted() {
        let (mut socket, far) = pair();
        assert!(!socket.is_readable());
        drop(far);
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0);
        assert!(socket.has_ended());
        assert!(socket.is_readable());
    }

    #[test]
    fn bytes_go_to_a_file_unseen() {
        let (mut socket, mut far) = pair();
        far.write_all(b"one two three").unwrap();
        drop(far);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        assert_eq!(socket.splice_to(&file, 7).unwrap(), Some(7));
        assert_eq!(socket.splice_to(&file, u64::MAX).unwrap(), Some(6));
        assert_eq!(socket.splice_to(&file, 1).unwrap(), Some(0));
        assert!(socket.has_ended());
        assert_eq!(std::fs::read(&path).unwrap(), b"one two three");
    }

    #[test]
    fn a_splice_times_out_too() {
        let (mut socket, _far) = pair();
        let file = tempfile::tempfile().unwrap();
        socket.set_deadline(Some(Instant::now() + Duration::from_millis(20)));
        let error = socket.splice_to(&file, 7).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
