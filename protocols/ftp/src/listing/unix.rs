//! `ls -l` and what is near to it.

use super::dates::date;
use super::{word, Entry, Kind};
use crate::moment::{number, Modified, Moment};

/// `kind permissions [links] [owner] [group] size date SP name [" -> " target]`. Which of the fields
/// in the middle are there differs; the date is what is found for certain, behind a number.
pub(super) fn parse(line: &[u8], now: Moment) -> Option<Entry> {
    let (first, rest) = word(
        line.get(..1)
            .filter(|start| *start != b" ")
            .and(Some(line))?,
    )?;
    let (letter, bits) = first.split_first()?;
    let kind = match letter {
        b'-' => Kind::File,
        b'd' => Kind::Folder,
        b'l' => Kind::Link,
        b'b' | b'c' | b'p' | b's' | b'D' | b'C' | b'n' | b'P' => Kind::Other,
        _ => return None,
    };
    let mode = mode(bits.get(..9)?)?;
    // Behind the bits there may be a mark of an access list, or the links without a space.
    let mark = bits.get(9..)?;
    if !mark
        .iter()
        .all(|byte| b"+.@*".contains(byte) || byte.is_ascii_digit())
    {
        return None;
    }
    let (size, modified, rest) = until_date(rest, now)?;
    let name = rest.strip_prefix(b" ")?;
    let mut entry = Entry::new(name, kind);
    entry.mode = Some(mode);
    entry.modified = Some(modified);
    match kind {
        Kind::File => entry.size = size,
        Kind::Link => split_link(&mut entry),
        _ => {}
    }
    Some(entry)
}

/// `kind SP "[" rights "]" owner size date name`
pub(super) fn netware(line: &[u8], now: Moment) -> Option<Entry> {
    let kind = match line.first()? {
        b'-' => Kind::File,
        b'd' => Kind::Folder,
        _ => return None,
    };
    let (rights, rest) = word(line.get(1..)?)?;
    let letters = rights.strip_prefix(b"[")?.strip_suffix(b"]")?;
    if !letters
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
    {
        return None;
    }
    let (size, modified, rest) = until_date(rest, now)?;
    let mut entry = Entry::new(rest.trim_ascii_start(), kind);
    entry.modified = Some(modified);
    entry.size = size.filter(|_| kind == Kind::File);
    Some(entry)
}

/// The first date that comes behind a number, with that number (the size, if it is one) and what
/// follows.
fn until_date(text: &[u8], now: Moment) -> Option<(Option<u64>, Modified, &[u8])> {
    let (mut last, mut before): (&[u8], &[u8]) = (b"", b"");
    let mut rest = text;
    while let Some((next, behind)) = word(rest) {
        let is_device = last.contains(&b',') || before.ends_with(b",");
        let digits = last.strip_prefix(b"0x");
        let is_number = digits.unwrap_or(last).iter().all(|byte| {
            byte.is_ascii_digit() || *byte == b',' || digits.is_some() && byte.is_ascii_hexdigit()
        });
        if !last.is_empty() && is_number {
            if let Some((modified, behind)) = date(rest, now) {
                let size = number(last).filter(|_| !is_device);
                return Some((size, modified, behind));
            }
        }
        (before, last, rest) = (last, next, behind);
    }
    None
}

/// `rwxr-sr-t` as bits.
fn mode(text: &[u8]) -> Option<u16> {
    let mut mode = 0;
    for (at, byte) in text.iter().enumerate() {
        let special = 0o4000 >> (at / 3);
        let bit = 0o400 >> at;
        mode |= match (byte, at % 3) {
            (b'-', _) => 0,
            (b'r', 0) | (b'w', 1) | (b'x', 2) => bit,
            (b's' | b't', 2) => bit | special,
            (b'S' | b'T' | b'l' | b'L', 2) => special,
            _ => return None,
        };
    }
    Some(mode)
}

fn split_link(entry: &mut Entry) {
    const ARROW: &[u8] = b" -> ";
    let at = entry
        .name
        .windows(ARROW.len())
        .position(|part| part == ARROW);
    if let Some(at) = at {
        entry.target = entry.name.get(at + ARROW.len()..).map(<[u8]>::to_vec);
        entry.name.truncate(at);
    }
}
