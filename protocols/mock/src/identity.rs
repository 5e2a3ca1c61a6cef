//! Who a mock server says it is: certificates for the loopback, and the authority that vouches for
//! them. They are made by `samples/certificates/make.sh`; their keys are public.

use base64::prelude::{Engine, BASE64_STANDARD};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The test authority's certificate as PEM: what a client must trust to accept
/// [`Identity::localhost`].
pub const AUTHORITY: &str = include_str!("../../../samples/certificates/authority.crt");

/// A certificate chain and its PKCS#8 key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificates, the server's own first.
    pub chain: String,
    /// The key of the first certificate.
    pub key: String,
}

impl Identity {
    /// The identity that is right for `localhost`, `127.0.0.1` and `::1`, signed by [`AUTHORITY`].
    pub fn localhost() -> Identity {
        Identity {
            chain: include_str!("../../../samples/certificates/localhost.crt").to_owned(),
            key: include_str!("../../../samples/certificates/localhost.key").to_owned(),
        }
    }

    /// An identity of the same authority that is right for none of them.
    pub(crate) fn elsewhere() -> Identity {
        Identity {
            chain: include_str!("../../../samples/certificates/wrong.crt").to_owned(),
            key: include_str!("../../../samples/certificates/wrong.key").to_owned(),
        }
    }

    /// The channel binding `tls-server-end-point` (RFC 5929 section 4.1): a digest of the server's
    /// own certificate. `None` if the chain does not begin with one.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        let certificate = first_certificate(&self.chain)?;
        Some(match signature_algorithm(&certificate)? {
            SHA384_WITH_RSA | SHA384_WITH_ECDSA => Sha384::digest(&certificate).to_vec(),
            SHA512_WITH_RSA | SHA512_WITH_ECDSA => Sha512::digest(&certificate).to_vec(),
            // Also for MD5 and SHA-1, which are too weak.
            _ => Sha256::digest(&certificate).to_vec(),
        })
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity::localhost()
    }
}

/// The DER of the first certificate of a PEM text.
fn first_certificate(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let base64: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(base64).ok()
}

// Object identifiers, as they stand in a certificate.
const SHA384_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c";
const SHA512_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d";
const SHA384_WITH_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
const SHA512_WITH_ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x04";

/// The object identifier of what signed a certificate (RFC 5280 section 4.1):
///
/// ```text
/// Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OID, .. }, .. }
/// ```
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(certificate)?;
    let (_, rest) = element(certificate)?;
    let (algorithm, _) = element(rest)?;
    Some(element(algorithm)?.0)
}

/// The contents of the first DER element, and what comes after it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(*first), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let add = |sum: usize, digit: &u8| sum.checked_mul(256)?.checked_add((*digit).into());
            (digits.iter().try_fold(0, add)?, rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_point_is_a_digest_of_the_certificate() {
        let identity = Identity::localhost();
        let certificate = first_certificate(&identity.chain).unwrap();
        let parsed = proto_transport::certificate::Certificate::parse(&certificate).unwrap();
        let end_point = identity.end_point().unwrap();
        assert_eq!(
            proto_transport::certificate::hexadecimal(&end_point),
            parsed.sha256
        );
        // ecdsa-with-SHA256
        assert_eq!(
            signature_algorithm(&certificate),
            Some(&b"\x2a\x86\x48\xce\x3d\x04\x03\x02"[..])
        );
        for end in 0..certificate.len().min(600) {
            // No prefix makes it panic.
            signature_algorithm(&certificate[..end]);
        }
    }
}
