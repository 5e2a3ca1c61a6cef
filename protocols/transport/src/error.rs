//! One error for the whole workspace. Each variant says who broke what, while doing what.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::escape::escaped;

/// The result of everything that talks to a peer.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, told so that a person can act on it and a program can choose an exit status.
#[derive(Debug)]
pub enum Error {
    /// We were asked to say something that the protocol cannot carry.
    Illegal {
        /// What was asked for, and why it cannot be said.
        why: String,
    },
    /// There is no such host, or nobody answers there.
    Unreachable {
        /// The endpoint that was wanted.
        peer: String,
        /// Which step failed.
        because: Unreachable,
        /// What the system said.
        why: String,
    },
    /// TLS is missing, was refused, or is not trustworthy.
    Insecure {
        /// The endpoint.
        peer: String,
        /// What we were doing.
        doing: String,
        /// The reason, and what to try.
        why: String,
        /// Whether it was the peer's certificate that was not accepted.
        certificate: bool,
    },
    /// Our clock ran out.
    TimedOut {
        /// The endpoint.
        peer: String,
        /// What we were doing.
        doing: String,
        /// How long we waited.
        after: Duration,
    },
    /// The peer hung up in the middle.
    Closed {
        /// The endpoint.
        peer: String,
        /// What we were doing.
        doing: String,
        /// How it hung up.
        why: String,
    },
    /// The peer broke the grammar.
    Malformed {
        /// The endpoint.
        peer: String,
        /// What we were doing.
        doing: String,
        /// The rule that was broken.
        rule: String,
        /// The beginning of the offending bytes, already escaped.
        excerpt: String,
    },
    /// A well-formed no.
    Refused {
        /// The endpoint.
        peer: String,
        /// What we asked for.
        doing: String,
        /// What the peer said, already escaped.
        reply: String,
        /// Whether trying again, or other credentials, may help.
        refusal: Refusal,
    },
    /// One of our limits was passed.
    TooLarge {
        /// What was too large.
        what: String,
        /// The limit, in the unit that `what` names.
        limit: u64,
    },
    /// Our own files or output failed.
    Io {
        /// What we were doing.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Which step towards a peer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The name has no address.
    NoSuchHost,
    /// No address of the name accepted a connection.
    NobodyAnswers,
}

/// What kind of no it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// May succeed later.
    Transient,
    /// Will not succeed by repeating.
    Lasting,
    /// The credentials were not accepted, or are missing.
    Credentials,
}

/// How many bytes of a peer's nonsense an error shows.
const EXCERPT: usize = 80;

impl Error {
    /// An [`Error::Illegal`].
    pub fn illegal(why: impl Into<String>) -> Error {
        Error::Illegal { why: why.into() }
    }

    /// An [`Error::Io`] about our own files or output.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Io {
            doing: doing.into(),
            source,
        }
    }

    /// A no, with what is to be known of it behind the reply; any other error as it is.
    pub fn advised(mut self, advice: &str) -> Error {
        if let Error::Refused { reply, .. } = &mut self {
            reply.push_str("; ");
            reply.push_str(advice);
        }
        self
    }

    /// Whether the same request may succeed if it is simply made again.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::TimedOut { .. }
                | Error::Closed { .. }
                | Error::Unreachable {
                    because: Unreachable::NobodyAnswers,
                    ..
                }
                | Error::Refused {
                    refusal: Refusal::Transient,
                    ..
                }
        )
    }
}

/// The beginning of `bytes`, harmless and short enough for an error message.
pub fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes.get(..EXCERPT).unwrap_or(bytes);
    let mut text = escaped(shown);
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Illegal { why } => f.write_str(why),
            Error::Unreachable { peer, because, why } => match because {
                Unreachable::NoSuchHost => write!(f, "{peer}: no such host: {why}"),
                Unreachable::NobodyAnswers => write!(f, "{peer}: cannot connect: {why}"),
            },
            Error::Insecure {
                peer, doing, why, ..
            } => write!(f, "{peer}: not secure while {doing}: {why}"),
            Error::TimedOut { peer, doing, after } => write!(
                f,
                "{peer}: timed out after {:.1} s while {doing}",
                after.as_secs_f64()
            ),
            Error::Closed { peer, doing, why } => {
                write!(f, "{peer}: the peer hung up while {doing}: {why}")
            }
            Error::Malformed {
                peer,
                doing,
                rule,
                excerpt,
            } => {
                write!(
                    f,
                    "{peer}: the peer broke the protocol while {doing}: {rule}"
                )?;
                if excerpt.is_empty() {
                    return Ok(());
                }
                write!(f, ": {excerpt:?}", excerpt = Shown(excerpt))
            }
            Error::Refused {
                peer, doing, reply, ..
            } => write!(f, "{peer}: refused while {doing}: {reply}"),
            Error::TooLarge { what, limit } => write!(f, "{what} is over the limit of {limit}"),
            Error::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

/// Text that is already escaped, between quotation marks.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_who_broke_what_while_doing_what() {
        let error = Error::Malformed {
            peer: "localhost:110".into(),
            doing: "reading the greeting".into(),
            rule: "a greeting starts with +OK or -ERR".into(),
            excerpt: excerpt(b"HTTP/1.1\x1b[2J"),
        };
        assert_eq!(
            error.to_string(),
            "localhost:110: the peer broke the protocol while reading the greeting: \
             a greeting starts with +OK or -ERR: \"HTTP/1.1\\x1b[2J\""
        );
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt(&[b'a'; 100]).chars().count(), EXCERPT + 1);
        assert_eq!(excerpt(&[b'a'; EXCERPT]), "a".repeat(EXCERPT));
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        let refused = |refusal| Error::Refused {
            peer: String::new(),
            doing: String::new(),
            reply: String::new(),
            refusal,
        };
        assert!(refused(Refusal::Transient).is_transient());
        assert!(!refused(Refusal::Lasting).is_transient());
        assert!(!refused(Refusal::Credentials).is_transient());
        assert!(!Error::illegal("no").is_transient());
    }
}
