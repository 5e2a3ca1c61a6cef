//! `proto mock nntp`: what it says on the wire, byte by byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::harness::{folder, names, proto, MockProgram};
use proto_auth::{decode, encode, SaslContext, SaslCredentials, SaslExchange, SaslMechanism};
use proto_mock::nntp::NewsServer;
use proto_mock::{Options, Server, AUTHORITY};
use proto_transport::{Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Mock {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let program = MockProgram::start(&[&["mock", "nntp"], options].concat());
        let (scheme, port) = program.address();
        Mock {
            program,
            scheme,
            port,
        }
    }

    /// Connects and reads the greeting.
    fn connect(&self) -> Client {
        let mut client = Client::dial(self.port);
        assert!(client.line().starts_with("200 NNTP mock server ready"));
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
    fn dial(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        Client(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// One line without its CRLF, which it must have; nothing when the connection is over.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap_or(0);
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.is_empty() || line.ends_with("\r\n"), "{line:?}");
        line.trim_end_matches("\r\n").to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        self.say(&format!("{command}\r\n"));
        self.line()
    }

    /// The lines of a block as they come, without the dot.
    fn block(&mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| Some(self.line()));
        lines.take_while(|line| line != ".").collect()
    }

    /// The lines of a reply that begins with this code.
    #[track_caller]
    fn ask_all(&mut self, code: &str, command: &str) -> Vec<String> {
        let status = self.ask(command);
        assert!(status.starts_with(code), "{command}: {status}");
        self.block()
    }
}

#[test]
fn a_folder_is_read_and_posted_to() {
    let folder = folder();
    let group = folder.path().join("spool/misc.test");
    fs::create_dir_all(&group).unwrap();
    fs::write(
        group.join("12"),
        "Subject: twelve\nMessage-ID: <12@x>\n\n.\nb\n",
    )
    .unwrap();
    fs::write(group.join("a.eml"), "Subject: a\r\n\r\n").unwrap();
    let (spool, saved) = (folder.path().join("spool"), folder.path().join("saved"));
    let mock = Mock::start(&[
        "--dir",
        spool.to_str().unwrap(),
        "--save",
        saved.to_str().unwrap(),
    ]);
    assert_eq!(mock.scheme, "nntp");
    let mut client = mock.connect();
    assert_eq!(client.ask("GROUP misc.test"), "211 2 12 13 misc.test");
    assert_eq!(client.ask_all("222 ", "BODY 12"), ["..", "b"]);
    assert!(client.ask("POST").starts_with("340 "));
    let article = "From: me@x\r\nNewsgroups: misc.test\r\nSubject: new\r\n\r\n..\r\n.\r\n";
    client.say(article);
    assert!(client.line().starts_with("240 "));
    assert_eq!(client.ask("STAT 14").get(..7), Some("223 14 "));
    assert_eq!(client.ask_all("222 ", "BODY"), [".."]);
    assert_eq!(client.ask("QUIT"), "205 bye");
    assert_eq!(client.line(), "");
    let saved_names = names(&saved);
    assert_eq!(saved_names.len(), 1);
    assert!(saved_names[0].ends_with(".eml"));
    let content = fs::read_to_string(saved.join(&saved_names[0])).unwrap();
    assert_eq!(content, article.replace("..\r\n.\r\n", ".\r\n"));
    let (out, error) = mock.stop();
    assert!(out.starts_with("nntp://127.0.0.1:"), "{out}");
    assert!(
        error.contains("posted 1: <") && error.contains("> to misc.test\n"),
        "{error}"
    );
    assert!(!error.contains("violation"), "{error}");
}

#[test]
fn generated_groups_are_large_and_quick() {
    let mock = Mock::start(&[
        "--generate",
        "a.b=200000x1000",
        "--generate",
        "c.d=1x3m",
        "--group",
        "e=n",
    ]);
    let mut client = mock.connect();
    assert_eq!(
        client.ask_all("215 ", "LIST COUNTS"),
        ["a.b 200000 1 200000 y", "c.d 1 1 1 y", "e 0 1 0 n"]
    );
    assert_eq!(client.ask("GROUP a.b"), "211 200000 1 200000 a.b");
    let lines = client.ask_all("224 ", "OVER 1-20000");
    assert_eq!(lines.len(), 20_000);
    for (line, number) in lines.iter().zip(1..) {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 9, "{line}");
        assert_eq!(fields[0], number.to_string());
        assert_eq!(fields[4], format!("<{number}.a.b@generated.localhost>"));
    }
    // The size and lines that the overview tells are those of the article.
    let fields: Vec<&str> = lines[8].split('\t').collect();
    let article = client.ask_all("220 9 ", "ARTICLE 9");
    let unstuffed = article
        .iter()
        .map(|line| line.strip_prefix('.').unwrap_or(line));
    let octets: usize = unstuffed.map(|line| line.len() + 2).sum();
    assert_eq!(fields[6], octets.to_string());
    let body = article.iter().skip_while(|line| !line.is_empty()).count() - 1;
    assert_eq!(fields[7], body.to_string());
    assert_eq!(fields[5].matches('<').count(), 3);
    assert_eq!(
        client.ask_all("221 ", "XHDR Lines 9"),
        [format!("9 {body}")]
    );
    assert_eq!(client.ask("GROUP c.d"), "211 1 1 1 c.d");
    let large = client.ask_all("222 ", "BODY 1");
    let octets: usize = large.iter().map(|line| line.len() + 2).sum();
    assert!(octets > 3_000_000, "{octets}");
    client.say("STAT 1\r\nSTAT 2\r\nHEAD 1\r\nQUIT\r\n");
    assert!(client.line().starts_with("223 1 "));
    assert!(client.line().starts_with("423 "));
    assert!(client.line().starts_with("221 1 "));
    client.block();
    assert_eq!(client.line(), "205 bye");
    assert!(!mock.stop().1.contains("violation"));
}

#[test]
fn tls_starts_or_is_there() {
    let mock = Mock::start(&[
        "--generate",
        "a.b=1",
        "--need-tls",
        "--user",
        "fred:pencil",
        "--need-login",
        "*",
    ]);
    let mut client = mock.connect();
    assert_eq!(client.ask("GROUP a.b"), "483 say STARTTLS first");
    assert_eq!(client.ask("AUTHINFO USER fred"), "483 say STARTTLS first");
    let before = client.ask_all("101 ", "CAPABILITIES");
    assert!(
        before.iter().any(|line| line == "STARTTLS")
            && before.iter().any(|line| line == "AUTHINFO")
    );
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    let connector = Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    };
    let mut upgraded = connector
        .connect(&endpoint(&mock, Security::Plain))
        .unwrap();
    upgraded.read_line().unwrap();
    upgraded.write_line("STARTTLS").unwrap();
    assert_eq!(upgraded.read_line().unwrap(), b"382 begin TLS now");
    upgraded.start_tls().unwrap();
    for (said, heard) in [
        ("STARTTLS", "502 TLS is there already"),
        ("GROUP a.b", "480 log in first"),
        ("AUTHINFO USER fred", "381 and the password?"),
        ("AUTHINFO PASS pencil", "281 welcome"),
        ("GROUP a.b", "211 1 1 1 a.b"),
    ] {
        upgraded.write_line(said).unwrap();
        assert_eq!(upgraded.read_line().unwrap(), heard.as_bytes());
    }
    let implicit = Mock::start(&["--tls"]);
    assert_eq!(implicit.scheme, "nntps");
    let mut direct = connector
        .connect(&endpoint(&implicit, Security::Tls))
        .unwrap();
    assert!(direct.read_line().unwrap().starts_with(b"200 "));
}

/// RFC 4643 section 2.4: the last word of SCRAM comes with the success.
#[test]
fn scram_proves_both_sides() {
    let mock = Mock::start(&["--user", "fred:pencil", "--need-login", "*"]);
    for (password, code) in [("pencil", "283 "), ("pen", "481 ")] {
        let mut client = mock.connect();
        let credentials = SaslCredentials::Password {
            user: "fred".to_owned(),
            password: password.to_owned().into(),
        };
        let context = SaslContext {
            is_private: true,
            end_point: None,
            host: "localhost".to_owned(),
            port: mock.port,
        };
        let mechanism = SaslMechanism::ScramSha256;
        let mut exchange = SaslExchange::new(mechanism, &credentials, &context, &[]).unwrap();
        let encoded = |text: &str| encode(text.as_bytes()).reveal().to_owned();
        let first = encoded(exchange.initial_response().unwrap().reveal());
        let challenge = client.ask(&format!("AUTHINFO SASL SCRAM-SHA-256 {first}"));
        let challenge = decode(challenge.strip_prefix("383 ").unwrap().as_bytes()).unwrap();
        let answer = exchange.respond(&challenge).unwrap();
        let reply = client.ask(&encoded(answer.reveal()));
        assert!(reply.starts_with(code), "{reply}");
        if let Some(last) = reply.strip_prefix("283 ") {
            let last = decode(last.as_bytes()).unwrap();
            assert_eq!(exchange.respond(&last).unwrap().reveal(), "");
        }
        let listed = client.ask("LIST");
        assert_eq!(listed.starts_with("215 "), code == "283 ");
    }
}

#[test]
fn compression_works_both_ways() {
    let mock = Mock::start(&["--generate", "a.b=2000"]);
    let mut client = mock.connect();
    assert_eq!(client.ask("COMPRESS DEFLATE"), "206 compression is active");
    let mut out = Vec::with_capacity(1000);
    let said =
        b"GROUP a.b\r\nOVER 1-\r\nCOMPRESS DEFLATE\r\nSTARTTLS\r\nAUTHINFO USER x\r\nQUIT\r\n";
    Compress::new(Compression::default(), false)
        .compress_vec(said, &mut out, FlushCompress::Sync)
        .unwrap();
    client.0.get_mut().write_all(&out).unwrap();
    let mut squeezed = Vec::new();
    client.0.read_to_end(&mut squeezed).unwrap();
    let mut plain = Vec::with_capacity(1 << 20);
    Decompress::new(false)
        .decompress_vec(&squeezed, &mut plain, FlushDecompress::Sync)
        .unwrap();
    let plain = String::from_utf8_lossy(&plain);
    assert!(plain.starts_with("211 2000 1 2000 a.b\r\n224 overview follows\r\n1\t"));
    assert!(plain.contains("\r\n2000\t"));
    assert_eq!(plain.matches("\r\n502 ").count(), 3, "{plain}");
    assert!(plain.ends_with("205 bye\r\n"));
    assert!(squeezed.len() * 4 < plain.len());
}

#[test]
fn what_is_posted_in_a_test_can_be_asked_for() {
    let mut news = NewsServer::default();
    news.spool.create("misc.test", 'y', "");
    news.rules.push("post count=1 drop".parse().unwrap());
    let news = Arc::new(news);
    let service = Arc::clone(&news) as Arc<dyn proto_mock::Service>;
    let server = Server::start(Options::default(), service).unwrap();
    let article =
        "From: me@x\r\nNewsgroups: misc.test\r\nSubject: s\r\nMessage-ID: <1@x>\r\n\r\n.\r\n";
    for last in ["", "441 435 this article is here already"] {
        let mut client = Client::dial(server.port());
        client.line();
        assert!(client.ask("POST").starts_with("340 "));
        client.say(article);
        // The first time the reply is lost, and the article is there.
        assert_eq!(client.line(), last);
    }
    let posted = news.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(
        (posted[0].connection, posted[0].message_id.as_str()),
        (1, "<1@x>")
    );
    assert_eq!(
        news.commands(),
        [(1, "POST".to_owned()), (2, "POST".to_owned())]
    );
    assert_eq!(news.violations(), [""; 0]);
}

#[test]
fn an_endless_list_ends_with_the_client_or_the_server() {
    let mock = Mock::start(&["--flaw", "endless-list"]);
    let mut client = mock.connect();
    client.say("LIST\r\n");
    for _ in 0..10_000 {
        assert_ne!(client.line(), ".");
    }
    let mut other = mock.connect();
    other.say("LIST\r\n");
    drop(client);
    mock.stop();
}

#[test]
fn what_is_wrong_on_the_command_line_is_told() {
    for (arguments, told) in [
        (&["--generate", "a.b"][..], "GROUP=COUNT[xSIZE]"),
        (&["--generate", "a*=1"], "no newsgroup"),
        (&["--group", "a=x"], "NAME=y"),
        (&["--need-login", "[a]"], "no wildmat"),
        (&["--without", "NONSENSE"], "there are CAPABILITIES"),
        (&["--without", "LIST=NONSENSE"], "LIST= with ACTIVE"),
        (&["--dir", "/nonexistent"], "is no folder"),
        (&["--rule", "retr drop"], "is no event"),
        (&["--flaw", "nonsense"], "is not a flaw"),
    ] {
        let run = proto(&[&["mock", "nntp", "--stop-after", "1ms"], arguments].concat());
        run.exits(64).says(told);
    }
    let rules = proto(&["mock", "nntp", "--rule", "help"]).exits(0).text();
    assert!(rules.contains("\npost[=GLOB]"));
    let flaws = proto(&["mock", "nntp", "--flaw", "help"]).exits(0).text();
    assert!(
        flaws.contains("endless-list     LIST does not end\n"),
        "{flaws}"
    );
}

fn endpoint(mock: &Mock, security: Security) -> Endpoint {
    Endpoint {
        scheme: "nntp".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: mock.port,
        security,
    }
}
