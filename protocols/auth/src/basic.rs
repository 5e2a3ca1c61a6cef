//! The Basic scheme (RFC 7617): user name and password, in no disguise at all.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use proto_transport::{Error, Result, Secret};

/// What follows `Basic `: `base64( user-id ":" password )` (RFC 7617 section 2), of UTF-8 text.
pub fn basic(user: &str, password: &Secret) -> Result<Secret> {
    // The first colon ends the user name, so that it cannot hold one.
    if user.contains(':') {
        return Err(Error::illegal(
            "a user name with a colon cannot be sent with Basic (RFC 7617 section 2)",
        ));
    }
    if has_controls(user) || has_controls(password.reveal()) {
        return Err(Error::illegal(
            "user name and password cannot hold control characters (RFC 7617 section 2)",
        ));
    }
    // Room for all from the start: growing would leave copies behind.
    let mut joined = String::with_capacity(user.len() + 1 + password.reveal().len());
    joined.push_str(user);
    joined.push(':');
    joined.push_str(password.reveal());
    let joined = Secret::new(joined);
    Ok(Secret::new(STANDARD.encode(joined.reveal())))
}

/// `CTL = %x00-1F / %x7F` (RFC 5234 appendix B.1)
fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(user: &str, password: &str) -> Result<String> {
        basic(user, &password.into()).map(|value| value.reveal().to_owned())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(
            said("Aladdin", "open sesame").unwrap(),
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(said("test", "123\u{a3}").unwrap(), "dGVzdDoxMjPCow==");
    }

    #[test]
    fn only_the_password_may_hold_colons() {
        assert_eq!(said("a", ":b:").unwrap(), "YTo6Yjo=");
        assert_eq!(said("", "").unwrap(), "Og==");
        for (user, password) in [("a:b", "c"), ("a\n", "b"), ("a", "b\0"), ("a", "\u{7f}")] {
            let error = said(user, password).unwrap_err();
            assert!(matches!(error, Error::Illegal { .. }), "{user:?}: {error}");
        }
    }
}
