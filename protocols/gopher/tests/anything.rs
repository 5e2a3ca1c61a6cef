//! Whatever a server sends: nothing panics, and cuts change nothing.

use proptest::prelude::*;
use proto_gopher::{Client, Row, Target};
use proto_transport::{Connection, Memory, Result, Security};

fn client(text: &str, heard: &[u8], piece: usize) -> Client {
    let memory = Memory::in_pieces(heard.chunks(piece));
    let target = Target::parse(text).expect("a target");
    Client::over(Connection::over(memory), &target)
}

fn fetched(text: &str, heard: &[u8], piece: usize) -> Result<(Vec<u8>, bool)> {
    let mut client = client(text, heard, piece);
    let mut reader = client.fetch()?;
    let mut all = Vec::new();
    while let Some(part) = reader.next_part()? {
        all.extend_from_slice(part);
    }
    Ok((all, reader.has_dot()))
}

fn menu(heard: &[u8], piece: usize) -> Result<(Vec<Row>, bool)> {
    let mut rows = Vec::new();
    let has_dot = client("gopher://a", heard, piece).menu(&mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok((rows, has_dot))
}

proptest! {
    #[test]
    fn rows_are_read_without_harm(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Row::Item(item) = Row::parse(&line) {
            if let Some(url) = item.url(Security::Plain) {
                prop_assert!(!url.contains(char::is_control), "{}", url);
            }
        }
    }

    #[test]
    fn items_and_menus_are_the_same_at_every_cut(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("."), Just("\r\n"), Just("\n"), Just("text"), Just("3"), Just("\t"),
                Just("0a\tb\tc\t70\r\n"), Just("+-1\r\n"), Just("+5\r\n"), Just("--1\r\n"),
            ],
            0..16,
        ),
    ) {
        let heard = parts.concat().into_bytes();
        for piece in 1..heard.len() {
            for text in ["gopher://a/0x", "gopher://a/9x", "gopher://a/0x%09%09+"] {
                let whole = format!("{:?}", fetched(text, &heard, heard.len()));
                prop_assert_eq!(&format!("{:?}", fetched(text, &heard, piece)), &whole, "{}", text);
            }
            let whole = format!("{:?}", menu(&heard, heard.len()));
            prop_assert_eq!(&format!("{:?}", menu(&heard, piece)), &whole);
        }
    }
}
