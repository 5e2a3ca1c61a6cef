//! `udp`: questions and answers in datagrams, and a network that loses them.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use proto_mock::tcp::Habit;
use proto_mock::udp::{DatagramServer, DATAGRAM_FAULTS};
use serde_json::Value;

use crate::harness::Run;
use crate::tcp::{typing, Listening};

fn server(habit: Habit, faults: &[&str]) -> DatagramServer {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    DatagramServer::start((Ipv4Addr::LOCALHOST, 0).into(), habit, faults).unwrap()
}

fn ask(server: &DatagramServer, options: &[&str], input: &[u8]) -> Run {
    let port = server.address().port().to_string();
    // ::1 comes first, where nobody is.
    typing(
        &[&["udp", "localhost", &port, "--deadline", "60s"], options].concat(),
        input,
    )
}

#[test]
fn each_line_is_a_datagram() {
    let server = server(Habit::Uppercase, &[]);
    let run = ask(&server, &[], b"one\ntwo\r\n\nthree").exits(0);
    assert_eq!(run.text(), "ONE\nTWO\n\nTHREE\n");
    let address = server.address().to_string();
    let run = typing(&["udp", &address, "--hex"], b"a").exits(0);
    let rows: Vec<String> = run
        .text()
        .lines()
        .map(|row| row.split("  ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(rows, ["> 00000000 61", "< 00000000 41"]);
    let run = ask(&server, &["--json"], "\u{1b}[2J".as_bytes()).exits(0);
    let item: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(item["datagram"], "\u{1b}[2J");
    assert_eq!(
        (item["bytes"].as_u64(), item["attempts"].as_u64()),
        (Some(4), Some(1))
    );
    assert_eq!(ask(&server, &[], b"\x1b[2J").text(), "\\x1b[2J\n");
}

#[test]
fn what_is_lost_is_sent_again() {
    let lossy = server(Habit::Echo, &["lose=2"]);
    let run = ask(&lossy, &["--json", "--reply-timeout", "200ms"], b"a\nb").exits(0);
    let attempts: Vec<u64> = run
        .text()
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["attempts"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(attempts, [2, 2]);
    assert_eq!(lossy.heard(), 4);
    let lost = server(Habit::Echo, &["lose=1"]);
    let run = ask(
        &lost,
        &["--reply-timeout", "50ms", "--retries", "3"],
        b"a\nb",
    );
    assert_eq!(run.text(), "");
    run.exits(75).says("may be lost");
    assert_eq!(lost.heard(), 8);
    let silent = server(Habit::Discard, &[]);
    ask(&silent, &["--reply-timeout", "0"], b"a\nb").exits(0);
}

#[test]
fn nobody_there_and_no_such_host() {
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let run = typing(&["udp", "127.0.0.1", &port.to_string()], b"a\n");
    run.exits(69).says("cannot connect");
    typing(&["udp", "no-such-host.invalid", "1"], b"a\n").exits(68);
    typing(&["udp", "localhost"], b"a\n").exits(64);
    typing(
        &["udp", "localhost", "1", "--proxy", "http://localhost"],
        b"",
    )
    .exits(64);
}

#[test]
fn sizes_are_bounded() {
    let echo = server(Habit::Echo, &[]);
    let long = [
        vec![b'x'; 65_507],
        b"\n".to_vec(),
        vec![b'y'; 65_508],
        b"\nz".to_vec(),
    ]
    .concat();
    let run = ask(&echo, &[], &long).exits(65);
    assert_eq!(run.text().len(), 65_507 + 1 + 2);
    run.says("limit of 65507");
    assert_eq!(echo.heard(), 2);
    let chargen = server(Habit::Chargen, &[]);
    let run = ask(&chargen, &["--max-size", "100"], b"a\nb\nc").exits(65);
    assert_eq!(run.text().lines().count(), 2, "{}", run.text());
}

#[test]
fn more_than_one_answer() {
    let doubled = server(Habit::Echo, &["duplicate=3"]);
    let run = ask(&doubled, &["--wait", "300ms"], b"a\n").exits(0);
    assert_eq!(run.text(), "a\na\na\n");
    let run = ask(&doubled, &["--json", "--wait", "300ms"], b"a\n").exits(0);
    assert_eq!(run.text().matches("\"late\":true").count(), 2);
}

#[test]
fn strangers_are_not_heard() {
    let strange = server(Habit::Echo, &["stranger"]);
    let run = ask(
        &strange,
        &["--reply-timeout", "50ms", "--retries", "0"],
        b"a",
    )
    .exits(75);
    assert_eq!(run.text(), "");
}

#[test]
fn no_fault_hangs_it() {
    for (usage, _) in DATAGRAM_FAULTS {
        let fault = usage
            .replace("[=N]", "")
            .replace("[=TIME]", "=20ms")
            .replace("=N", "=2");
        let server = server(Habit::Echo, &[&fault]);
        let run = ask(&server, &["--reply-timeout", "100ms"], b"hello\nworld\n");
        assert!(
            [0, 75].contains(&run.code),
            "{fault}: {} {}",
            run.code,
            run.stderr
        );
    }
}

#[test]
fn listening_prints_or_echoes() {
    let listening = Listening::start("udp", &[]);
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    near.send_to(b"hi\x1b[2J", &listening.address).unwrap();
    near.send_to(b"", &listening.address).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let text = listening.stop();
    let here = near.local_addr().unwrap();
    assert_eq!(text, format!("{here}\thi\\x1b[2J\n{here}\t\n"));
    let listening = Listening::start("udp", &["--echo"]);
    let run = typing(&["udp", &listening.address], b"one\ntwo\n").exits(0);
    assert_eq!(run.text(), "one\ntwo\n");
    listening.stop();
    let run = typing(
        &["udp", "--listen", "0.0.0.0", "0", "--deadline", "10ms"],
        b"",
    )
    .exits(0);
    run.says("open to the network");
}

#[test]
fn ipv6() {
    let server =
        DatagramServer::start("[::1]:0".parse().unwrap(), Habit::Echo, Vec::new()).unwrap();
    let port = server.address().port().to_string();
    for host in ["::1", "localhost"] {
        let run = typing(&["udp", host, &port, "-6"], b"six").exits(0);
        assert_eq!(run.text(), "six\n");
    }
    typing(&["udp", "localhost", &port, "-4"], b"six").exits(69);
}
