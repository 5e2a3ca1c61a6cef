//! *What* a URL names: a server, a file or a folder (RFC 1738 section 3.2).
//!
//! ```text
//! ftp://host/a/b;type=a    below the folder of the login
//! ftp://host/%2Fetc/motd   from the root; ftp://host//etc/motd says the same
//! ftps://host/folder/      TLS from the first byte
//! ```

use percent_encoding::percent_decode_str;
use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

use crate::request::{Path, Type};

/// *What* a URL names.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The path; `None` for the folder that the login leads to.
    pub path: Option<Path>,
    /// Whether the URL ends in a slash, and so means a folder.
    pub is_folder: bool,
    /// What `;type=` says.
    pub kind: Option<Type>,
    url: Url,
}

impl Target {
    /// Reads `ftp://` (21), `ftps://` (990) or a bare `host[:port][/path]`.
    pub fn parse(text: &str) -> Result<Target> {
        Target::from_url(&parse_url(text, "ftp")?)
    }

    /// What a URL names. Whatever could end a line is refused here, before anything is said.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security) = match url.scheme() {
            "ftp" => (21, Security::Plain),
            "ftps" => (990, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no FTP server; there are ftp and ftps"
                )))
            }
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::illegal(
                "the URL of a file ends with its path; ? and # in it are written %3F and %23",
            ));
        }
        let (path, kind) = split_type(url.path())?;
        Ok(Target {
            endpoint: Endpoint::from_url(url, port, security)?,
            is_folder: path.ends_with('/') && kind.is_none(),
            path: decoded(path)?,
            kind,
            url: url.clone(),
        })
    }

    /// The same, reached at another endpoint or with other security.
    pub fn at(&self, endpoint: Endpoint) -> Target {
        Target {
            endpoint,
            ..self.clone()
        }
    }

    /// The URL, with the user that it may name.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// `path [ ";type=" ( "a" / "i" ) ]`
fn split_type(path: &str) -> Result<(&str, Option<Type>)> {
    let Some((before, last)) = path.rsplit_once(';') else {
        return Ok((path, None));
    };
    let name = last.get(..5).unwrap_or_default();
    if !name.eq_ignore_ascii_case("type=") {
        return Ok((path, None));
    }
    match last
        .get(5..)
        .unwrap_or_default()
        .to_ascii_lowercase()
        .as_str()
    {
        "a" => Ok((before, Some(Type::Ascii))),
        "i" => Ok((before, Some(Type::Image))),
        _ => Err(Error::illegal(
            "the type in the URL is a or i; ; in a name is written %3B",
        )),
    }
}

/// Each segment decoded by itself: `%2F` begins an absolute path, and is a part of no name.
fn decoded(path: &str) -> Result<Option<Path>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut whole = Vec::new();
    for (at, segment) in path.split('/').enumerate() {
        let name: Vec<u8> = percent_decode_str(segment).collect();
        let name = match name.strip_prefix(b"/") {
            Some(name) if at == 0 => {
                whole.push(b'/');
                name
            }
            // An empty first segment: the folder to begin with is the root.
            _ if at == 0 && name.is_empty() && path.starts_with('/') => {
                whole.push(b'/');
                continue;
            }
            _ => name.as_slice(),
        };
        if name.contains(&b'/') {
            return Err(Error::illegal(
                "%2F in the URL can only begin the path: no name on a server holds a slash",
            ));
        }
        if name.is_empty() {
            continue;
        }
        if !whole.is_empty() && !whole.ends_with(b"/") {
            whole.push(b'/');
        }
        whole.extend_from_slice(name);
    }
    match whole.is_empty() {
        true => Ok(None),
        false => Path::new(whole).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_paths() {
        for (url, path, is_folder, kind) in [
            ("ftp://host", "", true, None),
            ("host/a", "a", false, None),
            (
                "ftp://host/a/b%20c;type=a",
                "a/b c",
                false,
                Some(Type::Ascii),
            ),
            ("ftp://host/a;TYPE=I", "a", false, Some(Type::Image)),
            ("ftp://host/%2Fetc/motd", "/etc/motd", false, None),
            ("ftp://host/%2F", "/", false, None),
            ("ftp://host//etc/motd", "/etc/motd", false, None),
            ("ftp://host//", "/", true, None),
            ("ftp://host/a//b/", "a/b", true, None),
            ("ftp://host/a%3Btype=a", "a;type=a", false, None),
            ("ftp://host/a;b", "a;b", false, None),
            ("ftps://u:p@host:2990/%20x", " x", false, None),
        ] {
            let target = Target::parse(url).unwrap();
            let found = target.path.as_ref().map_or(&b""[..], Path::as_bytes);
            assert_eq!(found, path.as_bytes(), "{url}");
            assert_eq!(target.is_folder, is_folder, "{url}");
            assert_eq!(target.kind, kind, "{url}");
        }
        let target = Target::parse("ftp://host/%FF%FE").unwrap();
        assert_eq!(target.path.unwrap().as_bytes(), b"\xff\xfe");
    }

    #[test]
    fn what_could_end_a_line_is_refused() {
        for url in [
            "ftp://host/a%0D%0ADELE%20b",
            "ftp://host/a%00",
            "ftp://host/a%0A",
            "http://host/a",
            "ftp://host/a?b",
            "ftp://host/a#b",
            "ftp://host/a%2Fb",
            "ftp://host/x/%2Fb",
            "ftp://host/a;type=d",
            "ftp://",
        ] {
            assert!(
                matches!(Target::parse(url), Err(Error::Illegal { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn schemes_have_ports_and_security() {
        let target = Target::parse("ftps://host/").unwrap();
        assert_eq!(
            (target.endpoint.port, target.endpoint.security),
            (990, Security::Tls)
        );
        let target = Target::parse("host:2121").unwrap();
        assert_eq!(
            (target.endpoint.port, target.endpoint.security),
            (2121, Security::Plain)
        );
    }
}
