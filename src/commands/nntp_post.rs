//! `proto nntp-post URL FILE...`: articles to the server, each with an answer for what became of it.

use std::path::PathBuf;

use proto_nntp::{check_content, Fate, Group, Header, MessageId, No, Posted, Session, What};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Error, Result};
use serde_json::json;

use crate::cli::CommonArgs;
use crate::exit_code::{exit_code, UNKNOWN};
use crate::fetching::reported;
use crate::mail::{messages, stamps, Loaded, Message};
use crate::nntp::{target, NewsArgs, Service};
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// Post articles.
#[derive(clap::Args)]
pub struct Args {
    /// The server: nntp://host/, nntps:// or host[:port]; a group behind it is where articles go
    /// that name none
    url: String,
    /// Files with an article each (- for stdin), mboxes, Maildirs
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Allow Control, Supersedes and Approved, which act on other articles or speak for a moderator
    #[arg(long)]
    authority: bool,
    /// Check the articles, and connect to nobody
    #[arg(long)]
    dry_run: bool,
    /// One JSON object an article
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    news: NewsArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// Posts everything; one bad article does not stop the rest.
pub fn run(args: &Args) -> Result<u8> {
    let target = target(&args.url)?;
    let group = match &target.what {
        What::Server => None,
        What::Group(group) => Some(group.clone()),
        _ => return Err(Error::illegal("articles are posted to a server or a group")),
    };
    let url = without_password(target.url());
    reported("nntp-post", url, &args.common, |record, codes| {
        let messages = messages(&args.files, false)?;
        let service = Service::new(&target, &args.news, &args.common)?;
        let mut posting = Posting {
            args,
            group,
            rows: Rows::new(args.json, args.common.report.is_some()),
            codes: Vec::new(),
        };
        let mut articles = Vec::new();
        for message in &messages {
            match posting.prepared(message) {
                Ok(article) => articles.push(article),
                Err(error) => posting.tell(message.name(), None, &failed(error))?,
            }
        }
        let result = match args.dry_run {
            true => posting.check(&articles),
            false => posting.post(&service, &articles, record),
        };
        record.items = posting.rows.into_items();
        codes.extend(posting.codes);
        result
    })
}

/// An article that can be posted.
struct Article {
    name: String,
    loaded: Loaded,
    id: MessageId,
    groups: Vec<Group>,
}

struct Posting<'a> {
    args: &'a Args,
    group: Option<Group>,
    rows: Rows,
    codes: Vec<u8>,
}

impl Posting<'_> {
    /// An article with all the fields that it needs. Its Message-ID is made here and not left to the
    /// server, so that one whose answer is lost can be looked for, or posted again
    /// (RFC 3977 section 6.3.1.2).
    fn prepared(&self, message: &Message) -> Result<Article> {
        let mut loaded = message.load()?;
        let mut header = stamps(&loaded.header)?;
        if let Some(group) = &self.group {
            if Header::parse(&loaded.header)?.get("Newsgroups").is_none() {
                header.extend_from_slice(format!("Newsgroups: {group}\r\n").as_bytes());
            }
        }
        header.extend_from_slice(&loaded.header);
        let parsed = Header::parse(&header)?;
        parsed.check_posting(self.args.authority)?;
        let id = parsed.message_id()?;
        let id = id.ok_or_else(|| Error::illegal("there is no Message-ID"))?;
        loaded.header = header;
        // One that cannot be sent to its end would cost the connection of the others.
        check_content(&mut loaded.reader()?)?;
        Ok(Article {
            name: message.name().to_owned(),
            groups: parsed.newsgroups()?,
            loaded,
            id,
        })
    }

    /// Says what would be posted.
    fn check(&mut self, articles: &[Article]) -> Result<()> {
        for article in articles {
            self.row("checked", &article.name, Some(article), "", None)?;
        }
        Ok(())
    }

    fn post(&mut self, service: &Service, articles: &[Article], record: &mut Record) -> Result<()> {
        let mut left = articles.iter().peekable();
        let mut tries = 0;
        // A connection that is lost costs the article that was under way; the next goes over another.
        while left.peek().is_some() {
            let before = left.len();
            let mut is_told = false;
            let result = service.converse(record, |session, record| {
                record.stage = Stage::Transfer;
                let mut is_first = true;
                while let Some(article) = left.peek() {
                    let posted = send(session, article)?;
                    if must_log_in(&posted) {
                        return posted.error.map_or(Ok(()), Err);
                    }
                    let is_lost = is_lost(&posted) || !session.connection().is_in_step();
                    // One that was not begun on a connection that had served before gets another.
                    if !is_lost || is_first || !matches!(posted.fate, Fate::NotSent) {
                        self.tell(&article.name, Some(article), &posted)?;
                        left.next();
                        is_first = false;
                    }
                    if is_lost {
                        is_told = true;
                        return posted.error.map_or(Ok(()), Err);
                    }
                }
                Ok(())
            });
            tries = if left.len() < before { 0 } else { tries + 1 };
            match result {
                Ok(()) if tries == 0 => {}
                Err(_) if is_told && tries == 0 => {}
                Ok(()) => return Ok(()),
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error)
                    if tries <= self.args.common.connection.retry && error.is_transient() =>
                {
                    std::thread::sleep(std::time::Duration::from_secs(1));
                }
                Err(error) => {
                    for article in left.by_ref() {
                        self.row("not-sent", &article.name, Some(article), "", Some(&error))?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Says what became of an article.
    fn tell(&mut self, name: &str, article: Option<&Article>, posted: &Posted) -> Result<()> {
        let result = match posted.fate {
            Fate::Accepted => "posted",
            Fate::Unwanted => "unwanted",
            Fate::RefusedForNow => "deferred",
            Fate::RefusedForGood => "refused",
            Fate::NotSent => "not-sent",
            Fate::Unknown => "unknown",
        };
        let reply = posted.reply.as_ref().map(ToString::to_string);
        if let Some(error) = &posted.error {
            self.codes.push(match posted.fate {
                Fate::Unknown => UNKNOWN,
                _ => exit_code(error),
            });
            crate::note(&format!("proto: {}: {error}", escaped(name.as_bytes())));
            if matches!(posted.fate, Fate::Unknown) && !self.args.common.looking.quiet {
                crate::note("proto: nobody knows whether it was posted; the Message-ID tells");
            }
        }
        let reply = reply.unwrap_or_default();
        self.row(result, name, article, &reply, posted.error.as_ref())
    }

    fn row(
        &mut self,
        result: &str,
        name: &str,
        article: Option<&Article>,
        reply: &str,
        error: Option<&Error>,
    ) -> Result<()> {
        let id = article.map(|article| article.id.as_str());
        let groups = article.map(|article| {
            let groups = article.groups.iter();
            groups.map(Group::as_str).collect::<Vec<_>>()
        });
        let error = error.map(ToString::to_string);
        let told = match reply {
            "" => error.as_deref().unwrap_or_default(),
            reply => reply,
        };
        self.rows.add(
            || {
                let (name, id) = (escaped(name.as_bytes()), id.unwrap_or("-"));
                format!("{result:8}  {id}  {name}  {told}")
                    .trim_end()
                    .to_owned()
            },
            || {
                json!({
                    "result": result,
                    "file": name,
                    "message_id": id,
                    "groups": groups,
                    "reply": (!reply.is_empty()).then_some(reply),
                    "error": error,
                })
            },
        )
    }
}

fn send(session: &mut Session, article: &Article) -> Result<Posted> {
    let mut content = article.loaded.reader()?;
    Ok(session.post(&mut content))
}

/// What was not sent for want of a login or of TLS.
fn must_log_in(posted: &Posted) -> bool {
    let no = posted.error.as_ref().and_then(No::of);
    matches!(posted.fate, Fate::NotSent) && matches!(no, Some(No::NeedsLogin | No::NeedsTls))
}

/// Whether the connection went with it. Behind an answer that is none, nothing that comes could be
/// understood.
fn is_lost(posted: &Posted) -> bool {
    matches!(
        posted.error,
        Some(Error::Closed { .. } | Error::TimedOut { .. } | Error::Malformed { .. })
    )
}

/// An article that never was on its way.
fn failed(error: Error) -> Posted {
    Posted {
        fate: Fate::NotSent,
        reply: None,
        error: Some(error),
    }
}
