//! Searches, orders and threads.

use super::*;
use crate::search::Key;

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
fn several_answers_to_one_question_are_added_up() {
    for (capabilities, heard) in [
        ("", "* SEARCH 2\r\n* SEARCH\r\n* SEARCH 9 3\r\na1 OK\r\n"),
        (
            "ESEARCH",
            "* ESEARCH (TAG \"a1\") UID ALL 2:3\r\n* ESEARCH (TAG \"a1\") UID\r\n\
             * ESEARCH (TAG \"b9\") UID ALL 66\r\n* ESEARCH (TAG \"a1\") UID ALL 9\r\na1 OK\r\n",
        ),
    ] {
        let (mut one, _) = session(capabilities, heard);
        assert_eq!(one.search(&Search::all()).unwrap(), set("2:3,9"));
    }
    let (mut one, _) = session("SORT", "* SORT 5 3\r\n* SORT 4 1 2\r\na1 OK\r\n");
    let found = one.sort(&["DATE"], &Search::all()).unwrap();
    assert_eq!(found, [5, 3, 4, 1, 2]);
    let heard = "* THREAD (2)\r\n* THREAD (3 6)\r\na1 OK\r\n";
    let (mut one, _) = session("THREAD=REFERENCES", heard);
    let found = one.thread("REFERENCES", &Search::all()).unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.uid, it.depth)).collect();
    assert_eq!(found, [(Some(2), 0), (Some(3), 0), (Some(6), 1)]);
    // Together they have the limits of one.
    let part: String = (1..70_000).map(|n| format!(" {}", 2 * n)).collect();
    let heard = format!("* SEARCH{part}\r\n").repeat(60);
    let (mut one, _) = session("", &format!("{heard}a1 OK\r\n"));
    let found = one.search(&Search::all());
    assert!(matches!(found, Err(Error::TooLarge { .. })), "{found:?}");
}

/// What is said to look for these, with these tags.
fn questions(uids: &UidSet, question: &str, tags: std::ops::RangeInclusive<usize>) -> String {
    let windows: Vec<UidSet> = uids.windows(u32::MAX).collect();
    assert_eq!(windows.len(), tags.clone().count());
    let lines = windows.iter().zip(tags);
    let lines = lines.map(|(window, tag)| format!("a{tag} UID SEARCH {question}UID {window}\r\n"));
    lines.collect()
}

#[test]
fn more_uids_than_a_line_holds_are_asked_for_window_by_window() {
    let odd: UidSet = (0..1_000).map(|n| 2 * n + 1).collect();
    let asked = questions(&odd, "SEEN ", 1..=6);
    // In any order, as they are known by their UIDs.
    let heard = "* SEARCH 1\r\na1 OK\r\n* SEARCH 999 5\r\na3 OK\r\n* SEARCH\r\na2 OK\r\n\
                 a4 OK\r\n* SEARCH 1999\r\na5 OK\r\na6 OK\r\n";
    let seen = Key::Has(Flag::new("\\Seen").unwrap());
    let search = Search::all().and(Key::Uid(odd.clone())).and(seen);
    let (mut one, said) = session("", heard);
    assert_eq!(one.search(&search).unwrap(), set("1,5,999,1999"));
    assert_eq!(said.text(), asked);
    // Those that are not meant are the others; of several sets, what is in all.
    let not = |uids: &UidSet| Key::Not(Box::new(Key::Uid(uids.clone())));
    let even = Search::all()
        .and(not(&odd))
        .and(Key::Uid(set("1:1000,1500")));
    let (mut one, said) = session("", "a1 OK\r\na2 OK\r\n* SEARCH 8\r\na3 OK\r\n");
    assert_eq!(one.search(&even).unwrap(), set("8"));
    let wanted: UidSet = (1..=500).map(|n| 2 * n).chain([1_500]).collect();
    assert_eq!(said.text(), questions(&wanted, "", 1..=3));
    // ESEARCH answers each by its tag.
    let heard = "* ESEARCH (TAG \"a2\") UID ALL 401\r\n* ESEARCH (TAG \"a1\") UID ALL 3\r\na1 OK\r\na2 OK\r\n\
                 * ESEARCH (TAG \"a1\") UID ALL 7\r\na3 OK\r\na4 OK\r\na5 OK\r\na6 OK\r\n";
    let (mut one, _) = session("ESEARCH", heard);
    let found = one.search(&Search::all().and(Key::Uid(odd.clone())));
    assert_eq!(found.unwrap(), set("3,401"));
    // The order of all has the order of some of them in it.
    let (mut one, said) = session("SORT", "* SORT 9 4 7 1\r\na1 OK\r\n");
    let found = one.sort(&["DATE"], &Search::all().and(Key::Uid(odd)));
    assert_eq!(found.unwrap(), [9, 7, 1]);
    assert_eq!(said.text(), "a1 UID SORT (DATE) US-ASCII ALL\r\n");
}

#[test]
fn windows_run_ahead_within_bounds() {
    let odd: UidSet = (0..5_000).map(|n| 1_000_000_001 + 2 * n).collect();
    // A literal has to wait for its turn.
    let windows = odd.windows(u32::MAX).count();
    let ends: String = (1..=windows)
        .map(|n| format!("+ go\r\na{n} OK\r\n"))
        .collect();
    let text = Search::all().and(Key::Text("ä".into()));
    let (mut one, said) = session("", &ends);
    one.search(&text.and(Key::Uid(odd.clone()))).unwrap();
    assert_eq!(said.text().matches("{2}\r\nä UID 1").count(), windows);
    // A no ends it when those that are under way have ended, and then others can be asked.
    let heard = "a1 NO [LIMIT] no\r\na2 OK\r\na3 OK\r\na4 OK\r\na5 OK\r\n";
    let (mut one, said) = session("", heard);
    let search = Search::all().and(Key::Uid(odd));
    let result = one.search(&search);
    assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
    assert_eq!(said.text().lines().count(), 5);
    assert!(said.text().len() < 16 * 1024);
    assert!(one.is_open());
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
fn an_answer_without_end_is_ended() {
    // One message again and again takes no memory, but time.
    let heard = format!("* SEARCH{}\r\na1 OK\r\n", " 1".repeat(70_000_000));
    let (mut one, _) = session("", &heard);
    let found = one.search(&Search::all());
    assert!(matches!(found, Err(Error::TooLarge { .. })), "{found:?}");
}
