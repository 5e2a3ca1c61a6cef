//! A message on the wire (RFC 1939 section 3): every line ends with CRLF, and a line that begins
//! with a dot has one more.

use memchr::memchr;

/// Turns a message, whose lines may end in LF or CRLF, into its form on the wire, piece by piece.
pub(super) struct Wire {
    /// What ends each line.
    pub line_end: &'static [u8],
    /// Whether dots are stuffed.
    pub stuffs: bool,
    /// Stands behind the first line, as it is.
    pub behind_first_line: &'static [u8],
    /// How many lines of the body follow the header, if not all (RFC 1939 section 7, TOP).
    pub body_lines: Option<u64>,
    /// The lines that were whole.
    lines: u64,
    /// Whether the empty line behind the header was seen.
    is_body: bool,
    /// What came of a line that is not over yet.
    has_begun: bool,
    /// A CR that may belong to the end of a line.
    has_cr: bool,
}

impl Wire {
    pub fn new(line_end: &'static [u8]) -> Wire {
        Wire {
            line_end,
            stuffs: true,
            behind_first_line: b"",
            body_lines: None,
            lines: 0,
            is_body: false,
            has_begun: false,
            has_cr: false,
        }
    }

    /// Appends the form of the next piece to `out`.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while !piece.is_empty() && !self.is_enough() {
            let end = memchr(b'\n', piece);
            let (mut text, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.has_cr && !text.is_empty() {
                // A CR alone, or one more before CRLF, is text.
                self.add(b"\r", out);
            }
            if !text.is_empty() {
                self.has_cr = text.last() == Some(&b'\r');
                text = text.strip_suffix(b"\r").unwrap_or(text);
                self.add(text, out);
            }
            piece = rest.strip_prefix(b"\n").unwrap_or(rest);
            if end.is_some() {
                self.end_line(out);
            }
        }
    }

    /// Ends the last line, if it has no end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.has_cr {
            self.add(b"\r", out);
        }
        if self.has_begun {
            self.end_line(out);
        }
    }

    /// Whether nothing of what is left belongs to the reply.
    pub fn is_enough(&self) -> bool {
        self.is_body && self.body_lines == Some(0)
    }

    fn add(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.stuffs && !self.has_begun && text.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(text);
        self.has_begun = true;
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line_end);
        if self.is_body {
            self.body_lines = self.body_lines.map(|left| left.saturating_sub(1));
        } else {
            self.is_body = !self.has_begun;
        }
        self.has_begun = false;
        self.has_cr = false;
        self.lines += 1;
        if self.lines == 1 {
            out.extend_from_slice(self.behind_first_line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::octets::Octets;

    /// The form on the wire, in pieces of every size, which must not matter.
    fn sent(message: &str, body_lines: Option<u64>) -> String {
        let forms: Vec<Vec<u8>> = (1..=message.len().max(1))
            .map(|size| {
                let mut out = Vec::new();
                let mut wire = Wire::new(b"\r\n");
                wire.body_lines = body_lines;
                for piece in message.as_bytes().chunks(size) {
                    wire.push(piece, &mut out);
                }
                wire.finish(&mut out);
                out
            })
            .collect();
        assert!(
            forms.windows(2).all(|pair| pair[0] == pair[1]),
            "{message:?}"
        );
        String::from_utf8(forms[0].clone()).unwrap()
    }

    fn octets(message: &str) -> u64 {
        let counts: Vec<u64> = (1..=message.len().max(1))
            .map(|size| {
                let mut octets = Octets::default();
                for piece in message.as_bytes().chunks(size) {
                    octets.push(piece);
                }
                octets.total()
            })
            .collect();
        assert!(
            counts.windows(2).all(|pair| pair[0] == pair[1]),
            "{message:?}"
        );
        counts[0]
    }

    #[test]
    fn lines_end_with_crlf_and_dots_are_stuffed() {
        for (message, expected) in [
            ("", ""),
            ("a\nb\r\nc", "a\r\nb\r\nc\r\n"),
            (".\n..\r\n.a\nb.\n", "..\r\n...\r\n..a\r\nb.\r\n"),
            ("\n\n.", "\r\n\r\n..\r\n"),
            ("a\rb\r\r\n\rc\n.\r", "a\rb\r\r\n\rc\r\n..\r\r\n"),
            ("a\r", "a\r\r\n"),
        ] {
            assert_eq!(sent(message, None), expected, "{message:?}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_wire_without_stuffing() {
        for message in [
            "",
            "\n",
            "a\nb\r\nc",
            "a\rb\r\r\n\rc\na\r",
            "\r\n\r\n",
            "\n\r\n",
        ] {
            let wire = sent(message, None);
            assert_eq!(octets(message), wire.len() as u64, "{message:?}");
        }
        assert_eq!(octets(".\n"), 3);
    }

    #[test]
    fn top_ends_after_so_many_lines_of_the_body() {
        let message = "A: b\nC: d\n\n1\n.2\n3";
        for (lines, expected) in [
            (0, "A: b\r\nC: d\r\n\r\n"),
            (2, "A: b\r\nC: d\r\n\r\n1\r\n..2\r\n"),
            (9, "A: b\r\nC: d\r\n\r\n1\r\n..2\r\n3\r\n"),
        ] {
            assert_eq!(sent(message, Some(lines)), expected);
        }
        assert_eq!(sent("A: b", Some(0)), "A: b\r\n");
        assert_eq!(sent("\r\n\r\n\r\n", Some(1)), "\r\n\r\n");
    }
}
