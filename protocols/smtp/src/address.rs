//! The address in an envelope: `Mailbox` of RFC 5321 section 4.1.2, with RFC 6531's UTF-8.
//!
//! ```text
//! Mailbox      = Local-part "@" ( Domain / address-literal )
//! Local-part   = Dot-string / Quoted-string
//! Dot-string   = Atom *("." Atom)
//! Quoted-string = DQUOTE *( %d32-33 / %d35-91 / %d93-126 / "\" %d32-126 ) DQUOTE
//! ```

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use proto_transport::escape::escaped;
use proto_transport::{Error, Host, Result};

/// A mailbox that can be named in an envelope. There is no way to write one that the grammar does
/// not allow, so that what a user meant as one address never becomes two, or a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
const LONGEST_DOMAIN: usize = 255;

/// Octets of a path, with its angle brackets (RFC 5321 section 4.5.3.1.3).
const LONGEST_PATH: usize = 256;

impl Address {
    /// Whether it can be said only with SMTPUTF8 (RFC 6531): a domain has an ASCII form, a local
    /// part has none.
    pub fn needs_utf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// The part before the `@`, as written.
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// The domain as A-labels, or an address literal with its brackets; empty for a name that the
    /// server itself knows, such as `postmaster`.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address> {
        parse(text).map_err(|why| {
            Error::illegal(format!(
                "{:?} is no address: {why}",
                Shown(&escaped(text.as_bytes()))
            ))
        })
    }
}

struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

fn parse(text: &str) -> std::result::Result<Address, &'static str> {
    // The last @ that is not in quotes; a domain holds none.
    let (local, domain) = match text.rsplit_once('@') {
        Some((_, "")) => return Err("it has no domain behind the @"),
        Some((local, domain)) => (local, domain),
        None => (text, ""),
    };
    check_local(local)?;
    let domain = match domain {
        "" => String::new(),
        literal if literal.starts_with('[') => check_literal(literal)?,
        name => check_name(name)?,
    };
    let address = Address {
        local: local.to_owned(),
        domain,
    };
    if address.to_string().len() + 2 > LONGEST_PATH {
        return Err("it is longer than 254 octets");
    }
    Ok(address)
}

fn check_local(local: &str) -> std::result::Result<(), &'static str> {
    if local.is_empty() {
        return Err("it has no name before the @");
    }
    if local.len() > LONGEST_LOCAL {
        return Err("its local part is longer than 64 octets");
    }
    if local.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    match local.strip_prefix('"') {
        Some(rest) => check_quoted(rest),
        None if local.split('.').all(is_atom) => Ok(()),
        None => Err("its local part has characters that need quotation marks around it"),
    }
}

/// `atext` of RFC 5322 section 3.2.3, and what is not ASCII (RFC 6531 section 3.3)
fn is_atom(text: &str) -> bool {
    let is_atext =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
    !text.is_empty() && text.chars().all(is_atext)
}

/// What follows the opening quotation mark: it must be closed at the end and not before.
fn check_quoted(rest: &str) -> std::result::Result<(), &'static str> {
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' if characters.as_str().is_empty() => return Ok(()),
            '"' => return Err("there is something behind its quotation mark"),
            '\\' if characters.next().is_none_or(|c| !c.is_ascii()) => break,
            _ => {}
        }
    }
    Err("its quotation mark is not closed")
}

/// `address-literal = "[" ( IPv4 / "IPv6:" IPv6 / tag ":" 1*dcontent ) "]"`
fn check_literal(literal: &str) -> std::result::Result<String, &'static str> {
    let inside = literal
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("its address literal is not closed")?;
    let is_six = inside
        .get(..5)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let is_known = match inside.get(5..).filter(|_| is_six) {
        Some(six) => six.parse::<Ipv6Addr>().is_ok(),
        None => inside.parse::<Ipv4Addr>().is_ok(),
    };
    match is_known {
        true => Ok(literal.to_owned()),
        false => Err("its address literal is neither [IPv4] nor [IPv6:…]"),
    }
}

/// A domain as A-labels: all servers understand those (RFC 5890 section 2.3.2.1).
fn check_name(name: &str) -> std::result::Result<String, &'static str> {
    let name = match name.is_ascii() {
        true => name.to_owned(),
        false => match Host::parse(name) {
            Ok(Host::Domain(name)) => name,
            _ => return Err("its domain is no name"),
        },
    };
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= LONGEST_DOMAIN && name.split('.').all(is_label) {
        true => Ok(name),
        false => Err("its domain is no name"),
    }
}

/// As it stands between `<` and `>`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain.as_str() {
            "" => f.write_str(&self.local),
            domain => write!(f, "{}@{domain}", self.local),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_said_as_they_were_written() {
        for text in [
            "a@example.org",
            "postmaster",
            "a.b+c@sub.example.org",
            "\"a b\"@example.org",
            "\"a@x>\"@y",
            "\"a\\\"b\"@y",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
            "jalapeño@example.org",
            "!#$%&'*+-/=?^_`{|}~@x",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn domains_become_a_labels() {
        let address: Address = "a@exämple.com".parse().unwrap();
        assert_eq!(address.to_string(), "a@xn--exmple-cua.com");
        assert!(!address.needs_utf8());
        assert!("δ@exämple.com".parse::<Address>().unwrap().needs_utf8());
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}org", "abcdefg.".repeat(32));
        for text in [
            "",
            "@",
            "@example.org",
            "a@",
            "a@x,b@y",
            "<a@x>",
            "<a@x>b@y",
            "a@x>b@y",
            "a@x SIZE=1",
            "a b@x",
            "a\r\nRCPT TO:<b@x>@x",
            "\"a\r\nb\"@x",
            "\"a\0\"@x",
            "a@x\r\n",
            "a@@x",
            "a..b@x",
            ".a@x",
            "a.@x",
            "\"a\"b@x",
            "\"a@x",
            "\"a\\@x",
            "a@-x.org",
            "a@x..y",
            "a@[127.0.0.1",
            "a@[127.0.0.256]",
            "a@[x]",
            "@a:b@c",
            "a@１２７.0.0.1",
            "a\u{85}@x",
            &long,
            &longer,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn exactly_the_limits_are_allowed() {
        let local = "a".repeat(64);
        let rest = 254 - 65;
        let domain = format!("{}.{}", "b".repeat(63), "c".repeat(62));
        let domain = format!("{domain}.{}", "d".repeat(rest - domain.len() - 1));
        let text = format!("{local}@{domain}");
        assert_eq!(text.len(), 254);
        assert!(text.parse::<Address>().is_ok());
        assert!(format!("{text}d").parse::<Address>().is_err());
    }
}
