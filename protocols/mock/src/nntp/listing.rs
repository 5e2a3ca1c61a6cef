//! Which groups and articles there are: LIST with its variants (RFC 3977 section 7.6, RFC 6048),
//! NEWGROUPS and NEWNEWS.

use super::conversation::{refused, Break, Conversation, Result};
use super::flaw::Flaw;
use super::overview::OVERVIEW;
use super::rule::Event;
use super::spool::Summary;
use super::time;
use super::wildmat::Wildmat;

/// The variants of LIST that can be hidden each.
pub(super) const VARIANTS: [&str; 11] = [
    "ACTIVE",
    "NEWSGROUPS",
    "ACTIVE.TIMES",
    "OVERVIEW.FMT",
    "HEADERS",
    "DISTRIB.PATS",
    "COUNTS",
    "DISTRIBUTIONS",
    "MODERATORS",
    "MOTD",
    "SUBSCRIPTIONS",
];

/// How many lines a list has that does not end, so that a forgotten server does not send for ever.
const ENDLESS: u64 = 100_000_000;

impl Conversation<'_> {
    /// RFC 3977 section 7.6.1: `"LIST" [SP keyword [SP wildmat / argument]]`.
    pub fn list(&mut self, arguments: &[&str]) -> Result {
        let (keyword, rest) = arguments.split_first().unwrap_or((&"ACTIVE", &[]));
        let keyword = keyword.to_ascii_uppercase();
        if !VARIANTS.contains(&keyword.as_str()) {
            return Err(self.wrong("501 no such list"));
        }
        if !self.server.has("LIST") || !self.server.has(&format!("LIST={keyword}")) {
            return refused("503 this list is not kept");
        }
        match (keyword.as_str(), rest) {
            ("ACTIVE" | "NEWSGROUPS" | "ACTIVE.TIMES" | "COUNTS", [] | [_]) => {
                let wildmat = self.wildmat(rest.first().unwrap_or(&"*"))?;
                self.list_groups(&keyword, &wildmat)
            }
            ("SUBSCRIPTIONS", []) => {
                let wildmat = self.wildmat("*")?;
                self.list_groups(&keyword, &wildmat)
            }
            ("HEADERS", [kind]) if !["MSGID", "RANGE"].contains(&&*kind.to_ascii_uppercase()) => {
                Err(self.wrong("501 LIST HEADERS takes MSGID or RANGE"))
            }
            ("HEADERS", [] | [_]) | (_, []) => self.list_fixed(&keyword),
            _ => Err(self.wrong("501 that is too much for this list")),
        }
    }

    fn wildmat(&mut self, text: &str) -> Result<Wildmat> {
        Wildmat::parse(text).ok_or_else(|| self.wrong("501 that is no wildmat"))
    }

    fn list_fixed(&mut self, keyword: &str) -> Result {
        let said = self.consult(Event::List, &[keyword])?;
        let lines: Vec<&str> = match keyword {
            "OVERVIEW.FMT" => OVERVIEW.to_vec(),
            // RFC 3977 section 8.6: a colon means all fields.
            "HEADERS" => vec![":", ":bytes", ":lines"],
            "DISTRIB.PATS" => vec!["10:local.*:local", "5:*:world"],
            "DISTRIBUTIONS" => vec!["local\tThis server alone", "world\tEverywhere"],
            "MODERATORS" => vec!["*:%s@localhost"],
            _ => vec!["This is a mock server.", ".", "Nothing lasts."],
        };
        self.say_all(said, "215 the list follows", lines)
    }

    fn list_groups(&mut self, keyword: &str, wildmat: &Wildmat) -> Result {
        let said = self.consult(Event::List, &[keyword])?;
        let is_shown = |group: &Summary| wildmat.matches(&group.name);
        let groups: Vec<Summary> = self.server.spool.summaries();
        if !self.begin_block(said, "215 the list follows")? {
            return Ok(());
        }
        for group in groups.iter().filter(|group| is_shown(group)) {
            if self.may_see(&group.name) {
                let line = list_line(keyword, group);
                self.say_line(line.as_bytes())?;
            }
        }
        if self.server.is_flawed(&Flaw::EndlessList) {
            return self.list_endlessly();
        }
        self.say_dot()
    }

    fn list_endlessly(&mut self) -> Result {
        for number in 0..ENDLESS {
            if number % 1000 == 0 {
                self.expect_progress();
                if self.channel.peer.is_stopping() {
                    break;
                }
            }
            self.say_line(format!("endless.group{number} 1 1 y").as_bytes())?;
        }
        Err(Break::Over)
    }

    /// RFC 3977 section 7.3: `"NEWGROUPS" SP date SP time [SP "GMT"]`.
    pub fn new_groups(&mut self, arguments: &[&str]) -> Result {
        let since = self.moment(arguments)?;
        let said = self.consult(Event::NewGroups, &[])?;
        let groups = self.server.spool.summaries().into_iter();
        let groups = groups.filter(|group| group.created >= since && self.may_see(&group.name));
        let lines: Vec<String> = groups.map(|group| list_line("ACTIVE", &group)).collect();
        self.say_all(said, "231 the new groups follow", lines)
    }

    /// RFC 3977 section 7.4: `"NEWNEWS" SP wildmat SP date SP time [SP "GMT"]`.
    pub fn new_news(&mut self, arguments: &[&str]) -> Result {
        if !self.server.has("NEWNEWS") {
            return refused("500 no such command");
        }
        let (pattern, rest) = arguments.split_first().unwrap_or((&"", &[]));
        let wildmat = self.wildmat(pattern)?;
        let since = self.moment(rest)?;
        let said = self.consult(Event::NewNews, &[pattern])?;
        let mut ids = self.server.spool.since(&wildmat, since);
        if self.server.needs_login.is_some() && self.user.is_none() {
            let spool = &self.server.spool;
            ids.retain(|id| {
                spool
                    .by_id(id)
                    .is_some_and(|it| self.check_article(&it).is_ok())
            });
        }
        self.say_all(said, "230 the new articles follow", ids)
    }

    fn moment(&mut self, arguments: &[&str]) -> Result<i64> {
        let moment = match arguments {
            [date, time] => time::parse(date, time),
            [date, time, zone] if zone.eq_ignore_ascii_case("GMT") => time::parse(date, time),
            _ => None,
        };
        moment.ok_or_else(|| self.wrong("501 a moment is yyyymmdd hhmmss, and perhaps GMT"))
    }
}

fn list_line(keyword: &str, group: &Summary) -> String {
    let Summary {
        name,
        description,
        status,
        created,
        low,
        high,
        count,
    } = group;
    match keyword {
        "ACTIVE" => format!("{name} {high} {low} {status}"),
        "ACTIVE.TIMES" => format!("{name} {created} news@localhost"),
        // RFC 6048 section 2.2.
        "COUNTS" => format!("{name} {high} {low} {count} {status}"),
        "NEWSGROUPS" => format!("{name}\t{description}"),
        _ => name.clone(),
    }
}
