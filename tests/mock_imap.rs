//! `proto mock imap`: what it says on the wire, line by line.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{folder, imap_of, proto, proto_in, Imap, MockProgram};
use proto_mock::imap::{CAPABILITIES, FLAWS};
use proto_mock::{Options, AUTHORITY};
use proto_transport::{Connection, Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Server {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let program = MockProgram::start(&[&["mock", "imap"], options].concat());
        let (scheme, port) = program.address();
        Server {
            program,
            scheme,
            port,
        }
    }

    /// Connects and reads the greeting.
    fn connect(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert!(client
            .line()
            .starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
        client
    }

    /// Connects, logs in and selects INBOX.
    fn open(&self) -> Client {
        let mut client = self.connect();
        client.ask("LOGIN user pencil");
        client.ask("SELECT INBOX");
        client
    }

    /// Ends it, for what it said on stderr.
    fn stop(self) -> String {
        self.program.stop().1
    }
}

/// A client of few words.
struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// One line without its CRLF; nothing when the connection is over.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap_or(0);
        let line = String::from_utf8(line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// All lines up to the tagged one.
    fn ask(&mut self, command: &str) -> Vec<String> {
        self.say(&format!("a {command}\r\n"));
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            let is_last = line.is_empty() || line.starts_with("a ");
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }
}

#[test]
fn a_session_reads_changes_and_leaves() {
    let folder = folder();
    for (name, text) in [
        ("new/1.a", "Subject: one\n\n1\n"),
        ("cur/2.b:2,S", "Subject: two\n\n2\n"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let maildir = folder.path().to_str().unwrap();
    let server = Server::start(&[
        "--maildir",
        maildir,
        "--mailbox",
        "Lists/a=3x500",
        "--mailbox",
        "Sent",
    ]);
    assert_eq!(server.scheme, "imap");
    let mut client = server.open();
    assert_eq!(
        client.ask("LIST \"\" *"),
        [
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" Lists",
            "* LIST (\\HasNoChildren) \"/\" Lists/a",
            "* LIST (\\HasNoChildren \\Sent) \"/\" Sent",
            "a OK LIST completed",
        ]
    );
    assert_eq!(
        client.ask("STATUS Lists/a (MESSAGES SIZE)")[0],
        "* STATUS Lists/a (MESSAGES 3 SIZE 1500)"
    );
    assert_eq!(
        client.ask("SEARCH SEEN"),
        ["* SEARCH 2", "a OK SEARCH completed"]
    );
    assert_eq!(
        client.ask("FETCH 1 BODY.PEEK[TEXT]")[0],
        "* 1 FETCH (BODY[TEXT] {3}"
    );
    client.ask("STORE 1 +FLAGS (\\Deleted)");
    assert_eq!(
        client.ask("EXPUNGE"),
        ["* 1 EXPUNGE", "a OK EXPUNGE completed"]
    );
    assert!(client.ask("XYZ")[0].starts_with("a BAD "));
    assert_eq!(
        client.ask("LOGOUT"),
        ["* BYE logging out", "a OK LOGOUT completed"]
    );
    assert_eq!(client.line(), "");
    // The folder stays, and others find their own.
    assert!(folder.path().join("new/1.a").exists());
    let error = server.stop();
    assert!(error.contains("login 1: user\n"), "{error}");
    assert!(error.contains("expunged 1: INBOX, 1 messages\n"), "{error}");
    assert!(
        error.contains("violation 1: a XYZ: no such command\n"),
        "{error}"
    );
    assert!(!error.contains("pencil"), "{error}");
}

#[test]
fn whoever_idles_is_told_of_what_comes() {
    let server = Server::start(&["-q"]);
    let mut idle = server.open();
    idle.say("i IDLE\r\n");
    assert_eq!(idle.line(), "+ idling");
    let mut other = server.connect();
    other.ask("LOGIN user pencil");
    let appended = other.ask("APPEND INBOX {3+}\r\nabc");
    assert!(appended[0].starts_with("a OK [APPENDUID "), "{appended:?}");
    assert_eq!(idle.line(), "* 1 EXISTS");
    assert_eq!(idle.line(), "* 1 RECENT");
    idle.say("DONE\r\n");
    assert_eq!(idle.line(), "i OK IDLE completed");
    assert_eq!(server.stop(), "");
}

#[test]
fn idle_works_over_tls() {
    let server = Server::start(&["--tls", "--generate", "1"]);
    assert_eq!(server.scheme, "imaps");
    let mut connector = Connector::default();
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    connector.tls = Arc::new(policy.into());
    let endpoint = Endpoint {
        scheme: "imap".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security: Security::Tls,
    };
    let mut idle = connector.connect(&endpoint).unwrap();
    let mut other = connector.connect(&endpoint).unwrap();
    for client in [&mut idle, &mut other] {
        client.read_line().unwrap();
        told(client, "a LOGIN me x");
        told(client, "a SELECT INBOX");
    }
    idle.write_line("a IDLE").unwrap();
    assert_eq!(idle.read_line().unwrap(), b"+ idling");
    std::thread::sleep(Duration::from_millis(100));
    told(&mut other, "a STORE 1 FLAGS (\\Seen)");
    assert!(idle
        .read_line()
        .unwrap()
        .starts_with(b"* 1 FETCH (FLAGS (\\Seen"));
    std::thread::sleep(Duration::from_millis(100));
    idle.write_line("DONE").unwrap();
    assert_eq!(idle.read_line().unwrap(), b"a OK IDLE completed");
    told(&mut idle, "a NOOP");
}

/// Says a command and reads up to its reply, which is OK.
fn told(client: &mut Connection, command: &str) {
    client.write_line(command).unwrap();
    loop {
        let line = client.read_line().unwrap();
        if line.starts_with(b"a ") {
            assert!(line.starts_with(b"a OK"), "{command}");
            return;
        }
    }
}

#[test]
fn capabilities_rules_and_flaws_are_chosen() {
    let server = Server::start(&[
        "--generate",
        "4x400",
        "--without",
        "idle",
        "--without",
        "LITERAL+",
        "--user",
        "user:pencil",
        "--rule",
        "message=3 count=1 reply=NO [X] Later",
        "--flaw",
        "lower-case",
    ]);
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let mut client = Client(BufReader::new(stream));
    let greeting = client.line();
    assert!(
        greeting.starts_with("* ok [CAPABILITY ") && !greeting.contains(" IDLE"),
        "{greeting}"
    );
    assert!(
        greeting.contains(" LITERAL- ") && greeting.contains(" AUTH=SCRAM-SHA-256 "),
        "{greeting}"
    );
    assert!(client.ask("LOGIN user x")[0].starts_with("a no [AUTHENTICATIONFAILED]"));
    assert!(client.ask("LOGIN user pencil")[0].starts_with("a ok "));
    client.ask("SELECT INBOX");
    let fetched = client.ask("FETCH 1:4 UID");
    assert_eq!(
        fetched,
        ["* 1 fetch (UID 1)", "* 2 fetch (UID 2)", "a no [X] Later"]
    );
    assert!(client.ask("IDLE")[0].starts_with("a bad "));
}

#[test]
fn lists_and_errors_help() {
    let rules = proto(&["mock", "imap", "--rule", "help"]).exits(0).text();
    assert!(
        rules.contains("\nmessage[=GLOB]") && rules.contains("\ncount=N "),
        "{rules}"
    );
    let flaws = proto(&["mock", "imap", "--flaw", "help"]).exits(0).text();
    assert_eq!(flaws.lines().count(), FLAWS.len(), "{flaws}");
    for (option, wrong, told) in [
        ("--rule", "retr drop", "fetch"),
        ("--flaw", "none", "bare-lf"),
        ("--without", "none", "SASL-IR"),
        ("--mailbox", "a=x", "COUNTxSIZE"),
        ("--maildir", "/nonexistent/maildir", "no folder"),
        ("--user", "x", "NAME:PASSWORD"),
    ] {
        proto(&["mock", "imap", option, wrong]).exits(64).says(told);
    }
}

/// What is hidden is hidden for good: every command finds another way, or can do without it.
#[test]
fn every_command_works_without_each_capability() {
    let mechanisms = ["PLAIN", "SCRAM-SHA-256", "EXTERNAL"].map(|name| format!("AUTH={name}"));
    let names = CAPABILITIES.map(str::to_owned).into_iter();
    std::thread::scope(|scope| {
        for name in names.chain(mechanisms) {
            scope.spawn(move || every_command_works_without(&name));
        }
    });
}

fn every_command_works_without(name: &str) {
    let mut server = imap_of(&[b"Subject: one\n\n1\n", b"Subject: two\n\n2\n"]);
    server.without.push(name.to_owned());
    server.users.push(("fred".to_owned(), "pencil".to_owned()));
    let imap = Imap::with(server, Options::default());
    imap.fill("Entw\u{fc}rfe", &[]);
    let folder = folder();
    fs::write(
        folder.path().join("gr\u{fc}n.eml"),
        "Subject: gr\u{fc}n\n\n3\n",
    )
    .unwrap();
    let run = |words: &[&str]| {
        let (command, words) = words.split_first().unwrap();
        let mailbox = if *command == "imap-list" { "" } else { "INBOX" };
        let url = imap.url(mailbox);
        let words = [&[*command, &*url], words].concat();
        let run = proto_in(
            folder.path(),
            &[&words[..], &["--deadline", "60s"]].concat(),
        );
        assert_eq!(run.code, 0, "{name} {words:?}: {}", run.stderr);
        run.text()
    };
    let list = run(&["imap-list"]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = list.lines().map(words).collect();
    assert_eq!(rows[0][..2], ["0", "0"], "{name}: {list}");
    assert_eq!(rows[0][4], "Entw\u{fc}rfe", "{name}: {list}");
    assert_eq!(rows[1][..2], ["2", "2"], "{name}: {list}");
    assert_eq!(run(&["imap-list", "--subscribed"]), "", "{name}");
    assert_eq!(run(&["imap-search", "subject:two"]), "2\n", "{name}");
    run(&["imap-append", "gr\u{fc}n.eml"]);
    run(&["imap-fetch", "--maildir", "mail", "--state", "state"]);
    assert_eq!(
        fs::read_dir(folder.path().join("mail/new"))
            .unwrap()
            .count(),
        3,
        "{name}"
    );
    run(&["imap-flag", "2", "--add", "\\Flagged"]);
    assert!(imap.flags("INBOX", 2).contains("\\Flagged"), "{name}");
    let row = run(&["imap-watch", "--until", "subject:one"]);
    assert!(
        row.starts_with("match") && row.contains("  one"),
        "{name}: {row}"
    );
    run(&["imap-move", "--copy", "1", "Entw\u{fc}rfe"]);
    run(&["imap-move", "2", "Entw\u{fc}rfe"]);
    assert_eq!(imap.uids("INBOX"), [1, 3], "{name}");
    assert_eq!(imap.uids("Entw\u{fc}rfe"), [1, 2], "{name}");
    assert_eq!(imap.imap.violations(), [""; 0], "{name}");
}
