//! OAUTHBEARER (RFC 7628) and XOAUTH2, which it came from: a token in a frame. A server that does
//! not take it explains itself in a challenge, which has to be answered before it says no.

use proto_transport::escape::escaped;
use proto_transport::{Error, Result, Secret};

use crate::bearer;
use crate::credentials::SaslContext;
use crate::plain::check_user;
use crate::prepare::escaped_name;

/// How much of a server's explanation is shown, in bytes: it has a status, a scope and perhaps an
/// address to ask (RFC 7628 section 3.2.2), and is for people to read.
const LONGEST_EXPLANATION: usize = 500;

/// What answers the explanation of an error with OAUTHBEARER (RFC 7628 section 3.2.3).
pub(crate) const OAUTH_BEARER_APOLOGY: &str = "\x01";

/// The same with XOAUTH2: nothing.
pub(crate) const XOAUTH2_APOLOGY: &str = "";

/// ```text
/// client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep      (RFC 7628 section 3.1)
/// gs2-header  = "n," ["a=" saslname] ","                      (RFC 5801 section 4, without binding)
/// kvpair      = key "=" value kvsep                           kvsep = %x01
/// ```
pub(crate) fn oauth_bearer(user: &str, token: &Secret, context: &SaslContext) -> Result<Secret> {
    check_names(user, &context.host)?;
    let token = bearer(token)?;
    Ok(Secret::new(format!(
        "n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01",
        user = escaped_name(user),
        host = context.host,
        port = context.port,
        token = token.reveal(),
    )))
}

/// `"user=" user %x01 "auth=Bearer " token %x01 %x01`
/// (<https://developers.google.com/workspace/gmail/imap/xoauth2-protocol>)
pub(crate) fn xoauth2(user: &str, token: &Secret) -> Result<Secret> {
    check_names(user, "")?;
    let token = bearer(token)?;
    let token = token.reveal();
    Ok(Secret::new(format!(
        "user={user}\x01auth=Bearer {token}\x01\x01"
    )))
}

/// The JSON in which a server says what was wrong with the token, for people: escaped, cut, and
/// without the token, should the server repeat it.
pub(crate) fn explanation(challenge: &[u8], token: &Secret) -> String {
    let said = String::from_utf8_lossy(challenge).replace(token.reveal(), "(secret)");
    let said = said.trim_end().as_bytes();
    let shown = said.get(..LONGEST_EXPLANATION).unwrap_or(said);
    let mut text = escaped(shown);
    if shown.len() < said.len() {
        text.push('…');
    }
    text
}

/// Neither may hold the %x01 that ends a pair.
fn check_names(user: &str, host: &str) -> Result<()> {
    check_user(user)?;
    if user.chars().chain(host.chars()).any(char::is_control) {
        return Err(Error::illegal(
            "names of users and hosts cannot hold control characters (RFC 7628 section 3.1)",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    fn context(port: u16) -> SaslContext {
        SaslContext {
            host: "server.example.com".to_owned(),
            port,
            ..SaslContext::default()
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7628 sections 4.1 (IMAP) and 4.4 (SMTP).
        let token = Secret::from("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        for (port, expected) in [
            (
                143,
                "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9\
                 QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
            ),
            (
                587,
                "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9\
                 QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
            ),
        ] {
            let message = oauth_bearer("user@example.com", &token, &context(port)).unwrap();
            assert_eq!(encode(message.reveal().as_bytes()).reveal(), expected);
        }
        assert_eq!(encode(OAUTH_BEARER_APOLOGY.as_bytes()).reveal(), "AQ==");
    }

    #[test]
    fn the_documented_example() {
        let token = Secret::from("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        let message = xoauth2("someuser@example.com", &token).unwrap();
        assert_eq!(
            encode(message.reveal().as_bytes()).reveal(),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNS\
             bGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
    }

    #[test]
    fn what_would_break_the_frame_is_refused() {
        let token = Secret::from("token");
        for user in ["", "a\x01auth=Bearer x", "a\0", "a\n", "\u{85}"] {
            assert!(oauth_bearer(user, &token, &context(1)).is_err(), "{user:?}");
            assert!(xoauth2(user, &token).is_err(), "{user:?}");
        }
        for token in ["", "a\x01b", "a b", "\u{e4}"] {
            let token = Secret::from(token);
            assert!(oauth_bearer("a", &token, &context(1)).is_err());
            assert!(xoauth2("a", &token).is_err());
        }
        let mut context = context(1);
        context.host.push('\x01');
        assert!(oauth_bearer("a", &token, &context).is_err());
    }

    #[test]
    fn names_are_escaped() {
        let message = oauth_bearer("a,b=c", &"t".into(), &context(1)).unwrap();
        assert!(message.reveal().starts_with("n,a=a=2Cb=3Dc,\x01host="));
        let message = xoauth2("a,b=c", &"t".into()).unwrap();
        assert!(message.reveal().starts_with("user=a,b=c\x01"));
    }

    #[test]
    fn explanations_are_harmless() {
        let token = Secret::from("hunter2");
        // RFC 7628 section 4.3.
        let challenge = decode(
            b"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZp\
              Z3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9u\
              In0=",
        );
        assert_eq!(
            explanation(&challenge.unwrap(), &token),
            "{\"status\":\"invalid_token\",\"scope\":\"example_scope\",\
             \"openid-configuration\":\"https://example.com/.well-known/openid-configuration\"}"
        );
        assert_eq!(
            explanation(b"{\"seen\":\"hunter2\x1b\"}\n", &token),
            "{\"seen\":\"(secret)\\x1b\"}"
        );
        let exact = [b'a'; LONGEST_EXPLANATION];
        assert_eq!(explanation(&exact, &token).len(), LONGEST_EXPLANATION);
        let longer = [b'a'; LONGEST_EXPLANATION + 1];
        assert!(explanation(&longer, &token).ends_with("a…"));
    }
}
