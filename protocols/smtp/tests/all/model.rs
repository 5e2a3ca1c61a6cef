//! What must become of each recipient, as the RFCs say it: the replies are read from the left, once,
//! and nothing is known of buffers, pipelines or errors.

use proto_smtp::Fate::{self, Accepted, NotSent, RefusedForGood, RefusedForNow, Unknown, Willing};

use crate::kit::Mode;

/// What a server says to one message, in order. Behind the last it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Reply(u16),
    Garbage,
    Nul,
}

impl Event {
    pub fn wire(self) -> Vec<u8> {
        match self {
            Event::Reply(code) => format!("{code}-first line\r\n{code} last\r\n").into_bytes(),
            Event::Garbage => b"what?\r\n".to_vec(),
            Event::Nul => b"250 o\0k\r\n".to_vec(),
        }
    }
}

/// A message as the model sees it.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub recipients: usize,
    /// Chunks of it before the last, where it goes in chunks.
    pub chunks: usize,
    /// Small enough to go ahead of the replies.
    pub is_small: bool,
}

struct Reader<'e> {
    events: std::slice::Iter<'e, Event>,
    last: u16,
    fates: Vec<Fate>,
}

/// What a command hears.
enum Heard {
    Yes,
    No(Fate),
    /// Nothing that can be understood, now and for ever.
    Lost,
}

impl Reader<'_> {
    fn hear(&mut self, wanted: impl Fn(u16) -> bool) -> Heard {
        let code = match self.events.next() {
            Some(Event::Reply(code)) => code,
            Some(_) => {
                self.last = 0;
                return Heard::Lost;
            }
            None => return Heard::Lost,
        };
        self.last = *code;
        match *code {
            code if wanted(code) => Heard::Yes,
            400..=499 => Heard::No(RefusedForNow),
            500..=599 => Heard::No(RefusedForGood),
            _ => Heard::Lost,
        }
    }

    fn decide(&mut self, which: &[Fate], fate: Fate) {
        for each in self.fates.iter_mut().filter(|each| which.contains(each)) {
            *each = fate;
        }
    }

    /// Nothing more will be heard, and the server cannot or may have it all. If it took its leave
    /// and then closed, that is its answer to what it had not answered yet.
    fn lose(&mut self, has_it: bool) {
        let fate = match (self.last, has_it) {
            (421, _) => RefusedForNow,
            (_, true) => Unknown,
            (_, false) => NotSent,
        };
        self.decide(&[Willing, NotSent], fate);
    }
}

fn is_yes(code: u16) -> bool {
    (200..300).contains(&code)
}

/// What must become of each recipient of the first message of a session.
pub fn fates(mode: Mode, message: Message, events: &[Event]) -> Vec<Fate> {
    let mut reader = Reader {
        events: events.iter(),
        last: 0,
        fates: vec![NotSent; message.recipients],
    };
    converse(mode, message, &mut reader);
    reader.fates
}

fn converse(mode: Mode, message: Message, reader: &mut Reader<'_>) {
    let goes_ahead = mode.pipelining && !mode.all_or_nothing;
    let is_ahead = goes_ahead && mode.chunking && message.is_small;
    if !hear_envelope(message, reader, is_ahead) || !reader.fates.contains(&Willing) {
        return;
    }
    let data_is_ahead = goes_ahead && !mode.chunking;
    if reader.last == 421 && !is_ahead && !data_is_ahead {
        return reader.lose(false);
    }
    if mode.all_or_nothing && reader.fates.iter().any(|fate| *fate != Willing) {
        return reader.decide(&[Willing], NotSent);
    }
    if !mode.chunking {
        match reader.hear(|code| code == 354) {
            Heard::Yes => {}
            Heard::No(fate) => return reader.decide(&[Willing], fate),
            Heard::Lost => return reader.lose(false),
        }
    } else if !hear_chunks(mode, message, reader, is_ahead) {
        return;
    }
    hear_end(mode, reader);
}

/// Whether MAIL was taken, and all of RCPT answered.
fn hear_envelope(message: Message, reader: &mut Reader<'_>, is_ahead: bool) -> bool {
    match reader.hear(is_yes) {
        Heard::Yes => {}
        Heard::No(fate) => {
            reader.decide(&[NotSent], fate);
            return false;
        }
        Heard::Lost => {
            reader.lose(is_ahead);
            return false;
        }
    }
    for recipient in 0..message.recipients {
        reader.fates[recipient] = match reader.hear(is_yes) {
            Heard::Yes => Willing,
            Heard::No(fate) => fate,
            Heard::Lost => {
                reader.lose(is_ahead);
                return false;
            }
        }
    }
    true
}

/// The replies to all chunks but the last. Whether one to the last is to be expected.
fn hear_chunks(mode: Mode, message: Message, reader: &mut Reader<'_>, is_ahead: bool) -> bool {
    // So many are heard before the last chunk is said: four may be under way.
    let before = match (is_ahead, mode.pipelining) {
        (true, _) => 0,
        (false, true) => message.chunks.saturating_sub(3),
        (false, false) => message.chunks,
    };
    for chunk in 0..message.chunks {
        match reader.hear(is_yes) {
            Heard::Yes => {}
            Heard::No(fate) => {
                reader.decide(&[Willing], fate);
                return false;
            }
            Heard::Lost if chunk < before => {
                reader.lose(false);
                return false;
            }
            Heard::Lost => {
                reader.decide(&[Willing], Unknown);
                return false;
            }
        }
    }
    true
}

fn hear_end(mode: Mode, reader: &mut Reader<'_>) {
    while let Some(next) = reader.fates.iter().position(|fate| *fate == Willing) {
        let fate = match reader.hear(is_yes) {
            Heard::Yes => Accepted,
            Heard::No(fate) => fate,
            Heard::Lost => return reader.decide(&[Willing], Unknown),
        };
        match mode.lmtp {
            true => reader.fates[next] = fate,
            false => reader.decide(&[Willing], fate),
        }
    }
}
