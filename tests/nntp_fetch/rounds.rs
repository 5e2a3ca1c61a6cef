//! How often a run waits for the server: what counts where the way is long.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::*;

/// Who says nothing for so long waits for the other. A busy machine may need that long in the
/// middle, which counts as a round too many.
const SILENCE: Duration = Duration::from_millis(300);

/// What comes until the other side waits; `None` at the end.
fn all_that_comes(stream: &mut TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (!all.is_empty()).then_some(all),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(all),
            Err(_) => return None,
        }
    }
}

/// Lets both sides speak in turns, and counts how often the client does.
fn rounds(listener: &TcpListener, server: u16) -> usize {
    let (mut client, _) = listener.accept().unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", server)).unwrap();
    let mut rounds = 0;
    while let Some(heard) = all_that_comes(&mut server) {
        let _ = client.write_all(&heard);
        let Some(said) = all_that_comes(&mut client) else {
            break;
        };
        if !said.is_empty() {
            rounds += 1;
            server.write_all(&said).unwrap();
        }
    }
    rounds
}

/// What a connection costs before anybody speaks: the handshake, and the greeting.
const CONNECTING: usize = 2;

#[test]
fn two_hundred_articles_need_few_round_trips() {
    let spool = news();
    assert!(spool.spool.generate("misc.many", 200, 1_000));
    let news = News::with(spool, Options::default());
    let port = |url: &str| {
        url.split(':')
            .nth(2)
            .unwrap()
            .trim_end_matches('/')
            .to_owned()
    };
    let server: u16 = port(&news.url("")).parse().unwrap();
    let place = folder();
    for (wanted, wait) in [(200, 12), (0, 8)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap().to_string();
        let rounds = thread::spawn(move || rounds(&listener, server));
        let options = [&STORE[..], &["--connect-to", &there]].concat();
        let run = fetch(&news, "misc.many", place.path(), &options).exits(0);
        assert_eq!(run.text().lines().count(), wanted);
        let rounds = CONNECTING + rounds.join().unwrap();
        assert!(rounds <= wait, "{rounds} round trips for {wanted} articles");
        assert!(rounds > 4, "they were not counted: {rounds}");
    }
}
