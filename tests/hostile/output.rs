//! What reaches a terminal or another program: text of a server is shown, and drives nothing.

use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;

use proto_transport::escape::is_harmful;

use super::{assert_harmless, download, found, ok, response, talker};
use crate::harness::{answering, command, proto, root_of, Run, Web};

/// What drives a terminal and yet passes the grammar of HTTP: C1 controls as UTF-8, bidirectional
/// controls, invalid UTF-8.
const EVIL: &str = "a\u{9b}2J\u{9d}52;c;ZXZpbA==\u{9c}\u{202e}b\u{2066}\u{200f}\u{85}\u{2028}";

/// What the grammar forbids already.
const WORSE: [&str; 5] = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x08\x08",
    "\x7f",
    "\x1bP$q\"p\x1b\\",
];

#[track_caller]
fn assert_quiet(text: &[u8]) {
    let text = std::str::from_utf8(text).unwrap();
    let bad = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(bad, None, "{text:?}");
}

/// Every way to look at a response with these bytes at its start.
fn look_at(answer: &[u8]) {
    let server = answering(answer);
    let url = root_of(&server);
    for command in ["http-get", "http-head"] {
        for options in [
            &["-v"][..],
            &["--trace"],
            &["--report", "/dev/stderr"],
            &["--transcript", "/dev/stderr"],
        ] {
            let run = proto(&[&[command, &url][..], options].concat());
            assert_harmless(&run);
            if command == "http-head" {
                assert_quiet(&run.stdout);
            }
        }
    }
    let run = proto(&["http-head", "--json", &url]);
    assert_harmless(&run);
    assert_quiet(&run.stdout);
    assert!(run.text().lines().count() <= 1, "{}", run.text());
}

#[test]
fn a_reason_drives_no_terminal() {
    look_at(format!("HTTP/1.1 404 {EVIL}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    look_at(b"HTTP/1.1 404 \xff\xfe\xc2\r\nContent-Length: 0\r\n\r\n");
    for worse in WORSE {
        look_at(format!("HTTP/1.1 404 {worse}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
}

#[test]
fn a_field_drives_no_terminal() {
    for field in [
        "X",
        "Content-Encoding",
        "Location",
        "WWW-Authenticate",
        "Set-Cookie",
        "Content-Length",
        "Transfer-Encoding",
        "Retry-After",
        "ETag",
    ] {
        for status in ["200 OK", "302 Found", "401 No"] {
            look_at(format!("HTTP/1.1 {status}\r\n{field}: {EVIL}\r\n\r\n").as_bytes());
        }
    }
    look_at(b"HTTP/1.1 200 OK\r\nX: \xff\xfe\xc2\r\nContent-Length: 0\r\n\r\n");
    look_at(format!("HTTP/1.1 200 OK\r\n{EVIL}: x\r\n\r\n").as_bytes());
    for worse in WORSE {
        look_at(format!("HTTP/1.1 200 OK\r\nX: {worse}\r\n\r\n").as_bytes());
        look_at(format!("HTTP/1.1 200 OK\r\n{worse}: x\r\n\r\n").as_bytes());
        look_at(format!("{worse}\r\n\r\n").as_bytes());
    }
}

#[test]
fn a_chunk_drives_no_terminal() {
    for line in WORSE.iter().chain(&[EVIL]) {
        look_at(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{line}\r\n").as_bytes(),
        );
    }
}

#[test]
fn where_a_redirect_leads_drives_no_terminal() {
    for location in [
        "http://\u{202e}evil.example:1/",
        "http://localhost:1/\u{202e}\u{2066}",
        "http://a%1b%5b2Jb/",
        "//%9b2J/",
        "ftp://\u{200f}x/",
    ] {
        let server = talker(move |_, _| found(location));
        let attempt = download(&server.url("/"), &["--trace", "-v", "--report", "report"]);
        assert_ne!(attempt.run.code, 0, "{location}");
        let report = fs::read(attempt.path().join("report")).unwrap();
        assert_quiet(&report);
    }
}

#[test]
fn a_field_is_one_line_of_output() {
    let server = answering(&response(
        "200 OK",
        &["X: a\\nStatus: forged\\r\\n", "Y: a\u{2028}b"],
        b"",
    ));
    let run = proto(&["http-head", &root_of(&server)]).exits(0);
    assert_eq!(
        run.text(),
        "HTTP/1.1 200 OK\nX: a\\nStatus: forged\\r\\n\nY: a\\u{2028}b\nContent-Length: 0\n\n"
    );
}

#[test]
fn names_of_files_drive_no_terminal() {
    let server = talker(|_, _| ok(b"here"));
    let url = server.url("/a%1b%5b2J%c2%9b%e2%80%ae");
    let folder = crate::harness::folder();
    let run = crate::harness::proto_in(folder.path(), &["http-get", "-O", "--json", "-v", &url]);
    assert_harmless(&run);
    assert_quiet(&run.stdout);
    // Also in an error about one that is there already.
    let run = crate::harness::proto_in(folder.path(), &["http-get", "-O", "-v", &url]).exits(74);
    assert_harmless(&run);
}

#[test]
fn a_transcript_of_anything_can_be_read_back() {
    let server = answering(
        &[
            b"HTTP/1.1 200 OK\r\nX: \\x41 \xff ".as_slice(),
            EVIL.as_bytes(),
            b"\r\nContent-Length: 5\r\n\r\n\x1b\\x\0\xff",
        ]
        .concat(),
    );
    let attempt = download(&root_of(&server), &["--transcript", "transcript"]);
    let text = fs::read_to_string(attempt.path().join("transcript")).unwrap();
    assert_quiet(text.as_bytes());
    let session = proto_transport::session::Session::parse(&text).unwrap();
    assert!(!session.steps.is_empty());
}

#[test]
fn a_reader_that_goes_away_hears_nothing_more() {
    let web = Web::serve(&[]);
    for path in [
        "/mock/bytes/5000000",
        "/mock/chunked/mock/bytes/5000000",
        "/mock/gzip/mock/bytes/5000000",
    ] {
        let mut command = command(&["http-get", &web.url(path)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        let run = Run::from(child.wait_with_output().unwrap()).exits(74);
        assert_eq!(run.stderr, "", "{path}");
    }
}

#[test]
fn a_full_device_is_told() {
    let web = Web::serve(&[]);
    for path in [
        "/mock/bytes/5",
        "/mock/bytes/5000000",
        "/mock/gzip/mock/bytes/100000",
        "/mock/close/mock/bytes/100000",
    ] {
        for arguments in [
            &["http-get"][..],
            &["http-get", "--max-size", "10M"],
            &["http-head"],
            &["http-head", "--json"],
        ] {
            let mut command = command(arguments);
            command.arg(web.url(path));
            let full = File::options().write(true).open("/dev/full").unwrap();
            let run = Run::from(command.stdout(full).output().unwrap()).exits(74);
            assert_harmless(&run);
            assert!(run.stderr.contains("o space"), "{}", run.stderr);
        }
        let run = proto(&["http-get", "-o", "/dev/full", &web.url(path)]).exits(74);
        assert_harmless(&run);
    }
}

#[test]
fn results_that_cannot_be_told_are_a_failure() {
    let server = talker(|_, _| ok(b"here"));
    let folder = crate::harness::folder();
    let mut command = command(&["http-get", "-O", "--json", &server.url("/a")]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.current_dir(folder.path()).stdout(full).output();
    Run::from(output.unwrap()).exits(74);
    assert_eq!(crate::harness::names(folder.path()), ["a"]);
}

#[test]
fn a_stderr_that_is_full_or_closed_is_no_reason_to_fail() {
    let web = Web::serve(&[]);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut quiet = command(&["http-get", "-v", &web.url("/mock/bytes/5")]);
    assert_eq!(
        quiet.stderr(full()).output().unwrap().status.code(),
        Some(0)
    );
    let mut failing = command(&["http-get", &web.url("/mock/status/404")]);
    assert_eq!(
        failing.stderr(full()).output().unwrap().status.code(),
        Some(69)
    );
}

#[test]
fn a_stdin_that_is_closed_is_no_reason_to_panic() {
    let web = Web::serve(&[]);
    let binary = env!("CARGO_BIN_EXE_proto");
    for more in ["", "-i -"] {
        let line = format!(
            "exec {binary} http-get {more} {} <&-",
            web.url("/mock/bytes/5")
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .output()
            .unwrap();
        let run = Run::from(output);
        assert_harmless(&run);
        assert!(matches!(run.code, 0 | 74), "{}", run.stderr);
    }
}
