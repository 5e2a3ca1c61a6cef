//! Whether a request's conditions hold, and which part of a resource it asks for
//! (RFC 9110 sections 13.2.2 and 14.2).

use std::ops::Range;
use std::time::SystemTime;

use super::request::{parse_digits, Request};
use super::resource::Resource;

/// What to answer a GET or HEAD with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// 200
    Whole,
    /// 206
    Part(Range<u64>),
    /// 304
    NotModified,
    /// 412
    Failed,
    /// 416
    Unsatisfiable,
}

pub(super) fn decide(request: &Request, resource: &Resource) -> Decision {
    let etag = resource.etag.as_deref();
    if let Some(tags) = request.field("If-Match") {
        if !names(tags, etag, is_strongly_same) {
            return Decision::Failed;
        }
    } else if let Some(date) = date_of(request, "If-Unmodified-Since") {
        if resource
            .modified
            .is_some_and(|time| seconds(time) > seconds(date))
        {
            return Decision::Failed;
        }
    }
    if let Some(tags) = request.field("If-None-Match") {
        if names(tags, etag, is_weakly_same) {
            return Decision::NotModified;
        }
    } else if let Some(date) = date_of(request, "If-Modified-Since") {
        if resource
            .modified
            .is_some_and(|time| seconds(time) <= seconds(date))
        {
            return Decision::NotModified;
        }
    }
    match request.field("Range") {
        Some(range) if request.method == "GET" && allows_range(request, resource) => {
            part(range, resource.length)
        }
        _ => Decision::Whole,
    }
}

/// RFC 9110 section 13.1.5: a weak tag, or a date that is not exactly ours, gets the whole.
fn allows_range(request: &Request, resource: &Resource) -> bool {
    let Some(condition) = request.field("If-Range") else {
        return true;
    };
    match httpdate::parse_http_date(condition) {
        Ok(date) => resource
            .modified
            .is_some_and(|time| seconds(time) == seconds(date)),
        Err(_) => resource
            .etag
            .as_deref()
            .is_some_and(|etag| is_strongly_same(condition, etag)),
    }
}

/// `bytes=first-last`, `bytes=first-` and `bytes=-count`; anything else, and several ranges at once,
/// may be ignored (RFC 9110 section 14.2).
fn part(range: &str, length: u64) -> Decision {
    parse_part(range, length).unwrap_or(Decision::Whole)
}

fn parse_part(range: &str, length: u64) -> Option<Decision> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let part = match (first, last) {
        ("", count) => length.saturating_sub(parse_digits(count)?)..length,
        (first, "") => parse_digits(first)?..length,
        (first, last) => {
            let (first, last) = (parse_digits(first)?, parse_digits(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(match part.is_empty() {
        true => Decision::Unsatisfiable,
        false => Decision::Part(part),
    })
}

fn names(tags: &str, etag: Option<&str>, is_same: fn(&str, &str) -> bool) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || etag.is_some_and(|etag| is_same(tag, etag)))
}

fn is_strongly_same(one: &str, two: &str) -> bool {
    one == two && !one.starts_with("W/")
}

fn is_weakly_same(one: &str, two: &str) -> bool {
    one.trim_start_matches("W/") == two.trim_start_matches("W/")
}

fn date_of(request: &Request, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(request.field(name)?).ok()
}

/// HTTP's dates have no fractions.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;
    use proto_transport::Memory;

    fn decide_for(fields: &str) -> Decision {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        let request = Request::read(&mut Peer::over(Memory::new(text)));
        decide(&request.unwrap().unwrap(), &Resource::bytes(10))
    }

    #[test]
    fn ranges() {
        for (range, decision) in [
            ("bytes=0-0", Decision::Part(0..1)),
            ("bytes=2-5", Decision::Part(2..6)),
            ("Bytes=5-", Decision::Part(5..10)),
            ("bytes=-3", Decision::Part(7..10)),
            ("bytes=-30", Decision::Part(0..10)),
            ("bytes=5-100", Decision::Part(5..10)),
            ("bytes=10-", Decision::Unsatisfiable),
            ("bytes=10-20", Decision::Unsatisfiable),
            ("bytes=-0", Decision::Unsatisfiable),
            ("bytes=5-2", Decision::Whole),
            ("bytes=1-2,4-5", Decision::Whole),
            ("bytes=", Decision::Whole),
            ("bytes=-", Decision::Whole),
            ("lines=1-2", Decision::Whole),
        ] {
            assert_eq!(decide_for(&format!("Range: {range}")), decision, "{range}");
        }
    }

    #[test]
    fn conditions() {
        let modified = "Wed, 01 Jan 2020 00:00:00 GMT";
        let before = "Tue, 31 Dec 2019 23:59:59 GMT";
        for (fields, decision) in [
            (
                "If-None-Match: \"x\", W/\"bytes-10\"".to_owned(),
                Decision::NotModified,
            ),
            ("If-None-Match: *".to_owned(), Decision::NotModified),
            (
                format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}"),
                Decision::Whole,
            ),
            (
                format!("If-Modified-Since: {modified}"),
                Decision::NotModified,
            ),
            (format!("If-Modified-Since: {before}"), Decision::Whole),
            ("If-Match: \"bytes-10\"".to_owned(), Decision::Whole),
            ("If-Match: W/\"bytes-10\"".to_owned(), Decision::Failed),
            (format!("If-Unmodified-Since: {before}"), Decision::Failed),
            (
                "Range: bytes=1-\r\nIf-Range: \"bytes-10\"".to_owned(),
                Decision::Part(1..10),
            ),
            (
                "Range: bytes=1-\r\nIf-Range: W/\"bytes-10\"".to_owned(),
                Decision::Whole,
            ),
            (
                format!("Range: bytes=1-\r\nIf-Range: {modified}"),
                Decision::Part(1..10),
            ),
            (
                format!("Range: bytes=1-\r\nIf-Range: {before}"),
                Decision::Whole,
            ),
        ] {
            assert_eq!(decide_for(&fields), decision, "{fields}");
        }
    }
}
