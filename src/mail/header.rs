//! The header of a message, as bytes: where it ends, which fields it has, and what must not be sent.
//!
//! ```text
//! header = *(name ":" value line-end) line-end         RFC 5322 section 2.2
//! ```
//!
//! A line that starts with white space goes on with the field before it. Line ends may be CRLF or LF.

use proto_transport::{Error, Result};

/// A header over this is no header (RFC 5322 sets no limit; servers take far less).
pub const LARGEST: usize = 1024 * 1024;

/// The longest line that may be sent, without its end (RFC 5322 section 2.1.1).
pub const LONGEST_LINE: usize = 998;

/// Where the header ends: behind the empty line. A text that does not begin with a field has none,
/// it is all body. `None` if the empty line is not among these bytes.
pub fn length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\n") {
        return Some(1);
    }
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    if name_of(bytes).is_none() {
        return Some(0);
    }
    for at in memchr::memchr_iter(b'\n', bytes) {
        match bytes.get(at + 1..) {
            Some([b'\n', ..]) => return Some(at + 2),
            Some([b'\r', b'\n', ..]) => return Some(at + 3),
            _ => {}
        }
    }
    None
}

/// A header in two: what may be sent, and the fields that only the sender may see
/// (RFC 5322 sections 3.6.3 and 3.6.6).
pub fn without_bcc(header: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut kept, mut removed) = (Vec::with_capacity(header.len()), Vec::new());
    let mut is_secret = false;
    for line in lines(header) {
        if !goes_on(line) {
            is_secret = name_of(line).is_some_and(is_bcc);
        }
        match is_secret {
            true => removed.extend_from_slice(line),
            false => kept.extend_from_slice(line),
        }
    }
    (kept, removed)
}

/// The fields in order: name, and value as it stands there, folded. Lines that are no field are
/// left out.
pub fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = header;
    std::iter::from_fn(move || loop {
        let (field, after) = rest.split_at_checked(field_length(rest)?)?;
        rest = after;
        if let Some(name) = name_of(field) {
            let mut halves = field.splitn(2, |byte| *byte == b':');
            return Some((name, halves.nth(1).unwrap_or_default()));
        }
    })
}

/// The length of the first line with those that go on with it.
fn field_length(bytes: &[u8]) -> Option<usize> {
    let mut ends = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1);
    let end = ends.find(|end| !goes_on(bytes.get(*end..).unwrap_or_default()));
    (!bytes.is_empty()).then(|| end.unwrap_or(bytes.len()))
}

/// A value in one line (RFC 5322 section 2.2.3).
pub fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for line in lines(value) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    text
}

/// The values of all fields of a name, unfolded. What is not UTF-8 is replaced by a mark that no
/// address may hold.
pub fn values(header: &[u8], name: &str) -> Vec<String> {
    let wanted = |(this, _): &(&[u8], &[u8])| this.eq_ignore_ascii_case(name.as_bytes());
    let found = fields(header).filter(wanted);
    let text = |value| String::from_utf8_lossy(&unfolded(value)).trim().to_owned();
    found.map(|(_, value)| text(value)).collect()
}

/// Splits `Name: value` from the command line, and refuses what would make it more than one field,
/// or one that is ours to write.
pub fn parse_field(text: &str) -> Result<(&str, &str)> {
    let wrong = |why: &str| Error::illegal(format!("--header {text:?}: {why}"));
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| wrong("a header field is written `Name: value`"))?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("a name is of printable ASCII without spaces"));
    }
    if value.chars().any(char::is_control) {
        return Err(wrong("a value holds no line ends or control characters"));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("content-") || lower == "mime-version" {
        return Err(wrong("this field is made with the message's parts"));
    }
    if is_bcc(lower.as_bytes()) {
        return Err(wrong("blind copies are for --bcc"));
    }
    Ok((name, value.trim()))
}

fn is_bcc(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Bcc") || name.eq_ignore_ascii_case(b"Resent-Bcc")
}

/// The name that a line begins with. White space before the colon is obsolete, but other readers
/// take it, so a Bcc written so must not slip through (RFC 5322 section 4.5).
pub fn name_of(line: &[u8]) -> Option<&[u8]> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_graphic() || *byte == b':')?;
    let (name, rest) = line.split_at_checked(end)?;
    let rest = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    (!name.is_empty() && rest == Some(&b':')).then_some(name)
}

fn goes_on(line: &[u8]) -> bool {
    matches!(line, [b' ' | b'\t', ..])
}

fn lines(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_with_an_empty_line() {
        for (text, length) in [
            ("", Some(0)),
            ("\n", Some(1)),
            ("\r\nbody", Some(2)),
            ("a: b\n\nbody", Some(6)),
            ("a: b\r\n\r\nbody", Some(8)),
            ("a: b\n\r\nbody", Some(7)),
            ("a: b\r\n\nbody", Some(7)),
            ("a : b\n\n", Some(7)),
            ("a: b\n \n\nbody", Some(8)),
            ("a: b\nno field\nBcc: c\n\nbody", Some(22)),
            ("a: b", None),
            ("a: b\r\n", None),
            ("just text\n\nmore", Some(0)),
            ("From a@b Thu Jan  1 1970\na: b\n\n", Some(0)),
            (": b\n\n", Some(0)),
            (" a: b\n\n", Some(0)),
        ] {
            assert_eq!(super::length(text.as_bytes()), length, "{text:?}");
        }
    }

    #[test]
    fn blind_copies_are_taken_out_whole() {
        let header =
            b"To: a@x\r\nBCC: b@x,\r\n\tc@x\r\nbcc : d@x\nResent-Bcc:\n e@x\nCc: f@x\r\n\r\n";
        let (kept, removed) = without_bcc(header);
        assert_eq!(kept, b"To: a@x\r\nCc: f@x\r\n\r\n");
        assert_eq!(
            removed,
            b"BCC: b@x,\r\n\tc@x\r\nbcc : d@x\nResent-Bcc:\n e@x\n"
        );
        assert_eq!(values(&removed, "Bcc"), ["b@x,\tc@x", "d@x"]);
        for (header, left) in [
            ("Bcc: a", ""),
            ("Bcc: a\n\n", "\n"),
            ("X-Bcc: a\n", "X-Bcc: a\n"),
        ] {
            assert_eq!(without_bcc(header.as_bytes()).0, left.as_bytes());
        }
        // A damaged line before it does not hide it.
        let (kept, _) = without_bcc(b"To: a\ndamaged\nBcc: b\n\n");
        assert_eq!(kept, b"To: a\ndamaged\n\n");
    }

    #[test]
    fn values_are_unfolded() {
        let header = b"Subject: one\r\n two\r\nX: \xff\r\nsubject:three";
        assert_eq!(values(header, "Subject"), ["one two", "three"]);
        assert_eq!(values(header, "X"), ["\u{fffd}"]);
        assert!(values(header, "Y").is_empty());
    }

    #[test]
    fn fields_of_the_command_line() {
        assert_eq!(parse_field("X-A: b: c ").unwrap(), ("X-A", "b: c"));
        assert_eq!(parse_field("X-A:").unwrap(), ("X-A", ""));
        for wrong in [
            "",
            "X",
            ": b",
            "X A: b",
            "X\u{e4}: b",
            "X: a\r\nBcc: b",
            "X: a\nb",
            "X: a\rb",
            "X: a\0",
            "X\n: a",
            "Content-Type: text/html",
            "content-id: x",
            "Mime-Version: 1.0",
            "bCC: x",
        ] {
            assert!(parse_field(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_large_header_is_read_in_one_go() {
        let header = format!("Bcc: a@x\n{}\n", " b@x,\n".repeat(LARGEST / 6));
        assert_eq!(length(header.as_bytes()), Some(header.len()));
        assert_eq!(without_bcc(header.as_bytes()).0, b"\n");
        assert_eq!(values(header.as_bytes(), "Bcc").len(), 1);
    }
}
