//! Who the users are.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, PoisonError, RwLock};

use super::account::Account;
use super::address::Addresses;
use super::date::Date;
use super::load::drafts;
use super::message::Draft;
use super::mirror::{user_folder, user_of, Mirror};
use super::source::Source;
use super::tree::Mailboxes;

/// The mail of all users. Services share it as `Arc<MailStore>`.
pub struct MailStore {
    accounts: RwLock<BTreeMap<String, Arc<Account>>>,
    takes_all: bool,
    /// Which user a name means, if not the one of that very name.
    addresses: Option<Addresses>,
    /// Where there is a folder for each user, if the mail is kept in files.
    folder: Option<PathBuf>,
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
            addresses: None,
            folder: None,
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

    /// A store whose users are found by their addresses. In a folder, each has a Maildir of theirs:
    /// what is there is loaded, what comes is written, and what is deleted goes. An error says that
    /// the folder cannot be read, or that it is a Maildir itself.
    pub fn by_address(
        limits: Limits,
        addresses: Addresses,
        folder: Option<&Path>,
    ) -> io::Result<MailStore> {
        let mut store = MailStore::new(limits);
        if let Some(folder) = folder {
            store.load(folder)?;
        }
        let users: Vec<String> = addresses.users().map(str::to_owned).collect();
        store.addresses = Some(addresses);
        for user in users {
            store.account(&user);
        }
        Ok(store)
    }

    fn load(&mut self, folder: &Path) -> io::Result<()> {
        if ["cur", "new"].iter().any(|part| folder.join(part).is_dir()) {
            let why = "it is a Maildir, and not a folder of one for each user";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        fs::create_dir_all(folder)?;
        self.folder = Some(folder.to_owned());
        let mut accounts = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().filter(|name| !name.starts_with('.'));
            if let Some(name) = name.filter(|_| entry.path().is_dir()) {
                let mut mailboxes = Mailboxes::new(self.limits, Arc::clone(&self.validity));
                let mirror = Mirror::load(entry.path(), &mut mailboxes)?;
                let account = Account::of(mailboxes, Some(mirror));
                accounts.insert(user_of(name), Arc::new(account));
            }
        }
        self.accounts = RwLock::new(accounts);
        Ok(())
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
        self.user(user).map(|(_, account)| account)
    }

    /// The same, with the name of the user: others than that may mean them too.
    pub(crate) fn user(&self, name: &str) -> Option<(String, Arc<Account>)> {
        let user = match &self.addresses {
            Some(addresses) => addresses.user_of(name)?,
            None => name.to_owned(),
        };
        let account = self.account_of(&user)?;
        Some((user, account))
    }

    fn account_of(&self, user: &str) -> Option<Arc<Account>> {
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
            account.or_insert_with(|| Arc::new(self.new_account(user))),
        ))
    }

    fn new_account(&self, user: &str) -> Account {
        let mailboxes = Mailboxes::new(self.limits, Arc::clone(&self.validity));
        let folder = self.folder.as_ref();
        let mirror = folder.map(|folder| Mirror::new(folder.join(user_folder(user))));
        let account = Account::of(mailboxes, mirror);
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
