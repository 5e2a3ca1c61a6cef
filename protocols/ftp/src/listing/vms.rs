//! VMS: `name ";" version [blocks] [date time] [owner] [protection]`. A long name has a line of its
//! own, and the rest follows on the next.

use super::dates::{month, time, whole};
use super::{word, Entry, Kind};
use crate::moment::{number, Modified, Precision};

/// A whole entry.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let (name, rest) = word(line)?;
    let rest = Some(rest).filter(|rest| !rest.is_empty())?;
    entry(name, rest)
}

/// Whether a line is a name whose entry goes on in the next line.
pub(super) fn is_name(line: &[u8]) -> bool {
    named(line.trim_ascii_end()).is_some()
}

/// The entry of a name in the line before.
pub(super) fn continued(name: &[u8], line: &[u8]) -> Option<Entry> {
    line.first().filter(|byte| matches!(byte, b' ' | b'\t'))?;
    entry(name.trim_ascii_end(), line)
}

/// The name without its version, and what it is.
fn named(word: &[u8]) -> Option<(&[u8], Kind)> {
    let at = word.iter().rposition(|byte| *byte == b';')?;
    let (name, version) = word.split_at_checked(at)?;
    number(version.get(1..)?)?;
    let is_name = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
    if !name.iter().all(is_name) || !name.contains(&b'.') {
        return None;
    }
    let split = name
        .len()
        .checked_sub(4)
        .and_then(|at| name.split_at_checked(at));
    match split {
        Some((folder, end)) if end.eq_ignore_ascii_case(b".DIR") => Some((folder, Kind::Folder)),
        _ => Some((name, Kind::File)),
    }
}

fn entry(name: &[u8], rest: &[u8]) -> Option<Entry> {
    let (name, kind) = named(name)?;
    let mut entry = Entry::new(name, kind);
    let text = rest.trim_ascii();
    // What may not be looked at is there all the same.
    if text.starts_with(b"%") || text.starts_with(b"No privilege") {
        return Some(entry);
    }
    // Sizes are in blocks of 512 bytes, so that no exact one is known.
    let (first, behind) = word(text)?;
    let is_size = |byte: &u8| byte.is_ascii_digit() || b"/KMG".contains(byte);
    let behind = if first.iter().all(is_size) {
        behind
    } else {
        text
    };
    entry.modified = Some(date(behind)?);
    Some(entry)
}

/// `D-MMM-YYYY HH:MM[:SS]`
fn date(text: &[u8]) -> Option<Modified> {
    let (date, rest) = word(text)?;
    let mut parts = date.split(|byte| *byte == b'-');
    let (day, name, year) = (parts.next()?, parts.next()?, parts.next()?);
    let clock = word(rest).and_then(|(word, _)| time(word));
    whole(
        u16::try_from(number(year)?).ok()?,
        month(name)?,
        u8::try_from(number(day)?).ok()?,
        clock.unwrap_or(((0, 0, 0), Precision::Day)),
    )
}
