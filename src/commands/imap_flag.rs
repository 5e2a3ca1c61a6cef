//! `proto imap-flag URL`: what messages are marked as.

use std::collections::BTreeMap;

use proto_imap::{
    Attributes, Change, Fetch, Fetched, Flag, Item, Selected, Session, StoreOptions, Target, UidSet,
};
use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::exit_code::{TEMPORARY, UNAVAILABLE};
use crate::imap::{
    flag_names, mailbox_of, reported, Access, Choice, ChoiceArgs, Doings, ImapArgs, Service,
};

/// Change the flags of messages.
///
/// A row holds the UID of a message and the flags that it has then. Flags are \Seen, \Answered, \Flagged, \Deleted and \Draft, and words
/// such as $Junk.
#[derive(clap::Args)]
#[command(
    override_usage = "proto imap-flag [OPTIONS] <URL> [UIDS] <--add <FLAG>|--remove <FLAG>|--set <FLAG>>"
)]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX; ;UID=7 and a search in it name messages
    url: String,
    /// These messages: 1,3,5-9 or 7:*
    #[arg(value_parser = UidSet::parse)]
    uids: Option<UidSet>,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    change: ChangeArgs,
    /// Only messages that nobody changed after this point (CONDSTORE)
    #[arg(long, value_name = "MODSEQ")]
    unchanged_since: Option<u64>,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What is done to flags.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
struct ChangeArgs {
    /// Add this flag (repeatable)
    #[arg(long, value_name = "FLAG", value_parser = Flag::new)]
    add: Vec<Flag>,
    /// Take this flag away (repeatable)
    #[arg(long, value_name = "FLAG", value_parser = Flag::new)]
    remove: Vec<Flag>,
    /// This flag and no other (repeatable); '' takes all away
    #[arg(long, value_name = "FLAG", conflicts_with_all = ["add", "remove"])]
    set: Vec<String>,
}

impl ChangeArgs {
    /// The changes, one after the other.
    fn changes(&self) -> Result<Vec<(Change, Vec<Flag>)>> {
        let set = self.set.iter().filter(|name| !name.is_empty());
        let set = set
            .map(|name| Flag::new(name))
            .collect::<Result<Vec<_>>>()?;
        if let Some(flag) = self.add.iter().find(|flag| self.remove.contains(flag)) {
            let flag = flag.as_str();
            return Err(Error::illegal(format!(
                "{flag} cannot be added and removed"
            )));
        }
        let mut changes = vec![
            (Change::Add, self.add.clone()),
            (Change::Remove, self.remove.clone()),
        ];
        changes.retain(|(_, flags)| !flags.is_empty());
        if !self.set.is_empty() {
            changes.push((Change::Replace, set));
        }
        Ok(changes)
    }
}

/// Changes the flags.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    mailbox_of(&target)?;
    let choice = Choice::new(args.uids.as_ref(), &args.choice.search, &target)?.needed()?;
    let changes = args.change.changes()?;
    if changes.len() > 1 && args.unchanged_since.is_some() {
        return Err(Error::illegal(
            "--unchanged-since takes --add or --remove: the first would change what the second \
             looks at",
        ));
    }
    reported("imap-flag", &target, args.json, &args.common, |doings| {
        change(args, &target, &choice, &changes, doings)
    })
}

fn change(
    args: &Args,
    target: &Target,
    choice: &Choice,
    changes: &[(Change, Vec<Flag>)],
    doings: &mut Doings<'_>,
) -> Result<()> {
    let service = Service::new(target, &args.imap, &args.common)?;
    let mut session = service.open_patiently(doings.record, &args.common)?;
    let selected = service.enter(&mut session, Access::Change)?;
    check(&session, &selected, changes)?;
    let found = choice.find(&mut session)?;
    let options = StoreOptions {
        unchanged_since: args.unchanged_since,
        ..StoreOptions::default()
    };
    for window in found.windows(WINDOW) {
        let (mut left, mut told) = (UidSet::default(), BTreeMap::new());
        for (change, flags) in changes {
            let uids = window.without(&left);
            if uids.is_empty() {
                continue;
            }
            left = session.store(&uids, *change, flags, &options, &mut |attributes| {
                note(&mut told, attributes);
            })?;
        }
        // Servers need not tell of flags that were like that before.
        look(&mut session, &window, &mut told)?;
        for uid in window.iter() {
            tell(uid, &told, &left, changes, doings)?;
        }
        doings.rows.write()?;
    }
    service.tell(&mut session);
    session.log_out();
    Ok(())
}

/// Messages in one step.
const WINDOW: u32 = 1_000;

/// What is known of messages.
type Known = BTreeMap<u32, (Vec<Flag>, Option<u64>)>;

fn note(told: &mut Known, attributes: &Attributes) {
    if let (Some(uid), Some(flags)) = (attributes.uid, &attributes.flags) {
        told.insert(uid, (flags.clone(), attributes.modseq));
    }
}

/// Asks for the flags of those that nothing was told of.
fn look(session: &mut Session, uids: &UidSet, told: &mut Known) -> Result<()> {
    let left = uids.without(&told.keys().copied().collect());
    let question = Fetch::new(left, vec![Item::Flags]);
    session.fetch([question], &mut |fetched| {
        match fetched {
            Fetched::Message { attributes, .. } => note(told, attributes),
            Fetched::Window { result, .. } => result?,
            Fetched::Section { .. } => {}
        }
        Ok(())
    })
}

/// Flags that the mailbox does not keep are refused before anything is changed (RFC 9051 section
/// 7.1, PERMANENTFLAGS); a server would forget them, and say yes.
fn check(session: &Session, selected: &Selected, changes: &[(Change, Vec<Flag>)]) -> Result<()> {
    let kept = &selected.permanent_flags;
    let set = changes
        .iter()
        .filter(|(change, _)| *change != Change::Remove);
    let mut flags = set.flat_map(|(_, flags)| flags);
    let is_lost = |flag: &&Flag| {
        let is_keyword = !flag.as_str().starts_with('\\');
        let may_be_new = is_keyword && selected.may_invent_flags;
        !may_be_new && !kept.contains(flag)
    };
    // One that says nothing keeps all of them.
    match flags.find(is_lost) {
        Some(flag) if !kept.is_empty() || selected.may_invent_flags => Err(Error::Refused {
            peer: session.connection().peer().to_owned(),
            doing: "changing flags".to_owned(),
            reply: format!(
                "the mailbox does not keep the flag {}; it keeps {}",
                flag.as_str(),
                names(kept)
            ),
            refusal: Refusal::Lasting,
        }),
        _ => Ok(()),
    }
}

fn names(flags: &[Flag]) -> String {
    escaped(flag_names(flags).join(" ").as_bytes())
}

fn tell(
    uid: u32,
    told: &Known,
    left: &UidSet,
    changes: &[(Change, Vec<Flag>)],
    doings: &mut Doings<'_>,
) -> Result<()> {
    let known = told.get(&uid);
    let word = match known {
        _ if left.contains(uid) => {
            doings.codes.push(TEMPORARY);
            "changed-before"
        }
        None => {
            doings.codes.push(UNAVAILABLE);
            "gone"
        }
        Some((flags, _)) if !is_done(flags, changes) => {
            doings.codes.push(UNAVAILABLE);
            "not-kept"
        }
        Some(_) => "changed",
    };
    let flags = known.map(|(flags, _)| flags.as_slice());
    doings.rows.hold(
        || format!("{word:14}  {uid:7}  ({})", names(flags.unwrap_or_default())),
        || {
            json!({
                "result": word,
                "uid": uid,
                "flags": flags.map(flag_names),
                "modseq": known.and_then(|(_, modseq)| *modseq),
            })
        },
    )
}

/// Whether the flags are as they were to be.
fn is_done(flags: &[Flag], changes: &[(Change, Vec<Flag>)]) -> bool {
    changes.iter().all(|(change, wanted)| match change {
        Change::Add => wanted.iter().all(|flag| flags.contains(flag)),
        Change::Remove => !wanted.iter().any(|flag| flags.contains(flag)),
        Change::Replace => {
            let is_wanted = |name: &str| wanted.iter().any(|flag| *flag == *name);
            wanted.iter().all(|flag| flags.contains(flag))
                && flag_names(flags).into_iter().all(is_wanted)
        }
    })
}
