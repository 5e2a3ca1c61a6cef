//! `proto mock telnet`: what it says on the wire, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{authority, proto, MockProgram};

/// A server that runs, and how to reach it.
struct Mock {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let program = MockProgram::start(&[&["mock", "telnet"], options].concat());
        let (scheme, port) = program.address();
        Mock {
            program,
            scheme,
            port,
        }
    }

    /// All that is said to somebody who says this.
    fn hear(&self, said: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        stream.write_all(said).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    }

    /// Ends it, for what it printed to stderr.
    fn stop(self) -> String {
        self.program.stop().1
    }
}

#[test]
fn it_asks_who_is_there_and_runs_a_shell() {
    let mock = Mock::start(&["--user", "fred:pencil"]);
    assert_eq!(mock.scheme, "telnet");
    let heard = mock.hear(b"\xff\xfb\x18\xff\xfe\x01fred\r\npencil\r\necho hi\r\nexit\r\n");
    assert_eq!(
        heard,
        b"\xff\xfd\x18\xff\xfd\x1f\xff\xfd\x27\xff\xfb\x03\xff\xfb\x01login: \
          \xff\xfa\x18\x01\xff\xf0Password: Welcome, fred.\r\n$ hi\r\n$ Bye\r\n"
    );
    let told = mock.stop();
    for line in [
        "option 1: WILL 24\n",
        "line 1: fred\n",
        "line 1: (secret)\n",
        "line 1: echo hi\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(
        !told.contains("pencil") && !told.contains("violation"),
        "{told}"
    );
}

#[test]
fn what_is_wrong_is_told() {
    let mock = Mock::start(&["--no-login", "--flaw", "silent"]);
    assert_eq!(mock.hear(b"\xff\xfd\x63exit\n"), b"$ \xff\xfc\x63Bye\r\n");
    assert!(mock
        .stop()
        .contains("violation 1: a line ends in LF alone\n"));
    for (arguments, told) in [
        (&["--user", "fred"][..], "NAME:PASSWORD"),
        (&["--rule", "menu drop"], "is no event"),
        (&["--flaw", "nonsense"], "is not a flaw"),
    ] {
        let run = proto(&[&["mock", "telnet", "--stop-after", "1ms"], arguments].concat());
        run.exits(64).says(told);
    }
    let rules = proto(&["mock", "telnet", "--rule", "help"]).exits(0).text();
    assert!(rules.contains("command[=GLOB]"));
    let flaws = proto(&["mock", "telnet", "--flaw", "help"]).exits(0).text();
    assert!(flaws.contains("looping          every answer"), "{flaws}");
}

#[test]
fn rules_and_tls() {
    let rule = r"command=date reply=Monday\r\n";
    let mock = Mock::start(&["--no-login", "--tls", "--rule", rule]);
    assert_eq!(mock.scheme, "telnets");
    let url = format!("telnets://localhost:{}", mock.port);
    let run = crate::telnet::piped(&["telnet", &url, "--ca", &authority()], b"date\nexit\n");
    assert!(run.exits(0).text().contains("Monday\r\n"));
}

#[test]
fn what_does_not_end_ends_with_the_server() {
    for flaw in ["endless-output", "flood"] {
        let mock = Mock::start(&["--no-login", "--flaw", flaw]);
        let mut stream = TcpStream::connect(("127.0.0.1", mock.port)).unwrap();
        stream.write_all(b"x\r\n").unwrap();
        stream.read_exact(&mut vec![0; 3_000_000]).unwrap();
        mock.stop();
    }
}
