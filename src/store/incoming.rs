//! A message while it comes in: in memory while it is small, then in a file.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use memchr::{memchr, memchr_iter};

use super::digest::{digest, Digester};

/// What is not larger needs one write, and leaves nothing behind when it breaks off.
pub const SMALL: usize = 256 * 1024;

/// Room for a message of the usual size.
const USUAL: usize = 8 * 1024;

/// A complete message.
pub enum Content {
    /// A small one, which has no file yet.
    Memory(Vec<u8>),
    /// One that is in its file already.
    File(File),
}

/// One message after the other.
pub struct Incoming {
    /// Makes LF of CRLF, if that is wanted.
    line_feeds: Option<LineFeeds>,
    /// All of it, or what the file does not have yet.
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
    /// Of what is in the file.
    digest: Digester,
}

impl Incoming {
    /// Takes messages with LF for CRLF.
    pub fn with_line_feeds() -> Incoming {
        Incoming {
            line_feeds: Some(LineFeeds::default()),
            ..Incoming::as_received()
        }
    }

    /// Takes messages as they are.
    pub fn as_received() -> Incoming {
        Incoming {
            line_feeds: None,
            memory: Vec::new(),
            file: None,
            size: 0,
            digest: Digester::default(),
        }
    }

    /// Forgets what has come, for the next message.
    pub fn clear(&mut self) {
        if let Some(line_feeds) = &mut self.line_feeds {
            *line_feeds = LineFeeds::default();
        }
        self.memory.clear();
        self.file = None;
        self.size = 0;
        self.digest = Digester::default();
    }

    /// Takes some bytes. What is too large for memory goes to the file that `make` makes.
    pub fn write(
        &mut self,
        bytes: &[u8],
        make: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<()> {
        if self.memory.len() + bytes.len() > SMALL {
            if self.file.is_none() {
                self.file = Some(make()?);
            }
            self.flush()?;
        }
        match &mut self.line_feeds {
            Some(line_feeds) => line_feeds.feed(bytes, &mut self.memory),
            None => self.memory.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// The message is complete; gives the digest of its bytes.
    pub fn finish(&mut self) -> io::Result<[u8; 32]> {
        if let Some(line_feeds) = &mut self.line_feeds {
            line_feeds.finish(&mut self.memory);
        }
        if self.file.is_none() {
            self.size = self.memory.len() as u64;
            return Ok(digest(&self.memory));
        }
        self.flush()?;
        Ok(self.digest.finish())
    }

    /// How many bytes there are, once it is complete.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(&self.memory);
        self.size += self.memory.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(&self.memory)?;
        }
        self.memory.clear();
        Ok(())
    }

    /// The complete message; `spare` is memory for the next.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Content {
        match self.file.take() {
            Some(file) => Content::File(file),
            None => {
                spare.reserve(USUAL);
                Content::Memory(std::mem::replace(&mut self.memory, spare))
            }
        }
    }

    /// The file with the complete message; if it was small until now, the one that `make` makes.
    pub fn take_file(&mut self, make: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
        match self.file.take() {
            Some(file) => Ok(file),
            None => {
                let mut file = make()?;
                file.write_all(&self.memory)?;
                Ok(file)
            }
        }
    }

    /// Shows the complete message, part by part.
    pub fn each_part(&self, mut show: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &self.file else {
            return show(&self.memory);
        };
        let mut block = vec![0; SMALL];
        let mut at = 0;
        while at < self.size {
            let got = read_at(file, &mut block, at)?;
            if got == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            show(block.get(..got).unwrap_or_default())?;
            at += got as u64;
        }
        Ok(())
    }

    /// Whether a file holds the same bytes as the complete message.
    pub fn is_same_as(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() != self.size {
            return Ok(false);
        }
        let (mut at, mut is_same) = (0, true);
        let mut block = Vec::new();
        self.each_part(|part| {
            block.resize(part.len(), 0);
            let read = file.read_exact_at(&mut block, at);
            at += part.len() as u64;
            is_same &= read.is_ok() && block == part;
            Ok(())
        })?;
        Ok(is_same)
    }
}

fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(block, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Makes LF of CRLF. A CR alone stays.
#[derive(Default)]
struct LineFeeds {
    /// The last byte was a CR, and what follows is not known yet.
    holds_return: bool,
}

impl LineFeeds {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(first) = bytes.first() else {
            return;
        };
        if std::mem::take(&mut self.holds_return) && *first != b'\n' {
            out.push(b'\r');
        }
        let mut from = 0;
        for at in memchr_iter(b'\r', bytes) {
            let is_end = match bytes.get(at + 1) {
                Some(next) => *next == b'\n',
                None => {
                    self.holds_return = true;
                    true
                }
            };
            if is_end {
                out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
                from = at + 1;
            }
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.holds_return) {
            out.push(b'\r');
        }
    }
}

/// The lines of a part, each with its line end; the last may lack one.
pub fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (line, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        (!line.is_empty()).then_some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> io::Result<File> {
        Err(ErrorKind::Unsupported.into())
    }

    fn taken(incoming: &Incoming) -> Vec<u8> {
        let mut all = Vec::new();
        incoming
            .each_part(|part| {
                all.extend_from_slice(part);
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn line_ends_do_not_depend_on_cuts() {
        let text = b"a\r\n\r\r\n\rb\n\r\nc\r";
        let wanted = b"a\n\r\n\rb\n\nc\r";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut incoming = Incoming::with_line_feeds();
                for part in [&text[..first], &text[first..second], &text[second..]] {
                    incoming.write(part, none).unwrap();
                }
                let hash = incoming.finish().unwrap();
                assert_eq!(taken(&incoming), wanted, "{first} {second}");
                assert_eq!(hash, digest(wanted));
                assert_eq!(incoming.size(), wanted.len() as u64);
            }
        }
    }

    #[test]
    fn what_is_large_goes_to_a_file() {
        for size in [0, 1, SMALL, SMALL + 1, 3 * SMALL + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut incoming = Incoming::as_received();
            for _ in 0..2 {
                incoming.clear();
                let mut made = 0;
                for part in bytes.chunks(10_000) {
                    let make = || {
                        made += 1;
                        tempfile::tempfile()
                    };
                    incoming.write(part, make).unwrap();
                }
                assert_eq!(made, usize::from(size > SMALL));
                let hash = incoming.finish().unwrap();
                assert_eq!(hash, digest(&bytes));
                assert!(taken(&incoming) == bytes);
                let mut other = tempfile::tempfile().unwrap();
                other.write_all(&bytes).unwrap();
                assert!(incoming.is_same_as(&other).unwrap());
                other.write_all(b"x").unwrap();
                assert!(!incoming.is_same_as(&other).unwrap());
                other.set_len(size as u64).unwrap();
                if size > 0 {
                    other.write_all_at(b"\xff", size as u64 - 1).unwrap();
                    assert!(!incoming.is_same_as(&other).unwrap());
                }
                let file = incoming.take_file(tempfile::tempfile).unwrap();
                assert_eq!(file.metadata().unwrap().len(), size as u64);
            }
        }
    }

    #[test]
    fn lines_keep_their_ends() {
        let all: Vec<&[u8]> = lines(b"a\n\nb").collect();
        assert_eq!(all, [&b"a\n"[..], b"\n", b"b"]);
        assert_eq!(lines(b"").count(), 0);
    }
}
