//! Articles that come in: POST and IHAVE (RFC 3977 section 6.3), and what an article must have
//! (RFC 5536, RFC 5537).

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::article::{field, fields};
use super::conversation::{is_yes, refused, Break, Conversation, Result, LINE};
use super::rule::Event;
use super::spool::{canonical, is_message_id, is_name, Refusal};
use super::{time, News, Posted};
use crate::rule::Course;

/// The largest article that is taken.
const ARTICLE: usize = 64 * 1024 * 1024;

/// The longest line of an article without its CRLF (RFC 5536 section 2.1).
const LONGEST: usize = 998;

/// The codes of one way to come in: what is said when an article is wanted, was taken, or was not
/// (RFC 3977 sections 6.3.1.1 and 6.3.2.1).
struct Way {
    event: Event,
    wanted: &'static str,
    taken: &'static str,
    refused: &'static str,
}

const POST: Way = Way {
    event: Event::Post,
    wanted: "340 send the article",
    taken: "240 article received",
    refused: "441",
};

const IHAVE: Way = Way {
    event: Event::Transfer,
    wanted: "335 send the article",
    taken: "235 article received",
    refused: "437",
};

impl Conversation<'_> {
    pub fn post(&mut self, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        if !self.server.has("POST") {
            return refused("500 no such command");
        }
        if !self.server.posting {
            return refused("440 posting is not permitted");
        }
        let said = self.consult(Event::Posting, &[])?;
        self.take_in(&POST, said, None)
    }

    pub fn ihave(&mut self, arguments: &[&str]) -> Result {
        if !self.server.has("IHAVE") {
            return refused("500 no such command");
        }
        let [id] = arguments else {
            return Err(self.wrong("501 IHAVE takes a Message-ID"));
        };
        if !is_message_id(id) {
            return Err(self.wrong("501 that is no Message-ID"));
        }
        let said = self.consult(Event::Ihave, &[id])?;
        if self.server.spool.by_id(id).is_some() {
            return refused("435 this article is here already");
        }
        self.take_in(&IHAVE, said, Some(id))
    }

    fn take_in(&mut self, way: &Way, said: Option<String>, id: Option<&str>) -> Result {
        self.say_or(said, way.wanted)?;
        if self.is_over {
            return Ok(());
        }
        let content = self.read_article()?;
        self.judge(way, content, id)
    }

    /// Decides about an article that came in whole. A rule that refuses it keeps it out; one that
    /// only ends the connection lets it in, and the reply is lost.
    fn judge(&mut self, way: &Way, content: Option<Vec<u8>>, id: Option<&str>) -> Result {
        let Some(content) = content else {
            return refused(format!("{} the article is too large", way.refused));
        };
        let article = match self.check(&content, id) {
            Ok(article) => article,
            Err(why) => {
                self.note(&why);
                return refused(format!("{} {why}", way.refused));
            }
        };
        let mut subjects: Vec<&str> = vec![&article.message_id];
        subjects.extend(article.groups.iter().map(String::as_str));
        let server = self.server;
        let rule = server.rule_for(way.event, &subjects);
        let reply = rule.and_then(|rule| rule.reply.clone());
        let is_wanted = reply.as_ref().is_none_or(|reply| is_yes(reply));
        let result = match is_wanted {
            true => self.keep(way, article, content),
            false => Ok(()),
        };
        if let Some(rule) = rule {
            match rule.carry_out(self.channel.peer)? {
                Course::GoesOn => {}
                Course::EndsWithReply => self.is_over = true,
                Course::IsOver => return Err(Break::Over),
            }
        }
        result?;
        self.say_or(reply, way.taken)
    }

    fn keep(&mut self, way: &Way, article: Checked, content: Vec<u8>) -> Result {
        let Checked {
            message_id,
            groups,
            header,
            body,
        } = article;
        let server = self.server;
        if let Some(group) = groups.iter().find(|group| !self.may_see(group)) {
            return refused(format!("{} log in to write to {group}", way.refused));
        }
        let filed = server.spool.file(&message_id, &groups, &header, &body);
        if let Err(refusal) = filed {
            let why = match refusal {
                Refusal::Duplicate => "435 this article is here already",
                Refusal::NoGroup => "there is no such newsgroup",
                Refusal::Closed => "nobody may post to this newsgroup",
                Refusal::Full => "there is no room",
            };
            return refused(format!("{} {why}", way.refused));
        }
        if let Some(folder) = &server.save {
            save(folder, &content)?;
        }
        server.tell(&News::Posted {
            connection: self.connection,
            message_id: &message_id,
            groups: &groups,
        });
        server.remember(Posted {
            connection: self.connection,
            is_transfer: way.event == Event::Transfer,
            message_id,
            groups,
            content,
        });
        Ok(())
    }

    // --- what comes in ---

    /// Reads an article up to its dot, and takes its stuffing away. `None` if it is too large.
    fn read_article(&mut self) -> Result<Option<Vec<u8>>> {
        let mut article = Vec::new();
        let mut wrongs: Vec<&str> = Vec::new();
        let mut is_too_large = false;
        loop {
            self.expect_progress();
            let Some(line) = self.channel.read_raw_line(LINE)? else {
                // The connection ended before the dot: there is no article.
                return Err(Break::Over);
            };
            if line == b".\r\n" {
                break;
            }
            if let Some(wrong) = what_is_wrong(&line) {
                if !wrongs.contains(&wrong) {
                    wrongs.push(wrong);
                }
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            is_too_large |= article.len() + line.len() > ARTICLE;
            if !is_too_large {
                article.extend_from_slice(line);
            }
        }
        for wrong in wrongs {
            self.note(wrong);
        }
        Ok((!is_too_large).then_some(article))
    }

    /// What an article must have to be one (RFC 5536 section 3.1, RFC 5537 section 3.4.1).
    fn check(&mut self, content: &[u8], id: Option<&str>) -> std::result::Result<Checked, String> {
        let has_end =
            content.starts_with(b"\r\n") || memchr::memmem::find(content, b"\r\n\r\n").is_some();
        if !has_end {
            return Err("there is no empty line behind the header".to_owned());
        }
        let (mut header, body) = canonical(content);
        check_names(&header)?;
        let text = |name: &str| {
            field(&header, name).map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        for name in ["From", "Newsgroups", "Subject"] {
            if text(name).is_none_or(|text| text.is_empty()) {
                return Err(format!("there is no {name}"));
            }
        }
        let groups = text("newsgroups").unwrap_or_default();
        let groups: Vec<String> = groups
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect();
        if let Some(wrong) = groups.iter().find(|name| !is_name(name)) {
            return Err(format!("{wrong:?} is no newsgroup"));
        }
        let message_id = match (text("message-id"), id) {
            (Some(own), _) if !is_message_id(&own) => {
                return Err(format!("{own:?} is no Message-ID"))
            }
            (Some(own), Some(id)) if own != id => {
                return Err("the Message-ID is not that of IHAVE".to_owned())
            }
            (Some(own), _) => own,
            (None, Some(_)) => return Err("there is no Message-ID".to_owned()),
            (None, None) => new_message_id(),
        };
        for name in ["Date", "Path"] {
            if id.is_some() && text(name).is_none() {
                return Err(format!("there is no {name}"));
            }
        }
        let added = [
            ("Message-ID", message_id.clone()),
            ("Date", time::written(time::now())),
            ("Path", "localhost!not-for-mail".to_owned()),
        ];
        let missing: Vec<String> = added
            .into_iter()
            .filter(|(name, _)| text(name).is_none())
            .map(|(name, content)| format!("{name}: {content}\r\n"))
            .collect();
        header.extend_from_slice(missing.concat().as_bytes());
        Ok(Checked {
            message_id,
            groups,
            header,
            body,
        })
    }
}

/// An article that can be filed.
struct Checked {
    message_id: String,
    groups: Vec<String>,
    header: Vec<u8>,
    body: Vec<u8>,
}

/// Fields that there may be only once (RFC 5536 section 3).
const ONCE: [&str; 8] = [
    "from",
    "newsgroups",
    "subject",
    "message-id",
    "date",
    "path",
    "references",
    "xref",
];

/// RFC 5536 section 2.2: every field has a name, a colon and a space.
fn check_names(header: &[u8]) -> std::result::Result<(), String> {
    let mut seen: Vec<String> = Vec::new();
    for (name, content) in fields(header) {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a line of the header is no field".to_owned());
        }
        if !content.starts_with(b" ") {
            return Err(format!("there is no space behind {name}:"));
        }
        let name = name.to_ascii_lowercase();
        if ONCE.contains(&name.as_str()) && seen.contains(&name) {
            return Err(format!("there are two fields {name}"));
        }
        seen.push(name);
    }
    Ok(())
}

/// What no line of an article should be (RFC 3977 sections 3.1.1 and 3.6).
fn what_is_wrong(line: &[u8]) -> Option<&'static str> {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Some("bare LF in an article");
    };
    match text {
        _ if text.contains(&b'\r') => Some("bare CR in an article"),
        _ if text.contains(&0) => Some("NUL in an article"),
        [b'.', next, ..] if *next != b'.' => Some("a line begins with a dot that is not doubled"),
        _ if text.strip_prefix(b".").unwrap_or(text).len() > LONGEST => {
            Some("a line is longer than 998 octets")
        }
        _ => None,
    }
}

/// Tells articles apart that come without a Message-ID.
static ARTICLES: AtomicU64 = AtomicU64::new(1);

fn new_message_id() -> String {
    let count = ARTICLES.fetch_add(1, Ordering::Relaxed);
    format!(
        "<{}.{}.{count}@injected.localhost>",
        time::now(),
        std::process::id()
    )
}

/// Writes an article to a folder, under a name that appears when it is whole.
fn save(folder: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let count = ARTICLES.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{}-{count:06}", time::now(), std::process::id());
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, content)?;
    fs::rename(&new, folder.join(format!("{name}.eml")))
}
