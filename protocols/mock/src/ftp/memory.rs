//! Files and folders in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use super::tree::{names, Entry, Kind, Names, Start, Tree};
use crate::mailbox::Date;
use crate::stop::locked;

/// Files and folders that are kept in memory, at most 256 MiB of them. Clones show the same ones.
///
/// Paths are relative to the root, with slashes; the folders on the way to a file are made.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<Names, Node>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    content: Content,
    modified: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Folder,
    Bytes(Vec<u8>),
    /// So many bytes that are made while they are sent.
    Made(u64),
    Link(Vec<u8>),
}

/// Bytes that are kept at most, together.
const MOST: usize = 256 * 1024 * 1024;

/// What a made file says again and again.
const TEXT: &[u8] = b"0123456789 the quick brown fox jumps over the lazy dog, and again\n";

impl Files {
    /// Puts a file there, in the place of what is there now.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.add(path, Content::Bytes(bytes.into()));
    }

    /// Has a file of so many bytes, of lines that are made while they are sent.
    pub fn generate(&self, path: &str, size: u64) {
        self.add(path, Content::Made(size));
    }

    /// Has a folder.
    pub fn make_folder(&self, path: &str) {
        self.add(path, Content::Folder);
    }

    /// Has a symbolic link. It is listed, and leads nowhere.
    pub fn link(&self, path: &str, target: &str) {
        self.add(path, Content::Link(target.into()));
    }

    /// The bytes of a file; `None` if there is no such file, or it is one that is made.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        let names = names(&[], path.as_bytes())?;
        match &locked(&self.0).get(&names)?.content {
            Content::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// When a file or folder was last changed, in seconds since 1970; `None` if it is not there.
    pub fn modified(&self, path: &str) -> Option<i64> {
        let names = names(&[], path.as_bytes())?;
        locked(&self.0).get(&names).map(|node| node.modified)
    }

    /// Changes that time. Whether there is such a file or folder.
    pub fn set_modified(&self, path: &str, seconds: i64) -> bool {
        names(&[], path.as_bytes())
            .is_some_and(|names| Tree::set_modified(self, &names, seconds).is_ok())
    }

    /// The paths of all that there is, each with a slash at its end if it is a folder.
    pub fn paths(&self) -> Vec<String> {
        let nodes = locked(&self.0);
        let text = |(names, node): (&Names, &Node)| {
            let path = String::from_utf8_lossy(&names.join(&b'/')).into_owned();
            match node.content {
                Content::Folder => path + "/",
                _ => path,
            }
        };
        nodes.iter().map(text).collect()
    }

    fn add(&self, path: &str, content: Content) {
        let Some(names) = names(&[], path.as_bytes()).filter(|names| !names.is_empty()) else {
            return;
        };
        let mut nodes = locked(&self.0);
        for end in 1..names.len() {
            let parent = names.get(..end).unwrap_or_default().to_vec();
            nodes
                .entry(parent)
                .or_insert_with(|| Node::new(Content::Folder));
        }
        nodes.insert(names, Node::new(content));
    }

    /// The nodes, if the folder that this name is to be in exists.
    fn with_parent(&self, path: &[Vec<u8>]) -> io::Result<MutexGuard<'_, BTreeMap<Names, Node>>> {
        let (_, parent) = path.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        let nodes = locked(&self.0);
        let is_folder = parent.is_empty()
            || nodes
                .get(parent)
                .is_some_and(|node| node.content == Content::Folder);
        match is_folder {
            true => Ok(nodes),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Node {
    fn new(content: Content) -> Node {
        Node {
            content,
            modified: Date::now().seconds,
        }
    }

    fn entry(&self) -> Entry {
        let (kind, size) = match &self.content {
            Content::Folder => (Kind::Folder, 0),
            Content::Bytes(bytes) => (Kind::File, bytes.len() as u64),
            Content::Made(size) => (Kind::File, *size),
            Content::Link(target) => (Kind::Link(target.clone()), target.len() as u64),
        };
        Entry {
            kind,
            size,
            modified: self.modified,
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths()).finish()
    }
}

impl Tree for Files {
    fn entry(&self, path: &[Vec<u8>]) -> io::Result<Entry> {
        if path.is_empty() {
            return Ok(Entry::folder());
        }
        let nodes = locked(&self.0);
        let node = nodes.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(node.entry())
    }

    fn entries(&self, path: &[Vec<u8>]) -> io::Result<Vec<(Vec<u8>, Entry)>> {
        if !self.entry(path)?.is_folder() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let nodes = locked(&self.0);
        let below = nodes.iter().filter_map(|(names, node)| {
            let (name, parent) = names.split_last()?;
            (parent == path).then(|| (name.clone(), node.entry()))
        });
        Ok(below.collect())
    }

    fn read(&self, path: &[Vec<u8>], offset: u64) -> io::Result<Box<dyn Read>> {
        match self.entry(path)?.kind {
            Kind::File => Ok(Box::new(Reader {
                files: self.clone(),
                path: path.to_vec(),
                at: offset,
            })),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn write(&self, path: &[Vec<u8>], start: Start) -> io::Result<Box<dyn Write>> {
        let mut nodes = self.with_parent(path)?;
        let node = nodes
            .entry(path.to_vec())
            .or_insert_with(|| Node::new(Content::Bytes(Vec::new())));
        match (&mut node.content, start) {
            (Content::Bytes(bytes), Start::At(offset)) => {
                let offset = usize::try_from(offset).unwrap_or(MOST);
                if offset > MOST {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                bytes.resize(offset, 0);
            }
            (Content::Bytes(_), Start::End) => {}
            (Content::Made(_), Start::At(0)) => node.content = Content::Bytes(Vec::new()),
            _ => return Err(io::ErrorKind::IsADirectory.into()),
        }
        Ok(Box::new(Writer {
            files: self.clone(),
            path: path.to_vec(),
        }))
    }

    fn remove(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let mut nodes = locked(&self.0);
        match nodes.get(path) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(node) if node.content == Content::Folder => {
                Err(io::ErrorKind::IsADirectory.into())
            }
            Some(_) => {
                nodes.remove(path);
                Ok(())
            }
        }
    }

    fn make_folder(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let mut nodes = self.with_parent(path)?;
        if nodes.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        nodes.insert(path.to_vec(), Node::new(Content::Folder));
        Ok(())
    }

    fn remove_folder(&self, path: &[Vec<u8>]) -> io::Result<()> {
        if path.is_empty() || !self.entries(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        locked(&self.0).remove(path);
        Ok(())
    }

    fn rename(&self, from: &[Vec<u8>], to: &[Vec<u8>]) -> io::Result<()> {
        if from.is_empty() || (to.starts_with(from) && to != from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut nodes = self.with_parent(to)?;
        if !nodes.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let is_folder = |node: &Node| node.content == Content::Folder;
        if to != from && nodes.get(to).is_some_and(is_folder) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let moved: Vec<Names> = nodes
            .keys()
            .filter(|names| names.starts_with(from))
            .cloned()
            .collect();
        for names in moved {
            if let Some(node) = nodes.remove(&names) {
                let rest = names.get(from.len()..).unwrap_or_default();
                nodes.insert([to, rest].concat(), node);
            }
        }
        Ok(())
    }

    fn set_modified(&self, path: &[Vec<u8>], seconds: i64) -> io::Result<()> {
        let mut nodes = locked(&self.0);
        nodes.get_mut(path).ok_or(io::ErrorKind::NotFound)?.modified = seconds;
        Ok(())
    }
}

struct Reader {
    files: Files,
    path: Names,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let nodes = locked(&self.files.0);
        let node = nodes.get(&self.path).ok_or(io::ErrorKind::NotFound)?;
        let count = match &node.content {
            Content::Bytes(bytes) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX);
                bytes.get(start..).unwrap_or_default().read(buffer)?
            }
            Content::Made(size) => made(self.at, *size, buffer),
            _ => return Err(io::ErrorKind::IsADirectory.into()),
        };
        self.at += count as u64;
        Ok(count)
    }
}

/// The bytes of a made file from `at` on.
fn made(at: u64, size: u64, buffer: &mut [u8]) -> usize {
    let left = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX);
    let count = left.min(buffer.len());
    let skipped = usize::try_from(at % TEXT.len() as u64).unwrap_or(0);
    let text = TEXT.iter().cycle().skip(skipped);
    for (slot, byte) in buffer.iter_mut().take(count).zip(text) {
        *slot = *byte;
    }
    count
}

struct Writer {
    files: Files,
    path: Names,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut nodes = locked(&self.files.0);
        let size = |node: &Node| match &node.content {
            Content::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let taken: usize = nodes.values().map(size).sum();
        if taken + bytes.len() > MOST {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let node = nodes.get_mut(&self.path).ok_or(io::ErrorKind::NotFound)?;
        match &mut node.content {
            Content::Bytes(kept) => kept.extend_from_slice(bytes),
            _ => return Err(io::ErrorKind::IsADirectory.into()),
        }
        node.modified = Date::now().seconds;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_where_they_were_put() {
        let files = Files::default();
        files.put("a/b/c", "see");
        files.generate("big", 200);
        files.link("l", "a");
        assert_eq!(files.paths(), ["a/", "a/b/", "a/b/c", "big", "l"]);
        let at = |path: &str| names(&[], path.as_bytes()).unwrap();
        assert!(files.remove_folder(&at("a")).is_err());
        assert!(files.rename(&at("a"), &at("a/b/x")).is_err());
        files.rename(&at("a/b"), &at("n")).unwrap();
        assert_eq!(files.get("n/c").unwrap(), b"see");
        assert_eq!(files.paths(), ["a/", "big", "l", "n/", "n/c"]);
        files.remove_folder(&at("a")).unwrap();
        let mut text = Vec::new();
        files
            .read(&at("big"), 190)
            .unwrap()
            .read_to_end(&mut text)
            .unwrap();
        assert_eq!(text.len(), 10);
        assert_eq!(text.first(), TEXT.get(190 % TEXT.len()));
        let mut writer = files.write(&at("n/c"), Start::At(1)).unwrap();
        writer.write_all(b"ea").unwrap();
        assert_eq!(files.get("n/c").unwrap(), b"sea");
        assert!(files.write(&at("none/c"), Start::End).is_err());
        assert!(files.read(&at("l"), 0).is_err());
        assert!(files.set_modified("n/c", 7) && files.modified("n/c") == Some(7));
    }
}
