//! The bytes of a conversation, compressed since COMPRESS (RFC 4978, RFC 8054).

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use memchr::memchr;

use crate::peer::Peer;

/// A peer, and what changes its bytes on their way.
pub(crate) struct Channel<'c> {
    pub peer: &'c mut Peer,
    /// Received and not yet read.
    input: Vec<u8>,
    deflate: Option<Deflate>,
}

struct Deflate {
    inward: Decompress,
    outward: Compress,
    /// What is said and not yet compressed.
    output: Vec<u8>,
}

/// How much is read at once, and the room for what it becomes.
const PIECE: usize = 16 * 1024;

/// How much is compressed at once.
const OUTPUT: usize = 64 * 1024;

impl<'c> Channel<'c> {
    pub fn new(peer: &'c mut Peer) -> Channel<'c> {
        Channel {
            peer,
            input: Vec::new(),
            deflate: None,
        }
    }

    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// How many bytes came and were not read.
    pub fn unread(&self) -> usize {
        self.input.len() + self.peer.unread().len()
    }

    // --- reading ---

    /// A line with its end, which only the last before the end of the stream may lack. A line that
    /// is longer than `longest` is an error.
    pub fn read_raw_line(&mut self, longest: usize) -> io::Result<Option<Vec<u8>>> {
        let mut seen = 0;
        loop {
            if let Some(at) = memchr(b'\n', self.input.get(seen..).unwrap_or_default()) {
                return Ok(Some(self.take(seen + at + 1)));
            }
            seen = self.input.len();
            if seen > longest {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.fill()? == 0 {
                return Ok((seen > 0).then(|| self.take(seen)));
            }
        }
    }

    /// Whether a line came that was not read.
    pub fn has_line(&self) -> bool {
        memchr(b'\n', &self.input).is_some()
    }

    pub fn read_exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.input.len() < count {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.take(count))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.input.split_off(count.min(self.input.len()));
        std::mem::replace(&mut self.input, rest)
    }

    /// Receives something. 0 is the end of the stream.
    pub fn fill(&mut self) -> io::Result<usize> {
        self.flush()?;
        let mut buffer = vec![0; PIECE];
        let before = self.input.len();
        loop {
            let count = self.peer.read_some(&mut buffer)?;
            let piece = buffer.get(..count).unwrap_or_default();
            match &mut self.deflate {
                None => self.input.extend_from_slice(piece),
                Some(deflate) => deflate.expand(piece, &mut self.input)?,
            }
            let received = self.input.len() - before;
            if received > 0 || count == 0 {
                return Ok(received);
            }
        }
    }

    // --- writing ---

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(deflate) = &mut self.deflate else {
            return self.peer.write_all(bytes);
        };
        deflate.output.extend_from_slice(bytes);
        match deflate.output.len() >= OUTPUT {
            true => self.squeeze(),
            false => Ok(()),
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.squeeze()?;
        self.peer.flush()
    }

    /// Compresses what is said, so that it can be read at once (RFC 4978 section 4, RFC 8054 section 2.2.2).
    pub fn squeeze(&mut self) -> io::Result<()> {
        match &mut self.deflate {
            Some(deflate) if !deflate.output.is_empty() => {
                let squeezed = deflate.squeeze()?;
                self.peer.write_all(&squeezed)
            }
            _ => Ok(()),
        }
    }

    /// What is said and heard from now on is compressed.
    pub fn compress(&mut self) -> io::Result<()> {
        self.flush()?;
        let mut deflate = Deflate {
            inward: Decompress::new(false),
            outward: Compress::new(Compression::default(), false),
            output: Vec::new(),
        };
        let early = std::mem::take(&mut self.input);
        deflate.expand(&early, &mut self.input)?;
        self.deflate = Some(deflate);
        Ok(())
    }

    /// What was said before TLS is forgotten.
    pub fn start_tls(&mut self) -> io::Result<()> {
        self.input.clear();
        self.peer.start_tls()
    }
}

impl Deflate {
    fn expand(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            out.reserve(PIECE);
            let (read, made) = (self.inward.total_in(), out.len());
            let status = self
                .inward
                .decompress_vec(piece, out, FlushDecompress::Sync)
                .map_err(io::Error::other)?;
            let read = usize::try_from(self.inward.total_in() - read).unwrap_or(0);
            piece = piece.get(read..).unwrap_or_default();
            let is_full = out.len() == out.capacity();
            let stands_still = read == 0 && out.len() == made;
            if status == Status::StreamEnd || stands_still || (piece.is_empty() && !is_full) {
                return Ok(());
            }
        }
    }

    fn squeeze(&mut self) -> io::Result<Vec<u8>> {
        let plain = std::mem::take(&mut self.output);
        let mut rest = plain.as_slice();
        let mut out = Vec::with_capacity(PIECE);
        loop {
            let before = self.outward.total_in();
            self.outward
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            let read = usize::try_from(self.outward.total_in() - before).unwrap_or(0);
            rest = rest.get(read..).unwrap_or_default();
            if rest.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
            out.reserve(PIECE);
        }
    }
}
