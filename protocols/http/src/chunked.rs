//! The chunked transfer coding (RFC 9112 section 7.1).
//!
//! ```text
//! chunked-body = *chunk last-chunk trailer-section CRLF
//! chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! last-chunk   = 1*"0" [ chunk-ext ] CRLF
//! ```
//!
//! Lines end in CRLF and nothing else: who takes a bare LF sees other chunks than who does not.

use memchr::memchr;
use proto_transport::framing::{at_most, Framing, Step, Violation};

use crate::fields::{is_text_byte, trimmed, Fields};
use crate::reply::parse_field_line;

/// A body in chunks, and the fields after it.
#[derive(Debug, Clone, Default)]
pub struct Chunked {
    expected: Expected,
    /// How many unread bytes are known to hold no line feed, so that a line which arrives in many
    /// pieces is searched only once.
    searched: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailer_lines: usize,
    trailers: Fields,
}

/// What the next unread byte belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    SizeLine,
    /// The data of a chunk, with this many bytes still to come, and the CRLF after it.
    Data(u64),
    Trailers,
    Nothing,
}

/// Sixteen hexadecimal digits fill a `u64`. More could only be zeros in front, or too much.
const SIZE_DIGITS: usize = 16;

/// Bytes in a size line without its CRLF. Extensions that are in use (signatures) have some 100.
const SIZE_LINE: usize = 4 * 1024;

/// Bytes of extensions in the whole body: they are thrown away, and must not be most of what is
/// sent (CVE-2023-39326).
const EXTENSIONS: usize = 16 * 1024;

/// Bytes of trailers with their CRLFs: as much as servers accept in a whole head.
const TRAILER_BYTES: usize = 256 * 1024;

/// Lines of trailers, for the same reason.
const TRAILER_LINES: usize = 256;

/// Fields that mean nothing, or something dangerous, when they come after the body: they frame,
/// route, authenticate, or say how to treat what was already treated (RFC 9110 section 6.5.1).
const NOT_IN_TRAILERS: [&str; 34] = [
    "Age",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Expires",
    "Host",
    "Keep-Alive",
    "Location",
    "Max-Forwards",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Range",
    "Refresh",
    "Retry-After",
    "Set-Cookie",
    "Strict-Transport-Security",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Vary",
    "Warning",
    "WWW-Authenticate",
];

impl Chunked {
    /// The fields after the body, which are complete when the body is. Those that would change how
    /// the message is read, routed or authenticated are left out.
    pub fn trailers(&self) -> &Fields {
        &self.trailers
    }

    fn size_line(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        let Some(line) = self.line(unread, SIZE_LINE, "a chunk's size line is too long")? else {
            return Ok(Step::More);
        };
        let (size, extensions) = parse_size_line(line)?;
        self.extension_bytes += extensions.len();
        if self.extension_bytes > EXTENSIONS {
            return Err(Violation("there are too many chunk extensions"));
        }
        self.expected = match size {
            0 => Expected::Trailers,
            size => Expected::Data(size),
        };
        Ok(Step::Skip(line.len() + 2))
    }

    fn data(&mut self, unread: &[u8], left: u64) -> Result<Step, Violation> {
        if left > 0 {
            if unread.is_empty() {
                return Ok(Step::More);
            }
            let count = at_most(unread.len(), left);
            self.expected = Expected::Data(left.saturating_sub(count as u64));
            return Ok(Step::Take(count));
        }
        match unread {
            [] | [b'\r'] => Ok(Step::More),
            [b'\r', b'\n', ..] => {
                self.expected = Expected::SizeLine;
                Ok(Step::Skip(2))
            }
            _ => Err(Violation(
                "CRLF follows the data of a chunk (RFC 9112 section 7.1)",
            )),
        }
    }

    fn trailer(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        let room = TRAILER_BYTES.saturating_sub(self.trailer_bytes + 2);
        let Some(line) = self.line(unread, room, "the trailers are too long")? else {
            return Ok(Step::More);
        };
        if line.is_empty() {
            self.expected = Expected::Nothing;
            return Ok(Step::End(2));
        }
        self.trailer_bytes += line.len() + 2;
        self.trailer_lines += 1;
        if self.trailer_lines > TRAILER_LINES {
            return Err(Violation("there are too many trailers"));
        }
        let (name, value) = parse_field_line(line)?;
        if !is_forbidden(&name) {
            self.trailers.push(name, value);
        }
        Ok(Step::Skip(line.len() + 2))
    }

    /// The line that `unread` starts with, without its CRLF, if it is there already.
    fn line<'a>(
        &mut self,
        unread: &'a [u8],
        limit: usize,
        too_long: &'static str,
    ) -> Result<Option<&'a [u8]>, Violation> {
        let unseen = unread.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr(b'\n', unseen) else {
            self.searched = unread.len();
            return match unread.len() > limit + 1 {
                true => Err(Violation(too_long)),
                false => Ok(None),
            };
        };
        let line = unread.get(..self.searched + at).unwrap_or_default();
        self.searched = 0;
        let line = line.strip_suffix(b"\r").ok_or(Violation(
            "a line between chunks ends in CRLF (RFC 9112 section 7.1)",
        ))?;
        match line.len() > limit {
            true => Err(Violation(too_long)),
            false => Ok(Some(line)),
        }
    }
}

impl Framing for Chunked {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        match self.expected {
            Expected::SizeLine => self.size_line(unread),
            Expected::Data(left) => self.data(unread, left),
            Expected::Trailers => self.trailer(unread),
            Expected::Nothing => Ok(Step::End(0)),
        }
    }

    fn opaque(&self) -> u64 {
        match self.expected {
            Expected::Data(left) => left,
            _ => 0,
        }
    }

    fn advance(&mut self, count: u64) {
        if let Expected::Data(left) = &mut self.expected {
            *left = left.saturating_sub(count);
        }
    }
}

/// `chunk-size = 1*HEXDIG`
/// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
///
/// Extensions are not looked at (RFC 9112 section 7.1.1), except for control characters. White
/// space alone may follow the size too: old servers pad it so, and it moves no border.
fn parse_size_line(line: &[u8]) -> Result<(u64, &[u8]), Violation> {
    let digits = line
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let (digits, extensions) = line.split_at(digits);
    if digits.is_empty() || digits.len() > SIZE_DIGITS {
        return Err(Violation(
            "a chunk size is 1 to 16 hexadecimal digits (RFC 9112 section 7.1)",
        ));
    }
    if !matches!(trimmed(extensions), [] | [b';', ..]) {
        return Err(Violation(
            "a semicolon follows the size of a chunk (RFC 9112 section 7.1.1)",
        ));
    }
    if !extensions.iter().all(|byte| is_text_byte(*byte)) {
        return Err(Violation(
            "a chunk extension holds no control characters (RFC 9112 section 7.1.1)",
        ));
    }
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let size = size.ok_or(Violation("a chunk size is less than 2^64"))?;
    Ok((size, extensions))
}

fn is_forbidden(name: &str) -> bool {
    NOT_IN_TRAILERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What became of some input.
    #[derive(Debug, PartialEq)]
    struct Outcome {
        body: Vec<u8>,
        /// What was left after the end, or `None` if the end was not reached.
        rest: Option<Vec<u8>>,
        trailers: Fields,
    }

    fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Outcome, Violation> {
        let (mut chunked, mut unread, mut body) = (Chunked::default(), Vec::new(), Vec::new());
        let mut pieces = pieces.into_iter();
        let mut ended = false;
        while !ended {
            match chunked.step(&unread)? {
                Step::More => match pieces.next() {
                    Some(piece) => unread.extend_from_slice(piece),
                    None => break,
                },
                Step::Skip(count) => drop(unread.drain(..count)),
                Step::Take(count) => body.extend(unread.drain(..count)),
                Step::End(count) => {
                    unread.drain(..count);
                    unread.extend(pieces.by_ref().flatten());
                    ended = true;
                }
            }
        }
        Ok(Outcome {
            body,
            rest: ended.then_some(unread),
            trailers: chunked.trailers,
        })
    }

    fn whole(input: impl AsRef<[u8]>) -> Result<Outcome, Violation> {
        run([input.as_ref()])
    }

    fn at_every_cut(input: &[u8], body: &[u8], rest: &[u8]) {
        for piece in 1..=input.len() {
            let outcome = run(input.chunks(piece)).unwrap();
            assert_eq!(outcome.body, body, "pieces of {piece}");
            assert_eq!(outcome.rest.as_deref(), Some(rest), "pieces of {piece}");
        }
        // No prefix of the coding is taken for the whole.
        for length in 0..input.len() - rest.len() {
            let outcome = run(input[..length].chunks(1)).unwrap();
            assert_eq!(outcome.rest, None, "a prefix of {length}");
        }
    }

    #[test]
    fn chunks_are_joined() {
        let input = b"5\r\nhello\r\n00a;a=\"b\"\r\n, \r\nworld\x00\r\n0\r\n\r\nHTTP/1.1";
        at_every_cut(input, b"hello, \r\nworld\0", b"HTTP/1.1");
        at_every_cut(b"0\r\n\r\n", b"", b"");
        at_every_cut(b"1 ;x\r\na\r\n000 \t\r\nETag: \"x\"\r\n\r\n!", b"a", b"!");
        at_every_cut(b"0000000000000001\r\nF\r\n0;\r\n\r\n", b"F", b"");
    }

    #[test]
    fn an_endless_chunk_is_not_over() {
        let outcome = whole("FFFFFFFFFFFFFFFF\r\nabc").unwrap();
        assert_eq!((outcome.body, outcome.rest), (b"abc".to_vec(), None));
    }

    #[test]
    fn size_lines_are_strict() {
        for line in [
            "",
            "00000000000000005",
            "FFFFFFFFFFFFFFFFF",
            "+5",
            "-5",
            "0x5",
            " 5",
            "\t5",
            "5 5",
            "5,",
            "5g",
            "5\0",
            ";a=b",
            "5;a\0",
            "5;a\rb",
            "5\r",
            "\u{665}",
        ] {
            let input = format!("{line}\r\nhello\r\n0\r\n\r\n");
            assert!(whole(&input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn lines_end_in_crlf() {
        for input in [
            "5\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
            "5;a\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\n\r\n",
            "5\r\nhello\r\n0\r\n\n",
            "0\r\na: b\n\r\n",
        ] {
            assert!(whole(input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn exactly_the_limits_are_allowed() {
        let extension = |length: usize| format!("0;{}\r\n\r\n", "a".repeat(length));
        assert!(whole(extension(SIZE_LINE - 2)).is_ok());
        assert!(whole(extension(SIZE_LINE - 1)).is_err());
        // A line without an end is refused as soon as it is too long.
        assert!(whole("0".repeat(SIZE_LINE + 1)).is_ok());
        assert!(whole("0".repeat(SIZE_LINE + 2)).is_err());

        let chunk = "1;234567\r\nx\r\n";
        let chunks = EXTENSIONS / ";234567".len();
        let spare = EXTENSIONS % ";234567".len();
        let last = |length: usize| format!("0{}\r\n\r\n", ";".repeat(length));
        assert!(whole(chunk.repeat(chunks) + &last(spare)).is_ok());
        assert!(whole(chunk.repeat(chunks) + &last(spare + 1)).is_err());

        let lines = |count: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
        let outcome = whole(lines(TRAILER_LINES)).unwrap();
        assert_eq!(outcome.trailers.len(), TRAILER_LINES);
        assert!(whole(lines(TRAILER_LINES + 1)).is_err());

        let long = |length: usize| format!("0\r\na:{}\r\n", "b".repeat(length));
        assert!(whole(long(TRAILER_BYTES - 4)).is_ok());
        assert!(whole(long(TRAILER_BYTES - 3)).is_err());
        assert!(whole("0\r\n".to_owned() + &"b".repeat(TRAILER_BYTES)).is_err());
    }

    #[test]
    fn trailers_are_kept_unless_they_are_dangerous() {
        let outcome =
            whole("0\r\nETag: \"x\"\r\ncontent-length: 5\r\nHOST: x\r\nSet-Cookie: a=b\r\nDigest: y\r\n\r\n")
                .unwrap();
        let mut expected = Fields::default();
        expected.push("ETag", "\"x\"");
        expected.push("Digest", "y");
        assert_eq!(outcome.trailers, expected);
        for trailer in ["a : b", " a: b", "a", ": b", "a: \0"] {
            assert!(whole(format!("0\r\n{trailer}\r\n\r\n")).is_err());
        }
    }

    #[test]
    fn the_rest_of_a_chunk_may_go_by_unseen() {
        let mut chunked = Chunked::default();
        assert_eq!(chunked.opaque(), 0);
        assert_eq!(chunked.step(b"a\r\nhe"), Ok(Step::Skip(3)));
        assert_eq!(chunked.opaque(), 10);
        assert_eq!(chunked.step(b"he"), Ok(Step::Take(2)));
        assert_eq!(chunked.opaque(), 8);
        chunked.advance(7);
        assert_eq!(chunked.step(b"d\r"), Ok(Step::Take(1)));
        assert_eq!(chunked.opaque(), 0);
        assert_eq!(chunked.step(b"\r"), Ok(Step::More));
        assert_eq!(chunked.step(b"\r\n0"), Ok(Step::Skip(2)));
        assert_eq!(chunked.step(b"0\r\n\r\n"), Ok(Step::Skip(3)));
        assert!(!chunked.ends_at_close());
        assert_eq!(chunked.step(b"\r\n!"), Ok(Step::End(2)));
        assert_eq!(chunked.step(b"!"), Ok(Step::End(0)));
    }

    fn encoded(body: &[u8], size: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for chunk in body.chunks(size) {
            text.extend_from_slice(format!("{:X};x=y\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\nx: y\r\n\r\n");
        text
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(input: Vec<u8>, piece in 1_usize..9) {
            let _ = run(input.chunks(piece));
        }

        #[test]
        fn almost_chunked_bytes_do_no_harm(input in "([0-2a\r\n;: ]|1\r\na\r\n){0,40}", piece in 1_usize..9) {
            // However the bytes arrive, they mean the same.
            prop_assert_eq!(run(input.as_bytes().chunks(piece)), whole(&input));
        }

        #[test]
        fn what_is_encoded_is_decoded(body: Vec<u8>, size in 1_usize..50, piece in 1_usize..50) {
            let outcome = run(encoded(&body, size).chunks(piece));
            let outcome = outcome.map_err(|broken| TestCaseError::fail(broken.0))?;
            prop_assert_eq!(outcome.body, body);
            prop_assert_eq!(outcome.rest, Some(Vec::new()));
            prop_assert_eq!(outcome.trailers.len(), 1);
        }
    }
}
