//! Dots at the beginnings of lines (RFC 3977 section 3.1.1).

use memchr::memmem;

/// Doubles the dots that begin lines, piece by piece. The lines end with CRLF already.
pub(super) struct Stuffing {
    is_on: bool,
    at_line_start: bool,
}

impl Stuffing {
    pub fn new(is_on: bool) -> Stuffing {
        Stuffing {
            is_on,
            at_line_start: true,
        }
    }

    /// Appends the next piece to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.is_on && self.at_line_start && piece.starts_with(b".") {
            out.push(b'.');
        }
        let mut rest = piece;
        while let (true, Some(at)) = (self.is_on, memmem::find(rest, b"\n.")) {
            let (line, after) = rest.split_at(at + 1);
            out.extend_from_slice(line);
            out.push(b'.');
            rest = after;
        }
        out.extend_from_slice(rest);
        self.at_line_start = piece
            .last()
            .map_or(self.at_line_start, |last| *last == b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter() {
        let text = b".\r\n..a\r\nb.\r\n.\r\n\r\n.";
        for size in 1..=text.len() {
            let mut stuffing = Stuffing::new(true);
            let mut out = Vec::new();
            for piece in text.chunks(size) {
                stuffing.push(piece, &mut out);
            }
            assert_eq!(out, b"..\r\n...a\r\nb.\r\n..\r\n\r\n..", "{size}");
        }
    }
}
