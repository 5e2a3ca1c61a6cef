//! A conversation that is written down before it is held: `--script FILE`.
//!
//! ```text
//! # Who is there?
//! timeout 5s
//! expect ^220 (?<host>\S+)
//! else ^4\d\d
//!     fail the server is busy
//! else
//!     send QUIT
//!     fail this is no mail server
//! send EHLO localhost
//! expect ^250-SIZE (?<size>\d+)
//! send QUIT
//! ```
//!
//! | statement | does |
//! |---|---|
//! | `expect REGEX` | waits until what came matches; what the groups hold is a row of the result, and what stands behind the match is there for the next `expect` |
//! | `else REGEX` | behind an `expect`: if this matches instead, the lines below it are run that stand further in |
//! | `else` | the same if nothing matches in time, or the peer hangs up |
//! | `send TEXT` | sends a line; `\c` at its end leaves out the line end |
//! | `timeout TIME` | how long each `expect` that follows may wait |
//! | `pause TIME` | does nothing for so long |
//! | `close` | says that nothing more will be sent |
//! | `fail TEXT` | ends the script: it failed, and this is why |
//! | `done` | ends the script: all is well |
//!
//! A text knows `\r`, `\n`, `\t`, `\e`, `\\`, `\"`, `\$` and `\xNN`, and `${name}` for what a group
//! of an earlier `expect` holds. `^` and `$` match at every line, and `$` also where that ends which has come
//! so far, as prompts do: a group whose end matters is best followed by what comes behind it. A regular expression may stand between
//! slashes and a text in quotation marks, to keep the spaces at their ends.
//!
//! This file and [`parse`] are pure; [`run`] talks to whatever is a [`Talk`].

mod parse;
mod run;
mod text;

use std::fmt;
use std::time::Duration;

use regex::bytes::Regex;

pub use self::run::{Received, Row, Runner, Saying, Talk};
use self::text::Text;

/// A script that can be run.
#[derive(Debug)]
pub struct Script {
    /// What errors call it: the name of its file.
    name: String,
    steps: Vec<Step>,
}

/// One statement.
#[derive(Debug)]
struct Step {
    /// Its line, from 1.
    line: usize,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Expect(Pattern, Vec<Branch>),
    Send(Text),
    Timeout(Duration),
    Pause(Duration),
    Close,
    Fail(Text),
    Done,
}

/// An `else` and what stands below it. Without a pattern it is for the time that is over.
#[derive(Debug)]
struct Branch {
    pattern: Option<Pattern>,
    steps: Vec<Step>,
}

/// A regular expression, with the names of its groups that are to be kept.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// The number of each group, and what it is called.
    groups: Vec<(usize, String)>,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.regex.as_str())
    }
}

impl Script {
    /// Whether a text of the script holds `${name}`.
    pub fn uses(&self, name: &str) -> bool {
        any(&self.steps, &|step| match &step.action {
            Action::Send(text) | Action::Fail(text) => text.uses(name),
            _ => false,
        })
    }
}

/// Whether a step, or one below an `else` of it, is of that kind.
fn any(steps: &[Step], is: &dyn Fn(&Step) -> bool) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Expect(_, branches) => branches.iter().any(|branch| any(&branch.steps, is)),
        _ => is(step),
    })
}
