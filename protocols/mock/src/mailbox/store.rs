//! Who the users are.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError, RwLock};

use super::account::Account;
use super::date::Date;
use super::load::drafts;
use super::message::Draft;
use super::source::Source;

/// The mail of all users. Services share it as `Arc<MailStore>`.
pub struct MailStore {
    accounts: RwLock<BTreeMap<String, Arc<Account>>>,
    takes_all: bool,
    /// What each new account has from the start, by mailbox.
    first: Vec<(String, Vec<Draft>)>,
    limits: Limits,
    validity: Arc<AtomicU32>,
}

/// How much a user may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The messages of one mailbox.
    pub messages: usize,
    /// The octets of one message.
    pub size: u64,
    /// The mailboxes.
    pub mailboxes: usize,
    /// The users, where everybody is one.
    pub users: usize,
}

impl Default for Limits {
    /// 10,000,000 messages of up to 256 MiB in 10,000 mailboxes, for 10,000 users.
    fn default() -> Limits {
        Limits {
            messages: 10_000_000,
            size: 256 * 1024 * 1024,
            mailboxes: 10_000,
            users: 10_000,
        }
    }
}

impl Default for MailStore {
    /// A store in which everybody has mailboxes as soon as somebody asks for them.
    fn default() -> MailStore {
        MailStore::new(Limits::default())
    }
}

impl MailStore {
    /// A store in which everybody has mailboxes as soon as somebody asks for them.
    pub fn new(limits: Limits) -> MailStore {
        // A mailbox that comes back after a restart has other UIDs, so it should say so.
        let now = u32::try_from(Date::now().seconds).unwrap_or(1);
        MailStore {
            accounts: RwLock::default(),
            takes_all: true,
            first: Vec::new(),
            limits,
            validity: Arc::new(AtomicU32::new(now)),
        }
    }

    /// A store for these users and nobody else.
    pub fn for_users<S: AsRef<str>>(
        limits: Limits,
        users: impl IntoIterator<Item = S>,
    ) -> MailStore {
        let mut store = MailStore::new(limits);
        for user in users {
            store.account(user.as_ref());
        }
        store.takes_all = false;
        store
    }

    /// The UIDVALIDITY of the first mailbox; each other has the next. By default it is the time.
    #[must_use]
    pub fn with_uid_validity(mut self, first: u32) -> MailStore {
        self.validity = Arc::new(AtomicU32::new(first));
        self
    }

    /// How much a user may have.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The mail of a user, unless there is no such user.
    pub fn account(&self, user: &str) -> Option<Arc<Account>> {
        let accounts = self.accounts.read();
        let accounts = accounts.unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(user) {
            return Some(Arc::clone(account));
        }
        drop(accounts);
        if !self.takes_all {
            return None;
        }
        let accounts = self.accounts.write();
        let mut accounts = accounts.unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= self.limits.users && !accounts.contains_key(user) {
            return None;
        }
        let account = accounts.entry(user.to_owned());
        Some(Arc::clone(
            account.or_insert_with(|| Arc::new(self.new_account())),
        ))
    }

    fn new_account(&self) -> Account {
        let account = Account::new(self.limits, Arc::clone(&self.validity));
        for (mailbox, drafts) in &self.first {
            // What is too much for the limits is left out.
            let _ = account.fill(mailbox, drafts.clone());
        }
        account
    }

    /// Gives everybody who has no mailboxes yet this one with the messages of a source, as
    /// [`Account::load`] does. The content is shared. Returns how many messages there are.
    pub fn begin_with(&mut self, mailbox: &str, source: &Source) -> io::Result<usize> {
        let drafts = drafts(source)?;
        let count = drafts.len();
        self.first.push((mailbox.to_owned(), drafts));
        Ok(count)
    }

    /// Those who have mailboxes so far.
    pub fn users(&self) -> Vec<String> {
        let accounts = self.accounts.read();
        let accounts = accounts.unwrap_or_else(PoisonError::into_inner);
        accounts.keys().cloned().collect()
    }
}

impl fmt::Debug for MailStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailStore")
            .field("users", &self.users())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
