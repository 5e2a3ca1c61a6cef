//! Connections that wait for their next request.
//!
//! A pool belongs to one client and so to one connector: TLS settings, client identity, proxies and
//! local address are the same for all that is in it. What may differ is the endpoint, which holds
//! scheme, host, port and security; it is the key.

use proto_transport::{Connection, Endpoint};

/// Idle connections, the most recently used last.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Vec<(Endpoint, Connection)>,
}

/// More than one origin is in play only while redirects go back and forth.
const IDLE: usize = 4;

impl Pool {
    /// A connection to `endpoint` that is still good: it is open, and nothing came unasked
    /// (RFC 9112 section 9.2; such bytes would pass for the next response).
    pub(crate) fn take(&mut self, endpoint: &Endpoint) -> Option<Connection> {
        while let Some(at) = self.idle.iter().rposition(|(known, _)| known == endpoint) {
            let (_, mut connection) = self.idle.remove(at);
            if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }

    pub(crate) fn put(&mut self, endpoint: Endpoint, connection: Connection) {
        if self.idle.len() >= IDLE {
            self.idle.remove(0);
        }
        self.idle.push((endpoint, connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::{Memory, Security};

    fn endpoint(port: u16, security: Security) -> Endpoint {
        Endpoint {
            scheme: "http".into(),
            host: "a".into(),
            port,
            security,
        }
    }

    fn quiet() -> Connection {
        Connection::over(Memory::new(""))
    }

    #[test]
    fn a_connection_serves_only_its_own_endpoint() {
        let mut pool = Pool::default();
        pool.put(endpoint(80, Security::Plain), quiet());
        assert!(pool.take(&endpoint(80, Security::Tls)).is_none());
        assert!(pool.take(&endpoint(81, Security::Plain)).is_none());
        assert!(pool.take(&endpoint(80, Security::Plain)).is_some());
        assert!(pool.take(&endpoint(80, Security::Plain)).is_none());
    }

    #[test]
    fn what_spoke_unasked_is_dropped() {
        let mut pool = Pool::default();
        let here = endpoint(80, Security::Plain);
        pool.put(here.clone(), quiet());
        pool.put(
            here.clone(),
            Connection::over(Memory::new("HTTP/1.1 200 OK\r\n")),
        );
        assert!(pool.take(&here).unwrap().is_reusable());
        assert!(pool.take(&here).is_none());
    }

    #[test]
    fn only_a_few_wait() {
        let mut pool = Pool::default();
        for port in 0..10 {
            pool.put(endpoint(port, Security::Plain), quiet());
        }
        assert_eq!(pool.idle.len(), IDLE);
        assert!(pool.take(&endpoint(9, Security::Plain)).is_some());
    }
}
