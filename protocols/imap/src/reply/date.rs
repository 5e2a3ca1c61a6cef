//! Dates as IMAP writes them: `17-Jul-1996 02:44:25 -0700`.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::syntax::{number, Fault, Parsed};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`, without
/// the quotation marks.
pub(crate) fn date_time(text: &[u8]) -> Parsed<OffsetDateTime> {
    let wrong = Fault("a date is written 17-Jul-1996 02:44:25 -0700");
    let mut parts = text
        .split(|byte| *byte == b' ')
        .filter(|part| !part.is_empty());
    let mut part = || parts.next().ok_or(wrong);
    let (date, time, zone) = (self::date(part()?)?, part()?, part()?);
    let mut clock = time.split(|byte| *byte == b':');
    let mut unit = || number::<u8>(clock.next().ok_or(wrong)?);
    // A leap second has no place in this calendar.
    let (hour, minute, second) = (unit()?, unit()?, unit()?.min(59));
    let time = Time::from_hms(hour, minute, second).map_err(|_| wrong)?;
    let offset = self::offset(zone).ok_or(wrong)?;
    let date = PrimitiveDateTime::new(date, time);
    // Near the ends of the calendar, no other zone can hold the moment.
    date.checked_sub(time::Duration::seconds(offset.whole_seconds().into()))
        .ok_or(wrong)?;
    Ok(date.assume_offset(offset))
}

fn date(text: &[u8]) -> Parsed<Date> {
    let wrong = Fault("a date is written 17-Jul-1996");
    let mut parts = text.split(|byte| *byte == b'-');
    let mut part = || parts.next().ok_or(wrong);
    let (day, month, year) = (number(part()?)?, part()?, part()?);
    let is_month = |name: &str| name.as_bytes().eq_ignore_ascii_case(month);
    let month = MONTHS.iter().position(|name| is_month(name)).ok_or(wrong)?;
    let month = u8::try_from(month + 1)
        .ok()
        .and_then(|month| Month::try_from(month).ok());
    let year = number::<u16>(year)?;
    Date::from_calendar_date(year.into(), month.ok_or(wrong)?, day).map_err(|_| wrong)
}

/// `zone = ("+" / "-") 4DIGIT`
fn offset(text: &[u8]) -> Option<UtcOffset> {
    let (sign, digits) = text.split_first()?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_number = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let digits: i32 = digits.parse().ok().filter(|_| is_number)?;
    let seconds = (digits / 100 * 60 + digits % 100) * 60;
    match sign {
        b'+' => UtcOffset::from_whole_seconds(seconds).ok(),
        b'-' => UtcOffset::from_whole_seconds(-seconds).ok(),
        _ => None,
    }
}

/// `date = day "-" month "-" year`, for a search.
pub(crate) fn date_text(date: Date) -> String {
    let month = MONTHS.get(usize::from(u8::from(date.month())) - 1);
    let month = month.copied().unwrap_or_default();
    format!("{}-{month}-{:04}", date.day(), date.year())
}

/// `date-time` with its quotation marks.
pub(crate) fn date_time_text(date: OffsetDateTime) -> String {
    let offset = date.offset();
    let sign = if offset.is_negative() { '-' } else { '+' };
    let minutes = offset.whole_minutes().unsigned_abs();
    let (hour, minute, second) = date.to_hms();
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let date = date_text(date.date());
    format!("\"{date:>11} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        for text in [
            "17-Jul-1996 02:44:25 -0700",
            " 7-Feb-1994 21:52:25 -0800",
            "01-Jan-2000 00:00:00 +0000",
            "31-Dec-1999 23:59:59 +1400",
        ] {
            let date = date_time(text.as_bytes()).unwrap();
            let again = date_time_text(date);
            assert_eq!(date_time(again.trim_matches('"').as_bytes()), Ok(date));
            assert_eq!(again.len(), 28);
        }
        let date = date_time(b"17-jul-1996 02:44:60 -0730").unwrap();
        assert_eq!(date.unix_timestamp(), 837_598_499);
        assert_eq!(date_time_text(date), "\"17-Jul-1996 02:44:59 -0730\"");
        for wrong in [
            "",
            "x",
            "17-Jul-1996",
            "17-Jul-1996 02:44 -0700",
            "32-Jul-1996 02:44:25 -0700",
            "17-Foo-1996 02:44:25 -0700",
            "17-Jul-1996 25:44:25 -0700",
            "17-Jul-1996 02:44:25 0700",
            "17-Jul-1996 02:44:25 -9999",
            "17-Jul-99999 02:44:25 +0000",
        ] {
            assert!(date_time(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
