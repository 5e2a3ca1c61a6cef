//! A Telnet server for tests (RFC 854): a login, and behind it a little shell that tells what it
//! knows of its client. It remembers what it heard, and does on request what servers do to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `wire.rs` | bytes as keys, commands, options and what is said within them |
//! | `facts.rs` | what the client has told of itself |
//! | `shell.rs` | what is said to a command |
//! | `conversation.rs` | who is where: login, password, shell; what is echoed and what is negotiated |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::telnet::TelnetServer;
//! use proto_mock::{Options, Server};
//!
//! let mut telnet = TelnetServer::default();
//! telnet.has_login = false;
//! telnet.flaws = vec!["silent".parse()?];
//! let telnet = Arc::new(telnet);
//! let server = Server::start(Options::default(), telnet.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"echo hello\r\nexit\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert_eq!(heard, "$ hello\r\n$ Bye\r\n");
//! assert_eq!(telnet.commands()[0], (1, "echo hello".to_owned()));
//! assert_eq!(telnet.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conversation;
mod facts;
mod flaw;
mod rule;
mod shell;
mod wire;

use std::fmt;
use std::io;

pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use rule::{NotARule, Rule, RULES};

use self::conversation::Conversation;
use self::rule::Event;
use crate::journal::Journal;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::server::Service;

/// A server with a shell.
pub struct TelnetServer {
    /// Whether it asks who is there.
    pub has_login: bool,
    /// Who may come in, with the password. Nobody here: everybody may.
    pub users: Vec<(String, String)>,
    /// What it does other than usual, now and then.
    pub rules: Vec<Rule>,
    /// What it does wrong, all the time.
    pub flaws: Vec<Flaw>,
    /// Who is told at once what happens.
    pub notify: Option<Notify>,
    journal: Journal,
    matches: Matches,
}

/// Who is told what happens, in the thread in which it does.
pub type Notify = Box<dyn Fn(&News<'_>) + Send + Sync>;

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'n> {
    /// Somebody typed a line.
    Line {
        /// The number of the connection.
        connection: usize,
        /// The line, made harmless; a password is blanked.
        line: &'n str,
    },
    /// Somebody said something within the options.
    Option {
        /// The number of the connection.
        connection: usize,
        /// What was said, made harmless.
        what: &'n str,
    },
    /// A client broke the protocol, as in [`TelnetServer::violations`].
    Violation(&'n str),
}

impl Default for TelnetServer {
    fn default() -> TelnetServer {
        TelnetServer {
            has_login: true,
            users: Vec::new(),
            rules: Vec::new(),
            flaws: Vec::new(),
            notify: None,
            journal: Journal::default(),
            matches: Matches::default(),
        }
    }
}

impl TelnetServer {
    /// The lines that were typed, made harmless, each with the number of its connection; passwords
    /// are blanked. Of very many, the oldest are forgotten.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection
    /// and what was wrong.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    fn is_flawed(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }

    fn knows(&self, user: &str, password: &str) -> bool {
        let is_right = |(known, right): &(String, String)| known == user && right == password;
        self.users.is_empty() || self.users.iter().any(is_right)
    }

    fn tell(&self, news: &News<'_>) {
        if let Some(notify) = &self.notify {
            notify(news);
        }
    }

    fn note_violation(&self, connection: usize, what: &str) {
        let violation = format!("{connection}: {what}");
        self.tell(&News::Violation(&violation));
        self.journal.note_violation(violation);
    }
}

impl fmt::Debug for TelnetServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetServer")
            .field("has_login", &self.has_login)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

impl Service for TelnetServer {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
