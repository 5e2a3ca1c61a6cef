//! Lines of lists about groups (RFC 3977 section 7.6, RFC 6048). Each parser takes a line as
//! [`Session::list`](crate::Session::list) hands it on, and borrows from it. What is not ASCII may
//! be in any charset, and nothing is harmless on a terminal before it is escaped.

use crate::argument::number;
use crate::reply::words;

/// What may be posted in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Posting<'l> {
    /// `y`: everything.
    Yes,
    /// `n`: nothing from here.
    No,
    /// `m`: what its moderators let through.
    Moderated,
    /// `x`: nothing at all, neither from here nor from elsewhere.
    Closed,
    /// `j`: it arrives, and is in no group of its own.
    Junk,
    /// `=`: it goes to this group (RFC 6048 section 3.1).
    Alias(&'l [u8]),
    /// Something else, which says nothing.
    Unknown,
}

impl<'l> Posting<'l> {
    /// `newsgroup-status = %x79 / %x6E / %x6D / private-status`, with those of RFC 6048 section 3.1.
    fn parse(status: &'l [u8]) -> Posting<'l> {
        match status {
            b"y" => Posting::Yes,
            b"n" => Posting::No,
            b"m" => Posting::Moderated,
            b"x" => Posting::Closed,
            b"j" => Posting::Junk,
            [b'=', group @ ..] if !group.is_empty() => Posting::Alias(group),
            _ => Posting::Unknown,
        }
    }
}

/// A group, with the numbers that it has: a line of LIST ACTIVE or NEWGROUPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active<'l> {
    /// Its name.
    pub group: &'l [u8],
    /// The highest number. It is less than `low` if there are no articles.
    pub high: u64,
    /// The lowest number that an article may have.
    pub low: u64,
    /// What may be posted.
    pub posting: Posting<'l>,
}

impl<'l> Active<'l> {
    /// `newsgroup-name SPA article-number SPA article-number SPA newsgroup-status`
    pub fn parse(line: &'l [u8]) -> Option<Active<'l>> {
        let mut words = words(line);
        Some(Active {
            group: words.next()?,
            high: mark(words.next()?)?,
            low: mark(words.next()?)?,
            posting: Posting::parse(words.next().unwrap_or_default()),
        })
    }
}

/// A water mark. Some servers write that of an empty group as -1.
fn mark(word: &[u8]) -> Option<u64> {
    match word {
        b"-1" => Some(0),
        word => number(word),
    }
}

/// A group, with how many articles it has: a line of LIST COUNTS (RFC 6048 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'l> {
    /// Its name.
    pub group: &'l [u8],
    /// The highest number. It is less than `low` if there are no articles.
    pub high: u64,
    /// The lowest number that an article may have.
    pub low: u64,
    /// About how many articles it has.
    pub count: u64,
    /// What may be posted.
    pub posting: Posting<'l>,
}

impl<'l> Counted<'l> {
    /// `newsgroup-name SPA high SPA low SPA count SPA newsgroup-status`
    pub fn parse(line: &'l [u8]) -> Option<Counted<'l>> {
        let mut words = words(line);
        Some(Counted {
            group: words.next()?,
            high: mark(words.next()?)?,
            low: mark(words.next()?)?,
            count: number(words.next()?)?,
            posting: Posting::parse(words.next().unwrap_or_default()),
        })
    }
}

/// When a group was made, and by whom: a line of LIST ACTIVE.TIMES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created<'l> {
    /// Its name.
    pub group: &'l [u8],
    /// Seconds since 1970 began.
    pub time: u64,
    /// By whom.
    pub creator: &'l [u8],
}

impl<'l> Created<'l> {
    /// `newsgroup-name SPA 1*DIGIT SPA newsgroup-creator`
    pub fn parse(line: &'l [u8]) -> Option<Created<'l>> {
        let (group, rest) = split(line)?;
        let (time, creator) = split(rest)?;
        Some(Created {
            group,
            time: number(time)?,
            creator,
        })
    }
}

/// What a group is about: a line of LIST NEWSGROUPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described<'l> {
    /// Its name.
    pub group: &'l [u8],
    /// What it is about, in UTF-8 or in some other charset.
    pub description: &'l [u8],
}

impl<'l> Described<'l> {
    /// `newsgroup-name WS newsgroup-description`; the description may be missing.
    pub fn parse(line: &'l [u8]) -> Option<Described<'l>> {
        let (group, description) = split(line)?;
        Some(Described { group, description })
    }
}

/// The first word, and what comes after the space behind it.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (!word.is_empty()).then(|| (word, rest.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_groups_of_the_rfc() {
        // RFC 3977 section 7.6.3.
        for (line, group, high, low, posting) in [
            (
                "misc.test 3002322 3000234 y",
                "misc.test",
                3_002_322,
                3_000_234,
                Posting::Yes,
            ),
            (
                "comp.risks 442001 441099 m",
                "comp.risks",
                442_001,
                441_099,
                Posting::Moderated,
            ),
            (
                "tx.natives.recovery.d 11 9 n",
                "tx.natives.recovery.d",
                11,
                9,
                Posting::No,
            ),
            (
                "comp.risks 0000442001 0000441099 m",
                "comp.risks",
                442_001,
                441_099,
                Posting::Moderated,
            ),
            ("a  1\t2  =b.c", "a", 1, 2, Posting::Alias(b"b.c")),
            ("a 1 2 x", "a", 1, 2, Posting::Closed),
            ("a 1 2 j", "a", 1, 2, Posting::Junk),
            ("a 1 2 q", "a", 1, 2, Posting::Unknown),
            ("a -1 0 y", "a", 0, 0, Posting::Yes),
            ("a 1 2", "a", 1, 2, Posting::Unknown),
        ] {
            let active = Active::parse(line.as_bytes()).unwrap();
            assert_eq!(active.group, group.as_bytes(), "{line}");
            assert_eq!(
                (active.high, active.low, active.posting),
                (high, low, posting),
                "{line}"
            );
        }
        for wrong in [
            "",
            " ",
            "a",
            "a 1",
            "a x y z",
            "a -2 1 y",
            "a 18446744073709551616 1 y",
        ] {
            assert_eq!(Active::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn counts_times_and_descriptions() {
        let counted = Counted::parse(b"misc.test 3002322 3000234 1234 y").unwrap();
        assert_eq!(
            (counted.high, counted.low, counted.count),
            (3_002_322, 3_000_234, 1234)
        );
        assert_eq!(Counted::parse(b"misc.test 3002322 3000234 y"), None);
        let created = Created::parse(b"misc.test 930445408 <creatme@isc.org>").unwrap();
        assert_eq!(
            (created.group, created.time),
            (&b"misc.test"[..], 930_445_408)
        );
        assert_eq!(created.creator, b"<creatme@isc.org>");
        assert_eq!(Created::parse(b"misc.test"), None);
        for (line, description) in [
            (
                &b"misc.test General Usenet testing"[..],
                &b"General Usenet testing"[..],
            ),
            (b"misc.test\t\tGeneral  testing ", b"General  testing"),
            (b"misc.test", b""),
            (b"misc.test \xe9t\xe9", b"\xe9t\xe9"),
        ] {
            let described = Described::parse(line).unwrap();
            assert_eq!(
                (described.group, described.description),
                (&b"misc.test"[..], description)
            );
        }
        assert_eq!(Described::parse(b""), None);
    }

    #[test]
    fn every_prefix_is_read_without_harm() {
        let line = b"tx.natives.recovery 930678923 89 56 =<sob@academ.com>";
        for length in 0..=line.len() {
            let line = &line[..length];
            let _ = (Active::parse(line), Counted::parse(line));
            let _ = (Created::parse(line), Described::parse(line));
        }
    }
}
