//! `proto ftp-mirror SOURCE DESTINATION`: makes one tree like another, in either direction.

mod deletion;
mod down;
mod up;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::time::Instant;

use proto_ftp::{Target, Type};
use proto_transport::{without_password, Error, Result};

use self::deletion::DeleteArgs;
use crate::cli::CommonArgs;
use crate::exit_code::worst;
use crate::ftp::choice::{Choice, ChoiceArgs};
use crate::ftp::fleet::{Fleet, Tally};
use crate::ftp::trees::Way;
use crate::ftp::{FtpArgs, Service};
use crate::progress::Progress;
use crate::report::{Record, Report};
use crate::rows::Rows;

/// Make a tree on an FTP server like one here, or the reverse.
#[derive(clap::Args)]
pub struct Args {
    /// The tree to be copied: a URL (ftp://host/folder/ or host:port/folder/) or a folder
    source: String,
    /// Where it is copied to: a folder, or a URL
    destination: String,
    /// Copy over so many connections
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: u16,
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Take files for the same that have the same size, whatever their times
    #[arg(long)]
    size_only: bool,
    /// Send files under their own names from the first byte on
    #[arg(long)]
    direct: bool,
    /// Show what is the same on both sides too
    #[arg(long, help_heading = "Results")]
    all: bool,
    /// One JSON object a row
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    delete: DeleteArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Which way it goes.
enum Direction {
    Down(Box<Target>, PathBuf),
    Up(PathBuf, Box<Target>),
}

impl Direction {
    fn of(args: &Args) -> Result<Direction> {
        let (source, destination) = (args.source.as_str(), args.destination.as_str());
        let target = |text: &str| Target::parse(text).map(Box::new);
        match (is_url(source), is_url(destination)) {
            (true, false) => Ok(Direction::Down(target(source)?, destination.into())),
            (false, true) => Ok(Direction::Up(source.into(), target(destination)?)),
            _ => Err(Error::illegal(
                "one of SOURCE and DESTINATION is a URL (ftp://host/folder/), and the other a folder",
            )),
        }
    }
}

/// Whether a text is a URL, or begins with a host and its port; unless there is something of that name
/// here.
fn is_url(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':');
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = port.is_some_and(|(host, port)| !host.is_empty() && is_port(port));
    text.contains("://") || has_port && std::fs::symlink_metadata(text).is_err()
}

/// What both directions know.
struct Mirror<'a> {
    args: &'a Args,
    way: &'a Way<'a>,
    choice: &'a Choice,
    place: &'a Path,
}

impl Mirror<'_> {
    /// What is the same on both sides.
    fn same(&self, below: &[u8], size: Option<u64>) {
        if self.args.all {
            let none = serde_json::Value::Null;
            self.way.tally.row("same", below, size, none);
        }
    }

    /// What would be done.
    fn planned(&self, what: &str, below: &[u8], size: Option<u64>) {
        let planned = serde_json::json!({ "planned": true });
        self.way.tally.row(what, below, size, planned);
    }
}

/// Makes the destination like the source.
pub fn run(args: &Args) -> Result<u8> {
    let direction = Direction::of(args)?;
    let choice = Choice::new(&args.choice)?;
    let report = Report::create(args.common.report.as_deref())?;
    let (target, place) = match &direction {
        Direction::Down(target, place) | Direction::Up(place, target) => (target, place),
    };
    if target.kind == Some(Type::Ascii) {
        return Err(Error::illegal(";type=a is for one text, and not for trees"));
    }
    let service = Service::new(target, &args.ftp, &args.common)?;
    let progress = Progress::new(args.common.looking.quiet, 1);
    let tally = Tally::new(
        Rows::new(args.json, args.common.report.is_some()),
        &progress,
    );
    let fleet = Fleet {
        command: "ftp-mirror",
        connections: args.jobs,
        common: &args.common,
        progress: &progress,
    };
    let way = Way {
        service: &service,
        target,
        fleet: &fleet,
        tally: &tally,
    };
    let mirror = Mirror {
        args,
        way: &way,
        choice: &choice,
        place,
    };
    let mut record = Record::new("ftp-mirror", without_password(target.url()));
    let started = Instant::now();
    let result = match direction {
        Direction::Down(..) => mirror.down(&mut record),
        Direction::Up(..) => mirror.up(&mut record),
    };
    let mut codes = Vec::new();
    tally.conclude(&mut record, &mut codes);
    record.time("total", started.elapsed());
    record.ended(&result);
    record.exit = worst(codes.into_iter().chain([record.exit]));
    record.ok = record.exit == 0;
    report.add(&record)?;
    result.map(|()| record.exit)
}

/// Whether a path, or a folder on the way to it, is one of these.
fn is_in<P: Borrow<[u8]> + Eq + Hash>(below: &[u8], these: &HashSet<P>) -> bool {
    let ends = below.iter().enumerate();
    let ends = ends.filter_map(|(at, byte)| (*byte == b'/').then_some(at));
    let mut ways = ends.chain([below.len()]).filter_map(|end| below.get(..end));
    ways.any(|way| these.contains(way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_in_folders() {
        let these: HashSet<&[u8]> = [&b"a"[..], b"b/c"].into();
        for (below, wanted) in [
            ("a", true),
            ("a/x/y", true),
            ("b/c", true),
            ("b/c/d", true),
            ("ab", false),
            ("b", false),
            ("b/cd", false),
            ("x/a", false),
        ] {
            assert_eq!(is_in(below.as_bytes(), &these), wanted, "{below}");
        }
    }
}
