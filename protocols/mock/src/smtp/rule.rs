//! What the server does other than usual, and when: `rcpt=bad@* reply=550 5.1.1 No`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::reply::Reply;
use crate::fault::Fault;

/// When something happens, and what happens instead.
///
/// ```text
/// EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop | drop-after | reset] [reply=CODE TEXT]
/// ```
///
/// A rule meets commands that are right: what is refused anyway is no event. Rules are tried in
/// their order; the first that matches and is in force decides, and those behind it do not count
/// that event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) event: Event,
    glob: Option<String>,
    /// Only so many matches, after those that are skipped.
    count: Option<u64>,
    /// So many matches are skipped first.
    after: u64,
    pub(super) delay: Option<Duration>,
    pub(super) ending: Option<Ending>,
    pub(super) reply: Option<Reply>,
}

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Connect,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
    Rset,
    Quit,
    Noop,
}

/// How a rule ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Drop,
    DropAfter,
    Reset,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("ehlo[=GLOB]", "event: EHLO, HELO or LHLO, with a name that matches"),
    ("starttls", "event: STARTTLS"),
    ("auth[=GLOB]", "event: AUTH, with a mechanism that matches"),
    ("mail[=GLOB]", "event: MAIL, with a sender that matches; <> is the null sender"),
    ("rcpt[=GLOB]", "event: RCPT, with a recipient that matches"),
    ("data[=GLOB]", "event: DATA or the first BDAT, with a recipient that matches"),
    ("dot[=GLOB]", "event: the end of the message, with a recipient that matches; LMTP: for each recipient"),
    ("rset, quit, noop", "event: the command"),
    ("count=N", "only the first N times, over all connections"),
    ("after=N", "not the first N times"),
    ("delay=TIME", "wait first (200ms, 2s)"),
    ("drop", "close the connection and say nothing"),
    ("drop-after", "close the connection after the reply"),
    ("reset", "reset the connection"),
    ("reply=CODE TEXT", "say this; from 400 on the command fails; \\n begins another line; all that follows is text"),
];

const EVENTS: [(&str, Event); 11] = [
    ("connect", Event::Connect),
    ("ehlo", Event::Ehlo),
    ("starttls", Event::StartTls),
    ("auth", Event::Auth),
    ("mail", Event::Mail),
    ("rcpt", Event::Rcpt),
    ("data", Event::Data),
    ("dot", Event::Dot),
    ("rset", Event::Rset),
    ("quit", Event::Quit),
    ("noop", Event::Noop),
];

impl Event {
    /// Whether there is something that a glob can match.
    fn has_subject(self) -> bool {
        matches!(
            self,
            Event::Ehlo | Event::Auth | Event::Mail | Event::Rcpt | Event::Data | Event::Dot
        )
    }
}

impl Rule {
    /// Whether the rule is about this event, with one of these names or addresses.
    pub(super) fn matches(&self, event: Event, subjects: &[&str]) -> bool {
        let fits = |glob: &String| {
            let mut subjects = subjects.iter();
            subjects.any(|subject| matches(glob.as_bytes(), subject.as_bytes()))
        };
        self.event == event && self.glob.as_ref().is_none_or(fits)
    }

    /// Whether it is in force at a match, after so many matches before.
    pub(super) fn is_in_force(&self, before: u64) -> bool {
        let is_left = |count| before - self.after < count;
        before >= self.after && self.count.is_none_or(is_left)
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
}

impl fmt::Display for NotARule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotARule { text, why } = self;
        let events = EVENTS.map(|(name, _)| name).join(", ");
        write!(
            f,
            "{text:?} is not a rule: {why}; a rule is EVENT[=GLOB] [count=N] [after=N] \
            [delay=TIME] [drop|drop-after|reset] [reply=CODE TEXT], and an event is one of {events}"
        )
    }
}

impl std::error::Error for NotARule {}

impl FromStr for Rule {
    type Err = NotARule;

    fn from_str(text: &str) -> Result<Rule, NotARule> {
        parse(text).map_err(|why| NotARule {
            text: text.to_owned(),
            why,
        })
    }
}

fn parse(text: &str) -> Result<Rule, String> {
    if text.contains(['\r', '\n', '\0']) {
        return Err("it holds a control character".to_owned());
    }
    let (first, mut rest) = next_word(text);
    let mut rule = parse_event(first)?;
    loop {
        rest = rest.trim_start();
        if let Some(reply) = rest.strip_prefix("reply=") {
            rule.reply = Some(parse_reply(reply)?);
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

fn parse_event(word: &str) -> Result<Rule, String> {
    let (name, glob) = match word.split_once('=') {
        Some((name, "<>")) => (name, Some(String::new())),
        Some((name, glob)) => (name, Some(glob.to_owned())),
        None => (word, None),
    };
    let mut events = EVENTS.into_iter();
    let (_, event) = events
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("{name:?} is no event"))?;
    if glob.is_some() && !event.has_subject() {
        return Err(format!("{name} has nothing that {word:?} could match"));
    }
    Ok(Rule {
        event,
        glob,
        count: None,
        after: 0,
        delay: None,
        ending: None,
        reply: None,
    })
}

fn parse_word(rule: &mut Rule, word: &str) -> Result<(), String> {
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

fn parse_reply(text: &str) -> Result<Reply, String> {
    let wrong = || format!("a reply begins with a code from 200 to 599, not with {text:?}");
    let (code, words) = text.split_once(' ').unwrap_or((text, ""));
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = code.parse().ok().filter(|code| (200..600).contains(code));
    match code {
        Some(code) if is_code => Ok(Reply::new(code, "", words.replace("\\n", "\n"))),
        _ => Err(wrong()),
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events = EVENTS.into_iter();
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
            Some(reply) => write!(
                f,
                " reply={} {}",
                reply.code,
                reply.text.replace('\n', "\\n")
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "rcpt=bad@* reply=550 5.1.1 No",
            "data count=2 reply=451 Try later",
            "mail=<> drop",
            "dot=?@x after=1 delay=200ms reset",
            "ehlo=host count=1 after=3 drop-after reply=250 me\\nSIZE 10\\nHELP",
            "quit delay=2000ms",
            "auth=PLAIN reply=535 ",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        let spaced: Rule = "  noop   delay=2s  drop ".parse().unwrap();
        assert_eq!(spaced.to_string(), "noop delay=2000ms drop");
    }

    #[test]
    fn what_is_no_rule_is_told_what_is_one() {
        for (text, why) in [
            ("", "\"\" is no event"),
            ("rcpt", "it does nothing"),
            ("rcpt count=1", "it does nothing"),
            ("rcpt explode", "\"explode\" is no word"),
            ("rcpt reply=no", "a code from 200 to 599"),
            ("rcpt reply=+50 x", "a code from 200 to 599"),
            ("rcpt reply=600 x", "a code from 200 to 599"),
            ("rcpt count=x drop", "\"x\" is no number"),
            ("rcpt delay=1h", "no time"),
            ("noop=x drop", "nothing that"),
            ("rcpt reply=550 a\r\nb", "control character"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("EVENT[=GLOB]"), "{error}");
            assert!(error.ends_with(
                "connect, ehlo, starttls, auth, mail, rcpt, data, dot, rset, quit, noop"
            ));
        }
    }

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
