//! What we say: the commands of RFC 3977 and its extensions.

use std::fmt;

use crate::argument::{Article, Articles, Field, Group, MessageId, Moment, Range, Wildmat};

/// A command without secrets. It has at most 510 octets, whatever is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// What can you do?
    Capabilities,
    /// We want to read.
    ModeReader,
    /// Upgrade to TLS (RFC 4642).
    StartTls,
    /// Compress from now on (RFC 8054).
    Compress,
    /// Open a group.
    Group(Group),
    /// Open a group, and list its articles.
    ListGroup(Group, Option<Range>),
    /// What there is in the overview.
    Over(Verb, Articles),
    /// A field of each article.
    Header(Verb, Field, Articles),
    /// A list.
    List(List),
    /// Which groups are new since then?
    NewGroups(Moment),
    /// Which articles are new since then?
    NewNews(Wildmat, Moment),
    /// What time is it?
    Date,
    /// We have something to say.
    Post,
    /// We have an article from elsewhere.
    IHave(MessageId),
    /// The end.
    Quit,
}

/// Whether a server knows RFC 3977 or only what was usual before (RFC 2980).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// OVER and HDR.
    Standard,
    /// XOVER and XHDR.
    Old,
}

impl Verb {
    /// The other one.
    pub(crate) fn other(self) -> Verb {
        match self {
            Verb::Standard => Verb::Old,
            Verb::Old => Verb::Standard,
        }
    }
}

/// What is wanted of an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// All.
    Article,
    /// The header.
    Head,
    /// The body.
    Body,
    /// Nothing: is it there, and what is its message-id?
    Stat,
}

/// A wish for an article or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What of it.
    pub part: Part,
    /// Which.
    pub article: Article,
}

impl Fetch {
    /// A wish for a part of an article.
    pub fn new(part: Part, article: Article) -> Fetch {
        Fetch { part, article }
    }
}

impl fmt::Display for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.part {
            Part::Article => "ARTICLE",
            Part::Head => "HEAD",
            Part::Body => "BODY",
            Part::Stat => "STAT",
        };
        write!(f, "{verb} {}", self.article)
    }
}

/// A list (RFC 3977 section 7.6.2, RFC 6048). Those about groups may be restricted to some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// Groups, with what numbers they have: lines of [`Active`](crate::Active).
    Active(Option<Wildmat>),
    /// When groups were made: lines of [`Created`](crate::Created).
    ActiveTimes(Option<Wildmat>),
    /// Groups, with how many articles they have: lines of [`Counted`](crate::Counted).
    Counts(Option<Wildmat>),
    /// What groups are about: lines of [`Described`](crate::Described).
    Newsgroups(Option<Wildmat>),
    /// Groups that are a good start.
    Subscriptions(Option<Wildmat>),
    /// `weight:wildmat:value`, for the header field Distribution.
    DistribPats,
    /// The values of that field, and what they are about.
    Distributions,
    /// What [`Session::headers`](crate::Session::headers) can ask for.
    Headers,
    /// `wildmat:address`, where what is posted in moderated groups goes.
    Moderators,
    /// What the server wants users to know today.
    Motd,
    /// The fields of the overview.
    OverviewFmt,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keyword, wildmat) = match self {
            List::Active(wildmat) => ("ACTIVE", wildmat.as_ref()),
            List::ActiveTimes(wildmat) => ("ACTIVE.TIMES", wildmat.as_ref()),
            List::Counts(wildmat) => ("COUNTS", wildmat.as_ref()),
            List::Newsgroups(wildmat) => ("NEWSGROUPS", wildmat.as_ref()),
            List::Subscriptions(wildmat) => ("SUBSCRIPTIONS", wildmat.as_ref()),
            List::DistribPats => ("DISTRIB.PATS", None),
            List::Distributions => ("DISTRIBUTIONS", None),
            List::Headers => ("HEADERS", None),
            List::Moderators => ("MODERATORS", None),
            List::Motd => ("MOTD", None),
            List::OverviewFmt => ("OVERVIEW.FMT", None),
        };
        write!(f, "LIST {keyword}")?;
        match wildmat {
            Some(wildmat) => write!(f, " {wildmat}"),
            None => Ok(()),
        }
    }
}

/// The wire form, without its CRLF.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Capabilities => f.write_str("CAPABILITIES"),
            Request::ModeReader => f.write_str("MODE READER"),
            Request::StartTls => f.write_str("STARTTLS"),
            Request::Compress => f.write_str("COMPRESS DEFLATE"),
            Request::Group(group) => write!(f, "GROUP {group}"),
            Request::ListGroup(group, None) => write!(f, "LISTGROUP {group}"),
            Request::ListGroup(group, Some(range)) => {
                write!(f, "LISTGROUP {group} {range}")
            }
            Request::Over(Verb::Standard, articles) => write!(f, "OVER {articles}"),
            Request::Over(Verb::Old, articles) => write!(f, "XOVER {articles}"),
            Request::Header(Verb::Standard, field, articles) => write!(f, "HDR {field} {articles}"),
            Request::Header(Verb::Old, field, articles) => write!(f, "XHDR {field} {articles}"),
            Request::List(list) => write!(f, "{list}"),
            Request::NewGroups(since) => write!(f, "NEWGROUPS {since}"),
            Request::NewNews(wildmat, since) => write!(f, "NEWNEWS {wildmat} {since}"),
            Request::Date => f.write_str("DATE"),
            Request::Post => f.write_str("POST"),
            Request::IHave(id) => write!(f, "IHAVE {id}"),
            Request::Quit => f.write_str("QUIT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_forms_are_those_of_the_rfc() {
        let group = |name: &str| Group::new(name).unwrap();
        let wildmat = |text: &str| Wildmat::new(text).unwrap();
        let id = || MessageId::new("i.am.a.test.article@example.com").unwrap();
        let range = |text: &str| Range::parse(text).unwrap();
        let since = Moment::parse("19990624000000").unwrap();
        for (request, line) in [
            (Request::Group(group("misc.test")), "GROUP misc.test"),
            (
                Request::ListGroup(group("misc.test"), Some(range("3000238-3000248"))),
                "LISTGROUP misc.test 3000238-3000248",
            ),
            (
                Request::Over(Verb::Standard, Articles::Range(range("3000234-3000240"))),
                "OVER 3000234-3000240",
            ),
            (
                Request::Over(Verb::Old, Articles::Range(range("1-"))),
                "XOVER 1-",
            ),
            (
                Request::Header(
                    Verb::Standard,
                    Field::new("subject").unwrap(),
                    Articles::Id(id()),
                ),
                "HDR subject <i.am.a.test.article@example.com>",
            ),
            (
                Request::List(List::Active(Some(wildmat("*.recovery")))),
                "LIST ACTIVE *.recovery",
            ),
            (Request::List(List::Active(None)), "LIST ACTIVE"),
            (Request::NewGroups(since), "NEWGROUPS 19990624 000000 GMT"),
            (
                Request::NewNews(wildmat("news.*,sci.*"), since),
                "NEWNEWS news.*,sci.* 19990624 000000 GMT",
            ),
        ] {
            assert_eq!(request.to_string(), line);
        }
        let fetch = Fetch::new(Part::Stat, Article::Number(300256));
        assert_eq!(fetch.to_string(), "STAT 300256");
    }

    #[test]
    fn no_command_is_too_long() {
        let group = Group::new(&"x".repeat(400)).unwrap();
        let wildmat = Wildmat::new(&"x".repeat(450)).unwrap();
        let id = MessageId::new(&"x".repeat(248)).unwrap();
        let range = Range::new(u64::MAX - 1, Some(u64::MAX)).unwrap();
        let field = Field::new(&"x".repeat(200)).unwrap();
        let since = Moment::parse("19990624000000").unwrap();
        for request in [
            Request::Group(group.clone()),
            Request::ListGroup(group, Some(range)),
            Request::Header(Verb::Old, field, Articles::Id(id)),
            Request::List(List::Subscriptions(Some(wildmat.clone()))),
            Request::NewNews(wildmat, since),
        ] {
            assert!(request.to_string().len() <= 510, "{request}");
        }
    }
}
