//! Where an item ends. RFC 1436 section 3.8 has text end with a line that holds a dot; many servers
//! leave it out and hang up, and then a text may hold such a line itself. So the dot is the end only
//! if nothing follows it.

use proto_transport::framing::{Step, Violation};
use proto_transport::{Dotted, Framing, Length, UntilClose};

/// Text up to the end of the connection, without the dot at its end. Where a line begins with two
/// dots, the first was put there by the server (RFC 1436 section 3.10), unless a line with only one
/// has shown that this server does no such thing.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    at_line_start: bool,
    doubles_dots: bool,
    /// What is unread is the line with the dot, if nothing more comes.
    is_at_dot: bool,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            at_line_start: true,
            doubles_dots: true,
            is_at_dot: false,
        }
    }
}

impl Framing for Text {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        self.is_at_dot = false;
        if self.at_line_start {
            match unread {
                [] => return Ok(Step::More),
                [b'.'] | [b'.', b'\r'] | [b'.', b'\n'] | [b'.', b'\r', b'\n'] => {
                    self.is_at_dot = true;
                    return Ok(Step::More);
                }
                [b'.', b'.', ..] if self.doubles_dots => {
                    self.at_line_start = false;
                    return Ok(Step::Skip(1));
                }
                [b'.', ..] => self.doubles_dots = false,
                _ => {}
            }
        }
        if unread.is_empty() {
            return Ok(Step::More);
        }
        // As many whole lines as there are before one that begins with a dot.
        let mut taken = 0;
        for line in unread.split_inclusive(|byte| *byte == b'\n') {
            if taken > 0 && line.starts_with(b".") {
                break;
            }
            taken += line.len();
        }
        let end = unread.get(..taken).unwrap_or_default();
        self.at_line_start = end.ends_with(b"\n");
        Ok(Step::Take(taken))
    }

    fn ends_at_close(&self) -> bool {
        true
    }
}

/// Every way in which an item can end.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// As text does.
    Text(Text),
    /// With the connection.
    Close(UntilClose),
    /// After so many bytes, which Gopher+ tells.
    Counted(Length),
    /// With a dot for certain, which Gopher+ tells.
    Dotted(Dotted),
}

impl Ending {
    /// Whether all that is needed for a whole text has come: a line with a dot, and nothing behind.
    pub(crate) fn is_at_dot(&self) -> bool {
        matches!(self, Ending::Text(text) if text.is_at_dot)
    }

    fn framing(&self) -> &dyn Framing {
        match self {
            Ending::Text(framing) => framing,
            Ending::Close(framing) => framing,
            Ending::Counted(framing) => framing,
            Ending::Dotted(framing) => framing,
        }
    }

    fn framing_mut(&mut self) -> &mut dyn Framing {
        match self {
            Ending::Text(framing) => framing,
            Ending::Close(framing) => framing,
            Ending::Counted(framing) => framing,
            Ending::Dotted(framing) => framing,
        }
    }
}

impl Framing for Ending {
    fn step(&mut self, unread: &[u8]) -> Result<Step, Violation> {
        self.framing_mut().step(unread)
    }

    fn opaque(&self) -> u64 {
        self.framing().opaque()
    }

    fn advance(&mut self, count: u64) {
        self.framing_mut().advance(count);
    }

    fn ends_at_close(&self) -> bool {
        self.framing().ends_at_close()
    }

    fn remaining(&self) -> Option<u64> {
        self.framing().remaining()
    }
}
