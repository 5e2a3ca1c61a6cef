//! One upload of a file at a time: two would write into each other.
//!
//! ```text
//! $XDG_STATE_HOME/proto/ftp/DIGEST.lock     locked while the upload runs, and gone behind it
//! ```
//!
//! The digest is of the account and of the path on the server. Other machines are not kept away.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as LocalPath, PathBuf};

use proto_ftp::Path;
use proto_transport::certificate::hexadecimal;
use proto_transport::{Error, Refusal, Result};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::folder;
use crate::store::State;

/// The lock of one file on a server, until this value ends.
pub struct Lock {
    place: PathBuf,
    file: File,
}

/// Others may take a lock away under our hands so often.
const TRIES: usize = 100;

impl Lock {
    /// Locks a file on the server of an account, or says that another upload has. Nothing is locked
    /// where there is no place for that.
    pub fn take(account: &str, path: &Path) -> Result<Option<Lock>> {
        let about = [account.as_bytes(), &[0], path.as_bytes()].concat();
        let name = hexadecimal(&Sha256::digest(about));
        match State::default_path("ftp", &name) {
            Ok(state) => take(&state.with_extension("lock"), path),
            Err(_) => Ok(None),
        }
    }
}

fn take(place: &LocalPath, path: &Path) -> Result<Option<Lock>> {
    for _ in 0..TRIES {
        let Ok(file) = open(place) else {
            return Ok(None);
        };
        match file.try_lock() {
            // Who had it before may have removed it since it was opened.
            Ok(()) if folder::holds(place, &file) => {
                let place = place.to_owned();
                return Ok(Some(Lock { place, file }));
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            // Some file systems cannot lock.
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(Error::Refused {
        peer: place.display().to_string(),
        doing: format!("putting {path}"),
        reply: "another upload of this file is under way".to_owned(),
        refusal: Refusal::Transient,
    })
}

fn open(place: &LocalPath) -> io::Result<File> {
    folder::make(folder::of(place))?;
    let mut options = File::options();
    options.write(true).create(true).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(place)
}

impl Drop for Lock {
    fn drop(&mut self) {
        // In this order: who finds the file has found a lock that is still held.
        let _ = fs::remove_file(&self.place);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/x.lock");
        let path = Path::new("pub/x").unwrap();
        let lock = take(&place, &path).unwrap();
        assert!(lock.is_some());
        let error = take(&place, &path).err().unwrap();
        assert!(error.is_transient());
        assert!(error.to_string().contains("another upload"), "{error}");
        drop(lock);
        assert!(!place.exists());
        assert!(take(&place, &path).unwrap().is_some());
        // Where there is no place, uploads go on without.
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(take(&folder.path().join("file/x.lock"), &path)
            .unwrap()
            .is_none());
    }

    #[test]
    fn many_threads_hold_it_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x.lock");
        let path = Path::new("pub/x").unwrap();
        let holders = std::sync::atomic::AtomicUsize::new(0);
        let relaxed = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Ok(Some(_lock)) = take(&place, &path) {
                            assert_eq!(holders.fetch_add(1, relaxed), 0);
                            assert_eq!(holders.fetch_sub(1, relaxed), 1);
                        }
                    }
                });
            }
        });
        assert!(!place.exists());
    }
}
