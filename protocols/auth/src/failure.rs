//! What is to be said of a server that breaks an exchange.

use std::fmt;

/// A server broke the exchange. Nothing more is said to it but that the login is cancelled
/// (`*`, RFC 4954 section 4), and the connection reports the rule with the offending bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslFailure {
    rule: &'static str,
}

impl SaslFailure {
    pub(crate) fn new(rule: &'static str) -> SaslFailure {
        SaslFailure { rule }
    }

    /// The rule that was broken.
    pub fn rule(self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for SaslFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

impl std::error::Error for SaslFailure {}
