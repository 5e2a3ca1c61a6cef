//! `proto nntp-post`: articles to the server, each with an answer.

use std::fs;
use std::path::Path;

use crate::harness::{folder, proto_in, Run};
use crate::nntp_groups::{rows, News};

const ARTICLE: &str = "From: Fred <fred@example.org>\nNewsgroups: misc.test\nSubject: x\n\
    Message-ID: <a@b>\nDate: Thu, 01 Jan 2026 12:00:00 +0000\n\n.\n..two\nüml\n";

fn post(news: &News, folder: &Path, options: &[&str]) -> Run {
    let url = news.url("");
    proto_in(folder, &[&["nntp-post", url.as_str()], options].concat())
}

/// A folder with these files.
fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = folder();
    for (name, content) in files {
        fs::write(place.path().join(name), content).unwrap();
    }
    place
}

#[test]
fn an_article_comes_as_it_is() {
    let news = News::flawed(&[]);
    let place = files(&[("a", ARTICLE)]);
    let run = post(&news, place.path(), &["a"]).exits(0);
    assert!(run.text().starts_with("posted    <a@b>  a  240"), "{run:?}");
    let posted = news.news.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].message_id, "<a@b>");
    assert_eq!(
        String::from_utf8(posted[0].content.clone()).unwrap(),
        ARTICLE.replace('\n', "\r\n")
    );
    assert_eq!(news.news.violations(), [""; 0]);
}

#[test]
fn what_is_missing_is_added() {
    let news = News::flawed(&[]);
    let place = files(&[("a", "From: fred@example.org\nSubject: x\n\nbody\n")]);
    let url = news.url("misc.test");
    let run = proto_in(place.path(), &["nntp-post", &url, "a", "--json"]).exits(0);
    let row = &rows(&run)[0];
    let posted = news.news.posted();
    assert_eq!(row["message_id"], posted[0].message_id.as_str());
    assert!(posted[0].message_id.ends_with("@example.org>"));
    assert_eq!(row["groups"][0], "misc.test");
    assert_eq!(row["result"], "posted");
    let content = String::from_utf8(posted[0].content.clone()).unwrap();
    for name in ["Date", "Message-ID", "Newsgroups", "From", "Subject"] {
        let start = format!("{name}: ");
        let count = content.lines().filter(|line| line.starts_with(&start));
        assert_eq!(count.count(), 1, "{name}: {content}");
    }
    assert!(content.ends_with("\r\n\r\nbody\r\n"));
    // Without a group there is nowhere to post it.
    post(&news, place.path(), &["a"])
        .exits(64)
        .says("Newsgroups");
    assert_eq!(news.news.posted().len(), 1);
}

#[test]
fn headers_are_checked_before_anything_is_said() {
    let news = News::flawed(&[]);
    let with = |field: &str| ARTICLE.replacen("Subject", &format!("{field}\nSubject"), 1);
    for (content, says) in [
        (ARTICLE.replace("Subject: x\n", ""), "Subject"),
        (
            ARTICLE.replace("From: Fred <fred@example.org>\n", ""),
            "From",
        ),
        (with("Subject: y"), "Subject"),
        (
            with("Injection-Date: Thu, 01 Jan 2026 12:00:00 +0000"),
            "Injection-Date",
        ),
        (with("Xref: x misc.test:1"), "Xref"),
        (with("Control: cancel <x@y>"), "Control"),
        (with("Approved: me@x"), "Approved"),
        (ARTICLE.replace("<a@b>", "no id"), "Message-ID"),
        (ARTICLE.replace("misc.test", "misc test\u{7}"), "newsgroup"),
    ] {
        let place = files(&[("a", &content)]);
        let run = post(&news, place.path(), &["a"]).exits(64);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        assert!(run.text().starts_with("not-sent"), "{run:?}");
    }
    assert_eq!(news.count_of("POST"), 0);
    let place = files(&[("a", &with("Control: cancel <x@y>"))]);
    post(&news, place.path(), &["a", "--authority"]).exits(0);
    assert_eq!(news.news.posted().len(), 1);
}

#[test]
fn one_bad_article_does_not_stop_the_rest() {
    let news = News::ruled(&["post=<b@b> reply=441 No"]);
    let second = ARTICLE.replace("<a@b>", "<b@b>");
    let third = ARTICLE.replace("<a@b>", "<c@b>");
    let place = files(&[
        ("a", ARTICLE),
        ("b", &second),
        ("bad", "x\n"),
        ("c", &third),
    ]);
    let run = post(&news, place.path(), &["a", "b", "bad", "c"]).exits(64);
    let results: Vec<String> = run
        .text()
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(results, ["not-sent", "posted", "refused", "posted"]);
    assert_eq!(news.news.posted().len(), 2);
    post(&news, place.path(), &["none"]).exits(74);
}

#[test]
fn a_lost_answer_is_unknown() {
    let news = News::ruled(&["post=<a@b> drop"]);
    let second = ARTICLE.replace("<a@b>", "<b@b>");
    let place = files(&[("a", ARTICLE), ("b", &second)]);
    let run = post(&news, place.path(), &["a", "b"]).exits(79);
    let text = run.text();
    assert!(text.starts_with("unknown   <a@b>"), "{text}");
    // The next goes over another connection.
    assert!(text.contains("posted    <b@b>"), "{text}");
    assert_eq!(news.news.posted().len(), 2);
    assert_eq!(news.count_of("POST"), 2);
}

#[test]
fn who_may_not_post_is_told() {
    let mut news = crate::nntp_groups::news();
    news.posting = false;
    let news = News::with(news, proto_mock::Options::default());
    let place = files(&[("a", ARTICLE)]);
    let run = post(&news, place.path(), &["a"]).exits(69);
    assert!(run.text().contains("440"), "{run:?}");
    post(&news, place.path(), &["a", "--dry-run"]).exits(0);
    assert_eq!(news.news.posted().len(), 0);
}
