//! Files and folders, wherever they are kept. Links are shown and never followed, so that nothing
//! leads out.

use std::io::{self, Read, Write};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub kind: Kind,
    /// In bytes; 0 of a folder.
    pub size: u64,
    /// Seconds since 1970, in UTC.
    pub modified: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// With what it points to.
    Link(Vec<u8>),
}

impl Entry {
    pub fn folder() -> Entry {
        Entry {
            kind: Kind::Folder,
            size: 0,
            modified: 0,
        }
    }

    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

/// The names from the root on. None is empty, `.` or `..`, or holds a slash or NUL.
pub(super) type Names = Vec<Vec<u8>>;

/// Where writing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At this byte; what is there from it on goes away.
    At(u64),
    /// Behind the last byte.
    End,
}

/// What can be done with files and folders.
pub(super) trait Tree: Send + Sync {
    fn entry(&self, path: &[Vec<u8>]) -> io::Result<Entry>;

    /// What is in a folder, by name.
    fn entries(&self, path: &[Vec<u8>]) -> io::Result<Vec<(Vec<u8>, Entry)>>;

    fn read(&self, path: &[Vec<u8>], offset: u64) -> io::Result<Box<dyn Read>>;

    /// Makes the file if there is none.
    fn write(&self, path: &[Vec<u8>], start: Start) -> io::Result<Box<dyn Write>>;

    fn remove(&self, path: &[Vec<u8>]) -> io::Result<()>;

    fn make_folder(&self, path: &[Vec<u8>]) -> io::Result<()>;

    fn remove_folder(&self, path: &[Vec<u8>]) -> io::Result<()>;

    fn rename(&self, from: &[Vec<u8>], to: &[Vec<u8>]) -> io::Result<()>;

    fn set_modified(&self, path: &[Vec<u8>], seconds: i64) -> io::Result<()>;
}

/// The names from the root on, of a path that begins there or in `folder`; `None` where NUL is in it.
pub(super) fn names(folder: &[Vec<u8>], path: &[u8]) -> Option<Names> {
    if path.contains(&0) {
        return None;
    }
    let mut names = match path.starts_with(b"/") {
        true => Names::new(),
        false => folder.to_vec(),
    };
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            // The root is its own parent.
            b".." => drop(names.pop()),
            name => names.push(name.to_vec()),
        }
    }
    Some(names)
}

/// The path from the root on.
pub(super) fn path(names: &[Vec<u8>]) -> Vec<u8> {
    match names {
        [] => b"/".to_vec(),
        names => names
            .iter()
            .flat_map(|name| [b"/", name.as_slice()].concat())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_above_the_root() {
        let folder = [b"a".to_vec(), b"b".to_vec()];
        for (text, expected) in [
            ("c", "/a/b/c"),
            ("", "/a/b"),
            ("/", "/"),
            ("..", "/a"),
            ("../../../../x", "/x"),
            ("/../x/./y//z/..", "/x/y"),
            ("...", "/a/b/..."),
        ] {
            let names = names(&folder, text.as_bytes()).unwrap();
            assert_eq!(path(&names), expected.as_bytes(), "{text}");
        }
        assert_eq!(names(&folder, b"a\0"), None);
    }
}
