//! One conversation: lines, states, and which command is whose.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::article::Article;
use super::flaw::Flaw;
use super::rule::Event;
use super::NewsServer;
use crate::channel::Channel;
use crate::peer::Peer;
use crate::rule::Course;
use crate::sasl::MECHANISMS;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    pub server: &'c NewsServer,
    pub channel: Channel<'c>,
    pub connection: usize,
    /// What AUTHINFO USER gave, until a password follows.
    pub named: Option<String>,
    /// Who has logged in.
    pub user: Option<String>,
    /// Whether the commands of readers are understood (RFC 3977 section 3.4.2).
    pub is_reader: bool,
    /// The group that is selected.
    pub group: Option<String>,
    /// The number of the current article.
    pub current: Option<u64>,
    /// The command under way, for what is said of it.
    line: String,
    /// This command is the last.
    pub is_over: bool,
}

/// Why a command does not go on as planned.
pub(super) enum Break {
    /// It is refused with this line, and the conversation goes on.
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

/// How long a client may be silent; RFC 3977 section 3.1 asks for three minutes at least.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// The longest command, with its CRLF (RFC 3977 section 3.1).
pub(super) const COMMAND: usize = 512;

/// The longest line of an article, and of an answer to a challenge (RFC 4643 section 2.4.2 names no
/// limit).
pub(super) const LINE: usize = 1024 * 1024;

/// How much a flaw adds to a status line.
const LONG: usize = 10_000;

/// What must have nothing behind it before it is answered (RFC 3977 sections 5.3.2, 6.3.1.2 and
/// 6.3.2.2; RFC 4642, RFC 4643 and RFC 8054, each section 2.2.2 or 2.3.2). Behind QUIT nothing is
/// read.
const NOT_PIPELINED: [&str; 7] = [
    "MODE", "POST", "IHAVE", "STARTTLS", "AUTHINFO", "COMPRESS", "QUIT",
];

/// What everybody may say, before the login and without TLS.
const FREE: [&str; 7] = [
    "CAPABILITIES",
    "MODE",
    "DATE",
    "HELP",
    "STARTTLS",
    "COMPRESS",
    "QUIT",
];

/// What readers say.
const READING: [&str; 17] = [
    "GROUP",
    "LISTGROUP",
    "LAST",
    "NEXT",
    "STAT",
    "HEAD",
    "BODY",
    "ARTICLE",
    "OVER",
    "XOVER",
    "HDR",
    "XHDR",
    "LIST",
    "NEWGROUPS",
    "NEWNEWS",
    "DATE",
    "POST",
];

impl<'c> Conversation<'c> {
    pub fn new(server: &'c NewsServer, peer: &'c mut Peer, connection: usize) -> Conversation<'c> {
        Conversation {
            server,
            channel: Channel::new(peer),
            connection,
            named: None,
            user: None,
            is_reader: !server.starts_in_transit,
            group: None,
            current: None,
            line: String::new(),
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
                    // RFC 3977 section 3.2.1: who says this closes the connection.
                    self.is_over |= reply.starts_with("400");
                    self.say(&reply)?;
                }
                Err(Break::Over) => break,
                Err(Break::Failed(error)) => return Err(error),
            }
            // What is said last may still wait to be compressed.
            self.channel.squeeze()?;
            if self.is_over {
                break;
            }
            result = self.serve_one();
        }
        self.channel.squeeze()
    }

    fn greet(&mut self) -> Result {
        let said = self.consult(Event::Connect, &[]);
        // Whoever is turned away has nothing to say.
        self.is_over |= matches!(said, Err(Break::Refused(_)));
        let said = said?;
        self.say_or(said, &self.welcome("NNTP mock server ready"))?;
        for flaw in &self.server.flaws {
            if let Flaw::EarlyReplies(replies) = flaw {
                self.say(replies)?;
            }
        }
        Ok(())
    }

    /// RFC 3977 section 5.1: whether it is possible to post.
    pub fn welcome(&self, text: &str) -> String {
        match self.server.posting && self.server.has("POST") {
            true => format!("200 {text}, posting allowed"),
            false => format!("201 {text}, posting prohibited"),
        }
    }

    fn serve_one(&mut self) -> Result {
        let line = self.read_line(COMMAND)?;
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let arguments: Vec<&str> = words.collect();
        if line.starts_with([' ', '\t']) || line.ends_with([' ', '\t']) {
            self.note("blanks before or behind a command");
        }
        self.check_unread(NOT_PIPELINED.contains(&verb.as_str()));
        if verb != "AUTHINFO" {
            self.named = None;
        }
        self.check_permission(&verb)?;
        match verb.as_str() {
            "CAPABILITIES" => self.capabilities(&arguments),
            "MODE" => self.mode(&arguments),
            "DATE" => self.date(&arguments),
            "HELP" => self.help(&arguments),
            "QUIT" => self.quit(&arguments),
            "STARTTLS" => self.start_tls(&arguments),
            "AUTHINFO" => self.authinfo(&arguments),
            "COMPRESS" => self.compress(&arguments),
            "GROUP" => self.select(&arguments),
            "LISTGROUP" => self.list_group(&arguments),
            "LAST" | "NEXT" => self.step(&verb, &arguments),
            "STAT" | "HEAD" | "BODY" | "ARTICLE" => self.article(&verb, &arguments),
            "OVER" | "XOVER" => self.over(&verb, &arguments),
            "HDR" | "XHDR" => self.hdr(&verb, &arguments),
            "LIST" => self.list(&arguments),
            "NEWGROUPS" => self.new_groups(&arguments),
            "NEWNEWS" => self.new_news(&arguments),
            "POST" => self.post(&arguments),
            "IHAVE" => self.ihave(&arguments),
            _ => Err(self.wrong("500 no such command")),
        }
    }

    /// RFC 3977 section 3.2.1: what must happen before this command is served.
    fn check_permission(&mut self, verb: &str) -> Result {
        let server = self.server;
        let is_reading = READING.contains(&verb);
        if is_reading && !self.is_reader {
            return refused("401 MODE-READER say MODE READER first");
        }
        if FREE.contains(&verb) {
            return Ok(());
        }
        if server.is_flawed(&Flaw::TlsLoop) {
            return refused("483 TLS is needed");
        }
        if server.needs_tls && !self.channel.peer.is_encrypted() {
            return refused("483 say STARTTLS first");
        }
        if verb == "AUTHINFO" {
            return Ok(());
        }
        if server.is_flawed(&Flaw::LoginLoop) {
            return refused("480 log in first");
        }
        // What is needed for everything is needed for a group without a name.
        self.check_group("")
    }

    /// Whether the client may see this group; 480 if it should log in for it.
    pub fn check_group(&self, group: &str) -> Result {
        match self.may_see(group) {
            true => Ok(()),
            false => refused("480 log in first"),
        }
    }

    pub fn may_see(&self, group: &str) -> bool {
        let needed = &self.server.needs_login;
        self.user.is_some()
            || !needed
                .as_ref()
                .is_some_and(|wildmat| wildmat.matches(group))
    }

    /// Whether the client may see an article in one of its groups.
    pub fn check_article(&self, article: &Article) -> Result {
        let mut places = article.places.iter();
        match places.any(|(group, _)| self.may_see(group)) {
            true => Ok(()),
            false => refused("480 log in first"),
        }
    }

    // --- what is heard ---

    /// Reads a line, which may be so long with its CRLF, and keeps it for what is said of it.
    pub fn read_line(&mut self, longest: usize) -> Result<String> {
        self.expect_progress();
        let line = match self.channel.read_raw_line(LINE) {
            Ok(Some(line)) => line,
            Ok(None) => return Err(Break::Over),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.is_over = true;
                self.line = "(a line without an end)".to_owned();
                return Err(self.wrong("501 the line is too long"));
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
        self.server.journal.hear(self.connection, &self.line);
        if line.len() > longest {
            return Err(self.wrong(&format!("501 the line is longer than {longest} octets")));
        }
        if text.len() == before.len() {
            return Err(self.wrong("501 bare LF: a line ends with CRLF"));
        }
        if text.contains(&b'\r') || text.contains(&0) {
            return Err(self.wrong("501 bare CR or NUL in a command"));
        }
        String::from_utf8(text.to_vec()).map_err(|_| self.wrong("501 not UTF-8"))
    }

    /// From now on the client has time again.
    pub fn expect_progress(&mut self) {
        self.channel.peer.set_deadline(Some(Instant::now() + IDLE));
    }

    /// Notes what came before the reply to a command that must be the last of a group.
    pub fn check_unread(&mut self, must_be_last: bool) {
        let count = self.channel.unread();
        if count > 0 && must_be_last {
            self.note(&format!("{count} bytes came before the reply"));
        }
    }

    pub fn check_no_arguments(&mut self, arguments: &[&str]) -> Result {
        match arguments {
            [] => Ok(()),
            _ => Err(self.wrong("501 nothing may follow this command")),
        }
    }

    // --- what is said ---

    /// Says a status line, or several lines.
    pub fn say(&mut self, reply: &str) -> io::Result<()> {
        for (index, line) in reply.split('\n').enumerate() {
            self.channel.write_all(line.as_bytes())?;
            if index == 0 && self.server.is_flawed(&Flaw::LongLines) {
                self.channel.write_all(b" ")?;
                self.channel.write_all(&[b'x'; LONG])?;
            }
            self.channel.write_all(b"\r\n")?;
        }
        Ok(())
    }

    /// Says a line of a block as it is, with its dot doubled.
    pub fn say_line(&mut self, line: &[u8]) -> io::Result<()> {
        if line.starts_with(b".") {
            self.channel.write_all(b".")?;
        }
        self.channel.write_all(line)?;
        self.channel.write_all(b"\r\n")
    }

    /// Ends a block.
    pub fn say_dot(&mut self) -> Result {
        match self.server.is_flawed(&Flaw::NoFinalDot) {
            true => Err(Break::Over),
            false => Ok(self.channel.write_all(b".\r\n")?),
        }
    }

    /// Says what a rule says, or else this.
    pub fn say_or(&mut self, said: Option<String>, reply: &str) -> Result {
        Ok(self.say(said.as_deref().unwrap_or(reply))?)
    }

    /// Says what a rule says, or else this, and then these lines and a dot; unless the rule has
    /// said several lines, which then are the whole reply.
    pub fn say_all<L: AsRef<[u8]>>(
        &mut self,
        said: Option<String>,
        reply: &str,
        lines: impl IntoIterator<Item = L>,
    ) -> Result {
        if !self.begin_block(said, reply)? {
            return Ok(());
        }
        for line in lines {
            self.say_line(line.as_ref())?;
        }
        self.say_dot()
    }

    /// Says what a rule says, or else this. Whether a block is to follow.
    pub fn begin_block(&mut self, said: Option<String>, reply: &str) -> Result<bool> {
        let is_whole = said.as_ref().is_some_and(|said| said.contains('\n'));
        self.say_or(said, reply)?;
        Ok(!is_whole)
    }

    /// Refuses what no client should say, and remembers it without the code.
    pub fn wrong(&mut self, reply: &str) -> Break {
        self.note(reply.get(4..).unwrap_or_default());
        Break::Refused(reply.to_owned())
    }

    /// Remembers that the client broke the protocol.
    pub fn note(&mut self, what: &str) {
        let server = self.server;
        server.note_violation(self.connection, &self.line, what);
    }

    /// Does what the rules say about an event that would go well, and gives what they say instead of
    /// the usual reply.
    pub fn consult(&mut self, event: Event, subjects: &[&str]) -> Result<Option<String>> {
        let server = self.server;
        let Some(rule) = server.rule_for(event, subjects) else {
            return Ok(None);
        };
        match rule.carry_out(self.channel.peer)? {
            Course::GoesOn => {}
            Course::EndsWithReply => self.is_over = true,
            Course::IsOver => return Err(Break::Over),
        }
        match &rule.reply {
            Some(reply) if !is_yes(reply) => refused(reply),
            reply => Ok(reply.clone()),
        }
    }

    // --- the commands of every state ---

    /// RFC 3977 section 5.2.
    fn capabilities(&mut self, arguments: &[&str]) -> Result {
        if !self.server.has("CAPABILITIES") {
            return refused("500 no such command");
        }
        let is_keyword = |word: &&str| {
            let mut bytes = word.bytes();
            word.len() >= 3
                && bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        };
        if arguments.len() > 1 || !arguments.iter().all(is_keyword) {
            return Err(self.wrong("501 CAPABILITIES takes one keyword at most"));
        }
        let said = self.consult(Event::Capabilities, &[])?;
        let lines = self.capability_lines();
        self.say_all(said, "101 capability list follows", lines)
    }

    fn capability_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut add = |is_there: bool, name: &str, values: &str| {
            if is_there && self.server.has(name) {
                lines.push(format!("{name}{values}"));
            }
        };
        let is_reader = self.is_reader;
        let (is_encrypted, is_compressed) = (
            self.channel.peer.is_encrypted(),
            self.channel.is_compressed(),
        );
        let is_stranger = self.user.is_none();
        add(true, "VERSION", " 2");
        add(true, "IMPLEMENTATION", " proto-mock");
        add(is_reader, "READER", "");
        // RFC 8054 section 2.1.
        add(!is_reader && !is_compressed, "MODE-READER", "");
        add(true, "IHAVE", "");
        add(is_reader && self.server.posting, "POST", "");
        add(is_reader, "NEWNEWS", "");
        add(is_reader, "HDR", "");
        let msgid = if self.server.has("OVER=MSGID") {
            " MSGID"
        } else {
            ""
        };
        add(is_reader, "OVER", msgid);
        let variants = super::listing::VARIANTS.iter();
        let variants = variants.filter(|name| self.server.has(&format!("LIST={name}")));
        let variants: String = variants.map(|name| format!(" {name}")).collect();
        add(is_reader && !variants.is_empty(), "LIST", &variants);
        // RFC 4642 section 2.1 and RFC 8054 section 2.1.
        let may_start = !is_encrypted && is_stranger && !is_compressed;
        add(may_start, "STARTTLS", "");
        add(!is_compressed, "COMPRESS", " DEFLATE");
        // RFC 4643 sections 2.1 and 2.2: once only, and not without TLS where that is demanded.
        if is_stranger && !is_compressed {
            self.add_login(add);
        }
        lines
    }

    fn add_login(&self, mut add: impl FnMut(bool, &str, &str)) {
        let mechanisms = MECHANISMS.into_iter();
        let mechanisms: String = mechanisms
            .filter(|mechanism| self.offers_mechanism(*mechanism))
            .map(|mechanism| format!(" {}", mechanism.name()))
            .collect();
        let has_sasl = self.server.has("AUTHINFO=SASL") && !mechanisms.is_empty();
        let is_allowed = self.channel.peer.is_encrypted() || !self.server.needs_tls;
        let ways = match (is_allowed && self.server.has("AUTHINFO=USER"), has_sasl) {
            (true, true) => " USER SASL",
            (true, false) => " USER",
            (false, true) => " SASL",
            (false, false) => "",
        };
        add(!ways.is_empty() || !is_allowed, "AUTHINFO", ways);
        add(has_sasl, "SASL", &mechanisms);
    }

    /// RFC 3977 section 5.3.
    fn mode(&mut self, arguments: &[&str]) -> Result {
        let is_reader = matches!(arguments, [word] if word.eq_ignore_ascii_case("READER"));
        if !is_reader {
            return Err(self.wrong("501 there is MODE READER"));
        }
        if !self.server.has("MODE-READER") {
            return refused("500 no such command");
        }
        if self.channel.is_compressed() {
            return Err(self.wrong("502 MODE READER comes before COMPRESS (RFC 8054)"));
        }
        let said = self.consult(Event::ModeReader, &[])?;
        self.is_reader = true;
        self.say_or(said, &self.welcome("reader mode"))
    }

    /// RFC 3977 section 7.1.
    fn date(&mut self, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        let said = self.consult(Event::Date, &[])?;
        let now = super::time::digits(super::time::now());
        self.say_or(said, &format!("111 {now}"))
    }

    /// RFC 3977 section 7.2.
    fn help(&mut self, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        let said = self.consult(Event::Help, &[])?;
        let lines = ["This is a mock server.", ".", "It knows RFC 3977."];
        self.say_all(said, "100 help text follows", lines)
    }

    /// RFC 3977 section 5.4.
    fn quit(&mut self, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        let said = self.consult(Event::Quit, &[]);
        self.is_over = true;
        self.say_or(said?, "205 bye")
    }

    /// The article that is meant by its Message-ID, if the client may see it.
    pub fn by_id(&mut self, id: &str) -> Result<Arc<Article>> {
        if !super::spool::is_message_id(id) {
            return Err(self.wrong("501 that is no Message-ID"));
        }
        match self.server.spool.by_id(id) {
            Some(article) => self.check_article(&article).map(|()| article),
            None => refused("430 no such article"),
        }
    }

    /// The group that is selected, and 412 if none is.
    pub fn selected(&self) -> Result<String> {
        match &self.group {
            Some(group) => Ok(group.clone()),
            None => refused("412 no newsgroup selected"),
        }
    }
}

/// Whether a reply means that the command goes on.
pub(super) fn is_yes(reply: &str) -> bool {
    reply.starts_with(['1', '2', '3'])
}
