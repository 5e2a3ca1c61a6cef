//! Mail servers that lie, flood, stall and cheat, and arguments that would make us say what was not
//! meant. A test's name says what must not happen, or what happens instead.
//!
//! Whatever the attack, every run here is checked for the same: neither stdout nor stderr holds
//! anything that drives a terminal, nothing panics, and nothing is called accepted that is not.

use std::process::Command;

use proto_mock::Server;
use proto_transport::escape::is_harmful;

use crate::harness::{authority, command, mta, sample, Mail, Run, Script};

mod arguments;
mod content;
mod faults;
mod logins;
mod output;
mod replies;
mod secrets;
mod tls;

/// Checks what holds for every run, whatever the server does.
#[track_caller]
fn assert_harmless(run: &Run) {
    for text in [&run.stderr, &run.text()] {
        let bad = text.chars().find(|c| *c != '\n' && is_harmful(*c));
        assert_eq!(bad, None, "raw: {text:?}");
        assert!(!text.contains('\u{fffd}'), "{text:?}");
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert_ne!(run.code, 101, "{}", run.stderr);
    assert_ne!(run.code, -1, "killed by a signal: {}", run.stderr);
    let is_accepted = run.stdout.starts_with(b"accepted ");
    assert!(is_accepted || run.code != 0 || !run.text().contains("b@example.org"));
}

/// Sends `plain.eml` to one recipient at `url`.
#[track_caller]
fn send(url: &str, options: &[&str]) -> Run {
    finish(sending(url, options))
}

/// The command that does.
fn sending(url: &str, options: &[&str]) -> Command {
    let message = sample("plain.eml");
    let mut command = command(&["smtp-send", url, "--ehlo", "client.example.org"]);
    command.args(["--from", "a@example.org", "--to", "b@example.org"]);
    if !options.contains(&"--message") {
        command.args(["--message", &message]);
    }
    if !options.contains(&"--deadline") {
        command.args(["--deadline", "20s"]);
    }
    command.args(options);
    command
}

/// Runs a command to its end.
#[track_caller]
fn finish(mut command: Command) -> Run {
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    run
}

/// Looks at a server.
#[track_caller]
fn probe(url: &str, options: &[&str]) -> Run {
    let mut command = command(&["smtp-probe", url, "--deadline", "20s"]);
    command.args(options);
    finish(command)
}

/// The URL of a server.
fn url_of(server: &Server) -> String {
    format!("smtp://localhost:{}", server.port())
}

/// The beginning of a conversation with a server that offers these extensions.
fn greeting(extensions: &[&str]) -> String {
    let mut lines = vec!["server.example.org"];
    lines.extend_from_slice(extensions);
    let last = lines.len() - 1;
    let mut text = "S: 220 server.example.org ESMTP\nC: EHLO client.example.org\n".to_owned();
    for (number, line) in lines.iter().enumerate() {
        let separator = if number == last { ' ' } else { '-' };
        text.push_str(&format!("S: 250{separator}{line}\n"));
    }
    text
}

/// What follows where all goes well.
const LETTER: &str =
    "C: MAIL FROM:<a@example.org>\nS: 250 OK\nC: RCPT TO:<b@example.org>\nS: 250 OK\n\
    C: DATA\nS: 354 Go on\nC< messages/plain.eml\nC: .\nS: 250 Queued\nC: QUIT\nS: 221 Bye\n";
