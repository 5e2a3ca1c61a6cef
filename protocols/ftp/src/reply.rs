//! What they say: the arguments of replies. Pure parsers.

use std::net::Ipv4Addr;

use proto_transport::{Error, StatusReply};

use crate::moment::{number, Moment};

/// `h1,h2,h3,h4,p1,p2` anywhere in the text: RFC 959 section 5.3.2 tells the numbers, and RFC 1123
/// section 4.1.2.6 that nothing else of the line can be relied upon, such as parentheses.
pub(crate) fn passive(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let mut before = b' ';
    for (at, byte) in text.iter().enumerate() {
        let begins = byte.is_ascii_digit() && !before.is_ascii_digit() && before != b',';
        before = *byte;
        if begins {
            if let Some(found) = six_numbers(text.get(at..)?) {
                return Some(found);
            }
        }
    }
    None
}

fn six_numbers(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
    let end = text
        .iter()
        .position(|byte| !is_part(byte))
        .unwrap_or(text.len());
    let text = text.get(..end)?;
    let text = text.strip_suffix(b",").unwrap_or(text);
    let mut parts = text
        .split(|byte| *byte == b',')
        .map(|part| u8::try_from(number(part)?).ok());
    let mut next = || parts.next()?;
    let host = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    let port = u16::from_be_bytes([next()?, next()?]);
    (parts.next().is_none() && port != 0).then_some((host, port))
}

/// `"(" d d d tcp-port d ")"`, with any character for `d` (RFC 2428 section 3). Neither the family
/// nor the address may be told.
pub(crate) fn extended_passive(text: &[u8]) -> Option<u16> {
    let start = text.iter().position(|byte| *byte == b'(')?;
    let text = text.get(start + 1..)?;
    let (mark, rest) = text.split_first()?;
    let rest = match rest {
        [a, b, rest @ ..] if a == mark && b == mark => rest,
        _ => return None,
    };
    let end = rest.iter().position(|byte| byte == mark)?;
    let (port, rest) = rest.split_at_checked(end)?;
    let is_whole = (33..=126).contains(mark) && !mark.is_ascii_digit();
    let is_closed = rest.get(1) == Some(&b')');
    let port = u16::try_from(number(port)?).ok()?;
    (is_whole && is_closed && port != 0).then_some(port)
}

/// `257 SP <"> pathname <">`, with quotation marks in the name doubled (RFC 959 appendix II).
pub(crate) fn quoted_path(text: &[u8]) -> Option<Vec<u8>> {
    let start = text.iter().position(|byte| *byte == b'"')?;
    let mut path = Vec::new();
    let mut rest = text.get(start + 1..)?.iter().peekable();
    while let Some(byte) = rest.next() {
        if *byte == b'"' && rest.next_if(|next| **next == b'"').is_none() {
            return Some(path);
        }
        path.push(*byte);
    }
    None
}

/// `213 SP 1*DIGIT` (RFC 3659 section 4.2)
pub(crate) fn size(reply: &StatusReply) -> Option<u64> {
    number(first(reply).trim_ascii())
}

/// `213 SP time-val` (RFC 3659 section 3.2)
pub(crate) fn modified(reply: &StatusReply) -> Option<Moment> {
    Moment::parse(first(reply))
}

/// The text of a reply's first line.
pub(crate) fn first(reply: &StatusReply) -> &[u8] {
    reply.lines.first().map(Vec::as_slice).unwrap_or_default()
}

/// A file's digest, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// `SHA-256`, `SHA-512`, `SHA-1`, `MD5` or `CRC32`.
    pub algorithm: String,
    /// The digest in hexadecimal digits, in lower case.
    pub hex: String,
}

/// `213 SP algorithm SP start-point "-" end-point SP hash SP pathname` (draft-bryan-ftpext-hash).
pub(crate) fn hash(text: &[u8]) -> Option<Digest> {
    let mut words = text
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let algorithm = std::str::from_utf8(words.next()?)
        .ok()?
        .to_ascii_uppercase();
    let (start, _) = std::str::from_utf8(words.next()?).ok()?.split_once('-')?;
    // Of the whole file, and not of a range that was asked for by another.
    if start != "0" {
        return None;
    }
    Some(Digest {
        hex: hex_of(words.next()?, &algorithm)?,
        algorithm,
    })
}

/// The digest anywhere in the reply to XCRC and its family, which no document describes.
pub(crate) fn old_hash(text: &[u8], algorithm: &str) -> Option<Digest> {
    let mut words = text.split(|byte| !byte.is_ascii_alphanumeric());
    Some(Digest {
        hex: words.find_map(|word| hex_of(word, algorithm))?,
        algorithm: algorithm.to_owned(),
    })
}

fn hex_of(word: &[u8], algorithm: &str) -> Option<String> {
    let length = match algorithm {
        "SHA-512" => 128,
        "SHA-256" => 64,
        "SHA-1" => 40,
        "MD5" => 32,
        "CRC32" => 8,
        _ => return None,
    };
    // A checksum may come without its leading zeros.
    let fits = word.len() == length || algorithm == "CRC32" && (6..8).contains(&word.len());
    let is_hex = fits && word.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(word).ok().filter(|_| is_hex)?;
    Some(format!("{:0>length$}", text.to_ascii_lowercase()))
}

/// What a server can do, as it says in its reply to FEAT (RFC 2389 section 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    told: bool,
    list: Vec<(String, String)>,
}

impl Features {
    /// `211-text CRLF 1*( SP feature-label [ SP feature-parms ] CRLF ) 211 SP text`
    pub(crate) fn parse(reply: &StatusReply) -> Features {
        let last = reply.lines.len().saturating_sub(1);
        let lines = reply.lines.get(1..last).unwrap_or_default();
        let list = lines.iter().filter_map(|line| {
            let text = String::from_utf8_lossy(line);
            let (label, parameters) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            let named = (label.to_ascii_uppercase(), parameters.trim().to_owned());
            (!label.is_empty()).then_some(named)
        });
        Features {
            told: true,
            list: list.collect(),
        }
    }

    /// Whether the server told them. One from before RFC 2389 does not, and may know more than
    /// nothing.
    pub fn are_told(&self) -> bool {
        self.told
    }

    /// Each label, in capitals, with its parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.list.iter();
        pairs.map(|(label, parameters)| (label.as_str(), parameters.as_str()))
    }

    /// Whether this label is there.
    pub fn offers(&self, label: &str) -> bool {
        self.parameters(label).is_some()
    }

    /// The parameters of this label, if it is there.
    pub fn parameters(&self, label: &str) -> Option<&str> {
        let found = self.iter().find(|(known, _)| *known == label);
        found.map(|(_, parameters)| parameters)
    }

    /// The algorithms of HASH, the one in use first.
    pub(crate) fn hashes(&self) -> Vec<String> {
        let text = self.parameters("HASH").unwrap_or_default();
        let mut names: Vec<&str> = text
            .split([';', ' '])
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_by_key(|name| !name.ends_with('*'));
        let names = names
            .iter()
            .map(|name| name.trim_end_matches('*').to_ascii_uppercase());
        names.collect()
    }
}

/// What kind of no an error is, if it is a server's no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum No {
    /// The service ends, or is too busy; the control connection closes (421).
    Unavailable,
    /// The data connection could not be opened (425).
    NoDataConnection,
    /// The data connection broke, or was closed early (426).
    Aborted,
    /// The file is in use just now (450), or the server failed by itself (451).
    Busy,
    /// There is no room, or a quota is spent (452, 552).
    NoSpace,
    /// There is no such file or folder, or no permission for it: FTP does not tell which (550).
    Missing,
    /// The name is not allowed (553).
    Name,
    /// A login or other credentials are needed (530, 430), or an account (332, 532).
    NeedsLogin,
    /// The server does not know the command or a part of it (500, 501, 502, 504).
    Unsupported,
    /// Something else.
    Other,
}

impl No {
    /// What kind of no an error is. `None` if the server did not say no.
    pub fn of(error: &Error) -> Option<No> {
        match error {
            Error::Refused { reply, .. } => Some(No::of_code(reply.get(..3)?.parse().ok()?)),
            _ => None,
        }
    }

    fn of_code(code: u16) -> No {
        match code {
            421 => No::Unavailable,
            425 => No::NoDataConnection,
            426 => No::Aborted,
            450 | 451 => No::Busy,
            452 | 552 => No::NoSpace,
            550 => No::Missing,
            553 => No::Name,
            530 | 430 | 332 | 532 => No::NeedsLogin,
            500..=502 | 504 => No::Unsupported,
            _ => No::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::{Connection, Memory, Refusal};

    fn reply(lines: &[&str]) -> StatusReply {
        StatusReply {
            code: 211,
            lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
        }
    }

    #[test]
    fn passive_replies_of_every_form() {
        for (text, host, port) in [
            (
                "Entering Passive Mode (192,168,1,2,4,1).",
                [192, 168, 1, 2],
                1025,
            ),
            (
                "Entering Passive Mode 10,0,0,1,200,10",
                [10, 0, 0, 1],
                51210,
            ),
            ("=10,0,0,1,200,10", [10, 0, 0, 1], 51210),
            ("Mode 2 ok (10,0,0,1,0,21)", [10, 0, 0, 1], 21),
            ("10,0,0,1,255,255,", [10, 0, 0, 1], 65535),
        ] {
            assert_eq!(
                passive(text.as_bytes()),
                Some((host.into(), port)),
                "{text}"
            );
        }
        for wrong in [
            "",
            "Entering Passive Mode",
            "(1,2,3,4,5)",
            "(256,2,3,4,5,6)",
            "(1,2,3,4,5,6,7)",
            "(1,2,3,4,0,0)",
            "(1,2,3,4,5,-6)",
            "(1,,2,3,4,5,6)",
            "(1,2,3,4,5,99999999999999999999)",
        ] {
            assert_eq!(passive(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn extended_passive_replies() {
        for (text, port) in [
            ("Entering Extended Passive Mode (|||6446|)", 6446),
            ("ok (!!!65535!)", 65535),
            ("(|||1|).", 1),
        ] {
            assert_eq!(extended_passive(text.as_bytes()), Some(port), "{text}");
        }
        for wrong in [
            "",
            "(",
            "(|||",
            "(|||70000|)",
            "(|||0|)",
            "(|||1)",
            "(||1|)",
            "(|1|10.0.0.1|99|)",
            "(0001230)",
            "|||1|",
            "(|||-1|)",
            "(||||)",
        ] {
            assert_eq!(extended_passive(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn paths_are_unquoted() {
        for (text, path) in [
            (r#""/usr/dm" is the current folder"#, "/usr/dm"),
            (r#""/a""b" created"#, "/a\"b"),
            (r#""""""#, "\""),
            (r#""""#, ""),
        ] {
            assert_eq!(
                quoted_path(text.as_bytes()).as_deref(),
                Some(path.as_bytes()),
                "{text}"
            );
        }
        for wrong in ["", "/a", "\"/a", "\"/a\"\""] {
            assert_eq!(quoted_path(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn features_are_read() {
        // RFC 2389 section 4.
        let lines = [
            "Extensions supported:",
            " MLST size*;create;modify*;perm",
            " size",
            " AUTH TLS",
            " HASH SHA-1;SHA-256*;MD5",
            "",
            " \u{1b}[2J",
            "END",
        ];
        let features = Features::parse(&reply(&lines));
        assert!(features.are_told() && features.offers("SIZE") && !features.offers("END"));
        assert_eq!(
            features.parameters("MLST"),
            Some("size*;create;modify*;perm")
        );
        assert_eq!(features.hashes(), ["SHA-256", "SHA-1", "MD5"]);
        let none = Features::parse(&reply(&["no-features"]));
        assert!(none.are_told() && none.iter().next().is_none());
        assert!(!Features::default().are_told());
    }

    #[test]
    fn digests_are_read() {
        let sum = "a".repeat(64);
        let digest = hash(format!("SHA-256 0-49 {sum} a file").as_bytes()).unwrap();
        assert_eq!(
            (digest.algorithm.as_str(), digest.hex),
            ("SHA-256", sum.clone())
        );
        for wrong in [
            "",
            "SHA-256",
            "SHA-256 0-49",
            "SHA-256 0-49 abc x",
            "SHA-256 9-49 x",
            "SHA-3 0-1 aa x",
        ] {
            assert_eq!(hash(wrong.as_bytes()), None, "{wrong}");
        }
        let digest = old_hash(b" XMD5 0123456789ABCDEF0123456789abcdef", "MD5").unwrap();
        assert_eq!(digest.hex, "0123456789abcdef0123456789abcdef");
        assert_eq!(old_hash(b"ABC123", "CRC32").unwrap().hex, "00abc123");
        assert_eq!(old_hash(sum.as_bytes(), "MD5"), None);
    }

    #[test]
    fn every_prefix_is_read_without_harm() {
        for text in [
            "Entering Passive Mode (192,168,1,2,4,1).",
            "Entering Extended Passive Mode (|||6446|)",
            r#""/a""b" created"#,
            "SHA-256 0-49 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x",
            "19990929003355.237",
        ] {
            for length in 0..text.len() {
                let part = &text.as_bytes()[..length];
                let _ = (hash(part), old_hash(part, "CRC32"), Moment::parse(part));
                assert_eq!(extended_passive(part), None);
                let said = reply(&[&text[..length]]);
                let _ = (
                    quoted_path(part),
                    passive(part),
                    size(&said),
                    modified(&said),
                );
            }
        }
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(size(&reply(&["18446744073709551615"])), Some(u64::MAX));
        for wrong in ["", "-1", "18446744073709551616", "1 2", "x"] {
            assert_eq!(size(&reply(&[wrong])), None, "{wrong}");
        }
    }

    #[test]
    fn a_no_says_what_it_is() {
        let connection = Connection::over(Memory::new(""));
        for (reply, no) in [
            ("421 bye", No::Unavailable),
            ("425 no", No::NoDataConnection),
            ("426 cut", No::Aborted),
            ("450 busy", No::Busy),
            ("552 full", No::NoSpace),
            ("550 none", No::Missing),
            ("530 who?", No::NeedsLogin),
            ("502 what?", No::Unsupported),
            ("599", No::Other),
        ] {
            let error = connection.refused(reply, Refusal::Lasting);
            assert_eq!(No::of(&error), Some(no), "{reply}");
        }
        assert_eq!(No::of(&connection.closed("550")), None);
    }
}
