//! Maildrops that lie, flood, stall and cheat. A test's name says what must not happen, or what
//! happens instead.
//!
//! Whatever the attack, every run here is checked for the same: neither stdout nor stderr holds
//! anything that drives a terminal, and nothing panics.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use proto_mock::pop3::Maildrop;
use proto_mock::{Fault, Options, Outcome, Peer, Server, FAULTS};
use proto_transport::escape::is_harmful;

use crate::harness::{authority, command, folder, maildrop, names, tls, Post, Run, Script};

mod logins;

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
}

/// Runs a command over a server to its end.
#[track_caller]
fn run(name: &str, url: &str, folder: &Path, options: &[&str]) -> Run {
    let run = Run::from(running(name, url, folder, options).output().unwrap());
    assert_harmless(&run);
    run
}

fn running(name: &str, url: &str, folder: &Path, options: &[&str]) -> Command {
    let mut command = command(&[name, url, "--ca", &authority()]);
    command.current_dir(folder).args(options);
    if !options.contains(&"--deadline") {
        command.args(["--deadline", "20s"]);
    }
    command
}

/// What is fetched with.
const STORE: [&str; 5] = ["--eml-dir", "mail", "--state", "state", "--delete"];

const MESSAGES: [&[u8]; 3] = [b"A: 1\r\n\r\n.\r\n", b"A: 2\r\n", b"A: 3\r\n\r\n..x\r\n"];

fn url_of(server: &Server) -> String {
    format!("pop3://fred:pencil@localhost:{}", server.port())
}

/// Checks that what is stored is whole, and that nothing was deleted that is not stored.
#[track_caller]
fn assert_safe(maildrop: &Maildrop, folder: &Path, run: &Run, what: &str) {
    let mail = folder.join("mail");
    let names = match mail.exists() {
        true => names(&mail),
        false => Vec::new(),
    };
    for name in &names {
        assert!(name.ends_with(".eml"), "{what}: {names:?}");
        let text = fs::read(mail.join(name)).unwrap();
        assert!(MESSAGES.contains(&text.as_slice()), "{what}: {text:?}");
    }
    for uid in maildrop.deleted() {
        assert!(names.contains(&format!("{uid}.eml")), "{what}: {uid}");
    }
    let heard = maildrop.commands();
    let count = |verb| {
        heard
            .iter()
            .filter(|(_, line)| line.starts_with(verb))
            .count()
    };
    assert!(count("DELE") <= names.len(), "{what}: {heard:?}");
    if run.code != 0 {
        // QUIT makes deletions happen, so it comes when all is well up to then.
        let is_done = names.len() == MESSAGES.len() && count("DELE") == MESSAGES.len();
        assert!(
            is_done || count("QUIT") == 0 || count("RETR") == 0,
            "{what}: {heard:?}"
        );
        assert!(is_done || maildrop.deleted().is_empty(), "{what}");
    } else {
        assert_eq!(names.len(), MESSAGES.len(), "{what}");
        assert_eq!(maildrop.deleted().len(), MESSAGES.len(), "{what}");
    }
    let stored = run
        .text()
        .lines()
        .filter(|row| row.starts_with("stored"))
        .count();
    assert!(stored <= names.len(), "{what}");
}

/// Values for the faults that want one; each name of the table is there.
fn faults() -> Vec<String> {
    let values = |usage: &str| -> Vec<String> {
        let name = usage.split(['[', '=']).next().unwrap();
        let values: &[&str] = match name {
            "drip" => &["1ms", "300ms"],
            "cut" | "cut-reset" => &["0", "1", "40", "250", "600", "800"],
            "delay" => &["10ms", "10s"],
            "inject" => &["+OK evil\\r\\n"],
            _ => &[""],
        };
        let with_value = |value: &&str| match value.is_empty() {
            true => name.to_owned(),
            false => format!("{name}={value}"),
        };
        values.iter().map(with_value).collect()
    };
    FAULTS.iter().flat_map(|(usage, _)| values(usage)).collect()
}

#[test]
fn every_fault_ends_with_a_sensible_status_and_no_message_is_lost() {
    thread::scope(|scope| {
        for fault in faults() {
            scope.spawn(move || {
                for name in ["pop3-fetch", "pop3-list"] {
                    suffer(&fault, name, &[], Options::default());
                    suffer(&fault, name, &[], tls());
                    suffer(&fault, name, &["--starttls"], Options::default());
                }
            });
        }
    });
}

fn suffer(fault: &str, name: &str, options: &[&str], server: Options) {
    let server = Options {
        faults: vec![fault.parse::<Fault>().unwrap()],
        ..server
    };
    let post = Post::with(maildrop(&MESSAGES), server);
    let folder = folder();
    let store: &[&str] = if name == "pop3-fetch" { &STORE } else { &[] };
    let options = [options, store, &["--deadline", "1500ms"]].concat();
    let run = run(name, &post.url(), folder.path(), &options);
    let what = format!("{fault} {name} {options:?}: {run:?}");
    assert!(matches!(run.code, 0 | 65 | 69 | 75 | 76), "{what}");
    if name == "pop3-fetch" {
        assert_safe(&post.maildrop, folder.path(), &run, &what);
    }
    let is_upgrade = options.contains(&"--starttls");
    let is_harmless = ["split", "delay=10ms", "no-close-notify"].contains(&fault);
    if is_harmless || fault.starts_with("inject") && !is_upgrade {
        assert_eq!(run.code, 0, "{what}");
    }
    if fault.starts_with("inject") && is_upgrade {
        assert_eq!(run.code, 76, "{what}");
        assert_eq!(post.heard(), ["CAPA", "STLS"], "{what}");
    }
    if ["silence", "delay=10s", "drip=300ms"].contains(&fault) {
        assert_eq!(run.code, 75, "{what}");
    }
}

#[test]
fn a_close_at_every_byte_loses_nothing() {
    thread::scope(|scope| {
        for (fault, without) in [
            ("cut", "LANG"),
            ("cut", "PIPELINING"),
            ("cut-reset", "LANG"),
        ] {
            scope.spawn(move || cut_everywhere(fault, without));
        }
    });
}

fn cut_everywhere(fault: &str, without: &str) {
    for at in 0..5000 {
        let mut drop = maildrop(&MESSAGES);
        // A short list of what it can do.
        let hidden = [
            "SASL",
            "LOGIN-DELAY",
            "EXPIRE",
            "IMPLEMENTATION",
            "UTF8",
            "STLS",
            without,
        ];
        drop.without = hidden.map(str::to_owned).to_vec();
        let options = Options {
            faults: vec![format!("{fault}={at}").parse().unwrap()],
            ..Options::default()
        };
        let post = Post::with(drop, options);
        let folder = folder();
        let run = run("pop3-fetch", &post.url(), folder.path(), &STORE);
        let what = format!("{fault}={at} {without}: {run:?}");
        assert_safe(&post.maildrop, folder.path(), &run, &what);
        if run.code == 0 {
            assert!(at > 300, "{what}");
            return;
        }
        // A reset may come before connect() has returned.
        let is_early = fault == "cut-reset" && run.code == 69 && post.heard_of("RETR").is_empty();
        assert!(run.code == 75 || is_early, "{what}");
        // The next run completes it, and nothing is there twice.
        if at % 50 == 0 {
            let whole = Post::with(maildrop(&MESSAGES), Options::default());
            let options = ["--eml-dir", "mail", "--state", "other", "--delete"];
            let run = self::run("pop3-fetch", &whole.url(), folder.path(), &options);
            assert_eq!(run.code, 0, "{what}");
            assert_safe(&whole.maildrop, folder.path(), &run, &what);
        }
    }
    panic!("{fault} at every byte: it never came to its end");
}

/// A server that says this, whatever it hears, and closes.
fn saying(text: Vec<u8>) -> Server {
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(&text)?;
        peer.flush()?;
        while peer.read_line()?.is_some() {}
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn garbage_is_no_mail() {
    let mut seed: u32 = 7;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed.to_le_bytes()[0]
    };
    for round in 0..60 {
        let mut text = match round % 3 {
            0 => Vec::new(),
            1 => b"+OK\r\n".to_vec(),
            _ => b"+OK\r\n+OK\r\n.\r\n".to_vec(),
        };
        text.extend((0..300).map(|_| match next() % 8 {
            0 => b'\n',
            1 => b'.',
            2 => b'+',
            _ => next(),
        }));
        text.extend_from_slice(b"\r\n");
        let server = saying(text);
        let folder = folder();
        let run = run("pop3-fetch", &url_of(&server), folder.path(), &STORE);
        assert!(matches!(run.code, 65 | 69 | 75 | 76), "{run:?}");
        assert_eq!(names(&folder.path().join("mail")), [""; 0]);
    }
}

/// Answers each command by its verb: once what `first` says, and from then on, for `verb`, lines
/// without end.
fn endless(verb: &'static str, start: &'static str, line: Vec<u8>) -> Server {
    let service = move |peer: &mut Peer, _: usize| {
        let forever = |peer: &mut Peer| -> std::io::Result<()> {
            peer.write_all(start.as_bytes())?;
            loop {
                peer.write_all(&line)?;
            }
        };
        if verb.is_empty() {
            return forever(peer);
        }
        peer.write_all(b"+OK ready\r\n")?;
        peer.flush()?;
        while let Some(heard) = peer.read_line()? {
            let heard = String::from_utf8_lossy(&heard).into_owned();
            let heard = heard.split(' ').next().unwrap_or_default();
            if heard == verb {
                return forever(peer);
            }
            let reply: &[u8] = match heard {
                "CAPA" => b"-ERR\r\n",
                "LIST" => b"+OK\r\n1 1\r\n.\r\n",
                "UIDL" => b"+OK\r\n1 u\r\n.\r\n",
                "RETR" => b"+OK\r\nx\r\n.\r\n",
                _ => b"+OK\r\n",
            };
            peer.write_all(reply)?;
            peer.flush()?;
        }
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn what_never_ends_is_ended() {
    let many = b"X-FLOOD\r\n".repeat(1000);
    for (verb, start, line, codes) in [
        ("", "+OK ", vec![b'x'; 4096], &[65][..]),
        ("CAPA", "+OK ", vec![b'x'; 4096], &[65]),
        ("CAPA", "+OK\r\n", many, &[65]),
        ("LIST", "+OK\r\n", vec![b'1'; 4096], &[65]),
        ("UIDL", "+OK\r\n1 ", vec![b'x'; 4096], &[65]),
        ("RETR", "+OK ", vec![b'x'; 4096], &[65]),
        ("RETR", "-ERR ", vec![b'x'; 4096], &[65]),
        ("QUIT", "+OK ", vec![b'x'; 4096], &[65]),
    ] {
        let server = endless(verb, start, line);
        let folder = folder();
        let run = run(
            "pop3-fetch",
            &url_of(&server),
            folder.path(),
            &["--eml-dir", "mail", "--state", "state"],
        );
        assert!(codes.contains(&run.code), "{verb} {start:?}: {run:?}");
    }
}

/// Runs a command that may have so much memory, in KiB.
fn run_in_memory(memory: u32, name: &str, server: &Server) -> Run {
    let folder = folder();
    // The shell limits the memory of the process that takes its place.
    let mut command = Command::new("sh");
    let limit = format!("ulimit -v {memory} && exec \"$@\"");
    command.args(["-c", &limit, "sh"]);
    let inner = running(name, &url_of(server), folder.path(), &["--deadline", "60s"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(folder.path());
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    run
}

/// Unique-ids have 70 octets at most (RFC 1939 section 7), so longer ones are no reason to take
/// memory without end.
#[test]
fn a_listing_of_long_names_takes_no_memory_without_end() {
    let name = format!("1 {}\r\n", "x".repeat(60_000));
    let server = endless("UIDL", "+OK\r\n", name.into_bytes());
    let run = run_in_memory(500_000, "pop3-list", &server);
    assert!(matches!(run.code, 65 | 76), "{run:?}");
}

#[test]
fn a_listing_of_short_lines_takes_no_memory_without_end() {
    for verb in ["LIST", "UIDL"] {
        let server = endless(verb, "+OK\r\n", b"1 1\r\n".repeat(1000));
        let run = run_in_memory(500_000, "pop3-list", &server);
        assert_eq!(run.code, 65, "{verb}: {run:?}");
    }
}

/// What is large and honest is listed.
#[test]
fn a_million_messages_are_listed() {
    const COUNT: u32 = 1_000_000;
    let service = |peer: &mut Peer, _: usize| {
        peer.write_all(b"+OK ready\r\n")?;
        peer.flush()?;
        while let Some(heard) = peer.read_line()? {
            let line: fn(u32) -> String = match heard.as_slice() {
                b"LIST" => |number| format!("{number} 1000\r\n"),
                b"UIDL" => |number| format!("{number} {number:070}\r\n"),
                other => {
                    let is_known = other != b"CAPA";
                    peer.write_all(if is_known { b"+OK\r\n" } else { b"-ERR\r\n" })?;
                    peer.flush()?;
                    continue;
                }
            };
            peer.write_all(b"+OK\r\n")?;
            for first in (1..=COUNT).step_by(1000) {
                let lines: String = (first..first + 1000).map(line).collect();
                peer.write_all(lines.as_bytes())?;
            }
            peer.write_all(b".\r\n")?;
            peer.flush()?;
        }
        Ok(())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let run = run_in_memory(700_000, "pop3-list", &server);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let text = run.text();
    assert_eq!(text.lines().count(), COUNT as usize);
    assert!(text.ends_with(&format!("{COUNT}       1000  {COUNT:070}\n")));
}

#[test]
fn escape_sequences_drive_no_terminal() {
    let evil = "\u{1b}[2J\u{1b}]52;c;eA==\u{7}\u{9b}31m\u{202e}x\u{85}";
    let subject = format!("From: {evil} <a@b>\r\nSubject: {evil} =?utf-8?q?=1B[31m=C2=9B?=\r\nMessage-ID: {evil}\r\n\r\n");
    let rules = [
        format!("connect reply=+OK {evil}"),
        format!("uidl reply=+OK {evil}\\n1 {evil}\\n."),
        format!("retr=2 reply=-ERR {evil}"),
        format!("dele reply=-ERR {evil}"),
        format!("quit reply=-ERR {evil}"),
    ];
    for count in 0..=rules.len() {
        let mut drop = maildrop(&[subject.as_bytes(), b"x"]);
        drop.rules = rules
            .iter()
            .take(count)
            .map(|rule| rule.parse().unwrap())
            .collect();
        let post = Post::with(drop, Options::default());
        for json in [&["--json"][..], &[]] {
            let folder = folder();
            run(
                "pop3-list",
                &post.url(),
                folder.path(),
                &[json, &["--headers"]].concat(),
            );
            run(
                "pop3-fetch",
                &post.url(),
                folder.path(),
                &[json, &STORE].concat(),
            );
            let record = [
                "--eml-dir",
                "mail",
                "--state",
                "state",
                "-v",
                "--trace",
                "1",
            ];
            run("pop3-fetch", &post.url(), folder.path(), &record);
            run("pop3-delete", &post.url(), folder.path(), &["--all"]);
        }
    }
    for refusal in [
        format!("connect reply=-ERR {evil}"),
        format!("connect reply={evil}"),
        format!("login reply=-ERR {evil}"),
        format!("list reply=+OK\\n{evil}\\n."),
        format!("list reply=-ERR {evil}"),
    ] {
        let mut drop = maildrop(&[b"x"]);
        drop.rules.push(refusal.parse().unwrap());
        let post = Post::with(drop, Options::default());
        let folder = folder();
        assert_ne!(run("pop3-list", &post.url(), folder.path(), &[]).code, 0);
    }
}

#[test]
fn replies_that_come_early_are_not_believed() {
    for text in [
        "S: +OK ready\nS: -ERR\nS: +OK\nS: +OK\n",
        "S: +OK ready\nC: CAPA\nS: -ERR\nC: USER fred\nS: +OK\nS: +OK logged in\n",
        "S: +OK ready\nC: CAPA\nS: -ERR\nC: USER fred\nS: +OK\nC: PASS (any)\nS: +OK\nC: LIST\n\
            S: +OK\nS: .\nS: +OK\nS: .\n",
    ] {
        let script = Script::play(text);
        let folder = folder();
        let url = format!("pop3://fred:pencil@localhost:{}", script.server.port());
        let run = run("pop3-fetch", &url, folder.path(), &STORE);
        assert_eq!(run.code, 76, "{run:?}");
        assert_eq!(script.replay.outcome(), Outcome::AsWritten);
    }
}

#[test]
fn a_challenge_without_end_is_cancelled() {
    let service = |peer: &mut Peer, _: usize| {
        peer.write_all(b"+OK ready\r\n")?;
        peer.flush()?;
        while let Some(line) = peer.read_line()? {
            let reply: &[u8] = match line.as_slice() {
                b"CAPA" => b"+OK\r\nSASL PLAIN LOGIN CRAM-MD5\r\n.\r\n",
                _ => b"+ eA==\r\n",
            };
            peer.write_all(reply)?;
            peer.flush()?;
        }
        Ok(())
    };
    for mechanism in ["plain", "login", "cram-md5"] {
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let folder = folder();
        let options = ["--auth", mechanism];
        let run = run("pop3-list", &url_of(&server), folder.path(), &options);
        assert!(matches!(run.code, 76 | 77), "{mechanism}: {run:?}");
        assert!(!run.stderr.contains("pencil"));
    }
}

#[test]
fn numbers_out_of_range_do_no_harm() {
    for line in [
        "1 18446744073709551615",
        "1 18446744073709551616",
        "1 99999999999999999999999999",
        "1 -1",
        "1 1e9",
        "1 0x10",
    ] {
        let mut drop = maildrop(&MESSAGES[..1]);
        drop.rules
            .push(format!("list reply=+OK\\n{line}\\n.").parse().unwrap());
        let post = Post::with(drop, Options::default());
        let folder = folder();
        let run = run("pop3-fetch", &post.url(), folder.path(), &STORE);
        assert_eq!(run.code, 0, "{line}: {run:?}");
        assert_eq!(names(&folder.path().join("mail")).len(), 1, "{line}");
    }
    // Two that together are more than fits.
    let mut drop = maildrop(&MESSAGES);
    let huge = u64::MAX;
    drop.rules.push(
        format!("list reply=+OK\\n1 {huge}\\n2 {huge}\\n3 {huge}\\n.")
            .parse()
            .unwrap(),
    );
    let post = Post::with(drop, Options::default());
    let folder = folder();
    let run = run("pop3-fetch", &post.url(), folder.path(), &STORE);
    assert_eq!(run.code, 0, "{run:?}");
    assert_safe(&post.maildrop, folder.path(), &run, "huge sizes");
}
