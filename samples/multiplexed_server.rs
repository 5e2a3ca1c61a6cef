//! Many clients at once with one thread, which sleeps until any of them has something.
//!
//! `cargo run --example multiplexed_server -- 127.0.0.1:7007`, then `proto tcp 127.0.0.1 7007`
//!
//! `select` takes a bit for each socket, at most 1,024, copied to the kernel and back each time.
//! `poll` takes a list of any length, walked through each time. `epoll` (kqueue elsewhere) keeps the
//! list in the kernel and tells only who is ready, so that a thousand idle peers cost nothing.
//!
//! Lines come back in capitals, as from `threaded_server`. The price: a conversation cannot wait, so
//! all it knows stands in a struct, and each read or write may do a part of what was wanted.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

/// The longest line, and how many peers there may be.
const LINE: usize = 64 * 1024;
const PEERS: usize = 1000;
const LISTENER: Token = Token(0);

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, Duration::from_secs(60))
}

/// A conversation between two looks at it.
struct Peer {
    stream: TcpStream,
    /// What came and is no whole line yet, and what is still to be sent.
    input: Vec<u8>,
    output: Vec<u8>,
    has_ended: bool,
    last: Instant,
}

/// Serves for ever. `silence` is how long a peer may say and take nothing.
pub fn serve(mut listener: TcpListener, silence: Duration) -> Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    let readable = Interest::READABLE;
    poll.registry()
        .register(&mut listener, LISTENER, readable)?;
    let (mut peers, mut next) = (HashMap::new(), 1);
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for token in events.iter().map(|event| event.token()) {
            if token == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    if peers.len() < PEERS {
                        poll.registry()
                            .register(&mut stream, Token(next), readable)?;
                        let peer = Peer {
                            stream,
                            input: Vec::new(),
                            output: Vec::new(),
                            has_ended: false,
                            last: Instant::now(),
                        };
                        peers.insert(Token(next), peer);
                        next += 1;
                    }
                }
            } else if let Some(peer) = peers.get_mut(&token) {
                // A failure of one peer is the end of its conversation, and of no other.
                match peer.go_on() {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => {
                        drop(peers.remove(&token))
                    }
                    Ok(false) => drop(peers.remove(&token)),
                    _ => peer.wake_up_again(poll.registry(), token)?,
                }
            }
        }
        peers.retain(|_, peer| peer.last.elapsed() < silence);
    }
}

impl Peer {
    /// To be woken for what comes next. While something waits to be sent, nothing more is read.
    fn wake_up_again(&mut self, registry: &Registry, token: Token) -> Result<()> {
        let next = match self.output.is_empty() {
            true => Interest::READABLE,
            false => Interest::WRITABLE,
        };
        registry.reregister(&mut self.stream, token, next)
    }

    /// One read and one write, so that nobody else waits for long; whether there is more to come.
    fn go_on(&mut self) -> Result<bool> {
        if self.output.is_empty() {
            let mut block = [0; 8192];
            let count = self.stream.read(&mut block)?;
            self.has_ended = count == 0;
            self.input.extend_from_slice(&block[..count]);
            self.answer();
        }
        if !self.output.is_empty() {
            let count = self.stream.write(&self.output)?;
            self.output.drain(..count);
        }
        self.last = Instant::now();
        Ok(!(self.has_ended && self.output.is_empty()) && self.input.len() <= LINE)
    }

    /// Answers the lines that are whole, and at the end what there is.
    fn answer(&mut self) {
        let ends = |&byte: &u8| byte == b'\n' || self.has_ended;
        let whole = self.input.iter().rposition(ends).map_or(0, |end| end + 1);
        self.output.extend(self.input.drain(..whole));
        self.output.make_ascii_uppercase();
    }
}
