//! `proto nntp-overview URL [RANGE]`: the articles of a group in short.

use proto_nntp::{Articles, Group, Overview, Range, Session, Target, What};
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::commands::pop3_list::{add_summary, shown};
use crate::download::retrying;
use crate::fetching::reported;
use crate::nntp::{missing, summary, target, text, NewsArgs, Service};
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Show the articles of a group in short.
#[derive(clap::Args)]
pub struct Args {
    /// The group: nntp://host/group, nntps://; /5-9 or a Message-ID behind the host chooses
    url: String,
    /// Only these articles: 5, 5-9 or 5-
    #[arg(value_parser = Range::parse)]
    range: Option<Range>,
    /// Only the last so many numbers of the group
    #[arg(long, value_name = "N", conflicts_with = "range", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// One JSON object an article
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    news: NewsArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Shows the articles.
pub fn run(args: &Args) -> Result<u8> {
    let target = target(&args.url)?;
    if !matches!(
        (&target.what, args.range),
        (What::Group(_) | What::Articles(..), _) | (What::Message(_), None)
    ) {
        return Err(Error::illegal(
            "which group? It stands behind the server: nntp://host/group",
        ));
    }
    let url = without_password(target.url());
    reported("nntp-overview", url, &args.common, |record, _| {
        let service = Service::new(&target, &args.news, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            service.converse(record, |session, record| {
                let mut rows = Rows::new(args.json, args.common.report.is_some());
                let shown = show(args, &target, session, record, &mut |overview| {
                    this.is_last = true;
                    add(&mut rows, overview)
                });
                record.items = rows.into_items();
                shown
            })
        })
    })
}

fn show(
    args: &Args,
    target: &Target,
    session: &mut Session,
    record: &mut Record,
    each: &mut dyn FnMut(&Overview<'_>) -> Result<()>,
) -> Result<()> {
    let articles = match &target.what {
        What::Message(id) => Some(Articles::Id(id.clone())),
        What::Group(group) => range(args, session, group, None)?,
        What::Articles(group, range_) => range(args, session, group, Some(*range_))?,
        What::Server | What::Groups(_) => None,
    };
    let Some(articles) = articles else {
        return Ok(());
    };
    let format = session.overview_format()?;
    record.stage = Stage::Transfer;
    let mut count = 0_u64;
    let strays = session.overview(&articles, &format, &mut |overview| {
        count += 1;
        each(&overview)
    })?;
    if strays > 0 {
        crate::warn(&format!("{strays} lines of the overview could not be read"));
    }
    let is_one = match &articles {
        Articles::Range(range) => range.last() == Some(range.first()),
        Articles::Id(_) => true,
    };
    match is_one && count == 0 && strays == 0 {
        true => Err(missing(session, &format!("article {articles}"))),
        false => Ok(()),
    }
}

/// Opens the group; what is asked for of it, or all that it has. Nothing if it is empty.
fn range(
    args: &Args,
    session: &mut Session,
    group: &Group,
    range: Option<Range>,
) -> Result<Option<Articles>> {
    let has = session.group(group)?;
    if let Some(range) = args.range.or(range.filter(|_| args.last.is_none())) {
        return Ok(Some(Articles::Range(range)));
    }
    if has.is_empty() {
        return Ok(None);
    }
    let last = args
        .last
        .map_or(1, |last| has.high.saturating_sub(last - 1));
    let range = Range::new(has.low.max(last).max(1), Some(has.high));
    Ok(range.ok().map(Articles::Range))
}

fn add(rows: &mut Rows, overview: &Overview<'_>) -> Result<()> {
    let found = summary(|name| overview.get(name));
    rows.add(
        || format!("{:9}  {}", overview.number, shown(&found)),
        || {
            let references = overview.get("References").map(text).unwrap_or_default();
            let references: Vec<&str> = references.split_ascii_whitespace().collect();
            let mut item = json!({
                "number": overview.number,
                "bytes": overview.number_of(":bytes"),
                "lines": overview.number_of(":lines"),
                "references": references,
            });
            add_summary(&mut item, &found);
            item
        },
    )
}
