//! `proto smtp-send SERVER`: mail from options or files to a server, with a row for each recipient.

use std::io::{self, IsTerminal, Write};
use std::sync::Once;
use std::time::Instant;

use clap::ValueEnum;
use proto_smtp::{Delivery, Fate, Step, Target};
use proto_transport::escape::escaped;
use proto_transport::{hide_password, without_password, Error, Result, StatusReply};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::exit_code::{exit_code, worst};
use crate::ledger::Ledger;
use crate::letter::{EnvelopeArgs, Letter, Prepared, Stationery};
use crate::mail::{compose, messages, ComposeArgs, Message};
use crate::outbox::Outbox;
use crate::progress::Progress;
use crate::protocol::SMTP;
use crate::report::{json_line, Record, Report};
use crate::smtp::{Service, SmtpArgs};

/// Send mail, and tell what became of each recipient.
#[derive(clap::Args)]
pub struct Args {
    /// The server: smtp://, smtps://, submission:// (587, STARTTLS), submissions://, lmtp:// or host[:port]
    server: String,
    #[command(flatten)]
    compose: ComposeArgs,
    #[command(flatten)]
    envelope: EnvelopeArgs,
    #[command(flatten)]
    sending: SendingArgs,
    #[command(flatten)]
    smtp: SmtpArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// How messages are sent.
#[derive(clap::Args)]
#[command(next_help_heading = "Sending")]
pub struct SendingArgs {
    /// Send over so many connections
    #[arg(short = 'j', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub jobs: u16,
    /// Send each message so often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeat: u32,
    /// Send a message to all of its recipients or to none
    #[arg(long)]
    pub all_or_nothing: bool,
    /// Stop after this step, before anything is sent
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["jobs", "repeat"])]
    until: Option<Until>,
    /// Stop by closing the connection, without QUIT
    #[arg(long, requires = "until")]
    drop: bool,
    /// Show envelope and message, and connect to nobody
    #[arg(long, conflicts_with = "until")]
    dry_run: bool,
    /// One JSON object a recipient
    #[arg(long, help_heading = "Results")]
    pub json: bool,
}

/// A step of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Until {
    Connect,
    Ehlo,
    Tls,
    Auth,
    Mail,
    Rcpt,
    Data,
}

/// Sends everything; one bad recipient or message does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.server)?;
    if args.sending.until.is_some_and(|until| until < Until::Mail) {
        return reported(args, &target, |record| reach(args, &target, record));
    }
    let stationery = Stationery::new(&args.compose, &args.envelope)?;
    let messages = match args.compose.message.as_slice() {
        [] => vec![compose(&args.compose)?],
        paths => messages(paths, args.compose.keep_bcc)?,
    };
    if args.sending.dry_run {
        return dry_run(&messages, &stationery);
    }
    match args.sending.until {
        Some(until) => reported(args, &target, |record| {
            rehearse(args, &target, &messages, &stationery, until, record)
        }),
        None => send(args, &target, &messages, &stationery),
    }
}

fn send(args: &Args, target: &Target, messages: &[Message], stationery: &Stationery) -> Result<u8> {
    let report = Report::create(args.common.report.as_deref())?;
    let connector = args.common.connector(&SMTP)?;
    let service = Service::new(target, &args.smtp, &args.common, connector)?;
    let repeat = args.sending.repeat as usize;
    let count = messages.len().saturating_mul(repeat);
    let outbox = Outbox {
        service: &service,
        messages,
        stationery,
        sending: &args.sending,
        common: &args.common,
        keeps_bcc: args.compose.keep_bcc,
        ledger: Ledger::new(args.sending.json, count > 1, args.common.report.is_some()),
        progress: Progress::new(args.common.looking.quiet, count),
        hinted: Once::new(),
        told: Once::new(),
    };
    let started = Instant::now();
    let (mut record, kept) = outbox.send_all(
        Record::new("smtp-send", without_password(target.url())),
        count,
    );
    record.time("total", started.elapsed());
    record.items = kept.items;
    let mut code = worst(kept.codes.iter().copied());
    record.exit = code;
    record.ok = code == 0;
    if let Err(error) = report.add(&record) {
        crate::tell(&error);
        code = worst([code, exit_code(&error)]);
    }
    let missed = kept.recipients - kept.accepted;
    if missed > 0 && kept.recipients > 1 && !args.common.looking.quiet {
        let all = kept.recipients;
        crate::note(&format!(
            "proto: {missed} of {all} recipients did not get it"
        ));
    }
    Ok(code)
}

/// Runs something that is about one server, and writes its record.
fn reported(
    args: &Args,
    target: &Target,
    act: impl FnOnce(&mut Record) -> Result<u8>,
) -> Result<u8> {
    let report = Report::create(args.common.report.as_deref())?;
    let mut record = Record::new("smtp-send", hide_password(target.url().as_str()));
    let started = Instant::now();
    let result = act(&mut record);
    record.time("total", started.elapsed());
    let result = match result {
        Ok(code) => {
            record.ended(&Ok(()));
            (record.exit, record.ok) = (code, code == 0);
            Ok(code)
        }
        Err(error) => {
            let result = Err(error);
            record.ended(&result);
            result.map(|()| 0)
        }
    };
    report.add(&record)?;
    result
}

/// Goes so far that no message is needed.
fn reach(args: &Args, target: &Target, record: &mut Record) -> Result<u8> {
    let until = args.sending.until.unwrap_or(Until::Connect);
    let connector = args.common.connector(&SMTP)?;
    let service = Service::new(target, &args.smtp, &args.common, connector)?;
    if until == Until::Tls && !service.is_secure() {
        return Err(Error::illegal(
            "there is no TLS to wait for; see --starttls and smtps://",
        ));
    }
    if until == Until::Auth && !service.logs_in() {
        return Err(Error::illegal("nobody logs in; see -u"));
    }
    let client = match until {
        Until::Connect => service.greet(record)?,
        Until::Ehlo => {
            let mut client = service.greet(record)?;
            service.hello(&mut client, record)?;
            client
        }
        _ => service.reach(record)?,
    };
    let reply = client.hello_reply().unwrap_or(client.greeting()).clone();
    if until < Until::Auth {
        stopped(args, until, Some(&reply), record)?;
        if !args.sending.drop {
            client.quit();
        }
        return Ok(0);
    }
    let session = service.log_in(client, record)?;
    stopped(args, until, None, record)?;
    if !args.sending.drop {
        session.quit();
    }
    Ok(0)
}

/// Goes up to sender, recipients or leave to send, with each message in turn.
fn rehearse(
    args: &Args,
    target: &Target,
    messages: &[Message],
    stationery: &Stationery,
    until: Until,
    record: &mut Record,
) -> Result<u8> {
    let step = match until {
        Until::Mail => Step::Mail,
        Until::Rcpt => Step::Rcpt,
        _ => Step::Data,
    };
    let [message] = messages else {
        return Err(Error::illegal("--until takes one message"));
    };
    let prepared = Prepared::new(message, stationery)?;
    let connector = args.common.connector(&SMTP)?;
    let service = Service::new(target, &args.smtp, &args.common, connector)?;
    let mut session = service.open(record)?;
    let letter = Letter {
        job: 0,
        envelope: prepared.envelope.clone(),
        prepared: prepared.into(),
        tries: 0,
    };
    let sender = letter.sender();
    let message_id = letter.prepared.loaded.message_id();
    let Delivery {
        outcomes,
        sender_reply,
        error,
    } = session.rehearse(letter, step);
    if !args.sending.drop {
        session.quit();
    }
    if let Some(reply) = sender_reply.as_ref().filter(|_| until == Until::Mail) {
        stopped(args, until, Some(reply), record)?;
    }
    let ledger = Ledger::new(args.sending.json, false, true);
    let subject = crate::ledger::Subject {
        message: message.name(),
        message_id: message_id.as_deref(),
        sender: &sender,
        tries: 1,
    };
    let is_shown = |fate| until > Until::Mail || !matches!(fate, Fate::NotSent);
    let outcomes = outcomes.iter().filter(|outcome| is_shown(outcome.fate));
    ledger.add(&subject, outcomes, error.as_ref())?;
    let kept = ledger.into_kept();
    record.items.extend(kept.items);
    match error {
        Some(error) => Err(error),
        None => Ok(worst(kept.codes)),
    }
}

/// Tells how far it came; logging in ends without a reply that says more than that it worked.
fn stopped(
    args: &Args,
    until: Until,
    reply: Option<&StatusReply>,
    record: &mut Record,
) -> Result<()> {
    let stage = format!("{until:?}").to_ascii_lowercase();
    let told = reply.map(ToString::to_string);
    let item = json!({ "stage": stage, "code": reply.map(|reply| reply.code), "reply": told });
    let line = match args.sending.json {
        true => json_line(&item).map_err(|error| failed(error.into()))?,
        false => format!("{stage:16}  {}\n", told.as_deref().unwrap_or("logged in")),
    };
    record.items.push(item);
    io::stdout().write_all(line.as_bytes()).map_err(failed)
}

/// Shows what would be sent to whom.
fn dry_run(messages: &[Message], stationery: &Stationery) -> Result<u8> {
    let mut stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    for message in messages {
        let prepared = Prepared::new(message, stationery)?;
        let mut envelope = match &prepared.envelope.sender {
            Some(sender) => format!("MAIL FROM:<{sender}>\n"),
            None => "MAIL FROM:<>\n".to_owned(),
        };
        for recipient in &prepared.envelope.recipients {
            envelope.push_str(&format!("RCPT TO:<{}>\n", recipient.address));
        }
        envelope.push('\n');
        stdout.write_all(envelope.as_bytes()).map_err(failed)?;
        let mut content = prepared.loaded.reader()?;
        let mut harmless = Harmless {
            output: &mut stdout,
            escapes: is_terminal,
            line: Vec::new(),
        };
        io::copy(&mut content, &mut harmless).map_err(failed)?;
        harmless.finish().map_err(failed)?;
    }
    stdout.flush().map_err(failed)?;
    Ok(0)
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}

/// A message on a terminal, where none of its bytes may do anything.
struct Harmless<'o, W> {
    output: &'o mut W,
    escapes: bool,
    line: Vec<u8>,
}

/// A line is shown in pieces of this size at most.
const PIECE: usize = 8 * 1024;

impl<W: Write> Harmless<'_, W> {
    fn show(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.output.write_all(escaped(text).as_bytes())?;
        match line.ends_with(b"\n") {
            true => self.output.write_all(b"\n"),
            false => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.show()
    }
}

impl<W: Write> Write for Harmless<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.escapes {
            return self.output.write(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() >= PIECE {
                self.show()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
