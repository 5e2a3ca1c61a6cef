//! Where fetched mail goes, and the state that knows what was fetched.
//!
//! ```text
//!                        ┌─ maildir   no name until durable, then one in new/ or cur/
//! begin write* end ──────┼─ eml       no name until durable, then UID.eml
//!   (or abandon)         ├─ mbox      appended, mboxrd
//!        │               ├─ deliver   a command for each message
//!       sync             └─ stdout    one message raw, several as mboxrd
//!        │
//!   State::sync          which UIDs need not be fetched again
//! ```
//!
//! A message is stored only when `sync` has returned: its data and the entry of its folder are on
//! the disk then. Only after that may the state know of it, or the server be told to delete it.
//!
//! | where | line ends | after a killed run |
//! |---|---|---|
//! | Maildir | LF, as its readers expect | a message that is there already is found by its name and not stored twice |
//! | folder of .eml | as received | the same, by name and content |
//! | mbox | LF | what was appended and not recorded comes again: 50 messages at most |
//! | command | LF | one message at most comes again |
//! | stdout | LF; a single message as received | comes again |

mod batch;
mod deliver;
mod digest;
mod draft;
mod eml;
mod finishing;
mod incoming;
mod journal;
mod maildir;
mod mbox;
mod mboxrd;
mod names;
mod state;
mod stdout;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use proto_transport::{Error, Result};

pub use deliver::Deliver;
#[cfg(test)]
pub use digest::digest;
pub use digest::Digester;
pub use state::State;

/// Where mail goes; stdout if nothing is said.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Where mail goes")]
#[group(id = "where_mail_goes", multiple = false)]
pub struct StoreArgs {
    /// Store each message as a file of a Maildir, which is made when it is missing
    #[arg(long, value_name = "DIR")]
    pub maildir: Option<PathBuf>,
    /// Append the messages to a file of type mboxrd
    #[arg(long, value_name = "FILE")]
    pub mbox: Option<PathBuf>,
    /// Store each message exactly as received, as a file of a folder: UID.eml, by IMAP MAILBOX.UIDVALIDITY.UID.eml
    #[arg(long, value_name = "DIR")]
    pub eml_dir: Option<PathBuf>,
    /// Run a command for each message, which reads it on stdin; status 0 means stored, 75 not now. Its words are taken apart as a shell does, and no shell runs it
    #[arg(long, value_name = "COMMAND")]
    pub deliver: Option<String>,
}

impl StoreArgs {
    /// Whether a message that is there already is known again by its content.
    pub fn recognises(&self) -> bool {
        self.maildir.is_some() || self.eml_dir.is_some()
    }

    /// The place, if nothing is there yet.
    pub fn new_place(&self) -> Option<&Path> {
        let place = [&self.maildir, &self.mbox, &self.eml_dir];
        let place = place.into_iter().flatten().next()?;
        (!place.exists()).then_some(place.as_path())
    }

    /// Whether mail goes to stdout, where it can be lost.
    pub fn is_stdout(&self) -> bool {
        self.maildir.is_none()
            && self.mbox.is_none()
            && self.eml_dir.is_none()
            && self.deliver.is_none()
    }
}

/// What is known of a message before it comes.
pub struct About<'a> {
    /// The name that the server has for it.
    pub uid: &'a str,
    /// The letters that a Maildir has for its flags, such as `S`; empty for one that is new.
    pub flags: &'a str,
    /// When it arrived; it becomes the time of its file.
    pub date: Option<SystemTime>,
}

/// A message that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The digest of the bytes as they are stored, without the quoting of an mbox.
    pub hash: [u8; 32],
    /// Where it is.
    pub place: String,
}

/// A place for messages, which come one after the other.
pub trait Store: Send {
    /// A message begins.
    fn begin(&mut self, about: &About<'_>) -> Result<()>;
    /// Some of its bytes, cut anywhere.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// It is complete, though not yet durable.
    fn end(&mut self) -> Result<Kept>;
    /// It broke off: nothing of it stays. To be called after an error, too.
    fn abandon(&mut self);
    /// When this returns, all that has ended is durable and has its final name. After an error
    /// nothing that ended since the last time counts as stored, nor does anything after it.
    fn sync(&mut self) -> Result<()>;
    /// Begins to make durable what has ended so far, and does not wait for it: to be followed by
    /// `settle`. Whether it is durable at once.
    fn start_sync(&mut self) -> Result<bool> {
        self.sync().map(|()| true)
    }
    /// When this returns, what ended before `start_sync` is durable. After an error it does not count
    /// as stored, nor does anything after it.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
    /// After how many messages to sync at the latest. Where a message that comes again is not
    /// recognised, few should be at risk.
    fn batch(&self) -> usize {
        500
    }
}

/// How long a command may take for a message, and how long the lock of another program is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// So long at a time.
    pub span: Duration,
    /// And not after this.
    pub deadline: Option<Instant>,
}

impl Patience {
    /// When a wait that begins now ends; `None` for one that no clock can hold.
    fn until(self) -> Option<Instant> {
        let end = Instant::now().checked_add(self.span);
        [end, self.deadline].into_iter().flatten().min()
    }
}

#[cfg(test)]
impl Patience {
    /// So many milliseconds at a time.
    fn of(milliseconds: u64) -> Patience {
        Patience {
            span: Duration::from_millis(milliseconds),
            deadline: None,
        }
    }
}

/// Opens the place that the user named. `is_one` promises a single message.
pub fn open(args: &StoreArgs, is_one: bool, patience: Patience) -> Result<Box<dyn Store>> {
    if let Some(folder) = &args.maildir {
        return Ok(Box::new(maildir::Maildir::open(folder)?));
    }
    if let Some(file) = &args.mbox {
        return Ok(Box::new(mbox::Mbox::open(file, patience)?));
    }
    if let Some(folder) = &args.eml_dir {
        return Ok(Box::new(eml::EmlFolder::open(folder)?));
    }
    if let Some(command) = &args.deliver {
        return Ok(Box::new(deliver::Deliver::new(command, patience)?));
    }
    Ok(Box::new(stdout::Stdout::open(is_one)?))
}

/// The error of a place that cannot be written to.
fn writing(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::io(format!("writing {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::process::{Command, Stdio};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        store: StoreArgs,
    }

    #[test]
    fn there_is_one_place() {
        assert!(Cli::try_parse_from(["x", "--maildir", "a", "--mbox", "b"]).is_err());
        assert!(Cli::try_parse_from(["x", "--deliver", "a", "--eml-dir", "b"]).is_err());
        let args = Cli::try_parse_from(["x", "--eml-dir", "b"]).unwrap().store;
        assert_eq!(args.eml_dir.as_deref(), Some(Path::new("b")));
    }

    fn all_places(folder: &Path) -> [StoreArgs; 3] {
        let at = |name: &str| Some(folder.join(name));
        let none = StoreArgs::default;
        [
            StoreArgs {
                maildir: at("maildir"),
                ..none()
            },
            StoreArgs {
                mbox: at("mbox"),
                ..none()
            },
            StoreArgs {
                eml_dir: at("eml"),
                ..none()
            },
        ]
    }

    fn store(store: &mut dyn Store, uid: &str, parts: &[&[u8]]) -> Result<Kept> {
        store.begin(&About {
            uid,
            flags: "",
            date: None,
        })?;
        for part in parts {
            store.write(part)?;
        }
        store.end()
    }

    #[test]
    fn every_place_takes_messages_in_any_cut() {
        let folder = tempfile::tempdir().unwrap();
        let message = b"A: b\r\n\r\nFrom x\r\n\rlone\n\r\n";
        for args in all_places(folder.path()) {
            let mut place = open(&args, false, Patience::of(5_000)).unwrap();
            let mut hashes = Vec::new();
            for cut in 0..message.len() {
                let parts = [&message[..cut], &message[cut..]];
                let kept = store(&mut *place, &format!("uid{cut}"), &parts).unwrap();
                hashes.push(kept.hash);
            }
            place.sync().unwrap();
            hashes.dedup();
            assert_eq!(hashes.len(), 1);
        }
    }

    #[test]
    fn what_is_stored_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.state");
        for run in 0..2 {
            let mut state = State::open(&path, "me").unwrap();
            for (number, args) in all_places(folder.path()).iter().enumerate() {
                let mut place = open(args, false, Patience::of(5_000)).unwrap();
                let uid = format!("{number}");
                assert_eq!(state.contains(&uid), run == 1);
                let kept = store(&mut *place, &uid, &[b"x"]).unwrap();
                place.sync().unwrap();
                state.record(&uid, &kept.hash, &kept.place);
            }
            state.sync().unwrap();
        }
        if let Ok(path) = State::default_path("pop3", "me") {
            assert!(path.ends_with("proto/pop3/me.state"));
        }
    }

    /// A small file system, if we may have one.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn new() -> Option<SmallDisk> {
            let folder = tempfile::tempdir().ok()?;
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=1m", "none"]);
            let mounted = mount.arg(folder.path()).stderr(Stdio::null()).status();
            mounted
                .is_ok_and(|status| status.success())
                .then(|| SmallDisk(folder))
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0.path()).status();
        }
    }

    /// All bytes of all files.
    fn size(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap());
        let sizes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
            true => size(&entry.path()),
            false => entry.metadata().unwrap().len(),
        });
        sizes.sum()
    }

    #[test]
    fn a_full_disk_is_told_and_leaves_nothing_half_stored() {
        let Some(disk) = SmallDisk::new() else {
            return;
        };
        let folder = disk.0.path();
        for args in all_places(folder) {
            for length in [5_000, 300_000] {
                let message = vec![b'x'; length];
                let mut place = open(&args, false, Patience::of(5_000)).unwrap();
                let mut before = size(folder);
                let error = (0..1_000).find_map(|number| {
                    // What was appended to an mbox stays there; files have no name before a sync.
                    if args.mbox.is_some() {
                        before = size(folder);
                    }
                    store(&mut *place, &format!("{length} {number}"), &[&message]).err()
                });
                let error = error.unwrap();
                assert!(error.to_string().contains("No space left"), "{error}");
                place.abandon();
                drop(place);
                assert_eq!(size(folder), before);
            }
            for name in ["maildir", "eml"] {
                let _ = std::fs::remove_dir_all(folder.join(name));
            }
            let _ = std::fs::remove_file(folder.join("mbox"));
        }
    }

    #[test]
    fn a_state_on_a_full_disk_stays_whole() {
        let Some(disk) = SmallDisk::new() else {
            return;
        };
        let path = disk.0.path().join("x.state");
        let mut state = State::open(&path, "me").unwrap();
        state.record("first", &[0; 32], "");
        state.sync().unwrap();
        let before = std::fs::read(&path).unwrap();
        let filler = disk.0.path().join("filler");
        assert!(std::fs::write(&filler, vec![0; 2 << 20]).is_err());
        let place = "x".repeat(10_000);
        state.record("second", &[0; 32], &place);
        for _ in 0..2 {
            assert!(state.sync().is_err());
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
        std::fs::remove_file(&filler).unwrap();
        state.sync().unwrap();
        drop(state);
        assert_eq!(State::open(&path, "me").unwrap().uids().count(), 2);
    }
}
