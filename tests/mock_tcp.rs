//! `proto mock tcp`: echo and its like.

use proto_mock::tcp::HABITS;

use crate::harness::{authority, proto, MockProgram};
use crate::tcp::typing;

/// A mock that runs, its scheme and its port.
pub fn start(arguments: &[&str]) -> (MockProgram, String, String) {
    let program = MockProgram::start(&[&["mock"], arguments].concat());
    let (scheme, port) = program.address();
    (program, scheme, port.to_string())
}

#[test]
fn habits() {
    for (habit, heard) in [("echo", "Hi\r\n"), ("discard", ""), ("uppercase", "HI\r\n")] {
        let (_running, scheme, port) = start(&["tcp", habit]);
        assert_eq!(scheme, "tcp");
        let run = typing(&["tcp", "localhost", &port], b"Hi\n").exits(0);
        assert_eq!(run.text(), heard, "{habit}");
    }
    let (_running, _, port) = start(&["tcp", "daytime"]);
    let run = typing(&["tcp", "localhost", &port], b"").exits(0);
    assert!(run.text().ends_with(" +0000\r\n"), "{}", run.text());
    let (_running, _, port) = start(&["tcp", "chargen", "--size", "100k"]);
    let run = typing(&["tcp", "localhost", &port], b"").exits(0);
    assert_eq!(run.stdout.len(), 100 * 1024);
}

#[test]
fn tls_and_faults() {
    let (_running, scheme, port) = start(&["tcp", "--tls"]);
    assert_eq!(scheme, "tls");
    let url = format!("tls://localhost:{port}");
    let run = typing(&["tcp", &url, "--ca", &authority()], b"Hi").exits(0);
    assert_eq!(run.text(), "Hi\r\n");
    let (_running, _, port) = start(&["tcp", "--fault", "cut=1"]);
    let run = typing(&["tcp", "localhost", &port], b"Hi").exits(0);
    assert_eq!(run.text(), "H");
}

#[test]
fn what_is_wrong_is_told() {
    for mock in ["tcp", "udp"] {
        let help = proto(&["mock", mock, "help"]).exits(0).text();
        assert!(HABITS.iter().all(|(name, _)| help.contains(name)), "{help}");
        proto(&["mock", mock, "shout"])
            .exits(64)
            .says("none of echo");
        proto(&["mock", mock, "--fault", "nonsense"])
            .exits(64)
            .says("is not a fault");
        let faults = proto(&["mock", mock, "--fault", "help"]).exits(0).text();
        assert!(faults.contains("delay[=TIME]"));
    }
}
