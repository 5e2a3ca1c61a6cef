//! Telnet servers that flood, loop, lie and stall.
//!
//! Whatever the attack, every run here is checked for the same: it ends, stderr holds nothing that
//! drives a terminal, nothing panics, and what is said to the server is bounded.

use std::fs;
use std::net::TcpListener;
use std::thread;

use proto_mock::telnet::FLAWS;
use proto_mock::{Options, FAULTS};
use proto_transport::escape::is_harmful;

use crate::harness::{folder, tls, Run, Script};
use crate::telnet::{piped, shell, Shell};

/// Every way of talking to a server.
const WAYS: [(&[&str], &str); 4] = [
    (&[], "echo one\nfill 10\nexit\n"),
    (&["--show-options"], "exit\n"),
    (&["--show-options", "--json"], "echo one\nexit\n"),
    (
        &[
            "--window", "80x24", "--env", "A=b", "-t", "vt100", "--binary",
        ],
        "exit\n",
    ),
];

const SCRIPT: &str =
    "timeout 2s\nexpect \\$\nsend echo (?<x>one)\nexpect (?<x>one)\nsend exit\nexpect Bye\n";

/// Runs a command to its end, and checks what holds for every run.
#[track_caller]
fn run(arguments: &[&str], stdin: &str) -> Run {
    let limits = ["--deadline", "10s", "--timeout", "3s", "--max-size", "3M"];
    let authority = crate::harness::authority();
    let arguments = [arguments, &limits, &["--ca", &authority]].concat();
    let run = piped(&arguments, stdin.as_bytes());
    let bad = run.stderr.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(bad, None, "{arguments:?}: {:?}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(
        [0, 65, 69, 74, 75, 76, 77].contains(&run.code),
        "{arguments:?}: {} {}",
        run.code,
        run.stderr
    );
    if arguments.contains(&"--show-options") {
        let bad = run.text().chars().find(|c| *c != '\n' && is_harmful(*c));
        assert_eq!(bad, None, "{arguments:?}: {:?}", run.text());
    }
    run
}

fn in_every_way(shell: &Shell) {
    let place = folder();
    let script = place.path().join("script");
    fs::write(&script, SCRIPT).unwrap();
    let script = script.to_str().unwrap();
    let url = &shell.url();
    thread::scope(|scope| {
        for (options, stdin) in WAYS {
            scope.spawn(move || run(&[&["telnet", url.as_str()], options].concat(), stdin));
        }
        scope.spawn(move || run(&["telnet", url, "--script", script], ""));
    });
}

#[test]
fn every_flaw_of_a_telnet_server() {
    thread::scope(|scope| {
        for (flaw, _) in FLAWS {
            scope.spawn(move || in_every_way(&Shell::flawed(&[flaw])));
        }
    });
}

#[test]
fn flaws_of_a_telnet_server_have_their_status() {
    for (flaw, code) in [
        ("silent", 0),
        ("chatty", 0),
        ("split-iac", 0),
        ("huge-sub", 0),
        ("unterminated-sub", 0),
        ("binary", 0),
        ("looping", 76),
        ("flood", 76),
        ("endless-output", 65),
        // A host may hang up when it likes.
        ("empty", 0),
        ("cut", 0),
        ("endless-sub", 0),
    ] {
        let shell = Shell::flawed(&[flaw]);
        // Who says nothing more hears the circle to its end.
        let stdin = if flaw == "looping" {
            ""
        } else {
            "echo one\nexit\n"
        };
        let run = run(&["telnet", &shell.url()], stdin);
        assert_eq!(run.code, code, "{flaw}: {}", run.stderr);
    }
}

#[test]
fn every_fault_of_the_line() {
    let faults = FAULTS.iter().map(|(usage, _)| match *usage {
        "cut=N" => "cut=30",
        "cut-reset=N" => "cut-reset=30",
        "inject=TEXT" => r"inject=evil\xff\xfb\x01\r\n",
        usage => usage.split(['[', '=']).next().unwrap(),
    });
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                for security in [Options::default(), tls()] {
                    let options = Options {
                        faults: vec![fault.parse().unwrap()],
                        ..security
                    };
                    in_every_way(&Shell::with(shell(&[], &[]), options));
                }
            });
        }
    });
}

/// Row 117: a million changes of mind get a bounded answer.
#[test]
fn a_flood_of_negotiations_is_not_answered_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = listener.accept().unwrap().0;
        let flood = b"\xff\xfb\x01\xff\xfc\x01".repeat(10_000);
        let mut reader = stream.try_clone().unwrap();
        let counter = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = reader.read_to_end(&mut said);
            said.len()
        });
        for _ in 0..100 {
            if stream.write_all(&flood).is_err() {
                break;
            }
        }
        drop(stream);
        counter.join().unwrap()
    });
    let run = run(&["telnet", &format!("127.0.0.1:{port}")], "");
    assert_eq!(run.code, 76, "{}", run.stderr);
    assert!(run.stderr.contains("RFC 1143"), "{}", run.stderr);
    assert!(server.join().unwrap() <= 3000);
}

/// Rows 30 and 121: what is said, byte by byte.
#[test]
fn what_is_said_is_exact() {
    for (options, stdin, said) in [
        (
            &[][..],
            &b"a\n\xff\r\nb\rc"[..],
            r"a\r\n\xff\xff\r\nb\r\x00c",
        ),
        (&[], b"a\r", r"a\r\x00"),
        (
            &["--binary"],
            b"a\n\xff\r\n",
            r"\xff\xfd\x00\xff\xfb\x00a\r\n\xff\xff\r\n",
        ),
    ] {
        let script = Script::play(&format!("C| {said}\n= closed\n"));
        let port = script.server.port().to_string();
        let run = piped(&[&["telnet", "127.0.0.1", &port], options].concat(), stdin);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(
            script.replay.outcome(),
            proto_mock::Outcome::AsWritten,
            "{said}"
        );
    }
}

/// A place in the stream that is marked as urgent is still a place in the stream.
#[test]
fn a_data_mark_is_no_data() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        use std::io::Write;
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"before ").unwrap();
        let urgent = socket2::SockRef::from(&stream);
        urgent.send_out_of_band(b"\xff\xf2").unwrap();
        stream.write_all(b"after").unwrap();
    });
    let run = run(&["telnet", &format!("127.0.0.1:{port}")], "");
    server.join().unwrap();
    assert_eq!(run.text(), "before after");
}
