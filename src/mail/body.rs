//! What a message is made of: pieces that are read one behind the other, from the start each time.

use std::io::{self, Read};

use super::attachment::{Attachment, Encoded};

/// A part of a composed message's body.
pub enum Piece {
    /// Bytes as they are sent.
    Text(Vec<u8>),
    /// A file, sent as base64.
    File(Attachment),
}

/// Reads pieces one behind the other. A file is open only while it is read.
pub struct Pieces<'p> {
    rest: std::slice::Iter<'p, Piece>,
    current: Current<'p>,
}

enum Current<'p> {
    Text(&'p [u8]),
    File(Encoded<'p>),
}

impl<'p> Pieces<'p> {
    /// From the first piece.
    pub fn new(pieces: &'p [Piece]) -> Pieces<'p> {
        Pieces {
            rest: pieces.iter(),
            current: Current::Text(&[]),
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let got = match &mut self.current {
                Current::Text(bytes) => bytes.read(buffer)?,
                Current::File(file) => file.read(buffer)?,
            };
            if got > 0 {
                return Ok(got);
            }
            self.current = match self.rest.next() {
                None => return Ok(0),
                Some(Piece::Text(bytes)) => Current::Text(bytes),
                Some(Piece::File(attachment)) => Current::File(attachment.reader()?),
            };
        }
    }
}
