//! `proto imap-search`: which messages are like this.

use serde_json::Value;

use crate::harness::{imap_of, proto, Imap, Run};
use proto_mock::imap::ImapServer;
use proto_mock::Options;

const MESSAGES: [&[u8]; 4] = [
    b"From: alice@a.example\nTo: bob@b.example\nSubject: one\nDate: Thu, 1 Jan 2026 12:00:00 +0000\n\nhello\n",
    b"From: =?utf-8?q?J=C3=B6rg?= <j@b.example>\nSubject: two words\nX-A: 1\n\ngoodbye\n",
    b"From: carl@c.example\nCc: alice@a.example\nSubject: =?utf-8?q?=C3=9C?=\n\nhello again, at length\n",
    b"From: alice@a.example\nSubject: one\n\n\n",
];

fn with(without: &[&str]) -> Imap {
    let mut server: ImapServer = imap_of(&MESSAGES);
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    let imap = Imap::with(server, Options::default());
    imap.account().change(|mailboxes| {
        let mut flags = proto_mock::mailbox::Flags::default();
        flags.insert("\\Seen");
        flags.insert("$Junk");
        mailboxes.get_mut("INBOX").unwrap().set_flags(2, flags);
    });
    imap
}

fn search(imap: &Imap, terms: &[&str]) -> Run {
    proto(&[&["imap-search", &*imap.url("INBOX")], terms].concat())
}

#[test]
fn terms_find() {
    for without in [
        &[][..],
        &["ESEARCH", "IMAP4rev2"],
        &["LITERAL+", "UTF8=ACCEPT"],
    ] {
        let imap = with(without);
        for (terms, wanted) in [
            (&[][..], "1\n2\n3\n4\n"),
            (&["all"], "1\n2\n3\n4\n"),
            (&["from:alice"], "1\n4\n"),
            (&["from:ALICE", "text:hello"], "1\n"),
            (&["from:alice", "or", "cc:alice"], "1\n3\n4\n"),
            (&["text:hello", "or", "seen", "subject:one"], "1\n"),
            (&["subject:two words"], "2\n"),
            (&["from:Jörg"], "2\n"),
            (&["subject:Ü", "body:again"], "3\n"),
            (&["--", "-from:alice", "-seen"], "3\n"),
            (&["not:from:alice", "unseen"], "3\n"),
            (&["keyword:$Junk"], "2\n"),
            (&["header:X-A"], "2\n"),
            (&["header:X-A=2"], ""),
            (&["uid:2-3,9"], "2\n3\n"),
            (&["senton:2026-01-01", "sentbefore:2026-01-02"], "1\n"),
            (
                &["since:2000-01-01", "larger:1", "smaller:1k"],
                "1\n2\n3\n4\n",
            ),
            (&["before:2000-01-01"], ""),
            (&["--raw", "OR SEEN SUBJECT one"], "1\n2\n4\n"),
            (&["--raw", "SEEN", "draft"], ""),
            (&["--count", "from:alice"], "2\n"),
        ] {
            let run = search(&imap, terms).exits(0);
            assert_eq!(run.text(), wanted, "{terms:?} {without:?}");
        }
        for (path, wanted) in [
            ("INBOX;UID=2:9", "2\n3\n4\n"),
            ("INBOX?SUBJECT%20one", "1\n4\n"),
        ] {
            let run = proto(&["imap-search", &imap.url(path)]).exits(0);
            assert_eq!(run.text(), wanted, "{path}");
        }
        let run = proto(&["imap-search", &imap.url("INBOX?SUBJECT%20one"), "uid:2-"]);
        assert_eq!(run.exits(0).text(), "4\n");
        assert_eq!(imap.imap.violations(), [""; 0], "{without:?}");
        // Nothing was read, nothing was changed.
        assert_eq!(imap.heard_of("SELECT"), [""; 0]);
    }
}

#[test]
fn mistakes_are_told_before_anybody_is_called() {
    let imap = with(&[]);
    for wrong in [
        &["hello"][..],
        &["or"],
        &["since:2024-02-30"],
        &["from:a\r\nx LOGOUT"],
        &["keyword:a b"],
        &["header:Subject:audit"],
        &["header:=audit"],
        &["--raw", ""],
        &["--raw", " "],
        &["--raw", "SUBJECT {3}"],
        &["--raw", "ALL\r\nx LOGOUT"],
        &["--raw", "ALL {3+}"],
        &["--raw", "SUBJECT ä"],
        &["--reverse"],
        &["--sort", "colour"],
    ] {
        search(&imap, wrong).exits(64);
    }
    proto(&["imap-search", &imap.url("")])
        .exits(64)
        .says("which mailbox?");
    for path in [
        "INBOX%0d%0ax%20LOGOUT",
        "INBOX?ALL%20%7b3%7d",
        "INBOX;UID=0",
    ] {
        proto(&["imap-search", &imap.url(path)]).exits(64);
    }
    assert_eq!(imap.heard(), [""; 0]);
    proto(&["imap-search", &imap.url("nothing")]).exits(69);
    proto(&["imap-search", &imap.url("INBOX;UIDVALIDITY=1")])
        .exits(69)
        .says("out of date");
}

#[test]
fn what_looks_like_syntax_is_text() {
    let imap = Imap::of(&[b"Subject: a \"b\\c\" {3} (d)\n\n\n"]);
    for text in ["a \"b\\c\" {3}", "{3} (d)", "\"", "\\c", "{3}"] {
        let run = search(&imap, &[&format!("subject:{text}")]).exits(0);
        assert_eq!(run.text(), "1\n", "{text}");
    }
    assert_eq!(imap.imap.violations(), [""; 0]);
}

#[test]
fn headers_come_with_the_rows() {
    for (rules, flaws) in [("", ""), ("", "uid-last"), ("", "lower-case")] {
        let mut server = imap_of(&MESSAGES);
        server.flaws = [flaws]
            .iter()
            .filter_map(|flaw| flaw.parse().ok())
            .collect();
        server.rules = [rules]
            .iter()
            .filter_map(|rule| rule.parse().ok())
            .collect();
        let imap = Imap::with(server, Options::default());
        let run = search(&imap, &["--headers", "from:alice"]).exits(0);
        let text = run.text();
        let size = MESSAGES[0].len() + 6;
        let row = format!("      1  {size:9}  ()  2026-01-01  alice@a.example  one\n");
        assert!(text.starts_with(&row), "{text}");
        assert_eq!(text.lines().count(), 2, "{flaws}");
        let run = search(&imap, &["--headers", "--json", "uid:2"]).exits(0);
        let row: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(
            (&row["uid"], &row["subject"]),
            (&2.into(), &"two words".into())
        );
        assert!(row["from"].as_str().unwrap().contains("Jörg"));
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        let wanted = [
            "date",
            "flags",
            "from",
            "message_id",
            "received",
            "size",
            "subject",
            "uid",
        ];
        assert_eq!(keys, wanted);
        // Looking at a header is not reading.
        assert_eq!(imap.flags("INBOX", 1), "");
    }
}

#[test]
fn orders_are_those_of_the_server() {
    let imap = with(&[]);
    for (options, wanted) in [
        (&["--sort", "size"][..], "4\n2\n3\n1\n"),
        (&["--sort", "size", "--reverse", "from:alice"], "1\n4\n"),
        (&["--sort", "subject", "subject:Ü"], "3\n"),
    ] {
        assert_eq!(
            search(&imap, options).exits(0).text(),
            wanted,
            "{options:?}"
        );
    }
    let run = search(&imap, &["--sort", "size", "--headers"]).exits(0);
    let text = run.text();
    let uids: Vec<&str> = text.lines().map(|row| row[..7].trim()).collect();
    assert_eq!(uids, ["4", "2", "3", "1"]);
    let imap = with(&["SORT"]);
    search(&imap, &["--sort", "size"])
        .exits(69)
        .says("does not offer SORT");
}

/// Dovecot refuses a line that is too long, and others hang up (RFC 7162 section 4).
#[test]
fn any_number_of_uids_is_looked_for() {
    let letters = (0..1_000).map(|n| format!("A: {}\n", "b".repeat(1_000 - n)));
    let letters: Vec<String> = letters.collect();
    let letters: Vec<&[u8]> = letters.iter().map(String::as_bytes).collect();
    let odd: Vec<String> = (0..500).map(|n| (2 * n + 1).to_string()).collect();
    for without in [&[][..], &["ESEARCH", "IMAP4rev2"]] {
        let mut server = imap_of(&letters);
        server.without = without.iter().map(|name| (*name).to_owned()).collect();
        let imap = Imap::with(server, Options::default());
        let term = format!("uid:{}", odd.join(","));
        let run = search(&imap, &[&term, "unseen"]).exits(0);
        assert_eq!(run.text().lines().collect::<Vec<_>>(), odd);
        let searches = imap.heard_of("UID SEARCH");
        assert!(searches.len() > 1 && searches.iter().all(|line| line.len() < 4_500));
        let run = search(&imap, &["--sort", "size", &term]).exits(0);
        assert_eq!(run.text().lines().rev().collect::<Vec<_>>(), odd);
        assert_eq!(imap.imap.violations(), [""; 0], "{without:?}");
    }
}

/// Rows that were shown cannot be taken back.
#[test]
fn what_may_pass_is_tried_again_until_a_row_was_shown() {
    let letters: Vec<&[u8]> = vec![b"A: b\n"; 300];
    let run = |rule: &str| {
        let mut server = imap_of(&letters);
        server.rules.push(rule.parse().unwrap());
        let imap = Imap::with(server, Options::default());
        let run = search(&imap, &["--headers", "--retry", "1"]);
        (run, imap.heard_of("EXAMINE").len())
    };
    for rule in ["search count=1 drop", "fetch=1:* count=1 drop"] {
        let (run, times) = run(rule);
        let run = run.exits(0).says("trying again");
        assert_eq!((run.text().lines().count(), times), (300, 2), "{rule}");
    }
    let (run, times) = run("message=250 count=1 drop");
    assert_eq!((run.exits(75).text().lines().count(), times), (200, 1));
}

#[test]
fn an_answer_of_any_size_is_taken() {
    let mut server = imap_of(&MESSAGES);
    server.flaws.push("huge-search=300000".parse().unwrap());
    let imap = Imap::with(server, Options::default());
    let run = search(&imap, &[]).exits(0);
    assert_eq!(run.text().lines().count(), 300_000);
    let run = search(&imap, &["--json", "--count"]).exits(0);
    assert_eq!(run.text(), "{\"count\":300000}\n");
}
