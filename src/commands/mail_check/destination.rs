//! Where the message is to arrive: a mailbox or a maildrop that is watched.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proto_imap::{Change, Fetch, Fetched, Flag, Item, Key, Search, SectionItem, StoreOptions};
use proto_imap::{Event, UidSet};
use proto_pop3::Request;
use proto_transport::{Endpoint, Result, Security};

use super::Args;
use crate::imap::{mailbox_of, Access, ImapArgs};
use crate::login::UpgradeArgs;
use crate::mail::Summary;
use crate::pop3::listed;
use crate::report::Record;

/// The way to where the message is to arrive.
pub enum Destination {
    /// A mailbox.
    Imap(Box<crate::imap::Service>),
    /// A maildrop.
    Pop3(Box<crate::pop3::Service>),
}

/// A place that is watched.
pub enum Watch<'d> {
    /// A mailbox that is open all the time; where it is not, the connection was lost.
    Imap(&'d crate::imap::Service, Option<Box<proto_imap::Session>>),
    /// A maildrop, which is opened anew for each look. These were in it before.
    Pop3(&'d crate::pop3::Service, HashSet<String>),
}

/// A message that has come.
pub struct Arrived {
    /// When it was seen.
    pub seen: Instant,
    /// When all of it was here.
    pub fetched: Instant,
    /// The message, or the beginning of one that is much larger than it was.
    pub content: Vec<u8>,
    /// Whether it is still there, because it could not be removed.
    pub left: Option<String>,
}

/// How much of a message is looked at. Ours is small.
const MOST: usize = 1024 * 1024;

/// So many messages that a server has found are looked at.
const CANDIDATES: usize = 20;

/// How much of a header is looked at for the name of the message.
const HEADER: usize = 64 * 1024;

/// The upgrade that is asked for, where there is one to be made: not by TLS from the first byte.
pub fn upgrade(args: &Args, endpoint: &Endpoint) -> UpgradeArgs {
    match endpoint.security {
        Security::Tls => UpgradeArgs::default(),
        _ => args.upgrade.clone(),
    }
}

impl Destination {
    /// Reads the URL that the options name, and connects to nobody yet.
    pub fn new(args: &Args) -> Result<Destination> {
        if let Some(url) = &args.imap {
            let target = proto_imap::Target::parse(url)?;
            mailbox_of(&target)?;
            let imap = ImapArgs {
                upgrade: upgrade(args, &target.endpoint),
                compress: false,
            };
            let service = crate::imap::Service::new(&target, &imap, &args.common)?;
            return Ok(Destination::Imap(Box::new(service)));
        }
        let target = proto_pop3::Target::parse(args.pop3.as_deref().unwrap_or_default())?;
        let upgrade = upgrade(args, &target.endpoint);
        let service = crate::pop3::Service::new(&target, &upgrade, &args.common)?;
        Ok(Destination::Pop3(Box::new(service)))
    }

    /// Opens it, before the message is sent.
    pub fn open(&self, record: &mut Record, keeps: bool) -> Result<Watch<'_>> {
        match self {
            Destination::Imap(service) => {
                let session = enter(service, record, keeps)?;
                Ok(Watch::Imap(service, Some(session)))
            }
            Destination::Pop3(service) => {
                let mut session = service.open(record)?;
                let before = listed(&mut session)?.into_iter().map(|listed| listed.uid);
                let before = before.collect();
                session.quit()?;
                Ok(Watch::Pop3(service, before))
            }
        }
    }
}

impl Watch<'_> {
    /// Waits until a message comes whose subject holds `token`, fetches it and removes it. `None` if
    /// none comes in time. What fails for now, such as a maildrop that somebody else has open, does
    /// so until the end before it is an error.
    pub fn wait(&mut self, args: &Args, token: &str, end: Instant) -> Result<Option<Arrived>> {
        loop {
            let is_last = Instant::now() >= end;
            let failed = match self.look(args, token) {
                Ok(None) if !is_last => self.rest(args, end).err(),
                Err(error) if !is_last => Some(error),
                result => return result,
            };
            match failed {
                Some(error) if !error.is_transient() => return Err(error),
                Some(_) => {
                    self.give_up();
                    pause(args.poll, end);
                }
                None => {}
            }
        }
    }

    fn look(&mut self, args: &Args, token: &str) -> Result<Option<Arrived>> {
        match self {
            Watch::Imap(service, session) => {
                let session = match session {
                    Some(session) => session,
                    None => session.insert(enter(service, &mut aside(), args.keep)?),
                };
                look_in_mailbox(session, token, args.keep)
            }
            Watch::Pop3(service, before) => look_in_maildrop(service, before, token, args.keep),
        }
    }

    /// Waits until it may be worth another look.
    fn rest(&mut self, args: &Args, end: Instant) -> Result<()> {
        match self {
            Watch::Imap(service, Some(session)) => {
                let left = end.saturating_duration_since(Instant::now());
                let is_idle = service.idle(session, left, &mut |event| {
                    Ok(!matches!(event, Some(Event::Exists(_))) && Instant::now() < end)
                })?;
                if !is_idle {
                    pause(args.poll, end);
                    session.noop(&mut |_| {})?;
                }
                Ok(())
            }
            _ => {
                pause(args.poll, end);
                Ok(())
            }
        }
    }

    /// Whatever was open is of no use any more.
    fn give_up(&mut self) {
        if let Watch::Imap(_, session) = self {
            *session = None;
        }
    }

    /// Takes leave.
    pub fn leave(self) {
        if let Watch::Imap(_, Some(session)) = self {
            session.log_out();
        }
    }
}

/// What each look was like is nobody's business.
fn aside() -> Record {
    Record::new("mail-check", "")
}

fn pause(time: Duration, end: Instant) {
    let left = end.saturating_duration_since(Instant::now());
    std::thread::sleep(time.min(left));
}

// --- a mailbox ---

fn enter(
    service: &crate::imap::Service,
    record: &mut Record,
    keeps: bool,
) -> Result<Box<proto_imap::Session>> {
    let mut session = service.open(record)?;
    let access = if keeps { Access::Look } else { Access::Change };
    service.enter(&mut session, access)?;
    Ok(Box::new(session))
}

/// Looks for our message. What the server finds may be another's: some look for words that are
/// only similar.
fn look_in_mailbox(
    session: &mut proto_imap::Session,
    token: &str,
    keeps: bool,
) -> Result<Option<Arrived>> {
    let found = session.search(&Search::all().and(Key::Subject(token.to_owned())))?;
    let newest = found.ranges().iter().rev();
    let newest = newest.flat_map(|(first, last)| (*first..=*last).rev());
    for uid in newest.take(CANDIDATES) {
        let seen = Instant::now();
        let uids: UidSet = std::iter::once(uid).collect();
        let content = fetch_message(session, uid)?;
        if !is_ours(&content, token) {
            continue;
        }
        let fetched = Instant::now();
        let left = match keeps {
            true => None,
            false => remove(session, &uids).err().map(|error| error.to_string()),
        };
        return Ok(Some(Arrived {
            seen,
            fetched,
            content,
            left,
        }));
    }
    Ok(None)
}

/// Whether a message is the one that we have sent.
fn is_ours(message: &[u8], token: &str) -> bool {
    Summary::of(message).subject.contains(token)
}

fn fetch_message(session: &mut proto_imap::Session, wanted: u32) -> Result<Vec<u8>> {
    let items = vec![Item::Section(SectionItem::new("")?)];
    let uids: UidSet = std::iter::once(wanted).collect();
    let mut content = Vec::new();
    session.fetch([Fetch::new(uids, items)], &mut |fetched| {
        match fetched {
            Fetched::Section {
                uid, content: body, ..
            } if uid == wanted => {
                content.clear();
                while let Some(part) = body.next_part()? {
                    add(&mut content, part, MOST);
                }
            }
            Fetched::Window { result, .. } => result?,
            Fetched::Section { .. } | Fetched::Message { .. } => {}
        }
        Ok(())
    })?;
    Ok(content)
}

/// Removes a message, and none that others have marked.
fn remove(session: &mut proto_imap::Session, uids: &UidSet) -> Result<()> {
    let deleted = [Flag::new("\\Deleted")?];
    let silent = StoreOptions {
        is_silent: true,
        ..StoreOptions::default()
    };
    session.store(uids, Change::Add, &deleted, &silent, &mut |_| {})?;
    session.expunge(uids)
}

// --- a maildrop ---

fn look_in_maildrop(
    service: &crate::pop3::Service,
    before: &mut HashSet<String>,
    token: &str,
    keeps: bool,
) -> Result<Option<Arrived>> {
    let mut session = service.open(&mut aside())?;
    let mut found = None;
    for message in listed(&mut session)? {
        if before.contains(&message.uid) {
            continue;
        }
        let has_top = session.capabilities().offers("TOP");
        let request = match has_top {
            true => Request::Top(message.number, 0),
            false => Request::Retr(message.number),
        };
        let header = fetch(&mut session, request, HEADER)?;
        if is_ours(&header, token) {
            found = Some(message.number);
            break;
        }
        before.insert(message.uid);
    }
    let Some(number) = found else {
        session.quit()?;
        return Ok(None);
    };
    let seen = Instant::now();
    let content = fetch(&mut session, Request::Retr(number), MOST)?;
    let fetched = Instant::now();
    let mut left = None;
    if !keeps && !is_ours(&content, token) {
        left = Some("the server gives another message than it has listed".to_owned());
    } else if !keeps {
        session.delete([number], &mut |_, result| {
            left = result.err().map(|error| error.to_string());
        })?;
    }
    let goodbye = session.quit();
    let left = left.or_else(|| goodbye.err().map(|error| error.to_string()));
    Ok(Some(Arrived {
        seen,
        fetched,
        content,
        left: left.filter(|_| !keeps),
    }))
}

fn fetch(session: &mut proto_pop3::Session, request: Request, most: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    session.fetch([request], &mut |_, body| {
        let body = body?;
        while let Some(part) = body.next_part()? {
            add(&mut content, part, most);
        }
        Ok(())
    })?;
    Ok(content)
}

fn add(content: &mut Vec<u8>, part: &[u8], most: usize) {
    let room = most.saturating_sub(content.len());
    content.extend_from_slice(part.get(..room).unwrap_or(part));
}
