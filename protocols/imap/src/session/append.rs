//! Adding messages to a mailbox (RFC 9051 section 6.3.12).
//!
//! Where literals need no permission (RFC 7888), small messages run ahead of their answers. What is
//! said of each is known by its tag.

use std::io::Read;

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};
use time::OffsetDateTime;

use super::Session;
use crate::mailbox::Mailbox;
use crate::reply::code::Code;
use crate::reply::flag::Flag;
use crate::reply::{Kind, Told};
use crate::request::Command;
use crate::wire::{nothing, pass_over, Response};

/// What is sent at a time: no more than the connection sends before it listens.
const BLOCK: u64 = 64 * 1024;

/// Messages that may be ahead of their answers, which are short: the server never has to wait until
/// we listen.
const AHEAD: usize = 100;

/// Bytes of messages that may be ahead: what the buffers between both sides hold. A larger one goes
/// alone.
const AHEAD_BYTES: u64 = 64 * 1024;

/// A message that is to be added to a mailbox.
pub trait Draft {
    /// The flags that it is to have.
    fn flags(&self) -> &[Flag];
    /// When it came; where that is not known, it comes now.
    fn date(&self) -> Option<OffsetDateTime>;
    /// How many octets it has.
    fn size(&self) -> u64;
    /// Whether its header holds UTF-8, which a server that has UTF8=ACCEPT enabled is told (RFC 6855
    /// section 4).
    fn is_utf8(&self) -> bool;
    /// Its octets, from the first. It breaks the conversation off if there are fewer than were
    /// announced; what there is more is not read.
    fn content(&self) -> Result<Box<dyn Read + '_>>;
}

/// UIDVALIDITY and UID of a message that was added, where the server says them (UIDPLUS).
pub type Place = Option<(u32, u32)>;

/// What became of a message that was to be added.
#[derive(Debug)]
pub enum Added {
    /// It is there.
    At(Place),
    /// The server said no, or it could not be read.
    Refused(Error),
    /// The conversation ended before the answer: it may be there or not.
    Unknown,
}

/// A message under way.
struct Asked<D> {
    tag: String,
    size: u64,
    draft: D,
}

impl Session {
    /// Adds a message to a mailbox.
    pub fn append(&mut self, mailbox: &Mailbox, draft: &dyn Draft) -> Result<Place> {
        self.wire.connection.doing("adding a message");
        // Once and for all: what the server says meanwhile changes nothing of what was announced.
        let runs_ahead = self.wire.may_run_ahead(draft.size());
        let command = self.append_command(mailbox, draft, runs_ahead)?;
        let mut content = draft.content()?;
        let tag = self.wire.say(&command)?;
        if !runs_ahead {
            self.wire.await_go_ahead(&tag)?;
        }
        self.send(draft.size(), &mut *content)?;
        // The line goes on behind the literal, and ends.
        self.wire.connection.write_line(self.behind(draft))?;
        Ok(place(self.wire.finish(&tag, &mut nothing)?))
    }

    /// Adds messages in their order, ahead of the answers where the server allows it. `told` hears
    /// what became of each; a no ends nothing. After an error, those that `told` did not hear of are
    /// not there.
    pub fn append_all<D: Draft>(
        &mut self,
        mailbox: &Mailbox,
        drafts: impl IntoIterator<Item = D>,
        told: &mut dyn FnMut(D, Added) -> Result<()>,
    ) -> Result<()> {
        let mut under_way = Vec::new();
        let result = self.append_ahead(mailbox, drafts, &mut under_way, told);
        for asked in under_way {
            told(asked.draft, Added::Unknown)?;
        }
        result
    }

    fn append_ahead<D: Draft>(
        &mut self,
        mailbox: &Mailbox,
        drafts: impl IntoIterator<Item = D>,
        under_way: &mut Vec<Asked<D>>,
        told: &mut dyn FnMut(D, Added) -> Result<()>,
    ) -> Result<()> {
        let name = self.wire.command("APPEND").mailbox(mailbox)?;
        let longest = name.complete.iter().map(|(_, size)| *size as u64).max();
        for draft in drafts {
            let size = draft.size();
            let longest = longest.unwrap_or(0).max(size);
            let runs_ahead = size <= AHEAD_BYTES && self.wire.may_run_ahead(longest);
            let bytes =
                |under_way: &[Asked<D>]| -> u64 { under_way.iter().map(|asked| asked.size).sum() };
            while !under_way.is_empty()
                && (!runs_ahead
                    || under_way.len() >= AHEAD
                    || bytes(under_way) + size > AHEAD_BYTES)
            {
                self.hear_added(under_way, told)?;
            }
            match runs_ahead {
                true => self.add_ahead(mailbox, draft, under_way, told)?,
                false => self.append_alone(mailbox, draft, told)?,
            }
        }
        while !under_way.is_empty() {
            self.hear_added(under_way, told)?;
        }
        Ok(())
    }

    fn append_alone<D: Draft>(
        &mut self,
        mailbox: &Mailbox,
        draft: D,
        told: &mut dyn FnMut(D, Added) -> Result<()>,
    ) -> Result<()> {
        match self.append(mailbox, &draft) {
            Ok(place) => told(draft, Added::At(place)),
            Err(error @ Error::Refused { .. }) if self.wire.can_hear() => {
                told(draft, Added::Refused(error))
            }
            Err(error) => {
                told(draft, Added::Unknown)?;
                Err(error)
            }
        }
    }

    /// Says all of a small message, and does not wait.
    fn add_ahead<D: Draft>(
        &mut self,
        mailbox: &Mailbox,
        draft: D,
        under_way: &mut Vec<Asked<D>>,
        told: &mut dyn FnMut(D, Added) -> Result<()>,
    ) -> Result<()> {
        self.wire.connection.doing("adding messages");
        // One that cannot be read costs nothing, as nothing of it was said.
        let content = match whole(&draft) {
            Ok(content) => content,
            Err(error) => return told(draft, Added::Refused(error)),
        };
        if under_way.is_empty() {
            self.wire.settle()?;
        }
        let command = self.append_command(mailbox, &draft, true)?;
        let behind = self.behind(&draft);
        let said = self.wire.say_on(&command).and_then(|tag| {
            self.wire.connection.write_block(&content)?;
            self.wire.connection.write_line(behind)?;
            Ok(tag)
        });
        match said {
            Ok(tag) => {
                let size = draft.size();
                under_way.push(Asked { tag, size, draft });
                Ok(())
            }
            Err(error) => {
                told(draft, Added::Unknown)?;
                Err(error)
            }
        }
    }

    /// Hears the answer to one of the messages.
    fn hear_added<D>(
        &mut self,
        under_way: &mut Vec<Asked<D>>,
        told: &mut dyn FnMut(D, Added) -> Result<()>,
    ) -> Result<()> {
        loop {
            match self.wire.hear(&mut pass_over)? {
                Response::Tagged(tag, end) => {
                    let Some(place) = under_way.iter().position(|asked| asked.tag == tag) else {
                        return Err(self.wire.unexpected(&format!("{tag} {end}")));
                    };
                    let Asked { draft, .. } = under_way.remove(place);
                    return told(
                        draft,
                        match end.kind {
                            Kind::Ok => Added::At(self::place(end)),
                            _ => Added::Refused(self.wire.refused(&end)),
                        },
                    );
                }
                Response::GoAhead(text) => {
                    return Err(self.wire.unexpected(&format!("+ {}", escaped(&text))));
                }
                Response::Data(data) => self.wire.unasked(data),
                Response::Skipped => {}
            }
        }
    }

    /// `append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal`, up to the literal,
    /// or `"UTF8" SP "(" literal8 ")"`.
    fn append_command(
        &self,
        mailbox: &Mailbox,
        draft: &dyn Draft,
        runs_ahead: bool,
    ) -> Result<Command> {
        let command = self.wire.command("APPEND").mailbox(mailbox)?;
        let command = match draft.flags() {
            [] => command,
            flags => command.flags(flags)?,
        };
        let size = draft.size();
        let plus = if runs_ahead { "+" } else { "" };
        let before = match self.says_utf8(draft) {
            true => "UTF8 (~",
            false => "",
        };
        let literal = format!(" {before}{{{size}{plus}}}");
        Ok(command.date(draft.date()).text(&literal))
    }

    /// What ends the line behind the literal.
    fn behind(&self, draft: &dyn Draft) -> &'static str {
        match self.says_utf8(draft) {
            true => ")",
            false => "",
        }
    }

    fn says_utf8(&self, draft: &dyn Draft) -> bool {
        self.wire.takes_utf8_mail && draft.is_utf8()
    }

    /// In blocks that are whole before they go, so that what the server says meanwhile, as it may at
    /// any moment, is no reason to stop: a literal that nobody waited with has to come even where
    /// the answer is no already (RFC 7888 section 4).
    fn send(&mut self, size: u64, source: &mut dyn Read) -> Result<()> {
        let mut block = Vec::new();
        let mut left = size;
        while left > 0 {
            block.clear();
            let part = (&mut *source).take(left.min(BLOCK)).read_to_end(&mut block);
            let sent = match part {
                Ok(0) => Err(too_short(size)),
                Ok(_) => Ok(block.len() as u64),
                Err(error) => Err(unreadable(error)),
            };
            let count = sent.inspect_err(|_| self.wire.connection.give_up_sending())?;
            let mut bytes = block.as_slice();
            self.wire.connection.send_exactly(&mut bytes, count)?;
            left -= count;
        }
        Ok(())
    }
}

/// All of a small message.
fn whole(draft: &dyn Draft) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let size = draft.size();
    let source = draft.content()?;
    let read = source.take(size).read_to_end(&mut content);
    match read.map_err(unreadable)? as u64 == size {
        true => Ok(content),
        false => Err(too_short(size)),
    }
}

fn too_short(size: u64) -> Error {
    Error::illegal(format!(
        "the message that was to be added is shorter than {size} bytes"
    ))
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io("reading the message that was to be added", error)
}

/// Where a message is (RFC 4315 section 3).
fn place(told: Told) -> Place {
    match told.code {
        Some(Code::AppendUid { validity, uid }) => Some((validity, uid)),
        _ => None,
    }
}
