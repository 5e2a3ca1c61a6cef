//! The IMAP commands against Dovecot: ways in, names of mailboxes, searches, and messages that are
//! put in, marked and moved.

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::mail_server::MailServer;
use crate::harness::{folder, names, Run};

/// The way to an account.
struct Here {
    server: Arc<MailServer>,
    user: &'static str,
}

impl Here {
    fn new(user: &'static str) -> Option<Here> {
        let server = MailServer::shared()?;
        Some(Here { server, user })
    }

    fn url(&self, path: &str) -> String {
        format!("imap://localhost:{}/{path}", self.server.ports.imap)
    }

    /// Runs a command about a mailbox.
    fn run(&self, name: &str, path: &str, options: &[&str]) -> Run {
        let url = self.url(path);
        let start = [name, &url, "-u", self.user];
        self.server.proto(&[&start, options].concat())
    }

    fn rows(&self, name: &str, path: &str, options: &[&str]) -> Vec<Value> {
        let run = self.run(name, path, &[options, &["--json"]].concat());
        let text = run.exits(0).text();
        let rows = text.lines();
        rows.map(|row| serde_json::from_str(row).unwrap()).collect()
    }
}

fn write(folder: &Path, name: &str, text: &str, seconds: u64) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let times = FileTimes::new().set_modified(time);
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

/// A Maildir with so many messages.
fn maildir(folder: &Path, count: u64) {
    fs::create_dir_all(folder.join("new")).unwrap();
    for number in 0..count {
        let flags = ["S", "FR", "", "DFRS"][number as usize % 4];
        let text = format!(
            "From: Sender {number} <s{number}@localhost>\nSubject: =?utf-8?q?n=C3=BCmber_{number}?=\n\
             Date: Thu, 1 Jan 2026 12:00:00 +0000\n\n{}\n",
            "x".repeat(number as usize % 900)
        );
        let time = 1_000_000_000 + 60 * number;
        write(folder, &format!("cur/{number:05}:2,{flags}"), &text, time);
    }
}

#[test]
fn every_way_in_opens_the_account() {
    let Some(here) = Here::new("imap-ways") else {
        return;
    };
    let plain = here.url("");
    let tls = format!("imaps://localhost:{}/", here.server.ports.imaps);
    let ways: [(&str, &[&str]); 3] = [(&plain, &[]), (&plain, &["--starttls"]), (&tls, &[])];
    for (url, options) in ways {
        for auth in ["LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"] {
            let list = ["imap-list", url, "-u", "imap-ways", "--auth", auth];
            let run = here.server.proto(&[&list, options].concat()).exits(0);
            assert!(run.text().contains("INBOX"), "{url} {auth}");
        }
        let list = ["imap-list", url, "-u", "imap-ways", "--compress", "--trace"];
        let run = here.server.proto(&[&list, options].concat()).exits(0);
        let shown = run.stderr.replace("(secret)", "");
        assert!(!shown.contains("secret"), "{shown}");
    }
    let wrong = ["--password-command", "echo mistaken", "--trace"];
    let run = here.run("imap-list", "", &wrong).exits(77);
    assert_eq!(
        run.stderr.matches("AUTHENTICATE").count(),
        1,
        "{}",
        run.stderr
    );
}

#[test]
fn mailboxes_of_any_name_are_made_listed_and_used() {
    let Some(here) = Here::new("imap-list") else {
        return;
    };
    let folder = folder();
    write(folder.path(), "one.eml", "Subject: one\n\nx\n", 1);
    let path = folder.path().join("one.eml");
    let file = path.to_str().unwrap();
    for (name, url) in [
        ("a", "a"),
        ("with spaces", "with%20spaces"),
        ("\"quoted\" \\ (1)", "%22quoted%22%20%5C%20(1)"),
        ("Entwürfe", "Entw%C3%BCrfe"),
        ("日本語", "%E6%97%A5%E6%9C%AC%E8%AA%9E"),
        ("Ham & Eggs", "Ham%20%26%20Eggs"),
        ("100% {3}", "100%25%20%7B3%7D"),
    ] {
        here.run("imap-append", url, &[file]).exits(69);
        here.run("imap-append", url, &[file, "--create", "--seen"])
            .exits(0);
        here.run("imap-append", url, &[file]).exits(0);
        let found = here.rows("imap-list", "", &[]);
        let row = found.iter().find(|row| row["name"] == name);
        let row = row.unwrap_or_else(|| panic!("{name}: {found:?}"));
        assert_eq!(
            (&row["messages"], &row["unseen"]),
            (&2.into(), &1.into()),
            "{name}"
        );
        assert_eq!(row["size"], 38, "{name}");
        let run = here
            .run("imap-search", url, &["subject:one", "unseen"])
            .exits(0);
        assert_eq!(run.text(), "2\n", "{name}");
        here.run("imap-move", "a", &["--search", "all", "--copy", name])
            .exits(0);
    }
    // Nested, with the delimiter that the server has.
    let delimiter = here.rows("imap-list", "INBOX", &[])[0]["delimiter"].clone();
    let nested = format!("Work{0}2026{0}Jän", delimiter.as_str().unwrap());
    let url = nested.replace('ä', "%C3%A4");
    here.run("imap-append", &url, &[file, "--create"]).exits(0);
    let found = here.rows("imap-list", "", &["Work*"]);
    assert!(found.iter().any(|row| row["name"] == *nested), "{found:?}");
    assert_eq!(
        here.run("imap-list", "", &["--subscribed"]).exits(0).code,
        0
    );
}

#[test]
fn twenty_thousand_are_found_at_once() {
    let Some(here) = Here::new("imap-search") else {
        return;
    };
    let message = |number: usize| format!("Subject: {number}\r\n\r\nx\r\n").into_bytes();
    here.server.put("imap-search", (0..20_000).map(message));
    let run = here.run("imap-search", "INBOX", &["subject:"]);
    run.exits(64);
    let run = here.run("imap-search", "INBOX", &["unseen"]).exits(0);
    let text = run.text();
    let uids: Vec<u32> = text.lines().map(|row| row.parse().unwrap()).collect();
    assert_eq!(uids, (1..=20_000).collect::<Vec<_>>());
    let run = here.run(
        "imap-search",
        "INBOX",
        &["--raw", "OR UID 7 UID 19", "--count"],
    );
    assert_eq!(run.exits(0).text(), "2\n");
    let found = here.rows("imap-search", "INBOX", &["--headers", "uid:1:1500"]);
    assert_eq!(found.len(), 1500);
    for (uid, row) in (1..).zip(&found) {
        assert_eq!(row["uid"], uid);
        assert!(row["subject"].as_str().unwrap().parse::<u32>().is_ok());
    }
    let sort = [
        "--sort",
        "subject",
        "--reverse",
        "subject:1999",
        "--headers",
    ];
    let found = here.rows("imap-search", "INBOX", &sort);
    let subjects: Vec<&str> = found
        .iter()
        .map(|row| row["subject"].as_str().unwrap())
        .collect();
    let mut wanted = subjects.clone();
    wanted.sort_unstable();
    wanted.reverse();
    assert_eq!(subjects, wanted);
    assert_eq!(found.len(), 12);
}

#[test]
fn five_hundred_are_put_in_and_read_back_equal() {
    let Some(here) = Here::new("imap-append") else {
        return;
    };
    let folder = folder();
    maildir(folder.path(), 500);
    let path = folder.path().to_str().unwrap();
    let rows = here.rows(
        "imap-append",
        "Copy",
        &[path, "--create", "--flag", "$Mine"],
    );
    assert_eq!(rows.len(), 500);
    assert!((1..).zip(&rows).all(|(uid, row)| row["uid"] == uid));
    let found = here.rows("imap-search", "Copy", &["--headers"]);
    for (number, (row, sent)) in found.iter().zip(&rows).enumerate() {
        assert_eq!(row["subject"], format!("nümber {number}"));
        assert_eq!(row["size"], sent["size"]);
        let received = row["received"].as_str().unwrap();
        let format = &time::format_description::well_known::Rfc3339;
        let received = time::OffsetDateTime::parse(received, format).unwrap();
        assert_eq!(
            received.unix_timestamp(),
            1_000_000_000 + 60 * number as i64
        );
        let flags = |row: &Value| {
            let flags = row["flags"].as_array().unwrap().iter();
            let mut flags: Vec<String> = flags.map(Value::to_string).collect();
            flags.sort();
            flags
        };
        assert_eq!(flags(row), flags(sent), "{number}");
    }
    assert_eq!(found.len(), 500);
    // Byte for byte, where the server keeps it.
    let home = here.server.home("imap-append").join("Maildir/.Copy/cur");
    let stored = names(&home);
    assert_eq!(stored.len(), 500);
    let mut kept: Vec<String> = stored
        .iter()
        .map(|name| {
            fs::read_to_string(home.join(name))
                .unwrap()
                .replace("\r\n", "\n")
        })
        .collect();
    let mut sent: Vec<String> = names(&folder.path().join("cur"))
        .iter()
        .map(|name| fs::read_to_string(folder.path().join("cur").join(name)).unwrap())
        .collect();
    kept.sort();
    sent.sort();
    assert!(kept == sent);
}

#[test]
fn flags_change_as_asked() {
    let Some(here) = Here::new("imap-flag") else {
        return;
    };
    here.server.put(
        "imap-flag",
        (0..10).map(|number| format!("A: {number}\r\n\r\n").into_bytes()),
    );
    let rows = here.rows(
        "imap-flag",
        "INBOX",
        &["1-3", "--add", "\\Seen", "--add", "$Junk"],
    );
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["result"] == "changed"));
    // What was so before is told, too.
    let rows = here.rows("imap-flag", "INBOX;UID=1:4", &["--add", "\\Seen"]);
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter().all(|row| row["result"] == "changed"),
        "{rows:?}"
    );
    here.rows("imap-flag", "INBOX", &["2", "--set", "\\Flagged"]);
    here.rows(
        "imap-flag",
        "INBOX",
        &["--search", "keyword:$Junk", "--remove", "$junk"],
    );
    for (term, wanted) in [
        ("keyword:$Junk", ""),
        ("seen", "1\n3\n4\n"),
        ("flagged", "2\n"),
    ] {
        let run = here.run("imap-search", "INBOX", &[term]).exits(0);
        assert_eq!(run.text(), wanted, "{term}");
    }
    let row = &here.rows("imap-flag", "INBOX", &["5", "--add", "\\Draft"])[0];
    let first = here.rows("imap-search", "INBOX", &["modseq:1", "--count"]);
    assert_eq!(first.len(), 1, "{row}");
    let old = ["5", "--add", "\\Seen", "--unchanged-since", "1"];
    let run = here.run("imap-flag", "INBOX", &old).exits(75);
    assert!(run.text().starts_with("changed-before"), "{}", run.text());
    here.run("imap-flag", "INBOX", &["99", "--add", "\\Seen"])
        .exits(69);
}

#[test]
fn messages_move_and_others_stay() {
    let Some(here) = Here::new("imap-move") else {
        return;
    };
    here.server.put(
        "imap-move",
        (0..10).map(|number| format!("A: {number}\r\n\r\n").into_bytes()),
    );
    here.run("imap-flag", "INBOX", &["10", "--add", "\\Deleted"])
        .exits(0);
    here.run("imap-move", "INBOX", &["1,3", "Neu ü"]).exits(69);
    let rows = here.rows("imap-move", "INBOX", &["1,3-4", "Neu ü", "--create"]);
    let pairs: Vec<_> = rows
        .iter()
        .map(|row| (&row["uid"], &row["new_uid"]))
        .collect();
    let wanted = [(1, 1), (3, 2), (4, 3)].map(|(old, new)| (Value::from(old), Value::from(new)));
    assert_eq!(pairs, wanted.each_ref().map(|(old, new)| (old, new)));
    let rows = here.rows("imap-move", "INBOX", &["5", "Neu ü", "--copy"]);
    assert_eq!(rows[0]["new_uid"], 4);
    let left = here.run("imap-search", "INBOX", &["all"]).exits(0);
    assert_eq!(left.text(), "2\n5\n6\n7\n8\n9\n10\n");
    let there = here
        .run("imap-search", "Neu%20%C3%BC", &["--count"])
        .exits(0);
    assert_eq!(there.text(), "4\n");
}
