//! What a download is shown, and what it makes of it: a head, then a body. It waits for nobody.

use std::io::{Error, ErrorKind, Result, Write};

use proto_http::{body_length, parse_field_line, parse_status_line, BodyLength, Chunked, Head};
use proto_transport::framing::{Step, Violation};
use proto_transport::{Framing, Length, UntilClose};

/// The largest head, in bytes: one without an end would fill our memory.
const LARGEST: usize = 64 * 1024;

/// How far a response is.
#[derive(Default)]
pub struct Receiver {
    /// What came and nobody has understood yet.
    input: Vec<u8>,
    /// How the body ends; `None` until the head is whole.
    framing: Option<Box<dyn Framing>>,
}

impl Receiver {
    /// Takes what has come; nothing is the end of the stream. Whether the body is whole.
    pub fn take(&mut self, bytes: &[u8], file: &mut dyn Write) -> Result<bool> {
        self.input.extend_from_slice(bytes);
        if self.framing.is_none() {
            let end = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) => {
                    let head: Vec<u8> = self.input.drain(..end + 4).collect();
                    self.framing = Some(framing_of(&head[..end]).map_err(broken)?);
                }
                None if self.input.len() > LARGEST => return Err(ErrorKind::InvalidData.into()),
                None => {}
            }
        }
        while let Some(framing) = &mut self.framing {
            let count = match framing.step(&self.input).map_err(broken)? {
                Step::More => break,
                Step::End(_) => return Ok(true),
                Step::Skip(count) => count,
                Step::Take(count) => {
                    file.write_all(&self.input[..count])?;
                    count
                }
            };
            self.input.drain(..count);
        }
        let ends_here = self
            .framing
            .as_ref()
            .is_some_and(|framing| framing.ends_at_close());
        match bytes.is_empty() && !ends_here {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(bytes.is_empty()),
        }
    }
}

fn broken(rule: Violation) -> Error {
    Error::other(rule.0)
}

/// How the body ends that follows this head.
fn framing_of(head: &[u8]) -> std::result::Result<Box<dyn Framing>, Violation> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let line = parse_status_line(lines.next().unwrap_or_default())?;
    if line.status != 200 {
        return Err(Violation("the status is not 200"));
    }
    let mut head = Head {
        status: line.status,
        minor_version: line.minor_version,
        ..Head::default()
    };
    for line in lines {
        let (name, value) = parse_field_line(line)?;
        head.fields.push(name, value);
    }
    Ok(match body_length(false, &head)? {
        BodyLength::Chunked => Box::new(Chunked::default()),
        BodyLength::Length(length) => Box::new(Length::new(length)),
        BodyLength::Empty => Box::new(Length::new(0)),
        BodyLength::UntilClose => Box::new(UntilClose),
    })
}
