//! `proto ftp-rename URL NAME`: another name or another folder for a file.

use proto_ftp::{Path, Target};
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::ftp::presence::refuse_taken;
use crate::ftp::{in_folder, last_part, named, shown, FtpArgs, Service};

/// Rename a file or folder on an FTP server.
#[derive(clap::Args)]
pub struct Args {
    /// The file or folder: ftp://host/path, ftps:// or host[:port]/path
    url: String,
    /// Its new name, in the same folder; with a slash, its new path as in the URL
    #[arg(value_name = "NAME")]
    name: String,
    /// Replace a file that has the name already, if the server does that
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    ftp: FtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Renames what the URL names.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let from = named(&target, "file to rename")?;
    let to = new_path(&from, &args.name)?;
    let url = without_password(target.url());
    reported("ftp-rename", url, &args.common, |record, _| {
        let service = Service::new(&target, &args.ftp, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            service.converse(record, |session, record| {
                this.is_last = true;
                if !args.force {
                    refuse_taken(session, &to)?;
                }
                session.rename(&from, &to)?;
                let (from, to) = (shown(from.as_bytes()), shown(to.as_bytes()));
                record.items = vec![json!({ "path": from, "renamed_to": to })];
                Ok(())
            })
        })
    })
}

/// A name alone stays in the folder.
fn new_path(from: &Path, name: &str) -> Result<Path> {
    let name = match name {
        "" | "." | ".." => return Err(Error::illegal("that is no name")),
        name => name.as_bytes(),
    };
    if name.contains(&b'/') {
        return Path::new(name);
    }
    let end = from.as_bytes().len() - last_part(from).len();
    match from.as_bytes().get(..end).unwrap_or_default() {
        [] => in_folder(None, name),
        folder => Path::new(folder)?.join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_stays_in_the_folder() {
        for (from, name, to) in [
            ("a", "b", "b"),
            ("x/a", "b", "x/b"),
            ("/a", "b", "/b"),
            ("/x/y/a", "b c", "/x/y/b c"),
            ("x/a", "y/a", "y/a"),
            ("x/a", "/a", "/a"),
        ] {
            let found = new_path(&Path::new(from).unwrap(), name).unwrap();
            assert_eq!(found.to_string(), to, "{from} {name}");
        }
        for wrong in ["", "..", "a\r\nDELE b"] {
            assert!(new_path(&Path::new("a").unwrap(), wrong).is_err());
        }
    }
}
