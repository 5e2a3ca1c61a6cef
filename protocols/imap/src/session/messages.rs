//! Changing, copying, moving and removing messages.

use proto_transport::{Error, Result};

use super::Session;
use crate::mailbox::Mailbox;
use crate::reply::code::{Code, Copied};
use crate::reply::flag::Flag;
use crate::reply::message::Attributes;
use crate::reply::{Data, Told};
use crate::set::UidSet;
use crate::wire::nothing;

/// UIDs in one command that changes messages. Commands are short enough for a line in any case.
const WINDOW: u32 = u32::MAX;

/// An error that comes when the copies are made: whoever tries again makes more of them.
fn after_copying(mut error: Error) -> Error {
    if let Error::TimedOut { doing, .. }
    | Error::Closed { doing, .. }
    | Error::Malformed { doing, .. }
    | Error::Refused { doing, .. } = &mut error
    {
        doing.push_str(" (they are copied, and still where they were too)");
    }
    error
}

/// What to do with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Add these.
    Add,
    /// Take these away.
    Remove,
    /// These and no others.
    Replace,
}

/// How to change flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The server does not say what the flags are then.
    pub is_silent: bool,
    /// Only where nothing changed after this (RFC 7162), where the server offers CONDSTORE.
    pub unchanged_since: Option<u64>,
}

impl Session {
    /// Changes flags. `told` hears what the server says of each message. Returns the messages that
    /// had changed before, and were left as they are. A large set takes several commands; after an
    /// error, some of it may be done.
    pub fn store(
        &mut self,
        uids: &UidSet,
        change: Change,
        flags: &[Flag],
        options: &StoreOptions,
        told: &mut dyn FnMut(&Attributes),
    ) -> Result<UidSet> {
        self.wire.connection.doing("changing flags");
        self.need_mailbox()?;
        let sign = match change {
            Change::Add => "+",
            Change::Remove => "-",
            Change::Replace => "",
        };
        let silent = if options.is_silent { ".SILENT" } else { "" };
        let condition = match options.unchanged_since {
            Some(_) if !self.wire.capabilities.offers("CONDSTORE") => {
                return Err(self.wire.not_offered("CONDSTORE"));
            }
            Some(modseq) => format!(" (UNCHANGEDSINCE {modseq})"),
            None => String::new(),
        };
        let mut left = Vec::new();
        for window in uids.windows(WINDOW) {
            let start = format!("UID STORE {window}{condition} {sign}FLAGS{silent}");
            let command = self.wire.command(&start).flags(flags)?;
            let end = self.wire.ask(&command, &mut |data| match data {
                Data::Message(_, attributes)
                    if attributes.uid.is_some_and(|uid| window.contains(uid)) =>
                {
                    told(&attributes);
                    Ok(None)
                }
                data => Ok(Some(data)),
            })?;
            if let Some(Code::Modified(uids)) = end.code {
                left.extend_from_slice(uids.ranges());
            }
        }
        Ok(UidSet::from_ranges(left))
    }

    /// Copies messages to another mailbox; which became which, where the server says it (UIDPLUS).
    pub fn copy(&mut self, uids: &UidSet, mailbox: &Mailbox) -> Result<Option<Copied>> {
        self.wire.connection.doing("copying messages");
        self.transfer("UID COPY", uids, mailbox)
    }

    /// Moves messages to another mailbox, where the server offers MOVE (RFC 6851): each is in one of
    /// both at any moment.
    pub fn move_to(&mut self, uids: &UidSet, mailbox: &Mailbox) -> Result<Option<Copied>> {
        self.wire.connection.doing("moving messages");
        if !self.wire.capabilities.offers("MOVE") {
            return Err(self.wire.not_offered("MOVE"));
        }
        self.transfer("UID MOVE", uids, mailbox)
    }

    /// Moves messages in three steps, where the server does not offer MOVE: they are copied, marked
    /// `\Deleted`, and removed by UID. Broken off, it leaves messages in both mailboxes. Without
    /// UIDPLUS nothing is done: removing would take along what others have marked (RFC 6851
    /// section 3.3).
    pub fn copy_and_remove(&mut self, uids: &UidSet, mailbox: &Mailbox) -> Result<Option<Copied>> {
        self.wire.connection.doing("moving messages");
        self.need_uidplus()?;
        let copied = self.copy(uids, mailbox)?;
        // What the server does not name among those that it copied is not removed.
        let uids = match &copied {
            Some(copied) => uids.intersection(&copied.sources()),
            None => uids.clone(),
        };
        let deleted = [Flag::new("\\Deleted")?];
        let options = StoreOptions {
            is_silent: true,
            ..StoreOptions::default()
        };
        self.store(&uids, Change::Add, &deleted, &options, &mut |_| {})
            .and_then(|_| self.expunge(&uids))
            .map_err(after_copying)?;
        Ok(copied)
    }

    fn transfer(&mut self, name: &str, uids: &UidSet, mailbox: &Mailbox) -> Result<Option<Copied>> {
        self.need_mailbox()?;
        let mut all: Option<Copied> = None;
        let mut add = |told: Told| match (told.code, &mut all) {
            (Some(Code::CopyUid(copied)), Some(all)) => all.extend(copied),
            (Some(Code::CopyUid(copied)), None) => all = Some(copied),
            _ => {}
        };
        for window in uids.windows(WINDOW) {
            let command = self
                .wire
                .command(&format!("{name} {window}"))
                .mailbox(mailbox)?;
            // MOVE says it before the messages go (RFC 6851 section 4.3).
            let told = self.wire.ask(&command, &mut |data| match data {
                Data::Told(told) if matches!(told.code, Some(Code::CopyUid(_))) => {
                    add(told);
                    Ok(None)
                }
                data => Ok(Some(data)),
            })?;
            add(told);
        }
        Ok(all)
    }

    /// Removes those of the messages that are marked `\Deleted`, and no others (RFC 4315), where the
    /// server offers UIDPLUS.
    pub fn expunge(&mut self, uids: &UidSet) -> Result<()> {
        self.wire.connection.doing("removing messages");
        self.need_mailbox()?;
        self.need_uidplus()?;
        for window in uids.windows(WINDOW) {
            let command = self.wire.command(&format!("UID EXPUNGE {window}"));
            self.wire.ask(&command, &mut nothing)?;
        }
        Ok(())
    }

    fn need_uidplus(&self) -> Result<()> {
        match self.wire.capabilities.offers("UIDPLUS") {
            true => Ok(()),
            false => Err(self.no_uidplus()),
        }
    }

    fn no_uidplus(&self) -> Error {
        self.wire.not_offered(
            "UIDPLUS, and without it messages cannot be removed without those that others have \
             marked as deleted",
        )
    }
}
