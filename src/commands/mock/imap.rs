//! `proto mock imap`: mailboxes with whatever mail is wanted, and every flaw.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::imap::{ImapServer, News, CAPABILITIES, FLAWS, RULES};
use proto_mock::mailbox::{MailStore, Source, INBOX};
use proto_mock::sasl::Mechanism;
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use super::smtp::user;
use super::{generated, list, parsed, serve, ListenArgs};

#[derive(clap::Args)]
pub struct ImapArgs {
    /// Put the messages of this Maildir into INBOX; the folder stays as it is
    #[arg(long, value_name = "DIR", group = "source")]
    maildir: Option<PathBuf>,
    /// Put the .eml files of this folder into INBOX; the folder stays as it is
    #[arg(long, value_name = "DIR", group = "source")]
    eml_dir: Option<PathBuf>,
    /// Put so many messages of so many octets (1000) into INBOX, made while they are sent
    #[arg(long, value_name = "COUNT[xSIZE]", group = "source", value_parser = generated)]
    generate: Option<Source>,
    /// Have this mailbox too (repeatable), with so many messages made while they are sent
    #[arg(long, value_name = "NAME[=COUNT[xSIZE]]", value_parser = mailbox)]
    mailbox: Vec<(String, Source)>,
    /// Neither offer nor understand this capability (repeatable), nor IMAP4rev2 if it is a part of that; AUTH=NAME hides one mechanism
    #[arg(long, value_name = "NAME", value_parser = capability)]
    without: Vec<String>,
    /// Credentials that are accepted (repeatable); without any, every login is. The password is also the token
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Do something else than usual (repeatable), as "fetch=3 reply=NO Later"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something wrong all the time (repeatable); "--flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    flaw: Vec<String>,
    /// Say nothing of logins, changes and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

fn mailbox(text: &str) -> std::result::Result<(String, Source), String> {
    match text.rsplit_once('=') {
        Some((name, messages)) => Ok((name.to_owned(), generated(messages)?)),
        None => Ok((text.to_owned(), Source::default())),
    }
}

fn capability(name: &str) -> std::result::Result<String, String> {
    let upper = name.to_ascii_uppercase();
    let is_known = match upper.strip_prefix("AUTH=") {
        Some(mechanism) => Mechanism::named(mechanism).is_some(),
        None => CAPABILITIES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&upper)),
    };
    match is_known {
        true => Ok(upper),
        false => Err(format!(
            "there are {} and AUTH=MECHANISM",
            CAPABILITIES.join(", ")
        )),
    }
}

/// Keeps mail until it is told to stop.
pub fn run(args: &ImapArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    if args.flaw.iter().any(|flaw| flaw == "help") {
        return list(FLAWS);
    }
    let mut server = ImapServer::default();
    server.without.clone_from(&args.without);
    server.users.clone_from(&args.user);
    server.rules = parsed(&args.rule)?;
    server.flaws = parsed(&args.flaw)?;
    server.store = Arc::new(store(args)?);
    if !args.quiet {
        server.notify = Some(Box::new(tell));
    }
    let scheme = if args.listen.tls { "imaps" } else { "imap" };
    serve(&args.listen, scheme, Arc::new(server))
}

/// The mail that everybody finds at first.
fn store(args: &ImapArgs) -> Result<MailStore> {
    let mut sources = vec![(INBOX.to_owned(), source(args)?)];
    sources.extend(args.mailbox.iter().cloned());
    let mut store = MailStore::default();
    for (name, source) in &sources {
        store
            .begin_with(name, source)
            .map_err(|error| Error::io(format!("filling the mailbox {name}"), error))?;
    }
    Ok(store)
}

fn source(args: &ImapArgs) -> Result<Source> {
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
        News::Login { connection, user } => format!("login {connection}: {user}"),
        News::Appended {
            connection,
            mailbox,
            uid,
        } => format!("appended {connection}: {mailbox}, UID {uid}"),
        News::Expunged {
            connection,
            mailbox,
            messages,
        } => format!("expunged {connection}: {mailbox}, {messages} messages"),
        News::Violation(what) => format!("violation {what}"),
    };
    crate::note(&escaped(line.as_bytes()));
}
