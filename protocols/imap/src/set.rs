//! Sets of messages by UID: ranges that stay ranges, however large (RFC 9051 section 9,
//! `sequence-set`).

use std::fmt;

use proto_transport::{Error, Result};

use crate::syntax::{Fault, Parsed};

/// Messages by UID, in ascending order and without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UidSet(Vec<(u32, u32)>);

/// Ranges in a set at most: 32 MiB of them. More come only from a server that wants our memory.
pub(crate) const MOST_RANGES: usize = 4_000_000;

/// Bytes of a set in one command, at most: servers take lines of 8,192 octets (RFC 7162 section 4),
/// and the rest of the command needs room.
const LONGEST: usize = 4_000;

impl UidSet {
    /// Reads `1,3,5-9` and `1:4,7:*`; `7-` and `7:*` are all from there. UIDs begin at 1.
    pub fn parse(text: &str) -> Result<UidSet> {
        let ranges = text.split(',').map(asked_range).collect::<Option<Vec<_>>>();
        match ranges {
            Some(ranges) if ranges.len() <= MOST_RANGES => Ok(UidSet::from_ranges(ranges)),
            _ => Err(Error::illegal(format!(
                "{text:?} names no messages; they are written 1,3,5-9 or 7:*"
            ))),
        }
    }

    /// `sequence-set = (seq-number / seq-range) ["," sequence-set]`, as servers say it: without `*`.
    pub(crate) fn from_wire(text: &[u8]) -> Parsed<UidSet> {
        ranges_of(text).map(UidSet::from_ranges)
    }

    /// All UIDs from `first` on.
    pub fn from_first(first: u32) -> UidSet {
        UidSet::from_ranges(vec![(first.max(1), u32::MAX)])
    }

    /// Sorts and joins ranges.
    pub(crate) fn from_ranges(mut ranges: Vec<(u32, u32)>) -> UidSet {
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        UidSet(joined)
    }

    /// Adds a message. Fast for what is larger than all before.
    pub fn insert(&mut self, uid: u32) {
        let at = self.0.partition_point(|(_, last)| *last < uid);
        match self.0.get(at) {
            Some((first, _)) if *first <= uid => {}
            Some(_) => {
                self.0.insert(at, (uid, uid));
                *self = UidSet::from_ranges(std::mem::take(&mut self.0));
            }
            None => push(&mut self.0, (uid, uid)),
        }
    }

    /// Whether a message is in the set.
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < uid);
        self.0.get(at).is_some_and(|(first, _)| *first <= uid)
    }

    /// How many messages could be in the set.
    pub fn len(&self) -> u64 {
        let lengths = self.0.iter().map(|range| length(*range));
        lengths.sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one message of a set of one.
    pub fn single(&self) -> Option<u32> {
        match self.0.as_slice() {
            [(first, last)] if first == last => Some(*first),
            _ => None,
        }
    }

    /// Each UID, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The ranges, ascending, with a gap between each two.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// What is in both sets.
    pub fn intersection(&self, other: &UidSet) -> UidSet {
        let (mut mine, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((a, b)), Some((c, d))) = (mine.peek(), others.peek()) {
            let (first, last) = ((*a).max(*c), (*b).min(*d));
            if first <= last {
                both.push((first, last));
            }
            if b < d {
                mine.next();
            } else {
                others.next();
            }
        }
        UidSet(both)
    }

    /// What is in this set and not in the other.
    pub fn without(&self, other: &UidSet) -> UidSet {
        let mut left = Vec::with_capacity(self.0.len());
        let mut others = other.0.iter().peekable();
        for (mut first, last) in self.0.iter().copied() {
            while others.next_if(|(_, end)| *end < first).is_some() {}
            let mut over = others.clone();
            let mut is_open = true;
            while let Some((start, end)) = over.next_if(|(start, _)| *start <= last) {
                if *start > first {
                    left.push((first, start - 1));
                }
                match end.checked_add(1).filter(|next| *next <= last) {
                    Some(next) => first = first.max(next),
                    None => is_open = false,
                }
            }
            if is_open {
                left.push((first, last));
            }
        }
        UidSet(left)
    }

    /// The set in parts of at most `count` UIDs, each short enough for one command.
    pub fn windows(&self, count: u32) -> Windows<'_> {
        Windows {
            ranges: self.0.iter(),
            rest: None,
            count: count.max(1),
        }
    }
}

/// Adds a range that comes in any order, and joins it with the last where they touch.
pub(crate) fn push(ranges: &mut Vec<(u32, u32)>, (first, last): (u32, u32)) {
    match ranges.last_mut() {
        Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
        _ => ranges.push((first, last)),
    }
}

pub(crate) fn length((first, last): (u32, u32)) -> u64 {
    u64::from(last.saturating_sub(first)) + 1
}

/// The parts of a set.
pub struct Windows<'s> {
    ranges: std::slice::Iter<'s, (u32, u32)>,
    rest: Option<(u32, u32)>,
    count: u32,
}

impl Iterator for Windows<'_> {
    type Item = UidSet;

    fn next(&mut self) -> Option<UidSet> {
        let mut window = Vec::new();
        let (mut room, mut bytes) = (self.count, 0);
        while room > 0 && bytes < LONGEST {
            let Some((first, last)) = self.rest.take().or_else(|| self.ranges.next().copied())
            else {
                break;
            };
            let end = last.min(first.saturating_add(room - 1));
            if end < last {
                self.rest = Some((end + 1, last));
            }
            window.push((first, end));
            room = room.saturating_sub((end - first).saturating_add(1));
            // Two numbers of ten digits, a colon and a comma.
            bytes += 22;
        }
        (!window.is_empty()).then_some(UidSet(window))
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> UidSet {
        let mut ranges = Vec::new();
        for uid in uids {
            push(&mut ranges, (uid, uid));
        }
        UidSet::from_ranges(ranges)
    }
}

/// The wire form. It never holds `*`: `7:*` would be the last message even where its UID is below 7
/// (RFC 9051 section 9), and a command must not touch what it does not mean.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{first}")?;
            if first != last {
                write!(f, ":{last}")?;
            }
        }
        Ok(())
    }
}

/// `n`, `n-m`, `n:m`, `n-` or `n:*`
fn asked_range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = match text.split_once(['-', ':']) {
        Some((first, "" | "*")) => (number(first.as_bytes())?, u32::MAX),
        Some((first, last)) => (number(first.as_bytes())?, number(last.as_bytes())?),
        None => (number(text.as_bytes())?, number(text.as_bytes())?),
    };
    Some((first.min(last), first.max(last)))
}

/// Ranges in the order in which they are said (RFC 4315 section 3 gives the order a meaning).
pub(crate) fn ranges_of(text: &[u8]) -> Parsed<Vec<(u32, u32)>> {
    let mut ranges = Vec::new();
    for part in text.split(|byte| *byte == b',') {
        let colon = part.iter().position(|byte| *byte == b':');
        let range = match colon {
            Some(at) => {
                let (first, last) = part.split_at(at);
                number(first).zip(last.get(1..).and_then(number))
            }
            None => number(part).map(|uid| (uid, uid)),
        };
        let (first, last) = range.ok_or(Fault("a set holds numbers from 1 to 4294967295"))?;
        push(&mut ranges, (first.min(last), first.max(last)));
    }
    Ok(ranges)
}

/// `nz-number = digit-nz *DIGIT`, of 32 bits. Leading zeros do no harm.
fn number(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok()?.parse().ok()?;
    (is_number && number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_are_read_as_people_and_servers_write_them() {
        for (text, expected) in [
            ("1,3,5-9", "1,3,5:9"),
            ("1:4,7:*", "1:4,7:4294967295"),
            ("9:5,7-", "5:4294967295"),
            ("3,2,1,1", "1:3"),
            ("4294967295", "4294967295"),
        ] {
            assert_eq!(UidSet::parse(text).unwrap().to_string(), expected);
        }
        for wrong in [
            "",
            "0",
            "a",
            "1,",
            "-3",
            "1-2-3",
            "+1",
            "4294967296",
            "1 2",
            "*",
            "1:0",
        ] {
            assert!(UidSet::parse(wrong).is_err(), "{wrong}");
            assert!(UidSet::from_wire(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(UidSet::from_wire(b"1:*").is_err());
    }

    #[test]
    fn ranges_stay_ranges() {
        let all = UidSet::parse("1:*").unwrap();
        assert_eq!(all.len(), u64::from(u32::MAX));
        assert_eq!(all.ranges().len(), 1);
        assert!(all.contains(1) && all.contains(u32::MAX) && !all.contains(0));
        assert_eq!(all.windows(1_000).next().unwrap().to_string(), "1:1000");
        assert_eq!(UidSet::parse("7").unwrap().single(), Some(7));
        assert_eq!(all.single(), None);
    }

    #[test]
    fn windows_are_short_enough_for_a_line() {
        let odd: UidSet = (0..10_000).map(|n| 4_000_000_000 + 2 * n).collect();
        let mut all = UidSet::default();
        for window in odd.windows(u32::MAX) {
            assert!(window.to_string().len() < LONGEST + 22);
            window.iter().for_each(|uid| all.insert(uid));
        }
        assert_eq!(all, odd);
    }

    proptest! {
        #[test]
        fn sets_are_sets(mut a: Vec<u8>, b: Vec<u8>, count in 1..9_u32) {
            let set: UidSet = a.iter().map(|n| u32::from(*n) + 1).collect();
            let other: UidSet = b.iter().map(|n| u32::from(*n) + 1).collect();
            let mut inserted = UidSet::default();
            a.iter().for_each(|n| inserted.insert(u32::from(*n) + 1));
            prop_assert_eq!(&inserted, &set);
            let without = set.without(&other);
            let both = set.intersection(&other);
            for uid in 0..=257 {
                prop_assert_eq!(without.contains(uid), set.contains(uid) && !other.contains(uid));
                prop_assert_eq!(both.contains(uid), set.contains(uid) && other.contains(uid));
            }
            a.sort_unstable();
            a.dedup();
            prop_assert_eq!(set.len(), a.len() as u64);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), a.iter().map(|n| u32::from(*n) + 1).collect::<Vec<_>>());
            let windows: Vec<UidSet> = set.windows(count).collect();
            prop_assert!(windows.iter().all(|window| window.len() <= u64::from(count)));
            prop_assert_eq!(windows.iter().flat_map(UidSet::iter).collect::<UidSet>(), set.clone());
            if !set.is_empty() {
                prop_assert_eq!(UidSet::parse(&set.to_string()).unwrap(), set);
            }
        }
    }
}
