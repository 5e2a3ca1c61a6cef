//! Bytes that nobody can guess, for nonces.

use std::io;

use proto_transport::{Error, Result};

/// Fresh bytes from the operating system.
pub(crate) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::io(
            "asking the system for random bytes",
            io::Error::other(error.to_string()),
        )
    })?;
    Ok(bytes)
}
