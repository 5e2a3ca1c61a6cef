//! `proto mock pop3`: what it says on the wire, byte by byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{folder, names, proto, wait_for, MockProgram};
use proto_auth::{decode, encode, SaslContext, SaslCredentials, SaslExchange, SaslMechanism};
use proto_mock::AUTHORITY;
use proto_transport::{Connection, Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Server {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        Server::of(&[&["mock", "pop3"], options].concat())
    }

    fn of(arguments: &[&str]) -> Server {
        let program = MockProgram::start(arguments);
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
        assert!(client.line().starts_with("+OK POP3 mock server ready"));
        client
    }

    fn dial(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        Client(BufReader::new(stream))
    }

    /// Connects and logs in.
    fn open(&self) -> Client {
        let mut client = self.connect();
        assert!(client.ask("USER user").starts_with("+OK"));
        assert!(client.ask("PASS pencil").starts_with("+OK"));
        client
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

    /// One line without its CRLF, which it must have; nothing when the connection is over.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap_or(0);
        let line = String::from_utf8(line).unwrap();
        assert!(line.is_empty() || line.ends_with("\r\n"), "{line:?}");
        line.trim_end_matches("\r\n").to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        self.say(&format!("{command}\r\n"));
        self.line()
    }

    /// A reply of several lines, as it comes, without status line and dot.
    fn ask_all(&mut self, command: &str) -> String {
        let status = self.ask(command);
        assert!(status.starts_with("+OK"), "{command}: {status}");
        self.body()
    }

    fn body(&mut self) -> String {
        let mut body = String::new();
        loop {
            let line = self.line();
            if line == "." {
                return body;
            }
            body.push_str(&line);
            body.push_str("\r\n");
        }
    }

    /// All that comes until the connection is over.
    fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// A Maildir with three messages.
fn maildir() -> tempfile::TempDir {
    let folder = folder();
    for part in ["tmp", "new", "cur"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    fs::write(folder.path().join("new/1.first"), DOTS).unwrap();
    fs::write(
        folder.path().join("cur/2.second:2,S"),
        "E: f\r\n\r\n1\r\n2\r\n",
    )
    .unwrap();
    fs::write(folder.path().join("new/3.third"), "G: h\n\n3").unwrap();
    folder
}

const DOTS: &str = "A: b\n\n.\n..\n.c\nd.\n \n.";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_command_has_its_reply() {
    let folder = maildir();
    let server = Server::start(&["--maildir", text(folder.path())]);
    assert_eq!(server.scheme, "pop3");
    let mut client = server.connect();
    assert_eq!(client.ask("UTF8"), "+OK UTF8 enabled");
    assert_eq!(client.ask("LANG en"), "+OK en English it is");
    assert_eq!(client.ask("user user"), "+OK and the password?");
    assert_eq!(client.ask("pass one two"), "+OK 3 messages");
    assert_eq!(client.ask("STAT"), "+OK 3 54");
    assert_eq!(client.ask_all("LIST"), "1 29\r\n2 14\r\n3 11\r\n");
    assert_eq!(client.ask("LIST 3"), "+OK 3 11");
    assert_eq!(
        client.ask_all("UIDL"),
        "1 1.first\r\n2 2.second\r\n3 3.third\r\n"
    );
    assert_eq!(client.ask("UIDL 2"), "+OK 2 2.second");
    assert_eq!(client.ask_all("RETR 3"), "G: h\r\n\r\n3\r\n");
    assert_eq!(client.ask_all("TOP 2 1"), "E: f\r\n\r\n1\r\n");
    assert_eq!(client.ask("DELE 3"), "+OK message 3 is marked");
    assert_eq!(client.ask("STAT"), "+OK 2 43");
    assert_eq!(client.ask("RSET"), "+OK no message is marked");
    assert_eq!(client.ask("NOOP"), "+OK");
    assert_eq!(client.ask("DELE 1"), "+OK message 1 is marked");
    assert_eq!(client.ask("RETR 1"), "-ERR message 1 is deleted");
    assert_eq!(client.ask("QUIT"), "+OK bye");
    assert_eq!(client.rest(), b"");
    assert_eq!(names(&folder.path().join("new")), ["3.third"]);
    let (out, error) = server.stop();
    assert!(out.starts_with("pop3://127.0.0.1:"), "{out}");
    assert!(error.contains("login 1: user, 3 messages\n"), "{error}");
    assert!(
        error.contains("violation 1: RETR 1: message 1 is deleted\n"),
        "{error}"
    );
    assert!(error.contains("deleted 1: 1.first\n"), "{error}");
}

#[test]
fn dots_are_stuffed_and_octets_counted_without() {
    let folder = folder();
    fs::write(folder.path().join("b.eml"), DOTS).unwrap();
    fs::write(folder.path().join("a.eml"), "").unwrap();
    fs::write(folder.path().join("c.txt"), "x").unwrap();
    let server = Server::start(&["--eml-dir", text(folder.path()), "-q"]);
    let mut client = server.open();
    client.say("RETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n");
    let expected = "+OK 0 octets\r\n.\r\n+OK 29 octets\r\n\
        A: b\r\n\r\n..\r\n...\r\n..c\r\nd.\r\n \r\n..\r\n.\r\n\
        +OK message 1 is marked\r\n+OK bye\r\n";
    assert_eq!(String::from_utf8(client.rest()).unwrap(), expected);
    // The file stays, and its message does not come back.
    assert_eq!(names(folder.path()).len(), 3);
    assert_eq!(server.open().ask("STAT"), "+OK 1 29");
    assert_eq!(server.stop().1, "");
}

#[test]
fn a_lost_connection_deletes_nothing_and_frees_the_maildrop() {
    let folder = maildir();
    let server = Server::start(&["--maildir", text(folder.path())]);
    let mut client = server.open();
    assert!(client.ask("DELE 1").starts_with("+OK"));
    let mut second = server.connect();
    second.ask("USER user");
    assert!(second.ask("PASS x").starts_with("-ERR [IN-USE] "));
    second.ask("USER other");
    assert_eq!(second.ask("PASS x"), "+OK 3 messages");
    drop(client);
    let mut third = server.connect();
    wait_for(|| {
        third.ask("USER user");
        third.ask("PASS x").starts_with("+OK 3").then_some(())
    });
    // After QUIT it is free at once.
    for _ in 0..20 {
        assert_eq!(third.ask("QUIT"), "+OK bye");
        third = server.open();
    }
    assert_eq!(names(&folder.path().join("new")).len(), 2);
}

#[test]
fn states_and_lengths_are_kept() {
    let server = Server::start(&["--generate", "2x400"]);
    let mut client = server.connect();
    for command in [
        "STAT", "LIST", "RETR 1", "DELE 1", "NOOP", "PASS x", "XYZ", "",
    ] {
        assert!(client.ask(command).starts_with("-ERR "), "{command}");
    }
    assert!(client
        .ask(&format!("USER {}", "x".repeat(249)))
        .starts_with("-ERR the line is longer"));
    let mut client = server.open();
    for command in [
        "USER x",
        "PASS x",
        "AUTH PLAIN",
        "STLS",
        "RETR 3",
        "RETR x",
        "LIST 1 2",
    ] {
        assert!(client.ask(command).starts_with("-ERR "), "{command}");
    }
    assert_eq!(client.ask("STAT"), "+OK 2 800");
    let (_, error) = server.stop();
    assert!(
        error.contains("violation 1: RETR 1: log in first\n"),
        "{error}"
    );
    assert!(
        error.contains("the line is longer than 255 octets"),
        "{error}"
    );
    assert!(!error.contains("RETR 3"), "{error}");
}

#[test]
fn what_is_hidden_is_not_there() {
    for (hidden, tried, is_open) in [
        ("capa", "CAPA", false),
        ("user", "USER x", false),
        ("stls", "STLS", false),
        ("sasl", "AUTH PLAIN", false),
        ("sasl=plain", "AUTH PLAIN", false),
        ("utf8", "UTF8", false),
        ("lang", "LANG", false),
        ("top", "TOP 1 1", true),
        ("uidl", "UIDL", true),
    ] {
        let server = Server::start(&["--generate", "1", "--without", hidden]);
        let mut client = if is_open {
            server.open()
        } else {
            server.connect()
        };
        if hidden != "capa" {
            let offer = client.ask_all("CAPA");
            let name = hidden.to_uppercase().replace("SASL=", "SASL ");
            let mut lines = offer.lines();
            assert!(!lines.any(|line| line.starts_with(&name)), "{offer}");
        }
        assert!(client.ask(tried).starts_with("-ERR "), "{hidden}");
    }
    let hidden = [
        "--without",
        "resp-codes",
        "--without",
        "pipelining",
        "--user",
        "user:pencil",
    ];
    let server = Server::start(&hidden);
    let mut client = server.connect();
    client.ask("USER user");
    assert_eq!(client.ask("PASS x"), "-ERR wrong name or password");
    client.say("CAPA\r\nQUIT\r\n");
    assert!(client.rest().ends_with(b"+OK bye\r\n"));
    assert!(server
        .stop()
        .1
        .contains("CAPA: 6 bytes came before the reply, without"));
    proto(&["mock", "pop3", "--without", "nonsense"])
        .exits(64)
        .says("PIPELINING");
}

#[test]
fn apop_takes_the_digest_of_the_timestamp() {
    let server = Server::start(&["--user", "user:tanstaaf"]);
    let log_in = |password: &str| {
        let mut client = server.dial();
        let greeting = client.line();
        let timestamp = &greeting[greeting.find('<').unwrap()..];
        let digest = proto_auth::apop(timestamp, &password.into());
        client.ask(&format!("APOP user {}", digest.reveal()))
    };
    assert_eq!(log_in("tanstaaf"), "+OK 0 messages");
    assert_eq!(log_in("tanstaaff"), "-ERR [AUTH] wrong name or digest");
    let hidden = Server::start(&["--user", "user:x", "--without", "apop"]);
    assert!(!hidden.dial().line().contains('<'));
    let flawed = Server::start(&["--user", "user:x", "--flaw", "malformed-timestamp"]);
    assert!(flawed.dial().line().contains("<m\u{fc}ll "));
}

// --- AUTH and TLS ---

fn connect_with_tls(server: &Server, security: Security) -> Connection {
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    let mut connector = Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    };
    connector.timeouts.silence = Duration::from_secs(20);
    let endpoint = Endpoint {
        scheme: "pop3".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port,
        security,
    };
    let mut connection = connector.connect(&endpoint).unwrap();
    assert!(connection
        .read_line()
        .unwrap()
        .starts_with(b"+OK POP3 mock server ready"));
    connection
}

fn hear(connection: &mut Connection) -> String {
    String::from_utf8(connection.read_line().unwrap().to_vec()).unwrap()
}

fn ask(connection: &mut Connection, command: &str) -> String {
    connection.write_line(command).unwrap();
    hear(connection)
}

fn capabilities(connection: &mut Connection) -> Vec<String> {
    ask(connection, "CAPA");
    let lines = std::iter::from_fn(|| Some(hear(connection)).filter(|line| line != "."));
    lines.collect()
}

/// Logs in, and what the server says in the end.
fn log_in(
    connection: &mut Connection,
    mechanism: SaslMechanism,
    secret: &str,
    is_initial: bool,
) -> String {
    let (user, password, token) = ("user".to_owned(), secret.into(), secret.into());
    let credentials = match mechanism {
        SaslMechanism::External | SaslMechanism::Anonymous => SaslCredentials::Nothing {
            identity: secret.to_owned(),
        },
        SaslMechanism::OAuthBearer | SaslMechanism::XOAuth2 => {
            SaslCredentials::Token { user, token }
        }
        _ => SaslCredentials::Password { user, password },
    };
    let context = SaslContext {
        is_private: true,
        end_point: connection.facts().tls.clone().and_then(|tls| tls.end_point),
        host: "localhost".to_owned(),
        port: 110,
    };
    let offered: Vec<String> = capabilities(connection)
        .iter()
        .filter_map(|line| line.strip_prefix("SASL "))
        .flat_map(|names| names.split(' ').map(str::to_owned))
        .collect();
    let mut exchange = SaslExchange::new(mechanism, &credentials, &context, &offered).unwrap();
    let encoded = |text: &str| encode(text.as_bytes()).reveal().to_owned();
    let mut first = exchange
        .initial_response()
        .map(|first| encoded(first.reveal()));
    let mut reply = match first.take_if(|_| is_initial) {
        Some(first) if first.is_empty() => ask(connection, &format!("AUTH {} =", mechanism.name())),
        Some(first) => ask(connection, &format!("AUTH {} {first}", mechanism.name())),
        None => ask(connection, &format!("AUTH {}", mechanism.name())),
    };
    while let Some(challenge) = reply.strip_prefix("+ ") {
        let answer = first.take().unwrap_or_else(|| {
            let answer = exchange.respond(&decode(challenge.as_bytes()).unwrap());
            encoded(answer.unwrap().reveal())
        });
        reply = ask(connection, &answer);
    }
    if reply.starts_with("+OK") {
        exchange.finish(None).unwrap();
    }
    reply
}

#[test]
fn every_mechanism_lets_in_and_keeps_out() {
    let server = Server::start(&["--tls", "--user", "user:pencil", "-q"]);
    assert_eq!(server.scheme, "pop3s");
    let all = SaslMechanism::all();
    assert!(all.len() > 9);
    for mechanism in all {
        for is_initial in [true, false] {
            let mut connection = connect_with_tls(&server, Security::Tls);
            let wrong = log_in(&mut connection, *mechanism, "pen", is_initial);
            let is_believed = *mechanism == SaslMechanism::Anonymous;
            assert_eq!(
                wrong.starts_with("+OK"),
                is_believed,
                "{mechanism:?}: {wrong}"
            );
            if is_believed {
                continue;
            }
            assert!(wrong.starts_with("-ERR [AUTH] "), "{mechanism:?}: {wrong}");
            let right = match mechanism {
                SaslMechanism::External => "user",
                _ => "pencil",
            };
            let right = log_in(&mut connection, *mechanism, right, is_initial);
            assert_eq!(right, "+OK 0 messages", "{mechanism:?}");
            assert_eq!(ask(&mut connection, "QUIT"), "+OK bye");
        }
    }
    let mut connection = connect_with_tls(&server, Security::Tls);
    assert_eq!(ask(&mut connection, "AUTH PLAIN"), "+ ");
    assert_eq!(ask(&mut connection, "*"), "-ERR cancelled");
    assert_eq!(ask(&mut connection, "STAT"), "-ERR log in first");
}

#[test]
fn stls_upgrades_and_forgets() {
    let server = Server::start(&["--user", "user:pencil"]);
    let mut connection = connect_with_tls(&server, Security::StartTls);
    let before = capabilities(&mut connection);
    assert!(before.contains(&"STLS".to_owned()), "{before:?}");
    assert!(ask(&mut connection, "USER user").starts_with("+OK"));
    assert_eq!(ask(&mut connection, "STLS"), "+OK begin TLS now");
    connection.start_tls().unwrap();
    assert_eq!(
        ask(&mut connection, "PASS pencil"),
        "-ERR PASS comes right behind USER"
    );
    let after = capabilities(&mut connection);
    assert!(!after.contains(&"STLS".to_owned()), "{after:?}");
    assert!(after
        .iter()
        .any(|line| line.starts_with("SASL SCRAM-SHA-256-PLUS ")));
    assert!(ask(&mut connection, "STLS").starts_with("-ERR "));
    ask(&mut connection, "USER user");
    assert_eq!(ask(&mut connection, "PASS pencil"), "+OK 0 messages");
    let mut early = server.connect();
    early.say("STLS\r\nCAPA\r\n");
    assert_eq!(early.line(), "+OK begin TLS now");
    assert!(server
        .stop()
        .1
        .contains("violation 2: STLS: 6 bytes came before the reply"));
}

// --- amounts ---

#[test]
fn a_thousand_messages_are_asked_for_at_once() {
    let server = Server::start(&["--generate", "1000x2k", "-q"]);
    let mut client = server.open();
    let commands: Vec<String> = (1..=1000)
        .map(|number| format!("RETR {number}\r\n"))
        .collect();
    let mut writer = client.0.get_ref().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(commands.concat().as_bytes()).unwrap();
    });
    for number in 1..=1000 {
        assert_eq!(client.line(), "+OK 2048 octets");
        let message = client.body();
        assert!(message.contains(&format!("\r\nSubject: Message {number}\r\n")));
        assert_eq!(message.replace("\r\n..", "\r\n.").len(), 2048);
    }
    writing.join().unwrap();
    assert_eq!(server.stop().1, "");
}

#[test]
fn a_large_message_needs_little_memory() {
    const SIZE: u64 = 200 * 1024 * 1024;
    let folder = maildir();
    let mut file = fs::File::create(folder.path().join("new/4.large")).unwrap();
    let block = format!("{}\r\n", "x".repeat(1022)).repeat(1024);
    for _ in 0..200 {
        file.write_all(block.as_bytes()).unwrap();
    }
    drop(file);
    let server = Server::start(&["--maildir", text(folder.path())]);
    let mut client = server.open();
    assert_eq!(client.ask("RETR 4"), format!("+OK {SIZE} octets"));
    let mut left = SIZE;
    let mut buffer = vec![0; 1024 * 1024];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap());
        let count = client.0.read(&mut buffer[..most]).unwrap();
        assert!(count > 0);
        left -= count as u64;
    }
    assert_eq!(client.line(), ".");
    assert_eq!(client.ask("NOOP"), "+OK");
    let status = fs::read_to_string(format!("/proc/{}/status", server.program.running.0.id()));
    if let Ok(status) = status {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.unwrap().trim().trim_end_matches(" kB");
        assert!(peak.parse::<u64>().unwrap() < 40_000, "{peak}");
    }
}

// --- rules and flaws ---

#[test]
fn rules_do_what_they_say() {
    let rules = [
        "retr=2 count=1 reply=-ERR [SYS/TEMP] Later",
        "retr=generated-3 drop-after",
        "noop count=1 delay=300ms",
        "noop reset",
        "login=late reply=-ERR [LOGIN-DELAY] Wait",
        "stat drop",
    ];
    let mut options = vec!["--generate", "3x400"];
    options.extend(rules.iter().flat_map(|rule| ["--rule", rule]));
    let server = Server::start(&options);
    let mut client = server.connect();
    client.ask("USER late");
    assert_eq!(client.ask("PASS x"), "-ERR [LOGIN-DELAY] Wait");
    let mut client = server.open();
    assert_eq!(client.ask("RETR 2"), "-ERR [SYS/TEMP] Later");
    assert_eq!(
        client.ask_all("RETR 2").replace("\r\n..", "\r\n.").len(),
        400
    );
    let started = Instant::now();
    assert_eq!(client.ask("NOOP"), "+OK");
    assert!(started.elapsed() >= Duration::from_millis(300));
    client.say("RETR 3\r\nNOOP\r\n");
    assert!(client.rest().ends_with(b"\r\n.\r\n"));
    let mut client = server.open();
    assert_eq!(client.ask("STAT"), "");
    let mut client = server.open();
    client.say("NOOP\r\n");
    let error = client.0.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn rules_and_flaws_are_listed_and_checked() {
    let rules = proto(&["mock", "pop3", "--rule", "help"]).exits(0).text();
    assert!(
        rules.contains("retr[=GLOB]") && rules.contains("\ncount=N "),
        "{rules}"
    );
    let flaws = proto(&["mock", "pop3", "--flaw", "help"]).exits(0).text();
    assert_eq!(flaws.lines().count(), 16, "{flaws}");
    for (option, wrong, told) in [
        ("--rule", "rcpt drop", "retr"),
        ("--flaw", "none", "bare-lf"),
        ("--generate", "x", "COUNTxSIZE"),
        ("--maildir", "/nonexistent", "no folder"),
        ("--user", "x", "NAME:PASSWORD"),
    ] {
        proto(&["mock", "pop3", option, wrong]).exits(64).says(told);
    }
}

/// What a server with this flaw says to these commands, after the login, until the end.
fn flawed(flaw: &str, commands: &str) -> String {
    let folder = maildir();
    let server = Server::start(&["--maildir", text(folder.path()), "--flaw", flaw, "-q"]);
    let mut client = server.dial();
    client.say(&format!("USER u\r\nPASS p\r\nNOOP\r\n{commands}QUIT\r\n"));
    let rest = String::from_utf8(client.rest()).unwrap();
    let lines = rest.split_inclusive('\n');
    lines.skip(4).collect()
}

#[test]
fn flaws_are_on_the_wire() {
    let bye = "+OK bye\r\n";
    for (flaw, command, expected) in [
        (
            "duplicate-uids",
            "UIDL",
            "1 1.first\r\n2 1.first\r\n3 1.first\r\n.\r\n",
        ),
        (
            "spaced-uids",
            "UIDL",
            "1 a b 1.first\r\n2 a b 2.second\r\n3 a b 3.third\r\n.\r\n",
        ),
        (
            "uid-path",
            "UIDL",
            "1 ../../1.first\r\n2 ../../2.second\r\n3 ../../3.third\r\n.\r\n",
        ),
        ("wrong-sizes", "LIST", "1 14\r\n2 7\r\n3 5\r\n.\r\n"),
        ("zero-sizes", "LIST", "1 0\r\n2 0\r\n3 0\r\n.\r\n"),
        (
            "extra-line-in-list=4 1",
            "LIST",
            "1 29\r\n2 14\r\n3 11\r\n4 1\r\n.\r\n",
        ),
        (
            "unstuffed-dot",
            "RETR 2",
            "E: f\r\n.\r\n\r\n1\r\n2\r\n.\r\n",
        ),
        (
            "err-in-middle",
            "RETR 1\r\nRETR 2",
            "-ERR this message cannot be read\r\n",
        ),
    ] {
        let said = flawed(flaw, &format!("{command}\r\n"));
        assert!(
            said.ends_with(&format!("{expected}{bye}")),
            "{flaw}: {said}"
        );
    }
    for (flaw, command, expected) in [
        ("lying-stat", "STAT", "+OK 4 109\r\n+OK bye\r\n"),
        (
            "no-final-dot",
            "RETR 2",
            "+OK 14 octets\r\nE: f\r\n\r\n1\r\n2\r\n",
        ),
        ("cut-body", "RETR 2", "+OK 14 octets\r\nE: f\r\n\r"),
        ("cut-body=3", "RETR 3", "+OK 11 octets\r\nG: h\r"),
        (
            "bare-lf",
            "RETR 2",
            "+OK 14 octets\nE: f\n\n1\n2\n.\n+OK bye\n",
        ),
        ("lower-case", "NOOP", "+ok\r\n+ok bye\r\n"),
    ] {
        assert_eq!(flawed(flaw, &format!("{command}\r\n")), expected, "{flaw}");
    }
    let long = flawed("long-uids", "UIDL 1\r\n");
    assert_eq!(long.len(), "+OK 1 \r\n".len() + 300 + bye.len());
    assert!(flawed("uid-control", "UIDL 1\r\n").contains("\u{1b}[31m\u{7}1.first\u{8}"));
}

#[test]
fn a_replayed_session_is_known_as_pop3() {
    let folder = folder();
    let path = folder.path().join("a.session");
    for (start, scheme) in [("", "pop3"), ("= tls\n", "pop3s")] {
        fs::write(&path, format!("{start}S: +OK hello\nC: CAPA\nS: -ERR no\n")).unwrap();
        assert_eq!(Server::of(&["mock", "replay", text(&path)]).scheme, scheme);
    }
}
