//! Points in time, as servers write them.

use std::fmt;

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A point in time to the second, in seconds since 1970 as if the clock that it was read from showed
/// UTC. Whether it did is told by [`Modified::is_utc`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// When something was changed, as far as a listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// When.
    pub moment: Moment,
    /// What of it is known.
    pub precision: Precision,
    /// Whether it is UTC, as in MLSD and EPLF. Other listings are in the server's own zone, which
    /// nothing tells.
    pub is_utc: bool,
}

/// How exactly a time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// To the second.
    Second,
    /// To the minute; the seconds are 0.
    Minute,
    /// To the day; the time is midnight.
    Day,
}

impl Moment {
    /// A date of 1 to 9999 and a time; `None` if there is no such one. A leap second is the one
    /// before it.
    pub fn new(year: u16, month: u8, day: u8, time: (u8, u8, u8)) -> Option<Moment> {
        let (hour, minute, second) = time;
        let month = Month::try_from(month).ok()?;
        let date = Date::from_calendar_date(i32::from(year), month, day).ok()?;
        let second = if second == 60 { 59 } else { second };
        let time = Time::from_hms(hour, minute, second).ok()?;
        let whole = PrimitiveDateTime::new(date, time).assume_utc();
        Some(Moment(whole.unix_timestamp()))
    }

    /// The moment so many seconds after the beginning of 1970.
    pub fn from_unix(seconds: i64) -> Option<Moment> {
        let whole = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        (0..=9999)
            .contains(&whole.year())
            .then_some(Moment(seconds))
    }

    /// Seconds since the beginning of 1970.
    pub fn to_unix(self) -> i64 {
        self.0
    }

    /// The moment that the system's clock shows.
    pub fn now() -> Moment {
        Moment(OffsetDateTime::now_utc().unix_timestamp())
    }

    pub(crate) fn year(self) -> u16 {
        let whole = OffsetDateTime::from_unix_timestamp(self.0);
        whole.map_or(1970, |whole| u16::try_from(whole.year()).unwrap_or(1970))
    }

    /// `time-val = 14DIGIT [ "." 1*DIGIT ]` (RFC 3659 section 2.3). Fractions of a second are
    /// dropped. Some servers of before 2000 count the years after 1999 as 19100 and so on.
    pub fn parse(text: &[u8]) -> Option<Moment> {
        let text = text.trim_ascii();
        let (digits, fraction) = match text.iter().position(|byte| *byte == b'.') {
            Some(at) => text.split_at_checked(at)?,
            None => (text, &b".0"[..]),
        };
        let fraction = fraction.get(1..)?;
        if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (year, rest) = match digits.len() {
            14 => (number(digits.get(..4)?)?, digits.get(4..)?),
            15 if digits.starts_with(b"191") => {
                (1900 + number(digits.get(2..5)?)?, digits.get(5..)?)
            }
            _ => return None,
        };
        let two = |at: usize| u8::try_from(number(rest.get(at..at + 2)?)?).ok();
        let time = (two(4)?, two(6)?, two(8)?);
        Moment::new(u16::try_from(year).ok()?, two(0)?, two(2)?, time)
    }
}

/// `YYYYMMDDHHMMSS`, as commands and facts have it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole =
            OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (whole.date(), whole.time());
        write!(
            f,
            "{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )?;
        write!(
            f,
            "{:02}{:02}{:02}",
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

/// Digits alone, without a sign.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, written) in [
            ("19990929003355", "19990929003355"),
            ("19990929003355.237", "19990929003355"),
            ("19981231235960", "19981231235959"),
            ("191000929003355", "20000929003355"),
            ("00010101000000", "00010101000000"),
            ("20240229120000", "20240229120000"),
        ] {
            let moment = Moment::parse(text.as_bytes()).unwrap();
            assert_eq!(moment.to_string(), written, "{text}");
        }
        for wrong in [
            "",
            "1999",
            "19990929",
            "20230229120000",
            "19991329003355",
            "19990929243355",
            "19990929003355.",
            "19990929003355.x",
            "-9990929003355",
            "199909290033550",
        ] {
            assert_eq!(Moment::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn unix_time_goes_both_ways() {
        let moment = Moment::parse(b"19960301223503").unwrap();
        assert_eq!(moment.to_unix(), 825_719_703);
        assert_eq!(Moment::from_unix(825_719_703), Some(moment));
        assert_eq!(Moment::from_unix(i64::MAX), None);
        assert_eq!(moment.year(), 1996);
    }
}
