//! What is told of each recipient: a row on stdout, and an item of the report.

use std::io::{self, Write};
use std::sync::Mutex;

use proto_smtp::{Delivery, EnhancedCode, Fate, Outcome};
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};
use serde_json::{json, Value};

use crate::exit_code::{exit_code, OK, PERMISSION, TEMPORARY, UNAVAILABLE, UNKNOWN};
use crate::report::json_line;

/// The rows of a command.
pub struct Ledger {
    is_json: bool,
    names_messages: bool,
    kept: Mutex<Kept>,
}

/// What is known when all is over.
#[derive(Default)]
pub struct Kept {
    /// One object a recipient, if there is a report to hold them.
    pub items: Vec<Value>,
    /// The statuses that occurred.
    pub codes: Vec<u8>,
    /// Recipients with a row.
    pub recipients: u64,
    /// Those of them who have the message.
    pub accepted: u64,
    keeps_items: bool,
}

/// What a row is about, beside its recipient.
pub struct Subject<'a> {
    /// The message's name.
    pub message: &'a str,
    /// Its Message-ID.
    pub message_id: Option<&'a str>,
    /// Its sender, empty for the null sender.
    pub sender: &'a str,
    /// How often it was tried.
    pub tries: u32,
}

impl Ledger {
    /// Rows as text or JSON; with several messages each row names its own.
    pub fn new(is_json: bool, names_messages: bool, keeps_items: bool) -> Ledger {
        Ledger {
            is_json,
            names_messages,
            kept: Mutex::new(Kept {
                keeps_items,
                ..Kept::default()
            }),
        }
    }

    /// Writes the rows of these outcomes.
    pub fn add<'o>(
        &self,
        subject: &Subject<'_>,
        outcomes: impl IntoIterator<Item = &'o Outcome>,
        error: Option<&Error>,
    ) -> Result<()> {
        let outcomes: Vec<&Outcome> = outcomes.into_iter().collect();
        let lengths = outcomes
            .iter()
            .map(|outcome| address(outcome).chars().count());
        let width = lengths.max().unwrap_or(0).min(WIDEST);
        let mut rows = String::new();
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        for outcome in outcomes {
            let code = status(outcome, error);
            if !kept.codes.contains(&code) {
                kept.codes.push(code);
            }
            kept.recipients += 1;
            kept.accepted += u64::from(outcome.fate == Fate::Accepted);
            if self.is_json || kept.keeps_items {
                let item = item(subject, outcome, error);
                if self.is_json {
                    rows.push_str(&json_line(&item).map_err(|e| failed(e.into()))?);
                }
                if kept.keeps_items {
                    kept.items.push(item);
                }
            }
            if !self.is_json {
                rows.push_str(&self.row(subject, outcome, width, error));
            }
        }
        io::stdout().write_all(rows.as_bytes()).map_err(failed)
    }

    fn row(
        &self,
        subject: &Subject<'_>,
        outcome: &Outcome,
        width: usize,
        error: Option<&Error>,
    ) -> String {
        let told = match (&outcome.reply, error) {
            (Some(reply), _) => reply.to_string(),
            (None, Some(error)) => error.to_string(),
            (None, None) => "others were refused".to_owned(),
        };
        let message = match self.names_messages {
            true => format!("  {}", escaped(subject.message.as_bytes())),
            false => String::new(),
        };
        let (fate, address) = (word(outcome.fate), address(outcome));
        format!("{fate:16}  {address:width$}{message}  {told}\n")
    }

    /// Adds a status that no row has.
    pub fn fail(&self, code: u8) {
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        kept.codes.push(code);
    }

    /// All is over.
    pub fn into_kept(self) -> Kept {
        self.kept
            .into_inner()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

/// The widest column of addresses.
const WIDEST: usize = 40;

fn address(outcome: &Outcome) -> String {
    escaped(outcome.recipient.address.to_string().as_bytes())
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}

fn item(subject: &Subject<'_>, outcome: &Outcome, error: Option<&Error>) -> Value {
    let reply = outcome.reply.as_ref();
    let is_open = matches!(outcome.fate, Fate::NotSent | Fate::Unknown);
    json!({
        "result": word(outcome.fate),
        "recipient": outcome.recipient.address.to_string(),
        "sender": subject.sender,
        "message": subject.message,
        "message_id": subject.message_id,
        "code": reply.map(|reply| reply.code),
        "enhanced": reply.and_then(EnhancedCode::of).map(|code| code.to_string()),
        "reply": reply.map(ToString::to_string),
        "error": error.filter(|_| is_open).map(ToString::to_string),
        "tries": subject.tries,
    })
}

/// The word for a fate.
pub fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Accepted => "accepted",
        Fate::Willing => "willing",
        Fate::RefusedForNow => "refused-for-now",
        Fate::RefusedForGood => "refused-for-good",
        Fate::NotSent => "not-sent",
        Fate::Unknown => "unknown",
    }
}

/// The exit status that one recipient alone would give.
fn status(outcome: &Outcome, error: Option<&Error>) -> u8 {
    match outcome.fate {
        Fate::Accepted | Fate::Willing => OK,
        Fate::RefusedForNow => TEMPORARY,
        // "Authentication required" (RFC 4954 section 6).
        Fate::RefusedForGood if outcome.reply.as_ref().is_some_and(|reply| reply.is(530)) => {
            PERMISSION
        }
        Fate::RefusedForGood => UNAVAILABLE,
        Fate::Unknown => UNKNOWN,
        // Without an error it is one of all or nothing; who was refused gives the status.
        Fate::NotSent => error.map_or(OK, exit_code),
    }
}

/// Whether another try may change what became of a recipient. Never where the message may have been
/// delivered.
pub fn may_pass(outcome: &Outcome, delivery: &Delivery) -> bool {
    match outcome.fate {
        Fate::RefusedForNow => true,
        Fate::NotSent => delivery.error.as_ref().is_some_and(Error::is_transient),
        _ => false,
    }
}
