//! Groups and articles one by one: GROUP, LISTGROUP, LAST, NEXT, STAT, HEAD, BODY, ARTICLE
//! (RFC 3977 section 6).

use std::io::Read;
use std::sync::Arc;

use super::article::Article;
use super::conversation::{refused, Break, Conversation, Result};
use super::flaw::Flaw;
use super::rule::Event;
use super::spool::{is_name, Summary};
use super::stuffing::Stuffing;

/// A range of article numbers (RFC 3977 section 6.1.2.1); without an end, all that follow.
pub(super) type Range = (u64, Option<u64>);

/// How much of an article is sent at once.
const PIECE: usize = 16 * 1024;

/// By how much numbers jump.
const JUMP: u64 = 1 << 40;

impl Conversation<'_> {
    // --- groups ---

    fn group(&mut self, name: &str) -> Result<Summary> {
        if !is_name(name) {
            return Err(self.wrong("501 that is no name of a newsgroup"));
        }
        self.check_group(name)?;
        match self.server.spool.summary(name) {
            Some(summary) => Ok(summary),
            None => refused("411 no such newsgroup"),
        }
    }

    /// RFC 3977 section 6.1.1.
    pub fn select(&mut self, arguments: &[&str]) -> Result {
        let [name] = arguments else {
            return Err(self.wrong("501 GROUP takes a newsgroup"));
        };
        let group = self.group(name)?;
        let said = self.consult(Event::Group, &[name])?;
        self.enter(&group);
        self.say_or(said, &self.counts(&group))
    }

    fn enter(&mut self, group: &Summary) {
        self.group = Some(group.name.clone());
        self.current = (group.count > 0).then_some(group.low);
    }

    fn counts(&self, group: &Summary) -> String {
        let Summary {
            name, low, high, ..
        } = group;
        match self.server.flaws.as_slice() {
            flaws if flaws.contains(&Flaw::WrongCounts) => {
                format!(
                    "211 {} {} {} {name}",
                    group.count * 2 + 7,
                    low,
                    high * 2 + 7
                )
            }
            flaws if flaws.contains(&Flaw::HugeCounts) => {
                format!("211 99999999999999999999 1 18446744073709551616 {name}")
            }
            _ => format!("211 {} {low} {high} {name}", group.count),
        }
    }

    /// RFC 3977 section 6.1.2: `"LISTGROUP" [SP group [SP range]]`.
    pub fn list_group(&mut self, arguments: &[&str]) -> Result {
        let (name, range) = match arguments {
            [] => (self.selected()?, (1, None)),
            [name] => ((*name).to_owned(), (1, None)),
            [name, range] => ((*name).to_owned(), self.range(range)?),
            _ => return Err(self.wrong("501 LISTGROUP takes a newsgroup and a range")),
        };
        let group = self.group(&name)?;
        let said = self.consult(Event::ListGroup, &[&name])?;
        self.enter(&group);
        let counts = format!("{} list follows", self.counts(&group));
        if !self.begin_block(said, &counts)? {
            return Ok(());
        }
        let mut numbers = Numbers::new(range);
        while let Some(number) = numbers.next(self, &name) {
            let shown = self.shown_number(&name, number);
            self.say_line(shown.to_string().as_bytes())?;
        }
        self.say_dot()
    }

    /// `range = article-number ["-" [article-number]]`.
    pub fn range(&mut self, text: &str) -> Result<Range> {
        let range = match text.split_once('-') {
            Some((low, "")) => number(low).map(|low| (low, None)),
            Some((low, high)) => number(low).zip(number(high).map(Some)),
            None => number(text).map(|one| (one, Some(one))),
        };
        range.ok_or_else(|| self.wrong("501 that is no range of article numbers"))
    }

    /// What listings tell as the number of an article.
    pub fn shown_number(&self, group: &str, number: u64) -> u64 {
        let flaws = &self.server.flaws;
        if flaws.is_empty() {
            return number;
        }
        let Some(summary) = self.server.spool.summary(group) else {
            return number;
        };
        let middle = summary.low + (summary.high.saturating_sub(summary.low)) / 2;
        match flaws.as_slice() {
            flaws if flaws.contains(&Flaw::NumberJumps) && number > middle => number + JUMP,
            flaws if flaws.contains(&Flaw::BackwardNumbers) => summary.high + summary.low - number,
            _ => number,
        }
    }

    /// RFC 3977 sections 6.1.3 and 6.1.4.
    pub fn step(&mut self, verb: &str, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        let group = self.selected()?;
        let Some(current) = self.current else {
            return refused("420 no current article");
        };
        let spool = &self.server.spool;
        let (found, event, reply) = match verb {
            "LAST" => {
                let before = spool.previous(&group, current);
                (before, Event::Last, "422 no previous article")
            }
            _ => {
                let after = spool.next(&group, current.saturating_add(1));
                (after, Event::Next, "421 no next article")
            }
        };
        let found = found.and_then(|number| Some((number, spool.at(&group, number)?)));
        let Some((number, article)) = found else {
            return refused(reply);
        };
        let said = self.consult(event, &[])?;
        self.current = Some(number);
        self.say_or(said, &format!("223 {number} {}", article.message_id))
    }

    // --- articles ---

    /// RFC 3977 sections 6.2.1 to 6.2.4.
    pub fn article(&mut self, verb: &str, arguments: &[&str]) -> Result {
        let (number, article) = match arguments {
            [] => self.current_article()?,
            [id] if id.starts_with('<') => (0, self.by_id(id)?),
            [digits] => self.by_number(digits)?,
            _ => return Err(self.wrong("501 this command takes an article number or Message-ID")),
        };
        let event = match verb {
            "STAT" => Event::Stat,
            "HEAD" => Event::Head,
            "BODY" => Event::Body,
            _ => Event::Article,
        };
        let shown = number.to_string();
        let names: [&str; 2] = [&shown, &article.message_id];
        let said = self.consult(event, &names)?;
        if number > 0 {
            self.current = Some(number);
        }
        let reply = self.announce(verb, number, &article);
        if verb == "STAT" {
            return self.say_or(said, &reply);
        }
        match self.begin_block(said, &reply)? {
            true => self.send(verb, number, &article),
            false => Ok(()),
        }
    }

    fn announce(&self, verb: &str, number: u64, article: &Article) -> String {
        let code = match verb {
            "ARTICLE" => 220,
            "HEAD" => 221,
            "BODY" => 222,
            _ => 223,
        };
        let number = match self.server.is_flawed(&Flaw::WrongNumber) {
            true => number + 1,
            false => number,
        };
        match self.server.is_flawed(&Flaw::WrongId) {
            true => format!("{code} {number} <another@localhost>"),
            false => format!("{code} {number} {}", article.message_id),
        }
    }

    pub fn current_article(&mut self) -> Result<(u64, Arc<Article>)> {
        let group = self.selected()?;
        let found = self
            .current
            .and_then(|number| Some((number, self.server.spool.at(&group, number)?)));
        found.ok_or_else(|| Break::Refused("420 no current article".to_owned()))
    }

    fn by_number(&mut self, digits: &str) -> Result<(u64, Arc<Article>)> {
        let Some(number) = number(digits) else {
            return Err(self.wrong("501 that is no article number"));
        };
        let group = self.selected()?;
        match self.server.spool.at(&group, number) {
            Some(article) => Ok((number, article)),
            None => refused("423 no article of that number"),
        }
    }

    /// Sends an article or a part of it, piece by piece.
    fn send(&mut self, verb: &str, number: u64, article: &Article) -> Result {
        let server = self.server;
        let is_cut = server.flaws.iter().any(|flaw| match flaw {
            Flaw::CutBody(named) => named.is_none_or(|named| named == number),
            _ => false,
        });
        let mut left = match is_cut {
            true => article.octets() / 2,
            false => u64::MAX,
        };
        let mut stuffing = Stuffing::new(!server.is_flawed(&Flaw::DotInside));
        let mut reader = self.part(verb, article);
        let mut buffer = vec![0; PIECE];
        let mut out = Vec::with_capacity(PIECE);
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return self.say_dot();
            }
            stuffing.push(buffer.get(..count).unwrap_or_default(), &mut out);
            out.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= out.len() as u64;
            self.channel.write_all(&out)?;
            out.clear();
            if left == 0 {
                return Err(Break::Over);
            }
            // However long an article is, only silence is too long.
            self.expect_progress();
        }
    }

    /// The octets of an article, or of one part, with what flaws put into them.
    fn part<'a>(&self, verb: &str, article: &'a Article) -> Box<dyn Read + 'a> {
        let has_dot = self.server.is_flawed(&Flaw::DotInside);
        let header: Vec<u8> = match self.server.is_flawed(&Flaw::OtherArticle) {
            true => b"Subject: Another article\r\nMessage-ID: <another@localhost>\r\n".to_vec(),
            false => article.header.clone(),
        };
        let (first, rest) = match header.iter().position(|byte| *byte == b'\n') {
            Some(at) if has_dot && verb != "BODY" => header.split_at(at + 1),
            _ => (header.as_slice(), &b""[..]),
        };
        let dot: &[u8] = if has_dot { b".\r\n" } else { b"" };
        let head = match rest {
            b"" => first.to_vec(),
            rest => [first, dot, rest].concat(),
        };
        match verb {
            "HEAD" => Box::new(std::io::Cursor::new(head)),
            "BODY" => Box::new(dot.chain(article.body())),
            _ => {
                let head = std::io::Cursor::new([head.as_slice(), b"\r\n"].concat());
                Box::new(head.chain(article.body()))
            }
        }
    }
}

/// The numbers of a range that belong to articles, one by one, so that none need be held.
pub(super) struct Numbers {
    next: u64,
    last: u64,
}

impl Numbers {
    pub fn new((low, high): Range) -> Numbers {
        Numbers {
            next: low,
            last: high.unwrap_or(u64::MAX),
        }
    }

    /// The next number. A server that stops has none.
    pub fn next(&mut self, conversation: &mut Conversation<'_>, group: &str) -> Option<u64> {
        if self.next > self.last || conversation.channel.peer.is_stopping() {
            return None;
        }
        let number = conversation.server.spool.next(group, self.next)?;
        if number > self.last {
            return None;
        }
        if number % 1024 == 0 {
            conversation.expect_progress();
        }
        self.next = number.saturating_add(1);
        Some(number)
    }
}

/// RFC 3977 section 9.8: `article-number = 1*16DIGIT`, without a sign.
fn number(text: &str) -> Option<u64> {
    let is_right = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_right)
}
