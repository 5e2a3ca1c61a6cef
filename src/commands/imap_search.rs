//! `proto imap-search URL TERM...`: which messages are like this.

use std::collections::{HashMap, VecDeque};

use clap::ValueEnum;
use proto_imap::{Attributes, Fetch, Fetched, Item, Key, SectionItem, Session, Target, UidSet};
use proto_transport::escape::escaped;
use proto_transport::Result;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::pop3_list::{add_summary, shown};
use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::imap::{flag_names, mailbox_of, reported, Access, Choice, Doings, ImapArgs, Service};
use crate::imap_terms::TERMS_HELP;
use crate::mail::Summary;
use crate::rows::Rows;

/// Find messages of a mailbox.
///
/// A row holds a UID, which other commands take.
#[derive(clap::Args)]
#[command(after_help = TERMS_HELP)]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX; ;UID= and a search in it narrow down
    url: String,
    /// What messages must be like: see below
    #[arg(value_name = "TERM")]
    terms: Vec<String>,
    /// What they must be like in the words of RFC 9051, such as 'OR SEEN FROM "alice"'
    #[arg(long, value_name = "SEARCH")]
    raw: Option<String>,
    /// Tell size, flags, date, sender and subject too
    #[arg(long)]
    headers: bool,
    /// Tell only how many there are
    #[arg(long, conflicts_with_all = ["headers", "sort"])]
    count: bool,
    /// In this order, where the server offers SORT
    #[arg(long, value_name = "KEY")]
    sort: Option<SortKey>,
    /// The other way round
    #[arg(long, requires = "sort")]
    reverse: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What an order goes by (RFC 5256 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortKey {
    /// When it came
    Arrival,
    /// The first address in Cc
    Cc,
    /// When it was sent
    Date,
    /// The first address in From
    From,
    /// Its octets
    Size,
    /// Its subject, without Re: and the like
    Subject,
    /// The first address in To
    To,
}

/// Searches the mailbox.
pub fn run(args: &Args) -> Result<u8> {
    let mut target = Target::parse(&args.url)?;
    mailbox_of(&target)?;
    if let Some(raw) = &args.raw {
        // Each makes sense by itself.
        Key::raw(raw)?;
        target.search = Some(match target.search.take() {
            Some(search) => format!("{search} {raw}"),
            None => raw.clone(),
        });
    }
    let choice = Choice::new(None, &args.terms, &target)?;
    reported("imap-search", &target, args.json, &args.common, |doings| {
        let service = Service::new(&target, &args.imap, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            let result = search(args, &service, &choice, doings);
            this.is_last = !doings.rows.is_empty();
            result
        })
    })
}

fn search(args: &Args, service: &Service, choice: &Choice, doings: &mut Doings<'_>) -> Result<()> {
    let mut session = service.open(doings.record)?;
    service.enter(&mut session, Access::Look)?;
    let order = match args.sort {
        Some(key) => Some(choice.find_in_order(&mut session, &words(key, args.reverse))?),
        None => None,
    };
    let rows = &mut doings.rows;
    match order {
        Some(order) if args.headers => {
            let windows = order.chunks(WINDOW as usize).map(<[u32]>::to_vec);
            tell_headers(&mut session, windows, rows)?;
        }
        Some(order) => tell_uids(order, rows)?,
        None => {
            let found = choice.find(&mut session)?;
            match () {
                () if args.count => {
                    let count = found.len();
                    rows.add(|| count.to_string(), || json!({ "count": count }))?;
                }
                () if args.headers => {
                    let windows = found.windows(WINDOW).map(|window| window.iter().collect());
                    tell_headers(&mut session, windows, rows)?;
                }
                () => tell_uids(found.iter(), rows)?,
            }
        }
    }
    service.tell(&mut session);
    session.log_out();
    Ok(())
}

fn words(key: SortKey, is_reversed: bool) -> Vec<&'static str> {
    let key = match key {
        SortKey::Arrival => "ARRIVAL",
        SortKey::Cc => "CC",
        SortKey::Date => "DATE",
        SortKey::From => "FROM",
        SortKey::Size => "SIZE",
        SortKey::Subject => "SUBJECT",
        SortKey::To => "TO",
    };
    match is_reversed {
        true => vec!["REVERSE", key],
        false => vec![key],
    }
}

/// Rows that are written together.
const TOGETHER: usize = 1_000;

fn tell_uids(uids: impl IntoIterator<Item = u32>, rows: &mut Rows) -> Result<()> {
    for (index, uid) in uids.into_iter().enumerate() {
        rows.hold(|| uid.to_string(), || json!({ "uid": uid }))?;
        if index % TOGETHER == TOGETHER - 1 {
            rows.write()?;
        }
    }
    rows.write()
}

/// Messages in one question.
const WINDOW: u32 = 200;

/// How much of a header is looked at.
const HEADER: usize = 64 * 1024;

/// What a row shows.
const FIELDS: &str = "HEADER.FIELDS (FROM DATE SUBJECT MESSAGE-ID)";

/// What came of a message.
#[derive(Default)]
struct Found {
    attributes: Attributes,
    summary: Summary,
}

/// Tells of messages in their order, as the answers come in.
fn tell_headers(
    session: &mut Session,
    windows: impl Iterator<Item = Vec<u32>>,
    rows: &mut Rows,
) -> Result<()> {
    let mut found: HashMap<u32, Found> = HashMap::new();
    // Questions that are not told of yet, in order, and whether they are answered.
    let asked: std::cell::RefCell<VecDeque<(Vec<u32>, UidSet, bool)>> = Default::default();
    let mut late = Vec::new();
    let items = vec![
        Item::Flags,
        Item::Size,
        Item::InternalDate,
        Item::Section(SectionItem::new(FIELDS)?),
    ];
    let questions = windows.map(|window| {
        let uids: UidSet = window.iter().copied().collect();
        let mut asked = asked.borrow_mut();
        asked.push_back((window, uids.clone(), false));
        Fetch::new(uids, items.clone())
    });
    session.fetch(questions, &mut |fetched| {
        match fetched {
            Fetched::Section { uid, content, .. } => {
                let mut header = Vec::new();
                while let Some(part) = content.next_part()? {
                    let room = HEADER.saturating_sub(header.len());
                    header.extend_from_slice(part.get(..room).unwrap_or(part));
                }
                found.entry(uid).or_default().summary = Summary::of(&header);
            }
            Fetched::Message {
                uid, attributes, ..
            } => found.entry(uid).or_default().attributes = attributes.clone(),
            Fetched::Window { fetch, result, .. } => {
                result?;
                let mut asked = asked.borrow_mut();
                let mut open = asked.iter_mut();
                if let Some((_, _, is_answered)) = open.find(|(_, uids, _)| *uids == fetch.uids) {
                    *is_answered = true;
                }
                while asked
                    .front()
                    .is_some_and(|(_, _, is_answered)| *is_answered)
                {
                    for uid in asked.pop_front().map(|(uids, ..)| uids).unwrap_or_default() {
                        match found.remove(&uid) {
                            Some(message) => tell(uid, &message, rows)?,
                            // Asked for again at the end, or gone.
                            None => late.push(uid),
                        }
                    }
                    rows.write()?;
                }
            }
        }
        Ok(())
    })?;
    for uid in late {
        if let Some(message) = found.remove(&uid) {
            tell(uid, &message, rows)?;
        }
    }
    rows.write()
}

fn tell(uid: u32, found: &Found, rows: &mut Rows) -> Result<()> {
    let Found {
        attributes,
        summary,
    } = found;
    let flags = flag_names(attributes.flags.as_deref().unwrap_or_default());
    rows.hold(
        || {
            let size = attributes.size;
            let size = size.map_or("-".to_owned(), |size| size.to_string());
            let flags = escaped(flags.join(" ").as_bytes());
            format!("{uid:7}  {size:>9}  ({flags})  {}", shown(summary))
        },
        || {
            let date = attributes.internal_date;
            let mut item = json!({
                "uid": uid,
                "size": attributes.size,
                "flags": flags,
                "received": date.and_then(|date| date.format(&Rfc3339).ok()),
            });
            add_summary(&mut item, summary);
            item
        },
    )
}
