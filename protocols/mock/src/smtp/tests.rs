//! Conversations as text: what the client says, and all that it hears.

use std::path::Path;
use std::sync::Arc;

use proto_transport::Memory;

use super::*;

/// Everything that a server says to a client that says all this at once.
fn said(mta: &Mta, says: impl AsRef<[u8]>) -> String {
    serve(mta, Memory::new(says))
}

fn serve(mta: &Mta, memory: Memory) -> String {
    let said = memory.said();
    let mut peer = Peer::over(memory);
    mta.serve(&mut peer, 1).unwrap();
    peer.close();
    said.text()
}

/// The same, where every line, or block without a line end, arrives alone; only the codes.
fn codes(mta: &Mta, pieces: &[&str]) -> String {
    let text = serve(mta, Memory::in_pieces(pieces));
    let codes: Vec<&str> = text
        .lines()
        .filter(|line| line.as_bytes()[3] == b' ')
        .map(|line| &line[..3])
        .collect();
    codes.join(" ")
}

fn mta(change: impl FnOnce(&mut Mta)) -> Mta {
    let mut mta = Mta::default();
    change(&mut mta);
    mta
}

fn with_rules(rules: &[&str]) -> Mta {
    mta(|mta| mta.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

const HELLO: &str = "EHLO me.example\r\n";
const ENVELOPE: &str = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

#[test]
fn a_group_is_answered_in_order() {
    let mta = Mta::default();
    let codes = codes(
        &mta,
        &[
            HELLO,
            "MAIL FROM:<a@b> SIZE=9 BODY=8BITMIME\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\nRCPT TO:<\"e f\"@g>\r\nDATA\r\n",
            "..ü\r\n.\r\nRSET\r\nQUIT\r\n",
        ],
    );
    assert_eq!(codes, "220 250 250 250 250 354 250 250 221");
    let letters = mta.letters();
    assert_eq!(letters.len(), 1);
    let expected = Letter {
        sender: "a@b".to_owned(),
        mail_parameters: vec!["SIZE=9".to_owned(), "BODY=8BITMIME".to_owned()],
        recipients: vec![
            ("c@d".to_owned(), vec!["NOTIFY=NEVER".to_owned()]),
            ("\"e f\"@g".to_owned(), vec![]),
        ],
        content: ".ü\r\n".into(),
        size: 5,
        hello: "me.example".to_owned(),
        connection: 1,
        ..Letter::default()
    };
    assert_eq!(letters[0], expected);
    assert_eq!(mta.violations(), [""; 0]);
    assert_eq!(mta.commands()[1].1, "MAIL FROM:<a@b> SIZE=9 BODY=8BITMIME");
    assert!(mta.wait_for(1, Duration::ZERO));
    assert!(!mta.wait_for(2, Duration::from_millis(10)));
}

#[test]
fn the_offer_has_what_is_not_hidden() {
    let offer = said(&Mta::default(), HELLO);
    assert_eq!(
        offer,
        "220 localhost ESMTP mock server ready\r\n250-localhost greets you\r\n250-PIPELINING\r\n\
        250-SIZE 104857600\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN \
        OAUTHBEARER XOAUTH2 EXTERNAL ANONYMOUS\r\n"
    );
    for (hidden, tried, code) in [
        ("pipelining", "NOOP\r\n", "250"),
        ("SIZE", "MAIL FROM:<a@b> SIZE=1\r\n", "555"),
        ("8BITMIME", "MAIL FROM:<a@b> BODY=7BIT\r\n", "555"),
        ("BINARYMIME", "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555"),
        ("SMTPUTF8", "MAIL FROM:<a@b> SMTPUTF8\r\n", "555"),
        ("DSN", "MAIL FROM:<a@b> RET=FULL\r\n", "555"),
        ("CHUNKING", "BDAT 0 LAST\r\n", "500"),
        ("STARTTLS", "STARTTLS\r\n", "502"),
        ("AUTH", "AUTH PLAIN\r\n", "502"),
        ("ENHANCEDSTATUSCODES", "NOOP\r\n", "250"),
    ] {
        let mta = mta(|mta| mta.without.push(hidden.to_owned()));
        let offer = said(&mta, HELLO);
        let name = hidden.to_uppercase();
        assert!(
            !offer.contains(&format!("{name}\r\n")) && !offer.contains(&format!("{name} ")),
            "{offer}"
        );
        assert_eq!(
            codes(&mta, &[HELLO, tried]),
            format!("220 250 {code}"),
            "{hidden}"
        );
    }
    let mta = mta(|mta| mta.without.push("auth=Plain".to_owned()));
    assert!(said(&mta, HELLO).contains(" CRAM-MD5 LOGIN "));
    assert_eq!(codes(&mta, &[HELLO, "AUTH PLAIN\r\n"]), "220 250 504");
}

#[test]
fn without_ehlo_there_is_helo_and_nothing_else() {
    let mta = mta(|mta| mta.without.push("EHLO".to_owned()));
    let heard = codes(
        &mta,
        &[
            HELLO,
            "HELO me\r\n",
            "STARTTLS\r\n",
            "MAIL FROM:<a@b> SIZE=1\r\n",
            "MAIL FROM:<a@b>\r\n",
            "BDAT 1\r\n",
            "x",
        ],
    );
    assert_eq!(heard, "220 502 250 503 555 250 503");
    let text = said(&mta, "HELO me\r\nMAIL FROM:<>\r\nQUIT\r\n");
    assert!(
        text.ends_with("250 localhost\r\n250 Sender ok\r\n221 Bye\r\n"),
        "{text}"
    );
    assert!(
        mta.violations()
            .last()
            .unwrap()
            .contains("without PIPELINING"),
        "{:?}",
        mta.violations()
    );
}

#[test]
fn commands_have_their_order() {
    for (pieces, expected) in [
        (&["MAIL FROM:<a@b>\r\n"][..], "503"),
        (&[HELLO, "RCPT TO:<a@b>\r\n"], "250 503"),
        (&[HELLO, "DATA\r\n"], "250 503"),
        (
            &[HELLO, "MAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n"],
            "250 250 503",
        ),
        (&[HELLO, "MAIL FROM:<a@b>\r\n", "DATA\r\n"], "250 250 503"),
        (
            &[HELLO, "MAIL FROM:<a@b>\r\n", HELLO, "RCPT TO:<a@b>\r\n"],
            "250 250 250 503",
        ),
        (
            &[HELLO, "MAIL FROM:<a@b>\r\n", "AUTH PLAIN\r\n"],
            "250 250 503",
        ),
        (
            &[HELLO, "MAIL FROM:<a@b>\r\n", "RCPT TO:<>\r\n"],
            "250 250 501",
        ),
        (
            &["EHLO \r\n", "EHLO a b\r\n", "EHLO a_b\r\n", "LHLO a\r\n"],
            "501 501 501 500",
        ),
        (
            &[
                "VRFY\r\n",
                "VRFY a\r\n",
                "EXPN a\r\n",
                "HELP\r\n",
                "TURN\r\n",
            ],
            "501 252 502 214 500",
        ),
        (
            &["QUIT now\r\n", "RSET now\r\n", "NOOP now\r\n"],
            "501 501 250",
        ),
        (
            &[
                HELLO,
                "MAIL FROM:<ü@b>\r\n",
                "MAIL FROM:<ü@b> SMTPUTF8\r\n",
                "RCPT TO:<ö@d>\r\n",
            ],
            "250 553 250 250",
        ),
        (
            &[HELLO, "MAIL FROM:<a@b>\r\n", "RCPT TO:<ö@d>\r\n"],
            "250 250 553",
        ),
        (&[HELLO, "MAIL FROM:<a@b> SIZE=104857601\r\n"], "250 552"),
    ] {
        assert_eq!(
            codes(&Mta::default(), pieces),
            format!("220 {expected}"),
            "{pieces:?}"
        );
    }
}

#[test]
fn line_ends_and_lengths_are_strict() {
    let long = format!("NOOP {}\r\n", "x".repeat(506));
    let longest = format!("NOOP {}\r\n", "x".repeat(505));
    let mta = Mta::default();
    for (line, reply) in [
        ("NOOP\n", "bare LF"),
        ("NO\rOP\r\n", "bare CR"),
        ("NOOP\r\r\n", "bare CR"),
        ("NO\0OP\r\n", "NUL"),
        (long.as_str(), "longer than 512 octets"),
    ] {
        let heard = said(&mta, [line, "QUIT\r\n"].concat());
        assert!(
            heard.contains("500 ") && heard.contains(reply),
            "{line}: {heard}"
        );
        assert!(heard.ends_with("221 Bye\r\n"), "{heard}");
        assert!(mta.violations().iter().any(|text| text.contains(reply)));
    }
    assert_eq!(codes(&mta, &[&longest]), "220 250");
    assert!(said(&mta, b"NOOP \xff\r\n").contains("500 not UTF-8"));
    let endless = "x".repeat(2 * 1024 * 1024);
    assert!(said(&mta, endless).ends_with("500 the line is too long\r\n"));
}

#[test]
fn content_is_strict_too() {
    for (content, parameters, expected) in [
        ("a\nb\r\n.\r\n", "", "554 5.6.0 bare LF in the message"),
        (
            "a\rb\r\n.\r\n",
            " BODY=8BITMIME",
            "554 5.6.0 bare CR in the message",
        ),
        ("a\n.\nb\r\n.\r\n", "", "554 5.6.0 bare LF in the message"),
        ("ü\r\n.\r\n", "", "554 5.6.3 8-bit"),
        ("ü\r\n.\r\n", " BODY=8bitmime", "250 2.0.0 Taken"),
        (".\r\n", "", "250 2.0.0 Taken"),
    ] {
        let mta = Mta::default();
        let says = format!(
            "{HELLO}MAIL FROM:<a@b>{parameters}\r\nRCPT TO:<c@d>\r\nDATA\r\n{content}NOOP\r\n"
        );
        let heard = said(&mta, says);
        let after = heard.split("354 ").nth(1).unwrap().lines().nth(1).unwrap();
        assert!(after.starts_with(expected), "{content:?}: {heard}");
        assert!(heard.ends_with("250 2.0.0 Ok\r\n"), "{heard}");
        assert_eq!(mta.letters().len(), usize::from(after.starts_with("250")));
    }
    let mta = Mta::default();
    codes(&mta, &[HELLO, ENVELOPE, ".x\r\n.\r\n"]);
    assert_eq!(mta.letters()[0].content, b"x\r\n");
    assert!(mta.violations()[0].contains("not doubled"));
    let heard = codes(
        &mta,
        &[
            HELLO,
            "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n",
            "DATA\r\n",
        ],
    );
    assert_eq!(heard, "220 250 250 250 503");
}

#[test]
fn what_comes_too_early_is_noted() {
    for (pieces, command) in [
        (&["EHLO me\r\nNOOP\r\n"][..], "EHLO me"),
        (&[HELLO, "NOOP\r\nRSET\r\n"], "NOOP"),
        (
            &[
                HELLO,
                "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n",
            ],
            "DATA",
        ),
        (
            &[HELLO, "AUTH PLAIN AGEAYg==\r\nNOOP\r\n"],
            "AUTH PLAIN AGEAYg==",
        ),
        (&[HELLO, "AUTH LOGIN\r\n", "YQ==\r\nYg==\r\n"], "YQ=="),
    ] {
        let mta = Mta::default();
        codes(&mta, pieces);
        let violations = mta.violations();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(
            violations[0].starts_with(&format!("1: {command}: ")),
            "{violations:?}"
        );
        assert!(violations[0].contains("bytes came before the reply"));
    }
    let hidden = mta(|mta| mta.without.push("PIPELINING".to_owned()));
    codes(
        &hidden,
        &[
            HELLO,
            "RSET\r\nRSET\r\n",
            "MAIL FROM:<a@b>\r\n",
            "RCPT TO:<c@d>\r\n",
            "DATA\r\n",
            ".\r\nQUIT\r\n",
        ],
    );
    let violations = hidden.violations();
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].starts_with("1: RSET: "));
    assert!(violations[1].starts_with("1: DATA: "));
}

#[test]
fn chunks_make_a_message() {
    let mta = Mta::default();
    let heard = codes(
        &mta,
        &[
            HELLO,
            "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 6\r\n.\n\r\0",
            "ü",
            "BDAT 3 LAST\r\n\r\n.MAIL FROM:<e@f>\r\n",
            "QUIT\r\n",
        ],
    );
    assert_eq!(heard, "220 250 250 250 250 250 250 221");
    let letter = &mta.letters()[0];
    assert_eq!(letter.content, ".\n\r\0ü\r\n.".as_bytes());
    assert!(letter.by_chunks);
    assert_eq!(mta.violations(), [""; 0]);
}

#[test]
fn a_refused_chunk_is_read_and_then_only_rset_helps() {
    let mta = with_rules(&["data count=1 reply=452 4.3.1 Full"]);
    let heard = codes(
        &mta,
        &[
            HELLO,
            "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 6\r\nQUIT\r\nBDAT 2 LAST\r\n\r\n",
            "MAIL FROM:<a@b>\r\nDATA\r\n",
            "RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nx\r\n",
            "DATA\r\n",
            "RSET\r\n",
            "BDAT 1x\r\n",
            "NOOP\r\n",
        ],
    );
    assert_eq!(
        heard,
        "220 250 250 250 452 503 503 503 250 250 250 250 503 250 501"
    );
    assert_eq!(mta.letters(), []);
    // Line ends count across chunks.
    let mta = Mta::default();
    let envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    let says = format!("{HELLO}{envelope}BDAT 1\r\n\rBDAT 1 LAST\r\n\nRSET\r\n{envelope}BDAT 1\r\n\rBDAT 1 LAST\r\nx");
    let heard = said(&mta, says);
    assert!(
        heard.ends_with("554 5.6.0 bare CR in the message\r\n"),
        "{heard}"
    );
    assert_eq!(mta.letters()[0].content, b"\r\n");
    assert!(mta.letters()[0].by_chunks);
}

#[test]
fn a_message_may_have_its_size_and_not_more() {
    let mta = mta(|mta| mta.max_size = 5);
    assert!(said(&mta, HELLO).contains("250-SIZE 5\r\n"));
    let heard = codes(
        &mta,
        &[
            HELLO,
            ENVELOPE,
            "..ab\r\n.\r\n",
            ENVELOPE,
            "abcd\r\n.\r\n",
            "NOOP\r\n",
        ],
    );
    assert_eq!(heard, "220 250 250 250 354 250 250 250 354 552 250");
    let envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    let heard = codes(
        &mta,
        &[
            HELLO,
            envelope,
            "BDAT 3\r\nabc",
            "BDAT 3\r\nabc",
            "BDAT 0 LAST\r\n",
            "RSET\r\n",
        ],
    );
    assert_eq!(heard, "220 250 250 250 250 552 503 250");
    assert_eq!(mta.letters().len(), 1);
}

#[test]
fn lmtp_replies_for_every_recipient() {
    let mta = mta(|mta| {
        mta.lmtp = true;
        mta.rules
            .push("dot=no@* reply=452 4.2.2 Full".parse().unwrap());
    });
    let envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<yes@d>\r\nRCPT TO:<no@d>\r\nRCPT TO:<also@d>\r\n";
    let data = format!("{envelope}DATA\r\n");
    let chunk = format!("{envelope}BDAT 2 LAST\r\n\r\n");
    let heard = codes(
        &mta,
        &[
            HELLO,
            "LHLO me\r\n",
            &data,
            "x\r\n.\r\n",
            &chunk,
            &data,
            "x\n\r\n.\r\n",
            "DATA\r\n",
        ],
    );
    assert_eq!(
        heard,
        "220 500 250 250 250 250 250 354 250 452 250 250 250 250 250 250 452 250 \
        250 250 250 250 354 554 554 554 503"
    );
    let letters = mta.letters();
    assert_eq!(letters.len(), 2);
    assert!(!letters[0].by_chunks && letters[1].by_chunks);
    assert_eq!(letters[1].recipients.len(), 2);
}

#[test]
fn rules_replace_replies_and_count() {
    let mta = with_rules(&[
        "ehlo=me.example count=1 reply=250 short\\nSIZE 7",
        "rcpt=bad@* reply=550 5.1.1 No\\n5.1.1 such user",
        "rcpt after=1 count=1 reply=450 later",
        "dot count=1 reply=554 no",
        "data after=2 reply=421 bye",
    ]);
    let says = format!(
        "{HELLO}MAIL FROM:<a@b>\r\nRCPT TO:<Bad@x>\r\nRCPT TO:<1@x>\r\nRCPT TO:<2@x>\r\nRCPT TO:<3@x>\r\nDATA\r\n\
        .\r\nMAIL FROM:<a@b>\r\nRCPT TO:<4@x>\r\nDATA\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<5@x>\r\nDATA\r\nNOOP\r\n"
    );
    let heard = said(&mta, says);
    let expected = "220 localhost ESMTP mock server ready\r\n250-short\r\n250 SIZE 7\r\n250 2.1.0 Sender ok\r\n\
        550-5.1.1 No\r\n550 5.1.1 such user\r\n250 2.1.5 Recipient ok\r\n450 later\r\n250 2.1.5 Recipient ok\r\n\
        354 Go on, and end with a dot\r\n554 no\r\n\
        250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 Go on, and end with a dot\r\n250 2.0.0 Taken\r\n\
        250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n421 bye\r\n";
    assert_eq!(heard, expected);
    let mta = with_rules(&["connect reply=554 go away"]);
    assert_eq!(
        said(&mta, "EHLO me\r\nQUIT\r\n"),
        "554 go away\r\n503 You were turned away\r\n221 Bye\r\n"
    );
    let mta = with_rules(&["noop drop", "rset drop-after", "auth reply=235 in"]);
    assert_eq!(codes(&mta, &[HELLO, "NOOP\r\n", "RSET\r\n"]), "220 250");
    assert_eq!(codes(&mta, &[HELLO, "RSET\r\n", "NOOP\r\n"]), "220 250 250");
    assert_eq!(
        codes(&mta, &[HELLO, "AUTH PLAIN\r\n", "AUTH PLAIN\r\n"]),
        "220 250 235 503"
    );
}

#[test]
fn login_can_be_needed() {
    let mta = mta(|mta| {
        mta.requires_login = true;
        mta.users.push(("fred".to_owned(), "pw".to_owned()));
    });
    let heard = codes(
        &mta,
        &[
            HELLO,
            "MAIL FROM:<a@b>\r\n",
            "AUTH PLAIN\r\n",
            "*\r\n",
            "AUTH PLAIN !\r\n",
            "AUTH PLAIN AGZyZWQAbm8=\r\n",
            "AUTH CRAM-MD5 =\r\n",
            "AUTH PLAIN AGZyZWQAcHc=\r\n",
            "AUTH PLAIN AGZyZWQAcHc=\r\n",
            ENVELOPE,
            ".\r\n",
        ],
    );
    assert_eq!(
        heard,
        "220 250 530 334 501 501 535 535 235 503 250 250 354 250"
    );
    let letter = &mta.letters()[0];
    assert_eq!(letter.user.as_deref(), Some("fred"));
    assert_eq!(letter.mechanism.as_deref(), Some("PLAIN"));
    // Giving up and a wrong password are no violations.
    assert_eq!(mta.violations().len(), 3, "{:?}", mta.violations());
    let mta = super::tests::mta(|mta| mta.requires_tls = true);
    let heard = codes(
        &mta,
        &[
            HELLO,
            "NOOP\r\n",
            "AUTH PLAIN\r\n",
            "BDAT 4\r\nQUIT",
            "QUIT\r\n",
        ],
    );
    assert_eq!(heard, "220 250 250 530 530 221");
}

fn files(folder: &Path, part: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder.join(part)).unwrap();
    entries
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn a_maildir_gets_whole_messages_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("box");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mta = mta(|mta| {
        mta.store = Store::Maildir(root.clone());
        mta.max_size = 100;
        let seen = Arc::clone(&seen);
        mta.notify = Some(Box::new(move |news: &News<'_>| {
            locked(&seen).push(match news {
                News::Letter(letter) => format!("{} octets", letter.size),
                News::Violation(what) => (*what).to_owned(),
            });
        }));
    });
    let large = format!("{}\r\n.\r\n", "x".repeat(200));
    codes(
        &mta,
        &[
            HELLO,
            ENVELOPE,
            "..a\r\n.\r\n",
            ENVELOPE,
            "b\nc\r\n.\r\n",
            ENVELOPE,
            &large,
            ENVELOPE,
            "cut",
        ],
    );
    assert_eq!(files(&root, "new"), [b".a\r\n"]);
    assert_eq!(files(&root, "tmp"), [b""; 0]);
    assert_eq!(files(&root, "cur"), [b""; 0]);
    assert_eq!(mta.letters()[0].content, b"");
    assert_eq!(
        *locked(&seen),
        ["4 octets", "1: DATA: bare LF in the message"]
    );
    // A store that fails is told to the client.
    let mta = super::tests::mta(|mta| mta.store = Store::Maildir("/dev/null/x".into()));
    assert_eq!(
        codes(&mta, &[HELLO, ENVELOPE, ".\r\n", "QUIT\r\n"]),
        "220 250 250 250 354 451 221"
    );
}

#[test]
fn any_end_is_survived() {
    let says = format!(
        "{HELLO}AUTH LOGIN\r\nYQ==\r\n*\r\n{ENVELOPE}..x\r\n.\r\nMAIL FROM:<\"a\\\" b\"@[IPv6:::1]> \
        SIZE=3 ENVID=+2B\r\nRCPT TO:<ü@d> ORCPT=rfc822;a\r\nBDAT 3\r\n\r\nxBDAT 0 LAST\r\nRSET\r\n"
    );
    for end in 0..says.len() {
        said(&Mta::default(), &says.as_bytes()[..end]);
        let mut twice = says.clone().into_bytes();
        twice.remove(end);
        said(&Mta::default(), twice);
    }
}
