//! DEFLATE over any stream, both ways (RFC 1951; RFC 4978 for IMAP, RFC 8054 for NNTP).

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::buffer::Buffer;
use crate::stream::Stream;

/// Compressed bytes are made in blocks of this size.
const BLOCK: usize = 16 * 1024;

/// A stream whose bytes travel compressed. What is written is held back until it is flushed.
pub(crate) struct Deflated {
    stream: Box<dyn Stream>,
    inflate: Decompress,
    /// What was read and not yet inflated.
    input: Buffer,
    /// The last block was filled, so more may come without reading.
    has_more: bool,
    deflate: Compress,
    output: Vec<u8>,
}

impl Deflated {
    /// Compression from here on. `input` may hold what the peer has said compressed already.
    pub(crate) fn over(stream: Box<dyn Stream>, input: Buffer) -> Deflated {
        Deflated {
            stream,
            // Both RFCs want raw blocks, without the header of zlib.
            inflate: Decompress::new(false),
            input,
            has_more: false,
            deflate: Compress::new(Compression::default(), false),
            output: Vec::with_capacity(BLOCK),
        }
    }

    /// Compresses `bytes`, and everything before it as well where `flush` says so.
    fn press(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        loop {
            if self.output.len() == self.output.capacity() {
                self.send()?;
            }
            let before = self.deflate.total_in();
            self.deflate
                .compress_vec(bytes, &mut self.output, flush)
                .map_err(io::Error::other)?;
            let used = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
            bytes = bytes.get(used..).unwrap_or_default();
            // Room that is left means that nothing is held back for want of room.
            if bytes.is_empty() && self.output.len() < self.output.capacity() {
                return Ok(());
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }
}

impl Read for Deflated {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.input.unread().is_empty()
                && !self.has_more
                && self.input.fill_from(&mut self.stream)? == 0
            {
                return Ok(0);
            }
            let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(self.input.unread(), bytes, FlushDecompress::None)
                .map_err(|_| damaged())?;
            let used = usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or_default();
            self.input.take(used);
            self.has_more = made == bytes.len();
            if made > 0 || bytes.is_empty() {
                return Ok(made);
            }
            // The peer may not end the compressed stream before the connection.
            if status == Status::StreamEnd {
                return Err(damaged());
            }
        }
    }
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the compressed stream is damaged",
    )
}

impl Write for Deflated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.press(bytes, FlushCompress::None)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.press(&[], FlushCompress::Sync)?;
        self.send()?;
        self.stream.flush()
    }
}

impl Stream for Deflated {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.stream.set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    fn has_ended(&self) -> bool {
        self.stream.has_ended()
    }

    fn is_readable(&mut self) -> bool {
        self.has_more || !self.input.unread().is_empty() || self.stream.is_readable()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.descriptor()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.press(&[], FlushCompress::Finish)?;
        self.send()?;
        self.stream.end_writing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn pressed(lines: &[&str]) -> Vec<Vec<u8>> {
        let memory = Memory::new("");
        let said = memory.said();
        let mut deflated = Deflated::over(Box::new(memory), Buffer::default());
        let mut seen = 0;
        lines
            .iter()
            .map(|line| {
                deflated.write_all(line.as_bytes()).unwrap();
                deflated.flush().unwrap();
                let bytes = said.bytes();
                let new = bytes.get(seen..).unwrap().to_vec();
                seen = bytes.len();
                new
            })
            .collect()
    }

    #[test]
    fn what_is_flushed_can_be_read_at_once_in_any_cut() {
        let long = "x".repeat(100_000);
        let lines = ["* OK\r\n", "a OK done\r\n", &long];
        let bytes = pressed(&lines).concat();
        assert!(bytes.len() < 1000);
        for size in [1, 2, 7, bytes.len()] {
            let mut deflated = Deflated::over(
                Box::new(Memory::in_pieces(bytes.chunks(size))),
                Buffer::default(),
            );
            let mut text = String::new();
            deflated.read_to_string(&mut text).unwrap();
            assert_eq!(text, lines.concat());
        }
    }

    #[test]
    fn much_goes_out_whole() {
        let noise: String = (0..200_000_u32)
            .map(|number| char::from(b' ' + (number.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
            .collect();
        let bytes = pressed(&[&noise]).concat();
        let mut deflated = Deflated::over(Box::new(Memory::new(&bytes)), Buffer::default());
        let mut text = String::new();
        deflated.read_to_string(&mut text).unwrap();
        assert!(text == noise);
    }

    #[test]
    fn what_was_read_ahead_is_compressed_already() {
        let bytes = pressed(&["* OK\r\n"]).concat();
        let mut input = Buffer::default();
        let mut source = bytes.as_slice();
        input.fill_from(&mut source).unwrap();
        let mut deflated = Deflated::over(Box::new(Memory::new("")), input);
        let mut text = String::new();
        deflated.read_to_string(&mut text).unwrap();
        assert_eq!(text, "* OK\r\n");
    }

    #[test]
    fn damage_is_an_error_and_a_cut_is_an_end() {
        let bytes = pressed(&["some text that is long enough to be cut\r\n"]).concat();
        for cut in 0..bytes.len() {
            let cut = bytes.get(..cut).unwrap();
            let mut deflated = Deflated::over(Box::new(Memory::new(cut)), Buffer::default());
            let _ = deflated.read_to_end(&mut Vec::new()).unwrap();
        }
        for bad in [&b"\xff\xff\xff\xff"[..], b"* OK plain\r\n"] {
            let mut deflated = Deflated::over(Box::new(Memory::new(bad)), Buffer::default());
            let error = deflated.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        // A stream that ends before its connection, by a final empty block.
        let mut deflated = Deflated::over(Box::new(Memory::new(b"\x03\x00x")), Buffer::default());
        assert!(deflated.read_to_end(&mut Vec::new()).is_err());
    }
}
