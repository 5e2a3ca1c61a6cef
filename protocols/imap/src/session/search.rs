//! Looking for messages (RFC 9051 section 6.4.4, RFC 4731), in order and by thread (RFC 5256).

use proto_transport::{Error, Result};

use super::fetch::{AHEAD, AHEAD_BYTES};
use super::Session;
use crate::reply::flag::is_atom;
use crate::reply::hits::{HitKind, Hits};
use crate::reply::thread::Threaded;
use crate::reply::{Data, Kind};
use crate::request::Command;
use crate::search::{Key, Search};
use crate::set::{UidSet, MOST_RANGES};
use crate::wire::{pass_over, Response};

/// Messages in one order, or in threads, at most: 40 MB of them, or 120 MB.
const MOST_SORTED: u64 = 10_000_000;

/// A question under way.
struct Asked {
    tag: String,
    bytes: usize,
}

/// What is done with what comes before the end of a question; what is not wanted is handed back.
type Wants<'w> = dyn FnMut(Data, &[Asked]) -> Result<Option<Data>> + 'w;

impl Session {
    /// The messages that are as `search` says. Where it names more UIDs than a line holds, it takes
    /// several commands.
    pub fn search(&mut self, search: &Search) -> Result<UidSet> {
        self.wire.connection.doing("searching");
        self.need_mailbox()?;
        let is_extended = self.wire.capabilities.offers("ESEARCH");
        let start = if is_extended {
            "UID SEARCH RETURN (ALL)"
        } else {
            "UID SEARCH"
        };
        let searches = match search.split_long_set() {
            Some((uids, rest)) => {
                let windows = uids.windows(u32::MAX);
                let searches = windows.map(|window| rest.clone().and(Key::Uid(window)));
                searches.collect()
            }
            None => vec![search.clone()],
        };
        let command = self.wire.command(start);
        let commands = searches.iter().map(|search| {
            let mut command = command.clone();
            search.add_to(&mut command).map(|()| command)
        });
        let peer = self.wire.connection.peer().to_owned();
        let mut found = Hits::default();
        self.ask_hits(commands, &mut |data, under_way| match data {
            Data::Hits(hits) if hits.kind == HitKind::Search => {
                add(&mut found, hits, &peer).map(|()| None)
            }
            // An answer to another search, or in numbers that are no UIDs, is none.
            Data::Hits(hits) if hits.kind == HitKind::Extended && hits.is_uid => {
                let is_ours =
                    |tag: &[u8]| under_way.iter().any(|asked| asked.tag.as_bytes() == tag);
                if hits.tag.as_deref().is_none_or(is_ours) {
                    add(&mut found, hits, &peer)?;
                }
                Ok(None)
            }
            data => Ok(Some(data)),
        })?;
        Ok(found.into_set())
    }

    /// The messages that are as `search` says, in an order (RFC 5256), such as `&["REVERSE",
    /// "DATE"]`; where the server offers SORT.
    pub fn sort(&mut self, order: &[&str], search: &Search) -> Result<Vec<u32>> {
        self.wire.connection.doing("sorting");
        self.need_mailbox()?;
        if !self.wire.capabilities.offers("SORT") {
            return Err(self.wire.not_offered("SORT"));
        }
        check_words(order)?;
        let mut command = self
            .wire
            .command(&format!("UID SORT ({})", order.join(" ")));
        // Nobody can put the orders of parts together: more UIDs than a line holds are picked from
        // the order of all.
        let long = search.split_long_set();
        let asked = long.as_ref().map_or(search, |(_, rest)| rest);
        asked.add_with_charset_to(&mut command)?;
        let peer = self.wire.connection.peer().to_owned();
        let mut found = Hits::default();
        self.ask_hits([Ok(command)], &mut |data, _| match data {
            Data::Hits(hits) if hits.kind == HitKind::Sort => {
                add(&mut found, hits, &peer).map(|()| None)
            }
            data => Ok(Some(data)),
        })?;
        if found.len() > MOST_SORTED {
            return Err(too_many(&peer, "an order, in messages,", MOST_SORTED));
        }
        let mut found = found.in_order();
        if let Some((uids, _)) = long {
            found.retain(|uid| uids.contains(*uid));
        }
        Ok(found)
    }

    /// The messages that are as `search` says, by thread (RFC 5256); `algorithm` is `REFERENCES` or
    /// `ORDEREDSUBJECT`, where the server offers it.
    pub fn thread(&mut self, algorithm: &str, search: &Search) -> Result<Vec<Threaded>> {
        self.wire.connection.doing("asking for threads");
        self.need_mailbox()?;
        let capability = format!("THREAD={}", algorithm.to_ascii_uppercase());
        if !self.wire.capabilities.offers(&capability) {
            return Err(self.wire.not_offered(&capability));
        }
        check_words(&[algorithm])?;
        let mut command = self.wire.command(&format!("UID THREAD {algorithm}"));
        search.add_with_charset_to(&mut command)?;
        let peer = self.wire.connection.peer().to_owned();
        let mut found = Vec::new();
        self.ask_hits([Ok(command)], &mut |data, _| match data {
            Data::Threads(threads) => {
                found.extend(threads);
                match found.len() as u64 <= MOST_SORTED {
                    true => Ok(None),
                    false => Err(too_many(&peer, "threads, in messages,", MOST_SORTED)),
                }
            }
            data => Ok(Some(data)),
        })?;
        Ok(found)
    }

    /// Asks, ahead of the answers where no literal has to wait for its turn, and hears the end of
    /// each question. An answer that makes no sense is no empty answer.
    fn ask_hits(
        &mut self,
        commands: impl IntoIterator<Item = Result<Command>>,
        wants: &mut Wants<'_>,
    ) -> Result<()> {
        self.wire.settle()?;
        let mut commands = commands.into_iter();
        let mut under_way: Vec<Asked> = Vec::new();
        let (mut is_broken, mut is_answered, mut refused) = (false, false, None);
        loop {
            // After a no, only the answers to what was asked already are heard.
            if refused.is_none() {
                self.search_ahead(&mut commands, &mut under_way)?;
            }
            if under_way.is_empty() {
                break;
            }
            match self.wire.hear(&mut pass_over)? {
                Response::Skipped => is_broken = true,
                Response::Data(data) => match wants(data, &under_way)? {
                    Some(Data::Hits(_)) => is_broken = true,
                    Some(data) => self.wire.unasked(data),
                    // The first may be very long.
                    None if !std::mem::replace(&mut is_answered, true) => self.wire.progress(),
                    None => {}
                },
                Response::Tagged(tag, told) => {
                    let Some(place) = under_way.iter().position(|asked| asked.tag == tag) else {
                        return Err(self.wire.unexpected(&format!("{tag} {told}")));
                    };
                    under_way.remove(place);
                    is_answered = false;
                    if told.kind != Kind::Ok && refused.is_none() {
                        refused = Some(self.wire.refused(&told));
                    }
                }
                Response::GoAhead(_) => return Err(self.wire.unexpected("+")),
            }
        }
        let rule = "a search is answered with UIDs";
        match refused {
            Some(error) => Err(error),
            None if is_broken => Err(self.wire.connection.malformed(rule, b"")),
            None => Ok(()),
        }
    }

    /// Asks as long as there is room for it.
    fn search_ahead(
        &mut self,
        commands: &mut impl Iterator<Item = Result<Command>>,
        under_way: &mut Vec<Asked>,
    ) -> Result<()> {
        let bytes = |under_way: &[Asked]| under_way.iter().map(|asked| asked.bytes).sum::<usize>();
        while under_way.len() < AHEAD && bytes(under_way) < AHEAD_BYTES {
            let Some(command) = commands.next() else {
                break;
            };
            let command = command?;
            under_way.push(Asked {
                tag: self.wire.say_on(&command)?,
                // All have literals, or none has: they are about the same.
                bytes: match command.complete.is_empty() {
                    true => command.last.text.len(),
                    false => AHEAD_BYTES,
                },
            });
        }
        Ok(())
    }
}

/// Adds an answer to those before it: some servers give several to one question.
fn add(found: &mut Hits, hits: Hits, peer: &str) -> Result<()> {
    found.add(hits);
    match found.ranges.len() <= MOST_RANGES {
        true => Ok(()),
        false => {
            let limit = MOST_RANGES as u64;
            Err(too_many(peer, "answers to a search, in ranges,", limit))
        }
    }
}

fn too_many(peer: &str, what: &str, limit: u64) -> Error {
    Error::TooLarge {
        what: format!("{peer}: {what}"),
        limit,
    }
}

fn check_words(words: &[&str]) -> Result<()> {
    match words.iter().all(|word| is_atom(word)) && !words.is_empty() {
        true => Ok(()),
        false => Err(Error::illegal(format!(
            "{words:?} is no order for messages"
        ))),
    }
}
