//! What the commands that fetch messages share: from the bytes of a message to its row.
//!
//! ```text
//! receive → end → sync (many at once) → state → row
//! ```
//!
//! Nothing counts as stored before it is durable.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use proto_imap::Content;
use proto_transport::{Body, Dotted, Error, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::commands::pop3_list::{add_summary, shown};
use crate::exit_code::{exit_code, worst};
use crate::mail::Summary;
use crate::report::{Record, Report};
use crate::rows::Rows;
use crate::store::{self, About, State, Store, StoreArgs};

/// Where messages go, and what is told of them.
#[derive(clap::Args)]
pub struct IntakeArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    /// Remember in this file what was stored, instead of one that is named after the account
    #[arg(long, value_name = "FILE", help_heading = "Where mail goes")]
    pub state: Option<PathBuf>,
    /// Begin the state anew: what a Maildir or a folder of .eml holds already is recognised by its
    /// content
    #[arg(long, help_heading = "Where mail goes")]
    pub rebuild_state: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    pub json: bool,
}

impl IntakeArgs {
    fn state(&self, protocol: &str, account: &str) -> Result<State> {
        let path = match &self.state {
            Some(path) => path.clone(),
            None => State::default_path(protocol, account)?,
        };
        if self.rebuild_state && !self.store.recognises() {
            return Err(Error::illegal(format!(
                "--rebuild-state needs --maildir or --eml-dir: elsewhere what is stored already \
                 would be stored twice; to have all of it again, remove {}",
                path.display()
            )));
        }
        match self.rebuild_state {
            true => State::open_anew(&path, account),
            false => State::open(&path, account),
        }
    }
}

/// Runs a command that fetches, and reports how it ended. What is refused for one message and does
/// not end the run is among the codes.
pub fn reported(
    command: &'static str,
    url: String,
    common: &CommonArgs,
    fetch: impl FnOnce(&mut Record, &mut Vec<u8>) -> Result<()>,
) -> Result<u8> {
    let report = Report::create(common.report.as_deref())?;
    let mut record = Record::new(command, url);
    let started = Instant::now();
    let mut codes = Vec::new();
    let result = fetch(&mut record, &mut codes);
    record.time("total", started.elapsed());
    record.ended(&result);
    record.exit = worst(codes.into_iter().chain([record.exit]));
    record.ok = record.exit == 0;
    report.add(&record)?;
    // What became of single messages may weigh more than what ended the run.
    if let Err(error) = &result {
        crate::tell(error);
    }
    Ok(record.exit)
}

/// What a row tells of a message, beside what became of it.
pub trait Message {
    /// The row for people: the result, and what else there is to say.
    fn row(&self, result: &str, told: &str) -> String;
    /// The row for programs: an object.
    fn item(&self, result: &str) -> Value;
}

/// The bytes of a message as they come.
pub trait Parts {
    /// The next of them; `None` at the end.
    fn next_part(&mut self) -> Result<Option<&[u8]>>;
}

impl Parts for Body<'_, Dotted> {
    fn next_part(&mut self) -> Result<Option<&[u8]>> {
        Body::next_part(self)
    }
}

impl Parts for Content<'_> {
    fn next_part(&mut self) -> Result<Option<&[u8]>> {
        Content::next_part(self)
    }
}

/// What is fetched.
pub struct Scope<'s> {
    /// The protocol, which the state is kept under.
    pub protocol: &'s str,
    /// The account, which the state is named after.
    pub account: &'s str,
    /// It is remembered what was stored. Parts of messages are not.
    pub remembers: bool,
    /// It is a single message for certain.
    pub is_one: bool,
    /// So many messages are stored at most.
    pub limit: usize,
}

/// So many bytes are made durable together at most, and as many messages as the store says.
const BATCH_BYTES: u64 = 64 << 20;

/// How much of a message is looked at for its row.
const HEADER: usize = 16 * 1024;

/// What takes messages in.
pub struct Intake<M> {
    store: Box<dyn Store>,
    /// Which messages are stored; `None` where that is not remembered.
    pub state: Option<State>,
    rows: Rows,
    largest: u64,
    limit: usize,
    /// The beginning and the bytes of the message that comes in.
    header: Vec<u8>,
    bytes: u64,
    /// Messages that the store has, and does not answer for yet.
    ended: Vec<Ended<M>>,
    ended_bytes: u64,
    /// Messages before those, which are on their way to the disk.
    started: Vec<Ended<M>>,
    /// Messages that no other attempt need fetch, by the names that the state has for them.
    over: HashSet<String>,
    /// How many are stored.
    count: usize,
    stored_bytes: u64,
    codes: Vec<u8>,
}

/// A message that is in the store.
struct Ended<M> {
    message: M,
    /// What the state calls it.
    name: String,
    kept: store::Kept,
    bytes: u64,
    summary: Summary,
}

impl<M: Message> Intake<M> {
    /// Opens the state and the store.
    pub fn open(args: &IntakeArgs, common: &CommonArgs, scope: &Scope<'_>) -> Result<Intake<M>> {
        let is_stdout = args.store.is_stdout();
        let state = match scope.remembers && !is_stdout {
            true => Some(args.state(scope.protocol, scope.account)?),
            false => None,
        };
        if let (Some(state), Some(place)) = (&state, args.store.new_place()) {
            warn_of_elsewhere(state, place);
        }
        let keeps = common.report.is_some();
        Ok(Intake {
            store: store::open(&args.store, scope.is_one, common.patience())?,
            state,
            rows: match is_stdout {
                true => Rows::unseen(keeps),
                false => Rows::new(args.json, keeps),
            },
            largest: common.connection.max_size.unwrap_or(u64::MAX),
            limit: scope.limit,
            header: Vec::new(),
            bytes: 0,
            ended: Vec::new(),
            ended_bytes: 0,
            started: Vec::new(),
            over: HashSet::new(),
            count: 0,
            stored_bytes: 0,
            codes: Vec::new(),
        })
    }

    /// Tells what came of it.
    pub fn conclude(self, record: &mut Record, codes: &mut Vec<u8>) {
        let stored = json!(self.stored_bytes);
        record.bytes.insert("stored".to_owned(), stored);
        record.items = self.rows.into_items();
        codes.extend(self.codes);
    }

    /// Whether a message is too large for the user.
    pub fn is_too_large(&self, bytes: u64) -> bool {
        bytes > self.largest
    }

    /// How many more messages may be stored.
    pub fn room(&self) -> usize {
        let taken = self.count + self.started.len() + self.ended.len();
        self.limit.saturating_sub(taken)
    }

    /// Whether an earlier run has stored the message.
    pub fn is_stored(&self, name: &str) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.contains(name))
    }

    /// Whether something went wrong with a message that did not end the run.
    pub fn has_failed(&self) -> bool {
        !self.codes.is_empty()
    }

    /// Whether this run is done with the message, stored or not.
    pub fn is_over(&self, name: &str) -> bool {
        self.over.contains(name)
    }

    /// The names of those that this run is done with.
    pub fn over(&self) -> impl Iterator<Item = &str> {
        self.over.iter().map(String::as_str)
    }

    /// Takes in what comes of a message; `seen` sees it too. What is larger than it may be is given
    /// up: `false`. To be followed by `end` or `abandon`.
    pub fn receive(
        &mut self,
        about: &About<'_>,
        parts: &mut dyn Parts,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<bool> {
        self.store.begin(about)?;
        self.header.clear();
        self.bytes = 0;
        let received = self.receive_parts(parts, seen);
        if !matches!(received, Ok(true)) {
            self.store.abandon();
        }
        received
    }

    fn receive_parts(
        &mut self,
        parts: &mut dyn Parts,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<bool> {
        while let Some(part) = parts.next_part()? {
            self.bytes += part.len() as u64;
            if self.is_too_large(self.bytes) {
                return Ok(false);
            }
            let room = HEADER.saturating_sub(self.header.len());
            self.header
                .extend_from_slice(part.get(..room).unwrap_or(part));
            seen(part);
            self.store.write(part)?;
        }
        Ok(true)
    }

    /// Whether what was received has no bytes.
    pub fn has_nothing(&self) -> bool {
        self.bytes == 0
    }

    /// Nothing of what was received stays.
    pub fn abandon(&mut self) {
        self.store.abandon();
    }

    /// What was received is a whole message, which the state is to know by this name. Whether the
    /// store took it.
    pub fn end(&mut self, message: M, name: String) -> Result<bool> {
        let is_taken = match self.store.end() {
            Ok(kept) => {
                self.ended_bytes += self.bytes;
                self.ended.push(Ended {
                    message,
                    name,
                    kept,
                    bytes: self.bytes,
                    summary: Summary::of(&self.header),
                });
                true
            }
            // A command that did not want this message may want the next.
            Err(error @ Error::Refused { .. }) => {
                self.refused(&message, Some(name), &error)?;
                false
            }
            Err(error) => return Err(error),
        };
        if self.ended.len() >= self.store.batch() || self.ended_bytes >= BATCH_BYTES {
            self.start_sync()?;
        }
        Ok(is_taken)
    }

    /// What has come becomes durable while more comes in.
    fn start_sync(&mut self) -> Result<()> {
        self.settle()?;
        self.ended_bytes = 0;
        let ended = std::mem::take(&mut self.ended);
        let is_durable = self.store.start_sync()?;
        self.started = ended;
        match is_durable {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// Waits for what is on its way to the disk.
    fn settle(&mut self) -> Result<()> {
        // What fails to become durable once never counts: asked again, a disk may say that all is well.
        let started = std::mem::take(&mut self.started);
        self.store.settle()?;
        match started.is_empty() {
            true => Ok(()),
            false => self.remember(started),
        }
    }

    /// Makes durable what has come, remembers it, and only then says so.
    pub fn sync(&mut self) -> Result<()> {
        self.settle()?;
        self.ended_bytes = 0;
        let ended = std::mem::take(&mut self.ended);
        self.store.sync()?;
        self.remember(ended)
    }

    /// These are durable: the state knows them from now on, and they have their rows.
    fn remember(&mut self, ended: Vec<Ended<M>>) -> Result<()> {
        if let Some(state) = &mut self.state {
            for ended in &ended {
                state.record(&ended.name, &ended.kept.hash, &ended.kept.place);
            }
            state.sync()?;
        }
        for ended in ended {
            self.stored_bytes += ended.bytes;
            self.count += 1;
            let text = || ended.message.row("stored", &shown(&ended.summary));
            let item = || {
                let mut item = ended.message.item("stored");
                note(&mut item, "place", ended.kept.place.as_str());
                note(&mut item, "bytes", ended.bytes);
                add_summary(&mut item, &ended.summary);
                item
            };
            self.rows.hold(text, item)?;
            self.over.insert(ended.name);
        }
        self.rows.write()
    }

    /// A row for a message that is too large. Where rows are not seen, it is told.
    pub fn skip(&mut self, message: &M, name: Option<String>) -> Result<()> {
        const WHY: &str = "larger than --max-size";
        if self.rows.are_unseen() {
            crate::warn(&message.row("skipped", WHY));
        }
        self.pass_over("skipped", message, name, WHY)
    }

    /// A row for a message that could not be had, or that nobody took; the error is told too.
    pub fn refused(&mut self, message: &M, name: Option<String>, error: &Error) -> Result<()> {
        crate::tell(error);
        self.fail("not-stored", message, name, error)
    }

    /// The same for an error that was told.
    pub fn fail(
        &mut self,
        result: &str,
        message: &M,
        name: Option<String>,
        error: &Error,
    ) -> Result<()> {
        self.codes.push(exit_code(error));
        self.pass_over(result, message, name, &error.to_string())
    }

    /// A row for a message that is not stored. One with a name has no second.
    fn pass_over(
        &mut self,
        result: &str,
        message: &M,
        name: Option<String>,
        why: &str,
    ) -> Result<()> {
        self.over.extend(name);
        let item = || {
            let mut item = message.item(result);
            note(&mut item, "error", why);
            item
        };
        self.rows.add(|| message.row(result, why), item)
    }
}

/// Who names a place where nothing is yet may expect everything in it.
fn warn_of_elsewhere(state: &State, place: &Path) {
    let count = state.uids().count();
    if count > 0 {
        crate::warn(&format!(
            "{} is new, and {count} messages do not come again: they are known to be stored \
             elsewhere; --all brings all of them, --state FILE keeps a record for this place alone",
            place.display()
        ));
    }
}

fn note(item: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(item) = item {
        item.insert(name.to_owned(), value.into());
    }
}
