//! One message as it is kept.

use std::io::Read;
use std::sync::Arc;

use memchr::memchr_iter;

use super::date::Date;
use super::flags::Flags;
use super::generated::{self, Generated};

/// A message in a mailbox. Cloning it copies no content.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its unique identifier in this mailbox; never 0.
    pub uid: u32,
    /// What is set.
    pub flags: Arc<Flags>,
    /// When it came.
    pub date: Date,
    /// The modification sequence of its last change (RFC 7162).
    pub modseq: u64,
    pub(super) content: Content,
}

impl Message {
    /// The message itself. Its lines end with CRLF.
    pub fn content(&self) -> Arc<[u8]> {
        self.content.bytes()
    }

    /// How many octets it has.
    pub fn size(&self) -> u64 {
        self.content.size()
    }
}

/// What a message is made of, wherever it is kept.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Arc<[u8]>),
    /// Made whenever it is read.
    Generated {
        number: u32,
        size: usize,
    },
}

impl Content {
    fn bytes(&self) -> Arc<[u8]> {
        match self {
            Content::Bytes(bytes) => Arc::clone(bytes),
            Content::Generated { number, size } => {
                let mut bytes = Vec::new();
                // It is made in memory, which does not fail.
                let _ = Generated::new(*number, *size).read_to_end(&mut bytes);
                bytes.into()
            }
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Generated { number, size } => generated::octets(*number, *size),
        }
    }
}

/// A message that is to be put into a mailbox.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What is set from the start.
    pub flags: Flags,
    /// When it came.
    pub date: Date,
    pub(super) content: Content,
}

impl Draft {
    /// A message that comes now, without flags. Bare LF becomes CRLF.
    pub fn new(content: &[u8]) -> Draft {
        Draft::of(Content::Bytes(with_crlf(content)))
    }

    /// How many octets it has.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    pub(super) fn of(content: Content) -> Draft {
        Draft {
            flags: Flags::default(),
            date: Date::now(),
            content,
        }
    }
}

fn with_crlf(content: &[u8]) -> Arc<[u8]> {
    let is_bare = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| content.get(before));
        before != Some(&b'\r')
    };
    let bare: Vec<usize> = memchr_iter(b'\n', content).filter(is_bare).collect();
    if bare.is_empty() {
        return content.into();
    }
    let mut mended = Vec::with_capacity(content.len() + bare.len());
    let mut start = 0;
    for at in bare {
        mended.extend_from_slice(content.get(start..at).unwrap_or_default());
        mended.push(b'\r');
        start = at;
    }
    mended.extend_from_slice(content.get(start..).unwrap_or_default());
    mended.into()
}
