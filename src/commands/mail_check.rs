//! `proto mail-check`: the journey of one message, from the server that takes it to the mailbox
//! where it arrives.
//!
//! ```text
//! open the mailbox ── send ── wait: IDLE, or look now and then ── fetch ── compare ── remove
//!                      │                                           │
//!                  accepted                            Received: who had it when
//! ```

mod destination;
mod verdict;
mod way;

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use proto_smtp::{Delivery, Fate, Target};
use proto_transport::certificate::hexadecimal;
use proto_transport::escape::escaped;
use proto_transport::{without_password, Error, Refusal, Result};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use self::destination::{upgrade, Arrived, Destination};
use self::verdict::{plugin, plugin_error, Verdict};
use self::way::{difference, hops, Authentication, Hop};
use crate::cli::CommonArgs;
use crate::letter::{EnvelopeArgs, Letter, Prepared, Stationery};
use crate::login::UpgradeArgs;
use crate::mail::view::View;
use crate::mail::{compose, random_name, ComposeArgs};
use crate::protocol::SMTP;
use crate::report::{json_line, Record, Report, Stage};
use crate::smtp::{Service, SmtpArgs};
use crate::units::duration;

/// Send a message, wait until it arrives, and tell how it came there.
///
/// The message is like no other. It is looked for by IMAP (with IDLE where the server has that) or
/// by POP3, compared with what was sent, and removed again; no other message is touched.
///
/// Exit status: 0 if it came in time, 75 if it came later than --warn or was not there after --fail,
/// 65 if its body had changed, or else that of what went wrong. With --nagios: 0, 1 later than
/// --warn, 2 lost, changed or refused, 3 not to be checked.
///
/// One password serves both servers, unless their URLs or .netrc tell others.
#[derive(clap::Args)]
pub struct Args {
    /// Send by this server: smtp://, smtps://, submission:// (587, STARTTLS), submissions:// or host[:port]; with a user (smtp://user@host), log in
    #[arg(long, value_name = "SERVER")]
    smtp: String,
    /// Who sends it
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// Wait for it in this mailbox: imap://user@host/INBOX or imaps://
    #[arg(long, value_name = "URL", required_unless_present = "pop3")]
    imap: Option<String>,
    /// Wait for it in this maildrop: pop3://user@host or pop3s://
    #[arg(long, value_name = "URL", conflicts_with = "imap")]
    pop3: Option<String>,
    /// What its subject begins with
    #[arg(long, value_name = "TEXT", default_value = "proto mail-check")]
    subject: String,
    /// Look so often where the server does not tell by itself
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    poll: Duration,
    /// Call it late after this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    warn: Duration,
    /// Give it up as lost after this time
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration)]
    fail: Duration,
    /// Leave the message where it arrives
    #[arg(long)]
    keep: bool,
    /// Our name in EHLO, instead of the address that we connect from
    #[arg(long, value_name = "NAME")]
    ehlo: Option<String>,
    /// One line and an exit status as monitoring plugins have them
    #[arg(long, help_heading = "Results", conflicts_with = "json")]
    nagios: bool,
    /// One JSON object
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    upgrade: UpgradeArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Sends, waits and tells.
pub fn run(args: &Args) -> Result<u8> {
    match checked(args) {
        Err(error) if args.nagios => {
            let (line, code) = plugin_error(&error);
            print(&line)?;
            Ok(code)
        }
        result => result,
    }
}

fn checked(args: &Args) -> Result<u8> {
    refuse_what_names_one(args)?;
    let target = Target::parse(&args.smtp)?;
    let report = Report::create(args.common.report.as_deref())?;
    let mut journey = Journey::new(args);
    let mut record = Record::new("mail-check", without_password(target.url()));
    let result = journey.make(&target, &mut record);
    record.time("total", journey.started.elapsed());
    record.items.push(journey.item());
    let shown = match &result {
        Ok(verdict) => journey.show(*verdict),
        Err(_) => {
            journey.tell_how_far();
            Ok(())
        }
    };
    let verdict = result.as_ref().ok().copied();
    let ended = result.map(|_| ());
    record.ended(&ended);
    if let Some(verdict) = verdict {
        record.exit = verdict.code();
        record.ok = record.exit == 0;
        record.error = (!record.ok).then(|| journey.summary(verdict));
    }
    report.add(&record)?;
    shown?;
    ended?;
    let Some(verdict) = verdict else {
        return Ok(record.exit);
    };
    match args.nagios {
        true => {
            let text = journey.summary(verdict);
            let (line, code) = plugin(verdict, &text, journey.time, args.warn, args.fail);
            print(&line)?;
            Ok(code)
        }
        false => Ok(verdict.code()),
    }
}

/// These options are about one server or one conversation, and there are two.
fn refuse_what_names_one(args: &Args) -> Result<()> {
    let connection = &args.common.connection;
    let given = [
        ("--connect-to", connection.connect_to.is_some()),
        ("--unix-socket", connection.unix_socket.is_some()),
        ("--transcript", args.common.looking.transcript.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Error::illegal(format!(
            "{option} is about one server, and mail-check talks to two"
        ))),
        None => Ok(()),
    }
}

/// A point on the way.
struct Event {
    stage: &'static str,
    /// Since the message began its journey.
    at: Duration,
    detail: String,
}

/// What is known of the journey so far.
struct Journey<'a> {
    args: &'a Args,
    started: Instant,
    /// The last stage that was reached.
    reached: &'static str,
    events: Vec<Event>,
    message_id: Option<String>,
    /// How long it took until the message was there.
    time: Option<Duration>,
    hops: Vec<Hop>,
    /// Seconds from the last hop to us, and how many our clock is behind.
    last: Option<(i64, i64)>,
    authentication: Authentication,
    /// Digests of the body, as it was sent and as it came.
    sent: Option<String>,
    arrived: Option<String>,
    /// What the server that took it said.
    accepted: String,
}

impl<'a> Journey<'a> {
    fn new(args: &'a Args) -> Journey<'a> {
        Journey {
            args,
            started: Instant::now(),
            reached: "start",
            events: Vec::new(),
            message_id: None,
            time: None,
            hops: Vec::new(),
            last: None,
            authentication: Authentication::default(),
            sent: None,
            arrived: None,
            accepted: String::new(),
        }
    }

    fn reach(&mut self, stage: &'static str, detail: impl Into<String>) {
        self.reached = stage;
        self.events.push(Event {
            stage,
            at: self.started.elapsed(),
            detail: detail.into(),
        });
    }

    /// Makes the journey, for how it ended. An error is what kept the message from being sent or
    /// looked for.
    fn make(&mut self, target: &Target, record: &mut Record) -> Result<Verdict> {
        let args = self.args;
        let smtp = SmtpArgs {
            ehlo: args.ehlo.clone(),
            without: Vec::new(),
            assume: Vec::new(),
            upgrade: upgrade(args, &target.endpoint),
        };
        let connector = args.common.connector(&SMTP)?;
        let service = Service::new(target, &smtp, &args.common, connector)?;
        let destination = Destination::new(args)?;
        let token = random_name()?;
        let letter = self.letter(&token)?;
        let mut aside = Record::new("mail-check", "");
        let mut watch = destination.open(&mut aside, args.keep)?;
        // The mailbox is ready: from here on, the time counts.
        self.started = Instant::now();
        let sent = OffsetDateTime::now_utc();
        self.send(&service, target, letter, record)?;
        record.stage = Stage::Transfer;
        let end = self.started + args.fail;
        let arrived = watch.wait(args, &token, end)?;
        watch.leave();
        let Some(arrived) = arrived else {
            return Ok(Verdict::Lost);
        };
        let time = arrived.seen.saturating_duration_since(self.started);
        self.look_at(arrived, sent, time);
        let is_unchanged = self.sent == self.arrived;
        Ok(Verdict::of(time, args.warn, args.fail, is_unchanged))
    }

    fn letter(&mut self, token: &str) -> Result<Letter> {
        let compose_args = ComposeArgs {
            from: Some(self.args.from.clone()),
            to: vec![self.args.to.clone()],
            subject: Some(format!("{} {token}", self.args.subject)),
            text: Some(text(token)),
            // RFC 3834: no vacation answers this.
            header: vec!["Auto-Submitted: auto-generated".to_owned()],
            ..ComposeArgs::default()
        };
        let envelope = EnvelopeArgs {
            sender: None,
            notify: None,
            returns: None,
            envelope_id: None,
            submitter: None,
            allow_8bit: false,
            binary: false,
        };
        let stationery = Stationery::new(&compose_args, &envelope)?;
        let prepared = Prepared::new(&compose(&compose_args)?, &stationery)?;
        let mut whole = Vec::new();
        let read = prepared.loaded.reader()?.read_to_end(&mut whole);
        read.map_err(|error| Error::io("composing the message", error))?;
        self.sent = Some(digest(&whole));
        self.message_id = prepared.loaded.message_id();
        Ok(Letter {
            job: 0,
            envelope: prepared.envelope.clone(),
            prepared: prepared.into(),
            tries: 0,
        })
    }

    fn send(
        &mut self,
        service: &Service,
        target: &Target,
        letter: Letter,
        record: &mut Record,
    ) -> Result<()> {
        let client = service.reach(record)?;
        let facts = client.connection().facts();
        let (resolve, connect, handshake) = (facts.resolve, facts.connect, facts.handshake);
        let peer = target.endpoint.to_string();
        self.reached = "connect";
        self.events.push(Event {
            stage: "connect",
            at: resolve + connect,
            detail: escaped(peer.as_bytes()),
        });
        if service.is_secure() {
            let took = handshake.unwrap_or_default().as_secs_f64();
            self.reach("tls", format!("handshake in {took:.3} s"));
        }
        let mut session = service.log_in(client, record)?;
        if service.logs_in() {
            self.reach("auth", "");
        }
        record.stage = Stage::Transfer;
        let delivery = session.send(letter);
        if session.is_usable() {
            session.quit();
        }
        self.accepted = accepted(delivery, &peer)?;
        let said = self.accepted.clone();
        self.reach("accepted", said);
        Ok(())
    }

    fn look_at(&mut self, arrived: Arrived, sent: OffsetDateTime, time: Duration) {
        self.time = Some(time);
        let took = arrived.fetched.saturating_duration_since(self.started);
        let since = took.saturating_sub(time);
        let seen = OffsetDateTime::now_utc() - since;
        let view = View::of(&arrived.content);
        self.hops = hops(&view, sent);
        let dates = self.hops.iter().rev().find_map(|hop| hop.date);
        self.last = dates.map(|last| difference(last, seen));
        self.authentication = Authentication::of(&view);
        self.arrived = Some(digest(&arrived.content));
        for (stage, at) in [("delivered", time), ("fetched", took)] {
            self.reached = stage;
            self.events.push(Event {
                stage,
                at,
                detail: String::new(),
            });
        }
        match arrived.left {
            Some(why) => crate::warn(&format!("the message stays where it is: {why}")),
            None if !self.args.keep => self.reach("removed", ""),
            None => {}
        }
    }

    // --- what is told ---

    /// What became of a message that was sent, before what went wrong then.
    fn tell_how_far(&self) {
        if !self.accepted.is_empty() && !self.args.nagios {
            let (reached, said) = (self.reached, &self.accepted);
            crate::warn(&format!(
                "the message was taken ({said}), and the last stage it reached is {reached}"
            ));
        }
    }

    /// The outcome in a line.
    fn summary(&self, verdict: Verdict) -> String {
        let Args { from, to, fail, .. } = self.args;
        let time = self.time.unwrap_or(*fail).as_secs_f64();
        match verdict {
            Verdict::Ok => format!("mail from {from} to {to} took {time:.1} s"),
            Verdict::Late => format!("mail from {from} to {to} is late: it took {time:.1} s"),
            Verdict::Altered => format!("mail from {from} to {to} came with another body"),
            Verdict::Lost => format!(
                "mail from {from} to {to} is lost: the last stage it reached is {}{}{}, and it is \
                 not there after {time:.1} s",
                self.reached,
                if self.accepted.is_empty() { "" } else { ": " },
                self.accepted
            ),
        }
    }

    fn show(&self, verdict: Verdict) -> Result<()> {
        if self.args.nagios {
            return Ok(());
        }
        if self.args.json {
            let mut item = self.item();
            if let Value::Object(item) = &mut item {
                item.insert("verdict".to_owned(), json!(verdict.word()));
            }
            return print(&json_line(&item).map_err(|error| failed(error.into()))?);
        }
        print(&self.table(verdict))
    }

    /// The timeline for people.
    fn table(&self, verdict: Verdict) -> String {
        let mut table = String::new();
        let mut row = |name: &str, time: String, detail: &str| {
            let row = format!("{name:10}  {time:>9}  {detail}");
            table.push_str(row.trim_end());
            table.push('\n');
        };
        let at = |time: Duration| format!("{:.3} s", time.as_secs_f64());
        let (sending, arriving): (Vec<&Event>, Vec<&Event>) = self
            .events
            .iter()
            .partition(|event| !["delivered", "fetched", "removed"].contains(&event.stage));
        for event in sending {
            row(event.stage, at(event.at), &event.detail);
        }
        for (number, hop) in (1..).zip(&self.hops) {
            let delay = hop
                .delay
                .map_or_else(|| "-".to_owned(), |delay| format!("+{delay} s"));
            let skew = skew("its clock", hop.behind);
            row(
                &format!("hop {number}"),
                delay,
                &format!("{}{skew}", hop.text()),
            );
        }
        for event in arriving {
            let (delay, behind) = match (event.stage, self.last) {
                ("delivered", Some((delay, behind))) => (format!("+{delay} s after that"), behind),
                _ => (event.detail.clone(), 0),
            };
            row(
                event.stage,
                at(event.at),
                &format!("{delay}{}", skew("our clock", behind)),
            );
        }
        if self.arrived.is_some() {
            for (name, value) in self.authentication.rows() {
                row(name, String::new(), &value);
            }
            let body = match self.sent == self.arrived {
                true => "unchanged",
                false => "ANOTHER than was sent",
            };
            let digest = self.arrived.as_deref().unwrap_or_default();
            row("body", String::new(), &format!("{body}, sha256 {digest}"));
        }
        let summary = escaped(self.summary(verdict).as_bytes());
        row(verdict.word(), String::new(), &summary);
        table
    }

    /// All of it for programs.
    fn item(&self) -> Value {
        let seconds = |time: Duration| time.as_micros() as f64 / 1e6;
        let timeline = self.events.iter().map(
            |event| json!({"stage": event.stage, "at": seconds(event.at), "detail": event.detail}),
        );
        json!({
            "from": self.args.from,
            "to": self.args.to,
            "message_id": self.message_id,
            "reached": self.reached,
            "seconds": self.time.map(seconds),
            "timeline": timeline.collect::<Vec<_>>(),
            "hops": self.hops.iter().map(Hop::item).collect::<Vec<_>>(),
            "last_delay": self.last.map(|(delay, _)| delay),
            "our_clock_behind": self.last.map_or(0, |(_, behind)| behind),
            "authentication": self.authentication.item(),
            "body": {
                "sent": self.sent,
                "arrived": self.arrived,
                "unchanged": self.arrived.is_some() && self.sent == self.arrived,
            },
        })
    }
}

fn skew(whose: &str, behind: i64) -> String {
    match behind {
        0 => String::new(),
        behind => format!(" ({whose} is {behind} s behind that of the one before)"),
    }
}

/// What the server said that took the message, or why it did not.
fn accepted(delivery: Delivery, peer: &str) -> Result<String> {
    let outcome = delivery.outcomes.first();
    let fate = outcome.map(|outcome| outcome.fate);
    let reply = outcome.and_then(|outcome| outcome.reply.as_ref());
    let reply = reply.map_or_else(String::new, ToString::to_string);
    match (fate, delivery.error) {
        (Some(Fate::Accepted), _) => Ok(escaped(reply.as_bytes())),
        (_, Some(error)) => Err(error),
        (fate, None) => Err(Error::Refused {
            peer: peer.to_owned(),
            doing: "sending the message".to_owned(),
            reply,
            refusal: match fate {
                Some(Fate::RefusedForGood) => Refusal::Lasting,
                _ => Refusal::Transient,
            },
        }),
    }
}

/// A text that shows what is done to it on the way: lines that begin with a dot or with "From ",
/// spaces at an end, and empty lines.
fn text(token: &str) -> String {
    format!(
        "This message checks the way that mail takes. Nobody needs to read it.\n\
         \n\
         {token}\n\
         .\n\
         ..two dots\n\
         From the beginning of a line\n\
         \ta tab, and two  spaces\n"
    )
}

/// The digest of a message's body, whatever its lines end in. Empty lines at the end are not part of
/// it: servers add and remove them (RFC 6376 section 3.4.3).
fn digest(message: &[u8]) -> String {
    let mut lines = message.split(|byte| *byte == b'\n');
    let mut body = Sha256::new();
    let mut empty = 0;
    let without_cr = |line: &'_ [u8]| -> usize { line.strip_suffix(b"\r").unwrap_or(line).len() };
    // The header ends with the first empty line.
    lines
        .by_ref()
        .take_while(|line| without_cr(line) > 0)
        .count();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            body.update(b"\r\n");
        }
        body.update(line);
        body.update(b"\r\n");
    }
    hexadecimal(&body.finalize())
}

fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).map_err(failed)
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_the_body_alone() {
        let sent = digest(b"A: b\r\n\r\none\r\n\r\ntwo\r\n");
        for same in [
            &b"Received: x\nA: b\n\none\n\ntwo\n"[..],
            b"A: c\r\n\r\none\r\n\r\ntwo",
            b"\r\none\r\n\r\ntwo\r\n\r\n\r\n",
        ] {
            assert_eq!(digest(same), sent, "{}", same.escape_ascii());
        }
        for other in [
            &b"A: b\r\n\r\none\r\ntwo\r\n"[..],
            b"A: b\r\n\r\none \r\n\r\ntwo\r\n",
            b"A: b\r\n\r\n\r\none\r\n\r\ntwo\r\n",
            b"A: b\r\n",
            b"",
        ] {
            assert_ne!(digest(other), sent, "{}", other.escape_ascii());
        }
    }
}
