//! Names of mailboxes: Unicode inside, modified UTF-7 on the wire (RFC 3501 section 5.1.3), or UTF-8
//! where that was agreed on (RFC 6855, RFC 9051 section 5.1).

use std::fmt;

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

/// A mailbox by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    name: String,
    /// The name as the server wrote it, where the name here would not be written so again.
    raw: Option<Vec<u8>>,
}

impl Mailbox {
    /// The mailbox of this name; `inbox` in any case is INBOX (RFC 9051 section 5.1). A name with
    /// control characters, or none at all, is refused.
    pub fn new(name: &str) -> Result<Mailbox> {
        if name.is_empty() {
            return Err(Error::illegal("a mailbox has a name"));
        }
        if name.chars().any(char::is_control) {
            return Err(Error::illegal(
                "the name of a mailbox cannot hold control characters (RFC 9051 section 5.1)",
            ));
        }
        Ok(Mailbox::named(name))
    }

    fn named(name: &str) -> Mailbox {
        let name = match name.eq_ignore_ascii_case("INBOX") {
            true => "INBOX",
            false => name,
        };
        Mailbox {
            name: name.to_owned(),
            raw: None,
        }
    }

    /// The mailbox that a server names. What is not well-formed is kept as it is, so that the server
    /// knows its mailbox again; then the name is for reading only.
    pub fn from_wire(wire: &[u8], is_utf8: bool) -> Mailbox {
        let name = match is_utf8 {
            true => std::str::from_utf8(wire).ok().map(str::to_owned),
            false => decode(wire),
        };
        let name = name.filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
        match name.as_deref().map(Mailbox::named) {
            Some(mailbox) if mailbox.is_inbox() || mailbox.to_wire(is_utf8) == wire => mailbox,
            _ => Mailbox {
                name: escaped(wire),
                raw: Some(wire.to_vec()),
            },
        }
    }

    /// The name, for people and for files. It may hold anything but control characters.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the mailbox that every user has.
    pub fn is_inbox(&self) -> bool {
        self.name == "INBOX" && self.raw.is_none()
    }

    /// The name as it goes over the wire.
    pub fn to_wire(&self, is_utf8: bool) -> Vec<u8> {
        match &self.raw {
            Some(raw) => raw.clone(),
            None if is_utf8 => self.name.clone().into_bytes(),
            None => encode(&self.name).into_bytes(),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(self.name.as_bytes()))
    }
}

/// base64 with a comma for the slash (RFC 3501 section 5.1.3).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// Modified UTF-7: printable ASCII stands for itself, `&` is `&-`, all else is UTF-16 in base64
/// between `&` and `-`.
pub(crate) fn encode(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_plain(c) != is_plain(first));
        let (run, tail) = rest.split_at(end.unwrap_or(rest.len()));
        match is_plain(first) {
            true => wire.push_str(&run.replace('&', "&-")),
            false => encode_run(run, &mut wire),
        }
        rest = tail;
    }
    wire
}

fn encode_run(run: &str, wire: &mut String) {
    wire.push('&');
    let (mut bits, mut count) = (0_u32, 0);
    for unit in run.encode_utf16() {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            push_digit(wire, bits >> count);
            bits &= (1 << count) - 1;
        }
    }
    if count > 0 {
        push_digit(wire, bits << (6 - count));
    }
    wire.push('-');
}

fn push_digit(wire: &mut String, value: u32) {
    let digit = ALPHABET.get((value & 63) as usize);
    wire.push(char::from(*digit.unwrap_or(&b'A')));
}

/// `None` for what is not modified UTF-7.
pub(crate) fn decode(wire: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(wire).ok()?;
    if !text.chars().all(is_plain) {
        return None;
    }
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (run, tail) = after.split_once('-')?;
        name.push_str(before);
        match run {
            "" => name.push('&'),
            run => name.push_str(&decode_run(run.as_bytes())?),
        }
        rest = tail;
    }
    name.push_str(rest);
    Some(name)
}

fn decode_run(run: &[u8]) -> Option<String> {
    let (mut bits, mut count, mut units) = (0_u32, 0, Vec::new());
    for digit in run {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over is padding: fewer than six bits, and all zero.
    let is_whole = count < 6 && bits == 0;
    String::from_utf16(&units).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_rfc_and_of_the_world() {
        for (name, wire) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Ham & Eggs", "Ham &- Eggs"),
            ("☺!", "&Jjo-!"),
            ("&", "&-"),
            ("💌", "&2D3cjA-"),
            ("", ""),
        ] {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_not_well_formed_is_kept() {
        for wire in [
            &b"&!!-"[..],
            b"a&AOkAOk-b&",
            b"&Jjo",
            b"&2D0-",
            b"&AGE-",
            b"Gr\xc3\xbc\xc3\x9fe",
            b"Gr\xfc\xdfe",
            b"&Jjq-",
            b"&AA0-",
            b"a\rb",
            b"",
        ] {
            let mailbox = Mailbox::from_wire(wire, false);
            assert_eq!(mailbox.to_wire(false), wire, "{wire:?}");
            assert!(!mailbox.name().chars().any(char::is_control));
        }
        assert_eq!(
            Mailbox::from_wire("Grüße".as_bytes(), false).name(),
            "Grüße"
        );
        let utf8 = Mailbox::from_wire("Grüße".as_bytes(), true);
        assert_eq!(utf8, Mailbox::new("Grüße").unwrap());
        assert_eq!(utf8.to_wire(false), b"Gr&APwA3w-e");
        assert_eq!(Mailbox::from_wire(b"\xff", true).to_wire(true), b"\xff");
        // With UTF-8, an ampersand is an ampersand.
        assert_eq!(Mailbox::from_wire(b"&Jjo-", true).name(), "&Jjo-");
    }

    #[test]
    fn inbox_has_many_spellings() {
        for name in ["INBOX", "inbox", "InBox"] {
            assert_eq!(Mailbox::new(name).unwrap().to_wire(false), b"INBOX");
            assert!(Mailbox::from_wire(name.as_bytes(), false).is_inbox());
        }
        assert_eq!(Mailbox::new("inbox/a").unwrap().name(), "inbox/a");
        for wrong in ["", "a\r\nb", "a\0", "\u{9b}"] {
            assert!(Mailbox::new(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name: String, wire: Vec<u8>) {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Some(name));
            let mailbox = Mailbox::from_wire(&wire, false);
            prop_assert!(mailbox.is_inbox() || mailbox.to_wire(false) == wire);
        }
    }
}
