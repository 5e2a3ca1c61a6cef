//! A folder of this machine, and nothing outside of it: each name is opened from the folder before it,
//! and a link is an error (O_NOFOLLOW), whoever puts it there and when.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    fstat, mkdirat, openat, readlinkat, renameat, statat, unlinkat, utimensat, AtFlags, Dir,
    FileType, Mode, OFlags, Stat, Timespec, Timestamps, CWD,
};

use super::tree::{Entry, Kind, Start, Tree};

pub(super) struct Folder<'f>(pub &'f Path);

impl Folder<'_> {
    fn open(&self, path: &[Vec<u8>]) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let mut folder = openat(CWD, self.0, flags, Mode::empty())?;
        for name in path {
            let flags = flags | OFlags::NOFOLLOW;
            folder = openat(&folder, name.as_slice(), flags, Mode::empty())?;
        }
        Ok(folder)
    }

    /// The folder in which the last name is, and that name.
    fn parent<'p>(&self, path: &'p [Vec<u8>]) -> io::Result<(OwnedFd, &'p [u8])> {
        let (name, parents) = path.split_last().ok_or(io::ErrorKind::IsADirectory)?;
        Ok((self.open(parents)?, name))
    }

    fn file(&self, path: &[Vec<u8>], flags: OFlags) -> io::Result<File> {
        let (parent, name) = self.parent(path)?;
        // Not to wait for the other end of a pipe.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat(&parent, name, flags, Mode::from_raw_mode(0o644))?;
        match FileType::from_raw_mode(fstat(&file)?.st_mode) {
            FileType::RegularFile => Ok(file.into()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Tree for Folder<'_> {
    fn entry(&self, path: &[Vec<u8>]) -> io::Result<Entry> {
        if path.is_empty() {
            return Ok(entry(&fstat(self.open(path)?)?, Kind::Folder));
        }
        let (parent, name) = self.parent(path)?;
        look(&parent, name)?.ok_or(io::ErrorKind::NotFound.into())
    }

    fn entries(&self, path: &[Vec<u8>]) -> io::Result<Vec<(Vec<u8>, Entry)>> {
        let folder = self.open(path)?;
        let mut entries = Vec::new();
        for found in Dir::read_from(&folder)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if let Some(entry) = look(&folder, name)? {
                entries.push((name.to_vec(), entry));
            }
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(entries)
    }

    fn read(&self, path: &[Vec<u8>], offset: u64) -> io::Result<Box<dyn Read>> {
        let mut file = self.file(path, OFlags::RDONLY)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn write(&self, path: &[Vec<u8>], start: Start) -> io::Result<Box<dyn Write>> {
        let mut file = self.file(path, OFlags::WRONLY | OFlags::CREATE)?;
        match start {
            Start::At(offset) => {
                file.set_len(offset)?;
                file.seek(SeekFrom::Start(offset))?;
            }
            Start::End => {
                file.seek(SeekFrom::End(0))?;
            }
        }
        Ok(Box::new(file))
    }

    fn remove(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(unlinkat(&parent, name, AtFlags::empty())?)
    }

    fn make_folder(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(mkdirat(&parent, name, Mode::from_raw_mode(0o755))?)
    }

    fn remove_folder(&self, path: &[Vec<u8>]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    fn rename(&self, from: &[Vec<u8>], to: &[Vec<u8>]) -> io::Result<()> {
        let ((old, from), (new, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(renameat(&old, from, &new, to)?)
    }

    fn set_modified(&self, path: &[Vec<u8>], seconds: i64) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        Ok(utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// What a name stands for; `None` for what is neither file nor folder nor link, or gone.
fn look(folder: &OwnedFd, name: &[u8]) -> io::Result<Option<Entry>> {
    let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => {
            let target = readlinkat(folder, name, Vec::new())?;
            Kind::Link(target.into_bytes())
        }
        _ => return Ok(None),
    };
    Ok(Some(entry(&found, kind)))
}

fn entry(found: &Stat, kind: Kind) -> Entry {
    Entry {
        size: match kind {
            Kind::Folder => 0,
            _ => u64::try_from(found.st_size).unwrap_or(0),
        },
        modified: found.st_mtime,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ftp::tree::names;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_of_the_folder_is_reached() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        fs::write(root.join("sub/a"), "a").unwrap();
        symlink(outer.path().join("secret"), root.join("file")).unwrap();
        symlink(outer.path(), root.join("out")).unwrap();
        let tree = Folder(&root);
        let at = |path: &str| names(&[], path.as_bytes()).unwrap();
        for path in ["file", "out/secret", "out", "none", "sub", "", "sub/a/b"] {
            assert!(tree.read(&at(path), 0).is_err(), "{path}");
            assert!(tree.write(&at(path), Start::At(0)).is_err() || path == "none");
        }
        for path in ["out", "file", "none", "out/root"] {
            let _ = tree.remove_folder(&at("none"));
            assert!(tree.entries(&at(path)).is_err(), "{path}");
        }
        for path in ["out/new", "file/new", "/out/root/new"] {
            assert!(tree.make_folder(&at(path)).is_err(), "{path}");
            assert!(tree.remove(&at(path)).is_err(), "{path}");
            assert!(tree.rename(&at("sub/a"), &at(path)).is_err(), "{path}");
            assert!(tree.set_modified(&at(path), 0).is_err(), "{path}");
        }
        assert!(tree.remove(&at("out/secret")).is_err());
        assert_eq!(fs::read(outer.path().join("secret")).unwrap(), b"s");
        // A link is shown, can be removed, and is all that is removed.
        assert!(matches!(
            tree.entry(&at("file")).unwrap().kind,
            Kind::Link(_)
        ));
        tree.remove(&at("file")).unwrap();
        assert!(outer.path().join("secret").exists());
        assert!(tree.read(&at("../sub/a"), 0).is_ok());
    }
}
