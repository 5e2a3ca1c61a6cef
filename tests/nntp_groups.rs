//! `proto nntp-groups`: the groups of a news server.

use std::sync::Arc;

use proto_mock::nntp::{NewsServer, Wildmat};
use proto_mock::{Options, Server};
use proto_transport::Security;
use serde_json::Value;

use crate::harness::{authority, proto, tls, Run};

/// The mock news server.
pub struct News {
    server: Server,
    scheme: &'static str,
    pub news: Arc<NewsServer>,
}

impl News {
    /// A server with 20 articles in misc.test and an empty group.
    pub fn flawed(flaws: &[&str]) -> News {
        let mut news = news();
        news.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
        News::with(news, Options::default())
    }

    /// The same that does something else now and then.
    pub fn ruled(rules: &[&str]) -> News {
        let mut news = news();
        news.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        News::with(news, Options::default())
    }

    /// The same without these capabilities.
    pub fn without(names: &[&str]) -> News {
        let mut news = news();
        news.without = names.iter().map(|name| (*name).to_owned()).collect();
        News::with(news, Options::default())
    }

    /// One with other settings.
    pub fn with(news: NewsServer, options: Options) -> News {
        let scheme = match options.security {
            Security::Tls => "nntps",
            _ => "nntp",
        };
        let news = Arc::new(news);
        let service = Arc::clone(&news) as Arc<dyn proto_mock::Service>;
        News {
            server: Server::start(options, service).unwrap(),
            scheme,
            news,
        }
    }

    /// The URL of a group or an article.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.server.port())
    }

    /// The same with a user and a password.
    pub fn url_of_fred(&self, path: &str) -> String {
        self.url(path).replace("localhost", "fred:pencil@localhost")
    }

    /// What was said to the server, line by line.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.news.commands();
        commands.into_iter().map(|(_, line)| line).collect()
    }

    /// How often a command was heard.
    pub fn count_of(&self, verb: &str) -> usize {
        let heard = self.heard();
        heard.iter().filter(|line| line.starts_with(verb)).count()
    }
}

/// A server with 20 articles in misc.test and an empty group.
pub fn news() -> NewsServer {
    let news = NewsServer::default();
    assert!(news.spool.generate("misc.test", 20, 500));
    assert!(news.spool.create("misc.moderated", 'm', "Calm words"));
    news
}

/// The rows as JSON.
pub fn rows(run: &Run) -> Vec<Value> {
    let text = run.text();
    let rows = text.lines().map(serde_json::from_str);
    rows.map(Result::unwrap).collect()
}

#[test]
fn rows_for_people() {
    let news = News::flawed(&[]);
    let run = proto(&["nntp-groups", &news.url("")]).exits(0);
    assert_eq!(
        run.text(),
        "        0  moderated  misc.moderated  Calm words\n       \
         20  yes        misc.test  Generated articles\n"
    );
    assert_eq!(news.news.violations(), [""; 0]);
    assert_eq!(news.count_of("QUIT"), 1);
}

#[test]
fn rows_for_programs() {
    let news = News::flawed(&[]);
    let run = proto(&["nntp-groups", &news.url(""), "*.test", "--json"]).exits(0);
    let rows = rows(&run);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["group"], "misc.test");
    assert_eq!(rows[0]["count"], 20);
    assert_eq!(rows[0]["low"], 1);
    assert_eq!(rows[0]["high"], 20);
    assert_eq!(rows[0]["posting"], "yes");
    assert_eq!(rows[0]["description"], "Generated articles");
}

#[test]
fn groups_are_chosen_by_the_url_too() {
    let news = News::flawed(&[]);
    for (path, count) in [("misc.*", 2), ("misc.test", 1), ("none.*", 0)] {
        let run = proto(&["nntp-groups", &news.url(path)]).exits(0);
        assert_eq!(run.text().lines().count(), count, "{path}");
    }
    proto(&["nntp-groups", &news.url("none")])
        .exits(69)
        .says("no group none");
    proto(&["nntp-groups", &news.url("misc.test/1-2")]).exits(64);
    proto(&["nntp-groups", &news.url(""), "a b"]).exits(64);
    proto(&["nntp-groups", &news.url(""), "a\r\nQUIT"]).exits(64);
}

#[test]
fn old_servers_tell_less() {
    for without in [
        &["CAPABILITIES"][..],
        &["LIST=COUNTS"],
        &["LIST=COUNTS", "LIST=NEWSGROUPS"],
    ] {
        let news = News::without(without);
        let run = proto(&["nntp-groups", &news.url("misc.test"), "--json"]).exits(0);
        assert_eq!(rows(&run)[0]["count"], 20, "{without:?}");
    }
}

#[test]
fn a_login_and_tls_when_the_server_wants_them() {
    let ca = authority();
    let mut private = news();
    private.users = vec![("fred".to_owned(), "pencil".to_owned())];
    private.needs_login = Wildmat::parse("*");
    private.needs_tls = true;
    let private = News::with(private, Options::default());
    let run = proto(&["nntp-groups", &private.url_of_fred(""), "--ca", &ca]).exits(0);
    assert_eq!(run.text().lines().count(), 2);
    assert_eq!(private.count_of("STARTTLS"), 1);
    proto(&["nntp-groups", &private.url(""), "--ca", &ca])
        .exits(77)
        .says("see -u");
    proto(&["nntp-groups", &private.url_of_fred(""), "--plain"]).exits(76);
    proto(&["nntp-groups", &private.url_of_fred("")]).exits(77);
    let wrong = private.url_of_fred("").replace("pencil", "pen");
    proto(&["nntp-groups", &wrong, "--starttls", "--ca", &ca]).exits(77);
}

#[test]
fn tls_from_the_first_byte_and_compression() {
    let ca = authority();
    let news = News::with(news(), tls());
    proto(&["nntp-groups", &news.url("")]).exits(77);
    let run = proto(&["nntp-groups", &news.url(""), "--ca", &ca, "--compress"]).exits(0);
    assert_eq!(run.text().lines().count(), 2);
    assert_eq!(news.count_of("COMPRESS"), 1);
    assert_eq!(news.news.violations(), [""; 0]);
}

#[test]
fn a_transit_server_is_asked_for_reader_mode() {
    let mut transit = news();
    transit.starts_in_transit = true;
    let transit = News::with(transit, Options::default());
    proto(&["nntp-groups", &transit.url("")]).exits(0);
    assert_eq!(transit.count_of("MODE READER"), 1);
    assert_eq!(transit.news.violations(), [""; 0]);
}
