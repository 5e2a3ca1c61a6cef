//! A stream that is a script: what the peer says in chosen cuts, and all that we said.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::stream::Stream;

/// Scripted input and captured output, for examples and tests without a network.
pub struct Memory {
    pieces: VecDeque<Vec<u8>>,
    said: Said,
    ended: bool,
}

/// All that was written to a [`Memory`], also after the stream is gone.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// What was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The same as text, for assertions.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

impl Memory {
    /// The peer says all of `input` at once and then closes.
    pub fn new(input: impl AsRef<[u8]>) -> Memory {
        Memory::in_pieces([input])
    }

    /// Each piece arrives in a read of its own; then the peer closes.
    pub fn in_pieces<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Memory {
        Memory {
            pieces: pieces
                .into_iter()
                .map(|piece| piece.as_ref().to_vec())
                .filter(|piece| !piece.is_empty())
                .collect(),
            said: Said::default(),
            ended: false,
        }
    }

    /// Where to look for what was written.
    pub fn said(&self) -> Said {
        self.said.clone()
    }
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.front_mut() else {
            self.ended = true;
            return Ok(0);
        };
        let count = piece.as_slice().read(buffer)?;
        piece.drain(..count);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut said = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Memory {
    fn set_deadline(&mut self, _deadline: Option<Instant>) {}

    fn is_encrypted(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn is_readable(&mut self) -> bool {
        !self.pieces.is_empty()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_arrive_one_by_one() {
        let mut memory = Memory::in_pieces(["one", "", "two"]);
        let said = memory.said();
        let mut buffer = [0; 8];
        assert_eq!(memory.read(&mut buffer).unwrap(), 3);
        assert_eq!(memory.read(&mut buffer[..2]).unwrap(), 2);
        assert_eq!(memory.read(&mut buffer).unwrap(), 1);
        assert!(!memory.has_ended());
        assert_eq!(memory.read(&mut buffer).unwrap(), 0);
        assert!(memory.has_ended());
        memory.write_all(b"QUIT\r\n").unwrap();
        assert_eq!(said.text(), "QUIT\r\n");
    }
}
