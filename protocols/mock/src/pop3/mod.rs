//! A maildrop for tests: POP3 (RFC 1939) with its extensions. It is as strict as a server may be,
//! remembers all that it heard, and does on request what servers do to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `conversation.rs` | lines, states, and which command is whose |
//! | `authorization.rs` | STLS, USER, PASS, APOP, AUTH and UTF8 (RFC 2595, RFC 5034, RFC 6856) |
//! | `transaction.rs` | the commands about messages |
//! | `wire.rs` | what a message looks like when it is sent |
//! | `mailbox/source.rs` | where messages come from |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::pop3::{Maildrop, Source};
//! use proto_mock::{Options, Server};
//!
//! let mut maildrop = Maildrop::default();
//! maildrop.source = Source::Messages(vec![b"Subject: hi\n\n.\n".to_vec(), b"x".to_vec()]);
//! maildrop.rules.push("retr=2 reply=-ERR [SYS/TEMP] Later".parse()?);
//! let maildrop = Arc::new(maildrop);
//! let server = Server::start(Options::default(), maildrop.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"USER me\r\nPASS x\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert!(heard.contains("+OK 18 octets\r\nSubject: hi\r\n\r\n..\r\n.\r\n-ERR [SYS/TEMP] Later\r\n"));
//! assert_eq!(maildrop.deleted().len(), 1);
//! assert_eq!(maildrop.messages_left().len(), 1);
//! assert_eq!(maildrop.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authorization;
mod conversation;
mod flaw;
mod rule;
mod transaction;
mod wire;

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex};

pub use crate::mailbox::Source;
pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use rule::{NotARule, Rule, RULES};

use self::conversation::Conversation;
use self::rule::Event;
use crate::journal::Journal;
use crate::mailbox::source::{self, Known, Message};
use crate::mailbox::{Account, MailStore, INBOX};
use crate::peer::Peer;
use crate::rule::Matches;
use crate::sasl::Mechanism;
use crate::server::Service;
use crate::stop::locked;

/// A server with mail to give out. By default it offers everything, lets everybody in, and is empty.
///
/// Whoever logs in finds the same messages, in a maildrop that is theirs for as long as the
/// connection lasts.
#[derive(Default)]
pub struct Maildrop {
    /// What is neither offered nor understood, in any case: the names of [`CAPABILITIES`], or
    /// `SASL=NAME` for one mechanism.
    pub without: Vec<String>,
    /// Names and passwords. The password is also the token for XOAUTH2 and OAUTHBEARER. Without any,
    /// every login is taken, and what needs to know a password is not offered: APOP, and all
    /// mechanisms but PLAIN, EXTERNAL and ANONYMOUS.
    pub users: Vec<(String, String)>,
    /// What it does other than usual, now and then.
    pub rules: Vec<Rule>,
    /// What it does wrong, all the time.
    pub flaws: Vec<Flaw>,
    /// Where messages come from.
    pub source: Source,
    /// Where they come from instead, if others share it: each finds their own INBOX.
    pub store: Option<Arc<MailStore>>,
    /// Who is told at once what happens.
    pub notify: Option<Notify>,
    journal: Journal,
    matches: Matches,
    known: Mutex<Known>,
    /// The users who are logged in.
    holders: Mutex<HashSet<String>>,
    deleted: Mutex<Vec<String>>,
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
        /// How many messages there are.
        messages: usize,
    },
    /// A message was deleted for good.
    Deleted {
        /// The number of the connection.
        connection: usize,
        /// The message's unique-id.
        uid: &'n str,
    },
    /// A client broke the protocol, as in [`Maildrop::violations`].
    Violation(&'n str),
}

/// What a server can do without. Without `CAPA` that command is refused, and without `APOP` the
/// greeting has no timestamp.
pub const CAPABILITIES: [&str; 15] = [
    "CAPA",
    "TOP",
    "UIDL",
    "USER",
    "STLS",
    "SASL",
    "PIPELINING",
    "RESP-CODES",
    "AUTH-RESP-CODE",
    "LOGIN-DELAY",
    "EXPIRE",
    "IMPLEMENTATION",
    "UTF8",
    "LANG",
    "APOP",
];

impl Maildrop {
    /// The unique-ids of the messages that a login would find now. Files that cannot be read count
    /// for nothing.
    pub fn messages_left(&self) -> Vec<String> {
        let messages = self.list().unwrap_or_default();
        let uids = messages.iter().map(|message| message.uid().into_owned());
        uids.collect()
    }

    /// The unique-ids of the messages that were deleted for good, in that order.
    pub fn deleted(&self) -> Vec<String> {
        locked(&self.deleted).clone()
    }

    /// The command lines that were heard, each with the number of its connection; also what answered
    /// the challenges of AUTH, secrets included. Of very many, the oldest are forgotten.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the command and what was wrong with it: `1: RETR 0: messages have numbers from 1 on`.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    /// Whether a name of [`CAPABILITIES`] is not hidden.
    fn has(&self, capability: &str) -> bool {
        let is_hidden = |name: &String| name.eq_ignore_ascii_case(capability);
        !self.without.iter().any(is_hidden)
    }

    fn has_mechanism(&self, mechanism: Mechanism) -> bool {
        self.has("SASL") && self.has(&format!("SASL={}", mechanism.name()))
    }

    fn is_flawed(&self, flaw: &Flaw) -> bool {
        self.flaws.contains(flaw)
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }

    fn list(&self) -> io::Result<Vec<Message>> {
        self.source.list(&mut locked(&self.known))
    }

    /// The user that a name at login means, and their mail where that is shared. `None` if they
    /// have none.
    fn user_of(&self, name: &str) -> Option<(String, Option<Arc<Account>>)> {
        match &self.store {
            None => Some((name.to_owned(), None)),
            Some(store) => {
                let (user, account) = store.user(name)?;
                Some((user, Some(account)))
            }
        }
    }

    /// Takes the maildrop of a user, unless somebody has it.
    fn hold(&self, user: String, account: Option<Arc<Account>>) -> Option<Hold<'_>> {
        let is_free = locked(&self.holders).insert(user.clone());
        is_free.then(|| Hold {
            maildrop: self,
            user,
            account,
        })
    }

    fn note_deletion(&self, message: &Message, connection: usize) {
        let uid = message.uid();
        locked(&self.deleted).push(uid.clone().into_owned());
        self.tell(&News::Deleted {
            connection,
            uid: &uid,
        });
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

/// A user's maildrop, which nobody else can have (RFC 1939 section 4) until this is dropped.
struct Hold<'m> {
    maildrop: &'m Maildrop,
    user: String,
    /// The user's mail where that is shared.
    account: Option<Arc<Account>>,
}

impl Hold<'_> {
    fn list(&self) -> io::Result<Vec<Message>> {
        match &self.account {
            Some(account) => Ok(account.listed()),
            None => self.maildrop.list(),
        }
    }

    /// The message itself, to be read piece by piece.
    fn open(&self, message: &Message) -> io::Result<Box<dyn Read + '_>> {
        match (&self.account, message.in_inbox()) {
            (Some(account), Some(uid)) => {
                let content = account.read(|mailboxes| {
                    let message = mailboxes.get(INBOX)?.message(uid)?;
                    Some(message.content())
                });
                Ok(Box::new(Cursor::new(
                    content.ok_or(io::ErrorKind::NotFound)?,
                )))
            }
            _ => self.maildrop.source.open(message),
        }
    }

    /// Deletes messages for good, and gives how many are gone.
    fn delete(&self, mut messages: Vec<&Message>, connection: usize) -> usize {
        match &self.account {
            Some(account) => {
                let mut uids: Vec<u32> = messages.iter().filter_map(|one| one.in_inbox()).collect();
                uids.sort_unstable();
                account.change(|mailboxes| {
                    let inbox = mailboxes.get_mut(INBOX);
                    inbox.map(|inbox| inbox.remove(&uids))
                });
            }
            None => {
                let source = &self.maildrop.source;
                messages.retain(|message| {
                    let result = source.remove(message, &mut locked(&self.maildrop.known));
                    result.is_ok()
                });
            }
        }
        for message in &messages {
            self.maildrop.note_deletion(message, connection);
        }
        messages.len()
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        locked(&self.maildrop.holders).remove(&self.user);
    }
}

impl fmt::Debug for Maildrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maildrop")
            .field("without", &self.without)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

impl Service for Maildrop {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
