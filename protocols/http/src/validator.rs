//! Which validator proves that two responses have the same content (RFC 9110 section 8.8).

use std::time::Duration;

use crate::fields::Fields;
use crate::reply::is_strong_etag;

/// How much older than the response a modification must be, so that no second change can hide in the
/// same second (RFC 9110 section 8.8.2.2).
const SETTLED: Duration = Duration::from_secs(60);

/// The value for If-Range that a response gives: its entity tag if that is a strong one, else its
/// date of modification if that is far enough in the past to be as good.
pub fn strong_validator(fields: &Fields) -> Option<String> {
    let value = match fields.get("ETag") {
        Some(etag) if is_strong_etag(etag) => etag,
        // A weak tag says that equal dates do not mean equal bytes.
        Some(_) => return None,
        None => fields
            .get("Last-Modified")
            .filter(|date| is_settled(date, fields.get("Date")))?,
    };
    std::str::from_utf8(value).ok().map(str::to_owned)
}

fn is_settled(modified: &[u8], date: Option<&[u8]>) -> bool {
    let time = |value: &[u8]| httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok();
    match (time(modified), date.and_then(time)) {
        (Some(modified), Some(now)) => now.duration_since(modified).is_ok_and(|age| age >= SETTLED),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(lines: &[(&str, &str)]) -> Option<String> {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(*name, *value);
        }
        strong_validator(&fields)
    }

    const DATE: (&str, &str) = ("Date", "Sat, 21 Nov 2026 08:00:00 GMT");

    #[test]
    fn only_strong_validators_count() {
        assert_eq!(validator(&[("ETag", "\"a\"")]).as_deref(), Some("\"a\""));
        assert_eq!(validator(&[("ETag", "W/\"a\"")]), None);
        assert_eq!(validator(&[("ETag", "a")]), None);
        assert_eq!(validator(&[]), None);
    }

    #[test]
    fn a_date_counts_when_it_is_settled() {
        for (modified, counts) in [
            ("Sat, 21 Nov 2026 07:59:00 GMT", true),
            ("Sat, 21 Nov 2026 07:59:01 GMT", false),
            ("Sat, 21 Nov 2026 08:01:00 GMT", false),
            ("yesterday", false),
        ] {
            let found = validator(&[("Last-Modified", modified), DATE]);
            assert_eq!(found.is_some(), counts, "{modified}");
            assert_eq!(validator(&[("Last-Modified", modified)]), None);
            let weak = ("ETag", "W/\"a\"");
            assert_eq!(validator(&[weak, ("Last-Modified", modified), DATE]), None);
        }
    }
}
