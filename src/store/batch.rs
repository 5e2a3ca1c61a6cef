//! Files that are written under names for the time being, and get their own names together once
//! they are durable.
//!
//! One file is durable at the price of a turn of the disk or two. Many that wait at the same time
//! share those turns, so the files of a batch are synced by several threads.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{fsync, unlinkat, AtFlags};

use super::folder;

/// How many files are synced at the same time.
const THREADS: usize = 8;

/// A batch with fewer files than this is synced without other threads.
const FEW: usize = 4;

/// When the first file is synced in less, there is no disk that many could wait for together.
const AT_ONCE: Duration = Duration::from_micros(50);

/// Unfinished files of a run that was killed are removed when they are as old as this: the age that
/// the Maildir convention gives.
const OLD: Duration = Duration::from_secs(36 * 60 * 60);

/// Files that are complete and wait for their names.
pub struct Batch {
    /// Where they are meanwhile.
    from: OwnedFd,
    /// Where they go, and whether something there is not durable yet.
    to: Vec<(OwnedFd, bool)>,
    pending: Vec<Pending>,
}

struct Pending {
    temporary: String,
    /// Which of the folders.
    folder: usize,
    name: String,
}

impl Batch {
    /// Files that are made in one folder and go to others.
    pub fn new(from: OwnedFd, to: Vec<OwnedFd>) -> Batch {
        Batch {
            from,
            to: to.into_iter().map(|folder| (folder, false)).collect(),
            pending: Vec::new(),
        }
    }

    /// Makes a file under a name for the time being.
    pub fn create(&self, temporary: &str) -> io::Result<File> {
        folder::create(&self.from, temporary)
    }

    /// Removes a file that is of no use.
    pub fn remove(&self, temporary: &str) {
        // What cannot be removed now is removed when it is old.
        let _ = unlinkat(&self.from, temporary, AtFlags::empty());
    }

    /// A file is complete, and will have this name.
    pub fn add(&mut self, temporary: String, folder: usize, name: String) {
        self.pending.push(Pending {
            temporary,
            folder,
            name,
        });
    }

    /// Opens a file that has its name already.
    pub fn read(&self, folder: usize, name: &str) -> io::Result<File> {
        let (folder, _) = self.to.get(folder).ok_or(io::ErrorKind::NotFound)?;
        folder::read(folder, name)
    }

    /// A file of a run that was killed counts as one of ours; its entry may not be durable yet.
    pub fn adopt(&mut self, folder: usize, file: &File) -> io::Result<()> {
        fsync(file)?;
        if let Some((_, is_changed)) = self.to.get_mut(folder) {
            *is_changed = true;
        }
        Ok(())
    }

    /// Makes all that is complete durable and gives it its names.
    pub fn sync(&mut self) -> io::Result<()> {
        sync_files(&self.from, &self.pending)?;
        for pending in &self.pending {
            let Some((folder, is_changed)) = self.to.get_mut(pending.folder) else {
                continue;
            };
            folder::rename(&self.from, &pending.temporary, &*folder, &pending.name)?;
            *is_changed = true;
        }
        self.pending.clear();
        for (folder, is_changed) in &mut self.to {
            if *is_changed {
                folder::sync(&*folder)?;
                *is_changed = false;
            }
        }
        Ok(())
    }
}

impl Drop for Batch {
    /// What was not synced was not promised to anybody.
    fn drop(&mut self) {
        for pending in &self.pending {
            self.remove(&pending.temporary);
        }
    }
}

/// Waits until the data of all these files is on the disk.
fn sync_files(folder: &OwnedFd, files: &[Pending]) -> io::Result<()> {
    let sync = |file: &Pending| -> io::Result<()> {
        let opened = folder::read(folder, &file.temporary)?;
        Ok(fsync(opened)?)
    };
    let Some((first, files)) = files.split_first() else {
        return Ok(());
    };
    let started = Instant::now();
    sync(first)?;
    if files.len() < FEW || started.elapsed() < AT_ONCE {
        return files.iter().try_for_each(sync);
    }
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            sync(file)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        // When no threads are to be had, this one does it all.
        let threads: Vec<_> = (1..THREADS).filter_map(start).collect();
        let mine = work();
        let ended = threads.into_iter().map(|thread| thread.join());
        let failed = |_| Err(io::Error::other("a thread broke off"));
        ended.fold(mine, |all, one| all.and(one.unwrap_or_else(failed)))
    })
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
    use super::*;
    use std::io::Write;

    fn batch(folder: &Path) -> Batch {
        let from = folder::make_within(&folder.join("from")).unwrap();
        let to = ["to0", "to1"].map(|name| folder::make_within(&folder.join(name)).unwrap());
        Batch::new(from, to.into())
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
                batch.create(&name).unwrap().write_all(b"x").unwrap();
                batch.add(name.clone(), number % 2, name);
            }
            assert_eq!(count(folder.path(), "from"), size);
            batch.sync().unwrap();
            assert_eq!(count(folder.path(), "from"), 0);
        }
        let all = count(folder.path(), "to0") + count(folder.path(), "to1");
        assert_eq!(all, 1 + FEW + 3 * THREADS);
    }

    #[test]
    fn what_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for missing in [0, 5, 9] {
            let mut batch = batch(folder.path());
            for number in 0..10 {
                let name = format!("{number}");
                if number != missing {
                    drop(batch.create(&name).unwrap());
                }
                batch.add(name.clone(), 0, name);
            }
            assert!(batch.sync().is_err());
            assert_eq!(count(folder.path(), "to0"), 0);
            drop(batch);
            assert_eq!(count(folder.path(), "from"), 0);
        }
    }

    #[test]
    fn nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut batch = batch(folder.path());
        drop(batch.create("a").unwrap());
        batch.add("a".into(), 0, "a".into());
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
