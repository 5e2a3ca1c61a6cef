//! From a folder here to a server.

mod extra;
mod times;

use std::collections::HashMap;

use proto_ftp::{Kind, Moment, No, Path, Type};
use proto_transport::Result;
use serde_json::json;

use self::extra::Extra;
use self::times::{verdict, Verdict};
use super::Mirror;
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
        let (mut folders, mut files) = self.missing(&here, &there, record)?;
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
    fn missing<'h>(
        &self,
        here: &'h [Item],
        there: &Tree,
        record: &mut Record,
    ) -> Result<(Vec<&'h [u8]>, Vec<&'h Item>)> {
        let known: HashMap<&[u8], &Found> = there
            .found
            .iter()
            .map(|found| (found.below.as_slice(), found))
            .collect();
        let (mut folders, mut files, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for item in here {
            let found = known.get(item.below.as_slice()).copied();
            let is_folder = found.is_some_and(|found| found.entry.kind == Kind::Folder);
            let Some(found) = found.filter(|_| !item.is_folder) else {
                match item.is_folder {
                    true if is_folder => {}
                    true => folders.push(item.below.as_slice()),
                    false => files.push(item),
                }
                continue;
            };
            match self.compare(item, found, there.keeps_times) {
                Verdict::Same => self.same(&item.below, Some(item.size)),
                Verdict::Other => files.push(item),
                Verdict::Open => open.push((item, found)),
            }
        }
        files.extend(self.others(&open, there.keeps_times, record)?);
        Ok((folders, files))
    }

    /// What the listing tells of a file.
    fn compare(&self, item: &Item, found: &Found, keeps_times: bool) -> Verdict {
        let entry = &found.entry;
        if entry.kind != Kind::File || entry.size != Some(item.size) {
            return Verdict::Other;
        }
        match self.args.size_only {
            true => Verdict::Same,
            false => verdict(item.modified, entry.modified.as_ref(), keeps_times),
        }
    }

    /// Which of the files that the listing leaves open are others there.
    fn others<'h>(
        &self,
        open: &[(&'h Item, &Found)],
        keeps_times: bool,
        record: &mut Record,
    ) -> Result<Vec<&'h Item>> {
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<&Path> = open.iter().map(|(_, found)| &found.path).collect();
        let moments = self.way.service.converse(record, |session, _| {
            match session.features().offers("MDTM") {
                true => session.all_modified(&paths),
                false => Ok(Vec::new()),
            }
        })?;
        let ahead = match keeps_times {
            true => 0,
            false => times::ahead(moments.iter().flatten().copied(), Moment::now()),
        };
        let mut moments = moments.into_iter();
        let mut others = Vec::new();
        for (item, found) in open {
            let modified = found.entry.modified.as_ref();
            let is_same = match moments.next().flatten() {
                Some(moment) => times::is_same(item.modified + ahead, moment, keeps_times),
                None => times::is_taken_for_same(item.modified, modified, keeps_times),
            };
            match is_same {
                true => self.same(&item.below, Some(item.size)),
                false => others.push(*item),
            }
        }
        Ok(others)
    }
}
