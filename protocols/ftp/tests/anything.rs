//! Whatever a server sends: nothing panics, and no name leads out of its folder.

use proptest::prelude::*;
use proto_ftp::{machine_line, Client, Line, Listing, Login, Moment, Path, Target};
use proto_transport::{Connection, Connector, Memory};

fn check(line: Line) {
    if let Line::Entry(entry) = line {
        let is_bad = |byte: &u8| matches!(byte, b'/' | 0 | b'\r' | b'\n');
        assert!(!entry.name.is_empty() && !entry.name.iter().any(is_bad));
        assert!(entry.name != b"." && entry.name != b"..");
    }
}

proptest! {
    #[test]
    fn lines_are_read_without_harm(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "[-dlb][rwx-]{9}[ 0-9]{1,9} [A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-9:]{4,5} [./a-z>-]{0,9}"
                    .prop_map(String::into_bytes),
                "(type|size|modify)=[a-z0-9]{0,15}; [./a-z]{0,9}".prop_map(String::into_bytes),
                "[0-9./:APM -]{1,20}(<DIR>|\\*DIR|[0-9]{1,30}) {0,12}[./a-z]{0,9}"
                    .prop_map(String::into_bytes),
                "[A-Z.]{1,9};[0-9]{0,3}( [0-9/]{1,4} [0-9]{1,2}-[A-Z]{3}-[0-9]{4})?"
                    .prop_map(String::into_bytes),
            ],
            0..6,
        ),
        seconds in 0..4_000_000_000_i64,
    ) {
        let mut listing = Listing::new(Moment::from_unix(seconds).expect("a moment"));
        for line in &lines {
            check(listing.line(line));
            check(machine_line(line));
        }
        check(listing.end());
    }

    #[test]
    fn replies_are_read_without_harm(replies in proptest::collection::vec(
        prop_oneof![
            Just("220 hi\r\n"), Just("331 ?\r\n"), Just("230 in\r\n"), Just("230-\r\n"),
            Just("211-x\r\n MLST a*;\r\n UTF8\r\n HASH MD5\r\n211 end\r\n"), Just("257 \"/a\r\n"),
            Just("213 5\r\n"), Just("213 MD5 0-1 x\r\n"), Just("250-\r\n type=; \r\n250 x\r\n"),
            Just("\n"), Just("\0"), Just("226 \r\n"), Just("550 no\r\n"), Just("2"),
        ],
        0..12,
    )) {
        let memory = Memory::in_pieces(["220 hi\r\n", "230 in\r\n"].iter().chain(&replies));
        let target = Target::parse("ftp://localhost").expect("a target");
        let client = Client::over(Connection::over(memory), &Connector::default(), &target);
        let session = client.and_then(|client| client.log_in(&Login::anonymous(), true));
        if let Ok(mut session) = session {
            let path = Path::new("f").expect("a path");
            let _ = (session.working_folder(), session.facts(&path), session.hash(&path));
            let _ = (session.size(&path), session.modified(&path), session.make_folder(&path));
            session.quit();
        }
    }
}
