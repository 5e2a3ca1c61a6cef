//! Files that are written before they have their names.
//!
//! Where the file system can do that, such a file has no name at all: nothing of it stays when a run
//! is killed, and it costs least. Elsewhere it has a name for the time being.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{fsync, unlinkat, AtFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{getrlimit, Resource};

use crate::folder;

/// How many files of a batch may be open at most: with those of the batch before they stay below 1024,
/// which is what a process may usually have open.
const MOST: usize = 480;
const BATCHES: usize = 2;

/// Files that are opened beside them from now on.
const OTHERS: usize = 32;

/// Who makes drafts in a folder.
pub struct Drafts {
    folder: Arc<OwnedFd>,
    /// How names for the time being begin and end.
    names: (String, &'static str),
    count: u64,
    /// How many of a batch may have no name and are open therefore; not known before the first.
    most: Option<usize>,
    /// How many this batch has.
    unnamed: usize,
}

impl Drafts {
    /// Drafts in this folder. Names for the time being begin and end so.
    pub fn new(folder: OwnedFd, begin: String, end: &'static str) -> Drafts {
        Drafts {
            folder: Arc::new(folder),
            names: (begin, end),
            count: 0,
            most: None,
            unnamed: 0,
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Arc<OwnedFd> {
        &self.folder
    }

    /// A batch begins.
    pub fn begin_batch(&mut self) {
        self.unnamed = 0;
    }

    /// What the next file is to be called; `None` where it needs no name.
    pub fn next_name(&mut self) -> Option<Temporary> {
        let most = match self.most {
            Some(most) => most,
            None => self.most_open(),
        };
        self.most = Some(most);
        if self.unnamed < most {
            self.unnamed += 1;
            return None;
        }
        Some(self.temporary())
    }

    fn temporary(&mut self) -> Temporary {
        self.count += 1;
        let (begin, end) = &self.names;
        Temporary {
            folder: Arc::clone(&self.folder),
            name: format!("{begin}{}{end}", self.count),
            is_there: false,
        }
    }

    /// How many files without a name a batch may have; none where such files cannot be had, or not
    /// be given a name.
    fn most_open(&mut self) -> usize {
        let mut temporary = self.temporary();
        let tried = folder::create_unnamed(&self.folder)
            .and_then(|file| folder::link(&file, &self.folder, &temporary.name));
        if tried.is_err() {
            return 0;
        }
        temporary.is_there = true;
        let most = getrlimit(Resource::Nofile).current;
        let most = usize::try_from(most.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        // The first number that is free tells how many are open, those that we were started with too.
        let open = fcntl_dupfd_cloexec(&self.folder, 0).map(|free| free.as_raw_fd());
        let open = usize::try_from(open.unwrap_or(i32::MAX)).unwrap_or(usize::MAX);
        let most = MOST.min(most.saturating_sub(OTHERS).saturating_sub(open) / BATCHES);
        self.make_room(BATCHES * most);
        most
    }

    /// Lets the kernel's table of open files grow now, while there is one thread: later, it would wait
    /// some milliseconds for the others each time that the table is doubled.
    fn make_room(&self, files: usize) {
        let highest = i32::try_from(files).unwrap_or_default();
        let _ = fcntl_dupfd_cloexec(&self.folder, highest);
    }
}

/// A name for the time being: of a file that is removed if it gets no other.
pub struct Temporary {
    folder: Arc<OwnedFd>,
    name: String,
    is_there: bool,
}

impl Temporary {
    fn create(&mut self) -> io::Result<File> {
        let file = folder::create(&self.folder, &self.name)?;
        self.is_there = true;
        Ok(file)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_there {
            // What cannot be removed now is removed when it is old.
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Makes a file to be written to.
pub fn create(folder: &OwnedFd, temporary: &mut Option<Temporary>) -> io::Result<File> {
    match temporary {
        Some(temporary) => temporary.create(),
        None => folder::create_unnamed(folder),
    }
}

/// A file that is complete and has no name yet. Without one, it is removed.
pub enum Draft {
    /// It is there as long as it is open.
    Unnamed(File),
    /// It has a name for the time being.
    Named(Temporary),
}

impl Draft {
    /// A file that nothing more is written to.
    pub fn of(file: File, temporary: Option<Temporary>) -> Draft {
        match temporary {
            Some(temporary) => Draft::Named(temporary),
            None => Draft::Unnamed(file),
        }
    }

    /// Waits until its data is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Draft::Unnamed(file) => fsync(file)?,
            Draft::Named(temporary) => fsync(folder::read(&temporary.folder, &temporary.name)?)?,
        }
        Ok(())
    }

    /// Gives it its name, which nothing else may have.
    pub fn publish(self, to: &OwnedFd, name: &str) -> io::Result<()> {
        match self {
            Draft::Unnamed(file) => folder::link(&file, to, name),
            Draft::Named(mut temporary) => {
                folder::rename(&temporary.folder, &temporary.name, to, name)?;
                temporary.is_there = false;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
impl Drafts {
    /// As where so many files of a batch may have no name.
    pub fn allow_unnamed(&mut self, most: usize) {
        self.most = Some(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{ErrorKind, Write};
    use std::path::Path;

    fn drafts(folder: &Path) -> Drafts {
        Drafts::new(folder::open(folder).unwrap(), ".x".to_owned(), ".part")
    }

    fn draft(drafts: &mut Drafts) -> Draft {
        let mut temporary = drafts.next_name();
        let mut file = create(drafts.folder(), &mut temporary).unwrap();
        file.write_all(b"text").unwrap();
        let draft = Draft::of(file, temporary);
        draft.sync().unwrap();
        draft
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_few_of_a_batch_need_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut drafts = drafts(folder.path());
        drafts.allow_unnamed(2);
        for _ in 0..2 {
            drafts.begin_batch();
            let has_name: Vec<bool> = (0..4).map(|_| drafts.next_name().is_some()).collect();
            assert_eq!(has_name, [false, false, true, true]);
        }
    }

    #[test]
    fn drafts_get_their_names_or_leave_nothing() {
        for most in [0, 9] {
            let folder = tempfile::tempdir().unwrap();
            let mut drafts = drafts(folder.path());
            drafts.allow_unnamed(most);
            let unwanted = draft(&mut drafts);
            assert_eq!(names(folder.path()).len(), usize::from(most == 0));
            drop(unwanted);
            draft(&mut drafts).publish(drafts.folder(), "a").unwrap();
            assert_eq!(names(folder.path()), ["a"]);
            assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"text");
        }
    }

    #[test]
    fn no_draft_replaces_anything() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "theirs").unwrap();
        for most in [0, 9] {
            let mut drafts = drafts(folder.path());
            drafts.allow_unnamed(most);
            let error = draft(&mut drafts).publish(drafts.folder(), "a");
            assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"theirs");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn it_is_tried_whether_files_can_do_without_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(drafts(folder.path()).next_name().is_none(), "here they can");
        assert!(names(folder.path()).is_empty());
        // There are no such files in /proc.
        assert!(drafts(Path::new("/proc/self")).next_name().is_some());
    }
}
