//! A request and its reply over TCP, and what a stream does not have: boundaries.
//!
//! `cargo run --example tcp_uppercase -- server 127.0.0.1:7001`
//! `cargo run --example tcp_uppercase -- client 127.0.0.1:7001 one two three`
//!
//! TCP carries bytes in order, and nothing else. Three writes may arrive as one piece, and one write
//! in three: the server prints the pieces that it got. Only what both sides agree on makes messages of
//! bytes; here, the end of a line. Compare `udp_echo`, where each message is one of its own.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::{Connection, Connector, Endpoint, Error, Listener, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::illegal("usage: tcp_uppercase (server | client) ADDRESS [WORD...]");
    let address = words.get(1).and_then(|text| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(usage)?;
    match words[0].as_str() {
        "server" => serve(&Listener::bind(address)?, None),
        "client" => {
            for reply in ask(address, &words[2..])? {
                println!("{reply}");
            }
            Ok(())
        }
        _ => Err(usage()),
    }
}

/// Serves one peer after the other, for ever or so many.
pub fn serve(listener: &Listener, peers: Option<usize>) -> Result<()> {
    println!("listening on {}", listener.address()?);
    let mut served = 0;
    while peers.is_none_or(|peers| served < peers) {
        let soon = Instant::now() + Duration::from_secs(1);
        if let Some(mut connection) = listener.accept(&Connector::default(), soon)? {
            served += 1;
            // What goes wrong with one peer is no reason to leave the next alone.
            if let Err(error) = serve_one(&mut connection) {
                eprintln!("{error}");
            }
        }
    }
    Ok(())
}

fn serve_one(connection: &mut Connection) -> Result<()> {
    let mut line = Vec::new();
    while let Some(piece) = connection.hear()? {
        println!("a piece of {} bytes", piece.len());
        line.extend_from_slice(piece);
        // There may be no whole line in the piece, or several.
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let mut reply: Vec<u8> = line.drain(..=end).collect();
            reply.make_ascii_uppercase();
            connection.say(&reply)?;
        }
        // A peer that never ends its line would fill our memory.
        if line.len() > 64 * 1024 {
            return Err(connection.malformed("a line is at most 64 KiB long", &line));
        }
        connection.flush()?;
    }
    Ok(())
}

/// Says each word in a line of its own, in two halves, and gives the replies.
pub fn ask(server: SocketAddr, words: &[String]) -> Result<Vec<String>> {
    let mut connection = Connector::default().connect(&Endpoint::at("tcp", server))?;
    let mut replies = Vec::new();
    for word in words {
        let (start, end) = word.as_bytes().split_at(word.len() / 2);
        connection.say(start)?;
        connection.flush()?;
        thread::sleep(Duration::from_millis(20));
        connection.say(end)?;
        connection.say(b"\r\n")?;
        // Sends what waits, and waits for the reply: however it is cut, a line is a line.
        let reply = connection.read_line()?;
        replies.push(String::from_utf8_lossy(reply).into_owned());
    }
    Ok(replies)
}
