//! What commands are about: names of groups, patterns, articles, ranges, points in time. Each is
//! checked against its grammar (RFC 3977 section 9.8) when it is made, so that no command can hold
//! another, nor be longer than 512 octets (section 3.1).

use std::fmt;

use proto_transport::{Error, Result};

/// The longest name of a group, in octets: a command has room for it and for a range.
const LONGEST_GROUP: usize = 400;

/// The longest pattern, in octets: a command has room for it and for a date.
const LONGEST_WILDMAT: usize = 450;

/// The longest message-id, in octets (RFC 3977 section 3.6).
const LONGEST_ID: usize = 250;

/// The longest name of a header field, in octets: a command has room for it and for a message-id.
const LONGEST_FIELD: usize = 200;

/// The name of a newsgroup: `1*wildmat-exact`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(String);

impl Group {
    /// Checks a name, which has at most 400 octets here.
    pub fn new(name: &str) -> Result<Group> {
        let is_name = !name.is_empty() && name.len() <= LONGEST_GROUP;
        match is_name && name.chars().all(is_exact) {
            true => Ok(Group(name.to_owned())),
            false => Err(Error::illegal(format!(
                "{name:?} is no name of a newsgroup (RFC 3977 section 9.8)"
            ))),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `wildmat-exact = %x22-29 / %x2B / %x2D-3E / %x40-5A / %x5E-7E / UTF8-non-ascii`: all that is
/// visible, without `! * , ? [ \ ]`
fn is_exact(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_graphic() && !"!*,?[\\]".contains(c),
        // RFC 3977 section 3.1 forbids the byte order mark.
        false => !c.is_control() && c != '\u{feff}',
    }
}

/// A pattern for names of groups, such as `comp.*,!comp.os.*` (RFC 3977 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wildmat(String);

impl Wildmat {
    /// Checks a pattern, which has at most 450 octets here:
    /// `wildmat-pattern *("," ["!"] wildmat-pattern)`.
    pub fn new(pattern: &str) -> Result<Wildmat> {
        let is_item = |c: char| is_exact(c) || matches!(c, '*' | '?');
        let is_pattern = |(index, part): (usize, &str)| {
            let part = match index {
                0 => part,
                _ => part.strip_prefix('!').unwrap_or(part),
            };
            !part.is_empty() && part.chars().all(is_item)
        };
        let fits = pattern.len() <= LONGEST_WILDMAT;
        match fits && pattern.split(',').enumerate().all(is_pattern) {
            true => Ok(Wildmat(pattern.to_owned())),
            false => Err(Error::illegal(format!(
                "{pattern:?} is no pattern for newsgroups; one looks like comp.*,!comp.os.* \
                 (RFC 3977 section 4)"
            ))),
        }
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name matches: the last pattern that matches decides (RFC 3977 section 4.2).
    pub fn matches(&self, name: &str) -> bool {
        for part in self.0.rsplit(',') {
            let (is_wanted, pattern) = match part.strip_prefix('!') {
                Some(pattern) => (false, pattern),
                None => (true, part),
            };
            if matches_one(pattern, name) {
                return is_wanted;
            }
        }
        false
    }
}

/// `*` stands for any characters, `?` for one. What `*` took is taken back one by one, so that the
/// time is bounded by the product of both lengths.
fn matches_one(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let before = name.clone();
        match (pattern.next(), name.next()) {
            (Some('*'), _) => {
                name = before;
                retry = Some((pattern.clone(), name.clone()));
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(there)) if wanted == there => {}
            _ => {
                let Some((after_star, mut rest)) = retry.take() else {
                    return false;
                };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, name) = (after_star.clone(), rest.clone());
                retry = Some((after_star, rest));
            }
        }
    }
}

impl fmt::Display for Wildmat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message-id with its angle brackets: `"<" 1*248A-NOTGT ">"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(String);

impl MessageId {
    /// Checks a message-id; the angle brackets may be missing.
    pub fn new(text: &str) -> Result<MessageId> {
        let bare = text.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
        MessageId::within(bare.unwrap_or(text)).ok_or_else(|| {
            Error::illegal(format!(
                "{text:?} is no message-id; one looks like <a@b> and has at most 250 octets \
                 (RFC 3977 section 3.6)"
            ))
        })
    }

    /// A message-id as a server writes it.
    pub(crate) fn of_server(text: &[u8]) -> Option<MessageId> {
        let text = std::str::from_utf8(text).ok()?;
        MessageId::within(text.strip_prefix('<')?.strip_suffix('>')?)
    }

    /// `A-NOTGT = %x21-3D / %x3F-7E`
    fn within(bare: &str) -> Option<MessageId> {
        let fits = !bare.is_empty() && bare.len() <= LONGEST_ID - 2;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'>' && byte != b'<';
        (fits && bare.bytes().all(is_plain)).then(|| MessageId(format!("<{bare}>")))
    }

    /// The message-id, with its angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Articles of a group by number: `5`, `5-9`, or `5-` for all from there. RFC 3977 section 6 has
/// numbers of 31 bits; here they have 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    first: u64,
    last: Option<u64>,
}

impl Range {
    /// From `first` to `last`, or to the end.
    pub fn new(first: u64, last: Option<u64>) -> Result<Range> {
        match first > 0 && last.is_none_or(|last| first <= last) {
            true => Ok(Range { first, last }),
            false => Err(Error::illegal(
                "numbers of articles begin at 1, and a range goes upwards",
            )),
        }
    }

    /// Reads `5`, `5-9` or `5-`.
    pub fn parse(text: &str) -> Result<Range> {
        let wrong = || {
            Error::illegal(format!(
                "{text:?} names no articles; they are written 5, 5-9 or 5-"
            ))
        };
        let (first, last) = match text.split_once('-') {
            Some((first, "")) => (first, None),
            Some((first, last)) => (first, Some(last)),
            None => (text, Some(text)),
        };
        let last = match last {
            Some(last) => Some(number(last.as_bytes()).ok_or_else(wrong)?),
            None => None,
        };
        Range::new(number(first.as_bytes()).ok_or_else(wrong)?, last).map_err(|_| wrong())
    }

    /// The first number.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last number, unless it is all that follow.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether a number is among them.
    pub fn contains(&self, number: u64) -> bool {
        self.first <= number && self.last.is_none_or(|last| number <= last)
    }

    /// The part of it that lies within what a group has. `None` if there is none.
    pub fn within(&self, low: u64, high: u64) -> Option<Range> {
        let first = self.first.max(low).max(1);
        let last = self.last.unwrap_or(u64::MAX).min(high);
        Range::new(first, Some(last)).ok()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{}-{last}", self.first),
            None => write!(f, "{}-", self.first),
        }
    }
}

/// Digits and nothing else, which may have leading zeros (RFC 3977 section 3.2).
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

/// One article, by its number in the group that is open, or by its message-id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Article {
    /// By number.
    Number(u64),
    /// By message-id; no group need be open.
    Id(MessageId),
}

impl fmt::Display for Article {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Article::Number(number) => write!(f, "{number}"),
            Article::Id(id) => write!(f, "{id}"),
        }
    }
}

/// Articles in the group that is open, or one by its message-id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Articles {
    /// By number.
    Range(Range),
    /// By message-id; no group need be open.
    Id(MessageId),
}

impl Articles {
    /// Whether a line that is about this number can be meant. By message-id the number may be 0 or
    /// that of the open group (RFC 3977 section 8.3.2).
    pub(crate) fn may_be(&self, number: u64) -> bool {
        match self {
            Articles::Range(range) => range.contains(number),
            Articles::Id(_) => true,
        }
    }
}

impl fmt::Display for Articles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Articles::Range(range) => write!(f, "{range}"),
            Articles::Id(id) => write!(f, "{id}"),
        }
    }
}

/// The name of a header field, or of an item of metadata that begins with a colon (`:bytes`):
/// `header-meta-name = 1*A-NOTCOLON / ":" 1*A-NOTCOLON`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field(String);

impl Field {
    /// Checks a name, which has at most 200 octets here.
    pub fn new(name: &str) -> Result<Field> {
        let bare = name.strip_prefix(':').unwrap_or(name);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        let fits = !bare.is_empty() && name.len() <= LONGEST_FIELD;
        match fits && bare.bytes().all(is_plain) {
            true => Ok(Field(name.to_owned())),
            false => Err(Error::illegal(format!(
                "{name:?} is no name of a header field, as Subject or :lines are"
            ))),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in time in UTC, to the second, as the server's clock has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60, for leap seconds.
    pub second: u8,
}

impl Moment {
    /// Reads `yyyymmddhhmmss`, the form of the reply to DATE (RFC 3977 section 7.1).
    pub fn parse(text: &str) -> Option<Moment> {
        let part = |from: usize, to: usize| number(text.as_bytes().get(from..to)?);
        let small = |from, to| u8::try_from(part(from, to)?).ok();
        let moment = Moment {
            year: u16::try_from(part(0, 4)?).ok()?,
            month: small(4, 6)?,
            day: small(6, 8)?,
            hour: small(8, 10)?,
            minute: small(10, 12)?,
            second: small(12, 14)?,
        };
        (text.len() == 14 && moment.is_valid()).then_some(moment)
    }

    fn is_valid(&self) -> bool {
        self.year <= 9999
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour <= 23
            && self.minute <= 59
            && self.second <= 60
    }
}

/// `date SP time SP "GMT"`, as in NEWNEWS (RFC 3977 section 7.3).
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}{:02}{:02} {:02}{:02}{:02} GMT",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_are_checked() {
        for right in ["misc.test", "comp.lang.c++", "a", "x.<y>", "fr.été", "a_b"] {
            assert_eq!(Group::new(right).unwrap().as_str(), right);
        }
        let longest = "x".repeat(400);
        assert!(Group::new(&longest).is_ok());
        let too_long = "x".repeat(401);
        for wrong in [
            "",
            "a b",
            "a\tb",
            "a\r\nQUIT",
            "a\0",
            "a*",
            "a?",
            "a,b",
            "!a",
            "a[b]",
            "a\\b",
            "\u{7f}",
            "\u{85}",
            "\u{feff}a",
            &too_long,
        ] {
            assert!(Group::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn patterns_are_those_of_the_rfc() {
        // RFC 3977 section 4.4.
        for (pattern, yes, no) in [
            ("abc", &["abc"][..], &["ab", "abcd", ""][..]),
            ("abc,def", &["abc", "def"], &["abc,def"]),
            ("£", &["£"], &["$"]),
            ("a*", &["a", "abc"], &["ba"]),
            ("a*b", &["ab", "axxb", "abb"], &["a", "abc"]),
            ("a*,*b", &["ax", "xb"], &["xx"]),
            ("a*,!*b", &["a", "ax"], &["axb", "x"]),
            ("a*,!*b,c*", &["ax", "cb"], &["ab"]),
            ("a*,c*,!*b", &["ax", "cx"], &["ab", "cb"]),
            ("?a*", &["xa", "xab"], &["a", "ax"]),
            ("??a*", &["xxa"], &["xa"]),
            ("*a?", &["ax", "xxay", "aax"], &["a", "axx"]),
            ("*a??", &["axx", "xaxx"], &["ax"]),
            ("*", &["", "a"], &[]),
        ] {
            let wildmat = Wildmat::new(pattern).unwrap();
            for name in yes {
                assert!(wildmat.matches(name), "{pattern} {name}");
            }
            for name in no {
                assert!(!wildmat.matches(name), "{pattern} {name}");
            }
        }
        for wrong in [
            "", "a,", ",a", "!a", "a,!", "u[ks].*", "a b", "a\r\n", "a\\*", "a,!!b",
        ] {
            assert!(Wildmat::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pattern_takes_no_time_without_end() {
        let pattern = Wildmat::new(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"a".repeat(199).repeat(20).replace("aa", "ab")[..400]));
    }

    #[test]
    fn message_ids_are_checked() {
        for text in ["<a@b>", "a@b"] {
            assert_eq!(MessageId::new(text).unwrap().as_str(), "<a@b>");
        }
        let longest = "x".repeat(248);
        assert_eq!(MessageId::new(&longest).unwrap().as_str().len(), 250);
        let too_long = "x".repeat(249);
        for wrong in [
            "",
            "<>",
            "<a b>",
            "<a>b>",
            "<a",
            "a>",
            "<a\r\n>",
            "<\u{e4}@b>",
            "<a\t>",
            "<a\0>",
            "<<a>",
            &too_long,
        ] {
            assert!(MessageId::new(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(MessageId::of_server(b"a@b"), None);
    }

    #[test]
    fn ranges_are_read_and_written() {
        for text in ["5", "5-", "5-9", "18446744073709551615"] {
            assert_eq!(Range::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Range::parse("0005-0009").unwrap().to_string(), "5-9");
        for wrong in [
            "",
            "0",
            "-",
            "-5",
            "9-5",
            "1-2-3",
            "+1",
            "1 ",
            "a",
            "18446744073709551616",
        ] {
            assert!(Range::parse(wrong).is_err(), "{wrong}");
        }
        let range = Range::parse("5-9").unwrap();
        let numbers: Vec<u64> = (0..20).filter(|number| range.contains(*number)).collect();
        assert_eq!(numbers, [5, 6, 7, 8, 9]);
        assert!(Range::parse("5-").unwrap().contains(u64::MAX));
        let within = |text: &str, low, high| {
            let range = Range::parse(text).unwrap().within(low, high);
            range.map(|range| range.to_string())
        };
        assert_eq!(within("5-", 1, 7).as_deref(), Some("5-7"));
        assert_eq!(within("1-9", 3, 7).as_deref(), Some("3-7"));
        assert_eq!(within("5-", 1, 4), None);
        assert_eq!(within("1-", 0, 0), None);
    }

    #[test]
    fn fields_are_checked() {
        for right in ["Subject", ":bytes", "X-Y"] {
            assert_eq!(Field::new(right).unwrap().as_str(), right);
        }
        for wrong in ["", ":", "a:", "a b", "a\r\n", "::a", "ä"] {
            assert!(Field::new(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn moments_are_read_and_written() {
        let moment = Moment::parse("19990623135624").unwrap();
        assert_eq!(moment.to_string(), "19990623 135624 GMT");
        for wrong in [
            "",
            "1999062313562",
            "199906231356240",
            "19991323135624",
            "19990600135624",
            "19990623245624",
            "1999062313562x",
            "+9990623135624",
            "1999062313é24",
        ] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
