//! Bytes that go straight to where they are written: standard output, a device or a pipe. Nothing can
//! be half-written there, so nothing is kept back.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::{Error, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::output::writing;

/// How often to look whether somebody reads from a pipe.
const READER: Duration = Duration::from_millis(20);

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
    /// Whether there is a device, pipe or socket under this name: nothing can be half-written there,
    /// and a file of that name would be in everybody's way (think of /dev/null). A disk is
    /// overwritten only by force.
    pub fn is_device(path: &Path, force: bool) -> bool {
        fs::metadata(path).is_ok_and(|metadata| {
            let disk = metadata.file_type().is_block_device();
            !metadata.is_file() && !metadata.is_dir() && (force || !disk)
        })
    }

    /// Opens it. A pipe is waited for until somebody reads from it, or until the deadline.
    pub fn device(path: &Path, deadline: Option<Instant>) -> Result<Direct> {
        let mut options = File::options();
        options.write(true);
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = loop {
            match options.open(path) {
                Ok(file) => break file,
                Err(error) if error.raw_os_error() != Some(Errno::NXIO.raw_os_error()) => {
                    return Err(writing(path, error))
                }
                Err(_) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(writing(path, ErrorKind::TimedOut.into()))
                }
                Err(_) => thread::sleep(READER),
            }
        };
        rustix::fs::fcntl_setfl(&file, OFlags::empty())
            .map_err(|error| writing(path, error.into()))?;
        Ok(Direct {
            file,
            can_splice: false,
            is_terminal: false,
        })
    }

    /// The same place once more.
    pub fn again(&self) -> Result<Direct> {
        let file = self.file.try_clone();
        Ok(Direct {
            file: file.map_err(|error| Error::io("writing the body", error))?,
            ..*self
        })
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
    use crate::output::refuse_existing;

    #[test]
    fn a_device_is_written_to_and_never_replaced() {
        assert!(Direct::is_device(Path::new("/dev/null"), false));
        let folder = tempfile::tempdir().unwrap();
        assert!(!Direct::is_device(folder.path(), false));
        assert!(!Direct::is_device(&folder.path().join("new"), false));
        // Also if the file is asked for by force.
        let error = refuse_existing(Path::new("/dev/null"), true).unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
    }

    #[test]
    fn a_pipe_is_waited_for_until_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success() && Direct::is_device(&path, false));
        assert!(Direct::device(&path, Some(Instant::now())).is_err());
    }
}
