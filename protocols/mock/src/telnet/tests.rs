//! What the server says on the wire, over memory.

use proto_transport::escape::escaped;
use proto_transport::Memory;

use super::*;

/// What is said to a client that says `heard`, in pieces.
fn said_to(server: &TelnetServer, heard: &[&[u8]]) -> Vec<u8> {
    let memory = Memory::in_pieces(heard);
    let said = memory.said();
    let mut peer = Peer::over(memory);
    // A client that hangs up is no error.
    let _ = server.serve(&mut peer, 1);
    let _ = peer.flush();
    said.bytes()
}

fn flawed(flaws: &[&str]) -> TelnetServer {
    TelnetServer {
        flaws: flaws.iter().map(|flaw| flaw.parse().unwrap()).collect(),
        ..TelnetServer::default()
    }
}

const ASKED: &[u8] = b"\xff\xfd\x18\xff\xfd\x1f\xff\xfd\x27\xff\xfb\x03\xff\xfb\x01login: ";

#[test]
fn somebody_logs_in_and_looks_around() {
    let server = TelnetServer::default();
    let said = said_to(
        &server,
        &[
            b"\xff\xfb\x18\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xfc\x27",
            b"\xff\xfd\x03\xff\xfd\x01\xff\xfa\x18\0XTERM\xff\xf0",
            b"fred\r\npen",
            b"cil\r\0size\r\nterm\r\0env\r\nbytes\r\nexit\r\n",
        ],
    );
    let expected = [
        ASKED,
        b"\xff\xfa\x18\x01\xff\xf0fred\r\nPassword: \r\nWelcome, fred.\r\n$ size\r\n80 x 24\r\n$ ",
        b"term\r\nXTERM\r\n$ env\r\nnothing\r\n$ bytes\r\nff:\xff\xff cr:\r\0 utf8:\xc3\xbc end\r\n",
        b"$ exit\r\nBye\r\n",
    ];
    assert_eq!(escaped(&said), escaped(&expected.concat()));
    assert_eq!(server.violations(), [""; 0]);
    let lines: Vec<String> = server
        .commands()
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    assert_eq!(
        lines,
        ["fred", "(secret)", "size", "term", "env", "bytes", "exit"]
    );
}

#[test]
fn the_wrong_password_is_refused_three_times() {
    let mut server = flawed(&["silent"]);
    server.users = vec![("fred".to_owned(), "pencil".to_owned())];
    let said = said_to(&server, &[&b"fred\r\nx\r\n".repeat(4)]);
    let text = String::from_utf8(said).unwrap();
    assert_eq!(text.matches("Login incorrect").count(), 3, "{text}");
    assert!(text.ends_with("Login incorrect\r\n"), "{text}");
    let said = said_to(&server, &[b"fred\r\npencil\r\n"]);
    assert!(said.ends_with(b"Welcome, fred.\r\n$ "));
}

#[test]
fn what_a_client_does_wrong_is_noted() {
    for (heard, violation) in [
        (&b"\rx"[..], "1: behind a CR comes neither LF nor NUL"),
        (b"a\n", "1: a line ends in LF alone"),
        (
            b"\xff\xfa\x18\0x\xff\xf0",
            "1: something is said within 24, which is not in force",
        ),
        (b"\xff\xfc\x18\xff\xfc\x18", "1: WONT 24 changes nothing"),
        (b"\xff\xfd\x01\xff\xfd\x01", "1: DO 1 changes nothing"),
        (
            b"\xff\xfa\x18\0\xff\x01",
            "1: what is said within an option does not end with IAC SE",
        ),
    ] {
        let server = TelnetServer::default();
        said_to(&server, &[heard]);
        assert_eq!(server.violations(), [violation]);
    }
    let server = TelnetServer::default();
    let circle = b"\xff\xfb\0\xff\xfc\0".repeat(1000);
    said_to(&server, &[&circle]);
    assert_eq!(
        server.violations(),
        ["1: options are negotiated without end"]
    );
}

#[test]
fn every_flaw_shows() {
    for (flaw, sign) in [
        ("silent", &b"login: "[..]),
        ("chatty", b"\xff\xfd\x00\xff\xfb\x00\xff\xfd\x01"),
        ("binary", b"\xff\xfd\0\xff\xfb\0"),
        ("unterminated-sub", b"\xff\xfa\x18\x01\xff\xf6"),
        ("huge-sub", b"\xff\xfa\x18xxxx"),
        ("endless-sub", b"\xff\xfa\x18xxxx"),
        ("flood", b"\xff\xfb\x01\xff\xfc\x01\xff\xfb\x01\xff\xfc\x01"),
        ("ask-environment", b"\xff\xfa\x27\x01\xff\xf0"),
        ("escapes", b"\x1b[31m"),
        ("nuls", b"l\0o\0g\0i\0n\0"),
        ("cut", b"login: \xff\xfa\x18\x01"),
    ] {
        let said = said_to(&flawed(&[flaw]), &[b"x\r\n"]);
        let is_there = said.windows(sign.len()).any(|part| part == sign);
        assert!(is_there, "{flaw}");
    }
    assert_eq!(said_to(&flawed(&["empty"]), &[b"x\r\n"]), b"");
    let looping = said_to(&flawed(&["looping"]), &[b"\xff\xfb\x18\xff\xfc\x18"]);
    assert!(looping.ends_with(b"\xff\xfe\x18\xff\xfd\x18"));
    let open = said_to(
        &flawed(&["echo-password"]),
        &[b"\xff\xfd\x01", b"fred\r\npencil\r\n"],
    );
    assert!(open.windows(6).any(|part| part == b"pencil"));
    let bare = said_to(&flawed(&["bare-lf", "silent"]), &[b"a\r\nb\r\n"]);
    assert!(!bare.contains(&b'\r'));
    let split = said_to(&flawed(&["split-iac"]), &[b"x\r\n"]);
    assert!(split.starts_with(ASKED));
}

#[test]
fn rules_come_first() {
    let mut server = flawed(&["silent"]);
    server.has_login = false;
    server.rules = vec![
        r"command=date* reply=Monday\r\n".parse().unwrap(),
        "command=bye drop-after reply=So long".parse().unwrap(),
    ];
    let said = said_to(&server, &[b"date -u\r\nbye\r\necho x\r\n"]);
    assert_eq!(String::from_utf8(said).unwrap(), "$ Monday\r\n$ So long");
}

#[test]
fn keys_can_be_taken_back() {
    let mut server = flawed(&["silent"]);
    server.has_login = false;
    let said = said_to(
        &server,
        &[b"echo ab\x7fc\x08d\r\nxxx\x03echo \xff\xf6y\r\n\x04echo z\r\n"],
    );
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "$ ad\r\n$ ^C\r\n$ [Yes]\r\ny\r\n$ "
    );
}
