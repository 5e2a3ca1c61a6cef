//! A Maildir: a folder with a file for each message (cr.yp.to/proto/maildir.html).
//!
//! ```text
//! tmp/1763725608.M123456P42R9f8e7d6cT7.proto                            while it comes in (or it has no name)
//! new/1763725608.M123456P42R9f8e7d6cQ7_CONTENT_UID.proto,S=4096         when it is durable
//! cur/1763725608.M123456P42R9f8e7d6cQ7_CONTENT_UID.proto,S=4096:2,S     the same, with flags
//! ```
//!
//! `CONTENT` and `UID` are digests of the stored bytes and of the server's name for the message.
//! When a run is killed after a message has its name and before the state has recorded it, the
//! message comes again; the same content under the same name is then found here and not stored
//! twice. Two messages on the server that differ in their names only are two messages here.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use proto_transport::certificate::hexadecimal;
use proto_transport::{Error, Result};
use sha2::{Digest, Sha256};

use super::batch::{remove_old, Batch, Complete};
use super::draft::{Drafts, Temporary};
use super::incoming::Incoming;
use super::{writing, About, Kept, Store};
use crate::folder;

/// Where messages are: by their place in the batch.
const FOLDERS: [&str; 2] = ["new", "cur"];
const NEW: usize = 0;
const CUR: usize = 1;

/// What the host's name is in other people's names, which is nobody's business.
const OURS: &str = ".proto";

/// What follows it in the name of a message that is complete.
const WITH_SIZE: &str = ".proto,S=";

/// How much of the digests is in a name.
const CONTENT: usize = 16;
const UID: usize = 8;

/// A Maildir to store messages in.
pub struct Maildir {
    path: PathBuf,
    batch: Batch,
    incoming: Incoming,
    current: Current,
    /// What earlier runs have stored, copies too: where, by both digests. Read when the first
    /// message is there.
    earlier: Option<HashMap<String, Vec<(usize, String)>>>,
    /// What makes names of this run unique, beside the time.
    run: String,
    count: u64,
}

/// The message that comes in.
#[derive(Default)]
struct Current {
    uid: String,
    flags: String,
    date: Option<SystemTime>,
    /// The part of its name that nobody else has.
    unique: String,
    /// What its file is called for the time being, if it has one with a name.
    temporary: Option<Temporary>,
}

impl Maildir {
    /// Opens a Maildir, and makes what is missing of it.
    pub fn open(path: &Path) -> Result<Maildir> {
        let open = || -> io::Result<Maildir> {
            folder::make(path)?;
            let from = folder::make_within(&path.join("tmp"))?;
            let to = FOLDERS.map(|name| folder::make_within(&path.join(name)));
            let to: io::Result<Vec<_>> = to.into_iter().collect();
            let mut random = [0; 4];
            getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
            let run = format!("P{}R{}", std::process::id(), hexadecimal(&random));
            let drafts = Drafts::new(from, format!("{}{run}T", now()), OURS);
            Ok(Maildir {
                path: path.to_owned(),
                batch: Batch::new(drafts, to?),
                incoming: Incoming::with_line_feeds(),
                current: Current::default(),
                earlier: None,
                run,
                count: 0,
            })
        };
        let doing = || format!("opening the Maildir {}", path.display());
        open().map_err(|error| Error::io(doing(), error))
    }

    /// A name that nobody else has, without the part that is common to the names of ours.
    fn unique(&mut self) -> String {
        self.count += 1;
        format!("{}{}Q{}", now(), self.run, self.count)
    }

    fn finish(&mut self) -> io::Result<Kept> {
        let hash = self.incoming.finish()?;
        let content = hash.get(..CONTENT).unwrap_or_default();
        let identity = format!("_{}_{}", hexadecimal(content), self.current.uid);
        if let Some(place) = self.find(&identity)? {
            self.discard();
            return Ok(Kept { hash, place });
        }
        let size = self.incoming.size();
        let name = format!("{}{identity}{WITH_SIZE}{size}", self.current.unique);
        let (folder, name) = match self.current.flags.as_str() {
            "" => (NEW, name),
            flags => (CUR, format!("{name}:2,{flags}")),
        };
        let place = place(folder, &name);
        let spare = self.batch.spare();
        self.batch.add(Complete {
            content: self.incoming.take(spare),
            temporary: self.current.temporary.take(),
            date: self.current.date,
            folder,
            name,
        })?;
        Ok(Kept { hash, place })
    }

    /// The message as an earlier run has stored it, if one has. It counts only once.
    fn find(&mut self, identity: &str) -> io::Result<Option<String>> {
        if self.earlier.is_none() {
            remove_old(&self.path.join("tmp"), |name| name.ends_with(OURS));
            self.earlier = Some(read_names(&self.path)?);
        }
        let earlier = self.earlier.as_mut();
        let Some(copies) = earlier.and_then(|earlier| earlier.get_mut(identity)) else {
            return Ok(None);
        };
        while let Some((folder, name)) = copies.pop() {
            let Ok(file) = self.batch.read(folder, &name) else {
                // A mail reader has just moved or deleted it, or it is a link.
                continue;
            };
            if self.incoming.is_same_as(&file)? {
                self.batch.adopt(folder, &file)?;
                return Ok(Some(place(folder, &name)));
            }
        }
        Ok(None)
    }

    fn discard(&mut self) {
        self.incoming.clear();
        self.current.temporary = None;
    }
}

impl Store for Maildir {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.discard();
        let digest = Sha256::digest(about.uid);
        self.current = Current {
            uid: hexadecimal(digest.get(..UID).unwrap_or_default()),
            flags: checked(about.flags)?,
            date: about.date,
            unique: self.unique(),
            temporary: None,
        };
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (batch, current) = (&mut self.batch, &mut self.current);
        let make = || {
            let (file, temporary) = batch.create()?;
            current.temporary = temporary;
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

/// The beginning of a name: the time.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    format!("{}.M{}", now.as_secs(), now.subsec_micros())
}

fn place(folder: usize, name: &str) -> String {
    format!("{}/{name}", FOLDERS.get(folder).unwrap_or(&""))
}

/// Flags in the order that a Maildir wants. Letters only: they become part of a name.
fn checked(flags: &str) -> Result<String> {
    if !flags.bytes().all(|flag| flag.is_ascii_alphabetic()) {
        return Err(Error::illegal(format!("{flags:?} are no Maildir flags")));
    }
    let mut letters: Vec<char> = flags.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    Ok(letters.into_iter().collect())
}

/// The files that runs of ours have stored, by the digests in their names.
fn read_names(path: &Path) -> io::Result<HashMap<String, Vec<(usize, String)>>> {
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for (number, folder) in FOLDERS.iter().enumerate() {
        for entry in fs::read_dir(path.join(folder))? {
            let Ok(name) = entry?.file_name().into_string() else {
                continue;
            };
            if let Some(identity) = identity(&name) {
                let copies = found.entry(identity.to_owned()).or_default();
                copies.push((number, name));
            }
        }
    }
    Ok(found)
}

/// The digests in a name of ours, each with its `_`.
fn identity(name: &str) -> Option<&str> {
    let (front, _) = name.rsplit_once(WITH_SIZE)?;
    let at = front.len().checked_sub(2 * (CONTENT + UID) + 2)?;
    let identity = front.get(at..)?;
    let digits = identity.strip_prefix('_')?;
    let (content, uid) = digits.split_once('_')?;
    let is_ours = content.len() == 2 * CONTENT && uid.len() == 2 * UID;
    is_ours.then_some(identity)
}

#[cfg(test)]
mod tests;
