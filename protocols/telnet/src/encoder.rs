//! What we say, as it travels.
//!
//! RFC 854: the end of a line is CR LF, a CR that ends no line is CR NUL, and the byte 255 is
//! doubled. In binary (RFC 856) only the last holds.

use crate::code::IAC;

/// What we say: text and keys.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// A CR waits for what comes behind it.
    after_cr: bool,
}

impl Encoder {
    /// Adds text, in which LF or CR LF ends a line, whatever the cuts.
    pub fn text(&mut self, text: &[u8], is_binary: bool, output: &mut Vec<u8>) {
        for byte in text {
            if std::mem::take(&mut self.after_cr) {
                match byte {
                    b'\n' => {}
                    _ => output.push(0),
                }
            } else if *byte == b'\n' && !is_binary {
                output.push(b'\r');
            }
            output.push(*byte);
            match byte {
                b'\r' if !is_binary => self.after_cr = true,
                &IAC => output.push(IAC),
                _ => {}
            }
        }
    }

    /// The text is over: a CR at its end ends no line.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.after_cr) {
            output.push(0);
        }
    }

    /// Adds keys as a terminal sends them, one by one: the return key is CR.
    pub fn keys(keys: &[u8], is_binary: bool, output: &mut Vec<u8>) {
        for key in keys {
            output.push(*key);
            match key {
                b'\r' if !is_binary => output.push(0),
                &IAC => output.push(IAC),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &[u8], piece: usize, is_binary: bool) -> Vec<u8> {
        let (mut encoder, mut output) = (Encoder::default(), Vec::new());
        for piece in text.chunks(piece) {
            encoder.text(piece, is_binary, &mut output);
        }
        encoder.finish(&mut output);
        output
    }

    #[test]
    fn lines_end_in_cr_lf() {
        for (said, sent) in [
            (&b"a\nb"[..], &b"a\r\nb"[..]),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"),
            (b"a\rb", b"a\r\0b"),
            (b"a\r\r\n", b"a\r\0\r\n"),
            (b"a\r", b"a\r\0"),
            (b"\r\xff", b"\r\0\xff\xff"),
            (b"\n\n", b"\r\n\r\n"),
            (b"\0\xff\n", b"\0\xff\xff\r\n"),
        ] {
            for piece in 1..=said.len() {
                assert_eq!(text(said, piece, false), sent, "{said:?} by {piece}");
            }
        }
        assert_eq!(text(b"a\r\xff\n\r\n", 1, true), b"a\r\xff\xff\n\r\n");
    }

    #[test]
    fn keys_are_sent_at_once() {
        let keys = |keys: &[u8], is_binary| {
            let mut output = Vec::new();
            Encoder::keys(keys, is_binary, &mut output);
            output
        };
        assert_eq!(keys(b"a\r\x03\n\xff", false), b"a\r\0\x03\n\xff\xff");
        assert_eq!(keys(b"a\r\xff", true), b"a\r\xff\xff");
    }
}
