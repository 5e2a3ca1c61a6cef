//! Points in time as NNTP writes them. All are UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::mailbox::{month, Date};

/// Seconds since 1970, now.
pub(super) fn now() -> i64 {
    Date::now().seconds
}

/// The form of a Date field (RFC 5322 section 3.3).
pub(super) fn written(seconds: i64) -> String {
    httpdate::fmt_http_date(moment(seconds)).replace("GMT", "+0000")
}

/// The form of DATE (RFC 3977 section 7.1): `yyyymmddhhmmss`.
pub(super) fn digits(seconds: i64) -> String {
    let written = written(seconds);
    let words: Vec<&str> = written.split(' ').collect();
    let [_, day, name, year, time, _] = words[..] else {
        return String::new();
    };
    let month = month(name).unwrap_or(1);
    format!("{year}{month:02}{day}{}", time.replace(':', ""))
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// RFC 3977 section 7.3.2: `yyyymmdd` or `yymmdd`, and `hhmmss`. Two digits of a year mean the last
/// such year that is not in the future.
pub(super) fn parse(date: &str, time: &str) -> Option<i64> {
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(date) || !are_digits(time) || time.len() != 6 {
        return None;
    }
    let (year, day) = match date.len() {
        8 => (date.get(..4)?.parse().ok()?, date.get(4..)?),
        6 => (century(date.get(..2)?.parse().ok()?), date.get(2..)?),
        _ => return None,
    };
    let two = |text: &str, at: usize| text.get(at..at + 2)?.parse::<i64>().ok();
    let day = (year, two(day, 0)?, two(day, 2)?);
    let time = (two(time, 0)?, two(time, 2)?, two(time, 4)?);
    Date::of(day, time, 0).map(|date| date.seconds)
}

fn century(year: i64) -> i64 {
    let this_year: i64 = digits(now())
        .get(..4)
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    let century = this_year / 100 * 100;
    match century + year {
        future if future > this_year => future - 100,
        past => past,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        assert_eq!(written(784_111_777), "Sun, 06 Nov 1994 08:49:37 +0000");
        assert_eq!(digits(784_111_777), "19941106084937");
        assert_eq!(parse("19941106", "084937"), Some(784_111_777));
        assert_eq!(parse("941106", "084937"), Some(784_111_777));
        assert_eq!(parse("260101", "120000"), Some(1_767_268_800));
        for (date, time) in [
            ("1994110", "084937"),
            ("19941131", "084937"),
            ("19941106", "246000"),
            ("19941106", "08493"),
            ("1994110x", "084937"),
            ("", ""),
        ] {
            assert_eq!(parse(date, time), None, "{date} {time}");
        }
    }
}
