//! Who, what and when: what a row about a message shows.

use proto_transport::escape::is_harmful;
use time::format_description::well_known::Rfc2822;
use time::OffsetDateTime;

use super::header::{fields, unfolded, LARGEST};
use super::view::header_text;

/// What a row about a message shows. The texts are decoded and hold whatever the sender wrote, line
/// ends and escape sequences too: whoever shows them makes them harmless.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Its subject.
    pub subject: String,
    /// Who wrote it: names and addresses as they stand there.
    pub from: String,
    /// When, if that is a date.
    pub date: Option<OffsetDateTime>,
    /// Its Message-ID, with the angle brackets.
    pub message_id: Option<String>,
}

/// A date takes a few dozen characters; comments may make it longer.
const LONGEST_DATE: usize = 300;

impl Summary {
    /// Reads a header, or the beginning of one; what is missing or damaged stays empty. Of a field
    /// that stands there twice the first counts.
    pub fn of(header: &[u8]) -> Summary {
        let header = header.get(..LARGEST).unwrap_or(header);
        let first = |wanted: &str| {
            let is_wanted =
                |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(wanted.as_bytes());
            fields(header).find(is_wanted).map(|(_, value)| value)
        };
        let text = |name| first(name).map(|value| header_text(value).0);
        Summary {
            subject: text("Subject").unwrap_or_default(),
            from: text("From").unwrap_or_default(),
            date: first("Date").and_then(date),
            message_id: text("Message-ID").filter(|id| !id.is_empty()),
        }
    }
}

/// A date (RFC 5322 section 3.3), obsolete years and zones too (section 4.3). A zone that nobody
/// knows is that of Greenwich, as there.
pub fn date(value: &[u8]) -> Option<OffsetDateTime> {
    let value = value.get(..LONGEST_DATE).unwrap_or(value);
    let text = without_comments(std::str::from_utf8(&unfolded(value)).ok()?);
    let text = text
        .split_ascii_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" ,", ",");
    if text.chars().any(is_harmful) {
        return None;
    }
    OffsetDateTime::parse(&text, &Rfc2822).ok()
}

/// Comments stand in parentheses and nest.
fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_header_in_short() {
        let header = b"Received: x\r\nfrom: =?utf-8?Q?J=C3=B6rg?= <j@x.example>\r\n\
            Subject: =?utf-8?B?R3LD?=\r\n =?utf-8?B?vMOfZQ==?=\r\nSubject: another\r\n\
            Date: Mon, 01 Jan 2024 12:00:00 +0100\r\nMessage-ID:\r\n <a@b>\r\n\r\nFrom: body\r\n";
        let summary = Summary::of(header);
        assert_eq!(summary.subject, "Grüße");
        assert_eq!(summary.from, "Jörg <j@x.example>");
        assert_eq!(summary.date, Some(datetime!(2024-01-01 12:00 +1)));
        assert_eq!(summary.message_id.as_deref(), Some("<a@b>"));
        for end in 0..header.len() {
            let part = Summary::of(&header[..end]);
            assert!(summary.from.starts_with(&part.from) || part.from.starts_with('='));
        }
        assert_eq!(Summary::of(b""), Summary::default());
    }

    #[test]
    fn dates() {
        for (text, wanted) in [
            (
                "Mon, 01 Jan 2024 12:00:00 +0000",
                Some(datetime!(2024-01-01 12:00 UTC)),
            ),
            (
                "1 jan 2024 12:00 -0330",
                Some(datetime!(2024-01-01 12:00 -3:30)),
            ),
            (
                "Mon,  1\r\n Jan 2024 12:00:00 +0000 (UTC)",
                Some(datetime!(2024-01-01 12:00 UTC)),
            ),
            (
                "Mon (a (b)), 1 Jan 2024 12:00:00 GMT (c)",
                Some(datetime!(2024-01-01 12:00 UTC)),
            ),
            // The obsolete forms of section 4.3.
            (
                "21 Nov 97 09:55:06 GMT",
                Some(datetime!(1997-11-21 9:55:06 UTC)),
            ),
            (
                "21 Nov 49 09:55:06 UT",
                Some(datetime!(2049-11-21 9:55:06 UTC)),
            ),
            (
                "21 Nov 1997 09:55:06 EST",
                Some(datetime!(1997-11-21 9:55:06 -5)),
            ),
            (
                "21 Nov 1997 09:55:06 PDT",
                Some(datetime!(1997-11-21 9:55:06 -7)),
            ),
            (
                "21 Nov 1997 09:55:06 Z",
                Some(datetime!(1997-11-21 9:55:06 UTC)),
            ),
            (
                "21 Nov 1997 09(comment):   55  :  06 -0600",
                Some(datetime!(1997-11-21 9:55:06 -6)),
            ),
            (
                "30 Jun 2015 23:59:60 +0000",
                Some(datetime!(2015-06-30 23:59:59.999999999 UTC)),
            ),
            ("", None),
            ("yesterday", None),
            ("Mon, 32 Jan 2024 12:00:00 +0000", None),
            ("Mon, 01 Jan 2024 25:00:00 +0000", None),
            ("Mon, 01 Jan 2024 12:00:00 +9900", None),
        ] {
            assert_eq!(date(text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn the_longest_headers_are_read() {
        for piece in ["Subject: =?\n", "Date: (((((\n", "From: =?a?Q?\n ", "x"] {
            let header = format!("Subject: {}", piece.repeat(2 * 1024 * 1024 / piece.len()));
            Summary::of(header.as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            Summary::of(&bytes);
            date(&bytes);
        }

        #[test]
        fn dates_do_not_panic(text in "[0-9JanFebMon,:+() -]{0,40}") {
            date(text.as_bytes());
        }
    }
}
