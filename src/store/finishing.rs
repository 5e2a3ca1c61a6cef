//! The end of a batch of files: they become durable, and get their names together.
//!
//! One file is durable at the price of a turn of the disk or two. The files of a batch share those
//! turns: where the file system is known to take it as a promise, one `syncfs` makes all of them
//! durable, at a fifth of the price; elsewhere several threads wait for a file each.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{fsync, syncfs, unlinkat, AtFlags};

use super::folder;
use super::writer::Writer;

/// How many files are synced at the same time.
pub const THREADS: usize = 8;

/// A batch with fewer files than this is synced file by file: what others have written to the disk
/// need not be waited for.
pub const FEW: usize = 16;

/// When the first file is synced in less, there is no disk that many could wait for together.
const AT_ONCE: Duration = Duration::from_micros(50);

/// Files that are complete, and what is to be done with them.
pub struct Finishing {
    /// Who still makes some of them.
    pub writer: Option<Writer>,
    /// Where they are.
    pub from: Arc<OwnedFd>,
    /// Where they go.
    pub to: Arc<Vec<OwnedFd>>,
    /// Whether one `syncfs` makes all of them durable.
    pub is_whole: bool,
    /// Which of the folders have something that is not durable yet.
    pub changed: Vec<bool>,
    /// The files.
    pub pending: Vec<Pending>,
}

/// A file that waits for its name.
pub struct Pending {
    /// Its name for the time being.
    pub temporary: String,
    /// Which of the folders it goes to.
    pub folder: usize,
    /// The name that it has there.
    pub name: String,
}

impl Finishing {
    /// Does all of it; nothing of a batch that fails stays.
    pub fn run(mut self) -> io::Result<()> {
        let finished = self.finish();
        if finished.is_err() {
            for pending in &self.pending {
                // What cannot be removed now is removed when it is old.
                let _ = unlinkat(&self.from, &pending.temporary, AtFlags::empty());
            }
        }
        finished
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.take().map_or(Ok(()), Writer::finish)?;
        if self.pending.len() < FEW || !self.is_whole {
            sync_files(&self.from, &self.pending)?;
        } else {
            syncfs(&self.from)?;
        }
        for at in 0..self.pending.len() {
            if let Err(error) = self.name(at) {
                self.take_back(at);
                return Err(error);
            }
        }
        self.pending.clear();
        let folders = self.to.iter().zip(&self.changed);
        let mut changed = folders.filter(|(_, is_changed)| **is_changed);
        changed.try_for_each(|(folder, _)| folder::sync(folder))
    }

    /// Gives a file its name.
    fn name(&mut self, at: usize) -> io::Result<()> {
        let pending = self.pending.get(at);
        let to = pending.and_then(|pending| self.to.get(pending.folder));
        let (Some(pending), Some(folder)) = (pending, to) else {
            return Ok(());
        };
        folder::rename(&self.from, &pending.temporary, folder, &pending.name)?;
        if let Some(is_changed) = self.changed.get_mut(pending.folder) {
            *is_changed = true;
        }
        Ok(())
    }

    /// Takes the names of the first `count` files back: a batch that failed is not stored at all.
    fn take_back(&self, count: usize) {
        for pending in self.pending.iter().take(count) {
            if let Some(folder) = self.to.get(pending.folder) {
                // One that stays is whole, and a later run will find it.
                let _ = folder::rename(folder, &pending.name, &self.from, &pending.temporary);
            }
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
    if started.elapsed() < AT_ONCE {
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
