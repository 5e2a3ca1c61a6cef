//! What is in a tree on the server: folder after folder.

use std::collections::HashSet;

use proto_ftp::{Entry, Kind, Line, No, Path, Session};
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use super::choice::Choice;
use super::{ends_all, in_folder};

/// Something in the tree.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its path below the root of the tree, with slashes.
    pub below: Vec<u8>,
    /// Its path for the server.
    pub path: Path,
    /// What it is.
    pub entry: Entry,
}

/// A line of a listing that is nothing to go on with.
#[derive(Debug)]
pub enum Stray {
    /// Nobody understands it.
    Unknown(Vec<u8>),
    /// Its name would lead out of its folder.
    BadName(Vec<u8>),
    /// Another line had the same name.
    Twice(Vec<u8>),
    /// The folder could not be listed.
    Unlisted(Error),
}

/// Everything that was found.
#[derive(Default)]
pub struct Tree {
    /// Folders before what is in them.
    pub found: Vec<Found>,
    /// What could not be taken, and in which folder below the root.
    pub strays: Vec<(Vec<u8>, Stray)>,
    /// Strays beyond those.
    pub more_strays: usize,
    /// All entries that were seen, and the bytes of their paths.
    entries: usize,
    bytes: usize,
    /// Whether files on the server can be given the times that they have here.
    pub keeps_times: bool,
}

/// Entries of a tree that are held at most, and the bytes of their names.
const MOST: usize = 500_000;
const MOST_BYTES: usize = 64 << 20;

/// Strays that are told at most. There is no end of what a server may say.
const MOST_STRAYS: usize = 1000;

/// Folders in each other at most. Servers that show links to folders as folders have endless trees.
const DEEPEST: usize = 64;

/// What is in a folder, or, if `is_deep`, in all below it too. A folder below that cannot be listed
/// is a stray; that the first cannot is an error. In a whole tree, hidden files are files too.
pub fn walk(
    session: &mut Session,
    root: Option<&Path>,
    choice: &Choice,
    is_deep: bool,
) -> Result<Tree> {
    let mut tree = Tree {
        keeps_times: session.features().offers("MFMT"),
        ..Tree::default()
    };
    if is_deep {
        session.show_hidden(true);
    }
    let mut folders = vec![(Vec::new(), root.cloned(), 0)];
    while let Some((below, path, depth)) = folders.pop() {
        session.expect_more(is_deep && !folders.is_empty());
        let first = tree.found.len();
        match list(session, &mut tree, &below, path.as_ref(), choice) {
            Err(error) if below.is_empty() => return Err(missing(session, root, error)),
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => {
                // What came of it may be nothing that is in there.
                tree.found.truncate(first);
                tree.stray(&below, Stray::Unlisted(error));
            }
            Ok(()) => {}
        }
        let mut too_deep = Vec::new();
        let new = tree.found.get_mut(first..).unwrap_or_default();
        new.sort_by(|a, b| a.below.cmp(&b.below));
        if !is_deep {
            break;
        }
        // The last in the stack is the first to be listed.
        for found in new.iter().rev() {
            if found.entry.kind != Kind::Folder {
                continue;
            }
            if depth >= DEEPEST {
                too_deep.push(found.below.clone());
                continue;
            }
            folders.push((found.below.clone(), Some(found.path.clone()), depth + 1));
        }
        for folder in too_deep {
            let error = Error::TooLarge {
                what: format!("{}: the tree, in folders within folders,", escaped(&folder)),
                limit: DEEPEST as u64,
            };
            tree.stray(&folder, Stray::Unlisted(error));
        }
    }
    Ok(tree)
}

/// Why a folder could not be listed: some servers say 450 of what is not there (ProFTPD).
fn missing(session: &mut Session, root: Option<&Path>, error: Error) -> Error {
    let Some(path) = root.filter(|_| No::of(&error) == Some(No::Busy)) else {
        return error;
    };
    match session.check_folder(path) {
        Err(no) if No::of(&no) == Some(No::Missing) => no,
        _ => error,
    }
}

fn list(
    session: &mut Session,
    tree: &mut Tree,
    below: &[u8],
    folder: Option<&Path>,
    choice: &Choice,
) -> Result<()> {
    let mut names = HashSet::new();
    session.list(folder, &mut |line| {
        let entry = match line {
            Line::Entry(entry) => entry,
            Line::Nothing => return Ok(()),
            Line::Unknown(raw) => {
                tree.stray(below, Stray::Unknown(raw));
                return Ok(());
            }
            Line::BadName(raw) => {
                tree.stray(below, Stray::BadName(raw));
                return Ok(());
            }
        };
        if !names.insert(entry.name.clone()) {
            tree.stray(below, Stray::Twice(entry.name));
            return Ok(());
        }
        let whole = joined(below, &entry.name);
        tree.count(whole.len())?;
        if !choice.takes(&whole, entry.kind == Kind::Folder) {
            return Ok(());
        }
        tree.found.push(Found {
            below: whole,
            path: in_folder(folder, &entry.name)?,
            entry,
        });
        Ok(())
    })
}

impl Tree {
    /// A tree of one file.
    pub fn of(found: Found) -> Tree {
        Tree {
            found: vec![found],
            ..Tree::default()
        }
    }

    /// Counts an entry whose path has so many bytes, wanted or not.
    fn count(&mut self, bytes: usize) -> Result<()> {
        self.entries += 1;
        self.bytes += bytes;
        let (what, limit) = match (self.entries > MOST, self.bytes > MOST_BYTES) {
            (true, _) => ("the tree, in files,", MOST),
            (_, true) => ("the names in the tree, in bytes,", MOST_BYTES),
            _ => return Ok(()),
        };
        Err(Error::TooLarge {
            what: what.to_owned(),
            limit: limit as u64,
        })
    }

    fn stray(&mut self, below: &[u8], stray: Stray) {
        match self.strays.len() < MOST_STRAYS {
            true => self.strays.push((below.to_vec(), stray)),
            false => self.more_strays += 1,
        }
    }
}

/// A path below the root.
pub fn joined(below: &[u8], name: &[u8]) -> Vec<u8> {
    match below.is_empty() {
        true => name.to_vec(),
        false => [below, b"/", name].concat(),
    }
}

impl Stray {
    /// What is wrong, for people.
    pub fn text(&self, below: &[u8]) -> String {
        let folder = match below.is_empty() {
            true => "the listing".to_owned(),
            false => format!("the listing of {}", escaped(below)),
        };
        match self {
            Stray::Unknown(raw) => {
                format!(
                    "{folder} has a line that nobody understands: {}",
                    escaped(raw)
                )
            }
            Stray::BadName(raw) => {
                format!("{folder} has a name that is none: {}", escaped(raw))
            }
            Stray::Twice(name) => format!("{folder} has {} twice", escaped(name)),
            Stray::Unlisted(error) => error.to_string(),
        }
    }
}
