//! A mail server for tests: SMTP (RFC 5321) and LMTP (RFC 2033). It is as strict as a server may
//! be, remembers all that it heard, and does on request what servers do to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `conversation.rs` | lines, greetings, and which command is whose |
//! | `authentication.rs` | STARTTLS and AUTH (RFC 3207, RFC 4954) |
//! | `transaction.rs` | MAIL, RCPT, DATA, BDAT (RFC 3030) and what becomes of them |
//! | `command.rs`, `content.rs` | what the client says, read strictly |
//! | `reply.rs` | what the server says |
//! | `rule.rs` | what it does other than usual |
//! | `letter.rs`, `store.rs` | what was accepted, and where it goes |
//! | `transcript.rs` | the conversation that brought a message |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::smtp::Mta;
//! use proto_mock::{Options, Server};
//!
//! let mut mta = Mta::default();
//! mta.rules.push("rcpt=bad@* reply=550 5.1.1 No".parse()?);
//! let mta = Arc::new(mta);
//! let server = Server::start(Options::default(), mta.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! for (says, last_line) in [
//!     ("", "220 "),
//!     ("EHLO me\r\n", "250 "),
//!     ("MAIL FROM:<>\r\nRCPT TO:<bad@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n", "354 "),
//!     ("hello\r\n.\r\nQUIT\r\n", "221 "),
//! ] {
//!     client.write_all(says.as_bytes())?;
//!     let mut heard = String::new();
//!     while !heard.contains(last_line) {
//!         let mut byte = [0];
//!         client.read_exact(&mut byte)?;
//!         heard.push(byte[0].into());
//!     }
//! }
//! let letters = mta.letters();
//! assert_eq!(letters[0].recipients, [("a@b".to_owned(), vec![])]);
//! assert_eq!(letters[0].content, b"hello\r\n");
//! assert_eq!(mta.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authentication;
mod command;
mod content;
mod conversation;
mod letter;
mod reply;
mod rule;
mod store;
mod transaction;
mod transcript;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use letter::Letter;
pub use rule::{NotARule, Rule, RULES};
pub use store::Store;

use self::conversation::Conversation;
use self::rule::Event;
use self::store::{Accepted, Draft, Trouble};
use crate::journal::Journal;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::sasl::Mechanism;
use crate::server::Service;
use crate::stop::locked;

/// A mail server. By default it offers everything, lets everybody send, and keeps messages in memory.
pub struct Mta {
    /// Whether it speaks LMTP.
    pub lmtp: bool,
    /// What is neither offered nor understood, in any case: the names of [`EXTENSIONS`], or
    /// `AUTH=NAME` for one mechanism.
    pub without: Vec<String>,
    /// Names and passwords. The password is also the token for XOAUTH2 and OAUTHBEARER.
    pub users: Vec<(String, String)>,
    /// Whether every login is taken, by PLAIN and LOGIN, where there are no users.
    pub takes_any_login: bool,
    /// Whether MAIL needs AUTH before it.
    pub requires_login: bool,
    /// Whether nearly everything needs TLS.
    pub requires_tls: bool,
    /// The largest message; 0 for no limit.
    pub max_size: u64,
    /// What it does other than usual.
    pub rules: Vec<Rule>,
    /// Where messages go.
    pub store: Store,
    /// The folder where each message is put with the conversation that brought it, if wanted. It is
    /// made; what cannot be written there is missing.
    pub transcripts: Option<PathBuf>,
    /// Who is told at once what happens.
    pub notify: Option<Notify>,
    accepted: Mutex<Accepted>,
    has_accepted: Condvar,
    journal: Journal,
    matches: Matches,
}

/// Who is told what happens, in the thread in which it does.
pub type Notify = Box<dyn Fn(&News<'_>) + Send + Sync>;

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'n> {
    /// A letter was accepted.
    Letter(&'n Letter),
    /// A client broke the protocol, as in [`Mta::violations`].
    Violation(&'n str),
}

/// What a server can do without. Without `EHLO` that command is refused, and clients fall back to HELO.
pub const EXTENSIONS: [&str; 11] = [
    "EHLO",
    "PIPELINING",
    "SIZE",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "AUTH",
];

/// The largest message unless another limit is set: more than servers commonly take.
const MAX_SIZE: u64 = 100 * 1024 * 1024;

impl Default for Mta {
    fn default() -> Mta {
        Mta {
            lmtp: false,
            without: Vec::new(),
            users: Vec::new(),
            takes_any_login: false,
            requires_login: false,
            requires_tls: false,
            max_size: MAX_SIZE,
            rules: Vec::new(),
            store: Store::default(),
            transcripts: None,
            notify: None,
            accepted: Mutex::default(),
            has_accepted: Condvar::new(),
            journal: Journal::default(),
            matches: Matches::default(),
        }
    }
}

impl Mta {
    /// The letters that were accepted, the oldest first. Of very many, the oldest are forgotten.
    pub fn letters(&self) -> Vec<Letter> {
        locked(&self.accepted).letters()
    }

    /// The command lines that were heard, each with the number of its connection; also what answered
    /// the challenges of AUTH, secrets included.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the command and what was wrong with it: `1: MAIL FROM: <a@b>: no space may follow FROM:`.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    /// Waits until so many letters were accepted in all. Whether they were, in that time.
    pub fn wait_for(&self, count: usize, time: Duration) -> bool {
        let started = Instant::now();
        let mut accepted = locked(&self.accepted);
        while accepted.total < count {
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            let woken = self.has_accepted.wait_timeout(accepted, left);
            accepted = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether a name of [`EXTENSIONS`] is not hidden.
    fn has(&self, extension: &str) -> bool {
        let is_hidden = |name: &String| name.eq_ignore_ascii_case(extension);
        !self.without.iter().any(is_hidden)
    }

    fn has_mechanism(&self, mechanism: Mechanism) -> bool {
        self.has(&format!("AUTH={}", mechanism.name()))
    }

    /// Keeps a letter. An error says that it could not be kept.
    fn accept(&self, mut letter: Letter, draft: Draft) -> Result<(), Trouble> {
        let protocol = if self.lmtp { "LMTP" } else { "ESMTP" };
        self.store.keep(&mut letter, draft, protocol)?;
        if let Some(notify) = &self.notify {
            notify(&News::Letter(&letter));
        }
        locked(&self.accepted).add(letter);
        self.has_accepted.notify_all();
        Ok(())
    }

    fn note_violation(&self, connection: usize, line: &str, what: &str) {
        let violation = format!("{connection}: {line}: {what}");
        if let Some(notify) = &self.notify {
            notify(&News::Violation(&violation));
        }
        self.journal.note_violation(violation);
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }
}

impl fmt::Debug for Mta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mta")
            .field("lmtp", &self.lmtp)
            .field("without", &self.without)
            .field("rules", &self.rules)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Service for Mta {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod login_tests;
#[cfg(test)]
mod tests;
