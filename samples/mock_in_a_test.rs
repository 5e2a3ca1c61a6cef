//! A server that misbehaves on purpose, inside a test of your own client.
//!
//! `cargo run --example mock_in_a_test`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use proto_mock::http::Site;
use proto_mock::{Options, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The server breaks off after 60 bytes, whatever it is asked.
    let options = Options {
        faults: vec!["cut=60".parse()?],
        ..Options::default()
    };
    let server = Server::start(options, Arc::new(Site::default()))?;

    // Your client goes here; this one only shows what it would see.
    let mut client = TcpStream::connect(server.address())?;
    client.write_all(b"GET /mock/bytes/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut heard = Vec::new();
    client.read_to_end(&mut heard)?;
    println!("{}", String::from_utf8_lossy(&heard));
    assert_eq!(heard.len(), 60);
    Ok(())
}
