//! The keys of SEARCH (RFC 9051 section 6.4.4), and whether a message has what they ask for.

use super::mime::Part;
use super::syntax::{Arguments, Parsed, SequenceSet, DEPTH};
use super::text::{decoded_words, from_charset, lossy};
use crate::mailbox::{days_of, month, Date, Message};

/// What a message must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    All(Vec<Key>),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    Flag(String),
    Recent,
    /// The value of a field holds this, in any case.
    Header(String, String),
    Body(String),
    Text(String),
    /// Compared with a day, by when it came or by its Date field.
    Day(Order, i64, bool),
    Larger(u64),
    Smaller(u64),
    Numbers(SequenceSet),
    Uids(SequenceSet),
    ModSeq(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Before,
    On,
    Since,
}

/// Keys with spaces between them.
pub(super) fn keys(arguments: &mut Arguments<'_>) -> Parsed<Key> {
    let mut all = vec![key(arguments, DEPTH)?];
    while arguments.is_at(b' ') {
        arguments.space()?;
        all.push(key(arguments, DEPTH)?);
    }
    Ok(Key::All(all))
}

fn key(arguments: &mut Arguments<'_>, depth: u32) -> Parsed<Key> {
    let depth = depth.checked_sub(1).ok_or("the keys are too deep")?;
    if arguments.is_at(b'(') {
        let keys = arguments.list(|arguments| key(arguments, depth))?;
        return match keys.is_empty() {
            true => Err("a key is missing".to_owned()),
            false => Ok(Key::All(keys)),
        };
    }
    let first = arguments.rest().first();
    if first.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'$')) {
        return arguments.sequence_set().map(Key::Numbers);
    }
    let name = arguments.keyword()?;
    if let Some(key) = simple(&name) {
        return Ok(key);
    }
    let is_known = matches!(
        name.as_str(),
        "NOT"
            | "OR"
            | "FROM"
            | "TO"
            | "CC"
            | "BCC"
            | "SUBJECT"
            | "HEADER"
            | "BODY"
            | "TEXT"
            | "BEFORE"
            | "ON"
            | "SINCE"
            | "SENTBEFORE"
            | "SENTON"
            | "SENTSINCE"
            | "LARGER"
            | "SMALLER"
            | "UID"
            | "KEYWORD"
            | "UNKEYWORD"
            | "MODSEQ"
    );
    if !is_known {
        return Err(format!("there is no key {name}"));
    }
    arguments.space()?;
    Ok(match name.as_str() {
        "NOT" => Key::Not(Box::new(key(arguments, depth)?)),
        "OR" => {
            let one = key(arguments, depth)?;
            arguments.space()?;
            Key::Or(Box::new(one), Box::new(key(arguments, depth)?))
        }
        "HEADER" => {
            let field = arguments.text()?;
            arguments.space()?;
            Key::Header(field, folded(&arguments.text()?))
        }
        "BODY" => Key::Body(folded(&arguments.text()?)),
        "TEXT" => Key::Text(folded(&arguments.text()?)),
        "BEFORE" => Key::Day(Order::Before, arguments.date()?, false),
        "ON" => Key::Day(Order::On, arguments.date()?, false),
        "SINCE" => Key::Day(Order::Since, arguments.date()?, false),
        "SENTBEFORE" => Key::Day(Order::Before, arguments.date()?, true),
        "SENTON" => Key::Day(Order::On, arguments.date()?, true),
        "SENTSINCE" => Key::Day(Order::Since, arguments.date()?, true),
        "LARGER" => Key::Larger(arguments.number()?),
        "SMALLER" => Key::Smaller(arguments.number()?),
        "UID" => Key::Uids(arguments.sequence_set()?),
        "KEYWORD" => Key::Flag(arguments.atom()?.to_owned()),
        "UNKEYWORD" => Key::Not(Box::new(Key::Flag(arguments.atom()?.to_owned()))),
        "MODSEQ" => {
            if arguments.is_at(b'"') {
                // RFC 7162 section 3.1.5: a flag and who shares it, which make no difference here.
                arguments.string()?;
                arguments.space()?;
                arguments.atom()?;
                arguments.space()?;
            }
            Key::ModSeq(arguments.number()?)
        }
        field => Key::Header(field.to_owned(), folded(&arguments.text()?)),
    })
}

/// The keys that are one word.
fn simple(name: &str) -> Option<Key> {
    let flag = |name: &str| Key::Flag(format!("\\{name}"));
    let not = |key| Key::Not(Box::new(key));
    Some(match name {
        "ALL" => Key::All(Vec::new()),
        "ANSWERED" | "DELETED" | "DRAFT" | "FLAGGED" | "SEEN" => flag(name),
        "UNANSWERED" | "UNDELETED" | "UNDRAFT" | "UNFLAGGED" | "UNSEEN" => {
            not(flag(name.get(2..).unwrap_or_default()))
        }
        "RECENT" => Key::Recent,
        "OLD" => not(Key::Recent),
        "NEW" => Key::All(vec![Key::Recent, not(flag("SEEN"))]),
        _ => return None,
    })
}

impl Key {
    /// Whether a modification sequence is asked for (RFC 7162 section 3.1.5).
    pub fn has_modseq(&self) -> bool {
        match self {
            Key::ModSeq(_) => true,
            Key::All(keys) => keys.iter().any(Key::has_modseq),
            Key::Not(key) => key.has_modseq(),
            Key::Or(one, other) => one.has_modseq() || other.has_modseq(),
            _ => false,
        }
    }

    /// Checks and resolves sequence sets, once for all messages: the UIDs that they mean.
    pub fn resolve(&mut self, uids: &[u32], saved: &[u32]) -> Parsed<()> {
        let by_uid = matches!(self, Key::Uids(_));
        match self {
            Key::All(keys) => keys.iter_mut().try_for_each(|key| key.resolve(uids, saved)),
            Key::Not(key) => key.resolve(uids, saved),
            Key::Or(one, other) => {
                one.resolve(uids, saved)?;
                other.resolve(uids, saved)
            }
            Key::Numbers(set) | Key::Uids(set) => {
                let places = set.places(uids, saved, by_uid)?;
                let meant = places.iter().filter_map(|place| uids.get(*place));
                set.resolved = meant.copied().collect();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub fn fits(&self, candidate: &mut Candidate<'_>) -> bool {
        let message = candidate.message;
        match self {
            Key::All(keys) => keys.iter().all(|key| key.fits(candidate)),
            Key::Not(key) => !key.fits(candidate),
            Key::Or(one, other) => one.fits(candidate) || other.fits(candidate),
            Key::Flag(flag) => message.flags.contains(flag),
            Key::Recent => candidate.is_recent,
            Key::Header(name, text) => candidate.header_holds(name, text),
            Key::Body(text) => candidate.body_holds(text),
            Key::Text(text) => candidate.any_header_holds(text) || candidate.body_holds(text),
            Key::Day(order, day, is_sent) => {
                let found = match is_sent {
                    false => Some(message.date.day()),
                    true => candidate.sent_day(),
                };
                found.is_some_and(|found| match order {
                    Order::Before => found < *day,
                    Order::On => found == *day,
                    Order::Since => found >= *day,
                })
            }
            Key::Larger(size) => message.size() > *size,
            Key::Smaller(size) => message.size() < *size,
            Key::Numbers(set) | Key::Uids(set) => set.resolved.binary_search(&message.uid).is_ok(),
            Key::ModSeq(modseq) => message.modseq >= *modseq,
        }
    }
}

/// A message that is looked at. It is read when a key needs it.
pub(super) struct Candidate<'m> {
    pub message: &'m Message,
    pub is_recent: bool,
    read: Option<(std::sync::Arc<[u8]>, Part)>,
}

impl<'m> Candidate<'m> {
    pub fn new(message: &'m Message, is_recent: bool) -> Candidate<'m> {
        Candidate {
            message,
            is_recent,
            read: None,
        }
    }

    pub fn part(&mut self) -> &Part {
        &self.read().1
    }

    fn read(&mut self) -> &(std::sync::Arc<[u8]>, Part) {
        let message = self.message;
        self.read.get_or_insert_with(|| {
            let content = message.content();
            let part = Part::message(&content);
            (content, part)
        })
    }

    fn header_holds(&mut self, name: &str, text: &str) -> bool {
        let mut values = self.part().all(name);
        values.any(|value| folded(&decoded_words(value)).contains(text))
    }

    fn any_header_holds(&mut self, text: &str) -> bool {
        let mut fields = self.part().fields.iter();
        fields.any(|field| {
            let value = decoded_words(&field.value);
            folded(&format!("{}: {value}", field.name)).contains(text)
        })
    }

    fn body_holds(&mut self, text: &str) -> bool {
        let (content, part) = self.read();
        holds(content, part, text)
    }

    /// The day of the Date field, in its own zone.
    fn sent_day(&mut self) -> Option<i64> {
        let value = self.part().field("Date")?;
        sent(&lossy(value)).map(Date::day)
    }
}

/// Whether the text of a part, or of one inside, holds a text.
fn holds(content: &[u8], part: &Part, text: &str) -> bool {
    if let Some(message) = &part.message {
        return holds(content, message, text);
    }
    if !part.children.is_empty() {
        return part
            .children
            .iter()
            .any(|child| holds(content, child, text));
    }
    let decoded = part.decoded(content);
    let content_type = part.parameterized("Content-Type").unwrap_or_default();
    let charset = content_type.parameter("charset").unwrap_or("utf-8");
    let plain = from_charset(charset, &decoded).unwrap_or_else(|| lossy(&decoded));
    folded(&plain).contains(text)
}

fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// The date of a Date field (RFC 5322 section 3.3), as far as it is one.
pub(super) fn sent(text: &str) -> Option<Date> {
    let text = text.split('(').next().unwrap_or_default();
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: i64 = words.next()?.parse().ok()?;
    let month = month(words.next()?)?;
    let mut year: i64 = words.next()?.parse().ok()?;
    if year < 100 {
        // RFC 5322 section 4.3.
        year += if year < 50 { 2000 } else { 1900 };
    }
    let mut times = words
        .next()
        .unwrap_or("0:0")
        .split(':')
        .map(str::parse::<i64>);
    let mut part = || times.next().and_then(std::result::Result::ok).unwrap_or(0);
    let time = (part(), part(), part());
    let zone = words.next().and_then(|zone| {
        let number: i32 = zone.parse().ok()?;
        Some(number / 100 * 60 + number % 100)
    });
    // Anything else would overflow, or mean nothing.
    let is_sane = (0..10_000).contains(&year) && days_of(year, month, day) > -1_000_000;
    match is_sane {
        true => Date::of((year, month, day), time, zone.unwrap_or(0)),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_fields_are_read() {
        for (text, expected) in [
            (
                "Thu, 01 Jan 2026 12:01:02 +0000",
                " 1-Jan-2026 12:01:02 +0000",
            ),
            ("1 Jan 99 1:02 -0330 (NST)", " 1-Jan-1999 01:02:00 -0330"),
            ("2 Feb 2020 1:02:03 GMT", " 2-Feb-2020 01:02:03 +0000"),
        ] {
            assert_eq!(sent(text).unwrap().to_string(), expected);
        }
        for wrong in ["", "x", "31 Feb 2020 1:2:3 +0000", "1 Jan 99999999999 1:2"] {
            assert_eq!(sent(wrong), None, "{wrong}");
        }
    }
}
