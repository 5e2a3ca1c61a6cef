//! Many clients at once, the plain way: a thread for each, which may block as it likes.
//!
//! `cargo run --example threaded_server -- 127.0.0.1:7006`, then `proto tcp 127.0.0.1 7006`
//!
//! Each line comes back in capitals. The code of one conversation reads as if there were no other:
//! that is the strength of threads. Their price is memory for each and a bound on how many; a thread
//! that waits costs no time. A peer that says nothing, or takes nothing, keeps its thread until
//! the deadline of the connection and no longer. Compare `multiplexed_server`, which does the same
//! with one thread.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::{Connection, Connector, Error, Listener, Result};

/// Peers at a time; who comes when there are so many finds a closed door.
pub const PEERS: usize = 500;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let address: SocketAddr =
        address.ok_or_else(|| Error::illegal("usage: threaded_server ADDRESS"))?;
    serve(&Listener::bind(address)?, Duration::from_secs(60))
}

/// Serves for ever. `silence` is how long a peer may say and take nothing.
pub fn serve(listener: &Listener, silence: Duration) -> Result<()> {
    println!("listening on {}", listener.address()?);
    let mut policy = Connector::default();
    policy.timeouts.silence = silence;
    let peers = Arc::new(AtomicUsize::new(0));
    loop {
        let hour = Instant::now() + Duration::from_secs(3600);
        let Some(mut connection) = listener.accept(&policy, hour)? else {
            continue;
        };
        if peers.load(Ordering::SeqCst) >= PEERS {
            continue;
        }
        peers.fetch_add(1, Ordering::SeqCst);
        let peers = Arc::clone(&peers);
        thread::spawn(move || {
            let result = converse(&mut connection);
            if let Err(error) = result {
                eprintln!("{error}");
            }
            peers.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// One conversation, from beginning to end.
fn converse(connection: &mut Connection) -> Result<()> {
    connection.doing("serving");
    while let Some(line) = connection.read_last_line()? {
        let reply = line.to_ascii_uppercase();
        connection.write_line(reply)?;
        connection.flush()?;
    }
    Ok(())
}
