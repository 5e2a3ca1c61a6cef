//! Questions and answers, where either may be lost: a question that is not answered is asked again.

use std::io;
use std::time::Instant;

use proto_transport::escape::escaped;
use proto_transport::{Datagrams, Error, Result};
use serde_json::{json, Value};

use super::Args;
use crate::commands::tcp::hex::dump;
use crate::exit_code::exit_code;
use crate::report::{Record, Stage};
use crate::rows::Rows;
use crate::sockets::{read_line, Read};

/// What is asked, and how it goes.
pub struct Asking<'a> {
    args: &'a Args,
    datagrams: Datagrams,
    record: &'a mut Record,
    rows: Rows,
    sent: u64,
    received: u64,
}

impl<'a> Asking<'a> {
    /// Takes stdin and stdout.
    pub fn new(args: &'a Args, datagrams: Datagrams, record: &'a mut Record) -> Asking<'a> {
        record.stage = Stage::Command;
        Asking {
            args,
            datagrams,
            record,
            rows: Rows::new(args.json, args.common.report.is_some()),
            sent: 0,
            received: 0,
        }
    }

    /// Asks line by line. One that is not answered does not stop the others.
    pub fn run(mut self, codes: &mut Vec<u8>) -> Result<()> {
        let result = self.ask_all(codes);
        let peer = json!({
            "endpoint": self.datagrams.peer(),
            "address": self.datagrams.address().to_string(),
        });
        self.record.peer = peer;
        for (name, count) in [("sent", self.sent), ("received", self.received)] {
            self.record.bytes.insert(name.to_owned(), json!(count));
        }
        self.record.items = self.rows.into_items();
        result
    }

    fn ask_all(&mut self, codes: &mut Vec<u8>) -> Result<()> {
        let mut stdin = io::stdin().lock();
        let failed = |error| Error::io("reading stdin", error);
        let largest = self.args.largest();
        while let Some(line) = read_line(&mut stdin, largest).map_err(failed)? {
            let asked = match line {
                Read::Line(line) => self.ask(&line),
                Read::TooLong => Err(Error::TooLarge {
                    what: "a line that is to be a datagram, in bytes,".to_owned(),
                    limit: largest as u64,
                }),
            };
            match asked {
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => {
                    codes.push(exit_code(&error));
                    crate::tell(&error);
                }
                Ok(()) => {}
            }
        }
        match self.args.wait {
            Some(time) => self.hear_until(self.end_of(time)),
            None => Ok(()),
        }
    }

    /// When a wait that begins now must end.
    fn end_of(&self, time: std::time::Duration) -> Instant {
        let now = Instant::now();
        let end = now.checked_add(time).unwrap_or(now);
        let deadline = self.args.common.deadline();
        deadline.map_or(end, |deadline| deadline.min(end))
    }

    fn ask(&mut self, question: &[u8]) -> Result<()> {
        // What comes too late for its own question is no answer to this one.
        self.hear_until(Instant::now())?;
        let started = Instant::now();
        for attempt in 1..=self.args.retries.saturating_add(1) {
            if self
                .args
                .common
                .deadline()
                .is_some_and(|end| Instant::now() >= end)
            {
                break;
            }
            if let Some(answer) = self.try_once(question)? {
                return self.show(&answer, Some((attempt, started)));
            }
            if self.args.reply_timeout.is_zero() {
                return Ok(());
            }
            if self.args.common.looking.verbose {
                crate::note(&format!("proto: no answer to attempt {attempt}"));
            }
        }
        Err(Error::TimedOut {
            peer: self.datagrams.peer().to_owned(),
            doing: "waiting for an answer; it or the question may be lost".to_owned(),
            after: started.elapsed(),
        })
    }

    /// Sends the question once. Where nobody is at an address, the host may have another.
    fn try_once(&mut self, question: &[u8]) -> Result<Option<Vec<u8>>> {
        loop {
            let end = self.end_of(self.args.reply_timeout);
            match self.exchange(question, end) {
                Err(Error::Unreachable { .. }) if self.datagrams.try_next_address() => {}
                result => return result,
            }
        }
    }

    fn exchange(&mut self, question: &[u8], end: Instant) -> Result<Option<Vec<u8>>> {
        self.datagrams.send(question)?;
        self.show_sent(question)?;
        self.sent += question.len() as u64;
        if self.args.reply_timeout.is_zero() {
            return Ok(None);
        }
        self.hear(end)
    }

    /// The next datagram, unless it is too large.
    fn hear(&mut self, end: Instant) -> Result<Option<Vec<u8>>> {
        let largest = self.args.largest();
        let Some(heard) = self.datagrams.receive(end)? else {
            return Ok(None);
        };
        let heard = heard.to_vec();
        self.received += heard.len() as u64;
        match heard.len() > largest {
            true => Err(Error::TooLarge {
                what: format!("{}: a datagram, in bytes,", self.datagrams.peer()),
                limit: largest as u64,
            }),
            false => Ok(Some(heard)),
        }
    }

    /// Shows whatever comes until then.
    fn hear_until(&mut self, end: Instant) -> Result<()> {
        loop {
            match self.hear(end) {
                Ok(Some(heard)) => self.show(&heard, None)?,
                // That nobody was there for an earlier one was told, or will be.
                Ok(None) | Err(Error::Unreachable { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Shows a datagram: an answer to an attempt, or one that nobody waited for any more.
    fn show(&mut self, heard: &[u8], answer: Option<(u32, Instant)>) -> Result<()> {
        let offset = self.received - heard.len() as u64;
        let text = || match self.args.hex {
            true => dump('<', offset, heard).trim_end().to_owned(),
            false => escaped(heard),
        };
        self.rows.add(text, || item(heard, answer))
    }

    fn show_sent(&mut self, question: &[u8]) -> Result<()> {
        match self.args.hex {
            true if !question.is_empty() => {
                let rows = dump('>', self.sent, question);
                let mut unseen = Rows::new(false, false);
                unseen.add(|| rows.trim_end().to_owned(), || Value::Null)
            }
            _ => Ok(()),
        }
    }
}

fn item(heard: &[u8], answer: Option<(u32, Instant)>) -> Value {
    json!({
        "datagram": String::from_utf8_lossy(heard),
        "bytes": heard.len(),
        "attempts": answer.map(|(attempt, _)| attempt),
        "seconds": answer.map(|(_, started)| started.elapsed().as_micros() as f64 / 1e6),
        "late": answer.is_none(),
    })
}
