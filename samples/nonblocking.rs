//! What `WouldBlock` means.
//!
//! `cargo run --example nonblocking`
//!
//! A blocking read sleeps until there is something. A non-blocking one says at once that it would
//! have to sleep, which is no failure: "nothing yet, do something else and come back". Coming back all
//! the time, as here, keeps a processor busy with nothing; `multiplexed_server` sleeps until any of its
//! sockets has something, which is what select, poll and epoll are for.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() -> Result<()> {
    let (word, tries) = read_without_waiting()?;
    println!("{tries} times there was nothing yet, then: {word}");
    Ok(())
}

/// Reads a word that comes late, and counts how often there was nothing yet.
pub fn read_without_waiting() -> Result<(String, u64)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut far = TcpStream::connect(listener.local_addr()?)?;
    let (mut near, _) = listener.accept()?;
    near.set_nonblocking(true)?;
    let writer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        far.write_all(b"hello")
    });
    let (mut word, mut tries, mut block) = (Vec::new(), 0, [0; 16]);
    loop {
        match near.read(&mut block) {
            Ok(0) => break, // the end of the stream
            Ok(count) => word.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => tries += 1,
            Err(error) => return Err(error), // a failure
        }
    }
    writer.join().expect("the writer does not panic")?;
    Ok((String::from_utf8_lossy(&word).into_owned(), tries))
}
