//! The message itself, as it comes in: where it ends, and whether it may contain what it contains.

use std::io;

use memchr::{memchr2, memmem};

use super::store::Draft;

/// Takes the transparency of DATA away (RFC 5321 section 4.5.2), and finds its end: CRLF "." CRLF
/// and nothing else.
pub(super) struct Dots {
    at_line_start: bool,
    /// A line began with a dot that the client did not double. What follows it lost that dot.
    pub has_undoubled: bool,
}

/// What ends the content, at the start of a line.
const END: &[u8] = b".\r\n";

impl Dots {
    /// Content begins at the start of a line.
    pub fn new() -> Dots {
        Dots {
            at_line_start: true,
            has_undoubled: false,
        }
    }

    /// Hands on what is content in `input`. Returns how much of the input is used, and whether the
    /// end was among it; what is not used must come again, with more behind it.
    pub fn decode(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) -> (usize, bool) {
        let mut rest = input;
        loop {
            if self.at_line_start {
                if let Some(after) = rest.strip_prefix(END) {
                    return (input.len() - after.len(), true);
                }
                if END.starts_with(rest) {
                    return (input.len() - rest.len(), false);
                }
                if let Some(after) = rest.strip_prefix(b".") {
                    self.has_undoubled |= !after.starts_with(b".");
                    rest = after;
                }
                self.at_line_start = false;
            }
            // All that matters is a dot at the start of a line, and there are few.
            let is_found = memmem::find(rest, b"\r\n.");
            let length = match is_found {
                Some(at) => at + 2,
                // This may be the half of it.
                None if rest.ends_with(b"\r") => rest.len() - 1,
                None => rest.len(),
            };
            let (content, after) = rest.split_at(length);
            take(content);
            self.at_line_start = is_found.is_some() || content.ends_with(b"\r\n");
            rest = after;
            if is_found.is_none() {
                return (input.len() - rest.len(), false);
            }
        }
    }
}

/// What is in a message that only some messages may contain.
#[derive(Default)]
pub(super) struct Inspection {
    after_cr: bool,
    /// "bare CR" or "bare LF" (RFC 5321 section 2.3.8), whichever came first.
    pub bare: Option<&'static str>,
    /// Octets above 127 (RFC 6152).
    pub has_8bit: bool,
}

impl Inspection {
    fn look(&mut self, bytes: &[u8]) {
        self.has_8bit |= !bytes.is_ascii();
        let mut rest = bytes;
        if self.bare.is_none() {
            while let Some((first, after)) = rest.split_first() {
                if self.after_cr {
                    self.after_cr = false;
                    match first {
                        b'\n' => rest = after,
                        _ => self.bare = Some("bare CR"),
                    }
                }
                let Some(at) = memchr2(b'\r', b'\n', rest) else {
                    return;
                };
                let (_, found) = rest.split_at(at);
                self.after_cr = found.starts_with(b"\r");
                if !self.after_cr {
                    self.bare = self.bare.or(Some("bare LF"));
                }
                rest = found.split_first().map_or(&[][..], |(_, after)| after);
            }
        }
    }

    fn end(&mut self) {
        if self.after_cr {
            self.bare = self.bare.or(Some("bare CR"));
        }
    }
}

/// A message that is coming in.
pub(super) struct Content {
    /// Gone when there is no use for it: it is too large, or it could not be kept.
    draft: Option<Draft>,
    pub size: u64,
    limit: u64,
    pub inspection: Inspection,
    trouble: Option<io::Error>,
}

/// Why a message cannot be kept.
pub(super) enum Lost {
    TooLarge,
    Trouble(io::Error),
}

impl Content {
    /// Nothing yet, and no more than `limit`, if that is not 0.
    pub fn new(draft: io::Result<Draft>, limit: u64) -> Content {
        let (draft, trouble) = match draft {
            Ok(draft) => (Some(draft), None),
            Err(error) => (None, Some(error)),
        };
        Content {
            draft,
            size: 0,
            limit,
            inspection: Inspection::default(),
            trouble,
        }
    }

    /// Adds what came.
    pub fn take(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.inspection.look(bytes);
        if self.is_too_large() {
            self.draft = None;
        }
        if let Some(draft) = &mut self.draft {
            if let Err(error) = draft.write(bytes) {
                self.trouble = Some(error);
                self.draft = None;
            }
        }
    }

    pub fn is_too_large(&self) -> bool {
        self.limit > 0 && self.size > self.limit
    }

    /// The whole message.
    pub fn finish(mut self) -> Result<(Draft, Inspection), Lost> {
        self.inspection.end();
        if self.is_too_large() {
            return Err(Lost::TooLarge);
        }
        match (self.draft, self.trouble) {
            (Some(draft), None) => Ok((draft, self.inspection)),
            (_, Some(error)) => Err(Lost::Trouble(error)),
            (None, None) => Err(Lost::TooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in pieces of a size; the content, and what is left behind the end.
    fn decoded(input: &[u8], size: usize) -> Option<(Vec<u8>, Vec<u8>, bool)> {
        let mut dots = Dots::new();
        let (mut content, mut unread) = (Vec::new(), Vec::new());
        let mut pieces = input.chunks(size);
        loop {
            let (used, ended) = dots.decode(&unread, |bytes| content.extend_from_slice(bytes));
            unread.drain(..used);
            if ended {
                unread.extend(pieces.flatten());
                return Some((content, unread, dots.has_undoubled));
            }
            unread.extend_from_slice(pieces.next()?);
        }
    }

    #[test]
    fn dots_are_taken_away_however_the_bytes_arrive() {
        for (input, content, rest) in [
            (&b".\r\n"[..], &b""[..], &b""[..]),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
            (b"..\r\n...b\r\n\r\n.\r\n", b".\r\n..b\r\n\r\n", b""),
            (b"a\n.\nb\r.\rc\r\n.\r\n", b"a\n.\nb\r.\rc\r\n", b""),
            (b"a\r\r\n.\r\n", b"a\r\r\n", b""),
            (b"a\n.\r\nb\r\n.\r\n.", b"a\n.\r\nb\r\n", b"."),
        ] {
            for size in 1..=input.len() {
                let expected = Some((content.to_vec(), rest.to_vec(), false));
                assert_eq!(
                    decoded(input, size),
                    expected,
                    "{size}: {}",
                    input.escape_ascii()
                );
            }
        }
        for size in 1..5 {
            let undoubled = decoded(b".a\r\n.\n\r\n.\r\n", size);
            assert_eq!(undoubled, Some((b"a\r\n\n\r\n".to_vec(), Vec::new(), true)));
            assert_eq!(decoded(b"a\n.\n\r\n.\r", size), None);
        }
    }

    #[test]
    fn bare_line_ends_are_found_wherever_the_cut_is() {
        for (input, bare, has_8bit) in [
            (&b"a\r\nb\r\n"[..], None, false),
            (b"a\r\rb\r\n", Some("bare CR"), false),
            (b"\nb\r", Some("bare LF"), false),
            (b"a\xff\r", Some("bare CR"), true),
            (b"\r\n\n", Some("bare LF"), false),
        ] {
            for size in 1..=input.len() {
                let mut inspection = Inspection::default();
                input.chunks(size).for_each(|piece| inspection.look(piece));
                inspection.end();
                assert_eq!(inspection.bare, bare, "{size}: {}", input.escape_ascii());
                assert_eq!(inspection.has_8bit, has_8bit);
            }
        }
    }
}
