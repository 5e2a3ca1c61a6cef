//! Files that get their names together, once they are durable.
//!
//! ```text
//! add ──> a thread that makes files, while the next messages come in
//! sync ──> all are made ── all are durable ── all have their names ── the folders are durable
//! ```
//!
//! That, too, is the business of the thread: the next batch has another.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::fsync;

use super::draft::{self, Draft, Drafts, Temporary};
use super::finishing::Folders;
use super::incoming::Content;
use super::worker::{date_file, Finishing, Job, Source, Worker};
use crate::folder;

/// Unfinished files of a run that was killed are removed when they are as old as this: the age that
/// the Maildir convention gives.
const OLD: Duration = Duration::from_secs(36 * 60 * 60);

/// A message that is complete, and what its file is to be.
pub struct Complete {
    /// All of it.
    pub content: Content,
    /// What the file is called for the time being, if it has a name.
    pub temporary: Option<Temporary>,
    /// The time that the file gets.
    pub date: Option<SystemTime>,
    /// Which of the folders it goes to.
    pub folder: usize,
    /// The name that it has there.
    pub name: String,
}

/// Files that are complete and wait for their names. What was not synced leaves nothing: it was not
/// promised to anybody.
pub struct Batch {
    drafts: Drafts,
    folders: Arc<Folders>,
    worker: Option<Worker>,
    /// Memory for messages.
    spare: Vec<Vec<u8>>,
    /// Something failed; nothing of this batch counts, nor of one after it.
    is_broken: bool,
    /// Whether something in each of the folders was there before and may not be durable.
    adopted: Vec<bool>,
    /// The batch before this one.
    before: Option<Finishing>,
}

impl Batch {
    /// Files that are made by `drafts` and go to these folders.
    pub fn new(drafts: Drafts, to: Vec<OwnedFd>) -> Batch {
        Batch {
            adopted: vec![false; to.len()],
            folders: Arc::new(Folders::new(Arc::clone(drafts.folder()), to)),
            drafts,
            worker: None,
            spare: Vec::new(),
            is_broken: false,
            before: None,
        }
    }

    /// Makes a file for a message that is too large for memory, and tells what it is called for the
    /// time being.
    pub fn create(&mut self) -> io::Result<(File, Option<Temporary>)> {
        let mut temporary = self.drafts.next_name();
        let file = draft::create(self.drafts.folder(), &mut temporary)?;
        Ok((file, temporary))
    }

    /// Memory for the next message.
    pub fn spare(&mut self) -> Vec<u8> {
        if self.spare.is_empty() {
            if let Some(worker) = &self.worker {
                worker.reclaim(&mut self.spare);
            }
        }
        let mut spare = self.spare.pop().unwrap_or_default();
        spare.clear();
        spare
    }

    /// A message is complete. That its file cannot be made may show only in what is asked next.
    pub fn add(&mut self, complete: Complete) -> io::Result<()> {
        let source = match complete.content {
            Content::File(file) => {
                date_file(&file, complete.date);
                Source::Draft(Draft::of(file, complete.temporary))
            }
            Content::Memory(bytes) => Source::Memory(bytes, self.drafts.next_name()),
        };
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(Arc::clone(&self.folders))?,
        };
        let added = worker.add(Job {
            source,
            date: complete.date,
            folder: complete.folder,
            name: complete.name,
        });
        if let Err(error) = added {
            self.is_broken = true;
            // The thread knows best why it takes no more.
            return worker.give_up().and(Err(error));
        }
        self.worker = Some(worker);
        Ok(())
    }

    /// Opens a file that has its name already.
    pub fn read(&self, folder: usize, name: &str) -> io::Result<File> {
        let folder = self.folders.to.get(folder);
        folder::read(folder.ok_or(io::ErrorKind::NotFound)?, name)
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
        self.start_sync()?;
        self.settle()
    }

    /// Begins to do so, and does not wait for it.
    pub fn start_sync(&mut self) -> io::Result<()> {
        self.settle()?;
        if self.is_broken {
            return Err(io::Error::other("a message before could not be written"));
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None if self.adopted.contains(&true) => Worker::start(Arc::clone(&self.folders))?,
            None => return Ok(()),
        };
        let none = vec![false; self.adopted.len()];
        self.before = Some(worker.finish(std::mem::replace(&mut self.adopted, none)));
        self.drafts.begin_batch();
        Ok(())
    }

    /// Waits for what was begun. That something after it failed does not matter to it.
    pub fn settle(&mut self) -> io::Result<()> {
        let settled = self.before.take().map_or(Ok(()), Finishing::wait);
        self.is_broken |= settled.is_err();
        settled
    }
}

impl Drop for Batch {
    /// Waits for the threads.
    fn drop(&mut self) {
        let _ = self.settle();
        let _ = self.worker.take().map(Worker::give_up);
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
impl Batch {
    /// As where so many files of a batch may have no name.
    pub fn allow_unnamed(&mut self, most: usize) {
        self.drafts.allow_unnamed(most);
    }
}

#[cfg(test)]
mod tests {
    use super::super::finishing::{FEW, THREADS};
    use super::*;

    /// How many files of a batch have no name.
    const UNNAMED: [usize; 3] = [0, 7, usize::MAX];

    fn batch(folder: &Path, unnamed: usize) -> Batch {
        let from = folder::make_within(&folder.join("from")).unwrap();
        let to = ["to0", "to1"].map(|name| folder::make_within(&folder.join(name)).unwrap());
        let drafts = Drafts::new(from, "x".to_owned(), ".part");
        let mut batch = Batch::new(drafts, to.into());
        batch.allow_unnamed(unnamed);
        batch
    }

    fn add(batch: &mut Batch, name: &str, size: Option<usize>, folder: usize) -> io::Result<()> {
        let (content, temporary) = match size {
            Some(size) => (Content::Memory(vec![b'x'; size]), None),
            None => {
                let (file, temporary) = batch.create().unwrap();
                (Content::File(file), temporary)
            }
        };
        batch.add(Complete {
            content,
            temporary,
            date: None,
            folder,
            name: name.to_owned(),
        })
    }

    fn count(folder: &Path, name: &str) -> usize {
        fs::read_dir(folder.join(name)).unwrap().count()
    }

    #[test]
    fn names_come_with_the_sync() {
        for unnamed in UNNAMED {
            let folder = tempfile::tempdir().unwrap();
            let mut batch = batch(folder.path(), unnamed);
            let named = || count(folder.path(), "to0") + count(folder.path(), "to1");
            for size in [1, FEW, 3 * THREADS] {
                for number in 0..size {
                    let length = (number % 3 > 0).then_some(number * 20_000);
                    add(&mut batch, &format!("{size}-{number}"), length, number % 2).unwrap();
                }
                let before = named();
                match size {
                    FEW => batch.start_sync().unwrap(),
                    _ => assert_eq!(named(), before),
                }
                batch.sync().unwrap();
                assert_eq!(named(), before + size);
                assert_eq!(count(folder.path(), "from"), 0);
            }
            assert_eq!(named(), 1 + FEW + 3 * THREADS);
            let file = fs::metadata(folder.path().join("to1/24-7")).unwrap();
            assert_eq!(file.len(), 140_000);
        }
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let cases = [(0, 10), (5, 10), (9, 10), (0, 20), (15, 20), (19, 20)];
        for (unnamed, (taken, files)) in UNNAMED.into_iter().flat_map(|one| cases.map(|c| (one, c)))
        {
            let folder = tempfile::tempdir().unwrap();
            let mut batch = batch(folder.path(), unnamed);
            fs::write(folder.path().join(format!("to0/{taken}")), "theirs").unwrap();
            for number in 0..files {
                let size = (number % 2 == 0).then_some(10);
                add(&mut batch, &number.to_string(), size, 0).unwrap();
            }
            let error = match taken % 2 {
                0 => batch.sync(),
                _ => batch.start_sync().and_then(|()| batch.settle()),
            };
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert!(batch.sync().is_err(), "the second time");
            assert!(batch.start_sync().is_err());
            assert_eq!(count(folder.path(), "to0"), 1);
            let theirs = fs::read(folder.path().join(format!("to0/{taken}")));
            assert_eq!(theirs.unwrap(), b"theirs");
            assert_eq!(count(folder.path(), "from"), 0);
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_and_breaks_the_batch() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path(), 0);
        fs::write(folder.path().join("from/x5.part"), "theirs").unwrap();
        let told = (0..50).find_map(|number| {
            let added = add(&mut batch, &number.to_string(), Some(1), 0);
            added.err()
        });
        let error = told.or_else(|| batch.sync().err()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(batch.sync().is_err());
        assert_eq!(count(folder.path(), "to0"), 0);
        assert_eq!(count(folder.path(), "from"), 1);
    }

    #[test]
    fn what_fails_takes_nothing_from_the_batch_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path(), 0);
        fs::write(folder.path().join("from/x6.part"), "theirs").unwrap();
        for number in 0..5 {
            add(&mut batch, &number.to_string(), Some(1), 0).unwrap();
        }
        batch.start_sync().unwrap();
        let more = |number: usize| add(&mut batch, &number.to_string(), Some(1), 0).is_err();
        assert!((5..5_000).any(more), "the next cannot be made");
        batch.settle().unwrap();
        assert!(batch.sync().is_err());
        assert_eq!(count(folder.path(), "to0"), 5);
    }

    #[test]
    fn what_is_not_synced_leaves_nothing() {
        for unnamed in UNNAMED {
            let folder = tempfile::tempdir().unwrap();
            let mut batch = batch(folder.path(), unnamed);
            for number in 0..50 {
                let size = (number % 2 == 0).then_some(10);
                add(&mut batch, &number.to_string(), size, 0).unwrap();
            }
            drop(batch);
            for name in ["from", "to0", "to1"] {
                assert_eq!(count(folder.path(), name), 0);
            }
        }
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
