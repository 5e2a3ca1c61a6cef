//! A file of messages, to which more are appended.
//!
//! A message is appended when it is complete, and only for that moment the file is locked (flock),
//! so that nobody waits for the network. What could not be written whole is cut off again.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use proto_transport::{Error, Refusal, Result};
use rustix::fs::OFlags;

use super::incoming::Incoming;
use super::mboxrd::write_message;
use super::{folder, writing, About, Kept, Store};

/// How often to look whether the file is still locked.
const LOOK: Duration = Duration::from_millis(50);

/// An mbox to store messages in.
pub struct Mbox {
    path: PathBuf,
    file: File,
    incoming: Incoming,
    date: Option<SystemTime>,
    /// How long the lock of another program is waited for.
    patience: Duration,
    /// The folder knows of the file for good.
    has_durable_name: bool,
}

impl Mbox {
    /// Opens an mbox, and makes it when it is missing.
    pub fn open(path: &Path, patience: Duration) -> Result<Mbox> {
        let open = || -> io::Result<File> {
            folder::make(folder::of(path))?;
            let mut options = File::options();
            options.read(true).append(true).create(true).mode(0o600);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            let file = options.open(path)?;
            match file.metadata()?.is_file() {
                true => Ok(file),
                false => Err(io::Error::new(ErrorKind::InvalidInput, "it is no file")),
            }
        };
        Ok(Mbox {
            file: open().map_err(writing(path))?,
            path: path.to_owned(),
            incoming: Incoming::with_line_feeds(),
            date: None,
            patience,
            has_durable_name: false,
        })
    }

    fn lock(&self) -> Result<()> {
        let until = Instant::now().checked_add(self.patience);
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {}
                // Some file systems cannot lock; then the user must see to it.
                Err(TryLockError::Error(_)) => return Ok(()),
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Error::Refused {
                    peer: self.path.display().to_string(),
                    doing: "appending a message".to_owned(),
                    reply: "another program has locked the file".to_owned(),
                    refusal: Refusal::Transient,
                });
            }
            thread::sleep(LOOK);
        }
    }

    /// Appends the message to the file, which is locked.
    fn append(&mut self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        let named = fs::symlink_metadata(&self.path);
        if !named.is_ok_and(|named| identity(&named) == identity(&metadata)) {
            let why = "another program has replaced or removed the file";
            return Err(io::Error::other(why));
        }
        let length = metadata.len();
        let before = self.missing_lines(length)?;
        let written = write_message(&self.incoming, self.date, &mut self.file, before);
        if let Err(error) = written {
            self.file.set_len(length)?;
            return Err(error);
        }
        Ok(length + before.len() as u64)
    }

    /// What must stand before the next message, so that an empty line is before it.
    fn missing_lines(&self, length: u64) -> io::Result<&'static [u8]> {
        let mut end = [b'\n'; 2];
        let kept = usize::try_from(length).unwrap_or(end.len()).min(end.len());
        let part = end.len() - kept;
        let part = end.get_mut(part..).unwrap_or_default();
        self.file.read_exact_at(part, length - kept as u64)?;
        Ok(match end {
            [b'\n', b'\n'] => b"",
            [_, b'\n'] => b"\n",
            _ => b"\n\n",
        })
    }
}

impl Store for Mbox {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.incoming.clear();
        self.date = about.date;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let make = || tempfile::tempfile_in(folder::of(&self.path));
        self.incoming
            .write(bytes, make)
            .map_err(writing(&self.path))
    }

    fn end(&mut self) -> Result<Kept> {
        let hash = self.incoming.finish().map_err(writing(&self.path))?;
        self.lock()?;
        let appended = self.append();
        let _ = self.file.unlock();
        let offset = appended.map_err(writing(&self.path))?;
        let place = format!("{offset}");
        Ok(Kept { hash, place })
    }

    fn abandon(&mut self) {
        self.incoming.clear();
    }

    fn sync(&mut self) -> Result<()> {
        let sync = || -> io::Result<()> {
            self.file.sync_data()?;
            if !self.has_durable_name {
                folder::sync(&folder::open(folder::of(&self.path))?)?;
            }
            Ok(())
        };
        sync().map_err(writing(&self.path))?;
        self.has_durable_name = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::SMALL;
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::UNIX_EPOCH;

    const LINE: &str = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n";

    fn open(path: &Path) -> Mbox {
        Mbox::open(path, Duration::from_millis(100)).unwrap()
    }

    fn store(mbox: &mut Mbox, bytes: &[u8]) -> Result<Kept> {
        let about = About {
            uid: "1",
            flags: "",
            date: Some(UNIX_EPOCH),
        };
        mbox.begin(&about)?;
        mbox.write(bytes)?;
        mbox.end()
    }

    #[test]
    fn messages_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/mbox");
        let mut mbox = open(&path);
        let first = store(&mut mbox, b"A: b\r\n\r\nFrom c\r\n").unwrap();
        mbox.begin(&About {
            uid: "2",
            flags: "",
            date: None,
        })
        .unwrap();
        mbox.write(b"broken off").unwrap();
        mbox.abandon();
        mbox.sync().unwrap();
        let second = store(&mut open(&path), b"end").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{LINE}A: b\n\n>From c\n\n{LINE}end\n\n"));
        assert_eq!(first.place, "0");
        assert!(text[second.place.parse().unwrap()..].starts_with(LINE));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_empty_line_is_before_each() {
        for (there, before) in [
            ("", ""),
            ("x", "\n\n"),
            ("\n", ""),
            ("x\n", "\n"),
            ("x\n\n", ""),
            ("x\n\nFrom a\ntorn", "\n\n"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("mbox");
            fs::write(&path, there).unwrap();
            store(&mut open(&path), b"a\n").unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{there}{before}{LINE}a\n\n"));
        }
    }

    #[test]
    fn large_messages_are_appended_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        let body = "From x\n".repeat(SMALL / 2);
        store(&mut open(&path), body.as_bytes()).unwrap();
        let quoted = body.replace("From", ">From");
        assert!(fs::read_to_string(&path).unwrap() == format!("{LINE}{quoted}\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_locked_file_is_not_waited_for_forever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        let mut mbox = open(&path);
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        let error = store(&mut mbox, b"a").unwrap_err();
        assert!(error.is_transient(), "{error}");
        other.unlock().unwrap();
        store(&mut mbox, b"a").unwrap();
        // Between messages others may have it.
        other.try_lock().unwrap();
    }

    #[test]
    fn links_and_replaced_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        let mut mbox = open(&path);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert!(store(&mut mbox, b"a").is_err());
        std::os::unix::fs::symlink("moved", &path).unwrap();
        assert!(store(&mut mbox, b"a").is_err());
        assert!(Mbox::open(&path, Duration::ZERO).is_err());
        assert!(Mbox::open(folder.path(), Duration::ZERO).is_err());
        assert_eq!(fs::metadata(folder.path().join("moved")).unwrap().len(), 0);
    }
}
