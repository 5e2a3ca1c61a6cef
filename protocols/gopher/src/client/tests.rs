use super::*;
use std::io::{self, Read, Write};
use std::time::Instant;

use proto_transport::{Memory, Refusal, Said, Stream};

fn client(text: &str, heard: &[u8], piece: usize) -> (Client, Said) {
    let memory = Memory::in_pieces(heard.chunks(piece.max(1)));
    let said = memory.said();
    let target = Target::parse(text).unwrap();
    (Client::over(Connection::over(memory), &target), said)
}

fn whole(text: &str, heard: &[u8], piece: usize) -> Result<(Vec<u8>, bool)> {
    let (mut client, _) = client(text, heard, piece);
    let mut reader = client.fetch()?;
    let mut all = Vec::new();
    while let Some(part) = reader.next_part()? {
        assert!(!part.is_empty());
        all.extend_from_slice(part);
    }
    assert_eq!(reader.next_part()?, None);
    Ok((all, reader.has_dot()))
}

#[test]
fn text_ends_with_its_dot_or_with_the_connection() {
    for (heard, text, has_dot) in [
        // As RFC 1436 has it.
        ("a\r\nb\r\n.\r\n", "a\r\nb\r\n", true),
        (".\r\n", "", true),
        ("a\r\n..b\r\n...\r\n.\r\n", "a\r\n.b\r\n..\r\n", true),
        ("..\r\n.\r\n", ".\r\n", true),
        ("a\n.\n", "a\n", true),
        ("a\r\n.", "a\r\n", true),
        // As those do that send the file and hang up.
        ("a\r\nb\r\n", "a\r\nb\r\n", false),
        ("a\r\nb", "a\r\nb", false),
        ("", "", false),
        ("a\r\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", false),
        (".\r\n.\r\nb", ".\r\n.\r\nb", false),
        (
            ".profile\r\n..\r\n../x\r\n",
            ".profile\r\n..\r\n../x\r\n",
            false,
        ),
        ("a\r\n.\r\n.\r\n", "a\r\n.\r\n", true),
        ("a.\r\n", "a.\r\n", false),
        ("a\r\n.\rb\r\n", "a\r\n.\rb\r\n", false),
    ] {
        for piece in 1..=heard.len().max(1) {
            let (found, dot) = whole("gopher://a/0x", heard.as_bytes(), piece).unwrap();
            assert_eq!(String::from_utf8_lossy(&found), text, "{heard:?} {piece}");
            assert_eq!(dot, has_dot, "{heard:?} {piece}");
        }
    }
}

#[test]
fn everything_else_comes_as_it_is() {
    let heard = b"3\0\xff\r\n..a\r\n.\r\n";
    for kind in ["9", "5", "I", "g", "h", "s", "~"] {
        for piece in [1, 4, heard.len()] {
            let (found, _) = whole(&format!("gopher://a/{kind}x"), heard, piece).unwrap();
            assert_eq!(found, heard, "{kind} {piece}");
        }
    }
}

#[test]
fn a_row_of_the_kind_error_is_a_refusal() {
    let heard = b"3'x' does not exist\terror\terror.host\t1\r\n.\r\n";
    for text in ["gopher://a/0x", "gopher://a/9x", "gopher://a/hx"] {
        for piece in 1..=heard.len() {
            let error = whole(text, heard, piece).unwrap_err();
            let Error::Refused { reply, refusal, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(
                (reply.as_str(), refusal),
                ("'x' does not exist", Refusal::Lasting)
            );
        }
    }
    for heard in [
        "3",
        "3 blind mice\r\n",
        "3\ta\r\n",
        &format!("3{}", "x".repeat(5_000)),
    ] {
        for piece in [1, heard.len()] {
            let (found, _) = whole("gopher://a/9x", heard.as_bytes(), piece).unwrap();
            assert_eq!(found, heard.as_bytes());
        }
    }
}

#[test]
fn a_file_gets_what_a_reader_would() {
    for (text, heard, wanted) in [
        ("gopher://a/9x", &b"3\x00.\r\n"[..], &b"3\x00.\r\n"[..]),
        ("gopher://a/0x", b"..a\r\n.\r\n", b".a\r\n"),
        ("gopher://a/9x%09%09+", b"+3\r\nabc", b"abc"),
    ] {
        let path = std::env::temp_dir().join(format!("proto-gopher-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        let (mut client, _) = client(text, heard, 2);
        let mut reader = client.fetch().unwrap();
        while reader.next_part_to(&mut file).unwrap().is_some() {}
        assert_eq!(std::fs::read(&path).unwrap(), wanted, "{text}");
        std::fs::remove_file(path).unwrap();
    }
}

fn rows(heard: &[u8], piece: usize) -> Result<(Vec<Row>, bool)> {
    let (mut client, _) = client("gopher://a/1", heard, piece);
    let mut rows = Vec::new();
    let has_dot = client.menu(&mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok((rows, has_dot))
}

#[test]
fn menus_survive_what_is_wrong_in_them() {
    let heard =
        b"iHi\tfake\t(NULL)\t0\r\n0a\tb\tc\t70\nnonsense\r\n\r\n3gone\t\t\t\r\n.\r\nbehind\r\n";
    for piece in 1..=heard.len() {
        let (rows, has_dot) = rows(heard, piece).unwrap();
        assert!(has_dot && rows.len() == 5, "{piece}: {rows:?}");
        assert!(matches!(&rows[1], Row::Item(item) if item.kind == Kind::Text));
        assert_eq!(rows[2], Row::Malformed("nonsense".to_owned()));
        assert_eq!(rows[3], Row::Malformed(String::new()));
    }
    for length in 0..heard.len() {
        let (rows, has_dot) = rows(&heard[..length], 3).unwrap();
        assert!(rows.len() <= 5);
        let dot = heard.windows(3).position(|part| part == b"\n.\r").unwrap() + 1;
        assert_eq!(has_dot, length > dot, "{length}");
    }
}

#[test]
fn a_menu_that_begins_with_an_error_is_a_refusal() {
    let error = rows(b"3No such menu\t\terror.host\t1\r\n.\r\n", 5).unwrap_err();
    assert!(matches!(&error, Error::Refused { reply, .. } if reply == "No such menu"));
    let error = rows(b"3\x1b[2J\t\t\t1\r\n", 5).unwrap_err();
    assert!(!error.to_string().contains('\x1b'));
}

#[test]
fn menus_do_not_go_on_for_ever() {
    let row = b"iHi\tfake\t(NULL)\t0\r\n";
    let error = rows(&row.repeat(100_001), 10_000).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 100_000, .. }));
    let error = rows(&vec![b'x'; 17 << 20], 1 << 20).unwrap_err();
    assert!(matches!(
        error,
        Error::TooLarge {
            limit: 16_777_216,
            ..
        }
    ));
    let long = [&b"i"[..], &b"x".repeat(10_000), b"\r\nibye\r\n"].concat();
    let (rows, _) = rows(&long, 1000).unwrap();
    assert!(matches!(&rows[0], Row::Item(item) if item.display.len() == 4095));
    assert!(matches!(&rows[1], Row::Item(item) if item.display == "bye"));
}

#[test]
fn gopher_plus_tells_where_an_item_ends() {
    let text = "gopher://a/0x%09%09+";
    for (heard, found) in [
        (&b"+5\r\nhello, and more"[..], &b"hello"[..]),
        (b"+0\r\n", b""),
        (b"+-1\r\nhello\r\n..\r\n.\r\n", b"hello\r\n.\r\n"),
        (b"+-2\r\n..hello\r\n.\r\n", b"..hello\r\n.\r\n"),
    ] {
        for piece in 1..=heard.len() {
            assert_eq!(whole(text, heard, piece).unwrap().0, found, "{piece}");
        }
    }
    for short in [&b"+5\r\nhell"[..], b"+-1\r\nhello\r\n", b"+5", b""] {
        let error = whole(text, short, 3).unwrap_err();
        assert!(matches!(error, Error::Closed { .. }), "{error}");
    }
    for (heard, refusal, told) in [
        (
            &b"--1\r\n1 <root@a> No such item\r\n.\r\n"[..],
            Refusal::Lasting,
            "1 <root@a> No such item",
        ),
        (
            b"--1\r\n2 <root@a>\r\nTry later\r\n.\r\n",
            Refusal::Transient,
            "2 <root@a> Try later",
        ),
        (
            b"--2\r\n3 0moved\tto\there\t70\r\n",
            Refusal::Lasting,
            "3 0moved\\tto\\there\\t70",
        ),
        (
            b"3No such item\t\terror.host\t1\r\n",
            Refusal::Lasting,
            "No such item",
        ),
    ] {
        let error = whole(text, heard, 4).unwrap_err();
        let Error::Refused {
            reply,
            refusal: found,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((reply.as_str(), found), (told, refusal));
    }
    for wrong in [
        "hello\r\n",
        "+\r\n",
        "+-3\r\n",
        "+99999999999999999999\r\n",
        "-x\r\n",
        "+1x\r\n",
    ] {
        let error = whole(text, wrong.as_bytes(), 4).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{wrong}: {error}");
    }
}

#[test]
fn attributes_are_asked_for_with_an_exclamation_mark() {
    let heard = b"+-1\r\n+INFO: 0a\tx\tb\t70\t+\r\n+ADMIN:\r\n Admin: me\r\n.\r\n";
    let (mut client, said) = client("gopher://a/0x", heard, 7);
    let attributes = client.attributes().unwrap();
    assert_eq!(said.text(), "x\t!\r\n");
    assert_eq!(attributes[1].lines, ["Admin: me"]);
    let endless = [&b"+-2\r\n"[..], &b"+A:\r\n".repeat(2_000)].concat();
    let (mut client, _) = self::client("gopher://a/0x", &endless, 1000);
    assert!(matches!(client.attributes(), Err(Error::TooLarge { .. })));
}

#[test]
fn a_server_is_asked_once_and_hears_one_line() {
    let (mut client, said) = client("gopher://a/7/s%09two%20words", b".\r\n", 3);
    client.menu(&mut |_| Ok(())).unwrap();
    assert!(matches!(client.fetch(), Err(Error::Illegal { .. })));
    assert_eq!(said.text(), "/s\ttwo words\r\n");
}

/// A peer that says all and then neither goes on nor hangs up in order.
struct Stuck(Memory, io::ErrorKind);

impl Read for Stuck {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(self.1.into()),
            count => Ok(count),
        }
    }
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Stuck {
    fn set_deadline(&mut self, _deadline: Option<Instant>) {}

    fn is_encrypted(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn is_readable(&mut self) -> bool {
        true
    }

    fn end_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_whole_needs_no_proper_end_and_what_is_not_does() {
    use io::ErrorKind::{ConnectionReset, TimedOut, UnexpectedEof};
    for kind in [ConnectionReset, TimedOut, UnexpectedEof] {
        for (text, heard, is_whole) in [
            ("gopher://a/0x", "a\r\n.\r\n", true),
            ("gopher://a/0x", "a\r\n", false),
            ("gopher://a/9x", "a\r\n.\r\n", false),
            ("gopher://a/9x%09%09+", "+1\r\na", true),
            ("gopher://a/9x%09%09+", "+-2\r\na", false),
        ] {
            let target = Target::parse(text).unwrap();
            let connection = Connection::over(Stuck(Memory::new(heard), kind));
            let mut client = Client::over(connection, &target);
            let mut reader = client.fetch().unwrap();
            let result = loop {
                match reader.next_part() {
                    Ok(Some(_)) => {}
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            assert_eq!(result, is_whole, "{text} {heard:?} {kind}");
        }
        let stuck = Stuck(Memory::new("iHi\r\n.\r\n"), kind);
        let target = Target::parse("gopher://a").unwrap();
        let mut client = Client::over(Connection::over(stuck), &target);
        assert!(client.menu(&mut |_| Ok(())).unwrap(), "{kind}");
    }
}
