//! The commands about the messages of a selected mailbox (RFC 9051 section 6.4), but those that look
//! for messages and tell of them.

use super::conversation::{Break, Conversation, Result};
use super::rule::Event;
use super::syntax::{compressed, Arguments, SequenceSet};
use super::view::View;
use super::News;
use crate::mailbox::{Flags, Message, Placed, Refusal};

/// What STORE does with flags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Replace,
    Add,
    Remove,
}

impl Conversation<'_> {
    pub fn select_state(
        &mut self,
        verb: &str,
        arguments: &mut Arguments<'_>,
        by_uid: bool,
    ) -> Result<String> {
        let Some(view) = &self.view else {
            return Err(self.wrong("select a mailbox first"));
        };
        let is_read_only = view.is_read_only;
        let needs = match verb {
            "UNSELECT" | "MOVE" => verb,
            "SORT" => "SORT",
            "EXPUNGE" if by_uid => "UIDPLUS",
            _ => "",
        };
        if !self.server.has(needs) {
            return Err(self.wrong(&format!("{needs} is not offered")));
        }
        if is_read_only && matches!(verb, "EXPUNGE" | "STORE" | "MOVE") {
            return Err(Break::Refused(
                "NO [READ-ONLY] the mailbox was examined".to_owned(),
            ));
        }
        match (verb, by_uid) {
            ("CHECK", false) => {
                self.no_arguments(arguments)?;
                self.consult(Event::Check, &[])?;
            }
            ("CLOSE" | "UNSELECT", false) => self.close(verb, arguments)?,
            ("EXPUNGE", _) => self.expunge(arguments, by_uid)?,
            ("SEARCH", _) => return self.search(arguments, by_uid),
            ("SORT", _) => return self.sort(arguments, by_uid),
            ("THREAD", _) => return self.thread(arguments, by_uid),
            ("FETCH", _) => return self.fetch(arguments, by_uid),
            ("STORE", _) => return self.store(arguments, by_uid),
            ("COPY" | "MOVE", _) => return self.copy(verb, arguments, by_uid),
            _ => return Err(self.wrong("UID does not go with this command")),
        }
        Ok(format!("OK {verb} completed"))
    }

    // --- which messages ---

    /// Reads a sequence set and gives the places in the view that it means.
    pub fn places(
        &mut self,
        arguments: &mut Arguments<'_>,
        by_uid: bool,
    ) -> Result<(SequenceSet, Vec<usize>)> {
        self.checked(arguments.space())?;
        let set = arguments.sequence_set();
        let set = self.checked(set)?;
        let places = match &self.view {
            Some(view) => set.places(&view.uids, &view.saved, by_uid),
            None => Ok(Vec::new()),
        };
        Ok((set, self.checked(places)?))
    }

    /// The UIDs at these places.
    pub fn uids(&self, places: &[usize]) -> Vec<u32> {
        let Some(view) = &self.view else {
            return Vec::new();
        };
        let uids = places.iter().filter_map(|place| view.uids.get(*place));
        uids.copied().collect()
    }

    /// Consults the rules for a command about these messages: their numbers, their UIDs, and how
    /// they were written.
    pub fn consult_about(&mut self, event: Event, set: &str, places: &[usize]) -> Result {
        if self.server.rules.is_empty() {
            return Ok(());
        }
        let numbers = places.iter().map(|place| View::number(*place).to_string());
        let mut subjects: Vec<String> = numbers.collect();
        subjects.extend(self.uids(places).iter().map(u32::to_string));
        subjects.push(set.to_owned());
        let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
        self.consult(event, &subjects)
    }

    /// The message of a UID in the selected mailbox, unless it is gone.
    pub fn message(&self, uid: u32) -> Option<Message> {
        let (account, view) = (self.account.as_ref()?, self.view.as_ref()?);
        account.read(|mailboxes| mailboxes.by_id(view.id)?.message(uid).cloned())
    }

    // --- leaving and removing ---

    fn close(&mut self, verb: &str, arguments: &Arguments<'_>) -> Result {
        self.no_arguments(arguments)?;
        let event = match verb {
            "CLOSE" => Event::Close,
            _ => Event::Unselect,
        };
        self.consult(event, &[])?;
        if self
            .view
            .as_ref()
            .is_some_and(|view| verb == "CLOSE" && !view.is_read_only)
        {
            self.remove_deleted(None);
        }
        self.view = None;
        Ok(())
    }

    fn expunge(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result {
        let only = match by_uid {
            true => Some(self.places(arguments, true)?),
            false => None,
        };
        self.no_arguments(arguments)?;
        let (set, places) = match &only {
            Some((set, places)) => (set.text.as_str(), places.clone()),
            None => (
                "1:*",
                (0..self.view.as_ref().map_or(0, |view| view.uids.len())).collect(),
            ),
        };
        self.consult_about(Event::Expunge, set, &places)?;
        let only = only.map(|(_, places)| self.uids(&places));
        self.remove_deleted(only.as_deref());
        Ok(())
    }

    /// Removes what has \Deleted, or those of it that are named.
    fn remove_deleted(&mut self, only: Option<&[u32]>) {
        let (Some(account), Some(view)) = (&self.account, &self.view) else {
            return;
        };
        let removed = account.change(|mailboxes| {
            let mailbox = mailboxes.by_id_mut(view.id)?;
            let is_meant = |message: &&Message| {
                let is_named = only.is_none_or(|only| only.binary_search(&message.uid).is_ok());
                is_named && message.flags.contains("\\Deleted")
            };
            let uids = mailbox.messages().iter().filter(is_meant);
            let uids: Vec<u32> = uids.map(|message| message.uid).collect();
            Some(mailbox.remove(&uids).len())
        });
        if let Some(messages @ 1..) = removed {
            self.server.tell(&News::Expunged {
                connection: self.connection,
                mailbox: &view.name,
                messages,
            });
        }
    }

    // --- STORE ---

    /// RFC 9051 section 6.4.6, RFC 7162 section 3.1.3.
    fn store(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        let (set, places) = self.places(arguments, by_uid)?;
        self.checked(arguments.space())?;
        let parsed = self.unchanged_since(arguments);
        let unchanged_since = self.checked(parsed)?;
        let change = match (arguments.eat(b'+'), arguments.eat(b'-')) {
            (false, false) => Change::Replace,
            (true, false) => Change::Add,
            (_, true) => Change::Remove,
        };
        let item = arguments.keyword();
        let is_silent = match self.checked(item)?.as_str() {
            "FLAGS" => false,
            "FLAGS.SILENT" => true,
            _ => return Err(self.wrong("only FLAGS can be stored")),
        };
        self.checked(arguments.space())?;
        let flags = flags(arguments);
        let flags = self.checked(flags)?;
        self.no_arguments(arguments)?;
        self.consult_about(Event::Store, &set.text, &places)?;
        self.has_modseq |= unchanged_since.is_some();
        let mut modified = Vec::new();
        let mut is_missing = false;
        for place in places {
            let number = View::number(place);
            let uid = self.uids(&[place]).first().copied().unwrap_or(0);
            let Some((before, after)) = self.set_flags(uid, change, &flags, unchanged_since) else {
                is_missing = true;
                continue;
            };
            if unchanged_since.is_some_and(|since| before > since) {
                modified.push(if by_uid { uid } else { number });
                continue;
            }
            if let Some(view) = &mut self.view {
                view.made(&after);
            }
            match (is_silent, self.has_modseq && before != after.modseq) {
                (false, _) => self.say_flags(number, &after, by_uid)?,
                (true, true) => {
                    let (uid, modseq) = (after.uid, after.modseq);
                    self.say(&format!("* {number} FETCH (UID {uid} MODSEQ ({modseq}))"))?;
                }
                (true, false) => {}
            }
        }
        Ok(match (modified.is_empty(), is_missing) {
            (false, _) => format!("OK [MODIFIED {}] some were changed", compressed(&modified)),
            (true, true) => "NO [EXPUNGEISSUED] some messages are gone".to_owned(),
            (true, false) => "OK STORE completed".to_owned(),
        })
    }

    /// `(UNCHANGEDSINCE 12) `
    fn unchanged_since(
        &self,
        arguments: &mut Arguments<'_>,
    ) -> std::result::Result<Option<u64>, String> {
        if !arguments.eat(b'(') {
            return Ok(None);
        }
        if !self.server.has("CONDSTORE") || !arguments.eat_word("UNCHANGEDSINCE ") {
            return Err("no such modifier is offered".to_owned());
        }
        let since = arguments.number()?;
        arguments.expect(b')')?;
        arguments.space()?;
        Ok(Some(since))
    }

    /// Changes the flags of a message, unless it was changed since. Its modification sequence
    /// before, and the message now.
    fn set_flags(
        &self,
        uid: u32,
        change: Change,
        flags: &Flags,
        unchanged_since: Option<u64>,
    ) -> Option<(u64, Message)> {
        let (account, view) = (self.account.as_ref()?, self.view.as_ref()?);
        account.change(|mailboxes| {
            let mailbox = mailboxes.by_id_mut(view.id)?;
            let message = mailbox.message(uid)?;
            let before = message.modseq;
            if unchanged_since.is_some_and(|since| before > since) {
                return Some((before, message.clone()));
            }
            let mut wanted = (*message.flags).clone();
            match change {
                Change::Replace => wanted = flags.clone(),
                Change::Add => wanted.extend(flags),
                Change::Remove => wanted.take(flags),
            }
            Some((before, mailbox.set_flags(uid, wanted)?.clone()))
        })
    }

    /// Sets \Seen, as FETCH does. The message as it is then, if that changed it.
    pub fn set_seen(&mut self, message: &Message) -> Option<Message> {
        let view = self.view.as_ref()?;
        if view.is_read_only || message.flags.contains("\\Seen") {
            return None;
        }
        let seen: Flags = ["\\Seen"].into_iter().collect();
        let (_, after) = self.set_flags(message.uid, Change::Add, &seen, None)?;
        self.view.as_mut()?.made(&after);
        Some(after)
    }

    // --- COPY and MOVE ---

    /// RFC 9051 sections 6.4.7 and 6.4.8.
    fn copy(&mut self, verb: &str, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        let (set, places) = self.places(arguments, by_uid)?;
        self.checked(arguments.space())?;
        let target = arguments.mailbox();
        let target = self.checked(target)?;
        self.no_arguments(arguments)?;
        let is_move = verb == "MOVE";
        let event = if is_move { Event::Move } else { Event::Copy };
        self.consult_about(event, &set.text, &places)?;
        let uids = self.uids(&places);
        let (Some(account), Some(view)) = (&self.account, &self.view) else {
            return Err(Refusal::NoMailbox.into());
        };
        let placed = account.change(|mailboxes| match is_move {
            true => mailboxes.move_to(view.id, &uids, &target),
            false => mailboxes.copy(view.id, &uids, &target),
        });
        let placed = placed.map_err(|refusal| match refusal {
            Refusal::NoMailbox => {
                Break::Refused("NO [TRYCREATE] there is no such mailbox".to_owned())
            }
            other => other.into(),
        })?;
        Ok(match (self.copy_uid(&placed), is_move) {
            (Some(code), true) => {
                self.say(&format!("* OK [{code}] moved"))?;
                "OK MOVE completed".to_owned()
            }
            (Some(code), false) => format!("OK [{code}] COPY completed"),
            (None, _) => format!("OK {verb} completed"),
        })
    }

    /// RFC 4315 section 3.
    fn copy_uid(&self, placed: &Placed) -> Option<String> {
        if !self.server.has("UIDPLUS") || placed.uids.is_empty() {
            return None;
        }
        let (before, after): (Vec<u32>, Vec<u32>) = placed.uids.iter().copied().unzip();
        let (before, after) = (compressed(&before), compressed(&after));
        Some(format!("COPYUID {} {before} {after}", placed.uid_validity))
    }
}

/// Flags in parentheses, or only with spaces between them.
fn flags(arguments: &mut Arguments<'_>) -> std::result::Result<Flags, String> {
    if arguments.is_at(b'(') {
        return arguments.flag_list();
    }
    let mut flags = Flags::default();
    loop {
        flags.insert(&arguments.flag()?);
        if !arguments.is_at(b' ') {
            return Ok(flags);
        }
        arguments.space()?;
    }
}
