//! UDP (RFC 768): datagrams, each whole or not at all, in any order, once, often or never.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use crate::connector::Connector;
use crate::duplex::is_readable_until;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result, Unreachable};
use crate::resolve::resolve;

/// The most that a datagram holds over IPv4: 65,535 bytes less the headers of IP and UDP (RFC 791
/// section 3.1, RFC 768).
pub const LARGEST_DATAGRAM: usize = 65_507;

/// Room for the largest over IPv6 too, and one more to see that nothing was cut.
const ROOM: usize = 65_536;

/// A socket that sends to one peer and hears no one else: datagrams from other addresses are dropped
/// by the kernel, so that nobody can answer in the peer's place by guessing a port alone.
pub struct Datagrams {
    socket: UdpSocket,
    peer: String,
    address: SocketAddr,
    /// Other addresses of the host, the best last.
    others: Vec<SocketAddr>,
    bind: Option<IpAddr>,
    buffer: Vec<u8>,
}

impl Connector {
    /// A socket for datagrams to an endpoint. Proxies do not carry them, so none is asked; nothing
    /// is sent yet, so nobody knows whether somebody is there.
    pub fn datagrams(&self, endpoint: &Endpoint) -> Result<Datagrams> {
        let deadline = self.timeouts.end_of(self.timeouts.connect);
        let (host, port) = match &self.connect_to {
            Some((host, port)) => (host.as_str(), *port),
            None => (endpoint.host.as_str(), endpoint.port),
        };
        let mut others = resolve(host, port, self.family, deadline)?;
        others.reverse();
        let peer = endpoint.to_string();
        let mut failure = None;
        while let Some(address) = others.pop() {
            match open(address, self.bind) {
                Ok(socket) => {
                    return Ok(Datagrams {
                        socket,
                        peer,
                        address,
                        others,
                        bind: self.bind,
                        buffer: vec![0; ROOM],
                    })
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(nobody(&peer, failure.unwrap_or(ErrorKind::NotFound.into())))
    }
}

/// A socket that is connected to the address: it hears nobody else.
fn open(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((bind.unwrap_or(any), 0))?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Datagrams {
    /// The endpoint, as errors name it.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Where datagrams go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes on to the next address of the host; whether there is one. For when nobody is at this one.
    pub fn try_next_address(&mut self) -> bool {
        while let Some(address) = self.others.pop() {
            if let Ok(socket) = open(address, self.bind) {
                (self.socket, self.address) = (socket, address);
                return true;
            }
        }
        false
    }

    /// Sends a datagram; one that may hold nothing. That the peer's machine has told of an earlier
    /// one that nobody is there may come out here as [`Error::Unreachable`].
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        match self.socket.send(bytes) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain(error, bytes.len())),
        }
    }

    /// The next datagram, whole; `None` if none comes until then.
    pub fn receive(&mut self, until: Instant) -> Result<Option<&[u8]>> {
        let failed = |error| Error::io("waiting for a datagram", error);
        while is_readable_until(&self.socket, until).map_err(failed)? {
            match self.socket.recv(&mut self.buffer) {
                Ok(count) => return Ok(Some(self.buffer.get(..count).unwrap_or_default())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.explain(error, 0)),
            }
        }
        Ok(None)
    }

    fn explain(&self, error: io::Error, size: usize) -> Error {
        match error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) {
            true => Error::TooLarge {
                what: format!("{}: a datagram of {size} bytes", self.peer),
                limit: LARGEST_DATAGRAM as u64,
            },
            false => nobody(&self.peer, error),
        }
    }
}

fn nobody(peer: &str, error: io::Error) -> Error {
    Error::Unreachable {
        peer: peer.to_owned(),
        because: Unreachable::NobodyAnswers,
        why: error.to_string(),
    }
}

/// A socket that hears everybody.
pub struct DatagramListener {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl DatagramListener {
    /// Listens. Port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> Result<DatagramListener> {
        let failed = |error| Error::io(format!("listening on {address}"), error);
        let socket = UdpSocket::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(DatagramListener {
            socket,
            buffer: vec![0; ROOM],
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.socket.local_addr();
        address.map_err(|error| Error::io("listening", error))
    }

    /// The next datagram and who sent it, if that is who it says; `None` if none comes until then.
    pub fn receive(&mut self, until: Instant) -> Result<Option<(&[u8], SocketAddr)>> {
        let failed = |error| Error::io("waiting for datagrams", error);
        while is_readable_until(&self.socket, until).map_err(failed)? {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((count, sender)) => {
                    return Ok(Some((self.buffer.get(..count).unwrap_or_default(), sender)))
                }
                // That nobody was there for an answer of ours is no concern of those who come next.
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }

    /// Sends a datagram. One for which there is no room, or no way, is lost as others are on theirs.
    pub fn send_to(&self, bytes: &[u8], address: SocketAddr) -> Result<()> {
        match self.socket.send_to(bytes, address) {
            Err(error) if !is_lost(&error) => Err(Error::io(format!("answering {address}"), error)),
            _ => Ok(()),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused | ErrorKind::Interrupted
    )
}

fn is_lost(error: &io::Error) -> bool {
    let unreachable = matches!(
        error.kind(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::PermissionDenied
    );
    unreachable || is_passing(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Security;
    use std::time::Duration;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint {
            scheme: "udp".to_owned(),
            host: host.to_owned(),
            port,
            security: Security::Plain,
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn each_datagram_is_one_whole() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let mut listener = DatagramListener::bind(address.parse().unwrap()).unwrap();
            let here = listener.address().unwrap();
            let connector = Connector::default();
            let endpoint = endpoint(&here.ip().to_string(), here.port());
            let mut near = connector.datagrams(&endpoint).unwrap();
            for size in [0, 1, 1472, LARGEST_DATAGRAM] {
                near.send(&vec![7; size]).unwrap();
                let (heard, sender) = listener.receive(soon()).unwrap().unwrap();
                assert_eq!(heard, vec![7; size]);
                let heard = heard.to_vec();
                listener.send_to(&heard, sender).unwrap();
                assert_eq!(near.receive(soon()).unwrap().unwrap(), heard);
            }
            assert_eq!(near.receive(Instant::now()).unwrap(), None);
            let error = near.send(&vec![0; 70_000]).unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn nobody_else_is_heard() {
        let mut listener = DatagramListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.address().unwrap().port();
        let mut near = Connector::default()
            .datagrams(&endpoint("127.0.0.1", port))
            .unwrap();
        near.send(b"?").unwrap();
        let (_, sender) = listener.receive(soon()).unwrap().unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"evil", sender).unwrap();
        listener.send_to(b"good", sender).unwrap();
        assert_eq!(near.receive(soon()).unwrap().unwrap(), b"good");
        assert_eq!(near.receive(Instant::now()).unwrap(), None);
    }

    #[test]
    fn where_nobody_is_there_may_be_another_address() {
        let mut listener = DatagramListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.address().unwrap().port();
        // ::1 comes first, and nobody is there.
        let mut near = Connector::default()
            .datagrams(&endpoint("localhost", port))
            .unwrap();
        assert!(near.address().is_ipv6());
        near.send(b"?").unwrap();
        let error = near.receive(soon()).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(near.try_next_address());
        near.send(b"!").unwrap();
        assert_eq!(listener.receive(soon()).unwrap().unwrap().0, b"!");
        assert!(!near.try_next_address());
    }
}
