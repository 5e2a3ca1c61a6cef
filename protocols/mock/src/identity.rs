//! Who a mock server says it is: certificates for the loopback, and the authority that vouches for
//! them. They are made by `samples/certificates/make.sh`; their keys are public.

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
}

impl Default for Identity {
    fn default() -> Identity {
        Identity::localhost()
    }
}
