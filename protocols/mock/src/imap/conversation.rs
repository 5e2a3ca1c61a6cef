//! One conversation: commands and replies, states, and which command is whose.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::flaw::Flaw;
use super::rule::Event;
use super::syntax::{is_tag, Arguments};
use super::view::View;
use super::ImapServer;
use crate::channel::Channel;
use crate::mailbox::{Account, Refusal};
use crate::peer::Peer;
use crate::rule::Course;
use crate::sasl::MECHANISMS;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    pub server: &'c ImapServer,
    pub channel: Channel<'c>,
    pub connection: usize,
    /// Since the client has logged in.
    pub account: Option<Arc<Account>>,
    /// Since a mailbox was selected.
    pub view: Option<View>,
    /// ENABLE IMAP4rev2, UTF8=ACCEPT and CONDSTORE, which other commands enable as well. A server
    /// that speaks nothing but IMAP4rev2 has it enabled.
    pub is_rev2: bool,
    pub is_utf8: bool,
    pub has_modseq: bool,
    /// The tag of the command under way.
    pub tag: String,
    /// The command under way, for what is said of it.
    line: String,
    /// What a rule says instead of OK.
    said: Option<String>,
    /// This command is the last.
    pub is_over: bool,
}

/// Why a command does not go on as planned.
pub(super) enum Break {
    /// It ends with this status, and the conversation goes on.
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

impl From<Refusal> for Break {
    fn from(refusal: Refusal) -> Break {
        // RFC 9051 section 7.1, RFC 5530.
        let code = match refusal {
            Refusal::NoMailbox => "NONEXISTENT",
            Refusal::Exists => "ALREADYEXISTS",
            Refusal::BadName => "CANNOT",
            Refusal::Full => "OVERQUOTA",
            Refusal::TooLarge => "TOOBIG",
            Refusal::NotKept => "SERVERBUG",
        };
        Break::Refused(format!("NO [{code}] {refusal}"))
    }
}

/// How long a client may be silent (RFC 9051 section 5.4).
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);

/// The longest command without its literals (RFC 7162 section 4).
const COMMAND: usize = 8192;

/// The longest literal of commands that put no message anywhere.
const LITERAL: u64 = 64 * 1024;

/// The longest literal without a continuation where there is LITERAL- (RFC 7888 section 5).
const SMALL_LITERAL: u64 = 4096;

impl<'c> Conversation<'c> {
    pub fn new(server: &'c ImapServer, peer: &'c mut Peer, connection: usize) -> Conversation<'c> {
        Conversation {
            server,
            channel: Channel::new(peer),
            connection,
            account: None,
            view: None,
            is_rev2: server.has_rev2_alone(),
            is_utf8: server.has_rev2_alone(),
            has_modseq: false,
            tag: String::new(),
            line: String::new(),
            said: None,
            is_over: false,
        }
    }

    /// Holds the conversation to its end.
    pub fn hold(mut self) -> io::Result<()> {
        let result = self.converse();
        // What is said last may still wait to be compressed.
        self.channel.squeeze()?;
        match result {
            Ok(()) | Err(Break::Refused(_) | Break::Over) => Ok(()),
            Err(Break::Failed(error)) => Err(error),
        }
    }

    fn converse(&mut self) -> Result {
        self.greet()?;
        while !self.is_over {
            self.said = None;
            let (status, is_numbered) = match self.serve_one() {
                Ok((status, is_numbered)) => (self.said.take().unwrap_or(status), is_numbered),
                Err(Break::Refused(status)) => (status, true),
                Err(other) => return Err(other),
            };
            self.tell_news(!is_numbered)?;
            self.flood()?;
            let tag = std::mem::take(&mut self.tag);
            match (status.as_str(), tag.as_str()) {
                ("", _) => {}
                (status, "") => self.say(&format!("* {status}"))?,
                (status, tag) => self.say(&format!("{tag} {status}"))?,
            }
            self.channel.squeeze()?;
        }
        Ok(())
    }

    fn greet(&mut self) -> Result {
        let said = match self.consult(Event::Connect, &[]) {
            Ok(()) => self.said.take(),
            Err(Break::Refused(said)) => {
                self.is_over = true;
                Some(said)
            }
            Err(other) => return Err(other),
        };
        let state = match self.server.is_flawed(&Flaw::Preauth) {
            true => {
                let mut users = self.server.users.iter();
                let user = users.next().map_or("anonymous", |(user, _)| user);
                self.account = self.server.store.account(user);
                "PREAUTH"
            }
            false => "OK",
        };
        let usual = format!(
            "{state} [CAPABILITY {}] IMAP mock server ready",
            self.capabilities()
        );
        self.say(&format!("* {}", said.unwrap_or(usual)))?;
        let early = self.server.flaw_value(|flaw| match flaw {
            Flaw::EarlyReplies(tags) => Some(tags.clone()),
            _ => None,
        });
        for tag in early.iter().flat_map(|tags| tags.split(',')) {
            self.say(&format!("{tag} OK early"))?;
        }
        Ok(())
    }

    /// Reads a command and does it. Returns how it ends, and whether it was one of those that use
    /// message numbers, so that no number may change (RFC 9051 section 7.5.1).
    fn serve_one(&mut self) -> Result<(String, bool)> {
        let command = self.read_command()?;
        let mut arguments = Arguments::new(&command, self.is_utf8);
        let mut verb = self.checked(arguments.keyword())?;
        self.consult(Event::Command, &[&verb])?;
        let by_uid = verb == "UID";
        if by_uid {
            self.checked(arguments.space())?;
            verb = self.checked(arguments.keyword())?;
        }
        let is_numbered = matches!(
            verb.as_str(),
            "FETCH" | "STORE" | "SEARCH" | "SORT" | "THREAD"
        );
        let status = match verb.as_str() {
            _ if by_uid => self.select_state(&verb, &mut arguments, true),
            "CAPABILITY" | "NOOP" | "LOGOUT" | "ID" => self.any_state(&verb, &mut arguments),
            "STARTTLS" | "LOGIN" | "AUTHENTICATE" => match &self.account {
                None => self.authentication(&verb, &mut arguments),
                Some(_) => Err(self.wrong("you are logged in already")),
            },
            "CHECK" | "CLOSE" | "UNSELECT" | "EXPUNGE" | "SEARCH" | "SORT" | "THREAD" | "FETCH"
            | "STORE" | "COPY" | "MOVE" => self.select_state(&verb, &mut arguments, false),
            "ENABLE" | "SELECT" | "EXAMINE" | "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE"
            | "UNSUBSCRIBE" | "LIST" | "LSUB" | "NAMESPACE" | "STATUS" | "APPEND" | "IDLE"
            | "COMPRESS" => match self.account.clone() {
                Some(account) => self.account_state(&account, &verb, &mut arguments),
                None => Err(self.wrong("log in first")),
            },
            _ => Err(self.wrong("no such command")),
        }?;
        Ok((status, is_numbered && !by_uid))
    }

    // --- what is heard ---

    /// Reads a command with its literals. What is behind its tag is returned.
    fn read_command(&mut self) -> Result<Vec<u8>> {
        self.line = "(nothing)".to_owned();
        let mut command = self.read_line(COMMAND)?;
        let mut shown = command.clone();
        let end = command
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(command.len());
        let (tag, rest) = command.split_at(end);
        if !is_tag(tag) {
            self.hear(&command);
            return Err(self.wrong("it begins with no tag"));
        }
        self.tag = String::from_utf8_lossy(tag).into_owned();
        let rest = rest.get(1..).unwrap_or_default().to_vec();
        let is_append = rest
            .get(..6)
            .is_some_and(|verb| verb.eq_ignore_ascii_case(b"APPEND"));
        command = rest;
        let mut line = command.clone();
        while let Some((size, needs_continuation)) = announced(&line) {
            self.hear(&shown);
            let literal = self.read_literal(size, needs_continuation, is_append)?;
            command.extend_from_slice(b"\r\n");
            command.extend_from_slice(&literal);
            line = self.read_line(COMMAND)?;
            command.extend_from_slice(&line);
            shown.extend_from_slice(&line);
            if shown.len() > COMMAND {
                self.is_over = true;
                return Err(self.wrong("the command is too long"));
            }
        }
        self.hear(&shown);
        self.server.journal.hear(self.connection, &self.line);
        Ok(command)
    }

    fn read_literal(&mut self, size: u64, waits: bool, is_append: bool) -> Result<Vec<u8>> {
        let has_plus = self.server.has("LITERAL+");
        let longest = match is_append && self.account.is_some() {
            true => self.server.store.limits().size,
            false => LITERAL,
        };
        if waits {
            if self.channel.unread() > 0 {
                self.note("the literal came before its continuation");
            }
            self.consult(Event::Literal, &[&size.to_string()])?;
            if size > longest {
                return Err(Break::Refused(
                    "NO [TOOBIG] the literal is too large".to_owned(),
                ));
            }
            self.say("+ go ahead")?;
        } else if !has_plus && !self.server.has("LITERAL-") {
            self.is_over = true;
            return Err(self.wrong("literals without a continuation are not offered"));
        } else if (!has_plus && size > SMALL_LITERAL) || size > longest {
            // It cannot be told what follows (RFC 7888 section 4).
            self.is_over = true;
            self.note("a literal without a continuation is too large");
            return Err(Break::Refused(
                "BAD [TOOBIG] the literal is too large".to_owned(),
            ));
        }
        self.expect_progress();
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        match self.channel.read_exactly(count) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Break::Over),
            literal => Ok(literal?),
        }
    }

    /// Keeps a command for what is said of it, without secrets.
    fn hear(&mut self, shown: &[u8]) {
        let mut words = shown.splitn(4, |byte| *byte == b' ');
        let (_, verb) = (words.next(), words.next().unwrap_or_default());
        let secret = match verb.to_ascii_uppercase().as_slice() {
            b"LOGIN" => words.next(),
            b"AUTHENTICATE" => words.nth(1),
            _ => None,
        };
        let secret = secret.map_or(0, |first| {
            first.len() + words.next().map_or(0, |rest| rest.len() + 1)
        });
        let plain = shown.get(..shown.len() - secret).unwrap_or_default();
        self.line = escaped(plain);
        if secret > 0 {
            self.line.push_str("***");
        }
    }

    /// Reads an answer to a continuation, which is kept from all that is said of it.
    pub fn read_answer(&mut self, longest: usize) -> Result<String> {
        let line = self.read_line(longest)?;
        String::from_utf8(line).map_err(|_| self.wrong("not UTF-8"))
    }

    /// Reads a line without its CRLF.
    pub fn read_line(&mut self, longest: usize) -> Result<Vec<u8>> {
        self.expect_progress();
        let line = match self.channel.read_raw_line(longest) {
            Ok(Some(line)) => line,
            Ok(None) => return Err(Break::Over),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.is_over = true;
                return Err(self.wrong("the line is too long"));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(before) = line.strip_suffix(b"\n") else {
            // The end of the stream in the middle of a line.
            return Err(Break::Over);
        };
        let text = before.strip_suffix(b"\r").unwrap_or(before);
        if line.len() > longest {
            return Err(self.wrong(&format!("the line is longer than {longest} octets")));
        }
        if text.len() == before.len() {
            return Err(self.wrong("bare LF: a line ends with CRLF"));
        }
        if text.contains(&b'\r') || text.contains(&0) {
            return Err(self.wrong("bare CR or NUL in a command"));
        }
        Ok(text.to_vec())
    }

    /// From now on the client has time again.
    pub fn expect_progress(&mut self) {
        self.channel.peer.set_deadline(Some(Instant::now() + IDLE));
    }

    /// Notes what came before the reply to a command after which bytes mean something else.
    pub fn check_last_of_a_group(&mut self) {
        let count = self.channel.unread();
        if count > 0 {
            self.note(&format!("{count} bytes came before the reply"));
        }
    }

    /// What was read, or a refusal that tells what is wrong.
    pub fn checked<T>(&mut self, parsed: std::result::Result<T, String>) -> Result<T> {
        parsed.map_err(|what| self.wrong(&what))
    }

    pub fn no_arguments(&mut self, arguments: &Arguments<'_>) -> Result {
        self.checked(arguments.end())
    }

    // --- what is said ---

    /// Says a line.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        self.say_raw(line.as_bytes())?;
        self.end_line()
    }

    /// Says the beginning of a response, or all of it but its end.
    pub fn say_raw(&mut self, text: &[u8]) -> io::Result<()> {
        if !self.server.is_flawed(&Flaw::LowerCase) {
            return self.channel.write_all(text);
        }
        // A keyword is the second word, or the third behind a number.
        let mut text = text.to_vec();
        let mut words = text.split_mut(|byte| *byte == b' ').skip(1);
        let keyword = words.find(|word| !word.iter().all(u8::is_ascii_digit));
        if let Some(keyword) = keyword {
            keyword.make_ascii_lowercase();
        }
        self.channel.write_all(&text)
    }

    pub fn end_line(&mut self) -> io::Result<()> {
        match self.server.is_flawed(&Flaw::BareLf) {
            true => self.channel.write_all(b"\n"),
            false => self.channel.write_all(b"\r\n"),
        }
    }

    /// Says what nobody asked for, if the server does that.
    fn flood(&mut self) -> Result {
        let count = self.server.flaw_value(|flaw| match flaw {
            Flaw::Flood(count) => Some(*count),
            _ => None,
        });
        for number in 0..count.unwrap_or(0) {
            match number % 3 {
                0 => self.say(&format!("* {} EXISTS", number + 1))?,
                1 => self.say("* OK [ALERT] the server floods")?,
                _ => self.say(&format!("* {number} FETCH (FLAGS (\\Seen flood{number}))"))?,
            }
        }
        Ok(())
    }

    /// Refuses what no client should say, and remembers it.
    pub fn wrong(&mut self, text: &str) -> Break {
        self.note(text);
        Break::Refused(format!("BAD {text}"))
    }

    /// Remembers that the client broke the protocol.
    pub fn note(&mut self, what: &str) {
        let server = self.server;
        server.note_violation(self.connection, &self.line, what);
    }

    /// Does what the rules say about an event that would go well. What they say instead of OK is
    /// said at the end of the command.
    pub fn consult(&mut self, event: Event, subjects: &[&str]) -> Result {
        let server = self.server;
        let Some(rule) = server.rule_for(event, subjects) else {
            return Ok(());
        };
        self.channel.squeeze()?;
        match rule.carry_out(self.channel.peer)? {
            Course::GoesOn => {}
            Course::EndsWithReply => self.is_over = true,
            Course::IsOver => return Err(Break::Over),
        }
        for line in rule.reply.iter().flat_map(|reply| reply.split('\n')) {
            let word = line.split(' ').next().unwrap_or_default();
            match word.to_ascii_uppercase().as_str() {
                "*" | "+" => self.say(line)?,
                "OK" | "PREAUTH" => self.said = Some(line.to_owned()),
                "BYE" => {
                    if event != Event::Connect {
                        self.say(&format!("* {line}"))?;
                        return Err(Break::Over);
                    }
                    return Err(Break::Refused(line.to_owned()));
                }
                _ => return Err(Break::Refused(line.to_owned())),
            }
        }
        Ok(())
    }

    // --- the commands of every state ---

    fn any_state(&mut self, verb: &str, arguments: &mut Arguments<'_>) -> Result<String> {
        if verb == "ID" {
            return self.id(arguments);
        }
        self.no_arguments(arguments)?;
        match verb {
            "CAPABILITY" => {
                self.consult(Event::Capability, &[])?;
                self.say(&format!("* CAPABILITY {}", self.capabilities()))?;
            }
            "NOOP" => self.consult(Event::Noop, &[])?,
            _ => {
                self.consult(Event::Logout, &[])?;
                self.view = None;
                self.is_over = true;
                self.say("* BYE logging out")?;
            }
        }
        Ok(format!("OK {verb} completed"))
    }

    /// RFC 2971 section 3.1: at most 30 pairs, names of at most 30 octets, values of 1024.
    fn id(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        if !self.server.has("ID") {
            return Err(self.wrong("ID is not offered"));
        }
        self.checked(arguments.space())?;
        if !arguments.eat_word("NIL") {
            let pair = arguments.list(|arguments| {
                let name = arguments.string()?;
                arguments.space()?;
                let value = arguments.nstring()?.unwrap_or_default();
                match name.len() <= 30 && value.len() <= 1024 {
                    true => Ok(()),
                    false => Err("a name or a value is too long".to_owned()),
                }
            });
            if self.checked(pair)?.len() > 30 {
                return Err(self.wrong("more than 30 pairs"));
            }
        }
        self.no_arguments(arguments)?;
        self.consult(Event::Id, &[])?;
        self.say("* ID (\"name\" \"proto-mock\")")?;
        Ok("OK ID completed".to_owned())
    }

    pub fn capabilities(&self) -> String {
        let mut names = Vec::new();
        let is_encrypted = self.channel.peer.is_encrypted();
        for name in super::CAPABILITIES {
            let is_offered = match name {
                "AUTH" | "LOGIN" => false,
                "LITERAL-" => !self.server.has("LITERAL+"),
                "STARTTLS" => !is_encrypted && self.account.is_none(),
                "SASL-IR" => self.account.is_none(),
                "COMPRESS=DEFLATE" => self.account.is_some() && !self.channel.is_compressed(),
                _ => true,
            };
            if is_offered && self.server.has(name) {
                names.push(name.to_owned());
            }
        }
        if self.account.is_none() {
            let offered = MECHANISMS
                .into_iter()
                .filter(|one| self.offers_mechanism(*one));
            names.extend(offered.map(|mechanism| format!("AUTH={}", mechanism.name())));
            if !self.takes_login() {
                names.push("LOGINDISABLED".to_owned());
            }
        }
        names.join(" ")
    }
}

/// The literal that a line announces: its size, and whether the client waits before it.
fn announced(line: &[u8]) -> Option<(u64, bool)> {
    let inside = line.strip_suffix(b"}")?;
    let start = inside.iter().rposition(|byte| *byte == b'{')?;
    let inside = inside.get(start + 1..)?;
    let digits = inside.strip_suffix(b"+").unwrap_or(inside);
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((size, digits.len() == inside.len()))
}
