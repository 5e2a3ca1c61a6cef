//! Whether a file is what it should be.

use std::fs::File;
use std::io::{self, Read, Seek};

use md5::Md5;
use proto_ftp::Digest as Told;
use proto_transport::certificate::{from_hexadecimal, hexadecimal};
use proto_transport::{Error, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// What a file's digest must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// This SHA-256.
    Sha256([u8; 32]),
    /// What the server says, by HASH or a command like it.
    Server,
}

/// Reads `sha256:HEX` or `server`.
pub fn checksum(text: &str) -> std::result::Result<Checksum, String> {
    let wrong = "expected server, or sha256: and 64 hexadecimal digits";
    if text == "server" {
        return Ok(Checksum::Server);
    }
    let digits = text.strip_prefix("sha256:").ok_or(wrong)?;
    let bytes = from_hexadecimal(digits).ok_or(wrong)?;
    let bytes = bytes.try_into().map_err(|_| wrong.to_owned())?;
    Ok(Checksum::Sha256(bytes))
}

/// Compares a file with the digest that the server tells of it.
pub fn compare(file: &mut File, told: &Told, peer: &str) -> Result<()> {
    let failed = |error| Error::io("reading the file again for its digest", error);
    file.rewind().map_err(failed)?;
    let found = match told.algorithm.as_str() {
        "SHA-512" => hexadecimal(&digest::<Sha512>(file).map_err(failed)?),
        "SHA-256" => hexadecimal(&digest::<Sha256>(file).map_err(failed)?),
        "SHA-1" => hexadecimal(&digest::<Sha1>(file).map_err(failed)?),
        "MD5" => hexadecimal(&digest::<Md5>(file).map_err(failed)?),
        _ => format!("{:08x}", crc32(file).map_err(failed)?),
    };
    match found == told.hex {
        true => Ok(()),
        false => Err(Error::Malformed {
            peer: peer.to_owned(),
            doing: "comparing digests".to_owned(),
            rule: format!(
                "the {} of the file there is {}, and that of the file here is {found}",
                told.algorithm, told.hex
            ),
            excerpt: String::new(),
        }),
    }
}

/// Bytes that are read at once.
const BLOCK: usize = 64 * 1024;

fn digest<D: Digest>(file: &mut File) -> io::Result<Vec<u8>> {
    let mut hash = D::new();
    each_block(file, |block| hash.update(block))?;
    Ok(hash.finalize().to_vec())
}

/// The CRC-32 of Ethernet and gzip (ISO 3309).
fn crc32(file: &mut File) -> io::Result<u32> {
    let mut hash = crc32fast::Hasher::new();
    each_block(file, |block| hash.update(block))?;
    Ok(hash.finalize())
}

fn each_block(file: &mut File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => each(block.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn digests_of_every_kind_are_compared() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        for (algorithm, hex) in [
            (
                "SHA-512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                "SHA-256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("CRC32", "352441c2"),
        ] {
            let mut told = Told {
                algorithm: algorithm.to_owned(),
                hex: hex.to_owned(),
            };
            assert!(compare(&mut file, &told, "x").is_ok(), "{algorithm}");
            told.hex.replace_range(..1, "e");
            assert!(compare(&mut file, &told, "x").is_err(), "{algorithm}");
        }
    }

    #[test]
    fn checksums_are_told_or_asked_for() {
        let text = format!("sha256:{}", "0A".repeat(32));
        assert_eq!(checksum(&text), Ok(Checksum::Sha256([10; 32])));
        assert_eq!(checksum("server"), Ok(Checksum::Server));
        for wrong in ["", "sha256:", "md5:00"] {
            assert!(checksum(wrong).is_err(), "{wrong}");
        }
    }
}
