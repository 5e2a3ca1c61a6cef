//! From a name to addresses, within a deadline.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::endpoint::is_localhost;
use crate::error::{Error, Result, Unreachable};

/// Which addresses may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    /// Both kinds.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    fn allows(self, address: &SocketAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

/// What we were doing, in errors.
pub const RESOLVING: &str = "resolving the name";

/// The addresses of a host in the order in which they should be tried: families alternate
/// (RFC 8305 section 4), the one that the system prefers first.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    family: Family,
    deadline: Instant,
) -> Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        // RFC 6761 section 6.3: these names need no resolver, and no resolver can lie about them.
        Err(_) if is_localhost(host) => vec![
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port),
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
        ],
        Err(_) => ask_the_system(host, port, deadline)?,
    };
    let wanted: Vec<SocketAddr> = found
        .iter()
        .copied()
        .filter(|address| family.allows(address))
        .collect();
    if wanted.is_empty() {
        let why = if found.is_empty() {
            "the name has no address".to_owned()
        } else {
            format!(
                "no address of the family that was asked for among {}",
                found.len()
            )
        };
        return Err(no_such_host(host, why));
    }
    Ok(interleave(&wanted))
}

/// The system's resolver cannot be interrupted, so it runs on a thread that is left behind when the
/// deadline passes.
fn ask_the_system(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>> {
    let started = Instant::now();
    let (answer, answered) = mpsc::channel();
    let name = host.to_owned();
    let thread = thread::Builder::new().spawn(move || {
        let found = (name.as_str(), port)
            .to_socket_addrs()
            .map(|addresses| addresses.collect());
        // Nobody may be waiting any more.
        let _ = answer.send(found);
    });
    thread.map_err(|error| Error::io("starting a thread for resolving the name", error))?;
    match answered.recv_timeout(deadline.saturating_duration_since(started)) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(no_such_host(host, error.to_string())),
        Err(_) => Err(Error::TimedOut {
            peer: host.to_owned(),
            doing: RESOLVING.to_owned(),
            after: started.elapsed(),
        }),
    }
}

fn no_such_host(host: &str, why: String) -> Error {
    Error::Unreachable {
        peer: host.to_owned(),
        because: Unreachable::NoSuchHost,
        why,
    }
}

fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses
        .iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut order = Vec::with_capacity(addresses.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return order;
        }
        order.extend(pair.0);
        order.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn families_alternate() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let order = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleave(&given), order);
    }

    #[test]
    fn localhost_and_numbers_need_no_resolver() {
        let past = Instant::now();
        let found = resolve("localhost", 80, Family::Any, past).unwrap();
        assert_eq!(found.len(), 2);
        let found = resolve("localhost", 80, Family::V4, past).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(resolve("::1", 80, Family::Any, past).unwrap().len(), 1);
        let error = resolve("127.0.0.1", 80, Family::V6, past).unwrap_err();
        assert!(error.to_string().contains("no such host"), "{error}");
    }

    #[test]
    fn a_name_that_cannot_exist_has_no_address() {
        // RFC 6761 section 6.4: .invalid never resolves.
        let error = resolve("host.invalid", 80, Family::Any, soon()).unwrap_err();
        assert!(matches!(
            error,
            Error::Unreachable {
                because: Unreachable::NoSuchHost,
                ..
            }
        ));
    }

    #[test]
    fn the_resolver_is_left_behind_at_the_deadline() {
        let error = ask_the_system("host.invalid", 80, Instant::now()).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }
}
