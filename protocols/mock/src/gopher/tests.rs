//! Requests as text, and all that the server says to them.

use super::*;
use proto_transport::Memory;

fn said(server: &GopherServer, request: &[u8]) -> Vec<u8> {
    let memory = Memory::new(request);
    let said = memory.said();
    let mut peer = Peer::over(memory);
    let _ = server.serve(&mut peer, 1);
    let _ = peer.flush();
    said.bytes()
}

fn ask(server: &GopherServer, request: &str) -> String {
    let said = said(server, format!("{request}\r\n").as_bytes());
    String::from_utf8_lossy(&said).into_owned()
}

fn flawed(flaw: &str) -> GopherServer {
    GopherServer {
        flaws: vec![flaw.parse().unwrap()],
        ..GopherServer::default()
    }
}

fn ruled(rule: &str) -> GopherServer {
    GopherServer {
        rules: vec![rule.parse().unwrap()],
        ..GopherServer::default()
    }
}

#[test]
fn menus_have_lines_of_four_fields_and_end_with_a_dot() {
    let server = GopherServer::default();
    for selector in ["", "/", "/mock/types"] {
        let menu = ask(&server, selector);
        let lines: Vec<&str> = menu.split_terminator("\r\n").collect();
        let (end, items) = lines.split_last().unwrap();
        assert_eq!(*end, ".");
        assert!(items.len() > 5);
        for item in items {
            assert_eq!(item.split('\t').count(), 4, "{item}");
        }
    }
    assert!(ask(&server, "").contains("\r\n0A text\t/mock/text\tlocalhost\t70\r\n"));
    assert_eq!(server.violations(), [""; 0]);
}

#[test]
fn texts_are_stuffed_and_binaries_are_not() {
    let server = GopherServer::default();
    assert_eq!(
        ask(&server, "/mock/dots"),
        "The next line is a dot.\r\n..\r\nTwo dots:\r\n...\r\n..begins with a dot\r\n\
        Gr\u{fc}\u{df}e, and a last line without an end\r\n.\r\n"
    );
    let binary = said(&server, b"/mock/binary\r\n");
    assert_eq!(binary, showcase::binary());
    assert_eq!(binary.len() as u64, showcase::BINARY);
    assert_eq!(
        ask(&server, "/nothing\u{1b}"),
        "3There is no '/nothing\\x1b'\t\terror.host\t1\r\n.\r\n"
    );
}

#[test]
fn searches_filter_and_echo() {
    let server = GopherServer::default();
    assert_eq!(
        ask(&server, "/mock/echo\tfoo +bar"),
        "You searched for: foo +bar\r\n.\r\n"
    );
    let hits = ask(&server, "/mock/search\tTEXT");
    assert_eq!(hits.lines().count(), 3, "{hits}");
    let many = GopherServer {
        generated: 1000,
        ..GopherServer::default()
    };
    assert_eq!(ask(&many, "").lines().count(), 1001);
    assert_eq!(ask(&many, "/mock/search\titem 99").lines().count(), 12);
    assert_eq!(
        ask(&many, "/generated/7"),
        "This is item 7 of 1000.\r\n..\r\n...and no more\r\n.\r\n"
    );
    assert!(ask(&many, "/generated/1001").starts_with('3'));
}

#[test]
fn a_folder_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    write("gophermap", b"!Hello\n0The text\ta.txt\n*\n");
    write("a.txt", b"one\n.\n");
    write("b.bin", b".\r\n\0");
    write("sub/c", b"\0binary");
    let server = GopherServer {
        root: Some(folder.path().to_owned()),
        ..GopherServer::default()
    };
    assert_eq!(
        ask(&server, ""),
        "iHello\t\terror.host\t1\r\n0The text\t/a.txt\tlocalhost\t70\r\n\
        0a.txt\t/a.txt\tlocalhost\t70\r\n9b.bin\t/b.bin\tlocalhost\t70\r\n\
        1sub\t/sub\tlocalhost\t70\r\n.\r\n"
    );
    assert_eq!(ask(&server, "/a.txt"), "one\r\n..\r\n.\r\n");
    assert_eq!(ask(&server, "/b.bin"), ".\r\n\0");
    assert_eq!(ask(&server, "/sub"), "9c\t/sub/c\tlocalhost\t70\r\n.\r\n");
    assert!(ask(&server, "/../etc/passwd").starts_with('3'));
    assert_eq!(ask(&server, "/mock/search\tc").lines().count(), 2);
}

#[test]
fn gopher_plus_is_spoken_where_it_is_offered() {
    let server = GopherServer {
        plus: true,
        ..GopherServer::default()
    };
    assert!(ask(&server, "").contains("0A text\t/mock/text\tlocalhost\t70\t+\r\n"));
    assert!(ask(&server, "/mock/text\t+").starts_with("+-1\r\nHello"));
    let binary = said(&server, b"/mock/binary\t+\r\n");
    assert!(binary.starts_with(b"+100000\r\n"));
    assert_eq!(binary.len(), 100_000 + 9);
    let attributes = ask(&server, "/mock/text\t!");
    assert!(
        attributes.starts_with("+-1\r\n+INFO: 0text\t/mock/text\tlocalhost\t70\t+\r\n+ADMIN:\r\n")
    );
    assert!(attributes.ends_with("+VIEWS:\r\n text/plain: <1k>\r\n.\r\n"));
    assert_eq!(ask(&server, "\t$").matches("+INFO: ").count(), 9);
    assert!(ask(&server, "/none\t+").starts_with("--1\r\n1 There is no"));
    assert_eq!(server.violations(), [""; 0]);
    let plain = GopherServer::default();
    assert!(ask(&plain, "/mock/text\t+").starts_with("Hello"));
    assert!(plain.violations()[0].contains("Gopher+ is not offered"));
}

#[test]
fn what_no_client_should_say_is_noted() {
    for (request, what) in [
        ("/mock/text\n", "does not end with CRLF"),
        ("/mock/text", "does not end with CRLF"),
        (
            "/mock/text\r\nMAIL FROM:<>\r\n",
            "14 bytes came behind the request",
        ),
        ("/a\0\r\n", "CR or NUL"),
        ("/a\r\r\n", "CR or NUL"),
        ("/a\tb\tc\r\n", "more fields"),
    ] {
        let server = GopherServer::default();
        said(&server, request.as_bytes());
        let violations = server.violations();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].contains(what), "{violations:?}");
    }
}

#[test]
fn every_flaw_shows() {
    for (flaw, request, shows) in [
        ("unstuffed", "/mock/dots", "\r\n.\r\nTwo dots:\r\n..\r\n"),
        (
            "behind-dot",
            "/mock/text",
            "\r\n.\r\niThis comes behind the dot",
        ),
        ("malformed-lines", "", "\r\nno tabs at all\r\n"),
        ("wrong-types", "", "9A text\t/mock/text"),
        ("bare-lf", "", "localhost\t70\n0A text"),
        ("foreign-items", "", "\t127.0.0.1\t25\r\n"),
        ("foreign-items=a.example:7", "", "\ta.example\t7\r\n"),
        ("file-urls", "", "hA page\tURL:file:///etc/passwd\t"),
        ("escapes", "", "\u{1b}[31m"),
        ("path-names", "", "0../../A text\t../..//mock/text\t"),
        ("latin1", "", "A text Gr\u{fffd}\u{fffd}e"),
    ] {
        let said = ask(&flawed(flaw), request);
        assert!(said.contains(shows), "{flaw}: {said}");
    }
    let whole = ask(&GopherServer::default(), "");
    assert!(!ask(&flawed("no-final-dot"), "").ends_with("\r\n.\r\n"));
    assert!(ask(&flawed("long-names"), "").len() > 900_000);
    assert_eq!(ask(&flawed("empty"), ""), "");
    let cut = ask(&flawed("cut"), "");
    assert!(whole.starts_with(&cut) && !cut.is_empty() && cut.len() < whole.len());
    let mut plus = flawed("wrong-length");
    plus.plus = true;
    assert!(ask(&plus, "/mock/binary\t+").starts_with("+101000\r\n"));
}

#[test]
fn rules_decide_now_and_then() {
    let server = ruled("get=/mock/t* count=1 reply=odd\\r\\n");
    assert_eq!(ask(&server, "/mock/text"), "odd\r\n");
    assert!(ask(&server, "/mock/text").starts_with("Hello"));
    assert_eq!(ask(&ruled("get drop"), ""), "");
    assert_eq!(ask(&ruled("search=foo reply=no"), "/mock/echo\tfoo"), "no");
    assert!(ask(&ruled("search=foo reply=no"), "/mock/echo\tbar").contains("bar"));
    assert!(ask(&ruled("connect reply=early"), "/mock/text").starts_with("earlyHello"));
}

#[test]
fn every_prefix_of_a_request_is_survived() {
    let server = GopherServer {
        plus: true,
        ..GopherServer::default()
    };
    for whole in [
        "/mock/search\ttext\t+\r\n",
        "/mock/text\t!\r\n",
        "\t\t\t\t\r\n",
    ] {
        for length in 0..whole.len() {
            let said = said(&server, &whole.as_bytes()[..length]);
            // Nothing is said to nothing; all else has an answer, if not always a happy one.
            assert_eq!(said.is_empty(), length == 0, "{whole:?} {length}");
        }
    }
}
