//! `proto pop3-delete`: what is named goes, and nothing else.

use serde_json::Value;

use crate::harness::{maildrop, proto, Post, Run};
use proto_mock::Options;

fn post(rules: &[&str]) -> Post {
    let mut drop = maildrop(&[b"A: 1\n", b"A: 2\n", b"A: 3\n"]);
    drop.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    Post::with(drop, Options::default())
}

fn delete(post: &Post, options: &[&str]) -> Run {
    proto(&[&["pop3-delete", &*post.url()], options].concat())
}

#[test]
fn messages_go_by_number_and_by_name() {
    let uids = post(&[]).maildrop.messages_left();
    let second = ["--uid", &uids[1]];
    let two = ["--uid", &uids[0], "--uid", &uids[2]];
    for (options, left) in [
        (&["1"][..], &[1, 2][..]),
        (&["1,3"], &[1]),
        (&["2-"], &[0]),
        (&["7-9"], &[0, 1, 2]),
        (&["--all"], &[]),
        (&second, &[0, 2]),
        (&two, &[1]),
    ] {
        let post = post(&[]);
        let run = delete(&post, options).exits(0);
        let wanted: Vec<&String> = left.iter().map(|at| &uids[*at]).collect();
        let found = post.maildrop.messages_left();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{options:?}");
        assert_eq!(run.text().lines().count(), 3 - left.len(), "{options:?}");
        assert_eq!(post.maildrop.violations(), [""; 0]);
    }
    let post = post(&[]);
    let url = format!("{}/2", post.url());
    let run = proto(&["pop3-delete", &url]).exits(0);
    assert_eq!(run.text(), format!("deleted           2  {}\n", uids[1]));
    assert_eq!(post.maildrop.messages_left(), [&*uids[0], &*uids[2]]);
}

#[test]
fn nobody_deletes_by_mistake() {
    let post = post(&[]);
    let uid = post.maildrop.messages_left().remove(0);
    for options in [
        &[][..],
        &["--all", "1"],
        &["--all", "--uid", "x"],
        &["--uid", "x", "1"],
        &["0"],
    ] {
        delete(&post, options).exits(64);
    }
    let url = format!("{}/2", post.url());
    for options in [&["--all"][..], &["--uid", &uid]] {
        proto(&[&["pop3-delete", &url], options].concat()).exits(64);
    }
    assert_eq!(post.heard(), [""; 0]);
    delete(&post, &["1,4"]).exits(69).says("no message 4");
    assert_ne!(delete(&post, &["--uid", &uid, "--uid", "x"]).code, 0);
    assert_eq!(post.maildrop.messages_left().len(), 3);
    assert_eq!(post.heard_of("DELE"), [""; 0]);
    assert_eq!(post.heard_of("QUIT"), [""; 0]);
}

#[test]
fn a_name_that_is_given_twice_is_one_message() {
    let post = post(&[]);
    let uid = post.maildrop.messages_left().remove(0);
    delete(&post, &["--uid", &uid, "--uid", &uid]).exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 2);
}

/// Without UIDL, messages with the same header have the same name.
#[test]
fn a_name_that_is_not_there_is_seen_beside_one_that_two_messages_have() {
    let mut drop = maildrop(&[b"A: b\n\nfirst\n", b"A: b\n\nsecond\n"]);
    drop.without.push("UIDL".to_owned());
    let post = Post::with(drop, Options::default());
    let run = proto(&["pop3-list", "--json", &post.url()]).exits(0);
    let row: Value = serde_json::from_str(run.text().lines().next().unwrap()).unwrap();
    let uid = row["uid"].as_str().unwrap();
    delete(&post, &["--uid", uid, "--uid", "x"])
        .exits(64)
        .says("2 messages are called");
    delete(&post, &["--uid", uid]).exits(64);
    delete(&post, &["--uid", "x"])
        .exits(64)
        .says("there is no message \"x\"");
    assert_eq!(post.maildrop.messages_left().len(), 2);
}

#[test]
fn what_is_refused_is_told() {
    let post = post(&["dele=2 reply=-ERR [SYS/TEMP] locked"]);
    let run = delete(&post, &["--all", "--json"]).exits(75);
    let rows: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let results: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["result"].as_str())
        .collect();
    assert_eq!(results, ["deleted", "not-deleted", "deleted"]);
    assert!(rows[1]["error"].as_str().unwrap().contains("locked"));
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "number", "result", "uid"]);
    assert_eq!(post.maildrop.messages_left().len(), 1);
}

#[test]
fn nothing_counts_as_deleted_before_goodbye() {
    for (rule, code) in [
        ("quit reply=-ERR [SYS/PERM] some are not removed", 69),
        ("quit drop", 75),
        ("dele=3 drop", 75),
        ("dele=1 reply=what?", 76),
    ] {
        let post = post(&[rule]);
        let run = delete(&post, &["--all"]).exits(code);
        assert!(
            !run.text().lines().any(|row| row.starts_with("deleted")),
            "{rule}"
        );
        assert_eq!(post.maildrop.messages_left().len(), 3, "{rule}");
    }
}

#[test]
fn a_lost_goodbye_leaves_a_doubt() {
    let run = delete(&post(&["quit drop"]), &["--all"]).exits(75);
    assert!(run.text().lines().all(|row| row.starts_with("unknown ")));
    let no = "quit reply=-ERR [SYS/PERM] some are not removed";
    let run = delete(&post(&[no]), &["--all"]).exits(69);
    assert!(run
        .text()
        .lines()
        .all(|row| row.starts_with("not-deleted ")));
}

#[test]
fn what_passes_by_is_tried_again_before_anything_is_deleted() {
    let post = post(&["list count=1 drop"]);
    delete(&post, &["--all", "--retry", "1"]).exits(0);
    assert!(post.maildrop.messages_left().is_empty());
}
