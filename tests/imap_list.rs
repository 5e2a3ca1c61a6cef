//! `proto imap-list`: which mailboxes there are.

use serde_json::Value;

use crate::harness::{authority, folder, imap_of, proto, tls, Imap};
use proto_mock::Options;

const LETTER: &[u8] = b"Subject: x\n\ny\n";

/// A server with nested, quoted and foreign names.
fn filled(without: &[&str]) -> Imap {
    let mut server = imap_of(&[LETTER, LETTER]);
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    let imap = Imap::with(server, Options::default());
    imap.fill("Sent", &[LETTER]);
    imap.fill("Ham & Eggs/Entwürfe", &[]);
    imap.fill("with \"quotes\" (1)", &[]);
    imap.account().change(|mailboxes| {
        let uid = mailboxes.get("INBOX").unwrap().messages()[0].uid;
        let mut seen = proto_mock::mailbox::Flags::default();
        seen.insert("\\Seen");
        mailboxes.get_mut("INBOX").unwrap().set_flags(uid, seen);
        mailboxes.subscribe("Sent", true);
    });
    imap
}

fn rows(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(imap: &Imap, options: &[&str]) -> Vec<String> {
    let arguments = [&["imap-list", "--json"], options].concat();
    let run = proto(&arguments).exits(0);
    assert_eq!(imap.imap.violations(), [""; 0]);
    let rows = rows(&run.text());
    let names = rows.iter().map(|row| row["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// By LIST-STATUS, by STATUS, and by a server that can do nothing else.
#[test]
fn names_and_counts_come_whatever_the_server_offers() {
    let old = [
        "IMAP4rev2",
        "LIST-EXTENDED",
        "LIST-STATUS",
        "SPECIAL-USE",
        "UTF8=ACCEPT",
        "STATUS=SIZE",
    ];
    for without in [&[][..], &["LIST-STATUS", "IMAP4rev2"], &old] {
        let imap = filled(without);
        let run = proto(&["imap-list", &imap.url(""), "--json"]).exits(0);
        let rows = rows(&run.text());
        let find = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
        let size = match without.contains(&"STATUS=SIZE") {
            true => Value::Null,
            false => Value::from(2 * (LETTER.len() + 3)),
        };
        let inbox = find("INBOX");
        assert_eq!(
            (&inbox["messages"], &inbox["unseen"]),
            (&2.into(), &1.into())
        );
        assert_eq!(inbox["size"], size, "{without:?}");
        assert_eq!(find("Sent")["messages"], 1);
        assert_eq!(find("Ham & Eggs/Entwürfe")["messages"], 0);
        assert_eq!(find("with \"quotes\" (1)")["delimiter"], "/");
        if without.is_empty() {
            assert_eq!(find("Sent")["special_use"], "\\Sent");
        }
        let keys: Vec<&String> = inbox.as_object().unwrap().keys().collect();
        let wanted = [
            "attributes",
            "delimiter",
            "messages",
            "name",
            "selectable",
            "size",
            "special_use",
            "uid_next",
            "uid_validity",
            "unseen",
        ];
        assert_eq!(keys, wanted);
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

#[test]
fn rows_for_people() {
    let imap = filled(&[]);
    let run = proto(&["imap-list", &imap.url("INBOX")]).exits(0);
    let size = 2 * (LETTER.len() + 3);
    let row = format!("      2        1  {size:11}  /  INBOX");
    assert!(run.text().starts_with(&row), "{}", run.text());
    assert_eq!(run.text().lines().count(), 1);
}

#[test]
fn patterns_choose() {
    let imap = filled(&[]);
    for (path, pattern, wanted) in [
        ("", "S*", &["Sent"][..]),
        ("", "Ham*", &["Ham & Eggs", "Ham & Eggs/Entwürfe"]),
        ("", "Ham%", &["Ham & Eggs"]),
        ("", "*/Entw%", &["Ham & Eggs/Entwürfe"]),
        ("Ham%20%26%20Eggs/", "%", &["Ham & Eggs/Entwürfe"]),
        ("", "nothing", &[]),
    ] {
        assert_eq!(
            names(&imap, &[&imap.url(path), pattern]),
            wanted,
            "{pattern}"
        );
    }
    assert_eq!(names(&imap, &[&imap.url(""), "S%", "I%"]).len(), 2);
    assert_eq!(names(&imap, &[&imap.url("Sent")]), ["Sent"]);
    assert_eq!(names(&imap, &[&imap.url(""), "--subscribed"]), ["Sent"]);
    proto(&["imap-list", &imap.url("nothing")])
        .exits(69)
        .says("there is no mailbox nothing");
    for url in [imap.url("INBOX;UID=1"), imap.url("INBOX?ALL")] {
        proto(&["imap-list", &url]).exits(64);
    }
}

/// A URL names one mailbox, whatever LIST makes of its name.
#[test]
fn a_name_in_the_url_is_no_pattern() {
    for without in [&[][..], &["LIST-EXTENDED", "IMAP4rev2"]] {
        let imap = filled(without);
        for name in ["a*", "a%", "ab", "a/b"] {
            imap.fill(name, &[]);
        }
        assert_eq!(names(&imap, &[&imap.url("a*")]), ["a*"]);
        assert_eq!(names(&imap, &[&imap.url("a%25")]), ["a%"]);
        proto(&["imap-list", &imap.url("S*")])
            .exits(69)
            .says("there is no mailbox S*");
    }
}

/// As long as nothing was shown, everything can be done again.
#[test]
fn what_may_pass_is_tried_again() {
    for rule in [
        "connect count=1 reply=BYE busy",
        "login count=1 reply=NO [UNAVAILABLE] later",
        "list count=1 drop",
    ] {
        let mut server = imap_of(&[LETTER]);
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let run = proto(&["imap-list", &imap.url("INBOX"), "--retry", "1"]).exits(0);
        assert_eq!(run.says("trying again").text().lines().count(), 1, "{rule}");
    }
    let mut server = imap_of(&[LETTER]);
    server.rules.push("connect reply=BYE busy".parse().unwrap());
    let imap = Imap::with(server, Options::default());
    let run = proto(&["imap-list", &imap.url(""), "--retry", "1"]).exits(75);
    assert_eq!(run.stderr.matches("trying again").count(), 1);
}

#[test]
fn tls_and_the_upgrade_to_it() {
    let ca = authority();
    let imap = Imap::with(imap_of(&[LETTER]), tls());
    proto(&["imap-list", &imap.url(""), "--ca", &ca]).exits(0);
    proto(&["imap-list", &imap.url("")]).exits(77);
    let imap = Imap::of(&[LETTER]);
    let options = ["imap-list", &imap.url(""), "--starttls", "--ca", &ca];
    proto(&[&options[..], &["--compress"]].concat()).exits(0);
    let heard = imap.heard();
    let place = |name: &str| {
        heard
            .iter()
            .position(|line| line.starts_with(name))
            .unwrap()
    };
    // What is secret is not said in one stream with what others choose (RFC 4978 section 6).
    assert!(place("STARTTLS") < place("AUTHENTICATE"), "{heard:?}");
    assert!(place("AUTHENTICATE") < place("COMPRESS"), "{heard:?}");
    assert_eq!(imap.imap.violations(), [""; 0]);
    proto(&["imap-list", &imap.url(""), "--starttls"]).exits(77);
    assert_eq!(imap.heard_of("AUTHENTICATE").len(), 1);
}

#[test]
fn every_way_of_logging_in() {
    for mechanism in ["login", "plain", "cram-md5", "scram-sha-1", "scram-sha-256"] {
        let mut server = imap_of(&[LETTER]);
        server.users.push(("fred".to_owned(), "pencil".to_owned()));
        let imap = Imap::with(server, Options::default());
        proto(&["imap-list", &imap.url(""), "--auth", mechanism]).exits(0);
        let wrong = imap.url("").replace("pencil", "wrong");
        proto(&["imap-list", &wrong, "--auth", mechanism]).exits(77);
        assert_eq!(imap.imap.violations(), [""; 0], "{mechanism}");
    }
    let imap = Imap::of(&[]);
    let run = proto(&["imap-list", &imap.url(""), "--auth", "x"]).exits(64);
    let names = run.stderr.split([' ', ',', '\n']);
    assert_eq!(names.filter(|name| *name == "LOGIN").count(), 1);
    let nobody = imap.url("").replace("fred:pencil@", "");
    proto(&["imap-list", &nobody])
        .exits(64)
        .says("whose account?");
}

#[test]
fn the_report_has_the_rows() {
    let imap = filled(&[]);
    let folder = folder();
    let path = folder.path().join("report");
    proto(&[
        "imap-list",
        &imap.url(""),
        "--report",
        path.to_str().unwrap(),
    ])
    .exits(0);
    let text = std::fs::read_to_string(path).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["ok"], &report["exit"]), (&true.into(), &0.into()));
    assert!(report["items"].as_array().unwrap().len() >= 4);
    assert!(!text.contains("pencil"), "{text}");
}
