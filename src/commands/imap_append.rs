//! `proto imap-append URL FILE...`: messages from files into a mailbox.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use proto_imap::{Added, Draft, Flag, Mailbox, Place, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::OffsetDateTime;

use crate::cli::CommonArgs;
use crate::crlf::Crlf;
use crate::exit_code::{exit_code, UNKNOWN};
use crate::imap::{mailbox_of, reported, try_creating, Doings, ImapArgs, Service};
use crate::mail::{mbox_date, messages, Loaded, Message, Summary};
use crate::progress::{Progress, Transfer};
use crate::report::Stage;

/// Put messages into a mailbox.
///
/// Line ends become CRLF. The flags in the names of a Maildir are kept. A message that is refused does
/// not stop the others.
#[derive(clap::Args)]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX
    url: String,
    /// A message, an mbox or a Maildir; - is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set this flag, such as \Flagged or $Junk (repeatable)
    #[arg(long = "flag", value_name = "FLAG", value_parser = Flag::new)]
    flags: Vec<Flag>,
    /// They were read: --flag '\Seen'
    #[arg(long)]
    seen: bool,
    /// When they came: file (the time of the file, or what the mbox says), header (its Date), now, or 2024-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "file", value_parser = date)]
    date: Date,
    /// Make the mailbox if it is missing
    #[arg(long)]
    create: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Where the time comes from at which a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Date {
    File,
    Header,
    Now,
    At(OffsetDateTime),
}

fn date(text: &str) -> std::result::Result<Date, String> {
    match text {
        "file" => Ok(Date::File),
        "header" => Ok(Date::Header),
        "now" => Ok(Date::Now),
        _ => OffsetDateTime::parse(text, &Rfc3339)
            .map(Date::At)
            .map_err(|_| "it is file, header, now or a time like 2024-01-31T12:00:00Z".to_owned()),
    }
}

/// Adds the messages.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let mailbox = mailbox_of(&target)?;
    if target.uids.is_some() || target.search.is_some() {
        return Err(Error::illegal("the URL names messages, not a mailbox"));
    }
    let messages = messages(&args.files, true)?;
    reported("imap-append", &target, args.json, &args.common, |doings| {
        append(args, &target, mailbox, &messages, doings)
    })
}

fn append(
    args: &Args,
    target: &Target,
    mailbox: &Mailbox,
    messages: &[Message],
    doings: &mut Doings<'_>,
) -> Result<()> {
    let service = Service::new(target, &args.imap, &args.common)?;
    let mut session = service.open_patiently(doings.record, &args.common)?;
    enable_utf8(&mut session)?;
    doings.record.stage = Stage::Transfer;
    let progress = Progress::new(args.common.looking.quiet, messages.len());
    let ends = RefCell::new(Ends::default());
    let mut letters =
        messages.iter().enumerate().filter_map(|(index, message)| {
            match Letter::new(args, index, message, &progress) {
                Ok(letter) => Some(letter),
                Err(error) => {
                    progress.done();
                    let end = End::of(message, None, Added::Refused(error));
                    ends.borrow_mut().add(index, end);
                    None
                }
            }
        });
    let mut told = |letter: Letter<'_>, added: Added| {
        progress.done();
        let mut ends = ends.borrow_mut();
        ends.add(letter.index, End::of(letter.message, Some(&letter), added));
        ends.tell(doings)
    };
    let result = append_first(args, &mut session, mailbox, &mut letters, &mut told)
        .and_then(|()| session.append_all(mailbox, letters, &mut told));
    let mut ends = ends.into_inner();
    if result.is_err() {
        ends.add_untried(messages);
    }
    ends.tell(doings)?;
    service.tell(&mut session);
    result?;
    session.log_out();
    Ok(())
}

/// A server that makes a difference between mail with UTF-8 in its header and other mail is told which
/// is which (RFC 6855 section 4).
fn enable_utf8(session: &mut Session) -> Result<()> {
    let capabilities = session.capabilities();
    if !capabilities.offers("ENABLE") || !capabilities.offers("UTF8=ACCEPT") {
        return Ok(());
    }
    match session.enable(&["UTF8=ACCEPT"]) {
        // Then it makes none.
        Err(Error::Refused { .. }) if session.is_open() => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Adds messages one by one, until the mailbox has taken one: before, it may be missing.
fn append_first<'m>(
    args: &Args,
    session: &mut Session,
    mailbox: &Mailbox,
    letters: &mut dyn Iterator<Item = Letter<'m>>,
    told: &mut dyn FnMut(Letter<'m>, Added) -> Result<()>,
) -> Result<()> {
    for letter in letters {
        let result = try_creating(session, mailbox, args.create, |session| {
            session.append(mailbox, &letter)
        });
        match result {
            Ok(place) => return told(letter, Added::At(place)),
            Err(error @ Error::Refused { .. }) if session.is_open() => {
                told(letter, Added::Refused(error))?;
            }
            Err(error) => {
                told(letter, Added::Unknown)?;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// A message that is about to go.
struct Letter<'m> {
    /// Its place among those that were named.
    index: usize,
    message: &'m Message,
    progress: &'m Progress,
    loaded: Loaded,
    /// With CRLF.
    size: u64,
    flags: Vec<Flag>,
    date: Option<OffsetDateTime>,
}

impl<'m> Letter<'m> {
    fn new(
        args: &Args,
        index: usize,
        message: &'m Message,
        progress: &'m Progress,
    ) -> Result<Letter<'m>> {
        let loaded = message.load()?;
        let failed = |error| Error::io(format!("reading {}", message.name()), error);
        // The size goes before the message.
        let mut reader = Crlf::new(loaded.reader()?);
        let (mut block, mut size) = (vec![0; BLOCK], 0);
        loop {
            let got = reader.read(&mut block).map_err(failed)?;
            let part = block.get(..got).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            if part.contains(&0) {
                let name = escaped(message.name().as_bytes());
                let why = "it holds NUL, which no message may (RFC 9051 section 4.3)";
                return Err(Error::illegal(format!("{name}: {why}")));
            }
            size += got as u64;
        }
        drop(reader);
        Ok(Letter {
            index,
            message,
            progress,
            date: when(args.date, message, &loaded),
            flags: flags(args, message)?,
            size,
            loaded,
        })
    }
}

impl Draft for Letter<'_> {
    fn flags(&self) -> &[Flag] {
        &self.flags
    }

    fn date(&self) -> Option<OffsetDateTime> {
        self.date
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn is_utf8(&self) -> bool {
        let header = &self.loaded.header;
        !header.is_ascii() && std::str::from_utf8(header).is_ok()
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        let name = escaped(self.message.name().as_bytes());
        Ok(Box::new(Counted {
            reader: Crlf::new(self.loaded.reader()?),
            transfer: self.progress.transfer(&name, Some(self.size)),
        }))
    }
}

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;

/// Tells how much was read.
struct Counted<'c> {
    reader: Crlf<Box<dyn Read + 'c>>,
    transfer: Transfer<'c>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.transfer.advance(got as u64);
        Ok(got)
    }
}

fn flags(args: &Args, message: &Message) -> Result<Vec<Flag>> {
    let seen = args.seen.then(|| Flag::new("\\Seen"));
    let names = message.path().map_or("", maildir_flags).chars();
    let kept = names.filter_map(maildir_flag).map(Flag::new);
    let mut flags: Vec<Flag> = Vec::new();
    for flag in args.flags.iter().cloned().map(Ok).chain(seen).chain(kept) {
        let flag = flag?;
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    Ok(flags)
}

/// The letters behind `:2,` in the name of a file in `cur`.
fn maildir_flags(path: &Path) -> &str {
    let folder = path.parent().and_then(Path::file_name);
    let name = path.file_name().and_then(|name| name.to_str());
    let letters = name.and_then(|name| name.rsplit_once(":2,"));
    match folder.is_some_and(|folder| folder == "cur") {
        true => letters.map_or("", |(_, letters)| letters),
        false => "",
    }
}

fn maildir_flag(letter: char) -> Option<&'static str> {
    match letter {
        'D' => Some("\\Draft"),
        'F' => Some("\\Flagged"),
        'P' => Some("$Forwarded"),
        'R' => Some("\\Answered"),
        'S' => Some("\\Seen"),
        'T' => Some("\\Deleted"),
        _ => None,
    }
}

/// When a message came; where nothing tells it, the server does.
fn when(date: Date, message: &Message, loaded: &Loaded) -> Option<OffsetDateTime> {
    let found = match date {
        Date::Now => None,
        Date::At(time) => Some(time),
        Date::Header => Summary::of(&loaded.header).date,
        Date::File => match (message.path(), message.separator()) {
            (Some(path), _) => modified(path),
            (None, Some(line)) => mbox_date(&line),
            (None, None) => None,
        },
    };
    // RFC 9051 section 9: a year has four digits.
    found.filter(|date| (1..=9999).contains(&date.year()))
}

fn modified(path: &Path) -> Option<OffsetDateTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = std::fs::metadata(path).ok()?.mtime();
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// What became of messages. Those that nobody was asked for are known before others.
#[derive(Default)]
struct Ends {
    /// So many were told.
    told: usize,
    waiting: BTreeMap<usize, End>,
}

impl Ends {
    fn add(&mut self, index: usize, end: End) {
        self.waiting.insert(index, end);
    }

    /// The conversation has failed: those that nothing is known of were not tried.
    fn add_untried(&mut self, messages: &[Message]) {
        for (index, message) in messages.iter().enumerate().skip(self.told) {
            let untried = || End {
                result: "not-appended",
                error: Some("it was not tried: the conversation had failed".to_owned()),
                ..End::new(message)
            };
            self.waiting.entry(index).or_insert_with(untried);
        }
    }

    /// Shows them in the order in which the messages were named.
    fn tell(&mut self, doings: &mut Doings<'_>) -> Result<()> {
        while let Some(end) = self.waiting.remove(&self.told) {
            self.told += 1;
            end.tell(doings)?;
        }
        Ok(())
    }
}

/// What became of a message.
struct End {
    result: &'static str,
    name: String,
    place: Place,
    size: Option<u64>,
    flags: Option<Vec<String>>,
    date: Option<OffsetDateTime>,
    error: Option<String>,
    /// The status of what failed by itself.
    code: Option<u8>,
}

impl End {
    fn new(message: &Message) -> End {
        End {
            result: "appended",
            name: message.name().to_owned(),
            place: None,
            size: None,
            flags: None,
            date: None,
            error: None,
            code: None,
        }
    }

    fn of(message: &Message, letter: Option<&Letter<'_>>, added: Added) -> End {
        let names = |letter: &Letter<'_>| {
            let names = letter.flags.iter().map(Flag::as_str);
            names.map(str::to_owned).collect()
        };
        let mut end = End {
            size: letter.map(|letter| letter.size),
            flags: letter.map(names),
            date: letter.and_then(|letter| letter.date),
            ..End::new(message)
        };
        match added {
            Added::At(place) => end.place = place,
            Added::Refused(error) => {
                end.result = "not-appended";
                end.code = Some(exit_code(&error));
                end.error = Some(error.to_string());
            }
            Added::Unknown => {
                end.result = "unknown";
                let why = "the connection ended before the answer: it may be there or not";
                end.error = Some(why.to_owned());
                end.code = Some(UNKNOWN);
            }
        }
        end
    }

    fn tell(self, doings: &mut Doings<'_>) -> Result<()> {
        doings.codes.extend(self.code);
        doings.rows.add(
            || {
                let uid = self
                    .place
                    .map_or("-".to_owned(), |(_, uid)| uid.to_string());
                let name = escaped(self.name.as_bytes());
                let error = self.error.as_deref().unwrap_or_default();
                format!("{:12}  {uid:>7}  {name}  {error}", self.result)
                    .trim_end()
                    .to_owned()
            },
            || {
                json!({
                    "result": self.result,
                    "message": self.name,
                    "uid": self.place.map(|(_, uid)| uid),
                    "uid_validity": self.place.map(|(validity, _)| validity),
                    "size": self.size,
                    "flags": self.flags,
                    "date": self.date.and_then(|date| date.format(&Rfc3339).ok()),
                    "error": self.error,
                })
            },
        )
    }
}
