//! base64 as the profiles of SASL put it on the wire: the standard alphabet, padded (RFC 4648
//! section 4). An empty initial response is written `=` instead (RFC 4954 section 4); that is for
//! the protocol to do.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use proto_transport::Secret;

/// The text to write. What it stands for may be secret, so that it is wiped.
pub fn encode(bytes: &[u8]) -> Secret {
    Secret::new(STANDARD.encode(bytes))
}

/// What the text stands for. `None` for anything but what [`encode`] gives: no white space, no
/// other alphabet, no missing padding, no bits left over (RFC 4648 section 3.5).
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        // RFC 4648 section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()).reveal(), text);
            assert_eq!(decode(text.as_bytes()).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        for text in [
            "Zg",
            "Zg=",
            "Zg===",
            "Zh==",
            "Zm9=",
            "Z",
            "=",
            "====",
            "Zg==Zg==",
            "Zm9v ",
            " Zm9v",
            "Zm\r\n9v",
            "Zm9v\n",
            "_-8=",
            "Zm9\0",
            "Zm9\u{e4}",
            "*",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_would_be_given(text: Vec<u8>) {
            if let Some(bytes) = decode(&text) {
                let again = encode(&bytes);
                prop_assert_eq!(again.reveal().as_bytes(), text);
            }
        }

        #[test]
        fn all_bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).reveal().as_bytes()), Some(bytes));
        }
    }
}
