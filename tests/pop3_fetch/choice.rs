//! Which messages are fetched, and which are deleted.

use super::*;

fn uids(folder: &Path) -> Vec<String> {
    names(&folder.join("mail"))
}

fn all(post: &Post, wanted: &[usize]) -> Vec<String> {
    let left = post.maildrop.messages_left();
    let wanted = wanted
        .iter()
        .map(|number| format!("{}.eml", left[number - 1]));
    let mut wanted: Vec<String> = wanted.collect();
    wanted.sort();
    wanted
}

#[test]
fn only_what_is_new_is_fetched() {
    let mut messages: Vec<Vec<u8>> = (1..=3).map(|number| message(number, 1)).collect();
    let folder = folder();
    let source = folder.path().join("source");
    fs::create_dir_all(source.join("new")).unwrap();
    let mut drop = maildrop(&[]);
    drop.source = proto_mock::pop3::Source::Maildir(source.clone());
    let post = Post::with(drop, proto_mock::Options::default());
    for (number, message) in messages.iter().enumerate() {
        fs::write(source.join("new").join(number.to_string()), message).unwrap();
    }
    let run = fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    assert_eq!(words(&run), ["stored"; 3]);
    let run = fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    assert_eq!(run.text(), "");
    assert_eq!(post.heard_of("RETR").len(), 3);
    // One goes and one comes, so that numbers change.
    fs::remove_file(source.join("new/0")).unwrap();
    messages.push(message(4, 1));
    fs::write(source.join("new/4"), &messages[3]).unwrap();
    let run = fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    assert_eq!(words(&run), ["stored"]);
    assert!(run.text().contains("Message 4"), "{}", run.text());
    assert_eq!(sorted(read_maildir(&folder.path().join("mail"))), messages);
    assert_eq!(post.maildrop.violations(), [""; 0]);
}

#[test]
fn all_of_them_and_those_with_a_number_come_again() {
    let post = post(5);
    let folder = folder();
    let fetch = |options: &[&str]| {
        let options = [&["--mbox", "mail"], options].concat();
        let run = super::fetch(&post, folder.path(), &options).exits(0);
        words(&run).len()
    };
    assert_eq!(fetch(&["2,4-"]), 3);
    assert_eq!(fetch(&[]), 2);
    assert_eq!(fetch(&[]), 0);
    assert_eq!(fetch(&["2"]), 1);
    assert_eq!(fetch(&["1-3"]), 3);
    assert_eq!(fetch(&["--all"]), 5);
    assert_eq!(fetch(&["--all", "--limit", "2"]), 2);
}

#[test]
fn numbers_in_the_url_are_as_good_as_others() {
    let post = post(3);
    let folder = folder();
    let url = format!("{}/1,3", post.url());
    for _ in 0..2 {
        let mut command = fetching(&url, folder.path(), &["--mbox", "mail"]);
        let run = Run::from(command.output().unwrap()).exits(0);
        assert_eq!(words(&run), ["stored"; 2]);
    }
}

#[test]
fn a_number_that_is_not_there_is_an_error() {
    let post = post(2);
    let folder = folder();
    let run = fetch(&post, folder.path(), &["--eml-dir", "mail", "1,3"]);
    run.exits(69).says("no message 3");
    assert_eq!(uids(folder.path()), [""; 0]);
    fetch(&post, folder.path(), &["--eml-dir", "mail", "2-9"]).exits(0);
    assert_eq!(uids(folder.path()), all(&post, &[2]));
    for wrong in ["0", "a", "1,", "3-1", "-1", "4294967296"] {
        fetch(&post, folder.path(), &["--eml-dir", "mail", "--", wrong]).exits(64);
    }
}

#[test]
fn a_limit_is_about_what_is_new() {
    let post = post(5);
    let folder = folder();
    let options = ["--eml-dir", "mail", "--limit", "2"];
    for wanted in [&[1, 2][..], &[1, 2, 3, 4], &[1, 2, 3, 4, 5]] {
        fetch(&post, folder.path(), &options).exits(0);
        assert_eq!(uids(folder.path()), all(&post, wanted));
    }
}

#[test]
fn a_limit_holds_over_all_attempts() {
    let mut drop = maildrop(&[b"A: 1\n", b"A: 2\n", b"A: 3\n", b"A: 4\n"]);
    drop.rules.push("retr=2 count=1 drop".parse().unwrap());
    let post = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    let options = ["--eml-dir", "mail", "--limit", "2", "--retry", "1"];
    fetch(&post, folder.path(), &options).exits(0);
    assert_eq!(uids(folder.path()), all(&post, &[1, 2]));
}

#[test]
fn a_limit_counts_what_is_stored() {
    let large = message(1, 100);
    let small: Vec<Vec<u8>> = (2..=5).map(|number| message(number, 1)).collect();
    let mut all_of_them = vec![large.as_slice()];
    all_of_them.extend(small.iter().map(Vec::as_slice));
    let mut drop = maildrop(&all_of_them);
    drop.rules.push("retr=2 reply=-ERR no".parse().unwrap());
    let post = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    let options = ["--eml-dir", "mail", "--limit", "2", "--max-size", "1000"];
    let run = fetch(&post, folder.path(), &options).exits(69);
    let mut rows = words(&run);
    rows.sort();
    assert_eq!(rows, ["not-stored", "skipped", "stored", "stored"]);
    assert_eq!(uids(folder.path()), all(&post, &[3, 4]));
}

#[test]
fn what_is_too_large_is_skipped_and_stays() {
    let large = message(2, 100);
    let post = Post::of(&[&message(1, 1), &large, &message(3, 1)]);
    let folder = folder();
    let options = ["--maildir", "mail", "--delete", "--max-size", "1000"];
    let run = fetch(&post, folder.path(), &options).exits(0);
    let mut rows = words(&run);
    rows.sort();
    assert_eq!(rows, ["skipped", "stored", "stored"]);
    assert_eq!(post.maildrop.messages_left().len(), 1);
    assert_eq!(post.heard_of("RETR").len(), 2);
    // With a larger limit it comes.
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 0);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
}

#[test]
fn a_size_that_was_a_lie_does_not_help() {
    let mut drop = maildrop(&[&message(1, 1), &message(2, 10_000), &message(3, 1)]);
    drop.flaws.push("zero-sizes".parse().unwrap());
    let post = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    let options = ["--eml-dir", "mail", "--delete", "--max-size", "1000"];
    let wanted = all(&post, &[1, 3]);
    let run = fetch(&post, folder.path(), &options).exits(0);
    assert!(words(&run).contains(&"skipped".to_owned()));
    assert_eq!(uids(folder.path()), wanted);
    assert_eq!(post.maildrop.messages_left().len(), 1);
}

#[test]
fn headers_alone() {
    let post = post(2);
    let folder = folder();
    let options = ["--headers-only", "--eml-dir", "mail"];
    fetch(&post, folder.path(), &options).exits(0);
    for text in read_folder(&folder.path().join("mail")) {
        assert!(text.ends_with(b"\r\n\r\n") && text.starts_with(b"From: a@example.org\r\n"));
    }
    // They are not the message, which is still new.
    let run = fetch(&post, folder.path(), &["--maildir", "whole"]).exits(0);
    assert_eq!(words(&run), ["stored"; 2]);
    let both = ["--headers-only", "--eml-dir", "mail", "--delete"];
    fetch(&post, folder.path(), &both).exits(64);
}

#[test]
fn what_is_stored_is_deleted_if_that_is_asked_for() {
    let post = post(3);
    let folder = folder();
    fetch(&post, folder.path(), &["--maildir", "mail", "2"]).exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 3);
    fetch(&post, folder.path(), &["--maildir", "mail", "--keep"]).exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 3);
    // What was stored earlier is deleted without being fetched again.
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 0);
    assert_eq!(post.heard_of("RETR").len(), 3);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
}

#[test]
fn what_was_stored_long_ago_is_deleted() {
    let post = post(2);
    let folder = folder();
    let after = |days| {
        fetch(
            &post,
            folder.path(),
            &["--maildir", "mail", "--delete-after", days],
        )
    };
    after("1").exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 2);
    after("0").exits(0);
    assert_eq!(post.maildrop.messages_left().len(), 0);
}

#[test]
fn only_what_is_named_is_deleted() {
    let post = post(3);
    let folder = folder();
    let left = post.maildrop.messages_left();
    fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    fetch(
        &post,
        folder.path(),
        &["--maildir", "mail", "--delete", "2"],
    )
    .exits(0);
    assert_eq!(post.maildrop.messages_left(), [&*left[0], &*left[2]]);
}
