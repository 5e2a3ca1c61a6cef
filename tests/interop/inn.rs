//! The news commands against INN.

pub mod server;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{folder, names, proto_in, repository, Run};
use crate::nntp_groups::rows;
use server::Inn;

/// What is fetched into a Maildir.
const MANY: usize = 5_000;

fn article(group: &str, id: &str, subject: &str, body: &[u8]) -> Vec<u8> {
    let header = format!(
        "Path: feed.test!not-for-mail\r\nFrom: Ann <ann@example.org>\r\nNewsgroups: {group}\r\n\
         Subject: {subject}\r\nMessage-ID: <{id}>\r\nDate: Thu, 19 Nov 2026 12:00:00 +0000\r\n\r\n"
    );
    [header.as_bytes(), body].concat()
}

/// What is behind the header.
fn body(article: &[u8]) -> &[u8] {
    let end = article.windows(4).position(|window| window == b"\r\n\r\n");
    &article[end.expect("a header") + 4..]
}

/// The row about one group.
fn named<'r>(rows: &'r [Value], group: &str) -> &'r Value {
    let is_named = |row: &&Value| row["group"] == group;
    rows.iter().find(is_named).expect(group)
}

#[test]
fn groups_are_listed_with_counts_and_descriptions() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    let articles = (1..=3).map(|n| article("test.groups", &format!("{n}@groups"), "x", b"x\r\n"));
    inn.feed(articles);
    let run = inn.proto(&["nntp-groups", &inn.url("", "test.g*"), "--json"]);
    let found = rows(&run.exits(0));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["count"], 3);
    assert_eq!(found[0]["description"], "Of groups; κόσμε");
    // The way to innd itself leads through MODE READER.
    let url = format!("nntp://localhost:{}/", inn.ports.transit);
    let found = rows(&inn.proto(&["nntp-groups", &url, "--json"]).exits(0));
    assert_eq!(named(&found, "test.moderated")["posting"], "moderated");
    assert!(found.iter().all(|row| row["group"] != "test.private"));
    inn.proto(&["nntp-groups", &inn.url("", "test.none")])
        .exits(69);
}

#[test]
fn overviews_are_decoded() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    let group = "test.overview";
    let first = article(group, "1@overview", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"x\r\n");
    let raw = article(group, "2@overview", "Grüße\ttab", b"x\r\ny\r\n");
    inn.feed([first, raw]);
    let url = inn.url("", group);
    let run = inn.proto(&["nntp-overview", &url, "--json"]).exits(0);
    let found = rows(&run);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["subject"], "Grüße");
    assert_eq!(found[1]["subject"], "Grüße tab");
    assert_eq!(found[1]["message_id"], "<2@overview>");
    assert_eq!(
        (&found[1]["number"], &found[1]["lines"]),
        (&2.into(), &2.into())
    );
    let run = inn.proto(&["nntp-overview", &url, "--last", "1"]).exits(0);
    assert_eq!(run.text().lines().count(), 1);
    let run = inn.proto(&["nntp-overview", &inn.url("", "1@overview")]);
    // This server knows no overview by Message-ID.
    assert!(run.code == 0 || run.stderr.contains("503"), "{run:?}");
    inn.proto(&["nntp-overview", &url, "9"]).exits(69);
}

/// Files of a Maildir.
fn stored(folder: &Path) -> Vec<Vec<u8>> {
    let new = folder.join("Mail/new");
    let files = names(&new).into_iter();
    files
        .map(|name| fs::read(new.join(name)).unwrap())
        .collect()
}

#[test]
fn five_thousand_articles_come_once() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    let group = "test.many";
    inn.feed((0..MANY).map(|n| {
        let body = format!(".{n}\r\n{}\r\n", "x".repeat(n % 1_000));
        article(
            group,
            &format!("{n}@many"),
            &format!("number {n}"),
            body.as_bytes(),
        )
    }));
    let place = folder();
    let url = inn.url("", group);
    let fetch = |limit: &str| {
        let store = ["--maildir", "Mail", "--state", "state", "--json"];
        let arguments = [&["nntp-fetch", &url, "--limit", limit], &store[..]].concat();
        inn.proto_in(place.path(), &arguments).exits(0)
    };
    assert_eq!(rows(&fetch("1700")).len(), 1_700);
    assert_eq!(rows(&fetch("99999")).len(), MANY - 1_700);
    assert_eq!(fetch("99999").text(), "");
    let stored = stored(place.path());
    assert_eq!(stored.len(), MANY);
    let mut numbers = Vec::new();
    for text in stored {
        let text = String::from_utf8(text).unwrap();
        let (_, body) = text.split_once("\n\n").unwrap();
        let (number, rest) = body.strip_prefix('.').unwrap().split_once('\n').unwrap();
        let number: usize = number.parse().unwrap();
        assert_eq!(rest, format!("{}\n", "x".repeat(number % 1_000)));
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MANY));
    // The same however it comes.
    let way = |way: &str, more: &[&str]| {
        let place = folder();
        let url = inn.url(way, group);
        let store = ["--mbox", "mbox", "--state", "state"];
        let arguments = [&["nntp-fetch", &url, "1-500"], &store[..], more].concat();
        let run = inn.proto_in(place.path(), &arguments).exits(0);
        assert_eq!(run.text().lines().count(), 500);
        let mbox = fs::read_to_string(place.path().join("mbox")).unwrap();
        // Each separator line tells when it was written.
        let lines = mbox.lines().filter(|line| !line.starts_with("From "));
        let text = lines.collect::<Vec<_>>().join("\n");
        (text, run.stderr)
    };
    let (plain, _) = way("", &[]);
    let (compressed, said) = way("", &["--compress", "--trace"]);
    assert!(said.contains("C: COMPRESS DEFLATE"));
    assert!(compressed == plain);
    assert!(way("tls", &[]).0 == plain);
}

/// Bodies that test how bytes pass.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let every: Vec<u8> = (1..=255_u8)
        .filter(|byte| !b"\r\n".contains(byte))
        .collect();
    vec![
        ("dots", b".\r\n..\r\n.x\r\n...\r\n\r\n.\r\n".to_vec()),
        ("eight-bit", [&every[..], b"\r\n"].concat()),
        ("long", [&b".".repeat(100_000)[..], b"\r\nx\r\n"].concat()),
        (
            "large",
            b"...... a line of a large article\r\n".repeat(100_000),
        ),
        ("empty-lines", b"\r\n\r\nx\r\n\r\n\r\n".to_vec()),
    ]
}

#[test]
fn what_is_posted_is_read_back_byte_for_byte() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    for way in ["", "tls"] {
        let place = folder();
        for (name, body) in bodies() {
            let header = format!("From: ann@example.org\r\nSubject: {name} \u{fc}\r\n\r\n");
            let content = [header.as_bytes(), &body].concat();
            fs::write(place.path().join(name), content).unwrap();
        }
        let names: Vec<&str> = bodies().iter().map(|(name, _)| *name).collect();
        let url = inn.url(way, "test.bytes");
        let arguments = [&["nntp-post", &url, "--json"], &names[..]].concat();
        let posted = rows(&inn.proto_in(place.path(), &arguments).exits(0));
        assert_eq!(posted.len(), names.len());
        for (row, (name, sent)) in posted.iter().zip(bodies()) {
            assert_eq!(
                (&row["result"], &row["file"]),
                (&"posted".into(), &name.into())
            );
            let id = row["message_id"].as_str().unwrap();
            let run = inn.proto(&["nntp-fetch", &inn.url(way, ""), id]).exits(0);
            assert!(body(&run.stdout) == sent, "{name}");
            let header = String::from_utf8_lossy(&run.stdout);
            for field in [
                "From: ann@example.org\r\n",
                &format!("Subject: {name} \u{fc}\r\n"),
                "Newsgroups: test.bytes\r\n",
                &format!("Message-ID: {id}\r\n"),
            ] {
                assert!(header.contains(field), "{name}: {field}");
            }
        }
    }
}

#[test]
fn what_a_feed_brought_is_fetched_byte_for_byte() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    let sent = bodies().into_iter().map(|(name, body)| {
        let id = format!("{name}@feed");
        article("test.feed", &id, name, &body)
    });
    inn.feed(sent.clone());
    let place = folder();
    let store = ["--eml-dir", "mail", "--state", "state"];
    let url = inn.url("", "test.feed");
    let arguments = [&["nntp-fetch", &url], &store[..]].concat();
    inn.proto_in(place.path(), &arguments).exits(0);
    let mail = place.path().join("mail");
    let mut stored: Vec<Vec<u8>> = names(&mail)
        .into_iter()
        .map(|name| fs::read(mail.join(name)).unwrap())
        .collect();
    let mut sent: Vec<Vec<u8>> = sent.collect();
    let rest = |article: &Vec<u8>| {
        // The server adds its name to the path, and where the article is.
        let text = String::from_utf8_lossy(article).into_owned();
        text.split_once("From: ")
            .unwrap()
            .1
            .split_once("\r\n\r\n")
            .unwrap()
            .0
            .to_owned()
    };
    stored.sort_by_key(|article| body(article).to_vec());
    sent.sort_by_key(|article| body(article).to_vec());
    assert_eq!(stored.len(), sent.len());
    for (stored, sent) in stored.iter().zip(&sent) {
        assert!(body(stored) == body(sent));
        assert!(rest(stored).starts_with(&rest(sent)), "{}", rest(stored));
    }
}

#[test]
fn samples_are_posted_or_refused_with_a_reason() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    let samples = repository().join("samples/messages");
    let sample = |name: &str| samples.join(name).to_string_lossy().into_owned();
    let url = inn.url("", "test.samples");
    let run = inn.proto(&["nntp-post", &url, &sample("eight-bit-utf-8.eml")]);
    assert!(run.exits(0).text().starts_with("posted"));
    // There is no From, or there are bytes that no server takes.
    for name in ["body-only.eml", "nul.eml", "bare-carriage-return.eml"] {
        let run = inn.proto(&["nntp-post", &url, &sample(name)]);
        assert_eq!(run.code, 64, "{name}: {run:?}");
    }
    // A second one with the same Message-ID is refused.
    let place = folder();
    let text = article("test.samples", "twice@samples", "x", b"x\r\n");
    let text = String::from_utf8(text).unwrap();
    let text = text.split_once("\r\n").unwrap().1;
    fs::write(place.path().join("a"), text).unwrap();
    inn.proto_in(place.path(), &["nntp-post", &url, "a"])
        .exits(0);
    let run = inn
        .proto_in(place.path(), &["nntp-post", &url, "a"])
        .exits(69);
    assert!(run.text().starts_with("refused"), "{}", run.text());
    let elsewhere = text
        .replace("test.samples", "test.none")
        .replace("twice", "else");
    fs::write(place.path().join("b"), elsewhere).unwrap();
    let run = proto_in(place.path(), &["nntp-post", &inn.url("", ""), "b"]).exits(69);
    assert!(run.text().starts_with("refused"), "{}", run.text());
}

#[test]
fn private_groups_are_for_those_who_log_in() {
    let Some(inn) = Inn::shared() else {
        return;
    };
    inn.feed([article("test.private", "1@private", "secret", b"x\r\n")]);
    let overview = |way: &str, user: &str, more: &[&str]| -> Run {
        let url = inn.url(way, "test.private").replace("localhost", user);
        inn.proto(&[&["nntp-overview", &url], more].concat())
    };
    overview("", "localhost", &[]).exits(77).says("see -u");
    for (way, more) in [
        ("", &[][..]),
        ("", &["--auth", "USER"]),
        ("", &["--auth", "SCRAM-SHA-256"]),
        ("", &["--auth", "PLAIN"]),
        ("", &["--starttls"]),
        ("tls", &[]),
        ("tls", &["--auth", "PLAIN"]),
    ] {
        let run = overview(way, "fred@localhost", more).exits(0);
        assert!(run.text().contains("secret"), "{way} {more:?}");
    }
    // Somebody whom only USER and PASS know.
    overview("", "wilma@localhost", &[]).exits(0);
    overview("", "wilma@localhost", &["--auth", "PLAIN"]).exits(77);
    for way in ["", "tls"] {
        overview(way, "nobody@localhost", &[]).exits(77);
    }
    // The way to innd itself: TLS comes behind MODE READER.
    let url = format!("nntp://fred@localhost:{}/test.private", inn.ports.transit);
    inn.proto(&["nntp-overview", &url, "--starttls"]).exits(0);
    // A name that the certificate does not have.
    let url = inn
        .url("tls", "test.private")
        .replace("localhost", "127.0.0.1");
    inn.proto(&["nntp-overview", &url]).exits(77);
}
