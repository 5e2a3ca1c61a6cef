//! A conversation in which both sides may speak at any time, as on a console: nobody knows who is
//! next, so nobody may wait for one side alone.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::session::Side;

/// Who can be heard without waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// The peer has said something, or hung up.
    pub peer: bool,
    /// The other descriptor can be read.
    pub other: bool,
}

/// How much is written at a time. A socket counts as writable when at least a third of its buffer is
/// free (Linux, `sk_stream_is_writeable`), which is more than this. So writing does not wait, and
/// a peer that only talks cannot stop us from listening.
const PIECE: usize = 4 * 1024;

impl Connection {
    /// Queues bytes, which [`Connection::wait`] sends. Nothing bounds the queue but the caller, by
    /// looking at [`Connection::queued`].
    pub fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.can_say()?;
        self.output.extend_from_slice(bytes);
        match &self.recorder {
            Some(recorder) => recorder.stream(Side::Client, bytes),
            None => Ok(()),
        }
    }

    /// The same for a secret and what ends it, which the transcript does not show.
    pub fn say_secret(&mut self, secret: &[u8], end: &[u8]) -> Result<()> {
        self.can_say()?;
        self.output.extend_from_slice(secret);
        self.output.extend_from_slice(end);
        match &self.recorder {
            Some(recorder) => recorder.secret_line(Side::Client, b"", secret),
            None => Ok(()),
        }
    }

    /// How many bytes are queued.
    pub fn queued(&self) -> usize {
        self.output.len()
    }

    /// Waits until the peer says something or hangs up, `other` can be read, all that was queued is
    /// sent, a signal comes, or it is `until`. Meanwhile what is queued is sent, as far as the peer
    /// takes it; a peer that takes nothing for as long as silence may last is an error.
    pub fn wait(&mut self, other: Option<BorrowedFd<'_>>, until: Instant) -> Result<Ready> {
        self.in_step()?;
        loop {
            let mut ready = Ready {
                peer: !self.heard_end && (self.has_unread() || self.is_speaking()),
                other: false,
            };
            let patience = self.patience(until);
            let wake = if ready.peer { Instant::now() } else { patience };
            let can_send = match self.look(other, wake)? {
                Some((others, can_send)) => {
                    ready.other = others;
                    can_send
                }
                None => return Ok(ready),
            };
            if can_send {
                self.send_piece()?;
            }
            // What came meanwhile is looked at above: only the layers over the socket know if it is
            // something for us.
            let now = Instant::now();
            let is_sent = can_send && self.output.is_empty();
            if ready != Ready::default() || is_sent || now >= until {
                return Ok(ready);
            }
            self.still_patient(now)?;
        }
    }

    /// What came since; `None` is the end. Returns at once after [`Connection::wait`] has said so.
    pub fn hear(&mut self) -> Result<Option<&[u8]>> {
        self.in_step()?;
        if !self.has_unread() && (self.heard_end || self.receive()? == 0) {
            self.heard_end = true;
            return Ok(None);
        }
        let count = self.unread();
        let heard = self.input.take(count);
        if let Some(recorder) = &self.recorder {
            recorder.stream(Side::Server, heard)?;
        }
        Ok(Some(heard))
    }

    /// A line, as [`Connection::read_line`], where the end of the stream is an end as good as any:
    /// `None` behind the last line, which may lack its line end.
    pub fn read_last_line(&mut self) -> Result<Option<&[u8]>> {
        while !self.input.unread().contains(&b'\n') && !self.heard_end {
            if self.unread() > self.limits().line.saturating_add(2) {
                break;
            }
            self.heard_end = self.fill()? == 0;
        }
        if self.heard_end && !self.input.unread().contains(&b'\n') {
            return self.hear();
        }
        self.read_line().map(Some)
    }

    /// Sends what is queued and tells the peer that no more will come. It may still speak.
    pub fn end_writing(&mut self) -> Result<()> {
        self.flush()?;
        self.cut_short = true;
        self.wait_for(|stream, _| stream.end_writing())
    }

    /// Whether there is something for us. A layer that reads from the socket for this must find the
    /// deadline of now, not that of the last wait.
    fn is_speaking(&mut self) -> bool {
        let deadline = self.timeouts.end_of(self.timeouts.silence);
        if let Some(stream) = &mut self.stream {
            stream.set_deadline(Some(deadline));
            // Memory has nothing to wait on: what it says, it has said.
            if stream.descriptor().is_none() {
                return true;
            }
        }
        self.is_answering()
    }

    /// When a wait must end at the latest.
    fn patience(&self, until: Instant) -> Instant {
        let until = self.timeouts.deadline.map_or(until, |end| end.min(until));
        match self
            .stuck
            .and_then(|since| since.checked_add(self.timeouts.silence))
        {
            Some(end) if !self.output.is_empty() => end.min(until),
            _ => until,
        }
    }

    fn still_patient(&self, now: Instant) -> Result<()> {
        let is_over = self.timeouts.deadline.is_some_and(|end| now >= end);
        let since = self.stuck.filter(|_| !self.output.is_empty());
        let is_stuck = since.is_some_and(|since| now - since >= self.timeouts.silence);
        match is_over || is_stuck {
            true => Err(Error::TimedOut {
                peer: self.peer().to_owned(),
                doing: match is_stuck {
                    true => "sending: the peer takes no more bytes".to_owned(),
                    false => "talking".to_owned(),
                },
                after: since.map_or(self.timeouts.silence, |since| now - since),
            }),
            false => Ok(()),
        }
    }

    /// Waits on the descriptors: whether the other can be read, and the peer written to. Nothing if a
    /// signal came.
    fn look(
        &mut self,
        other: Option<BorrowedFd<'_>>,
        until: Instant,
    ) -> Result<Option<(bool, bool)>> {
        let wants_to_send = !self.output.is_empty();
        if !wants_to_send {
            self.stuck = None;
        } else if self.stuck.is_none() {
            self.stuck = Some(Instant::now());
        }
        let stream = self.stream.as_ref();
        let Some(socket) = stream.and_then(|stream| stream.descriptor()) else {
            // Memory takes everything at once, and has said what it says.
            return Ok(Some((false, wants_to_send)));
        };
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.heard_end);
        flags.set(PollFlags::OUT, wants_to_send);
        let mut wanted = Vec::with_capacity(2);
        if !flags.is_empty() {
            wanted.push(PollFd::from_borrowed_fd(socket, flags));
        }
        let others = wanted.len();
        wanted.extend(other.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
        match poll(&mut wanted, Some(&until_then(until))) {
            Err(Errno::INTR) => return Ok(None),
            Err(error) => return Err(Error::io("waiting", error.into())),
            Ok(_) => {}
        }
        // A socket with an error is one to be written to, so that the error is told.
        let broken = PollFlags::ERR | PollFlags::HUP;
        let is = |at: usize, flags: PollFlags| {
            wanted
                .get(at)
                .is_some_and(|fd| fd.revents().intersects(flags))
        };
        let can_send = wants_to_send && is(0, PollFlags::OUT | broken);
        Ok(Some((is(others, PollFlags::IN | broken), can_send)))
    }

    fn send_piece(&mut self) -> Result<()> {
        let piece = self.output.get(..PIECE).unwrap_or(&self.output).to_vec();
        let sent = self.wait_for(|stream, _| {
            let sent = stream.write(&piece)?;
            stream.flush()?;
            Ok(sent)
        })?;
        if sent == 0 {
            return Err(self.closed("the peer takes no more bytes"));
        }
        self.output.drain(..sent.min(self.output.len()));
        self.stuck = (!self.output.is_empty()).then(Instant::now);
        Ok(())
    }
}

/// What is left until then, as `poll` wants it.
pub(crate) fn until_then(until: Instant) -> Timespec {
    let left = until.saturating_duration_since(Instant::now());
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}

/// Waits until a descriptor can be read, or until then; whether it can.
pub(crate) fn is_readable_until(descriptor: impl AsFd, until: Instant) -> std::io::Result<bool> {
    loop {
        let mut wanted = [PollFd::from_borrowed_fd(descriptor.as_fd(), PollFlags::IN)];
        match poll(&mut wanted, Some(&until_then(until))) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use crate::socket::Socket;
    use socket2::SockRef;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        (Connection::over(Socket::tcp(near).unwrap()), far)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn at_once() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn whoever_speaks_is_heard() {
        let (mut connection, mut far) = pair();
        let (other, mut pipe) = std::io::pipe().unwrap();
        let neither = connection.wait(Some(other.as_fd()), at_once()).unwrap();
        assert_eq!(neither, Ready::default());
        far.write_all(b"hi").unwrap();
        let ready = connection.wait(Some(other.as_fd()), soon()).unwrap();
        assert!(ready.peer && !ready.other);
        assert_eq!(connection.hear().unwrap().unwrap(), b"hi");
        pipe.write_all(b"x").unwrap();
        let ready = connection.wait(Some(other.as_fd()), soon()).unwrap();
        assert!(!ready.peer && ready.other);
        connection.say(b"ho").unwrap();
        assert_eq!(connection.queued(), 2);
        while connection.queued() > 0 {
            connection.wait(None, soon()).unwrap();
        }
        let mut heard = [0; 2];
        far.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"ho");
        drop(far);
        assert!(connection.wait(None, soon()).unwrap().peer);
        assert_eq!(connection.hear().unwrap(), None);
        // An end is told once, and is nothing to wake up for again.
        assert_eq!(connection.wait(None, at_once()).unwrap(), Ready::default());
    }

    #[test]
    fn half_closing_leaves_the_other_half() {
        let (mut connection, mut far) = pair();
        connection.say(b"all").unwrap();
        connection.end_writing().unwrap();
        assert!(connection.say(b"more").is_err());
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"all");
        far.write_all(b"thanks").unwrap();
        assert!(connection.wait(None, soon()).unwrap().peer);
        assert_eq!(connection.hear().unwrap().unwrap(), b"thanks");
    }

    /// A peer that reads nothing until it has said everything: who waits for it to take what we say
    /// would wait for ever, as it waits for us.
    #[test]
    fn neither_side_can_block_the_other() {
        const SIZE: usize = 1_000_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        for socket in [&near, &far] {
            let socket = SockRef::from(socket);
            socket.set_send_buffer_size(16 * 1024).unwrap();
            socket.set_recv_buffer_size(16 * 1024).unwrap();
        }
        let mut connection = Connection::over(Socket::tcp(near).unwrap());
        connection.set_silence(Duration::from_secs(10));
        let talker = thread::spawn(move || {
            far.write_all(&vec![b'y'; SIZE]).unwrap();
            let mut heard = vec![0; SIZE];
            far.read_exact(&mut heard).unwrap();
            heard
        });
        connection.say(&vec![b'x'; SIZE]).unwrap();
        let mut heard = 0;
        while heard < SIZE || connection.queued() > 0 {
            if connection.wait(None, soon()).unwrap().peer {
                heard += connection.hear().unwrap().unwrap().len();
            }
        }
        assert_eq!(heard, SIZE);
        assert!(talker.join().unwrap() == vec![b'x'; SIZE]);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_an_error() {
        let (mut connection, _far) = pair();
        connection.set_silence(Duration::from_millis(50));
        let error = loop {
            connection.say(&[0; 65536]).unwrap();
            if let Err(error) = connection.wait(None, at_once()) {
                break error.to_string();
            }
        };
        assert!(error.contains("takes no more bytes"), "{error}");
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        let text = "one\r\n\ntwo";
        for piece in 1..=text.len() {
            let pieces = text.as_bytes().chunks(piece);
            let mut connection = Connection::over(Memory::in_pieces(pieces));
            for line in ["one", "", "two"] {
                let read = connection.read_last_line().unwrap().unwrap();
                assert_eq!(read, line.as_bytes());
            }
            assert_eq!(connection.read_last_line().unwrap(), None);
        }
        let mut connection = Connection::over(Memory::new("x".repeat(100_000)));
        assert!(connection.read_last_line().is_err());
    }

    #[test]
    fn memory_takes_everything() {
        let memory = Memory::new("hello");
        let said = memory.said();
        let mut connection = Connection::over(memory);
        connection.say(b"hi").unwrap();
        assert!(connection.wait(None, soon()).unwrap().peer);
        assert_eq!(connection.hear().unwrap().unwrap(), b"hello");
        assert_eq!(said.text(), "hi");
    }
}
