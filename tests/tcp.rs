//! `tcp`: the console, scripts, TLS, and the side that listens.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proto_mock::tcp::{Habit, SmallServer};
use proto_mock::{Options, Peer, Server, FAULTS};
use proto_transport::Security;
use serde_json::Value;

use crate::harness::{authority, command, folder, proto, tls, tls_as, Mail, Post, Run, Script};

mod listening;

pub use listening::Listening;

/// Runs the binary with something on its stdin.
pub fn typing(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The other side may stop reading.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.into()
}

fn small(habit: Habit, options: Options) -> Server {
    let server = SmallServer {
        habit,
        ..SmallServer::default()
    };
    Server::start(options, Arc::new(server)).unwrap()
}

/// A server that says what it heard as text with escapes, when the client has ended.
fn mirror() -> Server {
    let service = |peer: &mut Peer, _: usize| {
        let mut heard = Vec::new();
        while let Some(line) = peer.read_raw_line()? {
            heard.extend(line);
        }
        peer.write_line(String::from_utf8_lossy(&heard).escape_debug().to_string())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

fn port_of(server: &Server) -> String {
    server.port().to_string()
}

/// Talks to a server.
fn talk(server: &Server, options: &[&str], input: &[u8]) -> Run {
    let port = port_of(server);
    let mut arguments = [&["tcp", "localhost", &port], options].concat();
    if !options.contains(&"--deadline") {
        arguments.extend(["--deadline", "60s"]);
    }
    typing(&arguments, input)
}

#[test]
fn lines_end_in_crlf_unless_told_otherwise() {
    let server = mirror();
    for (options, heard) in [
        (&[][..], "a\\r\\nb\\r\\nc\\r\\n\r\n"),
        (&["--lf"], "a\\nb\\r\\nc\\n\r\n"),
        (&["--raw"], "a\\nb\\r\\nc\r\n"),
    ] {
        let run = talk(&server, options, b"a\nb\r\nc").exits(0);
        assert_eq!(run.text(), heard, "{options:?}");
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn places_are_named_in_many_ways() {
    let server = mirror();
    let port = port_of(&server);
    for target in [
        &["localhost", port.as_str()][..],
        &[&format!("127.0.0.1:{port}")],
        &[&format!("tcp://localhost:{port}")],
        &[
            "far.example",
            "1",
            "--connect-to",
            &format!("localhost:{port}"),
        ],
    ] {
        let run = typing(&[&["tcp"], target].concat(), b"x").exits(0);
        assert_eq!(run.text(), "x\\r\\n\r\n", "{target:?}");
    }
    for (target, code) in [
        (&["localhost"][..], 64),
        (&["http://localhost:1"], 64),
        (&["tls://localhost:1", "--starttls", "smtp"], 64),
        (&["no-such-host.invalid", "1"], 68),
    ] {
        typing(&[&["tcp"], target].concat(), b"").exits(code);
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    typing(&["tcp", &free.to_string()], b"")
        .exits(69)
        .says("cannot connect");
}

#[test]
fn much_goes_both_ways_at_once() {
    let server = small(Habit::Echo, Options::default());
    let much: Vec<u8> = (0..8_000_000_u32).map(|number| number as u8).collect();
    let run = talk(&server, &["--raw"], &much).exits(0);
    assert!(run.stdout == much, "{}", run.stdout.len());
    let limited = talk(&server, &["--limit-rate", "1M"], b"").exits(64);
    limited.says("a conversation is none");
}

#[test]
fn much_goes_both_ways_under_tls() {
    let server = small(Habit::Echo, tls());
    let much = vec![b'x'; 3_000_000];
    let run = talk(&server, &["--tls", "--raw", "--ca", &authority()], &much).exits(0);
    assert_eq!(run.stdout.len(), much.len());
}

#[test]
fn tls_is_verified() {
    let server = small(Habit::Uppercase, tls());
    let authority = authority();
    let run = talk(&server, &["--tls", "--ca", &authority], b"hi").exits(0);
    assert_eq!(run.text(), "HI\r\n");
    talk(&server, &["--tls"], b"secret").exits(77).says("--ca");
    let port = port_of(&server);
    let url = format!("tls://localhost:{port}");
    typing(&["tcp", &url, "--ca", &authority], b"").exits(0);
    let expired = small(Habit::Echo, tls_as("expired"));
    talk(&expired, &["--tls", "--ca", &authority], b"")
        .exits(77)
        .says("expired");
    let plain = small(Habit::Daytime, Options::default());
    talk(&plain, &["--tls"], b"")
        .exits(76)
        .says("does not speak TLS");
}

#[test]
fn a_cut_under_tls_is_told() {
    let options = Options {
        faults: vec!["no-close-notify".parse().unwrap()],
        ..tls()
    };
    let server = small(Habit::Daytime, options);
    let authority = authority();
    let options = ["--tls", "--ca", &authority];
    // Many servers end so, and the line is whole; but who counts bytes cannot know.
    let run = talk(&server, &options, b"").exits(0);
    assert!(run.text().ends_with("+0000\r\n"));
    run.says("warning").says("close_notify");
    let run = talk(&server, &[&options[..], &["--raw"]].concat(), b"").exits(75);
    assert!(run.text().ends_with("+0000\r\n"));
    run.says("close_notify");
    let options_of = Options {
        faults: vec!["cut=5".parse().unwrap(), "no-close-notify".parse().unwrap()],
        ..tls()
    };
    let server = small(Habit::Daytime, options_of);
    talk(&server, &options, b"").exits(75).says("close_notify");
}

#[test]
fn after_the_input_the_peer_is_waited_for() {
    // A server that does not care that we have ended.
    let service = |peer: &mut Peer, _: usize| {
        peer.write_line("hello")?;
        peer.flush()?;
        while peer.read_line()?.is_some() {}
        peer.wait(Duration::from_secs(600))
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let run = talk(&server, &["--wait", "300ms"], b"x").exits(0);
    assert_eq!(run.text(), "hello\r\n");
    let run = talk(&server, &["--timeout", "300ms"], b"x").exits(75);
    assert_eq!(run.text(), "hello\r\n");
    run.says("--wait leaves earlier");
    let run = talk(&server, &["--deadline", "300ms"], b"x").exits(75);
    run.says("timed out");
}

#[test]
fn the_end_of_the_input_can_be_kept_from_the_peer() {
    // This one hangs up as soon as it hears the end, without an answer.
    let service = |peer: &mut Peer, _: usize| {
        let line = peer.read_line()?.unwrap_or_default();
        peer.set_deadline(Some(std::time::Instant::now() + Duration::from_millis(300)));
        if let Ok(None) = peer.read_line() {
            return Ok(());
        }
        peer.set_deadline(None);
        peer.write_line(line)
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    assert_eq!(talk(&server, &[], b"x").exits(0).text(), "");
    assert_eq!(
        talk(&server, &["--keep-open"], b"x").exits(0).text(),
        "x\r\n"
    );
}

/// Postfix and others drop what they still had to say when they hear close_notify.
#[test]
fn under_tls_the_end_is_told_only_when_nobody_speaks() {
    let service = |peer: &mut Peer, _: usize| {
        for _ in 0..3 {
            let line = peer.read_line()?.unwrap_or_default();
            peer.set_deadline(Some(std::time::Instant::now() + Duration::from_millis(200)));
            if let Ok(None) = peer.read_more().map(|count| (count > 0).then_some(())) {
                return Ok(());
            }
            peer.set_deadline(None);
            peer.write_line(line)?;
            peer.flush()?;
        }
        while peer.read_line()?.is_some() {}
        peer.write_line("bye")
    };
    let server = Server::start(tls(), Arc::new(service)).unwrap();
    let run = talk(&server, &["--tls", "--ca", &authority()], b"a\nb\nc\n").exits(0);
    assert_eq!(run.text(), "a\r\nb\r\nc\r\nbye\r\n");
}

#[test]
fn a_peer_that_ends_first_ends_it() {
    let server = small(Habit::Daytime, Options::default());
    let mut child = command(&["tcp", "localhost", &port_of(&server)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody types.
    let open = child.stdin.take();
    assert!(child.wait().unwrap().success());
    drop(open);
}

#[test]
fn a_peer_that_ends_while_much_is_sent_ends_it() {
    let service = |peer: &mut Peer, _: usize| {
        peer.read_line()?;
        peer.write_line("enough")
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let much = "x\n".repeat(4_000_000);
    let run = talk(&server, &["--deadline", "30s"], much.as_bytes());
    // Whether its last word or the reset comes first is the network's affair.
    assert!(
        [0, 75].contains(&run.code) && !run.stderr.contains("timed out"),
        "{}",
        run.stderr
    );
}

#[test]
fn bytes_as_numbers() {
    let server = small(Habit::Uppercase, Options::default());
    let run = talk(&server, &["--hex"], b"hi\n\x1b").exits(0);
    let text = run.text();
    assert!(text.starts_with("> 00000000  68 69 0d 0a 1b"), "{text}");
    let heard: Vec<&str> = text.lines().filter(|line| line.starts_with('<')).collect();
    assert!(heard[0].starts_with("< 00000000  48 49 0d 0a"), "{text}");
}

#[test]
fn conversations_are_recorded_and_can_be_played() {
    let session = "S: 220 ready\nC: EHLO me\nS: 250 hello\nC: QUIT\nS: 221 bye\n= closed\n";
    let server = Script::play(session);
    let folder = folder();
    let path = folder.path().join("it.session");
    let report = folder.path().join("report.json");
    let script = folder.path().join("it.script");
    fs::write(
        &script,
        "expect 220\nsend EHLO me\nexpect 250\nsend QUIT\nexpect 221 (?<farewell>\\w+)\r\n",
    )
    .unwrap();
    let names = [&path, &report, &script].map(|path| path.to_str().unwrap());
    let options = [
        "--transcript",
        names[0],
        "--report",
        names[1],
        "--script",
        names[2],
        "--json",
    ];
    let run = talk(&server.server, &options, b"").exits(0);
    assert_eq!(run.text(), "{\"farewell\":\"bye\"}\n");
    assert!(server.replay.outcome().is_ok());
    let text = fs::read_to_string(&path).unwrap();
    let said: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(said, session.lines().take(5).collect::<Vec<_>>());
    let record: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(record["command"], "tcp");
    assert_eq!(record["ok"], true);
    assert_eq!(record["items"][0]["farewell"], "bye");
    // What was recorded plays as a server.
    let again = Script::play(&text);
    talk(&again.server, &["--script", names[2]], b"").exits(0);
}

/// Runs a script against a server that plays a session.
fn scripted(session: &str, script: &str, options: &[&str]) -> Run {
    let server = Script::play(session);
    let folder = folder();
    let path = folder.path().join("x.script");
    fs::write(&path, script).unwrap();
    let script = ["--script", path.to_str().unwrap()];
    talk(&server.server, &[&script, options].concat(), b"")
}

#[test]
fn scripts_end_well_or_say_where_they_did_not() {
    let session = "S: 220 mail.example ready\nC: NOOP\nS: 250 fine\nC: QUIT\nS: 221 bye\n";
    let script = "expect ^220 (?<host>\\S+) \nsend NOOP\nexpect ^250\nsend QUIT\nexpect ^221";
    let run = scripted(session, script, &[]).exits(0);
    assert_eq!(run.text(), "host=mail.example\n");
    let run = scripted(session, "expect ^220\nfail it is only a test\n", &[]);
    run.exits(69).says("x.script, line 2: it is only a test");
    let run = scripted(session, "timeout 200ms\nexpect ^220\nexpect ^999", &[]);
    run.exits(75)
        .says("x.script, line 3; the last that came is");
    let run = scripted("S: 220\n= closed", "expect 220\nexpect ^221", &[]);
    run.exits(75).says("it says no more");
    scripted(session, "say it", &[])
        .exits(64)
        .says("x.script, line 1: there is no statement");
    proto(&["tcp", "localhost", "1", "--script", "/nonexistent"]).exits(74);
}

#[test]
fn passwords_of_scripts_are_kept() {
    let session = "S: login:\nC: fred\nC: pencil\nS: welcome\n";
    let script = "expect login:\nsend ${user}\nsend ${password}\nexpect welcome";
    let folder = folder();
    let path = folder.path().join("password");
    fs::write(&path, "pencil\n").unwrap();
    let transcript = folder.path().join("transcript");
    let (path, transcript) = (path.to_str().unwrap(), transcript.to_str().unwrap());
    let login = [
        "-u",
        "fred",
        "--password-file",
        path,
        "--transcript",
        transcript,
        "--trace",
    ];
    let run = scripted(session, script, &login).exits(0);
    let recorded = fs::read_to_string(transcript).unwrap();
    assert!(recorded.contains("C: fred\nC: (secret)\n"), "{recorded}");
    assert!(!recorded.contains("pencil") && !run.stderr.contains("pencil"));
    scripted(session, script, &[]).exits(64).says("See -u");
    let nobody = scripted(session, "send ${user}", &[]).exits(64);
    nobody.says("who is that");
}

#[test]
fn a_password_does_not_go_in_the_clear_to_another_machine() {
    let folder = folder();
    let script = folder.path().join("x.script");
    fs::write(&script, "send ${password}\n").unwrap();
    let heard = mirror();
    let via = format!("localhost:{}", heard.port());
    let arguments = [
        "tcp",
        "far.example",
        "23",
        "--connect-to",
        &via,
        "-u",
        "fred",
        "--script",
        script.to_str().unwrap(),
    ];
    let run = |more: &[&str]| -> Run {
        let mut command = command(&[&arguments, more].concat());
        command
            .env("PROTO_PASSWORD", "canary-7Q")
            .output()
            .unwrap()
            .into()
    };
    let refused = run(&[]).exits(76);
    assert!(!refused.stderr.contains("canary"));
    refused.says("in the clear");
    run(&["--plain"]).exits(0);
}

#[test]
fn starttls_leads_into_the_encrypted_conversation() {
    let authority = authority();
    let mail = Mail::ruled(&[]);
    let options = ["--starttls", "smtp", "--ca", &authority];
    let run = talk(&mail.server, &options, b"EHLO me\nQUIT\n").exits(0);
    let text = run.text();
    assert!(
        text.starts_with("250-") && text.contains("\r\n221 "),
        "{text}"
    );
    assert!(
        !text.contains("220 ") && !text.contains("STARTTLS"),
        "{text}"
    );
    let post = Post::of(&[b"Subject: x\r\n\r\ny\r\n"]);
    let options = ["--starttls", "pop3", "--ca", &authority];
    let run = talk(&post.server, &options, b"CAPA\nQUIT\n").exits(0);
    assert!(run.text().starts_with("+OK"), "{}", run.text());
    let options = ["--starttls", "smtp"];
    talk(&mail.server, &options, b"").exits(77).says("--ca");
    let mail = Mail::ruled(&["starttls reply=454 Later"]);
    let options = ["--starttls", "smtp", "--ca", &authority];
    talk(&mail.server, &options, b"PASS\n")
        .exits(76)
        .says("refused STARTTLS");
}

#[test]
fn starttls_by_ftp() {
    let options = Options {
        security: Security::StartTls,
        ..Options::default()
    };
    let ftp = "S: 220-Hello\nS:  there\nS: 220 ready\nC: AUTH TLS\nS: 234 go\n= tls\nC: NOOP\nS: 200 fine\n= closed\n";
    let server = Script::play_with(ftp, options.clone());
    let authority = authority();
    let options_of = ["--starttls", "ftp", "--ca", &authority, "--wait", "10s"];
    let run = talk(&server.server, &options_of, b"NOOP\n").exits(0);
    assert_eq!(run.text(), "200 fine\r\n");
    let no = "S: 220 ready\nC: AUTH TLS\nS: 502 no\n= closed\n";
    let server = Script::play_with(no, options.clone());
    talk(&server.server, &options_of, b"PASS\n")
        .exits(76)
        .says("refused AUTH TLS");
    let busy = Script::play_with("S: 421 busy\n= closed\n", options.clone());
    talk(&busy.server, &options_of, b"").exits(75);
    let early = "S: 220 ready\nC: AUTH TLS\nS| 234 go\\r\\n230 evil\\r\\n\n= wait 10s\n";
    let server = Script::play_with(early, options);
    talk(&server.server, &options_of, b"")
        .exits(76)
        .says("in plaintext");
}

#[test]
fn through_proxies_and_unix_sockets() {
    let server = small(Habit::Uppercase, Options::default());
    let port = server.port();
    // A proxy for HTTP that does what it is asked.
    let proxy = move |peer: &mut Peer, _: usize| {
        while peer.read_line()?.is_some_and(|line| !line.is_empty()) {}
        peer.write_line("HTTP/1.1 200 Go\r\n")?;
        peer.flush()?;
        let mut behind = TcpStream::connect(("127.0.0.1", port))?;
        let line = peer.read_line()?.unwrap_or_default();
        behind.write_all(&line)?;
        behind.shutdown(std::net::Shutdown::Write)?;
        let mut heard = Vec::new();
        behind.read_to_end(&mut heard)?;
        peer.write_all(&heard)
    };
    let proxy = Server::start(Options::default(), Arc::new(proxy)).unwrap();
    let url = format!("http://localhost:{}", proxy.port());
    let run = typing(&["tcp", "far.example", "7", "--proxy", &url], b"hi").exits(0);
    assert_eq!(run.text(), "HI");
    let folder = folder();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let far = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        stream.write_all(heard.to_uppercase().as_bytes()).unwrap();
    });
    let run = typing(&["tcp", "--unix-socket", path.to_str().unwrap()], b"hi").exits(0);
    assert_eq!(run.text(), "HI\r\n");
    far.join().unwrap();
}

#[test]
fn no_fault_hangs_or_breaks_it() {
    for (usage, _) in FAULTS {
        let fault = usage
            .replace("[=TIME]", "")
            .replace("=N", "=3")
            .replace("=TEXT", "=x");
        for security in [Security::Plain, Security::Tls] {
            let options = Options {
                security,
                faults: vec![fault.parse().unwrap()],
                ..Options::default()
            };
            let server = small(Habit::Uppercase, options);
            let authority = authority();
            let tls: &[&str] = match security {
                Security::Tls => &["--tls", "--ca", &authority],
                _ => &[],
            };
            let limits = [
                "--timeout",
                "2s",
                "--connect-timeout",
                "2s",
                "--deadline",
                "20s",
            ];
            let port = port_of(&server);
            let arguments = [&["tcp", "localhost", &port], &limits[..], tls].concat();
            let run = typing(&arguments, b"hello\nworld\n");
            assert!(
                [0, 69, 75, 76].contains(&run.code),
                "{fault}: {} {}",
                run.code,
                run.stderr
            );
            assert!(!run.stderr.contains("panicked"), "{fault}: {}", run.stderr);
        }
    }
}
