//! From the server to the store.
//!
//! Flags, date and size are asked for together with the content, and servers tell them first when
//! they are asked first. Of one that does not, they are asked for beforehand: the store has to know
//! them when a message begins.

use proto_imap::{Attributes, Content, Fetch, Fetched, Item, Key, Search, Session, UidSet};
use proto_transport::{Error, Refusal, Result};

use super::former::Digests;
use super::found::Found;
use super::Fetching;
use crate::progress::Transfer;
use crate::store::About;

/// Messages in one question: enough that few questions do, and few enough that little is lost with
/// an answer.
const WINDOW: u32 = 200;

/// The same where only attributes are asked for.
const ATTRIBUTES: u32 = 2_000;

/// Messages that a server may have and not give, before nobody believes it any more.
const REFUSED: u64 = 10_000;

/// The message that comes in.
pub struct Current {
    found: Found,
    content: Came,
}

/// What came of a content.
enum Came {
    /// All of it; its digests where messages are to be known again by them.
    Whole(Option<Box<Digests>>),
    /// More than the user wants.
    TooMuch,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

impl Fetching<'_> {
    /// Fetches messages. What is refused for some of them does not end it.
    pub fn transfer(&mut self, session: &mut Session, wanted: UidSet) -> Result<()> {
        let mut left = wanted.clone();
        let mut total = None;
        // Only of whole messages the size is known before they come.
        if self.is_whole && self.args.common.connection.max_size.is_some() {
            self.learn(session, &wanted)?;
            left = self.without_large(wanted.clone())?;
            let sizes = left.iter().filter_map(|uid| self.known.get(&uid)?.size);
            total = Some(sizes.fold(0, u64::saturating_add));
        }
        let mut line = self.progress.transfer("messages", total);
        self.ask(session, &left, WINDOW, &mut line)?;
        let late = std::mem::take(&mut self.late);
        if !late.is_empty() {
            self.learn(session, &late)?;
            self.ask(session, &late, WINDOW, &mut line)?;
        }
        // One message that a server cannot give is no reason to do without the others.
        let again = std::mem::take(&mut self.again).without(&self.done);
        self.ask(session, &again, 1, &mut line)?;
        self.look_for(session, &wanted.without(&self.done))
    }

    /// Asks for flags, dates and sizes.
    fn learn(&mut self, session: &mut Session, uids: &UidSet) -> Result<()> {
        let items = [Item::Flags, Item::InternalDate, Item::Size];
        let questions = uids.windows(ATTRIBUTES);
        let questions = questions.map(|window| Fetch::new(window, items.to_vec()));
        let (known, validity) = (&mut self.known, self.validity.unwrap_or(0));
        session.fetch(questions, &mut |fetched| match fetched {
            Fetched::Message {
                uid, attributes, ..
            } => {
                known.insert(uid, Found::new(validity, uid, attributes));
                Ok(())
            }
            Fetched::Window { result, .. } => result,
            Fetched::Section { .. } => Ok(()),
        })
    }

    /// Those that are not too large; those that are have a row at once.
    fn without_large(&mut self, wanted: UidSet) -> Result<UidSet> {
        let mut large = UidSet::default();
        for uid in wanted.iter() {
            let Some(found) = self.known.get(&uid) else {
                continue;
            };
            if found
                .size
                .is_some_and(|size| self.intake.is_too_large(size))
            {
                large.insert(uid);
                self.done.insert(uid);
                let name = self.name(uid);
                self.intake.skip(found, Some(name))?;
            }
        }
        Ok(wanted.without(&large))
    }

    fn ask(
        &mut self,
        session: &mut Session,
        uids: &UidSet,
        window: u32,
        line: &mut Transfer<'_>,
    ) -> Result<()> {
        let items = [
            Item::Flags,
            Item::InternalDate,
            Item::Size,
            Item::Section(self.section.clone()),
        ];
        let questions = uids.windows(window);
        let questions = questions.map(|window| Fetch::new(window, items.to_vec()));
        session.fetch(questions, &mut |fetched| match fetched {
            Fetched::Section {
                uid,
                attributes,
                content,
                ..
            } => self.content_begins(uid, attributes, content, line),
            Fetched::Message { uid, is_whole, .. } => self.message_ends(uid, is_whole),
            Fetched::Window {
                fetch,
                came,
                result,
            } => match result {
                Ok(()) => Ok(()),
                Err(error) => self.question_refused(&fetch.uids, came, &error),
            },
        })
    }

    fn content_begins(
        &mut self,
        uid: u32,
        attributes: &Attributes,
        content: &mut Content<'_>,
        line: &mut Transfer<'_>,
    ) -> Result<()> {
        self.give_up_current();
        let has_all = attributes.flags.is_some() && attributes.internal_date.is_some();
        let found = match self.known.get(&uid) {
            Some(found) => found.clone(),
            None if has_all => Found::new(self.validity.unwrap_or(0), uid, attributes),
            None => {
                self.late.insert(uid);
                return Ok(());
            }
        };
        let content = match content.is_nil() {
            true => Came::Nothing("it has no such content (NIL)"),
            false => self.receive(&found, content, line)?,
        };
        self.current = Some(Current { found, content });
        Ok(())
    }

    fn receive(
        &mut self,
        found: &Found,
        content: &mut Content<'_>,
        line: &mut Transfer<'_>,
    ) -> Result<Came> {
        if self.intake.is_too_large(content.size()) {
            return Ok(Came::TooMuch);
        }
        // What a server failed to read may come as a text of no length.
        if self.is_whole && content.size() == 0 && found.size.is_some_and(|size| size > 0) {
            return Ok(Came::Nothing("it came empty, though its size is not 0"));
        }
        let about = About {
            uid: &format!("{}.{}", self.mailbox, self.name(found.uid)),
            flags: &found.letters(),
            date: found.time(),
        };
        let mut digests = self.recognises().then(Digests::default);
        let is_all = self.intake.receive(&about, content, &mut |part| {
            line.advance(part.len() as u64);
            if let Some(digests) = &mut digests {
                digests.update(part);
            }
        })?;
        Ok(match is_all {
            true => Came::Whole(digests.map(Box::new)),
            false => Came::TooMuch,
        })
    }

    /// Whether what comes may be stored already under a UID that is valid no more. What was asked
    /// for is stored again where several of the same do no harm.
    fn recognises(&self) -> bool {
        let is_single = self.args.intake.store.recognises();
        !self.former.is_empty() && (is_single || !self.is_asked_for)
    }

    /// A message that did not come to its end is none.
    pub fn give_up_current(&mut self) {
        if self.current.take().is_some() {
            self.intake.abandon();
        }
    }

    fn message_ends(&mut self, uid: u32, is_whole: bool) -> Result<()> {
        let is_current = |current: &Current| current.found.uid == uid;
        if !is_whole || !self.current.as_ref().is_some_and(is_current) {
            self.give_up_current();
            return Ok(());
        }
        let Some(Current { found, content }) = self.current.take() else {
            return Ok(());
        };
        self.done.insert(uid);
        match content {
            Came::Whole(digests) => self.keep(found, digests),
            Came::TooMuch => self.intake.skip(&found, Some(self.name(uid))),
            Came::Nothing(why) => {
                let error = self.no_content(uid, why);
                self.intake.refused(&found, Some(self.name(uid)), &error)
            }
        }
    }

    fn keep(&mut self, found: Found, digests: Option<Box<Digests>>) -> Result<()> {
        let (uid, name) = (found.uid, self.name(found.uid));
        let former = digests.and_then(|digests| self.former.take(*digests));
        if let (Some((former, hash)), Some(state)) = (former, &mut self.intake.state) {
            state.record(&name, &hash, &format!("that of {former}"));
            state.forget(&former);
            self.intake.abandon();
            return Ok(());
        }
        if self.intake.room() == 0 {
            self.intake.abandon();
            return Ok(());
        }
        if self.intake.end(found, name)? {
            self.taken.insert(uid);
        }
        Ok(())
    }

    /// The server said no. What it was about is asked for again alone, but once.
    fn question_refused(&mut self, asked: &UidSet, came: &UidSet, error: &Error) -> Result<()> {
        self.give_up_current();
        let missing = asked.without(came).without(&self.done);
        match asked.single() {
            Some(_) => missing.iter().try_for_each(|uid| self.refuse(uid, error)),
            None => {
                missing.iter().for_each(|uid| self.again.insert(uid));
                Ok(())
            }
        }
    }

    /// What was asked for and did not come is gone, or the server keeps it from us.
    fn look_for(&mut self, session: &mut Session, missing: &UidSet) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let search = Search::all().and(Key::Uid(missing.clone()));
        let there = session.search(&search)?.intersection(missing);
        for uid in there.iter() {
            let error = self.no_content(uid, "it is there and was not sent");
            self.refuse(uid, &error)?;
        }
        Ok(())
    }

    /// A message that the server does not give; of too many, the rest is not worth asking for.
    fn refuse(&mut self, uid: u32, error: &Error) -> Result<()> {
        self.done.insert(uid);
        self.refused += 1;
        if self.refused > REFUSED {
            return Err(Error::TooLarge {
                what: "what the server has and does not give, in messages,".to_owned(),
                limit: REFUSED,
            });
        }
        let found = self.described(uid);
        self.intake.refused(&found, Some(self.name(uid)), error)
    }

    fn described(&self, uid: u32) -> Found {
        let nothing = || Found::new(self.validity.unwrap_or(0), uid, &Attributes::default());
        self.known.get(&uid).cloned().unwrap_or_else(nothing)
    }

    fn no_content(&self, uid: u32, why: &str) -> Error {
        Error::Refused {
            peer: proto_transport::escape::escaped(self.mailbox.as_bytes()),
            doing: format!("fetching the message {uid}"),
            reply: why.to_owned(),
            refusal: Refusal::Lasting,
        }
    }
}
