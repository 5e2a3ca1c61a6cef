//! The programs of `samples/`: their halves against each other, and against those who break the rules.

#![allow(dead_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proto_transport::{DatagramListener, Listener};

use crate::harness::{folder, names, repository, Web};

#[path = "../samples/framed_transfer.rs"]
mod framed_transfer;
#[path = "../samples/multiplexed_download.rs"]
mod multiplexed_download;
#[path = "../samples/multiplexed_server.rs"]
mod multiplexed_server;
#[path = "../samples/nonblocking.rs"]
mod nonblocking;
#[path = "../samples/raw_http.rs"]
mod raw_http;
#[path = "../samples/remote_command.rs"]
mod remote_command;
#[path = "../samples/tcp_chat.rs"]
mod tcp_chat;
#[path = "../samples/tcp_uppercase.rs"]
mod tcp_uppercase;
#[path = "../samples/threaded_server.rs"]
mod threaded_server;
#[path = "../samples/udp_echo.rs"]
mod udp_echo;

/// Clients at once.
const CROWD: usize = 200;

fn here() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// What is left to be heard.
fn rest(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn each_is_short() {
    for name in names(&repository().join("samples")) {
        if name.ends_with(".rs") {
            let text = fs::read_to_string(repository().join("samples").join(&name)).unwrap();
            assert!(
                text.lines().count() < 120,
                "{name}: {}",
                text.lines().count()
            );
        }
    }
}

#[test]
fn tcp_uppercase_answers_lines_however_they_are_cut() {
    let listener = Listener::bind(here()).unwrap();
    let address = listener.address().unwrap();
    let server = thread::spawn(move || tcp_uppercase::serve(&listener, Some(2)));
    // One that vanishes in the middle of a line, then one that stays.
    dial(address).write_all(b"half").unwrap();
    let replies = tcp_uppercase::ask(address, &words(&["one", "two words", ""])).unwrap();
    assert_eq!(replies, ["ONE", "TWO WORDS", ""]);
    server.join().unwrap().unwrap();
}

#[test]
fn udp_echo_asks_again() {
    let listener = DatagramListener::bind(here()).unwrap();
    let address = listener.address().unwrap();
    let server = thread::spawn(move || udp_echo::serve(listener, Some(5)));
    let replies = udp_echo::ask(address, &words(&["one", "", "three", "four"])).unwrap();
    let replies: Vec<(&str, usize)> = replies
        .iter()
        .map(|(word, count)| (word.as_str(), *count))
        .collect();
    // The third datagram is lost.
    assert_eq!(replies, [("one", 1), ("", 1), ("three", 2), ("four", 1)]);
    server.join().unwrap().unwrap();
    assert_eq!(udp_echo::cut().unwrap(), 4);
}

#[test]
fn tcp_chat_takes_turns_until_q() {
    let listener = Listener::bind(here()).unwrap();
    let address = listener.address().unwrap();
    let server = thread::spawn(move || {
        let mut seen = Vec::new();
        for typed in ["hi\nfine\n", "q\n"] {
            tcp_chat::serve(&listener, &mut typed.as_bytes(), &mut seen).unwrap();
        }
        String::from_utf8(seen).unwrap()
    });
    for (typed, shown) in [
        ("hello\nhow are you\x1b?\nq\n", "hi\nfine\n"),
        ("hello\n", "q\n"),
    ] {
        let mut connection = tcp_chat::dial(address).unwrap();
        let mut seen = Vec::new();
        tcp_chat::chat(&mut connection, true, &mut typed.as_bytes(), &mut seen).unwrap_or_else(
            |error| {
                // A control character is escaped by who shows it, not refused.
                panic!("{error}")
            },
        );
        assert_eq!(String::from_utf8(seen).unwrap(), shown);
    }
    assert_eq!(
        server.join().unwrap(),
        "hello\nhow are you\\x1b?\nq\nhello\n"
    );
}

/// The server of frames, and its folder.
fn framed() -> (SocketAddr, tempfile::TempDir) {
    let listener = Listener::bind(here()).unwrap();
    let address = listener.address().unwrap();
    let folder = folder();
    let inbox = folder.path().to_owned();
    thread::spawn(move || framed_transfer::serve(&listener, &inbox));
    (address, folder)
}

fn transfer(address: SocketAddr, typed: &str) -> String {
    let mut answers = Vec::new();
    framed_transfer::client(address, &mut typed.as_bytes(), &mut answers).unwrap();
    String::from_utf8(answers).unwrap()
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&length.to_be_bytes()[..], payload].concat()
}

#[test]
fn framed_transfer_of_messages_and_files() {
    let (address, inbox) = framed();
    let source = folder();
    let path = source.path().join("some file.bin");
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    fs::write(&path, &content).unwrap();
    let typed = format!("msg|hello\nfile|{}\nmsg|file|x\nnonsense\n", path.display());
    let answers = transfer(address, &(typed.clone() + &typed));
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "message of 5 bytes",
            "some file.bin: 3000000 bytes",
            "message of 6 bytes"
        ]
    );
    assert_eq!(lines[3], "no: a payload begins with msg| or file|");
    // What is there is not overwritten.
    assert!(lines[5].starts_with("no: "), "{}", lines[5]);
    assert_eq!(lines.len(), 8);
    assert_eq!(names(inbox.path()), ["some file.bin"]);
    assert!(fs::read(inbox.path().join("some file.bin")).unwrap() == content);
}

#[test]
fn framed_transfer_keeps_names_in_their_folder() {
    for name in [
        "../x", "/etc/x", ".x", "", "a/b", "a\0b", "a\x1b", "..", "-x",
    ] {
        assert_eq!(
            framed_transfer::safe_name(format!("{name}\n").as_bytes()),
            None,
            "{name}"
        );
    }
    for name in ["a.txt", "äöü 1-2_3.tar.gz"] {
        assert!(
            framed_transfer::safe_name(format!("{name}\n").as_bytes()).is_some(),
            "{name}"
        );
    }
    assert_eq!(framed_transfer::safe_name(b"without an end"), None);
}

/// 200 at once, with those among them who lie, stall and vanish.
#[test]
fn framed_transfer_serves_a_crowd() {
    let (address, inbox) = framed();
    let large = dial(address);
    (&large).write_all(&0x7fff_ffff_u32.to_be_bytes()).unwrap();
    let negative = dial(address);
    (&negative).write_all(&(-1_i32).to_be_bytes()).unwrap();
    let slow = dial(address);
    (&slow).write_all(&[0]).unwrap();
    let vanishing = dial(address);
    (&vanishing)
        .write_all(&frame(b"file|gone.bin\n1234567890")[..20])
        .unwrap();
    drop(vanishing);
    thread::scope(|scope| {
        for number in 0..CROWD {
            scope.spawn(move || {
                let mut stream = dial(address);
                let content = vec![u8::try_from(number % 251).unwrap(); 10_000 + number];
                let file = [format!("file|{number}\n").as_bytes(), &content].concat();
                let both = [frame(format!("msg|I am {number}").as_bytes()), frame(&file)].concat();
                // In pieces that have nothing to do with frames.
                for piece in both.chunks(1 + number * 7) {
                    stream.write_all(piece).unwrap();
                }
                stream.shutdown(Shutdown::Write).unwrap();
                let size = content.len();
                let message = format!("message of {} bytes", format!("I am {number}").len());
                assert_eq!(
                    rest(stream),
                    format!("{message}\r\n{number}: {size} bytes\r\n")
                );
            });
        }
    });
    for (stream, told) in [
        (large, "2147483647 bytes are too many"),
        (negative, "4294967295 bytes are too many"),
    ] {
        assert!(rest(stream).contains(told));
    }
    assert_eq!(names(inbox.path()).len(), CROWD);
    for number in 0..CROWD {
        let content = fs::read(inbox.path().join(number.to_string())).unwrap();
        assert_eq!(content.len(), 10_000 + number);
        assert!(content
            .iter()
            .all(|byte| usize::from(*byte) == number % 251));
    }
    drop(slow);
}

#[test]
fn remote_command_runs_what_is_on_its_list() {
    assert!(remote_command::listen("0.0.0.0:0".parse().unwrap()).is_err());
    let listener = remote_command::listen(here()).unwrap();
    let address = listener.address().unwrap();
    thread::spawn(move || remote_command::serve(&listener));
    let ask = |name: &str| remote_command::ask(address, name).unwrap();
    assert_eq!(ask("uname"), (0, b"Linux\n".to_vec()));
    assert_eq!(ask("false"), (1, Vec::new()));
    for name in ["", "uname -a", "uname;id", "/bin/id", "sh", "id\0"] {
        assert_eq!(ask(name).0, remote_command::NOT_ALLOWED, "{name}");
    }
    // One that never ends is ended when it has said enough.
    let (status, output) = ask("yes");
    assert_eq!((status, output.len() as u64), (-1, remote_command::LARGEST));
    let mut liar = dial(address);
    liar.write_all(&(-1_i32).to_be_bytes()).unwrap();
    assert_eq!(rest(liar), "");
    assert_eq!(ask("false").0, 1);
}

/// Who talks to a server of capitals: a crowd, and those who should harm nobody.
fn capitals(address: SocketAddr) {
    // One never reads, one never ends its line, one says nothing, one resets.
    let mut deaf = dial(address);
    deaf.set_nonblocking(true).unwrap();
    while deaf.write(&[b'\n'; 65536]).is_ok() {}
    let endless = dial(address);
    let mut writer = endless.try_clone().unwrap();
    let writer = thread::spawn(move || while writer.write_all(&[b'x'; 65536]).is_ok() {});
    let silent = dial(address);
    drop(dial(address));
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..CROWD {
            let served = &served;
            scope.spawn(move || {
                let mut stream = dial(address);
                let line = format!("client {number} says {}\n", "x".repeat(number));
                let text = line.repeat(20);
                let mut writer = stream.try_clone().unwrap();
                let (said, piece) = (text.clone(), 1 + number * 3);
                scope.spawn(move || {
                    for part in said.as_bytes().chunks(piece) {
                        writer.write_all(part).unwrap();
                    }
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut heard = String::new();
                stream.read_to_string(&mut heard).unwrap();
                assert_eq!(heard.replace("\r\n", "\n"), text.to_uppercase());
                served.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    assert_eq!(served.load(Ordering::SeqCst), CROWD);
    // Who broke the rules, or said nothing for too long, is out; the others were not asked to wait.
    writer.join().unwrap();
    assert_eq!(rest(silent), "");
    drop((deaf, endless));
}

#[test]
fn threaded_server_serves_a_crowd() {
    let listener = Listener::bind(here()).unwrap();
    let address = listener.address().unwrap();
    thread::spawn(move || threaded_server::serve(&listener, Duration::from_secs(5)));
    capitals(address);
}

#[test]
fn multiplexed_server_serves_a_crowd() {
    let listener = mio::net::TcpListener::bind(here()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || multiplexed_server::serve(listener, Duration::from_secs(5)));
    capitals(address);
}

#[test]
fn multiplexed_download_fetches_a_hundred_at_once() {
    let content: Vec<u8> = (0..50_000_u32).map(|number| number as u8).collect();
    let web = Web::serve(&[("file", &content)]);
    let mut urls: Vec<String> = (0..100).map(|_| web.url("/file")).collect();
    urls.push(web.url("/mock/chunked/file"));
    urls.push(web.url("/nothing"));
    urls.push("http://localhost:1/".to_owned());
    let folder = folder();
    let results = multiplexed_download::download(folder.path(), &urls).unwrap();
    for (number, result) in results.iter().enumerate() {
        let is_kept = folder.path().join(number.to_string()).exists();
        assert_eq!(result.is_ok(), number <= 100, "{number}: {result:?}");
        assert_eq!(is_kept, number <= 100, "{number}");
    }
    for number in 0..100 {
        assert!(fs::read(folder.path().join(number.to_string())).unwrap() == content);
    }
    assert_eq!(names(folder.path()).len(), 101);
}

#[test]
fn multiplexed_download_takes_a_cut_for_no_end() {
    for fault in ["cut=200", "cut-reset=200", "garbage", "reset"] {
        let options = proto_mock::Options {
            faults: vec![fault.parse().unwrap()],
            ..Default::default()
        };
        let web = Web::with(&[("file", &[7; 1000])], options);
        let folder = folder();
        let results = multiplexed_download::download(folder.path(), &[web.url("/file")]).unwrap();
        assert!(results[0].is_err(), "{fault}");
        assert!(names(folder.path()).is_empty(), "{fault}");
    }
}

#[test]
fn nonblocking_counts_its_tries() {
    let (word, tries) = nonblocking::read_without_waiting().unwrap();
    assert_eq!(word, "hello");
    assert!(tries > 0);
}

#[test]
fn raw_http_and_the_library_agree() {
    let web = Web::serve(&[("page", b"<p>hello")]);
    let url = web.url("/page").parse().unwrap();
    assert_eq!(raw_http::by_hand(&url).unwrap(), b"<p>hello");
    assert_eq!(raw_http::with_the_library(&url).unwrap(), b"<p>hello");
    let options = proto_mock::Options {
        faults: vec!["cut=150".parse().unwrap()],
        ..Default::default()
    };
    let cut = Web::with(&[("page", &[b'x'; 1000])], options);
    assert!(raw_http::by_hand(&cut.url("/page").parse().unwrap()).is_err());
}
