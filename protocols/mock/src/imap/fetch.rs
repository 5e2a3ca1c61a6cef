//! FETCH (RFC 9051 sections 6.4.5 and 7.5.2).

use super::conversation::{Break, Conversation, Result};
use super::flaw::Flaw;
use super::items::{items, Item};
use super::mime::Part;
use super::rule::Event;
use super::structure::{astring, Style};
use super::syntax::{Arguments, Parsed};
use super::view::View;
use crate::mailbox::Message;

/// How wrong the sizes of literals are with the flaws that make them so.
const WRONG_BY: u64 = 10;

impl Conversation<'_> {
    pub fn fetch(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        let (set, mut places) = self.places(arguments, by_uid)?;
        self.checked(arguments.space())?;
        let parsed = items(arguments);
        let mut wanted = self.checked(parsed)?;
        let since = self.changed_since(arguments);
        let since = self.checked(since)?;
        self.no_arguments(arguments)?;
        self.consult_about(Event::Fetch, &set.text, &places)?;
        self.has_modseq |= since.is_some() || wanted.contains(&Item::ModSeq);
        if by_uid && !wanted.contains(&Item::Uid) {
            wanted.insert(0, Item::Uid);
        }
        if since.is_some() && !wanted.contains(&Item::ModSeq) {
            wanted.push(Item::ModSeq);
        }
        if self.server.is_flawed(&Flaw::UidLast) {
            wanted.sort_by_key(|item| *item == Item::Uid);
        }
        if self.server.is_flawed(&Flaw::ForeignFetch) {
            places = (0..self.view.as_ref().map_or(0, |view| view.uids.len())).collect();
            self.say("* 4294967295 FETCH (UID 4294967295 FLAGS (\\Seen))")?;
        }
        let mut is_missing = false;
        let middle = places.len() / 2;
        for (index, place) in places.iter().enumerate() {
            if index == middle {
                self.disturb()?;
            }
            let uid = self.uids(&[*place]).first().copied().unwrap_or(0);
            let number = View::number(*place);
            match self.message(uid) {
                None => is_missing = true,
                Some(message) if since.is_some_and(|since| message.modseq <= since) => {}
                Some(message) => {
                    if !self.server.rules.is_empty() {
                        let subjects = [number.to_string(), uid.to_string()];
                        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
                        self.consult(Event::Message, &subjects)?;
                    }
                    self.say_message(number, message, &wanted)?;
                }
            }
        }
        Ok(match is_missing {
            true => "NO [EXPUNGEISSUED] some messages are gone".to_owned(),
            false => "OK FETCH completed".to_owned(),
        })
    }

    /// ` (CHANGEDSINCE 12)`
    fn changed_since(&self, arguments: &mut Arguments<'_>) -> Parsed<Option<u64>> {
        if !arguments.is_at(b' ') {
            return Ok(None);
        }
        arguments.space()?;
        if !self.server.has("CONDSTORE") || !arguments.eat_word("(CHANGEDSINCE ") {
            return Err("no such modifier is offered".to_owned());
        }
        let since = arguments.number()?;
        arguments.expect(b')')?;
        Ok(Some(since))
    }

    /// Does what the server does wrong in the middle.
    fn disturb(&mut self) -> Result {
        if self.server.is_flawed(&Flaw::ExpungeInFetch) {
            self.say("* 1 EXPUNGE")?;
        }
        if self.server.is_flawed(&Flaw::NoInFetch) {
            return Err(Break::Refused("NO [SERVERBUG] that is all".to_owned()));
        }
        if self.server.is_flawed(&Flaw::ByeInFetch) {
            self.say("* BYE that is all")?;
            return Err(Break::Over);
        }
        Ok(())
    }

    fn say_message(&mut self, number: u32, mut message: Message, wanted: &[Item]) -> Result {
        let needs_content = wanted.iter().any(|item| {
            !matches!(
                item,
                Item::Flags | Item::Uid | Item::InternalDate | Item::Size | Item::ModSeq
            )
        });
        let content = match needs_content {
            true => message.content(),
            false => Vec::new().into(),
        };
        let parsed = Part::message(&content);
        let is_read = |item: &Item| matches!(item, Item::Content(section, _) if !section.is_peek);
        let mut items = wanted.to_vec();
        if wanted.iter().any(is_read) {
            if let Some(seen) = self.set_seen(&message) {
                message = seen;
                if !items.contains(&Item::Flags) {
                    items.push(Item::Flags);
                }
            }
        }
        if self.has_modseq && items.contains(&Item::Flags) && !items.contains(&Item::ModSeq) {
            items.push(Item::ModSeq);
        }
        self.say_raw(format!("* {number} FETCH").as_bytes())?;
        let mut before = " (";
        for item in &items {
            self.channel.write_all(before.as_bytes())?;
            before = " ";
            self.say_item(item, &message, &content, &parsed)?;
        }
        self.channel.write_all(b")")?;
        Ok(self.end_line()?)
    }

    fn say_item(&mut self, item: &Item, message: &Message, content: &[u8], part: &Part) -> Result {
        let style = Style {
            is_utf8: self.is_utf8,
            is_flawed: self.server.is_flawed(&Flaw::EightBitEnvelope),
        };
        let mut out = Vec::new();
        match item {
            Item::Content(section, label) => {
                let octets = section.of(content, part);
                return self.say_content(label, octets.as_deref());
            }
            Item::Flags => out.extend(format!("FLAGS ({})", self.flags_of(message)).bytes()),
            Item::Uid => {
                let uid = match self.server.is_flawed(&Flaw::DuplicateUids) {
                    true => 1,
                    false => message.uid,
                };
                out.extend(format!("UID {uid}").bytes());
            }
            Item::InternalDate => out.extend(format!("INTERNALDATE \"{}\"", message.date).bytes()),
            Item::Size => out.extend(format!("RFC822.SIZE {}", message.size()).bytes()),
            Item::ModSeq => out.extend(format!("MODSEQ ({})", message.modseq).bytes()),
            Item::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                style.envelope(&mut out, part);
            }
            Item::Body | Item::BodyStructure => {
                let is_extended = *item == Item::BodyStructure;
                out.extend_from_slice(if is_extended {
                    b"BODYSTRUCTURE "
                } else {
                    b"BODY "
                });
                let depth = self.server.flaw_value(|flaw| match flaw {
                    Flaw::DeepList(depth) => Some(*depth),
                    _ => None,
                });
                match depth {
                    Some(depth) => {
                        out.resize(out.len() + depth, b'(');
                        out.resize(out.len() + depth, b')');
                    }
                    None => style.body(&mut out, content, part, is_extended),
                }
            }
        }
        Ok(self.channel.write_all(&out)?)
    }

    fn say_content(&mut self, label: &str, octets: Option<&[u8]>) -> Result {
        let mut name = Vec::new();
        match label.split_once(" (") {
            // Names of fields may need to be strings.
            Some((start, names)) => {
                name.extend_from_slice(start.as_bytes());
                let (names, end) = names.rsplit_once(')').unwrap_or((names, ""));
                for (index, field) in names.split(' ').enumerate() {
                    name.extend_from_slice(if index == 0 { b" (" } else { b" " });
                    astring(&mut name, field.as_bytes(), self.is_utf8);
                }
                name.push(b')');
                name.extend_from_slice(end.as_bytes());
            }
            None => name.extend_from_slice(label.as_bytes()),
        }
        name.push(b' ');
        self.channel.write_all(&name)?;
        let Some(octets) = octets.filter(|_| !self.server.is_flawed(&Flaw::NilBody)) else {
            return Ok(self.channel.write_all(b"NIL")?);
        };
        let size = octets.len() as u64;
        let huge = self.server.flaw_value(|flaw| match flaw {
            Flaw::HugeLiteral(size) => Some(*size),
            _ => None,
        });
        let size = match (self.server.is_flawed(&Flaw::LongLiteral), huge) {
            (_, Some(huge)) => huge,
            (true, None) => size + WRONG_BY,
            (false, None) if self.server.is_flawed(&Flaw::ShortLiteral) => {
                size.saturating_sub(WRONG_BY)
            }
            (false, None) => size,
        };
        self.channel
            .write_all(format!("{{{size}}}\r\n").as_bytes())?;
        self.channel.write_all(octets)?;
        match huge {
            Some(_) => Err(Break::Over),
            None => Ok(()),
        }
    }
}
