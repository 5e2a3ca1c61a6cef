//! Servers that are broken as servers have been seen to be: nothing hangs, nothing is stored by
//! halves, and nothing counts as fetched that is not.

use super::*;
use proto_mock::imap::FLAWS;

/// What is stored is whole, and the next run that nothing disturbs brings the rest.
fn check(imap: &Imap, folder: &Path, run: &Run, what: &str) {
    assert!(!run.stderr.contains("panicked"), "{what}: {run:?}");
    let all = expected(4);
    let whole = stored(folder);
    assert!(whole.iter().all(|text| all.contains(text)), "{what}");
    let rows = rows(run);
    let told = rows.iter().filter(|(word, _)| word == "stored").count();
    assert_eq!(told, whole.len(), "{what}: {rows:?}");
    assert_eq!(imap.imap.violations(), [""; 0], "{what}");
}

#[test]
fn odd_servers_give_all_their_mail() {
    for flaw in [
        "expunge-in-fetch",
        "flood=2000",
        "login-disabled",
        "early-replies",
        "uid-last",
        "foreign-fetch",
        "deep-list",
        "eight-bit-envelope",
        "lower-case",
        "bare-lf",
        "new-uidvalidity",
        "capability-in-starttls",
    ] {
        let imap = with(4, flaw, &[], &[]);
        let folder = folder();
        let run = fetch(&imap, folder.path(), &MAILDIR);
        match flaw {
            // Nobody may be told the password here.
            "login-disabled" => assert_eq!(run.code, 77, "{run:?}"),
            "early-replies" => assert!(matches!(run.code, 0 | 76), "{run:?}"),
            _ => assert_eq!(run.code, 0, "{flaw}: {run:?}"),
        }
        check(&imap, folder.path(), &run, flaw);
        if run.code == 0 && flaw != "expunge-in-fetch" {
            assert_eq!(stored(folder.path()), expected(4), "{flaw}");
        }
        let run = fetch(&imap, folder.path(), &MAILDIR);
        assert!(run.code != 0 || run.text().is_empty(), "{flaw}: {run:?}");
    }
}

#[test]
fn what_is_broken_is_told() {
    for (flaw, code) in [
        ("long-literal", 76),
        ("short-literal", 76),
        ("huge-literal", 75),
        ("bye-in-fetch", 75),
        ("nil-body", 69),
        ("duplicate-uids", 69),
        ("no-in-fetch", 69),
        ("huge-search=20000", 65),
        ("huge-search=20000000", 65),
    ] {
        let imap = with(4, flaw, &[], &[]);
        let folder = folder();
        let run = fetch(&imap, folder.path(), &MAILDIR).exits(code);
        check(&imap, folder.path(), &run, flaw);
        // Nobody believes the next time that it was fetched.
        let run = fetch(&imap, folder.path(), &MAILDIR);
        assert_eq!(run.code, code, "{flaw}: {run:?}");
    }
}

#[test]
fn every_flaw_is_survived() {
    for (name, _) in FLAWS {
        let flaw = name.split('[').next().unwrap();
        for options in [
            &["--maildir", "mail"][..],
            &["--mbox", "box", "--max-size", "1M"],
        ] {
            let imap = with(4, flaw, &[], &[]);
            let folder = folder();
            let mut command = fetching(&imap.url("INBOX"), folder.path(), options);
            let run = Run::from(command.args(["--timeout", "5s"]).output().unwrap());
            let is_known = matches!(run.code, 0 | 65 | 69 | 75 | 76 | 77);
            assert!(is_known, "{flaw}: {run:?}");
            assert!(!run.stderr.contains("panicked"), "{flaw}: {run:?}");
        }
    }
}

#[test]
fn one_message_that_is_refused_does_not_stop_the_others() {
    let imap = with(
        4,
        "",
        &["message=3 reply=NO [SERVERBUG] cannot read it"],
        &[],
    );
    let folder = folder();
    let run = fetch(&imap, folder.path(), &MAILDIR);
    let run = run.says("cannot read it");
    assert_ne!(run.code, 0);
    let mut told = rows(&run);
    told.sort();
    let words: Vec<&str> = told.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["not-stored", "stored", "stored", "stored"]);
    assert_eq!(told[0].1, 3);
    assert_eq!(stored(folder.path()).len(), 3);
}

#[test]
fn servers_that_can_do_little_are_enough() {
    for without in [
        &["ESEARCH", "IMAP4rev2"][..],
        &["SASL-IR", "IMAP4rev2"],
        &["AUTH"],
        &[
            "LITERAL+",
            "LITERAL-",
            "UNSELECT",
            "ENABLE",
            "ID",
            "NAMESPACE",
        ],
        &[
            "IMAP4rev2",
            "ESEARCH",
            "UIDPLUS",
            "CONDSTORE",
            "MOVE",
            "IDLE",
        ],
    ] {
        let imap = with(3, "", &[], without);
        let folder = folder();
        let run = fetch(&imap, folder.path(), &MAILDIR).exits(0);
        assert_eq!(uids(&run, "stored"), [1, 2, 3], "{without:?}");
        assert_eq!(stored(folder.path()), expected(3));
        assert_eq!(imap.imap.violations(), [""; 0], "{without:?}");
    }
}
