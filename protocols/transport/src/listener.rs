//! The side that is connected to: programs that serve stand on the same [`Connection`].

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use socket2::SockRef;

use crate::connection::{Connection, Facts};
use crate::connector::Connector;
use crate::duplex::is_readable_until;
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::transcript::Transcript;

/// A TCP port that peers can connect to.
pub struct Listener {
    listener: TcpListener,
}

/// How many may wait to be accepted. Who finds no place in the queue tries again only after a second.
const WAITING: i32 = 1024;

impl Listener {
    /// Listens. Port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> Result<Listener> {
        let failed = |error| Error::io(format!("listening on {address}"), error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        // Listening once more sets how many may wait.
        SockRef::from(&listener).listen(WAITING).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Listener { listener })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.listener.local_addr();
        address.map_err(|error| Error::io("listening", error))
    }

    /// The next peer, under the connector's deadlines and limits, and recorded in its transcript;
    /// `None` if nobody comes until then.
    pub fn accept(&self, policy: &Connector, until: Instant) -> Result<Option<Connection>> {
        while let Some((stream, _)) = self.accept_socket(until)? {
            // One that is gone already is nobody's concern.
            if let Ok(connection) = Listener::connection(stream, policy) {
                return Ok(Some(connection));
            }
        }
        Ok(None)
    }

    /// The next peer as a bare socket, for who hands it on.
    pub fn accept_socket(&self, until: Instant) -> Result<Option<(TcpStream, SocketAddr)>> {
        let failed = |error| Error::io("waiting for peers", error);
        while is_readable_until(&self.listener, until).map_err(failed)? {
            match self.listener.accept() {
                Ok((stream, address)) => {
                    // What is accepted does not inherit this on Linux, but elsewhere.
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(Some((stream, address)));
                }
                // Whoever knocked went away again.
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }

    /// A conversation over a socket that was accepted.
    pub fn connection(stream: TcpStream, policy: &Connector) -> Result<Connection> {
        let failed = |error| Error::io("looking at who has come", error);
        let address = stream.peer_addr().map_err(failed)?;
        let facts = Facts {
            peer: address.to_string(),
            host: address.ip().to_string(),
            address: Some(address.to_string()),
            local: stream.local_addr().ok().map(|local| local.ip()),
            ..Facts::default()
        };
        Ok(Connection::new(
            Box::new(Socket::tcp(stream).map_err(failed)?),
            facts,
            policy.timeouts.clone(),
            policy.limits.clone(),
            Arc::clone(&policy.tls),
            policy.transcript.as_ref().map(Transcript::recorder),
        ))
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | WouldBlock
    )
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoint, Security};
    use std::time::Duration;

    #[test]
    fn both_ends_are_connections() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let policy = Connector::default();
        assert!(listener.accept(&policy, Instant::now()).unwrap().is_none());
        let endpoint = Endpoint {
            scheme: "tcp".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: listener.address().unwrap().port(),
            security: Security::Plain,
        };
        let mut near = policy.connect(&endpoint).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let mut far = listener.accept(&policy, until).unwrap().unwrap();
        assert_eq!(Some(far.peer()), far.facts().address.as_deref());
        near.write_line("hello").unwrap();
        near.flush().unwrap();
        assert_eq!(far.read_line().unwrap(), b"hello");
    }

    #[test]
    fn a_port_that_is_taken_is_told() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(listener.address().unwrap()).err().unwrap();
        assert!(
            error.to_string().starts_with("listening on 127.0.0.1:"),
            "{error}"
        );
    }
}
