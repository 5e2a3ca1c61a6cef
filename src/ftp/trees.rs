//! A tree on its way, either way.

use std::collections::HashSet;

use proto_ftp::{Kind, No, Path, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Error, Result};
use serde_json::{json, Value};

use super::choice::Choice;
use super::download::{Downloads, Remote};
use super::fleet::{Fleet, Job, Tally};
use super::local::{Item, Place};
use super::upload::{Source, Uploads};
use super::walk::{walk, Found, Stray, Tree};
use super::{in_folder, last_part, lasting, Service};
use crate::download::retrying;
use crate::exit_code::{exit_code, PROTOCOL};
use crate::report::{Record, Stage};

/// A tree on a server, and how it is gone through.
pub struct Way<'a> {
    /// The way to the server.
    pub service: &'a Service,
    /// The tree.
    pub target: &'a Target,
    /// The connections.
    pub fleet: &'a Fleet<'a>,
    /// What is told.
    pub tally: &'a Tally<'a>,
}

impl Way<'_> {
    /// The root of the tree.
    pub fn root(&self) -> Option<&Path> {
        self.target.path.as_ref()
    }

    /// A path in the tree.
    pub fn path(&self, below: &[u8]) -> Result<Path> {
        in_folder(self.root(), below)
    }

    /// What a path in the tree is called in the report.
    pub fn url(&self, below: &[u8]) -> String {
        let url = without_password(self.target.url());
        format!("{}/{}", url.trim_end_matches('/'), escaped(below))
    }

    /// What is in the tree. What could not be listed is told, and counts as a failure.
    pub fn look(&self, choice: &Choice, record: &mut Record) -> Result<Tree> {
        let say = |text: &str| self.fleet.progress.say(text);
        let tree = retrying(self.fleet.common, say, |_| {
            self.service.converse(record, |session, record| {
                record.stage = Stage::Transfer;
                let tree = walk(session, self.root(), choice, true)?;
                match self.root() {
                    Some(root) if is_file(session, root, &tree)? => {
                        let why = format!("{root} is a file, and not a folder");
                        Err(lasting(session, "listing the folder", why))
                    }
                    _ => Ok(tree),
                }
            })
        })?;
        for (below, stray) in &tree.strays {
            let code = match stray {
                Stray::Unlisted(error) => exit_code(error),
                _ => PROTOCOL,
            };
            self.tally.warned(&stray.text(below), code);
        }
        if tree.more_strays > 0 {
            let text = format!("{} more lines are like those", tree.more_strays);
            self.tally.warned(&text, PROTOCOL);
        }
        Ok(tree)
    }
}

/// Whether a listing is of a file, as servers show it, and not of a folder that holds one of its name.
fn is_file(session: &mut Session, root: &Path, tree: &Tree) -> Result<bool> {
    match tree.found.as_slice() {
        [only] if only.entry.kind == Kind::File && only.below == last_part(root) => {
            Ok(session.about(root)?.size.is_some())
        }
        _ => Ok(false),
    }
}

impl Found {
    /// The file, as downloads know it.
    pub fn remote(&self, way: &Way<'_>) -> Remote {
        Remote {
            path: self.path.clone(),
            url: way.url(&self.below),
            size: self.entry.size,
            modified: self.entry.modified,
            has_no_part: false,
        }
    }
}

/// Gets a folder with all that is in it.
pub fn down(
    way: &Way<'_>,
    downloads: &Downloads<'_>,
    place: &Place,
    choice: &Choice,
    record: &mut Record,
) -> Result<()> {
    let tree = way.look(choice, record)?;
    place.make_folder(b"")?;
    let mut files = Vec::new();
    for found in &tree.found {
        match found.entry.kind {
            Kind::Folder => {
                if let Err(error) = place.make_folder(&found.below) {
                    way.tally.failed(&found.below, &error);
                }
            }
            Kind::File => files.push(found),
            Kind::Link | Kind::Other => skip(way, found),
        }
    }
    fetch(way, downloads, place, &tree, &files);
    Ok(())
}

/// Links of a server lead anywhere, so that none are made here.
pub fn skip(way: &Way<'_>, found: &Found) {
    let why = match found.entry.kind {
        Kind::Link => "links are not followed",
        _ => "it is neither file nor folder",
    };
    way.tally
        .row("skipped", &found.below, None, json!({ "why": why }));
}

/// What our names of files end with that are not whole.
pub const UNFINISHED: [&[u8]; 2] = [b".part", b".part.json"];

/// Gets some files of a tree into their places.
pub fn fetch(
    way: &Way<'_>,
    downloads: &Downloads<'_>,
    place: &Place,
    tree: &Tree,
    files: &[&Found],
) {
    let names: HashSet<&[u8]> = tree
        .found
        .iter()
        .map(|found| found.below.as_slice())
        .collect();
    let has_no_part = |found: &Found| {
        let mut ends = UNFINISHED.iter();
        ends.any(|end| names.contains([&found.below, *end].concat().as_slice()))
    };
    let jobs: Vec<Job<'_, &Found>> = files
        .iter()
        .map(|found| Job {
            service: way.service,
            url: way.url(&found.below),
            what: *found,
        })
        .collect();
    let untried = way.fleet.run(
        &jobs,
        |session, found, record, attempt| {
            let to = place.prepare(&found.below)?;
            let remote = Remote {
                has_no_part: has_no_part(found),
                ..found.remote(way)
            };
            downloads
                .to_file(session, &remote, &to, record, attempt.goes_on)
                .map(drop)
        },
        |job, record, result| match result {
            Err(error) => way.tally.failed(&job.what.below, &error),
            Ok(()) => told(way, &job.what.below, &record, "got", "stored"),
        },
    );
    rest(way, untried);
}

/// Sends files to their places.
pub fn send(way: &Way<'_>, uploads: &Uploads<'_>, items: &[&Item]) {
    let jobs: Vec<Job<'_, &Item>> = items
        .iter()
        .map(|item| Job {
            service: way.service,
            url: way.url(&item.below),
            what: *item,
        })
        .collect();
    let untried = way.fleet.run(
        &jobs,
        |session, item, record, attempt| {
            let path = way.path(&item.below)?;
            uploads.put(
                session,
                Source::File(&item.path),
                &path,
                record,
                attempt.goes_on,
            )
        },
        |job, record, result| match result {
            Err(error) => way.tally.failed(&job.what.below, &error),
            Ok(()) => told(way, &job.what.below, &record, "put", "sent"),
        },
    );
    rest(way, untried);
}

fn told(way: &Way<'_>, below: &[u8], record: &Record, result: &str, bytes: &str) {
    let item = record.items.first();
    let note = |name: &str| item.and_then(|item| item.get(name)).cloned();
    let result = match note("skipped") {
        Some(_) => "whole",
        None => result,
    };
    let bytes = record.bytes.get(bytes).and_then(Value::as_u64);
    way.tally.add_bytes(bytes.unwrap_or(0));
    let more = json!({ "file": note("file"), "resumed_at": note("resumed_at") });
    way.tally.row(result, below, bytes, more);
}

fn rest(way: &Way<'_>, untried: usize) {
    if untried > 0 {
        way.fleet
            .progress
            .say(&format!("proto: {untried} files were not tried"));
    }
}

/// Makes folders on the server, in their order; one that is there already is no failure. The names
/// of those that could not be made.
pub fn make_folders(session: &mut Session, way: &Way<'_>, folders: &[&[u8]]) -> Result<()> {
    for below in folders {
        let path = match way.path(below) {
            Ok(path) => path,
            // A name that no command can hold.
            Err(error) => {
                way.tally.failed(below, &error);
                continue;
            }
        };
        match session.make_folder(&path) {
            Ok(_) => way.tally.row("made", below, None, Value::Null),
            Err(error) if is_there(session, &path, &error) => {}
            Err(error) if super::ends_all(&error) => return Err(error),
            Err(error) => way.tally.failed(below, &error),
        }
    }
    Ok(())
}

/// Makes a folder and those above it that are missing.
pub fn make_all(session: &mut Session, path: &Path) -> Result<()> {
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().skip(1);
    let ends = ends.filter_map(|(at, byte)| (*byte == b'/').then_some(at));
    let mut result = Ok(());
    for end in ends.chain([bytes.len()]) {
        let folder = Path::new(bytes.get(..end).unwrap_or(bytes))?;
        result = match session.make_folder(&folder) {
            Ok(_) => Ok(()),
            Err(error) if is_there(session, &folder, &error) => Ok(()),
            // Those above may be hidden from us; what counts is the last.
            Err(error @ Error::Refused { .. }) if !super::ends_all(&error) => Err(error),
            Err(error) => return Err(error),
        };
    }
    result
}

/// Whether a folder could not be made because it is there: the codes for that differ (521, 550, 553),
/// so it is looked for.
fn is_there(session: &mut Session, path: &Path, error: &Error) -> bool {
    let is_no = matches!(No::of(error), Some(No::Missing | No::Name | No::Other));
    is_no && session.is_folder(path).unwrap_or(false)
}
