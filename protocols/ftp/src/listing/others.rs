//! DOS and IIS, EPLF, OS/400.

use super::dates::{time, whole};
use super::{word, Entry, Kind};
use crate::moment::{number, Modified, Moment, Precision};

/// `MM-DD-YY[YY] HH:MM("AM"/"PM") ( "<DIR>" / size ) name`, and with `YYYY-MM-DD` and 24 hours.
pub(super) fn dos(line: &[u8]) -> Option<Entry> {
    let (date, rest) = word(line)?;
    let (clock, rest) = word(rest)?;
    let mut parts = date.split(|byte| matches!(byte, b'-' | b'/' | b'.'));
    let (one, two, three) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = match one.len() {
        4 => (one, two, three),
        _ => (three, one, two),
    };
    let modified = whole(
        year_of(year)?,
        small(month)?,
        small(day)?,
        twelve_hours(clock)?,
    )?;
    let (what, rest) = word(rest)?;
    let mut entry = match what {
        b"<DIR>" => Entry::new(behind_column(rest), Kind::Folder),
        b"<JUNCTION>" | b"<SYMLINK>" | b"<SYMLINKD>" => link(rest.trim_ascii_start()),
        _ => {
            let mut entry = Entry::new(rest.strip_prefix(b" ")?, Kind::File);
            let digits: Vec<u8> = what
                .iter()
                .copied()
                .filter(|byte| !b",.".contains(byte))
                .collect();
            entry.size = Some(number(&digits)?);
            entry
        }
    };
    entry.modified = Some(modified);
    Some(entry)
}

/// Behind `<DIR>` there are ten spaces up to the column of names; more of them belong to the name.
fn behind_column(rest: &[u8]) -> &[u8] {
    const GAP: usize = 10;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    rest.get(spaces.min(GAP)..).unwrap_or_default()
}

/// `name SP "[" target "]"`
fn link(rest: &[u8]) -> Entry {
    let at = rest.windows(2).position(|part| part == b" [");
    let parts = at.and_then(|at| rest.split_at_checked(at));
    let split = parts.and_then(|(name, target)| Some((name, target.get(2..)?.strip_suffix(b"]")?)));
    match split {
        Some((name, target)) => Entry {
            target: Some(target.to_vec()),
            ..Entry::new(name, Kind::Link)
        },
        None => Entry::new(rest, Kind::Link),
    }
}

/// `HH:MM[:SS]["AM" / "PM"]`
fn twelve_hours(word: &[u8]) -> Option<((u8, u8, u8), Precision)> {
    let upper = word.to_ascii_uppercase();
    let (clock, is_afternoon) = match upper.as_slice() {
        [clock @ .., b'A', b'M'] => (clock, false),
        [clock @ .., b'P', b'M'] => (clock, true),
        clock => return time(clock),
    };
    let ((hour, minute, second), precision) = time(clock)?;
    let hour = match (hour, is_afternoon) {
        (1..=12, false) => hour % 12,
        (1..=12, true) => hour % 12 + 12,
        _ => return None,
    };
    Some(((hour, minute, second), precision))
}

fn small(digits: &[u8]) -> Option<u8> {
    u8::try_from(number(digits).filter(|_| digits.len() <= 2)?).ok()
}

/// Years of two digits are of 1970 to 2069.
pub(super) fn year_of(digits: &[u8]) -> Option<u16> {
    let year = u16::try_from(number(digits)?).ok()?;
    match digits.len() {
        4 => Some(year),
        2 if year < 70 => Some(2000 + year),
        2 => Some(1900 + year),
        _ => None,
    }
}

/// `"+" *( fact "," ) TAB name` (<https://cr.yp.to/ftp/list/eplf.html>)
pub(super) fn eplf(line: &[u8]) -> Option<Entry> {
    let line = line.strip_prefix(b"+")?;
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (facts, name) = line.split_at_checked(tab)?;
    let mut entry = Entry::new(name.get(1..)?, Kind::Other);
    for fact in facts.split(|byte| *byte == b',') {
        match fact {
            b"/" => entry.kind = Kind::Folder,
            b"r" if entry.kind == Kind::Other => entry.kind = Kind::File,
            [b's', size @ ..] => entry.size = number(size),
            [b'm', seconds @ ..] => entry.modified = seconds_since_1970(seconds),
            [b'u', b'p', bits @ ..] => {
                let text = std::str::from_utf8(bits).ok();
                let mode = text.and_then(|text| u16::from_str_radix(text, 8).ok());
                entry.mode = mode.filter(|mode| *mode <= 0o7777);
            }
            _ => {}
        }
    }
    if entry.kind != Kind::File {
        entry.size = None;
    }
    Some(entry)
}

fn seconds_since_1970(digits: &[u8]) -> Option<Modified> {
    Some(Modified {
        moment: Moment::from_unix(i64::try_from(number(digits)?).ok()?)?,
        precision: Precision::Second,
        is_utc: true,
    })
}

/// `owner [size date time] "*" type [SP name]`
pub(super) fn os400(line: &[u8]) -> Option<Entry> {
    let (_, rest) = word(line)?;
    let (next, behind) = word(rest)?;
    let (size, modified, kind, rest) = if next.starts_with(b"*") {
        (None, None, next, behind)
    } else {
        let (date, behind) = word(behind)?;
        let (clock, behind) = word(behind)?;
        let modified = whole_date(date, time(clock)?)?;
        let (kind, behind) = word(behind)?;
        (Some(number(next)?), Some(modified), kind, behind)
    };
    let letters = kind
        .strip_prefix(b"*")
        .filter(|letters| !letters.is_empty())?;
    if !letters.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let name = rest.trim_ascii();
    let folder_name = name.strip_suffix(b"/");
    let kind = match letters {
        b"DIR" | b"DDIR" | b"LIB" | b"FLR" => Kind::Folder,
        b"FILE" if folder_name.is_some() || size.is_none() => Kind::Folder,
        b"STMF" | b"DSTMF" | b"MEM" | b"FILE" | b"DOC" | b"USRSPC" => Kind::File,
        b"SYMLNK" => Kind::Link,
        _ => Kind::Other,
    };
    let mut entry = Entry::new(folder_name.unwrap_or(name), kind);
    entry.size = size.filter(|_| kind == Kind::File);
    entry.modified = modified;
    Some(entry)
}

/// `MM/DD/YY`, `DD.MM.YY` or `YY-MM-DD`, as the job's date format has it; a month that cannot be one
/// is the day.
fn whole_date(date: &[u8], time: ((u8, u8, u8), Precision)) -> Option<Modified> {
    let mark = *date.iter().find(|byte| !byte.is_ascii_digit())?;
    let mut parts = date.split(|byte| *byte == mark);
    let (one, two, three) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let orders = match mark {
        b'/' => [(three, one, two), (three, two, one), (one, two, three)],
        b'.' => [(three, two, one), (three, one, two), (one, two, three)],
        b'-' => [(one, two, three), (three, two, one), (three, one, two)],
        _ => return None,
    };
    let mut found = orders
        .into_iter()
        .filter_map(|(year, month, day)| whole(year_of(year)?, small(month)?, small(day)?, time));
    found.next()
}
