//! The server's side of one conversation: what a [`Service`](crate::Service) touches.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;
use proto_transport::{Security, Socket, Stream};

use crate::fault::Fault;
use crate::faulty::{Ending, Speech};
use crate::identity::Identity;
use crate::stop::{stopped, Control, Stop};
use crate::tls::Acceptor;

/// The one who connected, as a server sees it.
///
/// What is written waits until it is flushed, until there is much of it, or until something must be
/// read. So all that is written before a read goes out in one piece.
pub struct Peer {
    /// `None` when the conversation is over.
    stream: Option<Speech>,
    input: Vec<u8>,
    output: Vec<u8>,
    security: Security,
    acceptor: Arc<Acceptor>,
    injected: Vec<u8>,
    control: Control,
    stop: Stop,
}

/// The longest line that is read: more than any command needs, and bounded.
const LINE: usize = 1024 * 1024;

/// What waits to be sent goes out when it reaches this, so that memory stays bounded.
const OUTPUT: usize = 64 * 1024;

/// How much is read at once.
const INPUT: usize = 16 * 1024;

/// How long the other side may take to close after we did. To close a socket while bytes are
/// unread would reset the connection, and our last words could be lost with it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);

impl Peer {
    /// A conversation over any stream, such as [`Memory`](proto_transport::Memory), to try a service
    /// without a server.
    pub fn over(stream: impl Stream + 'static) -> Peer {
        let acceptor = Arc::new(Acceptor::new(Identity::localhost(), true));
        let (control, stop) = (Control::default(), Stop::default());
        Peer::new(
            Box::new(stream),
            Security::Plain,
            &[],
            acceptor,
            control,
            stop,
        )
    }

    pub(crate) fn new(
        stream: Box<dyn Stream>,
        security: Security,
        faults: &[Fault],
        acceptor: Arc<Acceptor>,
        control: Control,
        stop: Stop,
    ) -> Peer {
        let mut injected = Vec::new();
        for fault in faults {
            if let Fault::Inject(bytes) = fault {
                injected.extend_from_slice(bytes);
            }
        }
        Peer {
            stream: Some(Speech::over(stream, faults, &stop)),
            input: Vec::new(),
            output: Vec::new(),
            security,
            acceptor,
            injected,
            control,
            stop,
        }
    }

    /// What the server was started with: whether to offer STARTTLS, above all.
    pub fn security(&self) -> Security {
        self.security
    }

    /// Whether what we write is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_encrypted)
    }

    /// Who the server says it is when TLS starts.
    pub fn identity(&self) -> &Identity {
        self.acceptor.identity()
    }

    /// The address that was connected to; `None` without a network.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.control.local_address()
    }

    /// The address that connected; `None` without a network.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.control.remote_address()
    }

    /// A second connection with the same client, as FTP has them for data: without faults, not yet
    /// encrypted, and shut when the server stops.
    pub fn second(&self, stream: TcpStream) -> io::Result<Peer> {
        self.second_as(stream, Arc::clone(&self.acceptor))
    }

    /// The same for a server that says there that it is somebody else.
    pub(crate) fn second_as(&self, stream: TcpStream, acceptor: Arc<Acceptor>) -> io::Result<Peer> {
        let control = Control::of(&stream)?;
        self.control.take_along(control.clone());
        // Whoever stops the server may have been too early for it.
        if self.stop.is_raised() {
            return Err(stopped());
        }
        let stream = Box::new(Socket::tcp(stream)?);
        let stop = self.stop.clone();
        Ok(Peer::new(
            stream,
            Security::Plain,
            &[],
            acceptor,
            control,
            stop,
        ))
    }

    /// Every wait must be over by then; `None` waits until the server stops.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        if let Some(stream) = &mut self.stream {
            stream.set_deadline(deadline);
        }
    }

    // --- reading ---

    /// Reads one line, given without its CRLF (or bare LF). `None` is the end of the stream.
    pub fn read_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.read_raw_line()?.map(|mut line| {
            if line.pop_if(|byte| *byte == b'\n').is_some() {
                line.pop_if(|byte| *byte == b'\r');
            }
            line
        }))
    }

    /// Reads one line as it came, with its line end, which only the last line before the end of the
    /// stream may lack.
    pub fn read_raw_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr(b'\n', self.input.get(seen..).unwrap_or_default()) {
                return Ok(Some(self.take(seen + at + 1)));
            }
            seen = self.input.len();
            if seen > LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the line is too long",
                ));
            }
            if self.fill()? == 0 {
                return Ok(match seen {
                    0 => None,
                    _ => Some(self.take(seen)),
                });
            }
        }
    }

    /// Reads so many bytes; fewer are an error.
    pub fn read_exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < count {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.take(count))
    }

    /// Reads what there is, and at least one byte. 0 is the end of the stream.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            self.fill()?;
        }
        let count = self.input.as_slice().read(buffer)?;
        self.input.drain(..count);
        Ok(count)
    }

    /// Whether a read would return at once.
    pub fn is_readable(&mut self) -> bool {
        !self.input.is_empty() || self.stream.as_mut().is_some_and(Stream::is_readable)
    }

    /// Whether the client's end of TCP was seen. Under TLS that is before close_notify, if it was
    /// seen at all.
    pub fn has_ended(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::has_ended)
    }

    /// What was received and not yet read. Before TLS starts it should be nothing.
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    /// Receives more behind what is unread, for those who look before they [`skip`](Peer::skip).
    /// 0 is the end of the stream.
    pub fn read_more(&mut self) -> io::Result<usize> {
        self.fill()
    }

    /// Drops so many bytes of what is unread, or all of it.
    pub fn skip(&mut self, count: usize) {
        self.input.drain(..count.min(self.input.len()));
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.input.split_off(count.min(self.input.len()));
        std::mem::replace(&mut self.input, rest)
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.flush()?;
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let start = self.input.len();
        self.input.resize(start + INPUT, 0);
        let result = stream.read(self.input.get_mut(start..).unwrap_or_default());
        let count = *result.as_ref().unwrap_or(&0);
        self.input.truncate(start + count);
        result
    }

    // --- writing ---

    /// Queues bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(bytes);
        match self.output.len() >= OUTPUT {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Queues a line; CRLF is added.
    pub fn write_line(&mut self, line: impl AsRef<[u8]>) -> io::Result<()> {
        self.output.extend_from_slice(line.as_ref());
        self.write_all(b"\r\n")
    }

    /// Sends what is queued, in one write.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let output = std::mem::take(&mut self.output);
        stream.write_all(&output)?;
        stream.flush()
    }

    /// Switches to TLS. What is queued, such as the reply to STARTTLS, goes out before that in one
    /// write, together with what the fault `inject` puts behind it. What the client sent too early
    /// is dropped.
    pub fn start_tls(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.output.append(&mut self.injected);
        }
        self.flush()?;
        self.input.clear();
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let acceptor = Arc::clone(&self.acceptor);
        self.stream = Some(stream.raise(|below| acceptor.accept(below, self.control.clone()))?);
        Ok(())
    }

    // --- waiting and ending ---

    /// Does nothing for so long, after sending what is queued. That the server stops is an error.
    pub fn wait(&mut self, time: Duration) -> io::Result<()> {
        self.flush()?;
        self.stop.sleep(time)
    }

    /// Whether the server stops, so that a service that is busy should give up.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// Sends what is queued and tells the client that no more will come. Reading goes on.
    pub fn end_writing(&mut self) -> io::Result<()> {
        self.flush()?;
        match &mut self.stream {
            Some(stream) => stream.end_writing(),
            None => Ok(()),
        }
    }

    /// Ends the conversation in an orderly way, as a service that returns does: sends what is
    /// queued, says that no more will come, and waits a little for the client to close as well.
    pub fn close(&mut self) {
        // A deadline of the service may have passed, and was not meant for the farewell.
        self.set_deadline(None);
        // A fault may lie in wait for what is still queued.
        let _ = self.flush();
        match self.stream.as_ref().and_then(Speech::ending) {
            Some(Ending::Reset) => return self.reset(),
            Some(Ending::Orderly) => {}
            None => {
                let _ = self.end_writing();
            }
        }
        self.set_deadline(Some(Instant::now() + LINGER));
        self.hear_out();
        self.stream = None;
        self.control.let_go();
    }

    /// Resets the connection. What is queued is lost.
    pub fn reset(&mut self) {
        self.output.clear();
        self.control.reset_on_close();
        self.stream = None;
        self.control.let_go();
    }

    /// Reads until the client has nothing more to say, and keeps nothing.
    pub(crate) fn hear_out(&mut self) {
        let mut buffer = [0; 8192];
        if let Some(stream) = &mut self.stream {
            while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
        }
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Peer::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Peer::flush(self)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Also when a service panics: the other handle would keep the connection open.
        self.control.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    #[test]
    fn lines_and_bytes_take_turns() {
        let mut peer = Peer::over(Memory::in_pieces(["on", "e\r\ntw", "oxyz\nend"]));
        assert_eq!(peer.read_line().unwrap().unwrap(), b"one");
        assert_eq!(peer.read_exactly(3).unwrap(), b"two");
        let mut one = [0; 1];
        assert_eq!(peer.read_some(&mut one).unwrap(), 1);
        assert_eq!(peer.read_raw_line().unwrap().unwrap(), b"yz\n");
        assert_eq!(peer.read_line().unwrap().unwrap(), b"end");
        assert_eq!(peer.read_line().unwrap(), None);
        assert!(peer.read_exactly(1).is_err());
    }

    #[test]
    fn what_is_unread_can_be_looked_at_before_it_is_dropped() {
        let mut peer = Peer::over(Memory::in_pieces(["ab", "cd\r\n"]));
        assert_eq!(peer.unread(), b"");
        assert_eq!(peer.read_more().unwrap(), 2);
        assert_eq!(peer.read_more().unwrap(), 4);
        assert_eq!(peer.unread(), b"abcd\r\n");
        peer.skip(1);
        assert_eq!(peer.read_line().unwrap().unwrap(), b"bcd");
        peer.skip(1);
        assert_eq!(peer.read_more().unwrap(), 0);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut peer = Peer::over(Memory::new("x".repeat(2 * LINE)));
        let error = peer.read_line().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn writing_waits_for_a_flush_or_a_read() {
        let memory = Memory::new("NOOP\r\n");
        let said = memory.said();
        let mut peer = Peer::over(memory);
        peer.write_line("+OK").unwrap();
        write!(peer, "+OK {}\r\n", 2).unwrap();
        assert_eq!(said.text(), "");
        peer.read_line().unwrap();
        assert_eq!(said.text(), "+OK\r\n+OK 2\r\n");
    }
}
