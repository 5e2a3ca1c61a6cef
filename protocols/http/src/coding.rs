//! Content codings (RFC 9110 section 8.4) as a stream: what was packed is read as it was before.
//!
//! | name | what it is |
//! |---|---|
//! | `gzip`, `x-gzip` | RFC 1952, with all members |
//! | `deflate` | RFC 1950, and bare RFC 1951, which some servers take it for |
//! | `br` | RFC 7932 |
//! | `zstd` | RFC 8878 with the window of RFC 9659, with all frames |
//!
//! An end that comes too early is an error, and so are bytes that are left over at the end. A few
//! bytes can stand for gigabytes, so what comes out is bounded by what went in.

mod brotli;
mod input;
mod stage;
mod zstd;

use std::fmt;

use proto_transport::escape::escaped;

use crate::fields::Fields;

pub use stage::decoder;

/// A way to pack a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, whatever its name says.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

/// Says which coding of a response cannot be undone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(String);

/// The codings that [`decoder`] undoes, for the field of this name.
pub const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// Codings one upon the other. Nobody needs two; a hundred are an attack (CVE-2022-32206).
const CODINGS: usize = 3;

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

/// The codings that were applied, in the order in which they were applied.
/// `Content-Encoding = #content-coding`, `content-coding = token` (RFC 9110 section 8.4)
pub fn codings_of(fields: &Fields) -> Result<Vec<Coding>, Unsupported> {
    let mut codings = Vec::new();
    for name in fields.list("Content-Encoding") {
        codings.extend(coding(name)?);
        if codings.len() > CODINGS {
            return Err(Unsupported(format!(
                "the body has more than {CODINGS} content codings"
            )));
        }
    }
    Ok(codings)
}

/// The coding of this name, which has no case; `None` for `identity`, which is none.
fn coding(name: &[u8]) -> Result<Option<Coding>, Unsupported> {
    Ok(match name.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Some(Coding::Gzip),
        b"deflate" => Some(Coding::Deflate),
        b"br" => Some(Coding::Brotli),
        b"zstd" => Some(Coding::Zstd),
        b"identity" => None,
        _ => {
            return Err(Unsupported(format!(
                "the content coding \"{}\" is not known",
                escaped(name)
            )))
        }
    })
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "brotli",
            Coding::Zstd => "zstd",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_name_the_codings() {
        use Coding::*;
        let codings = |lines: &[&str]| {
            let mut fields = Fields::default();
            for line in lines {
                fields.push("Content-Encoding", *line);
            }
            codings_of(&fields).map_err(|error| error.to_string())
        };
        assert_eq!(codings(&[]), Ok(vec![]));
        assert_eq!(codings(&["GZip"]), Ok(vec![Gzip]));
        assert_eq!(
            codings(&["x-gzip, identity", "deflate,br"]),
            Ok(vec![Gzip, Deflate, Brotli])
        );
        assert_eq!(codings(&["", "identity", "zstd"]), Ok(vec![Zstd]));
        let unknown = codings(&["gzip, comp\x1bress"]).unwrap_err();
        assert_eq!(unknown, "the content coding \"comp\\x1bress\" is not known");
        assert!(codings(&["gzip, gzip", "gzip, gzip"]).is_err());
        for name in ACCEPT_ENCODING.split(", ") {
            assert_eq!(codings(&[name]).unwrap().len(), 1);
        }
    }
}
