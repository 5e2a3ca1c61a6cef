//! A file of messages, to which more are appended.
//!
//! A message is appended when it is complete, and only for that moment the file is locked, so that
//! nobody waits for the network: by fcntl, as programs for mail do, and while there is a `FILE.lock`
//! of somebody else, nothing is appended. What could not be written whole is cut off again.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use proto_transport::{Error, Refusal, Result};
use rustix::fs::{fcntl_lock, FlockOperation, OFlags};
use rustix::io::Errno;

use super::incoming::Incoming;
use super::mboxrd::write_message;
use super::{writing, About, Kept, Patience, Store};
use crate::folder;

/// How often to look whether the file is still locked.
const LOOK: Duration = Duration::from_millis(50);

/// A `FILE.lock` that is older was left by a program that has ended.
const OLD_LOCK: Duration = Duration::from_secs(5 * 60);

/// After how many messages to sync.
const BATCH: usize = 50;

/// An mbox to store messages in.
pub struct Mbox {
    path: PathBuf,
    file: File,
    incoming: Incoming,
    date: Option<SystemTime>,
    /// How long the lock of another program is waited for; not at all once that was in vain.
    patience: Patience,
    /// What was appended may not have become durable.
    is_broken: bool,
    /// The folder knows of the file for good.
    has_durable_name: bool,
}

impl Mbox {
    /// Opens an mbox, and makes it when it is missing.
    pub fn open(path: &Path, patience: Patience) -> Result<Mbox> {
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
            is_broken: false,
            has_durable_name: false,
        })
    }

    fn lock(&mut self) -> Result<()> {
        let until = self.patience.until();
        while !self.is_locked_by_us() {
            if until.is_some_and(|until| Instant::now() >= until) {
                self.patience.span = Duration::ZERO;
                return Err(Error::Refused {
                    peer: self.path.display().to_string(),
                    doing: "appending a message".to_owned(),
                    reply: "another program has locked the file".to_owned(),
                    refusal: Refusal::Transient,
                });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn is_locked_by_us(&self) -> bool {
        // Some file systems cannot lock; then the user must see to it.
        let locked = fcntl_lock(&self.file, FlockOperation::NonBlockingLockExclusive);
        if matches!(locked, Err(Errno::ACCESS | Errno::AGAIN)) {
            return false;
        }
        let is_ours = !self.has_lock_file();
        if !is_ours {
            self.unlock();
        }
        is_ours
    }

    fn unlock(&self) {
        // What cannot be unlocked was not locked.
        let _ = fcntl_lock(&self.file, FlockOperation::NonBlockingUnlock);
    }

    /// Whether there is a lock file that is not too old to mean anything.
    fn has_lock_file(&self) -> bool {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let made = fs::symlink_metadata(name).and_then(|metadata| metadata.modified());
        made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < OLD_LOCK))
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
        self.unlock();
        let offset = appended.map_err(writing(&self.path))?;
        let place = format!("{offset}");
        Ok(Kept { hash, place })
    }

    fn abandon(&mut self) {
        self.incoming.clear();
    }

    fn sync(&mut self) -> Result<()> {
        let sync = || -> io::Result<()> {
            if self.is_broken {
                return Err(io::Error::other("a message before could not be written"));
            }
            self.file.sync_data()?;
            if !self.has_durable_name {
                folder::sync(&folder::open(folder::of(&self.path))?)?;
            }
            Ok(())
        };
        let synced = sync();
        // The system tells of data that it could not write only once.
        self.is_broken |= synced.is_err();
        synced.map_err(writing(&self.path))?;
        self.has_durable_name = true;
        Ok(())
    }

    fn batch(&self) -> usize {
        BATCH
    }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::SMALL;
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};
    use std::time::UNIX_EPOCH;

    const LINE: &str = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n";

    fn open(path: &Path) -> Mbox {
        Mbox::open(path, Patience::of(100)).unwrap()
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

    /// Locks the file as other programs do, until its stdin ends.
    const LOCK: &str = r#"
        use Fcntl;
        open(F, "+<", shift) or die;
        my $lock = pack("s! s! x![q] q q i x![q]", F_WRLCK, 0, 0, 0, 0);
        fcntl(F, F_SETLK, $lock) or die;
        $| = 1;
        print "locked\n";
        <STDIN>;
    "#;

    #[test]
    fn a_locked_file_is_not_waited_for_forever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        let mut mbox = open(&path);
        let mut perl = Command::new("perl");
        perl.args(["-e", LOCK]).arg(&path);
        let Ok(mut other) = perl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            return;
        };
        let mut said = [0; 7];
        other.stdout.take().unwrap().read_exact(&mut said).unwrap();
        let error = store(&mut mbox, b"a").unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(
            mbox.patience.span,
            Duration::ZERO,
            "who waited in vain waits once"
        );
        assert!(store(&mut mbox, b"a").is_err());
        drop(other.stdin.take());
        other.wait().unwrap();
        store(&mut mbox, b"a").unwrap();
    }

    #[test]
    fn a_lock_file_counts_while_it_is_young() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        let mut mbox = open(&path);
        let lock = File::create(folder.path().join("mbox.lock")).unwrap();
        let error = store(&mut mbox, b"a").unwrap_err();
        assert!(error.is_transient(), "{error}");
        lock.set_modified(SystemTime::now() - 2 * OLD_LOCK).unwrap();
        store(&mut mbox, b"a").unwrap();
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
        assert!(Mbox::open(&path, Patience::of(0)).is_err());
        assert!(Mbox::open(folder.path(), Patience::of(0)).is_err());
        assert_eq!(fs::metadata(folder.path().join("moved")).unwrap().len(), 0);
    }
}
