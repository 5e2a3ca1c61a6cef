//! Conversations as text: what the client says, and all that the server says.

use super::*;
use base64::prelude::{Engine, BASE64_STANDARD};
use proto_transport::Memory;

/// Two small messages; the first has dots.
fn maildrop() -> Maildrop {
    let messages = ["A: b\n\n.\n..c\nd", "E: f\r\n\r\n1\r\n2\r\n"];
    Maildrop {
        source: Source::Messages(messages.map(|text| text.as_bytes().to_vec()).to_vec()),
        ..Maildrop::default()
    }
}

fn with_user() -> Maildrop {
    Maildrop {
        users: vec![("user".to_owned(), "pencil".to_owned())],
        ..maildrop()
    }
}

/// What the server says to these lines, each of which waits for its reply; without the greeting.
fn talk(maildrop: &Maildrop, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("{line}\r\n"));
    let said = said(maildrop, lines.collect());
    let (_, said) = said.split_once('\n').unwrap();
    said.replace("\r\n", "\n")
}

fn said(maildrop: &Maildrop, pieces: Vec<String>) -> String {
    let memory = Memory::in_pieces(pieces);
    let said = memory.said();
    let mut peer = Peer::over(memory);
    let _ = maildrop.serve(&mut peer, 1);
    let _ = peer.flush();
    said.text()
}

/// The same, logged in, without what is said to that.
fn open(maildrop: &Maildrop, lines: &[&str]) -> String {
    let mut all = vec!["USER user", "PASS pencil"];
    all.extend_from_slice(lines);
    let said = talk(maildrop, &all);
    let said = said.splitn(3, '\n').nth(2);
    said.unwrap_or_default().to_owned()
}

fn has_violation(maildrop: &Maildrop, what: &str) -> bool {
    let violations = maildrop.violations();
    violations.iter().any(|violation| violation.contains(what))
}

#[test]
fn a_maildrop_is_listed_and_read() {
    let drop = maildrop();
    assert_eq!(
        open(
            &drop,
            &["STAT", "LIST", "list 2", "RETR 1", "TOP 2 1", "top 1 0", "NOOP"]
        ),
        "+OK 2 33\n+OK the list follows\n1 19\n2 14\n.\n+OK 2 14\n\
        +OK 19 octets\nA: b\n\n..\n...c\nd\n.\n\
        +OK the top follows\nE: f\n\n1\n.\n+OK the top follows\nA: b\n\n.\n+OK\n"
    );
    let uids = drop.messages_left();
    let listed = open(&drop, &["UIDL", "UIDL 2"]);
    let (one, two) = (&uids[0], &uids[1]);
    assert_eq!(
        listed,
        format!("+OK the list follows\n1 {one}\n2 {two}\n.\n+OK 2 {two}\n")
    );
    assert_eq!(drop.violations(), [""; 0]);
    assert_eq!(drop.commands()[2], (1, "STAT".to_owned()));
}

#[test]
fn only_quit_deletes() {
    let drop = maildrop();
    let marked = open(
        &drop,
        &["DELE 1", "STAT", "LIST", "RETR 1", "DELE 1", "LIST 1"],
    );
    assert!(marked.contains("+OK 1 14\n+OK the list follows\n2 14\n.\n-ERR message 1 is deleted\n"));
    assert_eq!(drop.violations().len(), 3);
    assert_eq!((drop.messages_left().len(), drop.deleted().len()), (2, 0));
    assert_eq!(
        open(&drop, &["DELE 1", "RSET", "QUIT", "NOOP"])
            .lines()
            .count(),
        3
    );
    assert_eq!(drop.messages_left().len(), 2);
    let uid = drop.messages_left().remove(0);
    assert!(open(&drop, &["DELE 1", "QUIT"]).ends_with("+OK bye\n"));
    assert_eq!(drop.deleted(), [uid]);
    assert_eq!(open(&drop, &["STAT"]), "+OK 1 14\n");
    // In the AUTHORIZATION state there is nothing to delete.
    assert_eq!(talk(&drop, &["QUIT"]), "+OK bye\n");
}

#[test]
fn what_no_client_should_say_is_refused_and_noted() {
    for (line, what) in [
        ("STAT", "log in first"),
        ("RETR 1", "log in first"),
        ("NOOP", "log in first"),
        ("PASS x", "PASS comes right behind USER"),
        ("USER", "a name without spaces"),
        ("USER a b", "a name without spaces"),
        ("APOP user 0", "APOP is not offered"),
        ("AUTH", "no such mechanism"),
        ("AUTH SCRAM-SHA-1", "no such mechanism"),
        ("AUTH PLAIN ?", "not base64"),
        ("AUTH PLAIN dXNlcg==", "PLAIN takes three parts"),
        ("XTND", "no such command"),
        ("", "no such command"),
        ("CAPA ", "nothing may follow"),
        ("QUIT now", "nothing may follow"),
        ("LANG ", "a language is missing"),
        ("USER a\0", "NUL in a command"),
    ] {
        let drop = maildrop();
        let said = talk(&drop, &[line]);
        assert!(
            said.starts_with("-ERR ") && said.lines().count() == 1,
            "{line}: {said}"
        );
        assert!(
            has_violation(&drop, what),
            "{line}: {:?}",
            drop.violations()
        );
    }
    for (line, what) in [
        ("RETR", "numbers from 1 on"),
        ("RETR 0", "numbers from 1 on"),
        ("RETR +1", "numbers from 1 on"),
        ("RETR  1", "numbers from 1 on"),
        ("RETR 1 ", "numbers from 1 on"),
        ("TOP 1", "TOP takes"),
        ("TOP 1 -1", "TOP takes"),
        ("STAT 1", "nothing may follow"),
        ("USER x", "logged in already"),
        ("STLS", "logged in already"),
        ("UTF8", "logged in already"),
    ] {
        let drop = maildrop();
        assert!(open(&drop, &[line]).starts_with("-ERR "), "{line}");
        assert!(
            has_violation(&drop, what),
            "{line}: {:?}",
            drop.violations()
        );
    }
    let drop = maildrop();
    assert_eq!(open(&drop, &["RETR 3"]), "-ERR no such message, only 2\n");
    assert_eq!(drop.violations(), [""; 0]);
    let late = talk(&drop, &["USER user", "CAPA", "PASS x"]);
    assert!(late.ends_with("-ERR PASS comes right behind USER\n"));
}

#[test]
fn commands_have_a_length_and_an_end() {
    for (line, what) in [
        (format!("USER {}\r\n", "x".repeat(249)), "longer than 255"),
        ("CAPA\n".to_owned(), "bare LF"),
        ("CA\rPA\r\n".to_owned(), "bare CR"),
    ] {
        let drop = maildrop();
        assert!(said(&drop, vec![line]).contains("\r\n-ERR "));
        assert!(has_violation(&drop, what));
    }
    let drop = maildrop();
    assert!(said(&drop, vec![format!("USER {}\r\n", "x".repeat(248))]).contains("\r\n+OK "));
}

#[test]
fn who_comes_too_early_is_noted() {
    let pieces = |text: &str| vec![text.to_owned()];
    for (text, is_noted) in [
        ("USER a\r\nPASS b\r\nSTAT\r\n", false),
        ("QUIT\r\nNOOP\r\n", true),
        ("AUTH PLAIN\r\n*\r\n", true),
        ("STLS\r\nCAPA\r\n", true),
    ] {
        let drop = maildrop();
        said(&drop, pieces(text));
        assert_eq!(has_violation(&drop, "before the reply"), is_noted, "{text}");
    }
    let mut drop = maildrop();
    drop.without.push("PIPELINING".to_owned());
    said(&drop, pieces("USER a\r\nPASS b\r\n"));
    assert!(has_violation(&drop, "without PIPELINING"));
}

#[test]
fn capabilities_are_the_same_in_both_states_and_can_be_hidden() {
    let drop = maildrop();
    let expected =
        "+OK Capability list follows\nTOP\nUIDL\nUSER\nSTLS\nSASL PLAIN EXTERNAL ANONYMOUS\n\
        PIPELINING\nRESP-CODES\nAUTH-RESP-CODE\nLOGIN-DELAY 0\nEXPIRE NEVER\nUTF8 USER\nLANG\n\
        IMPLEMENTATION proto-mock\n.\n";
    assert_eq!(talk(&drop, &["CAPA"]), expected);
    assert_eq!(open(&drop, &["CAPA"]), expected);
    let all = talk(&with_user(), &["CAPA"]);
    assert!(all.contains(
        "\nSASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2 EXTERNAL ANONYMOUS\n"
    ));
    for name in CAPABILITIES {
        let mut drop = maildrop();
        drop.without.push(name.to_lowercase());
        let left = talk(&drop, &["CAPA"]);
        let is_listed = left
            .lines()
            .any(|line| line.split(' ').next() == Some(name));
        assert!(!is_listed, "{name}: {left}");
    }
    for (name, line) in [
        ("CAPA", "CAPA"),
        ("USER", "USER x"),
        ("STLS", "STLS"),
        ("SASL", "AUTH PLAIN AGEAYg=="),
        ("SASL=PLAIN", "AUTH PLAIN AGEAYg=="),
        ("UTF8", "UTF8"),
        ("LANG", "LANG"),
    ] {
        let mut drop = maildrop();
        drop.without.push(name.to_owned());
        assert!(talk(&drop, &[line]).starts_with("-ERR "), "{name}");
    }
    for (name, line) in [("TOP", "TOP 1 0"), ("UIDL", "UIDL")] {
        let mut drop = maildrop();
        drop.without.push(name.to_owned());
        assert!(open(&drop, &[line]).starts_with("-ERR "), "{name}");
        assert_eq!(drop.violations(), [""; 0], "a client may try");
    }
}

#[test]
fn response_codes_come_if_they_are_offered() {
    for (hidden, expected) in [
        ("LANG", "-ERR [AUTH] wrong name or password\n"),
        ("AUTH-RESP-CODE", "-ERR wrong name or password\n"),
        ("RESP-CODES", "-ERR wrong name or password\n"),
    ] {
        let mut drop = with_user();
        drop.without.push(hidden.to_owned());
        let said = talk(&drop, &["USER user", "PASS pen"]);
        assert_eq!(said.lines().last().unwrap(), expected.trim_end());
    }
}

#[test]
fn apop_does_the_example_of_its_rfc() {
    let digest = authorization::apop_digest("<1896.697170952@dbc.mtview.ca.us>", "tanstaaf");
    assert_eq!(digest, "c4c9334bac560ecc979e58001b3e22fb");
    let greeting = |drop: &Maildrop| said(drop, Vec::new());
    assert!(greeting(&with_user()).ends_with("@localhost>\r\n"));
    assert!(!greeting(&maildrop()).contains('<'));
    let mut hidden = with_user();
    hidden.without.push("APOP".to_owned());
    assert!(!greeting(&hidden).contains('<'));
    let drop = with_user();
    let wrong = talk(&drop, &[&format!("APOP user {digest}")]);
    assert_eq!(wrong, "-ERR [AUTH] wrong name or digest\n");
    assert_eq!(drop.violations(), [""; 0]);
    talk(&drop, &[&format!("APOP user {}", digest.to_uppercase())]);
    assert!(has_violation(&drop, "32 digits"));
    let mut flawed = with_user();
    flawed.flaws.push(Flaw::MalformedTimestamp);
    assert!(greeting(&flawed).contains("<m\u{fc}ll "));
    talk(&flawed, &[&format!("APOP user {digest}")]);
    assert!(has_violation(&flawed, "must not be hashed"));
}

#[test]
fn auth_carries_every_mechanism() {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let plain = encoded("\0user\0pencil");
    let bearer = encoded("n,a=user,\x01auth=Bearer pencil\x01\x01");
    let xoauth2 = encoded("user=user\x01auth=Bearer pencil\x01\x01");
    let (user, pencil) = (encoded("user"), encoded("pencil"));
    for lines in [
        vec![format!("AUTH PLAIN {plain}")],
        vec!["auth plain".to_owned(), plain.clone()],
        vec!["AUTH LOGIN".to_owned(), user.clone(), pencil.clone()],
        vec![format!("AUTH LOGIN {user}"), pencil],
        vec![format!("AUTH OAUTHBEARER {bearer}")],
        vec![format!("AUTH XOAUTH2 {xoauth2}")],
        vec!["AUTH EXTERNAL =".to_owned()],
        vec!["AUTH ANONYMOUS".to_owned(), encoded("me")],
    ] {
        let drop = with_user();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.push("STAT");
        let said = talk(&drop, &lines);
        assert!(
            said.ends_with("+OK 2 messages\n+OK 2 33\n"),
            "{lines:?}: {said}"
        );
        assert_eq!(drop.violations(), [""; 0]);
    }
    let drop = with_user();
    assert_eq!(
        talk(&drop, &["AUTH LOGIN", "*"]),
        "+ VXNlcm5hbWU6\n-ERR cancelled\n"
    );
    let wrong = encoded("\0user\0pen");
    let said = talk(&drop, &["AUTH PLAIN", &wrong, "AUTH LOGIN", "*"]);
    assert_eq!(
        said,
        "+ \n-ERR [AUTH] wrong password\n+ VXNlcm5hbWU6\n-ERR cancelled\n"
    );
    assert_eq!(drop.violations(), [""; 0]);
    // Where there are no users, everybody is believed.
    let said = talk(&maildrop(), &["AUTH PLAIN", &wrong]);
    assert_eq!(said, "+ \n+OK 2 messages\n");
}

#[test]
fn a_maildrop_has_one_holder() {
    let drop = maildrop();
    let held = drop.hold("user".to_owned(), None);
    let said = talk(&drop, &["USER user", "PASS x", "STAT"]);
    assert!(said.contains("-ERR [IN-USE] the maildrop is open elsewhere\n-ERR log in first\n"));
    assert!(talk(&drop, &["USER other", "PASS x"]).ends_with("+OK 2 messages\n"));
    std::mem::drop(held);
    assert_eq!(open(&drop, &["NOOP"]), "+OK\n");
    assert_eq!(
        open(&drop, &["NOOP"]),
        "+OK\n",
        "also after a lost connection"
    );
}

#[test]
fn languages_and_utf8() {
    let drop = maildrop();
    assert_eq!(
        talk(&drop, &["LANG"]),
        "+OK Languages follow\nen English\n.\n"
    );
    assert_eq!(open(&drop, &["LANG *"]), "+OK en English it is\n");
    assert_eq!(talk(&drop, &["LANG xx"]), "-ERR only English is spoken\n");
    assert_eq!(
        talk(&drop, &["UTF8", "USER \u{fc}"]).matches("+OK").count(),
        2
    );
    assert_eq!(drop.violations(), [""; 0]);
    assert!(talk(&drop, &["UTF8", "STLS"]).contains("-ERR STLS comes before UTF8"));
    let mut plain = maildrop();
    plain.without.push("UTF8".to_owned());
    assert!(talk(&plain, &["USER \u{fc}"]).starts_with("-ERR "));
}

#[test]
fn rules_replace_replies_and_end_conversations() {
    let ruled = |rule: &str, lines: &[&str]| {
        let mut drop = with_user();
        drop.rules.push(rule.parse().unwrap());
        let said = open(&drop, lines);
        assert_eq!(drop.violations(), [""; 0]);
        (said, drop.deleted().len())
    };
    for (rule, lines, expected, deleted) in [
        ("stat reply=+OK 9 9", &["STAT"][..], "+OK 9 9\n", 0),
        (
            "retr=2 count=1 reply=-ERR [SYS/TEMP] x",
            &["RETR 2", "TOP 2 0"],
            "-ERR [SYS/TEMP] x\n+OK the top follows\nE: f\n\n.\n",
            0,
        ),
        (
            "list=1 reply=+OK 1 5",
            &["LIST 1", "LIST 2"],
            "+OK 1 5\n+OK 2 14\n",
            0,
        ),
        ("list reply=+OK\\n7 7\\n.", &["LIST"], "+OK\n7 7\n.\n", 0),
        ("list reply=+ok go", &["LIST"], "+ok go\n1 19\n2 14\n.\n", 0),
        ("retr reply=+OK\\n.", &["RETR 1"], "+OK\n.\n", 0),
        (
            "noop reply=* hello",
            &["NOOP", "NOOP"],
            "* hello\n* hello\n",
            0,
        ),
        ("noop after=1 drop", &["NOOP", "NOOP", "NOOP"], "+OK\n", 0),
        ("noop drop-after delay=1ms", &["NOOP", "NOOP"], "+OK\n", 0),
        (
            "quit reply=-ERR [SYS/PERM] no",
            &["DELE 1", "QUIT", "NOOP"],
            "+OK message 1 is marked\n-ERR [SYS/PERM] no\n",
            0,
        ),
        (
            "quit drop",
            &["DELE 1", "QUIT"],
            "+OK message 1 is marked\n",
            0,
        ),
        (
            "quit drop-after",
            &["DELE 1", "QUIT"],
            "+OK message 1 is marked\n+OK bye\n",
            1,
        ),
        (
            "dele reply=-ERR no",
            &["DELE 1", "QUIT"],
            "-ERR no\n+OK bye\n",
            0,
        ),
    ] {
        assert_eq!(ruled(rule, lines), (expected.to_owned(), deleted), "{rule}");
    }
    for (rule, expected) in [
        ("user=us* reply=-ERR who?", "-ERR who?\n"),
        ("pass=user drop", "+OK and the password?\n"),
        (
            "login=user reply=-ERR [LOGIN-DELAY] later",
            "+OK and the password?\n-ERR [LOGIN-DELAY] later\n",
        ),
        (
            "login reply=+OK come in",
            "+OK and the password?\n+OK come in\n",
        ),
    ] {
        let mut drop = with_user();
        drop.rules.push(rule.parse().unwrap());
        let lines: &[&str] = if rule.starts_with("user") {
            &["USER user"]
        } else {
            &["USER user", "PASS pencil"]
        };
        assert_eq!(talk(&drop, lines), expected, "{rule}");
    }
    let mut away = maildrop();
    away.rules
        .push("connect reply=-ERR [SYS/TEMP] busy".parse().unwrap());
    assert_eq!(
        said(&away, vec!["CAPA\r\n".to_owned()]),
        "-ERR [SYS/TEMP] busy\r\n"
    );
}

#[test]
fn flaws_are_what_they_say() {
    let flawed = |flaw: &str, lines: &[&str]| {
        let mut drop = maildrop();
        drop.flaws.push(flaw.parse().unwrap());
        (open(&drop, lines), drop.messages_left())
    };
    let check = |flaw: &str, line: &str, expected: &str| {
        assert_eq!(flawed(flaw, &[line]).0, expected, "{flaw}");
    };
    check("wrong-sizes", "LIST", "+OK the list follows\n1 9\n2 7\n.\n");
    check("wrong-sizes", "RETR 2", "+OK 28 octets\nE: f\n\n1\n2\n.\n");
    check("zero-sizes", "LIST 1", "+OK 1 0\n");
    check("zero-sizes", "STAT", "+OK 2 0\n");
    check("zero-sizes", "RETR 2", "+OK 0 octets\nE: f\n\n1\n2\n.\n");
    check("lying-stat", "STAT", "+OK 3 67\n");
    check(
        "extra-line-in-list",
        "LIST",
        "+OK the list follows\n1 19\n2 14\nand that is all\n.\n",
    );
    check(
        "extra-line-in-list=3 7",
        "LIST",
        "+OK the list follows\n1 19\n2 14\n3 7\n.\n",
    );
    check("no-final-dot", "RETR 2", "+OK 14 octets\nE: f\n\n1\n2\n");
    check(
        "unstuffed-dot",
        "RETR 1",
        "+OK 19 octets\nA: b\n.\n\n.\n..c\nd\n.\n",
    );
    check(
        "err-in-middle",
        "RETR 1",
        "-ERR this message cannot be read\n",
    );
    check(
        "err-in-middle=2",
        "RETR 1",
        "+OK 19 octets\nA: b\n\n..\n...c\nd\n.\n",
    );
    check("cut-body=2", "RETR 2", "+OK 14 octets\nE: f\n\r");
    check("lower-case", "NOOP", "+ok\n");
    check("lower-case", "RETR 9", "-err no such message, only 2\n");
    let (said, uids) = flawed("duplicate-uids", &["UIDL 2", "DELE 1", "UIDL"]);
    assert!(said.starts_with(&format!("+OK 2 {}\n", uids[0])));
    assert!(said.ends_with(&format!("\n2 {}\n.\n", uids[0])));
    for (flaw, shape) in [
        ("spaced-uids", "a b UID"),
        ("uid-path", "../../UID"),
        ("uid-control", "\u{1b}[31m\u{7}UID\u{8}"),
    ] {
        let (said, uids) = flawed(flaw, &["UIDL 2"]);
        assert_eq!(said, format!("+OK 2 {}\n", shape.replace("UID", &uids[1])));
    }
    let (said, _) = flawed("long-uids", &["UIDL 2"]);
    assert_eq!(said.len(), "+OK 2 \n".len() + 300);
    let mut drop = maildrop();
    drop.flaws.push(Flaw::BareLf);
    let said = said_bare(&drop);
    assert!(said.ends_with("\n+OK 19 octets\nA: b\n\n..\n...c\nd\n.\n") && !said.contains('\r'));
}

fn said_bare(drop: &Maildrop) -> String {
    let lines = ["USER a\r\n", "PASS b\r\n", "RETR 1\r\n"];
    said(drop, lines.map(str::to_owned).to_vec())
}

#[test]
fn generated_messages_are_numbered_and_go() {
    let drop = Maildrop {
        source: Source::Generated {
            count: 3,
            size: 500,
        },
        ..Maildrop::default()
    };
    let said = open(&drop, &["STAT", "UIDL", "DELE 2", "QUIT"]);
    assert!(said.starts_with("+OK 3 1500\n+OK the list follows\n1 generated-1\n2 generated-2\n"));
    assert_eq!(drop.messages_left(), ["generated-1", "generated-3"]);
    assert!(open(&drop, &["RETR 2"]).contains("Subject: Message 3\n"));
}
