//! What a message tells of its way: who had it when, and what they found out about its sender.

use proto_transport::escape::escaped;
use serde_json::{json, Value};
use time::OffsetDateTime;

use crate::mail::header_date;
use crate::mail::view::View;

/// A server that had the message (RFC 5321 section 4.4).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hop {
    /// Whom it had the message from, as they called themselves.
    pub from: Option<String>,
    /// Who it is.
    pub by: Option<String>,
    /// How it came: `ESMTPS`, `LMTP`.
    pub with: Option<String>,
    /// When, by its own clock and to the second.
    pub date: Option<OffsetDateTime>,
    /// How many seconds after the one before; `None` where one of the two does not say when.
    pub delay: Option<i64>,
    /// How many seconds its clock is behind that of the one before, at least. Then there is no delay
    /// to be told.
    pub behind: i64,
}

/// More of them are not looked at: a message that went round so often is in a loop.
const MOST: usize = 100;

impl Hop {
    fn of(value: &str) -> Hop {
        let (words, date) = value.rsplit_once(';').unwrap_or((value, ""));
        let words = without_comments(words);
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let behind = |name: &str| {
            let at = words
                .iter()
                .position(|word| word.eq_ignore_ascii_case(name))?;
            words.get(at + 1).map(|word| (*word).to_owned())
        };
        Hop {
            from: behind("from"),
            by: behind("by"),
            with: behind("with"),
            date: header_date(date.as_bytes()),
            ..Hop::default()
        }
    }

    /// Sets the delay since `before`, and gives what the next is measured from.
    fn measure(&mut self, before: Option<OffsetDateTime>) -> Option<OffsetDateTime> {
        if let (Some(before), Some(date)) = (before, self.date) {
            let (delay, behind) = difference(before, date);
            (self.delay, self.behind) = (Some(delay), behind);
        }
        self.date.or(before)
    }

    /// `from a by b with ESMTP`
    pub fn text(&self) -> String {
        let words = [("from", &self.from), ("by", &self.by), ("with", &self.with)];
        let said = words.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(format!("{name} {}", escaped(value.as_bytes())))
        });
        said.collect::<Vec<_>>().join(" ")
    }

    /// For programs.
    pub fn item(&self) -> Value {
        let date = self.date.map(OffsetDateTime::unix_timestamp);
        json!({
            "from": self.from,
            "by": self.by,
            "with": self.with,
            "time": date,
            "delay": self.delay,
            "clock_behind": self.behind,
        })
    }
}

/// The seconds from one point in time to another, which is never less than nothing, and how many
/// the second clock is behind the first if that is what it seems.
pub fn difference(before: OffsetDateTime, after: OffsetDateTime) -> (i64, i64) {
    let seconds = after.unix_timestamp() - before.unix_timestamp();
    (seconds.max(0), (-seconds).max(0))
}

/// The hops, the first of them first, measured from when the message was sent.
pub fn hops(view: &View<'_>, sent: OffsetDateTime) -> Vec<Hop> {
    let values = view.values("Received").take(MOST);
    let mut hops: Vec<Hop> = values.map(|value| Hop::of(&unfolded(value))).collect();
    hops.reverse();
    let mut before = Some(sent);
    for hop in &mut hops {
        before = hop.measure(before);
    }
    hops
}

/// What servers found out about the sender, and what the sender's server signed. The texts are as
/// they stand there.
#[derive(Debug, Default, PartialEq)]
pub struct Authentication {
    /// `Authentication-Results` (RFC 8601): SPF, DKIM and DMARC, by each who looked.
    pub results: Vec<String>,
    /// `Received-SPF` (RFC 7208 section 9.1).
    pub received_spf: Vec<String>,
    /// The domain of each `DKIM-Signature` (RFC 6376 section 3.5), with its selector.
    pub signatures: Vec<(String, String)>,
}

impl Authentication {
    /// What a message holds.
    pub fn of(view: &View<'_>) -> Authentication {
        let all = |name| -> Vec<String> { view.values(name).take(MOST).map(unfolded).collect() };
        let signatures = all("DKIM-Signature");
        let signatures = signatures
            .iter()
            .map(|text| (tag(text, "d"), tag(text, "s")));
        Authentication {
            results: all("Authentication-Results"),
            received_spf: all("Received-SPF"),
            signatures: signatures.collect(),
        }
    }

    /// Names and values for people; one without values says so.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        for (name, values) in [("results", &self.results), ("spf", &self.received_spf)] {
            rows.extend(values.iter().map(|value| (name, escaped(value.as_bytes()))));
        }
        let signed = self.signatures.iter().map(|(domain, selector)| {
            let text = format!("signed by {domain}, key {selector}");
            ("dkim", escaped(text.as_bytes()))
        });
        rows.extend(signed);
        if rows.is_empty() {
            let text = "the message says nothing of SPF, DKIM or DMARC".to_owned();
            rows.push(("results", text));
        }
        rows
    }

    /// For programs.
    pub fn item(&self) -> Value {
        let signatures = self.signatures.iter();
        let signatures = signatures.map(|(domain, selector)| json!({"d": domain, "s": selector}));
        json!({
            "results": self.results,
            "received_spf": self.received_spf,
            "dkim_signatures": signatures.collect::<Vec<_>>(),
        })
    }
}

/// The value of a tag in `a=1; b=2` (RFC 6376 section 3.2).
fn tag(text: &str, name: &str) -> String {
    let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
    let found = tags.find(|(tag, _)| tag.trim() == name);
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// A value in one line.
fn unfolded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Comments stand in parentheses and nest (RFC 5322 section 3.2.2).
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

    const MESSAGE: &[u8] = b"Authentication-Results: mx.example;\r\n\tdkim=pass header.d=a.example;\r\n spf=fail\r\n\
        Received-SPF: fail (x)\r\n\
        Received: by c (with x) with LMTP id 1; Mon, 01 Jan 2024 12:00:01 +0000\r\n\
        Received: from a.example (unknown [192.0.2.1] (b))\r\n\tby b with ESMTPS id 7 for <x@y>;\r\n\
        \tMon, 01 Jan 2024 13:00:05 +0100 (CET)\r\n\
        Received: nonsense\r\n\
        DKIM-Signature: v=1; a=rsa-sha256; d=a.example ; s=key;\r\n\tbh=x\r\n\
        Subject: x\r\n\r\nbody\r\n";

    #[test]
    fn each_hop_and_how_long_it_took() {
        let view = View::of(MESSAGE);
        let hops = hops(&view, datetime!(2024-01-01 12:00:02 UTC));
        assert_eq!(hops.len(), 3);
        assert_eq!(hops[0], Hop::default());
        assert_eq!(hops[1].text(), "from a.example by b with ESMTPS");
        assert_eq!((hops[1].delay, hops[1].behind), (Some(3), 0));
        // A clock that is behind makes no negative delay.
        assert_eq!(hops[2].text(), "by c with LMTP");
        assert_eq!((hops[2].delay, hops[2].behind), (Some(0), 4));
    }

    #[test]
    fn what_was_found_out() {
        let found = Authentication::of(&View::of(MESSAGE));
        assert_eq!(
            found.results,
            ["mx.example; dkim=pass header.d=a.example; spf=fail"]
        );
        assert_eq!(found.received_spf, ["fail (x)"]);
        assert_eq!(
            found.signatures,
            [("a.example".to_owned(), "key".to_owned())]
        );
        assert_eq!(found.rows().len(), 3);
        assert_eq!(Authentication::default().rows().len(), 1);
    }

    #[test]
    fn every_beginning_of_a_message_is_read() {
        for end in 0..MESSAGE.len() {
            let view = View::of(&MESSAGE[..end]);
            assert!(hops(&view, datetime!(2024-01-01 12:00 UTC)).len() <= 3);
            Authentication::of(&view);
        }
    }
}
