//! A folder with a file for each message, exactly as it was received.
//!
//! ```text
//! .9f8e7d6c-1.eml.part      while it comes in (or it has no name)
//! UID.eml                   when it is durable; UID-2.eml if that is another message
//! ```

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto_transport::certificate::hexadecimal;
use proto_transport::Result;

use super::batch::{remove_old, Batch, Complete};
use super::draft::{Drafts, Temporary};
use super::incoming::Incoming;
use super::names::file_name;
use super::{writing, About, Kept, Store};
use crate::folder;

/// How the names of unfinished files end.
const UNFINISHED: &str = ".eml.part";

/// A server that has so many messages of one name is not right.
const SAME_NAME: u32 = 10_000;

/// A folder to store messages in.
pub struct EmlFolder {
    path: PathBuf,
    batch: Batch,
    incoming: Incoming,
    name: String,
    date: Option<SystemTime>,
    /// What its file is called for the time being, if it has one with a name.
    temporary: Option<Temporary>,
    /// The names that messages of this run have, in lower case: some file systems see no difference.
    taken: HashSet<String>,
}

impl EmlFolder {
    /// Opens a folder, and makes it when it is missing.
    pub fn open(path: &Path) -> Result<EmlFolder> {
        let open = || -> io::Result<EmlFolder> {
            folder::make(path)?;
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
            remove_old(path, |name| {
                name.starts_with('.') && name.ends_with(UNFINISHED)
            });
            let begin = format!(".{}-", hexadecimal(&random));
            let drafts = Drafts::new(folder::open(path)?, begin, UNFINISHED);
            Ok(EmlFolder {
                path: path.to_owned(),
                batch: Batch::new(drafts, vec![folder::open(path)?]),
                incoming: Incoming::as_received(),
                name: String::new(),
                date: None,
                temporary: None,
                taken: HashSet::new(),
            })
        };
        open().map_err(writing(path))
    }

    fn finish(&mut self) -> io::Result<Kept> {
        let hash = self.incoming.finish()?;
        let name = match self.free_name()? {
            Found::Free(name) => name,
            Found::Stored(place) => {
                self.discard();
                return Ok(Kept { hash, place });
            }
        };
        let spare = self.batch.spare();
        self.batch.add(Complete {
            content: self.incoming.take(spare),
            temporary: self.temporary.take(),
            date: self.date,
            folder: 0,
            name: name.clone(),
        })?;
        self.taken.insert(name.to_ascii_lowercase());
        Ok(Kept { hash, place: name })
    }

    /// A name for the message, unless an earlier run has stored it.
    fn free_name(&mut self) -> io::Result<Found> {
        for number in 1..SAME_NAME {
            let name = match number {
                1 => format!("{}.eml", self.name),
                _ => format!("{}-{number}.eml", self.name),
            };
            if self.taken.contains(&name.to_ascii_lowercase()) {
                continue;
            }
            match fs::symlink_metadata(self.path.join(&name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Free(name)),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            let Ok(file) = self.batch.read(0, &name) else {
                continue;
            };
            if self.incoming.is_same_as(&file)? {
                self.batch.adopt(0, &file)?;
                self.taken.insert(name.to_ascii_lowercase());
                return Ok(Found::Stored(name));
            }
        }
        Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("too many files are called {}", self.name),
        ))
    }

    fn discard(&mut self) {
        self.incoming.clear();
        self.temporary = None;
    }
}

/// What is there of a message.
enum Found {
    /// It may have this name.
    Free(String),
    /// It is there, under this name.
    Stored(String),
}

impl Store for EmlFolder {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.discard();
        self.name = file_name(about.uid);
        self.date = about.date;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (batch, current) = (&mut self.batch, &mut self.temporary);
        let make = || {
            let (file, temporary) = batch.create()?;
            *current = temporary;
            Ok(file)
        };
        self.incoming
            .write(bytes, make)
            .map_err(writing(&self.path))
    }

    fn end(&mut self) -> Result<Kept> {
        self.finish().map_err(writing(&self.path))
    }

    fn abandon(&mut self) {
        self.discard();
    }

    fn sync(&mut self) -> Result<()> {
        self.batch.sync().map_err(writing(&self.path))
    }

    fn start_sync(&mut self) -> Result<bool> {
        let started = self.batch.start_sync();
        started.map(|()| false).map_err(writing(&self.path))
    }

    fn settle(&mut self) -> Result<()> {
        self.batch.settle().map_err(writing(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::SMALL;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn begin(store: &mut EmlFolder, uid: &str) {
        let about = About {
            uid,
            flags: "",
            date: None,
        };
        store.begin(&about).unwrap();
    }

    fn store(store: &mut EmlFolder, uid: &str, bytes: &[u8]) -> String {
        begin(store, uid);
        store.write(bytes).unwrap();
        store.end().unwrap().place
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn files_hold_what_was_received() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut folder = EmlFolder::open(&path).unwrap();
        let large = b"x\r\n".repeat(SMALL);
        assert_eq!(store(&mut folder, "../1", b"a\r\n"), "%2E.%2F1.eml");
        assert_eq!(store(&mut folder, "2", &large), "2.eml");
        assert!(names(&path).iter().all(|name| name.ends_with(UNFINISHED)));
        folder.sync().unwrap();
        assert_eq!(names(&path), ["%2E.%2F1.eml", "2.eml"]);
        assert_eq!(fs::read(path.join("%2E.%2F1.eml")).unwrap(), b"a\r\n");
        assert!(fs::read(path.join("2.eml")).unwrap() == large);
        let mode = fs::metadata(path.join("2.eml")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_replaced_and_nothing_stored_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for run in 0..2 {
            let mut folder = EmlFolder::open(path).unwrap();
            for (uid, bytes, wanted) in [
                ("a", "1", "a.eml"),
                ("A", "2", "A-2.eml"),
                ("a", "1", "a-3.eml"),
                ("a-2", "3", "a-2-2.eml"),
            ] {
                assert_eq!(store(&mut folder, uid, bytes.as_bytes()), wanted, "{run}");
            }
            // Killed after the names are there, or before.
            folder.sync().unwrap();
            assert_eq!(names(path).len(), 4);
            std::mem::forget(folder);
        }
        std::os::unix::fs::symlink("/etc/passwd", path.join("l.eml")).unwrap();
        fs::create_dir(path.join("l-2.eml")).unwrap();
        let mut folder = EmlFolder::open(path).unwrap();
        assert_eq!(store(&mut folder, "l", b"x"), "l-3.eml");
    }

    #[test]
    fn what_breaks_off_leaves_nothing() {
        for unnamed in [0, 9] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let mut folder = EmlFolder::open(path).unwrap();
            folder.batch.allow_unnamed(unnamed);
            for size in [10, SMALL + 1] {
                begin(&mut folder, "a");
                folder.write(&vec![b'x'; size]).unwrap();
                folder.abandon();
                assert!(names(path).is_empty());
            }
            store(&mut folder, "b", b"not synced");
            begin(&mut folder, "c");
            folder.write(&vec![b'x'; SMALL + 1]).unwrap();
            assert_eq!(names(path).len(), usize::from(unnamed == 0));
            drop(folder);
            assert!(names(path).is_empty());
        }
    }
}
