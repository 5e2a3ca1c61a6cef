//! Where a body ends. Pure: a framing is shown unread bytes and says what to do with the first of
//! them. It never sees the connection, so every framing can be tested at every cut.

use memchr::{memchr, memmem};

/// What to do with the first unread bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be said until more bytes are there.
    More,
    /// The first n bytes belong to the framing, not to the body.
    Skip(usize),
    /// The first n bytes are body.
    Take(usize),
    /// The body is over, and the first n bytes are its end mark.
    End(usize),
}

/// The rule that the peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub &'static str);

/// How a body is delimited.
pub trait Framing {
    /// Looks at the unread bytes, which may be empty or cut anywhere. After `Skip` or `Take` the
    /// same framing is asked again with the bytes that follow.
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation>;

    /// How many of the bytes that come next are body whatever they are, so that they need not be
    /// looked at. Zero when each byte counts.
    fn opaque(&self) -> u64 {
        0
    }

    /// `count` of the opaque bytes went by unseen.
    fn advance(&mut self, _count: u64) {}

    /// Whether the end of the stream is the end of the body, rather than a loss.
    fn ends_at_close(&self) -> bool {
        false
    }

    /// How many bytes of body are still to come, where that is known.
    fn remaining(&self) -> Option<u64> {
        None
    }
}

/// A body of a length that was announced.
#[derive(Debug, Clone)]
pub struct Length {
    left: u64,
}

impl Length {
    /// A body of exactly `bytes`.
    pub fn new(bytes: u64) -> Length {
        Length { left: bytes }
    }
}

impl Framing for Length {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        if self.left == 0 {
            return Ok(Step::End(0));
        }
        if unread.is_empty() {
            return Ok(Step::More);
        }
        let count = at_most(unread.len(), self.left);
        self.left = self.left.saturating_sub(count as u64);
        Ok(Step::Take(count))
    }

    fn opaque(&self) -> u64 {
        self.left
    }

    fn advance(&mut self, count: u64) {
        self.left = self.left.saturating_sub(count);
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// The smaller of a slice's length and a count that may not fit a `usize`.
pub fn at_most(length: usize, count: u64) -> usize {
    usize::try_from(count).map_or(length, |count| count.min(length))
}

/// A body that lasts until the peer closes. Over TLS the close must be a close_notify; the
/// transport sees to that.
#[derive(Debug, Clone, Default)]
pub struct UntilClose;

impl Framing for UntilClose {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        Ok(match unread.len() {
            0 => Step::More,
            count => Step::Take(count),
        })
    }

    fn opaque(&self) -> u64 {
        u64::MAX
    }

    fn ends_at_close(&self) -> bool {
        true
    }
}

/// Lines up to one that holds a single dot; a dot before a line's first dot is taken away
/// (RFC 5321 section 4.5.2, RFC 1939 section 3, RFC 3977 section 3.1.1).
///
/// A line ends with CRLF. Some old servers write bare LF only, so as long as no CRLF has come a bare
/// LF ends a line too; behind the first CRLF it is a byte like others. Else whoever can send a
/// message with `LF . LF` in it could end it there, and say what the server says next.
#[derive(Debug, Clone)]
pub struct Dotted {
    at_line_start: bool,
    /// The last byte was a CR.
    after_return: bool,
    /// A line has ended with CRLF.
    is_strict: bool,
}

impl Default for Dotted {
    fn default() -> Dotted {
        Dotted {
            at_line_start: true,
            after_return: false,
            is_strict: false,
        }
    }
}

impl Framing for Dotted {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        if self.at_line_start {
            match unread {
                [] | [b'.'] | [b'.', b'\r'] => return Ok(Step::More),
                [b'.', b'\r', b'\n', ..] => return Ok(Step::End(3)),
                [b'.', b'\n', ..] if !self.is_strict => return Ok(Step::End(2)),
                [b'.', ..] => {
                    self.at_line_start = false;
                    self.after_return = false;
                    return Ok(Step::Skip(1));
                }
                _ => {}
            }
        }
        if unread.is_empty() {
            return Ok(Step::More);
        }
        let taken = match self.is_strict {
            true => self.strict_lines(unread),
            false => self.lines(unread),
        };
        Ok(Step::Take(taken))
    }
}

impl Dotted {
    /// Takes as many whole lines as possible: up to a line that begins with a dot.
    fn strict_lines(&mut self, unread: &[u8]) -> usize {
        if self.after_return && unread.first() == Some(&b'\n') {
            self.after_return = false;
            self.at_line_start = true;
            return 1;
        }
        if let Some(at) = memmem::find(unread, b"\r\n.") {
            self.at_line_start = true;
            return at + 2;
        }
        self.at_line_start = unread.ends_with(b"\r\n");
        self.after_return = unread.ends_with(b"\r");
        unread.len()
    }

    /// The same for lines that may end with a bare LF, up to the first CRLF.
    fn lines(&mut self, unread: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(newline) = memchr(b'\n', unread.get(taken..).unwrap_or_default()) {
            let before = (taken + newline).checked_sub(1);
            self.is_strict = match before.and_then(|before| unread.get(before)) {
                Some(before) => *before == b'\r',
                None => self.after_return,
            };
            taken += newline + 1;
            self.at_line_start = true;
            self.after_return = false;
            if self.is_strict || unread.get(taken) == Some(&b'.') {
                return taken;
            }
        }
        self.at_line_start = taken == unread.len();
        self.after_return = unread.ends_with(b"\r");
        unread.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a framing over `input`, which arrives in pieces of `piece` bytes. Gives the body, and
    /// what was left after the end, or `None` if the end was not reached.
    fn run(mut framing: impl Framing, input: &[u8], piece: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut unread, mut body) = (Vec::new(), Vec::new());
        let mut pieces = input.chunks(piece);
        loop {
            match framing.step(&unread).unwrap() {
                Step::More => match pieces.next() {
                    Some(piece) => unread.extend_from_slice(piece),
                    None => return (body, None),
                },
                Step::Skip(count) => drop(unread.drain(..count)),
                Step::Take(count) => body.extend(unread.drain(..count)),
                Step::End(count) => {
                    unread.drain(..count);
                    unread.extend(pieces.flatten());
                    return (body, Some(unread));
                }
            }
        }
    }

    fn at_every_cut(make: impl Fn() -> Box<dyn Framing>, input: &[u8], body: &[u8], rest: &[u8]) {
        struct Boxed(Box<dyn Framing>);
        impl Framing for Boxed {
            fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
                self.0.step(unread)
            }
        }
        for piece in 1..=input.len() {
            let (got, left) = run(Boxed(make()), input, piece);
            assert_eq!(got, body, "pieces of {piece}");
            assert_eq!(left.as_deref(), Some(rest), "pieces of {piece}");
        }
        // No prefix of framing and body is taken for the whole.
        let whole = input.len() - rest.len();
        for length in 0..whole {
            let (_, left) = run(Boxed(make()), &input[..length], 1);
            assert_eq!(left, None, "a prefix of {length}");
        }
    }

    #[test]
    fn length_counts() {
        at_every_cut(|| Box::new(Length::new(5)), b"hellorest", b"hello", b"rest");
        assert_eq!(run(Length::new(0), b"x", 1), (vec![], Some(b"x".to_vec())));
    }

    #[test]
    fn dotted_unstuffs() {
        let input = b".\x2e\r\nfirst\r\n..second\r\n.third\r\n....\r\nnot.a\r\n.\r\n+OK";
        let body = b".\r\nfirst\r\n.second\r\nthird\r\n...\r\nnot.a\r\n";
        at_every_cut(|| Box::new(Dotted::default()), input, body, b"+OK");
        at_every_cut(|| Box::new(Dotted::default()), b".\r\nx", b"", b"x");
    }

    #[test]
    fn dotted_reads_lines_with_line_feeds_alone() {
        let dotted = || Box::new(Dotted::default()) as Box<dyn Framing>;
        at_every_cut(dotted, b"a\n.\nx", b"a\n", b"x");
        at_every_cut(dotted, b"a\n..b\n\n.\r\nx", b"a\n.b\n\n", b"x");
        at_every_cut(dotted, b".\nx", b"", b"x");
    }

    #[test]
    fn behind_a_whole_line_end_no_bare_line_feed_ends_anything() {
        for inner in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\n..\n"] {
            let sent = format!("A: b\r\n\r\nhead{inner}+OK more\r\n.\r\nrest");
            let body = sent.strip_suffix(".\r\nrest").unwrap();
            // A server that follows the rules doubles a dot behind CRLF only.
            let body = body.replace("\r\n.", "\r\n");
            let dotted = || Box::new(Dotted::default()) as Box<dyn Framing>;
            at_every_cut(dotted, sent.as_bytes(), body.as_bytes(), b"rest");
        }
    }

    #[test]
    fn a_dot_and_carriage_return_inside_a_line_is_body() {
        at_every_cut(
            || Box::new(Dotted::default()),
            b"a\r\n.\rb\r\n.\r\n",
            b"a\r\n\rb\r\n",
            b"",
        );
    }

    #[test]
    fn until_close_takes_all() {
        assert_eq!(
            run(UntilClose, b"anything", 3),
            (b"anything".to_vec(), None)
        );
        assert!(UntilClose.ends_at_close());
        assert!(!Dotted::default().ends_at_close());
    }

    #[test]
    fn opaque_bytes_may_go_by_unseen() {
        let mut length = Length::new(10);
        assert_eq!(length.opaque(), 10);
        length.advance(9);
        assert_eq!(length.step(b"ab"), Ok(Step::Take(1)));
        assert_eq!(length.step(b"b"), Ok(Step::End(0)));
    }
}
