//! From a server to a folder here.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use proto_ftp::{About, Kind, Type};
use proto_transport::Result;
use serde_json::Value;

use super::{is_in, Mirror};
use crate::download::retrying;
use crate::ftp::download::{is_doubtful, is_same, zone, Downloads, Remote};
use crate::ftp::local::{seconds, tree, Item, Place};
use crate::ftp::trees::{fetch, skip, UNFINISHED};
use crate::ftp::walk::{Found, Tree};
use crate::output::writing;
use crate::report::Record;

/// What is here and not there.
#[derive(Default)]
struct Extra {
    /// What is in the way of what is there, and what is in it.
    in_the_way: Vec<Item>,
    /// All else.
    others: Vec<Item>,
}

/// Doubtful files of which is asked before it shows whether the server can tell.
const FIRST: usize = 16;

impl Mirror<'_> {
    /// Makes the folder here like the tree on the server.
    pub fn down(&self, record: &mut Record) -> Result<()> {
        let mut there = self.way.look(self.choice, record)?;
        let place = Place::new(self.place);
        self.settle_doubts(&mut there, &place, record)?;
        let (folders, files) = self.wanted(&there, &place);
        let extra = self.extra(&there, &files)?;
        let count = extra.in_the_way.len() + extra.others.len();
        self.is_within_limit(count)?;
        if self.args.dry_run {
            folders
                .iter()
                .for_each(|found| self.planned("make", &found.below, None));
            for found in files {
                self.planned("get", &found.below, found.entry.size);
            }
            if self.may_delete(count)? {
                let extra = extra.in_the_way.iter().chain(&extra.others);
                extra.for_each(|item| self.planned("delete", &item.below, None));
            }
            return Ok(());
        }
        if self.may_delete(extra.in_the_way.len())? {
            self.remove_all(&extra.in_the_way);
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
        fetch(self.way, &downloads, &place, &there, &files);
        if self.may_delete(extra.others.len())? {
            self.remove_all(&extra.others);
        }
        Ok(())
    }

    /// Asks for the size and the exact time of files whose listing leaves open whether they are the
    /// same here, as far as the server can tell.
    fn settle_doubts(&self, there: &mut Tree, place: &Place, record: &mut Record) -> Result<()> {
        let all = there.found.iter().enumerate();
        let open = all.filter(|(_, found)| self.is_open(found, place, None));
        let mut first: Vec<usize> = open.map(|(at, _)| at).collect();
        // What the newest tell of the server's zone holds for all that is new.
        let listed = |at: &usize| there.found.get(*at).and_then(|found| found.entry.modified);
        first.sort_by_key(|at| Reverse(listed(at).map(|modified| modified.moment.to_unix())));
        let mut rest = first.split_off(first.len().min(FIRST));
        if first.is_empty() {
            return Ok(());
        }
        let told = self.ask(there, &first, record)?;
        let exact = |(at, about): (&usize, &About)| Some((listed(at)?, about.modified?));
        let pairs: Vec<_> = first.iter().zip(&told).filter_map(exact).collect();
        let zone = pairs.iter().find_map(|(there, exact)| zone(there, *exact));
        self.take_told(there, &first, &told);
        if pairs.is_empty() {
            return Ok(());
        }
        rest.retain(|at| {
            let found = there.found.get(*at);
            found.is_some_and(|found| self.is_open(found, place, zone))
        });
        let told = self.ask(there, &rest, record)?;
        self.take_told(there, &rest, &told);
        Ok(())
    }

    /// Asks about some of what is there.
    fn ask(&self, there: &Tree, some: &[usize], record: &mut Record) -> Result<Vec<About>> {
        if some.is_empty() {
            return Ok(Vec::new());
        }
        let some = some.iter().filter_map(|at| there.found.get(*at));
        let some: Vec<&Found> = some.collect();
        let paths: Vec<_> = some.iter().map(|found| &found.path).collect();
        let has_sizes = some.iter().all(|found| found.entry.size.is_some());
        let say = |text: &str| self.way.fleet.progress.say(text);
        retrying(self.way.fleet.common, say, |_| {
            self.way.service.converse(record, |session, _| {
                if !has_sizes {
                    return session.about_all(&paths);
                }
                let about = |modified| About {
                    size: None,
                    modified,
                };
                let moments = session.all_modified(&paths)?;
                Ok(moments.into_iter().map(about).collect())
            })
        })
    }

    fn take_told(&self, there: &mut Tree, some: &[usize], told: &[About]) {
        for (at, about) in some.iter().zip(told) {
            if let Some(found) = there.found.get_mut(*at) {
                let told = found.remote(self.way).told(about);
                (found.entry.size, found.entry.modified) = (told.size, told.modified);
            }
        }
    }

    /// Whether the listing leaves open if a file is the same here, or will later. The server's zone
    /// may be known.
    fn is_open(&self, found: &Found, place: &Place, zone: Option<i64>) -> bool {
        let Ok(to) = place.path(&found.below) else {
            return false;
        };
        if found.entry.kind != Kind::File {
            return false;
        }
        let here = fs::symlink_metadata(to).ok().filter(|here| here.is_file());
        let other_size = |here: &fs::Metadata| {
            let size = found.entry.size;
            size.is_some_and(|size| size != here.len())
        };
        if self.args.size_only {
            return here.is_some() && found.entry.size.is_none();
        }
        match (here.filter(|here| !other_size(here)), &found.entry.modified) {
            (Some(_), None) => true,
            (Some(here), Some(modified)) => {
                found.entry.size.is_none()
                    || is_doubtful(Some(here.mtime()), here.ctime(), modified, zone)
            }
            (None, Some(modified)) => {
                is_doubtful(None, seconds(Some(SystemTime::now())), modified, zone)
            }
            (None, None) => false,
        }
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

    /// What is here and not there. What an earlier run has left of files that come now is no such
    /// thing: it is gone on with.
    fn extra(&self, there: &Tree, files: &[&Found]) -> Result<Extra> {
        let mut extra = Extra::default();
        if !self.args.delete.delete || fs::symlink_metadata(self.place).is_err() {
            return Ok(extra);
        }
        let kinds: HashMap<&[u8], Kind> = there
            .found
            .iter()
            .map(|found| (found.below.as_slice(), found.entry.kind))
            .collect();
        let parts: HashSet<Vec<u8>> = files
            .iter()
            .flat_map(|found| UNFINISHED.map(|end| [&found.below, end].concat()))
            .collect();
        // A server that shows no such name may only hide them.
        let is_hidden = |below: &[u8]| {
            below
                .split(|byte| *byte == b'/')
                .any(|name| name.starts_with(b"."))
        };
        let hides = !there.found.iter().any(|found| is_hidden(&found.below));
        let is_expected = |below: &Vec<u8>| {
            let is_there = kinds.contains_key(below.as_slice()) || parts.contains(below);
            is_there || hides && is_hidden(below)
        };
        // Where there is something else than is to be.
        let mut in_the_way: HashSet<Vec<u8>> = HashSet::new();
        for item in tree(self.place, self.choice, &mut |_| {})? {
            let is_other = match kinds.get(item.below.as_slice()) {
                Some(Kind::Folder) => !item.is_folder,
                Some(Kind::File) => item.is_folder,
                Some(Kind::Link | Kind::Other) => continue,
                None => false,
            };
            if is_other {
                in_the_way.insert(item.below.clone());
            }
            if is_in(&item.below, &in_the_way) {
                extra.in_the_way.push(item);
            } else if !is_expected(&item.below) {
                extra.others.push(item);
            }
        }
        Ok(extra)
    }

    /// What is in a folder comes behind it.
    fn remove_all(&self, items: &[Item]) {
        items.iter().rev().for_each(|item| self.remove(item));
    }

    fn remove(&self, item: &Item) {
        let result = match item.is_folder {
            true => fs::remove_dir(&item.path),
            false => fs::remove_file(&item.path),
        };
        match result {
            // What is in it is not meant to go.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            // It has gone by itself.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
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
