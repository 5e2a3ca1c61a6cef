//! One coding upon the other, each undone by a stage.

use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::rc::Rc;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use proto_transport::Error;

use super::brotli::Brotli;
use super::input::Input;
use super::zstd::Zstd;
use super::Coding;

/// What may come out whatever went in: a page of this size is unusual and harmless.
const FREE: u64 = 16 * 1024 * 1024;

/// Beyond that, how many bytes may come out for each that was received. Deflate cannot reach more
/// than 1,032, so that everything real passes.
const EXPANSION: u64 = 1_100;

/// Undoes `codings`, which are in the order in which they were applied.
///
/// Damaged data is [`ErrorKind::InvalidData`], an early end [`ErrorKind::UnexpectedEof`]; too much
/// output is an [`Error::TooLarge`] inside an [`io::Error`]. Errors of the source come out as they
/// are. At the clean end the source was read to its own end.
pub fn decoder<'a>(codings: &[Coding], source: Box<dyn Read + 'a>) -> Box<dyn Read + 'a> {
    let received = Rc::new(Cell::new(0));
    let mut reader: Box<dyn Read + 'a> = Box::new(Counted {
        source,
        count: Rc::clone(&received),
    });
    for coding in codings.iter().rev() {
        reader = Box::new(Stage {
            coding: *coding,
            state: State::Start(Input::new(reader)),
            received: Rc::clone(&received),
            produced: 0,
        });
    }
    reader
}

/// A reader that tells how much was read.
struct Counted<'a> {
    source: Box<dyn Read + 'a>,
    count: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count
            .set(self.count.get().saturating_add(count as u64));
        Ok(count)
    }
}

/// One coding that is being undone. The decoders below it only decode; the rules about ends,
/// errors and amounts are here, once for all of them.
struct Stage<'a> {
    coding: Coding,
    state: State<'a>,
    /// What came from the peer, before any coding was undone: stages must not multiply each other.
    received: Rc<Cell<u64>>,
    produced: u64,
}

enum State<'a> {
    Start(Input<'a>),
    Decoding(Box<dyn Decode<'a> + 'a>),
    Ended,
    Failed,
}

/// A decoder that can be asked for the input that it owns.
pub(super) trait Decode<'a>: Read {
    fn input(&mut self) -> &mut Input<'a>;
}

impl Read for Stage<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // After an error there is nothing more to say: an error must not look like an end later.
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Start(mut input) => {
                // A body without bytes, as in the answer to a HEAD request, is not packed at all.
                if input.peek(1)?.is_empty() {
                    self.state = State::Ended;
                    return Ok(0);
                }
                let decoder = start(self.coding, input)?;
                self.decode(decoder, buffer)
            }
            State::Decoding(decoder) => self.decode(decoder, buffer),
            State::Ended => {
                self.state = State::Ended;
                Ok(0)
            }
            State::Failed => Err(damaged(self.coding, "it was so before")),
        }
    }
}

impl<'a> Stage<'a> {
    fn decode(
        &mut self,
        mut decoder: Box<dyn Decode<'a> + 'a>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let result = decoder.read(buffer);
        // A decoder may wrap or swallow what its source said.
        if let Some(error) = decoder.input().failure.take() {
            return Err(error);
        }
        let count = result.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::new(
                ErrorKind::UnexpectedEof,
                format!("the {} data ends too early", self.coding),
            ),
            _ => damaged(self.coding, error),
        })?;
        if count == 0 {
            if !decoder.input().peek(1)?.is_empty() {
                return Err(damaged(self.coding, "more bytes follow its end"));
            }
            self.state = State::Ended;
            return Ok(0);
        }
        self.produced = self.produced.saturating_add(count as u64);
        if self.produced > FREE.max(self.received.get().saturating_mul(EXPANSION)) {
            return Err(io::Error::other(Error::TooLarge {
                what: "the unpacked body, in multiples of what was received,".to_owned(),
                limit: EXPANSION,
            }));
        }
        self.state = State::Decoding(decoder);
        Ok(count)
    }
}

fn start<'a>(coding: Coding, mut input: Input<'a>) -> io::Result<Box<dyn Decode<'a> + 'a>> {
    Ok(match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(input)),
        Coding::Deflate => match is_zlib(input.peek(2)?) {
            true => Box::new(ZlibDecoder::new(input)),
            false => Box::new(DeflateDecoder::new(input)),
        },
        Coding::Brotli => Box::new(Brotli::new(input)),
        Coding::Zstd => Box::new(Zstd::new(input)),
    })
}

/// RFC 1950 section 2.2: method 8, a window of at most 32 KiB, and a multiple of 31. Bare deflate
/// data cannot look so, except for a stored block with rubbish in its padding.
fn is_zlib(start: &[u8]) -> bool {
    match start {
        [cmf, flg, ..] => {
            cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([*cmf, *flg]).is_multiple_of(31)
        }
        _ => false,
    }
}

fn damaged(coding: Coding, why: impl fmt::Display) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the {coding} data is damaged: {why}"),
    )
}

impl<'a> Decode<'a> for MultiGzDecoder<Input<'a>> {
    fn input(&mut self) -> &mut Input<'a> {
        self.get_mut()
    }
}

impl<'a> Decode<'a> for ZlibDecoder<Input<'a>> {
    fn input(&mut self) -> &mut Input<'a> {
        self.get_mut()
    }
}

impl<'a> Decode<'a> for DeflateDecoder<Input<'a>> {
    fn input(&mut self) -> &mut Input<'a> {
        self.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use flate2::Compression;
    use proptest::prelude::*;
    use proto_transport::error_of;
    use std::io::Write;

    const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog. \
        The quick brown fox jumps over the lazy dog again.\n";

    /// TEXT by `brotli -q 11`.
    const BROTLI: &str = "a1f802006075c09b865e65d325c4ee891fa1d293aa0c2dc9ccd84a01a441cef0f454d85b\
        83b8cce5850d3870c802d95fc88fadaf4c64cde1248bda1c19cb9d7d5a033cc911";

    /// TEXT by `zstd -19 --check`.
    const ZSTD: &str =
        "28b52ffd2460dd010052830c11907d50fa134a77287dbeeeae1ecfb7350320c035d2700fe98d\
        eb3d9c1f557d9efb4ee3b3ccf32387f827f15696957e94080100059aaa0cd954b46d";

    /// TEXT by `zstd --no-check` from a pipe: neither size nor checksum.
    const ZSTD_BARE: &str =
        "28b52ffd0058ed0100540354686520717569636b2062726f776e20666f78206a756d707320\
        6f76657220746865206c617a7920646f672e2020616761696e2e0a0100059aaa0c";

    /// 100 MiB of zeros by `brotli -q 11`.
    const BOMB: &str =
        "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb\
        7ffeffffc33f0110870500baf7fffcffff877f02200e0b0074effff9ffff0fff04401c1600e8deffe7ffff0ffe\
        0980382c00d0bdff01";

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let pairs = hexadecimal.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// TEXT in every form that is understood, and whether the form has a checksum.
    fn samples() -> [(Coding, Vec<u8>, bool); 6] {
        [
            (Coding::Gzip, gzip(TEXT), true),
            (Coding::Deflate, zlib(TEXT), true),
            (Coding::Deflate, raw_deflate(TEXT), false),
            (Coding::Brotli, bytes(BROTLI), false),
            (Coding::Zstd, bytes(ZSTD), true),
            (Coding::Zstd, bytes(ZSTD_BARE), false),
        ]
    }

    fn decoded(codings: &[Coding], packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut reader = decoder(codings, Box::new(packed));
        let result = reader.read_to_end(&mut text);
        if result.is_err() {
            // An error never looks like a clean end later.
            assert!(reader.read(&mut [0]).is_err());
        }
        result.map(|_| text)
    }

    fn kind(result: io::Result<Vec<u8>>) -> Result<Vec<u8>, ErrorKind> {
        result.map_err(|error| error.kind())
    }

    /// A source that gives one byte at a time and knows whether it was asked once too often.
    struct Drip<'a>(&'a [u8], &'a Cell<bool>);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.set(self.0.is_empty());
            let first = self.0.len().min(1).min(buffer.len());
            self.0.read(&mut buffer[..first])
        }
    }

    #[test]
    fn every_coding_is_undone_however_its_bytes_arrive() {
        for (coding, packed, _) in samples() {
            assert_eq!(decoded(&[coding], &packed).unwrap(), TEXT, "{coding}");
            let ended = Cell::new(false);
            let mut reader = decoder(&[coding], Box::new(Drip(&packed, &ended)));
            let (mut text, mut byte) = (Vec::new(), [0]);
            while reader.read(&mut byte).unwrap() > 0 {
                text.push(byte[0]);
            }
            assert_eq!(text, TEXT, "{coding}");
            assert!(ended.get(), "{coding} leaves its source unread");
            assert_eq!(reader.read(&mut byte).unwrap(), 0);
        }
    }

    #[test]
    fn no_prefix_is_taken_for_the_whole() {
        for (coding, packed, _) in samples() {
            for length in 1..packed.len() {
                let result = kind(decoded(&[coding], &packed[..length]));
                assert_eq!(result, Err(ErrorKind::UnexpectedEof), "{coding} {length}");
            }
        }
    }

    #[test]
    fn damage_is_found_where_there_is_a_checksum() {
        for (coding, packed, has_checksum) in samples() {
            for at in 0..packed.len() {
                for bit in 0..8 {
                    let mut packed = packed.clone();
                    packed[at] ^= 1 << bit;
                    if let Ok(text) = decoded(&[coding], &packed) {
                        // A bit of a header, such as a date, may not matter.
                        assert!(!has_checksum || text == TEXT, "{coding} {at} {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_may_follow_the_end() {
        for (coding, packed, _) in samples() {
            for garbage in [&b"\0"[..], b"x", b"garbage that is longer than any header"] {
                let packed = [&packed, garbage].concat();
                assert!(decoded(&[coding], &packed).is_err(), "{coding}");
            }
        }
        let twice = bytes(BROTLI).repeat(2);
        assert_eq!(
            kind(decoded(&[Coding::Brotli], &twice)),
            Err(ErrorKind::InvalidData)
        );
    }

    #[test]
    fn members_and_frames_are_joined() {
        let twice = TEXT.repeat(2);
        assert_eq!(
            decoded(&[Coding::Gzip], &gzip(TEXT).repeat(2)).unwrap(),
            twice
        );
        let skippable = bytes("502a4d1803000000ffffff");
        let frames = [&skippable, &bytes(ZSTD), &skippable, &bytes(ZSTD_BARE)].map(|f| f.clone());
        assert_eq!(decoded(&[Coding::Zstd], &frames.concat()).unwrap(), twice);
        assert_eq!(
            kind(decoded(&[Coding::Zstd], &skippable[..10])),
            Err(ErrorKind::UnexpectedEof)
        );
    }

    #[test]
    fn no_bytes_are_an_empty_body() {
        let all = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
        for coding in all {
            assert_eq!(decoded(&[coding], b"").unwrap(), b"");
        }
        assert_eq!(decoded(&all, b"").unwrap(), b"");
        assert_eq!(decoded(&[], b"plain").unwrap(), b"plain");
    }

    #[test]
    fn the_last_coding_is_undone_first() {
        let packed = gzip(&zlib(&bytes(ZSTD)));
        let codings = [Coding::Zstd, Coding::Deflate, Coding::Gzip];
        assert_eq!(decoded(&codings, &packed).unwrap(), TEXT);
        for length in 1..packed.len() {
            assert!(decoded(&codings, &packed[..length]).is_err());
        }
    }

    #[test]
    fn errors_of_the_source_come_out_unchanged() {
        struct Broken<'a>(&'a [u8]);
        impl Read for Broken<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::Error::other(Error::illegal("the source's own words"))),
                    count => Ok(count),
                }
            }
        }
        for (coding, packed, _) in samples() {
            for length in 0..=packed.len() {
                let codings = [Coding::Gzip, coding];
                for codings in [&codings[1..], &codings[..]] {
                    let mut reader = decoder(codings, Box::new(Broken(&packed[..length])));
                    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
                    if codings.len() == 1 || error.kind() == ErrorKind::Other {
                        let error = error_of(error, "reading").to_string();
                        assert_eq!(error, "the source's own words", "{coding} {length}");
                    }
                    assert!(reader.read(&mut [0]).is_err());
                }
            }
        }
    }

    #[test]
    fn bombs_do_not_go_off() {
        fn exploded(codings: &[Coding], packed: &[u8]) -> u64 {
            let mut reader = decoder(codings, Box::new(packed));
            let (mut total, mut buffer) = (0, vec![0; 64 * 1024]);
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => return total,
                    Ok(count) => total += count as u64,
                    Err(error) => {
                        let error = error_of(error, "reading");
                        assert!(matches!(error, Error::TooLarge { limit: 1_100, .. }));
                        assert!(total <= FREE);
                        return total;
                    }
                }
            }
        }
        let total = exploded(&[Coding::Brotli], &bytes(BOMB));
        assert!(FREE - total < 64 * 1024);
        // Deflate cannot be a bomb, but twice deflate can.
        let zeros = gzip(&vec![0; 1024 * 1024]).repeat(17);
        assert_eq!(exploded(&[Coding::Gzip], &zeros), 17 * 1024 * 1024);
        let total = exploded(&[Coding::Gzip, Coding::Gzip], &gzip(&zeros));
        assert!(FREE - total < 64 * 1024);
    }

    #[test]
    fn a_frame_has_the_size_it_announced() {
        // A frame that announces 4 bytes and has them, and one that announces 5.
        let frame = |size: &str| bytes(&format!("28b52ffd20{size}21000061626364"));
        assert_eq!(decoded(&[Coding::Zstd], &frame("04")).unwrap(), b"abcd");
        assert_eq!(
            kind(decoded(&[Coding::Zstd], &frame("05"))),
            Err(ErrorKind::InvalidData)
        );
    }

    #[test]
    fn windows_are_bounded() {
        // An empty frame with a window of 8 MiB, and one that asks for the next larger window.
        assert_eq!(
            decoded(&[Coding::Zstd], &bytes("28b52ffd0068010000")).unwrap(),
            b""
        );
        let larger = decoded(&[Coding::Zstd], &bytes("28b52ffd0069010000")).unwrap_err();
        assert!(larger.to_string().contains("window"), "{larger}");
        // A frame in one segment of 8 MiB and one byte.
        let larger = decoded(&[Coding::Zstd], &bytes("28b52ffda001008000010000"));
        assert!(larger.unwrap_err().to_string().contains("window"));
        // "hello" by `brotli --large_window=30`.
        let large = decoded(&[Coding::Brotli], &bytes("111e08000268656c6c6f03"));
        assert_eq!(kind(large), Err(ErrorKind::InvalidData));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(packed: Vec<u8>) {
            for (coding, start, _) in samples() {
                let _ = decoded(&[coding], &packed);
                let _ = decoded(&[coding], &[&start[..start.len() / 3], &packed].concat());
            }
        }
    }
}
