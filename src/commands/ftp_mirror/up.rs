//! From a folder here to a server.

mod extra;

use std::collections::HashMap;

use proto_ftp::{Kind, No, Precision, Type};
use proto_transport::Result;
use serde_json::json;

use self::extra::Extra;
use super::Mirror;
use crate::ftp::download::agrees;
use crate::ftp::local::{tree, Item};
use crate::ftp::trees::{make_all, make_folders, send};
use crate::ftp::upload::{Learned, Safety, Uploads};
use crate::ftp::walk::{Found, Tree};
use crate::report::{Record, Stage};

impl Mirror<'_> {
    /// Makes the tree on the server like the folder here.
    pub fn up(&self, record: &mut Record) -> Result<()> {
        let tally = self.way.tally;
        let mut others = Vec::new();
        let here = tree(self.place, self.choice, &mut |path| {
            let below = path.strip_prefix(self.place).unwrap_or(path);
            others.push(below.as_os_str().as_encoded_bytes().to_vec());
        })?;
        for below in &others {
            let why = json!({ "why": "links are not followed" });
            tally.row("skipped", below, None, why);
        }
        record.stage = Stage::Command;
        let there = self.there(record)?;
        let (mut folders, mut files) = self.missing(&here, &there);
        let extra = Extra::new(&here, &others, &there);
        self.is_within_limit(extra.count())?;
        self.clear(&extra, (&mut folders, &mut files), record)?;
        if self.args.dry_run {
            folders
                .iter()
                .for_each(|below| self.planned("make", below, None));
            for item in files {
                self.planned("put", &item.below, Some(item.size));
            }
            if self.may_delete(extra.count())? {
                extra
                    .all()
                    .for_each(|found| self.planned("delete", &found.below, None));
            }
            return Ok(());
        }
        if !folders.is_empty() || there.found.is_empty() {
            self.way.service.converse(record, |session, _| {
                if let Some(root) = self.way.root().filter(|_| there.found.is_empty()) {
                    make_all(session, root)?;
                }
                make_folders(session, self.way, &folders)
            })?;
        }
        let uploads = Uploads {
            common: &self.args.common,
            progress: self.way.fleet.progress,
            account: self.way.service.account(),
            force: true,
            resume: true,
            safety: match self.args.direct {
                true => Safety::Never,
                false => Safety::WherePossible,
            },
            kind: Type::Image,
            learned: Learned::default(),
        };
        send(self.way, &uploads, &files);
        self.delete_rest(&extra, record)
    }

    /// What is on the server. A tree that is not there yet is empty.
    fn there(&self, record: &mut Record) -> Result<Tree> {
        match self.way.look(self.choice, record) {
            Err(error) if No::of(&error) == Some(No::Missing) => Ok(Tree::default()),
            result => result,
        }
    }

    /// The folders that are missing there, and the files that are missing or others.
    fn missing<'h>(&self, here: &'h [Item], there: &Tree) -> (Vec<&'h [u8]>, Vec<&'h Item>) {
        let known: HashMap<&[u8], &Found> = there
            .found
            .iter()
            .map(|found| (found.below.as_slice(), found))
            .collect();
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for item in here {
            let found = known.get(item.below.as_slice());
            let is_folder = found.is_some_and(|found| found.entry.kind == Kind::Folder);
            match (item.is_folder, found) {
                (true, _) if is_folder => {}
                (true, _) => folders.push(item.below.as_slice()),
                (false, Some(found)) if self.is_like(item, found, there.keeps_times) => {
                    self.same(&item.below, Some(item.size));
                }
                (false, _) => files.push(item),
            }
        }
        (folders, files)
    }

    /// Whether a file there is the one here. Where the server does not keep times, the one there
    /// must not be older.
    fn is_like(&self, item: &Item, found: &Found, keeps_times: bool) -> bool {
        let entry = &found.entry;
        if entry.kind != Kind::File || entry.size != Some(item.size) {
            return false;
        }
        if self.args.size_only {
            return true;
        }
        let Some(modified) = &entry.modified else {
            return false;
        };
        let unit = match modified.precision {
            Precision::Second => 1,
            Precision::Minute => 60,
            Precision::Day => 24 * 60 * 60,
        };
        let is_newer = modified.moment.to_unix().saturating_add(unit) > item.modified;
        agrees(item.modified, modified) || !keeps_times && is_newer
    }
}
