//! `proto imap-watch`: what is told of a mailbox as it happens, and when it is over.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;

use crate::harness::{command, folder, imap_of, proto, Imap, Run, Running};
use proto_mock::mailbox::Flags;
use proto_mock::Options;

const LETTERS: [&[u8]; 2] = [b"Subject: one\n\n", b"Subject: two\n\n"];

/// A server that does what the rules say, without some capabilities.
fn with(rules: &[&str], without: &[&str]) -> Imap {
    let mut server = imap_of(&LETTERS);
    server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    Imap::with(server, Options::default())
}

fn watching(imap: &Imap, options: &[&str]) -> Command {
    let mut command = command(&["imap-watch", &imap.url("INBOX"), "--timeout", "10s"]);
    // A test that fails does not wait for ever.
    if !options.contains(&"--deadline") {
        command.args(["--deadline", "60s"]);
    }
    command.args(options);
    command
}

/// A watch that runs.
struct Watch {
    running: Running,
    rows: BufReader<ChildStdout>,
    said: BufReader<ChildStderr>,
}

impl Watch {
    /// Begins, and waits until the server hears this.
    fn begin(imap: &Imap, options: &[&str], heard: &str) -> Watch {
        let mut command = watching(imap, options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child: Child = command.spawn().unwrap();
        let rows = BufReader::new(child.stdout.take().unwrap());
        let said = BufReader::new(child.stderr.take().unwrap());
        let watch = Watch {
            running: Running(child),
            rows,
            said,
        };
        wait_for(|| !imap.heard_of(heard).is_empty());
        watch
    }

    fn row(&mut self) -> String {
        let mut line = String::new();
        self.rows.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until stderr says this.
    fn says(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "{text}");
        }
    }

    fn signal(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.running.0), signal).unwrap();
        self.end()
    }

    fn end(&mut self) -> Option<i32> {
        self.running.0.wait().unwrap().code()
    }
}

fn wait_for(mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it does not come"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn set_flags(imap: &Imap, uid: u32, flag: &str) {
    imap.account().change(|mailboxes| {
        let mut flags = Flags::default();
        flags.insert(flag);
        mailboxes.get_mut("INBOX").unwrap().set_flags(uid, flags);
    });
}

fn remove(imap: &Imap, uid: u32) {
    imap.account().change(|mailboxes| {
        mailboxes.get_mut("INBOX").unwrap().remove(&[uid]);
    });
}

/// First words.
fn words(row: &str) -> Vec<&str> {
    row.split_whitespace().take(2).collect()
}

#[test]
fn what_happens_is_told_with_idle_and_without() {
    for (without, options, heard) in [
        (&[][..], &[][..], "IDLE"),
        (&[], &["--renew", "300ms"], "IDLE"),
        (&["IDLE", "IMAP4rev2"], &["--poll", "50ms"], "NOOP"),
    ] {
        let imap = with(&[], without);
        let mut watch = Watch::begin(&imap, options, heard);
        imap.fill("INBOX", &[b"From: a@b\nSubject: three\n\nx\n"]);
        let row = watch.row();
        assert_eq!(words(&row), ["new", "3"]);
        // `\Recent` is no mark of the message.
        assert!(row.contains("a@b  three") && !row.contains('\\'), "{row}");
        set_flags(&imap, 2, "\\Flagged");
        let row = watch.row();
        assert_eq!(words(&row), ["flags", "2"]);
        assert!(row.contains("\\Flagged"), "{row}");
        remove(&imap, 1);
        assert_eq!(words(&watch.row()), ["expunged", "1"]);
        imap.fill("INBOX", &[b"Subject: four\n\n", b"Subject: five\n\n"]);
        for uid in ["4", "5"] {
            assert_eq!(words(&watch.row()), ["new", uid]);
        }
        assert_eq!(watch.signal(Signal::INT), Some(0));
        wait_for(|| imap.heard_of("LOGOUT").len() == 1);
        assert_eq!(imap.imap.violations(), [""; 0], "{options:?}");
        assert!(imap.heard_of("SELECT").is_empty());
    }
}

#[test]
fn signals_end_it_in_good_order() {
    let folder = folder();
    let report = folder.path().join("report");
    for signal in [Signal::INT, Signal::TERM] {
        let imap = with(&[], &[]);
        let options = ["--json", "--report", report.to_str().unwrap()];
        let mut watch = Watch::begin(&imap, &options, "IDLE");
        imap.fill("INBOX", &[b"From: a@b\nSubject: three\n\nx\n"]);
        let row: Value = serde_json::from_str(&watch.row()).unwrap();
        assert_eq!((&row["event"], &row["uid"]), (&"new".into(), &3.into()));
        assert_eq!(row["subject"], "three");
        assert_eq!(watch.signal(signal), Some(0));
        let text = std::fs::read_to_string(&report).unwrap();
        let text: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text["items"][0], row);
    }
}

/// A script must not take the end of its patience for the message that it waits for.
#[test]
fn a_signal_brings_no_message() {
    for signal in [Signal::INT, Signal::TERM] {
        let imap = with(&[], &[]);
        let mut watch = Watch::begin(&imap, &["--until", "subject:never"], "IDLE");
        assert_eq!(watch.signal(signal), Some(75));
    }
}

/// A server that is waited for is no reason to go on when somebody insists.
#[test]
fn a_second_signal_ends_it_at_once() {
    let imap = with(&["search delay=9s"], &[]);
    let mut watch = Watch::begin(&imap, &["--json"], "EXAMINE");
    let pid = Pid::from_child(&watch.running.0);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(watch.signal(Signal::TERM), None, "it was killed");
}

#[test]
fn it_is_over_when_a_message_is_as_it_was_to_be() {
    let imap = with(&[], &[]);
    // It is there.
    let options = ["--until", "subject:two", "--deadline", "20s"];
    let run = Run::from(watching(&imap, &options).output().unwrap()).exits(0);
    assert_eq!(words(&run.text()), ["match", "2"]);
    assert_eq!(imap.heard_of("IDLE"), [""; 0]);
    // It comes, behind another.
    let options = ["--until", "subject:late", "--deadline", "20s"];
    let mut watch = Watch::begin(&imap, &options, "IDLE");
    imap.fill("INBOX", &[b"Subject: early\n\n"]);
    assert_eq!(words(&watch.row()), ["new", "3"]);
    imap.fill("INBOX", &[b"Subject: too late\n\n"]);
    assert_eq!(words(&watch.row()), ["new", "4"]);
    assert_eq!(words(&watch.row()), ["match", "4"]);
    assert_eq!(watch.end(), Some(0));
    // It becomes so.
    let options = ["--until", "flagged", "--deadline", "20s"];
    let mut watch = Watch::begin(&imap, &options, "UID SEARCH RETURN (ALL) FLAGGED");
    set_flags(&imap, 1, "\\Flagged");
    while words(&watch.row())[0] != "match" {}
    assert_eq!(watch.end(), Some(0));
}

#[test]
fn the_deadline_ends_it() {
    for without in [&[][..], &["IDLE", "IMAP4rev2"]] {
        let imap = with(&[], without);
        let options = ["--deadline", "700ms"];
        let run = Run::from(watching(&imap, &options).output().unwrap()).exits(0);
        assert_eq!(run.text(), "");
        let options = ["--until", "subject:never", "--deadline", "700ms"];
        let run = Run::from(watching(&imap, &options).output().unwrap());
        run.exits(75).says("--until");
    }
    // Also while nobody answers.
    let imap = with(&["search drop"], &[]);
    let options = ["--until", "subject:never", "--deadline", "700ms"];
    Run::from(watching(&imap, &options).output().unwrap()).exits(75);
}

#[test]
fn what_happened_while_the_connection_was_lost_is_told() {
    for rule in [
        "idle count=1 drop",
        "idle count=1 reply=BYE [UNAVAILABLE] later",
    ] {
        let imap = with(&[rule], &[]);
        let mut watch = Watch::begin(&imap, &[], "IDLE");
        watch.says("connecting again");
        imap.fill("INBOX", &[b"Subject: three\n\n"]);
        remove(&imap, 1);
        assert_eq!(words(&watch.row()), ["expunged", "1"]);
        assert_eq!(words(&watch.row()), ["new", "3"]);
        assert_eq!(watch.signal(Signal::TERM), Some(0));
    }
}

#[test]
fn a_server_that_says_no_to_idle_is_asked_now_and_then() {
    for rule in ["idle reply=NO not today", "idle reply=BAD what is that?"] {
        let imap = with(&[rule, "noop count=1 drop"], &[]);
        let mut watch = Watch::begin(&imap, &["--poll", "10ms"], "NOOP");
        imap.fill("INBOX", &[b"Subject: three\n\n"]);
        assert_eq!(words(&watch.row()), ["new", "3"]);
        assert_eq!(watch.signal(Signal::INT), Some(0));
        // It is told once, and the next connection is not tried.
        let mut said = String::new();
        watch.said.read_to_string(&mut said).unwrap();
        assert_eq!(
            said.matches("asked now and then instead").count(),
            1,
            "{said}"
        );
        assert!(said.contains("connecting again"), "{said}");
        assert_eq!(imap.heard_of("IDLE").len(), 1, "{rule}");
    }
}

#[test]
fn what_a_server_wants_users_to_see_is_shown_once() {
    let rules = [
        "login reply=OK [ALERT] down at noon",
        "noop reply=OK [ALERT] down at noon",
    ];
    let imap = with(&rules, &["IDLE", "IMAP4rev2"]);
    let mut watch = Watch::begin(&imap, &["--poll", "10ms"], "NOOP");
    wait_for(|| imap.heard_of("NOOP").len() > 2);
    imap.fill("INBOX", &[b"Subject: three\n\n"]);
    assert_eq!(words(&watch.row()), ["new", "3"]);
    assert_eq!(watch.signal(Signal::INT), Some(0));
    let mut said = String::new();
    watch.said.read_to_string(&mut said).unwrap();
    assert_eq!(
        said.matches("the server says: down at noon").count(),
        1,
        "{said}"
    );
}

#[test]
fn what_will_not_mend_itself_ends_it() {
    let imap = with(&["login reply=NO [AUTHENTICATIONFAILED] no"], &[]);
    Run::from(watching(&imap, &[]).output().unwrap()).exits(77);
    let imap = with(&["examine reply=NO [NONEXISTENT] no"], &[]);
    Run::from(watching(&imap, &[]).output().unwrap()).exits(69);
    let imap = with(&["connect reply=BYE busy"], &[]);
    Run::from(watching(&imap, &[]).output().unwrap()).exits(75);
    let heard = imap.heard().len();
    for wrong in [
        &["--until", "since:yesterday"][..],
        &["--exec", "'"],
        &["--exec", ""],
        &["--poll", "x"],
    ] {
        Run::from(watching(&imap, wrong).output().unwrap()).exits(64);
    }
    assert_eq!(imap.heard().len(), heard);
}

#[test]
fn a_command_runs_for_each_new_message() {
    let imap = with(&[], &[]);
    let folder = folder();
    let path = folder.path().join("seen");
    let command = format!(
        "sh -c 'echo \"$PROTO_MAILBOX $PROTO_UID ($PROTO_FLAGS) $PROTO_SUBJECT\" >> {0}; cat >> {0}; \
         test \"$PROTO_UID\" != 3; exit $(($? * 65))'",
        path.display()
    );
    let mut watch = Watch::begin(&imap, &["--exec", &command], "IDLE");
    imap.fill(
        "INBOX",
        &[
            b"Subject: $(touch x) `y`\n\nbody\n",
            b"Subject: four\n\nbody\n",
        ],
    );
    assert_eq!(words(&watch.row()), ["new", "3"]);
    assert_eq!(words(&watch.row()), ["new", "4"]);
    let expected = "INBOX 3 () $(touch x) `y`\nSubject: $(touch x) `y`\n\n\
                    INBOX 4 () four\nSubject: four\n\n";
    wait_for(|| std::fs::read_to_string(&path).is_ok_and(|seen| seen == expected));
    // One that failed is told, and in the end too.
    watch.says("running --exec for the message 3: exit status: 65");
    assert_eq!(watch.signal(Signal::INT), Some(69));
    let imap = with(&[], &[]);
    let mut watch = Watch::begin(&imap, &["--exec", "/nonexistent/command"], "IDLE");
    imap.fill("INBOX", &[b"Subject: five\n\n"]);
    assert_eq!(words(&watch.row()), ["new", "3"]);
    assert_eq!(watch.end(), Some(74));
}

#[test]
fn the_help_says_how_commands_run_and_where_terms_end() {
    let help = proto(&["imap-watch", "--help"]).exits(0).text();
    assert!(
        help.contains("\nUsage: proto imap-watch [OPTIONS] <URL>\n"),
        "{help}"
    );
    let help: Vec<&str> = help.split_whitespace().collect();
    let help = help.join(" ");
    let of = |option: &str| {
        let (_, text) = help.split_once(&format!(" {option} <")).unwrap();
        text.split(" --").next().unwrap().to_owned()
    };
    for option in ["--exec", "--password-command"] {
        assert!(of(option).contains("no shell runs it"), "{option}: {help}");
    }
    assert!(
        help.contains("every word up to the next option or -- is one"),
        "{help}"
    );
}

#[test]
fn what_a_server_says_is_made_harmless() {
    let imap = with(&[], &[]);
    let mut watch = Watch::begin(&imap, &[], "IDLE");
    imap.fill(
        "INBOX",
        &[b"Subject: =?utf-8?q?a=1b[2J=0Ab?=\nFrom: \x1b]0;x\x07\n\n"],
    );
    let row = watch.row();
    assert_eq!(words(&row), ["new", "3"]);
    assert!(!row.contains(|c: char| c.is_control()), "{row:?}");
    assert_eq!(watch.signal(Signal::INT), Some(0));
}
