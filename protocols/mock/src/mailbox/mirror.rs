//! A user's mail as files, so that it is there again after a restart.
//!
//! ```text
//! b@example.org/           INBOX, a Maildir: what has flags is in cur, the rest in new
//! b@example.org/.Lists.a/  the mailbox Lists/a, as Maildir++ has it
//! ```
//!
//! What no file name can hold is written as `%XX`. Keywords are not kept, but for `$Forwarded`.
//! What was written is there after a crash of the process, but perhaps not after one of the system.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{percent_decode_str, utf8_percent_encode, AsciiSet, NON_ALPHANUMERIC};

use super::flags::Flags;
use super::folder::{Mailbox, MailboxId};
use super::load::{draft_of, LETTERS};
use super::message::Message;
use super::source::{unique_name, Known, Source};
use super::tree::{Mailboxes, DELIMITER, INBOX};

/// The files of one user.
#[derive(Debug)]
pub(super) struct Mirror {
    folder: PathBuf,
    mailboxes: BTreeMap<MailboxId, Files>,
}

/// The files of one mailbox, as it was when they were last looked at.
#[derive(Debug)]
struct Files {
    name: String,
    folder: PathBuf,
    /// By UID, each with its folder, `new` or `cur`.
    files: BTreeMap<u32, PathBuf>,
    uid_next: u32,
    highest_modseq: u64,
}

impl Mirror {
    /// No files yet. The folder is made with the first change.
    pub fn new(folder: PathBuf) -> Mirror {
        Mirror {
            folder,
            mailboxes: BTreeMap::new(),
        }
    }

    /// Puts what the files hold into the mailboxes.
    pub fn load(folder: PathBuf, mailboxes: &mut Mailboxes) -> io::Result<Mirror> {
        let mut mirror = Mirror::new(folder);
        for (name, folder) in folders(&mirror.folder)? {
            if mailboxes.get(&name).is_none() {
                mailboxes.create(&name).map_err(io::Error::other)?;
            }
            let files = Files::load(name, folder, mailboxes)?;
            if let Some(mailbox) = mailboxes.get(&files.name) {
                mirror.mailboxes.insert(mailbox.id(), files);
            }
        }
        Ok(mirror)
    }

    /// Does to the files what was done to the mailboxes. What fails is tried again the next time.
    pub fn follow(&mut self, mailboxes: &Mailboxes) -> io::Result<()> {
        let gone = |id: &MailboxId| mailboxes.by_id(*id).is_none();
        let gone: Vec<MailboxId> = self.mailboxes.keys().copied().filter(gone).collect();
        for id in gone {
            if let Some(files) = self.mailboxes.get(&id) {
                ignoring_absence(fs::remove_dir_all(&files.folder))?;
            }
            self.mailboxes.remove(&id);
        }
        for (name, mailbox) in mailboxes.by_name() {
            let folder = self.folder.join(folder_name(name));
            let files = match self.mailboxes.get_mut(&mailbox.id()) {
                Some(files) => files,
                None => {
                    let files = Files::create(name, folder.clone())?;
                    self.mailboxes.entry(mailbox.id()).or_insert(files)
                }
            };
            if files.name != name {
                fs::rename(&files.folder, &folder)?;
                (files.name, files.folder) = (name.to_owned(), folder);
            }
            files.follow(mailbox)?;
        }
        Ok(())
    }

    /// The part of a file's name that stays as long as its message does.
    pub fn unique_name(&self, mailbox: MailboxId, uid: u32) -> Option<String> {
        let path = self.mailboxes.get(&mailbox)?.files.get(&uid)?;
        Some(unique_name(path))
    }
}

impl Files {
    fn create(name: &str, folder: PathBuf) -> io::Result<Files> {
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.join(part))?;
        }
        Ok(Files {
            name: name.to_owned(),
            folder,
            files: BTreeMap::new(),
            uid_next: 1,
            highest_modseq: 0,
        })
    }

    fn load(name: String, folder: PathBuf, mailboxes: &mut Mailboxes) -> io::Result<Files> {
        let mut files = Files::create(&name, folder)?;
        let source = Source::Maildir(files.folder.clone());
        for message in source.list(&mut Known::default())? {
            let draft = draft_of(&source, &message)?;
            let placed = mailboxes.append(&name, draft);
            let (_, uid) = placed.map_err(io::Error::other)?;
            let path = message.path().and_then(|path| {
                let path = path.strip_prefix(&files.folder);
                path.ok().map(Path::to_owned)
            });
            files.files.extend(path.map(|path| (uid, path)));
        }
        if let Some(mailbox) = mailboxes.get(&name) {
            files.uid_next = mailbox.uid_next();
            files.highest_modseq = mailbox.highest_modseq();
        }
        Ok(files)
    }

    fn follow(&mut self, mailbox: &Mailbox) -> io::Result<()> {
        if self.highest_modseq == mailbox.highest_modseq() {
            return Ok(());
        }
        if mailbox.last_removal() > self.highest_modseq {
            let is_gone = |uid: &u32| mailbox.message(*uid).is_none();
            let gone: Vec<u32> = self.files.keys().copied().filter(is_gone).collect();
            for uid in gone {
                if let Some(path) = self.files.get(&uid) {
                    ignoring_absence(fs::remove_file(self.folder.join(path)))?;
                }
                self.files.remove(&uid);
            }
        }
        if mailbox.flags_changed() > self.highest_modseq {
            let seen = self.highest_modseq;
            let messages = mailbox.messages().iter();
            for message in messages.filter(|one| one.modseq > seen) {
                self.rename(message)?;
            }
        }
        for message in mailbox.messages_from(self.uid_next) {
            let path = self.write(message)?;
            self.files.insert(message.uid, path);
            self.uid_next = message.uid + 1;
        }
        self.highest_modseq = mailbox.highest_modseq();
        Ok(())
    }

    /// Gives a file the name that tells its message's flags.
    fn rename(&mut self, message: &Message) -> io::Result<()> {
        let Some(path) = self.files.get_mut(&message.uid) else {
            return Ok(());
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.rsplit_once(":2,").map_or(&*name, |(name, _)| name);
        let renamed = Path::new("cur").join(format!("{name}:2,{}", letters(&message.flags)));
        if *path != renamed {
            fs::rename(self.folder.join(&*path), self.folder.join(&renamed))?;
            *path = renamed;
        }
        Ok(())
    }

    /// Makes a file, which appears whole.
    fn write(&self, message: &Message) -> io::Result<PathBuf> {
        let name = new_name();
        let path = match message.flags.is_empty() {
            true => Path::new("new").join(&name),
            false => Path::new("cur").join(format!("{name}:2,{}", letters(&message.flags))),
        };
        let new = self.folder.join("tmp").join(&name);
        let mut file = File::create_new(&new)?;
        let seconds = u64::try_from(message.date.seconds).unwrap_or(0);
        let result = file
            .write_all(&message.content())
            .and_then(|()| file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)))
            .and_then(|()| fs::rename(&new, self.folder.join(&path)));
        if result.is_err() {
            let _ = fs::remove_file(&new);
        }
        result.map(|()| path)
    }
}

/// The mailboxes of a user that are there as folders, by name, the first of them INBOX.
fn folders(root: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::from([(INBOX.to_owned(), root.to_owned())]);
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix('.'));
        if let Some(parts) = parts.filter(|_| entry.path().is_dir()) {
            let parts: Vec<String> = parts.split('.').map(user_of).collect();
            found.insert(parts.join(&DELIMITER.to_string()), entry.path());
        }
    }
    Ok(found)
}

/// The folder of a mailbox in that of its user.
fn folder_name(mailbox: &str) -> String {
    match mailbox {
        INBOX => String::new(),
        name => name
            .split(DELIMITER)
            .map(|part| format!(".{}", utf8_percent_encode(part, ESCAPED)))
            .collect(),
    }
}

/// What stands for itself in the name of a mailbox's folder: a dot would be a delimiter.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b' ');

/// The same for the folder of a user, which does not begin with a dot.
const ESCAPED_USER: &AsciiSet = &ESCAPED.remove(b'@').remove(b'.').remove(b'+');

/// The folder of a user. No name leads anywhere else.
pub(super) fn user_folder(user: &str) -> String {
    let name = utf8_percent_encode(user, ESCAPED_USER).to_string();
    match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => name,
    }
}

/// The user, or the part of a mailbox's name, that a folder is called after.
pub(super) fn user_of(folder: &str) -> String {
    percent_decode_str(folder).decode_utf8_lossy().into_owned()
}

fn letters(flags: &Flags) -> String {
    let set = LETTERS.iter().filter(|(_, flag)| flags.contains(flag));
    set.map(|(letter, _)| letter).collect()
}

/// Tells files apart that this process makes in one microsecond.
static FILES: AtomicU64 = AtomicU64::new(1);

fn new_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let (seconds, micros) = (now.as_secs(), now.subsec_micros());
    let process = std::process::id();
    let count = FILES.fetch_add(1, Ordering::Relaxed);
    format!("{seconds}.M{micros:06}P{process}Q{count}.localhost")
}

/// What somebody else took away is away.
fn ignoring_absence(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for user in [
            "b@example.org",
            "..",
            ".",
            "../a",
            "a/b",
            "%2E",
            "\u{e4}\0",
            ".a",
        ] {
            let folder = user_folder(user);
            assert!(
                !folder.starts_with('.') && !folder.contains(['/', '\0']),
                "{folder}"
            );
            assert_eq!(user_of(&folder), user);
        }
        for mailbox in ["a", "Lists/a.b", "../x", "\u{e4}/ b"] {
            let folder = folder_name(mailbox);
            assert!(!folder.contains("..") && !folder.contains('/'), "{folder}");
            let parts: Vec<String> = folder[1..].split('.').map(user_of).collect();
            assert_eq!(parts.join("/"), mailbox);
        }
        assert_eq!(folder_name("INBOX"), "");
    }
}
