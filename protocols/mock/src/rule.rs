//! What a server does other than usual, and when: `rcpt=bad@* reply=550 5.1.1 No`. The words are
//! the same in every protocol; its events and its replies are its own.

use std::fmt::{self, Debug};
use std::io;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use crate::fault::Fault;
use crate::peer::Peer;
use crate::stop::locked;

/// When something happens, and what happens instead.
///
/// ```text
/// EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop | drop-after | reset] [reply=REPLY]
/// ```
///
/// A rule meets commands that are right: what is refused anyway is no event. Rules are tried in
/// their order; the first that matches and is in force decides, and those behind it do not count
/// that event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule<E: Event> {
    event: E,
    glob: Option<String>,
    /// Only so many matches, after those that are skipped.
    count: Option<u64>,
    /// So many matches are skipped first.
    after: u64,
    delay: Option<Duration>,
    ending: Option<Ending>,
    pub(crate) reply: Option<E::Reply>,
}

/// What the rules of a protocol wait for.
pub trait Event: Copy + Debug + Eq + 'static {
    /// What the server can be told to say.
    type Reply: Clone + Debug + Eq;

    /// Every event with its name.
    const EVENTS: &'static [(&'static str, Self)];

    /// What is written behind `reply=`.
    const REPLY: &'static str;

    /// Whether there is something that a glob can match.
    fn has_subject(self) -> bool;

    /// Reads a reply, or says why it is none.
    fn parse_reply(text: &str) -> Result<Self::Reply, String>;

    /// The reply as it is read.
    fn reply_text(reply: &Self::Reply) -> String;
}

/// How a rule ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Drop,
    DropAfter,
    Reset,
}

/// How the conversation goes on after a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    GoesOn,
    /// The reply is the last.
    EndsWithReply,
    /// There is no reply.
    IsOver,
}

// The words of a rule that all protocols share, and what they mean.
pub(crate) const COUNT: (&str, &str) = ("count=N", "only the first N times, over all connections");
pub(crate) const AFTER: (&str, &str) = ("after=N", "not the first N times");
pub(crate) const DELAY: (&str, &str) = ("delay=TIME", "wait first (200ms, 2s)");
pub(crate) const DROP: (&str, &str) = ("drop", "close the connection and say nothing");
pub(crate) const DROP_AFTER: (&str, &str) = ("drop-after", "close the connection after the reply");
pub(crate) const RESET: (&str, &str) = ("reset", "reset the connection");

impl<E: Event> Rule<E> {
    /// Whether the rule is about this event, with one of these names or addresses.
    fn matches(&self, event: E, subjects: &[&str]) -> bool {
        let fits = |glob: &String| {
            let mut subjects = subjects.iter();
            subjects.any(|subject| matches(glob.as_bytes(), subject.as_bytes()))
        };
        self.event == event && self.glob.as_ref().is_none_or(fits)
    }

    /// Whether it is in force at a match, after so many matches before.
    fn is_in_force(&self, before: u64) -> bool {
        let is_left = |count| before - self.after < count;
        before >= self.after && self.count.is_none_or(is_left)
    }

    /// How long it says to wait.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Whether it ends something.
    pub(crate) fn ends(&self) -> bool {
        self.ending.is_some()
    }

    /// Does all that it says, but the reply.
    pub(crate) fn carry_out(&self, peer: &mut Peer) -> io::Result<Course> {
        if let Some(delay) = self.delay {
            peer.wait(delay)?;
        }
        Ok(match self.ending {
            None => Course::GoesOn,
            Some(Ending::DropAfter) => Course::EndsWithReply,
            Some(Ending::Drop) => Course::IsOver,
            Some(Ending::Reset) => {
                peer.reset();
                Course::IsOver
            }
        })
    }
}

/// How often each rule matched.
#[derive(Default)]
pub(crate) struct Matches(Mutex<Vec<u64>>);

impl Matches {
    /// The rule for an event: the first that matches and is in force.
    pub(crate) fn rule_for<'r, E: Event>(
        &self,
        rules: &'r [Rule<E>],
        event: E,
        subjects: &[&str],
    ) -> Option<&'r Rule<E>> {
        if rules.is_empty() {
            return None;
        }
        let mut matches = locked(&self.0);
        matches.resize(rules.len(), 0);
        for (rule, count) in rules.iter().zip(matches.iter_mut()) {
            if rule.matches(event, subjects) {
                let before = *count;
                *count += 1;
                if rule.is_in_force(before) {
                    return Some(rule);
                }
            }
        }
        None
    }
}

/// `*` stands for anything, `?` for one byte. Case does not matter.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', after)), None) => matches(after, text),
        (Some((b'*', after)), Some((_, rest))) => matches(after, text) || matches(glob, rest),
        (Some((b'?', after)), Some((_, rest))) => matches(after, rest),
        (Some((a, after)), Some((b, rest))) => a.eq_ignore_ascii_case(b) && matches(after, rest),
        _ => false,
    }
}

/// A text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotARule {
    text: String,
    why: String,
    reply: &'static str,
    events: String,
}

impl NotARule {
    fn new<E: Event>(text: &str, why: String) -> NotARule {
        let names: Vec<&str> = E::EVENTS.iter().map(|(name, _)| *name).collect();
        NotARule {
            text: text.to_owned(),
            why,
            reply: E::REPLY,
            events: names.join(", "),
        }
    }
}

impl fmt::Display for NotARule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotARule {
            text,
            why,
            reply,
            events,
        } = self;
        write!(
            f,
            "{text:?} is not a rule: {why}; a rule is EVENT[=GLOB] [count=N] [after=N] \
            [delay=TIME] [drop|drop-after|reset] [reply={reply}], and an event is one of {events}"
        )
    }
}

impl std::error::Error for NotARule {}

impl<E: Event> FromStr for Rule<E> {
    type Err = NotARule;

    fn from_str(text: &str) -> Result<Rule<E>, NotARule> {
        parse(text).map_err(|why| NotARule::new::<E>(text, why))
    }
}

fn parse<E: Event>(text: &str) -> Result<Rule<E>, String> {
    if text.contains(['\r', '\n', '\0']) {
        return Err("it holds a control character".to_owned());
    }
    let (first, mut rest) = next_word(text);
    let mut rule = parse_event(first)?;
    loop {
        rest = rest.trim_start();
        if let Some(reply) = rest.strip_prefix("reply=") {
            rule.reply = Some(E::parse_reply(reply)?);
            break;
        }
        let (word, after) = next_word(rest);
        if word.is_empty() {
            break;
        }
        parse_word(&mut rule, word)?;
        rest = after;
    }
    if rule.delay.is_none() && rule.ending.is_none() && rule.reply.is_none() {
        return Err("it does nothing".to_owned());
    }
    Ok(rule)
}

fn next_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(' ').unwrap_or(text.len()))
}

fn parse_event<E: Event>(word: &str) -> Result<Rule<E>, String> {
    let (name, glob) = match word.split_once('=') {
        Some((name, "<>")) => (name, Some(String::new())),
        Some((name, glob)) => (name, Some(glob.to_owned())),
        None => (word, None),
    };
    let mut events = E::EVENTS.iter();
    let (_, event) = events
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("{name:?} is no event"))?;
    if glob.is_some() && !event.has_subject() {
        return Err(format!("{name} has nothing that {word:?} could match"));
    }
    Ok(Rule {
        event: *event,
        glob,
        count: None,
        after: 0,
        delay: None,
        ending: None,
        reply: None,
    })
}

fn parse_word<E: Event>(rule: &mut Rule<E>, word: &str) -> Result<(), String> {
    let number = |digits: &str| {
        let number = digits.parse::<u64>();
        number.map_err(|_| format!("{digits:?} is no number"))
    };
    match (word, word.split_once('=')) {
        ("drop", _) => rule.ending = Some(Ending::Drop),
        ("drop-after", _) => rule.ending = Some(Ending::DropAfter),
        ("reset", _) => rule.ending = Some(Ending::Reset),
        (_, Some(("count", digits))) => rule.count = Some(number(digits)?),
        (_, Some(("after", digits))) => rule.after = number(digits)?,
        // Times are written as in the fault of the same name.
        (_, Some(("delay", _))) => match word.parse() {
            Ok(Fault::Delay(time)) => rule.delay = Some(time),
            _ => return Err(format!("{word:?} is no time like 200ms or 2s")),
        },
        _ => return Err(format!("{word:?} is no word of a rule")),
    }
    Ok(())
}

impl<E: Event> fmt::Display for Rule<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events = E::EVENTS.iter();
        let name = events.find(|(_, event)| *event == self.event);
        f.write_str(name.map_or("", |(name, _)| name))?;
        match self.glob.as_deref() {
            Some("") => f.write_str("=<>")?,
            Some(glob) => write!(f, "={glob}")?,
            None => {}
        }
        if let Some(count) = self.count {
            write!(f, " count={count}")?;
        }
        if self.after > 0 {
            write!(f, " after={}", self.after)?;
        }
        if let Some(delay) = self.delay {
            write!(f, " delay={}ms", delay.as_millis())?;
        }
        match self.ending {
            Some(Ending::Drop) => f.write_str(" drop")?,
            Some(Ending::DropAfter) => f.write_str(" drop-after")?,
            Some(Ending::Reset) => f.write_str(" reset")?,
            None => {}
        }
        match &self.reply {
            Some(reply) => write!(f, " reply={}", E::reply_text(reply)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Rule;

    #[test]
    fn globs_match_without_regard_to_case() {
        for (glob, text, expected) in [
            ("bad@*", "BAD@example.org", true),
            ("*@*.org", "a@b.c.org", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                matches(glob.as_bytes(), text.as_bytes()),
                expected,
                "{glob} {text}"
            );
        }
    }

    #[test]
    fn counts_come_after_what_is_skipped() {
        let rule: Rule = "noop count=2 after=1 drop".parse().unwrap();
        let force: Vec<bool> = (0..5).map(|before| rule.is_in_force(before)).collect();
        assert_eq!(force, [false, true, true, false, false]);
    }
}
