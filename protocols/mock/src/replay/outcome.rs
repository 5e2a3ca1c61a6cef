//! How a replay went.

use std::fmt;

/// How a replay went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client said all that it should and nothing else.
    AsWritten,
    /// The client said something else.
    Different {
        /// The session's line, from 1.
        line: usize,
        /// What should have come, escaped.
        expected: String,
        /// What came, escaped.
        came: String,
    },
    /// The client hung up too early.
    HungUp {
        /// The session's line that it should have said, from 1.
        line: usize,
        /// What should have come, escaped.
        expected: String,
    },
    /// The client had more to say than the session has.
    More {
        /// The connection, from 1.
        connection: usize,
        /// What it said, escaped.
        came: String,
    },
    /// More connections were made than the session has.
    MoreConnections,
    /// So many connections of the session were never made.
    Unused(usize),
    /// A conversation is still under way.
    Unfinished,
    /// A step could not be played: a file is missing, or TLS did not come about.
    Failed {
        /// The session's line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// Whether the client kept to the session.
    pub fn is_ok(&self) -> bool {
        *self == Outcome::AsWritten
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::AsWritten => f.write_str("the client kept to the session"),
            Outcome::Different {
                line,
                expected,
                came,
            } => write!(
                f,
                "line {line}: expected \"{expected}\", but \"{came}\" came"
            ),
            Outcome::HungUp { line, expected } => write!(
                f,
                "the client hung up before line {line}: expected \"{expected}\""
            ),
            Outcome::More { connection, came } => write!(
                f,
                "connection {connection}: after the session's end the client said \"{came}\""
            ),
            Outcome::MoreConnections => {
                f.write_str("the client made more connections than the session has")
            }
            Outcome::Unused(count) => write!(f, "the client did not make {count} connection(s)"),
            Outcome::Unfinished => f.write_str("the conversation is still under way"),
            Outcome::Failed { line, why } => write!(f, "line {line}: {why}"),
        }
    }
}
