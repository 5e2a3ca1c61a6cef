//! The POP3 commands against Dovecot: ways in, what is fetched once and deleted only then, large
//! messages, and runs that are killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::mail_server::MailServer;
use super::{lines, wait_for};
use crate::harness::{authority, command, folder, names, Run, Running, MOST_MEMORY};

/// How much a large message is, about.
const LARGE: usize = 200 << 20;

/// A message like no other, with all that is hard on the way: lines that begin with dots, bytes
/// of no charset, long lines and empty ones, and sometimes no end of the last.
fn message(number: usize) -> Vec<u8> {
    let mut message = format!(
        "From: Sender {number} <sender@localhost>\r\nTo: me@localhost\r\nSubject: {number}\r\n\
         Message-ID: <{number}@localhost>\r\n\r\n.\r\n..\r\n.dot\r\n\r\n\r\n"
    )
    .into_bytes();
    message.extend_from_slice(b"\xe4\xf6\xfc \x80\xff\r\n");
    message.extend_from_slice(&vec![b'x'; number * 37 % 5000]);
    message.extend_from_slice(b"\r\nFrom the middle of a line. \r\n .\r\n");
    if number.is_multiple_of(5) {
        message.extend_from_slice(b"no end");
    }
    message
}

/// A Maildir and the state of an account, on this side.
struct Here {
    folder: TempDir,
    url: String,
    user: &'static str,
}

impl Here {
    fn new(server: &MailServer, user: &'static str) -> Here {
        Here {
            folder: folder(),
            url: format!("pop3://localhost:{}", server.ports.pop3),
            user,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run that fetches to the Maildir.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = command(&["pop3-fetch", &self.url, "-u", self.user]);
        command.args(["--ca", &authority(), "--json", "--maildir"]);
        command.arg(self.path("mail")).arg("--state");
        command.arg(self.path("state")).args(options);
        command.env("PROTO_PASSWORD", "secret");
        command
    }

    fn fetch(&self, options: &[&str]) -> Run {
        self.command(options).output().unwrap().into()
    }

    /// What the Maildir holds, sorted.
    fn stored(&self) -> Vec<Vec<u8>> {
        assert!(names(&self.path("mail/cur")).is_empty());
        let new = self.path("mail/new");
        let read = |name: &String| fs::read(new.join(name)).unwrap();
        let mut stored: Vec<Vec<u8>> = names(&new).iter().map(read).collect();
        stored.sort();
        stored
    }
}

/// What the Maildir is to hold when these messages are stored, sorted.
fn expected(numbers: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let numbers = numbers.into_iter();
    let mut expected: Vec<Vec<u8>> = numbers.map(|number| lines(&message(number))).collect();
    expected.sort();
    expected
}

/// How many messages have this result in a run with `--json`.
fn count(run: &Run, result: &str) -> usize {
    let text = run.text();
    let items = text.lines().map(|line| serde_json::from_str(line).unwrap());
    items
        .filter(|item: &Value| item["result"] == result)
        .count()
}

/// What was sent to a server that begins like this, of all that `--trace` shows.
fn said<'r>(run: &'r Run, what: &str) -> Vec<&'r str> {
    let lines = run.stderr.lines();
    let said = lines.filter_map(|line| line.strip_prefix("C: "));
    said.filter(|line| line.starts_with(what)).collect()
}

/// What each `--auth` says first.
const WAYS: [(&str, &str); 6] = [
    ("USER", "USER "),
    ("APOP", "APOP "),
    ("PLAIN", "AUTH PLAIN"),
    ("LOGIN", "AUTH LOGIN"),
    ("CRAM-MD5", "AUTH CRAM-MD5"),
    ("SCRAM-SHA-256", "AUTH SCRAM-SHA-256"),
];

#[test]
fn every_way_in_and_every_mechanism_opens_the_maildrop() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("pop-ways", [message(1)]);
    let plain = format!("pop3://localhost:{}", server.ports.pop3);
    let tls = format!("pop3s://localhost:{}", server.ports.pop3s);
    let ways: [(&str, &[&str]); 3] = [(&plain, &[]), (&plain, &["--starttls"]), (&tls, &[])];
    for (url, options) in ways {
        let list = ["pop3-list", url, "-u", "pop-ways", "--trace"];
        let run = server.proto(&[&list, options].concat()).exits(0);
        assert_eq!(said(&run, "AUTH SCRAM-SHA-256").len(), 1, "{url}");
        for (name, first) in WAYS {
            let run = server.proto(&[&list, options, &["--auth", name]].concat());
            // The greeting with the timestamp came in the clear.
            if name == "APOP" && options.contains(&"--starttls") {
                run.exits(77).says("no APOP here");
                continue;
            }
            let run = run.exits(0);
            assert_eq!(run.text().lines().count(), 1, "{url} {name}");
            assert_eq!(said(&run, first).len(), 1, "{url} {name}");
            let upgrades = usize::from(options.contains(&"--starttls"));
            assert_eq!(said(&run, "STLS").len(), upgrades, "{url} {name}");
            assert!(!run.stderr.contains("PASS secret"), "{}", run.stderr);
        }
    }
    let log = server.dovecot_log();
    for method in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "APOP"] {
        let login = format!("user=<pop-ways>, method={method}, ");
        assert!(log.contains(&login), "{method}");
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("pop3://localhost:{}", server.ports.pop3);
    let wrong = ["-u", "pop-wrong", "--password-command", "echo mistaken"];
    let options = ["pop3-list", &url, "--retry", "3", "--trace"];
    let ways = WAYS.map(|(name, _)| vec!["--auth", name]);
    for way in [vec![]].iter().chain(&ways) {
        let mut command = command(&[&options, &wrong[..], way].concat());
        let run = Run::from(command.output().unwrap()).exits(77).says("-ERR");
        let tries = ["AUTH", "PASS", "APOP"].map(|what| said(&run, what).len());
        assert_eq!(tries.iter().sum::<usize>(), 1, "{way:?}: {}", run.stderr);
    }
}

#[test]
fn five_thousand_messages_are_fetched_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("pop-many", (0..5000).map(message));
    let here = Here::new(&server, "pop-many");
    let run = here.fetch(&["--trace"]).exits(0);
    assert_eq!(count(&run, "stored"), 5000);
    assert_eq!(said(&run, "RETR ").len(), 5000);
    assert!(here.stored() == expected(0..5000));
    let run = here.fetch(&["--trace"]).exits(0);
    assert_eq!((run.text().as_str(), said(&run, "RETR ").len()), ("", 0));
    server.put("pop-many", (5000..5010).map(message));
    let run = here.fetch(&["--trace", "--starttls"]).exits(0);
    assert_eq!(count(&run, "stored"), 10);
    assert_eq!(said(&run, "RETR ").len(), 10);
    assert!(here.stored() == expected(0..5010));
    assert_eq!(server.count("pop-many"), 5010);
    // What is stored is deleted without being fetched again.
    let run = here.fetch(&["--trace", "--delete"]).exits(0);
    assert_eq!((run.text().as_str(), said(&run, "RETR ").len()), ("", 0));
    assert_eq!(said(&run, "DELE ").len(), 5010);
    assert_eq!(server.count("pop-many"), 0);
}

#[test]
fn a_folder_has_every_byte_that_the_server_has() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("pop-bytes", (0..100).map(message));
    let here = folder();
    let url = format!("pop3s://localhost:{}", server.ports.pop3s);
    let mail = here.path().join("mail");
    let state = here.path().join("state");
    let places = [mail.to_str().unwrap(), state.to_str().unwrap()];
    let options = ["-u", "pop-bytes", "--eml-dir", places[0], "--state"];
    let arguments = [&["pop3-fetch", &url], &options[..], &[places[1]]].concat();
    server.proto(&arguments).exits(0);
    let read = |name: &String| fs::read(mail.join(name)).unwrap();
    let stored: BTreeSet<Vec<u8>> = names(&mail).iter().map(read).collect();
    let sent = (0..100).map(|number| {
        let mut message = message(number);
        // In POP3 every line has an end.
        if !message.ends_with(b"\r\n") {
            message.extend_from_slice(b"\r\n");
        }
        message
    });
    assert!(stored == sent.collect());
}

#[test]
fn what_is_not_stored_is_not_deleted() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("pop-delete", (0..100).map(message));
    let here = Here::new(&server, "pop-delete");
    // A command that does not want one of them now.
    let command = "sh -c \"! grep -q '^Subject: 42$'\"";
    let arguments = [
        "pop3-fetch",
        &here.url,
        "-u",
        here.user,
        "--delete",
        "--json",
        "--deliver",
        command,
        "--state",
    ];
    let state = here.path("delivered");
    let run = server.proto(&[&arguments[..], &[state.to_str().unwrap()]].concat());
    let run = run.exits(75);
    assert_eq!((count(&run, "stored"), count(&run, "not-stored")), (99, 1));
    assert_eq!(server.count(here.user), 1);
    let run = here.fetch(&["--delete", "--trace"]).exits(0);
    assert!(here.stored() == expected([42]));
    let at = |what| run.stderr.find(what).unwrap();
    assert!(at("C: RETR ") < at("C: DELE ") && at("C: DELE ") < at("C: QUIT"));
    assert_eq!(server.count(here.user), 0);
    let run = here.fetch(&["--delete"]).exits(0);
    assert_eq!(run.text(), "");
}

/// A small file system over a folder.
struct SmallDisk<'h>(&'h Here);

impl<'h> SmallDisk<'h> {
    /// None, if we may not have one.
    fn new(here: &'h Here) -> Option<SmallDisk<'h>> {
        fs::create_dir(here.path("mail")).unwrap();
        SmallDisk::mount(here, "size=1m").then_some(SmallDisk(here))
    }

    fn mount(here: &Here, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]);
        let status = mount.arg(here.path("mail")).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path("mail")).status();
    }
}

#[test]
fn nothing_is_deleted_when_the_disk_is_full() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = Here::new(&server, "pop-full");
    let Some(_disk) = SmallDisk::new(&here) else {
        return;
    };
    server.put("pop-full", (0..600).map(message));
    let run = here.fetch(&["--delete"]).exits(74);
    let run = run.says("No space left");
    // What was stored is whole.
    let all = expected(0..600);
    assert!(here.stored().iter().all(|one| all.contains(one)));
    assert!(names(&here.path("mail/tmp")).is_empty());
    assert_eq!(server.count("pop-full"), 600, "{}", run.stderr);
    assert!(SmallDisk::mount(&here, "remount,size=16m"));
    here.fetch(&["--delete"]).exits(0);
    assert!(here.stored() == expected(0..600));
    assert_eq!(server.count("pop-full"), 0);
}

/// A message of about [`LARGE`] bytes.
fn large() -> Vec<u8> {
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    let mut line = vec![b'.'; 998];
    line.extend_from_slice(b"\r\n");
    // Where a part ends is never where a line does.
    let block = [&line[..], b".\r\n\r\n", &line[7..], b"From x\r\n"].concat();
    while message.len() < LARGE {
        message.extend_from_slice(&block);
    }
    message
}

#[test]
fn a_large_message_is_fetched_in_little_memory() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let message = large();
    let expected = lines(&message);
    server.put("pop-large", [message]);
    let mut here = Here::new(&server, "pop-large");
    let tls = format!("pop3s://localhost:{}", server.ports.pop3s);
    for url in [here.url.clone(), tls] {
        here.url = url;
        let peak = fetch_watched(&here);
        assert!(0 < peak && peak < MOST_MEMORY, "{peak} KiB: {}", here.url);
        let new = here.path("mail/new");
        let [name] = &names(&new)[..] else {
            panic!("there is not one message");
        };
        assert!(fs::read(new.join(name)).unwrap() == expected);
        // The state is that of another port.
        fs::remove_dir_all(here.path("mail")).unwrap();
        fs::remove_file(here.path("state")).unwrap();
    }
}

/// Fetches all, and tells the most memory that this took in KiB.
fn fetch_watched(here: &Here) -> u64 {
    let mut command = here.command(&[]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Running(child.unwrap());
    let status = format!("/proc/{}/status", child.0.id());
    // The peak only grows, and is gone when the process has ended.
    let mut peak = 0;
    while child.0.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.split_whitespace().next());
        peak = size.map_or(peak, |size| size.parse().unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut said = String::new();
    let stderr = child.0.stderr.take();
    stderr.unwrap().read_to_string(&mut said).unwrap();
    assert!(child.0.wait().unwrap().success(), "{said}");
    peak
}

/// How many messages wait on the server before a run that is killed.
const WAITING: usize = 500;

/// How many runs are killed.
const KILLED: usize = 20;

#[test]
fn whenever_a_run_is_killed_every_message_is_stored_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = Here::new(&server, "pop-killed");
    let mut count = 0;
    let mut fill = |waiting: usize| {
        let missing = WAITING.saturating_sub(waiting);
        server.put("pop-killed", (count..count + missing).map(message));
        count += missing;
        count
    };
    fill(0);
    let started = Instant::now();
    here.fetch(&["--delete"]).exits(0);
    let mut whole = started.elapsed();
    let mut random = 1_u32;
    let mut killed = 0;
    while killed < KILLED {
        fill(server.count("pop-killed"));
        let mut command = here.command(&["--delete"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = Running(child.unwrap());
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(whole.mul_f64(f64::from(random) / f64::from(u32::MAX)));
        match child.0.try_wait().unwrap() {
            None => killed += 1,
            // The machine has less to do than before.
            Some(_) => whole = whole.mul_f64(0.8),
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
    }
    // What the last run has asked for may still be under way.
    wait_for("the end of all sessions", || {
        let log = server.dovecot_log();
        let is_end = |line: &&str| line.contains("pop3(pop-killed)<") && line.contains("Disconn");
        let ended = log.lines().filter(is_end).count();
        (ended == log.matches("Login: user=<pop-killed>").count()).then_some(())
    });
    let count = fill(WAITING);
    here.fetch(&["--delete"]).exits(0);
    assert_eq!(server.count("pop-killed"), 0);
    let stored = here.stored();
    assert_eq!(stored.len(), count);
    assert!(stored == expected(0..count));
}
