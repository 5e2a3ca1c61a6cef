//! One conversation: a login, a shell, and what is negotiated beside them.

use std::io;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::facts::Facts;
use super::flaw::Flaw;
use super::rule::Event;
use super::shell::{answer, Answer};
use super::wire::{
    verb_name, within, Item, Wire, AYT, BINARY, BRK, DO, DONT, EC, ECHO, EL, IAC, IP, NAWS,
    NEW_ENVIRON, SB, SE, SGA, TTYPE, WILL, WONT,
};
use super::{News, TelnetServer};
use crate::peer::Peer;
use crate::rule::Course;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    server: &'c TelnetServer,
    peer: &'c mut Peer,
    connection: usize,
    wire: Wire,
    facts: Facts,
    stage: Stage,
    /// What was typed of a line.
    line: Vec<u8>,
    after_cr: bool,
    failures: u32,
    /// What we have asked for and offered, until it is answered.
    asked: Vec<u8>,
    offered: Vec<u8>,
    /// How often the client has negotiated.
    negotiations: u64,
}

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Login,
    Password(String),
    Shell,
    Over,
}

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How often somebody may be wrong about the password.
const FAILURES: u32 = 3;

/// The longest line.
const LINE: usize = 64 * 1024;

/// How much is said of what is too much, so that a forgotten server does not speak for ever.
const FLOOD: u64 = 1_000_000;
const HUGE: usize = 10_000_000;

/// How many options a client has any reason to negotiate.
const NEGOTIATIONS: u64 = 2000;

impl<'c> Conversation<'c> {
    pub fn new(
        server: &'c TelnetServer,
        peer: &'c mut Peer,
        connection: usize,
    ) -> Conversation<'c> {
        Conversation {
            server,
            peer,
            connection,
            wire: Wire::default(),
            facts: Facts::default(),
            stage: match server.has_login {
                true => Stage::Login,
                false => Stage::Shell,
            },
            line: Vec::new(),
            after_cr: false,
            failures: 0,
            asked: Vec::new(),
            offered: Vec::new(),
            negotiations: 0,
        }
    }

    /// Listens until somebody has enough.
    pub fn hold(mut self) -> io::Result<()> {
        if self.is(Flaw::Empty) {
            return Ok(());
        }
        let Some(said) = self.consult(Event::Connect, &[])? else {
            return Ok(());
        };
        self.peer.write_all(&said)?;
        self.begin()?;
        self.prompt()?;
        let mut bytes = [0; 4096];
        while self.stage != Stage::Over && !self.peer.is_stopping() {
            self.peer.set_deadline(Some(Instant::now() + IDLE));
            let count = self.peer.read_some(&mut bytes)?;
            if count == 0 {
                break;
            }
            for byte in bytes.get(..count).unwrap_or_default() {
                match self.wire.take(*byte) {
                    Ok(Some(item)) => self.hear(item)?,
                    Ok(None) => {}
                    Err(wrong) => self.note(wrong),
                }
                if self.stage == Stage::Over {
                    break;
                }
            }
        }
        Ok(())
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.server.is_flawed(flaw)
    }

    fn note(&self, what: &str) {
        self.server.note_violation(self.connection, what);
    }

    /// Does what a rule says, and gives what it says; `None` if this is all.
    fn consult(&mut self, event: Event, subjects: &[&str]) -> io::Result<Option<Vec<u8>>> {
        let server = self.server;
        let Some(rule) = server.rule_for(event, subjects) else {
            return Ok(Some(Vec::new()));
        };
        let reply = rule.reply.clone().unwrap_or_default();
        match rule.carry_out(self.peer)? {
            Course::GoesOn => return Ok(Some(reply)),
            Course::EndsWithReply => self.peer.write_all(&reply)?,
            Course::IsOver => {}
        }
        self.stage = Stage::Over;
        Ok(None)
    }

    // --- options ---

    /// What is said before anybody asks.
    fn begin(&mut self) -> io::Result<()> {
        if self.is(Flaw::Silent) {
            return Ok(());
        }
        if self.is(Flaw::Chatty) {
            for code in 0..=254 {
                self.ask(DO, code)?;
                self.ask(WILL, code)?;
            }
        } else {
            for code in [TTYPE, NAWS, NEW_ENVIRON] {
                self.ask(DO, code)?;
            }
            for code in [SGA, ECHO] {
                self.ask(WILL, code)?;
            }
        }
        if self.is(Flaw::Binary) {
            self.ask(DO, BINARY)?;
            self.ask(WILL, BINARY)?;
        }
        self.begin_wrongly()
    }

    fn begin_wrongly(&mut self) -> io::Result<()> {
        if self.is(Flaw::AskEnvironment) {
            for code in [NEW_ENVIRON, TTYPE, 32, 35, 36] {
                self.say_option(&within(code, &[1]))?;
            }
        }
        if self.is(Flaw::UnterminatedSub) {
            self.say_option(&[IAC, SB, TTYPE, 1, IAC, AYT])?;
        }
        if self.is(Flaw::HugeSub) {
            self.peer.write_all(&[IAC, SB, TTYPE])?;
            self.say_much(HUGE)?;
            self.peer.write_all(&[IAC, SE])?;
        }
        if self.is(Flaw::Flood) {
            for _ in 0..FLOOD {
                self.peer.write_all(&[IAC, WILL, ECHO, IAC, WONT, ECHO])?;
                if self.peer.is_stopping() {
                    break;
                }
            }
        }
        if self.is(Flaw::EndlessSub) {
            self.peer.write_all(&[IAC, SB, TTYPE])?;
            self.say_much(HUGE)?;
            self.stage = Stage::Over;
        }
        if self.is(Flaw::Cut) {
            self.peer.write_all(b"login: \xff\xfa\x18\x01")?;
            self.stage = Stage::Over;
        }
        Ok(())
    }

    fn say_much(&mut self, count: usize) -> io::Result<()> {
        let block = [b'x'; 4096];
        for _ in 0..count / block.len() {
            self.peer.write_all(&block)?;
        }
        Ok(())
    }

    /// Asks for an option, or offers it.
    fn ask(&mut self, verb: u8, code: u8) -> io::Result<()> {
        match verb {
            DO => self.asked.push(code),
            _ => self.offered.push(code),
        }
        self.say_option(&[IAC, verb, code])
    }

    fn say_option(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is(Flaw::SplitIac) {
            return self.peer.write_all(bytes);
        }
        for byte in bytes {
            self.peer.write_all(&[*byte])?;
            // Long enough for the client to read it by itself.
            self.peer.wait(Duration::from_millis(2))?;
        }
        Ok(())
    }

    fn negotiated(&mut self, verb: u8, code: u8) -> io::Result<()> {
        self.tell_option(&format!("{} {code}", verb_name(verb)));
        self.negotiations += 1;
        if self.negotiations == NEGOTIATIONS {
            self.note("options are negotiated without end");
        }
        if self.is(Flaw::Looping) {
            let opposite = match verb {
                WILL => DONT,
                WONT => DO,
                DO => WONT,
                _ => WILL,
            };
            return self.say_option(&[IAC, opposite, code]);
        }
        let is_on = matches!(verb, WILL | DO);
        let (was_asked, options) = match verb {
            WILL | WONT => (take(&mut self.asked, code), &mut self.facts.does),
            _ => (take(&mut self.offered, code), &mut self.facts.wants),
        };
        let is_new = Facts::note(options, code, is_on);
        match (is_on, was_asked) {
            (true, true) if verb == WILL && code == TTYPE => self.say_option(&within(TTYPE, &[1])),
            (true, true) if verb == WILL && code == NEW_ENVIRON => {
                self.say_option(&within(NEW_ENVIRON, &[1]))
            }
            (_, true) => Ok(()),
            // RFC 854: what is in force is not acknowledged.
            (_, false) if !is_new => {
                self.note(&format!("{} {code} changes nothing", verb_name(verb)));
                Ok(())
            }
            (true, false) => self.asked_of_us(verb, code),
            (false, false) => {
                let answer = if verb == WONT { DONT } else { WONT };
                self.say_option(&[IAC, answer, code])
            }
        }
    }

    /// The client has begun. Only eight bits and no go-aheads are given then.
    fn asked_of_us(&mut self, verb: u8, code: u8) -> io::Result<()> {
        let agrees = matches!(code, BINARY | SGA);
        let answer = match (verb, agrees) {
            (WILL, true) => DO,
            (WILL, false) => DONT,
            (_, true) => WILL,
            (_, false) => WONT,
        };
        if !agrees {
            let options = match verb {
                WILL => &mut self.facts.does,
                _ => &mut self.facts.wants,
            };
            Facts::note(options, code, false);
        }
        self.say_option(&[IAC, answer, code])
    }

    fn told(&mut self, code: u8, bytes: &[u8]) {
        self.tell_option(&format!("within {code}: {}", escaped(bytes)));
        if !self.facts.does.contains(&code) {
            self.note(&format!(
                "something is said within {code}, which is not in force"
            ));
        }
        match (code, bytes) {
            (NAWS, [a, b, c, d]) => {
                let number = |high, low| u16::from_be_bytes([high, low]);
                self.facts.window = Some((number(*a, *b), number(*c, *d)));
            }
            (TTYPE, [0, name @ ..]) => self.facts.terminal = Some(escaped(name)),
            (NEW_ENVIRON, [0 | 2, list @ ..]) => self.facts.take_variables(list),
            _ => {}
        }
    }

    fn tell_option(&self, what: &str) {
        self.server.tell(&News::Option {
            connection: self.connection,
            what,
        });
    }

    // --- keys ---

    fn hear(&mut self, item: Item) -> io::Result<()> {
        match item {
            Item::Key(key) => self.key(key),
            Item::Option(verb, code) => self.negotiated(verb, code),
            Item::Within(code, bytes) => {
                self.told(code, &bytes);
                Ok(())
            }
            Item::Command(AYT) => self.say("[Yes]\n"),
            Item::Command(BRK) => self.say("[Break]\n"),
            Item::Command(IP) => self.interrupt(),
            Item::Command(EC) => self.erase(),
            Item::Command(EL) => {
                self.line.clear();
                Ok(())
            }
            Item::Command(_) => Ok(()),
        }
    }

    /// RFC 854: CR LF ends a line, and CR NUL is CR alone, which the return key of a terminal says.
    fn key(&mut self, key: u8) -> io::Result<()> {
        let is_binary = self.facts.does.contains(&BINARY);
        if std::mem::take(&mut self.after_cr) {
            match key {
                b'\n' | 0 => return Ok(()),
                _ if is_binary => {}
                _ => self.note("behind a CR comes neither LF nor NUL"),
            }
        }
        match key {
            b'\r' => {
                self.after_cr = true;
                self.end_line()
            }
            b'\n' => {
                if !is_binary {
                    self.note("a line ends in LF alone");
                }
                self.end_line()
            }
            3 => self.interrupt(),
            4 if self.line.is_empty() => {
                self.stage = Stage::Over;
                Ok(())
            }
            8 | 0x7f => self.erase(),
            0 => Ok(()),
            key => {
                if self.line.len() < LINE {
                    self.line.push(key);
                }
                self.echo(&[key])
            }
        }
    }

    fn interrupt(&mut self) -> io::Result<()> {
        self.line.clear();
        self.say("^C\n")?;
        self.prompt()
    }

    fn erase(&mut self) -> io::Result<()> {
        match self.line.pop() {
            Some(_) => self.echo(b"\x08 \x08"),
            None => Ok(()),
        }
    }

    /// Shows what is typed, if the client wants that of us; a password is not shown.
    fn echo(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_hidden = matches!(self.stage, Stage::Password(_)) && !self.is(Flaw::EchoPassword);
        match self.facts.wants.contains(&ECHO) && !is_hidden {
            true => self.say_bytes(bytes),
            false => Ok(()),
        }
    }

    fn end_line(&mut self) -> io::Result<()> {
        if self.facts.wants.contains(&ECHO) {
            self.say("\n")?;
        }
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line).into_owned();
        let shown = match self.stage {
            Stage::Password(_) => "(secret)".to_owned(),
            _ => escaped(&line),
        };
        self.server.journal.hear(self.connection, &shown);
        self.server.tell(&News::Line {
            connection: self.connection,
            line: &shown,
        });
        match self.stage.clone() {
            Stage::Login if text.is_empty() => {}
            Stage::Login => self.stage = Stage::Password(text),
            Stage::Password(user) => self.log_in(&user, &text)?,
            Stage::Shell => self.command(&text)?,
            Stage::Over => {}
        }
        self.prompt()
    }

    fn log_in(&mut self, user: &str, password: &str) -> io::Result<()> {
        if !self.server.knows(user, password) {
            self.failures += 1;
            self.stage = match self.failures < FAILURES {
                true => Stage::Login,
                false => Stage::Over,
            };
            return self.say("Login incorrect\n");
        }
        self.stage = Stage::Shell;
        if let Some(said) = self.consult(Event::Login, &[user])? {
            match said.is_empty() {
                true => self.say(&format!("Welcome, {user}.\n"))?,
                false => self.peer.write_all(&said)?,
            }
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<()> {
        let Some(said) = self.consult(Event::Command, &[line])? else {
            return Ok(());
        };
        if !said.is_empty() {
            return self.peer.write_all(&said);
        }
        if self.is(Flaw::EndlessOutput) {
            return self.say_lines(u64::MAX);
        }
        match answer(line, &self.facts) {
            Answer::Text(text) => self.say(&text),
            Answer::Bytes(bytes) => self.peer.write_all(&bytes),
            Answer::Lines(count) => self.say_lines(count),
            Answer::Sleep(time) => self.peer.wait(time),
            Answer::Exit => {
                self.stage = Stage::Over;
                self.say("Bye\n")
            }
        }
    }

    fn say_lines(&mut self, count: u64) -> io::Result<()> {
        for number in 1..=count {
            self.say(&format!(
                "line {number:06} of a long output, to see whether all of it arrives\n"
            ))?;
            self.peer.set_deadline(Some(Instant::now() + IDLE));
            if self.peer.is_stopping() {
                break;
            }
        }
        Ok(())
    }

    fn prompt(&mut self) -> io::Result<()> {
        match self.stage {
            Stage::Login => {
                if self.is(Flaw::Escapes) {
                    self.say_bytes(b"\x1b[31m\x1b[2J\x05\x1b]0;title\x07\x1b[c\x08\x9b2J")?;
                }
                self.say("login: ")
            }
            Stage::Password(_) => self.say("Password: "),
            Stage::Shell => self.say("$ "),
            Stage::Over => Ok(()),
        }
    }

    /// Says text, with the ends of lines as they travel.
    fn say(&mut self, text: &str) -> io::Result<()> {
        let end = if self.is(Flaw::BareLf) { "\n" } else { "\r\n" };
        self.say_bytes(text.replace('\n', end).as_bytes())
    }

    fn say_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            let doubled = [*byte, *byte];
            self.peer.write_all(match *byte {
                IAC => &doubled,
                _ => std::slice::from_ref(byte),
            })?;
            if self.is(Flaw::Nuls) {
                self.peer.write_all(&[0])?;
            }
        }
        Ok(())
    }
}

/// Takes an option out of those that wait for an answer; whether it was there.
fn take(waiting: &mut Vec<u8>, code: u8) -> bool {
    let at = waiting.iter().position(|known| *known == code);
    at.map(|at| waiting.remove(at)).is_some()
}
