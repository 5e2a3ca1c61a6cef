//! A request and its reply over UDP, and what a datagram does not have: a promise.
//!
//! `cargo run --example udp_echo -- server 127.0.0.1:7002`
//! `cargo run --example udp_echo -- client 127.0.0.1:7002 one two three`
//!
//! Each datagram is a message of its own: it comes whole or not at all, and an empty one is a message
//! too. But it may be lost, or come twice, or late. So the client numbers its questions, asks again when
//! no answer comes, and passes over answers to other questions. The server loses every third
//! datagram on purpose. `cut` shows what becomes of a datagram that is larger than the room for it.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proto_transport::{Connector, DatagramListener, Endpoint, Error, Result, Unreachable};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::illegal("usage: udp_echo (server | client) ADDRESS [WORD...]");
    let address = words.get(1).and_then(|text| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(usage)?;
    match words[0].as_str() {
        "server" => serve(DatagramListener::bind(address)?, None),
        "client" => {
            for (reply, attempts) in ask(address, &words[2..])? {
                println!("{reply} (attempt {attempts})");
            }
            let room = cut().map_err(|error| Error::io("cutting", error))?;
            println!("of 10 bytes, into room for 4: {room} came, the others are gone");
            Ok(())
        }
        _ => Err(usage()),
    }
}

/// Sends back what comes, for ever or so many times, but loses the third of every three.
pub fn serve(mut listener: DatagramListener, datagrams: Option<usize>) -> Result<()> {
    println!("listening on {}", listener.address()?);
    let mut count = 0;
    while datagrams.is_none_or(|datagrams| count < datagrams) {
        let soon = Instant::now() + Duration::from_secs(1);
        let Some((datagram, sender)) = listener.receive(soon)? else {
            continue;
        };
        count += 1;
        println!("{} bytes from {sender}", datagram.len());
        let reply = datagram.to_vec();
        if count % 3 > 0 {
            listener.send_to(&reply, sender)?;
        }
    }
    Ok(())
}

/// How long an answer may take before the question is asked again.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often a question is asked at most.
const ATTEMPTS: usize = 5;

/// Asks each question until it is answered; with each reply comes how many attempts it took.
pub fn ask(server: SocketAddr, words: &[String]) -> Result<Vec<(String, usize)>> {
    let mut socket = Connector::default().datagrams(&Endpoint::at("udp", server))?;
    let mut replies = Vec::new();
    'words: for (number, word) in words.iter().enumerate() {
        // The number tells an answer that comes late from the one that is waited for.
        let question = format!("{number} {word}");
        for attempt in 1..=ATTEMPTS {
            socket.send(question.as_bytes())?;
            let until = Instant::now() + PATIENCE;
            while let Some(reply) = socket.receive(until)? {
                if reply == question.as_bytes() {
                    replies.push((word.clone(), attempt));
                    continue 'words;
                }
            }
        }
        return Err(Error::Unreachable {
            peer: server.to_string(),
            because: Unreachable::NobodyAnswers,
            why: format!("{ATTEMPTS} attempts were not answered"),
        });
    }
    Ok(replies)
}

/// A datagram of 10 bytes, read into room for 4: the rest is gone, and nobody tells.
pub fn cut() -> std::io::Result<usize> {
    let (one, other) = (
        UdpSocket::bind("127.0.0.1:0")?,
        UdpSocket::bind("127.0.0.1:0")?,
    );
    other.set_read_timeout(Some(Duration::from_secs(1)))?;
    one.send_to(b"0123456789", other.local_addr()?)?;
    one.send_to(b"next", other.local_addr()?)?;
    let count = other.recv(&mut [0; 4])?;
    let mut next = [0; 10];
    // What comes next is the next datagram, not the rest of the first.
    let length = other.recv(&mut next)?;
    assert_eq!(&next[..length], b"next");
    Ok(count)
}
