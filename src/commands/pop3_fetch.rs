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
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use proto_pop3::{Numbers, Request, Session, Target};
use proto_transport::{without_password, Body, Dotted, Error, Result};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::cli::CommonArgs;
use crate::commands::pop3_list::{add_summary, shown};
use crate::download::retrying;
use crate::exit_code::{exit_code, worst};
use crate::login::UpgradeArgs;
use crate::mail::Summary;
use crate::pop3::{chosen, listed, listed_name, whole_name, Listed, Service};
use crate::progress::Progress;
use crate::report::{Record, Report, Stage};
use crate::rows::Rows;
use crate::store::{self, About, State, Store, StoreArgs};

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
    store: StoreArgs,
    /// Remember in this file what was stored, instead of one that is named after the account
    #[arg(long, value_name = "FILE", help_heading = "Where mail goes")]
    state: Option<PathBuf>,
    /// Begin the state anew: what the store holds already is recognised by its content
    #[arg(long, help_heading = "Where mail goes")]
    rebuild_state: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    upgrade: UpgradeArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Fetches what is new, or what is asked for.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    if args.store.is_stdout() && (args.delete || args.delete_after.is_some()) {
        return Err(Error::illegal(
            "what went to stdout may be lost, so nothing is deleted; see --maildir, --mbox and --eml-dir",
        ));
    }
    let report = Report::create(args.common.report.as_deref())?;
    let mut record = Record::new("pop3-fetch", without_password(target.url()));
    let started = Instant::now();
    let mut codes = Vec::new();
    let result = fetch(args, &target, &mut record, &mut codes);
    record.time("total", started.elapsed());
    record.ended(&result);
    record.exit = worst(codes.into_iter().chain([record.exit]));
    record.ok = record.exit == 0;
    report.add(&record)?;
    result.map(|()| record.exit)
}

fn fetch(args: &Args, target: &Target, record: &mut Record, codes: &mut Vec<u8>) -> Result<()> {
    let service = Service::new(target, &args.upgrade, &args.common)?;
    let keeps = args.common.report.is_some();
    let state = match args.store.is_stdout() || args.headers_only {
        true => None,
        false => Some(open_state(args, &service.account())?),
    };
    let numbers = args.numbers.as_ref().or(target.numbers.as_ref());
    let is_one = numbers.is_some_and(Numbers::is_one);
    let store = store::open(&args.store, is_one, args.common.connection.timeout)?;
    let mut fetching = Fetching {
        args,
        is_asked_for: args.all || numbers.is_some(),
        store,
        state,
        rows: match args.store.is_stdout() {
            true => Rows::unseen(keeps),
            false => Rows::new(args.json, keeps),
        },
        progress: Progress::new(args.common.looking.quiet, 1),
        ended: Vec::new(),
        ended_bytes: 0,
        over: HashSet::new(),
        count: 0,
        looked_at: LookedAt::default(),
        stored_bytes: 0,
        codes,
    };
    let result = retrying(&args.common, crate::note, |_| {
        fetching.run(&service, target, record)
    });
    record
        .bytes
        .insert("stored".to_owned(), json!(fetching.stored_bytes));
    record.items = fetching.rows.into_items();
    result
}

fn open_state(args: &Args, account: &str) -> Result<State> {
    let path = match &args.state {
        Some(path) => path.clone(),
        None => State::default_path("pop3", account)?,
    };
    match args.rebuild_state {
        true => State::open_anew(&path, account),
        false => State::open(&path, account),
    }
}

/// Messages that are made durable together: so many, or so many bytes.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 64 << 20;

/// How much of a message is looked at for its row.
const HEADER: usize = 16 * 1024;

struct Fetching<'a> {
    args: &'a Args,
    /// What was stored before is to be stored again.
    is_asked_for: bool,
    store: Box<dyn Store>,
    state: Option<State>,
    rows: Rows,
    progress: Progress,
    /// Messages that the store has, and does not answer for yet.
    ended: Vec<Ended>,
    ended_bytes: u64,
    /// Messages that no other attempt need fetch, by the names that the state has for them.
    over: HashSet<String>,
    /// How many have a row.
    count: usize,
    looked_at: LookedAt,
    stored_bytes: u64,
    codes: &'a mut Vec<u8>,
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

/// A message that is in the store.
struct Ended {
    listed: Listed,
    /// What the state calls it.
    name: String,
    kept: store::Kept,
    bytes: u64,
    summary: Summary,
}

impl Fetching<'_> {
    fn run(&mut self, service: &Service, target: &Target, record: &mut Record) -> Result<()> {
        let mut session = service.open(record)?;
        self.looked_at = LookedAt::default();
        let all = listed(&mut session)?;
        self.forget_the_gone(&all);
        let chosen = chosen(all, target, self.args.numbers.as_ref())?;
        let wanted = self.wanted(&chosen)?;
        record.stage = Stage::Transfer;
        let result = self.transfer(&mut session, &wanted);
        // What came whole is kept, however the conversation ended.
        let kept = self.sync();
        result.and(kept)?;
        self.delete(&mut session, &chosen)?;
        session.quit()
    }

    /// The state need not remember what the server has no more.
    fn forget_the_gone(&mut self, all: &[Listed]) {
        let Some(state) = &mut self.state else {
            return;
        };
        let there: HashSet<&str> = all.iter().map(|listed| listed.uid.as_str()).collect();
        let gone: Vec<String> = state
            .uids()
            .filter(|uid| !there.contains(listed_name(uid)))
            .map(str::to_owned)
            .collect();
        for uid in gone {
            state.forget(&uid);
        }
    }

    /// Those that are to be fetched; those that are too large have a row at once.
    fn wanted(&mut self, chosen: &[Listed]) -> Result<Vec<Listed>> {
        let limit = self.limit().saturating_sub(self.count);
        let mut new = 0;
        let (mut wanted, mut large) = (Vec::new(), Vec::new());
        for (listed, need) in chosen.iter().zip(self.needs(chosen)) {
            match need {
                Need::None => continue,
                Need::Store if new >= limit => continue,
                Need::Store => new += 1,
                Need::Look => {}
            }
            match listed.size > self.largest() {
                true => large.push(listed),
                false => wanted.push(listed.clone()),
            }
        }
        for listed in large {
            self.skip(listed)?;
        }
        Ok(wanted)
    }

    fn limit(&self) -> usize {
        self.args.limit.unwrap_or(usize::MAX)
    }

    fn largest(&self) -> u64 {
        let largest = self.args.common.connection.max_size;
        largest.unwrap_or(u64::MAX)
    }

    /// What each message is fetched for.
    fn needs(&self, chosen: &[Listed]) -> Vec<Need> {
        let over: HashSet<&str> = self.over.iter().map(|name| listed_name(name)).collect();
        // Since when a message with this header is stored, at the longest.
        let mut stored: HashMap<&str, SystemTime> = HashMap::new();
        for (name, since) in self.state.iter().flat_map(State::entries) {
            let first = stored.entry(listed_name(name)).or_insert(since);
            *first = since.min(*first);
        }
        let mut count: HashMap<&str, usize> = HashMap::new();
        for listed in chosen.iter().filter(|listed| !listed.is_unique) {
            *count.entry(&listed.uid).or_default() += 1;
        }
        let need = |listed: &Listed| {
            let uid = listed.uid.as_str();
            let is_over = over.contains(uid);
            let since = stored.get(uid);
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

    /// A row for a message that is not stored; one with a unique-id has no second.
    fn pass_over(&mut self, result: &str, listed: &Listed, why: &str) -> Result<()> {
        if listed.is_unique {
            self.over.insert(listed.uid.clone());
        }
        self.count += 1;
        let mut item = item(result, listed);
        note(&mut item, "error", why);
        self.rows.add(|| row(result, listed, why), item)
    }

    fn skip(&mut self, listed: &Listed) -> Result<()> {
        self.pass_over("skipped", listed, "larger than --max-size")
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
        let progress = std::mem::replace(&mut self.progress, Progress::new(true, 0));
        let mut line = progress.transfer("messages", Some(total));
        let result = session.fetch(requests, &mut |_, body| {
            let Some(listed) = messages.next() else {
                return Ok(());
            };
            match body {
                Ok(body) => self.keep(listed, body, &mut |count| line.advance(count)),
                Err(error) => self.refused(listed, &error),
            }
        });
        drop(line);
        self.progress = progress;
        result
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
        self.store.begin(&about)?;
        let largest = self.largest();
        let mut header = Vec::new();
        let mut bytes = 0_u64;
        let mut content = (!listed.is_unique).then(Sha256::new);
        let streamed = loop {
            let part = match body.next_part() {
                Ok(Some(part)) => part,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            bytes += part.len() as u64;
            if bytes > largest {
                break Ok(());
            }
            let room = HEADER.saturating_sub(header.len());
            header.extend_from_slice(part.get(..room).unwrap_or(part));
            advance(part.len() as u64);
            if let Some(content) = &mut content {
                content.update(part);
            }
            if let Err(error) = self.store.write(part) {
                break Err(error);
            }
        };
        if streamed.is_err() || bytes > largest {
            self.store.abandon();
            streamed?;
            return self.skip(listed);
        }
        let name = match content {
            None => listed.uid.clone(),
            Some(content) => {
                let name = self.looked_at.name(listed, &content.finalize());
                self.looked_at.names.insert(listed.number, name.clone());
                if self.is_over(&name) || self.count + self.ended.len() >= self.limit() {
                    self.store.abandon();
                    return Ok(());
                }
                name
            }
        };
        match self.store.end() {
            Ok(kept) => {
                self.ended_bytes += bytes;
                self.ended.push(Ended {
                    listed: listed.clone(),
                    name,
                    kept,
                    bytes,
                    summary: Summary::of(&header),
                });
            }
            // A command that did not want this message may want the next.
            Err(error @ Error::Refused { .. }) => self.refused(listed, &error)?,
            Err(error) => return Err(error),
        }
        match self.ended.len() >= BATCH || self.ended_bytes >= BATCH_BYTES {
            true => self.sync(),
            false => Ok(()),
        }
    }

    /// Whether a message that came is one that was stored before.
    fn is_over(&self, name: &str) -> bool {
        let is_stored = self
            .state
            .as_ref()
            .is_some_and(|state| state.contains(name));
        self.over.contains(name) || is_stored && !self.is_asked_for
    }

    fn refused(&mut self, listed: &Listed, error: &Error) -> Result<()> {
        crate::tell(error);
        self.codes.push(exit_code(error));
        self.pass_over("not-stored", listed, &error.to_string())
    }

    /// Makes durable what has come, remembers it, and only then says so.
    fn sync(&mut self) -> Result<()> {
        self.store.sync()?;
        if let Some(state) = &mut self.state {
            for ended in &self.ended {
                state.record(&ended.name, &ended.kept.hash, &ended.kept.place);
            }
            state.sync()?;
        }
        self.ended_bytes = 0;
        for ended in std::mem::take(&mut self.ended) {
            self.stored_bytes += ended.bytes;
            let mut item = item("stored", &ended.listed);
            note(&mut item, "place", ended.kept.place.as_str());
            note(&mut item, "bytes", ended.bytes);
            add_summary(&mut item, &ended.summary);
            self.rows.add(
                || row("stored", &ended.listed, &shown(&ended.summary)),
                item,
            )?;
            self.over.insert(ended.name);
            self.count += 1;
        }
        Ok(())
    }

    /// Deletes what is stored for certain, and was to be deleted.
    fn delete(&mut self, session: &mut Session, chosen: &[Listed]) -> Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        if !self.deletes() {
            return Ok(());
        }
        let is_due = |listed: &&Listed| {
            let name = match listed.is_unique {
                true => Some(&listed.uid),
                false => self.looked_at.names.get(&listed.number),
            };
            let since = name.and_then(|name| state.stored_at(name));
            since.is_some_and(|since| self.is_due(since))
        };
        let due: Vec<&Listed> = chosen.iter().filter(is_due).collect();
        let mut refused = Vec::new();
        let mut messages = due.iter();
        let numbers = due.iter().map(|listed| listed.number);
        session.delete(numbers, &mut |_, result| {
            if let (Some(listed), Err(error)) = (messages.next(), result) {
                refused.push(((*listed).clone(), error));
            }
        })?;
        for (listed, error) in refused {
            crate::tell(&error);
            self.codes.push(exit_code(&error));
            let mut item = item("not-deleted", &listed);
            note(&mut item, "error", error.to_string());
            self.rows
                .add(|| row("not-deleted", &listed, &error.to_string()), item)?;
        }
        Ok(())
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

fn item(result: &str, listed: &Listed) -> Value {
    json!({
        "result": result,
        "number": listed.number,
        "uid": listed.uid,
        "size": listed.size,
    })
}

fn note(item: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(item) = item {
        item.insert(name.to_owned(), value.into());
    }
}

fn row(result: &str, listed: &Listed, told: &str) -> String {
    let Listed {
        number, size, uid, ..
    } = listed;
    format!("{result:10}  {number:5}  {size:9}  {uid}  {told}")
}
