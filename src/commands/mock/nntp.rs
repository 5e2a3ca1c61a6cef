//! `proto mock nntp`: newsgroups with whatever articles are wanted, and every flaw.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::nntp::{News, NewsServer, Spool, Wildmat};
use proto_mock::nntp::{CAPABILITIES, FLAWS, LISTS, RULES};
use proto_mock::sasl::Mechanism;
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use super::smtp::user;
use super::{illegal, list, parsed, serve, ListenArgs};
use crate::units::size;

#[derive(clap::Args)]
pub struct NntpArgs {
    /// Offer the articles of this folder, DIR/GROUP/NUMBER or DIR/GROUP/*.eml; it stays as it is
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Have this newsgroup (repeatable), with so many articles of so many octets (1000), made while they are sent
    #[arg(long, value_name = "GROUP=COUNT[xSIZE]", value_parser = generated)]
    generate: Vec<(String, u64, u64)>,
    /// Have this newsgroup too (repeatable), empty; n forbids posting, m is moderated
    #[arg(long, value_name = "NAME[=y|n|m]", value_parser = group)]
    group: Vec<(String, char)>,
    /// Whether POST is allowed
    #[arg(long, value_name = "YES|NO", value_parser = ["yes", "no"], default_value = "yes")]
    posting: String,
    /// Write articles that are posted to this folder as well, one a file
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Understand the commands of readers only after MODE READER
    #[arg(long)]
    transit: bool,
    /// Show groups that match only to those who have logged in; "*" hides everything
    #[arg(long, value_name = "WILDMAT", value_parser = wildmat)]
    need_login: Option<Wildmat>,
    /// Tell nothing without TLS
    #[arg(long)]
    need_tls: bool,
    /// Neither offer nor understand this capability (repeatable); LIST=NAME hides one list, SASL=NAME one mechanism
    #[arg(long, value_name = "NAME", value_parser = capability)]
    without: Vec<String>,
    /// Credentials that are accepted (repeatable); without any, every login is. The password is also the token
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Do something else than usual (repeatable), as "article=3 reply=430 No"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    flaw: Vec<String>,
    /// Say nothing of logins, articles and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

/// The octets of a generated article.
const SIZE: u64 = 1000;

fn generated(text: &str) -> std::result::Result<(String, u64, u64), String> {
    let (name, amount) = text.split_once('=').ok_or("it takes GROUP=COUNT[xSIZE]")?;
    let (count, octets) = match amount.split_once('x') {
        Some((count, octets)) => (count, size(octets)?),
        None => (amount, SIZE),
    };
    let count = count.parse().map_err(|_| "it takes GROUP=COUNT[xSIZE]")?;
    Ok((name.to_owned(), count, octets))
}

fn group(text: &str) -> std::result::Result<(String, char), String> {
    match text.split_once('=') {
        None => Ok((text.to_owned(), 'y')),
        Some((name, status @ ("y" | "n" | "m"))) => {
            Ok((name.to_owned(), status.chars().next().unwrap_or('y')))
        }
        Some(_) => Err("it takes NAME, or NAME=y, NAME=n or NAME=m".to_owned()),
    }
}

fn wildmat(text: &str) -> std::result::Result<Wildmat, String> {
    Wildmat::parse(text).ok_or_else(|| "that is no wildmat".to_owned())
}

fn capability(name: &str) -> std::result::Result<String, String> {
    let upper = name.to_ascii_uppercase();
    let is_known = match upper.split_once('=') {
        Some(("LIST", list)) => LISTS.contains(&list),
        Some(("SASL", mechanism)) => Mechanism::named(mechanism).is_some(),
        _ => CAPABILITIES.contains(&upper.as_str()),
    };
    match is_known {
        true => Ok(upper),
        false => Err(format!(
            "there are {}, SASL=MECHANISM and LIST= with {}",
            CAPABILITIES.join(", "),
            LISTS.join(", ")
        )),
    }
}

/// Keeps news until it is told to stop.
pub fn run(args: &NntpArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    let mut server = NewsServer::default();
    server.without.clone_from(&args.without);
    server.users.clone_from(&args.user);
    server.needs_login.clone_from(&args.need_login);
    server.needs_tls = args.need_tls;
    server.posting = args.posting == "yes";
    server.starts_in_transit = args.transit;
    server.save.clone_from(&args.save);
    server.rules = parsed(&args.rule)?;
    server.flaws = parsed(&args.flaw)?;
    server.spool = Arc::new(spool(args)?);
    if !args.quiet {
        server.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "nntps" } else { "nntp" };
    serve(&args.listen, scheme, Arc::new(server))
}

/// The groups and articles that there are at first.
fn spool(args: &NntpArgs) -> Result<Spool> {
    let spool = Spool::default();
    for (name, count, octets) in &args.generate {
        if !spool.generate(name, *count, *octets) {
            return Err(illegal(format!(
                "{name:?} is no newsgroup, or there are two"
            )));
        }
    }
    for (name, status) in &args.group {
        if !spool.create(name, *status, "") {
            return Err(illegal(format!("{name:?} is no newsgroup")));
        }
    }
    if let Some(folder) = &args.dir {
        if !folder.is_dir() {
            return Err(illegal(format!("{} is no folder", folder.display())));
        }
        spool
            .load(folder)
            .map_err(|error| Error::io(format!("reading {}", folder.display()), error))?;
    }
    Ok(spool)
}

/// One line on stderr for everything that happens.
fn tell(news: &News<'_>) {
    let line = match news {
        News::Login { connection, user } => format!("login {connection}: {user}"),
        News::Posted {
            connection,
            message_id,
            groups,
        } => format!("posted {connection}: {message_id} to {}", groups.join(",")),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
