//! Two people talk over TCP, taking turns: one server, one client at a time.
//!
//! `cargo run --example tcp_chat -- server 127.0.0.1:7003`
//! `cargo run --example tcp_chat -- client 127.0.0.1:7003`
//!
//! The client begins. Each side types a line, then waits for one, until either says `q`. Taking turns
//! is what makes this simple: each side always knows whose line comes next, so blocking reads are
//! enough. (`proto tcp` lets both sides speak at any time; look there for how.)

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;
use proto_transport::{Connection, Connector, Endpoint, Error, Listener, Result};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::illegal("usage: tcp_chat (server | client) ADDRESS");
    let [side, address] = words.as_slice() else {
        return Err(usage());
    };
    let address: SocketAddr = address.parse().map_err(|_| usage())?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout());
    match side.as_str() {
        "server" => {
            let listener = Listener::bind(address)?;
            println!("listening on {}", listener.address()?);
            loop {
                // Who comes meanwhile waits in the queue of the listener.
                if let Err(error) = serve(&listener, &mut input, &mut output) {
                    eprintln!("{error}");
                }
            }
        }
        "client" => chat(&mut dial(address)?, true, &mut input, &mut output),
        _ => Err(usage()),
    }
}

/// Connects, with patience for somebody who thinks before typing.
pub fn dial(address: SocketAddr) -> Result<Connection> {
    policy().connect(&Endpoint::at("tcp", address))
}

fn policy() -> Connector {
    let mut policy = Connector::default();
    policy.timeouts.silence = Duration::from_secs(3600);
    policy
}

/// Waits for a client and talks to it.
pub fn serve(listener: &Listener, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<()> {
    let year = Duration::from_secs(31_536_000);
    match listener.accept(&policy(), Instant::now() + year)? {
        Some(mut connection) => chat(&mut connection, false, input, output),
        None => Ok(()),
    }
}

/// Talks until either side says `q`, hangs up, or has nothing more to type.
pub fn chat(
    connection: &mut Connection,
    mut is_my_turn: bool,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<()> {
    let failed = |error| Error::io("talking to the person here", error);
    connection.doing("waiting for the other side");
    loop {
        let line = match is_my_turn {
            true => {
                let mut line = String::new();
                if input.read_line(&mut line).map_err(failed)? == 0 {
                    line.push('q');
                }
                // One gate for all that is sent: a line cannot hold another one.
                connection.write_line(line.trim_end())?;
                connection.flush()?;
                line
            }
            false => {
                let Some(line) = connection.read_last_line()? else {
                    return Ok(());
                };
                // What the other side says must not drive our terminal.
                let line = escaped(line);
                writeln!(output, "{line}").map_err(failed)?;
                line
            }
        };
        if line.trim_end() == "q" {
            return Ok(());
        }
        is_my_turn = !is_my_turn;
    }
}
