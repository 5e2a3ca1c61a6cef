//! Folders: made when missing, written to the disk, and nothing in them overwritten.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{
    fsync, linkat, openat, renameat_with, statat, AtFlags, Mode, OFlags, RenameFlags, CWD,
};
use rustix::io::Errno;
use rustix::path::Arg;

/// The folder that a path is in.
pub fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a folder and those above it that are missing, for the user alone and durably.
pub fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = of(path);
    make(above)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // Another run was quicker, or something else is there.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    sync(&File::open(above)?)
}

/// Makes a folder in one that is ours. It may not be a link, which leads out of it.
pub fn make_within(path: &Path) -> io::Result<OwnedFd> {
    if fs::symlink_metadata(path).is_err() {
        make(path)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// Opens a folder that the user named.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// Puts the entries of a folder on the disk.
pub fn sync(folder: impl AsFd) -> io::Result<()> {
    match fsync(folder) {
        // File systems that have nothing to sync for a folder.
        Err(Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

/// Makes a file for the user alone that was not there before.
pub fn create(folder: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(File::from(openat(folder, name, flags, mode)?))
}

/// Makes a file for the user alone that has no name: without one, nothing of it stays.
pub fn create_unnamed(folder: impl AsFd) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(File::from(openat(folder, ".", flags, mode)?))
}

/// Whether a path names this very file still: somebody may have removed or replaced it.
pub fn holds(path: &Path, file: &File) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let ours = file.metadata().map(identity);
    let named = fs::symlink_metadata(path).map(identity);
    matches!((ours, named), (Ok(ours), Ok(named)) if ours == named)
}

/// Gives a file that has no name one that nothing else has.
pub fn link(file: &File, folder: impl AsFd, name: impl Arg + Copy) -> io::Result<()> {
    let folder = folder.as_fd();
    match linkat(file, "", folder, name, AtFlags::EMPTY_PATH) {
        // Linux before 6.10 lets only a superuser do so.
        Err(Errno::NOENT) => {
            let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
            let flags = AtFlags::SYMLINK_FOLLOW;
            Ok(linkat(CWD, descriptor, folder, name, flags)?)
        }
        other => Ok(other?),
    }
}

/// Opens a file to be read, and never one that a link leads to.
pub fn read(folder: impl AsFd, name: &str) -> io::Result<File> {
    // A pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::empty())?))
}

/// Renames without replacing anything.
pub fn rename(from: impl AsFd, name: &str, to: impl AsFd, new: &str) -> io::Result<()> {
    let to = to.as_fd();
    match renameat_with(&from, name, to, new, RenameFlags::NOREPLACE) {
        // File systems that cannot do so in one step.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if statat(to, new, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            Ok(rustix::fs::renameat(from, name, to, new)?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_are_made_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        make(&deep).unwrap();
        make(&deep).unwrap();
        for name in ["a", "a/b", "a/b/c"] {
            let metadata = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
        }
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(make(&folder.path().join("file")).is_err());
        assert!(make(&folder.path().join("file/x")).is_err());
        assert_eq!(of(Path::new("x")), Path::new("."));
    }

    #[test]
    fn links_are_not_followed_and_nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("gone"), at("dangling")).unwrap();
        assert!(make_within(&at("link")).is_err());
        assert!(make_within(&at("dangling")).is_err());
        let opened = open(folder.path()).unwrap();
        assert!(create(&opened, "dangling").is_err());
        assert!(read(&opened, "link").is_err());
        drop(create(&opened, "a").unwrap());
        assert!(create(&opened, "a").is_err());
        let error = rename(&opened, "a", &opened, "link").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        rename(&opened, "a", &opened, "b").unwrap();
        assert!(at("b").exists() && !at("a").exists());
        let unnamed = create_unnamed(&opened).unwrap();
        let error = link(&unnamed, &opened, "link").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        link(&unnamed, &opened, "c").unwrap();
        let mode = fs::metadata(at("c")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
