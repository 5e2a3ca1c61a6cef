//! What servers say in the examples of RFC 9051 and RFC 3501, and what real ones say.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Data {
    Data::parse(text.as_bytes(), false).unwrap()
}

fn listing(text: &str) -> Listing {
    match parse(text) {
        Data::Listing(listing) => listing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_responses_with_codes() {
    let told = Told::parse(b"OK [UIDVALIDITY 3857529045] UIDs valid").unwrap();
    assert_eq!(told.kind, Kind::Ok);
    assert_eq!(told.code, Some(Code::UidValidity(3_857_529_045)));
    assert_eq!(told.text, "UIDs valid");
    for (text, kind) in [
        ("ok", Kind::Ok),
        (
            "NO Disk is 98% full, please delete unnecessary data",
            Kind::No,
        ),
        ("BAD Command line too long", Kind::Bad),
        ("BYE Autologout; idle for too long", Kind::Bye),
        ("PREAUTH IMAP4rev2 server logged in as Smith", Kind::Preauth),
    ] {
        assert_eq!(Told::parse(text.as_bytes()).unwrap().kind, kind);
    }
    for wrong in ["OKAY", "", "+OK", "CAPABILITY"] {
        assert_eq!(Told::parse(wrong.as_bytes()), None);
    }
    let told = Told::parse(b"BYE [UNAVAILABLE] \x1b[2J later").unwrap();
    assert_eq!(told.refusal(), Some(Refusal::Transient));
    assert_eq!(told.to_string(), "BYE [UNAVAILABLE] \\x1b[2J later");
    let long = [b"NO ".to_vec(), vec![b'x'; 9_999]].concat();
    assert_eq!(Told::parse(&long).unwrap().text.len(), TEXT);
}

#[test]
fn capabilities_and_what_they_imply() {
    let Data::Capabilities(capabilities) =
        parse("CAPABILITY STARTTLS auth=gssapi IMAP4rev2 LOGINDISABLED ")
    else {
        panic!();
    };
    assert!(capabilities.offers("LOGINDISABLED") && capabilities.offers("MOVE"));
    assert!(!capabilities.offers("CONDSTORE") && !capabilities.offers("LITERAL+"));
    assert_eq!(capabilities.mechanisms(), ["GSSAPI"]);
    assert!(!Capabilities::parse(b"IMAP4rev1").offers("MOVE"));
}

#[test]
fn mailboxes_in_a_list() {
    let found = listing("LIST (\\Noselect) \"/\" ~/Mail/foo");
    assert_eq!(
        (found.mailbox.name(), found.delimiter),
        ("~/Mail/foo", Some('/'))
    );
    assert!(!found.is_selectable());
    assert_eq!(listing("LIST () NIL inbox").delimiter, None);
    assert!(listing("list () \"/\" {5}\r\ninbox").mailbox.is_inbox());
    let found = listing("LIST (\\Marked \\HasNoChildren \\SENT) \".\" \"Entw&APw-rfe \\\"a\\\"\"");
    assert_eq!(found.mailbox.name(), "Entwürfe \"a\"");
    assert_eq!(found.special_use(), Some("\\Sent"));
    let found = listing("LIST (\\Subscribed) \"/\" \"foo\" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    assert!(found.has("\\subscribed"));
    assert_eq!(
        listing("LIST () \"\\\\\" \"[Gmail]\"").delimiter,
        Some('\\')
    );
    for wrong in [
        "LIST",
        "LIST ()",
        "LIST () \"/\"",
        "LIST ( \"/\" x",
        "LIST () \"/\" (",
    ] {
        assert!(Data::parse(wrong.as_bytes(), false).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_in_a_mailbox() {
    let Data::Status(mailbox, status) =
        parse("STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 SIZE 99999999999 X-ODD (1 2) HIGHESTMODSEQ 7 )")
    else {
        panic!();
    };
    assert_eq!(mailbox.name(), "blurdybloop");
    assert_eq!((status.messages, status.uid_next), (Some(231), Some(44292)));
    assert_eq!(
        (status.size, status.highest_modseq, status.unseen),
        (Some(99_999_999_999), Some(7), None)
    );
    for wrong in [
        "STATUS x (UIDNEXT 0)",
        "STATUS x (MESSAGES -1)",
        "STATUS x (MESSAGES)",
        "STATUS x",
    ] {
        assert!(Data::parse(wrong.as_bytes(), false).is_err(), "{wrong}");
    }
}

#[test]
fn namespaces_of_the_rfc() {
    let Data::Namespaces(found) = parse(
        "NAMESPACE ((\"\" \"/\")(\"#mh/\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\"))) ((\"~\" \"/\")) NIL",
    ) else {
        panic!();
    };
    assert_eq!(found.personal.len(), 2);
    assert_eq!(found.others[0].prefix, b"~");
    assert_eq!(found.shared, []);
    assert_eq!(
        parse("NAMESPACE NIL NIL nil"),
        Data::Namespaces(Namespaces::default())
    );
}

#[test]
fn the_rest() {
    assert_eq!(parse("23 EXISTS"), Data::Exists(23));
    assert_eq!(parse("44 expunge "), Data::Expunged(44));
    assert_eq!(parse("5 RECENT"), Data::Other);
    let Data::Identity(identity) = parse("ID (\"name\" \"Cyrus\" \"version\" NIL)") else {
        panic!();
    };
    assert_eq!(
        identity,
        [
            ("name".into(), "Cyrus".into()),
            ("version".into(), String::new())
        ]
    );
    assert_eq!(parse("ID NIL"), Data::Identity(Vec::new()));
    let uids = UidSet::parse("41,43:116,118").unwrap();
    assert_eq!(
        parse("VANISHED (EARLIER) 41,43:116,118"),
        Data::Vanished {
            uids,
            is_earlier: true
        }
    );
    let all = UidSet::parse("1:4294967295").unwrap();
    assert_eq!(
        parse("VANISHED 1:4294967295"),
        Data::Vanished {
            uids: all,
            is_earlier: false
        }
    );
    assert!(
        matches!(parse("FLAGS (\\Answered \\Flagged)"), Data::Flags(flags) if flags.len() == 2)
    );
    assert_eq!(parse("X-UNHEARD-OF (("), Data::Other);
    for wrong in [
        "0 EXPUNGE",
        "4294967296 EXISTS",
        "VANISHED x",
        "THREAD (",
        "FLAGS x",
    ] {
        assert!(Data::parse(wrong.as_bytes(), false).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_response_is_too_strange(
        word in "(LIST|STATUS|NAMESPACE|ID|THREAD|VANISHED|FLAGS|OK|NO|CAPABILITY|7) ",
        rest in "[ ()\\[\\]{}~\"\\\\A-Ca-c0-9,:*]{0,40}",
        bytes: Vec<u8>,
    ) {
        for text in [rest.as_bytes(), &bytes] {
            let _ = Data::parse(&[word.as_bytes(), text].concat(), false);
            let mut attributes = message::Attributes::default();
            for name in ["UID", "FLAGS", "INTERNALDATE", "ENVELOPE", "BODYSTRUCTURE", "MODSEQ"] {
                let _ = attributes.take(name.as_bytes(), text);
            }
            let _ = message::Section::parse(text);
            if let Some((kind, _)) = hits::HitKind::of(b"ESEARCH") {
                let mut reader = hits::HitReader::new(kind);
                if reader.push(text).is_ok() {
                    let _ = reader.finish();
                }
            }
        }
    }
}
