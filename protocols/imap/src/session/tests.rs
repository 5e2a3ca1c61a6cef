//! Conversations over an open account. `C` is what we are to say, in order; the rest is heard.

use super::*;
use crate::mailbox::Mailbox;
use crate::reply::flag::Flag;
use crate::request::{Fetch, Item, SectionItem};
use crate::search::{Key, Search};
use crate::set::UidSet;
use crate::tags::Tags;
use proto_transport::{Memory, Said};

/// A session with these capabilities and INBOX open, which hears this in pieces of this size.
fn cut(capabilities: &str, heard: &[u8], size: usize) -> (Session, Said) {
    let lines = heard.split_inclusive(|byte| *byte == b'\n');
    let memory = Memory::in_pieces(lines.flat_map(|line| line.chunks(size)));
    let said = memory.said();
    let mut wire = Wire::new(Connection::over(memory), Tags::with_prefix("a"));
    wire.capabilities = Capabilities::parse(capabilities.as_bytes());
    let session = Session {
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
    };
    (session, said)
}

fn session(capabilities: &str, heard: &str) -> (Session, Said) {
    cut(capabilities, heard.as_bytes(), usize::MAX)
}

fn set(text: &str) -> UidSet {
    UidSet::parse(text).unwrap()
}

fn whole(uids: &str) -> Fetch {
    Fetch::new(
        set(uids),
        vec![Item::Section(SectionItem::new("").unwrap())],
    )
}

/// What a fetch hands on, as text; and how it ends.
fn fetched(session: &mut Session, questions: Vec<Fetch>) -> (Vec<String>, Result<()>) {
    let mut all = Vec::new();
    let result = session.fetch(questions, &mut |fetched| {
        all.push(match fetched {
            Fetched::Section {
                uid,
                section,
                content,
                ..
            } => {
                let mut text = Vec::new();
                while let Some(part) = content.next_part()? {
                    text.extend_from_slice(part);
                }
                let nil = if content.is_nil() { "NIL" } else { "" };
                format!(
                    "{uid}[{}]{nil}{}",
                    section.name,
                    String::from_utf8_lossy(&text)
                )
            }
            Fetched::Message {
                uid,
                attributes,
                is_whole,
            } => {
                let flags = attributes.flags.as_ref().map_or(0, Vec::len);
                format!("{uid} flags={flags} whole={is_whole}")
            }
            Fetched::Window { came, result, .. } => match result {
                Ok(()) => format!("window {came}"),
                Err(error) => format!("window {came}: {error}"),
            },
        });
        Ok(())
    });
    (all, result)
}

#[test]
fn sections_stream_at_every_cut() {
    let heard = b"* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {9}\r\na)\r\na1 OK FLAGS ())\r\n\
        * 5 EXISTS\r\n* 2 FETCH (UID 8 BODY[] \"q\\\"x\")\r\n* 2 EXPUNGE\r\n* 2 fetch (uid 9 body[] nil ) \r\na1 OK done\r\n";
    for size in 1..heard.len() {
        let (mut session, said) = cut("", heard, size);
        let (all, result) = fetched(&mut session, vec![whole("7:9")]);
        result.unwrap();
        let expected = [
            "7[]a)\r\na1 OK",
            "7 flags=0 whole=true",
            "8[]q\"x",
            "8 flags=0 whole=true",
            "9[]NIL",
            "9 flags=0 whole=true",
            "window 7:9",
        ];
        assert_eq!(all, expected);
        assert_eq!(said.text(), "a1 UID FETCH 7:9 (UID BODY.PEEK[])\r\n");
    }
}

#[test]
fn a_uid_that_comes_late_is_asked_for_again() {
    let heard =
        "* 1 FETCH (BODY[] {1}\r\nx UID 7)\r\n* 2 FETCH (UID 8 BODY[] {1}\r\ny)\r\na1 OK\r\n\
                 * 1 FETCH (BODY[] {1}\r\nx UID 7)\r\na2 OK\r\n";
    let (mut session, said) = session("", heard);
    let (all, result) = fetched(&mut session, vec![whole("7:8")]);
    result.unwrap();
    assert_eq!(
        all,
        [
            "8[]y",
            "8 flags=0 whole=true",
            "window 8",
            "7[]x",
            "7 flags=0 whole=true",
            "window 7"
        ]
    );
    assert!(said.text().contains("a2 UID FETCH 7 (UID BODY.PEEK[])\r\n"));
    let heard = "* 1 FETCH (BODY[] {1}\r\nx UID 6)\r\na1 OK\r\n";
    let (mut session, _) = self::session("", heard);
    let (all, result) = fetched(&mut session, vec![whole("7")]);
    assert!(matches!(result, Err(Error::Malformed { .. })));
    assert_eq!(all, ["7[]x"], "and no message that is over");
}

#[test]
fn questions_run_ahead_and_a_no_ends_only_one() {
    let heard = "* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\na1 OK\r\na2 NO [EXPUNGEISSUED] gone\r\n\
                 * 3 FETCH (UID 3 BODY[] {1}\r\nc)\r\na3 OK\r\n";
    let (mut session, said) = session("", heard);
    let (all, result) = fetched(&mut session, vec![whole("1"), whole("2"), whole("3")]);
    result.unwrap();
    assert_eq!(all.len(), 7, "{all:?}");
    assert!(
        all[3].starts_with("window : ") && all[3].contains("gone"),
        "{all:?}"
    );
    let asked = said.text();
    assert!(
        asked.starts_with("a1 UID FETCH 1 ") && asked.lines().count() == 3,
        "{asked}"
    );
}

#[test]
fn questions_may_be_answered_together_and_in_any_order() {
    let heard =
        "* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n* 3 FETCH (UID 3 BODY[] {1}\r\nc)\r\na2 OK\r\n\
                 * 2 FETCH (UID 2 BODY[] {1}\r\nb)\r\na1 OK\r\n";
    let (mut session, _) = session("", heard);
    let (all, result) = fetched(&mut session, vec![whole("1:2"), whole("3")]);
    result.unwrap();
    let expected = "1[]a|1 flags=0 whole=true|3[]c|3 flags=0 whole=true|window 3|\
                    2[]b|2 flags=0 whole=true|window 1:2";
    assert_eq!(all.join("|"), expected);
}

#[test]
fn nothing_that_nobody_asked_for_is_handed_on() {
    let heard = "* 1 FETCH (UID 99 BODY[] {4}\r\nevil)\r\n* 1 FETCH (FLAGS (\\Seen) UID 7)\r\n\
                 * 1 FETCH (UID 7 BODY[TEXT] {4}\r\nevil BODY[] {4}\r\ngood BODY[] {4}\r\nevil)\r\n\
                 * 1 FETCH (UID 7 BODY[] {4}\r\nevil)\r\n* 4 FETCH (UID 98)\r\na1 OK\r\na2 OK\r\n";
    let (mut session, _) = session("", heard);
    let (all, result) = fetched(&mut session, vec![whole("7")]);
    result.unwrap();
    assert_eq!(all, ["7[]good", "7 flags=0 whole=true", "window 7"]);
    let mut events = 0;
    session.noop(&mut |_| events += 1).unwrap();
    assert_eq!(events, 4);
}

#[test]
fn a_literal_of_another_length_is_never_a_message() {
    for heard in [
        "* 1 FETCH (UID 7 BODY[] {2}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {6}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {9}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {99}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {-1}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {18446744073709551616}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {+}\r\nabc)\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {3}\r\nabc\r\na1 OK\r\n",
        "* 1 FETCH (UID 7 BODY[] {3}\r\nabc",
    ] {
        let (mut session, _) = session("", heard);
        let (all, result) = fetched(&mut session, vec![whole("7")]);
        assert!(
            matches!(result, Err(Error::Malformed { .. } | Error::Closed { .. })),
            "{heard} {all:?}"
        );
        assert!(
            !all.iter().any(|it| it.contains("whole")),
            "{heard} {all:?}"
        );
        assert!(session.noop(&mut |_| {}).is_err());
    }
}

#[test]
fn every_prefix_of_a_fetch_is_no_message() {
    let heard = "* 1 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n";
    for end in 0..heard.len() {
        let (mut session, _) = session("", &heard[..end]);
        let (all, result) = fetched(&mut session, vec![whole("7")]);
        assert!(result.is_err());
        assert!(!all.iter().any(|it| it.contains("whole")), "{end} {all:?}");
    }
}

#[test]
fn what_is_held_is_bounded() {
    for heard in [
        "* 1 FETCH (UID 7 ENVELOPE ({4294967295}\r\n".to_owned(),
        "* LIST () \"/\" {65537}\r\n".to_owned(),
        format!("* 1 FETCH (UID 7 BODYSTRUCTURE {}", "(".repeat(2_000_000)),
        "x".repeat(2_000_000),
    ] {
        let (mut session, _) = session("", &heard);
        let (_, result) = fetched(&mut session, vec![whole("7")]);
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    }
}

#[test]
fn a_broken_response_costs_itself_alone() {
    let deep = format!(
        "* 1 FETCH (UID 7 BODYSTRUCTURE {}{})\r\n",
        "(".repeat(200_000),
        ")".repeat(200_000)
    );
    let heard = format!("{deep}* 2 FETCH (UID 8\r\n* LIST (\r\n* 3 FETCH (UID 9 RFC822.SIZE 5 INTERNALDATE \"x\")\r\na1 OK\r\n");
    let (mut session, _) = session("", &heard);
    let items = vec![Item::Size];
    let (all, result) = fetched(&mut session, vec![Fetch::new(set("7:9"), items)]);
    result.unwrap();
    assert_eq!(all, ["9 flags=0 whole=true", "window 9"]);
    assert_eq!(session.take_notes().len(), 4);
}

#[test]
fn many_small_literals_are_read_in_one_pass() {
    let literals = "{1}\r\nx ".repeat(100_000);
    let heard = format!("* 1 FETCH (UID 7 X-MANY ({literals}) RFC822.SIZE 1)\r\na1 OK\r\n");
    let started = std::time::Instant::now();
    let (mut session, _) = session("", &heard);
    let (all, result) = fetched(&mut session, vec![Fetch::new(set("7"), vec![Item::Size])]);
    result.unwrap();
    assert_eq!(all.len(), 2);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn answers_to_searches() {
    let (mut one, said) = session(
        "ESEARCH",
        "* ESEARCH (TAG \"b9\") UID ALL 66\r\n* ESEARCH (TAG \"a1\") UID ALL 2,10:11\r\na1 OK\r\n",
    );
    assert_eq!(one.search(&Search::all()).unwrap(), set("2,10:11"));
    assert_eq!(said.text(), "a1 UID SEARCH RETURN (ALL) ALL\r\n");
    let (mut one, said) = session("", "* 5 EXISTS\r\n+ go\r\n* SEARCH 2 84 882\r\na1 OK\r\n");
    let search = Search::all().and(Key::Text("ä".into()));
    assert_eq!(one.search(&search).unwrap(), set("2,84,882"));
    assert_eq!(said.text(), "a1 UID SEARCH CHARSET UTF-8 TEXT {2}\r\nä\r\n");
    let (mut one, _) = session("", "* SEARCH\r\na1 OK\r\n");
    assert!(one.search(&Search::all()).unwrap().is_empty());
    for heard in [
        "* SEARCH 1 x\r\na1 OK\r\n",
        "* SEARCH 0\r\na1 OK\r\n",
        "* ESEARCH (TAG \"a1\") ALL 1:3\r\na1 OK\r\n",
        "* SORT 1\r\na1 OK\r\n",
    ] {
        let (mut one, _) = session("", heard);
        assert!(
            matches!(one.search(&Search::all()), Err(Error::Malformed { .. })),
            "{heard}"
        );
    }
    let numbers: String = (1..300_000).map(|n| format!(" {}", 2 * n)).collect();
    for size in [usize::MAX, 70_001, 4_097] {
        let heard = format!("* SEARCH{numbers}\r\na1 OK\r\n");
        let (mut one, _) = cut("", heard.as_bytes(), size);
        assert_eq!(one.search(&Search::all()).unwrap().len(), 299_999);
    }
}

#[test]
fn orders_and_threads() {
    let (mut one, said) = session(
        "SORT THREAD=REFERENCES",
        "* SORT 5 3 4 1 2\r\na1 OK\r\n* THREAD (2)(3 6 (4 23))\r\na2 OK\r\n",
    );
    assert_eq!(
        one.sort(&["REVERSE", "DATE"], &Search::all()).unwrap(),
        [5, 3, 4, 1, 2]
    );
    assert_eq!(one.thread("REFERENCES", &Search::all()).unwrap().len(), 5);
    assert_eq!(
        said.text(),
        "a1 UID SORT (REVERSE DATE) US-ASCII ALL\r\na2 UID THREAD REFERENCES US-ASCII ALL\r\n"
    );
    assert!(matches!(
        one.sort(&["A)"], &Search::all()),
        Err(Error::Illegal { .. })
    ));
    let (mut one, said) = session("", "");
    assert!(matches!(
        one.sort(&["DATE"], &Search::all()),
        Err(Error::Refused { .. })
    ));
    assert_eq!(said.text(), "");
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
fn an_answer_without_end_is_ended() {
    // One message again and again takes no memory, but time.
    let heard = format!("* SEARCH{}\r\na1 OK\r\n", " 1".repeat(70_000_000));
    let (mut one, _) = session("", &heard);
    let found = one.search(&Search::all());
    assert!(matches!(found, Err(Error::TooLarge { .. })), "{found:?}");
}

#[test]
fn adding_a_message() {
    let inbox = Mailbox::new("INBOX").unwrap();
    let flags = [Flag::new("\\Seen").unwrap()];
    let date = crate::reply::date::date_time(b"17-Jul-1996 02:44:25 -0700").ok();
    let (mut one, said) = session(
        "",
        "* 5 EXISTS\r\n+ go\r\na1 OK [APPENDUID 38505 3955] done\r\n",
    );
    let added = one
        .append(&inbox, &flags, date, 3, &mut &b"abc"[..])
        .unwrap();
    assert_eq!(added, Some((38505, 3955)));
    assert_eq!(
        said.text(),
        "a1 APPEND INBOX (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {3}\r\nabc\r\n"
    );
    let (mut one, said) = session("LITERAL+", "a1 OK\r\n");
    assert_eq!(
        one.append(&inbox, &[], None, 3, &mut &b"abc"[..]).unwrap(),
        None
    );
    assert_eq!(said.text(), "a1 APPEND INBOX {3+}\r\nabc\r\n");
    // A source may give little at a time, and the answer may be there before the end of it.
    let (mut one, said) = session("LITERAL+", "a1 NO [TRYCREATE] none\r\na2 OK\r\n");
    let mut slowly = std::io::Read::chain(&b"a"[..], &b"bc"[..]);
    assert!(matches!(
        one.append(&inbox, &[], None, 3, &mut slowly),
        Err(Error::Refused { .. })
    ));
    one.noop(&mut |_| {}).unwrap();
    let wanted = "a1 APPEND INBOX {3+}\r\nabc\r\na2 NOOP\r\n";
    assert_eq!(said.text(), wanted);
    // A no instead of + ends the command, and the session goes on (RFC 9051 section 7.6).
    let (mut one, said) = session("", "a1 NO [OVERQUOTA] full\r\na2 OK\r\n");
    assert!(matches!(
        one.append(&inbox, &[], None, 3, &mut &b"abc"[..]),
        Err(Error::Refused { .. })
    ));
    one.noop(&mut |_| {}).unwrap();
    assert_eq!(said.text(), "a1 APPEND INBOX {3}\r\na2 NOOP\r\n");
    // A source that is too short breaks it off; nothing is said that could pass for the rest.
    let (mut one, said) = session("", "+ go\r\na1 OK\r\n");
    assert!(matches!(
        one.append(&inbox, &[], None, 4, &mut &b"abc"[..]),
        Err(Error::Illegal { .. })
    ));
    assert!(one.noop(&mut |_| {}).is_err());
    assert!(!said.text().contains("NOOP"));
    // So does one that cannot be read.
    struct Unreadable;
    impl std::io::Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no"))
        }
    }
    let (mut one, said) = session("LITERAL+", "a1 OK\r\n");
    let result = one.append(&inbox, &[], None, 4, &mut Unreadable);
    assert!(matches!(result, Err(Error::Io { .. })));
    assert!(one.noop(&mut |_| {}).is_err());
    assert!(!said.text().contains("NOOP"));
}

#[test]
fn go_ahead_belongs_to_its_command() {
    for heard in [
        "+ go\r\na1 OK\r\n",
        "b1 OK\r\n",
        "a2 OK\r\n",
        "a1 OK early\r\n",
    ] {
        let (mut one, said) = session("", heard);
        let result = match heard.starts_with("a1") {
            // A yes to half of a command.
            true => one
                .append(&Mailbox::new("x").unwrap(), &[], None, 1, &mut &b"a"[..])
                .map(|_| ()),
            false => one.noop(&mut |_| {}),
        };
        assert!(matches!(result, Err(Error::Malformed { .. })), "{heard}");
        assert!(one.noop(&mut |_| {}).is_err());
        assert_eq!(said.text().lines().count(), 1);
    }
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
    let flood = "* OK [ALERT] \x1b[2J look\r\n* 4 EXISTS\r\n".repeat(2_000);
    let (mut one, _) = session("", &format!("{flood}a1 OK\r\n"));
    let mut events = 0;
    one.noop(&mut |_| events += 1).unwrap();
    assert_eq!(events, 1_000);
    let alerts = one.take_alerts();
    assert_eq!((alerts.len(), alerts[0].as_str()), (50, "\\x1b[2J look"));
    assert_eq!(one.take_notes().len(), 1);
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
