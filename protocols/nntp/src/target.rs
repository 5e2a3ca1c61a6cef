//! *What* a URL names: a server, a group, articles (RFC 5538).
//!
//! ```text
//! nntp://host/group    nntp://host/group/1-9    nntps://host/%3Cid@example%3E
//! news://host/group    news://host/id@example   news:group    news:id@example
//! ```

use proto_transport::{decoded, parse_url, Endpoint, Error, Result, Security, Url};

use crate::argument::{Group, MessageId, Range, Wildmat};

/// *What* a URL names.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What of it.
    pub what: What,
    url: Url,
}

/// What a URL names on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Nothing in particular.
    Server,
    /// The groups that match, as in `news://host/comp.*`.
    Groups(Wildmat),
    /// A group.
    Group(Group),
    /// Articles of a group.
    Articles(Group, Range),
    /// An article.
    Message(MessageId),
}

impl Target {
    /// Reads `nntp://` and `news://` (119), `nntps://` and `snews://` (563, RFC 8143), or a bare
    /// `host[:port][/path]`. Numbers of articles may be a range, which goes beyond RFC 5538.
    pub fn parse(text: &str) -> Result<Target> {
        match short(text) {
            Some(_) => Err(Error::illegal(format!(
                "{text} names no server; with one it is news://host/{}",
                short(text).unwrap_or_default()
            ))),
            None => Target::from_url(&parse_url(text, "nntp")?),
        }
    }

    /// As [`Target::parse`], with a server for URLs that name none (`news:group`).
    pub fn parse_with(text: &str, server: &str) -> Result<Target> {
        let Some(path) = short(text) else {
            return Target::parse(text);
        };
        let server = Target::parse(server)?;
        let mut url = parse_url(&format!("news://host/{path}"), "news")?;
        let what = Target::from_url(&url)?.what;
        url.set_fragment(None);
        let mut whole = server.url.clone();
        whole.set_path(url.path());
        Ok(Target {
            endpoint: server.endpoint,
            what,
            url: whole,
        })
    }

    /// What a URL names. Whatever could end a line is refused here, before anything is said.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security) = match url.scheme() {
            "nntp" | "news" => (119, Security::Plain),
            "nntps" | "snews" => (563, Security::Tls),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no news server; there are nntp, nntps and news"
                )))
            }
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::illegal(
                "the URL of news ends with its path; ? and # in it are written %3F and %23",
            ));
        }
        Ok(Target {
            endpoint: Endpoint::from_url(url, port, security)?,
            what: what(url.path())?,
            url: url.clone(),
        })
    }

    /// The same, reached at another endpoint or with other security.
    pub fn at(&self, endpoint: Endpoint) -> Target {
        Target {
            endpoint,
            ..self.clone()
        }
    }

    /// The URL, with the user that it may name.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// What follows `news:` where that names no server.
fn short(text: &str) -> Option<&str> {
    let (scheme, rest) = text.trim().split_once(':')?;
    let is_news = ["news", "snews"].contains(&scheme.to_ascii_lowercase().as_str());
    // A host may be called news.
    let port = rest.split('/').next().unwrap_or_default();
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_news && !is_port && !rest.starts_with("//")).then_some(rest)
}

/// `[ message-id / "*" / wildmat / group [ "/" articles ] ]`
fn what(path: &str) -> Result<What> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let name = decoded(first, "newsgroup")?;
    // RFC 5538 section 3: an @ tells a message-id from a group. One with brackets needs none.
    let is_id = name.contains('@') || name.starts_with('<');
    match rest {
        None if name.is_empty() => Ok(What::Server),
        None if is_id => Ok(What::Message(MessageId::new(&name)?)),
        None if name.contains(['*', '?', ',']) => Ok(What::Groups(Wildmat::new(&name)?)),
        None => Ok(What::Group(Group::new(&name)?)),
        Some(_) if is_id => Err(Error::illegal(
            "a message-id names its article alone; / in it is written %2F",
        )),
        Some(rest) => {
            let range = Range::parse(&decoded(rest, "article number")?)?;
            Ok(What::Articles(Group::new(&name)?, range))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_what_the_rfc_says() {
        let group = |name: &str| Group::new(name).unwrap();
        let id = |text: &str| What::Message(MessageId::new(text).unwrap());
        let range = |text: &str| Range::parse(text).unwrap();
        for (text, port, security, what) in [
            ("a", 119, Security::Plain, What::Server),
            ("a:1119/", 1119, Security::Plain, What::Server),
            (
                "news:1119/x",
                1119,
                Security::Plain,
                What::Group(group("x")),
            ),
            (
                "nntp://a/misc.test",
                119,
                Security::Plain,
                What::Group(group("misc.test")),
            ),
            (
                "nntp://a/misc.test/",
                119,
                Security::Plain,
                What::Group(group("misc.test")),
            ),
            (
                "nntps://me@a/misc.test/42",
                563,
                Security::Tls,
                What::Articles(group("misc.test"), range("42")),
            ),
            (
                "nntp://a/misc.test/1-9",
                119,
                Security::Plain,
                What::Articles(group("misc.test"), range("1-9")),
            ),
            (
                "nntp://a/misc.test/7-",
                119,
                Security::Plain,
                What::Articles(group("misc.test"), range("7-")),
            ),
            ("nntp://a/<x@y>", 119, Security::Plain, id("<x@y>")),
            (
                "nntp://a/%3Cx%2Fz@y%3E",
                119,
                Security::Plain,
                id("<x/z@y>"),
            ),
            ("news://a/x%25@y", 119, Security::Plain, id("<x%@y>")),
            ("snews://a/x@y", 563, Security::Tls, id("<x@y>")),
            (
                "news://a/comp.*",
                119,
                Security::Plain,
                What::Groups(Wildmat::new("comp.*").unwrap()),
            ),
            (
                "nntp://a/fr.%C3%A9t%C3%A9",
                119,
                Security::Plain,
                What::Group(group("fr.été")),
            ),
            (
                "nntp://a/comp.lang.c++",
                119,
                Security::Plain,
                What::Group(group("comp.lang.c++")),
            ),
        ] {
            let target = Target::parse(text).unwrap();
            let endpoint = &target.endpoint;
            assert_eq!(
                (endpoint.port, endpoint.security),
                (port, security),
                "{text}"
            );
            assert_eq!(target.what, what, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "http://a",
            "nntp://a/x/y",
            "nntp://a/x/9-1",
            "nntp://a/x/1/2",
            "nntp://a/x@y/1",
            "nntp://a/x?y",
            "nntp://a/x#y",
            "nntp://a/x%0d%0aQUIT",
            "nntp://a/x%20y",
            "nntp://a/%00",
            "nntp://a/%ff",
            "news:misc.test",
            "news:x@y",
            "nntp:misc.test",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_without_a_server_takes_one() {
        let target = Target::parse_with("news:misc.test", "a:1119").unwrap();
        assert_eq!(target.what, What::Group(Group::new("misc.test").unwrap()));
        assert_eq!(target.endpoint.to_string(), "a:1119");
        let target = Target::parse_with("news:x@y", "nntps://me@a").unwrap();
        assert_eq!(target.what, What::Message(MessageId::new("x@y").unwrap()));
        assert_eq!(target.endpoint.security, Security::Tls);
        assert_eq!(target.url().as_str(), "nntps://me@a/x@y");
        let target = Target::parse_with("nntp://b/misc.test", "a").unwrap();
        assert_eq!(target.endpoint.host, "b");
        assert!(Target::parse_with("news:x%0aQUIT", "a").is_err());
    }
}
