//! What we say, as it travels.
//!
//! RFC 854: the end of a line is CR LF, a CR that ends no line is CR NUL, and the byte 255 is
//! doubled. In binary (RFC 856) only the last holds.

use crate::code::IAC;

/// How the ends of lines in a text travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As CR LF; a CR alone as CR NUL.
    Lines,
    /// As the return key, which is CR: no NUL or LF belongs to it in binary.
    ReturnKey,
    /// As they are.
    Bytes,
}

/// What we say: text and keys.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// A CR was said, or waits to be said, and an LF that follows belongs to it.
    after_cr: bool,
}

impl Encoder {
    /// Adds text, in which LF or CR LF ends a line, whatever the cuts.
    pub fn text(&mut self, text: &[u8], form: Form, output: &mut Vec<u8>) {
        for byte in text {
            let after_cr = std::mem::take(&mut self.after_cr);
            match (form, byte) {
                (Form::Lines, b'\n') if after_cr => output.push(b'\n'),
                (Form::Lines, byte) => {
                    if after_cr {
                        output.push(0);
                    }
                    match byte {
                        b'\n' => output.extend(b"\r\n"),
                        byte => output.push(*byte),
                    }
                    self.after_cr = *byte == b'\r';
                }
                (Form::ReturnKey, b'\n') if after_cr => {}
                (Form::ReturnKey, b'\r' | b'\n') => {
                    output.push(b'\r');
                    self.after_cr = *byte == b'\r';
                }
                (_, byte) => output.push(*byte),
            }
            if *byte == IAC {
                output.push(IAC);
            }
        }
    }

    /// The text is over: a CR at its end ends no line.
    pub fn finish(&mut self, form: Form, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.after_cr) && form == Form::Lines {
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

    fn text(text: &[u8], piece: usize, form: Form) -> Vec<u8> {
        let (mut encoder, mut output) = (Encoder::default(), Vec::new());
        for piece in text.chunks(piece) {
            encoder.text(piece, form, &mut output);
        }
        encoder.finish(form, &mut output);
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
                let is = text(said, piece, Form::Lines);
                assert_eq!(is, sent, "{said:?} by {piece}");
                let bytes = text(said, piece, Form::Bytes);
                assert!(bytes
                    .iter()
                    .filter(|byte| **byte != 255)
                    .eq(said.iter().filter(|byte| **byte != 255)));
            }
        }
    }

    #[test]
    fn in_binary_a_line_ends_with_the_return_key() {
        for (said, sent) in [
            (&b"a\nb\n"[..], &b"a\rb\r"[..]),
            (b"a\r\nb\r\n", b"a\rb\r"),
            (b"a\rb\r", b"a\rb\r"),
            (b"\n\n\r\r\n\xff", b"\r\r\r\r\xff\xff"),
        ] {
            for piece in 1..=said.len() {
                let is = text(said, piece, Form::ReturnKey);
                assert_eq!(is, sent, "{said:?} by {piece}");
            }
        }
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
