//! Mail boxes in one file, by lines that begin with `From ` (RFC 4155; mboxrd for the quoting).
//!
//! ```text
//! mbox    = *("From " sender SP date LF  message  LF)
//! message = lines; one that began with `From `, `>From `, `>>From ` ... has one `>` more here
//! ```
//!
//! The index is offsets only. A `From ` line begins a message only behind an empty line, which
//! belongs to neither.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use time::format_description::well_known::Rfc2822;
use time::OffsetDateTime;

use super::store::Store;

/// What a separator line begins with.
pub const SEPARATOR: &[u8] = b"From ";

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// Before a separator: its own line feed, that of the line before, and a CR between the two.
const OVERLAP: usize = 8;

/// Whether the bytes begin as a mail box.
pub fn is_mbox(beginning: &[u8]) -> bool {
    beginning.starts_with(SEPARATOR)
}

/// When a message came, as its separator line says: `From SENDER Sat Jan  3 01:05:34 1996`, the time
/// being that of Greenwich unless the line tells its zone.
pub fn date(separator: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(separator).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.windows(5).find_map(|words| {
        let [_, month, day, clock, year] = words else {
            return None;
        };
        let zone = text.split_ascii_whitespace().last()?;
        let is_zone = zone.len() == 5 && zone.starts_with(['+', '-']);
        let zone = if is_zone { zone } else { "+0000" };
        let is_year = year.len() == 4 && clock.contains(':');
        let date = format!("{day} {month} {year} {clock} {zone}");
        OffsetDateTime::parse(&date, &Rfc2822)
            .ok()
            .filter(|_| is_year)
    })
}

/// Where the messages are, each with its separator line.
pub fn index(store: &Store) -> io::Result<Vec<Range<u64>>> {
    let needle = memchr::memmem::Finder::new(b"\nFrom ");
    let mut block = vec![0; BLOCK];
    let (mut kept, mut offset, mut start) = (0, 0_u64, 0_u64);
    let mut messages = Vec::new();
    loop {
        let got = read(
            store,
            block.get_mut(kept..).unwrap_or_default(),
            offset + kept as u64,
        )?;
        let bytes = block.get(..kept + got).unwrap_or_default();
        if got == 0 {
            let end = offset + bytes.len() as u64;
            // At the end of the file, the line end before the empty line is part of the message.
            let empty = match bytes {
                [.., b'\n', b'\r', b'\n'] => 2,
                [.., b'\n', b'\n'] => 1,
                _ => 0,
            };
            messages.push(start..end - empty);
            return Ok(messages);
        }
        for at in needle.find_iter(bytes) {
            let before = bytes.get(..at).unwrap_or_default();
            let empty = match before {
                [.., b'\n', b'\r'] => 1,
                [.., b'\n'] => 0,
                _ => continue,
            };
            let next = offset + at as u64 + 1;
            // What stood in the overlap has been found before.
            if next > start {
                messages.push(start..next - 1 - empty);
                start = next;
            }
        }
        // A separator that the border cuts is found whole in the next block.
        let keep = bytes.len().min(OVERLAP + SEPARATOR.len());
        let from = bytes.len() - keep;
        offset += from as u64;
        block.copy_within(from..from + keep, 0);
        kept = keep;
    }
}

fn read(store: &Store, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match store.read_at(buffer, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A message as it was before it came into the mail box: without the separator line, and without the
/// `>` that quotes lines which look like one.
pub struct Unquoted<R> {
    source: R,
    block: Vec<u8>,
    /// What of the block is still to be given out.
    left: Range<usize>,
    place: Place,
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Separator,
    LineStart,
    Line,
}

impl<R: Read> Unquoted<R> {
    /// Reads `source`, which begins with the separator line.
    pub fn new(source: R) -> Unquoted<R> {
        Unquoted {
            source,
            block: vec![0; BLOCK],
            left: 0..0,
            place: Place::Separator,
            has_ended: false,
        }
    }

    /// Moves what is left to the front and reads more behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.block.copy_within(self.left.clone(), 0);
        self.left = 0..self.left.len();
        let got = self
            .source
            .read(self.block.get_mut(self.left.end..).unwrap_or_default())?;
        self.left.end += got;
        self.has_ended = got == 0;
        Ok(())
    }

    /// Whether the line that begins here is quoted; `None` if more of it must be seen. Nobody
    /// quotes so often that a whole block shows no end of it.
    fn is_quoted(&self, bytes: &[u8]) -> Option<bool> {
        let marks = bytes.iter().take_while(|byte| **byte == b'>').count();
        let rest = bytes.get(marks..).unwrap_or_default();
        if rest.len() < SEPARATOR.len() && SEPARATOR.starts_with(rest) {
            let is_all = self.has_ended || bytes.len() == self.block.len();
            return is_all.then_some(false);
        }
        Some(marks > 0 && rest.starts_with(SEPARATOR))
    }
}

impl<R: Read> Read for Unquoted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while given < out.len() {
            let bytes = self.block.get(self.left.clone()).unwrap_or_default();
            if bytes.is_empty() {
                // Whoever got something may come again before the source is asked once more.
                if given > 0 || self.has_ended {
                    break;
                }
                self.fill()?;
                continue;
            }
            if self.place == Place::LineStart {
                match self.is_quoted(bytes) {
                    None if given > 0 => break,
                    None => {
                        self.fill()?;
                        continue;
                    }
                    Some(is_quoted) => self.left.start += usize::from(is_quoted),
                }
                self.place = Place::Line;
                continue;
            }
            let line = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            let mut length = line.unwrap_or(bytes.len());
            if self.place == Place::Line {
                length = length.min(out.len() - given);
                let target = out.get_mut(given..given + length).unwrap_or_default();
                target.copy_from_slice(bytes.get(..length).unwrap_or_default());
                given += length;
            }
            if line == Some(length) {
                self.place = Place::LineStart;
            }
            self.left.start += length;
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a mail box, unquoted.
    fn messages(text: &[u8]) -> Vec<String> {
        let index = index(&Store::Memory(text.to_vec())).unwrap();
        let message = |range: &Range<u64>| {
            let raw = &text[range.start as usize..range.end as usize];
            let mut bytes = Vec::new();
            Unquoted::new(raw).read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        index.iter().map(message).collect()
    }

    #[test]
    fn messages_begin_at_from_lines_behind_empty_lines() {
        for (text, wanted) in [
            ("From a\n", &[""][..]),
            ("From a", &[""]),
            ("From a\n\nFrom b\n", &["", ""]),
            (
                "From a\nA: 1\n\nbody\n\nFrom b\nB: 2\n\n",
                &["A: 1\n\nbody\n", "B: 2\n"],
            ),
            (
                "From a\r\nA: 1\r\n\r\nbody\r\n\r\nFrom b\r\nB: 2\r\n\r\n",
                &["A: 1\r\n\r\nbody\r\n", "B: 2\r\n"],
            ),
            (
                "From a\nA: 1\n\nbody\nFrom here on\n",
                &["A: 1\n\nbody\nFrom here on\n"],
            ),
            ("From a\nA: 1\n\nbody", &["A: 1\n\nbody"]),
            ("From a\nA: 1\n\n\n\nFrom b\n\n\n", &["A: 1\n\n\n", "\n"]),
        ] {
            assert_eq!(messages(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn separators_tell_the_time() {
        use time::macros::datetime;
        for (line, wanted) in [
            (
                "From a@b Sat Jan  3 01:05:34 1996",
                Some(datetime!(1996-01-03 01:05:34 UTC)),
            ),
            (
                "From a b Sat Jan 13 01:05 1996 -0100\r",
                Some(datetime!(1996-01-13 01:05 -1)),
            ),
            ("From a", None),
            ("From a Sat Jan 32 01:05:34 1996", None),
            ("From a Sat Jan 3 01:05:34 19966", None),
            ("From \u{e4} x x x x x", None),
        ] {
            assert_eq!(date(line.as_bytes()), wanted, "{line}");
        }
        assert_eq!(date(b"From \xff Sat Jan  3 01:05:34 1996"), None);
    }

    #[test]
    fn one_quote_is_taken_off() {
        let text = "From a\n\n>From x\n>>From y\n>from z\n >From\n>>\n>Fro\n> From\n>From ";
        let wanted = "\nFrom x\n>From y\n>from z\n >From\n>>\n>Fro\n> From\nFrom ";
        assert_eq!(messages(text.as_bytes()), [wanted]);
        assert_eq!(messages(b"From a\n>Fro"), [">Fro"]);
    }

    #[test]
    fn borders_of_blocks_do_not_matter() {
        for shift in 0..20 {
            let body = "x".repeat(BLOCK - shift - 20);
            for (first, end) in [("\n", "\n"), ("\r\n", "\r\n")] {
                let text =
                    format!("From a{first}{body}{end}{end}From b{end}>From c{end}{end}From d");
                let wanted = [
                    format!("{body}{end}"),
                    format!("From c{end}"),
                    String::new(),
                ];
                assert_eq!(messages(text.as_bytes()), wanted, "{shift}");
            }
        }
        let marks = ">".repeat(BLOCK + 7);
        let text = format!("From a\n{marks}From b\n>From c\n");
        assert_eq!(
            messages(text.as_bytes()),
            [format!("{marks}From b\nFrom c\n")]
        );
    }

    #[test]
    fn small_reads_give_the_same() {
        let text = b"From a\n>From b\n>>From c\nplain\n";
        for size in 1..9 {
            let (mut reader, mut all) = (Unquoted::new(&text[..]), Vec::new());
            let mut buffer = vec![0; size];
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => break,
                    got => all.extend_from_slice(&buffer[..got]),
                }
            }
            assert_eq!(all, b"From b\n>From c\nplain\n", "{size}");
        }
    }
}
