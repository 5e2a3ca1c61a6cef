//! Which messages are fetched, what of them, and what the server hears for it.

use super::*;

#[test]
fn what_is_new_is_fetched_in_few_questions() {
    let imap = imap(201);
    let folder = folder();
    let run = fetch(&imap, folder.path(), &MAILDIR).exits(0);
    assert_eq!(uids(&run, "stored"), (1..=201).collect::<Vec<_>>());
    assert_eq!(stored(folder.path()), expected(201));
    let heard = imap.heard();
    let heard: Vec<&str> = heard.iter().map(|line| line.as_str()).collect();
    let items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])";
    assert_eq!(
        heard[1..],
        [
            "EXAMINE INBOX",
            "UID SEARCH RETURN (ALL) ALL",
            &format!("UID FETCH 1:200 {items}"),
            &format!("UID FETCH 201 {items}"),
            "LOGOUT",
        ]
    );
    // Again: nothing. With new mail: that alone.
    let run = fetch(&imap, folder.path(), &MAILDIR).exits(0);
    assert_eq!((run.text().as_str(), run.stderr.lines().count()), ("", 1));
    let text = message(202, 202);
    imap.fill("INBOX", &[&text, &text]);
    let options = ["--maildir", "mail", "--new", "--limit", "1"];
    for uid in [202, 203] {
        let run = fetch(&imap, folder.path(), &options).exits(0);
        assert_eq!(uids(&run, "stored"), [uid]);
    }
    assert_eq!(stored(folder.path()).len(), 203);
    assert_eq!(imap.imap.violations(), [""; 0]);
}

#[test]
fn messages_are_named_in_many_ways() {
    let imap = imap(9);
    for (path, options, expected) in [
        ("INBOX", &["2,4-5"][..], &[2, 4, 5][..]),
        ("INBOX", &["8:*"], &[8, 9]),
        ("INBOX", &["7"], &[7]),
        ("INBOX;UID=1:2", &[], &[1, 2]),
        ("INBOX/;UID=1:2", &["3"], &[3]),
        ("INBOX?SUBJECT%20%22Message%205%22", &[], &[5]),
        ("INBOX", &["--search", "text:message 6"], &[6]),
        (
            "INBOX",
            &["3:7", "--search", "text:message 6", "or", "text:message 8"],
            &[6],
        ),
        ("INBOX", &["--limit", "2"], &[1, 2]),
        ("inbox", &["--search", "subject:nothing"], &[]),
    ] {
        let folder = folder();
        let options = [options, &MAILDIR].concat();
        let run = fetching(&imap.url(path), folder.path(), &options);
        let run = Run::from({ run }.output().unwrap()).exits(0);
        assert_eq!(uids(&run, "stored"), expected, "{path} {options:?}");
    }
    let folder = folder();
    fetch(&imap, folder.path(), &["3,77"])
        .exits(69)
        .says("UID 77");
    fetch(&imap, folder.path(), &["70:99"]).exits(0);
    let heard = imap.heard().len();
    for wrong in ["0", "1,", "x", "*"] {
        fetch(&imap, folder.path(), &[wrong]).exits(64);
    }
    let mut nowhere = fetching(&imap.url(""), folder.path(), &[]);
    Run::from(nowhere.output().unwrap())
        .exits(64)
        .says("which mailbox");
    fetch(&imap, folder.path(), &["--new"])
        .exits(64)
        .says("--maildir");
    assert_eq!(imap.heard().len(), heard);
}

#[test]
fn what_was_asked_for_comes_again_and_what_is_new_does_not() {
    let imap = imap(3);
    let folder = folder();
    fetch(&imap, folder.path(), &MAILDIR).exits(0);
    let again = |options: &[&str]| {
        let options = [options, &["--mbox", "box"]].concat();
        fetch(&imap, folder.path(), &options).exits(0)
    };
    assert_eq!(uids(&again(&["2"]), "stored"), [2]);
    assert_eq!(uids(&again(&["--search", "all"]), "stored"), [1, 2, 3]);
    assert_eq!(uids(&again(&["--all"]), "stored"), [1, 2, 3]);
    assert_eq!(again(&["2:3", "--new"]).text(), "");
    // A Maildir has it once, however often it is asked for.
    fetch(&imap, folder.path(), &["1:*", "--maildir", "mail"]).exits(0);
    assert_eq!(stored(folder.path()), expected(3));
}

#[test]
fn parts_of_messages() {
    let text = b"Subject: hi\r\nFrom: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n";
    let imap = Imap::of(&[text]);
    let folder = folder();
    let end = text.windows(4).position(|end| end == b"\r\n\r\n");
    let header = &text[..end.unwrap() + 4];
    for (path, options, expected) in [
        ("INBOX;UID=1", &[][..], &text[..]),
        ("INBOX", &["1", "--headers-only"], header),
        ("INBOX", &["1", "--text"], &text[header.len()..]),
        ("INBOX", &["1", "--section", "2"], b"two"),
        ("INBOX/;UID=1/;SECTION=1", &[], b"one"),
        (
            "INBOX;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)",
            &[],
            b"Subject: hi\r\n\r\n",
        ),
    ] {
        let mut command = fetching(&imap.url(path), folder.path(), options);
        let run = Run::from(command.output().unwrap()).exits(0);
        let shown = String::from_utf8_lossy(expected);
        assert_eq!(run.text(), shown, "{path} {options:?}");
    }
    // Parts are not remembered.
    fetch(
        &imap,
        folder.path(),
        &["--headers-only", "--maildir", "mail"],
    )
    .exits(0);
    assert_eq!(names(folder.path()), ["mail"]);
    // There is no such part.
    let run = fetch(&imap, folder.path(), &["1", "--section", "7"]);
    run.exits(69).says("no such content");
    let wrong = ["1", "--section", "1] {3}"];
    fetch(&imap, folder.path(), &wrong).exits(64);
    fetch(&imap, folder.path(), &["--text", "--headers-only"]).exits(64);
    let seen = imap.flags("INBOX", 1);
    assert!(!seen.contains("Seen"), "{seen}");
}

#[test]
fn messages_are_marked_as_read_when_they_are_stored() {
    let imap = imap(3);
    let folder = folder();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let options = ["2:3", "--mark-seen"];
    let mut command = fetching(&imap.url("INBOX"), folder.path(), &options);
    Run::from(command.stdout(full).output().unwrap()).exits(74);
    assert_eq!(imap.heard_of("UID STORE"), [""; 0]);
    fetch(&imap, folder.path(), &[&options[..], &MAILDIR].concat()).exits(0);
    let seen = |uid| imap.flags("INBOX", uid).contains("\\Seen");
    assert_eq!([1, 2, 3].map(seen), [false, true, true]);
    assert_eq!(imap.heard_of("UID STORE").len(), 1);
    assert!(imap
        .heard_of("UID FETCH")
        .iter()
        .all(|line| line.contains("PEEK")));
}

#[test]
fn sizes_are_asked_before_what_is_too_large() {
    let imap = Imap::of(&[&message(1, 1), &message(2, 999), &message(3, 1)]);
    let folder = folder();
    let options = ["--maildir", "mail", "--max-size", "1k"];
    let run = fetch(&imap, folder.path(), &options).exits(0);
    let mut told = rows(&run);
    told.sort();
    let row = |word: &str, uid| (word.to_owned(), uid);
    assert_eq!(
        told,
        [row("skipped", 2), row("stored", 1), row("stored", 3)]
    );
    let heard = imap.heard_of("UID FETCH");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(!heard[0].contains("BODY") && heard[1].starts_with("UID FETCH 1,3 "));
    // Where messages are, there are no rows: an empty file is no message.
    let run = fetch(&imap, folder.path(), &["2", "--max-size", "1k"]).exits(0);
    assert_eq!(run.text(), "");
    run.says("larger than --max-size");
    // Of a part, the part counts.
    let options = ["2", "--headers-only", "--max-size", "1k"];
    let run = fetch(&imap, folder.path(), &options).exits(0);
    assert!(run.text().starts_with("From: a@example.org\r\n"), "{run:?}");
}

#[test]
fn a_text_of_no_length_is_no_message() {
    let imap = Imap::of(&[&message(1, 9), b""]);
    let folder = folder();
    let mut server = server(1);
    let reply = "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \" 1-Jan-2024 00:00:00 +0000\" \
                 RFC822.SIZE 300 BODY[] \"\")\\nOK";
    let rule = format!("fetch count=1 reply={reply}");
    server.rules.push(rule.parse().unwrap());
    let broken = Imap::with(server, Options::default());
    let run = fetch(&broken, folder.path(), &MAILDIR).exits(69);
    assert_eq!(uids(&run, "not-stored"), [1]);
    run.says("came empty");
    // It comes another time.
    let run = fetch(&broken, folder.path(), &MAILDIR).exits(0);
    assert_eq!(uids(&run, "stored"), [1]);
    // One that is empty indeed is a message.
    let run = fetch(&imap, folder.path(), &["2", "--eml-dir", "eml"]).exits(0);
    assert_eq!(uids(&run, "stored"), [2]);
}

#[test]
fn an_empty_mailbox_is_soon_done() {
    let imap = imap(0);
    let folder = folder();
    assert_eq!(fetch(&imap, folder.path(), &MAILDIR).exits(0).text(), "");
    assert_eq!(imap.heard_of("UID"), [""; 0]);
    let mut command = fetching(&imap.url("Nowhere"), folder.path(), &[]);
    Run::from(command.output().unwrap()).exits(69);
}
