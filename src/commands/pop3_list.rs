//! `proto pop3-list URL`: what is in a maildrop.

use std::collections::HashMap;
use std::time::Instant;

use proto_pop3::{Numbers, Request, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Result};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::login::UpgradeArgs;
use crate::mail::Summary;
use crate::pop3::{chosen, listed, Listed, Service};
use crate::report::{Record, Report};
use crate::rows::Rows;

/// Show what is in a maildrop.
#[derive(clap::Args)]
pub struct Args {
    /// The maildrop: pop3://user@host/, pop3s:// or host[:port]; /1,3,5-9 names messages
    url: String,
    /// Only these messages: 1,3,5-9
    #[arg(value_parser = Numbers::parse)]
    numbers: Option<Numbers>,
    /// Tell sender, date and subject too
    #[arg(long)]
    headers: bool,
    /// One JSON object a message
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    upgrade: UpgradeArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Lists the messages.
pub fn run(args: &Args) -> Result<u8> {
    let target = Target::parse(&args.url)?;
    let report = Report::create(args.common.report.as_deref())?;
    let mut record = Record::new("pop3-list", without_password(target.url()));
    let mut rows = Rows::new(args.json, args.common.report.is_some());
    let started = Instant::now();
    let result = list(args, &target, &mut record, &mut rows);
    record.time("total", started.elapsed());
    record.items = rows.into_items();
    record.ended(&result);
    report.add(&record)?;
    result.map(|()| record.exit)
}

fn list(args: &Args, target: &Target, record: &mut Record, rows: &mut Rows) -> Result<()> {
    let service = Service::new(target, &args.upgrade, &args.common)?;
    let mut found = None;
    retrying(&args.common, crate::note, |_| {
        let mut session = service.open(record)?;
        let all = chosen(listed(&mut session)?, target, args.numbers.as_ref())?;
        let summaries = match args.headers {
            true => summaries(&mut session, &all)?,
            false => HashMap::new(),
        };
        found = Some((session, all, summaries));
        Ok(())
    })?;
    let Some((session, all, summaries)) = found else {
        return Ok(());
    };
    for message in &all {
        let summary = summaries.get(&message.number);
        let text = || {
            let Listed {
                number, size, uid, ..
            } = message;
            match summary {
                Some(summary) => format!("{number:5}  {size:9}  {uid}  {}", shown(summary)),
                None => format!("{number:5}  {size:9}  {uid}"),
            }
        };
        let item = || {
            let mut item = json!({
                "number": message.number,
                "size": message.size,
                "uid": message.uid,
            });
            if let Some(summary) = summary {
                add_summary(&mut item, summary);
            }
            item
        };
        rows.add(text, item)?;
    }
    session.quit()
}

/// How much of a header is looked at.
const HEADER: usize = 64 * 1024;

fn summaries(session: &mut Session, all: &[Listed]) -> Result<HashMap<u32, Summary>> {
    let mut summaries = HashMap::new();
    let requests = all.iter().map(|message| Request::Top(message.number, 0));
    session.fetch(requests, &mut |request, body| {
        let (Request::Top(number, _), Ok(body)) = (request, body) else {
            return Ok(());
        };
        let mut header = Vec::new();
        while let Some(part) = body.next_part()? {
            let room = HEADER.saturating_sub(header.len());
            header.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        summaries.insert(*number, Summary::of(&header));
        Ok(())
    })?;
    Ok(summaries)
}

/// A summary as one line.
pub fn shown(summary: &Summary) -> String {
    let date = summary
        .date
        .map_or_else(String::new, |date| date.date().to_string());
    let (from, subject) = (
        escaped(summary.from.as_bytes()),
        escaped(summary.subject.as_bytes()),
    );
    format!("{date:10}  {from}  {subject}")
}

/// What a program is told of a message.
pub fn add_summary(item: &mut serde_json::Value, summary: &Summary) {
    let date = summary.date.and_then(|date| date.format(&Rfc3339).ok());
    if let serde_json::Value::Object(item) = item {
        item.insert("from".to_owned(), json!(summary.from));
        item.insert("date".to_owned(), json!(date));
        item.insert("subject".to_owned(), json!(summary.subject));
        item.insert("message_id".to_owned(), json!(summary.message_id));
    }
}
