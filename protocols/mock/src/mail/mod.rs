//! A mail server for tests in one: what comes by SMTP, submission or LMTP is there by POP3 and IMAP.
//!
//! | file | what it knows |
//! |---|---|
//! | `postman.rs` | mail on its way to the mailboxes |
//! | `rule.rs` | what happens to it there |
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use proto_mock::mail::{MailServer, Taking};
//! use proto_mock::{Options, Server};
//!
//! let mail = MailServer::default();
//! let smtp = Server::start(Options::default(), Arc::new(mail.mta(Taking::Smtp)?))?;
//!
//! let mut client = BufReader::new(TcpStream::connect(smtp.address())?);
//! client.get_mut().write_all(
//!     b"HELO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n\
//!       Subject: hi\r\n\r\nHello\r\n.\r\nQUIT\r\n",
//! )?;
//! client.lines().count();
//!
//! let messages = mail.wait_for("b@example.org", 1, Duration::from_secs(5));
//! let text = String::from_utf8(messages[0].content().to_vec())?;
//! assert!(text.starts_with("Return-Path: <a@x>\r\nReceived: from me\r\n"));
//! assert!(text.ends_with("Subject: hi\r\n\r\nHello\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod postman;
mod rule;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use postman::Postman;
pub use rule::{NotARule, Rule, RULES};

use crate::imap::{self, ImapServer};
use crate::mailbox::{Addresses, Limits, MailStore, Message, INBOX};
use crate::pop3::{self, Maildrop};
use crate::smtp::{self, Mta, Store};

/// What the servers over one store have in common. By default there is mail for everybody, and
/// everybody may log in with any password.
pub struct MailServer {
    /// The mail.
    pub store: Arc<MailStore>,
    /// Names and passwords. Without any, every login is taken.
    pub users: Vec<(String, String)>,
    /// The largest message; 0 for no limit.
    pub max_size: u64,
    /// What the servers that take mail do other than usual.
    pub smtp_rules: Vec<smtp::Rule>,
    /// What happens to mail on its way to the mailboxes.
    pub rules: Vec<Rule>,
    /// What the maildrop does other than usual.
    pub pop3_rules: Vec<pop3::Rule>,
    /// What the IMAP server does other than usual.
    pub imap_rules: Vec<imap::Rule>,
    /// The folder where each message is put with the conversation that brought it, if wanted.
    pub transcripts: Option<PathBuf>,
}

/// How mail comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// SMTP from whoever comes.
    Smtp,
    /// SMTP from those who have logged in (RFC 6409).
    Submission,
    /// LMTP (RFC 2033).
    Lmtp,
}

impl Default for MailServer {
    fn default() -> MailServer {
        // Without a folder, nothing can fail.
        let store = MailStore::by_address(Limits::default(), Addresses::default(), None);
        MailServer {
            store: Arc::new(store.unwrap_or_default()),
            users: Vec::new(),
            max_size: Mta::default().max_size,
            smtp_rules: Vec::new(),
            rules: Vec::new(),
            pop3_rules: Vec::new(),
            imap_rules: Vec::new(),
            transcripts: None,
        }
    }
}

impl MailServer {
    /// A server that takes mail for the store. Each counts on its own how often a rule was met.
    pub fn mta(&self, taking: Taking) -> io::Result<Mta> {
        let postman = Postman::new(Arc::clone(&self.store), self.rules.clone())?;
        let mut mta = Mta::default();
        mta.lmtp = taking == Taking::Lmtp;
        mta.requires_login = taking == Taking::Submission;
        mta.users = self.logins();
        mta.takes_any_login = self.users.is_empty();
        mta.max_size = self.max_size;
        mta.rules.clone_from(&self.smtp_rules);
        mta.store = Store::Mailboxes(Arc::new(postman));
        mta.transcripts.clone_from(&self.transcripts);
        Ok(mta)
    }

    /// A server that gives the mail of the store out, by POP3.
    pub fn maildrop(&self) -> Maildrop {
        let mut maildrop = Maildrop::default();
        maildrop.users = self.logins();
        maildrop.rules.clone_from(&self.pop3_rules);
        maildrop.store = Some(Arc::clone(&self.store));
        maildrop
    }

    /// A server that keeps the mail of the store, by IMAP.
    pub fn imap(&self) -> ImapServer {
        let mut imap = ImapServer::default();
        imap.users = self.logins();
        imap.rules.clone_from(&self.imap_rules);
        imap.store = Arc::clone(&self.store);
        imap
    }

    /// The messages in somebody's INBOX as soon as there are so many, or those that are there when
    /// the time is over.
    pub fn wait_for(&self, user: &str, count: usize, time: Duration) -> Vec<Message> {
        let Some(account) = self.store.account(user) else {
            return Vec::new();
        };
        let end = Instant::now() + time;
        loop {
            let seen = account.generation();
            let messages = account.read(|mailboxes| {
                let inbox = mailboxes.get(INBOX);
                inbox.map_or_else(Vec::new, |inbox| inbox.messages().to_vec())
            });
            let left = end.saturating_duration_since(Instant::now());
            if messages.len() >= count || left.is_zero() {
                return messages;
            }
            account.wait(seen, left);
        }
    }

    /// The names that log in: whoever is named by an address may leave the domain out, if there is
    /// nobody else of that name.
    fn logins(&self) -> Vec<(String, String)> {
        let mut logins = self.users.clone();
        for (name, password) in &self.users {
            let Some((local_part, _)) = name.rsplit_once('@') else {
                continue;
            };
            let same = self.users.iter().filter(|(other, _)| {
                let other = other
                    .rsplit_once('@')
                    .map_or(other.as_str(), |(local, _)| local);
                other.eq_ignore_ascii_case(local_part)
            });
            if same.count() == 1 {
                logins.push((local_part.to_owned(), password.clone()));
            }
        }
        logins
    }
}

#[cfg(test)]
mod tests;
