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
