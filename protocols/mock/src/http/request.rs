//! A request's head, read strictly: what is not HTTP/1 by the letter is refused, because a server
//! that forgives hides the client's mistakes.

use std::fmt;
use std::io;

use percent_encoding::percent_decode_str;

use crate::peer::Peer;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    /// The path and query as they came, also where the target was a whole URL.
    pub target: String,
    /// The x of HTTP/1.x.
    pub minor: u8,
    /// The whole head as it came.
    pub head: Vec<u8>,
    pub framing: Framing,
    fields: Vec<(String, String)>,
}

/// How a request's body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// Why a request cannot be answered as it should: it travels inside an [`io::Error`].
#[derive(Debug)]
pub(super) struct Bad {
    pub status: u16,
    pub why: &'static str,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl std::error::Error for Bad {}

pub(super) fn bad(status: u16, why: &'static str) -> io::Error {
    io::Error::other(Bad { status, why })
}

/// The longest request line. RFC 9112 section 3 asks for 8000 octets at least.
const REQUEST_LINE: usize = 16 * 1024;

/// The largest head, and the most fields in it.
const HEAD: usize = 64 * 1024;
const FIELDS: usize = 200;

impl Request {
    /// Reads the next request's head; `None` when the client has no more requests.
    pub fn read(peer: &mut Peer) -> io::Result<Option<Request>> {
        let Some(line) = peer.read_raw_line()? else {
            return Ok(None);
        };
        let mut head = line.clone();
        if line.len() > REQUEST_LINE {
            return Err(bad(414, "the request line is too long"));
        }
        let (method, target, minor) = parse_request_line(content(&line)?)?;
        let mut fields = Vec::new();
        loop {
            let line = peer.read_raw_line()?;
            let line = line.ok_or_else(|| bad(400, "the head ended too early"))?;
            head.extend_from_slice(&line);
            if head.len() > HEAD || fields.len() > FIELDS {
                return Err(bad(431, "the head is too large"));
            }
            match content(&line)? {
                [] => break,
                line => fields.push(parse_field(line)?),
            }
        }
        let mut request = Request {
            method,
            target,
            minor,
            head,
            framing: Framing::Length(0),
            fields,
        };
        request.framing = request.find_framing()?;
        request.check_host()?;
        Ok(Some(request))
    }

    /// The value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields with this name.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let fields = self.fields.iter();
        fields
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a field that is a list has this member, in any case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(member))
    }

    /// The path as it came, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        let (_, query) = self.target.split_once('?')?;
        let value = query
            .split('&')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(value).collect())
    }

    /// Whether the client would send another request on the connection (RFC 9112 section 9.3).
    pub fn is_persistent(&self) -> bool {
        match self.minor {
            0 => self.lists("Connection", "keep-alive"),
            _ => !self.lists("Connection", "close"),
        }
    }

    /// Whether the client waits for a yes before it sends the body (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.minor > 0 && self.lists("Expect", "100-continue")
    }

    fn find_framing(&self) -> io::Result<Framing> {
        let mut lengths = self.all("Content-Length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(bad(400, "there is more than one Content-Length"));
        }
        match (self.field("Transfer-Encoding"), length) {
            (None, None) => Ok(Framing::Length(0)),
            (None, Some(length)) => parse_digits(length)
                .map(Framing::Length)
                .ok_or_else(|| bad(400, "Content-Length is not a number")),
            (Some(_), Some(_)) => Err(bad(400, "Content-Length and Transfer-Encoding")),
            (Some(_), None) if self.minor == 0 => {
                Err(bad(400, "HTTP/1.0 has no Transfer-Encoding"))
            }
            (Some(coding), None) => {
                let only = self.all("Transfer-Encoding").count() == 1;
                match only && coding.eq_ignore_ascii_case("chunked") {
                    true => Ok(Framing::Chunked),
                    false => Err(bad(501, "the only transfer coding here is chunked")),
                }
            }
        }
    }

    /// RFC 9112 section 3.2.
    fn check_host(&self) -> io::Result<()> {
        match self.all("Host").count() {
            1 => Ok(()),
            0 if self.minor == 0 => Ok(()),
            _ => Err(bad(400, "there must be one Host field")),
        }
    }
}

/// Digits alone: no sign, no space (RFC 9110 section 8.6).
pub(super) fn parse_digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A line without its CRLF, which it must have.
pub(super) fn content(line: &[u8]) -> io::Result<&[u8]> {
    line.strip_suffix(b"\r\n")
        .filter(|line| !line.contains(&b'\r'))
        .ok_or_else(|| bad(400, "a line does not end in CRLF"))
}

/// `request-line = method SP request-target SP HTTP-version` (RFC 9112 section 3)
fn parse_request_line(line: &[u8]) -> io::Result<(String, String, u8)> {
    let wrong = || bad(400, "the request line is not METHOD TARGET HTTP/1.x");
    let line = std::str::from_utf8(line).map_err(|_| wrong())?;
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return Err(wrong());
    };
    let minor = match *version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        other if other.starts_with("HTTP/") => return Err(bad(505, "only HTTP/1.0 and 1.1")),
        _ => return Err(wrong()),
    };
    if !is_token(method) || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    let target = origin_form(target).ok_or_else(wrong)?;
    Ok(((*method).to_owned(), target, minor))
}

/// The path and query of a target in one of the forms of RFC 9112 section 3.2, without the authority.
fn origin_form(target: &str) -> Option<String> {
    if target.starts_with('/') || target == "*" {
        return Some(target.to_owned());
    }
    let (_, rest) = target.split_once("://")?;
    match rest.find(['/', '?']) {
        Some(at) if rest.get(at..)?.starts_with('?') => Some(format!("/{}", rest.get(at..)?)),
        Some(at) => Some(rest.get(at..)?.to_owned()),
        None => Some("/".to_owned()),
    }
}

/// `field-line = field-name ":" OWS field-value OWS` (RFC 9112 section 5), without folding
fn parse_field(line: &[u8]) -> io::Result<(String, String)> {
    let line = String::from_utf8_lossy(line);
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| bad(400, "a field has no colon"))?;
    if !is_token(name) {
        return Err(bad(400, "a field's name is not a token"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err(bad(400, "a field's value holds a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// RFC 9110 section 5.6.2
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn read(text: &str) -> Result<Request, u16> {
        match Request::read(&mut Peer::over(Memory::new(text))) {
            Ok(request) => Ok(request.unwrap()),
            Err(error) => Err(error
                .get_ref()
                .and_then(|error| error.downcast_ref::<Bad>())
                .unwrap()
                .status),
        }
    }

    #[test]
    fn reads_what_is_right() {
        let request =
            read("GET http://h/a%20b?x=%31&y=2 HTTP/1.1\r\nHost: h\r\nA:  b c \r\n\r\n").unwrap();
        assert_eq!(request.target, "/a%20b?x=%31&y=2");
        assert_eq!(request.path(), "/a%20b");
        assert_eq!(request.parameter("x").unwrap(), b"1");
        assert_eq!(request.field("a"), Some("b c"));
        assert!(request.is_persistent());
        let request = read("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n").unwrap();
        assert_eq!(request.framing, Framing::Length(3));
        assert!(!request.is_persistent());
        let text = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: x, Close\r\n\r\n";
        let request = read(text).unwrap();
        assert_eq!(request.framing, Framing::Chunked);
        assert!(!request.is_persistent());
    }

    #[test]
    fn refuses_what_is_not() {
        for (status, line) in [
            (400, "GET /"),
            (400, "GET  / HTTP/1.1"),
            (400, "GET / HTTP/1.1 "),
            (400, "G(T / HTTP/1.1"),
            (400, "GET x HTTP/1.1"),
            (400, "GET /\u{e9} HTTP/1.1"),
            (505, "GET / HTTP/2.0"),
            (400, ""),
        ] {
            let text = format!("{line}\r\nHost: h\r\n\r\n");
            assert_eq!(read(&text), Err(status), "{line}");
        }
        for (status, fields) in [
            (400, ""),
            (400, "Host: a\r\nHost: b\r\n"),
            (400, "Host: a\r\n folded\r\n"),
            (400, "Host : a\r\n"),
            (400, "Host: a\r\nx\r\n"),
            (400, "Host: a\r\nx: \0\r\n"),
            (400, "Host: a\nx: y\r\n"),
            (400, "Host: a\r\nContent-Length: +1\r\n"),
            (400, "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"),
            (
                400,
                "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            ),
            (501, "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"),
        ] {
            let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(read(&text), Err(status), "{fields:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(REQUEST_LINE));
        assert_eq!(read(&long), Err(414));
        let large = format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "a: b\r\n".repeat(300)
        );
        assert_eq!(read(&large), Err(431));
    }
}
