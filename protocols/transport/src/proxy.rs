//! The way through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

use std::fmt;
use std::net::IpAddr;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use url::Url;

use crate::connection::Connection;
use crate::endpoint::{decoded, parse_url, Endpoint, Security};
use crate::error::{Error, Refusal, Result};
use crate::escape::escaped;
use crate::framing::Length;
use crate::secret::Secret;

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// HTTP; a TLS proxy (`https`) has its endpoint's security set.
    Http,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

/// A proxy and what it wants to know of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Where it is.
    pub endpoint: Endpoint,
    /// User and password.
    pub credentials: Option<(String, Secret)>,
}

impl Proxy {
    /// Reads `http://`, `https://`, `socks5://` or `socks5h://`; `http` if there is no scheme.
    pub fn parse(text: &str) -> Result<Proxy> {
        let url = parse_url(text, "http")?;
        let (kind, port, security) = match url.scheme() {
            "http" => (ProxyKind::Http, 80, Security::Plain),
            "https" => (ProxyKind::Http, 443, Security::Tls),
            "socks5" => (ProxyKind::Socks5, 1080, Security::Plain),
            "socks5h" => (ProxyKind::Socks5h, 1080, Security::Plain),
            other => {
                return Err(Error::illegal(format!(
                    "{other} is not a kind of proxy; there are http, https, socks5 and socks5h"
                )))
            }
        };
        Ok(Proxy {
            kind,
            endpoint: Endpoint::from_url(&url, port, security)?,
            credentials: credentials(&url)?,
        })
    }

    /// The value of a `Proxy-Authorization` field (RFC 7617), split before the secret.
    pub fn authorization(&self) -> Option<(&'static str, Secret)> {
        let (user, password) = self.credentials.as_ref()?;
        let pair = format!("{user}:{}", password.reveal());
        Some(("Basic ", Secret::from(STANDARD.encode(pair))))
    }

    /// Refuses to prove who we are to a proxy where others may listen: Basic and RFC 1929 send the
    /// password itself.
    pub(crate) fn keep_secrets(&self) -> Result<()> {
        let in_clear = self.endpoint.security != Security::Tls && !self.endpoint.is_loopback();
        match self.credentials.is_some() && in_clear {
            true => Err(Error::Insecure {
                peer: self.endpoint.to_string(),
                doing: "logging in to the proxy".to_owned(),
                why:
                    "the password would go in the clear; use an https proxy, or --plain to allow it"
                        .to_owned(),
                certificate: false,
            }),
            false => Ok(()),
        }
    }

    /// Asks the proxy for a way to `target`. Afterwards the connection is as good as direct.
    pub(crate) fn tunnel(&self, connection: &mut Connection, target: &Endpoint) -> Result<()> {
        connection.doing("asking the proxy for a way through");
        match self.kind {
            ProxyKind::Http => self.connect(connection, target)?,
            ProxyKind::Socks5 | ProxyKind::Socks5h => self.socks(connection, target)?,
        }
        // Bytes from before the tunnel would pass for the target's (as with STARTTLS).
        if connection.has_unread() {
            return Err(connection.malformed(
                "a proxy says nothing behind its yes",
                connection.input.unread(),
            ));
        }
        Ok(())
    }

    fn connect(&self, connection: &mut Connection, target: &Endpoint) -> Result<()> {
        connection.write_line(format!("CONNECT {target} HTTP/1.1"))?;
        connection.write_line(format!("Host: {target}"))?;
        if let Some((scheme, secret)) = self.authorization() {
            connection
                .write_secret_line(format!("Proxy-Authorization: {scheme}"), secret.reveal())?;
        }
        connection.write_line("")?;
        let status = connection.read_line()?.to_vec();
        let code = parse_status(&status)
            .ok_or_else(|| connection.malformed("expected an HTTP status line", &status))?;
        let (max_lines, max_bytes) = (
            connection.limits().reply_lines,
            connection.limits().reply_bytes,
        );
        let mut bytes = 0;
        for _ in 0..max_lines {
            let length = connection.read_line()?.len();
            bytes += length;
            if length == 0 {
                return match code {
                    200..=299 => Ok(()),
                    407 => Err(connection.refused(escaped(&status), Refusal::Credentials)),
                    429 | 502..=504 => {
                        Err(connection.refused(escaped(&status), Refusal::Transient))
                    }
                    _ => Err(connection.refused(escaped(&status), Refusal::Lasting)),
                };
            }
            if bytes > max_bytes {
                break;
            }
        }
        Err(Error::TooLarge {
            what: format!("{}: the proxy's reply, in lines,", connection.peer()),
            limit: max_lines as u64,
        })
    }

    fn socks(&self, connection: &mut Connection, target: &Endpoint) -> Result<()> {
        // RFC 1928 section 3: version, and the methods that we can do.
        let methods: &[u8] = match self.credentials {
            Some(_) => &[5, 2, 0, 2],
            None => &[5, 1, 0],
        };
        connection.send_exactly(&mut &methods[..], methods.len() as u64)?;
        let answer = read_exactly(connection, 2)?;
        match answer.as_slice() {
            [5, 0] => {}
            [5, 2] if self.credentials.is_some() => self.socks_log_in(connection)?,
            [5, _] => {
                let why = "the SOCKS proxy accepts no way to log in that we have";
                return Err(connection.refused(why, Refusal::Credentials));
            }
            _ => return Err(connection.malformed("expected a SOCKS5 reply", &answer)),
        }
        let mut request = vec![5, 1, 0];
        match target.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => push_with_length(&mut request, 3, target.host.as_bytes())?,
        }
        request.extend_from_slice(&target.port.to_be_bytes());
        connection.send_exactly(&mut request.as_slice(), request.len() as u64)?;
        self.socks_reply(connection)
    }

    /// RFC 1929.
    fn socks_log_in(&self, connection: &mut Connection) -> Result<()> {
        let Some((user, password)) = &self.credentials else {
            return Ok(());
        };
        let mut request = Vec::new();
        push_with_length(&mut request, 1, user.as_bytes())?;
        let length = u8::try_from(password.reveal().len())
            .map_err(|_| Error::illegal("a SOCKS password cannot be longer than 255 bytes"))?;
        request.push(length);
        connection.send_secret(&request, password.reveal().as_bytes())?;
        let answer = read_exactly(connection, 2)?;
        match answer.as_slice() {
            [_, 0] => Ok(()),
            _ => Err(connection.refused(
                "the SOCKS proxy refuses user or password",
                Refusal::Credentials,
            )),
        }
    }

    /// RFC 1928 section 6. The bound address that follows is of no use to us, but must be read.
    fn socks_reply(&self, connection: &mut Connection) -> Result<()> {
        let answer = read_exactly(connection, 4)?;
        let [5, code, 0, kind] = answer.as_slice() else {
            return Err(connection.malformed("expected a SOCKS5 reply", &answer));
        };
        let length = match kind {
            1 => 4,
            4 => 16,
            3 => read_exactly(connection, 1)?
                .first()
                .copied()
                .unwrap_or(0)
                .into(),
            _ => return Err(connection.malformed("a SOCKS5 address is of kind 1, 3 or 4", &answer)),
        };
        read_exactly(connection, length + 2)?;
        let (why, refusal) = match code {
            0 => return Ok(()),
            2 => ("its rules forbid it", Refusal::Lasting),
            3 => ("the network is unreachable", Refusal::Transient),
            4 => ("the host is unreachable", Refusal::Transient),
            5 => ("the connection was refused", Refusal::Transient),
            6 => ("the time to live ran out", Refusal::Transient),
            7 => ("it does not know the command", Refusal::Lasting),
            8 => ("it does not know the kind of address", Refusal::Lasting),
            _ => ("a general failure", Refusal::Transient),
        };
        Err(connection.refused(format!("the SOCKS proxy says {code}: {why}"), refusal))
    }
}

fn push_with_length(request: &mut Vec<u8>, kind: u8, bytes: &[u8]) -> Result<()> {
    let length = u8::try_from(bytes.len())
        .map_err(|_| Error::illegal("SOCKS cannot carry a name longer than 255 bytes"))?;
    request.push(kind);
    request.push(length);
    request.extend_from_slice(bytes);
    Ok(())
}

fn read_exactly(connection: &mut Connection, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut body = connection.body(Length::new(count));
    while let Some(part) = body.next_part()? {
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// `HTTP/1.x SP 3DIGIT`
fn parse_status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    match rest {
        [b'0' | b'1', b' ', digits @ ..] => {
            let digits = digits.split(|byte| *byte == b' ').next()?;
            let text = std::str::from_utf8(digits).ok()?;
            let valid = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            valid.then(|| text.parse().ok()).flatten()
        }
        _ => None,
    }
}

fn credentials(url: &Url) -> Result<Option<(String, Secret)>> {
    if url.username().is_empty() {
        return Ok(None);
    }
    let user = decoded(url.username(), "proxy user")?;
    let password = decoded(url.password().unwrap_or_default(), "proxy password")?;
    Ok(Some((user, Secret::from(password))))
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.endpoint.scheme, self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn endpoint(scheme: &str, host: &str, port: u16) -> Endpoint {
        Endpoint {
            scheme: scheme.into(),
            host: host.into(),
            port,
            security: Security::Plain,
        }
    }

    /// Asks a scripted proxy for a way to example.com:25.
    fn tunnel(proxy: &str, says: &[u8]) -> (Result<()>, Vec<u8>) {
        let proxy = Proxy::parse(proxy).unwrap();
        let memory = Memory::in_pieces(says.chunks(3));
        let said = memory.said();
        let mut connection = Connection::over(memory);
        let result = proxy.tunnel(&mut connection, &endpoint("smtp", "example.com", 25));
        (result, said.bytes())
    }

    #[test]
    fn connect_says_where_to_and_who_asks() {
        let (result, said) = tunnel(
            "http://fred:pa%3Ass@proxy",
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
        );
        result.unwrap();
        let expected = "CONNECT example.com:25 HTTP/1.1\r\nHost: example.com:25\r\n\
                        Proxy-Authorization: Basic ZnJlZDpwYTpzcw==\r\n\r\n";
        assert_eq!(String::from_utf8(said).unwrap(), expected);
    }

    #[test]
    fn a_refusal_by_the_proxy_is_told_apart() {
        let kind = |reply: &str| match tunnel("http://proxy", reply.as_bytes()).0 {
            Err(Error::Refused { refusal, .. }) => Some(refusal),
            _ => None,
        };
        assert_eq!(
            kind("HTTP/1.1 407 Who?\r\n\r\n"),
            Some(Refusal::Credentials)
        );
        assert_eq!(kind("HTTP/1.1 503 Later\r\n\r\n"), Some(Refusal::Transient));
        assert_eq!(kind("HTTP/1.0 403 No\r\n\r\n"), Some(Refusal::Lasting));
    }

    #[test]
    fn nothing_may_come_behind_the_proxys_yes() {
        let says = b"HTTP/1.1 200 OK\r\n\r\n220 fake\r\n";
        let mut connection = Connection::over(Memory::new(says));
        let proxy = Proxy::parse("proxy").unwrap();
        let result = proxy.tunnel(&mut connection, &endpoint("smtp", "example.com", 25));
        assert!(matches!(result, Err(Error::Malformed { .. })));
    }

    #[test]
    fn what_is_no_http_reply_is_told() {
        for says in [
            "SSH-2.0\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
        ] {
            let (result, _) = tunnel("http://proxy", says.as_bytes());
            assert!(matches!(result, Err(Error::Malformed { .. })), "{says}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(2_000));
        let (result, _) = tunnel("http://proxy", endless.as_bytes());
        assert!(matches!(result, Err(Error::TooLarge { .. })));
    }

    const GRANTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    #[test]
    fn socks_passes_the_name_on() {
        let (result, said) = tunnel("socks5h://proxy", &[&[5, 0], GRANTED].concat());
        result.unwrap();
        let request = [&[5, 1, 0, 5, 1, 0, 3, 11][..], b"example.com", &[0, 25]].concat();
        assert_eq!(said, request);
    }

    #[test]
    fn socks_logs_in_only_when_asked() {
        let (result, said) = tunnel("socks5h://u:pw@proxy", &[&[5, 2, 1, 0], GRANTED].concat());
        result.unwrap();
        assert_eq!(&said[..11], [5, 2, 0, 2, 1, 1, b'u', 2, b'p', b'w', 5]);
        let (result, said) = tunnel("socks5h://proxy", &[5, 2]);
        assert!(matches!(
            result,
            Err(Error::Refused {
                refusal: Refusal::Credentials,
                ..
            })
        ));
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn socks_replies_are_checked_to_their_last_byte() {
        let name = [&[5, 0, 5, 0, 0, 3, 4][..], b"host", &[0, 1]].concat();
        tunnel("socks5h://proxy", &name).0.unwrap();
        for says in [
            &[4, 0][..],
            &[5, 0, 5, 0, 0, 2, 0],
            &[5, 0, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        ] {
            let (result, _) = tunnel("socks5h://proxy", says);
            assert!(matches!(result, Err(Error::Malformed { .. })), "{says:?}");
        }
        let whole = [&[5, 0], GRANTED].concat();
        for length in 0..whole.len() {
            let (result, _) = tunnel("socks5h://proxy", &whole[..length]);
            assert!(matches!(result, Err(Error::Closed { .. })), "{length}");
        }
        let (result, _) = tunnel("socks5h://proxy", &[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert!(result.unwrap_err().to_string().contains("refused"));
    }

    #[test]
    fn a_name_too_long_for_socks_is_refused() {
        let proxy = Proxy::parse("socks5h://proxy").unwrap();
        let mut connection = Connection::over(Memory::in_pieces([[5, 0]]));
        let result = proxy.tunnel(&mut connection, &endpoint("smtp", &"a".repeat(256), 25));
        assert!(matches!(result, Err(Error::Illegal { .. })));
    }

    #[test]
    fn a_login_is_kept_from_who_may_listen() {
        for (proxy, kept) in [
            ("http://u:p@far.example", true),
            ("socks5://u:p@far.example", true),
            ("socks5h://u:p@192.0.2.1", true),
            ("https://u:p@far.example", false),
            ("http://u:p@localhost", false),
            ("socks5://u:p@[::1]", false),
            ("http://far.example", false),
        ] {
            let refused = Proxy::parse(proxy).unwrap().keep_secrets();
            assert_eq!(refused.is_err(), kept, "{proxy}");
        }
    }
}
