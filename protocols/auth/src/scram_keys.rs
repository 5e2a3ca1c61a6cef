//! The keys and the proof of SCRAM (RFC 5802 section 3).

use hmac::EagerHash;
use proto_transport::Secret;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keyed_hash::{is_keyed_hash, keyed_hash, Key};

/// The hash of a mechanism.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ScramHash {
    Sha1,
    Sha256,
}

/// What comes out of a password.
pub(crate) struct Keys {
    /// Shows the server that we know the password, this time only.
    pub(crate) proof: Vec<u8>,
    /// What the server has to show that it knows, too.
    pub(crate) server_key: Key,
}

impl ScramHash {
    /// The costly part: `iterations` hashes. `messages` is `AuthMessage`.
    pub(crate) fn keys(
        self,
        password: &Secret,
        salt: &[u8],
        iterations: u32,
        messages: &str,
    ) -> Keys {
        match self {
            ScramHash::Sha1 => keys::<Sha1>(password, salt, iterations, messages),
            ScramHash::Sha256 => keys::<Sha256>(password, salt, iterations, messages),
        }
    }

    /// `ServerSignature := HMAC(ServerKey, AuthMessage)`, and whether it is this one.
    pub(crate) fn is_server_signature(self, key: &Key, messages: &str, claimed: &[u8]) -> bool {
        match self {
            ScramHash::Sha1 => is_keyed_hash::<Sha1>(key, messages.as_bytes(), claimed),
            ScramHash::Sha256 => is_keyed_hash::<Sha256>(key, messages.as_bytes(), claimed),
        }
    }
}

/// ```text
/// SaltedPassword  := Hi(Normalize(password), salt, i)       Hi is PBKDF2 with HMAC (RFC 8018)
/// ClientKey       := HMAC(SaltedPassword, "Client Key")
/// StoredKey       := H(ClientKey)
/// ClientSignature := HMAC(StoredKey, AuthMessage)
/// ClientProof     := ClientKey XOR ClientSignature
/// ServerKey       := HMAC(SaltedPassword, "Server Key")
/// ```
fn keys<H: EagerHash + Digest>(
    password: &Secret,
    salt: &[u8],
    iterations: u32,
    messages: &str,
) -> Keys {
    let mut salted_password = Zeroizing::new(vec![0; <H as Digest>::output_size()]);
    let password = password.reveal().as_bytes();
    pbkdf2::pbkdf2_hmac::<H>(password, salt, iterations, &mut salted_password);
    let client_key = keyed_hash::<H>(&salted_password, b"Client Key");
    let stored_key = H::digest(client_key.as_slice());
    let client_signature = keyed_hash::<H>(&stored_key, messages.as_bytes());
    let pairs = client_key.iter().zip(client_signature.iter());
    Keys {
        proof: pairs.map(|(key, signature)| key ^ signature).collect(),
        server_key: keyed_hash::<H>(&salted_password, b"Server Key"),
    }
}
