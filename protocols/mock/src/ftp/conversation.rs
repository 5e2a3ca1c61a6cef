//! One conversation: lines, states, and which command is whose.

use std::io;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::data::Way;
use super::facts::FACTS;
use super::flaw::Flaw;
use super::listing::Style;
use super::naming::Digest;
use super::rule::{command, Event};
use super::tree::{names, Names};
use super::FtpServer;
use crate::peer::Peer;
use crate::rule::Course;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    pub server: &'c FtpServer,
    pub peer: &'c mut Peer,
    pub connection: usize,
    /// What USER gave.
    pub named: Option<String>,
    /// Whether the password was right, and ACCT is to follow.
    pub owes_account: bool,
    /// Who has logged in.
    pub user: Option<String>,
    /// The folder that it is in.
    pub folder: Names,
    /// TYPE A: line ends are CRLF (RFC 959 section 3.1.1.1).
    pub is_text: bool,
    /// What REST gave, for the next command.
    pub offset: Option<u64>,
    /// What RNFR gave, for the next command.
    pub renamed: Option<Names>,
    /// How the next data connection comes to be.
    pub way: Option<Way>,
    /// After EPSV ALL (RFC 2428 section 4).
    pub only_extended: bool,
    /// Whether PBSZ was said.
    pub has_buffer_size: bool,
    /// PROT P.
    pub is_private: bool,
    /// The facts of MLSD and MLST that the client wants.
    pub facts: Vec<&'static str>,
    /// What HASH makes.
    pub digest: Digest,
    /// The command under way, for what is said of it.
    pub line: String,
    /// What a rule says in the place of the usual reply to this command.
    said: Option<String>,
    /// This command is the last.
    pub is_over: bool,
}

/// Why a command does not go on as planned.
#[derive(Debug)]
pub(super) enum Break {
    /// It is refused with this line, or these, and the conversation goes on.
    Refused(String),
    /// Nothing more is said, nor heard.
    Over,
    Failed(io::Error),
}

pub(super) type Result<T = ()> = std::result::Result<T, Break>;

impl From<io::Error> for Break {
    fn from(error: io::Error) -> Break {
        Break::Failed(error)
    }
}

pub(super) fn refused<T>(reply: impl Into<String>) -> Result<T> {
    Err(Break::Refused(reply.into()))
}

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// What everybody may say before the login.
const FREE: [&str; 13] = [
    "USER", "PASS", "ACCT", "AUTH", "PBSZ", "PROT", "HOST", "FEAT", "OPTS", "SYST", "NOOP", "HELP",
    "QUIT",
];

// The escape characters of Telnet (RFC 854), which an ABOR may bring along (RFC 959 section 4.1.3).
const IAC: u8 = 255;
const INTERRUPT: u8 = 244;
const MARK: u8 = 242;

impl<'c> Conversation<'c> {
    pub fn new(server: &'c FtpServer, peer: &'c mut Peer, connection: usize) -> Conversation<'c> {
        Conversation {
            server,
            peer,
            connection,
            named: None,
            owes_account: false,
            user: None,
            folder: Names::new(),
            is_text: true,
            offset: None,
            renamed: None,
            way: None,
            only_extended: false,
            has_buffer_size: false,
            is_private: false,
            facts: FACTS.to_vec(),
            digest: Digest::Sha256,
            line: String::new(),
            said: None,
            is_over: false,
        }
    }

    /// Holds the conversation to its end.
    pub fn hold(mut self) -> io::Result<()> {
        let mut result = self.greet();
        loop {
            match result {
                Ok(()) => {}
                Err(Break::Refused(reply)) => {
                    // RFC 959 section 5.4: who says this closes the connection.
                    self.is_over |= reply.starts_with("421");
                    self.say(&reply)?;
                }
                Err(Break::Over) => return Ok(()),
                Err(Break::Failed(error)) => return Err(error),
            }
            if self.is_over {
                return Ok(());
            }
            result = self.serve_one();
        }
    }

    fn greet(&mut self) -> Result {
        let said = self.consult(Event("connect"), &[]);
        // Whoever is turned away has nothing to say.
        self.is_over |= matches!(said, Err(Break::Refused(_)));
        self.said = said?;
        self.ok("220 FTP mock server ready")?;
        for flaw in &self.server.flaws {
            if let Flaw::EarlyReplies(replies) = flaw {
                self.say(replies)?;
            }
        }
        Ok(())
    }

    fn serve_one(&mut self) -> Result {
        let line = self.read_line()?;
        let (verb, argument) = match line.iter().position(|byte| *byte == b' ') {
            Some(at) => line.split_at(at),
            None => (line.as_slice(), &b""[..]),
        };
        let argument = argument.strip_prefix(b" ").unwrap_or_default();
        let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
        let Some(event) = command(&verb) else {
            return refused("500 no such command");
        };
        if !self.server.has(&verb) {
            return refused("502 this server does not know this command");
        }
        let (offset, renamed) = (self.offset.take(), self.renamed.take());
        if self.user.is_none() && !FREE.contains(&verb.as_str()) {
            return refused("530 log in first");
        }
        let subject = match verb.as_str() {
            "PASS" | "ACCT" => self.named.clone().unwrap_or_default(),
            _ => escaped(argument),
        };
        let whole = self.line.clone();
        self.said = self.consult(Event("command"), &[&whole])?;
        let said = self.consult(event, &[&subject])?;
        self.said = said.or(self.said.take());
        match verb.as_str() {
            "USER" => self.user(argument),
            "PASS" => self.pass(argument),
            "ACCT" => self.acct(argument),
            "HOST" => self.host(argument),
            "AUTH" => self.auth(argument),
            "PBSZ" => self.pbsz(argument),
            "PROT" => self.prot(argument),
            "PASV" => self.pasv(argument),
            "EPSV" => self.epsv(argument),
            "PORT" => self.port(argument),
            "EPRT" => self.eprt(argument),
            "TYPE" => self.set_type(argument),
            "STRU" => self.only(argument, b"F"),
            "MODE" => self.only(argument, b"S"),
            "REST" => self.rest(argument),
            "RETR" => self.retr(argument, offset.unwrap_or(0)),
            "STOR" => self.stor(argument, offset.unwrap_or(0)),
            "APPE" => self.appe(argument),
            "LIST" => self.list(argument),
            "NLST" => self.nlst(argument),
            "MLSD" => self.mlsd(argument),
            "MLST" => self.mlst(argument),
            "CWD" => self.cwd(argument),
            "CDUP" => self.cwd(b".."),
            "PWD" => self.pwd(),
            "MKD" => self.mkd(argument),
            "RMD" => self.rmd(argument),
            "DELE" => self.dele(argument),
            "RNFR" => self.rnfr(argument),
            "RNTO" => self.rnto(argument, renamed),
            "SIZE" => self.size(argument),
            "MDTM" => self.mdtm(argument),
            "MFMT" => self.mfmt(argument),
            "HASH" => self.hash(argument),
            "XCRC" => self.checksum(argument, Digest::Crc32),
            "XMD5" => self.checksum(argument, Digest::Md5),
            "XSHA256" => self.checksum(argument, Digest::Sha256),
            "FEAT" => self.feat(),
            "OPTS" => self.opts(argument),
            "STAT" => self.stat(argument),
            "HELP" => self.block("214", &["this is a mock server".to_owned()], "that is all"),
            "SYST" => self.ok(self.server.style.system()),
            "ALLO" => self.ok("202 no need to"),
            "ABOR" => self.ok("226 nothing is under way"),
            "NOOP" => self.ok("200 well"),
            "QUIT" => self.quit(),
            _ => refused("502 not implemented"),
        }
    }

    // --- what is heard ---

    fn read_line(&mut self) -> Result<Vec<u8>> {
        self.peer.set_deadline(Some(Instant::now() + IDLE));
        let Some(line) = self.peer.read_raw_line()? else {
            return Err(Break::Over);
        };
        let Some(before) = line.strip_suffix(b"\n") else {
            // The end of the stream in the middle of a line.
            return Err(Break::Over);
        };
        let text = before.strip_suffix(b"\r");
        let plain = without_telnet(text.unwrap_or(before));
        self.line = String::from_utf8(plain.clone()).unwrap_or_else(|_| escaped(&plain));
        self.server.journal.hear(self.connection, &self.line);
        if text.is_none() {
            return Err(self.wrong("500 bare LF: a line ends with CRLF"));
        }
        if plain.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(self.wrong("500 bare CR or NUL in a command"));
        }
        Ok(plain)
    }

    /// Whether the client has said ABOR, which is then heard. What else it has said waits.
    pub fn is_aborted(&mut self) -> Result<bool> {
        if self.peer.unread().is_empty() {
            if !self.peer.is_readable() {
                return Ok(false);
            }
            if self.peer.read_more()? == 0 {
                return Err(Break::Over);
            }
        }
        let unread = self.peer.unread();
        let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
            return Ok(false);
        };
        let line = without_telnet(unread.get(..end).unwrap_or_default());
        let is_abort = line.trim_ascii().eq_ignore_ascii_case(b"ABOR");
        if is_abort {
            self.peer.skip(end + 1);
            self.server.journal.hear(self.connection, "ABOR");
        }
        Ok(is_abort)
    }

    /// The names that a path stands for. An empty one is the folder that the client is in.
    pub fn names(&mut self, path: &[u8]) -> Result<Names> {
        let mut names = names(&self.folder, path).ok_or_else(|| self.wrong("501 NUL in a path"))?;
        // On VMS every name has a dot, if only at its end.
        if let (Style::Vms, Some(last)) = (self.server.style, names.last_mut()) {
            if last.ends_with(b".") {
                last.pop();
            }
        }
        Ok(names)
    }

    /// The same for a path that must be there.
    pub fn required(&mut self, path: &[u8]) -> Result<Names> {
        if path.is_empty() {
            return Err(self.wrong("501 a path belongs here"));
        }
        self.names(path)
    }

    // --- what is said ---

    /// Says a reply, or several.
    pub fn say(&mut self, reply: &str) -> io::Result<()> {
        for line in reply.split('\n') {
            self.peer.write_line(line)?;
        }
        Ok(())
    }

    /// Says what a rule says, or else this.
    pub fn ok(&mut self, reply: &str) -> Result {
        let said = self.said.take();
        Ok(self.say(said.as_deref().unwrap_or(reply))?)
    }

    /// The same for a reply that holds names.
    pub fn ok_bytes(&mut self, reply: &[u8]) -> Result {
        match self.said.take() {
            Some(said) => Ok(self.say(&said)?),
            None => Ok(self.peer.write_line(reply)?),
        }
    }

    /// Says a reply of many lines, of which all but the first and the last begin with a blank.
    pub fn block(&mut self, code: &str, lines: &[String], last: &str) -> Result {
        if let Some(said) = self.said.take() {
            return Ok(self.say(&said)?);
        }
        self.say(&format!("{code}-this server:"))?;
        while self.server.is_flawed(&Flaw::EndlessReply) {
            self.say(" and more")?;
        }
        for line in lines {
            self.say(&format!(" {line}"))?;
        }
        Ok(self.say(&format!("{code} {last}"))?)
    }

    /// Refuses what no client should say, and remembers it without the code.
    pub fn wrong(&mut self, reply: &str) -> Break {
        self.note(reply.get(4..).unwrap_or_default());
        Break::Refused(reply.to_owned())
    }

    /// Remembers that the client broke the protocol.
    pub fn note(&mut self, what: &str) {
        self.server
            .note_violation(self.connection, &self.line, what);
    }

    /// Does what the rules say about an event, and gives what they say instead of the usual reply.
    pub fn consult(&mut self, event: Event, subjects: &[&str]) -> Result<Option<String>> {
        let Some(rule) = self.server.rule_for(event, subjects) else {
            return Ok(None);
        };
        match rule.carry_out(self.peer)? {
            Course::GoesOn => {}
            Course::EndsWithReply => self.is_over = true,
            Course::IsOver => return Err(Break::Over),
        }
        match &rule.reply {
            Some(reply) if !reply.starts_with(['1', '2', '3']) => refused(reply),
            reply => Ok(reply.clone()),
        }
    }

    // --- the commands of every state ---

    /// RFC 2389 section 3.2.
    fn feat(&mut self) -> Result {
        let mut lines = Vec::new();
        let mut add = |name: &str, line: String| {
            if self.server.has(name) {
                lines.push(line);
            }
        };
        add("AUTH", "AUTH TLS".to_owned());
        for name in ["EPRT", "EPSV"] {
            add(name, name.to_owned());
        }
        add("HASH", self.digest.offer());
        for name in ["HOST", "MDTM", "MFMT"] {
            add(name, name.to_owned());
        }
        let mark = |fact: &&str| match self.facts.contains(fact) {
            true => format!("{fact}*;"),
            false => format!("{fact};"),
        };
        add(
            "MLST",
            format!("MLST {}", FACTS.iter().map(mark).collect::<String>()),
        );
        for name in ["PASV", "PBSZ", "PROT"] {
            add(name, name.to_owned());
        }
        add("REST", "REST STREAM".to_owned());
        for name in ["SIZE", "TVFS", "UTF8", "XCRC", "XMD5", "XSHA256"] {
            add(name, name.to_owned());
        }
        self.block("211", &lines, "that is all")
    }

    /// RFC 2389 section 4.
    fn opts(&mut self, argument: &[u8]) -> Result {
        let argument = String::from_utf8_lossy(argument).into_owned();
        let (name, value) = argument.split_once(' ').unwrap_or((&argument, ""));
        let name = name.to_ascii_uppercase();
        if !self.server.has(&name) {
            return refused("501 no such option");
        }
        match name.as_str() {
            "UTF8" => self.ok("200 names are UTF-8, if they are"),
            "MLST" => {
                let wanted: Vec<&str> = value.split(';').collect();
                let is_wanted = |fact: &&str| wanted.iter().any(|w| w.eq_ignore_ascii_case(fact));
                self.facts = FACTS.into_iter().filter(is_wanted).collect();
                let facts: String = self.facts.iter().map(|fact| format!("{fact};")).collect();
                self.ok(&format!("200 MLST OPTS {facts}"))
            }
            "HASH" => match Digest::named(value) {
                Some(digest) => {
                    self.digest = digest;
                    self.ok(&format!("200 {}", digest.name()))
                }
                None => refused("501 no such digest"),
            },
            _ => refused("501 no such option"),
        }
    }

    fn set_type(&mut self, argument: &[u8]) -> Result {
        self.is_text = match argument.to_ascii_uppercase().as_slice() {
            b"A" | b"A N" => true,
            b"I" | b"L 8" => false,
            b"E" | b"A T" | b"A C" => return refused("504 not this type"),
            _ => return Err(self.wrong("501 that is no type")),
        };
        self.ok("200 so it is")
    }

    /// STRU and MODE, of which one value is all that anybody has.
    fn only(&mut self, argument: &[u8], known: &[u8]) -> Result {
        match argument.eq_ignore_ascii_case(known) {
            true => self.ok("200 so it is"),
            false => refused("504 only the usual one"),
        }
    }

    fn quit(&mut self) -> Result {
        self.is_over = true;
        self.ok("221 bye")
    }
}

/// What was said, without the escapes of Telnet: a byte 255 is said twice.
fn without_telnet(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != IAC {
            plain.push(byte);
        } else if bytes.next_if_eq(&IAC).is_some() {
            plain.push(IAC);
        } else {
            bytes.next_if(|next| matches!(*next, INTERRUPT | MARK));
        }
    }
    plain
}
