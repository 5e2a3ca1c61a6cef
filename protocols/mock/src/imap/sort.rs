//! SORT (RFC 5256).

use std::cmp::Ordering;

use super::address::addresses;
use super::conversation::{Conversation, Result};
use super::keys::{sent, Candidate};
use super::rule::Event;
use super::syntax::{Arguments, Parsed};
use super::text::{decoded_words, lossy};
use crate::mailbox::Message;

/// What messages are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Criterion {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
}

impl Conversation<'_> {
    pub fn sort(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        self.checked(arguments.space())?;
        let order = criteria(arguments);
        let order = self.checked(order)?;
        self.checked(arguments.space())?;
        self.charset(arguments)?;
        self.checked(arguments.space())?;
        let mut key = self.key(arguments)?;
        self.consult(Event::Sort, &[])?;
        let found = self.find(&mut key)?;
        let mut sorted: Vec<(Vec<Value>, u32, u32)> = found
            .iter()
            .map(|(number, message)| {
                let values = order
                    .iter()
                    .map(|(criterion, _)| value(*criterion, message));
                (values.collect(), *number, message.uid)
            })
            .collect();
        sorted.sort_by(|one, other| {
            let pairs = order.iter().zip(one.0.iter().zip(&other.0));
            let mut compared = pairs.map(|((_, is_reverse), (one, other))| match is_reverse {
                true => other.cmp(one),
                false => one.cmp(other),
            });
            let decided = compared.find(|ordering| ordering.is_ne());
            decided.unwrap_or(Ordering::Equal).then(one.1.cmp(&other.1))
        });
        let numbers = sorted
            .iter()
            .map(|(_, number, uid)| if by_uid { *uid } else { *number });
        let mut numbers: Vec<u32> = numbers.collect();
        if let Some(count) = self.huge() {
            numbers = (1..=count).collect();
        }
        self.say_search("SORT", &numbers, None)?;
        Ok("OK SORT completed".to_owned())
    }
}

/// `(REVERSE DATE SUBJECT)`: each, and whether it is reversed.
fn criteria(arguments: &mut Arguments<'_>) -> Parsed<Vec<(Criterion, bool)>> {
    let criteria = arguments.list(|arguments| {
        let is_reverse = arguments.eat_word("REVERSE ");
        let name = arguments.keyword()?;
        let criterion = match name.as_str() {
            "ARRIVAL" => Criterion::Arrival,
            "CC" => Criterion::Cc,
            "DATE" => Criterion::Date,
            "FROM" => Criterion::From,
            "SIZE" => Criterion::Size,
            "SUBJECT" => Criterion::Subject,
            "TO" => Criterion::To,
            _ => return Err(format!("nothing is sorted by {name}")),
        };
        Ok((criterion, is_reverse))
    })?;
    match criteria.is_empty() {
        true => Err("a criterion is missing".to_owned()),
        false => Ok(criteria),
    }
}

fn value(criterion: Criterion, message: &Message) -> Value {
    let mut candidate = Candidate::new(message, false);
    let first_mailbox = |candidate: &mut Candidate<'_>, name: &str| {
        let found = candidate.part().all(name).flat_map(addresses).next();
        let mailbox = found.and_then(|address| address.mailbox);
        Value::Text(lossy(&mailbox.unwrap_or_default()).to_lowercase())
    };
    match criterion {
        Criterion::Arrival => Value::Number(message.date.seconds),
        Criterion::Size => Value::Number(i64::try_from(message.size()).unwrap_or(i64::MAX)),
        Criterion::Date => Value::Number(sent_at(&mut candidate)),
        Criterion::Subject => Value::Text(base_subject(&subject(&mut candidate)).0),
        Criterion::Cc => first_mailbox(&mut candidate, "Cc"),
        Criterion::From => first_mailbox(&mut candidate, "From"),
        Criterion::To => first_mailbox(&mut candidate, "To"),
    }
}

/// RFC 5256 section 2.2: the Date field, or else when the message came.
pub(super) fn sent_at(candidate: &mut Candidate<'_>) -> i64 {
    let date = candidate.part().field("Date").map(lossy);
    let date = date
        .and_then(|text| sent(&text))
        .unwrap_or(candidate.message.date);
    date.seconds
}

pub(super) fn subject(candidate: &mut Candidate<'_>) -> String {
    decoded_words(candidate.part().field("Subject").unwrap_or_default())
}

/// The subject without what replies and forwards put around it, in lower case, and whether there
/// was any of that (RFC 5256 section 2.1).
pub(super) fn base_subject(subject: &str) -> (String, bool) {
    let words: Vec<&str> = subject.split_whitespace().collect();
    let text = words.join(" ").to_lowercase();
    let mut text = text.as_str();
    let mut is_reply = false;
    loop {
        let before = text;
        while let Some(rest) = text.strip_suffix("(fwd)") {
            (text, is_reply) = (rest.trim_end(), true);
        }
        loop {
            if let Some(rest) = without_leader(text) {
                (text, is_reply) = (rest, true);
            } else if let Some(rest) = without_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        let inner = text
            .strip_prefix("[fwd:")
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(inner) = inner {
            (text, is_reply) = (inner.trim(), true);
        }
        if text == before {
            return (text.to_owned(), is_reply);
        }
    }
}

/// `[list] re[list]: rest`
fn without_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = without_blob(rest) {
        rest = after;
    }
    let leaders = ["re", "fwd", "fw"];
    let rest = leaders
        .iter()
        .find_map(|leader| rest.strip_prefix(leader))?;
    let rest = rest.trim_start();
    let rest = without_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':').map(str::trim_start)
}

fn without_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    inside.get(end..)?.strip_prefix(']').map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_lose_what_replies_add() {
        for (subject, expected, is_reply) in [
            ("Re: [list] RE: fw:  Hello  you (fwd)", "hello you", true),
            ("[Fwd: re: hi]", "hi", true),
            ("[list]", "[list]", false),
            ("Re[2]: x", "x", true),
            ("regarding x", "regarding x", false),
        ] {
            assert_eq!(
                base_subject(subject),
                (expected.to_owned(), is_reply),
                "{subject}"
            );
        }
    }
}
