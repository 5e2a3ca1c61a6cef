//! One user's mail, its lock, and who waits for changes.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::message::Draft;
use super::store::Limits;
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
    /// Counts the changes.
    generation: u64,
}

impl Account {
    pub(super) fn new(limits: Limits, validity: Arc<AtomicU32>) -> Account {
        Account {
            state: Mutex::new(State {
                mailboxes: Mailboxes::new(limits, validity),
                generation: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Looks at the mailboxes.
    pub fn read<T>(&self, look: impl FnOnce(&Mailboxes) -> T) -> T {
        look(&locked(&self.state).mailboxes)
    }

    /// Changes the mailboxes, and wakes those who wait for it.
    pub fn change<T>(&self, work: impl FnOnce(&mut Mailboxes) -> T) -> T {
        let mut state = locked(&self.state);
        let result = work(&mut state.mailboxes);
        state.generation += 1;
        drop(state);
        self.changed.notify_all();
        result
    }

    /// Puts a message into INBOX, and gives its UID. Bare LF becomes CRLF.
    pub fn deliver(&self, content: &[u8]) -> Result<u32, Refusal> {
        let draft = Draft::new(content);
        let (_, uid) = self.change(|mailboxes| mailboxes.append(INBOX, draft))?;
        Ok(uid)
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
