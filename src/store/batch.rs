//! Files that are written under names for the time being, and get their own names together once
//! they are durable.
//!
//! ```text
//! add ── small ──> a thread that makes files, while the next messages come in
//!  └──── large ──> a file that is there already
//! sync: all are made ── all are durable ── all have their names ── the folders are durable
//! ```
//!
//! All of that is the business of `finishing`, which does it while the next batch comes in.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{fstatfs, fsync, unlinkat, AtFlags};

use super::finishing::{Finishing, Pending};
use super::folder;
use super::incoming::Content;
use super::writer::Writer;

/// File systems whose `syncfs` waits until everything is on the disk, by the numbers that statfs(2)
/// gives: ext, XFS, btrfs, F2FS, ZFS, and tmpfs, which has no disk. Others, such as FUSE, may only
/// hand on what they have.
const WHOLE: [u64; 6] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0x0102_1994,
];

/// Unfinished files of a run that was killed are removed when they are as old as this: the age that
/// the Maildir convention gives.
const OLD: Duration = Duration::from_secs(36 * 60 * 60);

/// A message that is complete, and what its file is to be.
pub struct Complete {
    /// All of it.
    pub content: Content,
    /// The time that the file gets.
    pub date: Option<SystemTime>,
    /// Its name for the time being.
    pub temporary: String,
    /// Which of the folders it goes to.
    pub folder: usize,
    /// The name that it has there.
    pub name: String,
}

/// Files that are complete and wait for their names.
pub struct Batch {
    /// Where they are meanwhile.
    from: Arc<OwnedFd>,
    writer: Option<Writer>,
    /// Memory for messages.
    spare: Vec<Vec<u8>>,
    /// A file could not be made; nothing of this batch counts.
    is_broken: bool,
    /// Whether one `syncfs` makes all of them durable.
    is_whole: bool,
    /// Where they go.
    to: Arc<Vec<OwnedFd>>,
    /// Whether something in each of them was there before and may not be durable.
    adopted: Vec<bool>,
    pending: Vec<Pending>,
    /// The batch before this one.
    before: Option<JoinHandle<io::Result<()>>>,
}

impl Batch {
    /// Files that are made in one folder and go to others.
    pub fn new(from: OwnedFd, to: Vec<OwnedFd>) -> Batch {
        let kind = fstatfs(&from).map(|facts| u64::try_from(facts.f_type).unwrap_or_default());
        Batch {
            is_whole: kind.is_ok_and(|kind| WHOLE.contains(&kind)) && reports_errors(),
            from: Arc::new(from),
            writer: None,
            spare: Vec::new(),
            is_broken: false,
            adopted: vec![false; to.len()],
            to: Arc::new(to),
            pending: Vec::new(),
            before: None,
        }
    }

    /// Makes a file under a name for the time being.
    pub fn create(&self, temporary: &str) -> io::Result<File> {
        folder::create(&self.from, temporary)
    }

    /// Memory for the next message.
    pub fn spare(&mut self) -> Vec<u8> {
        if self.spare.is_empty() {
            if let Some(writer) = &self.writer {
                writer.reclaim(&mut self.spare);
            }
        }
        let mut spare = self.spare.pop().unwrap_or_default();
        spare.clear();
        spare
    }

    /// Removes a file that is of no use.
    pub fn remove(&self, temporary: &str) {
        // What cannot be removed now is removed when it is old.
        let _ = unlinkat(&self.from, temporary, AtFlags::empty());
    }

    /// A message is complete. That its file cannot be made may show only in what is asked next.
    pub fn add(&mut self, complete: Complete) -> io::Result<()> {
        self.pending.push(Pending {
            temporary: complete.temporary.clone(),
            folder: complete.folder,
            name: complete.name,
        });
        let made = match complete.content {
            Content::File(file) => {
                date_file(&file, complete.date);
                Ok(())
            }
            Content::Memory(bytes) => {
                let from = &self.from;
                let writer = self.writer.get_or_insert_with(|| Writer::new(from.clone()));
                writer.write(complete.temporary, bytes, complete.date)
            }
        };
        if let Err(error) = made {
            self.is_broken = true;
            // The thread knows best why it takes no more.
            self.writer.take().map_or(Ok(()), Writer::finish)?;
            return Err(error);
        }
        Ok(())
    }

    /// Opens a file that has its name already.
    pub fn read(&self, folder: usize, name: &str) -> io::Result<File> {
        let folder = self.to.get(folder).ok_or(io::ErrorKind::NotFound)?;
        folder::read(folder, name)
    }

    /// A file of a run that was killed counts as one of ours; its entry may not be durable yet.
    pub fn adopt(&mut self, folder: usize, file: &File) -> io::Result<()> {
        fsync(file)?;
        if let Some(adopted) = self.adopted.get_mut(folder) {
            *adopted = true;
        }
        Ok(())
    }

    /// Makes all that is complete durable and gives it its names. What has failed once fails for
    /// ever: the system tells of data that it could not write only once.
    pub fn sync(&mut self) -> io::Result<()> {
        self.settle()?;
        let synced = self.finishing().run();
        self.is_broken |= synced.is_err();
        synced
    }

    /// Begins to do so, and does not wait for it.
    pub fn start_sync(&mut self) -> io::Result<()> {
        self.settle()?;
        let (sender, receiver) = sync_channel(1);
        let run = move || receiver.recv().map_or(Ok(()), Finishing::run);
        match Builder::new().spawn(run) {
            Ok(thread) => {
                self.before = Some(thread);
                let sent = sender.send(self.finishing());
                sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
            // There is no thread to be had.
            Err(_) => self.sync(),
        }
    }

    /// Waits for what was begun.
    pub fn settle(&mut self) -> io::Result<()> {
        if let Some(before) = self.before.take() {
            let broken = |_| Err(io::Error::other("a thread broke off"));
            let settled = before.join().unwrap_or_else(broken);
            self.is_broken |= settled.is_err();
            settled?;
        }
        match self.is_broken {
            true => Err(io::Error::other("a message before could not be written")),
            false => Ok(()),
        }
    }

    /// All that is complete; the batch is empty then.
    fn finishing(&mut self) -> Finishing {
        let none = vec![false; self.to.len()];
        Finishing {
            writer: self.writer.take(),
            from: Arc::clone(&self.from),
            to: Arc::clone(&self.to),
            is_whole: self.is_whole,
            changed: std::mem::replace(&mut self.adopted, none),
            pending: std::mem::take(&mut self.pending),
        }
    }
}

impl Drop for Batch {
    /// What was not synced was not promised to anybody.
    fn drop(&mut self) {
        let _ = self.settle();
        let _ = self.writer.take().map(Writer::finish);
        for pending in &self.pending {
            self.remove(&pending.temporary);
        }
    }
}

/// Whether `syncfs` tells of data that could not be written: Linux does so since 5.8.
fn reports_errors() -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    (number(), number()) >= (Some(5), Some(8))
}

/// Gives a file the time of its message.
pub fn date_file(file: &File, date: Option<SystemTime>) {
    if let Some(date) = date {
        // A time that the file system does not have is no reason to lose the message.
        let _ = file.set_modified(date);
    }
}

/// Removes the unfinished files that killed runs have left, by a test on their names.
pub fn remove_old(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(&is_ours);
        if is_ours && entry.metadata().is_ok_and(|metadata| is_old(&metadata)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file was last touched long ago. Its own time may be that of the message.
fn is_old(metadata: &fs::Metadata) -> bool {
    let changed = u64::try_from(metadata.ctime()).unwrap_or_default();
    let changed = UNIX_EPOCH.checked_add(Duration::from_secs(changed));
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    metadata.is_file() && age.is_some_and(|age| age > OLD)
}

#[cfg(test)]
mod tests {
    use super::super::finishing::{FEW, THREADS};
    use super::*;

    fn batch(folder: &Path) -> Batch {
        let from = folder::make_within(&folder.join("from")).unwrap();
        let to = ["to0", "to1"].map(|name| folder::make_within(&folder.join(name)).unwrap());
        Batch::new(from, to.into())
    }

    fn complete(name: &str, content: Content, folder: usize) -> Complete {
        Complete {
            content,
            date: None,
            temporary: name.to_owned(),
            folder,
            name: name.to_owned(),
        }
    }

    fn count(folder: &Path, name: &str) -> usize {
        fs::read_dir(folder.join(name)).unwrap().count()
    }

    #[test]
    fn names_come_with_the_sync() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path());
        for size in [1, FEW, 3 * THREADS] {
            for number in 0..size {
                let name = format!("{size}-{number}");
                let content = match number % 3 {
                    0 => Content::File(batch.create(&name).unwrap()),
                    _ => Content::Memory(vec![b'x'; number * 20_000]),
                };
                batch.add(complete(&name, content, number % 2)).unwrap();
            }
            let named = || count(folder.path(), "to0") + count(folder.path(), "to1");
            let before = named();
            match size {
                FEW => batch.start_sync().unwrap(),
                _ => assert_eq!(named(), before),
            }
            batch.sync().unwrap();
            assert_eq!(named(), before + size);
            assert_eq!(count(folder.path(), "from"), 0);
        }
        let all = count(folder.path(), "to0") + count(folder.path(), "to1");
        assert_eq!(all, 1 + FEW + 3 * THREADS);
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for (missing, count_of_files) in [(0, 10), (5, 10), (9, 10), (0, 20), (15, 20), (19, 20)] {
            let mut batch = batch(folder.path());
            for number in 0..count_of_files {
                let name = format!("{number}");
                let content = Content::File(batch.create(&name).unwrap());
                batch.add(complete(&name, content, 0)).unwrap();
                if number == missing {
                    batch.remove(&name);
                }
            }
            match missing % 2 {
                0 => assert!(batch.sync().is_err()),
                _ => assert!(batch.start_sync().and_then(|()| batch.settle()).is_err()),
            }
            assert!(batch.sync().is_err(), "the second time");
            assert!(batch.start_sync().is_err());
            assert_eq!(count(folder.path(), "to0"), 0);
            drop(batch);
            assert_eq!(count(folder.path(), "from"), 0);
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_and_breaks_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path());
        fs::write(folder.path().join("from/5"), "theirs").unwrap();
        let told = (0..10).find_map(|number| {
            let content = Content::Memory(b"x".to_vec());
            batch.add(complete(&number.to_string(), content, 0)).err()
        });
        let error = told.or_else(|| batch.sync().err()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(batch.sync().is_err());
        assert_eq!(count(folder.path(), "to0"), 0);
    }

    #[test]
    fn nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path());
        let content = Content::Memory(b"ours".to_vec());
        batch.add(complete("a", content, 0)).unwrap();
        fs::write(folder.path().join("to0/a"), "theirs").unwrap();
        let error = batch.sync().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(folder.path().join("to0/a")).unwrap(), b"theirs");
    }

    #[test]
    fn new_files_are_not_old_whatever_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("a")).unwrap();
        file.set_modified(UNIX_EPOCH).unwrap();
        assert!(!is_old(&file.metadata().unwrap()));
        remove_old(folder.path(), |_| true);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
