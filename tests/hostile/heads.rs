//! Heads of responses: their syntax, their size, and what they say of the body.

use std::sync::Arc;

use proto_mock::{Options, Peer, Server};

use super::{download, peak_memory, read_head, MEMORY};
use crate::harness::{answering, command, folder, names, root_of};

/// Downloads from a server that answers with these bytes and closes.
#[track_caller]
fn answered(bytes: impl AsRef<[u8]>) -> super::Attempt {
    let server = answering(bytes.as_ref());
    download(&root_of(&server), &[])
}

#[test]
fn what_is_no_status_line_is_refused() {
    for line in [
        "ICY 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/11 200 OK",
        "HTTP/1 200 OK",
        "HTTP/1.11 200 OK",
        "HTTP/1. 200 OK",
        "HTTP/1.x 200 OK",
        "http/1.1 200 OK",
        "HTTP /1.1 200 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 99999999999999999999 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 2xx OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 200-OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 \x1b]0;evil\x07",
        "HTTP/1.1 101 Switching Protocols",
        "<html>this would be HTTP/0.9</html>",
        "220 mail.example ESMTP",
        "* OK IMAP4rev1 ready",
        "",
    ] {
        let reply = format!("{line}\r\nContent-Length: 5\r\n\r\nhello");
        let attempt = answered(reply);
        assert_eq!(attempt.run.code, 76, "{line:?}: {}", attempt.run.stderr);
    }
}

#[test]
fn what_is_allowed_in_a_status_line_is_taken() {
    for line in [
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.9 200 OK",
        "HTTP/1.1 200 ",
        "HTTP/1.1 200",
        "HTTP/1.1 299 Grüße\tan alle",
    ] {
        answered(format!("{line}\r\nContent-Length: 5\r\n\r\nhello")).gives(b"hello");
    }
    // RFC 9112 section 2.2: a line may be taken to end in a bare LF.
    answered("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello").gives(b"hello");
}

#[test]
fn what_is_no_field_is_refused() {
    for lines in [
        &b"A: b\r\n c"[..],
        b"A: b\r\n\tc",
        b" A: b",
        b"A : b",
        b"A\t: b",
        b": b",
        b"no colon",
        b"A\0: b",
        b"A: b\0c",
        b"A: b\rc",
        b"A: b\r\r",
        b"A: \x1b[2J",
        b"A: \x7f",
        b"A: \x08",
        b"(A): b",
        b"A\xc3\xa4: b",
        b"A\xff: b",
        b"\xef\xbb\xbfA: b",
    ] {
        let reply = [
            b"HTTP/1.1 200 OK\r\n",
            lines,
            b"\r\nContent-Length: 5\r\n\r\nhello",
        ]
        .concat();
        let attempt = answered(reply);
        assert_eq!(attempt.run.code, 76, "{lines:?}: {}", attempt.run.stderr);
    }
}

#[test]
fn a_length_that_can_be_read_in_two_ways_is_refused() {
    for lines in [
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5.0",
        "Content-Length: 5;",
        "Content-Length: five",
        "Content-Length:",
        "Content-Length: 5,",
        "Content-Length: 5, 6",
        "Content-Length: 6, 5",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\ncontent-length: 0",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:",
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let attempt = answered(reply);
        assert_eq!(attempt.run.code, 76, "{lines:?}: {}", attempt.run.stderr);
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    answered(old).fails(76);
}

#[test]
fn a_length_that_is_said_twice_alike_is_one() {
    for lines in [
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 005",
        "content-LENGTH:\t5 ",
    ] {
        answered(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhello")).gives(b"hello");
    }
}

/// A server that goes on sending `part` after `start` until the client hangs up.
fn flooding(start: &'static [u8], part: Vec<u8>) -> Server {
    let service = move |peer: &mut Peer, _: usize| {
        read_head(peer)?;
        peer.write_all(start)?;
        loop {
            peer.write_all(&part)?;
            peer.flush()?;
        }
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn endless_heads_end_with_little_memory() {
    for (start, part) in [
        // A line without an end: the status line, a field's name, a field's value.
        (&b""[..], vec![b'x'; 65_536]),
        (b"HTTP/1.1 200 ", vec![b'x'; 65_536]),
        (b"HTTP/1.1 200 OK\r\n", vec![b'x'; 65_536]),
        (b"HTTP/1.1 200 OK\r\nA: ", vec![b'x'; 65_536]),
        // Fields without an end: many small ones, few large ones.
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n".repeat(1_000)),
        (
            b"HTTP/1.1 200 OK\r\n",
            [b"A: ", &[b'x'; 60_000][..], b"\r\n"].concat(),
        ),
        // Informational responses without an end.
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100)),
        (b"", b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n".repeat(100)),
    ] {
        let server = flooding(start, part);
        let folder = folder();
        let mut command = command(&["http-get", "-o", "file", &root_of(&server)]);
        command
            .args(["--deadline", "30s"])
            .current_dir(folder.path());
        let (run, peak) = peak_memory(command);
        let run = run.exits(65);
        assert!(peak < MEMORY, "{peak} KiB: {}", run.stderr);
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn exactly_the_limits_are_allowed() {
    let head = |fields: usize| {
        let fields = "A: b\r\n".repeat(fields - 1);
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")
    };
    answered(head(256)).gives(b"hello");
    answered(head(257)).fails(65).says("256");
    let informed = |count: usize| {
        let before = "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
        format!("{before}{}", head(1))
    };
    answered(informed(32)).gives(b"hello");
    answered(informed(33)).fails(65).says("32");
}

#[test]
fn an_announced_size_allocates_nothing() {
    for length in [1_u64 << 40, 1 << 62, u64::MAX] {
        let reply =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"a\"\r\n\r\ntiny");
        for decoding in ["", "Content-Encoding: gzip\r\n"] {
            let reply = reply.replacen("ETag", &format!("{decoding}ETag"), 1);
            let server = answering(reply.as_bytes());
            let folder = folder();
            let mut command = command(&["http-get", "-o", "file", &root_of(&server)]);
            command.current_dir(folder.path());
            let (run, peak) = peak_memory(command);
            assert!(matches!(run.code, 75 | 76), "{}", run.stderr);
            assert!(peak < MEMORY, "{peak} KiB");
            assert!(!names(folder.path()).contains(&"file".to_owned()));
        }
    }
}

#[test]
fn an_announced_size_above_the_limit_is_refused_at_once() {
    let server = flooding(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n",
        vec![0; 4096],
    );
    let attempt = download(&root_of(&server), &["--max-size", "1000000"]).fails(65);
    assert!(attempt.names().is_empty());
    // Also where nothing is announced.
    let server = flooding(b"HTTP/1.1 200 OK\r\n\r\n", vec![0; 4096]);
    let attempt = download(&root_of(&server), &["--max-size", "1000000"]).fails(65);
    assert!(attempt.names().is_empty());
}
