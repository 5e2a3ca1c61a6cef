//! How large a message is when it is sent.

use memchr::memchr;

/// Counts the octets of a message with CRLF behind every line, which is what a size is (RFC 1939
/// section 11).
#[derive(Default)]
pub(crate) struct Octets {
    count: u64,
    last: u8,
}

impl Octets {
    pub fn push(&mut self, piece: &[u8]) {
        let mut before = self.last;
        let mut rest = piece;
        while let Some(at) = memchr(b'\n', rest) {
            let (line, end) = rest.split_at(at);
            let has_cr = line.last().copied().unwrap_or(before) == b'\r';
            self.count += u64::from(!has_cr);
            before = b'\n';
            rest = end.get(1..).unwrap_or_default();
        }
        self.count += piece.len() as u64;
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    pub fn total(&self) -> u64 {
        match self.last {
            b'\n' => self.count,
            _ if self.count == 0 => 0,
            _ => self.count + 2,
        }
    }
}
