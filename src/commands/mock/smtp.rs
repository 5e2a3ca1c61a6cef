//! `proto mock smtp`: a mail server that takes everything, unless it is told not to.

use std::path::PathBuf;
use std::sync::Arc;

use proto_mock::sasl::Mechanism;
use proto_mock::smtp::{Letter, Mta, News, Store, EXTENSIONS, RULES};
use proto_transport::escape::escaped;
use proto_transport::Result;

use super::{list, parsed, serve, ListenArgs};
use crate::units::size;

#[derive(clap::Args)]
pub struct SmtpArgs {
    /// Speak LMTP, with a reply for every recipient
    #[arg(long)]
    lmtp: bool,
    /// Keep messages in this Maildir instead of memory
    #[arg(long, value_name = "DIR", conflicts_with = "stdout")]
    maildir: Option<PathBuf>,
    /// Print messages to stdout with their envelopes
    #[arg(long)]
    stdout: bool,
    /// Neither offer nor understand this extension (repeatable); EHLO leaves HELO alone, AUTH=NAME hides one mechanism
    #[arg(long, value_name = "NAME", value_parser = extension)]
    without: Vec<String>,
    /// Credentials that are accepted (repeatable); the password is also the token
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Take no mail without AUTH
    #[arg(long)]
    require_auth: bool,
    /// Take no mail without TLS
    #[arg(long)]
    require_tls: bool,
    /// Refuse larger messages; 0 for no limit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Do something else than usual (repeatable), as "rcpt=bad@* reply=550 5.1.1 No"; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Say nothing of letters and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    pub(super) listen: ListenArgs,
}

fn extension(name: &str) -> std::result::Result<String, String> {
    let upper = name.to_ascii_uppercase();
    let is_known = match upper.strip_prefix("AUTH=") {
        Some(mechanism) => Mechanism::named(mechanism).is_some(),
        None => EXTENSIONS.contains(&upper.as_str()),
    };
    match is_known {
        true => Ok(upper),
        false => Err(format!(
            "there are {} and AUTH=MECHANISM",
            EXTENSIONS.join(", ")
        )),
    }
}

pub(super) fn user(text: &str) -> std::result::Result<(String, String), String> {
    let parts = text.split_once(':').ok_or("it takes NAME:PASSWORD")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

/// Takes mail until it is told to stop.
pub fn run(args: &SmtpArgs) -> Result<u8> {
    if args.rule.iter().any(|rule| rule == "help") {
        return list(RULES);
    }
    let mut mta = Mta::default();
    mta.lmtp = args.lmtp;
    mta.without.clone_from(&args.without);
    mta.users.clone_from(&args.user);
    mta.requires_login = args.require_auth;
    mta.requires_tls = args.require_tls;
    mta.max_size = args.max_size.unwrap_or(mta.max_size);
    mta.rules = parsed(&args.rule)?;
    mta.store = match &args.maildir {
        Some(folder) => Store::Maildir(folder.clone()),
        None if args.stdout => Store::Stdout,
        None => Store::Memory,
    };
    if !args.quiet {
        mta.notify = Some(Box::new(tell));
    }
    let scheme = match (args.lmtp, args.listen.tls) {
        (false, false) => "smtp",
        (false, true) => "smtps",
        (true, false) => "lmtp",
        (true, true) => "lmtps",
    };
    serve(&args.listen, scheme, Arc::new(mta))
}

/// One line on stderr for everything that happens.
pub(super) fn tell(news: &News<'_>) {
    crate::note(&match news {
        News::Letter(letter) => format!("letter {}", escaped(summary(letter).as_bytes())),
        News::Violation(what) => format!("violation {}", escaped(what.as_bytes())),
    });
}

/// `1: <a@b> to <c@d> <e@f>, 120 octets, by fred, encrypted`
fn summary(letter: &Letter) -> String {
    let Letter {
        connection,
        sender,
        size,
        ..
    } = letter;
    let mut line = format!("{connection}: <{sender}> to");
    for (recipient, _) in letter.recipients.iter().take(RECIPIENTS) {
        line.push_str(&format!(" <{recipient}>"));
    }
    if let Some(more @ 1..) = letter.recipients.len().checked_sub(RECIPIENTS) {
        line.push_str(&format!(" and {more} more"));
    }
    line.push_str(&format!(", {size} octets"));
    if let Some(user) = &letter.user {
        line.push_str(&format!(", by {user}"));
    }
    if letter.is_encrypted {
        line.push_str(", encrypted");
    }
    line
}

/// How many recipients of a letter are named.
const RECIPIENTS: usize = 10;
