//! `tcp --listen`: many peers, none of which harms another.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{command, proto, Running};

/// A `tcp --listen` or `udp --listen` that runs, and its address.
pub struct Listening {
    pub running: Running,
    pub address: String,
}

impl Listening {
    pub fn start(command_name: &str, options: &[&str]) -> Listening {
        let mut child: Child = command(&[command_name, "--listen", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        let address = line
            .split("://")
            .nth(1)
            .unwrap()
            .trim_end()
            .trim_end_matches('/');
        let address = address.to_owned();
        child.stderr = Some(stderr.into_inner());
        Listening {
            running: Running(child),
            address,
        }
    }

    /// Ends it by a signal, for what it printed.
    pub fn stop(mut self) -> String {
        let child = &mut self.running.0;
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill")
            .arg(id)
            .status()
            .unwrap()
            .success());
        let mut printed = Vec::new();
        let stdout = child.stdout.take().unwrap().read_to_end(&mut printed);
        assert!(stdout.is_ok());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        String::from_utf8_lossy(&printed).into_owned()
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Says something and hears everything.
    fn ask(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.dial();
        stream.write_all(text).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    }
}

#[test]
fn listening_prints_whole_lines_of_many_peers() {
    let listening = Listening::start("tcp", &["--json"]);
    let peers: Vec<TcpStream> = (0..20).map(|_| listening.dial()).collect();
    for part in ["on", "e\r\n\x1b[2J"] {
        for mut peer in &peers {
            peer.write_all(part.as_bytes()).unwrap();
        }
    }
    for mut peer in peers {
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }
    let text = listening.stop();
    assert_eq!(text.lines().count(), 40);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |wanted: &str| lines.iter().filter(|line| line["line"] == wanted).count();
    assert_eq!((count("one"), count("\x1b[2J")), (20, 20));
    let listening = Listening::start("tcp", &[]);
    listening.ask(b"\x1b[2J\r\n");
    let text = listening.stop();
    assert!(
        text.ends_with("\t\\x1b[2J\n") && text.starts_with("127.0.0.1:"),
        "{text}"
    );
    let listening = Listening::start("tcp", &["--raw"]);
    listening.ask(b"\x00\xff");
    assert_eq!(listening.stop(), "\0\u{fffd}");
}

#[test]
fn listening_echoes_to_many_and_no_peer_harms_another() {
    let listening = Listening::start("tcp", &["--echo", "--timeout", "2s"]);
    // One that never reads, one that says nothing, one that resets.
    let mut deaf = listening.dial();
    deaf.set_nonblocking(true).unwrap();
    while deaf.write(&[b'x'; 65536]).is_ok() {}
    let _silent = listening.dial();
    drop(listening.dial());
    let much = vec![b'y'; 200_000];
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut stream = listening.dial();
                let mut other = stream.try_clone().unwrap();
                let much = &much;
                scope.spawn(move || {
                    other.write_all(much).unwrap();
                    other.shutdown(Shutdown::Write).unwrap();
                });
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                assert!(heard == *much);
            });
        }
    });
    listening.stop();
}

#[test]
fn peers_are_bounded() {
    let listening = Listening::start("tcp", &["--echo", "--peers", "2"]);
    let mut first = listening.dial();
    let mut second = listening.dial();
    for stream in [&mut first, &mut second] {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    let mut third = listening.dial();
    assert!(matches!(third.read(&mut [0]), Ok(0) | Err(_)));
    drop(first);
    // There is room again, as soon as it is noticed.
    let mut heard = 0;
    while heard == 0 {
        let mut next = listening.dial();
        let _ = next.write_all(b"x");
        heard = next.read(&mut [0]).unwrap_or(0);
    }
    listening.stop();
}

#[test]
fn a_command_for_each_peer() {
    let listening = Listening::start("tcp", &["--exec", "tr a-z A-Z"]);
    assert_eq!(
        listening.ask(b"hello; $(id) | cat\n"),
        b"HELLO; $(ID) | CAT\n"
    );
    assert_eq!(listening.ask(b"again"), b"AGAIN");
    listening.stop();
    let listening = Listening::start(
        "tcp",
        &["--exec", "sh -c 'echo $PROTO_PEER; exec sleep 600'"],
    );
    let mut stream = listening.dial();
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), stream.local_addr().unwrap().to_string());
    // What runs for a peer ends with us.
    listening.stop();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    proto(&["tcp", "--listen", "0", "--exec", "'"]).exits(64);
    let nothing = Listening::start("tcp", &["--exec", "/nonexistent"]);
    assert_eq!(nothing.ask(b""), b"");
    nothing.stop();
    proto(&["tcp", "--listen", "0", "--exec", "cat", "--hex"]).exits(64);
}

#[test]
fn listening_ends_when_nobody_reads_what_it_prints() {
    let mut listening = Listening::start("tcp", &[]);
    drop(listening.running.0.stdout.take());
    listening.ask(b"hello\n");
    assert_eq!(listening.running.0.wait().unwrap().code(), Some(74));
}

#[test]
fn listening_to_the_network_is_warned_of() {
    let run = proto(&["tcp", "--listen", "0.0.0.0", "0", "--deadline", "10ms"]).exits(0);
    run.says("open to the network");
    let run = proto(&["tcp", "--listen", "0", "--deadline", "10ms"]).exits(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    proto(&["tcp", "--listen", &port])
        .exits(74)
        .says("listening on");
    proto(&["tcp", "--listen", "a.example", "1"]).exits(64);
}
