//! `proto mock smtp`: what it says on the wire, byte by byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{authority, command, folder, names, proto, wait_for, MockProgram, Running};
use proto_transport::{Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Server {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let program = MockProgram::start(&[&["mock", "smtp"], options].concat());
        let (scheme, port) = program.address();
        Server {
            program,
            scheme,
            port,
        }
    }

    /// Connects and reads the greeting.
    fn connect(&self) -> Client {
        let mut client = self.dial();
        assert!(client.reply().starts_with("220 localhost "));
        client
    }

    fn dial(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Client(BufReader::new(stream))
    }

    /// Ends it, for all that it printed: stdout, then stderr.
    fn stop(self) -> (String, String) {
        self.program.stop()
    }
}

/// A client of few words.
struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// One reply with all its lines; nothing when the connection is closed or reset.
    fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let count = self.0.read_line(&mut line).unwrap_or(0);
            reply.push_str(&line);
            if count == 0 || line.as_bytes().get(3) == Some(&b' ') {
                return reply;
            }
        }
    }

    fn ask(&mut self, text: &str) -> String {
        self.say(text);
        self.reply()
    }

    /// Says it and reads so many replies; their codes.
    fn codes(&mut self, text: &str, count: usize) -> String {
        self.say(text);
        let codes: Vec<String> = (0..count)
            .map(|_| self.reply().chars().take(3).collect())
            .collect();
        codes.join(" ")
    }

    fn greet(mut self) -> Client {
        assert!(self.ask("EHLO me.example\r\n").starts_with("250"));
        self
    }
}

const ENVELOPE: &str = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

#[test]
fn a_letter_is_taken_and_told() {
    let server = Server::start(&[]);
    assert_eq!(server.scheme, "smtp");
    let mut client = server.connect().greet();
    let group = format!("{ENVELOPE}RCPT TO:<e@f>\r\nDATA\r\n");
    assert_eq!(client.codes(&group, 4), "250 250 250 354");
    assert_eq!(client.codes("..dot\r\n.\r\nQUIT\r\n", 2), "250 221");
    assert_eq!(client.reply(), "");
    let mut client = server.connect();
    assert_eq!(client.codes("MAIL FROM: <a@b>\r\n", 1), "503");
    let (out, error) = server.stop();
    assert!(
        out.starts_with("smtp://127.0.0.1:") && out.ends_with("/\n"),
        "{out}"
    );
    assert_eq!(
        error,
        "letter 1: <a@b> to <c@d> <e@f>, 6 octets\nviolation 2: MAIL FROM: <a@b>: say EHLO first\n"
    );
}

#[test]
fn a_maildir_has_the_bytes_that_were_sent() {
    let folder = folder();
    let maildir = folder.path().join("box");
    let server = Server::start(&["--maildir", maildir.to_str().unwrap(), "--quiet"]);
    let mut client = server.connect().greet();
    client.codes(&format!("{ENVELOPE}DATA\r\n"), 3);
    assert_eq!(client.codes("..a\r\n\r\n.\r\n", 1), "250");
    let chunks = "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 4\r\n.\n\0\rBDAT 1\r\nxBDAT 0 LAST\r\n";
    assert_eq!(client.codes(chunks, 5), "250 250 250 250 250");
    client.codes(&format!("{ENVELOPE}DATA\r\n"), 3);
    client.say("half of it");
    drop(client);
    let new = maildir.join("new");
    let mut contents: Vec<_> = names(&new)
        .iter()
        .map(|name| fs::read(new.join(name)).unwrap())
        .collect();
    contents.sort();
    assert_eq!(contents, [&b".\n\0\rx"[..], b".a\r\n\r\n"]);
    wait_for(|| names(&maildir.join("tmp")).is_empty().then_some(()));
    assert_eq!(names(&maildir), ["cur", "new", "tmp"]);
    assert_eq!(server.stop().1, "");
}

#[test]
fn a_large_message_needs_little_memory() {
    let folder = folder();
    let server = Server::start(&["--maildir", folder.path().to_str().unwrap()]);
    let mut client = server.connect().greet();
    client.codes(&format!("{ENVELOPE}DATA\r\n"), 3);
    let block = format!("{}\r\n", "x".repeat(1022)).repeat(1024);
    for _ in 0..50 {
        client.say(&block);
    }
    assert_eq!(client.codes(".\r\n", 1), "250");
    let new = folder.path().join("new");
    let size = fs::metadata(new.join(&names(&new)[0])).unwrap().len();
    assert_eq!(size, 50 * 1024 * 1024);
    let status = fs::read_to_string(format!("/proc/{}/status", server.program.running.0.id()));
    if let Ok(status) = status {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 40_000, "{peak}");
    }
}

#[test]
fn stdout_shows_envelope_and_message() {
    let server = Server::start(&["--stdout", "-q"]);
    let mut client = server.connect().greet();
    client.codes(
        "MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\nDATA\r\n",
        3,
    );
    assert_eq!(client.codes("hello\r\n.\r\nQUIT\r\n", 2), "250 221");
    let (out, error) = server.stop();
    let (_, shown) = out.split_once('\n').unwrap();
    assert_eq!(
        shown,
        "MAIL FROM:<> BODY=8BITMIME\nRCPT TO:<c@d> NOTIFY=NEVER\n\nhello\r\n================================\n"
    );
    assert_eq!(error, "");
}

#[test]
fn lmtp_has_a_reply_for_every_recipient() {
    let server = Server::start(&["--lmtp", "--rule", "dot=full@* reply=452 4.2.2 Full"]);
    assert_eq!(server.scheme, "lmtp");
    let mut client = server.connect();
    assert!(client.ask("EHLO me\r\n").starts_with("500 "));
    assert!(client.ask("LHLO me\r\n").contains("250-PIPELINING\r\n"));
    let envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<full@d>\r\nRCPT TO:<c@d>\r\n";
    assert_eq!(
        client.codes(&format!("{envelope}DATA\r\n"), 4),
        "250 250 250 354"
    );
    assert_eq!(client.ask("x\r\n.\r\n"), "452 4.2.2 Full\r\n");
    assert_eq!(client.reply(), "250 2.0.0 Taken\r\n");
    assert_eq!(
        client.codes(&format!("{envelope}BDAT 3 LAST\r\nx\r\n"), 5),
        "250 250 250 452 250"
    );
}

#[test]
fn what_is_hidden_is_not_there() {
    for (hidden, tried, code) in [
        ("pipelining", "NOOP\r\n", "250 2.0.0"),
        ("size", "MAIL FROM:<a@b> SIZE=1\r\n", "555 5.5.4"),
        ("8bitmime", "MAIL FROM:<a@b> BODY=8BITMIME\r\n", "555 5.5.4"),
        (
            "binarymime",
            "MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
            "555 5.5.4",
        ),
        ("chunking", "BDAT 1\r\nx", "500 5.5.1"),
        ("smtputf8", "MAIL FROM:<a@b> SMTPUTF8\r\n", "555 5.5.4"),
        ("dsn", "MAIL FROM:<a@b> ENVID=1\r\n", "555 5.5.4"),
        ("enhancedstatuscodes", "NOOP\r\n", "250 Ok"),
        ("starttls", "STARTTLS\r\n", "502 5.5.1"),
        ("auth", "AUTH PLAIN\r\n", "502 5.5.1"),
        ("auth=plain", "AUTH PLAIN\r\n", "504 5.5.4"),
    ] {
        let server = Server::start(&["--without", hidden]);
        let mut client = server.connect();
        let offer = client.ask("EHLO me\r\n");
        let name = hidden
            .to_uppercase()
            .replace("AUTH=", "AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 ");
        assert!(!offer.contains(&name), "{offer}");
        let reply = client.ask(tried);
        assert!(reply.starts_with(code), "{hidden}: {reply}");
    }
    let server = Server::start(&["--without", "EHLO"]);
    let mut client = server.connect();
    assert_eq!(client.codes("EHLO me\r\n", 1), "502");
    assert_eq!(client.codes("HELO me\r\n", 1), "250");
    proto(&["mock", "smtp", "--without", "nonsense"])
        .exits(64)
        .says("PIPELINING");
}

#[test]
fn rules_do_what_they_say() {
    let rules = [
        "rcpt=bad@* reply=550 5.1.1 No\\n5.1.1 such user",
        "mail after=1 count=1 reply=451 Try later",
        "noop count=1 delay=300ms",
        "noop reset",
        "rset count=1 drop",
        "rset drop-after",
        "data reply=421 4.3.2 Closing",
        "ehlo=down.example reply=550 who?",
    ];
    let options: Vec<&str> = rules.iter().flat_map(|rule| ["--rule", rule]).collect();
    let server = Server::start(&options);
    let mut client = server.connect();
    assert_eq!(client.codes("EHLO Down.Example\r\n", 1), "550");
    let mut client = client.greet();
    assert_eq!(client.codes("MAIL FROM:<a@b>\r\n", 1), "250");
    assert_eq!(
        client.ask("RCPT TO:<Bad@x>\r\n"),
        "550-5.1.1 No\r\n550 5.1.1 such user\r\n"
    );
    let started = Instant::now();
    assert_eq!(client.codes("NOOP\r\n", 1), "250");
    assert!(started.elapsed() >= Duration::from_millis(300));
    client.say("NOOP\r\n");
    assert_eq!(
        client.0.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    let mut client = server.connect().greet();
    assert_eq!(
        client.codes("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", 2),
        "451 503"
    );
    assert_eq!(client.codes(ENVELOPE, 2), "250 250");
    assert_eq!(client.ask("RSET\r\n"), "");
    let mut client = server.connect();
    assert_eq!(client.codes("RSET\r\nNOOP\r\n", 2), "250 ");
    let mut client = server.connect().greet();
    assert_eq!(
        client.codes(&format!("{ENVELOPE}DATA\r\nNOOP\r\n"), 4),
        "250 250 421 "
    );

    let server = Server::start(&[
        "--rule",
        "connect count=1 reply=554 no",
        "--rule",
        "connect reply=220 localhost hi",
    ]);
    assert_eq!(server.dial().codes("NOOP\r\nQUIT\r\n", 3), "554 503 221");
    assert_eq!(server.dial().reply(), "220 localhost hi\r\n");
}

#[test]
fn rules_are_listed_and_checked() {
    let list = proto(&["mock", "smtp", "--rule", "help"]).exits(0).text();
    assert!(
        list.contains("rcpt[=GLOB]") && list.contains("drop-after"),
        "{list}"
    );
    proto(&["mock", "smtp", "--rule", "rcpt explode"])
        .exits(64)
        .says("EVENT[=GLOB]");
    proto(&["mock", "smtp", "--user", "fred"])
        .exits(64)
        .says("NAME:PASSWORD");
}

#[test]
fn a_message_may_be_too_large() {
    let server = Server::start(&["--max-size", "10"]);
    let mut client = server.connect();
    assert!(client.ask("EHLO me\r\n").contains("250-SIZE 10\r\n"));
    assert_eq!(client.codes("MAIL FROM:<a@b> SIZE=11\r\n", 1), "552");
    client.codes(&format!("{ENVELOPE}DATA\r\n"), 3);
    assert_eq!(client.codes("123456789\r\n.\r\n", 1), "552");
    client.codes(&format!("{ENVELOPE}DATA\r\n"), 3);
    assert_eq!(client.codes("..1234567\r\n.\r\n", 1), "250");
    assert_eq!(
        client.codes(&format!("{ENVELOPE}BDAT 9\r\n123456789"), 3),
        "250 250 250"
    );
    assert_eq!(client.codes("BDAT 2\r\nxxBDAT 1 LAST\r\nx", 2), "552 503");
}

#[test]
fn everybody_with_the_password_comes_in() {
    let server = Server::start(&["--user", "fred:pw", "--user", "anna:x:y", "--require-auth"]);
    let good: &[(&str, &[&str])] = &[
        ("AUTH PLAIN AGZyZWQAcHc=", &[]),
        ("AUTH PLAIN", &["AGFubmEAeDp5"]),
        ("auth plain", &["AGZyZWQAcHc="]),
        ("AUTH LOGIN", &["ZnJlZA==", "cHc="]),
        ("AUTH LOGIN ZnJlZA==", &["cHc="]),
        ("AUTH XOAUTH2 dXNlcj1mcmVkAWF1dGg9QmVhcmVyIHB3AQE=", &[]),
        ("AUTH OAUTHBEARER bixhPWZyZWQsAWF1dGg9QmVhcmVyIHB3AQE=", &[]),
        ("AUTH EXTERNAL =", &[]),
        ("AUTH ANONYMOUS", &["bWU="]),
    ];
    let bad: &[(&str, &[&str], &str)] = &[
        ("AUTH PLAIN AGZyZWQAbm8=", &[], "535"),
        ("AUTH PLAIN =", &[], "535"),
        ("AUTH PLAIN x", &[], "501"),
        ("AUTH LOGIN", &["ZnJlZA==", "bm8="], "535"),
        ("AUTH LOGIN", &["ZnJlZA==", "*"], "501"),
        ("AUTH CRAM-MD5", &["ZnJlZCAw"], "535"),
        ("AUTH SCRAM-SHA-1", &["bm8="], "535"),
        ("AUTH SCRAM-SHA-256-PLUS", &[], "504"),
        (
            "AUTH XOAUTH2 dXNlcj1mcmVkAWF1dGg9QmVhcmVyIG5vAQE=",
            &[""],
            "535",
        ),
        (
            "AUTH OAUTHBEARER bixhPWZyZWQsAWF1dGg9QmVhcmVyIG5vAQE=",
            &["AQ=="],
            "535",
        ),
        ("AUTH EXTERNAL bm9ib2R5", &[], "535"),
        ("AUTH GSSAPI", &[], "504"),
    ];
    let mut client = server.connect().greet();
    let refused = client.ask("MAIL FROM:<a@b>\r\n");
    assert_eq!(refused, "530 5.7.0 Authentication required\r\n");
    for (first, messages, code) in bad {
        assert_eq!(log_in(&mut client, first, messages), *code, "{first}");
    }
    for (first, messages) in good {
        let mut client = server.connect().greet();
        assert_eq!(log_in(&mut client, first, messages), "235", "{first}");
        assert_eq!(
            client.codes("AUTH PLAIN\r\nMAIL FROM:<a@b>\r\n", 2),
            "503 250"
        );
    }
}

/// The code at the end of an exchange.
fn log_in(client: &mut Client, first: &str, messages: &[&str]) -> String {
    let mut code = client.codes(&format!("{first}\r\n"), 1);
    for message in messages {
        assert_eq!(code, "334", "{first}");
        code = client.codes(&format!("{message}\r\n"), 1);
    }
    code
}

#[test]
fn tls_by_command_and_from_the_first_byte() {
    for (options, security) in [
        (&["--require-tls"][..], Security::StartTls),
        (&["--require-tls", "--tls"], Security::Tls),
    ] {
        let server = Server::start(options);
        let mut connector = Connector::default();
        let roots = fs::read_to_string(authority()).unwrap();
        let policy = TlsPolicy {
            roots: Some(roots),
            ..TlsPolicy::default()
        };
        connector.tls = std::sync::Arc::new(policy.into());
        let endpoint = Endpoint {
            scheme: server.scheme.clone(),
            host: "127.0.0.1".to_owned(),
            port: server.port,
            security,
        };
        let mut connection = connector.connect(&endpoint).unwrap();
        let mut ask = |line: &str| {
            if !line.is_empty() {
                connection.write_line(line).unwrap();
            }
            let mut reply = String::new();
            loop {
                let line = String::from_utf8(connection.read_line().unwrap().to_vec()).unwrap();
                reply.push_str(&line);
                reply.push('\n');
                if line.as_bytes().get(3) == Some(&b' ') {
                    break;
                }
            }
            if line == "STARTTLS" && reply.starts_with("220 ") {
                connection.start_tls().unwrap();
            }
            reply
        };
        assert!(ask("").starts_with("220 "));
        if security == Security::StartTls {
            assert_eq!(server.scheme, "smtp");
            assert!(ask("EHLO me").contains("\n250-STARTTLS\n"));
            assert!(ask("MAIL FROM:<a@b>").starts_with("530 5.7.0 Must issue"));
            assert!(ask("STARTTLS").starts_with("220 2.0.0"));
            assert!(
                ask("MAIL FROM:<a@b>").starts_with("503 "),
                "EHLO is forgotten"
            );
        } else {
            assert_eq!(server.scheme, "smtps");
        }
        let offer = ask("EHLO me");
        assert!(!offer.contains("STARTTLS"), "{offer}");
        assert!(
            offer.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "),
            "{offer}"
        );
        assert!(ask("STARTTLS").starts_with("503 "));
        assert!(ask("MAIL FROM:<a@b>").starts_with("250 "));
    }
}

#[test]
fn sessions_are_announced_by_their_protocol() {
    let folder = folder();
    for (session, scheme) in [
        ("S: 220 hi\nC: EHLO me\nS: 250 me\n", "smtp://"),
        ("S: 220 hi\nC: HELO me\nS: 250 me\n", "smtp://"),
        ("= tls\nS: 220 hi\nC: EHLO me\nS: 250 me\n", "smtps://"),
        ("S: 220 hi\nC: LHLO me\nS: 250 me\n", "lmtp://"),
        ("S: 220 hi\nC: USER me\nS: 331 me\n", "tcp://"),
    ] {
        assert_eq!(scheme_of(folder.path(), session), scheme, "{session}");
    }
}

fn scheme_of(folder: &Path, session: &str) -> String {
    let path = folder.join("a.session");
    fs::write(&path, session).unwrap();
    let child = command(&["mock", "replay", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn();
    let mut running = Running(child.unwrap());
    let mut url = String::new();
    let stdout = running.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut url).unwrap();
    url.split_once("127").unwrap().0.to_owned()
}
