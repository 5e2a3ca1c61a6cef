//! Tags that nobody can guess: the content of a message, which may pass for a response to careless
//! eyes, must not hold one, and an attacker must not say an answer ahead.

use std::io;

use proto_transport::{Error, Result};

/// The tags of one connection.
#[derive(Debug, Clone, Default)]
pub struct Tags {
    prefix: String,
    count: u64,
}

/// Letters that make no words.
const LETTERS: &[u8; 16] = b"BCDFGHJKLMNPQRST";

impl Tags {
    /// A prefix of 40 random bits, and a number.
    pub fn random() -> Result<Tags> {
        let mut bytes = [0; 5];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::io(
                "asking the system for random bytes",
                io::Error::other(error.to_string()),
            )
        })?;
        let letter = |index: u8| {
            LETTERS
                .get(usize::from(index))
                .map_or('B', |it| char::from(*it))
        };
        let letters = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Ok(Tags::with_prefix(&letters.map(letter).collect::<String>()))
    }

    /// Tags that begin so, for a conversation whose other side was written beforehand.
    pub fn with_prefix(prefix: &str) -> Tags {
        Tags {
            prefix: prefix.to_owned(),
            count: 0,
        }
    }

    pub(crate) fn next(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.prefix, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_connections_have_the_same() {
        let (mut one, mut two) = (Tags::random().unwrap(), Tags::random().unwrap());
        let first = one.next();
        assert_ne!(first, two.next());
        assert_ne!(first, one.next());
        assert_eq!(first.len(), 11);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
