use super::*;
use crate::memory::Memory;

#[test]
fn lines_arrive_at_every_cut() {
    let text = b"one\r\ntwo\n\r\nend\r\n";
    for piece in 1..=text.len() {
        let mut connection = Connection::over(Memory::in_pieces(text.chunks(piece)));
        for expected in ["one", "two", "", "end"] {
            assert_eq!(connection.read_line().unwrap(), expected.as_bytes());
        }
        assert!(matches!(connection.read_line(), Err(Error::Closed { .. })));
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_allowed() {
    let limit = Limits::default().line;
    let text = format!("{}\r\n", "a".repeat(limit));
    assert_eq!(
        Connection::over(Memory::new(&text))
            .read_line()
            .unwrap()
            .len(),
        limit
    );
    for text in [format!("a{text}"), "a".repeat(10 * limit)] {
        let mut connection = Connection::over(Memory::new(text));
        assert!(matches!(
            connection.read_line(),
            Err(Error::TooLarge { .. })
        ));
    }
}

#[test]
fn a_long_line_comes_in_parts() {
    let limit = Limits::default().line;
    for length in [0, 1, limit - 1, limit, limit + 1, 3 * limit + 7] {
        let line = "0123456789".repeat(length / 10 + 1);
        let line = line.get(..length).unwrap();
        for cut in [1000, limit + 1, 10 * limit] {
            let text = format!("{line}\r\nnext\r\n");
            let memory = Memory::in_pieces(text.as_bytes().chunks(cut));
            let mut connection = Connection::over(memory);
            let mut heard = Vec::new();
            loop {
                let (part, is_end) = connection.read_line_part().unwrap();
                heard.extend_from_slice(part);
                if is_end {
                    break;
                }
            }
            assert!(heard == line.as_bytes());
            assert_eq!(connection.read_line().unwrap(), b"next");
        }
    }
}

#[test]
fn compression_begins_behind_the_reply() {
    let memory = Memory::new(b"OK\r\n\xd2\xe2\xe5\x02\x00\x00\x00\xff\xff");
    let said = memory.said();
    let mut connection = Connection::over(memory);
    assert_eq!(connection.read_line().unwrap(), b"OK");
    connection.compress().unwrap();
    connection.write_line("NOOP").unwrap();
    assert_eq!(connection.read_line().unwrap(), b"*");
    assert!(said.bytes().ends_with(b"\x00\x00\xff\xff"));
}

#[test]
fn the_gate_refuses_what_could_be_a_second_command() {
    let memory = Memory::new("");
    let said = memory.said();
    let mut connection = Connection::over(memory);
    for line in ["a\rb", "a\nb", "a\0b", "\r\nDELE 1"] {
        assert!(matches!(
            connection.write_line(line),
            Err(Error::Illegal { .. })
        ));
        assert!(matches!(
            connection.write_secret_line("PASS ", line),
            Err(Error::Illegal { .. })
        ));
    }
    connection.write_line("NOOP").unwrap();
    assert_eq!(said.text(), "", "queued, not sent");
    connection.flush().unwrap();
    assert_eq!(said.text(), "NOOP\r\n");
}

#[test]
fn reading_sends_what_is_queued() {
    let memory = Memory::new("+OK\r\n");
    let said = memory.said();
    let mut connection = Connection::over(memory);
    connection.write_line("STAT").unwrap();
    connection.read_line().unwrap();
    assert_eq!(said.text(), "STAT\r\n");
}

#[test]
fn bytes_before_tls_are_refused_with_their_count() {
    let mut connection = Connection::over(Memory::new("220 go\r\n235 injected\r\n"));
    connection.read_line().unwrap();
    let error = connection.start_tls().unwrap_err();
    assert!(error.to_string().contains("14 bytes"), "{error}");
}

#[test]
fn an_answer_before_the_question_is_refused() {
    let mut connection = Connection::over(Memory::new("220 hello\r\n235 welcome\r\n"));
    assert!(connection.expect_quiet().is_ok());
    connection.read_line().unwrap();
    assert!(matches!(
        connection.expect_quiet(),
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn queued_output_does_not_cross_into_tls() {
    let mut connection = Connection::over(Memory::new("220 go\r\n"));
    connection.read_line().unwrap();
    connection.write_line("EHLO x").unwrap();
    assert!(matches!(connection.start_tls(), Err(Error::Illegal { .. })));
}
