//! A request's body on its way in.

use std::io;

use super::request::{bad, content, Framing};
use crate::peer::Peer;

/// How much is read at once.
const BLOCK: usize = 16 * 1024;

/// Reads a body to its end and hands its parts on.
pub(super) fn read(
    peer: &mut Peer,
    framing: Framing,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    match framing {
        Framing::Length(length) => read_part(peer, length, take),
        Framing::Chunked => read_chunks(peer, take),
    }
}

fn read_part(
    peer: &mut Peer,
    mut left: u64,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let room = buffer.get_mut(..room).unwrap_or_default();
        let count = peer.read_some(room)?;
        if count == 0 {
            return Err(bad(400, "the body ended too early"));
        }
        take(room.get(..count).unwrap_or_default())?;
        left = left.saturating_sub(count as u64);
    }
    Ok(())
}

/// `chunked-body = *chunk last-chunk trailer-section CRLF` (RFC 9112 section 7.1)
fn read_chunks(peer: &mut Peer, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    loop {
        let line = next_line(peer)?;
        let size = chunk_size(&line).ok_or_else(|| bad(400, "that is not a chunk's size"))?;
        if size == 0 {
            while !next_line(peer)?.is_empty() {}
            return Ok(());
        }
        read_part(peer, size, take)?;
        if !next_line(peer)?.is_empty() {
            return Err(bad(400, "a chunk is longer than it says"));
        }
    }
}

fn next_line(peer: &mut Peer) -> io::Result<Vec<u8>> {
    let line = peer.read_raw_line()?.unwrap_or_default();
    Ok(content(&line)?.to_vec())
}

/// `chunk-size [ chunk-ext ]`, of at most 16 digits so that it fits
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    let digits = std::str::from_utf8(digits).ok()?;
    let right = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    right
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn read_all(text: &str, framing: Framing) -> Option<String> {
        let mut peer = Peer::over(Memory::new(text));
        let mut body = Vec::new();
        read(&mut peer, framing, &mut |part| {
            body.extend_from_slice(part);
            Ok(())
        })
        .ok()?;
        Some(String::from_utf8(body).unwrap())
    }

    #[test]
    fn bodies_end_where_they_say() {
        assert_eq!(read_all("abcd", Framing::Length(3)).unwrap(), "abc");
        assert_eq!(read_all("ab", Framing::Length(3)), None);
        let chunks = "2;a=b\r\nab\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n";
        assert_eq!(read_all(chunks, Framing::Chunked).unwrap(), "ab0123456789");
        for wrong in [
            "+2\r\nab\r\n0\r\n\r\n",
            "2\nab\r\n0\r\n\r\n",
            "1\r\nab\r\n",
            "\r\n",
            "2\r\nab\r\n",
        ] {
            assert_eq!(read_all(wrong, Framing::Chunked), None, "{wrong:?}");
        }
    }
}
