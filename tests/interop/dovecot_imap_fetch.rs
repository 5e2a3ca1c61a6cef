//! imap-fetch and imap-watch against Dovecot: what is fetched once, every byte and every flag, large
//! messages, other UIDs, runs that are killed, and what is told as it happens.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use super::mail_server::MailServer;
use super::{lines, wait_for};
use crate::disturbed::maildir;
use crate::harness::{authority, command, folder, names, Run, Running, MOST_MEMORY};

/// How much a large message is, about.
const LARGE: usize = 200 << 20;

/// A message like no other, with bytes of no charset, long lines, and sometimes no end of the last.
fn message(number: usize) -> Vec<u8> {
    let mut message = format!(
        "From: Sender {number} <sender@localhost>\r\nSubject: {number}\r\n\
         Message-ID: <{number}@localhost>\r\n\r\n.\r\n* 1 FETCH ()\r\n)\r\n\r\n"
    )
    .into_bytes();
    message.extend_from_slice(b"\xe4\xf6\xfc \x80\xff\r\n");
    message.extend_from_slice(&vec![b'x'; number * 37 % 5000]);
    message.extend_from_slice(b"\r\nFrom the middle of a line. \r\n");
    if number.is_multiple_of(5) {
        message.extend_from_slice(b"no end");
    }
    message
}

/// A Maildir and the state of a mailbox, on this side.
struct Here {
    folder: TempDir,
    url: String,
    user: &'static str,
}

impl Here {
    fn new(server: &MailServer, user: &'static str) -> Here {
        Here {
            folder: folder(),
            url: format!("imap://localhost:{}/INBOX", server.ports.imap),
            user,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run that fetches to the Maildir.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = command(&["imap-fetch", &self.url, "-u", self.user]);
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
        let mut stored = maildir(&self.path("mail"));
        stored.sort();
        stored
    }
}

/// What the Maildir is to hold when these messages are stored, sorted.
fn expected(numbers: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let numbers = numbers.into_iter();
    let stored = |number| {
        let mut stored = lines(&message(number));
        // Unlike POP3, IMAP has lines without an end.
        if !message(number).ends_with(b"\n") {
            assert_eq!(stored.pop(), Some(b'\n'));
        }
        stored
    };
    let mut expected: Vec<Vec<u8>> = numbers.map(stored).collect();
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

/// The commands that were said, of all that `--trace` shows, without their tags.
fn said(run: &Run) -> Vec<&str> {
    let lines = run.stderr.lines();
    let said = lines.filter_map(|line| line.strip_prefix("C: "));
    said.filter_map(|line| Some(line.split_once(' ')?.1))
        .collect()
}

#[test]
fn five_thousand_messages_are_fetched_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("fetch-many", (0..5000).map(message));
    let here = Here::new(&server, "fetch-many");
    let run = here.fetch(&[]).exits(0);
    assert_eq!(count(&run, "stored"), 5000);
    assert!(here.stored() == expected(0..5000));
    let run = here.fetch(&["--trace", "--compress"]).exits(0);
    assert_eq!(run.text(), "");
    assert!(!said(&run).iter().any(|line| line.contains("FETCH")));
    server.put("fetch-many", (5000..5010).map(message));
    let run = here.fetch(&["--trace", "--starttls"]).exits(0);
    assert_eq!(count(&run, "stored"), 10);
    let commands = said(&run);
    let fetches = commands.iter().filter(|line| line.contains("UID FETCH"));
    assert_eq!(fetches.count(), 1, "{commands:?}");
    assert!(here.stored() == expected(0..5010));
    assert_eq!(server.count("fetch-many"), 5010);
}

#[test]
fn no_question_is_asked_that_nobody_needs() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("fetch-bytes", (0..200).map(message));
    let mut here = Here::new(&server, "fetch-bytes");
    let run = here.fetch(&["--trace", "--auth", "PLAIN"]).exits(0);
    let verbs: Vec<&str> = said(&run)
        .iter()
        .map(|line| line.strip_prefix("UID ").unwrap_or(line))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        verbs,
        ["AUTHENTICATE", "EXAMINE", "SEARCH", "FETCH", "LOGOUT"]
    );
    assert!(here.stored() == expected(0..200));
    // Every byte, over TLS.
    here.url = format!("imaps://localhost:{}/INBOX", server.ports.imaps);
    let mail = here.path("folder");
    let arguments = ["imap-fetch", &here.url, "-u", here.user, "--eml-dir"];
    let state = here.path("other");
    let places = [mail.to_str().unwrap(), "--state", state.to_str().unwrap()];
    server.proto(&[&arguments[..], &places].concat()).exits(0);
    let read = |name: &String| fs::read(mail.join(name)).unwrap();
    let mut stored: Vec<Vec<u8>> = names(&mail).iter().map(read).collect();
    stored.sort();
    let mut sent: Vec<Vec<u8>> = (0..200).map(message).collect();
    sent.sort();
    assert!(stored == sent);
}

#[test]
fn flags_and_dates_are_kept() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("fetch-flags", (0..3).map(message));
    let here = Here::new(&server, "fetch-flags");
    here.fetch(&["2", "--mark-seen"]).exits(0);
    let run = here.fetch(&["1:3", "--mbox", "x"]);
    assert_eq!(run.code, 64);
    let other = here.path("again");
    let arguments = [
        "imap-fetch",
        &here.url,
        "-u",
        here.user,
        "--json",
        "--maildir",
    ];
    let state = here.path("other");
    let places = [other.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let run = server.proto(&[&arguments[..], &places].concat()).exits(0);
    let rows: Vec<Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for row in &rows {
        let is_seen = row["uid"] == 2;
        let place = row["place"].as_str().unwrap();
        assert_eq!(place.ends_with(":2,S"), is_seen, "{row}");
        let time = fs::metadata(other.join(place)).unwrap().modified().unwrap();
        assert!(time.elapsed().unwrap() < Duration::from_secs(3600));
        assert!(row["internal_date"].is_string(), "{row}");
    }
    assert_eq!(rows.len(), 3);
}

#[test]
fn other_uids_bring_no_message_twice() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("fetch-anew", (0..50).map(message));
    let here = Here::new(&server, "fetch-anew");
    here.fetch(&[]).exits(0);
    server.forget_uids("fetch-anew");
    server.put("fetch-anew", (50..53).map(message));
    let run = here.fetch(&[]).exits(0).says("another UIDVALIDITY");
    assert_eq!(count(&run, "stored"), 3);
    assert!(here.stored() == expected(0..53));
    let run = here.fetch(&[]).exits(0);
    assert_eq!(run.text(), "");
}

/// A message of about [`LARGE`] bytes.
fn large() -> Vec<u8> {
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    let mut line = vec![b'.'; 998];
    line.extend_from_slice(b"\r\n");
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
    server.put("fetch-large", [message]);
    let mut here = Here::new(&server, "fetch-large");
    let tls = format!("imaps://localhost:{}/INBOX", server.ports.imaps);
    for url in [here.url.clone(), tls] {
        here.url = url;
        let peak = fetch_watched(&here);
        assert!(0 < peak && peak < MOST_MEMORY, "{peak} KiB: {}", here.url);
        assert!(here.stored() == [&expected[..]]);
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

/// How many messages come before a run that is killed, when there are none to fetch.
const WAITING: usize = 500;

/// How many runs are killed.
const KILLED: usize = 20;

#[test]
fn whenever_a_run_is_killed_every_message_is_stored_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = Here::new(&server, "fetch-killed");
    let mut count = 0;
    let mut fill = |stored: usize| {
        if stored == count {
            server.put("fetch-killed", (count..count + WAITING).map(message));
            count += WAITING;
        }
        count
    };
    fill(0);
    let started = Instant::now();
    here.fetch(&[]).exits(0);
    let mut whole = started.elapsed();
    let mut random = 1_u32;
    let mut killed = 0;
    while killed < KILLED {
        fill(here.stored().len());
        let mut command = here.command(&[]);
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
    here.fetch(&[]).exits(0);
    let stored = here.stored();
    let count = fill(0);
    assert_eq!(stored.len(), count);
    assert!(stored == expected(0..count));
}

#[test]
fn what_is_delivered_is_told() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    server.put("watched", [message(0)]);
    let url = format!("imap://localhost:{}/INBOX", server.ports.imap);
    let mut watch = command(&["imap-watch", &url, "-u", "watched", "--trace"]);
    // A test that fails does not wait for ever.
    watch.args(["--deadline", "60s"]);
    watch.env("PROTO_PASSWORD", "secret");
    let child = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Running(child.unwrap());
    let mut trace = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    let mut is_idle = false;
    // Logging in has such lines, too.
    while !(is_idle && line.starts_with("S: + ")) {
        line.clear();
        assert!(trace.read_line(&mut line).unwrap() > 0);
        is_idle |= line.starts_with("C: ") && line.ends_with(" IDLE\n");
    }
    // So that the trace does not stop it.
    std::thread::spawn(move || std::io::copy(&mut trace, &mut std::io::sink()));
    let lmtp = format!("lmtp://localhost:{}", server.ports.lmtp);
    let send = [
        "smtp-send",
        &lmtp,
        "--from",
        "a@localhost",
        "--to",
        "watched@localhost",
    ];
    let text = ["--subject", "delivered", "--text", "hello"];
    server.proto(&[&send[..], &text].concat()).exits(0);
    let mut rows = BufReader::new(child.0.stdout.take().unwrap());
    let mut row = String::new();
    rows.read_line(&mut row).unwrap();
    assert!(
        row.starts_with("new ") && row.contains("delivered"),
        "{row}"
    );
    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let options = ["--until", "subject:delivered", "--deadline", "10s"];
    let until = ["imap-watch", &url, "-u", "watched"];
    let run = server.proto(&[&until[..], &options].concat()).exits(0);
    assert!(run.text().starts_with("match "), "{}", run.text());
    wait_for("the end of the session", || {
        let log = server.dovecot_log();
        log.contains("imap(watched)<").then_some(())
    });
}
