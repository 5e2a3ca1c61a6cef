//! The ways in which a resource reaches the client.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::Compression;

use super::condition::{decide, Decision};
use super::exchange::{read_part, Ending, Exchange};
use super::resource::Resource;
use crate::peer::Peer;

/// How a resource is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With a length, conditions and ranges, as it should be.
    Plain,
    /// The same at about 20 kB a second.
    Slow,
    /// In several chunks, with extensions and a trailer.
    Chunked,
    /// Compressed (RFC 1952).
    Gzip,
    /// Compressed (RFC 1950, which is what HTTP calls deflate).
    Deflate,
    /// Announced whole, and cut in the middle.
    Truncated,
    /// Without a length, until the connection closes.
    Close,
}

/// What a slow response sends at a time, and how long it then pauses.
const SLOW_BLOCK: usize = 2_000;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

/// The largest chunk, and how many chunks there are at least where there are bytes enough.
const CHUNK: usize = 8_192;
const CHUNKS: u64 = 3;

/// Sends a resource in one of the ways.
pub(super) fn deliver(exchange: &mut Exchange, resource: &Resource, way: Way) -> io::Result<()> {
    match way {
        Way::Plain | Way::Slow => send_plain(exchange, resource, way == Way::Slow),
        Way::Chunked => send_chunked(exchange, resource),
        Way::Gzip => send_coded(exchange, resource, "gzip"),
        Way::Deflate => send_coded(exchange, resource, "deflate"),
        Way::Truncated => send_truncated(exchange, resource),
        Way::Close => {
            let fields = [("Content-Type", resource.content_type.to_owned())];
            if exchange.start(200, &fields, Ending::Close)? {
                exchange.send(resource, 0, resource.length)?;
            }
            Ok(())
        }
    }
}

fn fields_of(resource: &Resource) -> Vec<(&'static str, String)> {
    let mut fields = vec![("Content-Type", resource.content_type.to_owned())];
    fields.extend(resource.etag.clone().map(|etag| ("ETag", etag)));
    let modified = resource.modified.map(httpdate::fmt_http_date);
    fields.extend(modified.map(|date| ("Last-Modified", date)));
    fields
}

fn send_plain(exchange: &mut Exchange, resource: &Resource, slowly: bool) -> io::Result<()> {
    let mut fields = fields_of(resource);
    let length = resource.length;
    let (status, part) = match decide(&exchange.request, resource) {
        Decision::Whole => (200, 0..length),
        Decision::Part(part) => {
            let last = part.end.saturating_sub(1);
            let range = format!("bytes {}-{last}/{length}", part.start);
            fields.push(("Content-Range", range));
            (206, part)
        }
        Decision::NotModified => return exchange.start(304, &fields, Ending::Length(0)).map(drop),
        Decision::Failed => return exchange.say_status(412),
        Decision::Unsatisfiable => {
            let range = ("Content-Range", format!("bytes */{length}"));
            return exchange.say(416, &[range], "416 Range Not Satisfiable\n");
        }
    };
    fields.push(("Accept-Ranges", "bytes".to_owned()));
    let ending = Ending::Length(part.end.saturating_sub(part.start));
    if !exchange.start(status, &fields, ending)? {
        return Ok(());
    }
    match slowly {
        true => drip(exchange.peer, resource, part.start, part.end),
        false => exchange.send(resource, part.start, part.end),
    }
}

fn drip(peer: &mut Peer, resource: &Resource, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = [0; SLOW_BLOCK];
    let mut offset = start;
    while offset < end {
        let part = read_part(resource, offset, end, &mut buffer)?;
        offset += part.len() as u64;
        peer.write_all(part)?;
        peer.wait(SLOW_PAUSE)?;
    }
    Ok(())
}

fn send_truncated(exchange: &mut Exchange, resource: &Resource) -> io::Result<()> {
    let ending = Ending::Length(resource.length);
    if exchange.start(200, &fields_of(resource), ending)? {
        exchange.send(resource, 0, resource.length / 2)?;
    }
    exchange.hangs_up = true;
    Ok(())
}

fn send_chunked(exchange: &mut Exchange, resource: &Resource) -> io::Result<()> {
    let mut fields = fields_of(resource);
    fields.push(("Trailer", "X-Chunks".to_owned()));
    let ending = exchange.chunked();
    if !exchange.start(200, &fields, ending)? {
        return Ok(());
    }
    let size = usize::try_from(resource.length / CHUNKS).unwrap_or(CHUNK);
    let mut buffer = vec![0; size.clamp(1, CHUNK)];
    let mut chunks = Chunks::new(exchange.peer, ending, ";part");
    let mut offset = 0;
    while offset < resource.length {
        let part = read_part(resource, offset, resource.length, &mut buffer)?;
        offset += part.len() as u64;
        chunks.write_all(part)?;
    }
    let count = chunks.count;
    chunks.finish(&format!("X-Chunks: {count}\r\n"))
}

fn send_coded(
    exchange: &mut Exchange,
    resource: &Resource,
    coding: &'static str,
) -> io::Result<()> {
    let mut fields = fields_of(resource);
    // Other bytes need another tag (RFC 9110 section 8.8.3.3).
    for (name, value) in &mut fields {
        if *name == "ETag" {
            *value = format!("{}-{coding}\"", value.trim_end_matches('"'));
        }
    }
    fields.push(("Content-Encoding", coding.to_owned()));
    fields.push(("Vary", "Accept-Encoding".to_owned()));
    let ending = exchange.chunked();
    if !exchange.start(200, &fields, ending)? {
        return Ok(());
    }
    let chunks = BufWriter::with_capacity(CHUNK, Chunks::new(exchange.peer, ending, ""));
    let chunks = match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(chunks, Compression::default());
            copy(resource, &mut encoder)?;
            encoder.finish()?
        }
        _ => {
            let mut encoder = ZlibEncoder::new(chunks, Compression::default());
            copy(resource, &mut encoder)?;
            encoder.finish()?
        }
    };
    let chunks = chunks.into_inner().map_err(|error| error.into_error())?;
    chunks.finish("")
}

fn copy(resource: &Resource, output: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while offset < resource.length {
        let part = read_part(resource, offset, resource.length, &mut buffer)?;
        offset += part.len() as u64;
        output.write_all(part)?;
    }
    Ok(())
}

/// Makes a chunk of every write (RFC 9112 section 7.1), unless the response ends otherwise.
struct Chunks<'a> {
    peer: &'a mut Peer,
    ending: Ending,
    extension: &'static str,
    count: usize,
}

impl<'a> Chunks<'a> {
    fn new(peer: &'a mut Peer, ending: Ending, extension: &'static str) -> Chunks<'a> {
        Chunks {
            peer,
            ending,
            extension,
            count: 0,
        }
    }

    /// The last chunk and the trailer fields, each with its CRLF.
    fn finish(self, trailer: &str) -> io::Result<()> {
        match self.ending {
            Ending::Chunked => self
                .peer
                .write_all(format!("0\r\n{trailer}\r\n").as_bytes()),
            _ => Ok(()),
        }
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count += 1;
        if self.ending != Ending::Chunked {
            self.peer.write_all(bytes)?;
        } else if !bytes.is_empty() {
            let head = format!("{:x}{}\r\n", bytes.len(), self.extension);
            self.peer.write_all(head.as_bytes())?;
            self.peer.write_all(bytes)?;
            self.peer.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.peer.flush()
    }
}
