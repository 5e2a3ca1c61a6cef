//! One user's mail, its lock, and who waits for changes.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Draft;
use super::mirror::Mirror;
use super::octets::Octets;
use super::source;
use super::tree::{Mailboxes, INBOX};
use super::Refusal;
use crate::stop::locked;

/// The mail of one user. Every change is made under one lock, so others see all of it or nothing.
#[derive(Debug)]
pub struct Account {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mailboxes: Mailboxes,
    /// Where the mail is kept too, if it is.
    mirror: Option<Mirror>,
    /// Counts the changes.
    generation: u64,
}

impl Account {
    /// Mailboxes, and the files that they are kept in.
    pub(super) fn of(mailboxes: Mailboxes, mirror: Option<Mirror>) -> Account {
        Account {
            state: Mutex::new(State {
                mailboxes,
                mirror,
                generation: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Looks at the mailboxes.
    pub fn read<T>(&self, look: impl FnOnce(&Mailboxes) -> T) -> T {
        look(&locked(&self.state).mailboxes)
    }

    /// Changes the mailboxes, and wakes those who wait for it. Where the files cannot follow, they
    /// do with the next change that they can.
    pub fn change<T>(&self, work: impl FnOnce(&mut Mailboxes) -> T) -> T {
        let mut state = locked(&self.state);
        let result = work(&mut state.mailboxes);
        let _ = state.keep();
        self.changed(state);
        result
    }

    fn changed(&self, mut state: MutexGuard<'_, State>) {
        state.generation += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Puts a message into INBOX, and gives its UID. Bare LF becomes CRLF.
    pub fn deliver(&self, content: &[u8]) -> Result<u32, Refusal> {
        self.put(Draft::new(content))
    }

    /// The same with a draft. Where there are files, it is in one of them, or nowhere.
    pub fn put(&self, draft: Draft) -> Result<u32, Refusal> {
        let mut state = locked(&self.state);
        let (_, uid) = state.mailboxes.append(INBOX, draft)?;
        if state.keep().is_err() {
            if let Some(inbox) = state.mailboxes.get_mut(INBOX) {
                inbox.remove(&[uid]);
            }
            return Err(Refusal::NotKept);
        }
        self.changed(state);
        Ok(uid)
    }

    /// Whether INBOX may have one more message.
    pub fn has_room(&self) -> bool {
        let state = locked(&self.state);
        let inbox = state.mailboxes.get(INBOX);
        inbox.is_some_and(|inbox| inbox.messages().len() < state.mailboxes.limits().messages)
    }

    /// INBOX as a maildrop has it. A unique-id stays with its message for as long as it is there;
    /// after a restart, too, where there are files.
    pub(crate) fn listed(&self) -> Vec<source::Message> {
        let state = locked(&self.state);
        let Some(inbox) = state.mailboxes.get(INBOX) else {
            return Vec::new();
        };
        let unique_id = |uid| {
            let mirror = state.mirror.as_ref();
            mirror
                .and_then(|mirror| mirror.unique_name(inbox.id(), uid))
                .unwrap_or_else(|| format!("{}-{uid}", inbox.uid_validity()))
        };
        let messages = inbox.messages().iter();
        let listed = messages.map(|message| {
            let mut octets = Octets::default();
            octets.push(&message.content());
            source::Message::stored(message.uid, octets.total(), unique_id(message.uid))
        });
        listed.collect()
    }

    /// A number that is another one after each change.
    pub fn generation(&self) -> u64 {
        locked(&self.state).generation
    }

    /// Waits until the generation is not `seen` any more, at most so long. Returns what it is.
    pub fn wait(&self, seen: u64, time: Duration) -> u64 {
        let end = Instant::now() + time;
        let mut state = locked(&self.state);
        while state.generation == seen {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.generation
    }
}

impl State {
    /// Has the files follow the mailboxes.
    fn keep(&mut self) -> io::Result<()> {
        match &mut self.mirror {
            Some(mirror) => mirror.follow(&self.mailboxes),
            None => Ok(()),
        }
    }
}
