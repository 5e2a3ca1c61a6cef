//! Where messages go: memory, mailboxes, a Maildir, or stdout.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::letter::Letter;
use super::reply::Reply;
use crate::mail::Postman;
use crate::mailbox::Refusal;

/// Where messages go.
#[derive(Debug, Clone, Default)]
pub enum Store {
    /// They stay with their letters; the oldest are forgotten when there are too many.
    #[default]
    Memory,
    /// They become files in this folder's `new`, one a message. The folder is made.
    Maildir(PathBuf),
    /// They are printed, each with its envelope before it and a line of equals signs behind it.
    Stdout,
    /// They are put into the mailboxes of their recipients, which other services share.
    Mailboxes(Arc<Postman>),
}

/// A message that is coming in, and that nobody sees yet.
pub(super) enum Draft {
    Memory(Vec<u8>),
    File(NewFile),
}

impl Store {
    /// A place for the next message.
    pub(super) fn open(&self) -> io::Result<Draft> {
        match self {
            Store::Memory | Store::Stdout | Store::Mailboxes(_) => Ok(Draft::Memory(Vec::new())),
            Store::Maildir(folder) => NewFile::create(folder).map(Draft::File),
        }
    }

    /// Puts a whole message where it belongs, if that is not the letter.
    pub(super) fn keep(
        &self,
        letter: &mut Letter,
        draft: Draft,
        protocol: &str,
    ) -> Result<(), Trouble> {
        match (self, draft) {
            (_, Draft::File(file)) => Ok(file.keep()?),
            (Store::Stdout, Draft::Memory(content)) => Ok(print(letter, &content)?),
            (Store::Mailboxes(postman), Draft::Memory(content)) => {
                Ok(postman.deliver(letter, protocol, &content)?)
            }
            (_, Draft::Memory(content)) => {
                letter.content = content;
                Ok(())
            }
        }
    }
}

/// Why a message is not kept.
pub(super) enum Trouble {
    Store(io::Error),
    Mailbox(Refusal),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Store(error)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Mailbox(refusal)
    }
}

impl Trouble {
    /// What the client is told (RFC 3463 sections 3.3 and 3.4).
    pub fn reply(&self) -> Reply {
        match self {
            Trouble::Store(error) => Reply::new(451, "4.3.0", format!("the store fails: {error}")),
            Trouble::Mailbox(refusal) => refused(*refusal),
        }
    }
}

/// What a client is told of a mailbox that takes nothing.
pub(super) fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NoMailbox => Reply::new(550, "5.1.1", "there is no such mailbox"),
        Refusal::Full => Reply::new(452, "4.2.2", "the mailbox is full"),
        Refusal::TooLarge => Reply::new(552, "5.3.4", refusal.to_string()),
        other => Reply::new(451, "4.3.0", other.to_string()),
    }
}

impl Draft {
    /// What came, where that is in memory.
    pub(super) fn content(&self) -> Option<&[u8]> {
        match self {
            Draft::Memory(content) => Some(content),
            Draft::File(_) => None,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Draft::Memory(content) => {
                content.extend_from_slice(bytes);
                Ok(())
            }
            Draft::File(file) => file.file.write_all(bytes),
        }
    }
}

/// A file in `tmp`, which goes unless it is kept.
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    kept_path: PathBuf,
}

/// Tells files apart that this process makes in one microsecond.
static FILES: AtomicU64 = AtomicU64::new(1);

impl NewFile {
    fn create(folder: &Path) -> io::Result<NewFile> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        let process = std::process::id();
        let count = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{seconds}.M{micros}P{process}Q{count}.localhost");
        let path = folder.join("tmp").join(&name);
        let kept_path = folder.join("new").join(&name);
        let file = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                for part in ["tmp", "new", "cur"] {
                    fs::create_dir_all(folder.join(part))?;
                }
                File::create_new(&path)?
            }
            result => result?,
        };
        Ok(NewFile {
            file,
            path,
            kept_path,
        })
    }

    fn keep(self) -> io::Result<()> {
        fs::rename(&self.path, &self.kept_path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // A file that was kept is there no more.
        let _ = fs::remove_file(&self.path);
    }
}

/// What stands between two messages on stdout.
const SEPARATOR: &[u8] = b"================================\n";

fn print(letter: &Letter, content: &[u8]) -> io::Result<()> {
    let parameters = |parameters: &[String]| {
        let words = parameters.iter().map(|parameter| format!(" {parameter}"));
        words.collect::<String>()
    };
    let mut out = io::stdout().lock();
    let said = parameters(&letter.mail_parameters);
    writeln!(out, "MAIL FROM:<{}>{said}", letter.sender)?;
    for (recipient, said) in &letter.recipients {
        writeln!(out, "RCPT TO:<{recipient}>{}", parameters(said))?;
    }
    out.write_all(b"\n")?;
    out.write_all(content)?;
    if !content.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.write_all(SEPARATOR)?;
    out.flush()
}

/// The letters that were accepted: the last of them, and how many there were.
#[derive(Default)]
pub(super) struct Accepted {
    letters: VecDeque<Letter>,
    bytes: usize,
    pub total: usize,
}

/// How many letters are remembered. A test that sends more wants speed, not letters.
const LETTERS: usize = 100_000;

/// How much they may hold together.
const BYTES: usize = 1024 * 1024 * 1024;

impl Accepted {
    /// Remembers a letter, and forgets the oldest.
    pub fn add(&mut self, letter: Letter) {
        self.total += 1;
        self.bytes += letter.content.len();
        self.letters.push_back(letter);
        while self.letters.len() > LETTERS || self.bytes > BYTES {
            let Some(oldest) = self.letters.pop_front() else {
                break;
            };
            self.bytes -= oldest.content.len();
        }
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.letters.iter().cloned().collect()
    }
}
