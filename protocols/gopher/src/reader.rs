//! An item on its way: parts of it as they come, through a buffer of a fixed size.

use std::fs::File;
use std::io::{Read, Write};

use proto_transport::escape::escaped;
use proto_transport::{error_of, Body, Connection, Error, Refusal, Result};

use crate::ending::Ending;
use crate::menu::{refusal, text};

/// What is read at once.
const BLOCK: usize = 64 * 1024;

/// Octets of a first line that may be a row which says that there is no such item.
const LONGEST_ROW: usize = 1024;

/// An item on its way.
pub struct Reader<'c> {
    body: Body<'c, Ending>,
    peer: String,
    block: Vec<u8>,
    /// Nothing was handed on yet, so that it may still be a refusal.
    is_first: bool,
    has_dot: bool,
    is_done: bool,
}

impl<'c> Reader<'c> {
    /// `may_refuse` says that a row of the kind `3` in the place of the item is a refusal.
    pub(crate) fn new(
        connection: &'c mut Connection,
        ending: Ending,
        may_refuse: bool,
    ) -> Reader<'c> {
        Reader {
            peer: connection.peer().to_owned(),
            body: connection.body(ending),
            block: vec![0; BLOCK],
            is_first: may_refuse,
            has_dot: false,
            is_done: false,
        }
    }

    /// The next part of the item, or `None` at its end. Parts are never empty. A server that sends an
    /// error in the place of the item is an [`Error::Refused`], if it sends a row of the kind `3`;
    /// many send a text, which nobody can tell from another.
    pub fn next_part(&mut self) -> Result<Option<&[u8]>> {
        let mut count = self.read(0)?;
        if std::mem::take(&mut self.is_first) && self.block.starts_with(b"3") {
            count = self.first_line(count)?;
            self.must_not_refuse(count)?;
        }
        Ok(self.block.get(..count).filter(|part| !part.is_empty()))
    }

    /// Writes the next part of the item to `file`, inside the kernel where that is possible. Returns
    /// its length, or `None` at the item's end.
    pub fn next_part_to(&mut self, file: &mut File) -> Result<Option<u64>> {
        let is_opaque = matches!(self.body.framing(), Ending::Close(_) | Ending::Counted(_));
        if is_opaque && !self.is_first && !self.is_done {
            return self.body.next_part_to(file);
        }
        match self.next_part()? {
            Some(part) => {
                file.write_all(part)
                    .map_err(|error| Error::io("writing the file", error))?;
                Ok(Some(part.len() as u64))
            }
            None => Ok(None),
        }
    }

    /// Whether the text ended with a line that holds a dot. Where it did not, and no TLS says so,
    /// nobody knows whether it is whole.
    pub fn has_dot(&self) -> bool {
        self.has_dot
    }

    /// Reads into the block behind what is there. Zero is the end.
    fn read(&mut self, start: usize) -> Result<usize> {
        if self.is_done {
            return Ok(0);
        }
        let room = self.block.get_mut(start..).unwrap_or_default();
        let result = self.body.read(room);
        let is_at_dot = self.body.framing().is_at_dot();
        match result.map_err(|error| error_of(error, "reading the item")) {
            Ok(0) => {
                (self.is_done, self.has_dot) = (true, is_at_dot);
                Ok(0)
            }
            Ok(count) => Ok(count),
            // All of the text is there; how the connection ends no longer matters.
            Err(Error::Closed { .. } | Error::TimedOut { .. }) if is_at_dot => {
                (self.is_done, self.has_dot) = (true, true);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads on until the first line is there, or too long to be a row. How many bytes are there.
    fn first_line(&mut self, mut count: usize) -> Result<usize> {
        loop {
            let there = self.block.get(..count).unwrap_or_default();
            if there.contains(&b'\n') || count > LONGEST_ROW {
                return Ok(count);
            }
            match self.read(count)? {
                0 => return Ok(count),
                more => count += more,
            }
        }
    }

    fn must_not_refuse(&self, count: usize) -> Result<()> {
        let there = self.block.get(..count).unwrap_or_default();
        let line = there.split(|byte| *byte == b'\n').next();
        match line.and_then(refusal) {
            Some(why) => Err(refused(&self.peer, &why)),
            None => Ok(()),
        }
    }

    /// Hands on each line, without its line end, cut at `longest`, until `each` wants no more. At
    /// most `most` octets are read. Whether `each` ended it.
    pub(crate) fn lines(
        &mut self,
        longest: usize,
        most: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<bool> {
        let mut octets = 0;
        // The beginning of a line whose end is still to come.
        let mut begun: Vec<u8> = Vec::new();
        let too_large = Error::TooLarge {
            what: format!("{}: a menu, in octets,", self.peer),
            limit: most,
        };
        while let Some(part) = self.next_part()? {
            octets += part.len() as u64;
            if octets > most {
                return Err(too_large);
            }
            for piece in part.split_inclusive(|byte| *byte == b'\n') {
                let room = longest.saturating_add(2).saturating_sub(begun.len());
                begun.extend_from_slice(piece.get(..room).unwrap_or(piece));
                if piece.ends_with(b"\n") {
                    if !each(line_of(&begun, longest))? {
                        return Ok(true);
                    }
                    begun.clear();
                }
            }
        }
        match begun.is_empty() {
            true => Ok(false),
            false => each(line_of(&begun, longest)).map(|goes_on| !goes_on),
        }
    }
}

fn line_of(bytes: &[u8], longest: usize) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(..longest).unwrap_or(line)
}

/// The server has no such item, and says why.
pub(crate) fn refused(peer: &str, why: &str) -> Error {
    Error::Refused {
        peer: peer.to_owned(),
        doing: DOING.to_owned(),
        reply: escaped(why.as_bytes()),
        refusal: Refusal::Lasting,
    }
}

/// What a Gopher+ server says when it refuses (Gopher+ section 2.3): a number, which is 2 where it
/// may be tried again, and then words.
pub(crate) fn refused_by_plus(peer: &str, said: &[u8]) -> Error {
    let refusal = match said.trim_ascii_start() {
        [b'2', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => Refusal::Transient,
        _ => Refusal::Lasting,
    };
    Error::Refused {
        peer: peer.to_owned(),
        doing: DOING.to_owned(),
        reply: escaped(text(said).trim().as_bytes()),
        refusal,
    }
}

/// What we are doing, in the errors of everything.
pub(crate) const DOING: &str = "fetching an item";
