//! Whatever a server sends: nothing panics, and cuts change nothing.

use proptest::prelude::*;
use proto_nntp::{
    Active, Article, Client, Counted, Created, Described, Fetch, Overview, OverviewFormat, Part,
    Target,
};
use proto_transport::{Connection, Memory};

/// What an articles' reader is told, in pieces of this size.
fn told(heard: &[u8], piece: usize) -> String {
    let target = Target::parse("nntp://localhost").expect("a target");
    let pieces = [&b"200 hi\r\n"[..], b"101 list\r\nREADER\r\n.\r\n"].into_iter();
    let memory = Memory::in_pieces(pieces.chain(heard.chunks(piece)));
    let mut client = Client::over(Connection::over(memory), &target).expect("a greeting");
    client.ask_capabilities().expect("capabilities");
    let mut session = client.into_session();
    let mut told = Vec::new();
    let wishes = (1..4).map(|number| Fetch::new(Part::Article, Article::Number(number)));
    let result = session.fetch(wishes, &mut |wish, fetched| {
        told.extend_from_slice(wish.to_string().as_bytes());
        if let Some(body) = fetched.ok().and_then(|fetched| fetched.body) {
            while let Some(part) = body.next_part()? {
                told.extend_from_slice(part);
            }
        }
        Ok(())
    });
    format!("{} {}", result.is_ok(), String::from_utf8_lossy(&told))
}

proptest! {
    #[test]
    fn lines_are_read_without_harm(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let format = OverviewFormat::default();
        let _ = (Active::parse(&line), Counted::parse(&line));
        let _ = (Created::parse(&line), Described::parse(&line));
        if let Some(overview) = Overview::parse(&line, &format) {
            let _ = (overview.get("Subject"), overview.number_of(":bytes"));
        }
    }

    #[test]
    fn articles_are_the_same_at_every_cut(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("220 1 <a@b>\r\n"), Just("423 none\r\n"), Just(".\r\n"), Just("..\r\n"),
                Just("text\r\n"), Just("\r"), Just("."), Just("\n"), Just("4"),
            ],
            0..20,
        ),
    ) {
        let heard = parts.concat().into_bytes();
        let whole = told(&heard, heard.len().max(1));
        for piece in 1..heard.len() {
            prop_assert_eq!(&told(&heard, piece), &whole);
        }
    }
}
