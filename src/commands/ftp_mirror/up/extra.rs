//! What is on the server and not here, or something else here: what `--delete` is about.

use std::collections::{HashMap, HashSet};

use proto_ftp::{Kind, Line, No, Session};
use proto_transport::{Error, Result};
use serde_json::{json, Value};

use super::super::{is_in, Mirror};
use crate::ftp::local::Item;
use crate::ftp::lock::Lock;
use crate::ftp::presence::is_taken;
use crate::ftp::walk::{Found, Tree};
use crate::ftp::{ends_all, lasting, upload};
use crate::report::Record;

/// What is there and must not stay.
pub struct Extra<'t> {
    /// Where there is a file here and a folder there, or the reverse.
    conflicts: HashSet<&'t [u8]>,
    /// What has to go before anything is sent, for it is in the way.
    first: Vec<&'t Found>,
    /// What goes when everything was sent.
    last: Vec<&'t Found>,
}

impl<'t> Extra<'t> {
    /// Compares what is here with what is there. What is here and not sent, like a link, is here.
    pub fn new(here: &[Item], others: &[Vec<u8>], there: &'t Tree) -> Extra<'t> {
        let names: HashMap<&[u8], bool> = here
            .iter()
            .map(|item| (item.below.as_slice(), item.is_folder))
            .collect();
        let others: HashSet<&[u8]> = others.iter().map(Vec::as_slice).collect();
        let found = there.found.iter();
        let conflicts: HashSet<&[u8]> = found
            .filter(|found| {
                let is_folder = names.get(found.below.as_slice());
                match found.entry.kind {
                    Kind::Folder => is_folder == Some(&false),
                    Kind::File => is_folder == Some(&true),
                    // Links of a server are not followed.
                    Kind::Link | Kind::Other => is_folder.is_some(),
                }
            })
            .map(|found| found.below.as_slice())
            .collect();
        let (first, mut last): (Vec<&Found>, Vec<&Found>) = there
            .found
            .iter()
            .partition(|found| is_in(&found.below, &conflicts));
        last.retain(|found| {
            !names.contains_key(found.below.as_slice()) && !is_in(&found.below, &others)
        });
        Extra {
            conflicts,
            first,
            last,
        }
    }

    /// How many files and folders there are.
    pub fn count(&self) -> usize {
        self.first.len() + self.last.len()
    }

    /// Everything, in the order of the listing.
    pub fn all(&self) -> impl Iterator<Item = &'t Found> + '_ {
        self.first.iter().chain(&self.last).copied()
    }
}

impl Mirror<'_> {
    /// Deletes what is in the way. What cannot come to its place because of it is told to have failed,
    /// and taken out of what is to be sent.
    pub fn clear(
        &self,
        extra: &Extra<'_>,
        (folders, files): (&mut Vec<&[u8]>, &mut Vec<&Item>),
        record: &mut Record,
    ) -> Result<()> {
        if extra.conflicts.is_empty() || self.may_delete(extra.count())? {
            return match self.args.dry_run {
                true => Ok(()),
                false => self.delete(&extra.first, record),
            };
        }
        for below in &extra.conflicts {
            let why = match folders.contains(below) {
                true => "there is a file of this name; with --delete, that goes",
                false => "there is a folder of this name; with --delete, that goes",
            };
            let error = self
                .way
                .service
                .converse(record, |session, _| Ok(lasting(session, "sending", why)))?;
            self.way.tally.failed(below, &error);
        }
        folders.retain(|below| !is_in(below, &extra.conflicts));
        files.retain(|item| !is_in(&item.below, &extra.conflicts));
        Ok(())
    }

    /// Deletes what is there and not here, when everything else went well.
    pub fn delete_rest(&self, extra: &Extra<'_>, record: &mut Record) -> Result<()> {
        match self.may_delete(extra.last.len())? {
            true => self.delete(&extra.last, record),
            false => Ok(()),
        }
    }

    fn delete(&self, all: &[&Found], record: &mut Record) -> Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        self.way.service.converse(record, |session, _| {
            // What is in a folder comes behind it.
            let mut all = all.iter().rev();
            all.try_for_each(|found| self.delete_one(session, found))
        })
    }

    fn delete_one(&self, session: &mut Session, found: &Found) -> Result<()> {
        let (below, tally) = (&found.below, self.way.tally);
        // Another upload may be writing this.
        let _lock = match upload::whole_of(&found.path) {
            None => None,
            Some(whole) => match Lock::take(&self.way.service.account(), &whole) {
                Ok(lock) => lock,
                Err(error) => {
                    let why = json!({ "why": error.to_string() });
                    tally.row("skipped", below, None, why);
                    return Ok(());
                }
            },
        };
        let result: Result<()> = match found.entry.kind {
            Kind::Folder => session.remove_folder(&found.path),
            _ => session.delete(&found.path),
        };
        match result {
            Ok(()) => tally.row("deleted", below, None, Value::Null),
            Err(error) if ends_all(&error) || !matches!(error, Error::Refused { .. }) => {
                return Err(error)
            }
            Err(error) if may_stay(session, found, &error)? => {}
            Err(error) => tally.failed(below, &error),
        }
        Ok(())
    }
}

/// Whether something that could not be deleted is no failure: a part of a file that has got its name
/// meanwhile, or a folder with something in it that is not meant to go.
fn may_stay(session: &mut Session, found: &Found, error: &Error) -> Result<bool> {
    match (found.entry.kind, No::of(error)) {
        (Kind::Folder, Some(No::Missing | No::Name | No::Other)) => {
            let mut is_empty = true;
            let listed = session.list(Some(&found.path), &mut |line| {
                is_empty &= matches!(line, Line::Nothing);
                Ok(())
            });
            match listed {
                Err(error) if ends_all(&error) => Err(error),
                listed => Ok(listed.is_ok() && !is_empty),
            }
        }
        (Kind::Folder, _) => Ok(false),
        (_, Some(No::Missing)) => Ok(!is_taken(session, &found.path)?),
        _ => Ok(false),
    }
}
