//! `proto imap-fetch URL [UIDS]`: messages from a mailbox into a store that never loses one.
//!
//! ```text
//! SEARCH → FETCH (flags, date, content) → store → sync (many at once) → state → row → \Seen
//! ```
//!
//! The state knows a message as `UIDVALIDITY.UID`. When a mailbox gets another UIDVALIDITY, its
//! UIDs mean other messages (RFC 9051 section 2.3.1.1): all of them come again, and those whose
//! content the state knows are not stored again. So it is where UIDs cannot be trusted: there is no
//! UIDVALIDITY, or the server says that they do not last, or gives them to others.

mod former;
mod found;
mod transfer;

use std::collections::HashMap;

use proto_imap::{Change, Flag, SectionItem, Selected, Session, StoreOptions, Target, UidSet};
use proto_transport::{without_password, Error, Refusal, Result};

use self::former::Former;
use self::found::Found;
use self::transfer::Current;
use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::{reported, Intake, IntakeArgs, Scope};
use crate::imap::{mailbox_of, Access, Choice, ChoiceArgs, ImapArgs, Service};
use crate::progress::Progress;
use crate::report::{Record, Stage};

/// Fetch messages of a mailbox into a Maildir, an mbox, a folder or a command.
#[derive(clap::Args)]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX; ;UID=1:4 behind it names
    /// messages, /;SECTION=1.2 a part of them, ?SEARCH looks for some
    url: String,
    /// Only these messages: 1,3,5-9 or 7:*
    #[arg(value_parser = UidSet::parse)]
    uids: Option<UidSet>,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Only messages that were not stored before (the default for all messages and a place that
    /// keeps them)
    #[arg(long)]
    new: bool,
    /// Also messages that were stored before
    #[arg(long, conflicts_with = "new")]
    all: bool,
    #[command(flatten)]
    part: PartArgs,
    /// So many messages at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Mark as read (\Seen) what was fetched, once it is stored
    #[arg(long)]
    mark_seen: bool,
    #[command(flatten)]
    intake: IntakeArgs,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What is fetched of each message; all of it if nothing is said.
#[derive(clap::Args)]
#[group(multiple = false)]
struct PartArgs {
    /// Headers alone
    #[arg(long)]
    headers_only: bool,
    /// What follows the header
    #[arg(long)]
    text: bool,
    /// One section, encoded as it is in the message: 1.2, 1.MIME, HEADER.FIELDS (SUBJECT)
    #[arg(long, value_name = "SECTION")]
    section: Option<String>,
}

impl PartArgs {
    /// The section that was asked for; `None` for all of each message.
    fn section(&self, target: &Target) -> Result<Option<SectionItem>> {
        match (&self.section, self.headers_only, self.text) {
            (Some(name), ..) => SectionItem::new(name).map(Some),
            (_, true, _) => SectionItem::new("HEADER").map(Some),
            (_, _, true) => SectionItem::new("TEXT").map(Some),
            _ => Ok(target.section.clone()),
        }
    }
}

/// Fetches what is new, or what is asked for.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    mailbox_of(&target)?;
    let url = without_password(target.url());
    reported("imap-fetch", url, &args.common, |record, codes| {
        fetch(args, &target, record, codes)
    })
}

fn fetch(args: &Args, target: &Target, record: &mut Record, codes: &mut Vec<u8>) -> Result<()> {
    let choice = Choice::new(args.uids.as_ref(), &args.choice.search, target)?;
    let section = args.part.section(target)?;
    if args.new && (args.intake.store.is_stdout() || section.is_some()) {
        return Err(Error::illegal(
            "what is new is known only of whole messages that are stored; see --maildir, --mbox, \
             --eml-dir and --deliver",
        ));
    }
    let service = Service::new(target, &args.imap, &args.common)?;
    let mailbox = mailbox_of(target)?.name();
    let uids = args.uids.as_ref().or(target.uids.as_ref());
    let scope = Scope {
        protocol: "imap",
        account: &format!("{}/{mailbox}", service.account()),
        remembers: section.is_none(),
        is_one: uids.is_some_and(|uids| uids.single().is_some()),
        limit: args.limit.unwrap_or(usize::MAX),
    };
    let mut fetching = Fetching {
        args,
        mailbox,
        is_asked_for: args.all || !choice.is_everything() && !args.new,
        choice,
        intake: Intake::open(&args.intake, &args.common, &scope)?,
        is_whole: section.is_none(),
        section: match section {
            Some(section) => section,
            None => SectionItem::new("")?,
        },
        progress: &Progress::new(args.common.looking.quiet, 1),
        validity: None,
        former: Former::default(),
        has_told: false,
        known: HashMap::new(),
        current: None,
        late: UidSet::default(),
        again: UidSet::default(),
        done: UidSet::default(),
        taken: UidSet::default(),
        refused: 0,
    };
    let result = retrying(&args.common, crate::note, |_| {
        fetching.run(&service, record)
    });
    fetching.intake.conclude(record, codes);
    result
}

struct Fetching<'a> {
    args: &'a Args,
    mailbox: &'a str,
    choice: Choice,
    /// What was stored before is to be stored again.
    is_asked_for: bool,
    intake: Intake<Found>,
    section: SectionItem,
    /// All of each message is fetched.
    is_whole: bool,
    progress: &'a Progress,
    /// What makes the UIDs valid, once it is known.
    validity: Option<u32>,
    /// What is stored under UIDs that are valid no more.
    former: Former,
    /// It was told that all messages come again.
    has_told: bool,
    /// What was asked about messages before their content.
    known: HashMap<u32, Found>,
    /// The message that comes in.
    current: Option<Current>,
    /// Messages whose flags and date came behind their content.
    late: UidSet,
    /// Messages of questions that the server refused.
    again: UidSet,
    /// Messages that this attempt is done with.
    done: UidSet,
    /// Messages that the store took.
    taken: UidSet,
    /// How many the server did not give.
    refused: u64,
}

impl Fetching<'_> {
    fn run(&mut self, service: &Service, record: &mut Record) -> Result<()> {
        let mut session = service.open(record)?;
        let selected = match self.args.mark_seen {
            true => service.enter(&mut session, Access::Change)?,
            false => service.enter(&mut session, Access::Look)?,
        };
        self.begin(service, &selected)?;
        let found = match selected.exists == 0 && self.choice.is_everything() {
            true => UidSet::default(),
            false => self.choice.find(&mut session)?,
        };
        self.know_again(&selected, &found);
        if self.choice.is_everything() && found.len() >= u64::from(selected.exists) {
            self.forget_the_gone(&found);
        }
        record.stage = Stage::Transfer;
        let result = self.transfer_all(&mut session, &found);
        self.give_up_current();
        // What came whole is kept, however the conversation ended.
        let kept = self.intake.sync();
        service.tell(&mut session);
        result.and(kept)?;
        self.forget_the_former(&found)?;
        if self.args.mark_seen {
            self.mark_as_read(&mut session)?;
        }
        session.log_out();
        Ok(())
    }

    /// A mailbox is open, perhaps not for the first time.
    fn begin(&mut self, service: &Service, selected: &Selected) -> Result<()> {
        let validity = selected.uid_validity.unwrap_or(0);
        let before = self.validity.replace(validity);
        if before.is_some_and(|before| before != validity) {
            if self.intake.state.is_none() || !self.choice.is_everything() {
                return Err(Error::Refused {
                    peer: service.target().endpoint.to_string(),
                    doing: "opening a mailbox again".to_owned(),
                    reply: format!("its UIDVALIDITY is {validity} now: UIDs mean other messages"),
                    refusal: Refusal::Lasting,
                });
            }
            self.taken = UidSet::default();
        }
        self.known.clear();
        self.current = None;
        (self.late, self.again) = (UidSet::default(), UidSet::default());
        self.done = UidSet::default();
        Ok(())
    }

    /// What is stored under UIDs that mean other messages now is known again by its content.
    fn know_again(&mut self, selected: &Selected, found: &UidSet) {
        let validity = self.validity.unwrap_or(0);
        let Some(state) = &mut self.intake.state else {
            return;
        };
        let doubt = former::doubt(state, selected, found);
        if doubt.is_some() {
            former::distrust(state, validity);
        }
        let why = doubt.map_or_else(
            || format!("the mailbox has another UIDVALIDITY than before ({validity})"),
            str::to_owned,
        );
        self.former = Former::of(state, validity);
        if !self.former.is_empty() && !std::mem::replace(&mut self.has_told, true) {
            crate::warn(&format!(
                "{}: {why}: its messages come again, and what is stored already is recognised by \
                 its content",
                proto_transport::escape::escaped(self.mailbox.as_bytes())
            ));
        }
    }

    /// Fetches what is wanted. When some of it is refused, there is room for others.
    fn transfer_all(&mut self, session: &mut Session, found: &UidSet) -> Result<()> {
        loop {
            let wanted = self.wanted(found);
            if wanted.is_empty() {
                return Ok(());
            }
            self.transfer(session, wanted.clone())?;
            wanted.iter().for_each(|uid| self.done.insert(uid));
        }
    }

    /// What the state calls a message.
    fn name(&self, uid: u32) -> String {
        former::name(self.validity.unwrap_or(0), uid)
    }

    /// The state need not remember what the mailbox has no more.
    fn forget_the_gone(&mut self, all: &UidSet) {
        let validity = self.validity.unwrap_or(0);
        let Some(state) = &mut self.intake.state else {
            return;
        };
        state.forget_the_gone(|name| match former::parse(name) {
            Some((valid, uid)) => valid != validity || all.contains(uid),
            None => true,
        });
    }

    /// When all messages have come under their new UIDs, those of old mean nothing any more.
    /// An empty mailbox may be one that is not restored yet.
    fn forget_the_former(&mut self, found: &UidSet) -> Result<()> {
        let is_all = self.choice.is_everything() && self.args.limit.is_none() && !found.is_empty();
        if !is_all || self.former.is_empty() || self.intake.has_failed() {
            return Ok(());
        }
        let Some(state) = &mut self.intake.state else {
            return Ok(());
        };
        for name in std::mem::take(&mut self.former).into_names() {
            state.forget(&name);
        }
        state.sync()
    }

    /// Those that are to be fetched.
    fn wanted(&self, found: &UidSet) -> UidSet {
        let is_wanted = |uid: &u32| {
            let name = self.name(*uid);
            let is_stored = self.intake.is_stored(&name) && !self.is_asked_for;
            !self.done.contains(*uid) && !self.intake.is_over(&name) && !is_stored
        };
        // Which of them are new is not known before they come.
        let room = match self.former.is_empty() {
            true => self.intake.room(),
            false => usize::MAX,
        };
        found.iter().filter(is_wanted).take(room).collect()
    }

    fn mark_as_read(&mut self, session: &mut Session) -> Result<()> {
        let seen = [Flag::new("\\Seen")?];
        let options = StoreOptions {
            is_silent: true,
            ..StoreOptions::default()
        };
        session.store(&self.taken, Change::Add, &seen, &options, &mut |_| {})?;
        Ok(())
    }
}
