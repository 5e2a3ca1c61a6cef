//! Messages as an mbox has them (RFC 4155; mboxrd for the quoting).
//!
//! ```text
//! message = "From MAILER-DAEMON " date LF  lines  LF
//! ```
//!
//! A line that begins with `From `, `>From `, `>>From ` ... gets one more `>`, which readers take
//! off.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::OffsetDateTime;

use super::incoming::{lines, Incoming, SMALL};

/// What marks the beginning of a message.
const SEPARATOR: &[u8] = b"From ";

/// As asctime of C has it.
const DATE: StaticFormatDescription = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
);

/// Writes a complete message. One that is small is written at once, so that it is there whole or
/// not at all when we are killed.
pub fn write_message(
    message: &Incoming,
    date: Option<SystemTime>,
    out: &mut dyn Write,
    before: &[u8],
) -> io::Result<()> {
    let mut block = before.to_vec();
    block.extend_from_slice(separator(date.unwrap_or_else(SystemTime::now)).as_bytes());
    let mut quoting = Quoting::new();
    message.each_part(|part| {
        quoting.feed(part, &mut block);
        if block.len() > 2 * SMALL {
            out.write_all(&block)?;
            block.clear();
        }
        Ok(())
    })?;
    quoting.finish(&mut block);
    block.push(b'\n');
    out.write_all(&block)
}

/// The line before a message. We do not know who sent it, and nobody reads it here.
fn separator(date: SystemTime) -> String {
    let seconds = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(seconds.as_secs()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let date = date.format(DATE);
    let date = date.unwrap_or_else(|_| "Thu Jan  1 00:00:00 1970".to_owned());
    format!("From MAILER-DAEMON {date}\n")
}

/// Adds the `>`. Where it stands among others does not matter, so it is enough to hold back what may
/// be the beginning of `From `.
struct Quoting {
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// At the beginning of a line, but for `>` and so many bytes of `From `, which are held back.
    Start(usize),
    /// Farther on.
    Line,
}

impl Quoting {
    fn new() -> Quoting {
        Quoting {
            place: Place::Start(0),
        }
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for line in lines(bytes) {
            self.line(line, out);
        }
    }

    /// Takes a line, or what there is of it.
    fn line(&mut self, mut line: &[u8], out: &mut Vec<u8>) {
        if let Place::Start(held) = self.place {
            if held == 0 {
                let marks = line.iter().take_while(|byte| **byte == b'>').count();
                let (marks, rest) = line.split_at_checked(marks).unwrap_or_default();
                out.extend_from_slice(marks);
                line = rest;
            }
            let wanted = SEPARATOR.get(held..).unwrap_or_default();
            if line.len() < wanted.len() && wanted.starts_with(line) {
                self.place = Place::Start(held + line.len());
                return;
            }
            if line.starts_with(wanted) {
                out.push(b'>');
            }
            self.release(held, out);
        }
        out.extend_from_slice(line);
        self.place = match line.ends_with(b"\n") {
            true => Place::Start(0),
            false => Place::Line,
        };
    }

    fn release(&mut self, held: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(SEPARATOR.get(..held).unwrap_or_default());
        self.place = Place::Line;
    }

    /// The message is complete; its last line gets an end if it lacks one.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Place::Start(held) = self.place {
            self.release(held, out);
        }
        if !out.ends_with(b"\n") {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn quoted(parts: &[&[u8]]) -> String {
        let (mut quoting, mut out) = (Quoting::new(), Vec::new());
        for part in parts {
            quoting.feed(part, &mut out);
        }
        quoting.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quoting_does_not_depend_on_cuts() {
        let text = b"From a\n>From b\n>>From c\nFro\nFrom\n>Fr\n> From\n>\nfrom\n\n>>>From ";
        let wanted = ">From a\n>>From b\n>>>From c\nFro\nFrom\n>Fr\n> From\n>\nfrom\n\n>>>>From \n";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let parts = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(quoted(&parts), wanted, "{first} {second}");
            }
        }
        for (end, wanted) in [("", "\n"), ("\n", "\n"), (">Fro", ">Fro\n"), ("x", "x\n")] {
            assert_eq!(quoted(&[end.as_bytes()]), wanted);
        }
        assert_eq!(quoted(&[b"\n", b">", b">", b"From", b" "]), "\n>>>From \n");
    }

    #[test]
    fn dates_are_those_of_asctime() {
        let date = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(
            separator(date),
            "From MAILER-DAEMON Sun Nov  6 08:49:37 1994\n"
        );
        let wrong = UNIX_EPOCH + Duration::from_secs(1 << 50);
        assert_eq!(
            separator(wrong),
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_can_be_unquoted(text in "(>{0,2}(From )?[ F\\n]{0,3}){0,8}") {
            let quoted = quoted(&[text.as_bytes()]);
            let unquote = |line: &str| {
                let bare = line.trim_start_matches('>');
                let is_quoted = bare.starts_with("From ") && bare.len() < line.len();
                line[usize::from(is_quoted)..].to_owned()
            };
            let mut wanted = text.clone();
            if !text.ends_with('\n') {
                wanted.push('\n');
            }
            let back: String = quoted.split_inclusive('\n').map(unquote).collect();
            proptest::prop_assert_eq!(back, wanted);
            proptest::prop_assert!(!quoted.split('\n').any(|line| line.starts_with("From ")));
        }
    }
}
