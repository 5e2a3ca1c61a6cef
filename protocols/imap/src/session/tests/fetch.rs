//! Fetching: what is handed on, and what is not.

use super::*;
use crate::request::{Fetch, Item, SectionItem};

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
fn what_nobody_asked_for_is_not_waited_for() {
    let heard = "* 9 FETCH (UID 99 BODY[] {67108865}\r\n";
    let (mut session, _) = session("", heard);
    let (_, result) = fetched(&mut session, vec![whole("7")]);
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
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
