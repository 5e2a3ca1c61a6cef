//! Many files over several connections, and what is told of them.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proto_ftp::Session;
use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};
use serde_json::{json, Value};

use super::{shown, Link, Service};
use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::exit_code::exit_code;
use crate::parallel;
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Something to be done on a server.
pub struct Job<'s, W> {
    /// The way to the server.
    pub service: &'s Service,
    /// What it is about, without a password.
    pub url: String,
    /// What is to be done.
    pub what: W,
}

/// One of several attempts at a job.
pub struct Attempt {
    /// Whether one before it broke off.
    pub goes_on: bool,
    /// To be set when something was done that cannot be repeated.
    pub is_last: bool,
}

/// Connections that do jobs of one queue.
pub struct Fleet<'a> {
    /// The command, for the records.
    pub command: &'static str,
    /// How many connections there are at most.
    pub connections: u16,
    /// How often is tried again.
    pub common: &'a CommonArgs,
    /// Where progress is shown.
    pub progress: &'a Progress,
}

impl Fleet<'_> {
    /// Does all jobs and has each told. Returns how many were not begun, because the server cannot
    /// be reached any more or does not let us in.
    pub fn run<W: Sync>(
        &self,
        jobs: &[Job<'_, W>],
        act: impl Fn(&mut Session, &W, &mut Record, &mut Attempt) -> Result<()> + Sync,
        done: impl Fn(&Job<'_, W>, Record, Result<()>) + Sync,
    ) -> usize {
        let is_one_server = jobs
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if ptr::eq(a.service, b.service)));
        let workers = usize::from(self.connections).min(jobs.len());
        let (refused, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let is_over = AtomicBool::new(false);
        parallel::run(workers, jobs, |mut queue| {
            let mut link: Option<Link<'_>> = None;
            // A server may allow fewer connections than we want; those that it allows do all of it.
            if let (true, 2.., Some(job)) = (is_one_server, workers, jobs.first()) {
                let mut more = Link::new(job.service);
                let mut record = Record::new(self.command, "");
                if let Err(error) = more.run(&mut record, |_, _, _| Ok(())) {
                    let is_last = refused.fetch_add(1, Ordering::Relaxed) + 1 == workers;
                    if !is_last {
                        return self.mention(&error);
                    }
                }
                link = Some(more);
            }
            while !is_over.load(Ordering::Relaxed) {
                let Some(job) = queue.next() else {
                    break;
                };
                begun.fetch_add(1, Ordering::Relaxed);
                let follows = queue.peek(0);
                let follows = follows.is_some_and(|next| ptr::eq(next.service, job.service));
                let mut way = match link.take() {
                    Some(way) if ptr::eq(way.service(), job.service) => way,
                    other => {
                        other.into_iter().for_each(|mut other| other.close());
                        Link::new(job.service)
                    }
                };
                let (record, result) = self.attend(&mut way, job, follows, &act);
                link = Some(way);
                self.progress.done();
                // The next job would find the same closed door.
                let is_shut = is_one_server && result.is_err() && has_no_session(&record);
                if is_one_server && result.as_ref().is_err_and(ends_the_fleet) {
                    is_over.store(true, Ordering::Relaxed);
                }
                done(job, record, result);
                if is_shut {
                    break;
                }
            }
            link.into_iter().for_each(|mut link| link.close());
        });
        jobs.len().saturating_sub(begun.into_inner())
    }

    fn mention(&self, error: &Error) {
        if self.common.looking.verbose {
            self.progress
                .say(&format!("proto: one connection less: {error}"));
        }
    }

    fn attend<W>(
        &self,
        link: &mut Link<'_>,
        job: &Job<'_, W>,
        follows: bool,
        act: &impl Fn(&mut Session, &W, &mut Record, &mut Attempt) -> Result<()>,
    ) -> (Record, Result<()>) {
        let mut record = Record::new(self.command, job.url.as_str());
        let started = Instant::now();
        let mut attempts = 0;
        let say = |text: &str| self.progress.say(text);
        let result = retrying(self.common, say, |this| {
            link.run(&mut record, |session, record, is_last| {
                session.expect_more(follows);
                let mut attempt = Attempt {
                    goes_on: attempts > 0,
                    is_last: false,
                };
                attempts += 1;
                let result = act(session, &job.what, record, &mut attempt);
                *is_last = attempt.is_last;
                this.is_last = attempt.is_last;
                result
            })
        });
        record.time("total", started.elapsed());
        record.ended(&result);
        (record, result)
    }
}

/// Whether it came to nothing before anything was asked for.
fn has_no_session(record: &Record) -> bool {
    use Stage::{Auth, Connect, Greeting, Resolve, Tls};
    matches!(record.stage, Resolve | Connect | Tls | Greeting | Auth)
}

/// Whether an error would meet every other job too.
fn ends_the_fleet(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Insecure { .. }
            | Error::Refused {
                refusal: Refusal::Credentials,
                ..
            }
    )
}

/// What is told of many files, by whoever is done with one.
pub struct Tally<'a> {
    inner: Mutex<Inner>,
    progress: &'a Progress,
}

struct Inner {
    rows: Rows,
    codes: Vec<u8>,
    failed: usize,
    bytes: u64,
}

impl<'a> Tally<'a> {
    /// Nothing yet.
    pub fn new(rows: Rows, progress: &'a Progress) -> Tally<'a> {
        Tally {
            inner: Mutex::new(Inner {
                rows,
                codes: Vec::new(),
                failed: 0,
                bytes: 0,
            }),
            progress,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A row: what was done with what, and how large that is.
    pub fn row(&self, result: &str, below: &[u8], size: Option<u64>, more: Value) {
        let text = || row(result, below, size);
        let item = || {
            let mut item = json!({ "result": result, "path": shown(below), "size": size });
            if let (Value::Object(item), Value::Object(more)) = (&mut item, more) {
                item.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
            }
            item
        };
        let written = self.with(|inner| inner.rows.add(text, item));
        if let Err(error) = written {
            self.failed_ourselves(&error);
        }
    }

    /// Bytes that were moved.
    pub fn add_bytes(&self, bytes: u64) {
        self.with(|inner| inner.bytes += bytes);
    }

    /// Something could not be done: a row, and the error.
    pub fn failed(&self, below: &[u8], error: &Error) {
        self.progress
            .say(&format!("proto: {}: {error}", escaped(below)));
        self.note(error);
        self.row("failed", below, None, json!({ "error": error.to_string() }));
    }

    /// What is wrong, and not with a file that has a row.
    pub fn warned(&self, text: &str, code: u8) {
        self.progress.say(&format!("proto: {text}"));
        self.with(|inner| inner.count(code));
    }

    fn note(&self, error: &Error) {
        self.with(|inner| inner.count(exit_code(error)));
    }

    fn failed_ourselves(&self, error: &Error) {
        crate::tell(error);
        self.note(error);
    }

    /// How many things went wrong.
    pub fn failures(&self) -> usize {
        self.with(|inner| inner.failed)
    }

    /// Tells the record, and the statuses to the command.
    pub fn conclude(self, record: &mut Record, codes: &mut Vec<u8>) {
        let inner = self.inner.into_inner();
        let inner = inner.unwrap_or_else(PoisonError::into_inner);
        record.bytes.insert("moved".to_owned(), json!(inner.bytes));
        record.items = inner.rows.into_items();
        codes.extend(inner.codes);
    }
}

impl Inner {
    fn count(&mut self, code: u8) {
        self.failed += 1;
        if !self.codes.contains(&code) {
            self.codes.push(code);
        }
    }
}

fn row(result: &str, below: &[u8], size: Option<u64>) -> String {
    let size = size.map_or("-".to_owned(), |size| size.to_string());
    format!("{result:8} {size:>12}  {}", escaped(below))
}
