//! `proto pop3-delete URL NUMBERS`: messages are deleted, and nothing else.

use std::time::Instant;

use proto_pop3::{Numbers, Target};
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::exit_code::{exit_code, worst};
use crate::login::UpgradeArgs;
use crate::pop3::{chosen, listed, Listed, Service};
use crate::report::{Record, Report};
use crate::rows::Rows;

/// Delete messages of a maildrop.
#[derive(clap::Args)]
pub struct Args {
    /// The maildrop: pop3://user@host/, pop3s:// or host[:port]; /1,3,5-9 names messages
    url: String,
    /// These messages: 1,3,5-9
    #[arg(value_parser = Numbers::parse, conflicts_with_all = ["all", "uid"])]
    numbers: Option<Numbers>,
    /// All messages
    #[arg(long)]
    all: bool,
    /// The message with this unique-id (repeatable)
    #[arg(long, value_name = "UID", conflicts_with = "all")]
    uid: Vec<String>,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    upgrade: UpgradeArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Deletes the messages that are named.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let is_named = args.numbers.is_some() || target.numbers.is_some() || !args.uid.is_empty();
    if !is_named && !args.all {
        return Err(Error::illegal(
            "which messages? Name them by number, by --uid, or all of them by --all",
        ));
    }
    let report = Report::create(args.common.report.as_deref())?;
    let mut record = Record::new("pop3-delete", without_password(target.url()));
    let mut rows = Rows::new(args.json, args.common.report.is_some());
    let started = Instant::now();
    let mut codes = Vec::new();
    let result = delete(args, &target, &mut record, &mut rows, &mut codes);
    record.time("total", started.elapsed());
    record.items = rows.into_items();
    record.ended(&result);
    record.exit = worst(codes.into_iter().chain([record.exit]));
    record.ok = record.exit == 0;
    report.add(&record)?;
    result.map(|()| record.exit)
}

fn delete(
    args: &Args,
    target: &Target,
    record: &mut Record,
    rows: &mut Rows,
    codes: &mut Vec<u8>,
) -> Result<()> {
    if target.numbers.is_some() && (args.all || !args.uid.is_empty()) {
        return Err(Error::illegal(
            "the URL names messages by number, so neither --uid nor --all can",
        ));
    }
    let service = Service::new(target, &args.upgrade, &args.common)?;
    let mut found = None;
    retrying(&args.common, crate::note, |_| {
        let mut session = service.open(record)?;
        let all = listed(&mut session)?;
        let chosen = match args.uid.as_slice() {
            [] => chosen(all, target, args.numbers.as_ref())?,
            uids => named(all, uids)?,
        };
        found = Some((session, chosen));
        Ok(())
    })?;
    let Some((mut session, chosen)) = found else {
        return Ok(());
    };
    let mut marked = Vec::new();
    let mut messages = chosen.iter();
    let numbers = chosen.iter().map(|listed| listed.number);
    session.delete(numbers, &mut |_, result| {
        if let Some(listed) = messages.next() {
            marked.push((listed, result));
        }
    })?;
    // Only now the server deletes anything.
    let done = session.quit();
    for (listed, result) in marked {
        let (word, told) = match (&result, &done) {
            // The server may have heard that it is to delete, and nobody knows whether it has.
            (Ok(()), Err(error)) if !matches!(error, Error::Refused { .. }) => {
                ("unknown", Some(error.to_string()))
            }
            (Err(error), _) | (Ok(()), Err(error)) => {
                codes.push(exit_code(error));
                ("not-deleted", Some(error.to_string()))
            }
            (Ok(()), Ok(())) => ("deleted", None),
        };
        let text = || {
            let told = told.as_deref().unwrap_or_default();
            let text = format!("{word:12}  {:5}  {}  {told}", listed.number, listed.uid);
            text.trim_end().to_owned()
        };
        let item = || {
            json!({
                "result": word,
                "number": listed.number,
                "uid": listed.uid,
                "error": told,
            })
        };
        rows.add(text, item)?;
    }
    done
}

/// The messages with these unique-ids, each of which must be that of one message.
fn named(all: Vec<Listed>, uids: &[String]) -> Result<Vec<Listed>> {
    for uid in uids {
        match all.iter().filter(|listed| listed.uid == *uid).count() {
            0 => return Err(Error::illegal(format!("there is no message {uid:?}"))),
            1 => {}
            count => {
                let why = format!("{count} messages are called {uid:?}; name them by number");
                return Err(Error::illegal(why));
            }
        }
    }
    let is_named = |listed: &Listed| uids.contains(&listed.uid);
    Ok(all.into_iter().filter(is_named).collect())
}
