//! Zstandard (RFC 8878): frames one after the other, each with its own window.

use std::io::{self, BufRead, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::input::Input;
use super::stage::Decode;

/// The window that a decoder must support and an encoder may not exceed (RFC 9659 section 3).
const WINDOW: u64 = 8 * 1024 * 1024;

/// All frames of a body.
pub(super) struct Zstd<'a> {
    input: Input<'a>,
    frame: Box<FrameDecoder>,
    in_frame: bool,
    produced: u64,
}

impl<'a> Zstd<'a> {
    pub(super) fn new(input: Input<'a>) -> Zstd<'a> {
        let mut frame = Box::new(FrameDecoder::new());
        frame.set_max_window_size(WINDOW);
        Zstd {
            input,
            frame,
            in_frame: false,
            produced: 0,
        }
    }

    /// `Zstandard_Frame / Skippable_Frame` (RFC 8878 section 3.1)
    fn start_frame(&mut self) -> io::Result<()> {
        match self.frame.init(&mut self.input) {
            Ok(()) => {
                self.in_frame = true;
                self.produced = 0;
                Ok(())
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => self.skip(u64::from(length)),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.input.by_ref().take(length), &mut io::sink())?;
        match skipped == length {
            true => Ok(()),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.can_collect() == 0 && !self.frame.is_finished() {
            let one = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(error) = self.frame.decode_blocks(&mut self.input, one) {
                return Err(self.broken(error));
            }
        }
        let count = self.frame.read(buffer)?;
        self.produced = self.produced.saturating_add(count as u64);
        Ok(count)
    }

    /// The library leaves it to us to compare what a frame announced with what it held.
    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let announced = self.frame.content_size();
        if announced != 0 && announced != self.produced {
            return Err(io::Error::other("a frame has not the size it announced"));
        }
        let checksum = self.frame.get_checksum_from_data();
        if checksum.is_some() && checksum != self.frame.get_calculated_checksum() {
            return Err(io::Error::other("a checksum is wrong"));
        }
        Ok(())
    }

    fn broken(&self, error: FrameDecoderError) -> io::Error {
        match self.input.starved {
            true => ErrorKind::UnexpectedEof.into(),
            false => io::Error::other(error),
        }
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame {
                match self.read_frame(buffer)? {
                    0 => self.end_frame()?,
                    count => return Ok(count),
                }
            } else if self.input.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.start_frame()?;
            }
        }
    }
}

impl<'a> Decode<'a> for Zstd<'a> {
    fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }
}
