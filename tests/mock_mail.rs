//! `proto mock mail`: what comes in by one protocol is there by the others.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{getrlimit, setrlimit, Resource};

use crate::harness::{authority, folder, names, proto, sample, MockProgram, Run};

/// A mail server that runs, and how to reach it.
pub struct MockMail(MockProgram);

impl MockMail {
    /// Starts it, and waits until it is ready.
    pub fn start(options: &[&str]) -> MockMail {
        MockMail(MockProgram::start(&[&["mock", "mail"], options].concat()))
    }

    /// The port of a scheme.
    pub fn port(&self, scheme: &str) -> u16 {
        self.0.ports[scheme].as_u64().unwrap().try_into().unwrap()
    }

    /// The URL of a scheme, with a user and a path.
    pub fn url(&self, scheme: &str, user: &str, path: &str) -> String {
        format!("{scheme}://{user}localhost:{}{path}", self.port(scheme))
    }

    fn send(&self, to: &str) -> Run {
        let (url, message) = (self.url("smtp", "", ""), sample("plain.eml"));
        proto(&[
            "smtp-send",
            &url,
            "--from",
            "a@x",
            "--to",
            to,
            "--message",
            &message,
        ])
    }

    /// How many messages somebody has, by POP3.
    fn count(&self, user: &str) -> usize {
        let run = proto(&["pop3-list", &self.url("pop3", &format!("{user}:x@"), "")]);
        run.exits(0).text().lines().count()
    }

    fn connect(&self, scheme: &str) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port(scheme))).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        BufReader::new(stream)
    }

    /// Ends it in good order, for what it said on stdout and stderr.
    pub fn stop(self) -> (String, String) {
        self.0.stop()
    }
}

#[test]
fn all_servers_stand_over_one_store() {
    let server = MockMail::start(&[]);
    assert_eq!(server.0.ports.as_object().unwrap().len(), 8);
    let ca = authority();
    for (scheme, user) in [
        ("smtp", ""),
        ("submission", "me:x@"),
        ("submissions", "me:x@"),
        ("lmtp", ""),
    ] {
        let url = server.url(scheme, user, "");
        let message = sample("plain.eml");
        let mail = [
            "--from",
            "a@x",
            "--to",
            "B@example.org",
            "--message",
            &message,
        ];
        proto(&[&["smtp-send", &url, "--ca", &ca, "-q"][..], &mail].concat()).exits(0);
    }
    for (scheme, path) in [
        ("pop3", ""),
        ("pop3s", ""),
        ("imap", "/INBOX"),
        ("imaps", "/INBOX"),
    ] {
        for user in ["b:1@", "b%40example.org:2@"] {
            let url = server.url(scheme, user, path);
            let list = match path {
                "" => "pop3-list",
                _ => "imap-search",
            };
            let run = proto(&[list, &url, "--ca", &ca, "-q"]).exits(0);
            assert_eq!(run.text().lines().count(), 4, "{url}: {}", run.text());
        }
    }
    // STARTTLS, where it is asked for.
    let url = server.url("pop3", "b:x@", "");
    proto(&["pop3-delete", &url, "1", "--starttls", "--ca", &ca, "-q"]).exits(0);
    assert_eq!(server.count("b"), 3);
    let ports: Vec<u16> = ["smtp", "imaps"].map(|scheme| server.port(scheme)).to_vec();
    let (out, error) = server.stop();
    assert!(
        out.starts_with(&format!("smtp://127.0.0.1:{}/\n", ports[0])),
        "{out}"
    );
    assert!(
        out.ends_with(&format!("imaps://127.0.0.1:{}/\n", ports[1])),
        "{out}"
    );
    assert!(
        error.contains("letter 1: <a@x> to <B@example.org>"),
        "{error}"
    );
    assert!(!error.contains("violation"), "{error}");
}

#[test]
fn a_folder_outlives_the_process() {
    let folder = folder();
    let mail = folder.path().join("mail");
    let dir = mail.to_str().unwrap();
    let mut server = MockMail::start(&["-q", "--dir", dir]);
    server.send("b@x").exits(0);
    server.send("../c@x, d@x").exits(64);
    server.send("d@x").exits(0);
    assert_eq!(names(&mail), ["b", "d"]);
    // What was answered for is there, however the process ends.
    server.0.running.0.kill().unwrap();
    drop(server);
    let server = MockMail::start(&["-q", "--dir", dir]);
    assert_eq!((server.count("b"), server.count("d")), (1, 1));
    let list = || proto(&["pop3-list", &server.url("pop3", "b:x@", "")]).text();
    assert!(
        list().contains(&names(&mail.join("b/new"))[0]),
        "{}",
        list()
    );
    let url = server.url("imap", "b:x@", "/INBOX");
    proto(&["imap-flag", &url, "1", "--add", "\\Seen", "-q"]).exits(0);
    assert!(names(&mail.join("b/cur"))[0].ends_with(":2,S"));
    proto(&["pop3-delete", &server.url("pop3", "b:x@", ""), "1", "-q"]).exits(0);
    assert_eq!(names(&mail.join("b/cur")), [""; 0]);
    assert_eq!(server.stop().1, "");
    proto(&["mock", "mail", "--dir", mail.join("b").to_str().unwrap()])
        .exits(74)
        .says("it is a Maildir");
}

#[test]
fn users_and_limits_are_chosen() {
    let server = MockMail::start(&[
        "-q",
        "--user",
        "b@x:pencil",
        "--catch-all",
        "all",
        "--max-messages",
        "2",
        "--max-size",
        "1k",
    ]);
    server.send("b@x").exits(0);
    server.send("somebody@else").exits(0);
    server.send("b@x").exits(0);
    server.send("b@x").exits(75);
    let (url, large) = (server.url("lmtp", "", ""), "x ".repeat(1000));
    let mail = ["--from", "a@x", "--to", "c@x", "--text", &large];
    proto(&[&["smtp-send", &url][..], &mail].concat()).says("1024");
    for (login, code) in [
        ("b:pencil@", 0),
        ("b%40x:pencil@", 0),
        ("b:x@", 77),
        ("c:pencil@", 77),
    ] {
        proto(&["pop3-list", &server.url("pop3", login, "")]).exits(code);
        proto(&["imap-list", &server.url("imap", login, "/")]).exits(code);
    }
    let url = server.url("submission", "", "");
    let mail = [
        "--from", "a@x", "--to", "b@x", "--text", "x", "--plain", "-q",
    ];
    proto(&[&["smtp-send", &url][..], &mail].concat()).exits(77);

    let server = MockMail::start(&["-q", "--user", "b:x"]);
    server.send("c@x").exits(69);
    server.send("b@anywhere").exits(0);
    assert_eq!(server.count("b"), 1);
}

#[test]
fn what_goes_wrong_is_chosen_for_each_protocol() {
    let server = MockMail::start(&[
        "-q",
        "--rule",
        "deliver=lost@* drop",
        "--smtp-rule",
        "rcpt=bad@* reply=550 5.1.1 No",
        "--pop3-rule",
        "stat count=1 reply=-ERR No",
        "--imap-rule",
        "examine reply=NO Later",
        "--pop3-flaw",
        "zero-sizes",
        "--imap-fault",
        "delay=1ms",
    ]);
    server.send("bad@x").exits(69);
    server.send("lost@x").exits(0);
    server.send("b@x").exits(0);
    assert_eq!(server.count("lost"), 0);
    let run = proto(&["pop3-list", &server.url("pop3", "b:x@", "")]).exits(0);
    assert!(
        run.text().starts_with("    1          0  "),
        "{}",
        run.text()
    );
    proto(&["imap-search", &server.url("imap", "b:x@", "/INBOX")]).says("Later");
    for option in [
        "--rule",
        "--smtp-rule",
        "--pop3-rule",
        "--imap-rule",
        "--pop3-flaw",
        "--imap-flaw",
        "--fault",
        "--smtp-fault",
    ] {
        let list = proto(&["mock", "mail", option, "help"]).exits(0).text();
        assert!(list.lines().count() > 5, "{option}: {list}");
        proto(&["mock", "mail", option, "nonsense nonsense"]).exits(64);
    }
    let taken = server.port("smtp").to_string();
    proto(&["mock", "mail", "--imap-port", &taken])
        .exits(74)
        .says("listening on");
}

#[test]
fn messages_lie_beside_the_conversations_that_brought_them() {
    let folder = folder();
    let said = folder.path().join("said");
    let server = MockMail::start(&["-q", "--transcripts", said.to_str().unwrap()]);
    let ca = authority();
    let url = server.url("submission", "me:pencil@", "");
    let message = sample("dots.eml");
    let mail = [
        "--from",
        "a@x",
        "--to",
        "b@x",
        "--without",
        "CHUNKING",
        "--message",
        &message,
    ];
    proto(
        &[
            &["smtp-send", &url, "--starttls", "--ca", &ca, "-q"][..],
            &mail,
        ]
        .concat(),
    )
    .exits(0);
    let found = names(&said);
    assert!(
        found[0].ends_with(".eml") && found[1].ends_with(".session"),
        "{found:?}"
    );
    let text = fs::read_to_string(said.join(&found[1])).unwrap();
    assert!(
        text.contains("C: STARTTLS\n") && text.contains("\n= tls\n"),
        "{text}"
    );
    assert!(
        text.contains("(secret)") && !text.contains("pencil"),
        "{text}"
    );

    // It plays.
    let session = said.join(&found[1]);
    let mut replay = MockProgram::start(&["mock", "replay", session.to_str().unwrap()]);
    let (_, port) = replay.address();
    let url = format!("submission://me:pencil@localhost:{port}");
    proto(
        &[
            &["smtp-send", &url, "--starttls", "--ca", &ca, "-q"][..],
            &mail,
        ]
        .concat(),
    )
    .exits(0);
    let _ = replay.running.0.wait();
}

/// How many clients there are at once, and how many messages each sends.
const CLIENTS: usize = 1000;
const EACH: usize = 5;

#[test]
fn a_thousand_connections_at_once_lose_nothing() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let server = MockMail::start(&["-q"]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect("smtp")).collect();
    for client in &mut clients {
        until(client, "220 ");
        say(client, "EHLO me\r\n");
        until(client, "250 ");
    }
    for round in 0..EACH {
        for client in &mut clients {
            say(client, "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            until(client, "354 ");
            say(client, &format!("Subject: {round} {number}\r\n\r\n.\r\n"));
        }
        for client in &mut clients {
            until(client, "250 ");
        }
    }
    let mut maildrop = server.connect("pop3");
    say(&mut maildrop, "USER b\r\nPASS x\r\nSTAT\r\n");
    let wanted = format!("+OK {} ", CLIENTS * EACH);
    until(&mut maildrop, &wanted);
    server.stop();
}

fn say(client: &mut BufReader<TcpStream>, text: &str) {
    client.get_mut().write_all(text.as_bytes()).unwrap();
}

/// Reads up to a line that begins so.
#[track_caller]
fn until(client: &mut BufReader<TcpStream>, start: &str) {
    let mut line = String::new();
    while !line.starts_with(start) {
        line.clear();
        let count = client.read_line(&mut line).unwrap();
        assert!(count > 0, "{start} does not come");
    }
}
