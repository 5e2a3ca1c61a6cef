//! Where bytes end up: a file that appears under its name only when it is whole.
//!
//! ```text
//! NAME.part        what has come so far; locked by the process that writes it
//! NAME.part.json   what the server said of it, so that a later run can go on
//! NAME             the whole, by renaming: never over an existing file unasked
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proto_transport::{Error, Result};
use rustix::fs::{renameat_with, Mode, OFlags, RenameFlags, CWD};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::folder;

/// What the server said of a file when its first part came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Where it came from, without credentials.
    pub url: String,
    /// Its strong validator, as If-Range wants it: an entity tag or a date.
    pub validator: Option<String>,
    /// How long it is.
    pub length: Option<u64>,
}

/// A file that is not whole yet.
pub struct PartFile {
    file: File,
    name: PathBuf,
    /// Where it is meanwhile; nowhere if it has no name before it is whole.
    part: Option<PathBuf>,
    force: bool,
    remembered: bool,
}

impl PartFile {
    /// Begins `name` anew. With `force` it may replace a file when it is whole.
    pub fn begin(name: &Path, force: bool) -> Result<PartFile> {
        let part = with_suffix(name, ".part");
        let (file, remembered) = match open(&part, true) {
            Ok(file) => {
                // Between the two, another run may have taken it over by force and finished it.
                hold(&file, &part)?;
                (file, false)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (PartFile::take_over(name, &part, force)?, true)
            }
            Err(error) => return Err(writing(&part, error)),
        };
        Ok(PartFile {
            file,
            name: name.to_owned(),
            part: Some(part),
            force,
            remembered,
        })
    }

    /// Begins a file that is not worth going on with should it break off: where the system can, it
    /// has no name before it is whole, so that nothing is ever left of it.
    pub fn begin_small(name: &Path, force: bool) -> Result<PartFile> {
        // What an earlier run has left is taken over, and so are its rules.
        let begun = with_suffix(name, ".part").exists();
        match nameless(name).filter(|_| !begun) {
            Some(file) => Ok(PartFile::unseen(file, None, name, force)),
            None => PartFile::begin(name, force),
        }
    }

    /// The same where the name that it would have before it is whole belongs to another file.
    pub fn begin_apart(name: &Path, force: bool) -> Result<PartFile> {
        if let Some(file) = nameless(name) {
            return Ok(PartFile::unseen(file, None, name, force));
        }
        for number in 0..TRIES {
            let part = name.with_file_name(format!(".proto-{}-{number}", std::process::id()));
            match open(&part, true) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(writing(&part, error)),
                Ok(file) => return Ok(PartFile::unseen(file, Some(part), name, force)),
            }
        }
        Err(in_the_way(
            name,
            "cannot be begun: .proto-* of earlier runs are in the way",
        ))
    }

    fn unseen(file: File, part: Option<PathBuf>, name: &Path, force: bool) -> PartFile {
        PartFile {
            file,
            name: name.to_owned(),
            part,
            force,
            remembered: false,
        }
    }

    /// Begins anew in the part that an earlier download left. One that we left is ours to replace;
    /// any other might be somebody's file.
    fn take_over(name: &Path, part: &Path, force: bool) -> Result<File> {
        if !force && !origin_path(name).exists() {
            let why = "is in the way and was not left by an earlier download; --force replaces it";
            return Err(in_the_way(part, why));
        }
        let file = open(part, false).map_err(|error| writing(part, error))?;
        hold(&file, part)?;
        file.set_len(0).map_err(|error| writing(part, error))?;
        Ok(file)
    }

    /// What an earlier run left of `name`, if it can be gone on with, and how many bytes there are.
    pub fn resume(name: &Path, force: bool) -> Result<Option<(PartFile, Origin, u64)>> {
        let part = with_suffix(name, ".part");
        if !origin_path(name).exists() {
            return Ok(None);
        }
        let mut file = match open(&part, false) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(writing(&part, error)),
        };
        hold(&file, &part)?;
        // Only now: until the part was ours, another run may have begun it anew.
        let Some(origin) = read_origin(&origin_path(name))? else {
            return Ok(None);
        };
        let length = file
            .seek(SeekFrom::End(0))
            .map_err(|error| writing(&part, error))?;
        let part = PartFile {
            file,
            name: name.to_owned(),
            part: Some(part),
            force,
            remembered: true,
        };
        Ok(Some((part, origin, length)))
    }

    /// The file, at the place where the next byte goes.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Cuts the file to `length` and goes on from there.
    pub fn cut(&mut self, length: u64) -> Result<()> {
        self.file
            .set_len(length)
            .and_then(|()| self.file.seek(SeekFrom::Start(length)).map(drop))
            .map_err(|error| writing(&self.name, error))
    }

    /// Writes down what the server said, so that a later run can go on.
    pub fn remember(&mut self, origin: &Origin) -> Result<()> {
        let path = origin_path(&self.name);
        let foreign = !self.remembered && !self.force && path.exists();
        if foreign && read_origin(&path)?.is_none() {
            return Err(in_the_way(&path, "is in the way; --force replaces it"));
        }
        let text = serde_json::to_string(origin).unwrap_or_default();
        // Replaced whole, so that it is never half-written.
        let written = beside(&path, |new| {
            let mut file = open(new, true)?;
            io::Write::write_all(&mut file, text.as_bytes())
        });
        written.map_err(|error| writing(&path, error))?;
        self.remembered = true;
        Ok(())
    }

    /// The file is whole: gives it its name.
    pub fn commit(mut self) -> Result<()> {
        let named = match (&self.part, self.force) {
            (Some(part), true) => fs::rename(part, &self.name),
            (Some(part), false) => rename_to_new(part, &self.name),
            (None, force) => link(&self.file, &self.name, force),
        };
        match named {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(in_the_way(&self.name, "exists; --force replaces it"))
            }
            Err(error) => return Err(writing(&self.name, error)),
            Ok(()) => {}
        }
        self.forget();
        Ok(())
    }

    /// What was written down of an earlier content does not hold for what comes now.
    pub fn forget(&mut self) {
        if std::mem::take(&mut self.remembered) {
            let _ = fs::remove_file(origin_path(&self.name));
        }
    }

    /// What came is of no use: removes it.
    pub fn abandon(mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
        self.forget();
    }

    /// The download broke off: what came stays if a later run can go on with it.
    pub fn interrupted(self) {
        if !self.remembered {
            self.abandon();
        }
    }
}

/// A file without a name, in the folder that `name` is in. Not every file system has such.
fn nameless(name: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if !*HAS_DESCRIPTORS {
        return None;
    }
    let file = rustix::fs::open(folder::of(name), flags, Mode::from_raw_mode(0o666));
    file.ok().map(File::from)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn origin_path(name: &Path) -> PathBuf {
    with_suffix(name, ".part.json")
}

/// The error of a file that cannot be written.
pub fn writing(path: &Path, error: io::Error) -> Error {
    Error::io(format!("writing {}", path.display()), error)
}

fn in_the_way(path: &Path, why: &str) -> Error {
    writing(path, io::Error::new(ErrorKind::AlreadyExists, why))
}

/// Fails if something has this name that may not be replaced, so that nobody downloads for nothing.
/// Even by force only files and links are replaced.
pub fn refuse_existing(name: &Path, force: bool) -> Result<()> {
    match fs::symlink_metadata(name) {
        Err(_) => Ok(()),
        Ok(metadata) if !force && !metadata.is_dir() => {
            Err(in_the_way(name, "exists; --force replaces it"))
        }
        Ok(metadata) if metadata.is_file() || metadata.is_symlink() => Ok(()),
        Ok(metadata) if metadata.is_dir() => Err(in_the_way(name, "is a folder; see --output-dir")),
        Ok(_) => Err(in_the_way(name, "is not a regular file")),
    }
}

/// Opens for writing, and never through a link that somebody has laid.
fn open(path: &Path, new: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(new);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(path)?;
    if !new && !file.metadata()?.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let why = "another process is downloading to it";
            Err(writing(path, io::Error::new(ErrorKind::ResourceBusy, why)))
        }
        // Some file systems cannot lock; then the user must see to it.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Locks a file that was there before. Until the lock was ours, its last owner may have finished and
/// renamed it; then it is somebody's whole file now.
fn hold(file: &File, path: &Path) -> Result<()> {
    lock(file, path)?;
    match folder::holds(path, file) {
        true => Ok(()),
        false => {
            let why = "another process has just finished with it";
            Err(writing(path, io::Error::new(ErrorKind::ResourceBusy, why)))
        }
    }
}

/// Whether files without a name can be given one: by the name that their descriptor has.
static HAS_DESCRIPTORS: LazyLock<bool> = LazyLock::new(|| Path::new("/proc/self/fd").exists());

/// Gives a name to a file that has none.
fn link(file: &File, name: &Path, force: bool) -> io::Result<()> {
    let link = |name: &Path| folder::link(file, CWD, name);
    match link(name) {
        Err(error) if force && error.kind() == ErrorKind::AlreadyExists => beside(name, link),
        result => result,
    }
}

/// Names that are tried before giving up; each is taken only if somebody else works here under the
/// same number, or was killed.
const TRIES: u32 = 100;

/// Makes something under a short name of its own and renames it over `name`, so that there is always
/// the old or the new under that name.
fn beside(name: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    for number in 0..TRIES {
        let new = name.with_file_name(format!(".proto-{}-{number}", std::process::id()));
        match make(&new) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => {
                let _ = fs::remove_file(&new);
                return Err(error);
            }
            Ok(()) => {}
        }
        return fs::rename(&new, name).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        });
    }
    Err(io::Error::new(
        ErrorKind::ResourceBusy,
        "temporary files of an earlier run (.proto-*) are in the way",
    ))
}

/// Renames without replacing anything, also not what appeared this very moment.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot do so in one step.
        Err(Errno::INVAL | Errno::NOSYS) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// More than any record of ours.
const LARGEST_ORIGIN: u64 = 64 * 1024;

fn read_origin(path: &Path) -> Result<Option<Origin>> {
    match fs::metadata(path) {
        Err(_) => return Ok(None),
        Ok(metadata) if metadata.len() > LARGEST_ORIGIN => return Ok(None),
        Ok(_) => {}
    }
    let text =
        fs::read(path).map_err(|error| Error::io(format!("reading {}", path.display()), error))?;
    Ok(serde_json::from_slice(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let mut part = PartFile::begin(&name, false).unwrap();
        part.file().write_all(b"text").unwrap();
        assert_eq!(names(folder.path()), ["a.part"]);
        part.commit().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(&name).unwrap(), b"text");
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(&name, "old").unwrap();
        assert!(refuse_existing(&name, false).is_err());
        assert!(PartFile::begin(&name, false).unwrap().commit().is_err());
        PartFile::begin(&name, true).unwrap().commit().unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"");
        // One that appears while we write is not overwritten either.
        let other = folder.path().join("b");
        let part = PartFile::begin(&other, false).unwrap();
        fs::write(&other, "theirs").unwrap();
        let error = part.commit().unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        assert_eq!(fs::read(&other).unwrap(), b"theirs");
    }

    #[test]
    fn a_part_that_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(folder.path().join("a.part"), "theirs").unwrap();
        assert!(PartFile::begin(&name, false).is_err());
        assert!(PartFile::resume(&name, false).unwrap().is_none());
        assert_eq!(fs::read(folder.path().join("a.part")).unwrap(), b"theirs");
        PartFile::begin(&name, true).unwrap().abandon();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "precious").unwrap();
        for suffix in ["", ".part", ".part.json.new"] {
            let name = folder.path().join("a");
            let link = with_suffix(&name, suffix);
            std::os::unix::fs::symlink(&target, &link).unwrap();
            for force in [false, true] {
                if let Ok(mut part) = PartFile::begin(&name, force) {
                    let _ = part.file().write_all(b"evil");
                    let _ = part.remember(&Origin::default());
                    let _ = part.commit();
                }
            }
            assert_eq!(fs::read(&target).unwrap(), b"precious", "{suffix}");
            let _ = fs::remove_file(&link);
            let _ = fs::remove_file(&name);
            let _ = fs::remove_file(with_suffix(&name, ".part"));
        }
    }

    #[test]
    fn what_is_remembered_can_be_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let origin = Origin {
            url: "http://a/".into(),
            validator: Some("\"x\"".into()),
            length: Some(8),
        };
        let mut part = PartFile::begin(&name, false).unwrap();
        part.remember(&origin).unwrap();
        part.file().write_all(b"half").unwrap();
        part.interrupted();
        assert_eq!(names(folder.path()), ["a.part", "a.part.json"]);
        let (mut part, known, length) = PartFile::resume(&name, false).unwrap().unwrap();
        assert_eq!((known, length), (origin, 4));
        part.file().write_all(b"half").unwrap();
        part.commit().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(&name).unwrap(), b"halfhalf");
    }

    #[test]
    fn two_downloads_to_one_name_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let first = PartFile::begin(&name, false).unwrap();
        assert!(PartFile::begin(&name, false).is_err());
        let error = PartFile::begin(&name, true).err().unwrap();
        assert!(error.to_string().contains("another process"), "{error}");
        drop(first);
    }

    #[test]
    fn what_was_written_of_an_earlier_content_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let mut part = PartFile::begin(&name, false).unwrap();
        part.remember(&Origin::default()).unwrap();
        part.forget();
        assert_eq!(names(folder.path()), ["a.part"]);
        part.interrupted();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn somebody_elses_file_beside_the_part_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(folder.path().join("a.part.json"), "theirs").unwrap();
        let mut part = PartFile::begin(&name, false).unwrap();
        assert!(part.remember(&Origin::default()).is_err());
        assert_eq!(
            fs::read(folder.path().join("a.part.json")).unwrap(),
            b"theirs"
        );
    }

    #[test]
    fn a_part_that_was_finished_meanwhile_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("a.part");
        fs::write(&part, "whole").unwrap();
        let late = open(&part, false).unwrap();
        fs::rename(&part, folder.path().join("a")).unwrap();
        assert!(hold(&late, &part).is_err());
        fs::write(&part, "another").unwrap();
        assert!(hold(&late, &part).is_err());
    }

    #[test]
    fn a_small_file_has_no_name_before_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        for (force, content) in [(false, b"one"), (true, b"two")] {
            let mut part = PartFile::begin_small(&name, force).unwrap();
            part.file().write_all(content).unwrap();
            assert_eq!(names(folder.path()).len(), usize::from(force));
            part.commit().unwrap();
            assert_eq!(fs::read(&name).unwrap(), content);
        }
        assert!(PartFile::begin_small(&name, false)
            .unwrap()
            .commit()
            .is_err());
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_file_is_begun_apart_from_one_that_has_the_name_of_its_part() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        for end in [".part", ".part.json"] {
            fs::write(with_suffix(&name, end), "mine").unwrap();
        }
        PartFile::begin_apart(&name, true).unwrap().interrupted();
        let mut part = PartFile::begin_apart(&name, true).unwrap();
        part.file().write_all(b"text").unwrap();
        part.commit().unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"text");
        assert_eq!(names(folder.path()), ["a", "a.part", "a.part.json"]);
        for end in [".part", ".part.json"] {
            assert_eq!(fs::read(with_suffix(&name, end)).unwrap(), b"mine");
        }
    }

    #[test]
    fn a_stale_temporary_file_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let stale = format!(".proto-{}-0", std::process::id());
        fs::write(folder.path().join(&stale), "stale").unwrap();
        fs::write(&name, "old").unwrap();
        PartFile::begin_small(&name, true)
            .unwrap()
            .commit()
            .unwrap();
        let mut part = PartFile::begin(&name, true).unwrap();
        part.remember(&Origin::default()).unwrap();
        part.abandon();
        assert_eq!(names(folder.path()), [stale, "a".to_owned()]);
        // What cannot be replaced leaves nothing either.
        fs::remove_file(&name).unwrap();
        fs::create_dir(&name).unwrap();
        assert!(PartFile::begin_small(&name, true)
            .unwrap()
            .commit()
            .is_err());
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_small_file_takes_over_what_a_large_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        let mut part = PartFile::begin(&name, false).unwrap();
        part.remember(&Origin::default()).unwrap();
        part.interrupted();
        PartFile::begin_small(&name, false)
            .unwrap()
            .commit()
            .unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_damaged_record_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(folder.path().join("a.part"), "half").unwrap();
        fs::write(folder.path().join("a.part.json"), "{\"url\":").unwrap();
        assert!(PartFile::resume(&name, false).unwrap().is_none());
    }
}
