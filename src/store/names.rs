//! Names of files, made of names that a server chose.

use percent_encoding::{utf8_percent_encode, AsciiSet, NON_ALPHANUMERIC};
use proto_transport::certificate::hexadecimal;
use sha2::{Digest, Sha256};

/// What stays as it is, in every file system.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// Longer names are replaced by a digest: suffixes must fit into the 255 bytes of a file system.
const LONGEST: usize = 150;

/// A name as one harmless component of a path. Different names stay different.
pub fn file_name(name: &str) -> String {
    let encoded = utf8_percent_encode(name, ENCODED).to_string();
    if encoded.is_empty() || encoded.len() > LONGEST {
        return hexadecimal(&Sha256::digest(name));
    }
    match encoded.strip_prefix('.') {
        // Neither hidden nor a folder above.
        Some(rest) => format!("%2E{rest}"),
        None => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_folder_or_hides_in_it() {
        for (name, wanted) in [
            ("0001-a_b.C", "0001-a_b.C"),
            ("../../x", "%2E.%2F..%2Fx"),
            ("..", "%2E."),
            (".", "%2E"),
            ("%2E", "%252E"),
            ("a\0b\nc", "a%00b%0Ac"),
            ("ü", "%C3%BC"),
            ("me@host:110", "me%40host%3A110"),
        ] {
            assert_eq!(file_name(name), wanted);
        }
        assert_eq!(file_name(&"a".repeat(150)).len(), 150);
        assert_eq!(file_name(&"a".repeat(151)).len(), 64);
        assert_eq!(file_name(&"/".repeat(70)).len(), 64);
        assert_eq!(file_name("").len(), 64);
    }
}
