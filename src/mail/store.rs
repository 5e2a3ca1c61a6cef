//! Bytes that can be read from any place, any number of times: a file, or memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use proto_transport::{Error, Result};

/// What is not larger is kept in memory, read with one open, read and close.
pub const SMALL: u64 = 64 * 1024;

/// Where bytes are.
pub enum Store {
    /// Here.
    Memory(Vec<u8>),
    /// In an open file.
    File(File),
}

impl Store {
    /// Takes in a stream that can be read only once. What is large goes to a file without a name.
    pub fn take_in(source: &mut dyn Read) -> Result<Store> {
        let failed = |error| Error::io("reading the message from stdin", error);
        let mut bytes = Vec::new();
        source
            .take(SMALL + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 <= SMALL {
            return Ok(Store::Memory(bytes));
        }
        let mut file =
            tempfile::tempfile().map_err(|error| Error::io("making a temporary file", error))?;
        io::copy(&mut bytes.as_slice().chain(source), &mut file).map_err(failed)?;
        Ok(Store::File(file))
    }

    /// How long it is now.
    pub fn length(&self) -> io::Result<u64> {
        match self {
            Store::Memory(bytes) => Ok(bytes.len() as u64),
            Store::File(file) => Ok(file.metadata()?.len()),
        }
    }

    /// Reads at a place; 0 is the end.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Store::File(file) => file.read_at(buffer, at),
            Store::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                bytes.get(at..).unwrap_or_default().read(buffer)
            }
        }
    }
}

/// Opens a file to be read; pipes, folders and devices are none.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    // Opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    Ok((File::open(path)?, metadata.len()))
}

/// From where to where.
#[derive(Clone)]
pub struct Span {
    /// Of what.
    pub store: Arc<Store>,
    /// The first byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
    /// Whether the end is that of the file, which must not have grown meanwhile.
    pub is_last: bool,
}

impl Span {
    /// The whole of a store.
    pub fn whole(store: Arc<Store>, length: u64) -> Span {
        Span {
            store,
            start: 0,
            end: length,
            is_last: true,
        }
    }

    /// Its bytes, behind so many of them.
    pub fn reader(&self, skipped: u64) -> SpanReader {
        SpanReader {
            span: self.clone(),
            at: self.start + skipped,
        }
    }
}

/// Reads a span, and fails if the file is not what it was.
pub struct SpanReader {
    span: Span,
    at: u64,
}

impl Read for SpanReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.span.end.saturating_sub(self.at);
        if left == 0 {
            return match self.span.is_last && self.span.store.read_at(&mut [0], self.at)? > 0 {
                true => Err(changed("longer")),
                false => Ok(0),
            };
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        let wanted = wanted.min(buffer.len());
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let got = self.span.store.read_at(part, self.at)?;
        if got == 0 && wanted > 0 {
            return Err(changed("shorter"));
        }
        self.at += got as u64;
        Ok(got)
    }
}

/// The error of a file that was one length when it was looked at and is another now.
pub fn changed(how: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the file became {how} while it was being sent"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_stream_is_read_again_from_memory_or_a_file() {
        for length in [0, 1, SMALL, SMALL + 1, 3 * SMALL] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let store = Arc::new(Store::take_in(&mut bytes.as_slice()).unwrap());
            assert_eq!(matches!(*store, Store::File(_)), length > SMALL);
            assert_eq!(store.length().unwrap(), length);
            let span = Span::whole(store, length);
            for _ in 0..2 {
                let mut again = Vec::new();
                span.reader(0).read_to_end(&mut again).unwrap();
                assert!(again == bytes);
            }
        }
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"12345").unwrap();
        let writer = file.try_clone().unwrap();
        let span = Span::whole(Arc::new(Store::File(file)), 5);
        for (length, how) in [(4, "shorter"), (6, "longer")] {
            writer.set_len(length).unwrap();
            let error = span.reader(0).read_to_end(&mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(how), "{error}");
        }
    }

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open(folder.path()).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
        assert!(open(&folder.path().join("nothing")).is_err());
    }
}
