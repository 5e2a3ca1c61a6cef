//! *Policy*: how connections are made. One connector serves a whole command.

use std::net::{IpAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::connection::{Connection, Facts};
use crate::dial::{dial, dial_unix};
use crate::endpoint::{Endpoint, Security};
use crate::error::{Error, Result, Unreachable};
use crate::limits::{Limits, Timeouts};
use crate::proxies::Proxies;
use crate::proxy::{Proxy, ProxyKind};
use crate::resolve::{resolve, Family};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::tls::{Tls, Trust};
use crate::transcript::{Recorder, Transcript};

/// How connections are made.
#[derive(Clone, Default)]
pub struct Connector {
    /// How long we wait.
    pub timeouts: Timeouts,
    /// How much we take.
    pub limits: Limits,
    /// Which kind of address may be used.
    pub family: Family,
    /// The local address to connect from.
    pub bind: Option<IpAddr>,
    /// Dial this host and port whatever the endpoint says; its name stays the one that TLS verifies.
    pub connect_to: Option<(String, u16)>,
    /// Connect to this Unix socket instead.
    pub unix_socket: Option<PathBuf>,
    /// Which proxy is asked for which host.
    pub proxies: Proxies,
    /// Whether we may log in to a proxy without TLS that is on another machine.
    pub allow_clear_credentials: bool,
    /// What is asked of TLS.
    pub tls: Arc<Tls>,
    /// Where conversations are recorded.
    pub transcript: Option<Transcript>,
}

impl Connector {
    /// Connects, through a proxy if there is one for the endpoint, with TLS if that starts with the
    /// first byte.
    pub fn connect(&self, endpoint: &Endpoint) -> Result<Connection> {
        let deadline = self.timeouts.end_of(self.timeouts.connect);
        let mut connection = self.reach(endpoint, deadline)?;
        if endpoint.security != Security::Tls {
            return Ok(connection);
        }
        let trust = self.tls.first_trust();
        match connection.handshake(trust, deadline) {
            // A peer that only a rarely needed authority vouches for: once more, with all of them.
            Err(error) if trust == Trust::Quick && self.tls.may_trust_more(&error) => {
                connection = self.reach(endpoint, deadline)?;
                connection.handshake(Trust::Complete, deadline)?;
            }
            result => result?,
        }
        Ok(connection)
    }

    /// Runs an attempt that connects and then upgrades to TLS; and once more if it failed because
    /// only an authority that is rarely needed may vouch for the peer: an upgrade cannot be tried
    /// again on the same connection.
    pub fn once_more<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        match attempt() {
            Err(error) if self.tls.learns_from(&error) => attempt(),
            result => result,
        }
    }

    /// The same policy, for connections whose TLS session others will resume
    /// ([`Connection::resume_tls`]): the control connections of FTP. Its handshakes do not tell the
    /// channel binding [`TlsFacts::end_point`](crate::TlsFacts::end_point).
    pub fn keeping_sessions(&self) -> Connector {
        Connector {
            tls: self.tls.keeping_sessions(),
            ..self.clone()
        }
    }

    /// A connection that the peer of `control` made to us, of the same policy: the data connections of
    /// FTP's active mode. Whether it really comes from that peer is the caller's to check. For
    /// errors it is the peer of `control`, and for TLS that host.
    pub fn accepted(&self, stream: TcpStream, control: &Connection) -> Result<Connection> {
        let failed = |error| Error::io("taking the connection of the peer", error);
        let facts = Facts {
            peer: control.facts().peer.clone(),
            host: control.facts().host.clone(),
            address: stream.peer_addr().ok().map(|peer| peer.to_string()),
            local: stream.local_addr().ok().map(|local| local.ip()),
            ..Facts::default()
        };
        let socket = Socket::tcp(stream).map_err(failed)?;
        Ok(self.wrap(Box::new(socket), facts, self.recorder()))
    }

    /// Whether what is said to an endpoint without TLS stays on this machine. A host that is named
    /// `localhost` is another one's when a proxy or `connect_to` leads there.
    pub fn is_private(&self, endpoint: &Endpoint) -> bool {
        if self.unix_socket.is_some() {
            return endpoint.is_loopback();
        }
        let dialled = self.connect_to.as_ref().map(|(host, _)| Endpoint {
            host: host.clone(),
            ..endpoint.clone()
        });
        endpoint.is_loopback()
            && self.proxies.choose(endpoint).is_none()
            && dialled.is_none_or(|dialled| dialled.is_loopback())
    }

    /// The way to an endpoint, before any TLS with it.
    fn reach(&self, endpoint: &Endpoint, deadline: Instant) -> Result<Connection> {
        let route = match self.unix_socket {
            Some(_) => None,
            None => self.proxies.choose(endpoint),
        };
        match route {
            Some(proxy) => self.through(proxy, endpoint, deadline),
            None => self.open(endpoint, self.connect_to.as_ref(), deadline),
        }
    }

    /// Connects to a proxy itself, for a protocol that speaks to it (HTTP in absolute form).
    pub fn connect_to_proxy(&self, proxy: &Proxy) -> Result<Connection> {
        self.reach_proxy(proxy, self.timeouts.end_of(self.timeouts.connect))
    }

    fn reach_proxy(&self, proxy: &Proxy, deadline: Instant) -> Result<Connection> {
        if !self.allow_clear_credentials {
            proxy.keep_secrets()?;
        }
        let mut connection = self.open(&proxy.endpoint, None, deadline)?;
        connection.facts_mut().proxy = Some(proxy.to_string());
        if proxy.endpoint.security == Security::Tls {
            connection.tls = self.tls.for_proxy();
            connection.handshake(connection.tls.all_trust(), deadline)?;
        }
        Ok(connection)
    }

    fn through(&self, proxy: &Proxy, endpoint: &Endpoint, deadline: Instant) -> Result<Connection> {
        let started = Instant::now();
        let mut target = endpoint.clone();
        if let Some((host, port)) = &self.connect_to {
            (target.host, target.port) = (host.clone(), *port);
        }
        if proxy.kind == ProxyKind::Socks5 {
            let found = resolve(&target.host, target.port, self.family, deadline)?;
            target.host = found
                .first()
                .map_or(target.host, |address| address.ip().to_string());
        }
        let mut connection = self.reach_proxy(proxy, deadline)?;
        // What the proxy does is part of connecting, so one that drips cannot prolong it.
        connection.timeouts.deadline = Some(deadline);
        proxy.tunnel(&mut connection, &target)?;
        let facts = Facts {
            peer: endpoint.to_string(),
            host: endpoint.host.clone(),
            connect: started.elapsed(),
            handshake: None,
            tls: None,
            ..connection.facts().clone()
        };
        let (stream, recorder) = connection
            .into_parts()
            .ok_or_else(|| Error::illegal("the proxy is gone"))?;
        Ok(self.wrap(stream, facts, recorder))
    }

    /// Opens a socket. `instead` is where to dial when not at the endpoint itself.
    fn open(
        &self,
        endpoint: &Endpoint,
        instead: Option<&(String, u16)>,
        deadline: Instant,
    ) -> Result<Connection> {
        let mut facts = Facts {
            peer: endpoint.to_string(),
            host: endpoint.host.clone(),
            ..Facts::default()
        };
        let started = Instant::now();
        if let Some(path) = &self.unix_socket {
            let stream = dial_unix(&facts.peer, path, deadline)?;
            facts.address = Some(path.display().to_string());
            facts.connect = started.elapsed();
            return Ok(self.wrap(Box::new(Socket::unix(stream)), facts, self.recorder()));
        }
        let (host, port) = instead.map_or((&endpoint.host, endpoint.port), |(host, port)| {
            (host, *port)
        });
        let addresses = resolve(host, port, self.family, deadline)?;
        facts.resolve = started.elapsed();
        let started = Instant::now();
        let (socket, address) = dial(&facts.peer, &addresses, self.bind, deadline)?;
        facts.connect = started.elapsed();
        facts.address = Some(address.to_string());
        facts.local = socket.local_addr().ok().map(|local| local.ip());
        let socket =
            Socket::tcp(socket).map_err(|error| unreachable(endpoint, error.to_string()))?;
        Ok(self.wrap(Box::new(socket), facts, self.recorder()))
    }

    fn recorder(&self) -> Option<Recorder> {
        self.transcript.as_ref().map(Transcript::recorder)
    }

    fn wrap(
        &self,
        stream: Box<dyn Stream>,
        facts: Facts,
        recorder: Option<Recorder>,
    ) -> Connection {
        Connection::new(
            stream,
            facts,
            self.timeouts.clone(),
            self.limits.clone(),
            Arc::clone(&self.tls),
            recorder,
        )
    }
}

fn unreachable(endpoint: &Endpoint, why: String) -> Error {
    Error::Unreachable {
        peer: endpoint.to_string(),
        because: Unreachable::NobodyAnswers,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_that_is_dialled_decides_who_may_listen() {
        let private = |connector: &Connector, host: &str| {
            connector.is_private(&Endpoint {
                scheme: "http".to_owned(),
                host: host.to_owned(),
                port: 80,
                security: Security::Plain,
            })
        };
        let mut connector = Connector::default();
        assert!(private(&connector, "localhost"));
        assert!(!private(&connector, "far.example"));
        connector.connect_to = Some(("::1".to_owned(), 1));
        assert!(private(&connector, "localhost"));
        assert!(!private(&connector, "far.example"));
        connector.connect_to = Some(("192.0.2.1".to_owned(), 1));
        assert!(!private(&connector, "localhost"));
        connector.connect_to = None;
        connector.proxies.all = Some(Proxy::parse("http://localhost").unwrap());
        assert!(!private(&connector, "localhost"));
    }
}
