//! The content of a section as it streams in.

use std::fs::File;
use std::io::{self, Read, Write};

use proto_transport::{Body, Connection, Error, Length, Result};

/// The content of a section. It borrows the connection: what is not read is passed over.
pub struct Content<'c> {
    source: Source<'c>,
    size: u64,
    is_nil: bool,
}

enum Source<'c> {
    /// A literal on its way.
    Literal(Body<'c, Length>),
    /// What is left of a quoted string.
    Held(&'c [u8]),
}

impl<'c> Content<'c> {
    pub(crate) fn literal(connection: &'c mut Connection, size: u64) -> Content<'c> {
        Content {
            source: Source::Literal(connection.body(Length::new(size))),
            size,
            is_nil: false,
        }
    }

    /// A string that was held; `None` is NIL.
    pub(crate) fn held(text: Option<&'c [u8]>) -> Content<'c> {
        let held = text.unwrap_or_default();
        Content {
            source: Source::Held(held),
            size: held.len() as u64,
            is_nil: text.is_none(),
        }
    }

    /// How many octets it has. The server cannot send fewer or more without being found out.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the server says that there is no such section.
    pub fn is_nil(&self) -> bool {
        self.is_nil
    }

    /// The next part, or `None` at the end. Parts are never empty.
    pub fn next_part(&mut self) -> Result<Option<&[u8]>> {
        match &mut self.source {
            Source::Literal(body) => body.next_part(),
            Source::Held(held) => Ok(Some(std::mem::take(held)).filter(|part| !part.is_empty())),
        }
    }

    /// Moves the next part to `file`, inside the kernel where that is possible. Returns its length,
    /// or `None` at the end.
    pub fn next_part_to(&mut self, file: &mut File) -> Result<Option<u64>> {
        if let Source::Literal(body) = &mut self.source {
            return body.next_part_to(file);
        }
        let Some(part) = self.next_part()? else {
            return Ok(None);
        };
        file.write_all(part)
            .map_err(|error| Error::io("writing the file", error))?;
        Ok(Some(part.len() as u64))
    }

    pub(crate) fn pass_over(mut self) -> Result<()> {
        while self.next_part()?.is_some() {}
        Ok(())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Literal(body) => body.read(buffer),
            Source::Held(held) => held.read(buffer),
        }
    }
}
