//! A user's mailboxes by name (RFC 9051 sections 5.1 and 6.3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::folder::{Mailbox, MailboxId, Placed};
use super::message::Draft;
use super::store::Limits;
use super::Refusal;

/// What stands between the levels of a name.
pub const DELIMITER: char = '/';

/// The mailbox that everybody has, whose name may be written in any case.
pub const INBOX: &str = "INBOX";

/// The longest name, in octets of UTF-8.
const LONGEST_NAME: usize = 1000;

/// The mailboxes of one user. Names are UTF-8.
#[derive(Debug)]
pub struct Mailboxes {
    names: BTreeMap<String, MailboxId>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    subscribed: BTreeSet<String>,
    next_id: u64,
    limits: Limits,
    /// The UIDVALIDITY of the next mailbox, over all users.
    validity: Arc<AtomicU32>,
}

impl Mailboxes {
    pub(super) fn new(limits: Limits, validity: Arc<AtomicU32>) -> Mailboxes {
        let mut mailboxes = Mailboxes {
            names: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            next_id: 1,
            limits,
            validity,
        };
        mailboxes.insert(INBOX.to_owned());
        mailboxes
    }

    fn insert(&mut self, name: String) {
        let id = MailboxId(self.next_id);
        self.next_id += 1;
        // 0 is no UIDVALIDITY.
        let validity = self.validity.fetch_add(1, Ordering::Relaxed).max(1);
        self.mailboxes.insert(id, Mailbox::new(id, validity));
        self.names.insert(name, id);
    }

    /// How much there may be.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The mailboxes with their names, in the order of the names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&str, &Mailbox)> {
        let names = self.names.iter();
        names.filter_map(|(name, id)| Some((name.as_str(), self.by_id(*id)?)))
    }

    /// The mailbox of a name.
    pub fn get(&self, name: &str) -> Option<&Mailbox> {
        self.by_id(*self.names.get(&canonical(name))?)
    }

    /// The mailbox of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Mailbox> {
        let id = self.names.get(&canonical(name))?;
        self.mailboxes.get_mut(id)
    }

    /// The mailbox that once had this id, if it is still there.
    pub fn by_id(&self, id: MailboxId) -> Option<&Mailbox> {
        self.mailboxes.get(&id)
    }

    /// The same, to be changed.
    pub fn by_id_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(&id)
    }

    /// The names that are subscribed to, whether there are such mailboxes or not.
    pub fn subscribed(&self) -> impl Iterator<Item = &str> {
        self.subscribed.iter().map(String::as_str)
    }

    /// Subscribes to a name, or no longer.
    pub fn subscribe(&mut self, name: &str, wanted: bool) {
        match wanted {
            true => self.subscribed.insert(canonical(name)),
            false => self.subscribed.remove(&canonical(name)),
        };
    }

    /// Makes a mailbox, and those above it (RFC 9051 section 6.3.4).
    pub fn create(&mut self, name: &str) -> Result<(), Refusal> {
        let name = canonical(name.strip_suffix(DELIMITER).unwrap_or(name));
        check(&name)?;
        if self.names.contains_key(&name) {
            return Err(Refusal::Exists);
        }
        let ends = name.match_indices(DELIMITER).map(|(at, _)| at);
        for end in ends.chain([name.len()]) {
            let part = name.get(..end).unwrap_or_default();
            if self.names.contains_key(part) {
                continue;
            }
            if self.names.len() >= self.limits.mailboxes {
                return Err(Refusal::Full);
            }
            self.insert(part.to_owned());
        }
        Ok(())
    }

    /// Deletes a mailbox with its messages, and none below it (RFC 9051 section 6.3.5).
    pub fn delete(&mut self, name: &str) -> Result<(), Refusal> {
        let name = canonical(name);
        if name == INBOX {
            return Err(Refusal::BadName);
        }
        let id = self.names.remove(&name).ok_or(Refusal::NoMailbox)?;
        self.mailboxes.remove(&id);
        Ok(())
    }

    /// Gives a mailbox and those below it another name. Of INBOX only the messages move (RFC 9051
    /// section 6.3.6).
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (canonical(from), canonical(to));
        check(&to)?;
        if self.names.contains_key(&to) {
            return Err(Refusal::Exists);
        }
        if from == INBOX {
            self.create(&to)?;
            let inbox = self.get(INBOX).ok_or(Refusal::NoMailbox)?;
            let (id, uids) = (inbox.id(), inbox.messages().iter());
            let uids: Vec<u32> = uids.map(|message| message.uid).collect();
            return self.move_to(id, &uids, &to).map(|_| ());
        }
        let below = format!("{from}{DELIMITER}");
        if to.starts_with(&below) || !self.names.contains_key(&from) {
            return Err(Refusal::NoMailbox);
        }
        if let Some((parent, _)) = to.rsplit_once(DELIMITER) {
            if !self.names.contains_key(parent) {
                self.create(parent)?;
            }
        }
        let is_moved = |name: &String| *name == from || name.starts_with(&below);
        let moved: Vec<String> = self
            .names
            .keys()
            .filter(|name| is_moved(name))
            .cloned()
            .collect();
        for name in moved {
            if let (Some(id), Some(rest)) = (self.names.remove(&name), name.get(from.len()..)) {
                self.names.insert(format!("{to}{rest}"), id);
            }
        }
        Ok(())
    }

    /// Puts a message into a mailbox. Returns its UIDVALIDITY and the UID.
    pub fn append(&mut self, name: &str, draft: Draft) -> Result<(u32, u32), Refusal> {
        let limits = self.limits;
        let mailbox = self.get_mut(name).ok_or(Refusal::NoMailbox)?;
        if mailbox.messages().len() >= limits.messages {
            return Err(Refusal::Full);
        }
        if draft.size() > limits.size {
            return Err(Refusal::TooLarge);
        }
        Ok((mailbox.uid_validity(), mailbox.append(draft)))
    }

    /// Copies messages, whose UIDs are in order. All of them, or none.
    pub fn copy(&mut self, from: MailboxId, uids: &[u32], to: &str) -> Result<Placed, Refusal> {
        let source = self.by_id(from).ok_or(Refusal::NoMailbox)?;
        let messages = uids.iter().filter_map(|uid| source.message(*uid));
        let messages: Vec<_> = messages.cloned().collect();
        let limits = self.limits;
        let target = self.get_mut(to).ok_or(Refusal::NoMailbox)?;
        if target.messages().len() + messages.len() > limits.messages {
            return Err(Refusal::Full);
        }
        let placed = messages.into_iter().map(|message| {
            let before = message.uid;
            (before, target.take_in(message))
        });
        Ok(Placed {
            uids: placed.collect(),
            uid_validity: target.uid_validity(),
        })
    }

    /// Moves messages, whose UIDs are in order. All of them, or none.
    pub fn move_to(&mut self, from: MailboxId, uids: &[u32], to: &str) -> Result<Placed, Refusal> {
        let placed = self.copy(from, uids, to)?;
        if let Some(source) = self.by_id_mut(from) {
            source.remove(uids);
        }
        Ok(placed)
    }

    /// Gives a mailbox another UIDVALIDITY, as a server does that has lost its UIDs.
    pub fn invalidate(&mut self, id: MailboxId) {
        let validity = self.validity.fetch_add(1, Ordering::Relaxed).max(1);
        if let Some(mailbox) = self.by_id_mut(id) {
            mailbox.uid_validity = validity;
        }
    }
}

/// The name with INBOX, also above others, in upper case.
pub(crate) fn canonical(name: &str) -> String {
    let end = name.find(DELIMITER).unwrap_or(name.len());
    let (first, rest) = name.split_at(end);
    match first.eq_ignore_ascii_case(INBOX) {
        true => format!("{INBOX}{rest}"),
        false => name.to_owned(),
    }
}

fn check(name: &str) -> Result<(), Refusal> {
    let is_part = |part: &str| !part.is_empty() && !part.contains(char::is_control);
    match name.len() <= LONGEST_NAME && name.split(DELIMITER).all(is_part) {
        true => Ok(()),
        false => Err(Refusal::BadName),
    }
}
