//! Servers that lie, stall and cheat: the check ends with a sensible status, and removes nothing
//! that is not its own.

use std::thread;

use proto_mock::{imap, pop3, Fault, Options, FAULTS};
use proto_transport::escape::is_harmful;

use super::Way;
use crate::harness::Run;

/// Somebody else's message, which must stay.
const ANOTHER: &[u8] = b"Subject: another\r\n\r\nproto mail-check\r\n";

/// Checks by a way on which something is wrong.
#[track_caller]
fn suffer(way: &Way, by: &str, what: &str) -> Run {
    let account = way.mail.store.account("b").unwrap();
    account.deliver(ANOTHER).unwrap();
    let run = way.check(by, &["--fail", "500ms", "--deadline", "5s"]);
    let what = format!("{what} by {by}: {run:?}");
    assert!(
        matches!(run.code, 0 | 65 | 69 | 75 | 76 | 77 | 79),
        "{what}"
    );
    for text in [&run.stderr, &run.text()] {
        assert!(!text.contains("panicked"), "{what}");
        assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{what}");
    }
    let left = way.left();
    let is_there = |content: &[u8]| left.iter().any(|one| *one.content() == *content);
    assert!(is_there(ANOTHER), "{what}");
    run
}

#[test]
fn no_flaw_makes_it_remove_what_is_not_its_own() {
    let name = |usage: &'static str| usage.split('[').next().unwrap();
    thread::scope(|scope| {
        for (usage, _) in imap::FLAWS {
            scope.spawn(move || {
                let set = |_: &mut _, imap: &mut imap::ImapServer, _: &mut _| {
                    imap.flaws.push(name(usage).parse().unwrap());
                };
                suffer(&Way::with(&[], set, &Options::default()), "imap", usage);
            });
        }
        for (usage, _) in pop3::FLAWS {
            scope.spawn(move || {
                let set = |_: &mut _, _: &mut _, maildrop: &mut pop3::Maildrop| {
                    maildrop.flaws.push(name(usage).parse().unwrap());
                };
                suffer(&Way::with(&[], set, &Options::default()), "pop3", usage);
            });
        }
    });
}

#[test]
fn every_fault_comes_to_an_end() {
    let faults = FAULTS.iter().map(|(usage, _)| {
        let name = usage.split(['[', '=']).next().unwrap();
        match name {
            "drip" => "drip=1ms".to_owned(),
            "cut" | "cut-reset" => format!("{name}=700"),
            "delay" => "delay=10ms".to_owned(),
            "inject" => "inject=* BAD evil\\r\\n".to_owned(),
            _ => name.to_owned(),
        }
    });
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let options = Options {
                    faults: vec![fault.parse::<Fault>().unwrap()],
                    ..Options::default()
                };
                for by in ["imap", "pop3"] {
                    suffer(&Way::with(&[], |_, _, _| {}, &options), by, &fault);
                }
            });
        }
    });
}

#[test]
fn what_a_server_finds_is_looked_at_before_it_is_removed() {
    // It finds every message, as one does that looks for similar words.
    let set = |_: &mut _, imap: &mut imap::ImapServer, _: &mut _| {
        imap.without
            .extend(["ESEARCH", "IMAP4rev2"].map(str::to_owned));
        imap.flaws.push("huge-search=3".parse().unwrap());
    };
    let way = Way::with(&["deliver drop"], set, &Options::default());
    let run = suffer(&way, "imap", "a search that finds all");
    assert_eq!(run.code, 75, "{run:?}");
    assert_eq!(way.left().len(), 1);
    let way = Way::with(&[], set, &Options::default());
    let run = suffer(&way, "imap", "a search that finds all");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(way.left().len(), 1);
}
