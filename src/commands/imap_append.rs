//! `proto imap-append URL FILE...`: messages from files into a mailbox.

use std::io::Read;
use std::path::{Path, PathBuf};

use proto_imap::{Flag, Mailbox, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{Error, Result};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::OffsetDateTime;

use crate::cli::CommonArgs;
use crate::crlf::Crlf;
use crate::exit_code::exit_code;
use crate::imap::{mailbox_of, reported, try_creating, Doings, ImapArgs, Service};
use crate::mail::{mbox_date, messages, Loaded, Message, Summary};
use crate::progress::Progress;
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
    doings: &mut Doings,
) -> Result<()> {
    let service = Service::new(target, &args.imap, &args.common)?;
    let mut session = service.open(&mut doings.record)?;
    doings.record.stage = Stage::Transfer;
    let progress = Progress::new(args.common.looking.quiet, messages.len());
    for message in messages {
        let letter = match Letter::new(args, message) {
            Ok(letter) => letter,
            Err(error) => {
                told(message, None, &Err(error), doings)?;
                continue;
            }
        };
        let result = try_creating(&mut session, mailbox, args.create, |session| {
            letter.append(session, mailbox, &progress)
        });
        service.tell(&mut session);
        progress.done();
        told(message, Some(&letter), &result, doings)?;
        match result {
            Ok(_) | Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    session.log_out();
    Ok(())
}

/// A message that is about to go.
struct Letter {
    loaded: Loaded,
    /// With CRLF.
    size: u64,
    flags: Vec<Flag>,
    date: Option<OffsetDateTime>,
}

impl Letter {
    fn new(args: &Args, message: &Message) -> Result<Letter> {
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
            date: when(args.date, message, &loaded),
            flags: flags(args, message)?,
            size,
            loaded,
        })
    }

    fn append(
        &self,
        session: &mut Session,
        mailbox: &Mailbox,
        progress: &Progress,
    ) -> Result<Option<(u32, u32)>> {
        let mut transfer = progress.transfer(mailbox.name(), Some(self.size));
        let mut reader = Crlf::new(self.loaded.reader()?);
        let mut source = Counted {
            reader: &mut reader,
            advance: &mut |bytes| transfer.advance(bytes),
        };
        session.append(mailbox, &self.flags, self.date, self.size, &mut source)
    }
}

/// How much is read at a time.
const BLOCK: usize = 64 * 1024;

/// Tells how much was read.
struct Counted<'c> {
    reader: &'c mut dyn Read,
    advance: &'c mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.reader.read(buffer)?;
        (self.advance)(got as u64);
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

/// Shows what became of a message.
fn told(
    message: &Message,
    letter: Option<&Letter>,
    result: &Result<Option<(u32, u32)>>,
    doings: &mut Doings,
) -> Result<()> {
    let (word, place, error) = match result {
        Ok(place) => ("appended", *place, None),
        Err(error) => {
            doings.codes.push(exit_code(error));
            ("not-appended", None, Some(error.to_string()))
        }
    };
    doings.rows.add(
        || {
            let uid = place.map_or("-".to_owned(), |(_, uid)| uid.to_string());
            let name = escaped(message.name().as_bytes());
            let error = error.as_deref().unwrap_or_default();
            format!("{word:12}  {uid:>7}  {name}  {error}")
                .trim_end()
                .to_owned()
        },
        || {
            let date = letter.and_then(|letter| letter.date);
            let flags = letter.map(|letter| {
                let flags = letter.flags.iter().map(Flag::as_str);
                flags.collect::<Vec<_>>()
            });
            json!({
                "result": word,
                "message": message.name(),
                "uid": place.map(|(_, uid)| uid),
                "uid_validity": place.map(|(validity, _)| validity),
                "size": letter.map(|letter| letter.size),
                "flags": flags,
                "date": date.and_then(|date| date.format(&Rfc3339).ok()),
                "error": error,
            })
        },
    )
}
