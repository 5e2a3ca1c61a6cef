//! What must be known of a message before anything of it is said. Pure: it is shown the bytes, in
//! any pieces.

use std::io::Read;

use memchr::{memchr, memchr_iter};
use proto_transport::{read_some, Result};

/// What a message is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Octets as they go over the wire: line ends are CRLF and the last line has one; dots that are
    /// doubled on the way do not count (RFC 1870 section 5).
    pub size: u64,
    /// Octets as they are.
    pub raw_size: u64,
    /// Whether the header holds octets over 127.
    pub header_is_eight_bit: bool,
    /// Whether header or body do.
    pub is_eight_bit: bool,
    /// Whether there is a NUL, which cannot be sent in lines.
    pub has_nul: bool,
    /// The line, from 1, with a CR that no LF follows: it cannot be sent in lines either.
    pub bare_cr: Option<u64>,
    /// Octets of the longest line, without its end.
    pub longest_line: u64,
    lines: u64,
    line: u64,
    after_cr: bool,
    header_is_over: bool,
}

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

impl Survey {
    /// Looks at all that `source` holds.
    pub fn of(source: &mut dyn Read) -> Result<Survey> {
        let mut survey = Survey::default();
        let mut block = vec![0; BLOCK];
        loop {
            match read_some(source, &mut block)? {
                0 => return Ok(survey.finish()),
                count => survey.push(block.get(..count).unwrap_or_default()),
            }
        }
    }

    /// Looks at the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.raw_size = self.raw_size.saturating_add(bytes.len() as u64);
        self.has_nul |= memchr(0, bytes).is_some();
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            self.part(bytes.get(start..end).unwrap_or_default());
            self.end_line();
            start = end + 1;
        }
        self.part(bytes.get(start..).unwrap_or_default());
    }

    /// A part of one line, without LF.
    fn part(&mut self, part: &[u8]) {
        let Some(&last) = part.last() else {
            return;
        };
        // A CR is bare unless it is the last byte before an LF.
        let inner = memchr(b'\r', part).filter(|at| at + 1 < part.len());
        if self.after_cr || inner.is_some() {
            self.bare_cr.get_or_insert(self.lines + 1);
        }
        self.after_cr = last == b'\r';
        self.line = self.line.saturating_add(part.len() as u64);
        if !part.is_ascii() {
            self.is_eight_bit = true;
            self.header_is_eight_bit |= !self.header_is_over;
        }
    }

    fn end_line(&mut self) {
        let length = self.line - u64::from(self.after_cr);
        self.header_is_over |= length == 0;
        self.longest_line = self.longest_line.max(length);
        self.size = self.size.saturating_add(length + 2);
        self.lines += 1;
        (self.line, self.after_cr) = (0, false);
    }

    /// There is no more.
    pub fn finish(mut self) -> Survey {
        if self.after_cr {
            self.bare_cr.get_or_insert(self.lines + 1);
        }
        if self.line > 0 {
            self.end_line();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::CanonicalLines;

    fn survey(text: &[u8]) -> Survey {
        let mut survey = Survey::default();
        survey.push(text);
        survey.finish()
    }

    #[test]
    fn sizes_are_those_of_the_wire_at_every_cut() {
        for text in [
            "",
            "a",
            "a\n",
            "a\r\n\r\n.\n..\nb",
            "\n",
            "\r\n",
            "é: x\n\né\n",
        ] {
            let whole = survey(text.as_bytes());
            let mut wire = Vec::new();
            let mut lines = CanonicalLines::plain();
            lines.push(text.as_bytes(), &mut wire).unwrap();
            lines.finish(&mut wire).unwrap();
            assert_eq!(whole.size, wire.len() as u64, "{text:?}");
            assert_eq!(whole.raw_size, text.len() as u64);
            for cut in 0..=text.len() {
                let (start, end) = text.as_bytes().split_at(cut);
                let mut pieces = Survey::default();
                pieces.push(start);
                pieces.push(end);
                assert_eq!(pieces.finish(), whole, "{text:?} at {cut}");
            }
        }
    }

    #[test]
    fn eight_bits_are_found_in_header_and_body() {
        for (text, header, all) in [
            ("a: b\n\nc", false, false),
            ("a: b\n\né", false, true),
            ("a: é\r\n\r\nc", true, true),
            ("é", true, true),
        ] {
            let survey = survey(text.as_bytes());
            assert_eq!(
                (survey.header_is_eight_bit, survey.is_eight_bit),
                (header, all),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_bare_cr_is_found_at_every_cut() {
        for (text, line) in [
            ("a\rb", Some(1)),
            ("a\r\n\r.\r\n", Some(2)),
            ("a\n\r", Some(2)),
            ("a\r\r\n", Some(1)),
            ("a\r\nb\r\n", None),
        ] {
            for cut in 0..=text.len() {
                let (start, end) = text.as_bytes().split_at(cut);
                let mut survey = Survey::default();
                survey.push(start);
                survey.push(end);
                assert_eq!(survey.finish().bare_cr, line, "{text:?} at {cut}");
            }
        }
    }

    #[test]
    fn the_longest_line_is_measured_without_its_end() {
        assert_eq!(survey(b"abc\r\nabcd\nab").longest_line, 4);
        assert_eq!(survey(b"abc\r\nabcd\nabcde").longest_line, 5);
        assert!(survey(b"a\0").has_nul);
    }
}
