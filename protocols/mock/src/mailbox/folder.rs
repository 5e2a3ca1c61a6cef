//! One mailbox: its messages in the order of their UIDs (RFC 9051 section 2.3.1).

use std::sync::Arc;

use super::flags::Flags;
use super::message::{Draft, Message};

/// Names a mailbox of an account for as long as it exists, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub(super) u64);

/// Where messages were put: the UIDVALIDITY of the mailbox, and for each its UID before and now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// The UIDVALIDITY of the mailbox that they are in now.
    pub uid_validity: u32,
    /// The UIDs, before and now.
    pub uids: Vec<(u32, u32)>,
}

/// A mailbox with its messages.
#[derive(Debug)]
pub struct Mailbox {
    pub(super) id: MailboxId,
    pub(super) uid_validity: u32,
    uid_next: u32,
    highest_modseq: u64,
    messages: Vec<Message>,
    /// When flags were last changed, and when messages last went.
    flags_changed: u64,
    last_removal: u64,
    /// The first UID that no session was told of as recent (RFC 3501 section 2.3.2).
    recent_from: u32,
}

impl Mailbox {
    pub(super) fn new(id: MailboxId, uid_validity: u32) -> Mailbox {
        Mailbox {
            id,
            uid_validity,
            uid_next: 1,
            highest_modseq: 1,
            messages: Vec::new(),
            flags_changed: 0,
            last_removal: 0,
            recent_from: 1,
        }
    }

    /// Its name for as long as it exists.
    pub fn id(&self) -> MailboxId {
        self.id
    }

    /// As long as it stays the same, a UID means the same message.
    pub fn uid_validity(&self) -> u32 {
        self.uid_validity
    }

    /// What the next message gets.
    pub fn uid_next(&self) -> u32 {
        self.uid_next
    }

    /// The modification sequence of the last change.
    pub fn highest_modseq(&self) -> u64 {
        self.highest_modseq
    }

    /// The modification sequence of the last change of flags; 0 if there was none.
    pub fn flags_changed(&self) -> u64 {
        self.flags_changed
    }

    /// The modification sequence at which messages last went; 0 if none did.
    pub fn last_removal(&self) -> u64 {
        self.last_removal
    }

    /// All messages, by UID.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The messages with this UID and higher ones.
    pub fn messages_from(&self, uid: u32) -> &[Message] {
        let start = self.messages.partition_point(|message| message.uid < uid);
        self.messages.get(start..).unwrap_or_default()
    }

    /// The message of a UID.
    pub fn message(&self, uid: u32) -> Option<&Message> {
        let found = self.messages.binary_search_by_key(&uid, |one| one.uid);
        self.messages.get(found.ok()?)
    }

    /// Every keyword that a message has.
    pub fn keywords(&self) -> Flags {
        let mut last: Option<&Arc<Flags>> = None;
        let mut all = Flags::default();
        for message in &self.messages {
            if last.is_some_and(|last| Arc::ptr_eq(last, &message.flags)) {
                continue;
            }
            last = Some(&message.flags);
            for flag in message.flags.iter().filter(|flag| !flag.starts_with('\\')) {
                all.insert(flag);
            }
        }
        all
    }

    /// The first UID that is recent.
    pub fn recent_from(&self) -> u32 {
        self.recent_from
    }

    /// Says that a session was told which messages are recent: from now on, only later ones are.
    pub fn take_recent(&mut self) -> u32 {
        std::mem::replace(&mut self.recent_from, self.uid_next)
    }

    /// Replaces a message's flags. `None` if there is no such message; otherwise the message as it
    /// is now. Where nothing differs, nothing changes.
    pub fn set_flags(&mut self, uid: u32, flags: Flags) -> Option<&Message> {
        let found = self.messages.binary_search_by_key(&uid, |one| one.uid);
        let message = self.messages.get_mut(found.ok()?)?;
        if *message.flags != flags {
            self.highest_modseq += 1;
            self.flags_changed = self.highest_modseq;
            message.flags = Arc::new(flags);
            message.modseq = self.highest_modseq;
        }
        Some(message)
    }

    /// Removes the messages of these UIDs, which are in order, and returns them.
    pub fn remove(&mut self, uids: &[u32]) -> Vec<Message> {
        let is_named = |message: &mut Message| uids.binary_search(&message.uid).is_ok();
        let removed: Vec<Message> = self.messages.extract_if(.., is_named).collect();
        if !removed.is_empty() {
            self.highest_modseq += 1;
            self.last_removal = self.highest_modseq;
        }
        removed
    }

    /// Puts a message behind all others, and gives its UID.
    pub(super) fn append(&mut self, draft: Draft) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.highest_modseq += 1;
        self.messages.push(Message {
            uid,
            flags: Arc::new(draft.flags),
            date: draft.date,
            modseq: self.highest_modseq,
            content: draft.content,
        });
        uid
    }

    /// Puts a message of another mailbox behind all others, as it is.
    pub(super) fn take_in(&mut self, message: Message) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.highest_modseq += 1;
        self.messages.push(Message {
            uid,
            modseq: self.highest_modseq,
            ..message
        });
        uid
    }
}
