//! `proto ftp-list URL`: what is in a folder, or in all below it.

use proto_ftp::{Entry, Kind, No, Path, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::exit_code::exit_code;
use crate::fetching::reported;
use crate::ftp::choice::{Choice, ChoiceArgs};
use crate::ftp::download::Remote;
use crate::ftp::walk::{walk, Found, Stray, Tree};
use crate::ftp::{last_part, shown, time_text, time_value, FtpArgs, Service};
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Show what is in a folder of an FTP server.
#[derive(clap::Args)]
pub struct Args {
    /// The folder: ftp://host/folder/, ftps:// or host[:port][/folder]
    url: String,
    /// All folders below it too
    #[arg(short, long)]
    recursive: bool,
    /// Hidden files too, where the server leaves them out
    #[arg(short, long)]
    all: bool,
    /// One JSON object a row
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Lists the folder.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let choice = Choice::new(&args.choice)?;
    let url = without_password(target.url());
    reported("ftp-list", url, &args.common, |record, codes| {
        let service = Service::new(&target, &args.ftp, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            let tree = service.converse(record, |session, record| {
                record.stage = Stage::Transfer;
                session.show_hidden(args.all);
                list(session, target.path.as_ref(), &choice, args.recursive)
            })?;
            this.is_last = true;
            show(&tree, args, record, codes)
        })
    })
}

/// What is in the folder; a file is the only one of its listing.
fn list(
    session: &mut Session,
    path: Option<&Path>,
    choice: &Choice,
    is_deep: bool,
) -> Result<Tree> {
    let result = walk(session, path, choice, is_deep);
    let Some(path) = path else {
        return result;
    };
    let is_odd = match &result {
        // Some servers list a file by its whole path.
        Ok(tree) => {
            let is_name = |stray: &Stray| matches!(stray, Stray::BadName(_));
            tree.found.is_empty()
                && matches!(tree.strays.as_slice(), [(_, stray)] if is_name(stray))
        }
        Err(error) => No::of(error) == Some(No::Missing),
    };
    if !is_odd {
        return result;
    }
    // Only a file has a size everywhere.
    match session.about(path) {
        Ok(about) if about.size.is_some() => Ok(Tree::of(file(
            path,
            &Remote::unknown(path, "").told(&about),
        ))),
        _ => result,
    }
}

fn file(path: &Path, remote: &Remote) -> Found {
    let name = last_part(path).to_vec();
    Found {
        below: name.clone(),
        path: path.clone(),
        entry: Entry {
            name,
            kind: Kind::File,
            size: remote.size,
            modified: remote.modified,
            target: None,
            mode: None,
        },
    }
}

fn show(tree: &Tree, args: &Args, record: &mut Record, codes: &mut Vec<u8>) -> Result<()> {
    let mut rows = Rows::new(args.json, args.common.report.is_some());
    let mut told = || -> Result<()> {
        for found in &tree.found {
            rows.hold(
                || row(&found.below, &found.entry),
                || item(&found.below, &found.entry),
            )?;
        }
        rows.write()?;
        for (below, stray) in &tree.strays {
            match stray {
                Stray::Unlisted(error) => {
                    crate::tell(error);
                    codes.push(exit_code(error));
                }
                stray => crate::warn(&stray.text(below)),
            }
            if args.json {
                rows.add(String::new, || unknown(below, stray))?;
            }
        }
        if tree.more_strays > 0 {
            crate::warn(&format!("{} more lines are like those", tree.more_strays));
        }
        Ok(())
    };
    let result = told();
    record.items = rows.into_items();
    result
}

fn row(below: &[u8], entry: &Entry) -> String {
    let size = entry.size.map_or("-".to_owned(), |size| size.to_string());
    let time = entry.modified.as_ref().map_or("-".to_owned(), time_text);
    let name = escaped(below);
    let target = entry.target.as_ref();
    let target = target.map_or(String::new(), |target| format!(" -> {}", escaped(target)));
    format!("{:6} {size:>12}  {time:20}  {name}{target}", kind(entry))
}

fn item(below: &[u8], entry: &Entry) -> Value {
    json!({
        "type": kind(entry),
        "path": shown(below),
        "name": shown(&entry.name),
        "size": entry.size,
        "modified": time_value(entry.modified.as_ref()),
        "target": entry.target.as_deref().map(shown),
        "mode": entry.mode.map(|mode| format!("{mode:04o}")),
    })
}

fn unknown(below: &[u8], stray: &Stray) -> Value {
    let (raw, error) = match stray {
        Stray::Unknown(raw) | Stray::BadName(raw) | Stray::Twice(raw) => (Some(shown(raw)), None),
        Stray::Unlisted(error) => (None, Some(error.to_string())),
    };
    json!({ "type": "unknown", "folder": shown(below), "raw": raw, "error": error })
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Link => "link",
        Kind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_ftp::{Line, Listing, Moment};

    #[test]
    fn rows_show_what_is_known() {
        let now = Moment::parse(b"20240615120000").unwrap();
        let mut listing = Listing::new(now);
        for (line, shown) in [
            (
                "-rw-r--r-- 1 a b 531 Jan 29 03:26 a b",
                "file            531  2024-01-29 03:26      a b",
            ),
            (
                "lrwxrwxrwx 1 a b 7 Jan 25  2020 bin -> usr/bin",
                "link              -  2020-01-25            bin -> usr/bin",
            ),
            (
                "QPGMR           *MEM       SOURCE.MBR",
                "file              -  -                     SOURCE.MBR",
            ),
        ] {
            let Line::Entry(entry) = listing.line(line.as_bytes()) else {
                panic!("{line}");
            };
            assert_eq!(row(&entry.name, &entry), shown);
        }
    }
}
