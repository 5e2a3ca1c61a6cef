//! `proto imap-flag`: what messages are marked as.

use serde_json::Value;

use crate::harness::{imap_of, proto, Imap, Run};
use proto_mock::Options;

const LETTERS: [&[u8]; 4] = [b"A: 1\n", b"A: 2\n", b"A: 3\n", b"A: 4\n"];

fn with(rules: &[&str], without: &[&str]) -> Imap {
    let mut server = imap_of(&LETTERS);
    server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    Imap::with(server, Options::default())
}

fn flag(imap: &Imap, options: &[&str]) -> Run {
    proto(&[&["imap-flag", &*imap.url("INBOX")], options].concat())
}

fn all_flags(imap: &Imap) -> Vec<String> {
    (1..=4)
        .map(|uid| imap.flags("INBOX", uid).trim_end().to_owned())
        .collect()
}

#[test]
fn flags_are_added_taken_away_and_set() {
    let imap = with(&[], &[]);
    let run = flag(&imap, &["1,3-", "--add", "\\Seen", "--add", "$Junk"]).exits(0);
    let rows = "changed               1  ($Junk \\Seen)\nchanged               3  ($Junk \\Seen)\n\
                changed               4  ($Junk \\Seen)\n";
    assert_eq!(run.text(), rows);
    assert_eq!(
        all_flags(&imap),
        ["$Junk \\Seen", "", "$Junk \\Seen", "$Junk \\Seen"]
    );
    flag(&imap, &["3", "--remove", "\\SEEN", "--add", "\\Flagged"]).exits(0);
    assert_eq!(all_flags(&imap)[2], "$Junk \\Flagged");
    flag(&imap, &["1:*", "--set", "\\Draft"]).exits(0);
    assert_eq!(all_flags(&imap), ["\\Draft"; 4]);
    flag(&imap, &["2-", "--set", ""]).exits(0);
    assert_eq!(all_flags(&imap), ["\\Draft", "", "", ""]);
    assert_eq!(imap.imap.violations(), [""; 0]);
}

#[test]
fn messages_are_chosen_by_url_and_search_too() {
    let imap = with(&[], &[]);
    for (path, options, wanted) in [
        ("INBOX;UID=2", &[][..], 2),
        ("INBOX", &["--search", "header:A=3"], 3),
        (
            "INBOX",
            &[
                "--search",
                "header:A=3",
                "or",
                "header:A=4",
                "not:header:A=3",
            ],
            4,
        ),
        ("INBOX?HEADER%20A%201", &[], 1),
    ] {
        let url = imap.url(path);
        let set = ["imap-flag", &url, "--set", "\\Flagged", "--json"];
        let run = proto(&[&set[..], options].concat()).exits(0);
        let row: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(row["uid"], wanted, "{path} {options:?}");
        assert_eq!(row["flags"][0], "\\Flagged");
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["flags", "modseq", "result", "uid"]);
    }
    let run = flag(&imap, &["--add", "\\Seen", "--search", "subject:nothing"]).exits(0);
    assert_eq!(run.text(), "");
    assert_eq!(all_flags(&imap), ["\\Flagged"; 4]);
}

#[test]
fn nobody_marks_by_mistake() {
    let imap = with(&[], &[]);
    for wrong in [
        &["--add", "\\Seen"][..],
        &["1"],
        &["1", "--add", "a b"],
        &["1", "--set", "a)"],
        &["1", "--add", "x", "--set", "y"],
        &["1", "--add", "x", "--remove", "X"],
        &["0", "--add", "x"],
        &["1", "--add", "x", "--remove", "y", "--unchanged-since", "1"],
        &["--search", "hello", "--add", "x"],
    ] {
        flag(&imap, wrong).exits(64);
    }
    assert_eq!(imap.heard(), [""; 0]);
    flag(&imap, &["1,9", "--add", "\\Seen"])
        .exits(69)
        .says("no message with the UID 9");
    assert_eq!(imap.heard_of("UID STORE"), [""; 0]);
    assert_eq!(all_flags(&imap), [""; 4]);
}

#[test]
fn what_somebody_changed_meanwhile_is_left() {
    let imap = with(&[], &[]);
    let modseq = imap.messages("INBOX")[3].modseq.to_string();
    flag(&imap, &["2", "--add", "\\Flagged"]).exits(0);
    let options = ["1-3", "--add", "\\Seen", "--unchanged-since", &modseq];
    let run = flag(&imap, &options).exits(75);
    let text = run.text();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[1], "changed-before        2  (\\Flagged)");
    assert_eq!(all_flags(&imap), ["\\Seen", "\\Flagged", "\\Seen", ""]);
    assert_eq!(imap.imap.violations(), [""; 0]);
    let imap = with(&[], &["CONDSTORE"]);
    flag(&imap, &options).exits(69).says("CONDSTORE");
    assert_eq!(all_flags(&imap), [""; 4]);
}

#[test]
fn flags_that_are_not_kept_are_told() {
    let permanent = "select reply=OK [PERMANENTFLAGS (\\Seen)] open";
    let imap = with(&[permanent], &[]);
    let run = flag(&imap, &["1", "--add", "$Junk"]).exits(69);
    run.says("does not keep the flag $Junk; it keeps \\Seen");
    assert_eq!(imap.heard_of("UID STORE"), [""; 0]);
    let imap = with(&["select=INBOX reply=OK [READ-ONLY] open"], &[]);
    flag(&imap, &["1", "--add", "\\Seen"])
        .exits(69)
        .says("READ-ONLY");
    assert_eq!(imap.heard_of("UID STORE"), [""; 0]);
    let imap = with(&["store reply=NO [NOPERM] not you"], &[]);
    flag(&imap, &["1", "--add", "\\Seen"])
        .exits(77)
        .says("not you");
}

#[test]
fn thousands_are_marked() {
    let messages: Vec<&[u8]> = vec![b"A: b\n"; 5000];
    let imap = Imap::of(&messages);
    let run = flag(&imap, &["1-", "--add", "\\Seen"]).exits(0);
    assert_eq!(run.text().lines().count(), 5000);
    assert!(imap
        .messages("INBOX")
        .iter()
        .all(|message| message.flags.contains("\\Seen")));
}

#[test]
fn any_number_of_uids_can_be_named() {
    let imap = Imap::of(&vec![&b"A: b\n"[..]; 1_000]);
    let odd: Vec<String> = (0..500).map(|n| (2 * n + 1).to_string()).collect();
    let run = flag(&imap, &[&odd.join(","), "--add", "\\Seen"]).exits(0);
    assert_eq!(run.text().lines().count(), 500);
    assert!(imap.heard_of("UID SEARCH").len() > 1);
    assert!(imap.heard().iter().all(|line| line.len() < 4_500));
    let messages = imap.messages("INBOX");
    let is_as_wanted = |(index, message): (usize, &proto_mock::mailbox::Message)| {
        message.flags.contains("\\Seen") == (index % 2 == 0)
    };
    assert!(messages.iter().enumerate().all(is_as_wanted));
}

/// The way there is tried again; what may be done is not done again.
#[test]
fn only_the_login_is_tried_again() {
    let options = ["1", "--add", "\\Seen", "--retry", "1"];
    for rule in [
        "connect count=1 reply=BYE busy",
        "login count=1 reply=NO [UNAVAILABLE] later",
    ] {
        let imap = with(&[rule], &[]);
        flag(&imap, &options).exits(0).says("trying again");
        assert_eq!(all_flags(&imap)[0], "\\Seen");
    }
    let imap = with(&["store count=1 drop"], &[]);
    flag(&imap, &options).exits(75);
    assert_eq!(imap.heard_of("UID STORE").len(), 1);
}
