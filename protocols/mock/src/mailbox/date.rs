//! Points in time with their zone, as messages have them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A date and time, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Seconds since 1970 began, in UTC.
    pub seconds: i64,
    /// How many minutes the local time is ahead of UTC.
    pub zone: i32,
}

pub(crate) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAY: i64 = 24 * 60 * 60;

impl Date {
    /// Now, in UTC.
    pub fn now() -> Date {
        SystemTime::now().into()
    }

    /// The moment that a local date and time are in a zone. What does not exist, as 31 February, is
    /// `None`.
    pub fn of(day: (i64, i64, i64), time: (i64, i64, i64), zone: i32) -> Option<Date> {
        let (year, month, number) = day;
        let (hour, minute, second) = time;
        let days = days_of(year, month, number);
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute);
        // A leap second is the first of the next minute.
        if !is_time || !(0..=60).contains(&second) || civil(days) != day {
            return None;
        }
        let local = days * DAY + hour * 3600 + minute * 60 + second;
        Some(Date {
            seconds: local - i64::from(zone) * 60,
            zone,
        })
    }

    /// The local day: how many days after 1 January 1970.
    pub fn day(self) -> i64 {
        self.local().div_euclid(DAY)
    }

    fn local(self) -> i64 {
        self.seconds + i64::from(self.zone) * 60
    }
}

impl From<SystemTime> for Date {
    fn from(time: SystemTime) -> Date {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Date {
            seconds: i64::try_from(since.as_secs()).unwrap_or(0),
            zone: 0,
        }
    }
}

/// The form of RFC 9051 `date-time`, without its quotes: ` 1-Jan-2026 12:00:00 +0000`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.day());
        let second = self.local().rem_euclid(DAY);
        let month = usize::try_from(month - 1).unwrap_or(0);
        let month = MONTHS.get(month).unwrap_or(&"Jan");
        let sign = if self.zone < 0 { '-' } else { '+' };
        let zone = self.zone.abs();
        write!(
            f,
            "{day:2}-{month}-{year:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60,
            zone / 60,
            zone % 60
        )
    }
}

/// The number of a month's name.
pub(crate) fn month(name: &str) -> Option<i64> {
    let mut months = MONTHS.iter();
    let at = months.position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(at + 1).ok()
}

/// Days since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970; from the same place.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
