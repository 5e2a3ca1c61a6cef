//! `proto pop3-fetch URL [NUMBERS]`: messages from a maildrop into a store that never loses one.
//!
//! ```text
//! RETR → message → store → sync (many at once) → state → row → DELE → QUIT
//! ```
//!
//! Nothing is deleted before it is stored, and nothing counts as stored before it is durable.
//!
//! A message without a unique-id is known by its header, and another may have the same. So where
//! two have it, or where one is to be deleted, it is fetched and looked at whole: what was stored
//! before is not stored again, and what was not is.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use proto_pop3::{Numbers, Request, Session, Target};
use proto_transport::{without_password, Body, Dotted, Error, Refusal, Result};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::{reported, Intake, IntakeArgs, Message, Scope};
use crate::login::UpgradeArgs;
use crate::pop3::{chosen, is_unique, listed, listed_name, whole_name, Listed, Service};
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::store::{About, State};

/// Fetch mail from a maildrop.
#[derive(clap::Args)]
pub struct Args {
    /// The maildrop: pop3://user@host/, pop3s:// or host[:port]; /1,3,5-9 names messages
    url: String,
    /// Only these messages: 1,3,5-9
    #[arg(value_parser = Numbers::parse)]
    numbers: Option<Numbers>,
    /// Also messages that were stored before
    #[arg(long)]
    all: bool,
    /// Headers alone
    #[arg(long, conflicts_with_all = ["delete", "delete_after"])]
    headers_only: bool,
    /// So many messages at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Leave the messages on the server (the default)
    #[arg(long, conflicts_with_all = ["delete", "delete_after"])]
    keep: bool,
    /// Delete on the server what is stored
    #[arg(long)]
    delete: bool,
    /// Delete on the server what was stored so many days ago
    #[arg(long, value_name = "DAYS", conflicts_with = "delete")]
    delete_after: Option<u32>,
    #[command(flatten)]
    intake: IntakeArgs,
    #[command(flatten)]
    upgrade: UpgradeArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Fetches what is new, or what is asked for.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    if args.intake.store.is_stdout() && (args.delete || args.delete_after.is_some()) {
        return Err(Error::illegal(
            "what went to stdout may be lost, so nothing is deleted; see --maildir, --mbox and --eml-dir",
        ));
    }
    let url = without_password(target.url());
    reported("pop3-fetch", url, &args.common, |record, codes| {
        fetch(args, &target, record, codes)
    })
}

fn fetch(args: &Args, target: &Target, record: &mut Record, codes: &mut Vec<u8>) -> Result<()> {
    let service = Service::new(target, &args.upgrade, &args.common)?;
    let numbers = args.numbers.as_ref().or(target.numbers.as_ref());
    let scope = Scope {
        protocol: "pop3",
        account: &service.account(),
        remembers: !args.headers_only,
        is_one: numbers.is_some_and(Numbers::is_one),
        limit: args.limit.unwrap_or(usize::MAX),
    };
    let mut fetching = Fetching {
        args,
        is_asked_for: args.all || numbers.is_some(),
        intake: Intake::open(&args.intake, &args.common, &scope)?,
        progress: &Progress::new(args.common.looking.quiet, 1),
        asked_for: None,
        tried: HashSet::new(),
        looked_at: LookedAt::default(),
    };
    let result = retrying(&args.common, crate::note, |_| {
        fetching.run(&service, target, record)
    });
    fetching.intake.conclude(record, codes);
    result
}

struct Fetching<'a> {
    args: &'a Args,
    /// What was stored before is to be stored again.
    is_asked_for: bool,
    intake: Intake<Listed>,
    progress: &'a Progress,
    /// The names of what was asked for by number in the first session: in the next, other messages
    /// may have the numbers.
    asked_for: Option<HashSet<String>>,
    /// The numbers of what was tried in this session.
    tried: HashSet<u32>,
    looked_at: LookedAt,
}

/// Messages without a unique-id that came whole in this session.
#[derive(Default)]
struct LookedAt {
    /// Their names, by number.
    names: HashMap<u32, String>,
    /// How many had the same bytes.
    copies: HashMap<String, usize>,
}

impl LookedAt {
    /// Names a message by its bytes.
    fn name(&mut self, listed: &Listed, content: &[u8]) -> String {
        let first = whole_name(&listed.uid, content, 1);
        let copies = self.copies.entry(first).or_default();
        *copies += 1;
        whole_name(&listed.uid, content, *copies)
    }
}

/// Why a message is fetched.
#[derive(PartialEq, Eq)]
enum Need {
    /// It is not.
    None,
    /// It is new, or asked for.
    Store,
    /// Only all of it tells whether it is new.
    Look,
}

impl Fetching<'_> {
    fn run(&mut self, service: &Service, target: &Target, record: &mut Record) -> Result<()> {
        let mut session = service.open(record)?;
        self.looked_at = LookedAt::default();
        self.tried.clear();
        let all = listed(&mut session)?;
        self.check_names(&all, target)?;
        self.forget_the_gone(&all);
        let chosen = self.chosen(all, target)?;
        record.stage = Stage::Transfer;
        let result = self.transfer_all(&mut session, &chosen);
        // What came whole is kept, however the conversation ended.
        let kept = self.intake.sync();
        result.and(kept)?;
        let deleted = self.delete(&mut session, &chosen)?;
        session.quit()?;
        self.forget(deleted)
    }

    /// A server that gave unique-ids once and gives none now would have all its mail fetched again.
    fn check_names(&self, all: &[Listed], target: &Target) -> Result<()> {
        let gives_none = !all.is_empty() && all.iter().all(|listed| !listed.is_unique);
        let gave_some = || {
            let state = self.intake.state.as_ref();
            state.is_some_and(|state| state.uids().any(is_unique))
        };
        if !gives_none || !gave_some() {
            return Ok(());
        }
        Err(Error::Refused {
            peer: target.endpoint.to_string(),
            doing: "listing unique-ids".to_owned(),
            reply:
                "it gives none, as it did before: all messages would look new. Try again later; \
                    if it stays so, see --rebuild-state"
                    .to_owned(),
            refusal: Refusal::Transient,
        })
    }

    /// The state need not remember what the server has no more.
    fn forget_the_gone(&mut self, all: &[Listed]) {
        let Some(state) = &mut self.intake.state else {
            return;
        };
        let there: HashSet<String> = all.iter().map(Listed::name).collect();
        state.forget_the_gone(|name| there.contains(listed_name(name)));
    }

    /// What the server has deleted; it may give the unique-ids to others.
    fn forget(&mut self, deleted: Vec<String>) -> Result<()> {
        let Some(state) = &mut self.intake.state else {
            return Ok(());
        };
        for name in deleted {
            state.forget(&name);
        }
        state.sync()
    }

    /// Those that were asked for, in the first session and in all others.
    fn chosen(&mut self, mut all: Vec<Listed>, target: &Target) -> Result<Vec<Listed>> {
        if let Some(names) = &self.asked_for {
            all.retain(|listed| names.contains(&listed.name()));
            return Ok(all);
        }
        let numbers = self.args.numbers.as_ref().or(target.numbers.as_ref());
        let chosen = chosen(all, target, numbers)?;
        if numbers.is_some() {
            self.asked_for = Some(chosen.iter().map(Listed::name).collect());
        }
        Ok(chosen)
    }

    /// Fetches what is wanted, and others for those that could not be stored while there are some.
    fn transfer_all(&mut self, session: &mut Session, chosen: &[Listed]) -> Result<()> {
        loop {
            let wanted = self.wanted(chosen)?;
            if wanted.is_empty() {
                return Ok(());
            }
            self.transfer(session, &wanted)?;
        }
    }

    /// Those that are to be fetched; those that are too large have a row at once.
    fn wanted(&mut self, chosen: &[Listed]) -> Result<Vec<Listed>> {
        let limit = self.intake.room();
        let mut new = 0;
        let (mut wanted, mut large) = (Vec::new(), Vec::new());
        for (listed, need) in chosen.iter().zip(self.needs(chosen)) {
            let is_large = self.intake.is_too_large(listed.size);
            match need {
                Need::None => continue,
                Need::Store if new >= limit => continue,
                Need::Store => new += usize::from(!is_large),
                Need::Look => {}
            }
            self.tried.insert(listed.number);
            match is_large {
                true => large.push(listed),
                false => wanted.push(listed.clone()),
            }
        }
        for listed in large {
            self.intake.skip(listed, own_name(listed))?;
        }
        Ok(wanted)
    }

    /// What each message is fetched for.
    fn needs(&self, chosen: &[Listed]) -> Vec<Need> {
        let over: HashSet<&str> = self.intake.over().map(listed_name).collect();
        // Since when a message with this header is stored, at the longest.
        let mut stored: HashMap<&str, SystemTime> = HashMap::new();
        for (name, since) in self.intake.state.iter().flat_map(State::entries) {
            let first = stored.entry(listed_name(name)).or_insert(since);
            *first = since.min(*first);
        }
        let mut count: HashMap<&str, usize> = HashMap::new();
        for listed in chosen.iter().filter(|listed| !listed.is_unique) {
            *count.entry(&listed.uid).or_default() += 1;
        }
        let need = |listed: &Listed| {
            if self.tried.contains(&listed.number) {
                return Need::None;
            }
            let (uid, name) = (listed.uid.as_str(), listed.name());
            let is_over = over.contains(name.as_str());
            let since = stored.get(name.as_str());
            let is_known = is_over || since.is_some() && !self.is_asked_for;
            let has_twin = count.get(uid).is_some_and(|count| *count > 1);
            let is_due = since.is_some_and(|since| self.is_due(*since)) || is_over;
            let is_to_go = is_due && self.deletes();
            match (is_known, listed.is_unique) {
                (false, _) => Need::Store,
                (true, false) if has_twin || is_to_go => Need::Look,
                (true, _) => Need::None,
            }
        };
        chosen.iter().map(need).collect()
    }

    fn transfer(&mut self, session: &mut Session, wanted: &[Listed]) -> Result<()> {
        let headers_only = self.args.headers_only;
        let requests = wanted.iter().map(|listed| match headers_only {
            true => Request::Top(listed.number, 0),
            false => Request::Retr(listed.number),
        });
        // Sizes are what the server says, and it may say anything.
        let sizes = wanted.iter().map(|listed| listed.size);
        let total = sizes.fold(0, u64::saturating_add);
        let mut messages = wanted.iter();
        let mut line = self.progress.transfer("messages", Some(total));
        session.fetch(requests, &mut |_, body| {
            let Some(listed) = messages.next() else {
                return Ok(());
            };
            match body {
                Ok(body) => self.keep(listed, body, &mut |count| line.advance(count)),
                Err(error) => self.intake.refused(listed, own_name(listed), &error),
            }
        })
    }

    /// One message from the server to the store.
    fn keep(
        &mut self,
        listed: &Listed,
        body: &mut Body<'_, Dotted>,
        advance: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let about = About {
            uid: &listed.uid,
            flags: "",
            date: None,
        };
        let mut content = (!listed.is_unique).then(Sha256::new);
        let is_whole = self.intake.receive(&about, body, &mut |part| {
            advance(part.len() as u64);
            if let Some(content) = &mut content {
                content.update(part);
            }
        })?;
        if !is_whole {
            return self.intake.skip(listed, own_name(listed));
        }
        // What a server failed to read may come as a text of no length.
        if self.intake.has_nothing() && listed.size > 0 && !self.args.headers_only {
            self.intake.abandon();
            let error = came_empty(listed);
            return self.intake.refused(listed, own_name(listed), &error);
        }
        let Some(content) = content else {
            let taken = self.intake.end(listed.clone(), listed.name());
            return taken.map(drop);
        };
        let name = self.looked_at.name(listed, &content.finalize());
        self.looked_at.names.insert(listed.number, name.clone());
        if self.is_over(&name) || self.intake.room() == 0 {
            self.intake.abandon();
            return Ok(());
        }
        self.intake.end(listed.clone(), name).map(drop)
    }

    /// Whether a message that came is one that was stored before.
    fn is_over(&self, name: &str) -> bool {
        self.intake.is_over(name) || self.intake.is_stored(name) && !self.is_asked_for
    }

    /// Deletes what is stored for certain, and was to be deleted; gives the names of what is gone
    /// when the session has ended well.
    fn delete(&mut self, session: &mut Session, chosen: &[Listed]) -> Result<Vec<String>> {
        let Some(state) = &self.intake.state else {
            return Ok(Vec::new());
        };
        if !self.deletes() {
            return Ok(Vec::new());
        }
        let due = |listed: &'_ Listed| {
            let name = match listed.is_unique {
                true => listed.name(),
                false => self.looked_at.names.get(&listed.number)?.clone(),
            };
            let since = state.stored_at(&name)?;
            self.is_due(since).then(|| (listed.clone(), name))
        };
        let due: Vec<(Listed, String)> = chosen.iter().filter_map(due).collect();
        let numbers: Vec<u32> = due.iter().map(|(listed, _)| listed.number).collect();
        let (mut deleted, mut refused) = (Vec::new(), Vec::new());
        let mut messages = due.into_iter();
        session.delete(numbers, &mut |_, result| {
            if let Some((listed, name)) = messages.next() {
                match result {
                    Ok(_) => deleted.push(name),
                    Err(error) => refused.push((listed, error)),
                }
            }
        })?;
        for (listed, error) in refused {
            crate::tell(&error);
            self.intake.fail("not-deleted", &listed, None, &error)?;
        }
        Ok(deleted)
    }

    fn deletes(&self) -> bool {
        self.args.delete || self.args.delete_after.is_some()
    }

    /// Whether what is stored since then is to be deleted by now.
    fn is_due(&self, since: SystemTime) -> bool {
        let days = u64::from(self.args.delete_after.unwrap_or(0));
        let age = SystemTime::now().duration_since(since);
        days == 0 || age.is_ok_and(|age| age >= Duration::from_secs(86_400 * days))
    }
}

fn came_empty(listed: &Listed) -> Error {
    Error::Refused {
        peer: "the server".to_owned(),
        doing: format!("fetching the message {}", listed.number),
        reply: "it came empty, though its size is not 0".to_owned(),
        refusal: Refusal::Lasting,
    }
}

/// The name that no other message has.
fn own_name(listed: &Listed) -> Option<String> {
    listed.is_unique.then(|| listed.name())
}

impl Message for Listed {
    fn row(&self, result: &str, told: &str) -> String {
        let Listed {
            number, size, uid, ..
        } = self;
        format!("{result:10}  {number:5}  {size:9}  {uid}  {told}")
    }

    fn item(&self, result: &str) -> Value {
        json!({
            "result": result,
            "number": self.number,
            "uid": self.uid,
            "size": self.size,
        })
    }
}
