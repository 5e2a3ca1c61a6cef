//! How the mail and news commands secure a connection and log in.

use clap::Args;
use proto_auth::{SaslCredentials, SaslMechanism};
use proto_transport::{decoded, Connector, Endpoint, Error, Result, Security, Url};

use crate::cli::CommonArgs;
use crate::credentials::Credentials;

/// What is asked of protocols that can upgrade to TLS.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "TLS")]
pub struct UpgradeArgs {
    /// Upgrade to TLS by the protocol's own command, or fail
    #[arg(long, conflicts_with = "plain")]
    pub starttls: bool,
}

/// Who logs in, and how.
#[derive(Clone)]
pub struct Login {
    /// What proves it.
    pub credentials: SaslCredentials,
    /// The mechanism that was asked for.
    pub mechanism: Option<String>,
}

impl Login {
    /// The user's name.
    pub fn user(&self) -> &str {
        match &self.credentials {
            SaslCredentials::Password { user, .. } | SaslCredentials::Token { user, .. } => user,
            SaslCredentials::Nothing { identity } => identity,
        }
    }

    /// The mechanism that was asked for, by SASL's names.
    pub fn sasl(&self) -> Result<Option<SaslMechanism>> {
        let parse =
            |name: &String| SaslMechanism::from_name(name).ok_or_else(|| no_mechanism(name, &[]));
        self.mechanism.as_ref().map(parse).transpose()
    }
}

/// The error of a name that no mechanism has. `others` are what the protocol has of its own beside
/// the mechanisms of SASL.
pub fn no_mechanism(name: &str, others: &[&str]) -> Error {
    let all = SaslMechanism::all().iter().map(|one| one.name());
    let all: Vec<&str> = others.iter().copied().chain(all).collect();
    Error::illegal(format!(
        "{name} is no mechanism for logging in; there are {}",
        all.join(", ")
    ))
}

/// The login for the service that a URL names, if there is one to be had: whoever names a user, or
/// a mechanism, means to log in.
pub fn login(common: &CommonArgs, url: &Url, endpoint: &Endpoint) -> Result<Option<Login>> {
    let credentials = Credentials::new(&common.credentials)?;
    if !common.looking.quiet {
        credentials.warn_of_passwords_in(std::slice::from_ref(url));
    }
    let mechanism = credentials.mechanism().map(str::to_owned);
    let sasl = mechanism.as_deref().and_then(SaslMechanism::from_name);
    let user = match (&common.credentials.user, url.username()) {
        (Some(user), _) => Some(user.clone()),
        (None, "") => None,
        (None, user) => Some(decoded(user, "user")?),
    };
    let credentials = match sasl {
        Some(SaslMechanism::External | SaslMechanism::Anonymous) => {
            Some(SaslCredentials::Nothing {
                identity: user.unwrap_or_default(),
            })
        }
        _ => match credentials.token()? {
            Some(token) => Some(SaslCredentials::Token {
                user: user.ok_or_else(|| Error::illegal("a token needs a user too; see -u"))?,
                token,
            }),
            None => credentials
                .for_target(url, endpoint, None)?
                .map(|(user, password)| SaslCredentials::Password { user, password }),
        },
    };
    if let Some(credentials) = &credentials {
        refuse_line_ends(credentials)?;
    }
    match (credentials, mechanism) {
        (Some(credentials), mechanism) => Ok(Some(Login {
            credentials,
            mechanism,
        })),
        (None, Some(mechanism)) => Err(Error::illegal(format!("{mechanism} needs a user; see -u"))),
        (None, None) => Ok(None),
    }
}

/// What some mechanisms say in a line of its own cannot hold what ends a line; what all have in
/// common is told before anybody is called.
fn refuse_line_ends(credentials: &SaslCredentials) -> Result<()> {
    let (user, secret) = match credentials {
        SaslCredentials::Password { user, password } => (user, password.reveal()),
        SaslCredentials::Token { user, token } => (user, token.reveal()),
        SaslCredentials::Nothing { identity } => (identity, ""),
    };
    for (text, what) in [(user.as_str(), "user name"), (secret, "password or token")] {
        if text.chars().any(char::is_control) {
            return Err(Error::illegal(format!(
                "a {what} cannot hold control characters"
            )));
        }
    }
    Ok(())
}

/// The endpoint with the security that is asked of it. Credentials do not go in the clear to
/// another machine unless `--plain` says so: the connection upgrades or fails.
pub fn secured(
    endpoint: &Endpoint,
    common: &CommonArgs,
    upgrade: &UpgradeArgs,
    logs_in: bool,
    connector: &Connector,
) -> Result<Endpoint> {
    let must_hide = logs_in && !connector.is_private(endpoint);
    let security = match endpoint.security {
        Security::Tls if upgrade.starttls => return Err(Error::illegal(
            "--starttls upgrades a connection in the clear; this one is TLS from the first byte",
        )),
        Security::Tls => Security::Tls,
        _ if common.tls.plain => Security::Plain,
        Security::StartTls => Security::StartTls,
        Security::Plain if upgrade.starttls || must_hide => Security::StartTls,
        Security::Plain => Security::Plain,
    };
    Ok(Endpoint {
        security,
        ..endpoint.clone()
    })
}

/// Whether what is said to an endpoint without TLS may hold a password.
pub fn is_private(endpoint: &Endpoint, common: &CommonArgs, connector: &Connector) -> bool {
    common.tls.plain || connector.is_private(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use proto_transport::parse_url;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        upgrade: UpgradeArgs,
        #[command(flatten)]
        common: CommonArgs,
    }

    fn security(arguments: &str, url: &str, security: Security, logs_in: bool) -> Option<Security> {
        let arguments = std::iter::once("proto").chain(arguments.split_whitespace());
        let Command { upgrade, common } = Command::try_parse_from(arguments).ok()?;
        let url = parse_url(url, "smtp").unwrap();
        let endpoint = Endpoint::from_url(&url, 25, security).unwrap();
        let connector = Connector::default();
        let secured = secured(&endpoint, &common, &upgrade, logs_in, &connector);
        secured.ok().map(|endpoint| endpoint.security)
    }

    #[test]
    fn credentials_do_not_go_in_the_clear() {
        use Security::{Plain, StartTls, Tls};
        for (arguments, url, given, logs_in, expected) in [
            ("", "far.example", Plain, false, Some(Plain)),
            ("", "far.example", Plain, true, Some(StartTls)),
            ("", "localhost", Plain, true, Some(Plain)),
            ("--plain", "far.example", Plain, true, Some(Plain)),
            ("--starttls", "localhost", Plain, false, Some(StartTls)),
            ("", "far.example", StartTls, false, Some(StartTls)),
            ("--plain", "far.example", StartTls, false, Some(Plain)),
            ("--plain", "far.example", Tls, true, Some(Tls)),
            ("--starttls", "far.example", Tls, true, None),
            ("--starttls --plain", "far.example", Plain, true, None),
        ] {
            assert_eq!(
                security(arguments, url, given, logs_in),
                expected,
                "{arguments} {url} {given:?} {logs_in}"
            );
        }
    }

    #[test]
    fn mechanisms_have_names() {
        let login = |name: &str| Login {
            credentials: SaslCredentials::Nothing {
                identity: String::new(),
            },
            mechanism: Some(name.to_owned()),
        };
        assert!(login("scram-sha-256").sasl().is_ok());
        let error = login("NTLM").sasl().unwrap_err().to_string();
        assert!(error.contains("XOAUTH2"), "{error}");
    }
}
