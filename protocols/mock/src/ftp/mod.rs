//! An FTP server for tests: RFC 959 with its extensions, over a folder or memory. It remembers all that
//! it heard, and does on request what servers do to clients.
//!
//! | file | what it knows |
//! |---|---|
//! | `conversation.rs` | lines, states, and which command is whose |
//! | `login.rs` | USER, PASS, ACCT, HOST (RFC 7151), AUTH, PBSZ and PROT (RFC 4217) |
//! | `data.rs` | PASV, EPSV, PORT, EPRT (RFC 2428) and the connections that they lead to |
//! | `transfer.rs` | RETR, STOR, APPE, REST, ABOR, and the bytes of listings |
//! | `naming.rs` | folders, names, sizes, times and digests of files |
//! | `listing.rs`, `facts.rs`, `hostile.rs` | what listings look like: LIST of many systems, MLSD (RFC 3659), and what none should hold |
//! | `tree.rs`, `folder.rs`, `memory.rs` | where files are |
//! | `rule.rs`, `flaw.rs` | what the server does other than usual, now and then or all the time |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::ftp::FtpServer;
//! use proto_mock::{Options, Server};
//!
//! let mut ftp = FtpServer::default();
//! ftp.files.put("pub/hello.txt", "Hello\n");
//! ftp.rules.push("size=pub/no* reply=550 No".parse()?);
//! let ftp = Arc::new(ftp);
//! let server = Server::start(Options::default(), ftp.clone())?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"USER me\r\nPASS x\r\nTYPE I\r\nSIZE pub/hello.txt\r\nSIZE pub/no\r\nQUIT\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert!(heard.contains("213 6\r\n550 No\r\n221 "));
//! assert_eq!(ftp.commands()[0], (1, "USER me".to_owned()));
//! assert_eq!(ftp.violations(), [""; 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conversation;
mod data;
mod facts;
mod flaw;
mod folder;
mod hostile;
mod listing;
mod login;
mod memory;
mod naming;
mod rule;
mod transfer;
mod tree;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

pub use flaw::{Flaw, NotAFlaw, FLAWS};
pub use hostile::HOSTILE;
pub use listing::Style;
pub use memory::Files;
pub use rule::{Event, NotARule, Rule, RULES};

use self::conversation::Conversation;
use self::folder::Folder;
use self::tree::Tree;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::peer::Peer;
use crate::rule::Matches;
use crate::server::Service;
use crate::tls::Acceptor;

/// A server of files. By default it offers everything, lets everybody in, and keeps files in memory.
pub struct FtpServer {
    /// The folder that is served, and nothing outside of it; without one, [`FtpServer::files`].
    pub root: Option<PathBuf>,
    /// What is served without a folder.
    pub files: Files,
    /// What is neither offered nor understood: names of [`FEATURES`].
    pub without: Vec<String>,
    /// Names and passwords; an empty one takes any. Without any users, every login is taken.
    /// `anonymous` is a name as any other.
    pub users: Vec<(String, String)>,
    /// What ACCT must say after the password (332).
    pub account: Option<String>,
    /// Whether nobody logs in without TLS (530), nor transfers without PROT P (521).
    pub needs_tls: bool,
    /// Whether nothing can be changed (550).
    pub read_only: bool,
    /// So many bytes can be stored in one file, then the disk is full (552).
    pub room: Option<u64>,
    /// What LIST looks like.
    pub style: Style,
    /// What it does other than usual, now and then.
    pub rules: Vec<Rule>,
    /// What it does wrong, all the time.
    pub flaws: Vec<Flaw>,
    /// Who is told at once what happens.
    pub notify: Option<Notify>,
    journal: Journal,
    matches: Matches,
    /// Somebody else's, for data connections that show it.
    stranger: OnceLock<Arc<Acceptor>>,
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
    /// A transfer was completed.
    Transfer {
        /// The number of the connection.
        connection: usize,
        /// The command, as `RETR a.txt`, made harmless.
        command: &'n str,
        /// The bytes that went over the data connection.
        bytes: u64,
    },
    /// A client broke the protocol, as in [`FtpServer::violations`].
    Violation(&'n str),
}

/// What a server can do without: most commands, and what FEAT tells beside commands. MLST hides MLSD
/// too.
pub const FEATURES: [&str; 38] = [
    "ABOR", "ACCT", "ALLO", "APPE", "AUTH", "CDUP", "DELE", "EPRT", "EPSV", "FEAT", "HASH", "HELP",
    "HOST", "LIST", "MDTM", "MFMT", "MKD", "MLST", "NLST", "NOOP", "OPTS", "PASV", "PBSZ", "PORT",
    "PROT", "PWD", "REST", "RMD", "RNFR", "SIZE", "STAT", "STOR", "SYST", "TVFS", "UTF8", "XCRC",
    "XMD5", "XSHA256",
];

impl Default for FtpServer {
    fn default() -> FtpServer {
        FtpServer {
            root: None,
            files: Files::default(),
            without: Vec::new(),
            users: Vec::new(),
            account: None,
            needs_tls: false,
            read_only: false,
            room: None,
            style: Style::Unix,
            rules: Vec::new(),
            flaws: Vec::new(),
            notify: None,
            journal: Journal::default(),
            matches: Matches::default(),
            stranger: OnceLock::new(),
        }
    }
}

impl FtpServer {
    /// The command lines that were heard, each with the number of its connection, passwords
    /// included. Of very many, the oldest are forgotten.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.journal.commands()
    }

    /// Where clients broke the protocol, whether that was refused or not, each as the connection,
    /// the command and what was wrong with it: `1: RETR x: no PASV, EPSV, PORT or EPRT before it`.
    pub fn violations(&self) -> Vec<String> {
        self.journal.violations()
    }

    /// Whether a name of [`FEATURES`] is not hidden.
    fn has(&self, feature: &str) -> bool {
        let name = match feature {
            "MLSD" => "MLST",
            "RNTO" => "RNFR",
            name => name,
        };
        let is_hidden = |hidden: &String| hidden.eq_ignore_ascii_case(name);
        !self.without.iter().any(is_hidden)
    }

    fn is_flawed(&self, flaw: &Flaw) -> bool {
        self.flaws.contains(flaw)
    }

    fn rule_for(&self, event: Event, subjects: &[&str]) -> Option<&Rule> {
        self.matches.rule_for(&self.rules, event, subjects)
    }

    fn with_tree<T>(&self, act: impl FnOnce(&dyn Tree) -> T) -> T {
        match &self.root {
            Some(root) => act(&Folder(root)),
            None => act(&self.files),
        }
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

    fn stranger(&self) -> Arc<Acceptor> {
        let acceptor = self
            .stranger
            .get_or_init(|| Arc::new(Acceptor::new(Identity::elsewhere(), true)));
        Arc::clone(acceptor)
    }
}

impl fmt::Debug for FtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpServer")
            .field("root", &self.root)
            .field("without", &self.without)
            .field("rules", &self.rules)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

impl Service for FtpServer {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        Conversation::new(self, peer, connection).hold()
    }
}

#[cfg(test)]
mod tests;
