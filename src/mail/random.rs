//! Names that nobody can guess: boundaries and message identifiers.

use std::fmt::Write;

use proto_transport::{Error, Result};

/// 128 bits from the system, in hexadecimal. They say nothing of this machine (RFC 5322 section
/// 3.6.4 asks for uniqueness only).
pub fn random_name() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let source = std::io::Error::other(error.to_string());
        Error::io("asking the system for random bytes", source)
    })?;
    let mut name = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}
