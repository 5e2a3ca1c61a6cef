//! Servers that take only so much over one connection, or only so many connections.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use proto_mock::{Options, Peer, Server};

use super::*;

/// A server that takes only so many messages over each connection.
#[derive(Default)]
struct Sparing {
    /// For each connection; the last number is that of all that follow.
    messages: &'static [usize],
    /// It goes on after its farewell.
    stays: bool,
    taken: AtomicUsize,
}

impl Sparing {
    fn serve(&self, peer: &mut Peer, number: usize) -> io::Result<()> {
        let most = self.messages.get(number - 1).or(self.messages.last());
        let (most, mut count) = (*most.unwrap(), 0);
        if most == 0 {
            return peer.write_line("421 4.7.0 Too many connections");
        }
        // The others are to come before the first has taken all.
        peer.wait(Duration::from_millis(100))?;
        peer.write_line("220 mock ESMTP")?;
        let mut has_left = false;
        while let Some(line) = peer.read_line()? {
            let line = String::from_utf8_lossy(&line).to_ascii_uppercase();
            has_left |= line.starts_with("MAIL") && count == most;
            match line.get(..4).unwrap_or_default() {
                "EHLO" => {
                    peer.write_line("250-mock")?;
                    peer.write_line("250 PIPELINING")?;
                }
                "QUIT" => return peer.write_line("221 2.0.0 Bye"),
                _ if has_left && !self.stays => return peer.write_line("421 4.7.0 Enough"),
                "MAIL" if has_left => peer.write_line("421 4.7.0 Enough")?,
                "RSET" => peer.write_line("250 2.0.0 Ok")?,
                _ if has_left => peer.write_line("503 5.5.1 No")?,
                "DATA" => {
                    peer.write_line("354 Go on")?;
                    while peer.read_line()?.is_some_and(|line| line != b".") {}
                    count += 1;
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    peer.write_line("250 2.0.0 Ok")?;
                }
                _ => peer.write_line("250 2.0.0 Ok")?,
            }
        }
        Ok(())
    }
}

/// Sends some copies; how many arrived, over how many connections.
fn send_copies(sparing: Sparing, copies: &str, options: &[&str]) -> (Run, usize, usize) {
    let sparing = Arc::new(sparing);
    let service = Arc::clone(&sparing);
    let serve = move |peer: &mut Peer, number: usize| service.serve(peer, number);
    let server = Server::start(Options::default(), Arc::new(serve)).unwrap();
    let url = format!("smtp://localhost:{}", server.port());
    let path = sample("plain.eml");
    let envelope = ["--from", "a@x.example", "--to", "b@x.example"];
    let message = ["--message", &path, "--repeat", copies];
    let command = ["smtp-send", &url];
    let run = proto(&[&command[..], &envelope, &message, options].concat());
    let connections = server.connections();
    (run, sparing.taken.load(Ordering::Relaxed), connections)
}

#[test]
fn who_says_goodbye_and_stays_is_left() {
    for (messages, taken, connections) in [(&[2][..], 4, 2), (&[1, 0], 1, 2), (&[1, 3], 4, 2)] {
        let sparing = Sparing {
            messages,
            stays: true,
            ..Sparing::default()
        };
        let (run, arrived, tried) = send_copies(sparing, "4", &["--retry", "0"]);
        assert_eq!((arrived, tried), (taken, connections), "{run:?}");
        assert_eq!(run.code, if taken == 4 { 0 } else { 75 }, "{run:?}");
    }
}

#[test]
fn a_connection_that_is_refused_leaves_its_messages_to_the_others() {
    let sparing = Sparing {
        messages: &[100, 0],
        ..Sparing::default()
    };
    let (run, arrived, tried) = send_copies(sparing, "10", &["-j", "4"]);
    assert_eq!((run.code, arrived, tried), (0, 10, 4), "{run:?}");
    assert_eq!(
        run.stderr.matches("a connection less").count(),
        3,
        "{run:?}"
    );
    assert_eq!(run.text().matches("accepted").count(), 10);
    // When all are refused, each message has its row all the same.
    let sparing = Sparing {
        messages: &[0],
        ..Sparing::default()
    };
    let (run, ..) = send_copies(sparing, "10", &["-j", "4"]);
    assert_eq!(run.code, 75, "{run:?}");
    assert_eq!(run.text().matches("not-sent").count(), 10, "{run:?}");
}

#[test]
fn patience_is_renewed_by_every_message_that_goes() {
    let sparing = Sparing {
        messages: &[1, 0, 1, 0, 1, 0, 1],
        ..Sparing::default()
    };
    let (run, arrived, tried) = send_copies(sparing, "4", &["--retry", "1"]);
    assert_eq!((run.code, arrived, tried), (0, 4, 7), "{run:?}");
}
