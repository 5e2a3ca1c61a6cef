//! Brotli (RFC 7932).

use std::io::{self, BufRead, ErrorKind, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::input::Input;
use super::stage::Decode;

/// One stream of brotli.
pub(super) struct Brotli<'a> {
    input: Input<'a>,
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    ended: bool,
}

impl<'a> Brotli<'a> {
    pub(super) fn new(input: Input<'a>) -> Brotli<'a> {
        let allocator = StandardAlloc::default;
        Brotli {
            input,
            // Strict: without the "large windows" of 1 GiB, which RFC 7932 does not have.
            state: Box::new(BrotliState::new_strict(
                allocator(),
                allocator(),
                allocator(),
            )),
            ended: false,
        }
    }
}

impl Read for Brotli<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let unread = self.input.fill_buf()?;
            let at_end = unread.is_empty();
            let (mut used, mut left) = (0, unread.len());
            let (mut written, mut free, mut total) = (0, buffer.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut used,
                unread,
                &mut free,
                &mut written,
                buffer,
                &mut total,
                &mut self.state,
            );
            self.input.consume(used);
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreInput if written == 0 && at_end => {
                    return Err(ErrorKind::UnexpectedEof.into())
                }
                BrotliResult::NeedsMoreInput => {}
                BrotliResult::NeedsMoreOutput if written > 0 => {}
                _ => return Err(io::Error::other("it breaks the rules of RFC 7932")),
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

impl<'a> Decode<'a> for Brotli<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}
