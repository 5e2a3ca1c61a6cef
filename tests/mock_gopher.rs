//! `proto mock gopher`: what it says on the wire, byte by byte.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{folder, proto, MockProgram};
use proto_mock::AUTHORITY;
use proto_transport::{Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Mock {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let program = MockProgram::start(&[&["mock", "gopher"], options].concat());
        let (scheme, port) = program.address();
        Mock {
            program,
            scheme,
            port,
        }
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// The whole answer to a request.
    fn ask(&self, request: &str) -> Vec<u8> {
        let mut stream = self.dial();
        stream
            .write_all(format!("{request}\r\n").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Ends it, for what it printed to stderr.
    fn stop(self) -> String {
        self.program.stop().1
    }
}

#[test]
fn menus_name_the_port_of_the_server() {
    let mock = Mock::start(&[]);
    assert_eq!(mock.scheme, "gopher");
    let menu = String::from_utf8(mock.ask("")).unwrap();
    let port = mock.port;
    assert!(menu.contains(&format!("\r\n0A text\t/mock/text\tlocalhost\t{port}\r\n")));
    assert_eq!(
        mock.ask("/mock/text"),
        b"Hello from a mock server.\r\nThis is the second line.\r\n.\r\n"
    );
    assert_eq!(mock.ask("/mock/binary").len(), 100_000);
    let told = mock.stop();
    assert!(
        told.contains("request 1: \n") && told.contains("request 2: /mock/text\n"),
        "{told}"
    );
    assert!(!told.contains("violation"), "{told}");
}

#[test]
fn a_folder_is_served_and_nothing_outside_of_it() {
    let outer = folder();
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(outer.path().join("secret.txt"), "secret").unwrap();
    fs::write(root.join("a.txt"), ".\n").unwrap();
    std::os::unix::fs::symlink("../secret.txt", root.join("link.txt")).unwrap();
    let mock = Mock::start(&["--dir", root.to_str().unwrap()]);
    assert_eq!(mock.ask("/a.txt"), b"..\r\n.\r\n");
    let absolute = outer.path().join("secret.txt");
    for selector in [
        "/../secret.txt",
        "../secret.txt",
        "/sub/../../secret.txt",
        "/link.txt",
        "/./../secret.txt",
        absolute.to_str().unwrap(),
    ] {
        let answer = mock.ask(selector);
        assert!(
            answer.starts_with(b"3There is no '"),
            "{selector}: {answer:?}"
        );
    }
}

#[test]
fn generated_menus_are_searched() {
    let mock = Mock::start(&["--generate", "100000", "--plus"]);
    let menu = mock.ask("");
    let count = menu.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(count, 100_001);
    let hits = String::from_utf8(mock.ask("/mock/search\titem 99999")).unwrap();
    let port = mock.port;
    assert_eq!(
        hits,
        format!("0Item 99999\t/generated/99999\tlocalhost\t{port}\t+\r\n.\r\n")
    );
}

#[test]
fn tls_is_there_from_the_first_byte() {
    let mock = Mock::start(&["--tls"]);
    assert_eq!(mock.scheme, "gophers");
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    let connector = Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    };
    let mut connection = connector.connect(&endpoint(&mock, Security::Tls)).unwrap();
    connection.write_line("/mock/text").unwrap();
    assert_eq!(
        connection.read_line().unwrap(),
        b"Hello from a mock server."
    );
}

#[test]
fn what_does_not_end_ends_with_the_server() {
    for (flaw, request) in [("endless-menu", ""), ("endless-binary", "/mock/binary")] {
        let mock = Mock::start(&["--flaw", flaw]);
        let mut stream = mock.dial();
        stream
            .write_all(format!("{request}\r\n").as_bytes())
            .unwrap();
        let mut much = vec![0; 3_000_000];
        stream.read_exact(&mut much).unwrap();
        mock.stop();
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (arguments, told) in [
        (&["--dir", "/nonexistent"][..], "is no folder"),
        (&["--rule", "menu drop"], "is no event"),
        (&["--flaw", "nonsense"], "is not a flaw"),
    ] {
        let run = proto(&[&["mock", "gopher", "--stop-after", "1ms"], arguments].concat());
        run.exits(64).says(told);
    }
    let rules = proto(&["mock", "gopher", "--rule", "help"]).exits(0).text();
    assert!(rules.contains("get[=GLOB]"));
    let flaws = proto(&["mock", "gopher", "--flaw", "help"]).exits(0).text();
    assert!(
        flaws.contains("endless-menu     menus do not end\n"),
        "{flaws}"
    );
    let mock = Mock::start(&[]);
    let mut stream = mock.dial();
    stream.write_all(b"/mock/echo\r\nDATA\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert!(mock
        .stop()
        .contains("violation 1: /mock/echo: 6 bytes came behind the request\n"));
}

fn endpoint(mock: &Mock, security: Security) -> Endpoint {
    Endpoint {
        scheme: "gopher".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: mock.port,
        security,
    }
}
