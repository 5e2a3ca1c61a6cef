//! While the maildrop is open: the commands about messages (RFC 1939 sections 5 and 7).

use std::borrow::Cow;
use std::io::Read;

use super::conversation::{Break, Conversation, Result, Session};
use super::flaw::Flaw;
use super::rule::Event;
use super::source::{Message, PIECE};
use super::wire::Wire;

impl Conversation<'_> {
    /// A command of the TRANSACTION state.
    pub fn transact(
        &mut self,
        session: &mut Session<'_>,
        verb: &str,
        rest: Option<&str>,
    ) -> Result {
        match verb {
            "STAT" => self.stat(session, rest),
            "LIST" => self.list(session, rest),
            "UIDL" => self.uidl(session, rest),
            "TOP" => self.top(session, rest),
            "RETR" => self.retr(session, rest),
            "DELE" => self.dele(session, rest),
            "RSET" => self.rset(session, rest),
            _ => self.noop(rest),
        }
    }

    fn noop(&mut self, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Noop, &[])?;
        self.say_or(said, "+OK")
    }

    // --- what there is ---

    fn stat(&mut self, session: &Session<'_>, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Stat, &[])?;
        let left = session
            .messages
            .iter()
            .filter(|message| !message.is_deleted);
        let (mut count, mut octets) = (left.clone().count(), left.map(|left| left.size).sum());
        if self.maildrop.is_flawed(&Flaw::ZeroSizes) {
            octets = 0;
        }
        if self.maildrop.is_flawed(&Flaw::LyingStat) {
            count += 1;
            octets = octets * 2 + 1;
        }
        self.say_or(said, &format!("+OK {count} {octets}"))
    }

    fn list(&mut self, session: &Session<'_>, rest: Option<&str>) -> Result {
        let flaws = (
            self.maildrop.is_flawed(&Flaw::ZeroSizes),
            self.maildrop.is_flawed(&Flaw::WrongSizes),
        );
        self.tell_of_each(session, rest, Event::List, |_, message| {
            let size = match flaws {
                (true, _) => 0,
                (_, true) => message.size / 2,
                _ => message.size,
            };
            size.to_string().into()
        })
    }

    fn uidl(&mut self, session: &Session<'_>, rest: Option<&str>) -> Result {
        if !self.maildrop.has("UIDL") {
            return Err(Break::Refused("-ERR UIDL is not known here".to_owned()));
        }
        let flaws = &self.maildrop.flaws;
        let first = session.messages.first();
        self.tell_of_each(session, rest, Event::Uidl, |number, message| {
            // What is the same for all is so also when the first is deleted.
            let same = first.filter(|_| number > 1 && flaws.contains(&Flaw::DuplicateUids));
            shown_uid(flaws, same.unwrap_or(message))
        })
    }

    /// LIST and UIDL: a line of each message, or of one.
    fn tell_of_each<'m>(
        &mut self,
        session: &'m Session<'_>,
        rest: Option<&str>,
        event: Event,
        tell: impl Fn(u32, &'m Message) -> Cow<'m, str>,
    ) -> Result {
        if rest.is_some() {
            let (number, message) = self.message(session, rest)?;
            let said = self.consult(event, &[&number.to_string(), &message.uid()])?;
            return self.say_or(said, &format!("+OK {number} {}", tell(number, message)));
        }
        let said = self.consult(event, &[])?;
        let left = (1..)
            .zip(&session.messages)
            .filter(|(_, message)| !message.is_deleted);
        let lines =
            left.map(|(number, message)| Cow::from(format!("{number} {}", tell(number, message))));
        let extra = self.maildrop.flaws.iter().filter_map(|flaw| match flaw {
            Flaw::ExtraLineInList(line) => Some(Cow::from(line)),
            _ => None,
        });
        self.say_all(said, "+OK the list follows", lines.chain(extra))
    }

    // --- marks ---

    fn dele(&mut self, session: &mut Session<'_>, rest: Option<&str>) -> Result {
        let (number, message) = self.message(session, rest)?;
        let said = self.consult(Event::Dele, &[&number.to_string(), &message.uid()])?;
        let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
        if let Some(message) = session.messages.get_mut(index) {
            message.is_deleted = true;
        }
        self.say_or(said, &format!("+OK message {number} is marked"))
    }

    fn rset(&mut self, session: &mut Session<'_>, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        let said = self.consult(Event::Rset, &[])?;
        for message in &mut session.messages {
            message.is_deleted = false;
        }
        self.say_or(said, "+OK no message is marked")
    }

    /// The message whose number is this, if it is there and not marked.
    fn message<'m>(
        &mut self,
        session: &'m Session<'_>,
        argument: Option<&str>,
    ) -> Result<(u32, &'m Message)> {
        let number = match argument.and_then(digits) {
            Some(number) if number > 0 => number,
            _ => return Err(self.wrong("messages have numbers from 1 on")),
        };
        let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
        match u32::try_from(number).ok().zip(session.messages.get(index)) {
            None => Err(Break::Refused(format!(
                "-ERR no such message, only {}",
                session.messages.len()
            ))),
            Some((_, message)) if message.is_deleted => {
                Err(self.wrong(&format!("message {number} is deleted")))
            }
            Some(found) => Ok(found),
        }
    }

    // --- messages ---

    fn retr(&mut self, session: &Session<'_>, rest: Option<&str>) -> Result {
        let (number, message) = self.message(session, rest)?;
        let said = self.consult(Event::Retr, &[&number.to_string(), &message.uid()])?;
        let is_refused = self.maildrop.flaws.iter().any(
            |flaw| matches!(flaw, Flaw::ErrInMiddle(named) if is_named(*named, number, session)),
        );
        if is_refused {
            return Err(Break::Refused(
                "-ERR this message cannot be read".to_owned(),
            ));
        }
        let size = message.size;
        let told = match self.maildrop.flaws.as_slice() {
            flaws if flaws.contains(&Flaw::ZeroSizes) => 0,
            flaws if flaws.contains(&Flaw::WrongSizes) => size * 2,
            _ => size,
        };
        let is_cut =
            self.maildrop.flaws.iter().any(
                |flaw| matches!(flaw, Flaw::CutBody(named) if is_named(*named, number, session)),
            );
        let cut = is_cut.then_some(size / 2);
        self.send(
            session,
            message,
            said,
            &format!("+OK {told} octets"),
            None,
            cut,
        )
    }

    /// RFC 1939 section 7: `"TOP" SP number SP lines`.
    fn top(&mut self, session: &Session<'_>, rest: Option<&str>) -> Result {
        if !self.maildrop.has("TOP") {
            return Err(Break::Refused("-ERR TOP is not known here".to_owned()));
        }
        let arguments = rest.and_then(|rest| rest.split_once(' '));
        let Some((number, Some(lines))) = arguments.map(|(number, lines)| (number, digits(lines)))
        else {
            return Err(self.wrong("TOP takes a message and a number of lines"));
        };
        let (number, message) = self.message(session, Some(number))?;
        let said = self.consult(Event::Top, &[&number.to_string(), &message.uid()])?;
        self.send(
            session,
            message,
            said,
            "+OK the top follows",
            Some(lines),
            None,
        )
    }

    /// Sends a message or its top, piece by piece; of one that is cut, only so many octets.
    fn send(
        &mut self,
        session: &Session<'_>,
        message: &Message,
        said: Option<String>,
        reply: &str,
        body_lines: Option<u64>,
        cut: Option<u64>,
    ) -> Result {
        let maildrop = self.maildrop;
        let Ok(mut reader) = session.hold.open(message) else {
            return Err(self.refusal("SYS/TEMP", "this message cannot be read"));
        };
        let is_whole = said.as_ref().is_some_and(|said| said.contains('\n'));
        self.say_or(said, reply)?;
        if is_whole {
            return Ok(());
        }
        let mut wire = self.wire(body_lines);
        let mut left = cut.unwrap_or(u64::MAX);
        let mut buffer = [0; PIECE];
        let mut out = Vec::new();
        loop {
            let count = reader.read(&mut buffer)?;
            wire.push(buffer.get(..count).unwrap_or_default(), &mut out);
            let is_last = count == 0 || wire.is_enough();
            if is_last {
                wire.finish(&mut out);
            }
            if out.len() as u64 >= left {
                out.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.peer.write_all(&out)?;
                return Err(Break::Over);
            }
            left -= out.len() as u64;
            self.peer.write_all(&out)?;
            out.clear();
            if is_last {
                break;
            }
            // However long a message is, only silence is too long.
            self.expect_progress();
        }
        match maildrop.is_flawed(&Flaw::NoFinalDot) {
            true => Err(Break::Over),
            false => Ok(self.say_line(".")?),
        }
    }

    fn wire(&self, body_lines: Option<u64>) -> Wire {
        let mut wire = Wire::new(self.line_end());
        wire.body_lines = body_lines;
        if self.maildrop.is_flawed(&Flaw::UnstuffedDot) {
            wire.stuffs = false;
            wire.behind_first_line = match wire.line_end {
                b"\n" => b".\n",
                _ => b".\r\n",
            };
        }
        wire
    }
}

/// Whether a flaw is about this message: the one that it names, or the one in the middle.
fn is_named(named: Option<u32>, number: u32, session: &Session<'_>) -> bool {
    let middle = session.messages.len().div_ceil(2);
    named.map_or(middle as u64, u64::from) == u64::from(number)
}

/// A number without sign.
fn digits(text: &str) -> Option<u64> {
    let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

/// The unique-id as UIDL tells it.
fn shown_uid<'m>(flaws: &[Flaw], message: &'m Message) -> Cow<'m, str> {
    let mut uid = message.uid();
    for flaw in flaws {
        uid = match flaw {
            Flaw::LongUids => format!("{uid:x<300}").into(),
            Flaw::SpacedUids => format!("a b {uid}").into(),
            Flaw::UidPath => format!("../../{uid}").into(),
            Flaw::UidControl => format!("\u{1b}[31m\u{7}{uid}\u{8}").into(),
            _ => uid,
        };
    }
    uid
}
