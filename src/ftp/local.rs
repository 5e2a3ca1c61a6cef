//! A tree here: what is in it, and where names from a server may lead.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use proto_transport::escape::{escaped, is_harmful};
use proto_transport::{Error, Result};

use super::choice::Choice;
use super::walk::joined;
use crate::output::writing;

/// A folder that a tree from a server goes to. Nothing of it leads out of the folder.
pub struct Place {
    root: PathBuf,
    /// Folders below the root that are known to be there, and to be no links.
    known: Mutex<HashSet<Vec<u8>>>,
}

impl Place {
    /// The place that begins at `root`, which may be a link: the user has named it.
    pub fn new(root: &Path) -> Place {
        Place {
            root: root.to_owned(),
            known: Mutex::default(),
        }
    }

    /// Where a path below the root is. Fails if a part of it is no name of a file.
    pub fn path(&self, below: &[u8]) -> Result<PathBuf> {
        let mut path = self.root.clone();
        for name in below.split(|byte| *byte == b'/') {
            check(name)?;
            path.push(OsStr::from_bytes(name));
        }
        Ok(path)
    }

    /// Makes the folders that a path below the root is in. One that is a link is not gone through:
    /// it may lead anywhere.
    pub fn prepare(&self, below: &[u8]) -> Result<PathBuf> {
        let path = self.path(below)?;
        let end = below.iter().rposition(|byte| *byte == b'/');
        self.make_folder(end.and_then(|end| below.get(..end)).unwrap_or_default())?;
        Ok(path)
    }

    /// Makes a folder below the root, and those that it is in.
    pub fn make_folder(&self, below: &[u8]) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(below) {
            return Ok(());
        }
        fs::create_dir_all(&self.root).map_err(|error| writing(&self.root, error))?;
        let mut path = self.root.clone();
        let names = below.split(|byte| *byte == b'/');
        for name in names.filter(|name| !name.is_empty()) {
            check(name)?;
            path.push(OsStr::from_bytes(name));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => result.map_err(|error| writing(&path, error))?,
            }
            let metadata = fs::symlink_metadata(&path).map_err(|error| writing(&path, error))?;
            if !metadata.is_dir() {
                let why = match metadata.is_symlink() {
                    true => "is a link, which is not followed",
                    false => "is in the way of a folder",
                };
                return Err(writing(
                    &path,
                    io::Error::new(ErrorKind::AlreadyExists, why),
                ));
            }
        }
        known.insert(below.to_vec());
        Ok(())
    }
}

/// Whether a name from a server is one that a file here may have: one component, and nothing that
/// drives a terminal.
pub fn check(name: &[u8]) -> Result<()> {
    let is_dots = matches!(name, b"" | b"." | b"..");
    let is_path = name.contains(&b'/') || name.contains(&0);
    let chunks = name.utf8_chunks();
    let is_harmful = chunks
        .into_iter()
        .any(|chunk| chunk.valid().chars().any(is_harmful));
    match is_dots || is_path || is_harmful {
        true => Err(Error::Malformed {
            peer: "the server".to_owned(),
            doing: "naming files".to_owned(),
            rule: "a name must be one that a file here can have".to_owned(),
            excerpt: escaped(name),
        }),
        false => Ok(()),
    }
}

/// Something in a tree here.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its path below the root, with slashes.
    pub below: Vec<u8>,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// How many bytes a file has.
    pub size: u64,
    /// When it was changed, in seconds since 1970.
    pub modified: i64,
}

/// What is in a folder and all below it, folders before what is in them. Links are not followed and
/// left out, like whatever is neither file nor folder: they are told to `other`.
pub fn tree(root: &Path, choice: &Choice, other: &mut dyn FnMut(&Path)) -> Result<Vec<Item>> {
    let reading = |path: &Path| {
        let doing = format!("reading {}", path.display());
        move |error| Error::io(doing, error)
    };
    let mut items = Vec::new();
    let mut folders = vec![(Vec::new(), root.to_owned())];
    while let Some((below, folder)) = folders.pop() {
        let first = items.len();
        for entry in fs::read_dir(&folder).map_err(reading(&folder))? {
            let entry = entry.map_err(reading(&folder))?;
            let (path, name) = (entry.path(), entry.file_name().into_vec());
            let metadata = entry.metadata().map_err(reading(&path))?;
            let below = joined(&below, &name);
            if !choice.takes(&below, metadata.is_dir()) {
                continue;
            }
            if !metadata.is_dir() && !metadata.is_file() {
                other(&path);
                continue;
            }
            items.push(Item {
                below,
                is_folder: metadata.is_dir(),
                size: metadata.len(),
                modified: seconds(metadata.modified().ok()),
                path,
            });
        }
        let new = items.get_mut(first..).unwrap_or_default();
        new.sort_by(|a, b| a.below.cmp(&b.below));
        let inner = new.iter().rev().filter(|item| item.is_folder);
        folders.extend(inner.map(|item| (item.below.clone(), item.path.clone())));
    }
    Ok(items)
}

/// Seconds since 1970.
pub fn seconds(time: Option<SystemTime>) -> i64 {
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match time.map(|time| time.duration_since(UNIX_EPOCH)) {
        Some(Ok(after)) => whole(after.as_secs()),
        // Rounded down, as before 1970 too.
        Some(Err(before)) => {
            let before = before.duration();
            -whole(before.as_secs()) - i64::from(before.subsec_nanos() > 0)
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        for name in ["a", " a b ", ".hidden", "..a", "a\\b", "ü"] {
            assert!(check(name.as_bytes()).is_ok(), "{name}");
        }
        assert!(check(b"caf\xe9").is_ok());
        for name in [
            "",
            ".",
            "..",
            "/",
            "a/b",
            "a\0",
            "a\x1b[2J",
            "a\nb",
            "a\u{202e}b",
        ] {
            assert!(check(name.as_bytes()).is_err(), "{name:?}");
        }
        let place = Place::new(Path::new("/x"));
        assert_eq!(place.path(b"a/b").unwrap(), Path::new("/x/a/b"));
        for below in ["/etc", "a/../b", "a//b", "a/"] {
            assert!(place.path(below.as_bytes()).is_err(), "{below}");
        }
    }

    #[test]
    fn a_link_is_not_gone_through() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let place = Place::new(folder.path());
        let error = place.prepare(b"link/file").unwrap_err().to_string();
        assert!(error.contains("link"), "{error}");
        place.prepare(b"a/b/file").unwrap();
        assert!(folder.path().join("a/b").is_dir());
        fs::write(folder.path().join("c"), "").unwrap();
        assert!(place.prepare(b"c/file").is_err());
        assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_tree_is_read_without_its_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        fs::write(folder.path().join("b/c/file"), "text").unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let mut others = 0;
        let items = tree(folder.path(), &Choice::default(), &mut |_| others += 1).unwrap();
        let names: Vec<&[u8]> = items.iter().map(|item| item.below.as_slice()).collect();
        assert_eq!(names, [&b"a"[..], b"b", b"b/c", b"b/c/file"]);
        assert_eq!(others, 1);
    }
}
