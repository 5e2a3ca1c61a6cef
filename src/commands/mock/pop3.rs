//! `proto mock pop3`: a maildrop with whatever mail is wanted, and every flaw.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::pop3::{Maildrop, News, Source, CAPABILITIES, FLAWS, RULES};
use proto_mock::sasl::Mechanism;
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use super::smtp::user;
use super::{generated, list, parsed, serve, ListenArgs};

#[derive(clap::Args)]
pub struct Pop3Args {
    /// Give out the messages of this Maildir; what is deleted goes
    #[arg(long, value_name = "DIR", group = "source")]
    maildir: Option<PathBuf>,
    /// Give out the .eml files of this folder; what is deleted stays, and is not shown again
    #[arg(long, value_name = "DIR", group = "source")]
    eml_dir: Option<PathBuf>,
    /// Give out so many messages of so many octets (1000), made while they are sent
    #[arg(long, value_name = "COUNT[xSIZE]", group = "source", value_parser = generated)]
    generate: Option<Source>,
    /// Neither offer nor understand this capability (repeatable); SASL=NAME hides one mechanism
    #[arg(long, value_name = "NAME", value_parser = capability)]
    without: Vec<String>,
    /// Credentials that are accepted (repeatable); without any, every login is. The password is also the token
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Do something else than usual (repeatable), as "retr=3 reply=-ERR No"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    flaw: Vec<String>,
    /// Say nothing of logins, deletions and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

fn capability(name: &str) -> std::result::Result<String, String> {
    let upper = name.to_ascii_uppercase();
    let is_known = match upper.strip_prefix("SASL=") {
        Some(mechanism) => Mechanism::named(mechanism).is_some(),
        None => CAPABILITIES.contains(&upper.as_str()),
    };
    match is_known {
        true => Ok(upper),
        false => Err(format!(
            "there are {} and SASL=MECHANISM",
            CAPABILITIES.join(", ")
        )),
    }
}

/// Gives out mail until it is told to stop.
pub fn run(args: &Pop3Args) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    let mut maildrop = Maildrop::default();
    maildrop.without.clone_from(&args.without);
    maildrop.users.clone_from(&args.user);
    maildrop.source = source(args)?;
    maildrop.rules = parsed(&args.rule)?;
    maildrop.flaws = parsed(&args.flaw)?;
    if !args.quiet {
        maildrop.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "pop3s" } else { "pop3" };
    serve(&args.listen, scheme, Arc::new(maildrop))
}

fn source(args: &Pop3Args) -> Result<Source> {
    let folder = args.maildir.as_ref().or(args.eml_dir.as_ref());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Error::illegal(format!("{} is no folder", folder.display())));
    }
    Ok(match (&args.maildir, &args.eml_dir, &args.generate) {
        (Some(folder), _, _) => Source::Maildir(folder.clone()),
        (_, Some(folder), _) => Source::Folder(folder.clone()),
        (_, _, Some(generated)) => generated.clone(),
        _ => Source::default(),
    })
}

/// One line on stderr for everything that happens.
pub(super) fn tell(news: &News<'_>) {
    let line = match news {
        News::Login {
            connection,
            user,
            messages,
        } => format!("login {connection}: {user}, {messages} messages"),
        News::Deleted { connection, uid } => format!("deleted {connection}: {uid}"),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
