//! What is told of many articles at once: OVER and HDR (RFC 3977 section 8), XOVER and XHDR
//! (RFC 2980).

use std::sync::Arc;

use super::article::Article;
use super::conversation::{refused, Conversation, Result};
use super::flaw::Flaw;
use super::reading::{Numbers, Range};
use super::rule::Event;

/// What an overview tells of an article behind its number (RFC 3977 section 8.4).
pub(super) const OVERVIEW: [&str; 8] = [
    "Subject:",
    "From:",
    "Date:",
    "Message-ID:",
    "References:",
    ":bytes",
    ":lines",
    "Xref:full",
];

/// Which articles are meant.
enum Wanted {
    One(u64, Arc<Article>),
    Named(Arc<Article>),
    Range(String, Range),
}

impl Conversation<'_> {
    /// RFC 3977 section 8.3: `"OVER" [SP (range / message-id)]`.
    pub fn over(&mut self, verb: &str, arguments: &[&str]) -> Result {
        if !self.server.has(verb) {
            return refused("500 no such command");
        }
        let argument = match arguments {
            [] => None,
            [one] => Some(*one),
            _ => return Err(self.wrong("501 OVER takes a range or a Message-ID")),
        };
        let is_id = argument.is_some_and(|argument| argument.starts_with('<'));
        if is_id && (verb == "XOVER" || !self.server.has("OVER=MSGID")) {
            // The client could have known this from CAPABILITIES.
            return Err(self.wrong("503 no overview by Message-ID"));
        }
        let wanted = self.wanted(argument)?;
        let said = self.consult(Event::Over, &[argument.unwrap_or_default()])?;
        self.tell_of_each(
            said,
            "224 overview follows",
            wanted,
            |this, shown, article| Some(this.overview(shown, article)),
        )
    }

    /// RFC 3977 section 8.5: `"HDR" SP field [SP (range / message-id)]`.
    pub fn hdr(&mut self, verb: &str, arguments: &[&str]) -> Result {
        if !self.server.has(verb) {
            return refused("500 no such command");
        }
        let (field, argument) = match arguments {
            [field] => (*field, None),
            [field, one] => (*field, Some(*one)),
            _ => return Err(self.wrong("501 HDR takes a field, and a range or a Message-ID")),
        };
        let metadata = field.starts_with(':');
        let name = field.strip_prefix(':').unwrap_or(field);
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !is_name {
            return Err(self.wrong("501 that is no name of a field"));
        }
        if metadata && !["bytes", "lines"].contains(&name.to_ascii_lowercase().as_str()) {
            return refused("503 no such metadata item");
        }
        let wanted = self.wanted(argument)?;
        let said = self.consult(Event::Hdr, &[field])?;
        let reply = match verb {
            "HDR" => "225 headers follow",
            // RFC 2980 section 2.6.
            _ => "221 headers follow",
        };
        let absent = if verb == "HDR" { "" } else { "(none)" };
        self.tell_of_each(said, reply, wanted, |_, shown, article| {
            let content = article.field(field);
            let content = content.unwrap_or_else(|| absent.as_bytes().to_vec());
            // RFC 3977 section 8.5.2: behind the number is one space, whatever follows.
            Some([shown.as_bytes(), b" ", &content].concat())
        })
    }

    fn wanted(&mut self, argument: Option<&str>) -> Result<Wanted> {
        match argument {
            Some(id) if id.starts_with('<') => Ok(Wanted::Named(self.by_id(id)?)),
            Some(range) => {
                let range = self.range(range)?;
                let group = self.selected()?;
                match Numbers::new(range).next(self, &group) {
                    Some(_) => Ok(Wanted::Range(group, range)),
                    None => refused("423 no articles in that range"),
                }
            }
            None => {
                let (number, article) = self.current_article()?;
                Ok(Wanted::One(number, article))
            }
        }
    }

    fn tell_of_each(
        &mut self,
        said: Option<String>,
        reply: &str,
        wanted: Wanted,
        tell: impl Fn(&Self, &str, &Article) -> Option<Vec<u8>>,
    ) -> Result {
        if !self.begin_block(said, reply)? {
            return Ok(());
        }
        match wanted {
            Wanted::One(number, article) => {
                let line = tell(self, &number.to_string(), &article);
                self.say_line(&line.unwrap_or_default())?;
            }
            Wanted::Named(article) => {
                let line = tell(self, "0", &article);
                self.say_line(&line.unwrap_or_default())?;
            }
            Wanted::Range(group, range) => {
                let mut numbers = Numbers::new(range);
                while let Some(number) = numbers.next(self, &group) {
                    let shown = self.shown_number(&group, number).to_string();
                    let article = self.server.spool.at(&group, number);
                    if let Some(line) = article.and_then(|article| tell(self, &shown, &article)) {
                        self.say_line(&line)?;
                    }
                }
            }
        }
        self.say_dot()
    }

    /// A line of OVER (RFC 3977 section 8.3.2), with what flaws make of it.
    fn overview(&self, shown: &str, article: &Article) -> Vec<u8> {
        let server = self.server;
        if server.is_flawed(&Flaw::OverEmpty) {
            return Vec::new();
        }
        let mut fields = vec![shown.as_bytes().to_vec()];
        for item in OVERVIEW {
            let full = item.strip_suffix("full");
            let name = full.unwrap_or(item);
            let name = name.strip_suffix(':').unwrap_or(name);
            let content = article.field(name).unwrap_or_default();
            fields.push(match full {
                Some(_) if !content.is_empty() => [b"Xref: ", content.as_slice()].concat(),
                _ => content,
            });
        }
        if server.is_flawed(&Flaw::OverWrongBytes) {
            if let Some(bytes) = fields.get_mut(6) {
                *bytes = b"-99999999999999999999".to_vec();
            }
        }
        if server.is_flawed(&Flaw::OverNoNumber) {
            fields.remove(0);
        }
        if server.is_flawed(&Flaw::OverFewTabs) {
            fields.truncate(4);
        }
        if server.is_flawed(&Flaw::OverManyTabs) {
            fields.extend(std::iter::repeat_n(b"more".to_vec(), 1000));
        }
        let mut line = fields.join(&b'\t');
        if server.is_flawed(&Flaw::OverNul) {
            let middle = line.len() / 2;
            line.insert(middle, 0);
        }
        line
    }
}
