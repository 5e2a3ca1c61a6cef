//! The rest of a content whose beginning is here already (RFC 9110 section 14).

use proto_transport::Result;

use crate::reply::{ContentRange, Head};
use crate::request::Request;

/// What is missing, and how to know that it belongs to what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    have: u64,
    length: Option<u64>,
    validator: String,
}

impl Rest {
    /// What is missing of a content of which `have` bytes are there. `None` without a strong
    /// validator, because then nothing could prove that the rest belongs to it.
    ///
    /// If all is there, the last byte counts as missing: that all is still what the server has
    /// needs the server's word too.
    pub fn new(have: u64, length: Option<u64>, validator: Option<String>) -> Option<Rest> {
        let have = match length {
            Some(length) if have >= length => length.saturating_sub(1),
            _ => have,
        };
        let validator = validator.filter(|_| have > 0)?;
        Some(Rest {
            have,
            length,
            validator,
        })
    }

    /// How many bytes may stay.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Asks for the rest, or for all of it if it is not the same content any more (RFC 9110
    /// section 13.1.5).
    pub fn ask(&self, request: &mut Request) -> Result<()> {
        request.field("Range", &format!("bytes={}-", self.have))?;
        request.field("If-Range", &self.validator)
    }

    /// Whether a 206 holds just the rest, with a body of `announced` bytes. A server that has
    /// overlooked If-Range must not make us join two contents: what it says of the rest must be
    /// what it said of the beginning, to the byte (RFC 9110 section 15.3.7).
    pub fn is_in(&self, head: &Head, announced: Option<u64>) -> bool {
        let Some(range) = ContentRange::of(head) else {
            return false;
        };
        // A server may send less than was asked for; then the end would be missing.
        let complete = range.complete.or(self.length);
        let validator = match self.validator.starts_with('"') {
            true => head.fields.get("ETag"),
            false => head.fields.get("Last-Modified"),
        };
        // What is there is not coded, so the rest must not be either.
        range.first == self.have
            && head.fields.get("Content-Encoding").is_none()
            && complete == Some(range.last.saturating_add(1))
            && (self.length.is_none() || complete == self.length)
            && announced.is_none_or(|announced| announced == range.length())
            && validator == Some(self.validator.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;

    fn rest() -> Rest {
        Rest::new(40, Some(100), Some("\"v1\"".to_owned())).unwrap()
    }

    fn head(range: &str, etag: &str) -> Head {
        let mut fields = Fields::default();
        fields.push("Content-Range", range);
        fields.push("ETag", etag);
        Head {
            minor_version: 1,
            status: 206,
            reason: Vec::new(),
            fields,
        }
    }

    #[test]
    fn only_just_the_rest_of_the_same_content_will_do() {
        let v1 = "\"v1\"";
        for (range, etag, announced, fits) in [
            ("bytes 40-99/100", v1, Some(60), true),
            ("bytes 40-99/100", v1, None, true),
            ("bytes 40-99/*", v1, Some(60), true),
            ("bytes 40-99/100", "\"v2\"", Some(60), false),
            ("bytes 40-99/100", "W/\"v1\"", Some(60), false),
            ("bytes 40-99/100", "", Some(60), false),
            ("bytes 39-99/100", v1, Some(61), false),
            ("bytes 40-98/100", v1, Some(59), false),
            ("bytes 40-99/101", v1, Some(60), false),
            ("bytes 40-99/100", v1, Some(u64::MAX), false),
            ("bytes */100", v1, None, false),
            ("nonsense", v1, None, false),
        ] {
            let found = rest().is_in(&head(range, etag), announced);
            assert_eq!(found, fits, "{range} {etag} {announced:?}");
        }
    }

    #[test]
    fn a_coded_rest_fits_nothing() {
        let mut head = head("bytes 40-99/100", "\"v1\"");
        assert!(rest().is_in(&head, Some(60)));
        head.fields.push("Content-Encoding", "gzip");
        assert!(!rest().is_in(&head, Some(60)));
    }

    #[test]
    fn without_proof_there_is_no_rest() {
        let tag = || Some("\"v1\"".to_owned());
        assert!(Rest::new(40, Some(100), None).is_none());
        assert!(Rest::new(0, Some(100), tag()).is_none());
        assert!(Rest::new(1, Some(1), tag()).is_none());
        assert_eq!(Rest::new(100, Some(100), tag()).unwrap().have(), 99);
        assert_eq!(Rest::new(500, Some(100), tag()).unwrap().have(), 99);
        assert_eq!(Rest::new(40, None, tag()).unwrap().have(), 40);
    }
}
