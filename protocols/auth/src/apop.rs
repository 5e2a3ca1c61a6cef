//! APOP (RFC 1939 section 7): the MD5 of a timestamp and a password, as POP3 alone has it.

use md5::{Digest, Md5};
use proto_transport::certificate::hexadecimal;
use proto_transport::Secret;

/// What follows `APOP name `: the digest of the timestamp, angle brackets included, and the password.
/// Whoever sees it can try passwords against it at leisure.
pub fn apop(timestamp: &str, password: &Secret) -> Secret {
    let mut digest = Md5::new();
    digest.update(timestamp.as_bytes());
    digest.update(password.reveal().as_bytes());
    Secret::from(hexadecimal(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let digest = apop("<1896.697170952@dbc.mtview.ca.us>", &"tanstaaf".into());
        assert_eq!(digest.reveal(), "c4c9334bac560ecc979e58001b3e22fb");
    }
}
