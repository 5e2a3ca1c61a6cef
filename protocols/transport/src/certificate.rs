//! What a certificate says, for reports, and the digest of its key, for pins.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::escape::escaped;

/// What a person wants to know of a certificate. All text is escaped: a peer wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// Start of its validity, in seconds since 1970.
    pub not_before: i64,
    /// End of its validity, in seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of the certificate, hexadecimal.
    pub sha256: String,
    /// SHA-256 of its public key, hexadecimal: what a pin holds.
    pub key_sha256: String,
}

impl Certificate {
    /// Reads a DER certificate.
    pub fn parse(der: &[u8]) -> Result<Certificate, String> {
        let certificate = parse(der)?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map_or_else(Vec::new, |names| {
            names.value.general_names.iter().map(name).collect()
        });
        Ok(Certificate {
            subject: escaped(certificate.subject().to_string().as_bytes()),
            issuer: escaped(certificate.issuer().to_string().as_bytes()),
            names,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            sha256: hexadecimal(&Sha256::digest(der)),
            key_sha256: hexadecimal(&public_key_digest(der)?),
        })
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| format!("the certificate cannot be read: {error}"))
}

fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            escaped(name.as_bytes())
        }
        GeneralName::IPAddress(bytes) => {
            match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                (Ok(v4), _) => std::net::Ipv4Addr::from(v4).to_string(),
                (_, Ok(v6)) => std::net::Ipv6Addr::from(v6).to_string(),
                _ => hexadecimal(bytes),
            }
        }
        other => escaped(other.to_string().as_bytes()),
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (as in RFC 7469 section 2.4).
pub fn public_key_digest(der: &[u8]) -> Result<[u8; 32], String> {
    Ok(Sha256::digest(parse(der)?.public_key().raw).into())
}

/// The certificates of a PEM text as DER, each of them readable; at least one.
pub fn from_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut certificates = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(text) {
        let block = block.map_err(|error| format!("the PEM text cannot be read: {error}"))?;
        if block.label == "CERTIFICATE" {
            parse(&block.contents)?;
            certificates.push(block.contents);
        }
    }
    if certificates.is_empty() {
        return Err("there is no certificate (-----BEGIN CERTIFICATE-----) in it".to_owned());
    }
    Ok(certificates)
}

/// Reads a pin: `sha256:` and the digest of a public key, as 64 hexadecimal digits or in base64
/// (as curl writes it, also with `//` after `sha256`).
pub fn parse_pin(text: &str) -> Result<[u8; 32], String> {
    let wrong = || {
        format!(
            "{text:?} is not a pin; one looks like sha256:HEX or sha256:BASE64, of the public key"
        )
    };
    let digest = text
        .strip_prefix("sha256:")
        .or_else(|| text.strip_prefix("sha256//"));
    let digest = digest.ok_or_else(wrong)?;
    let bytes = if digest.len() == 64 {
        from_hexadecimal(digest)
    } else {
        STANDARD.decode(digest).ok()
    };
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(wrong)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(digits.map(digit));
    text
}

/// The bytes that hexadecimal digits of either case stand for.
pub fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let bytes = digits.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_in_both_forms() {
        let hex = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(parse_pin(&hex), Ok([0xab; 32]));
        let base64 = format!("sha256//{}", STANDARD.encode([0xab; 32]));
        assert_eq!(parse_pin(&base64), Ok([0xab; 32]));
        for wrong in ["", "sha256:", "sha1:00", "sha256:zz", "md5:00", "sha256:é"] {
            assert!(parse_pin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hexadecimal_reads_back() {
        assert_eq!(hexadecimal(&[0, 255]), "00ff");
        assert_eq!(from_hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!(from_hexadecimal("0"), None);
        assert_eq!(from_hexadecimal("éé"), None);
    }

    #[test]
    fn a_file_without_a_certificate_is_an_error() {
        assert!(from_pem(b"").is_err());
        assert!(
            from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err()
        );
        assert!(Certificate::parse(b"\x30\x00").is_err());
    }
}
