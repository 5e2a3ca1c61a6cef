//! Our side of the conversation, without the connection: RFC 854's network virtual terminal.

use crate::code::{Code, Command, Verb, IAC};
use crate::encoder::{Encoder, Form};
use crate::negotiation::{Negotiation, Outcome};
use crate::parser::{Parser, Token};
use crate::settings::{Settings, Window};
use crate::subnegotiation::{
    asks_for_status, asks_for_type, charset, framed, shown, status, terminal_type, variables,
    window,
};
use proto_transport::session::Side;
use proto_transport::Result;

/// What we have answered without hearing any data between is at most so much: no server has so many
/// options, so one that asks for more runs in a circle.
const MOST_ANSWERS: u32 = 1000;

/// What was said within options by anybody: one line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who said it.
    pub from: Side,
    /// What it was.
    pub what: What,
}

/// What was said, other than data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An option is negotiated.
    Negotiation(Verb, Code),
    /// Something is said within an option; the text is harmless.
    Subnegotiation(Code, String),
    /// A command.
    Command(Command),
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::Negotiation(verb, code) => write!(f, "{verb} {code}"),
            What::Subnegotiation(code, text) if text.is_empty() => write!(f, "SB {code}"),
            What::Subnegotiation(code, text) => write!(f, "SB {code} {text}"),
            What::Command(command) => command.fmt(f),
        }
    }
}

/// What was heard, in its order, and what we said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'b> {
    /// Data; never empty.
    Data(&'b [u8]),
    /// Anything else.
    Notice(Notice),
}

/// Hears what happens.
pub type Tell<'t> = dyn FnMut(Event<'_>) -> Result<()> + 't;

/// Our side of the conversation.
#[derive(Debug, Default)]
pub struct Nvt {
    settings: Settings,
    parser: Parser,
    encoder: Encoder,
    negotiation: Negotiation,
    /// What is to be sent.
    output: Vec<u8>,
    /// What we said that nobody was told of yet.
    said: Vec<Notice>,
    /// How often the terminal's type was told.
    types_told: usize,
    answers: u32,
    refused_linemode: bool,
}

impl Nvt {
    /// A side that tells what the settings allow.
    pub fn new(settings: Settings) -> Nvt {
        let mut nvt = Nvt {
            settings,
            ..Nvt::default()
        };
        if nvt.settings.asks_binary {
            let asked = nvt.negotiation.ask_them(Code::BINARY, true);
            nvt.follow(Code::BINARY, asked);
            let offered = nvt.negotiation.offer(Code::BINARY, true);
            nvt.follow(Code::BINARY, offered);
        }
        nvt
    }

    /// What is to be sent, which is taken.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether they echo what we send, so that nobody else needs to.
    pub fn they_echo(&self) -> bool {
        self.negotiation.they_do(Code::ECHO)
    }

    /// Whether they take single characters, rather than lines (RFC 858).
    pub fn they_take_characters(&self) -> bool {
        self.negotiation.they_do(Code::SUPPRESS_GO_AHEAD)
    }

    /// Which options are in force.
    pub fn negotiation(&self) -> &Negotiation {
        &self.negotiation
    }

    /// Whether they ask without end, so that we have stopped answering.
    pub fn runs_in_a_circle(&self) -> bool {
        self.answers > MOST_ANSWERS
    }

    // --- what they say ---

    /// Takes bytes as they come, cut anywhere, and tells what is in them. What is to be said to it
    /// is in the output then.
    pub fn hear(&mut self, bytes: &[u8], tell: &mut Tell<'_>) -> Result<()> {
        self.tell_said(tell)?;
        let mut unread = bytes;
        while let Some(token) = self.parser.next(&mut unread) {
            match token {
                Token::Data(data) => {
                    self.answers = 0;
                    tell(Event::Data(data))?;
                }
                Token::Command(command) => tell(heard(What::Command(command)))?,
                Token::Negotiation(verb, code) => {
                    tell(heard(What::Negotiation(verb, code)))?;
                    self.negotiate(verb, code);
                }
                Token::Subnegotiation {
                    code,
                    bytes,
                    is_whole,
                } => {
                    let text = match is_whole {
                        true => shown(code, &bytes),
                        false => "cut short".to_owned(),
                    };
                    tell(heard(What::Subnegotiation(code, text)))?;
                    if is_whole {
                        self.answer(code, &bytes);
                    }
                }
            }
            self.tell_said(tell)?;
            if self.runs_in_a_circle() {
                break;
            }
        }
        Ok(())
    }

    fn negotiate(&mut self, verb: Verb, code: Code) {
        // RFC 860: each DO is answered, and nothing is in force after it. A server whose LINEMODE was
        // refused does not want to know the time: to BSD's telnetd, a yes means that we would edit
        // lines without LINEMODE, and it stops taking single keys.
        if code == Code::TIMING_MARK {
            match verb {
                Verb::Do if self.refused_linemode => self.say_negotiation(Verb::Wont, code),
                Verb::Do => self.say_negotiation(Verb::Will, code),
                _ => {}
            }
            return;
        }
        self.refused_linemode |= verb == Verb::Do && code == Code::LINEMODE;
        let agrees = match verb {
            Verb::Will => wants_of_them(code),
            _ => self.offers(code),
        };
        let outcome = self.negotiation.hear(verb, code, agrees);
        self.follow(code, outcome);
    }

    /// What we do ourselves, if they want it.
    fn offers(&self, code: Code) -> bool {
        match code {
            Code::BINARY | Code::SUPPRESS_GO_AHEAD | Code::STATUS | Code::CHARSET => true,
            Code::TERMINAL_TYPE => !self.settings.types().is_empty(),
            Code::WINDOW_SIZE => self.settings.window.is_some(),
            Code::NEW_ENVIRON => !self.settings.variables().is_empty(),
            _ => false,
        }
    }

    fn follow(&mut self, code: Code, outcome: Outcome) {
        if let Some(verb) = outcome.says {
            self.say_negotiation(verb, code);
        }
        if outcome.change.is_none() {
            return;
        }
        match code {
            Code::BINARY => self.parser.set_binary(self.negotiation.they_do(code)),
            Code::WINDOW_SIZE => self.say_window(),
            _ => {}
        }
    }

    fn answer(&mut self, code: Code, bytes: &[u8]) {
        // Nobody is told anything within an option that is not in force.
        let ours = self.negotiation.we_do(code);
        let answer = match code {
            Code::TERMINAL_TYPE if ours && asks_for_type(bytes) => self.next_type(),
            Code::NEW_ENVIRON if ours => variables(bytes, &self.settings),
            Code::STATUS if ours && asks_for_status(bytes) => Some(status(&self.negotiation)),
            // RFC 2066: it is for who does it to ask.
            Code::CHARSET if self.negotiation.they_do(code) => charset(bytes),
            _ => None,
        };
        if let Some(answer) = answer {
            self.say_subnegotiation(code, &answer);
        }
    }

    /// RFC 1091: the types in their order, the last one twice to say that there are no more; then
    /// from the beginning.
    fn next_type(&mut self) -> Option<Vec<u8>> {
        let types = self.settings.types();
        let place = self.types_told % (types.len() + 1);
        self.types_told = self.types_told.wrapping_add(1);
        types
            .get(place)
            .or(types.last())
            .map(|name| terminal_type(name))
    }

    // --- what we say ---

    /// Says text, in which LF or CR LF ends a line.
    pub fn say_text(&mut self, text: &[u8]) {
        let form = self.form();
        self.encoder.text(text, form, &mut self.output);
    }

    /// The text is over.
    pub fn finish_text(&mut self) {
        let form = self.form();
        self.encoder.finish(form, &mut self.output);
    }

    /// In binary, bytes are as they are for who asked for that; a server that wants it has still
    /// lines to read.
    fn form(&self) -> Form {
        match (
            self.negotiation.we_do(Code::BINARY),
            self.settings.asks_binary,
        ) {
            (false, _) => Form::Lines,
            (true, false) => Form::ReturnKey,
            (true, true) => Form::Bytes,
        }
    }

    /// Says keys as a terminal sends them: the return key is CR.
    pub fn say_keys(&mut self, keys: &[u8]) {
        let is_binary = self.negotiation.we_do(Code::BINARY);
        self.finish_text();
        Encoder::keys(keys, is_binary, &mut self.output);
    }

    /// Says a command.
    pub fn say_command(&mut self, command: Command) {
        self.output.extend([IAC, command.0]);
        self.said.push(said(What::Command(command)));
    }

    /// The window has another size now, which they are told if they want to know.
    pub fn resize(&mut self, size: Window) {
        let is_new = self.settings.window.replace(size) != Some(size);
        if is_new {
            self.say_window();
        }
    }

    fn say_window(&mut self) {
        if let (true, Some(size)) = (
            self.negotiation.we_do(Code::WINDOW_SIZE),
            self.settings.window,
        ) {
            self.say_subnegotiation(Code::WINDOW_SIZE, &window(size));
        }
    }

    fn say_negotiation(&mut self, verb: Verb, code: Code) {
        if self.may_answer() {
            self.output.extend([IAC, verb.byte(), code.0]);
            self.said.push(said(What::Negotiation(verb, code)));
        }
    }

    fn say_subnegotiation(&mut self, code: Code, bytes: &[u8]) {
        if self.may_answer() {
            self.output.extend(framed(code, bytes));
            let text = shown(code, bytes);
            self.said.push(said(What::Subnegotiation(code, text)));
        }
    }

    fn may_answer(&mut self) -> bool {
        self.answers = self.answers.saturating_add(1);
        !self.runs_in_a_circle()
    }

    /// Tells what we said since.
    pub fn tell_said(&mut self, tell: &mut Tell<'_>) -> Result<()> {
        for notice in self.said.drain(..) {
            tell(Event::Notice(notice))?;
        }
        Ok(())
    }
}

/// What they may do if they want to.
fn wants_of_them(code: Code) -> bool {
    matches!(
        code,
        Code::BINARY | Code::ECHO | Code::SUPPRESS_GO_AHEAD | Code::END_OF_RECORD | Code::CHARSET
    )
}

fn heard(what: What) -> Event<'static> {
    Event::Notice(Notice {
        from: Side::Server,
        what,
    })
}

fn said(what: What) -> Notice {
    Notice {
        from: Side::Client,
        what,
    }
}

#[cfg(test)]
mod tests;
