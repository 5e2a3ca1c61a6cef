//! Where mail goes: every byte of every message arrives there.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::harness::proto_in;

/// A server that has all samples.
fn all_samples() -> (Post, Vec<(String, Vec<u8>)>) {
    let samples = samples();
    let messages: Vec<&[u8]> = samples.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    (Post::of(&messages), samples)
}

fn expected(samples: &[(String, Vec<u8>)], form: fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    samples.iter().map(|(_, bytes)| form(bytes)).collect()
}

#[test]
fn a_maildir_has_every_byte_with_line_feeds() {
    let (post, samples) = all_samples();
    let folder = folder();
    fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    let mail = folder.path().join("mail");
    let wanted = sorted(expected(&samples, with_line_feeds));
    assert!(sorted(read_maildir(&mail)) == wanted);
    assert_eq!(names(&mail.join("tmp")), [""; 0]);
    for name in names(&mail.join("new")) {
        let file = mail.join("new").join(name).metadata().unwrap();
        assert_eq!(file.permissions().mode() & 0o077, 0);
    }
    assert_eq!(post.maildrop.violations(), [""; 0]);
    assert_eq!(post.maildrop.messages_left().len(), samples.len());
}

#[test]
fn a_folder_has_every_byte_as_received() {
    let (post, samples) = all_samples();
    let folder = folder();
    fetch(&post, folder.path(), &["--eml-dir", "mail"]).exits(0);
    let mail = folder.path().join("mail");
    for (uid, (name, bytes)) in post.maildrop.messages_left().iter().zip(&samples) {
        let stored = fs::read(mail.join(format!("{uid}.eml"))).unwrap();
        assert!(stored == on_the_wire(bytes), "{name}");
    }
    assert_eq!(names(&mail).len(), samples.len());
}

#[test]
fn an_mbox_has_every_byte_with_line_feeds() {
    let (post, samples) = all_samples();
    let folder = folder();
    fetch(&post, folder.path(), &["--mbox", "mail"]).exits(0);
    let mbox = fs::read(folder.path().join("mail")).unwrap();
    assert!(read_mbox(&mbox) == expected(&samples, with_line_feeds));
}

#[test]
fn an_mbox_keeps_lines_that_begin_with_from() {
    let text: &[u8] = b"From here\n\nFrom here\n>From there\n>>From x\nFrom\n\n";
    let post = Post::of(&[text, b"Subject: second\n\nx\n"]);
    let folder = folder();
    fetch(&post, folder.path(), &["--mbox", "mail"]).exits(0);
    let mbox = fs::read(folder.path().join("mail")).unwrap();
    assert_eq!(read_mbox(&mbox), [text, b"Subject: second\n\nx\n"]);
}

#[test]
fn a_command_reads_every_message() {
    let (post, samples) = all_samples();
    let folder = folder();
    let command = "sh -c 'cat >> all'";
    fetch(&post, folder.path(), &["--deliver", command, "--delete"]).exits(0);
    let all = fs::read(folder.path().join("all")).unwrap();
    assert!(all == expected(&samples, with_line_feeds).concat());
    assert_eq!(post.maildrop.messages_left(), [""; 0]);
}

#[test]
fn stdout_has_one_as_received_and_several_as_an_mbox() {
    let (post, samples) = all_samples();
    let folder = folder();
    for (number, (name, bytes)) in samples.iter().enumerate() {
        let number = (number + 1).to_string();
        let run = fetch(&post, folder.path(), &[&number]).exits(0);
        assert!(run.stdout == on_the_wire(bytes), "{name}");
    }
    let run = fetch(&post, folder.path(), &[]).exits(0);
    assert!(read_mbox(&run.stdout) == expected(&samples, with_line_feeds));
    // Nothing is remembered of what may be lost, so it comes again.
    let again = fetch(&post, folder.path(), &[]).exits(0);
    assert!(read_mbox(&again.stdout) == expected(&samples, with_line_feeds));
    assert!(!folder.path().join("states").exists());
}

#[test]
fn a_message_in_the_url_is_one_message() {
    let post = post(3);
    let folder = folder();
    let url = format!("{}/2", post.url());
    let run = proto_in(folder.path(), &["pop3-fetch", &url]).exits(0);
    assert_eq!(run.stdout, on_the_wire(&message(2, 2)));
}

#[test]
fn what_went_to_stdout_is_not_deleted() {
    let post = post(1);
    let folder = folder();
    for option in [&["--delete"][..], &["--delete-after", "0"]] {
        fetch(&post, folder.path(), option)
            .exits(64)
            .says("--maildir");
    }
    assert_eq!(post.heard(), [""; 0]);
}

#[test]
fn large_messages_and_many_of_them_arrive() {
    let mut drop = maildrop(&[]);
    drop.source = proto_mock::pop3::Source::Generated {
        count: 1200,
        size: 700,
    };
    let many = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    fetch(&many, folder.path(), &["--maildir", "many", "--delete"]).exits(0);
    let stored = read_maildir(&folder.path().join("many"));
    assert_eq!(stored.len(), 1200);
    assert_eq!(many.maildrop.deleted().len(), 1200);
    let large = message(1, 300_000);
    let post = Post::of(&[&large]);
    fetch(&post, folder.path(), &["--maildir", "large"]).exits(0);
    assert!(read_maildir(&folder.path().join("large")) == [large]);
}
