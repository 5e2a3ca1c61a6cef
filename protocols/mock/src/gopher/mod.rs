//! A gopher server for tests (RFC 1436): a folder, menus that are made, and under `/mock/` all that
//! a client must cope with. It remembers what it heard, and does on request what servers do to
//! clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `request.rs` | the one line that a client says |
//! | `answer.rs` | what is said to it, and where that comes from |
//! | `files.rs`, `gophermap.rs` | a folder, and nothing outside of it |
//! | `showcase.rs` | what is there without a folder |
//! | `item.rs` | one line of a menu, and the types of items |
//! | `conversation.rs` | how an answer travels: texts, menus, binaries, Gopher+ |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::gopher::GopherServer;
//! use proto_mock::{Options, Server};
//!
//! let gopher = Arc::new(GopherServer::default());
//! let server = Server::start(Options::default(), gopher.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"/mock/dots\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert!(heard.contains("\r\n..\r\n") && heard.ends_with("\r\n.\r\n"));
//! assert_eq!(gopher.requests(), [(1, "/mock/dots".to_owned())]);
//! assert_eq!(gopher.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod conversation;
mod files;
mod flaw;
mod gophermap;
mod item;
mod request;
mod rule;
mod showcase;

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use rule::{NotARule, Rule, RULES};

use self::conversation::Conversation;
use self::rule::Event;
use crate::journal::Journal;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::server::Service;

/// A server of menus and files.
#[derive(Default)]
pub struct GopherServer {
    /// The folder that is served. A file `gophermap` in a folder is its menu.
    pub root: Option<PathBuf>,
    /// Without a folder, so many items are in the main menu, made while they are sent.
    pub generated: u64,
    /// Whether Gopher+ is spoken: attributes, and lengths before answers.
    pub plus: bool,
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
    /// Somebody asked for something.
    Request {
        /// The number of the connection.
        connection: usize,
        /// The line, made harmless.
        line: &'n str,
    },
    /// A client broke the protocol, as in [`GopherServer::violations`].
    Violation(&'n str),
}

impl GopherServer {
    /// The lines that were heard, made harmless, each with the number of its connection. Of very
    /// many, the oldest are forgotten.
    pub fn requests(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the request and what was wrong with it.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    fn is_flawed(&self, flaw: &Flaw) -> bool {
        self.flaws.contains(flaw)
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }

    fn tell(&self, news: &News<'_>) {
        if let Some(notify) = &self.notify {
            notify(news);
        }
    }

    fn note_violation(&self, connection: usize, line: &str, what: &str) {
        let violation = format!("{connection}: {line}: {what}");
        self.tell(&News::Violation(&violation));
        self.journal.note_violation(violation);
    }
}

impl fmt::Debug for GopherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GopherServer")
            .field("root", &self.root)
            .field("generated", &self.generated)
            .field("plus", &self.plus)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

impl Service for GopherServer {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
