//! The mechanisms that prove nothing by computing: PLAIN and LOGIN send the password, EXTERNAL
//! and ANONYMOUS a name.

use proto_transport::{Error, Result, Secret};

/// How long what ANONYMOUS tells may be, in characters (RFC 4505 section 2).
const LONGEST_TRACE: usize = 255;

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 section 2), without the first:
/// nobody acts as somebody else here.
pub(crate) fn plain(user: &str, password: &Secret) -> Result<Secret> {
    check_user(user)?;
    check_password(password)?;
    // Room for all from the start: growing would leave copies behind.
    let mut message = String::with_capacity(user.len() + password.reveal().len() + 2);
    message.push('\0');
    message.push_str(user);
    message.push('\0');
    message.push_str(password.reveal());
    Ok(Secret::new(message))
}

/// What LOGIN sends, one after the other: `user`, `password`
/// (draft-murchison-sasl-login-00 section 2).
pub(crate) fn login(user: &str, password: &Secret) -> Result<(Secret, Secret)> {
    check_user(user)?;
    check_password(password)?;
    Ok((user.into(), password.clone()))
}

/// `extern-initial-resp = *( UTF8-char-no-nul )` (RFC 4422 appendix A.1). Empty means: whoever
/// the connection says that we are.
pub(crate) fn external(identity: &str) -> Result<Secret> {
    check_nul(identity)?;
    Ok(identity.into())
}

/// `message = [ email / token ]`, `token = 1*255TCHAR` (RFC 4505 section 2).
pub(crate) fn anonymous(trace: &str) -> Result<Secret> {
    if trace.chars().any(char::is_control) || trace.chars().count() > LONGEST_TRACE {
        return Err(Error::illegal(format!(
            "what ANONYMOUS tells has up to {LONGEST_TRACE} characters and no control characters \
             (RFC 4505 section 2)"
        )));
    }
    Ok(trace.into())
}

/// Somebody, without the NUL that ends a name in PLAIN and in the libraries of servers.
pub(crate) fn check_user(user: &str) -> Result<()> {
    match user.is_empty() {
        true => Err(Error::illegal("a login needs the name of a user")),
        false => check_nul(user),
    }
}

/// `passwd = 1*SAFE`, which is all but NUL (RFC 4616 section 2).
pub(crate) fn check_password(password: &Secret) -> Result<()> {
    match password.is_empty() {
        true => Err(Error::illegal("a login needs a password that is not empty")),
        false => check_nul(password.reveal()),
    }
}

fn check_nul(text: &str) -> Result<()> {
    match text.contains('\0') {
        true => Err(Error::illegal(
            "names and passwords cannot hold NUL (RFC 4616 section 2)",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 4616 section 4, the one without an authorization identity.
        let message = plain("tim", &"tanstaaftanstaaf".into()).unwrap();
        assert_eq!(message.reveal(), "\0tim\0tanstaaftanstaaf");
        let message = plain("\u{e4}:b", &"\u{1f600} ".into()).unwrap();
        assert_eq!(message.reveal(), "\0\u{e4}:b\0\u{1f600} ");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (user, password) in [
            ("", "p"),
            ("u", ""),
            ("u\0v", "p"),
            ("u", "p\0"),
            ("\0", "p"),
        ] {
            let password = Secret::from(password);
            let plain = plain(user, &password).unwrap_err();
            assert!(matches!(plain, Error::Illegal { .. }), "{user:?}: {plain}");
            let login = login(user, &password).unwrap_err();
            assert!(matches!(login, Error::Illegal { .. }), "{user:?}: {login}");
        }
        assert!(external("a\0").is_err());
        for trace in ["a\0", "a\n", "\u{85}"] {
            assert!(anonymous(trace).is_err(), "{trace:?}");
        }
    }

    #[test]
    fn names_may_be_missing_where_the_connection_has_them() {
        assert!(external("").unwrap().is_empty());
        assert!(anonymous("").unwrap().is_empty());
        assert_eq!(external("\u{e4}\n").unwrap().reveal(), "\u{e4}\n");
        // The example of RFC 4505.
        assert_eq!(anonymous("sirhc").unwrap().reveal(), "sirhc");
    }

    #[test]
    fn a_trace_has_a_limit() {
        assert!(anonymous(&"\u{e4}".repeat(LONGEST_TRACE)).is_ok());
        assert!(anonymous(&"\u{e4}".repeat(LONGEST_TRACE + 1)).is_err());
    }
}
