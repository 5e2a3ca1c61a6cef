//! The mechanisms of SASL (RFC 4422) that are spoken here, by their registered names.

/// A SASL mechanism by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaslMechanism {
    /// SCRAM with SHA-256, bound to the TLS connection (RFC 7677).
    ScramSha256Plus,
    /// SCRAM with SHA-1, bound to the TLS connection (RFC 5802).
    ScramSha1Plus,
    /// SCRAM with SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM with SHA-1 (RFC 5802).
    ScramSha1,
    /// A keyed hash of a challenge (RFC 2195): whoever listens can guess the password.
    CramMd5,
    /// User name and password as they are (RFC 4616).
    Plain,
    /// The same in two steps. Never became a standard, and is all that some servers have.
    Login,
    /// An OAuth token (RFC 7628).
    OAuthBearer,
    /// An OAuth token, as Google did it before there was a standard.
    XOAuth2,
    /// What the connection already proved, for example by a client certificate
    /// (RFC 4422 appendix A).
    External,
    /// Nobody in particular (RFC 4505).
    Anonymous,
}

/// In the order in which people are told of them.
const ALL: [SaslMechanism; 11] = [
    SaslMechanism::ScramSha256Plus,
    SaslMechanism::ScramSha1Plus,
    SaslMechanism::ScramSha256,
    SaslMechanism::ScramSha1,
    SaslMechanism::CramMd5,
    SaslMechanism::Plain,
    SaslMechanism::Login,
    SaslMechanism::OAuthBearer,
    SaslMechanism::XOAuth2,
    SaslMechanism::External,
    SaslMechanism::Anonymous,
];

impl SaslMechanism {
    /// The name that goes over the wire.
    pub fn name(self) -> &'static str {
        match self {
            SaslMechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            SaslMechanism::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha1 => "SCRAM-SHA-1",
            SaslMechanism::CramMd5 => "CRAM-MD5",
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::Login => "LOGIN",
            SaslMechanism::OAuthBearer => "OAUTHBEARER",
            SaslMechanism::XOAuth2 => "XOAUTH2",
            SaslMechanism::External => "EXTERNAL",
            SaslMechanism::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of this name. Names are in capitals (RFC 4422 section 3.1); people and some
    /// servers write them otherwise, so that any case is taken.
    pub fn from_name(text: &str) -> Option<SaslMechanism> {
        let mut all = ALL.iter().copied();
        all.find(|mechanism| mechanism.name().eq_ignore_ascii_case(text))
    }

    /// Every mechanism, for a list of what can be asked for.
    pub fn all() -> &'static [SaslMechanism] {
        &ALL
    }

    /// Whether whoever listens has the password or the token.
    pub fn sends_password(self) -> bool {
        use SaslMechanism::{Login, OAuthBearer, Plain, XOAuth2};
        matches!(self, Plain | Login | OAuthBearer | XOAuth2)
    }

    /// Whether we speak first, so that an initial response may go with the command.
    pub fn is_client_first(self) -> bool {
        !matches!(self, SaslMechanism::CramMd5 | SaslMechanism::Login)
    }

    /// Whether it is bound to the TLS connection.
    pub(crate) fn is_bound(self) -> bool {
        use SaslMechanism::{ScramSha1Plus, ScramSha256Plus};
        matches!(self, ScramSha1Plus | ScramSha256Plus)
    }

    /// The form of this hash that is bound to the TLS connection.
    pub(crate) fn bound(self) -> Option<SaslMechanism> {
        match self {
            SaslMechanism::ScramSha256 => Some(SaslMechanism::ScramSha256Plus),
            SaslMechanism::ScramSha1 => Some(SaslMechanism::ScramSha1Plus),
            _ => None,
        }
    }

    /// Whether the name is among those that a server offers.
    pub(crate) fn is_among(self, offered: &[String]) -> bool {
        let name = self.name();
        offered.iter().any(|offer| offer.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for mechanism in SaslMechanism::all() {
            let name = mechanism.name();
            assert_eq!(SaslMechanism::from_name(name), Some(*mechanism));
            let lower = name.to_lowercase();
            assert_eq!(SaslMechanism::from_name(&lower), Some(*mechanism));
            // RFC 4422 section 3.1: sasl-mech = 1*20mech-char
            assert!(name.len() <= 20, "{name}");
        }
        for name in ["", "PLAIN ", "SCRAM-SHA-256-PLUS2", "DIGEST-MD5", "scram"] {
            assert_eq!(SaslMechanism::from_name(name), None);
        }
    }

    #[test]
    fn each_is_listed_once() {
        for (index, mechanism) in ALL.iter().enumerate() {
            assert_eq!(ALL.iter().position(|other| other == mechanism), Some(index));
        }
    }
}
