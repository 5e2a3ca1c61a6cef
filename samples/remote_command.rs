//! Commands on another machine, as an exercise: a length before each name and each output.
//!
//! `cargo run --example remote_command -- server 127.0.0.1:7005`
//! `cargo run --example remote_command -- client 127.0.0.1:7005 date`
//!
//! ```text
//! request = length(4) name              reply = status(4, signed) length(4) output
//! ```
//!
//! Whoever reaches this may run something: so it is on the loopback alone, the names are an allow-list,
//! no shell sees them, nobody gives arguments, and output is bounded.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped_text;
use proto_transport::{Connection, Connector, Endpoint, Error, Listener, Result};

/// What may be run, without arguments.
const ALLOWED: [&str; 6] = ["date", "uname", "hostname", "id", "false", "yes"];

/// The most output that is returned.
pub const LARGEST: u64 = 64 * 1024;
/// The status of what is not on the list.
pub const NOT_ALLOWED: i32 = 126;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::illegal("usage: remote_command (server ADDRESS | client ADDRESS NAME)");
    let address = words.get(1).and_then(|text| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(usage)?;
    let Some(name) = words.get(2) else {
        return serve(&listen(address)?);
    };
    let (status, output) = ask(address, name)?;
    print!("{}", escaped_text(&output));
    std::process::exit(status)
}

/// Listens where only this machine can connect.
pub fn listen(address: SocketAddr) -> Result<Listener> {
    match address.ip().is_loopback() {
        true => Listener::bind(address),
        false => Err(Error::illegal("this is for the loopback alone")),
    }
}

/// Serves for ever, a thread a peer.
pub fn serve(listener: &Listener) -> Result<()> {
    loop {
        let hour = Instant::now() + Duration::from_secs(3600);
        if let Some(mut connection) = listener.accept(&Connector::default(), hour)? {
            thread::spawn(move || while answer(&mut connection).is_ok() {});
        }
    }
}

fn answer(connection: &mut Connection) -> Result<()> {
    let name = read_text(connection, 100)?;
    let allowed = ALLOWED.iter().find(|allowed| allowed.as_bytes() == name);
    let (status, output) = match allowed {
        Some(name) => run(name).map_err(|error| Error::io("running", error))?,
        None => (NOT_ALLOWED, Vec::new()),
    };
    connection.write_block(&status.to_be_bytes())?;
    connection.write_block(&(output.len() as u32).to_be_bytes())?;
    connection.write_block(&output)?;
    connection.flush()
}

/// Runs a command: its status, and its output up to the limit. One that says more is ended, and has
/// the status -1.
fn run(name: &str) -> std::io::Result<(i32, Vec<u8>)> {
    let mut command = Command::new(name);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = Vec::new();
    let mut stdout = child.stdout.take().expect("it is piped").take(LARGEST);
    stdout.read_to_end(&mut output)?;
    // Nobody reads what it still has to say: it would wait for ever.
    if stdout.limit() == 0 {
        child.kill()?;
    }
    Ok((child.wait()?.code().unwrap_or(-1), output))
}

/// A number of four bytes, the most significant first.
fn read_number(connection: &mut Connection) -> Result<u32> {
    let bytes = connection.read_block(4)?;
    Ok(bytes
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
}

/// A length and so many bytes, unless they are too many.
fn read_text(connection: &mut Connection, limit: u64) -> Result<Vec<u8>> {
    match read_number(connection)?.into() {
        length if length > limit => Err(connection.malformed("a length is over its limit", b"")),
        length => connection.read_block(length),
    }
}

/// Asks for a command: its status and its output.
pub fn ask(server: SocketAddr, name: &str) -> Result<(i32, Vec<u8>)> {
    let mut connection = Connector::default().connect(&Endpoint::at("tcp", server))?;
    connection.write_block(&(name.len() as u32).to_be_bytes())?;
    connection.write_block(name.as_bytes())?;
    let status = read_number(&mut connection)?.cast_signed();
    Ok((status, read_text(&mut connection, LARGEST)?))
}
