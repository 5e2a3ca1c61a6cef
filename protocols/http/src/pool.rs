//! Connections that wait for their next request.
//!
//! A pool belongs to one client and so to one connector: TLS settings, client identity, proxies and
//! local address are the same for all that is in it. What may differ is the endpoint, which holds
//! scheme, host, port and security; it is the key.

use std::collections::VecDeque;

use proto_transport::{Connection, Endpoint};

use crate::request::Request;

/// A connection between two requests.
pub(crate) struct Idle {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    /// Requests that were made ahead and are not answered yet.
    pub(crate) ahead: VecDeque<Request>,
    /// Whether it gave an earlier final response, rather than only a step towards one.
    pub(crate) has_served: bool,
}

impl Idle {
    /// Whether it is still good: it is open, and nothing came unasked (RFC 9112 section 9.2; such
    /// bytes would pass for the next response).
    fn is_good(&mut self) -> bool {
        match self.ahead.is_empty() {
            true => self.connection.is_reusable(),
            false => self.connection.is_in_step(),
        }
    }
}

/// Idle connections, the most recently used last.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Vec<Idle>,
}

/// More than one origin is in play only while redirects go back and forth.
const IDLE: usize = 4;

impl Pool {
    /// A connection to `endpoint` that is still good.
    pub(crate) fn take(&mut self, endpoint: &Endpoint) -> Option<Idle> {
        while let Some(at) = self
            .idle
            .iter()
            .rposition(|idle| idle.endpoint == *endpoint)
        {
            let mut idle = self.idle.remove(at);
            if idle.is_good() {
                return Some(idle);
            }
        }
        None
    }

    pub(crate) fn put(&mut self, idle: Idle) {
        if self.idle.len() >= IDLE {
            self.idle.remove(0);
        }
        self.idle.push(idle);
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

    fn idle(port: u16, unasked: &str) -> Idle {
        Idle {
            endpoint: endpoint(port, Security::Plain),
            connection: Connection::over(Memory::new(unasked)),
            ahead: VecDeque::new(),
            has_served: false,
        }
    }

    #[test]
    fn a_connection_serves_only_its_own_endpoint() {
        let mut pool = Pool::default();
        pool.put(idle(80, ""));
        assert!(pool.take(&endpoint(80, Security::Tls)).is_none());
        assert!(pool.take(&endpoint(81, Security::Plain)).is_none());
        assert!(pool.take(&endpoint(80, Security::Plain)).is_some());
        assert!(pool.take(&endpoint(80, Security::Plain)).is_none());
    }

    #[test]
    fn what_spoke_unasked_is_dropped() {
        let mut pool = Pool::default();
        let here = endpoint(80, Security::Plain);
        pool.put(idle(80, ""));
        pool.put(idle(80, "HTTP/1.1 200 OK\r\n"));
        assert!(pool
            .take(&here)
            .is_some_and(|mut idle| idle.connection.is_reusable()));
        assert!(pool.take(&here).is_none());
    }

    #[test]
    fn only_a_few_wait() {
        let mut pool = Pool::default();
        for port in 0..10 {
            pool.put(idle(port, ""));
        }
        assert_eq!(pool.idle.len(), IDLE);
        assert!(pool.take(&endpoint(9, Security::Plain)).is_some());
    }
}
