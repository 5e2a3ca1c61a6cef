//! `proto imap-move URL [UIDS] MAILBOX`: messages to another mailbox.

use std::collections::HashMap;

use proto_imap::{Mailbox, Session, Target, UidSet};
use proto_transport::{Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::exit_code::UNAVAILABLE;
use crate::imap::{
    mailbox_of, reported, try_creating, Access, Choice, ChoiceArgs, Doings, ImapArgs, Service,
};

/// Move messages to another mailbox.
///
/// A row holds the UID that a message had and the one that it has then; `-` where the server does not
/// tell it. A server without MOVE is asked to copy the messages and to remove them, and one that
/// cannot remove them without others (UIDPLUS) is asked for nothing.
#[derive(clap::Args)]
#[command(override_usage = "proto imap-move [OPTIONS] <URL> [UIDS] <MAILBOX>")]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX; ;UID=7 and a search in it name messages
    url: String,
    /// These messages: 1,3,5-9 or 7:*; left out where the URL or --search names them
    uids: Option<String>,
    /// The name of the mailbox that they go to
    mailbox: Option<String>,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Leave them where they are, too
    #[arg(long)]
    copy: bool,
    /// Make the mailbox if it is missing
    #[arg(long)]
    create: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Moves the messages.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    mailbox_of(&target)?;
    let (uids, destination) = args.places(&target)?;
    let choice = Choice::new(uids.as_ref(), &args.choice.search, &target)?.needed()?;
    reported("imap-move", &target, args.json, &args.common, |doings| {
        transfer(args, &target, &choice, &destination, doings)
    })
}

impl Args {
    /// What stands behind the URL: a mailbox, or UIDs and a mailbox. A number alone may be either,
    /// and --search may have taken the mailbox as its last word: nothing is guessed.
    fn places(&self, target: &Target) -> Result<(Option<UidSet>, Mailbox)> {
        let has_search = !self.choice.search.is_empty();
        let is_sure = !has_search && (target.uids.is_some() || target.search.is_some());
        match (self.uids.as_deref(), self.mailbox.as_deref()) {
            (Some(uids), Some(name)) => Ok((Some(UidSet::parse(uids)?), Mailbox::new(name)?)),
            (Some(name), None) if is_sure || UidSet::parse(name).is_err() => {
                Ok((None, Mailbox::new(name)?))
            }
            (uids, _) => {
                let hint = match (has_search, uids) {
                    (false, _) => "it stands behind the URL, and behind the UIDs".to_owned(),
                    (true, None) => "--search takes every word up to the next option: MAILBOX \
                                     stands before it, or behind --"
                        .to_owned(),
                    (true, Some(uids)) => format!(
                        "--search takes every word up to the next option: {uids} MAILBOX stand \
                         before it (1:* {uids} if {uids} is the mailbox)"
                    ),
                };
                Err(Error::illegal(format!("to which mailbox? {hint}")))
            }
        }
    }
}

/// Messages in one step.
const WINDOW: u32 = 1_000;

fn transfer(
    args: &Args,
    target: &Target,
    choice: &Choice,
    destination: &Mailbox,
    doings: &mut Doings<'_>,
) -> Result<()> {
    let service = Service::new(target, &args.imap, &args.common)?;
    let mut session = service.open_patiently(doings.record, &args.common)?;
    let access = if args.copy {
        Access::Look
    } else {
        Access::Change
    };
    service.enter(&mut session, access)?;
    let found = choice.find(&mut session)?;
    for window in found.windows(WINDOW) {
        let copied = try_creating(&mut session, destination, args.create, |session| {
            step(args, session, &window, destination)
        })?;
        service.tell(&mut session);
        // A server that makes up more of them gets no more of our memory.
        let count = usize::try_from(window.len()).unwrap_or(usize::MAX);
        let places: Option<HashMap<u32, u32>> = copied
            .as_ref()
            .map(|copied| copied.pairs().take(count).collect());
        let validity = copied.map(|copied| copied.validity);
        for uid in window.iter() {
            tell(args, uid, places.as_ref(), validity, doings)?;
        }
        doings.rows.write()?;
    }
    session.log_out();
    Ok(())
}

fn step(
    args: &Args,
    session: &mut Session,
    uids: &UidSet,
    destination: &Mailbox,
) -> Result<Option<proto_imap::Copied>> {
    match () {
        () if args.copy => session.copy(uids, destination),
        () if session.capabilities().offers("MOVE") => session.move_to(uids, destination),
        () => session.copy_and_remove(uids, destination),
    }
}

fn tell(
    args: &Args,
    uid: u32,
    places: Option<&HashMap<u32, u32>>,
    validity: Option<u32>,
    doings: &mut Doings<'_>,
) -> Result<()> {
    let new = places.and_then(|places| places.get(&uid)).copied();
    let word = match (places, new) {
        // What the server does not name was gone before.
        (Some(_), None) => {
            doings.codes.push(UNAVAILABLE);
            "gone"
        }
        _ if args.copy => "copied",
        _ => "moved",
    };
    doings.rows.hold(
        || {
            let new = new.map_or("-".to_owned(), |new| new.to_string());
            format!("{word:6}  {uid:7}  {new:>7}")
        },
        || {
            json!({
                "result": word,
                "uid": uid,
                "new_uid": new,
                "new_uid_validity": validity,
            })
        },
    )
}
