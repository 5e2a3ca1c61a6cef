//! One conversation: lines, greetings, and which command is whose.

use std::io;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::command::{self, is_domain, longest};
use super::reply::Reply;
use super::rule::Event;
use super::transaction::Transaction;
use super::transcript::Transcript;
use super::Mta;
use crate::peer::Peer;
use crate::rule::Course;
use crate::sasl::MECHANISMS;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    pub mta: &'c Mta,
    pub peer: &'c mut Peer,
    pub connection: usize,
    pub hello: Option<Hello>,
    pub login: Option<Login>,
    pub transaction: Option<Transaction>,
    /// A chunk was refused, and nothing is right before RSET (RFC 3030 section 2).
    pub needs_reset: bool,
    /// The greeting was a refusal, and nothing is right but QUIT (RFC 5321 section 3.1).
    is_turned_away: bool,
    /// The command under way, for what is said of it.
    pub line: String,
    /// What was said, where that is wanted.
    pub transcript: Option<Transcript>,
    /// This command is the last.
    pub is_over: bool,
}

/// How the client introduced itself.
pub(super) struct Hello {
    pub name: String,
    /// With EHLO or LHLO, so that it may use extensions.
    is_extended: bool,
}

/// Who logged in, and how.
pub(super) struct Login {
    pub user: String,
    pub mechanism: &'static str,
}

/// Why a command does not go on as planned.
pub(super) enum Break {
    /// It is refused, and the conversation goes on.
    Refused(Reply),
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

/// How long a client may be silent (RFC 5321 section 4.5.3.2.7).
pub(super) const IDLE: Duration = Duration::from_secs(5 * 60);

/// What may not have anything behind it in a group: RFC 2920 section 3.1, and RFC 3207 and RFC 4954
/// for STARTTLS and AUTH.
const LAST_OF_A_GROUP: [&str; 11] = [
    "EHLO", "HELO", "LHLO", "DATA", "VRFY", "EXPN", "TURN", "QUIT", "NOOP", "STARTTLS", "AUTH",
];

/// What needs no TLS where TLS is required (RFC 3207 section 4).
const WITHOUT_TLS: [&str; 6] = ["EHLO", "HELO", "LHLO", "NOOP", "QUIT", "STARTTLS"];

impl<'c> Conversation<'c> {
    pub fn new(mta: &'c Mta, peer: &'c mut Peer, connection: usize) -> Conversation<'c> {
        Conversation {
            mta,
            peer,
            connection,
            hello: None,
            login: None,
            transaction: None,
            needs_reset: false,
            is_turned_away: false,
            line: String::new(),
            transcript: mta.transcripts.as_ref().map(|_| Transcript::default()),
            is_over: false,
        }
    }

    /// Holds the conversation to its end.
    pub fn hold(mut self) -> io::Result<()> {
        let mut result = self.greet();
        loop {
            match result {
                Ok(()) => {}
                Err(Break::Refused(reply)) => self.say(&reply)?,
                Err(Break::Over) => return Ok(()),
                Err(Break::Failed(error)) if error.kind() == io::ErrorKind::TimedOut => {
                    let reply = Reply::new(421, "4.4.2", "You were silent for too long");
                    return self.say(&reply);
                }
                Err(Break::Failed(error)) => return Err(error),
            }
            if self.is_over {
                return Ok(());
            }
            result = self.serve_one();
        }
    }

    fn greet(&mut self) -> Result {
        let protocol = if self.mta.lmtp { "LMTP" } else { "ESMTP" };
        let greeting = Reply::new(220, "", format!("localhost {protocol} mock server ready"));
        match self.consult(Event::Connect, &[]) {
            Err(Break::Refused(reply)) => {
                self.is_turned_away = true;
                Err(Break::Refused(reply))
            }
            said => Ok(self.say(&said?.unwrap_or(greeting))?),
        }
    }

    fn serve_one(&mut self) -> Result {
        let line = self.read_line(longest)?;
        if let Some(transcript) = &mut self.transcript {
            transcript.heard(&line);
        }
        let (verb, rest) = command::split(&line);
        if verb == "BDAT" {
            // Whatever is wrong, its chunk must be read.
            return self.bdat(rest);
        }
        self.check_unread(LAST_OF_A_GROUP.contains(&verb.as_str()));
        self.check_admission(&verb)?;
        match verb.as_str() {
            "EHLO" | "HELO" | "LHLO" => self.greeted(&verb, rest),
            "STARTTLS" => self.start_tls(rest),
            "AUTH" => self.authenticate(rest),
            "MAIL" => self.mail(rest),
            "RCPT" => self.rcpt(rest),
            "DATA" => self.data(rest),
            "RSET" => self.rset(rest),
            "NOOP" => self.noop(),
            "QUIT" => self.quit(rest),
            "HELP" => Ok(self.say(&Reply::new(214, "2.0.0", "See RFC 5321"))?),
            "VRFY" => self.verify(rest),
            "EXPN" => Err(Break::Refused(Reply::new(
                502,
                "5.5.1",
                "EXPN is not implemented",
            ))),
            _ => Err(self.wrong(500, "5.5.1", "no such command")),
        }
    }

    // --- what is heard ---

    /// Reads a line, which may be so long with its CRLF, and keeps it for what is said of it.
    pub fn read_line(&mut self, longest: impl Fn(&[u8]) -> usize) -> Result<String> {
        if self.peer.unread().is_empty() {
            self.peer.set_deadline(Some(Instant::now() + IDLE));
        }
        let line = match self.peer.read_raw_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Err(Break::Over),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.is_over = true;
                self.line = "(a line without an end)".to_owned();
                return Err(self.wrong(500, "5.5.2", "the line is too long"));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(before) = line.strip_suffix(b"\n") else {
            // The end of the stream in the middle of a line.
            return Err(Break::Over);
        };
        let text = before.strip_suffix(b"\r").unwrap_or(before);
        let longest = longest(text);
        let shown = text.get(..longest.min(text.len())).unwrap_or_default();
        self.line = String::from_utf8(shown.to_vec()).unwrap_or_else(|_| escaped(shown));
        self.mta.journal.hear(self.connection, &self.line);
        if line.len() > longest {
            let why = format!("the line is longer than {longest} octets");
            return Err(self.wrong(500, "5.5.2", &why));
        }
        if text.len() == before.len() {
            return Err(self.wrong(500, "5.5.2", "bare LF: a line ends with CRLF"));
        }
        if text.contains(&b'\r') {
            return Err(self.wrong(500, "5.5.2", "bare CR in a command"));
        }
        if text.contains(&0) {
            return Err(self.wrong(500, "5.5.2", "NUL in a command"));
        }
        String::from_utf8(text.to_vec()).map_err(|_| self.wrong(500, "5.5.2", "not UTF-8"))
    }

    /// Notes what came too early, before the reply to the command under way.
    pub fn check_unread(&mut self, must_be_last: bool) {
        let count = self.peer.unread().len();
        if count == 0 {
            return;
        }
        if must_be_last {
            self.note(&format!(
                "{count} bytes came before the reply (RFC 2920 section 3.1)"
            ));
        } else if !self.offers("PIPELINING") {
            self.note(&format!(
                "{count} bytes came before the reply, without PIPELINING"
            ));
        }
    }

    /// What must hold before any command.
    pub fn check_admission(&mut self, verb: &str) -> Result {
        if self.is_turned_away && verb != "QUIT" {
            return Err(Break::Refused(Reply::new(
                503,
                "5.5.1",
                "You were turned away",
            )));
        }
        if self.mta.requires_tls && !self.peer.is_encrypted() && !WITHOUT_TLS.contains(&verb) {
            let why = "Must issue a STARTTLS command first";
            return Err(Break::Refused(Reply::new(530, "5.7.0", why)));
        }
        Ok(())
    }

    /// Whether an extension is offered to this client, now.
    pub fn offers(&self, extension: &str) -> bool {
        let is_extended = self.hello.as_ref().is_some_and(|hello| hello.is_extended);
        is_extended && self.has(extension)
    }

    fn has(&self, extension: &str) -> bool {
        self.mta.has(extension)
            && match extension {
                // RFC 3030 section 3.
                "BINARYMIME" => self.mta.has("CHUNKING"),
                "STARTTLS" => !self.peer.is_encrypted(),
                _ => true,
            }
    }

    // --- what is said ---

    /// Says a reply. 421 closes the connection (RFC 5321 section 3.8).
    pub fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.is_over |= reply.code == 421;
        let is_enhanced = self.offers("ENHANCEDSTATUSCODES");
        let wire = reply.to_wire(is_enhanced);
        if let Some(transcript) = &mut self.transcript {
            transcript.said(&wire);
        }
        self.peer.write_all(wire.as_bytes())
    }

    /// Puts a message and what was said of it where that is wanted.
    pub fn write_transcript(&mut self, content: Option<&[u8]>, replies: &[Reply], chunks: bool) {
        let is_enhanced = self.offers("ENHANCEDSTATUSCODES");
        let replies = replies.iter().map(|reply| reply.to_wire(is_enhanced));
        let replies: String = replies.collect();
        let (Some(folder), Some(transcript)) = (&self.mta.transcripts, &mut self.transcript) else {
            return;
        };
        if let Some(content) = content {
            // The message is delivered whether this works or not.
            let _ = transcript.write(folder, content, !chunks, &replies);
        }
    }

    /// Says what a rule says, or else this.
    pub fn say_or(
        &mut self,
        said: Option<Reply>,
        code: u16,
        enhanced: &'static str,
        text: &str,
    ) -> Result {
        Ok(self.say(&said.unwrap_or_else(|| Reply::new(code, enhanced, text)))?)
    }

    /// Refuses what no client should say, and remembers it.
    pub fn wrong(&mut self, code: u16, enhanced: &'static str, text: &str) -> Break {
        self.wrong_reply(Reply::new(code, enhanced, text))
    }

    pub fn wrong_reply(&mut self, reply: Reply) -> Break {
        self.note(&reply.text);
        Break::Refused(reply)
    }

    /// Remembers that the client broke the protocol.
    pub fn note(&mut self, what: &str) {
        self.mta.note_violation(self.connection, &self.line, what);
    }

    /// Does what the rules say about an event that would go well, and gives what they say instead of
    /// the usual reply.
    pub fn consult(&mut self, event: Event, subjects: &[&str]) -> Result<Option<Reply>> {
        let mta = self.mta;
        let Some(rule) = mta.rule_for(event, subjects) else {
            return Ok(None);
        };
        match rule.carry_out(self.peer)? {
            Course::GoesOn => {}
            Course::EndsWithReply => self.is_over = true,
            Course::IsOver => return Err(Break::Over),
        }
        match &rule.reply {
            Some(reply) if reply.is_refusal() => Err(Break::Refused(reply.clone())),
            reply => Ok(reply.clone()),
        }
    }

    // --- the commands that are about no message ---

    /// EHLO, HELO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section 4.1).
    fn greeted(&mut self, verb: &str, name: &str) -> Result {
        match (self.mta.lmtp, verb) {
            (true, "LHLO") | (false, "EHLO" | "HELO") => {}
            (true, _) => return Err(self.wrong(500, "5.5.1", "this is LMTP: say LHLO")),
            (false, _) => return Err(self.wrong(500, "5.5.1", "this is SMTP: say EHLO")),
        }
        let is_extended = verb != "HELO";
        if is_extended && !self.mta.has("EHLO") {
            let why = format!("{verb} is not implemented");
            return Err(Break::Refused(Reply::new(502, "5.5.1", why)));
        }
        if !is_domain(name, false) {
            return Err(self.wrong(501, "5.5.4", "a domain or an address literal is missing"));
        }
        let said = self.consult(Event::Ehlo, &[name])?;
        self.forget_transaction();
        self.hello = Some(Hello {
            name: name.to_owned(),
            is_extended,
        });
        let text = match is_extended {
            true => self.offer(),
            false => "localhost".to_owned(),
        };
        self.say_or(said, 250, "", &text)
    }

    /// What EHLO is answered with: a greeting, and a line for each extension.
    fn offer(&self) -> String {
        let mut lines = vec!["localhost greets you".to_owned()];
        let mut add = |name: &str, values: &str| {
            if self.has(name) {
                lines.push(format!("{name}{values}"));
            }
        };
        add("PIPELINING", "");
        add("SIZE", &format!(" {}", self.mta.max_size));
        add("8BITMIME", "");
        add("BINARYMIME", "");
        add("CHUNKING", "");
        add("SMTPUTF8", "");
        add("DSN", "");
        add("ENHANCEDSTATUSCODES", "");
        add("STARTTLS", "");
        let mechanisms: String = MECHANISMS
            .into_iter()
            .filter(|mechanism| self.offers_mechanism(*mechanism))
            .map(|mechanism| format!(" {}", mechanism.name()))
            .collect();
        if !mechanisms.is_empty() {
            add("AUTH", &mechanisms);
        }
        lines.join("\n")
    }

    /// What must hold before a command that is about a message.
    pub fn check_greeted(&mut self) -> Result {
        match (&self.hello, self.mta.lmtp) {
            (Some(_), _) => Ok(()),
            (None, true) => Err(self.wrong(503, "5.5.1", "say LHLO first")),
            (None, false) => Err(self.wrong(503, "5.5.1", "say EHLO first")),
        }
    }

    pub fn check_no_argument(&mut self, rest: &str) -> Result {
        match rest {
            "" => Ok(()),
            _ => Err(self.wrong(501, "5.5.4", "nothing may follow this command")),
        }
    }

    pub fn forget_transaction(&mut self) {
        self.transaction = None;
        self.needs_reset = false;
    }

    fn rset(&mut self, rest: &str) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Rset, &[])?;
        self.forget_transaction();
        self.say_or(said, 250, "2.0.0", "Forgotten")
    }

    fn noop(&mut self) -> Result {
        let said = self.consult(Event::Noop, &[])?;
        self.say_or(said, 250, "2.0.0", "Ok")
    }

    fn quit(&mut self, rest: &str) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Quit, &[])?;
        self.is_over = true;
        self.say_or(said, 221, "2.0.0", "Bye")
    }

    /// RFC 5321 section 3.5.3: we do not tell.
    fn verify(&mut self, rest: &str) -> Result {
        if rest.is_empty() {
            return Err(self.wrong(501, "5.5.4", "whom?"));
        }
        self.say_or(None, 252, "2.5.0", "Send it and see")
    }
}
