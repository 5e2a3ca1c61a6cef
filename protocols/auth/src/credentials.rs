//! What a login starts from: what proves who we are, and what the connection allows.

use proto_transport::Secret;

/// What proves who we are.
#[derive(Debug, Clone)]
pub enum SaslCredentials {
    /// Something we know.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Something we were given.
    Token {
        /// The user's name.
        user: String,
        /// An OAuth access token.
        token: Secret,
    },
    /// A certificate that the connection has already shown, or nothing at all.
    Nothing {
        /// Whom to act as with EXTERNAL, which may be empty; or who it is that remains anonymous.
        identity: String,
    },
}

impl SaslCredentials {
    /// The name in them.
    pub(crate) fn identity(&self) -> &str {
        match self {
            SaslCredentials::Password { user, .. } | SaslCredentials::Token { user, .. } => user,
            SaslCredentials::Nothing { identity } => identity,
        }
    }

    /// What to call them.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            SaslCredentials::Password { .. } => "a password",
            SaslCredentials::Token { .. } => "a token",
            SaslCredentials::Nothing { .. } => "neither password nor token",
        }
    }
}

/// What the connection allows.
#[derive(Debug, Clone, Default)]
pub struct SaslContext {
    /// Nobody listens: the connection is encrypted, or stays on this machine. Or the user does
    /// not mind.
    pub is_private: bool,
    /// The `tls-server-end-point` data to bind to (RFC 5929 section 4). `None` without TLS.
    pub end_point: Option<Vec<u8>>,
    /// The server's name, which OAUTHBEARER tells.
    pub host: String,
    /// The server's port, which OAUTHBEARER tells.
    pub port: u16,
}

impl SaslContext {
    /// The server, as errors name it.
    pub(crate) fn peer(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let password = SaslCredentials::Password {
            user: "tim".to_owned(),
            password: "hunter2".into(),
        };
        let token = SaslCredentials::Token {
            user: "tim".to_owned(),
            token: "hunter2".into(),
        };
        for credentials in [password, token] {
            let shown = format!("{credentials:?}");
            assert!(shown.contains("tim"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn the_peer_is_named_as_an_endpoint_is() {
        let peer = |host: &str| {
            let context = SaslContext {
                host: host.to_owned(),
                port: 25,
                ..SaslContext::default()
            };
            context.peer()
        };
        assert_eq!(peer("localhost"), "localhost:25");
        assert_eq!(peer("::1"), "[::1]:25");
    }
}
