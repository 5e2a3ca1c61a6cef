//! Which messages of an account are stored, so that they are fetched once.
//!
//! ```text
//! ACCOUNT.state         a journal: what is recorded is appended, and durable after `sync`
//! ACCOUNT.state.lock    locked by the run that uses it
//! ACCOUNT.state.new     the journal without what is out of date, until it is whole
//! ACCOUNT.state.old     what `open_anew` found
//! ```
//!
//! What cannot be read is an error and never taken for empty: everything would be fetched again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memchr::memchr;
use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};
use rustix::fs::OFlags;

use super::journal::{self, Line};
use super::names::file_name;
use super::writing;
use crate::folder;

/// A journal with fewer lines out of date is not worth writing anew.
const WORTH_COMPACTING: usize = 64;

/// What the server does not have for so long is gone for good. One listing may be wrong: of a
/// mailbox that is being repaired, or of another one.
const GONE: u64 = 7 * 86_400;

/// About as long is a line; only speed depends on it.
const LINE: usize = 128;

/// What is known of one account. One run at a time has it.
pub struct State {
    path: PathBuf,
    file: File,
    /// How much of the file is whole.
    length: u64,
    entries: HashMap<String, Entry>,
    /// Lines that are not in the file yet.
    queue: String,
    /// Holds the lock.
    _lock: Lock,
}

/// A message that is stored.
struct Entry {
    /// Since when, in seconds of Unix time.
    since: u64,
    /// The number of its line, as the file was when it was opened.
    line: usize,
    /// The digest of its content.
    hash: [u8; 32],
    /// Since when the server does not have it; 0 when it has.
    missing: u64,
}

impl State {
    /// Opens the state of an account, or begins it.
    pub fn open(path: &Path, account: &str) -> Result<State> {
        let lock = prepare(path)?;
        let text = match read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.map_err(|error| reading(path, error))?),
        };
        let Some(text) = text else {
            return State::begin(path, account, lock);
        };
        let journal = load(&text, account).map_err(|wrong| damaged(path, &wrong))?;
        let dead = (journal.lines.len() - 1).saturating_sub(journal.entries.len());
        if dead <= journal.entries.len() || dead < WORTH_COMPACTING {
            return State::over(path, lock, journal.entries, Some(journal.whole));
        }
        let mut alive: Vec<usize> = journal.entries.values().map(|entry| entry.line).collect();
        alive.sort_unstable();
        replace(path, |file| {
            let mut text = journal::header(account).into_bytes();
            for line in alive.iter().filter_map(|line| journal.lines.get(*line)) {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            for (uid, entry) in journal
                .entries
                .iter()
                .filter(|(_, entry)| entry.missing > 0)
            {
                text.extend_from_slice(journal::missing(uid, entry.missing).as_bytes());
            }
            file.write_all(&text)
        })?;
        State::over(path, lock, journal.entries, None)
    }

    /// Begins the state anew, whatever is there. That stays under another name.
    pub fn open_anew(path: &Path, account: &str) -> Result<State> {
        let lock = prepare(path)?;
        match fs::rename(path, with_suffix(path, ".old")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.map_err(writing(path))?,
        }
        State::begin(path, account, lock)
    }

    fn begin(path: &Path, account: &str, lock: Lock) -> Result<State> {
        replace(path, |file| {
            file.write_all(journal::header(account).as_bytes())
        })?;
        State::over(path, lock, HashMap::new(), None)
    }

    /// Where the state of an account is, if nobody says otherwise.
    pub fn default_path(protocol: &str, account: &str) -> Result<PathBuf> {
        default_path(protocol, account, |name| std::env::var_os(name))
    }

    fn over(
        path: &Path,
        lock: Lock,
        entries: HashMap<String, Entry>,
        whole: Option<usize>,
    ) -> Result<State> {
        let open = || -> io::Result<(File, u64)> {
            let mut options = File::options();
            options.write(true);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let file = options.open(path)?;
            let length = match whole {
                Some(whole) => whole as u64,
                None => file.metadata()?.len(),
            };
            Ok((file, length))
        };
        let (file, length) = open().map_err(writing(path))?;
        Ok(State {
            path: path.to_owned(),
            file,
            length,
            entries,
            queue: String::new(),
            _lock: lock,
        })
    }

    /// Whether a message is stored.
    pub fn contains(&self, uid: &str) -> bool {
        self.entries.contains_key(uid)
    }

    /// Since when it is stored.
    pub fn stored_at(&self, uid: &str) -> Option<SystemTime> {
        let entry = self.entries.get(uid)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(entry.since))
    }

    /// All messages that are stored, and since when, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        let uids = self.uids();
        uids.filter_map(|uid| Some((uid, self.stored_at(uid)?)))
    }

    /// All messages that are stored, with the digests of their contents, in no order.
    pub fn hashes(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        let entries = self.entries.iter();
        entries.map(|(uid, entry)| (uid.as_str(), &entry.hash))
    }

    /// The names of all messages that are stored, in no order.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A message is stored. To be called after `Store::sync`; it is not durable before `sync`.
    pub fn record(&mut self, uid: &str, hash: &[u8; 32], place: &str) {
        let since = now();
        self.queue
            .push_str(&journal::stored(uid, since, hash, place));
        let entry = Entry {
            since,
            line: 0,
            hash: *hash,
            missing: 0,
        };
        self.entries.insert(uid.to_owned(), entry);
    }

    /// The server has told all that it has: what is missing for long is forgotten.
    pub fn forget_the_gone(&mut self, is_there: impl Fn(&str) -> bool) {
        self.forget_the_gone_at(now(), is_there);
    }

    fn forget_the_gone_at(&mut self, now: u64, is_there: impl Fn(&str) -> bool) {
        let mut gone = Vec::new();
        for (uid, entry) in &mut self.entries {
            let missing = match (is_there(uid), entry.missing) {
                (true, _) => 0,
                (false, 0) => now,
                (false, since) if now.saturating_sub(since) >= GONE => {
                    gone.push(uid.clone());
                    continue;
                }
                (false, since) => since,
            };
            if missing != entry.missing {
                entry.missing = missing;
                self.queue.push_str(&journal::missing(uid, missing));
            }
        }
        for uid in gone {
            self.forget(&uid);
        }
    }

    /// A message is gone from the server, and its name may come again for another.
    pub fn forget(&mut self, uid: &str) {
        if self.entries.remove(uid).is_some() {
            self.queue.push_str(&journal::forgotten(uid));
        }
    }

    /// Makes durable what was recorded and forgotten. What fails leaves the file as it was, and can
    /// be tried again.
    pub fn sync(&mut self) -> Result<()> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let append = || -> io::Result<()> {
            // Nothing of what a run or a write before this has torn may stand behind.
            self.file.set_len(self.length)?;
            self.file.write_all_at(self.queue.as_bytes(), self.length)?;
            self.file.sync_data()
        };
        if let Err(error) = append() {
            // If this fails too, the next write or the next run does it.
            let _ = self.file.set_len(self.length);
            return Err(writing(&self.path)(error));
        }
        self.length += self.queue.len() as u64;
        self.queue.clear();
        Ok(())
    }
}

/// The lock of a state, which ends with this value: closing the file alone would leave it to a child
/// process that is just being started.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked was not locked.
        let _ = self.0.unlock();
    }
}

/// Makes the folder, and locks the state.
fn prepare(path: &Path) -> Result<Lock> {
    let lock = with_suffix(path, ".lock");
    let open = || -> io::Result<File> {
        folder::make(folder::of(path))?;
        let mut options = File::options();
        options.write(true).create(true).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options.open(&lock)
    };
    let file = open().map_err(writing(&lock))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Refused {
            peer: path.display().to_string(),
            doing: "opening the state of the account".to_owned(),
            reply: "another run is using it".to_owned(),
            refusal: Refusal::Transient,
        }),
        // Some file systems cannot lock; then the user must see to it.
        Err(TryLockError::Error(_)) => Ok(Lock(file)),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits().cast_signed());
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    let mut text = Vec::new();
    io::Read::read_to_end(&mut file, &mut text)?;
    Ok(text)
}

/// A journal that was read.
struct Journal<'t> {
    entries: HashMap<String, Entry>,
    /// All lines, without their ends.
    lines: Vec<&'t [u8]>,
    /// How many bytes they have; what is behind them was torn.
    whole: usize,
}

/// What is wrong with a journal, and where.
struct Wrong {
    line: usize,
    why: String,
}

fn load<'t>(text: &'t [u8], account: &str) -> std::result::Result<Journal<'t>, Wrong> {
    let expected = text.len() / LINE;
    let mut journal = Journal {
        entries: HashMap::with_capacity(expected),
        lines: Vec::with_capacity(expected),
        whole: 0,
    };
    let mut rest = text;
    while let Some((line, behind)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
        let number = journal.lines.len();
        take(&mut journal.entries, line, number, account).map_err(|why| Wrong {
            line: number + 1,
            why,
        })?;
        journal.lines.push(line);
        journal.whole += line.len() + 1;
        rest = behind.get(1..).unwrap_or_default();
    }
    match journal.lines.is_empty() {
        // A state begins with its first line, so this is no state.
        true => Err(Wrong {
            line: 1,
            why: "is missing".to_owned(),
        }),
        false => Ok(journal),
    }
}

/// Seconds of Unix time.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn take(
    entries: &mut HashMap<String, Entry>,
    line: &[u8],
    number: usize,
    account: &str,
) -> std::result::Result<(), String> {
    match (number, journal::parse(line)) {
        (0, Some(Line::Header(whose))) if whose == account => {}
        (0, Some(Line::Header(whose))) => {
            return Err(format!("belongs to {}", escaped(whose.as_bytes())))
        }
        (0, _) => return Err("is not that of a state of this version".to_owned()),
        (line, Some(Line::Stored(uid, since, hash))) => {
            let missing = 0;
            let entry = Entry {
                since,
                line,
                hash,
                missing,
            };
            entries.insert(uid.into_owned(), entry);
        }
        (_, Some(Line::Missing(uid, since))) => {
            if let Some(entry) = entries.get_mut(&*uid) {
                entry.missing = since;
            }
        }
        (_, Some(Line::Forgotten(uid))) => {
            entries.remove(&*uid);
        }
        (_, Some(Line::Header(_)) | None) => return Err("is damaged".to_owned()),
    }
    Ok(())
}

fn reading(path: &Path, error: io::Error) -> Error {
    Error::io(format!("reading the state {}", path.display()), error)
}

fn damaged(path: &Path, wrong: &Wrong) -> Error {
    let Wrong { line, why } = wrong;
    let why = format!("line {line} {why}; --rebuild-state begins it anew");
    reading(path, io::Error::new(ErrorKind::InvalidData, why))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes a file anew, so that there is always the old or the new one, and durably.
fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let new = with_suffix(path, ".new");
    let replace = || -> io::Result<()> {
        match fs::remove_file(&new) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // A run was killed while it wrote this; the lock says that it is not at it any more.
            other => other?,
        }
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        folder::sync(&folder::open(folder::of(path))?)
    };
    replace().map_err(|error| {
        let _ = fs::remove_file(&new);
        writing(path)(error)
    })
}

fn default_path(
    protocol: &str,
    account: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<PathBuf> {
    let set = |name| variable(name).map(PathBuf::from);
    // Paths that are not absolute are to be ignored (XDG Base Directory Specification).
    let states = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let home = || set("HOME").filter(|path| path.is_absolute());
    let states = states.or_else(|| home().map(|home| home.join(".local/state")));
    let Some(states) = states else {
        return Err(Error::illegal(
            "there is no place for the state: neither $XDG_STATE_HOME nor $HOME is set",
        ));
    };
    let name = format!("{}.state", file_name(account));
    Ok(states.join("proto").join(protocol).join(name))
}

#[cfg(test)]
mod tests;
