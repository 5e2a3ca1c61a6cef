//! The session form: a conversation as text. It is what a transcript records, what a mock server
//! plays, what tests run and what the documentation quotes.
//!
//! ```text
//! # proto pop3-fetch pop3://localhost       a comment
//! S: +OK ready                              the server says a line (CRLF is implied)
//! C: PASS (secret)                          the client says a line; (secret) and (any) match anything
//! S< messages/plain.eml                     the bytes of a file, dot-stuffed if the next step is "S: ."
//! S| \x00\x01 \\ \r\n                       bytes, escaped; no line end is implied
//! = tls                                     both sides switch to TLS
//! = wait 200ms                              the server does nothing for a while
//! = closed                                  the server closes
//! = reset                                   the server resets the connection
//! = connection 2                            what follows belongs to the second connection
//! ```

use std::fmt;
use std::time::Duration;

use crate::escape::push_byte;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that was connected to.
    Server,
}

/// One line of the session form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A line, without its CRLF.
    Line(Side, String),
    /// Bytes as they are.
    Bytes(Side, Vec<u8>),
    /// The bytes of a file, named relative to the session file's folder or its parents.
    File(Side, String),
    /// Both sides switch to TLS.
    Tls,
    /// The server does nothing for so long.
    Wait(Duration),
    /// The server closes its side in an orderly way.
    Closed,
    /// The server resets the connection.
    Reset,
    /// What follows belongs to this connection, counted from 1.
    Connection(usize),
}

/// A line that is not of the session form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotASession {
    /// The line's number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for NotASession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {} is not of the session form (C: S: C| S| C< S< = #): {}",
            self.line, self.text
        )
    }
}

impl std::error::Error for NotASession {}

/// A conversation and the comments before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The comment lines, without their `#` and the space after it.
    pub comments: Vec<String>,
    /// The steps, each with its line number from 1.
    pub steps: Vec<(usize, Step)>,
}

impl Session {
    /// Reads the session form.
    pub fn parse(text: &str) -> Result<Session, NotASession> {
        let mut session = Session::default();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(comment) = line.strip_prefix('#') {
                session.comments.push(comment.trim().to_owned());
            } else if !line.trim().is_empty() {
                let step = parse_step(line).ok_or_else(|| NotASession {
                    line: number,
                    text: line.to_owned(),
                })?;
                session.steps.push((number, step));
            }
        }
        Ok(session)
    }

    /// The steps of each connection, in the order of their numbers.
    pub fn connections(&self) -> Vec<Vec<(usize, Step)>> {
        let mut connections: std::collections::BTreeMap<usize, Vec<(usize, Step)>> =
            std::collections::BTreeMap::new();
        let mut current = 1;
        for (line, step) in &self.steps {
            match step {
                Step::Connection(number) => current = *number,
                _ => connections
                    .entry(current)
                    .or_default()
                    .push((*line, step.clone())),
            }
        }
        connections.into_values().collect()
    }
}

fn parse_step(line: &str) -> Option<Step> {
    if let Some(note) = line.strip_prefix('=') {
        return parse_note(note.trim());
    }
    let side = match line.get(..1)? {
        "C" => Side::Client,
        "S" => Side::Server,
        _ => return None,
    };
    let (kind, rest) = line.get(1..)?.split_at_checked(1)?;
    // "S:" alone is an empty line, also where an editor took the space away.
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    match kind {
        ":" => Some(Step::Line(side, text.to_owned())),
        "|" => Some(Step::Bytes(side, unescape(text)?)),
        "<" => Some(Step::File(side, text.split("  ").next()?.trim().to_owned())),
        _ => None,
    }
}

fn parse_note(note: &str) -> Option<Step> {
    let (word, argument) = note.split_once(' ').unwrap_or((note, ""));
    match (word, argument.trim()) {
        ("tls", "") => Some(Step::Tls),
        ("closed", "") => Some(Step::Closed),
        ("reset", "") => Some(Step::Reset),
        ("wait", time) => {
            let (digits, unit) = time.split_at(time.find(|c: char| !c.is_ascii_digit())?);
            let number = digits.parse().ok()?;
            match unit {
                "ms" => Some(Step::Wait(Duration::from_millis(number))),
                "s" => Some(Step::Wait(Duration::from_secs(number))),
                _ => None,
            }
        }
        ("connection", number) => match number.split(' ').next()?.parse().ok()? {
            0 => None,
            number => Some(Step::Connection(number)),
        },
        _ => None,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Line(side, line) if line.is_empty() => write!(f, "{}:", letter(*side)),
            Step::Line(side, line) => write!(f, "{}: {line}", letter(*side)),
            Step::Bytes(side, bytes) => write!(f, "{}| {}", letter(*side), escape(bytes)),
            Step::File(side, path) => write!(f, "{}< {path}", letter(*side)),
            Step::Tls => f.write_str("= tls"),
            Step::Wait(time) => write!(f, "= wait {}ms", time.as_millis()),
            Step::Closed => f.write_str("= closed"),
            Step::Reset => f.write_str("= reset"),
            Step::Connection(number) => write!(f, "= connection {number}"),
        }
    }
}

fn letter(side: Side) -> char {
    match side {
        Side::Client => 'C',
        Side::Server => 'S',
    }
}

/// Bytes as text that [`unescape`] turns back into the same bytes.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                _ if crate::escape::is_harmful(character) => {
                    let mut buffer = [0; 4];
                    for byte in character.encode_utf8(&mut buffer).bytes() {
                        push_byte(&mut text, byte);
                    }
                }
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            push_byte(&mut text, *byte);
        }
    }
    // A space at the end would fall to an editor.
    if let Some(stem) = text.strip_suffix(' ') {
        text = format!("{stem}\\x20");
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escape, after) = after.split_at_checked(1)?;
        rest = after;
        match escape {
            "\\" => bytes.push(b'\\'),
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "x" => {
                let (digits, after) = after.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            _ => return None,
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Whether a line can stand in the session form as it is.
pub(crate) fn is_plain(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let plain = !text.ends_with(' ') && !text.chars().any(crate::escape::is_harmful);
    plain.then_some(text)
}

/// What stands in a recorded line where a secret was.
pub const SECRET: &str = "(secret)";

/// What stands in a session's line where anything may be said.
pub const ANY: &str = "(any)";

/// Whether a line is what a session expects: equal, where `(secret)` and `(any)` match anything.
pub fn matches(expected: &str, line: &str) -> bool {
    let expected = expected.replace(SECRET, ANY);
    let Some((start, rest)) = expected.split_once(ANY) else {
        return expected == line;
    };
    let Some(mut line) = line.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split(ANY).collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match line.find(part) {
            Some(at) => line = line.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    line.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_documentation_shows() {
        let text = "# proto pop3-fetch pop3://localhost\nS: +OK ready\nC: PASS (secret)\n\
                    S< messages/plain.eml          bytes of a file\nS| \\x00\\\\\\r\\n\nS:\n= tls\n\
                    = wait 200ms\n= connection 2\n= reset\n= closed\n";
        let session = Session::parse(text).unwrap();
        assert_eq!(session.comments, ["proto pop3-fetch pop3://localhost"]);
        let steps: Vec<Step> = session.steps.into_iter().map(|(_, step)| step).collect();
        assert_eq!(
            steps,
            [
                Step::Line(Side::Server, "+OK ready".into()),
                Step::Line(Side::Client, "PASS (secret)".into()),
                Step::File(Side::Server, "messages/plain.eml".into()),
                Step::Bytes(Side::Server, b"\0\\\r\n".to_vec()),
                Step::Line(Side::Server, String::new()),
                Step::Tls,
                Step::Wait(Duration::from_millis(200)),
                Step::Connection(2),
                Step::Reset,
                Step::Closed,
            ]
        );
    }

    #[test]
    fn names_the_line_that_it_does_not_understand() {
        for wrong in [
            "X: hello",
            "S? what",
            "= sleep 1",
            "= wait 5",
            "S| \\q",
            "S| \\x0",
            "é",
            "=",
        ] {
            let error = Session::parse(&format!("S: fine\n{wrong}\n")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, wrong));
        }
    }

    #[test]
    fn connections_are_told_apart() {
        let text = "C: a\n= connection 2\nC: b\n= connection 1\nS: c\n";
        let connections = Session::parse(text).unwrap().connections();
        assert_eq!(connections.len(), 2);
        assert_eq!(connections[0].len(), 2);
        assert_eq!(connections[1], [(3, Step::Line(Side::Client, "b".into()))]);
    }

    #[test]
    fn placeholders_match_anything() {
        assert!(matches("USER fred", "USER fred"));
        assert!(!matches("USER fred", "USER freda"));
        assert!(matches("PASS (secret)", "PASS x y"));
        assert!(!matches("PASS (secret)", "USER x"));
        assert!(matches("a(any)b(any)c", "a1b2c"));
        assert!(!matches("a(any)b(any)c", "a1c"));
        assert!(!matches("a(any)a", "a"));
    }

    proptest! {
        #[test]
        fn every_step_reads_back(bytes: Vec<u8>, line in "[^\\p{C}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{200e}\u{200f}]*[^\\p{C}\\s]", client: bool) {
            let side = if client { Side::Client } else { Side::Server };
            for step in [Step::Bytes(side, bytes.clone()), Step::Line(side, line.clone())] {
                let session = Session::parse(&step.to_string()).unwrap();
                prop_assert_eq!(&session.steps[0].1, &step);
            }
        }

        #[test]
        fn no_text_is_too_strange(text: String) {
            let _ = Session::parse(&text);
        }
    }
}
