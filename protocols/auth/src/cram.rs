//! CRAM-MD5 (RFC 2195): a keyed hash of what the server asks. Whoever hears both can guess the
//! password at leisure, and the server proves nothing.

use md5::Md5;
use proto_transport::certificate::hexadecimal;
use proto_transport::Secret;

use crate::failure::SaslFailure;
use crate::keyed_hash::keyed_hash;

/// `user SP digest`, where `digest = HMAC-MD5( password, challenge )` in hexadecimal
/// (RFC 2195 section 2).
pub(crate) fn answer(
    user: &str,
    password: &Secret,
    challenge: &[u8],
) -> Result<Secret, SaslFailure> {
    // The same answer would do for ever.
    if challenge.is_empty() {
        return Err(SaslFailure::new(
            "a CRAM-MD5 challenge is not empty (RFC 2195 section 2)",
        ));
    }
    let digest = keyed_hash::<Md5>(password.reveal().as_bytes(), challenge);
    Ok(Secret::new(format!("{user} {}", hexadecimal(&digest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = answer("tim", &"tanstaaftanstaaf".into(), challenge).unwrap();
        assert_eq!(answer.reveal(), "tim b913a602c7eda7a495b4e6e7334d3890");
        let sent = crate::encode(answer.reveal().as_bytes());
        assert_eq!(
            sent.reveal(),
            "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
        );
    }

    #[test]
    fn an_empty_challenge_is_none() {
        assert!(answer("tim", &"p".into(), b"").is_err());
    }
}
