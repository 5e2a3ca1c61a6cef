//! Where bytes end up: stdout, or a file that appears under its name only when it is whole.
//!
//! ```text
//! NAME.part        what has come so far; locked by the process that writes it
//! NAME.part.json   what the server said of it, so that a later run can go on
//! NAME             the whole, by renaming: never over an existing file unasked
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, IsTerminal, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proto_transport::{Error, Result};
use rustix::fs::{renameat_with, OFlags, RenameFlags, CWD};
use serde::{Deserialize, Serialize};

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
    part: PathBuf,
    force: bool,
    remembered: bool,
}

impl PartFile {
    /// Begins `name` anew. With `force` it may replace a file when it is whole.
    pub fn begin(name: &Path, force: bool) -> Result<PartFile> {
        let part = with_suffix(name, ".part");
        let (file, remembered) = match open(&part, true) {
            // Nobody else can have opened it, so it needs no lock until it is remembered.
            Ok(file) => (file, false),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (PartFile::take_over(name, &part, force)?, true)
            }
            Err(error) => return Err(writing(&part, error)),
        };
        Ok(PartFile {
            file,
            name: name.to_owned(),
            part,
            force,
            remembered,
        })
    }

    /// Begins anew in the part that an earlier download left. One that we left is ours to replace;
    /// any other might be somebody's file.
    fn take_over(name: &Path, part: &Path, force: bool) -> Result<File> {
        if !force && !origin_path(name).exists() {
            let why = "is in the way and was not left by an earlier download; --force replaces it";
            return Err(in_the_way(part, why));
        }
        let file = open(part, false).map_err(|error| writing(part, error))?;
        lock(&file, part)?;
        file.set_len(0).map_err(|error| writing(part, error))?;
        Ok(file)
    }

    /// What an earlier run left of `name`, if it can be gone on with, and how many bytes there are.
    pub fn resume(name: &Path, force: bool) -> Result<Option<(PartFile, Origin, u64)>> {
        let part = with_suffix(name, ".part");
        let Some(origin) = read_origin(&origin_path(name))? else {
            return Ok(None);
        };
        let mut file = match open(&part, false) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(writing(&part, error)),
        };
        lock(&file, &part)?;
        let length = file
            .seek(SeekFrom::End(0))
            .map_err(|error| writing(&part, error))?;
        let part = PartFile {
            file,
            name: name.to_owned(),
            part,
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
            .map_err(|error| writing(&self.part, error))
    }

    /// Writes down what the server said, so that a later run can go on.
    pub fn remember(&mut self, origin: &Origin) -> Result<()> {
        lock(&self.file, &self.part)?;
        let path = origin_path(&self.name);
        let foreign = !self.remembered && !self.force && path.exists();
        if foreign && read_origin(&path)?.is_none() {
            return Err(in_the_way(&path, "is in the way; --force replaces it"));
        }
        let text = serde_json::to_string(origin).unwrap_or_default();
        // Replaced whole, so that it is never half-written.
        let new = with_suffix(&path, ".new");
        let _ = fs::remove_file(&new);
        open(&new, true)
            .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| writing(&path, error))?;
        self.remembered = true;
        Ok(())
    }

    /// The file is whole: gives it its name.
    pub fn commit(mut self) -> Result<()> {
        let renamed = match self.force {
            true => fs::rename(&self.part, &self.name),
            false => rename_to_new(&self.part, &self.name),
        };
        match renamed {
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
        let _ = fs::remove_file(&self.part);
        self.forget();
    }

    /// The download broke off: what came stays if a later run can go on with it.
    pub fn interrupted(self) {
        if !self.remembered {
            self.abandon();
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn origin_path(name: &Path) -> PathBuf {
    with_suffix(name, ".part.json")
}

fn writing(path: &Path, error: io::Error) -> Error {
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
        Ok(_) if !force => Err(in_the_way(name, "exists; --force replaces it")),
        Ok(metadata) if metadata.is_file() || metadata.is_symlink() => Ok(()),
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

/// Renames without replacing anything, also not what appeared this very moment.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot do so in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
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

/// Bytes that go straight to where they are written: standard output, a device or a pipe.
pub struct Direct {
    /// The descriptor.
    pub file: File,
    /// Whether bytes may be moved to it unseen: it is a regular file that is not appended to.
    pub can_splice: bool,
    /// Whether a person looks at it, so that what a server sends must be made harmless.
    pub is_terminal: bool,
}

impl Direct {
    /// A device, pipe or socket that is there under this name: nothing can be half-written there,
    /// and a file of that name would be in everybody's way (think of /dev/null).
    pub fn device(path: &Path) -> Result<Option<Direct>> {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {}
            _ => return Ok(None),
        }
        let file = File::options()
            .write(true)
            .open(path)
            .map_err(|error| writing(path, error))?;
        Ok(Some(Direct {
            file,
            can_splice: false,
            is_terminal: false,
        }))
    }

    /// A duplicate of standard output, without a buffer of its own.
    pub fn stdout() -> Result<Direct> {
        let stdout = io::stdout();
        let failed = |error| Error::io("writing to stdout", error);
        let file = File::from(stdout.as_fd().try_clone_to_owned().map_err(failed)?);
        let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let appends =
            rustix::fs::fcntl_getfl(&file).is_ok_and(|flags| flags.contains(OFlags::APPEND));
        Ok(Direct {
            can_splice: regular && !appends,
            is_terminal: stdout.is_terminal(),
            file,
        })
    }
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
        let mut first = PartFile::begin(&name, false).unwrap();
        assert!(PartFile::begin(&name, false).is_err());
        first.remember(&Origin::default()).unwrap();
        let error = PartFile::begin(&name, true).err().unwrap();
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn a_device_is_written_to_and_never_replaced() {
        assert!(Direct::device(Path::new("/dev/null")).unwrap().is_some());
        let folder = tempfile::tempdir().unwrap();
        assert!(Direct::device(folder.path()).unwrap().is_none());
        assert!(Direct::device(&folder.path().join("new"))
            .unwrap()
            .is_none());
        // Also if the file is asked for by force.
        let error = refuse_existing(Path::new("/dev/null"), true).unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
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
    fn a_damaged_record_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(folder.path().join("a.part"), "half").unwrap();
        fs::write(folder.path().join("a.part.json"), "{\"url\":").unwrap();
        assert!(PartFile::resume(&name, false).unwrap().is_none());
    }
}
