//! `proto mock ftp`: a folder or memory, listings of every style, and every flaw.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::ftp::{FtpServer, News, Style, FEATURES, FLAWS, RULES};
use proto_transport::escape::escaped;
use proto_transport::Result;

use super::smtp::user;
use super::{illegal, list, parsed, serve, ListenArgs};
use crate::units::size;

#[derive(clap::Args)]
pub struct FtpArgs {
    /// Serve this folder, and let it be changed; without one, files are kept in memory. Links are listed and never followed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Have this file (repeatable), of so many bytes that are made while they are sent
    #[arg(long, value_name = "PATH=SIZE", value_parser = generated, conflicts_with = "dir")]
    generate: Vec<(String, u64)>,
    /// What LIST looks like
    #[arg(long, value_name = "STYLE", value_parser = Style::NAMES, default_value = "unix")]
    listing: String,
    /// Let nothing be changed
    #[arg(long)]
    read_only: bool,
    /// Have room for files of so many bytes, and then a full disk
    #[arg(long, value_name = "SIZE", value_parser = size)]
    room: Option<u64>,
    /// Let nobody in without TLS, and transfer nothing without PROT P
    #[arg(long)]
    need_tls: bool,
    /// Credentials that are accepted (repeatable), "anonymous:" with any password; without one, every login is
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Ask for this account after the password
    #[arg(long, value_name = "TEXT")]
    account: Option<String>,
    /// Neither offer nor understand this command or feature (repeatable)
    #[arg(long, value_name = "NAME", value_parser = feature)]
    without: Vec<String>,
    /// Do something else than usual (repeatable), as "retr=*.iso reply=450 Busy"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    flaw: Vec<String>,
    /// Say nothing of logins, transfers and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

fn generated(text: &str) -> std::result::Result<(String, u64), String> {
    let (path, bytes) = text.rsplit_once('=').ok_or("it takes PATH=SIZE")?;
    Ok((path.to_owned(), size(bytes)?))
}

fn feature(name: &str) -> std::result::Result<String, String> {
    let upper = name.to_ascii_uppercase();
    match FEATURES.contains(&upper.as_str()) {
        true => Ok(upper),
        false => Err(format!("there are {}", FEATURES.join(", "))),
    }
}

/// Serves files until it is told to stop.
pub fn run(args: &FtpArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    if let Some(folder) = args.dir.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(illegal(format!("{} is no folder", folder.display())));
    }
    let mut server = FtpServer::default();
    server.root.clone_from(&args.dir);
    for (path, bytes) in &args.generate {
        server.files.generate(path, *bytes);
    }
    server.style = args.listing.parse().map_err(illegal)?;
    server.read_only = args.read_only;
    server.room = args.room;
    server.needs_tls = args.need_tls;
    server.users.clone_from(&args.user);
    server.account.clone_from(&args.account);
    server.without.clone_from(&args.without);
    server.rules = parsed(&args.rule)?;
    server.flaws = parsed(&args.flaw)?;
    if !args.quiet {
        server.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "ftps" } else { "ftp" };
    serve(&args.listen, scheme, Arc::new(server))
}

/// One line on stderr for everything that happens.
fn tell(news: &News<'_>) {
    let line = match news {
        News::Login { connection, user } => format!("login {connection}: {user}"),
        News::Transfer {
            connection,
            command,
            bytes,
        } => format!("transfer {connection}: {command}, {bytes} bytes"),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
