//! What `tcp` and `udp` share: where to go, where to listen, and lines as they are read.

use std::io::{self, BufRead};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

/// The endpoint of `HOST PORT`, `host:port` or a URL whose scheme is this or, for TLS, `tls`.
pub fn endpoint(scheme: &str, host: &str, port: Option<u16>) -> Result<Endpoint> {
    // An IPv6 address needs no brackets here.
    let bare = host.parse::<std::net::Ipv6Addr>();
    let text = match bare {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    let url = parse_url(&text, scheme)?;
    let security = match url.scheme() {
        name if name == scheme => Security::Plain,
        "tls" if scheme == "tcp" => Security::Tls,
        other => {
            return Err(Error::illegal(format!(
                "{other}:// is not for this command"
            )));
        }
    };
    let is_bare =
        matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
    if !is_bare {
        return Err(Error::illegal(format!(
            "{host} is more than a host and a port"
        )));
    }
    let port = match (url.port(), port) {
        (Some(_), Some(_)) => return Err(Error::illegal("the port is given twice")),
        (Some(port), None) | (None, Some(port)) => port,
        (None, None) => return Err(Error::illegal(format!("{host}: which port?"))),
    };
    let mut endpoint = Endpoint::from_url(&url, port, security)?;
    scheme.clone_into(&mut endpoint.scheme);
    Ok(endpoint)
}

/// An endpoint as a URL.
pub fn url(endpoint: &Endpoint) -> Result<Url> {
    parse_url(&endpoint.to_string(), &endpoint.scheme)
}

/// Where to listen: `[ADDRESS] PORT`. A port alone is one of the loopback; anything but loopback is
/// warned of.
pub fn listening_address(host: Option<&str>, port: Option<u16>) -> Result<SocketAddr> {
    let (address, port) = match (host, port) {
        (Some(host), Some(port)) => (address(host)?, port),
        (Some(text), None) => match (text.parse::<u16>(), text.parse::<SocketAddr>()) {
            (Ok(port), _) => (Ipv4Addr::LOCALHOST.into(), port),
            (_, Ok(address)) => (address.ip(), address.port()),
            _ => {
                return Err(Error::illegal(format!(
                    "{text}: listening takes [ADDRESS] PORT"
                )))
            }
        },
        (None, _) => return Err(Error::illegal("listening takes [ADDRESS] PORT")),
    };
    let address = SocketAddr::new(address, port);
    if !address.ip().is_loopback() {
        crate::warn(&format!(
            "{address} is open to the network, and nobody is asked who they are"
        ));
    }
    Ok(address)
}

fn address(text: &str) -> Result<IpAddr> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| Error::illegal(format!("{text} is no address of this machine"))),
    }
}

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Without its line end.
    Line(Vec<u8>),
    /// It was longer than the limit, and is not kept.
    TooLong,
}

/// The next line, if there is one. One that is too long is read to its end and forgotten.
pub fn read_line(source: &mut dyn BufRead, limit: usize) -> io::Result<Option<Read>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let part = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            part => part?,
        };
        if part.is_empty() && line.is_empty() && !is_too_long {
            return Ok(None);
        }
        let end = memchr::memchr(b'\n', part);
        let count = end.map_or(part.len(), |end| end + 1);
        is_too_long |= line.len() + count > limit + 2;
        match is_too_long {
            true => line.clear(),
            false => line.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
        let is_over = end.is_some() || part.is_empty();
        source.consume(count);
        if is_over {
            break;
        }
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    }
    match is_too_long || line.len() > limit {
        true => Ok(Some(Read::TooLong)),
        false => Ok(Some(Read::Line(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_go_to() {
        for (host, port, wanted) in [
            ("localhost", Some(25), "localhost:25"),
            ("localhost:25", None, "localhost:25"),
            ("::1", Some(25), "[::1]:25"),
            ("[::1]:25", None, "[::1]:25"),
            ("tcp://a.example:25", None, "a.example:25"),
            ("tcp://a.example:25/", None, "a.example:25"),
            ("tls://a.example", Some(465), "a.example:465"),
        ] {
            let found = endpoint("tcp", host, port).unwrap();
            assert_eq!(found.to_string(), wanted, "{host}");
            assert_eq!(found.security == Security::Tls, host.starts_with("tls"));
            assert_eq!(found.scheme, "tcp");
        }
        for (host, port) in [
            ("localhost", None),
            ("localhost:25", Some(25)),
            ("smtp://localhost", Some(25)),
            ("a@localhost", Some(25)),
            ("localhost/x", Some(25)),
            ("", Some(25)),
            ("a\x1bb", Some(25)),
        ] {
            assert!(endpoint("tcp", host, port).is_err(), "{host}");
        }
        assert!(endpoint("udp", "tls://a", Some(1)).is_err());
    }

    #[test]
    fn places_to_listen_at() {
        for (host, port, wanted) in [
            ("7000", None, "127.0.0.1:7000"),
            ("localhost", Some(7000), "127.0.0.1:7000"),
            ("::1", Some(7000), "[::1]:7000"),
            ("[::1]:7000", None, "[::1]:7000"),
            ("127.0.0.2:0", None, "127.0.0.2:0"),
        ] {
            let found = listening_address(Some(host), port).unwrap();
            assert_eq!(found.to_string(), wanted);
        }
        for (host, port) in [
            (Some("99999"), None),
            (Some("a.example"), Some(1)),
            (None, None),
        ] {
            assert!(listening_address(host, port).is_err(), "{host:?}");
        }
    }

    #[test]
    fn lines_have_a_limit() {
        let line = |text: &str| Some(Read::Line(text.as_bytes().to_vec()));
        for size in 1..20 {
            let text = &b"a\r\n\nabcde\r\nabcdef\r\nabcdefghijkl\nabc"[..];
            let mut source = io::BufReader::with_capacity(size, text);
            let mut next = || read_line(&mut source, 5).unwrap();
            assert_eq!(next(), line("a"));
            assert_eq!(next(), line(""));
            assert_eq!(next(), line("abcde"));
            assert_eq!(next(), Some(Read::TooLong));
            assert_eq!(next(), Some(Read::TooLong));
            assert_eq!(next(), line("abc"));
            assert_eq!(next(), None);
        }
    }
}
