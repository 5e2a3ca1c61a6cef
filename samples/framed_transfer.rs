//! Messages and files over one connection: a length before each, the cure for sticky packets.
//!
//! `cargo run --example framed_transfer -- server 127.0.0.1:7004 /tmp/inbox`
//! `cargo run --example framed_transfer -- client 127.0.0.1:7004`, then type `msg|text` or `file|path`
//!
//! ```text
//! frame   = length(4 bytes, most significant first) payload
//! payload = "msg|" text / "file|" name LF content
//! ```
//!
//! Each frame is answered by a line. A length is the promise of a stranger: it is bounded before
//! anything is used for it. A file gets its name when it is whole; what broke off leaves nothing.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;
use proto_transport::{Body, Connection, Connector, Endpoint, Error, Length, Listener, Result};

/// The largest payload, in bytes.
pub const LARGEST: u64 = 16 * 1024 * 1024;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage =
        || Error::illegal("usage: framed_transfer (server ADDRESS FOLDER | client ADDRESS)");
    let address = words.get(1).and_then(|text| text.parse().ok());
    let address: SocketAddr = address.ok_or_else(usage)?;
    match words.get(2) {
        Some(folder) => serve(&Listener::bind(address)?, Path::new(folder)),
        None => client(address, &mut io::stdin().lock(), &mut io::stdout()),
    }
}

/// Serves for ever, a thread a peer. A peer that breaks the rules loses its own connection.
pub fn serve(listener: &Listener, folder: &Path) -> Result<()> {
    loop {
        let hour = Instant::now() + Duration::from_secs(3600);
        if let Some(mut connection) = listener.accept(&Connector::default(), hour)? {
            let folder = folder.to_owned();
            thread::spawn(move || while take_frame(&mut connection, &folder).is_ok() {});
        }
    }
}

/// Takes one frame and answers it.
fn take_frame(connection: &mut Connection, folder: &Path) -> Result<()> {
    let header = connection.read_block(4)?;
    let length = header
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    if length > LARGEST {
        connection.write_line(format!("no: {length} bytes are too many"))?;
        connection.end_writing()?;
        return Err(connection.closed("that was too much"));
    }
    let mut body = connection.body(Length::new(length));
    let taken = take_payload(&mut body, folder);
    // What was refused is read to its end: the next frame begins behind it.
    while body.next_part()?.is_some() {}
    drop(body);
    connection.write_line(taken.unwrap_or_else(|error| format!("no: {error}")))?;
    connection.flush()
}

fn take_payload(body: &mut Body<'_, Length>, folder: &Path) -> io::Result<String> {
    let mut input = io::BufReader::new(body);
    let (mut kind, mut text) = (Vec::new(), Vec::new());
    input.by_ref().take(5).read_until(b'|', &mut kind)?;
    match kind.as_slice() {
        b"msg|" => {
            let count = io::copy(&mut input.take(64 * 1024), &mut text)?;
            println!("{}", escaped(&text));
            Ok(format!("message of {count} bytes"))
        }
        b"file|" => {
            input.by_ref().take(256).read_until(b'\n', &mut text)?;
            let name = safe_name(&text).ok_or(io::Error::other("that is no name for a file"))?;
            // It has another name until it is whole, and goes if that never happens.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let count = io::copy(&mut input, &mut file)?;
            file.persist_noclobber(folder.join(&name))?;
            Ok(format!("{name}: {count} bytes"))
        }
        _ => Err(io::Error::other("a payload begins with msg| or file|")),
    }
}

/// A name that stays in the folder and hides nothing.
pub fn safe_name(line: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let is_fine = |c: char| c.is_alphanumeric() || ".-_ ".contains(c);
    (name.starts_with(char::is_alphanumeric) && name.chars().all(is_fine)).then(|| name.to_owned())
}

/// Sends what is typed, line by line, and shows the answers.
pub fn client(server: SocketAddr, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<()> {
    let failed = |error| Error::io("reading what is to be sent", error);
    let mut connection = Connector::default().connect(&Endpoint::at("tcp", server))?;
    for line in input.lines() {
        let line = line.map_err(failed)?;
        let mut payload = line.clone().into_bytes();
        if let Some(path) = line.strip_prefix("file|").map(Path::new) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let content = std::fs::read(path).map_err(failed)?;
            payload = [format!("file|{name}\n").as_bytes(), &content].concat();
        }
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        connection.write_block(&length.to_be_bytes())?;
        connection.write_block(&payload)?;
        let answer = escaped(connection.read_line()?);
        writeln!(output, "{answer}").map_err(failed)?;
    }
    Ok(())
}
