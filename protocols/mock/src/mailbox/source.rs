//! Where messages come from, and what becomes of those that are deleted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto_transport::certificate::hexadecimal;
use sha2::{Digest, Sha256};

use super::generated::{self, Generated};
use super::octets::Octets;

/// Where messages come from. Lines may end in CRLF or LF; they are sent with CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// These.
    Messages(Vec<Vec<u8>>),
    /// The `.eml` files of this folder, by name. They stay when their messages are deleted.
    Folder(PathBuf),
    /// The files in `new` and `cur` of this Maildir, by name. They go when they are deleted.
    Maildir(PathBuf),
    /// Messages that are made while they are sent.
    Generated {
        /// How many.
        count: u32,
        /// The octets of each; at least what its header needs.
        size: usize,
    },
}

impl Default for Source {
    fn default() -> Source {
        Source::Messages(Vec::new())
    }
}

/// A message as a session sees it.
pub(crate) struct Message {
    origin: Origin,
    /// Its octets on the wire, without stuffing.
    pub size: u64,
    /// Empty if it follows from the origin.
    uid: String,
    pub is_deleted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    Memory(usize),
    File(PathBuf),
    Generated(u32),
    /// It is in a user's INBOX, by its UID there.
    Stored(u32),
}

/// What is known from session to session.
#[derive(Default)]
pub(crate) struct Known {
    /// What was deleted and is still there.
    gone: HashSet<Origin>,
    facts: HashMap<Origin, Facts>,
}

/// What only reading a message tells.
#[derive(Clone)]
struct Facts {
    /// When and how long a file was when it was read.
    stamp: Option<(u64, SystemTime)>,
    size: u64,
    uid: String,
}

impl Message {
    /// Its unique-id (RFC 1939 section 7): 1 to 70 printable octets that no other message has.
    pub fn uid(&self) -> Cow<'_, str> {
        match self.origin {
            Origin::Generated(number) => format!("generated-{number}").into(),
            _ => self.uid.as_str().into(),
        }
    }

    /// A message in a user's INBOX.
    pub(crate) fn stored(in_inbox: u32, size: u64, uid: String) -> Message {
        Message {
            origin: Origin::Stored(in_inbox),
            size,
            uid,
            is_deleted: false,
        }
    }

    /// Its UID in a user's INBOX, if it is there.
    pub(crate) fn in_inbox(&self) -> Option<u32> {
        match self.origin {
            Origin::Stored(uid) => Some(uid),
            _ => None,
        }
    }

    /// The file that it is, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            _ => None,
        }
    }

    /// The number of a message that is made while it is sent.
    pub(crate) fn generated(&self) -> Option<u32> {
        match self.origin {
            Origin::Generated(number) => Some(number),
            _ => None,
        }
    }
}

impl Source {
    /// The messages that are there now.
    pub(crate) fn list(&self, known: &mut Known) -> io::Result<Vec<Message>> {
        match self {
            Source::Generated { count, size } => Ok(generated(*count, *size, known)),
            Source::Messages(messages) => {
                let origins = (0..messages.len()).map(Origin::Memory).collect();
                self.list_read(origins, known)
            }
            Source::Folder(folder) => {
                let is_message = |name: &str| name.to_ascii_lowercase().ends_with(".eml");
                self.list_read(files(&[folder], is_message)?, known)
            }
            Source::Maildir(folder) => {
                let folders = [&folder.join("new"), &folder.join("cur")];
                self.list_read(files(&folders, |_| true)?, known)
            }
        }
    }

    /// Lists messages that must be read before anything can be told of them.
    fn list_read(&self, origins: Vec<Origin>, known: &mut Known) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        let mut read = HashMap::new();
        let mut same: HashMap<String, u32> = HashMap::new();
        for origin in origins {
            let facts = match self.facts(&origin, known.facts.remove(&origin)) {
                // Somebody else took it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                facts => facts?,
            };
            // Equal messages have unique-ids that differ, and keep them when one of them goes.
            let count = same.entry(facts.uid.clone()).or_default();
            *count += 1;
            let uid = match *count {
                1 => facts.uid.clone(),
                more => format!("{}-{more}", facts.uid),
            };
            if !known.gone.contains(&origin) {
                messages.push(Message {
                    origin: origin.clone(),
                    size: facts.size,
                    uid,
                    is_deleted: false,
                });
            }
            read.insert(origin, facts);
        }
        known.facts = read;
        Ok(messages)
    }

    /// What is known of a message, or else what reading it tells.
    fn facts(&self, origin: &Origin, known: Option<Facts>) -> io::Result<Facts> {
        let stamp = match origin {
            Origin::File(path) => Some(stamp(&fs::metadata(path)?)?),
            _ => None,
        };
        if let Some(known) = known.filter(|known| known.stamp == stamp) {
            return Ok(known);
        }
        let named = match (self, origin) {
            (Source::Maildir(_), Origin::File(path)) => Some(unique_name(path)),
            _ => None,
        };
        let mut octets = Octets::default();
        let mut hash = Sha256::new();
        let mut reader = self.open_origin(origin)?;
        let mut buffer = vec![0; PIECE];
        loop {
            let count = reader.read(&mut buffer)?;
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            octets.push(piece);
            if named.is_none() {
                hash.update(piece);
            }
        }
        Ok(Facts {
            stamp,
            size: octets.total(),
            uid: named.unwrap_or_else(|| shortened(hash)),
        })
    }

    /// The message itself, to be read piece by piece.
    pub(crate) fn open(&self, message: &Message) -> io::Result<Box<dyn Read + '_>> {
        self.open_origin(&message.origin)
    }

    fn open_origin(&self, origin: &Origin) -> io::Result<Box<dyn Read + '_>> {
        match (self, origin) {
            (Source::Messages(messages), Origin::Memory(index)) => {
                let message = messages.get(*index).ok_or(io::ErrorKind::NotFound)?;
                Ok(Box::new(message.as_slice()))
            }
            (Source::Generated { size, .. }, Origin::Generated(number)) => {
                Ok(Box::new(Generated::new(*number, *size)))
            }
            (_, Origin::File(path)) => Ok(Box::new(File::open(path)?)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Deletes a message for good.
    pub(crate) fn remove(&self, message: &Message, known: &mut Known) -> io::Result<()> {
        match (self, &message.origin) {
            (Source::Maildir(_), Origin::File(path)) => match fs::remove_file(path) {
                // Somebody else took it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            },
            (_, origin) => {
                known.gone.insert(origin.clone());
                Ok(())
            }
        }
    }
}

/// How much of a file is read at once.
pub(crate) const PIECE: usize = 32 * 1024;

/// The longest unique-id (RFC 1939 section 7).
const LONGEST_UID: usize = 70;

fn generated(count: u32, size: usize, known: &Known) -> Vec<Message> {
    let numbers = (1..=count).filter(|number| !known.gone.contains(&Origin::Generated(*number)));
    let messages = numbers.map(|number| Message {
        origin: Origin::Generated(number),
        size: generated::octets(number, size),
        uid: String::new(),
        is_deleted: false,
    });
    messages.collect()
}

/// The files of these folders whose names fit, by name. A folder that is not there is empty: a
/// Maildir gets its folders with its first message.
fn files(folders: &[&PathBuf], fits: impl Fn(&str) -> bool) -> io::Result<Vec<Origin>> {
    let mut found = Vec::new();
    for folder in folders {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if !text.starts_with('.') && fits(&text) && entry.path().is_file() {
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found
        .into_iter()
        .map(|(_, path)| Origin::File(path))
        .collect())
}

fn stamp(metadata: &Metadata) -> io::Result<(u64, SystemTime)> {
    Ok((metadata.len(), metadata.modified()?))
}

/// The part of a Maildir's file name that stays when flags change, if it can be a unique-id.
pub(super) fn unique_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split(':').next().unwrap_or_default();
    let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    match is_printable && name.len() <= LONGEST_UID {
        true => name.to_owned(),
        false => shortened(Sha256::new_with_prefix(name)),
    }
}

/// Enough of a hash that no two messages share it.
fn shortened(hash: Sha256) -> String {
    let mut digits = hexadecimal(&hash.finalize());
    digits.truncate(32);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(source: &Source, known: &mut Known) -> Vec<String> {
        let messages = source.list(known).unwrap();
        messages
            .iter()
            .map(|message| message.uid().into_owned())
            .collect()
    }

    #[test]
    fn equal_messages_have_names_that_stay() {
        let messages = ["a", "b", "a"].map(|text| text.as_bytes().to_vec());
        let source = Source::Messages(messages.to_vec());
        let mut known = Known::default();
        let before = uids(&source, &mut known);
        assert_eq!(before[0].len(), 32);
        assert_eq!(before[2], format!("{}-2", before[0]));
        let first = &source.list(&mut known).unwrap()[0];
        source.remove(first, &mut known).unwrap();
        assert_eq!(uids(&source, &mut known), before[1..]);
    }

    #[test]
    fn a_maildir_has_names_without_flags() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Maildir(folder.path().to_owned());
        let mut known = Known::default();
        assert_eq!(uids(&source, &mut known), [""; 0]);
        for (name, text) in [
            ("new/2.a", "a\n"),
            ("cur/1.b:2,S", "ab\n"),
            ("new/.hidden", ""),
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(uids(&source, &mut known), ["1.b", "2.a"]);
        let messages = source.list(&mut known).unwrap();
        assert_eq!((messages[0].size, messages[1].size), (4, 3));
        fs::rename(
            folder.path().join("new/2.a"),
            folder.path().join("cur/2.a:2,"),
        )
        .unwrap();
        assert_eq!(uids(&source, &mut known), ["1.b", "2.a"]);
        source.remove(&messages[0], &mut known).unwrap();
        source.remove(&messages[0], &mut known).unwrap();
        assert!(!folder.path().join("cur/1.b:2,S").exists());
        fs::write(folder.path().join("new/3 \u{fc}"), "").unwrap();
        let found = uids(&source, &mut known);
        assert_eq!((found[0].as_str(), found[1].len()), ("2.a", 32));
    }

    #[test]
    fn a_file_that_changes_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.eml"), "a").unwrap();
        fs::write(folder.path().join("a.txt"), "a").unwrap();
        let source = Source::Folder(folder.path().to_owned());
        let mut known = Known::default();
        let before = uids(&source, &mut known);
        assert_eq!(before.len(), 1);
        assert_eq!(uids(&source, &mut known), before);
        fs::write(folder.path().join("a.eml"), "abc").unwrap();
        assert_ne!(uids(&source, &mut known), before);
        assert_eq!(source.list(&mut known).unwrap()[0].size, 5);
    }
}
