//! Whole conversations, over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::server::{Options, Server};
use proto_transport::{Connection, Connector, Endpoint, Security, TlsPolicy, UntilClose};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

/// A client of few words, and the server that it talks to.
struct Client {
    stream: BufReader<TcpStream>,
    ftp: Arc<FtpServer>,
    _server: Server,
}

impl Client {
    /// Connects, and hears the greeting.
    fn new(ftp: FtpServer) -> Client {
        let ftp = Arc::new(ftp);
        let server = Server::start(Options::default(), ftp.clone()).unwrap();
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        let stream = BufReader::new(stream);
        let mut client = Client {
            stream,
            ftp,
            _server: server,
        };
        assert_eq!(client.line(), "220 FTP mock server ready");
        client
    }

    /// Also logs in, for binary.
    fn logged_in(ftp: FtpServer) -> Client {
        let mut client = Client::new(ftp);
        assert_eq!(client.ask("USER me"), "331 and the password?");
        assert_eq!(client.ask("PASS x"), "230 welcome");
        assert_eq!(client.ask("TYPE I"), "200 so it is");
        client
    }

    fn say(&mut self, line: impl AsRef<[u8]>) {
        let line = [line.as_ref(), b"\r\n"].concat();
        self.stream.get_mut().write_all(&line).unwrap();
    }

    /// One line without its CRLF; nothing when the connection is over.
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let _ = self.stream.read_until(b'\n', &mut line);
        String::from_utf8_lossy(&line)
            .trim_end_matches("\r\n")
            .to_owned()
    }

    fn ask(&mut self, line: impl AsRef<[u8]>) -> String {
        self.say(line);
        self.line()
    }

    /// All lines of a reply.
    fn ask_all(&mut self, line: &str) -> Vec<String> {
        let mut lines = vec![self.ask(line)];
        while lines.last().unwrap().as_bytes()[3] == b'-' || lines.last().unwrap().starts_with(' ')
        {
            lines.push(self.line());
        }
        lines
    }

    /// Connects to the port of EPSV.
    fn passive(&mut self) -> TcpStream {
        let reply = self.ask("EPSV");
        let port = reply.split('|').nth(3).unwrap().parse::<u16>().unwrap();
        let data = TcpStream::connect(("127.0.0.1", port)).unwrap();
        data.set_read_timeout(PATIENCE).unwrap();
        data
    }

    /// What a command brings over a data connection, and the final reply.
    fn get(&mut self, line: &str) -> (Vec<u8>, String) {
        let mut data = self.passive();
        let begun = self.ask(line);
        assert!(begun.starts_with("150 "), "{line}: {begun}");
        let mut bytes = Vec::new();
        let _ = data.read_to_end(&mut bytes);
        (bytes, self.line())
    }

    fn lines(&mut self, line: &str) -> Vec<String> {
        let (bytes, end) = self.get(line);
        assert_eq!(end, "226 all of it", "{line}");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    fn put(&mut self, line: &str, bytes: &[u8]) -> String {
        let mut data = self.passive();
        let begun = self.ask(line);
        if !begun.starts_with("150 ") {
            return begun;
        }
        let _ = data.write_all(bytes);
        drop(data);
        self.line()
    }
}

fn with(flaws: &[&str]) -> FtpServer {
    let ftp = FtpServer {
        flaws: flaws.iter().map(|flaw| flaw.parse().unwrap()).collect(),
        ..FtpServer::default()
    };
    ftp.files.put("a.txt", "one\ntwo\n");
    ftp.files.put("sub/b c", "see");
    ftp.files.set_modified("a.txt", 784_111_777);
    ftp
}

#[test]
fn files_come_and_go() {
    let mut client = Client::logged_in(with(&[]));
    assert_eq!(
        client.get("RETR a.txt"),
        (b"one\ntwo\n".to_vec(), "226 all of it".to_owned())
    );
    assert_eq!(client.ask("REST 4"), "350 and then?");
    // What lies between makes it void.
    assert_eq!(client.get("RETR a.txt").0.len(), 8);
    let mut data = client.passive();
    client.ask("REST 4");
    assert!(client.ask("RETR a.txt").starts_with("150 "));
    let mut rest = String::new();
    data.read_to_string(&mut rest).unwrap();
    assert_eq!(
        (rest.as_str(), client.line().as_str()),
        ("two\n", "226 all of it")
    );
    assert_eq!(client.put("STOR new", b"12345"), "226 all of it");
    assert_eq!(client.put("APPE new", b"678"), "226 all of it");
    assert_eq!(client.ftp.files.get("new").unwrap(), b"12345678");
    client.ask("TYPE A");
    assert_eq!(client.get("RETR a.txt").0, b"one\r\ntwo\r\n");
    client.put("STOR text", b"a\r\nb\r\n");
    assert_eq!(client.ftp.files.get("text").unwrap(), b"a\nb\n");
    assert_eq!(client.ask("SIZE a.txt"), "550 not of text");
    assert!(client.ask("RETR none").starts_with("550 "));
    assert_eq!(client.ftp.violations(), [""; 0]);
    assert!(client.ask("RETR a.txt").starts_with("425 "));
    assert!(client.ftp.violations()[0].ends_with("no PASV, EPSV, PORT or EPRT before it"));
}

#[test]
fn names_are_looked_up_changed_and_told() {
    let mut client = Client::logged_in(with(&[]));
    for (command, reply) in [
        ("PWD", "257 \"/\" is where we are"),
        ("CWD sub", "250 here we are"),
        ("CWD none", "550 there is no such file or folder"),
        ("MKD q\"x", "257 \"/sub/q\"\"x\" is there"),
        ("RMD q\"x", "250 it is gone"),
        ("SIZE b c", "213 3"),
        ("RNFR b c", "350 to what?"),
        ("RNTO ../d", "250 so it is called"),
        ("RNTO e", "503 RNFR comes first"),
        ("CDUP", "250 here we are"),
        ("DELE d", "250 it is gone"),
        ("DELE sub", "550 that is no file"),
        ("MDTM a.txt", "213 19941106084937"),
        (
            "MFMT 20200229010203 a.txt",
            "213 Modify=20200229010203; a.txt",
        ),
        ("MDTM a.txt", "213 20200229010203"),
        (
            "MFMT 20200230010203 a.txt",
            "501 MFMT takes a time and a path",
        ),
        ("XCRC a.txt", "250 12BA0BE6"),
        ("XMD5 \"a.txt\"", "250 2094B601DAAC3D68F5AED51D3C20F7CD"),
        ("SITE x", "500 no such command"),
        ("NOOP", "200 well"),
        ("ABOR", "226 nothing is under way"),
    ] {
        assert_eq!(client.ask(command), reply, "{command}");
    }
    let hash = client.ask("HASH a.txt");
    let sha256 = "c3f9c8c283a2b1f2f1896f27a01cbe3cddc0c9d93f752e4639035a0f5b36f6e8";
    assert_eq!(hash, format!("213 SHA-256 0-8 {sha256} a.txt"));
    let fact = client.ask_all("MLST a.txt");
    assert_eq!(
        fact[1],
        " type=file;size=8;modify=20200229010203;perm=adfrw; /a.txt"
    );
}

#[test]
fn listings_are_of_every_kind() {
    let mut client = Client::logged_in(with(&[]));
    let names = client.lines("NLST");
    assert_eq!(names, ["a.txt", "sub"]);
    assert_eq!(client.lines("NLST sub"), ["b c"]);
    let lines = client.lines("LIST -la");
    assert!(lines[0].starts_with("-rw") && lines[0].ends_with(" 8 Nov  6  1994 a.txt"));
    assert!(lines[1].starts_with("drwx") && lines[1].ends_with(" sub"));
    let facts = client.lines("MLSD");
    assert!(facts[0].starts_with("type=cdir;") && facts[0].ends_with("; ."));
    assert_eq!(
        facts[1],
        "type=file;size=8;modify=19941106084937;perm=adfrw; a.txt"
    );
    assert_eq!(
        client.ask("OPTS MLST size;type;"),
        "200 MLST OPTS type;size;"
    );
    assert!(client.lines("MLSD")[1].starts_with("type=file;size=8; a.txt"));
    assert!(client
        .ask_all("STAT /")
        .iter()
        .any(|line| line.ends_with(" a.txt")));
    for style in Style::NAMES {
        let ftp = FtpServer {
            style: style.parse().unwrap(),
            ..with(&[])
        };
        let mut client = Client::logged_in(ftp);
        let text = client.lines("LIST").join("\n").to_lowercase();
        assert!(text.contains("a.txt") && text.contains("sub"), "{text}");
        assert!(client.ask("SYST").starts_with("215 "));
    }
}

#[test]
fn a_login_is_what_was_asked_for() {
    let ftp = || FtpServer {
        users: vec![("me".to_owned(), "right".to_owned())],
        account: Some("paid".to_owned()),
        ..with(&[])
    };
    let mut client = Client::new(ftp());
    assert_eq!(client.ask("PWD"), "530 log in first");
    assert_eq!(client.ask("PASS x"), "503 USER comes first");
    client.ask("USER me");
    assert_eq!(client.ask("PASS wrong"), "530 wrong name or password");
    client.ask("USER me");
    assert_eq!(client.ask("PASS right"), "332 and the account?");
    assert_eq!(client.ask("PWD"), "530 log in first");
    assert_eq!(client.ask("ACCT paid"), "230 welcome");
    assert!(client.ask("PWD").starts_with("257 "));
    assert_eq!(client.ask("HOST x"), "503 HOST comes before USER");
    let mut client = Client::new(FtpServer {
        needs_tls: true,
        ..with(&[])
    });
    assert_eq!(client.ask("USER me"), "530 say AUTH TLS first");
    assert_eq!(client.ask("PROT P"), "503 PBSZ comes first");
}

#[test]
fn active_mode_goes_to_the_client_and_nowhere_else() {
    let mut client = Client::logged_in(with(&[]));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let [high, low] = port.to_be_bytes();
    for command in [
        format!("PORT 127,0,0,1,{high},{low}"),
        format!("EPRT |1|127.0.0.1|{port}|"),
    ] {
        assert_eq!(client.ask(command), "200 I will");
        assert!(client.ask("RETR a.txt").starts_with("150 "));
        let mut text = String::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "one\ntwo\n");
        assert_eq!(client.line(), "226 all of it");
    }
    assert!(client.ask("PORT 127,0,0,2,9,9").starts_with("504 "));
    assert!(client.ask("EPRT |1|127.0.0.1|22|").starts_with("504 "));
    client.ask("EPSV ALL");
    assert!(client.ask("PASV").starts_with("501 "));
}

#[test]
fn an_abort_ends_a_transfer_with_two_replies() {
    let ftp = with(&[]);
    ftp.files.generate("big", 1 << 40);
    let mut client = Client::logged_in(ftp);
    let mut data = client.passive();
    assert!(client.ask("RETR big").starts_with("150 "));
    data.read_exact(&mut [0; 1000]).unwrap();
    // As RFC 959 section 4.1.3 has it, with the escapes of Telnet.
    client.say(b"\xff\xf4\xff\xf2ABOR");
    let _ = std::io::copy(&mut data, &mut std::io::sink());
    assert_eq!(client.line(), "426 as you wish");
    assert_eq!(client.line(), "226 and that is all");
    assert_eq!(client.ask("NOOP"), "200 well");
    assert!(client.ftp.commands().iter().any(|(_, line)| line == "ABOR"));
}

#[test]
fn flaws_show_in_passive_replies() {
    let ask = |flaw: &str, command: &str| Client::logged_in(with(&[flaw])).ask(command);
    assert!(ask("pasv-address=10.1.2.3", "PASV").contains("(10,1,2,3,"));
    assert!(!ask("bare-pasv", "PASV").contains('('));
    assert!(ask("low-port", "PASV").contains(",0,22)"));
    assert!(ask("low-port", "EPSV").contains("(|||22|)"));
    assert!(ask("bad-passive", "EPSV").contains("70000"));
    let mut client = Client::logged_in(with(&["data-refused"]));
    let reply = client.ask("EPSV");
    let port = reply.split('|').nth(3).unwrap().parse::<u16>().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(client.ask("RETR a.txt"), "425 nobody came");
}

#[test]
fn flaws_show_in_how_transfers_end() {
    let get = |flaw: &str| Client::logged_in(with(&[flaw])).get("RETR a.txt");
    let all = || b"one\ntwo\n".to_vec();
    assert_eq!(
        get("data-cut=3"),
        (b"one".to_vec(), "226 all of it".to_owned())
    );
    assert_eq!(get("data-reset=3").1, "426 the data connection broke");
    assert_eq!(
        get("late-426"),
        (all(), "426 it did not go well".to_owned())
    );
    assert_eq!(get("drop-226"), (all(), String::new()));
    let mut client = Client::logged_in(with(&["no-226"]));
    let mut data = client.passive();
    client.ask("RETR a.txt");
    std::io::copy(&mut data, &mut std::io::sink()).unwrap();
    assert_eq!(client.ask("NOOP"), "200 well");
    let mut client = Client::logged_in(with(&["twice-226"]));
    assert_eq!(client.get("RETR a.txt").1, "226 all of it");
    assert_eq!(client.line(), "226 all of it");
    let mut client = Client::logged_in(with(&["early-226"]));
    let _data = client.passive();
    assert_eq!(client.ask("RETR a.txt"), "226 all of it");
    let mut client = Client::logged_in(with(&["data-reset=3"]));
    assert_eq!(
        client.put("STOR new", b"12345"),
        "426 the data connection broke"
    );
    let mut client = Client::logged_in(with(&["waits-for-close"]));
    assert_eq!(
        client.get("RETR a.txt"),
        (all(), "426 the data connection was not closed".to_owned())
    );
}

#[test]
fn flaws_show_in_what_is_told() {
    let mut client = Client::logged_in(with(&[
        "wrong-size",
        "wrong-time",
        "wrong-hash",
        "rest-ignored",
        "bare-pwd",
    ]));
    assert_eq!(client.ask("SIZE a.txt"), "213 9");
    assert_ne!(client.ask("MDTM a.txt"), client.ask("MDTM a.txt"));
    assert!(client.ask("XMD5 a.txt").starts_with("250 0000"));
    assert_eq!(client.ask("PWD"), "257 /");
    let mut data = client.passive();
    client.ask("REST 4");
    client.ask("RETR a.txt");
    let mut text = String::new();
    data.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    let mut client = Client::logged_in(with(&["hostile-names", "strange-lines"]));
    let lines = client.lines("MLSD");
    assert!(lines.iter().any(|line| line.ends_with("; ../evil")));
    assert!(client
        .lines("LIST")
        .iter()
        .any(|line| line.ends_with(" evil-link -> /tmp")));
    assert_eq!(client.get("RETR /sub/../evil").0, b"evil\n");
    let mut client = Client::logged_in(with(&["endless-folders"]));
    assert_eq!(client.ask("CWD deeper/deeper"), "250 here we are");
    assert_eq!(client.lines("NLST"), ["deeper"]);
    for flaw in ["endless-list", "endless-line"] {
        let mut client = Client::logged_in(with(&[flaw]));
        let mut data = client.passive();
        client.ask("LIST");
        let mut much = vec![0; 1 << 20];
        data.read_exact(&mut much).unwrap();
        drop(data);
        assert_eq!(client.line(), "426 the data connection broke");
    }
    let mut client = Client::new(with(&["early-replies"]));
    assert_eq!(
        (client.line().as_str(), client.line().as_str()),
        ("331 go on", "230 welcome")
    );
}

#[test]
fn rules_change_replies_and_end_connections() {
    let mut ftp = with(&[]);
    for rule in [
        "retr=a* count=1 reply=450 Busy",
        "transfer=a* count=1 reply=426 Lost",
        "cut=sub* reply=2",
        "command=noop after=1 reply=421 Enough",
        "login=me reply=230-hello\\n230 you",
    ] {
        ftp.rules.push(rule.parse().unwrap());
    }
    let mut client = Client::new(ftp);
    client.ask("USER me");
    assert_eq!(client.ask_all("PASS x"), ["230-hello", "230 you"]);
    client.ask("TYPE I");
    assert_eq!(client.ask("RETR a.txt"), "450 Busy");
    assert_eq!(client.get("RETR a.txt").1, "426 Lost");
    assert_eq!(client.get("RETR a.txt").1, "226 all of it");
    assert_eq!(
        client.get("RETR sub/b c").1,
        "426 the data connection broke"
    );
    assert_eq!(client.ask("NOOP"), "200 well");
    assert_eq!(client.ask("NOOP"), "421 Enough");
    assert_eq!(client.line(), "");
}

#[test]
fn what_is_hidden_is_not_known() {
    for feature in FEATURES {
        let mut ftp = with(&[]);
        ftp.without.push(feature.to_owned());
        let mut client = Client::logged_in(ftp);
        let is_offered = |line: &String| line.starts_with(&format!(" {feature}"));
        if !["UTF8", "TVFS"].contains(&feature) {
            assert!(
                client.ask(format!("{feature} x")).starts_with("502 "),
                "{feature}"
            );
        }
        if feature != "FEAT" {
            assert!(!client.ask_all("FEAT").iter().any(is_offered), "{feature}");
        }
    }
    let mut client = Client::logged_in(FtpServer {
        read_only: true,
        ..with(&[])
    });
    for command in [
        "STOR x",
        "APPE x",
        "DELE a.txt",
        "MKD x",
        "RMD sub",
        "RNFR a.txt",
        "MFMT 20200101000000 a.txt",
    ] {
        assert_eq!(
            client.ask(command),
            "550 nothing can be changed here",
            "{command}"
        );
    }
    let mut client = Client::logged_in(FtpServer {
        room: Some(4),
        ..with(&[])
    });
    assert_eq!(client.put("STOR x", b"1234"), "226 all of it");
    assert_eq!(client.put("STOR x", b"12345"), "552 the disk is full");
}

fn connector() -> Connector {
    let policy = TlsPolicy {
        roots: Some(crate::identity::AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    }
    .keeping_sessions()
}

fn ask(control: &mut Connection, line: &str) -> String {
    control.write_line(line).unwrap();
    String::from_utf8_lossy(control.read_line().unwrap()).into_owned()
}

/// What RETR brings when all is private, and the last reply.
fn private(ftp: FtpServer) -> (proto_transport::Result<Vec<u8>>, String) {
    let server = Server::start(Options::default(), Arc::new(ftp)).unwrap();
    let endpoint = |port| Endpoint {
        scheme: "ftp".to_owned(),
        host: "localhost".to_owned(),
        port,
        security: Security::Plain,
    };
    let connector = connector();
    let mut control = connector.connect(&endpoint(server.port())).unwrap();
    control.read_line().unwrap();
    assert_eq!(ask(&mut control, "AUTH TLS"), "234 begin");
    control.start_tls().unwrap();
    for line in ["USER me", "PASS x", "PBSZ 0", "PROT P", "TYPE I"] {
        assert!(ask(&mut control, line).starts_with(['2', '3']), "{line}");
    }
    let reply = ask(&mut control, "EPSV");
    let port = reply.split('|').nth(3).unwrap().parse::<u16>().unwrap();
    let mut data = connector.connect(&endpoint(port)).unwrap();
    assert!(ask(&mut control, "RETR a.txt").starts_with("150 "));
    let got = data.resume_tls(&control).and_then(|()| {
        let mut bytes = Vec::new();
        let mut body = data.body(UntilClose);
        while let Some(part) = body.next_part()? {
            bytes.extend_from_slice(part);
        }
        drop(body);
        Ok(bytes)
    });
    drop(data);
    (
        got,
        String::from_utf8_lossy(control.read_line().unwrap()).into_owned(),
    )
}

#[test]
fn data_connections_are_private_and_flawed() {
    let ftp = FtpServer {
        needs_tls: true,
        ..with(&[])
    };
    let (bytes, end) = private(ftp);
    assert_eq!(
        (bytes.unwrap(), end.as_str()),
        (b"one\ntwo\n".to_vec(), "226 all of it")
    );
    assert!(private(with(&["waits-for-close"])).0.is_ok());
    let error = private(with(&["clear-data"])).0.unwrap_err().to_string();
    assert!(error.contains("one"), "{error}");
    let error = private(with(&["wrong-data-certificate"]))
        .0
        .unwrap_err()
        .to_string();
    assert!(error.contains("hostname mismatch"), "{error}");
}

#[test]
fn whatever_hangs_ends_with_the_server() {
    for flaws in [&["data-ignored"][..], &[], &["data-stays-open"]] {
        let ftp = with(flaws);
        ftp.files.generate("big", 1 << 40);
        let mut client = Client::logged_in(ftp);
        let name = if flaws.is_empty() { "big" } else { "a.txt" };
        let _unread = client.passive();
        client.ask(format!("RETR {name}"));
        // Also one that waits for a data connection.
        let mut client = Client::logged_in(with(&[]));
        client.ask("EPSV");
        client.ask("LIST");
    }
}
