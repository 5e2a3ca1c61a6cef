//! Mail on its way to the mailboxes, with what servers put before it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::rule::{Event, Rule};
use crate::mailbox::{Account, Date, Draft, MailStore, Refusal};
use crate::rule::Matches;
use crate::smtp::Letter;
use crate::stop::locked;

/// Puts the letters that servers have taken into the mailboxes of a store.
///
/// Each message gets `Return-Path` and `Received` before it (RFC 5321 section 4.4). Mail that a rule
/// holds back is lost when the postman goes.
pub struct Postman {
    store: Arc<MailStore>,
    rules: Vec<Rule>,
    matches: Matches,
    /// Whoever brings what comes later, since there is a rule that says so.
    carrier: Option<Mutex<Sender<Parcel>>>,
}

/// A message that comes later.
struct Parcel {
    due: Instant,
    account: Arc<Account>,
    draft: Draft,
}

/// How many messages may be under way; more come at once.
const PARCELS: usize = 100_000;

impl Postman {
    /// Delivers to a store, and does what the rules say. An error says that there cannot be another
    /// thread, which late mail needs.
    pub fn new(store: Arc<MailStore>, rules: Vec<Rule>) -> io::Result<Postman> {
        let carrier = match rules.iter().any(|rule| rule.delay().is_some()) {
            true => {
                let (sender, receiver) = channel();
                let thread = thread::Builder::new().name("mock postman".to_owned());
                thread.spawn(move || carry(&receiver))?;
                Some(Mutex::new(sender))
            }
            false => None,
        };
        Ok(Postman {
            store,
            rules,
            matches: Matches::default(),
            carrier,
        })
    }

    /// Where the mail goes.
    pub fn store(&self) -> &Arc<MailStore> {
        &self.store
    }

    /// Whether there is a mailbox for an address, with room for one more message.
    pub(crate) fn room_for(&self, address: &str) -> Result<(), Refusal> {
        match self.store.account(address) {
            None => Err(Refusal::NoMailbox),
            Some(account) if !account.has_room() => Err(Refusal::Full),
            Some(_) => Ok(()),
        }
    }

    /// Delivers a letter to all of its recipients; of several who share a mailbox, once. After an
    /// error, some may have it.
    pub(crate) fn deliver(
        &self,
        letter: &Letter,
        protocol: &str,
        content: &[u8],
    ) -> Result<(), Refusal> {
        let mut whole = trace(letter, protocol).into_bytes();
        whole.extend_from_slice(content);
        let draft = Draft::new(&whole);
        let mut users = Vec::new();
        for (address, _) in &letter.recipients {
            let (user, account) = self.store.user(address).ok_or(Refusal::NoMailbox)?;
            if users.contains(&user) {
                continue;
            }
            users.push(user);
            let rule = self
                .matches
                .rule_for(&self.rules, Event::Deliver, &[address]);
            match rule {
                None => account.put(draft.clone()).map(drop)?,
                Some(rule) => self.deliver_otherwise(rule, account, draft.clone(), &whole)?,
            }
        }
        Ok(())
    }

    fn deliver_otherwise(
        &self,
        rule: &Rule,
        account: Arc<Account>,
        mut draft: Draft,
        whole: &[u8],
    ) -> Result<(), Refusal> {
        if rule.ends() {
            return Ok(());
        }
        if let Some(line) = &rule.reply {
            let mut whole = whole.to_vec();
            whole.extend_from_slice(line.as_bytes());
            whole.extend_from_slice(b"\r\n");
            draft = Draft::new(&whole);
        }
        if let (Some(delay), Some(carrier)) = (rule.delay(), &self.carrier) {
            let due = Instant::now() + delay;
            let parcel = Parcel {
                due,
                account,
                draft,
            };
            // The carrier is there for as long as we are.
            let _ = locked(carrier).send(parcel);
            return Ok(());
        }
        account.put(draft).map(drop)
    }
}

impl fmt::Debug for Postman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postman")
            .field("store", &self.store)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Brings what is due until nobody can send more.
fn carry(parcels: &Receiver<Parcel>) {
    let mut waiting: BTreeMap<(Instant, u64), Parcel> = BTreeMap::new();
    let mut count = 0_u64;
    loop {
        let now = Instant::now();
        let next = waiting.keys().next().map(|(due, _)| *due);
        let left = next.map_or(Duration::MAX, |due| due.saturating_duration_since(now));
        if left.is_zero() || waiting.len() > PARCELS {
            if let Some((_, mut parcel)) = waiting.pop_first() {
                parcel.draft.date = Date::now();
                // Nobody is there any more who could be told that there is no room.
                let _ = parcel.account.put(parcel.draft);
            }
            continue;
        }
        match parcels.recv_timeout(left) {
            Ok(parcel) => {
                count += 1;
                waiting.insert((parcel.due, count), parcel);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// RFC 5321 section 4.4. One recipient is named, several are not: they may not know of each other.
fn trace(letter: &Letter, protocol: &str) -> String {
    let Letter {
        sender,
        hello,
        connection,
        ..
    } = letter;
    // RFC 3848.
    let encrypted = if letter.is_encrypted { "S" } else { "" };
    let authenticated = if letter.user.is_some() { "A" } else { "" };
    let recipient = match letter.recipients.as_slice() {
        [(one, _)] => format!("\r\n\tfor <{one}>"),
        _ => String::new(),
    };
    let now = httpdate::fmt_http_date(SystemTime::now());
    let now = now.strip_suffix("GMT").unwrap_or(&now);
    format!(
        "Return-Path: <{sender}>\r\n\
         Received: from {hello}\r\n\
         \tby localhost (mock) with {protocol}{encrypted}{authenticated} id {connection}{recipient};\r\n\
         \t{now}+0000\r\n"
    )
}
