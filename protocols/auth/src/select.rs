//! Which mechanism to use: the strongest that both sides have, and none that shows the password
//! to whoever listens.

use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};

use crate::credentials::{SaslContext, SaslCredentials};
use crate::mechanism::SaslMechanism;

/// For a password, best first. CRAM-MD5 is missing: whoever hears it can guess the password, so
/// that it has to be asked for.
const WITH_PASSWORD: [SaslMechanism; 6] = [
    SaslMechanism::ScramSha256Plus,
    SaslMechanism::ScramSha1Plus,
    SaslMechanism::ScramSha256,
    SaslMechanism::ScramSha1,
    SaslMechanism::Plain,
    SaslMechanism::Login,
];

/// For a token, best first.
const WITH_TOKEN: [SaslMechanism; 2] = [SaslMechanism::OAuthBearer, SaslMechanism::XOAuth2];

/// How many of a server's mechanisms an error names. Real lists have a dozen.
const MOST_NAMED: usize = 20;

/// Which mechanisms may be tried, best first, and never none. `offered` are the server's names,
/// of which unknown ones are ignored; `demanded` is the user's choice, and then the only one.
///
/// Errors are [`Error::Refused`] about credentials if there is nothing in common,
/// [`Error::Insecure`] if it needs a connection that is encrypted, and [`Error::Illegal`] if these
/// credentials do not go with what was demanded. Each of the first two says what is offered and
/// what to try.
pub fn select(
    offered: &[String],
    credentials: &SaslCredentials,
    context: &SaslContext,
    demanded: Option<SaslMechanism>,
) -> Result<Vec<SaslMechanism>> {
    if let Some(mechanism) = demanded {
        permit(mechanism, offered, credentials, context)?;
        return match mechanism.is_among(offered) {
            true => Ok(vec![mechanism]),
            false => Err(not_offered(mechanism, offered, context)),
        };
    }
    let wanted: &[SaslMechanism] = match credentials {
        SaslCredentials::Password { .. } => &WITH_PASSWORD,
        SaslCredentials::Token { .. } => &WITH_TOKEN,
        SaslCredentials::Nothing { .. } => &[],
    };
    let mut common = wanted.to_vec();
    common.retain(|mechanism| mechanism.is_among(offered));
    let mut allowed = common.clone();
    allowed.retain(|mechanism| obstacle(*mechanism, context).is_none());
    match (allowed.is_empty(), common.last()) {
        (false, _) => Ok(allowed),
        // The last needs least: if even that is not allowed, its reason is the one to tell.
        (true, Some(last)) => Err(insecure(*last, offered, credentials, context)),
        (true, None) => Err(nothing_in_common(offered, credentials, context)),
    }
}

/// Whether a mechanism can be used with these credentials on this connection, offered or not.
pub(crate) fn permit(
    mechanism: SaslMechanism,
    offered: &[String],
    credentials: &SaslCredentials,
    context: &SaslContext,
) -> Result<()> {
    if !fits(mechanism, credentials) {
        return Err(Error::illegal(format!(
            "{} does not go with {}",
            mechanism.name(),
            credentials.kind()
        )));
    }
    match obstacle(mechanism, context) {
        Some(_) => Err(insecure(mechanism, offered, credentials, context)),
        None => Ok(()),
    }
}

/// Whether the credentials are of the kind that the mechanism needs.
fn fits(mechanism: SaslMechanism, credentials: &SaslCredentials) -> bool {
    use SaslMechanism::{Anonymous, External, OAuthBearer, XOAuth2};
    match mechanism {
        // They need a name at most, and any credentials have one.
        External | Anonymous => true,
        OAuthBearer | XOAuth2 => matches!(credentials, SaslCredentials::Token { .. }),
        _ => matches!(credentials, SaslCredentials::Password { .. }),
    }
}

/// Why the connection does not allow a mechanism.
fn obstacle(mechanism: SaslMechanism, context: &SaslContext) -> Option<&'static str> {
    if mechanism.is_bound() && context.end_point.is_none() {
        return Some("has no TLS certificate here to bind to; --starttls may bring one");
    }
    if mechanism.sends_password() && !context.is_private {
        return Some(
            "would show the secret to whoever listens; encrypt with --starttls, \
             or allow it with --plain",
        );
    }
    None
}

fn insecure(
    mechanism: SaslMechanism,
    offered: &[String],
    credentials: &SaslCredentials,
    context: &SaslContext,
) -> Error {
    let why = obstacle(mechanism, context).unwrap_or_default();
    let (named, name) = (named(offered), mechanism.name());
    let hint = hint(offered, credentials);
    Error::Insecure {
        peer: context.peer(),
        doing: "choosing how to log in".to_owned(),
        why: format!("the server offers {named}, and {name} {why}{hint}"),
        certificate: false,
    }
}

fn not_offered(mechanism: SaslMechanism, offered: &[String], context: &SaslContext) -> Error {
    let (named, name) = (named(offered), mechanism.name());
    refused(
        context,
        format!("the server offers {named}, but not {name}; --auth chooses another"),
    )
}

fn nothing_in_common(
    offered: &[String],
    credentials: &SaslCredentials,
    context: &SaslContext,
) -> Error {
    let (named, hint) = (named(offered), hint(offered, credentials));
    let kind = credentials.kind();
    refused(
        context,
        format!("the server offers {named}, which cannot be used with {kind}{hint}"),
    )
}

fn refused(context: &SaslContext, mut reply: String) -> Error {
    // Servers hold back what would show a password until nobody can see it (RFC 4616 section 5).
    if !context.is_private {
        reply.push_str("; it may offer more with --starttls");
    }
    Error::Refused {
        peer: context.peer(),
        doing: "choosing how to log in".to_owned(),
        reply,
        refusal: Refusal::Credentials,
    }
}

/// The mechanisms that would do, if only somebody asked for them.
fn hint(offered: &[String], credentials: &SaslCredentials) -> &'static str {
    let is_offered = |mechanism: SaslMechanism| mechanism.is_among(offered);
    match credentials {
        SaslCredentials::Password { .. } if is_offered(SaslMechanism::CramMd5) => {
            "; --auth CRAM-MD5 works, but whoever listens can guess the password"
        }
        SaslCredentials::Nothing { .. } if is_offered(SaslMechanism::External) => {
            "; --auth EXTERNAL relies on the certificate of this side"
        }
        SaslCredentials::Nothing { .. } if is_offered(SaslMechanism::Anonymous) => {
            "; --auth ANONYMOUS needs none"
        }
        _ => "",
    }
}

/// The server's list, harmless and not too long.
fn named(offered: &[String]) -> String {
    if offered.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = offered.iter().take(MOST_NAMED).map(|it| name(it)).collect();
    let more = match shown.len() < offered.len() {
        true => " …",
        false => "",
    };
    format!("{}{more}", shown.join(" "))
}

/// `sasl-mech = 1*20mech-char` (RFC 4422 section 3.1): what is longer is cut.
fn name(offer: &str) -> String {
    let name: String = offer.chars().take(20).collect();
    escaped(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> SaslCredentials {
        SaslCredentials::Password {
            user: "tim".to_owned(),
            password: "hunter2".into(),
        }
    }

    fn token() -> SaslCredentials {
        SaslCredentials::Token {
            user: "tim".to_owned(),
            token: "hunter2".into(),
        }
    }

    fn nothing() -> SaslCredentials {
        SaslCredentials::Nothing {
            identity: String::new(),
        }
    }

    /// A connection in the clear, an encrypted one, one that can be bound to.
    fn contexts() -> [SaslContext; 3] {
        let clear = SaslContext {
            host: "localhost".to_owned(),
            port: 143,
            ..SaslContext::default()
        };
        let private = SaslContext {
            is_private: true,
            ..clear.clone()
        };
        let bound = SaslContext {
            end_point: Some(vec![1]),
            ..private.clone()
        };
        [clear, private, bound]
    }

    fn chosen(
        offered: &str,
        credentials: &SaslCredentials,
        context: &SaslContext,
        demanded: Option<SaslMechanism>,
    ) -> Result<String> {
        let offered: Vec<_> = offered.split_whitespace().map(str::to_owned).collect();
        let chosen = select(&offered, credentials, context, demanded)?;
        let names: Vec<_> = chosen.iter().map(|mechanism| mechanism.name()).collect();
        Ok(names.join(" "))
    }

    const EVERYTHING: &str = "ANONYMOUS LOGIN PLAIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 \
                              SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER EXTERNAL NTLM";

    #[test]
    fn the_best_come_first() {
        let [clear, private, bound] = contexts();
        for (credentials, context, expected) in [
            (password(), &clear, "SCRAM-SHA-256 SCRAM-SHA-1"),
            (
                password(),
                &private,
                "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN",
            ),
            (
                password(),
                &bound,
                "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN",
            ),
            (token(), &private, "OAUTHBEARER XOAUTH2"),
        ] {
            let chosen = chosen(EVERYTHING, &credentials, context, None).unwrap();
            assert_eq!(chosen, expected);
        }
        let chosen = chosen("x plain", &password(), &private, None).unwrap();
        assert_eq!(chosen, "PLAIN");
    }

    #[test]
    fn what_is_demanded_is_all() {
        let [clear, private, bound] = contexts();
        for (demanded, credentials, context) in [
            (SaslMechanism::ScramSha1Plus, password(), &bound),
            (SaslMechanism::ScramSha1, password(), &clear),
            (SaslMechanism::CramMd5, password(), &clear),
            (SaslMechanism::Login, password(), &private),
            (SaslMechanism::XOAuth2, token(), &private),
            (SaslMechanism::External, nothing(), &clear),
            (SaslMechanism::External, password(), &clear),
            (SaslMechanism::Anonymous, token(), &clear),
        ] {
            let chosen = chosen(EVERYTHING, &credentials, context, Some(demanded)).unwrap();
            assert_eq!(chosen, demanded.name());
        }
    }

    /// That the error is of a kind, and says these words.
    fn assert_says(error: &Error, is_kind: fn(&Error) -> bool, words: &[&str]) {
        assert!(is_kind(error), "{error:?}");
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    fn is_insecure(error: &Error) -> bool {
        matches!(error, Error::Insecure { .. })
    }

    fn is_illegal(error: &Error) -> bool {
        matches!(error, Error::Illegal { .. })
    }

    fn is_about_credentials(error: &Error) -> bool {
        matches!(
            error,
            Error::Refused {
                refusal: Refusal::Credentials,
                ..
            }
        )
    }

    #[test]
    fn nothing_secret_goes_in_the_clear() {
        let [clear, private, _] = contexts();
        let ways_out = ["localhost:143", "--starttls", "--plain"];
        for offered in [
            "PLAIN LOGIN",
            "LOGIN",
            "PLAIN CRAM-MD5",
            "SCRAM-SHA-1-PLUS PLAIN",
        ] {
            let error = chosen(offered, &password(), &clear, None).unwrap_err();
            assert_says(&error, is_insecure, &ways_out);
        }
        let error = chosen("PLAIN CRAM-MD5", &password(), &clear, None).unwrap_err();
        assert_says(
            &error,
            is_insecure,
            &["offers PLAIN CRAM-MD5", "PLAIN would", "--auth CRAM-MD5"],
        );
        let error = chosen("XOAUTH2", &token(), &clear, None).unwrap_err();
        assert_says(&error, is_insecure, &ways_out);
        for mechanism in [SaslMechanism::Plain, SaslMechanism::Login] {
            let error = chosen(EVERYTHING, &password(), &clear, Some(mechanism)).unwrap_err();
            assert_says(&error, is_insecure, &ways_out);
        }
        let error = chosen("SCRAM-SHA-1-PLUS", &password(), &private, None).unwrap_err();
        assert_says(
            &error,
            is_insecure,
            &["SCRAM-SHA-1-PLUS has no", "--starttls"],
        );
        let bound = Some(SaslMechanism::ScramSha256Plus);
        let error = chosen(EVERYTHING, &password(), &private, bound).unwrap_err();
        assert_says(&error, is_insecure, &["SCRAM-SHA-256-PLUS has no"]);
    }

    #[test]
    fn nothing_in_common_is_told_with_what_there_is() {
        let [_, private, _] = contexts();
        for (offered, credentials, words) in [
            (
                "CRAM-MD5",
                password(),
                vec!["offers CRAM-MD5", "a password", "--auth CRAM-MD5"],
            ),
            ("GSSAPI NTLM", password(), vec!["offers GSSAPI NTLM"]),
            ("", password(), vec!["offers nothing"]),
            ("PLAIN CRAM-MD5", token(), vec!["PLAIN CRAM-MD5", "a token"]),
            ("EXTERNAL", nothing(), vec!["--auth EXTERNAL"]),
            ("PLAIN ANONYMOUS", nothing(), vec!["--auth ANONYMOUS"]),
        ] {
            let error = chosen(offered, &credentials, &private, None).unwrap_err();
            assert_says(&error, is_about_credentials, &words);
            assert!(!error.to_string().contains("--auth CRAM-MD5") || offered == "CRAM-MD5");
        }
        let demanded = Some(SaslMechanism::ScramSha256);
        let error = chosen("PLAIN", &password(), &private, demanded).unwrap_err();
        let words = ["offers PLAIN, but not SCRAM-SHA-256", "--auth"];
        assert_says(&error, is_about_credentials, &words);
    }

    #[test]
    fn a_server_may_wait_for_encryption() {
        let [clear, private, _] = contexts();
        let error = chosen("", &password(), &clear, None).unwrap_err();
        assert_says(&error, is_about_credentials, &["nothing", "--starttls"]);
        let error = chosen("", &password(), &private, None).unwrap_err();
        assert!(!error.to_string().contains("--starttls"), "{error}");
    }

    #[test]
    fn credentials_of_another_kind_are_our_mistake() {
        let [_, _, bound] = contexts();
        for (credentials, mechanism) in [
            (token(), SaslMechanism::Plain),
            (token(), SaslMechanism::ScramSha256),
            (nothing(), SaslMechanism::CramMd5),
            (password(), SaslMechanism::OAuthBearer),
            (nothing(), SaslMechanism::XOAuth2),
        ] {
            let error = chosen(EVERYTHING, &credentials, &bound, Some(mechanism)).unwrap_err();
            let words = [mechanism.name(), credentials.kind()];
            assert_says(&error, is_illegal, &words);
        }
    }

    #[test]
    fn a_hostile_list_is_harmless() {
        let [_, private, _] = contexts();
        let mut offered = vec!["\x1b[2J".to_owned(), "A".repeat(1000)];
        offered.resize(1000, "X".to_owned());
        let error = select(&offered, &password(), &private, None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("\\x1b[2J AAAA") && text.contains("X …"),
            "{text}"
        );
        assert!(text.len() < 300, "{text}");
    }
}
