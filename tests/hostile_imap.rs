//! IMAP servers that lie, flood, stall and cheat. A test's name says what must not happen, or what
//! happens instead.
//!
//! Whatever the attack, every run here is checked for the same: neither stdout nor stderr holds
//! anything that drives a terminal, and nothing panics.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use proto_mock::imap::FLAWS;
use proto_mock::{Fault, Options, Peer, Server, FAULTS};
use proto_transport::escape::is_harmful;

use crate::harness::{authority, command, folder, imap_of, names, tls, Imap, Run};

mod lies;

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

fn running(arguments: &[&str], folder: &Path) -> Command {
    let mut command = command(arguments);
    command.current_dir(folder).args(["--ca", &authority()]);
    if !arguments.contains(&"--deadline") {
        command.args(["--deadline", "20s"]);
    }
    command
}

/// Runs a command to its end.
#[track_caller]
fn run(arguments: &[&str]) -> Run {
    let folder = folder();
    std::fs::write(folder.path().join("new.eml"), "A: new\n").unwrap();
    let run = Run::from(running(arguments, folder.path()).output().unwrap());
    assert_harmless(&run);
    assert_eq!(names(folder.path()), ["new.eml"]);
    run
}

/// Runs a command that may have so much memory, in KiB.
fn run_in_memory(memory: u32, arguments: &[&str]) -> Run {
    let folder = folder();
    // The shell limits the memory of the process that takes its place.
    let mut command = Command::new("sh");
    let limit = format!("ulimit -v {memory} && exec \"$@\"");
    command.args(["-c", &limit, "sh"]);
    let inner = running(arguments, folder.path());
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(folder.path());
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    run
}

/// Every command with what it takes behind the URL.
const COMMANDS: [&[&str]; 8] = [
    &["imap-list"],
    &["imap-search"],
    &["imap-search", "--headers"],
    &["imap-search", "--sort", "size", "--headers"],
    &["imap-append", "new.eml"],
    &["imap-flag", "1-3", "--add", "\\Seen"],
    &["imap-move", "1,3", "Other"],
    &["imap-move", "1,3", "Other", "--copy"],
];

/// The arguments for an account, with more options.
fn arguments<'a>(words: &[&'a str], url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let (name, rest) = words.split_first().unwrap();
    [&[*name, url], rest, more].concat()
}

const LETTERS: [&[u8]; 4] = [b"A: 1\r\n", b"A: 2\r\n", b"A: 3\r\n", b"A: 4\r\n"];

fn contents(imap: &Imap, mailbox: &str) -> Vec<Vec<u8>> {
    let messages = imap.messages(mailbox);
    let content = messages.iter().map(|message| message.content().to_vec());
    content.collect()
}

/// Checks that nothing happened that nobody asked for: no message is gone, or in neither mailbox.
#[track_caller]
fn assert_safe(imap: &Imap, words: &[&str], what: &str) {
    let (inbox, other) = (contents(imap, "INBOX"), contents(imap, "Other"));
    for (index, letter) in LETTERS.iter().enumerate() {
        let letter = letter.to_vec();
        let may_go = words[0] == "imap-move" && words.len() == 3 && [0, 2].contains(&index);
        let is_there = inbox.contains(&letter);
        assert!(is_there || may_go && other.contains(&letter), "{what}");
    }
    assert!(other.len() <= 2, "{what}: {other:?}");
    let is_appended = inbox.iter().any(|letter| letter == b"A: new\r\n");
    assert!(!is_appended || words[0] == "imap-append", "{what}");
    assert!(imap.uids("INBOX").contains(&4), "{what}");
    assert_eq!(
        imap.flags("INBOX", 4).replace("\\Deleted ", ""),
        "",
        "{what}"
    );
    assert_eq!(
        imap.heard_of("EXPUNGE").len() + imap.heard_of("CLOSE").len(),
        0,
        "{what}"
    );
}

/// A server with four messages, the last of which somebody else has marked as deleted.
fn victim(flaw: Option<&str>, without: &[&str], options: Options) -> Imap {
    let mut server = imap_of(&LETTERS);
    server.flaws = flaw.iter().map(|flaw| flaw.parse().unwrap()).collect();
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    let imap = Imap::with(server, options);
    imap.fill("Other", &[]);
    imap.account().change(|mailboxes| {
        let mut deleted = proto_mock::mailbox::Flags::default();
        deleted.insert("\\Deleted");
        mailboxes.get_mut("INBOX").unwrap().set_flags(4, deleted);
    });
    imap
}

#[test]
fn no_flaw_makes_a_command_do_what_nobody_asked_for() {
    thread::scope(|scope| {
        for (usage, _) in FLAWS {
            let flaw = usage.split('[').next().unwrap();
            for without in [&[][..], &["MOVE", "IMAP4rev2", "ESEARCH", "LIST-STATUS"]] {
                scope.spawn(move || {
                    for words in COMMANDS {
                        suffer_flaw(flaw, without, words);
                    }
                });
            }
        }
    });
}

fn suffer_flaw(flaw: &str, without: &[&str], words: &[&str]) {
    // A million rows are a matter of their own.
    let value = if flaw == "huge-search" {
        "huge-search=3000"
    } else {
        flaw
    };
    let imap = victim(Some(value), without, Options::default());
    let url = imap.url(if words[0] == "imap-list" { "" } else { "INBOX" });
    let run = run(&arguments(words, &url, &[]));
    let what = format!("{flaw} {without:?} {words:?}: {run:?}");
    assert!(matches!(run.code, 0 | 65 | 69 | 75 | 76 | 77), "{what}");
    assert_safe(&imap, words, &what);
    let is_about_fetch = words.contains(&"--headers");
    let code = match flaw {
        "uid-last" | "lower-case" | "bare-lf" | "new-uidvalidity" | "expunge-in-fetch" => Some(0),
        "foreign-fetch" | "eight-bit-envelope" | "deep-list" => Some(0),
        "capability-in-starttls" => Some(0),
        "early-replies" => None,
        "login-disabled" => None,
        "bye-in-fetch" if is_about_fetch => Some(75),
        _ => None,
    };
    if let Some(code) = code {
        assert_eq!(run.code, code, "{what}");
    }
    if flaw == "foreign-fetch" && is_about_fetch {
        assert_eq!(run.text().lines().count(), 4, "{what}");
    }
}

/// Values for the faults that want one; each name of the table is there.
fn faults() -> Vec<String> {
    let values = |usage: &str| -> Vec<String> {
        let name = usage.split(['[', '=']).next().unwrap();
        let values: &[&str] = match name {
            "drip" => &["1ms", "300ms"],
            "cut" | "cut-reset" => &["0", "1", "40", "700", "1100"],
            "delay" => &["10ms", "10s"],
            "inject" => &["* BAD evil\\r\\n"],
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
fn every_fault_ends_with_a_sensible_status_and_nothing_is_lost() {
    thread::scope(|scope| {
        for fault in faults() {
            scope.spawn(move || {
                for words in [COMMANDS[0], COMMANDS[2], COMMANDS[4], COMMANDS[6]] {
                    suffer(&fault, words, &[], Options::default());
                    suffer(&fault, words, &["--starttls"], Options::default());
                }
                suffer(&fault, COMMANDS[6], &[], tls());
            });
        }
    });
}

/// Whether a message was sent and no answer came.
fn is_unknown(run: &Run, words: &[&str]) -> bool {
    words[0] == "imap-append" && run.code == 79 && run.text().starts_with("unknown ")
}

fn suffer(fault: &str, words: &[&str], more: &[&str], server: Options) {
    let server = Options {
        faults: vec![fault.parse::<Fault>().unwrap()],
        ..server
    };
    let imap = victim(None, &[], server);
    let url = imap.url(if words[0] == "imap-list" { "" } else { "INBOX" });
    let more = [more, &["--deadline", "1500ms"]].concat();
    let run = run(&arguments(words, &url, &more));
    let what = format!("{fault} {words:?} {more:?}: {run:?}");
    assert!(
        matches!(run.code, 0 | 65 | 69 | 75 | 76) || is_unknown(&run, words),
        "{what}"
    );
    assert_safe(&imap, words, &what);
    let is_upgrade = more.contains(&"--starttls");
    if ["split", "delay=10ms", "no-close-notify"].contains(&fault) {
        assert_eq!(run.code, 0, "{what}");
    }
    if fault.starts_with("inject") && is_upgrade {
        assert_eq!(run.code, 76, "{what}");
        assert_eq!(
            imap.heard_of("AUTH").len() + imap.heard_of("LOGIN").len(),
            0,
            "{what}"
        );
    }
    if ["silence", "delay=10s", "drip=300ms"].contains(&fault) {
        assert_eq!(run.code, 75, "{what}");
    }
}

#[test]
fn a_close_at_every_byte_loses_nothing() {
    thread::scope(|scope| {
        for (words, without) in [
            (COMMANDS[6], "MOVE"),
            (COMMANDS[6], "SORT"),
            (COMMANDS[4], "LITERAL+"),
            (COMMANDS[2], "SORT"),
        ] {
            scope.spawn(move || cut_everywhere(words, without));
        }
    });
}

fn cut_everywhere(words: &[&str], without: &str) {
    for at in (0..9000).step_by(19) {
        let options = Options {
            faults: vec![format!("cut={at}").parse().unwrap()],
            ..Options::default()
        };
        let imap = victim(None, &[without, "AUTH", "IMAP4rev2"], options);
        let url = imap.url("INBOX");
        let run = run(&arguments(words, &url, &[]));
        let what = format!("cut={at} {without}: {run:?}");
        assert_safe(&imap, words, &what);
        if run.code == 0 {
            assert!(at > 300, "{what}");
            return;
        }
        assert!(run.code == 75 || is_unknown(&run, words), "{what}");
    }
    panic!("it never came to its end");
}

/// A server that answers each command by its name: what is not in the table, with OK. `TAG` is the
/// command's tag. `{verb}=...` of the table is said in a loop once it is there twice.
pub fn answering(table: &'static [(&'static str, &'static [u8])]) -> Server {
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(b"* OK [CAPABILITY IMAP4rev1 UIDPLUS MOVE LITERAL+] hi\r\n")?;
        peer.flush()?;
        while let Some(heard) = peer.read_line()? {
            let heard = String::from_utf8_lossy(&heard).into_owned();
            let (tag, command) = heard.split_once(' ').unwrap_or((&heard, ""));
            let answer = table.iter().find(|(start, _)| command.starts_with(start));
            let (before, last) = match answer {
                Some((_, text)) => (String::from_utf8_lossy(text).into_owned(), ""),
                None if command.starts_with("CAPABILITY") => (
                    "* CAPABILITY IMAP4rev1 UIDPLUS MOVE LITERAL+\r\n".to_owned(),
                    "TAG OK\r\n",
                ),
                None if command.starts_with("SELECT") || command.starts_with("EXAMINE") => (
                    "* 4 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n".to_owned(),
                    "TAG OK [READ-WRITE]\r\n",
                ),
                None if command.starts_with("UID SEARCH") => {
                    ("* SEARCH 1 2 3 4\r\n".to_owned(), "TAG OK\r\n")
                }
                None => (String::new(), "TAG OK\r\n"),
            };
            peer.write_all((before + last).replace("TAG", tag).as_bytes())?;
            peer.flush()?;
        }
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

fn url_of(server: &Server, path: &str) -> String {
    format!("imap://fred:pencil@localhost:{}/{path}", server.port())
}

/// Says this again and again as the answer to a command.
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
        peer.write_all(b"* OK [CAPABILITY IMAP4rev1] hi\r\n")?;
        peer.flush()?;
        while let Some(heard) = peer.read_line()? {
            let heard = String::from_utf8_lossy(&heard).into_owned();
            let (tag, command) = heard.split_once(' ').unwrap_or((&heard, ""));
            if command.starts_with(verb) {
                return forever(peer);
            }
            let before = match command.split(' ').next() {
                Some("EXAMINE") => "* 4 EXISTS\r\n",
                Some("CAPABILITY") => "* CAPABILITY IMAP4rev1\r\n",
                Some("UID") => "* SEARCH 1 2\r\n",
                _ => "",
            };
            peer.write_all(format!("{before}{tag} OK\r\n").as_bytes())?;
            peer.flush()?;
        }
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn what_never_ends_is_ended() {
    let search = &["imap-search"][..];
    let headers = &["imap-search", "--headers"][..];
    thread::scope(|scope| {
        for (verb, start, line, words, codes) in [
            ("", "* OK ", vec![b'x'; 4096], search, &[65][..]),
            ("", "", b"* OK hi\r\n".repeat(500), search, &[65, 75, 76]),
            ("CAPABILITY", "* CAPABILITY ", vec![b'x'; 4096], search, &[65]),
            ("LOGIN", "", b"* 1 EXISTS\r\n".repeat(500), search, &[65, 75]),
            ("LIST", "", b"* LIST () \"/\" a\r\n".repeat(500), &["imap-list"], &[65, 75]),
            ("EXAMINE", "", b"* FLAGS (a)\r\n".repeat(500), search, &[65, 75]),
            ("UID SEARCH", "", b"* SEARCH 1\r\n".repeat(500), search, &[65, 75]),
            ("LIST", "* LIST () \"/\" ", vec![b'x'; 4096], &["imap-list"], &[65]),
            ("LIST", "* LIST (", b"\\a ".repeat(1000), &["imap-list"], &[65]),
            ("UID SEARCH", "* SEARCH", b" 1 3".repeat(1000), search, &[65, 75]),
            ("UID SEARCH", "* SEARCH ", b"1".repeat(1000), search, &[65, 75]),
            ("UID FETCH", "* 1 FETCH (UID 1 FLAGS (", b"a ".repeat(1000), headers, &[65]),
            ("UID FETCH", "", b"* 1 FETCH (UID 9)\r\n".repeat(500), headers, &[65, 75]),
            (
                "UID FETCH",
                "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (FROM DATE SUBJECT MESSAGE-ID)] {4000000000000}\r\n",
                vec![b'x'; 4096],
                headers,
                &[65, 75],
            ),
        ] {
            scope.spawn(move || {
                let server = endless(verb, start, line);
                let url = url_of(&server, if words[0] == "imap-list" { "" } else { "INBOX" });
                let run = run(&arguments(words, &url, &["--deadline", "4s"]));
                assert!(codes.contains(&run.code), "{verb} {start:?}: {run:?}");
            });
        }
    });
}

/// Ranges stay ranges, and what is announced takes no memory (CVE-2025-25186, CVE-2025-43857).
#[test]
fn what_is_announced_takes_no_memory() {
    for (verb, start, line) in [
        ("UID SEARCH", "* SEARCH", b" 1 3 5 7 9 11".repeat(1000)),
        (
            "UID SEARCH",
            "",
            b"* VANISHED 1:4294967295\r\n".repeat(1000),
        ),
        (
            "UID SEARCH",
            "* 1 FETCH (FLAGS ({4294967296}\r\n",
            vec![b'x'; 4096],
        ),
        ("LOGIN", "", b"* OK [ALERT] look\r\n".repeat(500)),
        (
            "LOGIN",
            "",
            b"* OK [COPYUID 1 1:4294967295 1:4294967295]\r\n".repeat(500),
        ),
    ] {
        let server = endless(verb, start, line);
        let url = url_of(&server, "INBOX");
        let run = run_in_memory(500_000, &["imap-search", &url, "--deadline", "4s"]);
        assert!(matches!(run.code, 65 | 75 | 76), "{verb} {start}: {run:?}");
    }
    let server = answering(&[(
        "UID SEARCH",
        b"* ESEARCH UID ALL 1:4294967295\r\nTAG OK\r\n",
    )]);
    let url = url_of(&server, "INBOX");
    assert_eq!(run_in_memory(500_000, &["imap-search", &url]).code, 65);
}

/// A million small literals in one second (CVE-2026-42245).
#[test]
fn many_small_literals_are_no_work() {
    let mut listing = b"* LIST () \"/\" (".to_vec();
    listing.extend_from_slice(&b"{1}\r\nx ".repeat(150_000));
    listing.extend_from_slice(b")\r\n* LIST () \"/\" after\r\nTAG OK\r\n");
    let table: &'static [(&str, &[u8])] = Vec::leak(vec![("LIST", &*Vec::leak(listing))]);
    let server = answering(table);
    let started = Instant::now();
    let run = run(&["imap-list", &url_of(&server, "")]);
    assert!(started.elapsed().as_secs() < 15, "{:?}", started.elapsed());
    assert!(matches!(run.code, 0 | 65 | 76), "{run:?}");
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
            1 => b"* OK hi\r\n".to_vec(),
            _ => b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n* 1 EXISTS\r\n".to_vec(),
        };
        text.extend((0..400).map(|_| match next() % 10 {
            0 => b'\n',
            1 => b'*',
            2 => b' ',
            3 => b'{',
            4 => b'(',
            5 => b'9',
            _ => next(),
        }));
        text.extend_from_slice(b"\r\n");
        let service = move |peer: &mut Peer, _: usize| {
            peer.write_all(&text)?;
            peer.flush()?;
            while peer.read_line()?.is_some() {}
            Ok(())
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let url = url_of(&server, "INBOX");
        let run = run(&["imap-search", &url, "--headers", "--deadline", "1s"]);
        assert!(matches!(run.code, 65 | 69 | 75 | 76), "{run:?}");
        assert_eq!(run.text(), "");
    }
}
