//! `proto nntp-overview`: the articles of a group in short.

use std::fs;

use proto_mock::nntp::NewsServer;
use proto_mock::Options;

use crate::harness::{folder, proto};
use crate::nntp_groups::{rows, News};

const ARTICLE: &[u8] = b"Path: x\r\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n\
    Newsgroups: misc.test\r\nSubject: =?utf-8?q?h=C3=AFhi?=\r\nMessage-ID: <a@b>\r\n\
    References: <c@d>\r\n <e@f>\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n\r\nx\r\n";

/// A server with these articles in misc.test, numbered from 1.
pub fn with_articles(articles: &[&[u8]]) -> News {
    let root = folder();
    let group = root.path().join("misc.test");
    fs::create_dir(&group).unwrap();
    for (index, article) in articles.iter().enumerate() {
        fs::write(group.join((index + 1).to_string()), article).unwrap();
    }
    let news = NewsServer::default();
    assert_eq!(news.spool.load(root.path()).unwrap(), articles.len());
    News::with(news, Options::default())
}

#[test]
fn rows_for_people() {
    let news = with_articles(&[ARTICLE]);
    let run = proto(&["nntp-overview", &news.url("misc.test")]).exits(0);
    assert_eq!(
        run.text(),
        "        1  2026-01-01  Jörg <j@example.org>  hïhi\n"
    );
    assert_eq!(news.news.violations(), [""; 0]);
}

#[test]
fn rows_for_programs() {
    let news = with_articles(&[ARTICLE]);
    let run = proto(&["nntp-overview", &news.url("misc.test"), "--json"]).exits(0);
    let rows = rows(&run);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["number"], 1);
    assert_eq!(rows[0]["subject"], "hïhi");
    assert_eq!(rows[0]["message_id"], "<a@b>");
    assert_eq!(rows[0]["date"], "2026-01-01T12:00:00Z");
    assert_eq!(rows[0]["references"][1], "<e@f>");
    assert_eq!(rows[0]["lines"], 1);
    assert!(rows[0]["bytes"].as_u64().unwrap() > 200);
}

#[test]
fn articles_are_chosen() {
    let news = News::flawed(&[]);
    for (path, arguments, count) in [
        ("misc.test", &[][..], 20),
        ("misc.test", &["5-9"], 5),
        ("misc.test", &["19-"], 2),
        ("misc.test", &["--last", "3"], 3),
        ("misc.test", &["--last", "300"], 20),
        ("misc.test", &["100-200"], 0),
        ("misc.test/5-9", &[], 5),
        ("misc.test/7", &[], 1),
        ("misc.moderated", &[], 0),
    ] {
        let url = news.url(path);
        let arguments = [&["nntp-overview", url.as_str()], arguments].concat();
        let run = proto(&arguments).exits(0);
        assert_eq!(run.text().lines().count(), count, "{arguments:?}");
    }
    let url = news.url("misc.test");
    proto(&["nntp-overview", &url, "99"])
        .exits(69)
        .says("no article 99");
    proto(&["nntp-overview", &news.url("none")]).exits(69);
    proto(&["nntp-overview", &news.url("")]).exits(64);
    proto(&["nntp-overview", &url, "9-5"]).exits(64);
    proto(&["nntp-overview", &url, "1\r\nQUIT"]).exits(64);
}

#[test]
fn one_article_by_its_message_id() {
    let news = with_articles(&[ARTICLE]);
    let run = proto(&["nntp-overview", &news.url("a@b"), "--json"]).exits(0);
    assert_eq!(rows(&run)[0]["subject"], "hïhi");
    proto(&["nntp-overview", &news.url("none@b")]).exits(69);
}

#[test]
fn old_servers_know_xover() {
    let news = News::without(&["CAPABILITIES", "OVER", "HDR"]);
    let run = proto(&["nntp-overview", &news.url("misc.test"), "5-9"]).exits(0);
    assert_eq!(run.text().lines().count(), 5);
    assert_eq!(news.count_of("XOVER"), 1);
}
