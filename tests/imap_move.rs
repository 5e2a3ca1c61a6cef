//! `proto imap-move`: what is named goes to another mailbox, and nothing else goes.

use serde_json::Value;

use crate::harness::{imap_of, proto, Imap, Run};
use proto_mock::mailbox::Flags;
use proto_mock::Options;

const LETTERS: [&[u8]; 4] = [b"A: 1\n", b"A: 2\n", b"A: 3\n", b"A: 4\n"];

/// A server on which somebody else has marked the last message as deleted.
fn with(rules: &[&str], without: &[&str]) -> Imap {
    let mut server = imap_of(&LETTERS);
    server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    let imap = Imap::with(server, Options::default());
    imap.fill("Other", &[b"A: 0\n"]);
    imap.account().change(|mailboxes| {
        let mut deleted = Flags::default();
        deleted.insert("\\Deleted");
        mailboxes.get_mut("INBOX").unwrap().set_flags(4, deleted);
    });
    imap
}

fn transfer(imap: &Imap, options: &[&str]) -> Run {
    proto(&[&["imap-move", &*imap.url("INBOX")], options].concat())
}

fn contents(imap: &Imap, mailbox: &str) -> Vec<String> {
    let messages = imap.messages(mailbox);
    let text = |content: std::sync::Arc<[u8]>| String::from_utf8(content.to_vec()).unwrap();
    messages
        .iter()
        .map(|message| text(message.content()))
        .collect()
}

#[test]
fn messages_go_with_move_and_without() {
    for without in [&[][..], &["MOVE", "IMAP4rev2"]] {
        let imap = with(&[], without);
        let run = transfer(&imap, &["1,3", "Other"]).exits(0);
        assert_eq!(
            run.text(),
            "moved         1        2\nmoved         3        3\n"
        );
        assert_eq!(imap.uids("INBOX"), [2, 4], "{without:?}");
        assert_eq!(
            contents(&imap, "Other"),
            ["A: 0\r\n", "A: 1\r\n", "A: 3\r\n"]
        );
        assert_eq!(imap.heard_of("EXPUNGE"), [""; 0]);
        assert_eq!(
            imap.heard_of("UID MOVE").len(),
            usize::from(without.is_empty())
        );
        assert_eq!(imap.imap.violations(), [""; 0]);
    }
}

/// To remove messages without UIDPLUS would take along what somebody else has marked.
#[test]
fn nothing_is_done_where_others_would_lose_mail() {
    let imap = with(&[], &["MOVE", "UIDPLUS", "IMAP4rev2"]);
    transfer(&imap, &["1,3", "Other"]).exits(69).says("UIDPLUS");
    assert_eq!(imap.uids("INBOX"), [1, 2, 3, 4]);
    assert_eq!(imap.uids("Other"), [1]);
    for verb in ["UID COPY", "UID STORE", "EXPUNGE", "UID EXPUNGE", "CLOSE"] {
        assert_eq!(imap.heard_of(verb), [""; 0], "{verb}");
    }
    // A copy takes nothing away.
    let run = transfer(&imap, &["1,3", "Other", "--copy"]).exits(0);
    assert_eq!(
        run.text(),
        "copied        1        -\ncopied        3        -\n"
    );
    assert_eq!(imap.uids("Other").len(), 3);
}

#[test]
fn a_copy_stays_where_it_was() {
    let imap = with(&[], &[]);
    let run = transfer(&imap, &["--copy", "--json", "2", "Other"]).exits(0);
    let row: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(
        (&row["result"], &row["new_uid"]),
        (&"copied".into(), &2.into())
    );
    let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["new_uid", "new_uid_validity", "result", "uid"]);
    assert_eq!(imap.uids("INBOX"), [1, 2, 3, 4]);
    assert_eq!(imap.heard_of("SELECT"), [""; 0]);
}

#[test]
fn options_stand_anywhere() {
    let imap = with(&[], &[]);
    let url = imap.url("INBOX");
    for words in [
        &["imap-move", "--copy", &*url, "1", "Other"][..],
        &["imap-move", &*url, "--copy", "1", "Other"],
        &["imap-move", &*url, "1", "--copy", "Other"],
        &["imap-move", &*url, "1", "Other", "--copy"],
        &[
            "imap-move",
            &*url,
            "--search",
            "header:A=1",
            "--copy",
            "1",
            "Other",
        ],
        &[
            "imap-move",
            &*url,
            "1",
            "--search",
            "header:A=1",
            "--copy",
            "Other",
        ],
        &[
            "imap-move",
            &*url,
            "1",
            "--search",
            "header:A=1",
            "--copy",
            "--",
            "Other",
        ],
    ] {
        let run = proto(words).exits(0);
        assert!(run.text().starts_with("copied        1 "), "{words:?}");
    }
    assert_eq!(imap.uids("Other").len(), 8);
}

/// --search takes words until an option comes, and so a mailbox behind it.
#[test]
fn a_mailbox_that_a_search_took_is_asked_for() {
    let imap = with(&[], &[]);
    imap.fill("draft", &[]);
    for (words, told) in [
        (
            &["--search", "deleted", "Other"][..],
            "MAILBOX stands before it, or behind --",
        ),
        (
            &["--search", "deleted", "draft"],
            "MAILBOX stands before it, or behind --",
        ),
        (
            &["4", "--search", "undraft", "draft"],
            "4 MAILBOX stand before it",
        ),
        (&["4"], "to which mailbox?"),
        (&[], "to which mailbox?"),
        (&["Other", "--search", "deleted", "1-3"], "uid:1-3"),
    ] {
        transfer(&imap, words).exits(64).says(told);
    }
    assert_eq!(imap.heard(), [""; 0]);
    // A mailbox may have such a name.
    transfer(&imap, &["2026", "--create", "--search", "deleted"]).exits(64);
    transfer(&imap, &["1:*", "2026", "--create", "--search", "deleted"]).exits(0);
    assert_eq!(imap.uids("2026").len(), 1);
}

#[test]
fn the_usage_is_as_it_is_written() {
    let help = proto(&["imap-move", "--help"]).exits(0).text();
    assert!(
        help.contains("\nUsage: proto imap-move [OPTIONS] <URL> [UIDS] <MAILBOX>\n"),
        "{help}"
    );
    assert!(
        help.contains("  [UIDS]") && help.contains("  [MAILBOX]"),
        "{help}"
    );
}

#[test]
fn messages_are_chosen_by_url_and_search_too() {
    for (path, options, left) in [
        ("INBOX;UID=2", &["Other"][..], &[1, 3, 4][..]),
        (
            "INBOX",
            &["Other", "--search", "header:A=3", "or", "header:A=1"],
            &[2, 4],
        ),
        ("INBOX", &["--search", "deleted", "--", "Other"], &[1, 2, 3]),
        (
            "INBOX",
            &["1-3", "Other", "--search", "header:A=3"],
            &[1, 2, 4],
        ),
        ("INBOX?DELETED", &["Other"], &[1, 2, 3]),
    ] {
        let imap = with(&[], &[]);
        let url = imap.url(path);
        proto(&[&["imap-move", &*url], options].concat()).exits(0);
        assert_eq!(imap.uids("INBOX"), left, "{path} {options:?}");
    }
}

#[test]
fn a_missing_mailbox_is_made_when_asked() {
    let imap = with(&[], &[]);
    let name = "Ürlaub/\"2026\" & so";
    transfer(&imap, &["1", name]).exits(69).says("--create");
    assert_eq!(imap.uids("INBOX"), [1, 2, 3, 4]);
    transfer(&imap, &["1", name, "--create"]).exits(0);
    assert_eq!(imap.uids("INBOX"), [2, 3, 4]);
    assert_eq!(contents(&imap, name), ["A: 1\r\n"]);
    assert_eq!(imap.imap.violations(), [""; 0]);
}

#[test]
fn nobody_moves_by_mistake() {
    let imap = with(&[], &[]);
    for wrong in [
        &["Other"][..],
        &["1"],
        &["0", "Other"],
        &["1", ""],
        &["1", "a\r\nb"],
        &["Other", "--search", "hello"],
    ] {
        assert_eq!(transfer(&imap, wrong).code, 64, "{wrong:?}");
    }
    assert_eq!(imap.heard(), [""; 0]);
    transfer(&imap, &["1,9", "Other"])
        .exits(69)
        .says("no message with the UID 9");
    transfer(&imap, &["7-8", "Other"]).exits(0);
    assert_eq!(imap.uids("INBOX"), [1, 2, 3, 4]);
    assert_eq!(imap.heard_of("UID MOVE"), [""; 0]);
}

#[test]
fn what_is_refused_stays() {
    for (without, rule, code) in [
        ("SORT", "move reply=NO [OVERQUOTA] full", 69),
        ("SORT", "move reply=NO [UNAVAILABLE] later", 75),
        ("SORT", "move drop", 75),
        ("MOVE", "copy reply=NO [OVERQUOTA] full", 69),
        ("MOVE", "copy drop", 75),
        ("MOVE", "store reply=NO not you", 69),
        ("MOVE", "store drop", 75),
        ("MOVE", "expunge reply=NO not you", 69),
        ("MOVE", "copy reply=BAD what?", 69),
    ] {
        let imap = with(&[rule], &[without, "IMAP4rev2"]);
        let run = transfer(&imap, &["1,3", "Other"]).exits(code);
        assert_eq!(run.text(), "", "{rule}");
        assert_eq!(imap.uids("INBOX"), [1, 2, 3, 4], "{rule}");
    }
}

/// A server that copies fewer than it was asked to.
#[test]
fn what_was_not_copied_is_not_removed() {
    let rule = "copy reply=OK [COPYUID 7 1 9] some of it";
    let imap = with(&[rule], &["MOVE", "IMAP4rev2"]);
    let run = transfer(&imap, &["1,3", "Other"]).exits(69);
    assert_eq!(
        run.text(),
        "moved         1        9\ngone          3        -\n"
    );
    assert_eq!(imap.uids("INBOX"), [2, 3, 4]);
    // One that makes up new names for messages without end.
    let rule = "move reply=OK [COPYUID 7 1:4294967295 1:4294967295] all of it";
    let imap = with(&[rule], &[]);
    transfer(&imap, &["1,3", "Other"]);
}

#[test]
fn thousands_go() {
    let messages: Vec<&[u8]> = vec![b"A: b\n"; 5000];
    let imap = Imap::of(&messages);
    let run = transfer(&imap, &["1-", "Other", "--create"]).exits(0);
    assert_eq!(run.text().lines().count(), 5000);
    assert_eq!(
        (imap.uids("INBOX").len(), imap.uids("Other").len()),
        (0, 5000)
    );
}

/// The way there is tried again; what may be done is not done again.
#[test]
fn only_the_login_is_tried_again() {
    let options = ["1", "Other", "--retry", "1"];
    let imap = with(&["connect count=1 reply=BYE busy"], &[]);
    transfer(&imap, &options).exits(0).says("trying again");
    assert_eq!(imap.uids("INBOX"), [2, 3, 4]);
    let imap = with(&["move count=1 drop"], &[]);
    transfer(&imap, &options).exits(75);
    assert_eq!(imap.heard_of("UID MOVE").len(), 1);
}
