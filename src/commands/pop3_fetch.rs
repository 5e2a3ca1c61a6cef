//! `proto pop3-fetch URL [NUMBERS]`: messages from a maildrop into a store that never loses one.
//!
//! ```text
//! RETR → message → store → sync (many at once) → state → row → DELE → QUIT
//! ```
//!
//! Nothing is deleted before it is stored, and nothing counts as stored before it is durable.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use proto_pop3::{Numbers, Request, Session, Target};
use proto_transport::{without_password, Body, Dotted, Error, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::commands::pop3_list::{add_summary, shown};
use crate::download::retrying;
use crate::exit_code::{exit_code, worst};
use crate::login::UpgradeArgs;
use crate::mail::Summary;
use crate::pop3::{chosen, listed, Listed, Service};
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
    store: Box<dyn Store>,
    state: Option<State>,
    rows: Rows,
    progress: Progress,
    /// Messages that the store has, and does not answer for yet.
    ended: Vec<Ended>,
    ended_bytes: u64,
    /// Messages with a row.
    over: HashSet<String>,
    stored_bytes: u64,
    codes: &'a mut Vec<u8>,
}

/// A message that is in the store.
struct Ended {
    listed: Listed,
    kept: store::Kept,
    bytes: u64,
    summary: Summary,
}

impl Fetching<'_> {
    fn run(&mut self, service: &Service, target: &Target, record: &mut Record) -> Result<()> {
        let mut session = service.open(record)?;
        let all = listed(&mut session)?;
        self.forget_the_gone(&all)?;
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
    fn forget_the_gone(&mut self, all: &[Listed]) -> Result<()> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let there: HashSet<&str> = all.iter().map(|listed| listed.uid.as_str()).collect();
        let gone: Vec<String> = state
            .uids()
            .filter(|uid| !there.contains(*uid))
            .map(str::to_owned)
            .collect();
        for uid in gone {
            state.forget(&uid);
        }
        Ok(())
    }

    /// Those that are to be fetched; those that are too large have a row at once.
    fn wanted(&mut self, chosen: &[Listed]) -> Result<Vec<Listed>> {
        let is_new = |listed: &&Listed| {
            let is_asked_for = self.args.all || self.args.numbers.is_some();
            let is_known = self
                .state
                .as_ref()
                .is_some_and(|state| state.contains(&listed.uid));
            (is_asked_for || !is_known) && !self.over.contains(&listed.uid)
        };
        let limit = self.args.limit.unwrap_or(usize::MAX);
        let new: Vec<Listed> = chosen.iter().filter(is_new).take(limit).cloned().collect();
        let largest = self.args.common.connection.max_size.unwrap_or(u64::MAX);
        let (wanted, large): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|listed| listed.size <= largest);
        for listed in large {
            self.skip(&listed)?;
        }
        Ok(wanted)
    }

    fn skip(&mut self, listed: &Listed) -> Result<()> {
        let mut item = item("skipped", listed);
        note(&mut item, "error", "larger than --max-size");
        self.over.insert(listed.uid.clone());
        self.rows
            .add(|| row("skipped", listed, "larger than --max-size"), item)
    }

    fn transfer(&mut self, session: &mut Session, wanted: &[Listed]) -> Result<()> {
        let headers_only = self.args.headers_only;
        let requests = wanted.iter().map(|listed| match headers_only {
            true => Request::Top(listed.number, 0),
            false => Request::Retr(listed.number),
        });
        let total: u64 = wanted.iter().map(|listed| listed.size).sum();
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
        let largest = self.args.common.connection.max_size.unwrap_or(u64::MAX);
        let mut header = Vec::new();
        let mut bytes = 0_u64;
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
            if let Err(error) = self.store.write(part) {
                break Err(error);
            }
        };
        if streamed.is_err() || bytes > largest {
            self.store.abandon();
            streamed?;
            return self.skip(listed);
        }
        match self.store.end() {
            Ok(kept) => {
                self.ended_bytes += bytes;
                self.ended.push(Ended {
                    listed: listed.clone(),
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

    fn refused(&mut self, listed: &Listed, error: &Error) -> Result<()> {
        crate::tell(error);
        self.codes.push(exit_code(error));
        self.over.insert(listed.uid.clone());
        let mut item = item("not-stored", listed);
        note(&mut item, "error", error.to_string());
        self.rows
            .add(|| row("not-stored", listed, &error.to_string()), item)
    }

    /// Makes durable what has come, remembers it, and only then says so.
    fn sync(&mut self) -> Result<()> {
        self.store.sync()?;
        if let Some(state) = &mut self.state {
            for ended in &self.ended {
                state.record(&ended.listed.uid, &ended.kept.hash, &ended.kept.place);
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
            self.over.insert(ended.listed.uid);
        }
        Ok(())
    }

    /// Deletes what is stored for certain, and was to be deleted.
    fn delete(&mut self, session: &mut Session, chosen: &[Listed]) -> Result<()> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let now = SystemTime::now();
        let is_due = |uid: &str| match (state.stored_at(uid), self.args.delete_after) {
            (None, _) => false,
            (Some(_), None) => self.args.delete,
            (Some(stored), Some(days)) => now
                .duration_since(stored)
                .is_ok_and(|age| age >= Duration::from_secs(86_400 * u64::from(days))),
        };
        let due: Vec<&Listed> = chosen.iter().filter(|listed| is_due(&listed.uid)).collect();
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
    let Listed { number, size, uid } = listed;
    format!("{result:10}  {number:5}  {size:9}  {uid}  {told}")
}
