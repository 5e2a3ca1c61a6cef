//! Flags of messages (RFC 9051 section 2.3.2): `\Seen` and the like, and keywords.

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use crate::syntax::{Parsed, Tokens};

/// A flag. In any case it is the same.
#[derive(Debug, Clone)]
pub struct Flag(String);

impl Flag {
    /// `flag = "\" atom / atom`: a flag to be set, such as `\Seen` or `$Junk`.
    pub fn new(name: &str) -> Result<Flag> {
        match is_flag(name) {
            true => Ok(Flag(name.to_owned())),
            false => Err(Error::illegal(format!(
                "{name:?} is no flag; flags are words like \\Seen or $Junk, without spaces, \
                 parentheses, quotation marks, %, * and ]"
            ))),
        }
    }

    /// A flag that a server says, which may be anything.
    pub(crate) fn parse(tokens: &mut Tokens<'_>) -> Parsed<Flag> {
        Ok(Flag(escaped(&tokens.astring()?)))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be said to a server.
    pub(crate) fn check(&self) -> Result<&str> {
        Flag::new(&self.0).map(|_| self.as_str())
    }
}

impl PartialEq for Flag {
    fn eq(&self, other: &Flag) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Flag {}

impl PartialEq<str> for Flag {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

/// `atom = 1*ATOM-CHAR`: no controls, spaces, parentheses, `{ % * " \ ]`.
pub(crate) fn is_atom(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

fn is_flag(name: &str) -> bool {
    is_atom(name.strip_prefix('\\').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_atoms() {
        for name in ["\\Seen", "$Junk", "NonJunk", "a}b", "x[y"] {
            assert!(Flag::new(name).is_ok(), "{name}");
        }
        for name in [
            "", "\\", "a b", "a)", "(a", "a\r\nb", "\\*", "\\\\a", "{3}", "\"a\"", "ä", "a]",
        ] {
            assert!(Flag::new(name).is_err(), "{name}");
        }
        assert_eq!(Flag::new("\\SEEN").unwrap(), *"\\Seen");
    }
}
