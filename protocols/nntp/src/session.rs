//! Reading: groups, overviews and lists line by line, articles that stream while requests run ahead.

mod posting;

use proto_transport::{Body, Connection, Dotted, Error, Result};

use crate::argument::{number, Articles, Field, Group, MessageId, Moment, Range, Wildmat};
use crate::client::Client;
use crate::listing::Active;
use crate::overview::{header_line, Overview, OverviewFormat};
use crate::reply::{date, found, Capabilities, No, Summary};
use crate::request::{Fetch, List, Part, Request, Verb};
use crate::wire::{each_line, expect, hear, no};

pub use posting::{Fate, Posted};

/// A server that we read from and post to.
pub struct Session {
    client: Client,
    depth: usize,
    verb: Verb,
}

/// An article, or a part of it, that the server has.
pub struct Fetched<'b, 'c> {
    /// Its number in the open group; 0 where that is not known.
    pub number: u64,
    /// Its message-id. Old servers may not tell it.
    pub id: Option<MessageId>,
    /// What was asked for, as it streams in; nothing for [`Part::Stat`].
    pub body: Option<&'b mut Body<'c, Dotted>>,
}

/// What is done with each article: it streams in, or the server said no ([`No::Missing`] where there
/// is none).
pub type Visit<'v> = dyn FnMut(&Fetch, Result<Fetched<'_, '_>>) -> Result<()> + 'v;

/// Requests that may be ahead of their replies (RFC 3977 section 3.5 allows any number). The number
/// of bytes bounds them first where they are long.
const DEPTH: usize = 100;

impl Session {
    pub(crate) fn new(client: Client) -> Session {
        let is_told = client.capabilities.are_told();
        Session {
            depth: if is_told { DEPTH } else { 1 },
            verb: if is_told { Verb::Standard } else { Verb::Old },
            client,
        }
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.client.connection
    }

    /// What the server can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.client.capabilities
    }

    /// Whether we may post, as [`Client::may_post`] has it.
    pub fn may_post(&self) -> bool {
        self.client.may_post()
    }

    /// Changes how many requests may be ahead of their replies: 100 by default, and 1 for servers of
    /// before RFC 3977, which do not promise to listen meanwhile.
    pub fn set_depth(&mut self, depth: usize) {
        self.depth = depth.max(1);
    }

    /// Back to where TLS and a login are possible, for a server that wants them in the middle
    /// ([`No::NeedsTls`], [`No::NeedsLogin`]). The group must be opened again after TLS.
    pub fn into_client(self) -> Client {
        self.client
    }

    /// Compresses everything from now on (RFC 8054), where the server offers it. What is secret must
    /// not be said beside what others choose, so that there can be no TLS and no login after this.
    pub fn compress(&mut self) -> Result<()> {
        self.doing("compressing");
        if self.client.is_compressed {
            return Ok(());
        }
        if !self.capabilities().offers_with("COMPRESS", "DEFLATE") {
            let refusal = proto_transport::Refusal::Lasting;
            let connection = self.connection();
            return Err(connection.refused("the server does not offer COMPRESS DEFLATE", refusal));
        }
        self.client.ask(&Request::Compress, 206)?;
        self.client.connection.compress()?;
        self.client.is_compressed = true;
        Ok(())
    }

    fn doing(&mut self, what: &'static str) {
        self.client.connection.doing(what);
    }

    // --- groups ---

    /// Opens a group.
    pub fn group(&mut self, group: &Group) -> Result<Summary> {
        self.doing("opening a group");
        let reply = self.client.ask(&Request::Group(group.clone()), 211)?;
        let summary = Summary::parse(&reply);
        summary.ok_or_else(|| self.not_a_summary(&reply.to_string()))
    }

    /// Opens a group and hands on the number of each of its articles, or of those in the range.
    pub fn list_group(
        &mut self,
        group: &Group,
        range: Option<Range>,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Summary> {
        self.doing("listing a group");
        // Old servers know no range (RFC 3977 section 6.1.2.2).
        let said = range.filter(|_| self.verb == Verb::Standard);
        let request = Request::ListGroup(group.clone(), said);
        let reply = self.client.ask(&request, 211)?;
        // Before RFC 3977 the numbers were no part of the reply (RFC 2980 section 2.4).
        let summary = match (Summary::parse(&reply), self.verb) {
            (Some(summary), _) => Some(summary),
            (None, Verb::Old) => None,
            (None, Verb::Standard) => return Err(self.not_a_summary(&reply.to_string())),
        };
        let (mut count, mut low, mut high) = (0, u64::MAX, 0);
        let strays = self.lines(|line| {
            let Some(number) = number(line.trim_ascii()) else {
                return Ok(false);
            };
            (count, low, high) = (count + 1, low.min(number), high.max(number));
            if range.is_none_or(|range| range.contains(number)) {
                each(number)?;
            }
            Ok(true)
        })?;
        if strays > 0 {
            let rule = "a list of articles has a number in each line";
            return Err(self.connection().malformed(rule, b""));
        }
        let counted = Summary {
            count,
            low: low.min(high),
            high,
        };
        Ok(summary.unwrap_or(counted))
    }

    fn not_a_summary(&self, reply: &str) -> Error {
        let rule = "a group is opened with three numbers";
        self.connection().malformed(rule, reply.as_bytes())
    }

    // --- articles ---

    /// Asks for articles or parts of them, ahead of the replies. `visit` is handed each wish with
    /// what streams in, or with the server's no, which does not end the others; its own errors do.
    /// Numbers are those of the open group.
    pub fn fetch(
        &mut self,
        wishes: impl IntoIterator<Item = Fetch>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.doing("fetching articles");
        let connection = &mut self.client.connection;
        connection.expect_quiet()?;
        connection.pipeline(self.depth, wishes, |connection, wish| {
            let reply = hear(connection)?;
            let code = match wish.part {
                Part::Article => 220,
                Part::Head => 221,
                Part::Body => 222,
                Part::Stat => 223,
            };
            if reply.code == code {
                let (number, id) = found(&reply);
                if wish.part == Part::Stat {
                    return visit(
                        &wish,
                        Ok(Fetched {
                            number,
                            id,
                            body: None,
                        }),
                    );
                }
                let mut body = connection.body(Dotted::default());
                let fetched = Fetched {
                    number,
                    id,
                    body: Some(&mut body),
                };
                visit(&wish, Ok(fetched))?;
                // What nobody wanted to read is passed over, so that the next reply is next.
                while body.next_part()?.is_some() {}
                return Ok(());
            }
            match no(connection, &reply, code) {
                // With 400 the server takes its leave (RFC 3977 section 3.2.1).
                error @ Error::Malformed { .. } => Err(error),
                error if reply.code == 400 => Err(error),
                error => visit(&wish, Err(error)),
            }
        })
    }

    /// A field of each article, all in one reply: `each` is handed the number (0 by message-id)
    /// and the field's value, which is empty where there is none. A range without articles has no
    /// lines; an article that is not there by its message-id is the server's no. Returns how many
    /// lines could not be read, and were left out.
    pub fn headers(
        &mut self,
        field: &Field,
        articles: &Articles,
        each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<u64> {
        self.doing("asking for header fields");
        // RFC 2980 section 2.6 has another code.
        let codes = [225, 221];
        let make = |verb| Request::Header(verb, field.clone(), articles.clone());
        if !self.ask_either("HDR", articles, codes, &make)? {
            return Ok(0);
        }
        self.lines(|line| {
            let Some((number, value)) = header_line(line) else {
                return Ok(false);
            };
            if articles.may_be(number) {
                each(number, value)?;
            }
            Ok(true)
        })
    }

    /// The fields of the server's overview; the usual ones where it does not tell.
    pub fn overview_format(&mut self) -> Result<OverviewFormat> {
        let mut format = OverviewFormat::empty();
        match self.list(&List::OverviewFmt, &mut |line| {
            format.add(line);
            Ok(())
        }) {
            Ok(()) => Ok(format),
            Err(error) if No::of(&error) == Some(No::Unsupported) => Ok(OverviewFormat::default()),
            Err(error) => Err(error),
        }
    }

    /// What the overview has of each article. A range without articles has no lines; an article that
    /// is not there by its message-id is the server's no. Lines about articles that were not asked
    /// for are left out. Returns how many lines could not be read, and were left out too.
    pub fn overview(
        &mut self,
        articles: &Articles,
        format: &OverviewFormat,
        each: &mut dyn FnMut(Overview<'_>) -> Result<()>,
    ) -> Result<u64> {
        self.doing("asking for the overview");
        let make = |verb| Request::Over(verb, articles.clone());
        if !self.ask_either("OVER", articles, [224, 224], &make)? {
            return Ok(0);
        }
        self.lines(|line| {
            let Some(overview) = Overview::parse(line, format) else {
                return Ok(false);
            };
            if articles.may_be(overview.number) {
                each(overview)?;
            }
            Ok(true)
        })
    }

    /// Asks with the command of RFC 3977 or with the old one, and with the other if that is not
    /// known. Whether lines follow: a range may have no articles.
    fn ask_either(
        &mut self,
        label: &str,
        articles: &Articles,
        codes: [u16; 2],
        make: &dyn Fn(Verb) -> Request,
    ) -> Result<bool> {
        let capabilities = self.capabilities();
        let first = match capabilities.are_told() && !capabilities.offers(label) {
            true => Verb::Old,
            false => self.verb,
        };
        // Who tells of HDR means its no, and of a Message-ID the old overview knows nothing (RFC 2980
        // section 2.8).
        let is_all = label == "HDR" || matches!(articles, Articles::Id(_));
        let verbs = match capabilities.offers(label) && is_all {
            true => vec![first],
            false => vec![first, first.other()],
        };
        let mut refused = None;
        for verb in verbs {
            let reply = crate::wire::ask(&mut self.client.connection, &make(verb))?;
            if codes.contains(&reply.code) {
                return Ok(true);
            }
            let error = no(self.connection(), &reply, codes[0]);
            match (No::of(&error), articles) {
                (Some(No::Missing), Articles::Range(_)) => return Ok(false),
                (Some(No::Unsupported), _) => refused = refused.or(Some(error)),
                _ => return Err(error),
            }
        }
        match refused {
            Some(error) => Err(error),
            None => Ok(false),
        }
    }

    // --- lists ---

    /// Hands on each line of a list.
    pub fn list(&mut self, list: &List, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.doing("asking for a list");
        self.client.ask(&Request::List(list.clone()), 215)?;
        each_line(&mut self.client.connection, each)
    }

    /// Hands on each group that is new since then. Returns how many lines could not be read, and were
    /// left out.
    pub fn new_groups(
        &mut self,
        since: Moment,
        each: &mut dyn FnMut(Active<'_>) -> Result<()>,
    ) -> Result<u64> {
        self.doing("asking for new groups");
        self.client.ask(&Request::NewGroups(since), 231)?;
        self.lines(|line| match Active::parse(line) {
            Some(active) => each(active).map(|()| true),
            None => Ok(false),
        })
    }

    /// Hands on each article that is new since then in the groups that match. One may come twice.
    /// Returns how many lines could not be read, and were left out.
    pub fn new_news(
        &mut self,
        wildmat: &Wildmat,
        since: Moment,
        each: &mut dyn FnMut(MessageId) -> Result<()>,
    ) -> Result<u64> {
        self.doing("asking for new articles");
        self.client
            .ask(&Request::NewNews(wildmat.clone(), since), 230)?;
        self.lines(|line| match MessageId::of_server(line.trim_ascii()) {
            Some(id) => each(id).map(|()| true),
            None => Ok(false),
        })
    }

    /// Lines that `take` can read, and how many there are that it cannot: one that is broken must not
    /// hide the others.
    fn lines(&mut self, mut take: impl FnMut(&[u8]) -> Result<bool>) -> Result<u64> {
        let mut strays = 0;
        each_line(&mut self.client.connection, &mut |line| {
            strays += u64::from(!take(line)?);
            Ok(())
        })?;
        Ok(strays)
    }

    /// What time it is on the server's clock, which is the one that [`Session::new_groups`] and
    /// [`Session::new_news`] go by.
    pub fn date(&mut self) -> Result<Moment> {
        self.doing("asking for the time");
        let reply = self.client.ask(&Request::Date, 111)?;
        let rule = "the time is told as yyyymmddhhmmss";
        let text = reply.to_string();
        date(&reply).ok_or_else(|| self.connection().malformed(rule, text.as_bytes()))
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn quit(self) {
        self.client.quit();
    }
}

#[cfg(test)]
mod tests;
