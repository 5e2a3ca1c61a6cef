//! *Where*: host, port and security; and the one URL parser that all decisions are made from.

use std::fmt;
use std::net::SocketAddr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::escape::escaped;

/// Whether and when a conversation is encrypted. Nothing is opportunistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// Never.
    Plain,
    /// By a command of the protocol, or the conversation fails.
    StartTls,
    /// From the first byte.
    Tls,
}

/// A service's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The URL scheme of the service, such as `http`: it decides which proxy is asked.
    pub scheme: String,
    /// A name (as A-labels) or an address (IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether and when TLS is used.
    pub security: Security,
}

impl Endpoint {
    /// The endpoint that a URL names, where `port` is used if it names none.
    pub fn from_url(url: &Url, port: u16, security: Security) -> Result<Endpoint> {
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        };
        if host.is_empty() {
            return Err(Error::illegal(format!(
                "{} names no host",
                without_password(url)
            )));
        }
        // A domain name holds at most 255 octets (RFC 1035 section 2.3.4).
        if host.len() > 255 {
            return Err(Error::illegal("the host name is longer than 255 octets"));
        }
        Ok(Endpoint {
            scheme: url.scheme().to_owned(),
            host,
            port: url.port().unwrap_or(port),
            security,
        })
    }

    /// An address, in the clear. `scheme` decides which proxy is asked.
    pub fn at(scheme: &str, address: SocketAddr) -> Endpoint {
        Endpoint {
            scheme: scheme.to_owned(),
            host: address.ip().to_string(),
            port: address.port(),
            security: Security::Plain,
        }
    }

    /// Whether the host is this machine itself, so that nothing sent there can be overheard.
    pub fn is_loopback(&self) -> bool {
        is_localhost(&self.host)
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// Whether a name means this machine by definition (RFC 6761 section 6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads a URL, or `host[:port][/path]` which takes `default_scheme`.
///
/// The `url` crate drops CR, LF and TAB without a word, decodes `%` in the hosts of some schemes
/// and leaves it in others, and knows internationalised and numeric hosts for some schemes only.
/// Here control characters, spaces, backslashes and `%` in a host are refused, and hosts mean the
/// same for every scheme.
pub fn parse_url(text: &str, default_scheme: &str) -> Result<Url> {
    let text = text.trim();
    let wrong =
        |why: &str| Error::illegal(format!("{}: {why}", escaped(hide_user(text).as_bytes())));
    if text
        .chars()
        .any(|c| c.is_control() || c == ' ' || c == '\\')
    {
        return Err(wrong(
            "a URL cannot hold control characters, spaces or backslashes; write them as %XX",
        ));
    }
    if text.starts_with('@') {
        return Err(wrong(
            "a URL does not begin with @, and there are no accounts here",
        ));
    }
    let (scheme, rest) = split_scheme(text);
    let whole = match scheme {
        "" => format!("{default_scheme}://{text}"),
        _ => text.to_owned(),
    };
    let (authority, _) = split_authority(rest);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if host.contains('%') {
        return Err(wrong("a host name cannot hold %"));
    }
    let mut url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    // The `url` crate makes a host of the path where there is none (RFC 9110 section 4.2.1).
    if authority.is_empty() && url.has_host() {
        return Err(wrong("it names no host"));
    }
    if let Some(Host::Domain(host)) = url.host() {
        let host = Host::parse(host).map_err(|error| wrong(&error.to_string()))?;
        url.set_host(Some(&host.to_string()))
            .map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(url)
}

/// A text behind its `scheme://`, which is empty if there is none.
fn split_scheme(text: &str) -> (&str, &str) {
    match text.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => text.split_at(scheme.len() + 3),
        _ => ("", text),
    }
}

/// `authority = [ userinfo "@" ] host [ ":" port ]`, and what follows it (RFC 3986 section 3.2)
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// A part of a URL with its `%XX` decoded once, if it then holds nothing that could end a line.
/// `what` names the part in the error.
pub fn decoded(part: &str, what: &str) -> Result<String> {
    let text = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| Error::illegal(format!("the {what} in the URL is not UTF-8")))?;
    if text.chars().any(char::is_control) {
        return Err(Error::illegal(format!(
            "the {what} in the URL holds a control character"
        )));
    }
    Ok(text.into_owned())
}

/// A URL as it may be shown: without its password.
pub fn without_password(url: &Url) -> String {
    cut_password(url.as_str())
}

/// A text that may be a URL, as it may be shown: without its password. It need not be a valid one,
/// and may lack its scheme. Where nobody can say where a password ends, all that could be one is
/// left out.
pub fn hide_password(text: &str) -> String {
    match parse_url(text, "http") {
        Ok(_) if !may_hide_in_path(text) => cut_password(text),
        _ => hide_user(text),
    }
}

/// Takes the password out of a text that is a URL for certain.
fn cut_password(text: &str) -> String {
    let (scheme, rest) = split_scheme(text);
    let (authority, path) = split_authority(rest);
    let user = authority.rsplit_once('@');
    match user.and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}{user}@{host}{path}"),
        None => text.to_owned(),
    }
}

/// Whether a URL may be meant as `user:password@host` with a `/`, `?` or `#` in the password: an `@`
/// comes behind what looks like host and port, and does not look like it much.
fn may_hide_in_path(text: &str) -> bool {
    let (authority, path) = split_authority(split_scheme(text).1);
    // What is behind an IPv6 address, or all.
    let end = authority.rsplit(']').next().unwrap_or_default();
    let Some((_, port)) = end.split_once(':') else {
        return false;
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_clear = authority.contains('@') || is_port && path.starts_with('/');
    path.contains('@') && !is_clear
}

/// Text that is no URL, without all that could be a user and a password: where they would end
/// nobody can say.
fn hide_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, rest)) => format!("{}…@{rest}", split_scheme(before).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> String {
        let url = parse_url(text, "http").unwrap();
        Endpoint::from_url(&url, 80, Security::Plain)
            .unwrap()
            .to_string()
    }

    #[test]
    fn hosts_mean_the_same_for_every_scheme() {
        for scheme in ["http", "imap", "gopher"] {
            assert_eq!(
                host(&format!("{scheme}://EXAMPLE.com:81/")),
                "example.com:81"
            );
            assert_eq!(
                host(&format!("{scheme}://exämple.com:81")),
                "xn--exmple-cua.com:81"
            );
            assert_eq!(host(&format!("{scheme}://0x7f.1:81")), "127.0.0.1:81");
            assert_eq!(host(&format!("{scheme}://2130706433:81")), "127.0.0.1:81");
            assert_eq!(host(&format!("{scheme}://[::1]:81")), "[::1]:81");
            assert_eq!(
                host(&format!("{scheme}://ｅxample。com:81")),
                "example.com:81"
            );
            assert_eq!(
                host(&format!("{scheme}://u@h:p@example.com:81")),
                "example.com:81"
            );
        }
    }

    #[test]
    fn a_bare_host_takes_the_default_scheme() {
        assert_eq!(
            parse_url("localhost:2525", "smtp").unwrap().as_str(),
            "smtp://localhost:2525"
        );
        assert_eq!(host("www.example.com/a://b"), "www.example.com:80");
    }

    #[test]
    fn what_could_smuggle_is_refused() {
        for text in [
            "http://a/\r\nX: y",
            "http://a/\tb",
            "http:///path",
            "http://a b/",
            "http://a\\@b/",
            "http://EX%41MPLE.com/",
            "imap://EX%41MPLE.com/",
            "http://a%2fb/",
            "http://",
            "http://a:99999/",
            "http://[fe80::1%25eth0]/",
            "http://a\0b/",
            "imap:///x",
            "",
            "@home",
        ] {
            let refused = parse_url(text, "http")
                .and_then(|url| Endpoint::from_url(&url, 80, Security::Plain));
            assert!(
                matches!(refused, Err(Error::Illegal { .. })),
                "{text:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn parts_are_decoded_once() {
        assert_eq!(decoded("a%40b%2520", "user").unwrap(), "a@b%20");
        for wrong in ["a%0d%0aDELE", "%00", "%0a", "%09", "%7f", "%ff"] {
            assert!(decoded(wrong, "path").is_err(), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = parse_url("ftp://fred:pa:ss@example.com/x@y", "ftp").unwrap();
        assert_eq!(without_password(&url), "ftp://fred@example.com/x@y");
        for wrong in [
            "ftp://fred:canary@exa mple/",
            "ftp://fred:can/ary@host/",
            "fred:can/ary@ho st",
        ] {
            let error = parse_url(wrong, "ftp").unwrap_err().to_string();
            assert!(!error.contains("ary"), "{error}");
        }
    }

    #[test]
    fn passwords_hide_in_no_part_of_a_text() {
        for (text, shown) in [
            ("me:canary@host/?to=http://z/", "me@host/?to=http://z/"),
            ("http://me:can/ary@h/", "http://…@h/"),
            ("http://me:can#ary@h/", "http://…@h/"),
            ("http://me:can?ary@h/", "http://…@h/"),
            ("http://me:12#ary@h/", "http://…@h/"),
            ("http://me:/ary@h/", "http://…@h/"),
            ("http://me@x:can/ary@h/", "http://…@h/"),
            ("me:can/ary@h", "…@h"),
            ("me:canary@ho st/?to=http://z/@", "…@"),
            ("me:can ary@h/?to=http://z/", "…@h/?to=http://z/"),
            ("socks5h://u:canary@h:1", "socks5h://u@h:1"),
            ("http://u:can@ary@h/x@y", "http://u@h/x@y"),
            ("http://h:80/a@b", "http://h:80/a@b"),
            ("http://[::1]/a@b", "http://[::1]/a@b"),
            ("http://h/a@b:c", "http://h/a@b:c"),
            ("no url", "no url"),
        ] {
            assert_eq!(hide_password(text), shown, "{text}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        let endpoint = |text: &str| {
            let url = parse_url(text, "http").unwrap();
            Endpoint::from_url(&url, 80, Security::Plain).unwrap()
        };
        for near in [
            "localhost",
            "a.localhost",
            "localhost.",
            "127.8.9.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(endpoint(near).is_loopback(), "{near}");
        }
        for far in [
            "localhost.example",
            "128.0.0.1",
            "[::2]",
            "127.0.0.1.example",
        ] {
            assert!(!endpoint(far).is_loopback(), "{far}");
        }
    }
}
