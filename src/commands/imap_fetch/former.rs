//! Messages that are stored under UIDs that are valid no more, known again by their content.

use std::collections::HashMap;

use proto_imap::{Selected, UidSet};
use proto_transport::certificate::hexadecimal;

use crate::store::{Digester, State};

/// What the state calls a message.
pub fn name(validity: u32, uid: u32) -> String {
    format!("{validity}.{uid}")
}

/// The UIDVALIDITY and the UID in a name.
pub fn parse(name: &str) -> Option<(u32, u32)> {
    let (validity, uid) = name.split_once('.')?;
    Some((validity.parse().ok()?, uid.parse().ok()?))
}

/// Why the UIDs of a mailbox do not mean what the state knows of them, though its UIDVALIDITY is
/// the same.
pub fn doubt(state: &State, selected: &Selected, found: &UidSet) -> Option<&'static str> {
    let validity = selected.uid_validity.unwrap_or(0);
    if selected.uid_validity.is_none() {
        return Some("the mailbox has no UIDVALIDITY, so that its UIDs last for one session only");
    }
    if !selected.has_sticky_uids {
        return Some("the server says that UIDs do not last in this mailbox (UIDNOTSTICKY)");
    }
    // UIDs only ever go up (RFC 9051 section 2.3.1.1), but in a mailbox that was restored from a
    // backup, or made anew in the same second. A UIDNEXT that is no truth now says nothing.
    let known = state.uids().filter_map(parse);
    let highest = known.filter(|(valid, _)| *valid == validity);
    let highest = highest.map(|(_, uid)| uid).max()?;
    let next = selected.uid_next.filter(|next| *next <= highest)?;
    let last = found.ranges().last().map_or(0, |(_, last)| *last);
    (last < next)
        .then_some("the mailbox gives UIDs to new messages that others had (its UIDNEXT went back)")
}

/// From now on the state knows none of the messages of this UIDVALIDITY by its UID, but still all by
/// their contents.
pub fn distrust(state: &mut State, validity: u32) {
    let of_now = state.hashes().filter(|(name, _)| {
        let name = parse(name);
        name.is_some_and(|(valid, _)| valid == validity)
    });
    let of_now: Vec<(String, [u8; 32])> = of_now
        .map(|(name, hash)| (name.to_owned(), *hash))
        .collect();
    for (name, hash) in of_now {
        // Several messages may come to have had this name.
        let digest = hexadecimal(hash.get(..8).unwrap_or_default());
        state.record(&format!("former.{name}.{digest}"), &hash, "");
        state.forget(&name);
    }
}

/// Names by the digests of what is stored under them. There may be several copies.
#[derive(Default)]
pub struct Former(HashMap<[u8; 32], Vec<String>>);

impl Former {
    /// What a state holds that is of another UIDVALIDITY.
    pub fn of(state: &State, validity: u32) -> Former {
        let mut former: HashMap<_, Vec<_>> = HashMap::new();
        for (name, hash) in state.hashes() {
            if parse(name).is_none_or(|(valid, _)| valid != validity) {
                former.entry(*hash).or_default().push(name.to_owned());
            }
        }
        Former(former)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one that has this content, and its digest. It counts only once.
    pub fn take(&mut self, digests: Digests) -> Option<(String, [u8; 32])> {
        let (line_feeds, raw) = digests.finish();
        let mut digests = [line_feeds, raw].into_iter();
        let digest = digests.find(|digest| self.0.contains_key(digest))?;
        let names = self.0.get_mut(&digest)?;
        let name = names.pop()?;
        if names.is_empty() {
            self.0.remove(&digest);
        }
        Some((name, digest))
    }

    /// All that were not taken.
    pub fn into_names(self) -> impl Iterator<Item = String> {
        self.0.into_values().flatten()
    }
}

/// The digests of a message: with LF for CRLF, as most stores keep it, and as it came.
#[derive(Default)]
pub struct Digests {
    line_feeds: Digester,
    raw: Digester,
    /// The last byte was a CR, and what follows is not known yet.
    holds_return: bool,
}

impl Digests {
    /// Adds some bytes, cut anywhere.
    pub fn update(&mut self, part: &[u8]) {
        self.raw.update(part);
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            if std::mem::take(&mut self.holds_return) && line != b"\n" {
                self.line_feeds.update(b"\r");
            }
            if let Some(text) = line.strip_suffix(b"\r\n") {
                self.line_feeds.update(text);
                self.line_feeds.update(b"\n");
            } else if let Some(text) = line.strip_suffix(b"\r") {
                self.line_feeds.update(text);
                self.holds_return = true;
            } else {
                self.line_feeds.update(line);
            }
        }
    }

    fn finish(mut self) -> ([u8; 32], [u8; 32]) {
        if self.holds_return {
            self.line_feeds.update(b"\r");
        }
        (self.line_feeds.finish(), self.raw.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::digest;

    #[test]
    fn names_come_back() {
        assert_eq!(parse(&name(7, u32::MAX)), Some((7, u32::MAX)));
        for wrong in ["", "7", "7.", ".7", "a.7", "7.4294967296"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn digests_do_not_depend_on_cuts() {
        let text = b"a\r\n\r\r\n\rb\n\r\nc\r";
        let wanted = digest(b"a\n\r\n\rb\n\nc\r");
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut digests = Digests::default();
                for part in [&text[..first], &text[first..second], &text[second..]] {
                    digests.update(part);
                }
                let (line_feeds, raw) = digests.finish();
                assert_eq!(line_feeds, wanted, "{first} {second}");
                assert_eq!(raw, digest(text));
            }
        }
    }

    #[test]
    fn each_copy_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.state");
        let mut state = State::open(&path, "me").unwrap();
        let hash = digest(b"a\n");
        for name in ["1.5", "1.6", "2.5"] {
            state.record(name, &hash, "");
        }
        let mut former = Former::of(&state, 2);
        let digests = || {
            let mut digests = Digests::default();
            digests.update(b"a\r\n");
            digests
        };
        let mut names: Vec<String> = (0..2).map(|_| former.take(digests()).unwrap().0).collect();
        names.sort();
        assert_eq!(names, ["1.5", "1.6"]);
        assert!(former.take(digests()).is_none() && former.is_empty());
    }
}
