//! What a session knows of its mailbox: which number is which UID, and what it was told (RFC 9051
//! sections 2.3.1.2 and 7.5.1).

use std::collections::HashSet;

use super::conversation::{Conversation, Result};
use crate::mailbox::{Mailbox, MailboxId, Message};

/// A selected mailbox.
pub(super) struct View {
    pub id: MailboxId,
    /// What it was called when it was selected.
    pub name: String,
    pub is_read_only: bool,
    /// The UIDs in the order of their numbers, as the client knows them. Some may be gone.
    pub uids: Vec<u32>,
    /// What SEARCH saved for `$` (RFC 5182).
    pub saved: Vec<u32>,
    /// The first UID that is recent here.
    recent_from: u32,
    /// The modification sequences up to which the client knows flags and removals.
    flags_seen: u64,
    removal_seen: u64,
    /// Changes of flags that the client made itself: UID and modification sequence.
    own: HashSet<(u32, u64)>,
}

impl View {
    pub fn new(name: &str, mailbox: &Mailbox, is_read_only: bool, recent_from: u32) -> View {
        View {
            id: mailbox.id(),
            name: name.to_owned(),
            is_read_only,
            uids: mailbox
                .messages()
                .iter()
                .map(|message| message.uid)
                .collect(),
            saved: Vec::new(),
            recent_from,
            flags_seen: mailbox.highest_modseq(),
            removal_seen: mailbox.highest_modseq(),
            own: HashSet::new(),
        }
    }

    /// The number of the message at a place.
    pub fn number(place: usize) -> u32 {
        u32::try_from(place + 1).unwrap_or(u32::MAX)
    }

    pub fn is_recent(&self, uid: u32) -> bool {
        uid >= self.recent_from
    }

    pub fn recent(&self) -> usize {
        let first = self.uids.partition_point(|uid| !self.is_recent(*uid));
        self.uids.len() - first
    }

    /// The client knows of this change without being told.
    pub fn made(&mut self, message: &Message) {
        self.own.insert((message.uid, message.modseq));
    }

    /// Takes away what is gone, and gives the numbers for EXPUNGE, each as it is when those before
    /// it are gone.
    fn drop_removed(&mut self, mailbox: Option<&Mailbox>) -> Vec<u32> {
        let changed = mailbox.map_or(u64::MAX, Mailbox::last_removal);
        if changed <= self.removal_seen {
            return Vec::new();
        }
        self.removal_seen = changed;
        let mut numbers = Vec::new();
        let mut kept = 0;
        self.uids.retain(|uid| {
            let is_there = mailbox.is_some_and(|mailbox| mailbox.message(*uid).is_some());
            match is_there {
                true => kept += 1,
                false => numbers.push(View::number(kept)),
            }
            is_there
        });
        let uids = &self.uids;
        self.saved.retain(|uid| uids.binary_search(uid).is_ok());
        numbers
    }

    /// Takes in what is new. Whether there was anything.
    fn take_new(&mut self, mailbox: &Mailbox) -> bool {
        let from = self.uids.last().map_or(1, |last| last.saturating_add(1));
        // What came and went before it was told of is never told of.
        let new = mailbox.messages_from(from);
        self.uids.extend(new.iter().map(|message| message.uid));
        !new.is_empty()
    }

    /// The messages whose flags others have changed, with their numbers.
    fn take_changed(&mut self, mailbox: &Mailbox) -> Vec<(u32, Message)> {
        let seen = self.flags_seen;
        self.flags_seen = mailbox.highest_modseq();
        let own = std::mem::take(&mut self.own);
        if mailbox.flags_changed() <= seen {
            return Vec::new();
        }
        let changed = mailbox.messages().iter().filter(|message| {
            message.modseq > seen && !own.contains(&(message.uid, message.modseq))
        });
        let numbered = changed.filter_map(|message| {
            let place = self.uids.binary_search(&message.uid).ok()?;
            Some((View::number(place), message.clone()))
        });
        numbered.collect()
    }
}

impl Conversation<'_> {
    /// Tells what has happened in the selected mailbox. Numbers change only where they may.
    pub fn tell_news(&mut self, may_expunge: bool) -> Result {
        let (Some(account), Some(view)) = (&self.account, &mut self.view) else {
            return Ok(());
        };
        let (removed, changed, has_grown) = account.read(|mailboxes| {
            let mailbox = mailboxes.by_id(view.id);
            let removed = match may_expunge {
                true => view.drop_removed(mailbox),
                false => Vec::new(),
            };
            match mailbox {
                // Those that are new are told of with their number, and their flags are asked for.
                Some(mailbox) => {
                    let changed = view.take_changed(mailbox);
                    (removed, changed, view.take_new(mailbox))
                }
                None => (removed, Vec::new(), false),
            }
        });
        let (count, recent) = (view.uids.len(), view.recent());
        for number in removed {
            self.say(&format!("* {number} EXPUNGE"))?;
        }
        if has_grown {
            self.say(&format!("* {count} EXISTS"))?;
            if !self.is_rev2 {
                self.say(&format!("* {recent} RECENT"))?;
            }
        }
        for (number, message) in changed {
            self.say_flags(number, &message, self.is_rev2 || self.has_modseq)?;
        }
        Ok(())
    }

    /// Says the flags of a message.
    pub fn say_flags(&mut self, number: u32, message: &Message, with_uid: bool) -> Result {
        let mut items = format!("FLAGS ({})", self.flags_of(message));
        if with_uid {
            items = format!("UID {} {items}", message.uid);
        }
        if self.has_modseq {
            items.push_str(&format!(" MODSEQ ({})", message.modseq));
        }
        Ok(self.say(&format!("* {number} FETCH ({items})"))?)
    }

    /// The flags as this session sees them.
    pub fn flags_of(&self, message: &Message) -> String {
        let is_recent = self
            .view
            .as_ref()
            .is_some_and(|view| view.is_recent(message.uid));
        match (is_recent && !self.is_rev2, message.flags.is_empty()) {
            (false, _) => message.flags.to_string(),
            (true, true) => "\\Recent".to_owned(),
            (true, false) => format!("{} \\Recent", message.flags),
        }
    }
}
