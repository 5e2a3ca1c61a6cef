//! Answers that are not what they seem, ways in that are none, and texts that want a terminal.

use std::net::TcpListener;

use super::{answering, arguments, run, url_of, COMMANDS, LETTERS};
use crate::harness::{imap_of, Imap, Script};
use proto_mock::{Options, Outcome};

const EVIL: &str = "\u{1b}[2J\u{1b}]52;c;eA==\u{7}\u{9b}31m\u{202e}x\u{85}";

/// A server with rules.
fn ruled(rules: &[String]) -> Imap {
    let letter = format!(
        "From: {EVIL} <a@b>\r\nSubject: {EVIL} =?utf-8?q?=1B[31m=C2=9B=0A?=\r\nMessage-ID: {EVIL}\r\n\r\n"
    );
    let mut server = imap_of(&[letter.as_bytes(), b"x", b"y", b"z"]);
    server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    let imap = Imap::with(server, Options::default());
    imap.fill("Other", &[]);
    imap
}

#[test]
fn escape_sequences_drive_no_terminal() {
    let rules = [
        format!("connect reply=* OK {EVIL}"),
        format!("login reply=* OK [ALERT] {EVIL}\\nOK [ALERT] {EVIL}"),
        format!("list reply=* LIST (\\{EVIL}) \"{EVIL}\" \"{EVIL}\"\\n* LIST () \"/\" &AJs-\\nOK {EVIL}"),
        format!("search reply=* NO {EVIL}\\n* {EVIL}\\nOK"),
        format!("fetch reply=* 1 FETCH (FLAGS (\"{EVIL}\"))\\nOK"),
        format!("select reply=* FLAGS (\"{EVIL}\")\\nOK [PERMANENTFLAGS (\"{EVIL}\")] {EVIL}"),
        format!("append reply=NO [{EVIL}] {EVIL}"),
        format!("move reply=NO {EVIL}"),
        format!("copy reply=BAD {EVIL}"),
        format!("logout reply=* BYE {EVIL}\\nOK {EVIL}"),
    ];
    for rules in [&rules[..1], &rules[1..], &rules[2..6], &[]] {
        let imap = ruled(rules);
        for words in COMMANDS {
            for more in [&[][..], &["--json"], &["-v", "--trace", "--json"]] {
                run(&arguments(words, &imap.url("INBOX"), more));
            }
        }
        run(&["imap-list", &imap.url("")]);
    }
    for refusal in [
        format!("connect reply=BYE {EVIL}"),
        format!("connect reply={EVIL}"),
        format!("login reply=NO [{EVIL}] {EVIL}"),
        format!("list reply=NO {EVIL}"),
        format!("list reply=BYE {EVIL}"),
    ] {
        let imap = ruled(&[refusal]);
        assert_ne!(run(&["imap-list", &imap.url("")]).code, 0);
    }
}

/// A line end in a subject makes no row (CWE-117).
#[test]
fn a_field_forges_no_row() {
    let imap = Imap::of(&[b"Subject: =?utf-8?q?a=0A9999999=0D=0A?= b\n\n"]);
    let run = run(&["imap-search", &imap.url("INBOX"), "--headers"]);
    assert_eq!(run.text().lines().count(), 1);
}

/// Names that are paths elsewhere are names here, and what is not well-formed is shown and kept
/// (CVE-2021-20247; the decoders of others panic on these).
#[test]
fn mailboxes_have_any_name() {
    let server = answering(&[
        (
            "LIST",
            b"* LIST () \"/\" \"../../etc/passwd\"\r\n* LIST () NIL \"&!!-\"\r\n\
              * LIST () \".\" \"a&AOkAOk-b\"\r\n* LIST () \"\\\\\" {3}\r\na\rb\r\n\
              * LIST () \"/\" \"\"\r\n* LIST () \"/\" \"&AC4ALg-/x\"\r\n* LIST () \"/\" iNbOx\r\n\
              * LIST () \"/\" \"`id`; $(id) | -rf\"\r\n* LIST () \"/\" \"a\xc3\xa9\"\r\nTAG OK\r\n",
        ),
        ("STATUS", b"TAG NO\r\n"),
    ]);
    let found = run(&["imap-list", &url_of(&server, ""), "--json"]).exits(0);
    let text = found.text();
    assert_eq!(text.lines().count(), 9, "{text}");
    for name in [
        "../../etc/passwd",
        "&!!-",
        "INBOX",
        "a\\\\rb",
        "`id`; $(id) | -rf",
    ] {
        assert!(
            text.contains(&format!("\"name\":\"{name}\"")),
            "{name}: {text}"
        );
    }
}

/// Only the answer that belongs to a command, at its time, ends it.
#[test]
fn answers_that_do_not_belong_are_not_believed() {
    for (table, words, codes) in [
        // What answers a search are UIDs.
        (
            &[("UID SEARCH", &b"* SEARCH 0\r\nTAG OK\r\n"[..])][..],
            COMMANDS[1],
            &[76][..],
        ),
        (
            &[("UID SEARCH", b"* SEARCH 4294967296\r\nTAG OK\r\n")],
            COMMANDS[1],
            &[76],
        ),
        (
            &[("UID SEARCH", b"* SEARCH -1\r\nTAG OK\r\n")],
            COMMANDS[1],
            &[76],
        ),
        (
            &[("UID SEARCH", b"* SEARCH x\r\nTAG OK\r\n")],
            COMMANDS[1],
            &[76],
        ),
        (&[("UID SEARCH", b"x OK\r\n")], COMMANDS[1], &[76]),
        (&[("UID SEARCH", b"+ go on\r\n")], COMMANDS[1], &[76]),
        (&[("UID SEARCH", b"250 OK\r\n")], COMMANDS[1], &[76]),
        (
            &[("UID SEARCH", b"TAG OK\r\nTAG OK\r\n")],
            COMMANDS[2],
            &[76],
        ),
        (&[("EXAMINE", b"TAG OK\r\n")], COMMANDS[1], &[76]),
        (
            &[("EXAMINE", b"* 99999999999 EXISTS\r\nTAG OK\r\n")],
            COMMANDS[1],
            &[76],
        ),
        // A literal without a reason, and one that is too long (CVE-2017-1000257).
        (
            &[(
                "LIST",
                b"* LIST () \"/\" {18446744073709551616}\r\nx\r\nTAG OK\r\n",
            )],
            COMMANDS[0],
            &[65, 76],
        ),
        (
            &[("LIST", b"* LIST () \"/\" {-1}\r\nTAG OK\r\n")],
            COMMANDS[0],
            &[0, 76],
        ),
        (
            &[("LIST", b"* LIST () \"/\" {+}\r\nTAG OK\r\n")],
            COMMANDS[0],
            &[0, 76],
        ),
        (
            &[("LIST", b"* LIST () \"/\" {4294967296}\r\n0123456789\r\n")],
            COMMANDS[0],
            &[65, 75],
        ),
        // APPEND with LITERAL+ waits for nothing, and takes no go-ahead for a yes.
        (&[("APPEND", b"+ go on\r\n")], COMMANDS[4], &[79]),
        (&[("APPEND", b"x NO\r\n")], COMMANDS[4], &[79]),
        (
            &[("UID MOVE", b"* OK [COPYUID 7 1:3 1:9]\r\nTAG OK\r\n")],
            COMMANDS[6],
            &[0],
        ),
        (
            &[("UID MOVE", b"* OK [COPYUID 7 8:9 8:9]\r\nTAG OK\r\n")],
            COMMANDS[6],
            &[69],
        ),
    ] {
        let table: &'static [_] = table.to_vec().leak();
        let server = answering(table);
        let url = url_of(&server, if words[0] == "imap-list" { "" } else { "INBOX" });
        let run = run(&arguments(
            words,
            &url,
            &["--deadline", "2s", "--retry", "0"],
        ));
        assert!(codes.contains(&run.code), "{table:?} {words:?}: {run:?}");
    }
}

/// The stack does not grow with what a server nests.
#[test]
fn nesting_has_a_limit() {
    let mut nested = b"* 1 FETCH (UID 1 BODYSTRUCTURE ".to_vec();
    nested.extend_from_slice(&b"(".repeat(200_000));
    nested.extend_from_slice(b"\r\nTAG OK\r\n");
    let mut threads = b"* THREAD ".to_vec();
    threads.extend_from_slice(&b"(".repeat(200_000));
    threads.extend_from_slice(b"\r\nTAG OK\r\n");
    for text in [nested, threads] {
        let table = vec![("UID FETCH", &*text.leak())].leak();
        let server = answering(table);
        let url = url_of(&server, "INBOX");
        let run = run(&["imap-search", &url, "--headers"]);
        assert!(matches!(run.code, 0 | 65 | 76), "{run:?}");
    }
}

/// Nobody follows a referral (RFC 2193, RFC 2221).
#[test]
fn referrals_lead_nowhere() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = format!("imap://localhost:{}/", trap.local_addr().unwrap().port());
    for (rule, code) in [
        (
            format!("connect reply=BYE [REFERRAL {elsewhere}] go there"),
            75,
        ),
        (
            format!("login reply=NO [REFERRAL {elsewhere}] go there"),
            77,
        ),
        (
            format!("examine reply=NO [REFERRAL {elsewhere}] go there"),
            69,
        ),
    ] {
        let imap = ruled(&[rule]);
        let run = run(&["imap-search", &imap.url("INBOX")]);
        assert_eq!(run.code, code, "{run:?}");
        assert!(trap.accept().is_err(), "somebody came");
    }
}

#[test]
fn credentials_go_only_where_they_are_safe() {
    for (flaws, rules, without) in [
        // Logged in before TLS can be had (CVE-2020-14093).
        (&["preauth"][..], &[][..], &[][..]),
        // Answers to commands that nobody has said (CVE-2026-42246).
        (&["early-replies"], &[], &[]),
        (&[], &[], &["STARTTLS"]),
        (&[], &["starttls reply=NO not now"], &[]),
        (&[], &["starttls reply=BAD what?"], &[]),
        (&[], &["capability reply=BAD what?"], &["STARTTLS"]),
    ] {
        let mut server = imap_of(&LETTERS);
        server.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
        server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        server.without = without.iter().map(|name| (*name).to_owned()).collect();
        let imap = Imap::with(server, Options::default());
        let run = run(&["imap-list", &imap.url(""), "--starttls"]);
        assert_eq!(run.code, 76, "{flaws:?} {rules:?} {without:?}: {run:?}");
        for verb in ["LOGIN", "AUTHENTICATE", "LIST"] {
            assert_eq!(imap.heard_of(verb), [""; 0], "{flaws:?} {rules:?}");
        }
    }
    // On a way that is private, LOGINDISABLED is obeyed all the same.
    let mut server = imap_of(&LETTERS);
    server.flaws.push("login-disabled".parse().unwrap());
    server.without.push("AUTH".to_owned());
    let imap = Imap::with(server, Options::default());
    assert_eq!(run(&["imap-list", &imap.url("")]).code, 77);
    assert_eq!(imap.heard_of("LOGIN"), [""; 0]);
    assert_eq!(run(&["imap-list", &imap.url(""), "--starttls"]).code, 0);
}

/// What a URL says of a mechanism restricts, and allows nothing (RFC 5092 section 3.2).
#[test]
fn a_mechanism_in_the_url_is_the_only_one() {
    let imap = Imap::of(&LETTERS);
    let with = |mechanism: &str| {
        imap.url("")
            .replace("fred:", &format!("fred;AUTH={mechanism}:"))
    };
    assert_eq!(run(&["imap-list", &with("PLAIN")]).code, 0);
    assert_eq!(imap.heard_of("AUTHENTICATE PLAIN").len(), 1);
    assert_eq!(run(&["imap-list", &with("*")]).code, 0);
    assert_eq!(run(&["imap-list", &with("GSSAPI")]).code, 64);
    assert_eq!(run(&["imap-list", &with("SCRAM-SHA-256")]).code, 77);
    assert_eq!(imap.heard_of("LOGIN"), [""; 0]);
    let url = imap.url("INBOX;UID=1;URLAUTH=anonymous:internal:00");
    assert_eq!(run(&["imap-search", &url]).code, 64);
}

/// All that was said in the clear is forgotten (CVE-2021-38370), as if it had never been.
#[test]
fn what_was_said_before_tls_is_forgotten() {
    let text = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN LITERAL+ LIST-STATUS] hi\n\
        S: * LIST () \"/\" Evil\nS: * STATUS Evil (MESSAGES 1)\nS: * SEARCH 1 2 3\nS: * 3 EXISTS\n\
        C: a1 STARTTLS\nS: a1 OK\n= tls\nC: a2 CAPABILITY\n\
        S: * CAPABILITY IMAP4rev1\nS: a2 OK\nC: a3 LOGIN \"fred\" (secret)\nS: a3 OK\n\
        C: a4 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a4 OK\nC: a5 LIST \"\" \"*\"\nS: a5 OK\n\
        C: a6 LOGOUT\nS: * BYE\nS: a6 OK\n";
    let script = Script::play(text);
    let url = url_of(&script.server, "");
    let run = run(&["imap-list", &url, "--starttls"]);
    assert!(matches!(run.code, 0 | 76), "{run:?}");
    assert!(!run.text().contains("Evil"), "{run:?}");
    if run.code == 0 {
        assert_eq!(script.replay.outcome(), Outcome::AsWritten);
    }
}
