//! The lines of a state file: pure text, each with a checksum of its own.
//!
//! ```text
//! journal = header *(stored / missing / forgotten)
//! header    = "proto-state 1 " account SP checksum LF
//! stored    = "+ " uid SP seconds SP hash SP place SP checksum LF
//! missing   = "? " uid SP seconds SP checksum LF      ; 0 when it is there again
//! forgotten = "- " uid SP checksum LF
//! checksum  = 8HEXDIG              ; the first of the SHA-256 of the line before its last space
//! ```
//!
//! Account, uid and place are percent-encoded. A line without its LF was torn by the end of a run;
//! any other that does not fit its checksum was damaged.

use std::borrow::Cow;

use memchr::memrchr;
use percent_encoding::{percent_decode_str, utf8_percent_encode, AsciiSet, CONTROLS};
use proto_transport::certificate::{from_hexadecimal, hexadecimal};
use sha2::{Digest, Sha256};

/// What could be taken for something else in a line.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// What a journal begins with, and the version of its form.
const HEADER: &str = "proto-state 1";

/// How many bytes of the digest a line has.
const CHECKSUM: usize = 4;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'t> {
    /// Whose state it is.
    Header(Cow<'t, str>),
    /// A message is stored since then, with this digest.
    Stored(Cow<'t, str>, u64, [u8; 32]),
    /// The server does not have it since then; 0 when it has.
    Missing(Cow<'t, str>, u64),
    /// The message is gone from the server.
    Forgotten(Cow<'t, str>),
}

/// The first line.
pub fn header(account: &str) -> String {
    with_checksum(format!("{HEADER} {}", encoded(account)))
}

/// The line of a stored message.
pub fn stored(uid: &str, seconds: u64, hash: &[u8; 32], place: &str) -> String {
    let (uid, hash, place) = (encoded(uid), hexadecimal(hash), encoded(place));
    with_checksum(format!("+ {uid} {seconds} {hash} {place}"))
}

/// The line of a message that the server does not have since then.
pub fn missing(uid: &str, seconds: u64) -> String {
    with_checksum(format!("? {} {seconds}", encoded(uid)))
}

/// The line of a message that is gone.
pub fn forgotten(uid: &str) -> String {
    with_checksum(format!("- {}", encoded(uid)))
}

fn encoded(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

fn with_checksum(mut line: String) -> String {
    let checksum = checksum(line.as_bytes());
    line.push(' ');
    line.push_str(&checksum);
    line.push('\n');
    line
}

fn checksum(line: &[u8]) -> String {
    let digest = Sha256::digest(line);
    hexadecimal(digest.get(..CHECKSUM).unwrap_or_default())
}

/// Reads a line, without its LF. `None` if it is damaged.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (line, told) = line.split_at_checked(memrchr(b' ', line)?)?;
    if told.get(1..)? != checksum(line).as_bytes() {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    if let Some(account) = line.strip_prefix(HEADER) {
        return Some(Line::Header(decoded(account.strip_prefix(' ')?)?));
    }
    let mut words = line.split(' ');
    let (kind, uid) = (words.next()?, decoded(words.next()?)?);
    match kind {
        "+" => {
            let (since, hash) = (words.next()?.parse().ok()?, words.next()?);
            let hash = from_hexadecimal(hash)?.try_into().ok()?;
            Some(Line::Stored(uid, since, hash))
        }
        "?" => Some(Line::Missing(uid, words.next()?.parse().ok()?)),
        "-" => Some(Line::Forgotten(uid)),
        _ => None,
    }
}

fn decoded(word: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(word).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Line<'_>> {
        parse(line.strip_suffix('\n')?.as_bytes())
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        for name in ["a", "", "a b", "100%", "ü\n\0\x7f", "+ a 1"] {
            assert_eq!(read(&header(name)), Some(Line::Header(name.into())));
            let line = stored(name, 17, &[0xab; 32], name);
            assert_eq!(read(&line), Some(Line::Stored(name.into(), 17, [0xab; 32])));
            assert_eq!(line.matches('\n').count(), 1);
            let line = missing(name, 17);
            assert_eq!(read(&line), Some(Line::Missing(name.into(), 17)));
            let line = forgotten(name);
            assert_eq!(read(&line), Some(Line::Forgotten(name.into())));
        }
    }

    #[test]
    fn every_damage_is_seen() {
        let line = stored("uid", 17, &[7; 32], "new/a");
        let line = line.trim_end().as_bytes();
        for at in 0..line.len() {
            assert_eq!(parse(&line[..at]), None, "{at}");
            for wrong in [b' ', b'0', b'%', 0, 0xff] {
                let mut damaged = line.to_vec();
                if std::mem::replace(&mut damaged[at], wrong) != wrong {
                    assert_eq!(parse(&damaged), None, "{at}");
                }
            }
        }
        for wrong in [
            "! a",
            "? a",
            "? a x",
            "+ a",
            "+ a x y z",
            "proto-state 2 a",
            "proto-state 1",
            "",
            "-",
        ] {
            assert_eq!(read(&with_checksum(wrong.to_owned())), None, "{wrong}");
        }
    }
}
