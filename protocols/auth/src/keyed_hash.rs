//! HMAC (RFC 2104), which every mechanism that proves something stands on.

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use zeroize::Zeroizing;

/// A key, or what could be used as one. Wiped when it goes.
pub(crate) type Key = Zeroizing<Vec<u8>>;

/// `HMAC(key, message)`
pub(crate) fn keyed_hash<H: EagerHash>(key: &[u8], message: &[u8]) -> Key {
    let hash = keyed::<H>(key).chain_update(message);
    Zeroizing::new(hash.finalize().into_bytes().to_vec())
}

/// Whether `HMAC(key, message)` is `claimed`, in a time that does not tell how much of it is.
pub(crate) fn is_keyed_hash<H: EagerHash>(key: &[u8], message: &[u8], claimed: &[u8]) -> bool {
    let hash = keyed::<H>(key).chain_update(message);
    hash.verify_slice(claimed).is_ok()
}

fn keyed<H: EagerHash>(key: &[u8]) -> Hmac<H> {
    match Hmac::new_from_slice(key) {
        Ok(hash) => hash,
        Err(_) => unreachable!("keys of any length are good (RFC 2104 section 2)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Md5;
    use proto_transport::certificate::hexadecimal;

    #[test]
    fn the_vectors_of_the_rfc() {
        // RFC 2104, appendix "Test Vectors".
        for (key, message, expected) in [
            (
                &[0x0b; 16][..],
                &b"Hi There"[..],
                "9294727a3638bb1c13f48ef8158bfc9d",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
        ] {
            let hash = keyed_hash::<Md5>(key, message);
            assert_eq!(hexadecimal(&hash), expected);
            assert!(is_keyed_hash::<Md5>(key, message, &hash));
        }
    }

    #[test]
    fn nothing_but_all_of_it_is_right() {
        let hash = keyed_hash::<Md5>(b"", b"");
        let mut longer = hash.to_vec();
        longer.push(0);
        let mut wrong = hash.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        for claimed in [&hash[..15], &hash[1..], &longer, &wrong, b""] {
            assert!(!is_keyed_hash::<Md5>(b"", b"", claimed));
        }
    }
}
