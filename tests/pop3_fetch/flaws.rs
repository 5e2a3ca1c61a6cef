//! Servers that are broken as servers have been seen to be.

use super::*;
use proto_mock::Options;

fn flawed(count: usize, flaw: &str, without: &[&str]) -> Post {
    let messages: Vec<Vec<u8>> = (1..=count).map(|number| message(number, 1)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    with(&messages, flaw, without)
}

fn with(messages: &[&[u8]], flaw: &str, without: &[&str]) -> Post {
    let mut drop = maildrop(messages);
    drop.flaws
        .extend((!flaw.is_empty()).then(|| flaw.parse().unwrap()));
    drop.without = without.iter().map(|name| (*name).to_owned()).collect();
    Post::with(drop, Options::default())
}

#[test]
fn odd_servers_give_all_their_mail_and_only_once() {
    for flaw in [
        "duplicate-uids",
        "long-uids",
        "spaced-uids",
        "uid-path",
        "uid-control",
        "wrong-sizes",
        "zero-sizes",
        "lying-stat",
        "bare-lf",
        "lower-case",
        "malformed-timestamp",
    ] {
        for store in ["--maildir", "--eml-dir"] {
            let post = flawed(4, flaw, &[]);
            let folder = folder();
            // A folder of its own, so that what is beside it is seen.
            let options = [store, "here/is/mail"];
            let run = fetch(&post, folder.path(), &options).exits(0);
            assert_eq!(words(&run), ["stored"; 4], "{flaw}");
            let run = fetch(&post, folder.path(), &options).exits(0);
            assert_eq!(run.text(), "", "{flaw}");
            let mail = folder.path().join("here/is/mail");
            let stored = match store {
                "--maildir" => read_maildir(&mail),
                _ => read_folder(&mail),
            };
            let stored = stored.iter().map(|text| with_line_feeds(text)).collect();
            let wanted: Vec<Vec<u8>> = (1..=4).map(|number| message(number, 1)).collect();
            assert_eq!(sorted(stored), wanted, "{flaw}");
            assert_eq!(names(folder.path()), ["here", "states"], "{flaw}");
            assert_eq!(names(&folder.path().join("here")), ["is"], "{flaw}");
            let run = fetch(&post, folder.path(), &[store, "here/is/mail", "--delete"]);
            run.exits(0);
            assert_eq!(post.maildrop.messages_left().len(), 0, "{flaw}");
            let found = post.maildrop.violations();
            assert_eq!(found, [""; 0], "{flaw}");
        }
    }
}

#[test]
fn names_from_the_server_stay_in_their_folder() {
    for uid in [
        "../../x", "/etc/x", "..", ".", "~", "a/b", "a\\0b", "CON", "-rf", ".hidden",
    ] {
        let rule = format!("uidl reply=+OK\\n1 {uid}\\n.");
        let mut drop = maildrop(&[b"A: b\n"]);
        drop.rules.push(rule.parse().unwrap());
        let post = Post::with(drop, Options::default());
        let folder = folder();
        fetch(&post, folder.path(), &["--eml-dir", "here/is/mail"]).exits(0);
        let mail = names(&folder.path().join("here/is/mail"));
        assert_eq!(mail.len(), 1, "{uid}");
        assert!(
            mail[0].ends_with(".eml") && !mail[0].starts_with('.'),
            "{mail:?}"
        );
        assert_eq!(names(folder.path()), ["here", "states"], "{uid}");
        assert_eq!(names(&folder.path().join("here")), ["is"], "{uid}");
    }
}

#[test]
fn names_that_differ_in_case_alone_are_two_messages() {
    let mut drop = maildrop(&[b"A: 1\n", b"A: 2\n"]);
    drop.rules
        .push("uidl reply=+OK\\n1 abc\\n2 ABC\\n.".parse().unwrap());
    let post = Post::with(drop, Options::default());
    let folder = folder();
    fetch(&post, folder.path(), &["--eml-dir", "mail"]).exits(0);
    let mut mail = names(&folder.path().join("mail"));
    assert_eq!(mail.len(), 2);
    mail.iter_mut().for_each(|name| name.make_ascii_lowercase());
    assert_ne!(mail[0], mail[1]);
}

#[test]
fn servers_that_can_do_little_are_enough() {
    for without in [
        &["CAPA"][..],
        &["PIPELINING"],
        &["TOP"],
        &["SASL"],
        &[
            "CAPA",
            "SASL",
            "PIPELINING",
            "UTF8",
            "LANG",
            "STLS",
            "RESP-CODES",
        ],
        &["UIDL"],
        &["UIDL", "PIPELINING"],
        &["UIDL", "CAPA"],
    ] {
        let post = flawed(3, "", without);
        let folder = folder();
        let run = fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
        assert_eq!(words(&run), ["stored"; 3], "{without:?}");
        let run = fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
        assert_eq!(run.text(), "", "{without:?}");
        assert_eq!(post.maildrop.messages_left().len(), 0, "{without:?}");
        assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
        assert_eq!(post.maildrop.violations(), [""; 0], "{without:?}");
    }
}

#[test]
fn without_names_and_headers_nothing_is_deleted() {
    let post = flawed(3, "", &["UIDL", "TOP"]);
    let folder = folder();
    let run = fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]);
    let is_told = run.code == 69 && !run.stderr.is_empty();
    let stored = read_maildir(&folder.path().join("mail")).len();
    assert!(is_told || stored == 3, "{run:?}");
    assert!(post.maildrop.messages_left().len() + stored >= 3);
}

/// Where a digest of the header is the name, messages with the same header have the same name. One
/// that was never stored must not be deleted for that.
#[test]
fn what_has_the_same_header_is_another_message() {
    let first: &[u8] = b"Subject: report\n\nfirst\n";
    let second: &[u8] = b"Subject: report\n\nsecond\n";
    for (flaw, without) in [("", &["UIDL"][..]), ("duplicate-uids", &[])] {
        for options in [&["--limit", "1"][..], &["--max-size", "31"], &[]] {
            let post = with(&[first, second], flaw, without);
            let folder = folder();
            let options = [&["--maildir", "mail", "--delete"], options].concat();
            fetch(&post, folder.path(), &options).exits(0);
            let stored = read_maildir(&folder.path().join("mail")).len();
            let left = post.maildrop.messages_left().len();
            assert!(
                stored + left >= 2,
                "{stored} stored, {left} left: {flaw} {options:?}"
            );
        }
    }
}

#[test]
fn what_comes_later_with_the_same_header_is_another_message() {
    let folder = folder();
    let source = folder.path().join("source");
    fs::create_dir_all(source.join("new")).unwrap();
    let mut drop = maildrop(&[]);
    drop.source = proto_mock::pop3::Source::Maildir(source.clone());
    drop.without.push("UIDL".to_owned());
    let post = Post::with(drop, Options::default());
    for (name, text) in [
        ("1", "Subject: report\n\nfirst\n"),
        ("2", "Subject: report\n\nsecond\n"),
    ] {
        fs::write(source.join("new").join(name), text).unwrap();
        fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    }
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
    let stored = read_maildir(&folder.path().join("mail")).len();
    let left = post.maildrop.messages_left().len();
    assert!(stored + left >= 2, "{stored} stored, {left} left");
}

/// A server without UIDL, whose messages come and go.
struct Nameless {
    folder: tempfile::TempDir,
    post: Post,
}

impl Nameless {
    fn new() -> Nameless {
        let folder = folder();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("new")).unwrap();
        let mut drop = maildrop(&[]);
        drop.source = proto_mock::pop3::Source::Maildir(source);
        drop.without.push("UIDL".to_owned());
        let post = Post::with(drop, Options::default());
        Nameless { folder, post }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("source/new").join(name)
    }

    fn put(&self, name: &str, body: &str) {
        fs::write(self.path(name), format!("Subject: report\n\n{body}\n")).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Fetches to an mbox, which recognises nothing by itself.
    fn fetch(&self, options: &[&str]) -> Run {
        let options = [&["--mbox", "mail"], options].concat();
        fetch(&self.post, self.folder.path(), &options).exits(0)
    }

    /// The bodies in the mbox.
    fn bodies(&self) -> Vec<String> {
        let mbox = fs::read(self.folder.path().join("mail")).unwrap();
        let texts = read_mbox(&mbox).into_iter();
        let texts = texts.map(|text| String::from_utf8(text).unwrap());
        let bodies = texts.map(|text| text.split("\n\n").nth(1).unwrap().trim().to_owned());
        bodies.collect()
    }
}

#[test]
fn what_was_seen_by_its_header_is_not_fetched_again_to_be_kept() {
    let server = Nameless::new();
    server.put("1", "first");
    assert_eq!(words(&server.fetch(&[])), ["stored"]);
    for _ in 0..2 {
        assert_eq!(server.fetch(&["--delete-after", "1"]).text(), "");
    }
    assert_eq!(server.post.heard_of("RETR").len(), 1);
    // To be deleted, it is looked at first.
    assert_eq!(server.fetch(&["--delete"]).text(), "");
    assert_eq!(server.post.heard_of("RETR").len(), 2);
    assert_eq!(server.bodies(), ["first"]);
    assert_eq!(server.post.maildrop.messages_left(), [""; 0]);
}

#[test]
fn what_takes_the_place_of_its_namesake_is_stored_before_it_is_deleted() {
    let server = Nameless::new();
    server.put("1", "first");
    server.fetch(&[]);
    server.remove("1");
    // As long as the first.
    server.put("2", "other");
    assert_eq!(words(&server.fetch(&["--delete"])), ["stored"]);
    assert_eq!(server.bodies(), ["first", "other"]);
    assert_eq!(server.post.maildrop.messages_left(), [""; 0]);
}

#[test]
fn namesakes_are_told_apart_when_the_earlier_ones_go() {
    let server = Nameless::new();
    server.put("1", "first");
    server.put("2", "second");
    assert_eq!(words(&server.fetch(&[])), ["stored"; 2]);
    assert_eq!(server.fetch(&[]).text(), "");
    server.put("2b", "between");
    assert_eq!(words(&server.fetch(&[])), ["stored"]);
    server.remove("1");
    server.put("3", "third");
    // The limit is about what is new.
    let options = ["--delete", "--limit", "1"];
    assert_eq!(words(&server.fetch(&options)), ["stored"]);
    assert_eq!(server.bodies(), ["first", "second", "between", "third"]);
    assert_eq!(server.post.maildrop.messages_left(), [""; 0]);
}

#[test]
fn what_is_equal_in_every_byte_is_stored_as_often_as_it_is_there() {
    let server = Nameless::new();
    for name in ["1", "2", "3"] {
        server.put(name, "same");
    }
    assert_eq!(words(&server.fetch(&["--limit", "2"])), ["stored"; 2]);
    assert_eq!(server.post.maildrop.messages_left().len(), 3);
    assert_eq!(words(&server.fetch(&["--delete"])), ["stored"]);
    assert_eq!(server.bodies(), ["same"; 3]);
    assert_eq!(server.post.maildrop.messages_left(), [""; 0]);
}

#[test]
fn equal_messages_are_recognised_in_the_store() {
    let server = Nameless::new();
    for name in ["1", "2", "3"] {
        server.put(name, "same");
    }
    let path = server.folder.path();
    for (place, read) in [
        ("--maildir", read_maildir as fn(&Path) -> Vec<Vec<u8>>),
        ("--eml-dir", read_folder),
    ] {
        let mail = &place[2..];
        for _ in 0..2 {
            let options = [place, mail, "--rebuild-state"];
            fetch(&server.post, path, &options).exits(0);
            assert_eq!(read(&path.join(mail)).len(), 3, "{place}");
        }
    }
}

#[test]
fn after_a_lost_connection_namesakes_come_once() {
    for options in [&[][..], &["--all"], &["--limit", "2"]] {
        let texts: [&[u8]; 3] = [b"A: b\n\n1\n", b"A: b\n\n2\n", b"A: b\n\n3\n"];
        let mut drop = maildrop(&texts);
        drop.without.push("UIDL".to_owned());
        drop.rules.push("retr=2 count=1 drop".parse().unwrap());
        let post = Post::with(drop, Options::default());
        let folder = folder();
        let options = [&["--mbox", "mail", "--delete", "--retry", "1"], options].concat();
        fetch(&post, folder.path(), &options).exits(0);
        let count = if options.contains(&"--limit") { 2 } else { 3 };
        let mbox = fs::read(folder.path().join("mail")).unwrap();
        assert!(read_mbox(&mbox) == texts[..count], "{options:?}");
        assert_eq!(post.maildrop.messages_left().len(), 3 - count);
    }
}

/// A unique-id that is too long is none (RFC 1939 section 7).
#[test]
fn names_that_are_too_long_are_not_kept() {
    let post = flawed(2, "long-uids", &[]);
    let folder = folder();
    let run = fetch(&post, folder.path(), &["--eml-dir", "mail", "--json"]).exits(0);
    for row in objects(&run) {
        let uid = row["uid"].as_str().unwrap();
        assert!(uid.starts_with("header-") && uid.len() == 71, "{uid}");
    }
    for (length, is_kept) in [(70, true), (71, false)] {
        let uid = "x".repeat(length);
        let mut drop = maildrop(&[b"A: b\n"]);
        let rule = format!("uidl reply=+OK\\n1 {uid}\\n.");
        drop.rules.push(rule.parse().unwrap());
        let post = Post::with(drop, Options::default());
        let folder = self::folder();
        let run = fetch(&post, folder.path(), &["--eml-dir", "mail", "--json"]).exits(0);
        assert_eq!(objects(&run)[0]["uid"] == uid, is_kept, "{length}");
    }
}

#[test]
fn a_message_that_is_listed_twice_is_one() {
    let mut drop = maildrop(&[b"A: b\n", b"A: c\n"]);
    let rule = "list reply=+OK\\n2 6\\n1 6\\n2 6\\n1 6\\n.";
    drop.rules.push(rule.parse().unwrap());
    let post = Post::with(drop, Options::default());
    let folder = folder();
    let run = fetch(&post, folder.path(), &["--mbox", "mail", "--delete"]).exits(0);
    assert_eq!(words(&run), ["stored"; 2]);
    assert_eq!(post.heard_of("RETR"), ["RETR 1", "RETR 2"]);
    assert_eq!(post.heard_of("DELE"), ["DELE 1", "DELE 2"]);
}

#[test]
fn one_that_is_refused_is_not_deleted_for_its_namesake() {
    let mut drop = maildrop(&[b"A: b\n\nfirst\n", b"A: b\n\nsecond\n"]);
    drop.without.push("UIDL".to_owned());
    drop.rules.push("retr=2 reply=-ERR no".parse().unwrap());
    let post = Post::with(drop, Options::default());
    let folder = folder();
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(69);
    assert_eq!(post.maildrop.messages_left().len(), 1);
}

#[test]
fn listings_that_are_none_are_errors() {
    for (flaw, code) in [
        ("extra-line-in-list", 76),
        ("extra-line-in-list=0 5", 76),
        ("extra-line-in-list=-1 5", 76),
        ("extra-line-in-list=4294967296 5", 76),
        ("no-final-dot", 75),
        ("cut-body", 75),
    ] {
        let post = flawed(3, flaw, &[]);
        let folder = folder();
        let run = fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(code);
        assert_eq!(post.maildrop.messages_left().len(), 3, "{flaw}");
        assert_eq!(post.heard_of("QUIT"), [""; 0], "{flaw}");
        let stored = read_maildir(&folder.path().join("mail"));
        assert_eq!(stored.len(), words(&run).len(), "{flaw}");
        for text in stored {
            let is_whole = (1..=3).any(|number| text == message(number, 1));
            assert!(is_whole, "{flaw}: {text:?}");
        }
    }
}

#[test]
fn a_message_that_is_listed_and_not_there_is_told() {
    let post = flawed(2, "extra-line-in-list=3 5", &[]);
    let folder = folder();
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(69);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 2);
    assert_eq!(post.maildrop.messages_left().len(), 0);
}

#[test]
fn a_text_of_no_length_is_no_message() {
    let mut drop = maildrop(&[&message(1, 1), b"", &message(3, 3)]);
    drop.rules
        .push("retr=3 count=1 reply=+OK\\n.".parse().unwrap());
    let post = Post::with(drop, Options::default());
    let folder = folder();
    let options = ["--maildir", "mail", "--delete"];
    let run = fetch(&post, folder.path(), &options).exits(69);
    assert_eq!(words(&run), ["not-stored", "stored", "stored"]);
    run.says("came empty");
    assert_eq!(post.maildrop.messages_left().len(), 1);
    let run = fetch(&post, folder.path(), &options).exits(0);
    assert_eq!(words(&run), ["stored"]);
}
