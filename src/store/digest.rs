//! The digest of a message's content, by which it is known again when its name has changed.
//!
//! SHA-256 of what is small, BLAKE3 of what is not: for the usual mail of 4 KiB the one takes half
//! the other's time, and for one with an attachment five times as long.

use sha2::{Digest, Sha256};

/// What is not larger, in bytes, has a digest by SHA-256.
const SMALL: usize = 8 * 1024;

/// The digest of bytes that are all there.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    match bytes.len() <= SMALL {
        true => Sha256::digest(bytes).into(),
        false => blake3::hash(bytes).into(),
    }
}

/// Takes bytes as they come, cut anywhere.
#[derive(Default)]
pub struct Digester {
    /// All of them while they are few.
    few: Vec<u8>,
    many: Option<Box<blake3::Hasher>>,
}

impl Digester {
    /// Adds some bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(many) = &mut self.many {
            many.update(bytes);
        } else if self.few.len() + bytes.len() <= SMALL {
            self.few.extend_from_slice(bytes);
        } else {
            let many = self.many.insert(Box::default());
            many.update(&self.few).update(bytes);
            self.few.clear();
        }
    }

    /// The digest of all of them. What is added then begins anew.
    pub fn finish(&mut self) -> [u8; 32] {
        let digest = match self.many.take() {
            Some(many) => many.finalize().into(),
            None => digest(&self.few),
        };
        self.few.clear();
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::certificate::hexadecimal;

    #[test]
    fn digests_are_those_of_the_standards() {
        // FIPS 180-2 appendix B.1, and the test vectors of BLAKE3 for 31,744 bytes.
        assert_eq!(
            hexadecimal(&digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let bytes: Vec<u8> = (0..=250).cycle().take(31_744).collect();
        assert_eq!(
            hexadecimal(&digest(&bytes)),
            "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"
        );
    }

    #[test]
    fn digests_do_not_depend_on_cuts() {
        let mut digester = Digester::default();
        for size in [0, 1, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            for cut in [0, 1, SMALL - 1, SMALL, SMALL + 1, size] {
                let (front, back) = bytes.split_at(cut.min(size));
                digester.update(front);
                digester.update(back);
                assert_eq!(digester.finish(), digest(&bytes), "{size} {cut}");
            }
        }
    }
}
