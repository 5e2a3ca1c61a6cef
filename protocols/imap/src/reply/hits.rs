//! Answers to SEARCH, SORT and ESEARCH, which may be longer than any line that is held: they are
//! taken in parts, cut anywhere.
//!
//! ```text
//! SEARCH 2 84 882 (MODSEQ 917162500)
//! SORT 5 3 4 1 2
//! ESEARCH (TAG "A283") UID COUNT 17 ALL 4:18,21,28
//! ```

use crate::set::{length, push, UidSet};
use crate::syntax::{number, positive, Fault, Parsed, Tokens};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    pub(crate) kind: HitKind,
    /// Ranges in the order in which they came.
    pub(crate) ranges: Vec<(u32, u32)>,
    /// The command that ESEARCH answers.
    pub(crate) tag: Option<Vec<u8>>,
    /// Whether the numbers are UIDs, where the answer says which.
    pub(crate) is_uid: bool,
    pub(crate) modseq: Option<u64>,
    pub(crate) count: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum HitKind {
    #[default]
    Search,
    Sort,
    Extended,
}

impl HitKind {
    /// The kind of answer that begins so, behind `* `, and the bytes of its name.
    pub(crate) fn of(text: &[u8]) -> Option<(HitKind, usize)> {
        let (word, _) = super::split_word(text);
        match word.to_ascii_uppercase().as_slice() {
            b"SEARCH" => Some((HitKind::Search, 6)),
            b"SORT" => Some((HitKind::Sort, 4)),
            b"ESEARCH" => Some((HitKind::Extended, 7)),
            _ => None,
        }
    }
}

/// Takes an answer in parts.
#[derive(Debug)]
pub(crate) struct HitReader {
    hits: Hits,
    /// A number, a word or a list that may go on in the next part.
    word: Vec<u8>,
    depth: usize,
    /// The word before, of those that have a value (ESEARCH).
    name: Vec<u8>,
}

/// The longest word: no number is longer, and a tag that is longer is not ours.
const WORD: usize = 256;

impl HitReader {
    pub(crate) fn new(kind: HitKind) -> HitReader {
        HitReader {
            hits: Hits {
                kind,
                ..Hits::default()
            },
            word: Vec::new(),
            depth: 0,
            name: Vec::new(),
        }
    }

    /// How many ranges are held.
    pub(crate) fn len(&self) -> usize {
        self.hits.ranges.len()
    }

    /// The next part.
    pub(crate) fn push(&mut self, part: &[u8]) -> Parsed<()> {
        for byte in part {
            match byte {
                b'(' => self.depth += 1,
                b')' if self.depth == 0 => return Err(Fault("a list begins with (")),
                b')' => self.depth -= 1,
                _ => {}
            }
            let is_end = match byte {
                b' ' => self.depth == 0,
                b',' => self.is_in_set(),
                _ => false,
            };
            if is_end {
                self.end_word(*byte == b',')?;
                continue;
            }
            if self.word.len() >= WORD {
                return Err(Fault("an answer to a search holds numbers"));
            }
            self.word.push(*byte);
        }
        Ok(())
    }

    fn is_in_set(&self) -> bool {
        self.hits.kind == HitKind::Extended && self.name == b"ALL"
    }

    fn end_word(&mut self, goes_on: bool) -> Parsed<()> {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() {
            return Ok(());
        }
        let result = self.take(&word, goes_on);
        self.word = word;
        self.word.clear();
        result
    }

    fn take(&mut self, word: &[u8], goes_on: bool) -> Parsed<()> {
        if self.hits.kind != HitKind::Extended {
            return match word.starts_with(b"(") {
                true => self.list(word),
                false => {
                    let uid = positive(word)?;
                    push(&mut self.hits.ranges, (uid, uid));
                    Ok(())
                }
            };
        }
        if self.name.is_empty() {
            match word.to_ascii_uppercase().as_slice() {
                b"UID" => self.hits.is_uid = true,
                _ if word.starts_with(b"(") => self.list(word)?,
                name => self.name = name.to_vec(),
            }
            return Ok(());
        }
        match self.name.as_slice() {
            b"ALL" => {
                for (first, last) in crate::set::ranges_of(word)? {
                    push(&mut self.hits.ranges, (first, last));
                }
            }
            b"COUNT" => self.hits.count = Some(number(word)?),
            b"MODSEQ" => self.hits.modseq = Some(number(word)?),
            _ => {}
        }
        if !goes_on {
            self.name.clear();
        }
        Ok(())
    }

    /// `"(" "MODSEQ" SP number ")"` or `"(" "TAG" SP string ")"`
    fn list(&mut self, word: &[u8]) -> Parsed<()> {
        let mut tokens = Tokens::new(word);
        tokens.open()?;
        match tokens.atom()?.to_ascii_uppercase().as_slice() {
            b"MODSEQ" => self.hits.modseq = Some(tokens.number()?),
            b"TAG" => self.hits.tag = Some(tokens.astring()?.into_owned()),
            _ => {}
        }
        Ok(())
    }

    /// The line has ended.
    pub(crate) fn finish(mut self) -> Parsed<Hits> {
        self.end_word(false)?;
        match self.depth == 0 && self.name.is_empty() {
            true => Ok(self.hits),
            false => Err(Fault("an answer to a search is whole")),
        }
    }
}

impl Hits {
    /// Adds what else was found, behind what is there.
    pub(crate) fn add(&mut self, other: Hits) {
        self.ranges.extend(other.ranges);
    }

    /// As a set.
    pub(crate) fn into_set(self) -> UidSet {
        UidSet::from_ranges(self.ranges)
    }

    /// How many numbers came.
    pub(crate) fn len(&self) -> u64 {
        self.ranges.iter().map(|range| length(*range)).sum()
    }

    /// In the order in which they came.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let each = self.ranges.iter().flat_map(|(first, last)| *first..=*last);
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, cut: usize) -> Parsed<Hits> {
        let (kind, length) = HitKind::of(text.as_bytes()).unwrap();
        let mut reader = HitReader::new(kind);
        for part in text.as_bytes()[length..].chunks(cut) {
            reader.push(part)?;
        }
        reader.finish()
    }

    #[test]
    fn answers_at_every_cut() {
        for (text, ranges, modseq) in [
            ("SEARCH 2 84 882", &[(2, 2), (84, 84), (882, 882)][..], None),
            ("SEARCH", &[], None),
            (
                "search  5 4 \t".trim_end_matches('\t'),
                &[(5, 5), (4, 4)],
                None,
            ),
            (
                "SEARCH 2 3 4 (MODSEQ 917162500)",
                &[(2, 4)],
                Some(917_162_500),
            ),
            ("SORT 5 3 4 1 2", &[(5, 5), (3, 4), (1, 2)], None),
            (
                "ESEARCH (TAG \"A283\") UID COUNT 17 ALL 4:18,21,28 MODSEQ 12",
                &[(4, 18), (21, 21), (28, 28)],
                Some(12),
            ),
            ("ESEARCH (TAG \"A283\") UID", &[], None),
            (
                "esearch (tag \"A283\") uid all 1:4294967295",
                &[(1, u32::MAX)],
                None,
            ),
        ] {
            for cut in 1..=text.len() {
                let hits = read(text, cut).unwrap();
                assert_eq!(
                    (hits.ranges.as_slice(), hits.modseq),
                    (ranges, modseq),
                    "{text}"
                );
                if hits.kind == HitKind::Extended {
                    assert_eq!(hits.tag.as_deref(), Some(&b"A283"[..]));
                    assert!(hits.is_uid);
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_a_fault() {
        for wrong in [
            "SEARCH 0",
            "SEARCH -1",
            "SEARCH 4294967296",
            "SEARCH 1,2",
            "SEARCH x",
            "SORT 1 (MODSEQ",
            "SEARCH )",
            "ESEARCH UID ALL 1:x",
            "ESEARCH UID ALL",
            "ESEARCH UID ALL 1,",
        ] {
            let result = read(wrong, 3);
            assert!(result.is_err() || wrong.ends_with("1,"), "{wrong}");
        }
        assert!(read(&format!("SEARCH {}", "1".repeat(1_000_000)), 999).is_err());
    }

    #[test]
    fn every_prefix_is_whole_or_a_fault() {
        let text = "ESEARCH (TAG \"A283\") UID COUNT 17 ALL 4:18,21 MODSEQ 12";
        for end in 7..text.len() {
            let _ = read(&text[..end], 5);
        }
    }
}
