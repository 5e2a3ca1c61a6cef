//! Whatever a server says, nothing panics, the cuts do not matter, and what is said to it is bounded.

use proptest::prelude::*;
use proto_telnet::{Event, Nvt, Parser, Settings, Token, Window};

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.add_type("vt100").unwrap();
    settings.add_variable("USER", "fred").unwrap();
    settings.window = Some(Window {
        columns: 80,
        rows: 24,
    });
    settings
}

/// What is heard and said, with bytes in pieces of a length.
fn conversation(heard: &[u8], piece: usize) -> (Vec<u8>, Vec<String>, Vec<u8>) {
    let mut nvt = Nvt::new(settings());
    let (mut data, mut told, mut said) = (Vec::new(), Vec::new(), Vec::new());
    for piece in heard.chunks(piece) {
        nvt.hear(piece, &mut |event| {
            match event {
                Event::Data(bytes) => data.extend_from_slice(bytes),
                Event::Notice(notice) => told.push(format!("{notice:?} {}", notice.what)),
            }
            Ok(())
        })
        .unwrap();
        said.extend(nvt.take_output());
    }
    (data, told, said)
}

/// Bytes that mean something here come often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(255_u8),
        3 => 236_u8..=254,
        2 => prop_oneof![Just(0_u8), Just(1), Just(3), Just(5), Just(24), Just(31), Just(39), Just(42)],
        1 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn cuts_do_not_matter(heard in bytes()) {
        let whole = conversation(&heard, heard.len().max(1));
        for piece in [1, 2, 3, 7] {
            prop_assert_eq!(&conversation(&heard, piece), &whole);
        }
        prop_assert!(whole.2.len() <= heard.len() * 20 + 100);
        for line in &whole.1 {
            prop_assert!(!line.contains(char::is_control), "{}", line);
        }
    }

    #[test]
    fn all_that_is_said_is_heard_again(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut nvt = Nvt::new(Settings::default());
        nvt.say_keys(&text);
        let sent = nvt.take_output();
        let mut parser = Parser::default();
        let (mut heard, mut unread) = (Vec::new(), sent.as_slice());
        while let Some(token) = parser.next(&mut unread) {
            match token {
                Token::Data(data) => heard.extend_from_slice(data),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // A NUL means nothing.
        let text: Vec<u8> = text.into_iter().filter(|byte| *byte != 0).collect();
        prop_assert_eq!(heard, text);
    }
}
