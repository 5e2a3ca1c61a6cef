//! What we say: the commands of RFC 1939 and its extensions, and where they go.

use std::fmt;

use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

/// *What* a URL names: a maildrop, and perhaps some of its messages.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The messages that the path names, as `3` or `1,3,5-9`.
    pub numbers: Option<Numbers>,
    url: Url,
}

impl Target {
    /// Reads `pop3://` (110), `pop3s://` (995, RFC 8314), or a bare `host[:port][/numbers]`.
    pub fn parse(text: &str) -> Result<Target> {
        Target::from_url(&parse_url(text, "pop3")?)
    }

    /// The maildrop that a URL names.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security) = match url.scheme() {
            "pop3" | "pop" => (110, Security::Plain),
            "pop3s" => (995, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no maildrop; there are pop3 and pop3s"
                )))
            }
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::illegal(
                "the URL of a maildrop ends with its path: pop3://host/3",
            ));
        }
        let numbers = match url.path() {
            "" | "/" => None,
            path => Some(Numbers::parse(path.trim_start_matches('/'))?),
        };
        Ok(Target {
            endpoint: Endpoint::from_url(url, port, security)?,
            numbers,
            url: url.clone(),
        })
    }

    /// The same maildrop, reached at another endpoint or with other security.
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

/// Messages by number: `1,3,5-9`, and `5-` for all from there. Ranges stay ranges, however large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(Vec<(u32, u32)>);

impl Numbers {
    /// Reads them; numbers begin at 1.
    pub fn parse(text: &str) -> Result<Numbers> {
        let ranges = text.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges.map(Numbers).ok_or_else(|| {
            Error::illegal(format!(
                "{text:?} names no messages; they are written 1,3,5-9"
            ))
        })
    }

    /// Whether a message is among them.
    pub fn contains(&self, number: u32) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Whether they are a single message.
    pub fn is_one(&self) -> bool {
        matches!(self.0.as_slice(), [(first, last)] if first == last)
    }

    /// The numbers that are asked for one by one, for an error that names those that are not there.
    pub fn single(&self) -> impl Iterator<Item = u32> + '_ {
        let singles = self.0.iter().filter(|(first, last)| first == last);
        singles.map(|(number, _)| *number)
    }
}

/// `number`, `first-last` or `first-`
fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number > 0)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, "")) => (number(first)?, u32::MAX),
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

/// A command without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// What can you do? (RFC 2449)
    Capa,
    /// Upgrade to TLS (RFC 2595).
    Stls,
    /// Use UTF-8 (RFC 6856).
    Utf8,
    /// Who we are.
    User(String),
    /// How many messages, how many octets?
    Stat,
    /// The size of each message.
    List,
    /// The name of each message that stays the same.
    Uidl,
    /// A message's header and so many lines of its body.
    Top(u32, u32),
    /// A message.
    Retr(u32),
    /// Delete a message, when we say goodbye.
    Dele(u32),
    /// Delete nothing after all.
    Rset,
    /// Nothing.
    Noop,
    /// The end; what is to be deleted goes now.
    Quit,
}

/// The wire form, without its CRLF.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Capa => f.write_str("CAPA"),
            Request::Stls => f.write_str("STLS"),
            Request::Utf8 => f.write_str("UTF8"),
            Request::User(name) => write!(f, "USER {name}"),
            Request::Stat => f.write_str("STAT"),
            Request::List => f.write_str("LIST"),
            Request::Uidl => f.write_str("UIDL"),
            Request::Top(number, lines) => write!(f, "TOP {number} {lines}"),
            Request::Retr(number) => write!(f, "RETR {number}"),
            Request::Dele(number) => write!(f, "DELE {number}"),
            Request::Rset => f.write_str("RSET"),
            Request::Noop => f.write_str("NOOP"),
            Request::Quit => f.write_str("QUIT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_stay_ranges() {
        let numbers = Numbers::parse("1,3,5-9,20-").unwrap();
        let found: Vec<u32> = (0..25).filter(|number| numbers.contains(*number)).collect();
        assert_eq!(found, [1, 3, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24]);
        assert!(numbers.contains(u32::MAX));
        assert_eq!(numbers.single().collect::<Vec<_>>(), [1, 3]);
        for wrong in [
            "",
            "0",
            "a",
            "1,",
            "3-1",
            "-3",
            "1-2-3",
            "+1",
            "99999999999",
            "1 2",
        ] {
            assert!(Numbers::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets_have_their_ports_and_messages() {
        for (text, port, security, named) in [
            ("a", 110, Security::Plain, false),
            ("a:2110/3", 2110, Security::Plain, true),
            ("pop3s://me@a/", 995, Security::Tls, false),
            ("pop3://a/1-5", 110, Security::Plain, true),
        ] {
            let target = Target::parse(text).unwrap();
            let endpoint = &target.endpoint;
            assert_eq!(
                (endpoint.port, endpoint.security, target.numbers.is_some()),
                (port, security, named),
                "{text}"
            );
        }
        for wrong in [
            "http://a",
            "pop3://a/x",
            "pop3://a/1?x",
            "pop3://a/1%0d%0aDELE%201",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
