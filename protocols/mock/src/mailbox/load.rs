//! Filling a mailbox from wherever messages come from.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::account::Account;
use super::flags::Flags;
use super::message::{Content, Draft};
use super::source::{self, Known, Source};
use super::Refusal;

impl Account {
    /// Puts the messages of a source into a mailbox, which is made if need be, and returns how many
    /// there were. What is generated is made whenever it is read; the rest is held in memory. The
    /// source itself stays as it is.
    pub fn load(&self, mailbox: &str, source: &Source) -> io::Result<usize> {
        let drafts = drafts(source)?;
        let count = drafts.len();
        self.fill(mailbox, drafts).map_err(io::Error::other)?;
        Ok(count)
    }

    pub(super) fn fill(&self, mailbox: &str, drafts: Vec<Draft>) -> Result<(), Refusal> {
        self.change(|mailboxes| {
            if mailboxes.get(mailbox).is_none() {
                mailboxes.create(mailbox)?;
            }
            let mut drafts = drafts.into_iter();
            drafts.try_for_each(|draft| mailboxes.append(mailbox, draft).map(drop))
        })
    }
}

/// The messages of a source.
pub(super) fn drafts(source: &Source) -> io::Result<Vec<Draft>> {
    let messages = source.list(&mut Known::default())?;
    let mut drafts = Vec::with_capacity(messages.len());
    for message in &messages {
        drafts.push(draft_of(source, message)?);
    }
    Ok(drafts)
}

/// One message of a source.
pub(super) fn draft_of(source: &Source, message: &source::Message) -> io::Result<Draft> {
    let mut draft = match (source, message.generated()) {
        (Source::Generated { size, .. }, Some(number)) => Draft::of(Content::Generated {
            number,
            size: *size,
        }),
        _ => {
            let mut content = Vec::new();
            source.open(message)?.read_to_end(&mut content)?;
            Draft::new(&content)
        }
    };
    if let Some(path) = message.path() {
        draft.date = fs::metadata(path)?.modified()?.into();
        if let Source::Maildir(_) = source {
            draft.flags = maildir_flags(path);
        }
    }
    Ok(draft)
}

/// The flags in a Maildir's file name, behind `:2,`.
fn maildir_flags(path: &Path) -> Flags {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (_, letters) = name.rsplit_once(":2,").unwrap_or_default();
    let set = LETTERS
        .iter()
        .filter(|(letter, _)| letters.contains(*letter));
    set.map(|(_, flag)| flag).collect()
}

/// The letters that stand for flags there, in their order.
pub(super) const LETTERS: [(char, &str); 6] = [
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('P', "$Forwarded"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];
