//! *What* a URL names: an item, perhaps words to search for (RFC 4266).
//!
//! ```text
//! gopher://host[:port]/<type><selector>[%09<search>[%09<Gopher+ string>]]
//! ```

use std::borrow::Cow;

use percent_encoding::{percent_decode_str, percent_encode, AsciiSet, CONTROLS};
use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

use crate::kind::Kind;

/// The port of Gopher, with TLS and without.
const PORT: u16 = 70;

/// Octets of a request at most, without its CRLF. RFC 1436 allows selectors of 255; real ones that
/// carry a query have several times that.
const LONGEST: usize = 4096;

/// What cannot stand in a path (RFC 3986 section 3.3).
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// *What* a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it is; a menu if the URL does not say.
    pub kind: Kind,
    /// The server's name for it: any bytes but CR, LF, NUL and TAB.
    selector: Vec<u8>,
    /// The words to search for.
    search: Option<Vec<u8>>,
    /// A Gopher+ string, such as `+` or `+application/postscript`.
    plus: Option<Vec<u8>>,
}

impl Target {
    /// Reads `gopher://` (70), `gophers://` (70, TLS from the first byte), or a bare
    /// `host[:port][/path]`. The path is taken as it is written: no `..` in it means anything.
    pub fn parse(text: &str) -> Result<Target> {
        let url = parse_url(text, "gopher")?;
        Target::read(&url, path_of(text.trim()))
    }

    fn read(url: &Url, path: &str) -> Result<Target> {
        let security = match url.scheme() {
            "gopher" => Security::Plain,
            "gophers" => Security::Tls,
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no gopher server; there are gopher and gophers"
                )))
            }
        };
        if path.contains('#') {
            return Err(Error::illegal(
                "the URL of a gopher item has no fragment; # in a selector is written %23",
            ));
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        let decoded: Cow<'_, [u8]> = percent_decode_str(path).into();
        let (kind, rest) = first_character(&decoded)?;
        let mut parts = rest.split(|byte| *byte == b'\t');
        let selector = parts.next().unwrap_or_default().to_vec();
        let search = parts.next().filter(|part| !part.is_empty());
        let (search, plus) = (search.map(<[u8]>::to_vec), parts.next().map(<[u8]>::to_vec));
        if parts.next().is_some() {
            return Err(Error::illegal(
                "the URL has more than selector, search and Gopher+ string between its TABs (%09)",
            ));
        }
        let target = Target {
            endpoint: Endpoint::from_url(url, PORT, security)?,
            kind,
            selector,
            search,
            plus: plus.filter(|part| !part.is_empty()),
        };
        target.check()
    }

    /// An item on a server.
    pub fn new(endpoint: Endpoint, kind: Kind, selector: &[u8]) -> Result<Target> {
        let target = Target {
            endpoint,
            kind,
            selector: selector.to_vec(),
            search: None,
            plus: None,
        };
        target.check()
    }

    /// The same, with words to search for.
    pub fn with_search(self, words: &str) -> Result<Target> {
        let search = Some(words.as_bytes().to_vec());
        Target { search, ..self }.check()
    }

    /// The same, with a Gopher+ string; `+` asks for the usual view.
    pub fn with_plus(self, plus: &str) -> Result<Target> {
        let plus = Some(plus.as_bytes().to_vec());
        Target { plus, ..self }.check()
    }

    /// The same, reached at another endpoint or with other security.
    pub fn at(&self, endpoint: Endpoint) -> Target {
        Target {
            endpoint,
            ..self.clone()
        }
    }

    /// The server's name for the item.
    pub fn selector(&self) -> &[u8] {
        &self.selector
    }

    /// The words to search for.
    pub fn search(&self) -> Option<&[u8]> {
        self.search.as_deref()
    }

    /// The Gopher+ string.
    pub fn plus(&self) -> Option<&[u8]> {
        self.plus.as_deref()
    }

    /// No part may end the line or hold what separates them, and all must fit.
    fn check(self) -> Result<Target> {
        let parts = [
            Some(&self.selector),
            self.search.as_ref(),
            self.plus.as_ref(),
        ];
        let is_harmful = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'\t' | 0);
        if parts
            .iter()
            .flatten()
            .any(|part| part.iter().any(is_harmful))
        {
            return Err(Error::illegal(
                "a selector or search cannot hold CR, LF, NUL or TAB: the server would hear \
                 something else (RFC 1436 section 3.7)",
            ));
        }
        match self.request().len() <= LONGEST {
            true => Ok(self),
            false => Err(Error::TooLarge {
                what: "what would be said to a gopher server, in bytes,".to_owned(),
                limit: LONGEST as u64,
            }),
        }
    }

    /// The line that asks for it, without its CRLF: `selector [TAB search] [TAB plus]`.
    pub fn request(&self) -> Vec<u8> {
        let parts = [
            Some(&self.selector),
            self.search.as_ref(),
            self.plus.as_ref(),
        ];
        let parts: Vec<&[u8]> = parts.into_iter().flatten().map(Vec::as_slice).collect();
        parts.join(&b'\t')
    }

    /// The URL (RFC 4266 section 2).
    pub fn url(&self) -> String {
        let scheme = match self.endpoint.security {
            Security::Tls => "gophers",
            _ => "gopher",
        };
        let endpoint = &self.endpoint;
        let address = match endpoint.port {
            PORT => endpoint.to_string().trim_end_matches(":70").to_owned(),
            _ => endpoint.to_string(),
        };
        let mut kind = [0; 4];
        let kind = self.kind.character().encode_utf8(&mut kind);
        let mut url = format!("{scheme}://{address}/");
        url.extend(percent_encode(kind.as_bytes(), NOT_IN_PATH));
        url.extend(percent_encode(&self.selector, NOT_IN_PATH));
        if self.search.is_some() || self.plus.is_some() {
            url.push_str("%09");
            url.extend(percent_encode(
                self.search().unwrap_or_default(),
                NOT_IN_PATH,
            ));
        }
        if let Some(plus) = &self.plus {
            url.push_str("%09");
            url.extend(percent_encode(plus, NOT_IN_PATH));
        }
        url
    }
}

/// What follows host and port, as it is written. Some write a search behind `?`.
fn path_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.get(start..).unwrap_or_default()
}

/// The type and what follows it; a menu if there is neither. A type that is not UTF-8 is none.
fn first_character(path: &[u8]) -> Result<(Kind, &[u8])> {
    let Some(first) = path.first() else {
        return Ok((Kind::Menu, path));
    };
    match path.split_first() {
        Some((first, rest)) if first.is_ascii_graphic() => Ok((Kind::of(char::from(*first)), rest)),
        _ => Err(Error::illegal(format!(
            "a gopher URL has a type behind its host, such as 0 or 1, and not the byte {first:#04x}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_what_the_rfc_says() {
        for (text, port, kind, request) in [
            ("a", 70, Kind::Menu, &b""[..]),
            ("gopher://a/", 70, Kind::Menu, b""),
            ("gopher://a/1", 70, Kind::Menu, b""),
            ("gopher://a:7070/0/text.txt", 7070, Kind::Text, b"/text.txt"),
            ("gopher://a/00/text.txt", 70, Kind::Text, b"0/text.txt"),
            (
                "gopher://a/7/search%09foo%20bar",
                70,
                Kind::Search,
                b"/search\tfoo bar",
            ),
            ("gopher://a/0x%09%09+", 70, Kind::Text, b"x\t+"),
            ("gopher://a/7x%09y%09+z", 70, Kind::Search, b"x\ty\t+z"),
            ("gopher://a/1x%09", 70, Kind::Menu, b"x"),
            ("gopher://a/1/a/../b/./c", 70, Kind::Menu, b"/a/../b/./c"),
            ("gopher://a/1/x%2Fy%E9", 70, Kind::Menu, b"/x/y\xe9"),
            ("gopher://a/1/x?y=z", 70, Kind::Menu, b"/x?y=z"),
            ("gopher://a/1%zz", 70, Kind::Menu, b"%zz"),
            ("gophers://a/I/x", 70, Kind::Image, b"/x"),
            (
                "gopher://a/hURL:http://b/",
                70,
                Kind::Html,
                b"URL:http://b/",
            ),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.endpoint.port, target.kind), (port, kind), "{text}");
            assert_eq!(target.request(), request, "{text}");
        }
        let security = Target::parse("gophers://a").unwrap().endpoint.security;
        assert_eq!(security, Security::Tls);
    }

    #[test]
    fn what_could_say_more_is_refused() {
        for wrong in [
            "gopher://h/0a%0d%0aMAIL",
            "gopher://h/0a%0aMAIL",
            "gopher://h/0a%0dMAIL",
            "gopher://h/0a%00",
            "gopher://h/7a%09b%0d%0ac",
            "gopher://h/0a%09b%09c%09d",
            "gopher://h/0a\r\nb",
            "gopher://h/0a\tb",
            "gopher://h/%e9",
            "gopher://h/%0a",
            "gopher://h/0a#b",
            "http://h/0a",
            "gopher:///0a",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
        let target = Target::parse("gopher://h/7a").unwrap();
        for wrong in ["a\tb", "a\r\n", "a\0"] {
            assert!(target.clone().with_search(wrong).is_err(), "{wrong:?}");
            assert!(target.clone().with_plus(wrong).is_err(), "{wrong:?}");
        }
        let longest = Target::new(target.endpoint.clone(), Kind::Text, &[b'x'; LONGEST]);
        assert!(longest.is_ok());
        let too_long = Target::new(target.endpoint, Kind::Text, &[b'x'; LONGEST + 1]);
        assert!(matches!(too_long, Err(Error::TooLarge { .. })));
    }

    #[test]
    fn urls_are_written_as_they_are_read() {
        for text in [
            "gopher://a/1",
            "gopher://a:7070/0/x%20y%25",
            "gophers://[::1]/I/x",
            "gopher://[::1]:71/7/s%09a%20b",
            "gopher://a/0x%09%09+",
            "gopher://a/1/%E9",
            "gopher://a/0/a/../b",
        ] {
            assert_eq!(Target::parse(text).unwrap().url(), text);
        }
    }
}
