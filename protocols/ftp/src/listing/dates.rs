//! The dates in listings that are like `ls -l`.

use super::word;
use crate::moment::{number, Modified, Moment, Precision};

/// Months as servers write them, in lower case: the beginning is enough.
const MONTHS: [&[&str]; 12] = [
    &["jan", "gen", "ene", "janv"],
    &["feb", "fev", "fév", "fév."],
    &["mar", "mär", "mrz", "mär."],
    &["apr", "avr", "abr"],
    &["may", "mai", "mag", "mei"],
    &["jun", "giu", "juin"],
    &["jul", "lug", "juil"],
    &["aug", "aoû", "aou", "ago"],
    &["sep", "set"],
    &["oct", "okt", "ott", "out"],
    &["nov"],
    &["dec", "dez", "déc", "dic"],
];

/// A date at the beginning of `text`, and what is behind it:
///
/// ```text
/// Apr  8  1994       Apr  8 09:30       Apr  8 09:30:00 1994      8. Apr 1994
/// 1994-04-08 09:30   1994-04-08 09:30:00.000000000 +0200          04-08 09:30
/// Fri Apr  8 09:30:00 1994
/// ```
pub(super) fn date(text: &[u8], now: Moment) -> Option<(Modified, &[u8])> {
    let (first, rest) = word(text)?;
    if let Some(found) = by_number(first, rest, now) {
        return Some(found);
    }
    let is_day = |word: &[u8]| {
        let days: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
        days.contains(&word)
    };
    let (first, rest) = if is_day(first) {
        word(rest)?
    } else {
        (first, rest)
    };
    let (second, rest) = word(rest)?;
    let (month, day) = match (month(first), month(second)) {
        (Some(month), _) => (month, day(second)?),
        (None, Some(month)) => (month, day(first)?),
        (None, None) => return None,
    };
    let (third, rest) = word(rest)?;
    if let Some(time) = time(third) {
        // Behind a time with seconds the year comes (`ls -lT`, `ls --full-time` of old).
        let year = word(rest).and_then(|(word, rest)| Some((year(word)?, rest)));
        return match (time.1, year) {
            (Precision::Second, Some((year, rest))) => Some((whole(year, month, day, time)?, rest)),
            _ => Some((recent(month, day, time, now)?, rest)),
        };
    }
    let year = year(third)?;
    Some((whole(year, month, day, ((0, 0, 0), Precision::Day))?, rest))
}

type TimeOfDay = ((u8, u8, u8), Precision);

/// `YYYY-MM-DD [time [zone]]`, or `MM-DD time`.
fn by_number<'t>(first: &[u8], rest: &'t [u8], now: Moment) -> Option<(Modified, &'t [u8])> {
    let mut parts = first.split(|byte| *byte == b'-').map(number);
    let (one, two, three) = (parts.next()??, parts.next()??, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let small = |value: u64| u8::try_from(value).ok();
    let timed = word(rest).and_then(|(word, rest)| Some((time(word)?, rest)));
    match (three, timed) {
        (None, timed) => {
            let (time, rest) = timed?;
            Some((recent(small(one)?, small(two)?, time, now)?, rest))
        }
        (Some(three), timed) if first.len() == 10 => {
            let (time, rest) = timed.unwrap_or((((0, 0, 0), Precision::Day), rest));
            let mut found = whole(u16::try_from(one).ok()?, small(two)?, small(three?)?, time)?;
            let zone = word(rest).and_then(|(word, rest)| Some((zone(word)?, rest)));
            match zone.filter(|_| time.1 != Precision::Day) {
                Some((seconds, rest)) => {
                    found.moment = Moment::from_unix(found.moment.to_unix() - seconds)?;
                    found.is_utc = true;
                    Some((found, rest))
                }
                // `ls --time-style=iso` makes a date without a time as long as one with it.
                None if time.1 == Precision::Day && rest.starts_with(b"  ") => {
                    Some((found, rest.get(1..)?))
                }
                None => Some((found, rest)),
            }
        }
        _ => None,
    }
}

/// `HH:MM[:SS[.fraction]]`
pub(super) fn time(word: &[u8]) -> Option<TimeOfDay> {
    let end = word
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(word.len());
    let mut parts = word.get(..end)?.split(|byte| *byte == b':');
    let mut next = || u8::try_from(number(parts.next()?)?).ok();
    let (hour, minute, second) = (next()?, next()?, next());
    let precision = match second {
        Some(_) => Precision::Second,
        None => Precision::Minute,
    };
    let is_time = parts.next().is_none() && hour < 24 && minute < 60;
    is_time.then_some(((hour, minute, second.unwrap_or(0)), precision))
}

/// `( "+" / "-" ) HHMM`, in seconds.
fn zone(word: &[u8]) -> Option<i64> {
    let (sign, digits) = word.split_first()?;
    let value = i64::try_from(number(digits).filter(|_| digits.len() == 4)?).ok()?;
    let seconds = (value / 100 * 60 + value % 100) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

pub(super) fn month(word: &[u8]) -> Option<u8> {
    let text = String::from_utf8_lossy(word).to_lowercase();
    let text = text.trim_end_matches(['.', ',']);
    let is_name = |names: &[&str]| {
        let starts = names.iter().any(|name| text.starts_with(name));
        starts && text.chars().count() <= 9 && text.chars().all(char::is_alphabetic)
    };
    let at = MONTHS.iter().position(|names| is_name(names))?;
    u8::try_from(at + 1).ok()
}

fn day(word: &[u8]) -> Option<u8> {
    let word = word
        .strip_suffix(b".")
        .or(word.strip_suffix(b","))
        .unwrap_or(word);
    let day = u8::try_from(number(word)?).ok()?;
    (word.len() <= 2 && (1..=31).contains(&day)).then_some(day)
}

fn year(word: &[u8]) -> Option<u16> {
    let year = number(word).filter(|_| word.len() == 4)?;
    u16::try_from(year).ok()
}

pub(super) fn whole(year: u16, month: u8, day: u8, time: TimeOfDay) -> Option<Modified> {
    Some(Modified {
        moment: Moment::new(year, month, day, time.0)?,
        precision: time.1,
        is_utc: false,
    })
}

/// A date without a year: the last such day. One that is up to a day ahead is of today, in a zone
/// to the east of ours.
fn recent(month: u8, day: u8, time: TimeOfDay, now: Moment) -> Option<Modified> {
    let latest = now.to_unix() + 24 * 60 * 60;
    // The year after this one for a listing around New Year; and four back for 29 February.
    let years = (now.year().saturating_sub(8)..=now.year().saturating_add(1)).rev();
    let mut found = years.filter_map(|year| whole(year, month, day, time));
    found.find(|modified| modified.moment.to_unix() <= latest)
}
