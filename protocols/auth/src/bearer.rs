//! The Bearer scheme (RFC 6750): a token that opens the door for whoever has it.

use proto_transport::{Error, Result, Secret};

/// What follows `Bearer `: the token, if it is one that can be sent.
/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 section 2.1)
pub fn bearer(token: &Secret) -> Result<Secret> {
    let data = token.reveal().trim_end_matches('=');
    let is_data = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if data.is_empty() || !data.bytes().all(is_data) {
        return Err(Error::illegal(
            "a bearer token is letters, digits and -._~+/ with = only at its end \
             (RFC 6750 section 2.1)",
        ));
    }
    Ok(token.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_checked() {
        for token in ["mF_9.B5f-4.1JqM", "a", "a==", "~+/"] {
            assert_eq!(bearer(&token.into()).unwrap().reveal(), token);
        }
        for token in [
            "", "=", "a=b", "a b", "a\r\nb", "a\n", "\"a\"", "\u{e4}", "a,",
        ] {
            let error = bearer(&token.into()).unwrap_err();
            assert!(matches!(error, Error::Illegal { .. }), "{token:?}");
        }
        // The error is shown to people, the token is not.
        let error = bearer(&"hunter2\n".into()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
