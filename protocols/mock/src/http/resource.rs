//! What can be served: bytes of known length, read from any place, never held in memory whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

/// Something to serve.
pub(super) struct Resource {
    pub content_type: &'static str,
    pub length: u64,
    /// With its quotes (RFC 9110 section 8.8.3).
    pub etag: Option<String>,
    pub modified: Option<SystemTime>,
    pub source: Source,
}

/// Where the bytes come from.
pub(super) enum Source {
    File(File),
    /// [`fill`], with a number that tells one such resource from another.
    Pattern(u64),
    Text(Vec<u8>),
}

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const BINARY: &str = "application/octet-stream";

impl Resource {
    /// A text that is made anew each time, so that nothing can be said about its age.
    pub fn text(content_type: &'static str, text: impl Into<Vec<u8>>) -> Resource {
        let text = text.into();
        Resource {
            content_type,
            length: text.len() as u64,
            etag: None,
            modified: None,
            source: Source::Text(text),
        }
    }

    /// So many bytes that are the same every time.
    pub fn bytes(length: u64) -> Resource {
        Resource {
            content_type: BINARY,
            length,
            etag: Some(format!("\"bytes-{length}\"")),
            // The start of 2020.
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800)),
            source: Source::Pattern(0),
        }
    }

    /// So many bytes that are others for every `edition`, and so is their tag.
    pub fn edition(length: u64, edition: u64) -> Resource {
        Resource {
            content_type: BINARY,
            length,
            etag: Some(format!("\"edition-{edition}\"")),
            modified: None,
            source: Source::Pattern(edition),
        }
    }

    /// Fills a part of the buffer with the bytes at `offset`; 0 is the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(offset);
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        match &self.source {
            Source::File(file) => file.read_at(buffer, offset),
            Source::Pattern(seed) => {
                fill_with(*seed, offset, buffer);
                Ok(count)
            }
            Source::Text(text) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                buffer.copy_from_slice(text.get(start..start + count).unwrap_or_default());
                Ok(count)
            }
        }
    }
}

/// Fills the buffer with what `/mock/bytes/N` has at `offset`: bytes that compress badly and differ
/// from place to place, so that a part in the wrong place is noticed.
pub fn fill(offset: u64, buffer: &mut [u8]) {
    fill_with(0, offset, buffer);
}

fn fill_with(seed: u64, offset: u64, buffer: &mut [u8]) {
    for (position, byte) in (offset..).zip(buffer) {
        let word = mixed((position / 8).wrapping_add(seed << 48));
        *byte = (word >> (position % 8 * 8)) as u8;
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(position: u64) -> u64 {
    let mut word = position.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_the_same_as_that_of_the_whole() {
        let mut whole = [0; 100];
        fill(0, &mut whole);
        for start in 0..100 {
            let mut part = [0; 9];
            let resource = Resource::bytes(100);
            let count = resource.read_at(start, &mut part).unwrap();
            assert_eq!(count, (100 - start as usize).min(9));
            assert_eq!(part[..count], whole[start as usize..][..count]);
        }
        let mut other = [0; 100];
        Resource::edition(100, 1).read_at(0, &mut other).unwrap();
        assert_ne!(whole, other);
        let text = Resource::text(PLAIN, "abc");
        assert_eq!(text.read_at(1, &mut other).unwrap(), 2);
        assert_eq!(&other[..2], b"bc");
        assert_eq!(text.read_at(3, &mut other).unwrap(), 0);
    }
}
