//! `proto imap-list URL`: which mailboxes there are, and how much is in them.

use proto_imap::{ListOptions, Listing, Session, Status, Target};
use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::imap::{reported, Doings, ImapArgs, Service};

/// Show the mailboxes of an account, and how much is in them.
///
/// A row holds how many messages there are, how many of them are unread, their octets together,
/// the delimiter, the name and the attributes; `-` stands for what the server does not tell.
#[derive(clap::Args)]
pub struct Args {
    /// The account: imap://user@host/, imaps:// or host[:port]; /NAME shows that mailbox alone, or is where patterns begin
    url: String,
    /// Only names like this: * stands for anything, % for anything but the delimiter
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Only mailboxes that are subscribed to
    #[arg(long)]
    subscribed: bool,
    /// One JSON object a mailbox
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Lists the mailboxes.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    if target.uids.is_some() || target.search.is_some() {
        return Err(Error::illegal(
            "the URL names messages; mailboxes are listed by imap://host/ or imap://host/NAME",
        ));
    }
    reported("imap-list", &target, args.json, &args.common, |doings| {
        let service = Service::new(&target, &args.imap, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            let result = list(args, &service, doings);
            this.is_last = !doings.rows.is_empty();
            result
        })
    })
}

fn list(args: &Args, service: &Service, doings: &mut Doings<'_>) -> Result<()> {
    let target = service.target();
    let mut session = service.open(doings.record)?;
    let name = target.mailbox.as_ref().map_or("", |mailbox| mailbox.name());
    let (reference, patterns) = match args.patterns.as_slice() {
        [] if name.is_empty() => ("", vec!["*"]),
        [] => ("", vec![name]),
        patterns => (name, patterns.iter().map(String::as_str).collect()),
    };
    let options = ListOptions {
        only_subscribed: args.subscribed,
        status: items(&session),
        special_use: true,
    };
    let mut found = session.list(reference, &patterns, &options)?;
    service.tell(&mut session);
    let is_one = args.patterns.is_empty() && !name.is_empty();
    // What LIST takes for a pattern is the name of a mailbox here.
    if is_one && name.contains(['*', '%']) {
        found.retain(|listing| Some(&listing.mailbox) == target.mailbox.as_ref());
    }
    let is_missing = found.is_empty() && is_one;
    for listing in &found {
        doings.rows.hold(|| row(listing), || item(listing))?;
    }
    doings.rows.write()?;
    let peer = session.connection().peer().to_owned();
    session.log_out();
    match is_missing {
        false => Ok(()),
        true => Err(Error::Refused {
            peer,
            doing: "listing mailboxes".to_owned(),
            reply: format!("there is no mailbox {}", escaped(name.as_bytes())),
            refusal: Refusal::Lasting,
        }),
    }
}

/// What the server can tell of each.
fn items(session: &Session) -> Vec<String> {
    let mut items = vec!["MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY"];
    if session.capabilities().offers("STATUS=SIZE") {
        items.push("SIZE");
    }
    items.into_iter().map(str::to_owned).collect()
}

/// A mailbox as one line.
fn row(listing: &Listing) -> String {
    let status = listing.status.as_ref();
    let number = |value: fn(&Status) -> Option<u64>| {
        let number = status.and_then(value);
        number.map_or("-".to_owned(), |number| number.to_string())
    };
    let delimiter = match listing.delimiter {
        Some(delimiter) => escaped(delimiter.to_string().as_bytes()),
        None => "-".to_owned(),
    };
    format!(
        "{:>7}  {:>7}  {:>11}  {delimiter}  {}  {}",
        number(|status| status.messages),
        number(|status| status.unseen),
        number(|status| status.size),
        listing.mailbox,
        listing.attributes.join(" "),
    )
    .trim_end()
    .to_owned()
}

/// A mailbox for programs.
fn item(listing: &Listing) -> Value {
    let status = listing.status.clone().unwrap_or_default();
    json!({
        "name": listing.mailbox.name(),
        "delimiter": listing.delimiter,
        "attributes": listing.attributes,
        "special_use": listing.special_use(),
        "selectable": listing.is_selectable(),
        "messages": status.messages,
        "unseen": status.unseen,
        "size": status.size,
        "uid_next": status.uid_next,
        "uid_validity": status.uid_validity,
    })
}
