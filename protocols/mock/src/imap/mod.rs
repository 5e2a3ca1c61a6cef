//! A mail server for tests: IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051) with their extensions. It
//! is as strict as a server may be, remembers all that it heard, and does on request what servers do
//! to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `conversation.rs` | commands and replies, states, and which command is whose |
//! | `syntax.rs` | the grammar of commands |
//! | `authentication.rs` | STARTTLS, LOGIN, AUTHENTICATE |
//! | `account.rs`, `listing.rs` | the commands about mailboxes; LIST with its extensions (RFC 5258) |
//! | `selected.rs`, `view.rs` | the commands about messages; which numbers they have |
//! | `fetch.rs`, `items.rs`, `structure.rs` | FETCH: what is asked for, and what is told |
//! | `search.rs`, `keys.rs`, `sort.rs`, `thread.rs` | SEARCH (RFC 4731), SORT and THREAD (RFC 5256) |
//! | `mime.rs`, `address.rs`, `text.rs` | the insides of messages |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::imap::ImapServer;
//! use proto_mock::{Options, Server};
//!
//! let mut imap = ImapServer::default();
//! imap.rules.push("store reply=NO Later".parse()?);
//! imap.store.account("me").ok_or("no account")?.deliver(b"Subject: hi\n\nHello\n")?;
//! let imap = Arc::new(imap);
//! let server = Server::start(Options::default(), imap.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"1 LOGIN me x\r\n2 SELECT INBOX\r\n3 FETCH 1 BODY.PEEK[TEXT]\r\n")?;
//! client.write_all(b"4 STORE 1 FLAGS (\\Seen)\r\n5 LOGOUT\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert!(heard.contains("* 1 FETCH (BODY[TEXT] {7}\r\nHello\r\n)\r\n3 OK "));
//! assert!(heard.contains("4 NO Later\r\n"));
//! assert_eq!(imap.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod address;
mod authentication;
mod conversation;
mod fetch;
mod flaw;
mod items;
mod keys;
mod listing;
mod mime;
mod rule;
mod search;
mod selected;
mod sort;
mod structure;
mod syntax;
mod text;
mod thread;
mod view;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use rule::{NotARule, Rule, RULES};

use self::conversation::Conversation;
use self::rule::Event;
use crate::journal::Journal;
use crate::mailbox::MailStore;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::sasl::Mechanism;
use crate::server::Service;

/// A server that keeps mail. By default it offers everything, lets everybody in, and each finds an
/// empty INBOX.
#[derive(Default)]
pub struct ImapServer {
    /// What is neither offered nor understood: the names of [`CAPABILITIES`], or `AUTH=NAME` for one
    /// mechanism. Without one of its parts, such as `MOVE`, there is no `IMAP4rev2` either.
    pub without: Vec<String>,
    /// Names and passwords. The password is also the token for XOAUTH2 and OAUTHBEARER. Without any,
    /// every login is taken, and what needs to know a password is not offered: all mechanisms but
    /// PLAIN, EXTERNAL and ANONYMOUS.
    pub users: Vec<(String, String)>,
    /// What it does other than usual, now and then.
    pub rules: Vec<Rule>,
    /// What it does wrong, all the time.
    pub flaws: Vec<Flaw>,
    /// Where the mail is, which others may share.
    pub store: Arc<MailStore>,
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
    /// Somebody logged in.
    Login {
        /// The number of the connection.
        connection: usize,
        /// Who it is.
        user: &'n str,
    },
    /// Somebody put a message into a mailbox.
    Appended {
        /// The number of the connection.
        connection: usize,
        /// The name of the mailbox.
        mailbox: &'n str,
        /// The message's UID.
        uid: u32,
    },
    /// Messages were deleted for good.
    Expunged {
        /// The number of the connection.
        connection: usize,
        /// The name of the mailbox.
        mailbox: &'n str,
        /// How many.
        messages: usize,
    },
    /// A client broke the protocol, as in [`ImapServer::violations`].
    Violation(&'n str),
}

/// What a server can do without. `AUTH` stands for all mechanisms, and `LOGIN` for that command.
/// LITERAL- is offered where LITERAL+ is not.
pub const CAPABILITIES: [&str; 28] = [
    "IMAP4rev1",
    "IMAP4rev2",
    "STARTTLS",
    "LOGIN",
    "AUTH",
    "SASL-IR",
    "LITERAL+",
    "LITERAL-",
    "ID",
    "ENABLE",
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "ESEARCH",
    "SEARCHRES",
    "IDLE",
    "MOVE",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CONDSTORE",
    "SORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "COMPRESS=DEFLATE",
    "UTF8=ACCEPT",
    "STATUS=SIZE",
];

/// The parts of IMAP4rev2 (RFC 9051 appendix E): to offer that is to offer each of them.
const REV2: [&str; 13] = [
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "ESEARCH",
    "SEARCHRES",
    "ENABLE",
    "IDLE",
    "SASL-IR",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "MOVE",
    "LITERAL-",
    "STATUS=SIZE",
];

impl ImapServer {
    /// The commands that were heard, each with the number of its connection. Secrets are `***`, and
    /// of literals only the announcement is there. Of very many, the oldest are forgotten.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the command and what was wrong with it.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    /// Whether a name of [`CAPABILITIES`] is not hidden, nor a part of it.
    fn has(&self, capability: &str) -> bool {
        let is_there = |name: &str| {
            let mut hidden = self.without.iter();
            !hidden.any(|hidden| hidden.eq_ignore_ascii_case(name))
        };
        let is_rev2 = capability.eq_ignore_ascii_case("IMAP4rev2");
        is_there(capability) && (!is_rev2 || REV2.into_iter().all(is_there))
    }

    /// Whether IMAP4rev2 is all that there is, so that nobody has to enable it (RFC 9051 section
    /// 7.2.2).
    fn has_rev2_alone(&self) -> bool {
        self.has("IMAP4rev2") && !self.has("IMAP4rev1")
    }

    fn has_mechanism(&self, mechanism: Mechanism) -> bool {
        self.has("AUTH") && self.has(&format!("AUTH={}", mechanism.name()))
    }

    fn is_flawed(&self, flaw: &Flaw) -> bool {
        self.flaws.contains(flaw)
    }

    /// What a flaw that has a value was given.
    fn flaw_value<T>(&self, value: impl Fn(&Flaw) -> Option<T>) -> Option<T> {
        self.flaws.iter().find_map(value)
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

impl fmt::Debug for ImapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapServer")
            .field("without", &self.without)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Service for ImapServer {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
