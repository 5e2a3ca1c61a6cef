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

use rustix::fs::{fstatfs, syncfs, unlinkat, AtFlags};

use super::draft::Draft;
use crate::folder;

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

/// How many files are synced at the same time.
pub const THREADS: usize = 8;

/// A batch with fewer files than this is synced file by file: what others have written to the disk
/// need not be waited for.
pub const FEW: usize = 16;

/// When the first file is synced in less, there is no disk that many could wait for together.
const AT_ONCE: Duration = Duration::from_micros(50);

/// The folders of a store.
pub struct Folders {
    /// Where its drafts are.
    pub from: Arc<OwnedFd>,
    /// Where they go.
    pub to: Vec<OwnedFd>,
    /// Whether one `syncfs` makes all of them durable.
    is_whole: bool,
}

impl Folders {
    /// Folders of one file system.
    pub fn new(from: Arc<OwnedFd>, to: Vec<OwnedFd>) -> Folders {
        let kind = fstatfs(&from).map(|facts| u64::try_from(facts.f_type).unwrap_or_default());
        Folders {
            is_whole: kind.is_ok_and(|kind| WHOLE.contains(&kind)) && reports_errors(),
            from,
            to,
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

/// A file that waits for its name.
pub struct Pending {
    /// The file.
    pub draft: Draft,
    /// Which of the folders it goes to.
    pub folder: usize,
    /// The name that it has there.
    pub name: String,
}

/// Makes files durable and gives them their names; nothing of a batch that fails stays. `changed`
/// tells which of the folders have something else that is not durable yet.
pub fn finish(folders: &Folders, pending: Vec<Pending>, mut changed: Vec<bool>) -> io::Result<()> {
    match pending.len() < FEW || !folders.is_whole {
        true => sync_all(&pending)?,
        false => syncfs(&folders.from)?,
    }
    let mut named = Vec::with_capacity(pending.len());
    for Pending {
        draft,
        folder: at,
        name,
    } in pending
    {
        let Some(to) = folders.to.get(at) else {
            continue;
        };
        if let Err(error) = draft.publish(to, &name) {
            take_back(folders, &named);
            return Err(error);
        }
        if let Some(is_changed) = changed.get_mut(at) {
            *is_changed = true;
        }
        named.push((at, name));
    }
    let changed = folders.to.iter().zip(&changed);
    let mut changed = changed.filter(|(_, is_changed)| **is_changed);
    changed.try_for_each(|(folder, _)| folder::sync(folder))
}

/// Removes files that have got their names: a batch that failed is not stored at all.
fn take_back(folders: &Folders, named: &[(usize, String)]) {
    for (at, name) in named {
        if let Some(folder) = folders.to.get(*at) {
            // One that stays is whole, and a later run will find it.
            let _ = unlinkat(folder, name, AtFlags::empty());
        }
    }
}

/// Waits until the data of all these files is on the disk.
fn sync_all(files: &[Pending]) -> io::Result<()> {
    let Some((first, files)) = files.split_first() else {
        return Ok(());
    };
    let started = Instant::now();
    first.draft.sync()?;
    if started.elapsed() < AT_ONCE {
        return files.iter().try_for_each(|file| file.draft.sync());
    }
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.draft.sync()?;
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
