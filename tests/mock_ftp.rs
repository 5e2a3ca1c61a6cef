//! `proto mock ftp`: what it says on the wire, and what it does to its folder.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{folder, proto, MockProgram};
use proto_mock::AUTHORITY;
use proto_transport::{Connector, Endpoint, Security, TlsPolicy};

/// A server that runs, and how to reach it.
struct Mock {
    program: MockProgram,
    scheme: String,
    port: u16,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let program = MockProgram::start(&[&["mock", "ftp"], options].concat());
        let (scheme, port) = program.address();
        Mock {
            program,
            scheme,
            port,
        }
    }

    /// Connects, hears the greeting and logs in.
    fn log_in(&self) -> Client {
        let mut client = Client(BufReader::new(dial(self.port)));
        assert_eq!(client.line(), "220 FTP mock server ready");
        client.expect("331 ", "USER me");
        client.expect("230 ", "PASS secret");
        client.expect("200 ", "TYPE I");
        client
    }

    /// Ends it, for all that it printed: stdout, then stderr.
    fn stop(self) -> (String, String) {
        self.program.stop()
    }
}

fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// A client of few words.
struct Client(BufReader<TcpStream>);

impl Client {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        let line = format!("{command}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
        self.line()
    }

    #[track_caller]
    fn expect(&mut self, start: &str, command: &str) -> String {
        let reply = self.ask(command);
        assert!(reply.starts_with(start), "{command}: {reply}");
        reply
    }

    /// The data connection of a command that is let begin.
    #[track_caller]
    fn begin(&mut self, command: &str) -> TcpStream {
        let reply = self.expect("229 ", "EPSV");
        let data = dial(reply.split('|').nth(3).unwrap().parse().unwrap());
        self.expect("150 ", command);
        data
    }

    #[track_caller]
    fn get(&mut self, command: &str) -> String {
        let mut text = String::new();
        self.begin(command).read_to_string(&mut text).unwrap();
        assert_eq!(self.line(), "226 all of it", "{command}");
        text
    }

    #[track_caller]
    fn put(&mut self, command: &str, text: &str) {
        let data = self.begin(command).write_all(text.as_bytes());
        data.unwrap();
        assert_eq!(self.line(), "226 all of it", "{command}");
    }
}

#[test]
fn a_folder_is_served_and_changed_and_nothing_outside_of_it() {
    let outer = folder();
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("sub/a b"), "hello").unwrap();
    fs::write(outer.path().join("secret"), "s").unwrap();
    symlink(outer.path(), root.join("out")).unwrap();
    symlink("../secret", root.join("link")).unwrap();
    let mock = Mock::start(&["--dir", root.to_str().unwrap()]);
    assert_eq!(mock.scheme, "ftp");
    let mut client = mock.log_in();
    assert_eq!(client.get("RETR sub/a b"), "hello");
    client.put("STOR sub/new", "12345");
    assert_eq!(fs::read(root.join("sub/new")).unwrap(), b"12345");
    client.expect("213 ", "MFMT 20200229010203 sub/new");
    let text = client.get("LIST sub");
    assert!(text.contains("Feb 29  2020 new\r\n"), "{text}");
    client.expect("257 ", "MKD sub/deep");
    client.expect("350 ", "RNFR sub/new");
    client.expect("250 ", "RNTO sub/deep/n");
    assert!(root.join("sub/deep/n").is_file());
    // Links are shown, and lead nowhere; nor does a path.
    assert!(client.get("LIST").contains(" link -> ../secret\r\n"));
    for command in [
        "RETR link",
        "RETR out/secret",
        "RETR ../secret",
        "RETR /../secret",
        "STOR out/new",
        "STOR link",
        "DELE out/secret",
        "CWD out",
        "MKD out/new",
        "SIZE link",
        "XMD5 out/secret",
        "LIST out/root",
    ] {
        client.expect("229 ", "EPSV");
        client.expect("550 ", command);
    }
    client.expect("350 ", "RNFR sub/a b");
    client.expect("550 ", "RNTO out/stolen");
    assert_eq!(fs::read(outer.path().join("secret")).unwrap(), b"s");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2);
    client.expect("221 ", "QUIT");
    let (out, error) = mock.stop();
    assert!(out.starts_with("ftp://127.0.0.1:"), "{out}");
    assert!(error.contains("login 1: me\n"), "{error}");
    assert!(
        error.contains("transfer 1: STOR sub/new, 5 bytes\n"),
        "{error}"
    );
    assert!(!error.contains("violation"), "{error}");
}

#[test]
fn memory_is_served_in_the_style_that_is_asked_for() {
    let mock = Mock::start(&[
        "--generate",
        "big.iso=1M",
        "--listing",
        "dos",
        "--room",
        "4",
    ]);
    let mut client = mock.log_in();
    client.expect("215 Windows_NT", "SYST");
    client.expect("213 1048576", "SIZE big.iso");
    assert_eq!(client.get("RETR big.iso").len(), 1 << 20);
    assert!(client.get("LIST").ends_with(" 1048576 big.iso\r\n"));
    client.put("STOR new", "1234");
    assert_eq!(client.get("RETR new"), "1234");
    drop(client.begin("APPE new").write_all(b"5"));
    assert_eq!(client.line(), "552 the disk is full");
    let mock = Mock::start(&["--read-only", "--user", "me:other", "--quiet"]);
    let mut client = Client(BufReader::new(dial(mock.port)));
    client.line();
    client.expect("331 ", "USER me");
    client.expect("530 ", "PASS secret");
    assert_eq!(mock.stop().1, "");
}

#[test]
fn tls_comes_with_the_first_byte_or_by_command() {
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    let connector = Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    };
    for (options, security) in [
        (&["--tls"][..], Security::Tls),
        (&["--need-tls"], Security::Plain),
    ] {
        let mock = Mock::start(options);
        let mut connection = connector
            .connect(&Endpoint {
                scheme: mock.scheme.clone(),
                host: "localhost".to_owned(),
                port: mock.port,
                security,
            })
            .unwrap();
        let is_implicit = security == Security::Tls;
        assert_eq!(mock.scheme, if is_implicit { "ftps" } else { "ftp" });
        let mut hear = |line: &str, start: &str| {
            if !line.is_empty() {
                connection.write_line(line).unwrap();
            }
            let reply = String::from_utf8_lossy(connection.read_line().unwrap()).into_owned();
            assert!(reply.starts_with(start), "{line}: {reply}");
            if line == "AUTH TLS" {
                connection.start_tls().unwrap();
            }
        };
        hear("", "220 ");
        if !is_implicit {
            hear("USER me", "530 ");
            hear("AUTH TLS", "234 ");
        }
        for (line, start) in [
            ("PBSZ 0", "200 "),
            ("PROT P", "200 "),
            ("USER me", "331 "),
            ("PASS x", "230 "),
        ] {
            hear(line, start);
        }
    }
}

#[test]
fn rules_and_flaws_are_listed_and_obeyed() {
    for (option, word) in [("--rule", "transfer[=GLOB]"), ("--flaw", "hostile-names")] {
        let text = proto(&["mock", "ftp", option, "help"]).exits(0).text();
        assert!(text.contains(word), "{option}");
    }
    for (option, value) in [
        ("--rule", "retr"),
        ("--flaw", "none"),
        ("--without", "USER"),
        ("--listing", "mac"),
        ("--generate", "x"),
        ("--dir", "/none"),
    ] {
        proto(&["mock", "ftp", option, value]).exits(64);
    }
    let mock = Mock::start(&[
        "--generate",
        "a=10",
        "--flaw",
        "pasv-address",
        "--rule",
        "retr=a count=1 reply=450 Busy",
        "--without",
        "MLST",
    ]);
    let mut client = mock.log_in();
    client.expect("227 Entering Passive Mode (192,0,2,1,", "PASV");
    client.expect("450 Busy", "RETR a");
    assert_eq!(client.get("RETR a").len(), 10);
    client.expect("502 ", "MLSD");
    client.expect("503 ", "RNTO b");
    let (_, error) = mock.stop();
    assert!(
        error.contains("violation 1: RNTO b: RNFR comes first\n"),
        "{error}"
    );
}
