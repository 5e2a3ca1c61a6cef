//! Conversations over an open account. `C` is what we are to say, in order; the rest is heard.

use super::*;
use crate::mailbox::Mailbox;
use crate::reply::flag::Flag;
use crate::search::Search;
use crate::set::UidSet;
use crate::tags::Tags;
use proto_transport::{Memory, Said};

mod append;
mod fetch;
mod search;

/// A session with these capabilities and INBOX open, which hears this in pieces of this size.
fn cut(capabilities: &str, heard: &[u8], size: usize) -> (Session, Said) {
    let lines = heard.split_inclusive(|byte| *byte == b'\n');
    let memory = Memory::in_pieces(lines.flat_map(|line| line.chunks(size)));
    let said = memory.said();
    (open(memory, capabilities), said)
}

fn open(memory: Memory, capabilities: &str) -> Session {
    let mut wire = Wire::new(Connection::over(memory), Tags::with_prefix("a"));
    wire.capabilities = Capabilities::parse(capabilities.as_bytes());
    Session {
        wire,
        selected: Some(Selected {
            mailbox: Mailbox::new("INBOX").unwrap(),
            exists: 3,
            uid_validity: Some(1),
            uid_next: None,
            flags: Vec::new(),
            permanent_flags: Vec::new(),
            may_invent_flags: false,
            is_read_only: false,
            highest_modseq: None,
            has_sticky_uids: true,
        }),
    }
}

fn session(capabilities: &str, heard: &str) -> (Session, Said) {
    cut(capabilities, heard.as_bytes(), usize::MAX)
}

fn set(text: &str) -> UidSet {
    UidSet::parse(text).unwrap()
}

#[test]
fn opening_a_mailbox() {
    // RFC 9051 section 6.3.2 and RFC 7162 section 3.1.2.
    let heard = "* 99 EXISTS\r\n* OK [CLOSED] Previous mailbox is now closed\r\n* 172 EXISTS\r\n\
        * OK [UIDVALIDITY 3857529045] UIDs valid\r\n* OK [UIDNEXT 4392] Predicted next UID\r\n\
        * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n\
        * OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited\r\n* LIST () \"/\" INBOX\r\n\
        * OK [HIGHESTMODSEQ 715194045007]\r\na1 OK [READ-WRITE] SELECT completed\r\na2 NO [NONEXISTENT] no\r\n";
    let (mut one, said) = session("", heard);
    let selected = one.select(&Mailbox::new("inbox").unwrap()).unwrap();
    assert_eq!(
        (selected.exists, selected.uid_validity, selected.uid_next),
        (172, Some(3_857_529_045), Some(4392))
    );
    assert_eq!(
        (
            selected.flags.len(),
            selected.permanent_flags.len(),
            selected.may_invent_flags
        ),
        (5, 2, true)
    );
    assert_eq!(selected.highest_modseq, Some(715_194_045_007));
    assert!(!selected.is_read_only && selected.has_sticky_uids);
    assert!(one.examine(&Mailbox::new("Entwürfe").unwrap()).is_err());
    assert_eq!(one.selected(), None);
    assert!(matches!(
        one.search(&Search::all()),
        Err(Error::Illegal { .. })
    ));
    assert_eq!(
        said.text(),
        "a1 SELECT INBOX\r\na2 EXAMINE Entw&APw-rfe\r\n"
    );
    let (mut one, _) = session("", "a1 OK\r\n");
    assert!(matches!(
        one.select(&Mailbox::new("x").unwrap()),
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn lists_with_their_status() {
    let options = ListOptions {
        status: vec!["MESSAGES".to_owned(), "UNSEEN".to_owned()],
        special_use: true,
        ..ListOptions::default()
    };
    let heard = "* LIST (\\Sent) \"/\" Sent\r\n* STATUS Sent (MESSAGES 3 UNSEEN 0)\r\n* LIST (\\Noselect) \"/\" x\r\na1 OK\r\n";
    let (mut one, said) = session("LIST-EXTENDED LIST-STATUS SPECIAL-USE", heard);
    let found = one.list("", &["*", "ü%"], &options).unwrap();
    assert_eq!(
        found[0].status.as_ref().and_then(|status| status.messages),
        Some(3)
    );
    assert_eq!((found[0].special_use(), found.len()), (Some("\\Sent"), 2));
    assert_eq!(
        said.text(),
        "a1 LIST \"\" (\"*\" \"&APw-%\") RETURN (SPECIAL-USE STATUS (MESSAGES UNSEEN))\r\n"
    );

    let heard = "* LIST () \"/\" a\r\n* LIST () \"/\" b\r\n* LIST (\\Noselect) \"/\" c\r\na1 OK\r\n* LIST () \"/\" a\r\na2 OK\r\n\
                 * STATUS a (MESSAGES 1)\r\na3 OK\r\na4 NO\r\n";
    let (mut one, said) = session("", heard);
    let found = one.list("", &["*", "a"], &options).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(
        found[0].status.as_ref().and_then(|status| status.messages),
        Some(1)
    );
    assert_eq!(found[1].status, None);
    assert_eq!(
        said.text(),
        "a1 LIST \"\" \"*\"\r\na2 LIST \"\" \"a\"\r\na3 STATUS a (MESSAGES UNSEEN)\r\na4 STATUS b (MESSAGES UNSEEN)\r\n"
    );
}

#[test]
fn changing_copying_and_removing() {
    let deleted = [Flag::new("\\Deleted").unwrap()];
    let heard = "* 1 FETCH (UID 7 FLAGS (\\Deleted))\r\na1 OK [MODIFIED 9] some\r\n\
                 * OK [COPYUID 38505 7:8 100:101]\r\n* 1 EXPUNGE\r\na2 OK\r\na3 OK\r\n";
    let (mut one, said) = session("CONDSTORE MOVE UIDPLUS", heard);
    let options = StoreOptions {
        is_silent: false,
        unchanged_since: Some(12),
    };
    let mut told = Vec::new();
    let left = one
        .store(&set("7:9"), Change::Add, &deleted, &options, &mut |it| {
            told.push(it.uid)
        })
        .unwrap();
    assert_eq!((left, told), (set("9"), vec![Some(7)]));
    let archive = Mailbox::new("Archive").unwrap();
    let moved = one.move_to(&set("7:8"), &archive).unwrap().unwrap();
    assert_eq!(moved.pairs().collect::<Vec<_>>(), [(7, 100), (8, 101)]);
    one.expunge(&set("9")).unwrap();
    assert_eq!(
        said.text(),
        "a1 UID STORE 7:9 (UNCHANGEDSINCE 12) +FLAGS (\\Deleted)\r\na2 UID MOVE 7:8 Archive\r\na3 UID EXPUNGE 9\r\n"
    );

    let (mut one, said) = session("", "");
    assert!(one.expunge(&set("1")).is_err());
    assert!(one.move_to(&set("1"), &archive).is_err());
    assert!(one.copy_and_remove(&set("1"), &archive).is_err());
    assert_eq!(said.text(), "", "never a plain EXPUNGE");

    let (mut one, said) = session("UIDPLUS", "a1 OK [COPYUID 1 7 8] x\r\na2 OK\r\na3 OK\r\n");
    one.copy_and_remove(&set("7"), &archive).unwrap();
    assert_eq!(
        said.text(),
        "a1 UID COPY 7 Archive\r\na2 UID STORE 7 +FLAGS.SILENT (\\Deleted)\r\na3 UID EXPUNGE 7\r\n"
    );

    // What was not copied stays.
    let (mut one, said) = session("UIDPLUS", "a1 OK [COPYUID 1 8 8] x\r\na2 OK\r\na3 OK\r\n");
    one.copy_and_remove(&set("7:9"), &archive).unwrap();
    assert!(said.text().ends_with("a3 UID EXPUNGE 8\r\n"));
    let (mut one, said) = session("UIDPLUS", "a1 OK [COPYUID 1 3 8] x\r\n");
    one.copy_and_remove(&set("7"), &archive).unwrap();
    assert_eq!(said.text(), "a1 UID COPY 7 Archive\r\n");
}

#[test]
fn a_name_that_cannot_be_said_has_no_status() {
    let heard = "* LIST () \"/\" {3}\r\na\rb\r\n* LIST () \"/\" c\r\na1 OK\r\n\
                 * STATUS c (MESSAGES 1)\r\na2 OK\r\n";
    let (mut one, said) = session("", heard);
    let options = ListOptions {
        status: vec!["MESSAGES".to_owned()],
        ..ListOptions::default()
    };
    let found = one.list("", &["*"], &options).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].status, None);
    assert!(found[1].status.is_some());
    assert!(said.text().ends_with("a2 STATUS c (MESSAGES)\r\n"));
}

#[test]
fn a_server_that_leaves_says_why() {
    for (bye, transient) in [
        ("* BYE [UNAVAILABLE] shutting down", true),
        ("* BYE Autologout; idle for too long", true),
        ("* BYE [CONTACTADMIN] no", false),
    ] {
        let (mut one, _) = session("", &format!("{bye}\r\n"));
        let error = one.noop(&mut |_| {}).unwrap_err();
        assert_eq!(error.is_transient(), transient);
        assert!(error.to_string().contains(&bye[2..]), "{error}");
    }
}

#[test]
fn alerts_and_events_are_kept_within_bounds() {
    let flood = |number| format!("* OK [ALERT] \x1b[2J look {number}\r\n* 4 EXISTS\r\n");
    let flood: String = (0..2_000).map(flood).collect();
    let (mut one, _) = session("", &format!("{flood}a1 OK\r\n"));
    let mut events = 0;
    one.noop(&mut |_| events += 1).unwrap();
    assert_eq!(events, 1_000);
    let alerts = one.take_alerts();
    assert_eq!((alerts.len(), alerts[0].as_str()), (50, "\\x1b[2J look 0"));
    assert_eq!(one.take_notes().len(), 1);
    let heard = "* OK [ALERT] one\r\n* NO [ALERT] two\r\n* OK [ALERT] one\r\na1 OK [ALERT] one\r\n";
    let (mut one, _) = session("", heard);
    one.noop(&mut |_| {}).unwrap();
    assert_eq!(one.take_alerts(), ["one", "two"]);
}

#[test]
fn a_response_that_says_nothing_is_passed_over() {
    let (mut one, _) = session("", "*\r\na1 OK\r\n*\r\n* SEARCH 7\r\n*\r\na2 OK\r\n");
    one.noop(&mut |_| {}).unwrap();
    assert_eq!(one.search(&Search::all()).unwrap(), set("7"));
    assert_eq!(one.take_notes().len(), 3);
    for lost in ["\r\na1 OK\r\n", "**\r\na1 OK\r\n"] {
        let (mut one, _) = session("", lost);
        let result = one.noop(&mut |_| {});
        assert!(matches!(result, Err(Error::Malformed { .. })), "{lost:?}");
    }
}

#[test]
fn a_flood_that_nobody_asked_for_is_ended() {
    let line = format!("* OK {}\r\n", "x".repeat(60_000));
    let flood = line.repeat(1_200);
    // Two commands may hear as much together.
    let half = &flood[..flood.len() / 2 / line.len() * line.len()];
    let (mut one, _) = session(
        "",
        &format!("{half}a1 OK\r\n{half}a2 OK\r\n{flood}a3 OK\r\n"),
    );
    one.noop(&mut |_| {}).unwrap();
    one.noop(&mut |_| {}).unwrap();
    let result = one.noop(&mut |_| {});
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    assert!(!one.is_open());
    // What was asked for is none.
    let found = format!("{half}* SEARCH 7\r\n{half}a1 OK\r\n");
    let (mut one, _) = session("", &found);
    one.search(&Search::all()).unwrap();
    // But it is only once.
    let found = format!("* SEARCH 7\r\n{half}* SEARCH 7\r\n{half}* SEARCH 7\r\n{half}a1 OK\r\n");
    let (mut one, _) = session("", &found);
    let result = one.search(&Search::all());
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    for literal in [
        "* 9 FETCH (UID 99 BODY[] {67108865}\r\n",
        "* 9 FETCH (BODY[] {9999999999}\r\n",
    ] {
        let (mut one, _) = session("", literal);
        let result = one.noop(&mut |_| {});
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    }
}

#[test]
fn waiting_ends_when_it_is_told() {
    // RFC 2177 section 3.
    let heard = "+ idling\r\n* 2 EXPUNGE\r\n* 3 EXISTS\r\na1 OK IDLE terminated\r\n";
    let (mut one, said) = session("IDLE", heard);
    let mut events = Vec::new();
    one.idle(std::time::Duration::from_secs(60), &mut |event| {
        events.extend(event);
        Ok(events.len() < 2)
    })
    .unwrap();
    assert_eq!(events, [Event::Expunged(2), Event::Exists(3)]);
    assert_eq!(said.text(), "a1 IDLE\r\nDONE\r\n");
    let (mut one, said) = session("", "");
    assert!(one
        .idle(std::time::Duration::ZERO, &mut |_| Ok(true))
        .is_err());
    assert_eq!(said.text(), "");
}

#[test]
fn the_rest_of_the_verbs() {
    let heard = "* ID (\"name\" \"Dovecot\")\r\na1 OK\r\n* ENABLED UTF8=ACCEPT\r\na2 OK\r\n* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na3 OK\r\n\
                 a4 OK\r\na5 OK\r\n* 1 EXISTS\r\na6 OK\r\na7 OK\r\n* STATUS \"Grüße\" (MESSAGES 2)\r\na8 OK\r\n* BYE\r\na9 OK\r\n";
    let (mut one, said) = session("ENABLE NAMESPACE", heard);
    assert_eq!(one.id(&[("name", "proto")]).unwrap()[0].1, "Dovecot");
    assert!(one.enable(&["UTF8=ACCEPT"]).unwrap().offers("UTF8=ACCEPT"));
    assert_eq!(one.namespaces().unwrap().personal.len(), 1);
    let mailbox = Mailbox::new("Grüße").unwrap();
    one.create(&mailbox).unwrap();
    one.subscribe(&mailbox).unwrap();
    one.unselect().unwrap();
    assert_eq!(
        one.status(&mailbox, &["MESSAGES"]).unwrap().messages,
        Some(2)
    );
    one.log_out();
    assert_eq!(
        said.text(),
        "a1 ID (\"name\" \"proto\")\r\na2 ENABLE UTF8=ACCEPT\r\na3 NAMESPACE\r\na4 CREATE \"Grüße\"\r\na5 SUBSCRIBE \"Grüße\"\r\n\
         a6 EXAMINE INBOX\r\na7 CLOSE\r\na8 STATUS \"Grüße\" (MESSAGES)\r\na9 LOGOUT\r\n"
    );
}

#[test]
fn compression_is_only_begun_where_it_is_offered() {
    let (mut one, said) = session("", "");
    assert!(one.compress().is_err());
    assert_eq!(said.text(), "");
    let (mut one, said) = session(
        "COMPRESS=DEFLATE",
        "a1 NO [COMPRESSIONACTIVE] no\r\na2 OK\r\n",
    );
    assert!(one.compress().is_err());
    one.noop(&mut |_| {}).unwrap();
    assert_eq!(said.text(), "a1 COMPRESS DEFLATE\r\na2 NOOP\r\n");
}
