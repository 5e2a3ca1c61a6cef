//! One conversation: lines, states, and which command is whose.

use std::io;
use std::time::{Duration, Instant};

use base64::prelude::{Engine, BASE64_STANDARD};
use proto_transport::escape::escaped;

use super::flaw::Flaw;
use super::rule::Event;
use super::source::Message;
use super::{Hold, Maildrop};
use crate::peer::Peer;
use crate::rule::Course;
use crate::sasl::MECHANISMS;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    pub maildrop: &'c Maildrop,
    pub peer: &'c mut Peer,
    pub connection: usize,
    /// What the greeting held for APOP.
    pub timestamp: Option<String>,
    /// The name that the last command gave, if that was USER.
    pub named: Option<String>,
    /// Whether UTF8 was said.
    pub is_utf8: bool,
    /// Since the client has logged in.
    pub session: Option<Session<'c>>,
    /// The command under way, for what is said of it.
    line: String,
    /// This command is the last.
    pub is_over: bool,
}

/// A maildrop that is open.
pub(super) struct Session<'c> {
    /// Released with the session.
    pub hold: Hold<'c>,
    pub messages: Vec<Message>,
}

/// Why a command does not go on as planned.
pub(super) enum Break {
    /// It is refused with these words, and the conversation goes on.
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

/// How long a client may be silent (RFC 1939 section 3).
const IDLE: Duration = Duration::from_secs(10 * 60);

/// The longest command, with its CRLF (RFC 2449 section 4).
const COMMAND: usize = 255;

/// The longest answer to a challenge, with its CRLF: as in SMTP (RFC 4954 section 4.3), since RFC
/// 5034 names no limit.
pub(super) const ANSWER: usize = 12288;

/// What may have nothing behind it before it is answered: it changes how bytes are read, or there
/// is nothing to read any more.
const LAST_OF_A_GROUP: [&str; 3] = ["STLS", "AUTH", "QUIT"];

impl<'c> Conversation<'c> {
    pub fn new(maildrop: &'c Maildrop, peer: &'c mut Peer, connection: usize) -> Conversation<'c> {
        Conversation {
            maildrop,
            peer,
            connection,
            timestamp: None,
            named: None,
            is_utf8: false,
            session: None,
            line: String::new(),
            is_over: false,
        }
    }

    /// Holds the conversation to its end. Only QUIT deletes anything: when the connection is lost,
    /// or the client silent for too long, nothing is (RFC 1939 sections 3 and 6).
    pub fn hold(mut self) -> io::Result<()> {
        let mut result = self.greet();
        loop {
            match result {
                Ok(()) => {}
                Err(Break::Refused(reply)) => self.say(&reply)?,
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
        let mut greeting = "+OK POP3 mock server ready".to_owned();
        // RFC 1939 section 7: a timestamp says that there is APOP.
        if self.maildrop.has("APOP") && !self.maildrop.users.is_empty() {
            let timestamp = self.new_timestamp();
            greeting = format!("{greeting} {timestamp}");
            self.timestamp = Some(timestamp);
        }
        let said = self.consult(Event::Connect, &[]);
        // Whoever is turned away has nothing to say.
        self.is_over |= matches!(said, Err(Break::Refused(_)));
        self.say_or(said?, &greeting)
    }

    /// A msg-id that was never there before.
    fn new_timestamp(&self) -> String {
        let mut random = [0; 12];
        // Should the system have no random bytes, all are the same, and clients work all the same.
        let _ = getrandom::fill(&mut random);
        let random = BASE64_STANDARD.encode(random);
        match self.maildrop.is_flawed(&Flaw::MalformedTimestamp) {
            true => format!("<m\u{fc}ll {random}@localhost>"),
            false => format!("<{random}@localhost>"),
        }
    }

    fn serve_one(&mut self) -> Result {
        let line = self.read_line(COMMAND)?;
        let (keyword, rest) = match line.split_once(' ') {
            Some((keyword, rest)) => (keyword, Some(rest)),
            None => (line.as_str(), None),
        };
        let verb = keyword.to_ascii_uppercase();
        self.check_unread(LAST_OF_A_GROUP.contains(&verb.as_str()));
        let named = self.named.take();
        match verb.as_str() {
            "CAPA" => self.capa(rest),
            "LANG" => self.lang(rest),
            "QUIT" => self.quit(rest),
            "STLS" | "USER" | "PASS" | "APOP" | "AUTH" | "UTF8" => {
                if self.session.is_some() {
                    return Err(self.wrong("you are logged in already"));
                }
                self.authorize(&verb, rest, named)
            }
            "STAT" | "LIST" | "UIDL" | "TOP" | "RETR" | "DELE" | "RSET" | "NOOP" => {
                let Some(mut session) = self.session.take() else {
                    return Err(self.wrong("log in first"));
                };
                let result = self.transact(&mut session, &verb, rest);
                self.session = Some(session);
                result
            }
            _ => Err(self.wrong("no such command")),
        }
    }

    // --- what is heard ---

    /// Reads a line, which may be so long with its CRLF, and keeps it for what is said of it.
    pub fn read_line(&mut self, longest: usize) -> Result<String> {
        self.expect_progress();
        let line = match self.peer.read_raw_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Err(Break::Over),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.is_over = true;
                self.line = "(a line without an end)".to_owned();
                return Err(self.wrong("the line is too long"));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(before) = line.strip_suffix(b"\n") else {
            // The end of the stream in the middle of a line.
            return Err(Break::Over);
        };
        let text = before.strip_suffix(b"\r").unwrap_or(before);
        let shown = text.get(..longest.min(text.len())).unwrap_or_default();
        self.line = String::from_utf8(shown.to_vec()).unwrap_or_else(|_| escaped(shown));
        let journal = &self.maildrop.journal;
        journal.hear(self.connection, &self.line);
        if line.len() > longest {
            return Err(self.wrong(&format!("the line is longer than {longest} octets")));
        }
        if text.len() == before.len() {
            return Err(self.wrong("bare LF: a line ends with CRLF"));
        }
        if text.contains(&b'\r') || text.contains(&0) {
            return Err(self.wrong("bare CR or NUL in a command"));
        }
        String::from_utf8(text.to_vec()).map_err(|_| self.wrong("not UTF-8"))
    }

    /// From now on the client has time again.
    pub fn expect_progress(&mut self) {
        self.peer.set_deadline(Some(Instant::now() + IDLE));
    }

    /// Notes what came too early, before the reply to the command under way.
    pub fn check_unread(&mut self, must_be_last: bool) {
        let count = self.peer.unread().len();
        if count > 0 && must_be_last {
            self.note(&format!("{count} bytes came before the reply"));
        } else if count > 0 && !self.maildrop.has("PIPELINING") {
            // RFC 2449 section 6.6.
            self.note(&format!(
                "{count} bytes came before the reply, without PIPELINING"
            ));
        }
    }

    pub fn check_no_argument(&mut self, rest: Option<&str>) -> Result {
        match rest {
            None => Ok(()),
            Some(_) => Err(self.wrong("nothing may follow this command")),
        }
    }

    // --- what is said ---

    /// Says a status line, or several lines.
    pub fn say(&mut self, reply: &str) -> io::Result<()> {
        for line in reply.split('\n') {
            let lower = match self.maildrop.is_flawed(&Flaw::LowerCase) {
                true if line.starts_with("+OK") => "+ok",
                true if line.starts_with("-ERR") => "-err",
                _ => "",
            };
            self.peer.write_all(lower.as_bytes())?;
            self.say_line(line.get(lower.len()..).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Says a line as it is.
    pub fn say_line(&mut self, line: &str) -> io::Result<()> {
        self.peer.write_all(line.as_bytes())?;
        self.peer.write_all(self.line_end())
    }

    pub fn line_end(&self) -> &'static [u8] {
        match self.maildrop.is_flawed(&Flaw::BareLf) {
            true => b"\n",
            false => b"\r\n",
        }
    }

    /// Says what a rule says, or else this.
    pub fn say_or(&mut self, said: Option<String>, reply: &str) -> Result {
        Ok(self.say(said.as_deref().unwrap_or(reply))?)
    }

    /// Says what a rule says, or else this, and then these lines and a dot; unless the rule has
    /// said several lines, which then are the whole reply.
    pub fn say_all<L: AsRef<str>>(
        &mut self,
        said: Option<String>,
        reply: &str,
        lines: impl Iterator<Item = L>,
    ) -> Result {
        let is_whole = said.as_ref().is_some_and(|said| said.contains('\n'));
        self.say_or(said, reply)?;
        if is_whole {
            return Ok(());
        }
        for line in lines {
            self.say_line(line.as_ref())?;
        }
        Ok(self.say_line(".")?)
    }

    /// A no, with a response code if such are offered (RFC 2449 section 8, RFC 3206).
    pub fn refusal(&self, code: &str, text: &str) -> Break {
        let needed = match code {
            "AUTH" | "SYS/TEMP" | "SYS/PERM" => "AUTH-RESP-CODE",
            _ => "RESP-CODES",
        };
        match self.maildrop.has("RESP-CODES") && self.maildrop.has(needed) {
            true => Break::Refused(format!("-ERR [{code}] {text}")),
            false => Break::Refused(format!("-ERR {text}")),
        }
    }

    /// Refuses what no client should say, and remembers it.
    pub fn wrong(&mut self, text: &str) -> Break {
        self.note(text);
        Break::Refused(format!("-ERR {text}"))
    }

    /// Remembers that the client broke the protocol.
    pub fn note(&mut self, what: &str) {
        let maildrop = self.maildrop;
        maildrop.note_violation(self.connection, &self.line, what);
    }

    /// Does what the rules say about an event that would go well, and gives what they say instead of
    /// the usual reply.
    pub fn consult(&mut self, event: Event, subjects: &[&str]) -> Result<Option<String>> {
        let maildrop = self.maildrop;
        let Some(rule) = maildrop.rule_for(event, subjects) else {
            return Ok(None);
        };
        match rule.carry_out(self.peer)? {
            Course::GoesOn => {}
            Course::EndsWithReply => self.is_over = true,
            Course::IsOver => return Err(Break::Over),
        }
        let is_yes = |reply: &String| {
            let status = reply.get(..3).unwrap_or_default();
            status.eq_ignore_ascii_case("+OK")
        };
        match &rule.reply {
            Some(reply) if !is_yes(reply) => Err(Break::Refused(reply.clone())),
            reply => Ok(reply.clone()),
        }
    }

    // --- the commands of both states ---

    /// RFC 2449 section 5. What holds before the login is announced after it as well.
    fn capa(&mut self, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        if !self.maildrop.has("CAPA") {
            return Err(Break::Refused("-ERR no such command".to_owned()));
        }
        let said = self.consult(Event::Capa, &[])?;
        let lines = self.capabilities();
        self.say_all(said, "+OK Capability list follows", lines.iter())
    }

    fn capabilities(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut add = |name: &str, values: &str| {
            if self.maildrop.has(name) {
                lines.push(format!("{name}{values}"));
            }
        };
        add("TOP", "");
        add("UIDL", "");
        add("USER", "");
        if !self.peer.is_encrypted() {
            add("STLS", "");
        }
        let mechanisms: String = MECHANISMS
            .into_iter()
            .filter(|mechanism| self.offers_mechanism(*mechanism))
            .map(|mechanism| format!(" {}", mechanism.name()))
            .collect();
        if !mechanisms.is_empty() {
            add("SASL", &mechanisms);
        }
        add("PIPELINING", "");
        add("RESP-CODES", "");
        add("AUTH-RESP-CODE", "");
        add("LOGIN-DELAY", " 0");
        add("EXPIRE", " NEVER");
        add("UTF8", " USER");
        add("LANG", "");
        add("IMPLEMENTATION", " proto-mock");
        lines
    }

    /// RFC 6856 section 3: the languages, or the choice of one.
    fn lang(&mut self, rest: Option<&str>) -> Result {
        if !self.maildrop.has("LANG") {
            return Err(self.wrong("LANG is not offered"));
        }
        let said = self.consult(Event::Lang, rest.as_slice())?;
        match rest {
            None => self.say_all(said, "+OK Languages follow", ["en English"].iter()),
            Some("*" | "en" | "i-default") => self.say_or(said, "+OK en English it is"),
            Some("") => Err(self.wrong("a language is missing")),
            Some(_) => Err(Break::Refused("-ERR only English is spoken".to_owned())),
        }
    }

    /// RFC 1939 sections 4 and 6. Whatever comes of it, the connection is closed.
    fn quit(&mut self, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Quit, &[]);
        self.is_over = true;
        let said = said?;
        // The maildrop is free again before the client learns that this is over.
        let is_updated = match self.session.take() {
            Some(session) => self.update(&session),
            None => true,
        };
        match is_updated {
            true => self.say_or(said, "+OK bye"),
            false => Err(self.refusal("SYS/PERM", "some deleted messages were not removed")),
        }
    }

    /// Deletes what is marked. Whether all of it went.
    fn update(&mut self, session: &Session<'_>) -> bool {
        let marked = session.messages.iter().filter(|message| message.is_deleted);
        let marked: Vec<&Message> = marked.collect();
        let count = marked.len();
        count == 0 || session.hold.delete(marked, self.connection) == count
    }
}
