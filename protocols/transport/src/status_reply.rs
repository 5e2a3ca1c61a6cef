//! The three-digit reply of SMTP (RFC 5321 section 4.2), FTP (RFC 959 section 4.2) and NNTP
//! (RFC 3977 section 3.2).

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::escape::escaped;

/// A reply: a code and the text of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReply {
    /// The three digits.
    pub code: u16,
    /// The text of each line, without code and separator, as the peer sent it.
    pub lines: Vec<Vec<u8>>,
}

/// How the lines between the first and the last of a reply look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// Each line repeats the code and a hyphen (SMTP).
    Coded,
    /// Lines are free until one starts with the code and a space (FTP).
    Free,
}

/// `code SP text`, `code "-" text`, or a free line.
/// `code = %x31-35 %x30-39 %x30-39`; the separator may be missing when there is no text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] = digits else {
        return None;
    };
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

impl StatusReply {
    /// Reads one reply. Its lines and bytes are bounded by the connection's limits.
    pub fn read(connection: &mut Connection, continuation: Continuation) -> Result<StatusReply> {
        let (max_lines, max_bytes) = (
            connection.limits().reply_lines,
            connection.limits().reply_bytes,
        );
        let mut reply: Option<StatusReply> = None;
        let mut bytes = 0;
        loop {
            let line = connection.read_line()?.to_vec();
            if line.contains(&0) {
                return Err(connection.malformed("a reply cannot hold NUL", &line));
            }
            bytes += line.len();
            let known = reply.as_ref().map(|reply| reply.code);
            let (code, last, text) = match (parse_line(&line), known) {
                (Some(parsed), None) => parsed,
                (Some((code, last, text)), Some(known)) if code == known => (code, last, text),
                (_, Some(known)) if continuation == Continuation::Free => (known, false, &line[..]),
                (Some(_), Some(_)) => {
                    return Err(
                        connection.malformed("all lines of a reply carry the same code", &line)
                    )
                }
                (None, _) => {
                    return Err(connection.malformed("a reply starts with three digits", &line))
                }
            };
            let reply = reply.get_or_insert_with(|| StatusReply {
                code,
                lines: Vec::new(),
            });
            reply.lines.push(text.to_vec());
            if last {
                return Ok(reply.clone());
            }
            if reply.lines.len() >= max_lines || bytes > max_bytes {
                return Err(Error::TooLarge {
                    what: format!("{}: a reply, in lines,", connection.peer()),
                    limit: max_lines as u64,
                });
            }
        }
    }

    /// Whether the code starts with these digits: `2`, `25` or `250`.
    pub fn is(&self, prefix: u16) -> bool {
        match prefix {
            0..=9 => self.code / 100 == prefix,
            10..=99 => self.code / 10 == prefix,
            _ => self.code == prefix,
        }
    }

    /// The reply if its code starts with these digits, else what kind of no it is. `connection`
    /// tells who said it and what we were doing.
    pub fn expect(self, prefix: u16, connection: &Connection) -> Result<StatusReply> {
        if self.is(prefix) {
            return Ok(self);
        }
        if matches!(self.code / 100, 4 | 5) {
            let refusal = match self.code {
                400..=499 => Refusal::Transient,
                _ => Refusal::Lasting,
            };
            return Err(connection.refused(self.to_string(), refusal));
        }
        Err(connection.malformed(
            format!("expected a reply {prefix}"),
            self.to_string().as_bytes(),
        ))
    }
}

impl std::fmt::Display for StatusReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.code)?;
        for line in &self.lines {
            write!(f, " {}", escaped(line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn read(text: &str, continuation: Continuation) -> Result<StatusReply> {
        StatusReply::read(&mut Connection::over(Memory::new(text)), continuation)
    }

    #[test]
    fn reads_one_line_and_many() {
        let reply = read("250 fine\r\n", Continuation::Coded).unwrap();
        assert_eq!((reply.code, reply.lines), (250, vec![b"fine".to_vec()]));
        let reply = read("250-a\r\n250-b\r\n250\r\n", Continuation::Coded).unwrap();
        assert_eq!(reply.lines, [b"a".to_vec(), b"b".to_vec(), b"".to_vec()]);
        let reply = read(
            "211-Features\r\n MDTM\r\n999 x\r\n211 End\r\n",
            Continuation::Free,
        )
        .unwrap();
        assert_eq!(reply.lines[1..3], [b" MDTM".to_vec(), b"999 x".to_vec()]);
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for text in [
            "hello\r\n",
            "25\r\n",
            "650 x\r\n",
            "250x\r\n",
            "250-a\r\n251 b\r\n",
            "250-a\r\nfree\r\n",
            "250-\0STARTTLS\r\n",
        ] {
            let error = read(text, Continuation::Coded).unwrap_err();
            assert!(
                matches!(error, Error::Malformed { .. }),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn every_prefix_is_an_end_in_the_middle() {
        let text = "250-a\r\n250 b\r\n";
        for length in 0..text.len() {
            let error = read(&text[..length], Continuation::Coded).unwrap_err();
            assert!(matches!(error, Error::Closed { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn an_endless_reply_ends() {
        let text = "250-a\r\n".repeat(1_001);
        let error = read(&text, Continuation::Coded).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn expectations_are_digit_prefixes() {
        let connection = Connection::over(Memory::new(""));
        let reply = |code| StatusReply {
            code,
            lines: vec![],
        };
        for prefix in [2, 25, 250] {
            assert!(reply(250).expect(prefix, &connection).is_ok());
        }
        for (code, transient) in [(450, true), (550, false)] {
            let error = reply(code).expect(2, &connection).unwrap_err();
            assert_eq!(error.is_transient(), transient);
        }
        let error = reply(354).expect(2, &connection).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }));
    }
}
