//! `proto ftp-remove URL`: a file, or with -r a folder with all that is in it.

use proto_ftp::{Kind, Line, Path, Session, Target};
use proto_transport::{without_password, Error, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::ftp::choice::Choice;
use crate::ftp::fleet::Tally;
use crate::ftp::walk::walk;
use crate::ftp::{ends_all, folder_of, last_part, lasting, named, FtpArgs, Service};
use crate::progress::Progress;
use crate::rows::Rows;

/// Remove files from an FTP server.
#[derive(clap::Args)]
pub struct Args {
    /// The file: ftp://host/path, ftps:// or host[:port]/path
    url: String,
    /// A folder with all that is in it
    #[arg(short, long)]
    recursive: bool,
    /// A folder that is empty
    #[arg(short, long, conflicts_with = "recursive")]
    dir: bool,
    /// Show what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// One JSON object a row
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Removes what the URL names.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let path = named(&target, "file to remove")?;
    if target.is_folder && !args.recursive && !args.dir {
        return Err(Error::illegal(
            "the URL names a folder; see -d for an empty one, and -r",
        ));
    }
    let url = without_password(target.url());
    reported("ftp-remove", url, &args.common, |record, codes| {
        let service = Service::new(&target, &args.ftp, &args.common)?;
        let progress = Progress::new(args.common.looking.quiet, 1);
        let rows = Rows::new(args.json, args.common.report.is_some());
        let tally = Tally::new(rows, &progress);
        let removing = Removing {
            args,
            tally: &tally,
        };
        let result = retrying(&args.common, crate::note, |this| {
            service.converse(record, |session, _| {
                this.is_last = true;
                removing.remove(session, &path)
            })
        });
        tally.conclude(record, codes);
        result
    })
}

struct Removing<'a> {
    args: &'a Args,
    tally: &'a Tally<'a>,
}

impl Removing<'_> {
    fn remove(&self, session: &mut Session, path: &Path) -> Result<()> {
        if !self.args.recursive {
            let kind = match self.args.dir {
                true => Kind::Folder,
                false => Kind::File,
            };
            if self.args.dry_run {
                check_there(session, path, kind)?;
            }
            return self.one(session, path, kind);
        }
        if let Some(kind @ (Kind::File | Kind::Link | Kind::Other)) = looked_up(session, path)? {
            return self.one(session, path, kind);
        }
        // Not everything in it may be seen: what is left then keeps its folder there.
        let tree = walk(session, Some(path), &Choice::default(), true)?;
        for (below, stray) in &tree.strays {
            let code = crate::exit_code::PROTOCOL;
            self.tally.warned(&stray.text(below), code);
        }
        for found in tree.found.iter().rev() {
            match self.one(session, &found.path, found.entry.kind) {
                Err(error) if ends_all(&error) => return Err(error),
                Err(error) => self.tally.failed(found.path.as_bytes(), &error),
                Ok(()) => {}
            }
        }
        self.one(session, path, Kind::Folder)
    }

    fn one(&self, session: &mut Session, path: &Path, kind: Kind) -> Result<()> {
        if self.args.dry_run {
            let planned = json!({ "planned": true });
            self.tally.row("remove", path.as_bytes(), None, planned);
            return Ok(());
        }
        match kind {
            Kind::Folder => session.remove_folder(path)?,
            // A link goes, and not what it leads to.
            _ => session.delete(path)?,
        }
        self.tally
            .row("removed", path.as_bytes(), None, Value::Null);
        Ok(())
    }
}

/// Fails if there is nothing to be removed.
fn check_there(session: &mut Session, path: &Path, wanted: Kind) -> Result<()> {
    let is_folder = match looked_up(session, path)? {
        Some(kind) => kind == Kind::Folder,
        // Not everything is shown.
        None if session.is_folder(path)? => true,
        None if session.about(path)?.size.is_some() => false,
        None => {
            return Err(lasting(
                session,
                "looking for it",
                format!("{path} is not there"),
            ))
        }
    };
    match (is_folder, wanted == Kind::Folder) {
        (true, false) => Err(lasting(
            session,
            "looking for it",
            format!("{path} is a folder"),
        )),
        (false, true) => Err(lasting(
            session,
            "looking for it",
            format!("{path} is no folder"),
        )),
        _ => Ok(()),
    }
}

/// What the folder that a path is in shows it to be: whoever looks at the path itself is led through
/// a link. `None` where it is not shown.
fn looked_up(session: &mut Session, path: &Path) -> Result<Option<Kind>> {
    let mut kind = None;
    session.show_hidden(true);
    session.list(folder_of(path)?.as_ref(), &mut |line| {
        match line {
            Line::Entry(entry) if entry.name == last_part(path) => kind = Some(entry.kind),
            _ => {}
        }
        Ok(())
    })?;
    Ok(kind)
}
