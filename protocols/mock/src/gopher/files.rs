//! Files under a root folder, and nothing outside of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::gophermap;
use super::item::{kind_of, Item};

/// What lies at a selector.
pub(super) enum Found {
    Menu(Vec<Item>),
    File { kind: u8, file: File, length: u64 },
}

/// A file that is the menu of its folder.
const MAP: &str = "gophermap";

/// How much of a file tells whether it is a text.
const BEGINNING: u64 = 512;

/// How many files a search goes through, and how deep.
const FILES: usize = 10_000;
const DEPTH: usize = 16;

/// Looks up a selector. Whatever goes wrong, a client need not know why there is nothing.
pub(super) fn find(root: &Path, selector: &[u8]) -> Option<Found> {
    let root = root.canonicalize().ok()?;
    // With the symbolic links resolved, so that none leads out.
    let found = root.join(relative(selector)?).canonicalize().ok()?;
    if !found.starts_with(&root) {
        return None;
    }
    match found.is_dir() {
        true => Some(Found::Menu(menu(&root, &found)?)),
        false => open(&found).ok(),
    }
}

/// The path below the root; `None` if it would lead elsewhere, or to what is hidden.
fn relative(selector: &[u8]) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for segment in selector.split(|byte| *byte == b'/') {
        if segment.is_empty() {
            continue;
        }
        if segment.starts_with(b".") || segment.contains(&0) {
            return None;
        }
        relative.push(OsString::from_vec(segment.to_vec()));
    }
    Some(relative)
}

fn open(path: &Path) -> io::Result<Found> {
    // Only regular files: opening a pipe would wait for its other end.
    if !path.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(path)?;
    Ok(Found::File {
        kind: kind_of_file(path),
        length: file.metadata()?.len(),
        file,
    })
}

fn kind_of_file(path: &Path) -> u8 {
    let mut beginning = Vec::new();
    if path.is_file() {
        if let Ok(file) = File::open(path) {
            let _ = file.take(BEGINNING).read_to_end(&mut beginning);
        }
    }
    kind_of(path, &beginning)
}

/// The menu of a folder: what its map says, or what is in it.
fn menu(root: &Path, folder: &Path) -> Option<Vec<Item>> {
    let map = folder.join(MAP).canonicalize().ok();
    let map = map.filter(|map| map.is_file() && map.starts_with(root));
    let listing = || listing(root, folder).unwrap_or_default();
    match map {
        Some(map) => {
            let text = fs::read(map).ok()?;
            Some(gophermap::items(&text, &selector_of(root, folder), listing))
        }
        None => Some(listing()),
    }
}

/// What is in a folder, by name; nothing that is hidden.
fn listing(root: &Path, folder: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == MAP || name.as_bytes().starts_with(b".") {
            continue;
        }
        // A name with such a character cannot stand in a menu (RFC 1436 section 3.9).
        if name.as_bytes().iter().any(|byte| b"\t\r\n".contains(byte)) {
            continue;
        }
        let kind = if path.is_dir() {
            b'1'
        } else {
            kind_of_file(&path)
        };
        items.push(Item::new(kind, name.as_bytes(), selector_of(root, &path)));
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(items)
}

fn selector_of(root: &Path, path: &Path) -> Vec<u8> {
    let below = path.strip_prefix(root).unwrap_or(Path::new(""));
    match below.as_os_str().as_bytes() {
        b"" => Vec::new(),
        below => [b"/", below].concat(),
    }
}

/// The items below a folder whose names hold a word.
pub(super) fn search(root: &Path, is_hit: &impl Fn(&Item) -> bool) -> Vec<Item> {
    let mut hits = Vec::new();
    let mut left = FILES;
    if let Ok(root) = root.canonicalize() {
        search_in(&root, &root, is_hit, &mut hits, &mut left, DEPTH);
    }
    hits
}

fn search_in(
    root: &Path,
    folder: &Path,
    is_hit: &impl Fn(&Item) -> bool,
    hits: &mut Vec<Item>,
    left: &mut usize,
    depth: usize,
) {
    for item in listing(root, folder).unwrap_or_default() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = folder.join(OsString::from_vec(item.name.clone()));
        // A link could lead out, or round in a circle.
        let is_folder = item.kind == b'1' && !path.is_symlink();
        if is_hit(&item) {
            hits.push(item);
        }
        if is_folder && depth > 0 {
            search_in(root, &path, is_hit, hits, left, depth - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_found() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(outer.path().join("secret.txt"), "s").unwrap();
        fs::write(root.join("sub/a.txt"), "a").unwrap();
        fs::write(root.join(".hidden"), "h").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), root.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(outer.path(), root.join("out")).unwrap();
        for selector in [
            "/../secret.txt",
            "../secret.txt",
            "/sub/../../secret.txt",
            "/sub/..",
            "/link.txt",
            "/out/secret.txt",
            "/out",
            "/.hidden",
            "/sub/a.txt/..",
            "/none",
            "/sub/a.txt\0",
            "//../secret.txt",
        ] {
            assert!(find(&root, selector.as_bytes()).is_none(), "{selector:?}");
        }
        let absolute = outer.path().join("secret.txt");
        assert!(find(&root, absolute.as_os_str().as_bytes()).is_none());
        assert!(find(&root, b"/sub/a.txt").is_some());
        assert!(find(&root, b"sub//a.txt").is_some());
        assert!(matches!(find(&root, b"/"), Some(Found::Menu(_))));
        let hits = search(&root, &|item: &Item| item.name.starts_with(b"a"));
        assert_eq!(hits, [Item::new(b'0', "a.txt", "/sub/a.txt")]);
    }
}
