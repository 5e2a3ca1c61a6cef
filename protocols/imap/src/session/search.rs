//! Looking for messages (RFC 9051 section 6.4.4, RFC 4731), in order and by thread (RFC 5256).

use proto_transport::{Error, Result};

use super::Session;
use crate::reply::flag::is_atom;
use crate::reply::hits::{HitKind, Hits};
use crate::reply::thread::Threaded;
use crate::reply::Data;
use crate::search::Search;
use crate::set::UidSet;
use crate::wire::Response;

/// Messages in one order at most: 40 MB of them.
const MOST_SORTED: u64 = 10_000_000;

impl Session {
    /// The messages that are as `search` says.
    pub fn search(&mut self, search: &Search) -> Result<UidSet> {
        self.wire.connection.doing("searching");
        self.need_mailbox()?;
        let is_extended = self.wire.capabilities.offers("ESEARCH");
        let start = if is_extended {
            "UID SEARCH RETURN (ALL)"
        } else {
            "UID SEARCH"
        };
        let mut command = self.wire.command(start);
        search.add_to(&mut command)?;
        let tag = self.wire.say(&command)?;
        let mut found = UidSet::default();
        self.hear_hits(&tag, &mut |data| match data {
            Data::Hits(hits) if hits.kind == HitKind::Search => {
                found = hits.into_set();
                None
            }
            // An answer to another search, or in numbers that are no UIDs, is none.
            Data::Hits(hits) if hits.kind == HitKind::Extended && hits.is_uid => {
                if hits
                    .tag
                    .as_deref()
                    .is_none_or(|other| other == tag.as_bytes())
                {
                    found = hits.into_set();
                }
                None
            }
            data => Some(data),
        })?;
        Ok(found)
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
        let start = format!("UID SORT ({})", order.join(" "));
        let mut command = self.wire.command(&start);
        search.add_with_charset_to(&mut command)?;
        let tag = self.wire.say(&command)?;
        let mut found = Hits::default();
        self.hear_hits(&tag, &mut |data| match data {
            Data::Hits(hits) if hits.kind == HitKind::Sort => {
                found = hits;
                None
            }
            data => Some(data),
        })?;
        match found.len() <= MOST_SORTED {
            true => Ok(found.in_order()),
            false => Err(Error::TooLarge {
                what: format!("{}: an order, in messages,", self.wire.connection.peer()),
                limit: MOST_SORTED,
            }),
        }
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
        let tag = self.wire.say(&command)?;
        let mut found = Vec::new();
        self.hear_hits(&tag, &mut |data| match data {
            Data::Threads(threads) => {
                found = threads;
                None
            }
            data => Some(data),
        })?;
        Ok(found)
    }

    /// Hears the end of a search. An answer that makes no sense is no empty answer.
    fn hear_hits(&mut self, tag: &str, wants: &mut dyn FnMut(Data) -> Option<Data>) -> Result<()> {
        let (mut is_broken, mut is_answered) = (false, false);
        loop {
            match self.wire.hear(&mut crate::wire::pass_over)? {
                Response::Skipped => is_broken = true,
                Response::Data(data) => match wants(data) {
                    Some(Data::Hits(_)) => is_broken = true,
                    Some(data) => self.wire.unasked(data),
                    // The first may be very long.
                    None if !std::mem::replace(&mut is_answered, true) => self.wire.progress(),
                    None => {}
                },
                Response::Tagged(other, told) if other == tag => {
                    if told.kind != crate::reply::Kind::Ok {
                        return Err(self.wire.refused(&told));
                    }
                    let rule = "a search is answered with UIDs";
                    return match is_broken {
                        true => Err(self.wire.connection.malformed(rule, b"")),
                        false => Ok(()),
                    };
                }
                Response::Tagged(tag, told) => {
                    return Err(self.wire.unexpected(&format!("{tag} {told}")));
                }
                Response::GoAhead(_) => return Err(self.wire.unexpected("+")),
            }
        }
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
