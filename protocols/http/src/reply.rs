//! What servers say (RFC 9112): the status line, field lines, and what they mean for the message.
//! All of this is pure. Lines come without their CRLF.

use std::time::{Duration, SystemTime};

use proto_transport::framing::Violation;
use proto_transport::Refusal;

use crate::fields::{is_text_byte, is_token, number, trimmed, Fields};

/// The first line of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusLine {
    /// The 1 of HTTP/1.1.
    pub minor_version: u8,
    /// The three digits.
    pub status: u16,
    /// What the server calls it; no decision rests on this.
    pub reason: Vec<u8>,
}

/// A response up to its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The 1 of HTTP/1.1.
    pub minor_version: u8,
    /// The three digits.
    pub status: u16,
    /// What the server calls it.
    pub reason: Vec<u8>,
    /// The header fields.
    pub fields: Fields,
}

/// Where the body of a response ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, whatever the fields say.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// Where its chunks say.
    Chunked,
    /// Where the server closes.
    UntilClose,
}

/// Which bytes of a representation a response holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte, from 0.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// How many bytes there are in all, where the server knows.
    pub complete: Option<u64>,
}

/// `status-line = HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4)
/// `HTTP-version = "HTTP" "/" DIGIT "." DIGIT`, `status-code = 3DIGIT`
///
/// Servers that have no reason often leave out the space before it too. Other major versions do
/// not have this form at all, so what claims to be one is somebody else's protocol.
pub fn parse_status_line(line: &[u8]) -> Result<StatusLine, Violation> {
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(Violation(
        "a response starts with HTTP/1.0 or HTTP/1.1 (RFC 9112 section 4)",
    ))?;
    let [minor @ b'0'..=b'9', b' ', rest @ ..] = rest else {
        return Err(Violation(
            "an HTTP version is two digits with a dot, and a space follows it (RFC 9112 section 4)",
        ));
    };
    // RFC 9110 section 15: the first digit is a class from 1 to 5.
    let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = rest else {
        return Err(Violation(
            "a status is three digits from 100 to 599 (RFC 9110 section 15)",
        ));
    };
    let reason = match rest {
        [] => rest,
        [b' ', reason @ ..] => reason,
        _ => {
            return Err(Violation(
                "a space follows the three digits of a status (RFC 9112 section 4)",
            ))
        }
    };
    if !reason.iter().all(|byte| is_text_byte(*byte)) {
        return Err(Violation(
            "a reason holds no control characters (RFC 9112 section 4)",
        ));
    }
    Ok(StatusLine {
        minor_version: minor - b'0',
        status: [a, b, c]
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(**digit - b'0')),
        reason: reason.to_vec(),
    })
}

/// `field-line = field-name ":" OWS field-value OWS` (RFC 9112 section 5), `field-name = token`
///
/// A line that starts with white space would continue the one before it (obs-fold). RFC 9112
/// section 5.2 lets a client join the two; we refuse, because no server of today says so, and
/// parsers that disagree about where a field ends are how responses are smuggled.
pub fn parse_field_line(line: &[u8]) -> Result<(String, Vec<u8>), Violation> {
    if let [b' ' | b'\t', ..] = line {
        return Err(Violation(
            "a field is on one line (RFC 9112 section 5.2, obs-fold)",
        ));
    }
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Violation("a field line has a colon (RFC 9112 section 5)"))?;
    let (name, value) = line.split_at(colon);
    // RFC 9112 section 5.1: no white space between name and colon. It is no token byte either.
    if !is_token(name) {
        return Err(Violation("a field name is a token (RFC 9112 section 5.1)"));
    }
    let value = trimmed(value.strip_prefix(b":").unwrap_or(value));
    if !value.iter().all(|byte| is_text_byte(*byte)) {
        return Err(Violation(
            "a field value holds no control characters (RFC 9110 section 5.5)",
        ));
    }
    // A token is ASCII.
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// Where the body ends, by the rules of RFC 9112 section 6.3 in their order. Where the RFC lets a
/// client guess, this is an error: a wrong guess makes one response into two.
pub fn body_length(to_head_request: bool, head: &Head) -> Result<BodyLength, Violation> {
    // Rule 1.
    if to_head_request || matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(BodyLength::Empty);
    }
    let has_length = head.fields.get("Content-Length").is_some();
    if head.fields.get("Transfer-Encoding").is_some() {
        // Rule 3.
        if has_length {
            return Err(Violation(
                "Content-Length stands beside Transfer-Encoding (RFC 9112 section 6.3)",
            ));
        }
        return transfer_coding(head);
    }
    if has_length {
        // Rules 5 and 6.
        return content_length(&head.fields).map(BodyLength::Length);
    }
    // Rule 8.
    Ok(BodyLength::UntilClose)
}

/// `Transfer-Encoding = #transfer-coding` (RFC 9112 section 6.1). We ask for nothing but chunks,
/// so nothing else may come.
fn transfer_coding(head: &Head) -> Result<BodyLength, Violation> {
    if head.minor_version == 0 {
        return Err(Violation(
            "HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1)",
        ));
    }
    match head.fields.list("Transfer-Encoding").as_slice() {
        [coding] if coding.eq_ignore_ascii_case(b"chunked") => Ok(BodyLength::Chunked),
        _ => Err(Violation(
            "a transfer coding other than chunked was not asked for (RFC 9112 section 7)",
        )),
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110 section 8.6), or a list of the same number again and again.
fn content_length(fields: &Fields) -> Result<u64, Violation> {
    let mut known = None;
    for value in fields.all("Content-Length") {
        for digits in value.split(|byte| *byte == b',').map(trimmed) {
            let length = number(digits).ok_or(Violation(
                "a Content-Length is digits, and less than 2^64 (RFC 9110 section 8.6)",
            ))?;
            if known.is_some_and(|known| known != length) {
                return Err(Violation(
                    "two Content-Lengths differ (RFC 9112 section 6.3)",
                ));
            }
            known = Some(length);
        }
    }
    known.ok_or(Violation("a Content-Length is digits"))
}

/// Whether another request may follow on the same connection (RFC 9112 section 9.3).
pub fn keeps_alive(head: &Head) -> bool {
    if head.fields.lists("Connection", "close") {
        return false;
    }
    head.minor_version >= 1 || head.fields.lists("Connection", "keep-alive")
}

impl Head {
    /// What kind of no the status is, if it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.status {
            0..=399 => None,
            401 | 407 => Some(Refusal::Credentials),
            // RFC 9110 sections 15.5.9, 15.6.3 to 15.6.5; RFC 6585 section 4.
            408 | 429 | 502..=504 => Some(Refusal::Transient),
            _ => Some(Refusal::Lasting),
        }
    }
}

impl ContentRange {
    /// The range that a response says it holds, if that can be read.
    pub fn of(head: &Head) -> Option<ContentRange> {
        ContentRange::parse(head.fields.get("Content-Range")?).ok()
    }

    /// `Content-Range = "bytes" SP first-pos "-" last-pos "/" ( complete-length / "*" )`
    /// (RFC 9110 section 14.4)
    pub fn parse(value: &[u8]) -> Result<ContentRange, Violation> {
        let (range, complete) = range_and_complete(value)?;
        let complete = match complete {
            b"*" => None,
            digits => Some(number(digits).ok_or(BAD_RANGE)?),
        };
        let dash = range.iter().position(|byte| *byte == b'-');
        let (first, last) = range.split_at(dash.ok_or(BAD_RANGE)?);
        let first = number(first).ok_or(BAD_RANGE)?;
        let last = last.strip_prefix(b"-").and_then(number).ok_or(BAD_RANGE)?;
        // A range that ends before it starts or after all there is, is invalid. So is one whose
        // length no u64 can hold.
        if last < first || last >= complete.unwrap_or(u64::MAX) {
            return Err(BAD_RANGE);
        }
        Ok(ContentRange {
            first,
            last,
            complete,
        })
    }

    /// How many bytes the range has.
    pub fn length(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

const BAD_RANGE: Violation =
    Violation("a Content-Range is bytes FIRST-LAST/LENGTH (RFC 9110 section 14.4)");

/// Takes `bytes SP range "/" complete` apart. Range units have no case (RFC 9110 section 14.1).
fn range_and_complete(value: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let (unit, rest) = value.split_at_checked(6).ok_or(BAD_RANGE)?;
    if !unit.eq_ignore_ascii_case(b"bytes ") {
        return Err(BAD_RANGE);
    }
    let slash = rest.iter().position(|byte| *byte == b'/');
    let (range, complete) = rest.split_at(slash.ok_or(BAD_RANGE)?);
    Ok((range, complete.strip_prefix(b"/").unwrap_or(complete)))
}

/// `Retry-After = HTTP-date / delay-seconds` (RFC 9110 section 10.2.3): how long to wait from
/// `now`. A date that has passed means no wait at all.
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE`, `etagc = %x21 / %x23-7E / obs-text` (RFC 9110
/// section 8.8.3). Only a strong one tells that two representations are the same byte for byte.
pub fn is_strong_etag(value: &[u8]) -> bool {
    let [b'"', opaque @ .., b'"'] = value else {
        return false;
    };
    opaque
        .iter()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn head(minor_version: u8, status: u16, lines: &[(&str, &str)]) -> Head {
        let mut head = Head {
            minor_version,
            status,
            ..Head::default()
        };
        for (name, value) in lines {
            head.fields.push(*name, *value);
        }
        head
    }

    #[test]
    fn status_lines() {
        for (line, minor_version, status, reason) in [
            ("HTTP/1.1 200 OK", 1, 200, "OK"),
            ("HTTP/1.0 404 Not Found", 0, 404, "Not Found"),
            ("HTTP/1.1 204 ", 1, 204, ""),
            ("HTTP/1.1 599", 1, 599, ""),
            ("HTTP/1.9 100 \tGrüße  ", 9, 100, "\tGrüße  "),
        ] {
            let expected = StatusLine {
                minor_version,
                status,
                reason: reason.into(),
            };
            assert_eq!(parse_status_line(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_status_line_is_refused() {
        for line in [
            "",
            "<html>",
            "ICY 200 OK",
            "HTTP/0.9 200 OK",
            "HTTP/2 200",
            "HTTP/2.0 200 OK",
            "http/1.1 200 OK",
            " HTTP/1.1 200 OK",
            "HTTP/1.10 200 OK",
            "HTTP/1. 200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 099 OK",
            "HTTP/1.1 600 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 200\tOK",
            "HTTP/1.1 200 O\0K",
            "HTTP/1.1 200 OK\r",
            "HTTP/1.1 200 O\rK",
            "HTTP/1.1 200 \x1b[2J",
        ] {
            assert!(parse_status_line(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn no_prefix_of_a_status_line_has_another_status() {
        let line = b"HTTP/1.1 206 Partial Content";
        for length in 0..line.len() {
            match parse_status_line(&line[..length]) {
                Ok(parsed) => assert!(length >= 12 && parsed.status == 206, "{length}"),
                Err(_) => assert!(length < 12, "{length}"),
            }
        }
    }

    #[test]
    fn field_lines() {
        for (line, name, value) in [
            ("Date: today", "Date", "today"),
            ("x:", "x", ""),
            ("x: \t ", "x", ""),
            ("X-Y:\ta:b\tc \t", "X-Y", "a:b\tc"),
            ("x: \u{e4}", "x", "\u{e4}"),
        ] {
            let expected = (name.to_owned(), value.as_bytes().to_vec());
            assert_eq!(parse_field_line(line.as_bytes()), Ok(expected), "{line}");
        }
        assert_eq!(
            parse_field_line(b"x: \xff").unwrap().1,
            b"\xff",
            "bytes beyond ASCII need not be UTF-8"
        );
    }

    #[test]
    fn what_is_no_field_line_is_refused() {
        for line in [
            "",
            "no colon",
            ": no name",
            "Host : x",
            "Host\t: x",
            " folded: x",
            "\tfolded",
            "Na me: x",
            "N\u{e4}me: x",
            "N\0ame: x",
            "(x): x",
            "x: a\0b",
            "x: a\rb",
            "x: a\r",
            "x: \x1b[2J",
            "x: \x7f",
        ] {
            assert!(parse_field_line(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn no_prefix_of_a_field_line_has_another_name() {
        let line = b"Content-Length: 42";
        for length in 0..line.len() {
            match parse_field_line(&line[..length]) {
                Ok((name, _)) => assert!(length >= 15 && name == "Content-Length"),
                Err(_) => assert!(length < 15, "{length}"),
            }
        }
    }

    #[test]
    fn bodies_end_where_the_rules_say() {
        use BodyLength::*;
        const LENGTH: (&str, &str) = ("content-length", "5");
        const CHUNKED: (&str, &str) = ("Transfer-Encoding", "Chunked");
        for (to_head, version, status, lines, expected) in [
            (true, 1, 200, &[LENGTH][..], Empty),
            (true, 1, 200, &[CHUNKED], Empty),
            (false, 1, 204, &[LENGTH], Empty),
            (false, 1, 304, &[CHUNKED, LENGTH], Empty),
            (false, 1, 101, &[], Empty),
            (false, 1, 200, &[CHUNKED], Chunked),
            (false, 1, 200, &[LENGTH], Length(5)),
            (false, 0, 500, &[LENGTH], Length(5)),
            (false, 1, 200, &[LENGTH, LENGTH], Length(5)),
            (false, 1, 200, &[("Content-Length", "5, 5,\t05")], Length(5)),
            (false, 1, 205, &[("Content-Length", "0")], Length(0)),
            (false, 1, 200, &[], UntilClose),
            (false, 0, 404, &[], UntilClose),
        ] {
            let head = head(version, status, lines);
            assert_eq!(body_length(to_head, &head), Ok(expected), "{head:?}");
        }
    }

    #[test]
    fn bodies_whose_end_is_in_doubt_are_refused() {
        let lengths = [
            "",
            "+5",
            "-5",
            "5 5",
            "5,",
            ",5",
            "5,,5",
            "5,6",
            "5, +5",
            "0x5",
            "5.0",
            "5;5",
            "\"5\"",
            "five",
            "18446744073709551616",
        ];
        for length in lengths {
            let head = head(1, 200, &[("Content-Length", length)]);
            assert!(body_length(false, &head).is_err(), "{length:?}");
        }
        let differ = head(1, 200, &[("Content-Length", "5"), ("content-length", "6")]);
        assert!(body_length(false, &differ).is_err());
        for coding in [
            "",
            ",",
            "identity",
            "gzip",
            "gzip, chunked",
            "chunked, gzip",
            "chunked, identity",
            "chunked, chunked",
            "chunked;a=b",
            "xchunked",
            "\"chunked\"",
            "chun ked",
        ] {
            let head = head(1, 200, &[("Transfer-Encoding", coding)]);
            assert!(body_length(false, &head).is_err(), "{coding:?}");
        }
        let chunked = ("Transfer-Encoding", "chunked");
        for (version, lines) in [
            (1, [chunked, ("Content-Length", "5")]),
            (1, [("Content-Length", "5"), chunked]),
            (1, [chunked, chunked]),
            (0, [chunked, ("x", "y")]),
        ] {
            assert!(body_length(false, &head(version, 200, &lines)).is_err());
        }
    }

    #[test]
    fn connections_persist_by_version_and_option() {
        for (version, connection, expected) in [
            (1, None, true),
            (1, Some("close"), false),
            (1, Some("Upgrade, CLOSE"), false),
            (1, Some("closed"), true),
            (0, None, false),
            (0, Some("Keep-Alive"), true),
            (0, Some("keep-alive, close"), false),
        ] {
            let lines: Vec<_> = connection.iter().map(|c| ("connection", *c)).collect();
            let head = head(version, 200, &lines);
            assert_eq!(keeps_alive(&head), expected, "{head:?}");
        }
    }

    #[test]
    fn content_ranges() {
        let range = ContentRange::parse(b"bytes 42-1233/1234").unwrap();
        let expected = ContentRange {
            first: 42,
            last: 1233,
            complete: Some(1234),
        };
        assert_eq!((range, range.length()), (expected, 1192));
        let range = ContentRange::parse(b"Bytes 0-0/*").unwrap();
        assert_eq!((range.complete, range.length()), (None, 1));
        for value in [
            "",
            "bytes",
            "bytes ",
            "bytes=0-1/2",
            "bytes  0-1/2",
            "bytes 0-1",
            "bytes 0-1/",
            "bytes 0-1/ 2",
            "bytes 0-1/2 ",
            "bytes 1-0/2",
            "bytes 0-2/2",
            "bytes -1/2",
            "bytes 0-/2",
            "bytes +0-1/2",
            "bytes 0-1-1/2",
            "bytes 0-1/2/2",
            "bytes */2",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "lines 0-1/2",
        ] {
            assert!(ContentRange::parse(value.as_bytes()).is_err(), "{value:?}");
        }
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |value: &str| retry_after(value.as_bytes(), now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(seconds("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:36 GMT"), Some(0));
        for value in ["", "-1", "+1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(seconds(value), None, "{value:?}");
        }
        assert_eq!(retry_after(b"\xff", now), None);
    }

    #[test]
    fn only_strong_etags_identify_bytes() {
        for value in ["\"\"", "\"a-1\"", "\"\u{e4}\"", "\"W/\""] {
            assert!(is_strong_etag(value.as_bytes()), "{value}");
        }
        for value in ["", "\"", "W/\"a\"", "a", "\"a", "\"a\"b\"", "\"a b\"", "*"] {
            assert!(!is_strong_etag(value.as_bytes()), "{value}");
        }
    }
}
