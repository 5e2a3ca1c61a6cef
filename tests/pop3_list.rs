//! `proto pop3-list`: what is in a maildrop.

use serde_json::Value;

use crate::harness::{authority, folder, maildrop, proto, tls, Post};
use proto_mock::Options;

const LETTER: &[u8] =
    b"From: A B <a@example.org>\nSubject: =?utf-8?q?h=C3=AFhi?=\nDate: Thu, 1 Jan 2026 12:00:00 +0000\n\nx\n";

#[test]
fn rows_for_people() {
    let post = Post::of(&[LETTER, b"x\n"]);
    let uids = post.maildrop.messages_left();
    let run = proto(&["pop3-list", &post.url()]).exits(0);
    let size = LETTER.len() + 5;
    let rows = format!(
        "    1  {size:9}  {}\n    2          3  {}\n",
        uids[0], uids[1]
    );
    assert_eq!(run.text(), rows);
    let run = proto(&["pop3-list", &post.url(), "--headers", "1"]).exits(0);
    let text = run.text();
    assert!(
        text.contains("  2026-01-01  ") && text.contains("hïhi"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    assert_eq!(post.maildrop.violations(), [""; 0]);
    assert_eq!(post.maildrop.messages_left().len(), 2);
}

#[test]
fn rows_for_programs() {
    let post = Post::of(&[LETTER, b"x\n"]);
    let run = proto(&["pop3-list", &post.url(), "--json"]).exits(0);
    let rows: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    let keys: Vec<&String> = rows[1].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["number", "size", "uid"]);
    let run = proto(&["pop3-list", &post.url(), "--json", "--headers", "1"]).exits(0);
    let row: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(row["subject"], "hïhi");
    assert_eq!(row["date"], "2026-01-01T12:00:00Z");
    assert!(row["from"].as_str().unwrap().contains("a@example.org"));
    assert!(row.get("message_id").is_some());
}

#[test]
fn numbers_choose() {
    let post = Post::of(&[b"1", b"2", b"3", b"4"]);
    for (numbers, count) in [("1", 1), ("2-3", 2), ("1,3-", 3), ("9-", 0)] {
        let run = proto(&["pop3-list", &post.url(), numbers]).exits(0);
        assert_eq!(run.text().lines().count(), count, "{numbers}");
        let url = format!("{}/{numbers}", post.url());
        assert_eq!(proto(&["pop3-list", &url]).exits(0).text(), run.text());
    }
    proto(&["pop3-list", &post.url(), "5"])
        .exits(69)
        .says("no message 5");
}

#[test]
fn tls_and_the_upgrade_to_it() {
    let ca = authority();
    let post = Post::with(maildrop(&[b"x"]), tls());
    proto(&["pop3-list", &post.url(), "--ca", &ca]).exits(0);
    proto(&["pop3-list", &post.url()]).exits(77);
    let post = Post::of(&[b"x"]);
    proto(&["pop3-list", &post.url(), "--starttls", "--ca", &ca]).exits(0);
    assert_eq!(post.heard()[..2], ["CAPA", "STLS"]);
    assert_eq!(post.maildrop.violations(), [""; 0]);
    proto(&["pop3-list", &post.url(), "--starttls"]).exits(77);
    assert_eq!(post.heard_of("PASS").len() + post.heard_of("AUTH").len(), 1);
}

#[test]
fn every_way_of_logging_in() {
    for mechanism in [
        "user",
        "apop",
        "plain",
        "login",
        "cram-md5",
        "scram-sha-1",
        "scram-sha-256",
    ] {
        let mut drop = maildrop(&[b"x"]);
        drop.users.push(("fred".to_owned(), "pencil".to_owned()));
        let post = Post::with(drop, Options::default());
        proto(&["pop3-list", &post.url(), "--auth", mechanism]).exits(0);
        let wrong = post.url().replace("pencil", "wrong");
        proto(&["pop3-list", &wrong, "--auth", mechanism]).exits(77);
        assert_eq!(post.maildrop.violations(), [""; 0], "{mechanism}");
    }
    let post = Post::of(&[]);
    proto(&["pop3-list", &post.url(), "--auth", "x"]).exits(64);
    let nobody = format!("pop3://localhost:{}", post.server.port());
    proto(&["pop3-list", &nobody])
        .exits(64)
        .says("whose maildrop?");
    assert_eq!(post.heard(), [""; 0]);
}

#[test]
fn a_name_and_a_password_cannot_hold_a_command() {
    let post = Post::of(&[b"x"]);
    let port = post.server.port();
    for user in ["a%0d%0aDELE%201", "a%0a", "a%00", "a%0dQUIT"] {
        for url in [
            format!("pop3://{user}:x@localhost:{port}"),
            format!("pop3://a:{user}@localhost:{port}"),
            format!("pop3://a:b@localhost:{port}/{user}"),
        ] {
            for auth in ["user", "plain"] {
                proto(&["pop3-list", &url, "--auth", auth]).exits(64);
            }
        }
    }
    for url in [
        "http://localhost/",
        "pop3://localhost/x",
        "pop3://localhost/1?x",
        "pop3://localhost/#x",
    ] {
        proto(&["pop3-list", url, "-u", "a:b"]).exits(64);
    }
    assert_eq!(post.heard(), [""; 0]);
}

#[test]
fn the_report_has_the_rows() {
    let post = Post::of(&[b"x", b"y"]);
    let folder = folder();
    let path = folder.path().join("report");
    proto(&["pop3-list", &post.url(), "--report", path.to_str().unwrap()]).exits(0);
    let text = std::fs::read_to_string(path).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["items"].as_array().unwrap().len(), 2);
    assert!(!text.contains("pencil"), "{text}");
}

#[test]
fn what_passes_by_is_tried_again() {
    let mut drop = maildrop(&[b"A: 1\n", b"A: 2\n"]);
    drop.rules.push("list count=1 drop".parse().unwrap());
    let post = Post::with(drop, Options::default());
    let run = proto(&["pop3-list", &post.url(), "--retry", "1"]).exits(0);
    assert_eq!(run.text().lines().count(), 2);
    assert_eq!(post.server.connections(), 2);
}
