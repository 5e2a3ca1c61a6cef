//! A news server for tests: NNTP (RFC 3977) with its extensions. It is as strict as a server may be,
//! remembers all that it heard, and does on request what servers do to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `conversation.rs` | lines, states, and which command is whose |
//! | `authentication.rs` | STARTTLS (RFC 4642), AUTHINFO (RFC 4643), COMPRESS |
//! | `reading.rs`, `stuffing.rs` | groups and articles one by one; what an article looks like on the wire |
//! | `overview.rs` | OVER and HDR, and XOVER and XHDR of older servers (RFC 2980) |
//! | `listing.rs`, `wildmat.rs`, `time.rs` | LIST (RFC 6048), NEWGROUPS, NEWNEWS |
//! | `posting.rs` | POST and IHAVE |
//! | `spool.rs`, `article.rs`, `generated.rs` | where articles are, and where they come from |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::nntp::NewsServer;
//! use proto_mock::{Options, Server};
//!
//! let mut news = NewsServer::default();
//! news.spool.generate("misc.test", 3, 1000);
//! news.rules.push("stat=2 reply=423 Gone".parse()?);
//! let news = Arc::new(news);
//! let server = Server::start(Options::default(), news.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"GROUP misc.test\r\nSTAT 2\r\nSTAT 3\r\nQUIT\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert!(heard.contains("211 3 1 3 misc.test\r\n423 Gone\r\n223 3 <3.misc.test@"));
//! assert_eq!(news.commands()[1], (1, "STAT 2".to_owned()));
//! assert_eq!(news.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod article;
mod authentication;
mod conversation;
mod flaw;
mod generated;
mod listing;
mod overview;
mod posting;
mod reading;
mod rule;
mod spool;
mod stuffing;
mod time;
mod wildmat;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use rule::{NotARule, Rule, RULES};
pub use spool::{Spool, Summary};
pub use wildmat::Wildmat;

use self::conversation::Conversation;
use self::rule::Event;
use crate::journal::Journal;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::server::Service;
use crate::stop::locked;

/// A server with news. By default it offers everything, lets everybody read and post, and has no
/// groups.
pub struct NewsServer {
    /// What is neither offered nor understood: the names of [`CAPABILITIES`], `LIST=NAME` for one
    /// list, or `SASL=NAME` for one mechanism. VERSION, READER and IMPLEMENTATION are only not
    /// offered, which is what some servers do.
    pub without: Vec<String>,
    /// Names and passwords. The password is also the token for XOAUTH2 and OAUTHBEARER. Without any,
    /// every login is taken, and what needs to know a password is not offered: all mechanisms but
    /// PLAIN, EXTERNAL and ANONYMOUS.
    pub users: Vec<(String, String)>,
    /// The groups that only those see who have logged in; with `*`, nothing is told to others.
    pub needs_login: Option<Wildmat>,
    /// Whether nothing is told without TLS (483).
    pub needs_tls: bool,
    /// Whether POST is allowed.
    pub posting: bool,
    /// Whether the commands of readers are only understood after MODE READER (RFC 3977 section
    /// 3.4.2, a mode-switching server).
    pub starts_in_transit: bool,
    /// What it does other than usual, now and then.
    pub rules: Vec<Rule>,
    /// What it does wrong, all the time.
    pub flaws: Vec<Flaw>,
    /// The groups and their articles.
    pub spool: Arc<Spool>,
    /// Articles that came in are also written to this folder, one a file; it is made.
    pub save: Option<PathBuf>,
    /// Who is told at once what happens.
    pub notify: Option<Notify>,
    journal: Journal,
    matches: Matches,
    posted: Mutex<VecDeque<Posted>>,
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
    /// An article came in and was taken.
    Posted {
        /// The number of the connection.
        connection: usize,
        /// Its Message-ID, which the server may have made.
        message_id: &'n str,
        /// The groups that it names.
        groups: &'n [String],
    },
    /// A client broke the protocol, as in [`NewsServer::violations`].
    Violation(&'n str),
}

/// An article that came in and was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The number of the connection.
    pub connection: usize,
    /// Whether it came by IHAVE.
    pub is_transfer: bool,
    /// Its Message-ID, which the server may have made.
    pub message_id: String,
    /// The groups that it names.
    pub groups: Vec<String>,
    /// The article as it came, without the stuffing.
    pub content: Vec<u8>,
}

/// What a server can do without. Without CAPABILITIES that command is refused, as by servers from
/// before RFC 3977; hide OVER and HDR as well, and XOVER and XHDR remain.
pub const CAPABILITIES: [&str; 20] = [
    "CAPABILITIES",
    "VERSION",
    "IMPLEMENTATION",
    "READER",
    "MODE-READER",
    "IHAVE",
    "POST",
    "NEWNEWS",
    "HDR",
    "OVER",
    "OVER=MSGID",
    "XOVER",
    "XHDR",
    "LIST",
    "STARTTLS",
    "AUTHINFO",
    "AUTHINFO=USER",
    "AUTHINFO=SASL",
    "SASL",
    "COMPRESS",
];

/// The lists that can be hidden, each as `LIST=NAME`.
pub const LISTS: [&str; 11] = listing::VARIANTS;

/// How many articles are remembered as they came; the oldest are forgotten.
const POSTED: usize = 10_000;

impl Default for NewsServer {
    fn default() -> NewsServer {
        NewsServer {
            without: Vec::new(),
            users: Vec::new(),
            needs_login: None,
            needs_tls: false,
            posting: true,
            starts_in_transit: false,
            rules: Vec::new(),
            flaws: Vec::new(),
            spool: Arc::default(),
            save: None,
            notify: None,
            journal: Journal::default(),
            matches: Matches::default(),
            posted: Mutex::default(),
        }
    }
}

impl NewsServer {
    /// The articles that came in and were taken, in that order. Of very many, the oldest are
    /// forgotten.
    pub fn posted(&self) -> Vec<Posted> {
        locked(&self.posted).iter().cloned().collect()
    }

    /// The command lines that were heard, each with the number of its connection; also what answered
    /// the challenges of AUTHINFO, secrets included, but no articles. Of very many, the oldest are
    /// forgotten.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the command and what was wrong with it: `1: GROUP: GROUP takes a newsgroup`.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    /// Whether a name of [`CAPABILITIES`] is not hidden.
    fn has(&self, capability: &str) -> bool {
        let is_hidden = |name: &String| name.eq_ignore_ascii_case(capability);
        !self.without.iter().any(is_hidden)
    }

    fn is_flawed(&self, flaw: &Flaw) -> bool {
        self.flaws.contains(flaw)
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }

    fn remember(&self, article: Posted) {
        let mut posted = locked(&self.posted);
        if posted.len() >= POSTED {
            posted.pop_front();
        }
        posted.push_back(article);
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

impl fmt::Debug for NewsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewsServer")
            .field("without", &self.without)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

impl Service for NewsServer {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
