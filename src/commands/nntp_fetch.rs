//! `proto nntp-fetch URL [ARTICLES]`: articles of a group, or by Message-ID, into a store.
//!
//! ```text
//! LISTGROUP → what is new → ARTICLE → store → sync (many at once) → state → row
//! ```
//!
//! The state calls an article `NUMBER MESSAGE-ID`. What is new goes by the numbers; where those have
//! changed, because a server was rebuilt, it goes by the Message-IDs.

use std::collections::{HashMap, HashSet};

use proto_nntp::{
    Article, Articles, Fetch, Fetched, Field, Group, MessageId, No, Part, Range, Session, Target,
    What,
};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Error, Result};
use serde_json::{json, Value};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::{reported, Intake, IntakeArgs, Message, Scope};
use crate::nntp::{another, ends_all, missing, target, text, NewsArgs, Service};
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::store::About;

/// Fetch articles.
#[derive(clap::Args)]
pub struct Args {
    /// The group: nntp://host/group, nntps://; /5-9 or a Message-ID behind the host chooses;
    /// news:group is on the server that NNTPSERVER names
    url: String,
    /// Only these articles: numbers such as 1,3,5-9, or Message-IDs
    articles: Vec<String>,
    /// Also articles that were stored before
    #[arg(long)]
    all: bool,
    /// Headers alone
    #[arg(long)]
    headers_only: bool,
    /// So many articles at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    intake: IntakeArgs,
    #[command(flatten)]
    news: NewsArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What is asked for.
enum Wish {
    /// Articles by Message-ID.
    Messages(Vec<MessageId>),
    /// What is new in a group.
    New(Group),
    /// Articles of a group by number.
    Numbers(Group, Vec<Range>),
}

impl Wish {
    fn of(args: &Args, target: &Target) -> Result<Wish> {
        let mut ids = Vec::new();
        let mut ranges = Vec::new();
        for text in &args.articles {
            match text.contains('@') || text.starts_with('<') {
                true => ids.push(MessageId::new(text)?),
                false => {
                    for part in text.split(',') {
                        ranges.push(Range::parse(part)?);
                    }
                }
            }
        }
        let group = match &target.what {
            What::Group(group) | What::Articles(group, _) => Some(group.clone()),
            _ => None,
        };
        match (&target.what, ids.is_empty(), ranges.is_empty()) {
            (What::Message(id), true, true) => Ok(Wish::Messages(vec![id.clone()])),
            (What::Articles(group, range), true, true) => {
                Ok(Wish::Numbers(group.clone(), vec![*range]))
            }
            (_, false, false) => Err(Error::illegal(
                "numbers and Message-IDs do not go together in one command",
            )),
            (What::Server | What::Group(_), false, true) => Ok(Wish::Messages(ids)),
            (_, true, _) => match group {
                Some(group) if ranges.is_empty() => Ok(Wish::New(group)),
                Some(group) => Ok(Wish::Numbers(group, ranges)),
                None => Err(Error::illegal(
                    "which group? It stands behind the server: nntp://host/group",
                )),
            },
            _ => Err(Error::illegal(
                "the URL and the arguments name different articles",
            )),
        }
    }

    fn is_one(&self) -> bool {
        match self {
            Wish::Messages(ids) => ids.len() == 1,
            Wish::New(_) => false,
            Wish::Numbers(_, ranges) => match ranges.as_slice() {
                [range] => range.last() == Some(range.first()),
                _ => false,
            },
        }
    }
}

/// Fetches what is new, or what is asked for.
pub fn run(args: &Args) -> Result<u8> {
    let target = target(&args.url)?;
    let wish = Wish::of(args, &target)?;
    let url = without_password(target.url());
    reported("nntp-fetch", url, &args.common, |record, codes| {
        fetch(args, &target, &wish, record, codes)
    })
}

fn fetch(
    args: &Args,
    target: &Target,
    wish: &Wish,
    record: &mut Record,
    codes: &mut Vec<u8>,
) -> Result<()> {
    let service = Service::new(target, &args.news, &args.common)?;
    let group = match wish {
        Wish::Messages(_) => "",
        Wish::New(group) | Wish::Numbers(group, _) => group.as_str(),
    };
    let scope = Scope {
        protocol: "nntp",
        account: &service.account(group),
        remembers: !args.headers_only && !matches!(wish, Wish::Messages(_)),
        is_one: wish.is_one(),
        limit: args.limit.unwrap_or(usize::MAX),
    };
    let mut fetching = Fetching {
        args,
        wish,
        intake: Intake::open(&args.intake, &args.common, &scope)?,
        progress: &Progress::new(args.common.looking.quiet, 1),
    };
    let result = retrying(&args.common, crate::note, |_| {
        service.converse(record, |session, record| fetching.run(session, record))
    });
    fetching.intake.conclude(record, codes);
    result
}

/// An article that is fetched.
#[derive(Clone)]
struct Listed {
    /// Its number in the group; 0 where there is none.
    number: u64,
    /// Its Message-ID; empty where the server does not tell it.
    id: String,
}

impl Listed {
    /// What the state calls it.
    fn name(&self) -> String {
        format!("{} {}", self.number, self.id)
    }
}

/// Number and Message-ID of a name.
fn parts(name: &str) -> Option<(u64, &str)> {
    let (number, id) = name.split_once(' ')?;
    Some((number.parse().ok()?, id))
}

/// Numbers of a group that are looked at, at most.
const MOST_NUMBERS: usize = 10_000_000;

struct Fetching<'a> {
    args: &'a Args,
    wish: &'a Wish,
    intake: Intake<Listed>,
    progress: &'a Progress,
}

impl Fetching<'_> {
    fn run(&mut self, session: &mut Session, record: &mut Record) -> Result<()> {
        let wanted = match self.wish {
            Wish::Messages(ids) => self.by_id(ids),
            Wish::New(group) => self.new_in(session, group)?,
            Wish::Numbers(group, ranges) => self.by_number(session, group, ranges)?,
        };
        record.stage = Stage::Transfer;
        let result = self.transfer(session, wanted);
        // What came whole is kept, however the conversation ended.
        let kept = self.intake.sync();
        result.and(kept)
    }

    fn by_id(&self, ids: &[MessageId]) -> Vec<Article> {
        let name = |id: &MessageId| format!("0 {id}");
        let is_open = |id: &&MessageId| !self.intake.is_over(&name(id));
        let open = ids.iter().filter(is_open).take(self.intake.room());
        open.cloned().map(Article::Id).collect()
    }

    fn by_number(
        &self,
        session: &mut Session,
        group: &Group,
        ranges: &[Range],
    ) -> Result<Vec<Article>> {
        let only = match ranges {
            [range] => Some(*range),
            _ => None,
        };
        let numbers = numbers(session, group, only)?;
        for range in ranges {
            let is_one = range.last() == Some(range.first());
            if is_one && numbers.binary_search(&range.first()).is_err() {
                return Err(missing(session, &format!("article {range}")));
            }
        }
        let is_wanted = |number: &u64| ranges.iter().any(|range| range.contains(*number));
        Ok(self.open(numbers.into_iter().filter(is_wanted)))
    }

    fn new_in(&mut self, session: &mut Session, group: &Group) -> Result<Vec<Article>> {
        let all = numbers(session, group, None)?;
        if self.args.all {
            return Ok(self.open(all.into_iter()));
        }
        if !self.numbers_hold(session, &all)? {
            self.renumber(session, &all)?;
        }
        let stored: HashSet<u64> = self.stored().map(|(number, _)| number).collect();
        self.forget_the_gone(&all);
        Ok(self.open(all.into_iter().filter(|number| !stored.contains(number))))
    }

    /// Those that this run is not done with, as many as may have a row.
    fn open(&self, numbers: impl Iterator<Item = u64>) -> Vec<Article> {
        let over = self.intake.over().filter_map(parts);
        let over: HashSet<u64> = over.map(|(number, _)| number).collect();
        let open = numbers.filter(|number| !over.contains(number));
        open.take(self.intake.room()).map(Article::Number).collect()
    }

    /// Number and Message-ID of all that is stored.
    fn stored(&self) -> impl Iterator<Item = (u64, &str)> {
        let states = self.intake.state.iter();
        states.flat_map(|state| state.uids()).filter_map(parts)
    }

    /// Whether the numbers of the state are those of the server: the last article that is stored and
    /// still there is what it was.
    fn numbers_hold(&self, session: &mut Session, all: &[u64]) -> Result<bool> {
        let is_there = |(number, _): &(u64, &str)| all.binary_search(number).is_ok();
        let Some((number, id)) = self.stored().filter(is_there).max() else {
            // Nothing is stored, or all of that is gone, by whatever numbers.
            return Ok(self.stored().next().is_none() || all.is_empty());
        };
        let mut is_same = false;
        let stat = [Fetch::new(Part::Stat, Article::Number(number))];
        session.fetch(stat, &mut |_, fetched| match fetched {
            Ok(fetched) => {
                is_same = fetched.id.is_none_or(|found| found.as_str() == id);
                Ok(())
            }
            Err(error) if ends_all(&error) => Err(error),
            // What is gone this very moment says nothing; then the Message-IDs do.
            Err(_) => Ok(()),
        })?;
        Ok(is_same)
    }

    /// Learns the new numbers of what is stored, and forgets what the server has no more.
    fn renumber(&mut self, session: &mut Session, all: &[u64]) -> Result<()> {
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return Ok(());
        };
        let range = Articles::Range(Range::new(*first, Some(*last))?);
        let mut now = HashMap::new();
        session.headers(&Field::new("Message-ID")?, &range, &mut |number, id| {
            now.insert(text(id.trim_ascii()), number);
            Ok(())
        })?;
        let Some(state) = &mut self.intake.state else {
            return Ok(());
        };
        let hashes: Vec<(String, [u8; 32])> = state
            .hashes()
            .map(|(name, hash)| (name.to_owned(), *hash))
            .collect();
        for (name, hash) in hashes {
            let Some((number, id)) = parts(&name) else {
                continue;
            };
            match now.get(id) {
                Some(there) if *there == number => {}
                Some(there) => {
                    state.forget(&name);
                    state.record(&format!("{there} {id}"), &hash, "");
                }
                None => state.forget(&name),
            }
        }
        Ok(())
    }

    /// The state need not remember what is older than all that the server has: no such number comes
    /// again.
    fn forget_the_gone(&mut self, all: &[u64]) {
        let (Some(first), Some(state)) = (all.first(), &mut self.intake.state) else {
            return;
        };
        state.forget_the_gone(|name| parts(name).is_some_and(|(number, _)| number >= *first));
    }

    fn transfer(&mut self, session: &mut Session, wanted: Vec<Article>) -> Result<()> {
        let part = match self.args.headers_only {
            true => Part::Head,
            false => Part::Article,
        };
        let is_new = matches!(self.wish, Wish::New(_));
        let peer = session.connection().peer().to_owned();
        let wishes = wanted.into_iter().map(|article| Fetch::new(part, article));
        let mut line = self.progress.transfer("articles", None);
        session.fetch(wishes, &mut |wish, fetched| match fetched {
            Ok(fetched) => {
                let listed = listed(&peer, &wish.article, &fetched)?;
                self.keep(listed, fetched, &mut |count| line.advance(count))
            }
            Err(error) if ends_all(&error) => Err(error),
            // It was cancelled or has expired meanwhile; nobody asked for this one.
            Err(error) if is_new && No::of(&error) == Some(No::Missing) => Ok(()),
            Err(error) => {
                let listed = wished(&wish.article);
                let name = listed.name();
                self.intake.refused(&listed, Some(name), &error)
            }
        })
    }

    /// One article from the server to the store.
    fn keep(
        &mut self,
        listed: Listed,
        fetched: Fetched<'_, '_>,
        advance: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let Some(body) = fetched.body else {
            return Ok(());
        };
        let number = listed.number.to_string();
        let bare = listed.id.trim_matches(['<', '>']);
        let about = About {
            uid: if bare.is_empty() { &number } else { bare },
            flags: "",
            date: None,
        };
        let is_whole = self
            .intake
            .receive(&about, body, &mut |part| advance(part.len() as u64))?;
        let name = listed.name();
        match is_whole {
            true => self.intake.end(listed, name).map(drop),
            false => self.intake.skip(&listed, Some(name)),
        }
    }
}

/// What is known of an article that was asked for.
fn wished(article: &Article) -> Listed {
    match article {
        Article::Number(number) => Listed {
            number: *number,
            id: String::new(),
        },
        Article::Id(id) => Listed {
            number: 0,
            id: id.to_string(),
        },
    }
}

/// What is known of an article that came, which must be the one that was asked for.
fn listed(peer: &str, wanted: &Article, fetched: &Fetched<'_, '_>) -> Result<Listed> {
    let mut listed = wished(wanted);
    let id = fetched.id.as_ref();
    match wanted {
        Article::Number(number) => {
            if fetched.number != *number && fetched.number != 0 {
                return Err(another(peer, wanted, &fetched.number.to_string()));
            }
            listed.id = id.map(ToString::to_string).unwrap_or_default();
        }
        Article::Id(wished) => {
            if let Some(other) = id.filter(|id| *id != wished) {
                return Err(another(peer, wanted, &escaped(other.as_str().as_bytes())));
            }
        }
    }
    Ok(listed)
}

/// The numbers of a group, in order. A server that cannot list them has some between two.
fn numbers(session: &mut Session, group: &Group, range: Option<Range>) -> Result<Vec<u64>> {
    let too_many = || Error::TooLarge {
        what: format!("{group}: its articles"),
        limit: MOST_NUMBERS as u64,
    };
    let mut all = Vec::new();
    let listed = session.list_group(group, range, &mut |number| {
        all.push(number);
        match all.len() > MOST_NUMBERS {
            true => Err(too_many()),
            false => Ok(()),
        }
    });
    match listed {
        Err(error) if No::of(&error) == Some(No::Unsupported) => {
            let has = session.group(group)?;
            let (low, high) = (has.low.max(1), has.high);
            let within = match range {
                _ if has.is_empty() => None,
                Some(range) => range.within(low, high),
                None => Range::new(low, Some(high)).ok(),
            };
            let Some(within) = within else {
                return Ok(all);
            };
            let last = within.last().unwrap_or(high);
            if last - within.first() >= MOST_NUMBERS as u64 {
                return Err(too_many());
            }
            all.extend(within.first()..=last);
        }
        listed => drop(listed?),
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

impl Message for Listed {
    fn row(&self, result: &str, told: &str) -> String {
        let id = escaped(self.id.as_bytes());
        format!("{result:10}  {:7}  {id}  {told}", self.number)
    }

    fn item(&self, result: &str) -> Value {
        json!({
            "result": result,
            "number": (self.number > 0).then_some(self.number),
            "message_id": self.id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_number_and_message_id() {
        let listed = Listed {
            number: 7,
            id: "<a@b>".to_owned(),
        };
        assert_eq!(parts(&listed.name()), Some((7, "<a@b>")));
        assert_eq!(parts("x"), None);
        assert_eq!(parts("7 "), Some((7, "")));
    }
}
