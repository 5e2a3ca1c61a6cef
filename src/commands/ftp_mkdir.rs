//! `proto ftp-mkdir URL`: a folder, with -p those above it too.

use proto_ftp::Target;
use proto_transport::{without_password, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::ftp::trees::make_all;
use crate::ftp::{named, shown, FtpArgs, Service};

/// Make a folder on an FTP server.
#[derive(clap::Args)]
pub struct Args {
    /// The folder: ftp://host/path, ftps:// or host[:port]/path
    url: String,
    /// Make those above it too that are missing, and take one that is there
    #[arg(short, long)]
    parents: bool,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Makes the folder.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let path = named(&target, "folder to make")?;
    let url = without_password(target.url());
    reported("ftp-mkdir", url, &args.common, |record, _| {
        let service = Service::new(&target, &args.ftp, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            service.converse(record, |session, record| {
                this.is_last = true;
                match args.parents {
                    true => make_all(session, &path)?,
                    false => drop(session.make_folder(&path)?),
                }
                record.items = vec![json!({ "path": shown(path.as_bytes()) })];
                Ok(())
            })
        })
    })
}
