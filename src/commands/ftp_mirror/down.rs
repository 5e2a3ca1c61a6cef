//! From a server to a folder here.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;

use proto_ftp::{Kind, Type};
use proto_transport::Result;
use serde_json::Value;

use super::Mirror;
use crate::ftp::download::{is_same, Downloads, Remote};
use crate::ftp::local::{tree, Item, Place};
use crate::ftp::trees::{fetch, skip};
use crate::ftp::walk::{Found, Tree};
use crate::output::writing;
use crate::report::Record;

impl Mirror<'_> {
    /// Makes the folder here like the tree on the server.
    pub fn down(&self, record: &mut Record) -> Result<()> {
        let there = self.way.look(self.choice, record)?;
        let place = Place::new(self.place);
        let (folders, files) = self.wanted(&there, &place);
        let extra = self.extra(&there)?;
        self.is_within_limit(extra.len())?;
        if self.args.dry_run {
            folders
                .iter()
                .for_each(|found| self.planned("make", &found.below, None));
            for found in files {
                self.planned("get", &found.below, found.entry.size);
            }
            if self.may_delete(extra.len())? {
                extra
                    .iter()
                    .for_each(|item| self.planned("delete", &item.below, None));
            }
            return Ok(());
        }
        place.make_folder(b"")?;
        for found in folders {
            match place.make_folder(&found.below) {
                Ok(()) => self.way.tally.row("made", &found.below, None, Value::Null),
                Err(error) => self.way.tally.failed(&found.below, &error),
            }
        }
        let downloads = Downloads {
            common: &self.args.common,
            progress: self.way.fleet.progress,
            force: true,
            resume: true,
            checksum: None,
            kind: Type::Image,
        };
        fetch(self.way, &downloads, &place, &files);
        if self.may_delete(extra.len())? {
            // What is in a folder comes behind it.
            extra.iter().rev().for_each(|item| self.remove(item));
        }
        Ok(())
    }

    /// The folders that are missing here, and the files that are missing or others.
    fn wanted<'t>(&self, there: &'t Tree, place: &Place) -> (Vec<&'t Found>, Vec<&'t Found>) {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for found in &there.found {
            let to = match place.path(&found.below) {
                Ok(to) => to,
                Err(error) => {
                    self.way.tally.failed(&found.below, &error);
                    continue;
                }
            };
            match found.entry.kind {
                Kind::Folder => {
                    let is_there = fs::symlink_metadata(&to).is_ok_and(|entry| entry.is_dir());
                    if !is_there {
                        folders.push(found);
                    }
                }
                Kind::File if self.is_same(&to, &found.remote(self.way)) => {
                    self.same(&found.below, found.entry.size);
                }
                Kind::File => files.push(found),
                Kind::Link | Kind::Other => skip(self.way, found),
            }
        }
        (folders, files)
    }

    fn is_same(&self, to: &std::path::Path, remote: &Remote) -> bool {
        match self.args.size_only {
            true => fs::symlink_metadata(to)
                .is_ok_and(|file| file.is_file() && Some(file.len()) == remote.size),
            false => is_same(to, remote),
        }
    }

    /// What is here and not there.
    fn extra(&self, there: &Tree) -> Result<Vec<Item>> {
        if !self.args.delete.delete || fs::symlink_metadata(self.place).is_err() {
            return Ok(Vec::new());
        }
        let names: HashSet<&[u8]> = there
            .found
            .iter()
            .map(|found| found.below.as_slice())
            .collect();
        let mut items = tree(self.place, self.choice, &mut |_| {})?;
        items.retain(|item| !names.contains(item.below.as_slice()));
        Ok(items)
    }

    fn remove(&self, item: &Item) {
        let result = match item.is_folder {
            true => fs::remove_dir(&item.path),
            false => fs::remove_file(&item.path),
        };
        match result {
            // What is in it is not meant to go.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) => self
                .way
                .tally
                .failed(&item.below, &writing(&item.path, error)),
            Ok(()) => self
                .way
                .tally
                .row("deleted", &item.below, None, Value::Null),
        }
    }
}
