//! Responses from the connection, one by one, and commands onto it. Everything that a server may say
//! at any moment is taken care of here, so that the verbs see what they asked for.

mod saying;

use std::collections::VecDeque;
use std::ops::Range;

use proto_transport::{Connection, Error, Length, Refusal, Result};

use crate::content::Content;
use crate::reply::code::Code;
use crate::reply::hits::{HitKind, HitReader};
use crate::reply::message::{Attributes, Section};
use crate::reply::{split_word, Capabilities, Data, Kind, Told};
use crate::set::{UidSet, MOST_RANGES};
use crate::syntax::{announced, number, Fault, Items, Piece, Tokens};
use crate::tags::Tags;

/// Bytes of one response that are held, without the sections that stream: BODYSTRUCTURE of a
/// message with thousands of parts stays below.
const RESPONSE: usize = 1024 * 1024;

/// Bytes of the answer to THREAD, which is one response: a million messages and more.
const THREADS: usize = 16 * 1024 * 1024;

/// Bytes of one string that is held: names, header fields of an envelope.
const STRING: u64 = 64 * 1024;

/// Events that wait for somebody who wants them. What is more is dropped, and told in a note.
const EVENTS: usize = 1_000;

/// Bytes that a server may say before it ends a command or hands out the messages that it was asked
/// for: a hundred thousand mailboxes, or what happens to a million messages meanwhile. More is a
/// flood, and nobody waits for its end.
const UNASKED: u64 = 64 * 1024 * 1024;

/// Notes and alerts that are kept.
const NOTES: usize = 50;

/// Something that the server said without being asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// So many messages are in the mailbox now.
    Exists(u32),
    /// A message is gone; those behind it have moved up by one number.
    Expunged(u32),
    /// Messages are gone (RFC 7162).
    Vanished(UidSet),
    /// Attributes of a message that was not asked for; most often, flags that somebody changed. The
    /// number is its place, which changes; the UID may be missing.
    Message(u32, Box<Attributes>),
    /// A remark.
    Told(Told),
}

/// A response.
#[derive(Debug)]
pub(crate) enum Response {
    /// The end of the command with this tag.
    Tagged(String, Told),
    /// `+` and a text: go on.
    GoAhead(Vec<u8>),
    Data(Data),
    /// It broke a rule, and a note was made of it.
    Skipped,
}

/// What is done with a section that begins: the number of its message, what is known of that so
/// far, and the content.
pub(crate) type Sections<'s> =
    dyn FnMut(u32, &Attributes, &Section, &mut Content<'_>) -> Result<()> + 's;

/// A connection and what was learned from it.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
    pub(crate) tags: Tags,
    pub(crate) capabilities: Capabilities,
    /// Whether capabilities came since this was last set to `false`.
    pub(crate) has_learned: bool,
    /// Whether names of mailboxes and quoted strings are UTF-8 (RFC 6855), as they are in IMAP4rev2.
    pub(crate) is_utf8: bool,
    /// Whether a message with UTF-8 in its header is added as such (RFC 6855 section 4).
    pub(crate) takes_utf8_mail: bool,
    /// We said goodbye, so that BYE is no surprise.
    pub(crate) is_leaving: bool,
    /// Nobody knows any more where a response begins.
    is_lost: bool,
    /// How many bytes were heard when a command last ended, or messages came that were asked for.
    wanted: u64,
    events: VecDeque<Event>,
    alerts: Vec<String>,
    notes: Vec<String>,
    /// Memory for the text of a response.
    held: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(connection: Connection, tags: Tags) -> Wire {
        Wire {
            connection,
            tags,
            capabilities: Capabilities::default(),
            has_learned: false,
            is_utf8: false,
            takes_utf8_mail: false,
            is_leaving: false,
            is_lost: false,
            wanted: 0,
            events: VecDeque::new(),
            alerts: Vec::new(),
            notes: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Forgets whatever was said in the clear.
    pub(crate) fn forget(&mut self) {
        self.capabilities = Capabilities::default();
        self.is_utf8 = false;
        self.takes_utf8_mail = false;
        self.events.clear();
        self.alerts.clear();
        self.notes.clear();
    }

    // --- hearing ---

    /// Whether somebody knows where the next response begins.
    pub(crate) fn can_hear(&self) -> bool {
        !self.is_lost
    }

    /// The next response. Sections in it are handed to `sections` as they begin.
    pub(crate) fn hear(&mut self, sections: &mut Sections<'_>) -> Result<Response> {
        if self.is_lost {
            let peer = self.connection.peer();
            let why = format!("{peer}: nothing more can be said: the conversation has failed");
            return Err(Error::illegal(why));
        }
        if self.connection.heard().saturating_sub(self.wanted) > UNASKED {
            self.is_lost = true;
            return Err(self.too_large(FLOOD, UNASKED));
        }
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        let heard = self.hear_into(&mut held, sections);
        // What was begun and not finished cannot be heard again from its beginning.
        self.is_lost = match &heard {
            Ok(_) => false,
            Err(Error::TimedOut { .. }) => !held.is_empty(),
            Err(_) => true,
        };
        held.shrink_to(RESPONSE);
        self.held = held;
        heard.and_then(|response| self.learn(response))
    }

    fn hear_into(&mut self, held: &mut Vec<u8>, sections: &mut Sections<'_>) -> Result<Response> {
        let mut is_end = self.hold_part(held, RESPONSE)?;
        let text = held.strip_prefix(b"* ").unwrap_or_default();
        if let Some((kind, length)) = HitKind::of(text) {
            return self.hits(held, 2 + length, kind, is_end);
        }
        let (word, _) = split_word(text);
        let limit = match word.eq_ignore_ascii_case(b"THREAD") {
            true => THREADS,
            false => RESPONSE,
        };
        while !is_end {
            is_end = self.hold_part(held, limit)?;
        }
        if let Some(text) = held.strip_prefix(b"+") {
            return Ok(Response::GoAhead(text.trim_ascii().to_vec()));
        }
        // It says nothing, so that nothing is lost with it.
        if held == b"*" {
            self.note(Fault("a response says something"), held);
            return Ok(Response::Data(Data::Other));
        }
        match held.strip_prefix(b"* ") {
            Some(text) => match Told::parse(text) {
                Some(told) => Ok(Response::Data(Data::Told(told))),
                None => self.data(held, sections),
            },
            None => self.tagged(held),
        }
    }

    /// `response-tagged = tag SP resp-cond-state CRLF`
    fn tagged(&self, line: &[u8]) -> Result<Response> {
        let (tag, rest) = split_word(line);
        let told =
            Told::parse(rest).filter(|told| matches!(told.kind, Kind::Ok | Kind::No | Kind::Bad));
        match (std::str::from_utf8(tag), told) {
            (Ok(tag), Some(told)) => Ok(Response::Tagged(tag.to_owned(), told)),
            _ => Err(self
                .connection
                .malformed("a response begins with *, + or a tag and a status", line)),
        }
    }

    fn data(&mut self, held: &mut Vec<u8>, sections: &mut Sections<'_>) -> Result<Response> {
        let text = held.get(2..).unwrap_or_default();
        let (word, rest) = split_word(text);
        let (name, _) = split_word(rest);
        if let (Ok(number), true) = (number::<u32>(word), name.eq_ignore_ascii_case(b"FETCH")) {
            let at = held.len() - rest.len() + name.len();
            return self.message(number, held, at, sections);
        }
        let mut line = 0;
        loop {
            let end = announced(held.get(line..).unwrap_or_default());
            let Some(size) = end.map_err(|fault| self.broken(fault, held))? else {
                break;
            };
            self.hold_literal(held, size)?;
            line = held.len();
            self.hold_line(held)?;
            if !matches!(held.get(line), None | Some(b' ' | b')')) {
                return Err(self.broken(Fault("a literal is as long as it was announced"), held));
            }
        }
        match Data::parse(held.get(2..).unwrap_or_default(), self.is_utf8) {
            Ok(data) => Ok(Response::Data(data)),
            Err(fault) => Ok(self.skip(fault, held)),
        }
    }

    /// `message-data = nz-number SP "FETCH" SP msg-att`, whose items begin at `at`.
    fn message(
        &mut self,
        number: u32,
        held: &mut Vec<u8>,
        at: usize,
        sections: &mut Sections<'_>,
    ) -> Result<Response> {
        let mut items = Items::at(at);
        let mut attributes = Attributes::default();
        let mut has_literal = false;
        loop {
            let piece = match items.next(held) {
                Ok(piece) => piece,
                // Behind a literal, or before one that nobody can pass over, the framing is lost.
                Err(fault) if has_literal || held.ends_with(b"}") => {
                    return Err(self.broken(fault, held))
                }
                Err(fault) => return Ok(self.skip(fault, held)),
            };
            match piece {
                Piece::End if number == 0 => {
                    return Ok(self.skip(Fault("numbers of messages begin at 1"), held))
                }
                Piece::End => {
                    return Ok(Response::Data(Data::Message(number, Box::new(attributes))))
                }
                Piece::Item { name, value } => {
                    self.item(number, &mut attributes, held, (name, value), sections)?;
                }
                Piece::Literal { of, size } => {
                    has_literal = true;
                    let name = of.and_then(|name| held.get(name));
                    match name.and_then(Section::parse) {
                        Some(section) => {
                            items.passed();
                            let mut content = Content::literal(&mut self.connection, size);
                            sections(number, &attributes, &section, &mut content)?;
                            content.pass_over()?;
                        }
                        None => {
                            let before = held.len();
                            self.hold_literal(held, size)?;
                            let added = held.len() - before;
                            if let Some(Piece::Item { name, value }) = items.held(added) {
                                self.item(number, &mut attributes, held, (name, value), sections)?;
                            }
                        }
                    }
                    self.hold_line(held)?;
                }
            }
        }
    }

    /// An item that is whole: an attribute, or a section that is no literal.
    fn item(
        &mut self,
        number: u32,
        attributes: &mut Attributes,
        held: &[u8],
        (name, value): (Range<usize>, Range<usize>),
        sections: &mut Sections<'_>,
    ) -> Result<()> {
        let name = held.get(name).unwrap_or_default();
        let value = held.get(value).unwrap_or_default();
        if let Some(section) = Section::parse(name) {
            match Tokens::new(value).nstring() {
                Ok(text) => {
                    let mut content = Content::held(text.as_deref());
                    return sections(number, attributes, &section, &mut content);
                }
                Err(fault) => self.note(fault, value),
            }
        } else if let Err(fault) = attributes.take(name, value) {
            self.note(fault, value);
        }
        Ok(())
    }

    /// An answer to a search, in parts.
    fn hits(
        &mut self,
        held: &[u8],
        at: usize,
        kind: HitKind,
        mut is_end: bool,
    ) -> Result<Response> {
        let mut reader = HitReader::new(kind);
        let mut pushed = reader.push(held.get(at..).unwrap_or_default());
        let mut bytes = 0;
        while !is_end {
            let (part, is_last) = self.connection.read_line_part()?;
            bytes += part.len();
            pushed = pushed.and_then(|()| reader.push(part));
            is_end = is_last;
            if reader.len() > MOST_RANGES {
                return Err(self.too_large("an answer to a search, in ranges,", MOST_RANGES as u64));
            }
            if bytes > ANSWER {
                return Err(self.too_large("an answer to a search, in bytes,", ANSWER as u64));
            }
        }
        match pushed.and_then(|()| reader.finish()) {
            Ok(hits) => Ok(Response::Data(Data::Hits(hits))),
            Err(fault) => Ok(self.skip(fault, held)),
        }
    }

    /// Holds the next part of a line; whether it was the last.
    fn hold_part(&mut self, held: &mut Vec<u8>, limit: usize) -> Result<bool> {
        let (part, is_end) = self.connection.read_line_part()?;
        if held.len() + part.len() > limit {
            return Err(self.too_large("a response, in bytes,", limit as u64));
        }
        held.extend_from_slice(part);
        Ok(is_end)
    }

    fn hold_line(&mut self, held: &mut Vec<u8>) -> Result<()> {
        while !self.hold_part(held, RESPONSE)? {}
        Ok(())
    }

    /// Holds a literal, as it came.
    fn hold_literal(&mut self, held: &mut Vec<u8>, size: u64) -> Result<()> {
        if size > STRING {
            return Err(self.too_large("a string, in bytes,", STRING));
        }
        if held.len() as u64 + size > RESPONSE as u64 {
            return Err(self.too_large("a response, in bytes,", RESPONSE as u64));
        }
        held.extend_from_slice(b"\r\n");
        let mut body = self.connection.body(Length::new(size));
        while let Some(part) = body.next_part()? {
            held.extend_from_slice(part);
        }
        Ok(())
    }

    fn too_large(&self, what: &str, limit: u64) -> Error {
        Error::TooLarge {
            what: format!("{}: {what}", self.connection.peer()),
            limit,
        }
    }

    fn broken(&self, fault: Fault, text: &[u8]) -> Error {
        self.connection.malformed(fault.0, text)
    }

    fn skip(&mut self, fault: Fault, text: &[u8]) -> Response {
        self.note(fault, text);
        Response::Skipped
    }

    fn note(&mut self, fault: Fault, text: &[u8]) {
        if self.notes.len() < NOTES {
            let shown = proto_transport::excerpt(text);
            self.notes.push(format!("{}: {shown}", fault.0));
        }
    }

    /// Something came that was asked for, and will not come again.
    pub(crate) fn progress(&mut self) {
        self.wanted = self.connection.heard();
    }

    // --- what every response may tell ---

    fn learn(&mut self, response: Response) -> Result<Response> {
        if matches!(response, Response::Tagged(..) | Response::GoAhead(_)) {
            self.progress();
        }
        let told = match &response {
            Response::Tagged(_, told) | Response::Data(Data::Told(told)) => Some(told),
            _ => None,
        };
        match told.and_then(|told| told.code.as_ref()) {
            Some(Code::Alert) if self.alerts.len() < NOTES => {
                let new = |told: &&Told| !self.alerts.contains(&told.text);
                let text = told.filter(new).map(|told| told.text.clone());
                self.alerts.extend(text);
            }
            Some(Code::Capability(capabilities)) => {
                let capabilities = capabilities.clone();
                self.learn_capabilities(capabilities);
            }
            _ => {}
        }
        match response {
            Response::Data(Data::Told(told)) if told.kind == Kind::Bye && !self.is_leaving => {
                self.is_lost = true;
                // It may be another time, unless the server says otherwise.
                let refusal = told.refusal().unwrap_or(Refusal::Transient);
                Err(self.connection.refused(told.to_string(), refusal))
            }
            Response::Data(Data::Capabilities(capabilities)) => {
                self.learn_capabilities(capabilities);
                Ok(Response::Data(Data::Other))
            }
            response => Ok(response),
        }
    }

    /// A server that does not speak IMAP4rev1 speaks IMAP4rev2 without being asked to (RFC 9051
    /// section 7.2.2), with names in UTF-8 (section 5.1).
    fn learn_capabilities(&mut self, capabilities: Capabilities) {
        self.is_utf8 |= capabilities.offers("IMAP4REV2") && !capabilities.offers("IMAP4REV1");
        self.capabilities = capabilities;
        self.has_learned = true;
    }

    /// What nobody asked for.
    pub(crate) fn unasked(&mut self, data: Data) {
        let event = match data {
            Data::Exists(count) => Event::Exists(count),
            Data::Expunged(number) => Event::Expunged(number),
            Data::Vanished { uids, .. } => Event::Vanished(uids),
            Data::Message(number, attributes) => Event::Message(number, attributes),
            Data::Told(told) => Event::Told(told),
            _ => return,
        };
        if self.events.len() < EVENTS {
            self.events.push_back(event);
        } else if self.notes.len() < NOTES && self.notes.last().is_none_or(|note| note != DROPPED) {
            self.notes.push(DROPPED.to_owned());
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn take_alerts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.alerts)
    }

    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

/// The longest answer to a search: that of ten million messages, one by one.
const ANSWER: usize = 128 * 1024 * 1024;

/// The note about events that were dropped.
const DROPPED: &str = "the server says more than anybody listens to; some of it was dropped";

/// What is told of a flood.
const FLOOD: &str = "what the server says without being asked, in bytes,";

/// Sections that nobody asked for.
pub(crate) fn pass_over(
    _: u32,
    _: &Attributes,
    _: &Section,
    content: &mut Content<'_>,
) -> Result<()> {
    check_unasked(content)
}

/// A section that nobody asked for is passed over, unless it takes too long.
pub(crate) fn check_unasked(content: &Content<'_>) -> Result<()> {
    match content.size() <= UNASKED {
        true => Ok(()),
        false => Err(Error::TooLarge {
            what: FLOOD.to_owned(),
            limit: UNASKED,
        }),
    }
}

/// Wants nothing.
pub(crate) fn nothing(data: Data) -> Result<Option<Data>> {
    Ok(Some(data))
}
