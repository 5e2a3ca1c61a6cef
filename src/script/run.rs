//! A script that is run: what came is looked at again each time something comes.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;
use proto_transport::{excerpt, Error, Refusal, Result, Secret};
use regex::bytes::Captures;
use serde_json::{json, Value};

use super::text::Text;
use super::{Action, Branch, Pattern, Script, Step};

/// A peer that a script can talk to.
pub trait Talk {
    /// What errors call the peer.
    fn peer(&self) -> &str;

    /// Sends all of it, under the deadlines of the connection.
    fn say(&mut self, saying: &Saying<'_>) -> Result<()>;

    /// Waits until something comes, and puts it behind what is in `heard`.
    fn hear(&mut self, until: Instant, heard: &mut Vec<u8>) -> Result<Received>;

    /// Tells the peer that nothing more will be sent.
    fn end_saying(&mut self) -> Result<()>;
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying<'t> {
    /// The bytes, without a line end.
    pub bytes: &'t [u8],
    /// Whether the line end of the protocol is to follow.
    pub ends_line: bool,
    /// Whether a transcript must not show it.
    pub is_secret: bool,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Something came.
    Bytes,
    /// The peer says no more.
    End,
    /// The time is over.
    Nothing,
}

/// What the groups of an `expect` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Names and values, in the order of the groups.
    pub values: Vec<(String, String)>,
}

impl Row {
    /// For people: `name=value`, with tabs between.
    pub fn text(&self) -> String {
        let pairs = self.values.iter();
        let pairs = pairs.map(|(name, value)| format!("{name}={}", escaped(value.as_bytes())));
        pairs.collect::<Vec<String>>().join("\t")
    }

    /// For programs: an object.
    pub fn item(&self) -> Value {
        let pairs = self.values.iter();
        pairs
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect()
    }
}

/// How much of what nobody expected is kept: a match that is longer is not found.
const WINDOW: usize = 64 * 1024;

/// How much of what came an error shows: its end, where the answer stands that did not match.
const SHOWN: usize = 60;

/// What came, and how much of it was used.
#[derive(Default)]
struct Heard {
    /// Begins with the byte before what is unused, if there was one: `^` must know it.
    bytes: Vec<u8>,
    start: usize,
    has_ended: bool,
}

impl Heard {
    fn unused(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Everything before `end` is used.
    fn use_up_to(&mut self, end: usize) {
        let before = end.saturating_sub(1);
        self.bytes.drain(..before);
        self.start = end - before;
    }

    /// Forgets the oldest when it has become too much.
    fn stay_small(&mut self) {
        if self.unused().len() > WINDOW {
            self.use_up_to(self.bytes.len() - WINDOW / 2);
        }
    }
}

/// What a name in a text stands for.
enum Meaning {
    Captured(Vec<u8>),
    Secret(Secret),
}

/// A script on its way.
pub struct Runner<'r> {
    script: &'r Script,
    talk: &'r mut dyn Talk,
    row: &'r mut dyn FnMut(Row) -> Result<()>,
    meanings: BTreeMap<String, Meaning>,
    timeout: Duration,
    heard: Heard,
}

/// How a block ended.
enum Flow {
    On,
    Done,
}

impl<'r> Runner<'r> {
    /// A script that is about to run. `timeout` is how long an `expect` waits until the script says
    /// something else; `row` gets what the groups hold.
    pub fn new(
        script: &'r Script,
        talk: &'r mut dyn Talk,
        timeout: Duration,
        row: &'r mut dyn FnMut(Row) -> Result<()>,
    ) -> Runner<'r> {
        Runner {
            script,
            talk,
            row,
            meanings: BTreeMap::new(),
            timeout,
            heard: Heard::default(),
        }
    }

    /// What one of the given names stands for.
    pub fn tell(&mut self, name: &str, value: &str) {
        let value = Meaning::Captured(value.as_bytes().to_vec());
        self.meanings.insert(name.to_owned(), value);
    }

    /// What one of the given names stands for, where it is a secret. A text with a secret is sent as one.
    pub fn give(&mut self, name: &str, secret: Secret) {
        self.meanings
            .insert(name.to_owned(), Meaning::Secret(secret));
    }

    /// Runs to the end. What came and was not expected is left over.
    pub fn run(mut self) -> Result<()> {
        let script = self.script;
        self.block(&script.steps).map(|_| ())
    }

    fn block(&mut self, steps: &[Step]) -> Result<Flow> {
        for step in steps {
            match &step.action {
                Action::Expect(pattern, branches) => {
                    if let Flow::Done = self.expect(step.line, pattern, branches)? {
                        return Ok(Flow::Done);
                    }
                }
                Action::Send(text) => self.send(text)?,
                Action::Timeout(time) => self.timeout = *time,
                Action::Pause(time) => thread::sleep(*time),
                Action::Close => self.talk.end_saying()?,
                Action::Fail(text) => return Err(self.failed(step.line, text)),
                Action::Done => return Ok(Flow::Done),
            }
        }
        Ok(Flow::On)
    }

    fn value(&self, name: &str) -> &[u8] {
        match self.meanings.get(name) {
            Some(Meaning::Captured(bytes)) => bytes,
            Some(Meaning::Secret(secret)) => secret.reveal().as_bytes(),
            // A group that took no part in the match.
            None => b"",
        }
    }

    fn send(&mut self, text: &Text) -> Result<()> {
        let is_secret = |name| matches!(self.meanings.get(name), Some(Meaning::Secret(_)));
        let is_secret = text.names().any(is_secret);
        let bytes = text.bytes(|name| self.value(name));
        self.talk.say(&Saying {
            bytes: &bytes,
            ends_line: text.ends_line,
            is_secret,
        })
    }

    fn failed(&self, line: usize, text: &Text) -> Error {
        let shown = text.bytes(|name| match self.meanings.get(name) {
            Some(Meaning::Secret(_)) => b"(secret)",
            _ => self.value(name),
        });
        Error::Refused {
            peer: self.talk.peer().to_owned(),
            doing: format!("running {}, line {line}", self.script.name),
            reply: escaped(&shown),
            refusal: Refusal::Lasting,
        }
    }

    fn expect(&mut self, line: usize, pattern: &Pattern, branches: &[Branch]) -> Result<Flow> {
        let started = Instant::now();
        let end = started.checked_add(self.timeout);
        // Where no clock reaches that far, a year is long enough.
        let end = end.unwrap_or(started + Duration::from_secs(31_536_000));
        loop {
            if let Some(found) = self.look(pattern, branches) {
                return self.found(found, branches);
            }
            self.heard.stay_small();
            let received = match self.heard.has_ended {
                true => Received::End,
                false => self.talk.hear(end, &mut self.heard.bytes)?,
            };
            if received == Received::Bytes {
                continue;
            }
            self.heard.has_ended |= received == Received::End;
            return match branches.iter().find(|branch| branch.pattern.is_none()) {
                Some(branch) => self.block(&branch.steps),
                None => Err(self.missed(line, pattern, received, started)),
            };
        }
    }

    /// The match that begins first; of several there, that of the pattern that stands first.
    fn look(&self, pattern: &Pattern, branches: &[Branch]) -> Option<Found> {
        let others = branches.iter().enumerate();
        let others =
            others.filter_map(|(index, branch)| Some((Some(index), branch.pattern.as_ref()?)));
        let all = std::iter::once((None, pattern)).chain(others);
        let found = all.filter_map(|(branch, pattern)| {
            let captures = pattern
                .regex
                .captures_at(&self.heard.bytes, self.heard.start)?;
            Some(Found::of(branch, pattern, &captures))
        });
        found.min_by_key(|found| found.start)
    }

    fn found(&mut self, found: Found, branches: &[Branch]) -> Result<Flow> {
        self.heard.use_up_to(found.end);
        let mut row = Row { values: Vec::new() };
        for (name, value) in found.values {
            match value {
                Some(value) => {
                    let shown = String::from_utf8_lossy(&value).into_owned();
                    row.values.push((name.clone(), shown));
                    self.meanings.insert(name, Meaning::Captured(value));
                }
                None => drop(self.meanings.remove(&name)),
            }
        }
        if !row.values.is_empty() {
            (self.row)(row)?;
        }
        match found.branch.and_then(|index| branches.get(index)) {
            Some(branch) => self.block(&branch.steps),
            None => Ok(Flow::On),
        }
    }

    /// The error of an `expect` for which nothing came that would match.
    fn missed(&self, line: usize, pattern: &Pattern, why: Received, started: Instant) -> Error {
        let peer = self.talk.peer().to_owned();
        let unused = self.heard.unused();
        let tail = unused.get(unused.len().saturating_sub(SHOWN)..);
        let last = match tail.unwrap_or_default() {
            [] => "nothing more came".to_owned(),
            tail => format!("the last that came is \"{}\"", excerpt(tail)),
        };
        let doing = format!(
            "waiting for {} ({}, line {line}; {last})",
            escaped(pattern.to_string().as_bytes()),
            self.script.name
        );
        match why {
            Received::End => Error::Closed {
                peer,
                doing,
                why: "it says no more".to_owned(),
            },
            _ => Error::TimedOut {
                peer,
                doing,
                after: started.elapsed(),
            },
        }
    }
}

/// A match.
struct Found {
    /// The number of the `else`, or nothing for the `expect` itself.
    branch: Option<usize>,
    start: usize,
    end: usize,
    values: Vec<(String, Option<Vec<u8>>)>,
}

impl Found {
    fn of(branch: Option<usize>, pattern: &Pattern, captures: &Captures<'_>) -> Found {
        let whole = captures.get(0);
        let value = |number: usize| captures.get(number).map(|group| group.as_bytes().to_vec());
        let groups = pattern.groups.iter();
        Found {
            branch,
            start: whole.map_or(0, |whole| whole.start()),
            end: whole.map_or(0, |whole| whole.end()),
            values: groups
                .map(|(number, name)| (name.clone(), value(*number)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
