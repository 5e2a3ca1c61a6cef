//! `proto nntp-groups URL [PATTERN]`: which groups there are, how much is in them, and what they are
//! about.

use std::collections::HashMap;

use proto_nntp::{Active, Counted, Described, List, No, Posting, Session, What, Wildmat};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::nntp::{missing, target, text, NewsArgs, Service};
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Show the groups of a news server.
#[derive(clap::Args)]
pub struct Args {
    /// The server: nntp://host/, nntps:// or host[:port]; a group or pattern behind it chooses
    url: String,
    /// Only these groups: comp.*,!comp.os.*
    #[arg(value_name = "PATTERN", value_parser = Wildmat::new)]
    pattern: Option<Wildmat>,
    /// One JSON object a group
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    news: NewsArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Lists the groups.
pub fn run(args: &Args) -> Result<u8> {
    let target = target(&args.url)?;
    let (pattern, is_one) = match (&args.pattern, &target.what) {
        (Some(pattern), _) => (Some(pattern.clone()), false),
        (None, What::Server) => (None, false),
        (None, What::Groups(pattern)) => (Some(pattern.clone()), false),
        (None, What::Group(group)) => (Some(Wildmat::new(group.as_str())?), true),
        (None, What::Articles(..) | What::Message(_)) => {
            return Err(Error::illegal(
                "the URL names articles and no groups; see nntp-overview and nntp-fetch",
            ))
        }
    };
    let url = without_password(target.url());
    reported("nntp-groups", url, &args.common, |record, _| {
        let service = Service::new(&target, &args.news, &args.common)?;
        retrying(&args.common, crate::note, |this| {
            service.converse(record, |session, record| {
                let mut listing = Listing {
                    session,
                    pattern: pattern.as_ref(),
                    rows: Rows::new(args.json, args.common.report.is_some()),
                    count: 0,
                    strays: 0,
                };
                let result = listing.run(record);
                this.is_last = listing.count > 0;
                if listing.strays > 0 {
                    let strays = listing.strays;
                    crate::warn(&format!("{strays} lines of the list could not be read"));
                }
                let is_missing = is_one && listing.count == 0;
                record.items = listing.rows.into_items();
                result?;
                match (is_missing, &pattern) {
                    (true, Some(name)) => Err(missing(session, &format!("group {name}"))),
                    _ => Ok(()),
                }
            })
        })
    })
}

/// Groups whose descriptions are remembered, at most; the largest servers have some 100,000.
const MOST_GROUPS: usize = 500_000;

/// Octets of all descriptions at most: 64 MiB. What comes behind is not shown.
const MOST_OCTETS: usize = 64 << 20;

/// What is known of a group.
struct Found<'l> {
    name: &'l [u8],
    count: u64,
    low: u64,
    high: u64,
    posting: Posting<'l>,
}

struct Listing<'a> {
    session: &'a mut Session,
    pattern: Option<&'a Wildmat>,
    rows: Rows,
    count: u64,
    strays: u64,
}

impl Listing<'_> {
    fn run(&mut self, record: &mut Record) -> Result<()> {
        let descriptions = self.descriptions()?;
        record.stage = Stage::Transfer;
        let counts = self.session.capabilities().offers_with("LIST", "COUNTS");
        let list = match counts {
            true => List::Counts(self.pattern.cloned()),
            false => List::Active(self.pattern.cloned()),
        };
        let (rows, pattern) = (&mut self.rows, self.pattern);
        let (count, strays) = (&mut self.count, &mut self.strays);
        self.session.list(&list, &mut |line| {
            let Some(found) = found(line, counts) else {
                *strays += 1;
                return Ok(());
            };
            let name = text(found.name);
            // A server that does not know patterns tells all.
            if pattern.is_some_and(|pattern| !pattern.matches(&name)) {
                return Ok(());
            }
            *count += 1;
            let description = descriptions.get(found.name).map(String::as_str);
            rows.add(
                || row(&name, &found, description),
                || {
                    json!({
                        "group": name,
                        "count": found.count,
                        "low": found.low,
                        "high": found.high,
                        "posting": posting(&found.posting),
                        "description": description,
                    })
                },
            )
        })
    }

    /// What the groups are about, by their names. Not every server knows.
    fn descriptions(&mut self) -> Result<HashMap<Vec<u8>, String>> {
        let mut all = HashMap::new();
        let mut octets = 0;
        let list = List::Newsgroups(self.pattern.cloned());
        let listed = self.session.list(&list, &mut |line| {
            if let Some(Described { group, description }) = Described::parse(line) {
                octets += line.len();
                if octets <= MOST_OCTETS && all.len() < MOST_GROUPS {
                    all.insert(group.to_vec(), text(description.trim_ascii()));
                }
            }
            Ok(())
        });
        match listed {
            Err(error) if No::of(&error) == Some(No::Unsupported) => Ok(all),
            listed => listed.map(|()| all),
        }
    }
}

/// A line of LIST COUNTS, or of LIST ACTIVE, which tells no more than what the numbers leave room
/// for.
fn found(line: &[u8], has_count: bool) -> Option<Found<'_>> {
    if has_count {
        let counted = Counted::parse(line)?;
        return Some(Found {
            name: counted.group,
            count: counted.count,
            low: counted.low,
            high: counted.high,
            posting: counted.posting,
        });
    }
    let active = Active::parse(line)?;
    let room = active.high.checked_sub(active.low);
    Some(Found {
        name: active.group,
        count: room.map_or(0, |room| room.saturating_add(1)),
        low: active.low,
        high: active.high,
        posting: active.posting,
    })
}

fn posting(posting: &Posting<'_>) -> &'static str {
    match posting {
        Posting::Yes => "yes",
        Posting::No => "no",
        Posting::Moderated => "moderated",
        Posting::Closed => "closed",
        Posting::Junk => "junk",
        Posting::Alias(_) => "alias",
        Posting::Unknown => "unknown",
    }
}

fn row(name: &str, found: &Found<'_>, description: Option<&str>) -> String {
    let count = found.count;
    let posting = posting(&found.posting);
    let name = escaped(name.as_bytes());
    let description = escaped(description.unwrap_or_default().as_bytes());
    let row = format!("{count:9}  {posting:9}  {name}  {description}");
    row.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_without_a_count_have_room() {
        for (line, count) in [
            (&b"a 10 1 y"[..], 10),
            (b"a 0 1 y", 0),
            (b"a 18446744073709551615 0 y", u64::MAX),
        ] {
            assert_eq!(found(line, false).unwrap().count, count);
        }
        assert_eq!(found(b"a 10 1 5 m", true).unwrap().count, 5);
        assert!(found(b"a", false).is_none() && found(b"", true).is_none());
    }
}
