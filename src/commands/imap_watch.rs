//! `proto imap-watch URL`: what happens in a mailbox, as it does.
//!
//! ```text
//! SEARCH ALL → IDLE (or NOOP, now and then) → something new: SEARCH ALL, FETCH → row, command
//!     ↑                                                                            │
//!     └── the connection is lost: wait, connect, look what has happened since ─────┘
//! ```

mod watched;

use std::time::{Duration, Instant};

use proto_imap::{
    Attributes, Event, Fetch, Fetched, Flag, Item, Search, SectionItem, Session, Target, UidSet,
};
use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};
use serde_json::json;

use self::watched::{Heard, Watched};
use crate::cli::CommonArgs;
use crate::commands::pop3_list::{add_summary, shown};
use crate::ending::Ending;
use crate::exit_code::exit_code;
use crate::imap::{flag_names, mailbox_of, reported, Access, Doings, ImapArgs, Service};
use crate::imap_terms::search;
use crate::mail::Summary;
use crate::report::Stage;
use crate::store::{About, Deliver, Store};
use crate::units::duration;

/// Watch a mailbox, and tell what happens as it does.
///
/// Each row is an event: `new`, `flags` or `expunged`, and `match` for what --until looks for. It
/// goes on until a signal, or until --deadline. A lost connection is made again, and what has
/// happened since is told.
#[derive(clap::Args)]
#[command(override_usage = "proto imap-watch [OPTIONS] <URL>")]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX
    url: String,
    /// End when a message is like this, with status 75 if --deadline or a signal comes first;
    /// the terms are those of imap-search, and every word up to the next option or -- is one
    #[arg(long, value_name = "TERM", num_args = 1..)]
    until: Vec<String>,
    /// Run a command for each new message: it reads the header on stdin, and finds PROTO_UID,
    /// PROTO_UIDVALIDITY, PROTO_MAILBOX, PROTO_FLAGS, PROTO_FROM and PROTO_SUBJECT in its environment.
    /// Its words are taken apart as a shell does, and no shell runs it: sh -c '...' is one
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Ask so often where the server offers no IDLE, or says no to it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    poll: Duration,
    /// Begin IDLE anew so often; servers end it after 30 minutes
    #[arg(long, value_name = "TIME", default_value = "28m", value_parser = duration)]
    renew: Duration,
    /// One JSON object an event
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Watches until it is over.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    mailbox_of(&target)?;
    reported("imap-watch", &target, args.json, &args.common, |doings| {
        watch(args, &target, doings)
    })
}

/// The longest pause before a lost connection is made again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The end is that much before the deadline, so that there is time to take leave.
const LEAVE: Duration = Duration::from_millis(200);

/// Messages in one question.
const WINDOW: u32 = 200;

/// How much of a header is looked at for its row.
const HEADER: usize = 16 * 1024;

fn watch(args: &Args, target: &Target, doings: &mut Doings<'_>) -> Result<()> {
    let has_end = !args.until.is_empty() || target.search.is_some();
    let patience = args.common.patience();
    let exec = args.exec.as_deref();
    let mut watching = Watching {
        args,
        service: &Service::new(target, &args.imap, &args.common)?,
        until: match has_end {
            true => Some(search(&args.until, target.search.as_deref())?),
            false => None,
        },
        exec: exec
            .map(|command| Deliver::new(command, patience))
            .transpose()?,
        mailbox: mailbox_of(target)?.name(),
        ending: Ending::new()?,
        end: args
            .common
            .deadline()
            .map(|end| end.checked_sub(LEAVE).unwrap_or(end)),
        watched: Watched::default(),
        validity: None,
        doings,
    };
    let outcome = watching.watch();
    let is_late = watching.is_late();
    match outcome {
        Ok(Outcome::Found) => Ok(()),
        Ok(Outcome::Signal) => watching.is_over_in_vain("a signal"),
        // Whatever was under way then, it is the end of the time that ended it.
        Ok(Outcome::Late) => watching.is_over_in_vain("the deadline"),
        Err(error) if is_late && error.is_transient() => watching.is_over_in_vain("the deadline"),
        Err(error) => Err(error),
    }
}

/// Why it is over.
enum Outcome {
    /// A message is as it was to be.
    Found,
    /// Somebody wants us to end.
    Signal,
    /// The time is over.
    Late,
}

struct Watching<'a, 'd> {
    args: &'a Args,
    service: &'a Service,
    until: Option<Search>,
    exec: Option<Deliver>,
    mailbox: &'a str,
    ending: Ending,
    /// When the time is over.
    end: Option<Instant>,
    watched: Watched,
    /// What makes the UIDs valid, once it is known.
    validity: Option<u32>,
    doings: &'a mut Doings<'d>,
}

/// Why a message is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It has come.
    New,
    /// It is what is waited for.
    Match,
}

/// A message that is told of.
struct New {
    uid: u32,
    flags: Vec<Flag>,
    summary: Summary,
}

impl Watching<'_, '_> {
    /// Watches, over as many connections as it takes.
    fn watch(&mut self) -> Result<Outcome> {
        let common = &self.args.common;
        let session = self.service.open_patiently(self.doings.record, common)?;
        let mut first = Some(session);
        let mut pause = Duration::from_secs(1);
        loop {
            let opened = match first.take() {
                Some(session) => Ok(session),
                None => self.service.open(self.doings.record),
            };
            let result = opened.and_then(|mut session| {
                let outcome = self.hold(&mut session, &mut pause)?;
                session.log_out();
                Ok(outcome)
            });
            let error = match result {
                Err(error) if error.is_transient() && !self.is_late() => error,
                result => return result,
            };
            if !common.looking.quiet {
                let seconds = pause.as_secs();
                crate::note(&format!("proto: {error}; connecting again in {seconds} s"));
            }
            if self.ending.wait(Some(self.left(pause))) {
                return Ok(Outcome::Signal);
            }
            if self.is_late() {
                return Ok(Outcome::Late);
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn is_late(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// What is left of the time, and no more than this.
    fn left(&self, most: Duration) -> Duration {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        self.end.map_or(most, left).min(most)
    }

    /// It is over. That is what was wanted, unless a message was waited for.
    fn is_over_in_vain(&self, end: &str) -> Result<()> {
        match self.until {
            None => Ok(()),
            Some(_) => Err(Error::Refused {
                peer: self.service.target().endpoint.to_string(),
                doing: "waiting for a message".to_owned(),
                reply: format!("none came that is as --until says before {end}"),
                refusal: Refusal::Transient,
            }),
        }
    }

    /// Watches over one connection. When that works, the next pause is short.
    fn hold(&mut self, session: &mut Session, pause: &mut Duration) -> Result<Outcome> {
        let selected = self.service.enter(session, Access::Look)?;
        let validity = selected.uid_validity.unwrap_or(0);
        let before = self.validity.replace(validity);
        if before.is_some_and(|before| before != validity) {
            crate::warn(&format!(
                "{}: the mailbox has another UIDVALIDITY than before ({validity}): what has \
                 happened in between is not known",
                escaped(self.mailbox.as_bytes())
            ));
        }
        let is_known = before == Some(validity);
        self.doings.record.stage = Stage::Transfer;
        // What is said from now on is about what is there now.
        let now = session.search(&Search::all())?;
        session.take_events();
        self.look(session, &now, is_known)?;
        loop {
            if self.is_found(session)? {
                return Ok(Outcome::Found);
            }
            self.service.tell(session);
            *pause = Duration::from_secs(1);
            if let Some(outcome) = self.wait(session)? {
                return Ok(outcome);
            }
            let now = self.search(session)?;
            self.look(session, &now, true)?;
        }
    }

    /// What is there now. Where messages went while it was told, nobody knows whether it was before
    /// or after, and so which message has which number: it is asked again.
    fn search(&mut self, session: &mut Session) -> Result<UidSet> {
        for event in session.take_events() {
            self.hear(event)?;
        }
        loop {
            let now = session.search(&Search::all())?;
            let events = session.take_events();
            let is_gone = |event: &Event| matches!(event, Event::Expunged(_) | Event::Vanished(_));
            let is_sure = !events.iter().any(is_gone);
            for event in events {
                self.hear(event)?;
            }
            if is_sure || self.is_late() || self.ending.has_come() {
                return Ok(now);
            }
        }
    }

    /// Waits until there is something to look at, or for the end.
    fn wait(&mut self, session: &mut Session) -> Result<Option<Outcome>> {
        let mut is_due = false;
        while !is_due {
            if self.ending.has_come() {
                return Ok(Some(Outcome::Signal));
            }
            if self.is_late() {
                return Ok(Some(Outcome::Late));
            }
            let (service, time) = (self.service, self.left(self.args.renew));
            let mut is_signal = false;
            let is_idle = service.idle(session, time, &mut |event| {
                if let Some(event) = event {
                    is_due |= self.hear(event)?;
                }
                is_signal |= self.ending.has_come();
                Ok(!is_due && !is_signal && !self.is_late())
            })?;
            if is_signal {
                return Ok(Some(Outcome::Signal));
            }
            if !is_idle && !is_due {
                if self.ending.wait(Some(self.left(self.args.poll))) {
                    return Ok(Some(Outcome::Signal));
                }
                let mut events = Vec::new();
                session.noop(&mut |event| events.push(event))?;
                for event in events {
                    is_due |= self.hear(event)?;
                }
            }
        }
        Ok(None)
    }

    /// Takes in what the server says; whether to look at the mailbox now.
    fn hear(&mut self, event: Event) -> Result<bool> {
        match self.watched.hear(event) {
            Heard::Nothing => Ok(false),
            Heard::Look => Ok(true),
            Heard::Gone(uids) => {
                self.tell_gone(&uids)?;
                Ok(false)
            }
            Heard::Flags(uid, flags) => {
                let text = || format!("{:10}  {uid:10}  {}", "flags", words(&flags));
                let item = || json!({"event": "flags", "uid": uid, "flags": flag_names(&flags)});
                self.doings.rows.add(text, item)?;
                // It may be what is waited for.
                Ok(self.until.is_some())
            }
        }
    }

    /// Compares what is there with what was, and tells the difference if `is_known` what was.
    fn look(&mut self, session: &mut Session, now: &UidSet, is_known: bool) -> Result<()> {
        if is_known {
            let (new, gone) = self.watched.compare(now);
            self.tell_gone(&gone)?;
            self.fetch(session, &new, Why::New)?;
        }
        self.watched.set(now);
        Ok(())
    }

    fn tell_gone(&mut self, uids: &UidSet) -> Result<()> {
        for uid in uids.iter() {
            let text = || format!("{:10}  {uid:10}", "expunged");
            let item = || json!({"event": "expunged", "uid": uid});
            self.doings.rows.hold(text, item)?;
        }
        self.doings.rows.write()
    }

    /// Whether a message is as it was to be; it has a row then.
    fn is_found(&mut self, session: &mut Session) -> Result<bool> {
        let Some(until) = &self.until else {
            return Ok(false);
        };
        let found = session.search(until)?;
        let Some(uid) = found.iter().next() else {
            return Ok(false);
        };
        let found = std::iter::once(uid).collect();
        self.fetch(session, &found, Why::Match)?;
        Ok(true)
    }

    fn tell(&mut self, event: &str, new: &New) -> Result<()> {
        let New {
            uid,
            flags,
            summary,
        } = new;
        let text = || {
            let row = format!("{event:10}  {uid:10}  {}  {}", words(flags), shown(summary));
            row.trim_end().to_owned()
        };
        let item = || {
            let mut item = json!({"event": event, "uid": uid, "flags": flag_names(flags)});
            add_summary(&mut item, summary);
            item
        };
        self.doings.rows.add(text, item)
    }

    /// Fetches the headers of messages, and runs the command for each that is new.
    fn fetch(&mut self, session: &mut Session, uids: &UidSet, why: Why) -> Result<()> {
        let items = [Item::Flags, Item::Section(SectionItem::new("HEADER")?)];
        let questions = uids.windows(WINDOW);
        let questions = questions.map(|window| Fetch::new(window, items.to_vec()));
        let mut header = Vec::new();
        session.fetch(questions, &mut |fetched| match fetched {
            Fetched::Section { uid, content, .. } => {
                header.clear();
                let mut exec = self.exec.as_mut().filter(|_| why == Why::New);
                if let Some(exec) = &mut exec {
                    exec.begin(&About {
                        uid: &uid.to_string(),
                        flags: "",
                        date: None,
                    })?;
                }
                while let Some(part) = content.next_part()? {
                    let room = HEADER.saturating_sub(header.len());
                    header.extend_from_slice(part.get(..room).unwrap_or(part));
                    if let Some(exec) = &mut exec {
                        exec.write(part)?;
                    }
                }
                Ok(())
            }
            Fetched::Message {
                uid,
                attributes,
                is_whole: true,
            } => {
                let new = New::of(uid, attributes, &header);
                if why == Why::Match {
                    return self.tell("match", &new);
                }
                self.tell("new", &new)?;
                self.watched.add(uid);
                self.execute(&new)
            }
            Fetched::Message { .. } => Ok(()),
            Fetched::Window { result, .. } => result,
        })
    }

    /// Runs the command. That it fails for one message does not end the watch.
    fn execute(&mut self, new: &New) -> Result<()> {
        let Some(exec) = &mut self.exec else {
            return Ok(());
        };
        exec.set_environment(vec![
            ("PROTO_UID", new.uid.to_string()),
            ("PROTO_UIDVALIDITY", self.validity.unwrap_or(0).to_string()),
            ("PROTO_MAILBOX", self.mailbox.to_owned()),
            ("PROTO_FLAGS", words(&new.flags)),
            ("PROTO_FROM", new.summary.from.clone()),
            ("PROTO_SUBJECT", new.summary.subject.clone()),
        ]);
        match exec.end() {
            Ok(_) => Ok(()),
            Err(Error::Refused {
                peer,
                reply,
                refusal,
                ..
            }) => {
                let error = Error::Refused {
                    peer,
                    doing: format!("running --exec for the message {}", new.uid),
                    reply,
                    refusal,
                };
                crate::tell(&error);
                self.doings.codes.push(exit_code(&error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl New {
    fn of(uid: u32, attributes: &Attributes, header: &[u8]) -> New {
        New {
            uid,
            flags: attributes.flags.clone().unwrap_or_default(),
            summary: Summary::of(header),
        }
    }
}

fn words(flags: &[Flag]) -> String {
    flag_names(flags).join(" ")
}
