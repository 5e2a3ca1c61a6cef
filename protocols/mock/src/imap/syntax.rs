//! The grammar of commands (RFC 9051 section 9), as strict as it is written.

use crate::mailbox::{Date, Flags};

use super::text::from_utf7;

/// The arguments of a command, read from left to right. Literals stand in it as they came, with
/// their announcement.
pub(super) struct Arguments<'a> {
    rest: &'a [u8],
    /// Whether strings and mailbox names are UTF-8 (RFC 6855, RFC 9051 section 5.1).
    is_utf8: bool,
}

/// What was read, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, String>;

/// How deep lists may be.
pub(super) const DEPTH: u32 = 50;

impl<'a> Arguments<'a> {
    pub fn new(bytes: &'a [u8], is_utf8: bool) -> Arguments<'a> {
        Arguments {
            rest: bytes,
            is_utf8,
        }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_at(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    /// Whether this stands here, in any case.
    pub fn is_at_word(&self, word: &str) -> bool {
        let here = self.rest.get(..word.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(word.as_bytes()))
    }

    pub fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub fn eat_word(&mut self, word: &str) -> bool {
        let is_here = self.is_at_word(word);
        if is_here {
            self.rest = self.rest.get(word.len()..).unwrap_or_default();
        }
        is_here
    }

    pub fn expect(&mut self, byte: u8) -> Parsed<()> {
        match self.eat(byte) {
            true => Ok(()),
            false if self.rest.is_empty() => Err("something is missing at the end".to_owned()),
            false => Err(format!("{:?} is missing", char::from(byte))),
        }
    }

    pub fn space(&mut self) -> Parsed<()> {
        match self.eat(b' ') {
            true if self.is_at(b' ') => Err("one space is enough".to_owned()),
            true => Ok(()),
            false => Err("an argument is missing".to_owned()),
        }
    }

    pub fn end(&self) -> Parsed<()> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err("something follows that does not belong here".to_owned()),
        }
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !fits(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    pub fn atom(&mut self) -> Parsed<&'a str> {
        self.chars(is_atom_char, "an atom")
    }

    fn chars(&mut self, fits: fn(u8) -> bool, what: &str) -> Parsed<&'a str> {
        let taken = self.take_while(fits);
        match std::str::from_utf8(taken) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(format!("{what} is missing")),
        }
    }

    /// An atom in upper case.
    pub fn keyword(&mut self) -> Parsed<String> {
        self.atom().map(str::to_ascii_uppercase)
    }

    // --- strings ---

    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.rest.first() {
            Some(b'"' | b'{') => self.string(),
            _ => {
                let is_char = |byte| is_atom_char(byte) || byte == b']';
                self.chars(is_char, "a string")
                    .map(|text| text.as_bytes().to_vec())
            }
        }
    }

    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.rest.first() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(<[u8]>::to_vec),
            _ => Err("a string is missing".to_owned()),
        }
    }

    /// A string, or NIL.
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        match self.eat_word("NIL") {
            true => Ok(None),
            false => self.string().map(Some),
        }
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let (first, rest) = self
                .rest
                .split_first()
                .ok_or("a quoted string has no end")?;
            self.rest = rest;
            match first {
                b'"' => break,
                b'\\' => match rest.split_first() {
                    Some((escaped @ (b'"' | b'\\'), rest)) => {
                        text.push(*escaped);
                        self.rest = rest;
                    }
                    _ => return Err("only quotes and backslashes are escaped".to_owned()),
                },
                b'\r' | b'\n' | 0 => return Err("a line end in a quoted string".to_owned()),
                _ => text.push(*first),
            }
        }
        match text.is_ascii() || (self.is_utf8 && std::str::from_utf8(&text).is_ok()) {
            true => Ok(text),
            false => Err("8-bit text in a quoted string".to_owned()),
        }
    }

    /// `{12}CRLF` or `{12+}CRLF` and so many octets.
    pub fn literal(&mut self) -> Parsed<&'a [u8]> {
        self.expect(b'{')?;
        let count = self.number()?;
        self.eat(b'+');
        self.expect(b'}')?;
        self.expect(b'\r')?;
        self.expect(b'\n')?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let taken = self.rest.split_at_checked(count);
        let (literal, rest) = taken.ok_or("a literal is cut off")?;
        self.rest = rest;
        Ok(literal)
    }

    /// A string that is UTF-8.
    pub fn text(&mut self) -> Parsed<String> {
        String::from_utf8(self.astring()?).map_err(|_| "not UTF-8".to_owned())
    }

    // --- what commands are about ---

    pub fn mailbox(&mut self) -> Parsed<String> {
        let text = self.text()?;
        self.name(text)
    }

    /// The name that a string is.
    fn name(&self, text: String) -> Parsed<String> {
        match self.is_utf8 {
            true => Ok(text),
            false => from_utf7(&text).ok_or_else(|| "the name is not in modified UTF-7".to_owned()),
        }
    }

    /// A name with wildcards.
    pub fn pattern(&mut self) -> Parsed<String> {
        let text = match self.rest.first() {
            Some(b'"' | b'{') => self.text()?,
            _ => {
                let is_char = |byte| is_atom_char(byte) || b"]%*".contains(&byte);
                self.chars(is_char, "a pattern")?.to_owned()
            }
        };
        self.name(text)
    }

    pub fn number(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        match digits.parse::<u64>() {
            Ok(number) if number < 1 << 63 => Ok(number),
            Ok(_) => Err("the number is too large".to_owned()),
            Err(_) if digits.is_empty() => Err("a number is missing".to_owned()),
            Err(_) => Err("the number is too large".to_owned()),
        }
    }

    pub fn number32(&mut self) -> Parsed<u32> {
        u32::try_from(self.number()?).map_err(|_| "the number is too large".to_owned())
    }

    pub fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let is_char = |byte: u8| byte.is_ascii_digit() || b":,*$".contains(&byte);
        let text = self.chars(is_char, "a sequence set")?;
        SequenceSet::parse(text).ok_or_else(|| format!("{text:?} is no sequence set"))
    }

    /// `(a b c)`, each read by `one`. It may be empty.
    pub fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(')?;
        let mut list = Vec::new();
        if self.eat(b')') {
            return Ok(list);
        }
        loop {
            list.push(one(self)?);
            if self.eat(b')') {
                return Ok(list);
            }
            self.space()?;
        }
    }

    /// A flag or a keyword. `\Recent` and unknown system flags cannot be set.
    pub fn flag(&mut self) -> Parsed<String> {
        let is_system = self.eat(b'\\');
        let name = self.atom()?;
        let flag = format!("\\{name}");
        let mut known = crate::mailbox::SYSTEM.iter();
        match is_system {
            false => Ok(name.to_owned()),
            true if known.any(|known| known.eq_ignore_ascii_case(&flag)) => Ok(flag),
            true => Err(format!("{flag} cannot be set")),
        }
    }

    pub fn flag_list(&mut self) -> Parsed<Flags> {
        Ok(self.list(Arguments::flag)?.into_iter().collect())
    }

    /// `1-Jan-2026`, perhaps in quotes: days since 1970.
    pub fn date(&mut self) -> Parsed<i64> {
        let text = self.astring()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let day = day(&text).and_then(|day| Date::of(day, (0, 0, 0), 0));
        day.map(Date::day)
            .ok_or_else(|| format!("{text:?} is no date"))
    }

    /// `" 1-Jan-2026 12:00:00 +0000"`
    pub fn date_time(&mut self) -> Parsed<Date> {
        let text = self.quoted()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        date_time(&text).ok_or_else(|| format!("{text:?} is no date and time"))
    }
}

fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// Whether a word can be a tag (RFC 9051 `tag`).
pub(super) fn is_tag(word: &[u8]) -> bool {
    let is_char = |byte: &u8| (is_atom_char(*byte) || *byte == b']') && *byte != b'+';
    !word.is_empty() && word.iter().all(is_char)
}

fn day(text: &str) -> Option<(i64, i64, i64)> {
    let (day, rest) = text.split_once('-')?;
    let (month, year) = rest.split_once('-')?;
    let is_day = matches!(day.len(), 1 | 2) && day.bytes().all(|byte| byte.is_ascii_digit());
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let month = crate::mailbox::month(month)?;
    match is_day && is_year {
        true => Some((year.parse().ok()?, month, day.parse().ok()?)),
        false => None,
    }
}

fn date_time(text: &str) -> Option<Date> {
    // The day has two places, the first of which may be a space.
    let text = match text.len() {
        26 => text.strip_prefix(' ').unwrap_or(text),
        _ => return None,
    };
    let mut words = text.split(' ');
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    let mut times = time.split(':').map(|part| match part.len() {
        2 => part.parse::<i64>().ok(),
        _ => None,
    });
    let time = (times.next()??, times.next()??, times.next()??);
    let (sign, digits) = zone.split_at_checked(1)?;
    let minutes =
        digits.get(..2)?.parse::<i32>().ok()? * 60 + digits.get(2..)?.parse::<i32>().ok()?;
    let zone = match sign {
        "+" => minutes,
        "-" => -minutes,
        _ => return None,
    };
    Date::of(day(date)?, time, zone)
}

/// A sequence set (RFC 9051 `sequence-set`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SequenceSet {
    pub text: String,
    /// `None` is `*`.
    ranges: Vec<(Option<u32>, Option<u32>)>,
    /// `$`: what the last search saved.
    is_saved: bool,
    /// The UIDs that it means, once a search knows.
    pub resolved: Vec<u32>,
}

impl SequenceSet {
    fn parse(text: &str) -> Option<SequenceSet> {
        let mut set = SequenceSet {
            text: text.to_owned(),
            ranges: Vec::new(),
            is_saved: text == "$",
            resolved: Vec::new(),
        };
        if set.is_saved {
            return Some(set);
        }
        for range in text.split(',') {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            set.ranges.push((bound(from)?, bound(to)?));
        }
        Some(set)
    }

    /// The places, from 0 on, of what is meant in a view of UIDs. Numbers that are none of the
    /// view's are an error, UIDs are not (RFC 9051 section 6.4.9).
    pub fn places(&self, uids: &[u32], saved: &[u32], by_uid: bool) -> Parsed<Vec<usize>> {
        let mut places = Vec::new();
        if self.is_saved {
            let found = saved.iter().filter_map(|uid| uids.binary_search(uid).ok());
            return Ok(found.collect());
        }
        let last = match by_uid {
            true => uids.last().copied().unwrap_or(0),
            false => u32::try_from(uids.len()).unwrap_or(u32::MAX),
        };
        for (from, to) in &self.ranges {
            let (from, to) = (from.unwrap_or(last), to.unwrap_or(last));
            let (low, high) = (from.min(to), from.max(to));
            if by_uid {
                let start = uids.partition_point(|uid| *uid < low);
                let end = uids.partition_point(|uid| *uid <= high);
                places.extend(start..end);
            } else if low == 0 || high > last {
                return Err(format!("there is no message {high}"));
            } else {
                places.extend(low as usize - 1..high as usize);
            }
            if places.len() > 2 * uids.len() {
                places.sort_unstable();
                places.dedup();
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

fn bound(text: &str) -> Option<Option<u32>> {
    match text {
        "*" => Some(None),
        _ if text.starts_with('0') => None,
        digits => digits.parse().ok().map(Some),
    }
}

/// UIDs or numbers, which are in order, as a sequence set.
pub(super) fn compressed(numbers: &[u32]) -> String {
    let mut set = String::new();
    let mut rest = numbers;
    while let Some((first, after)) = rest.split_first() {
        let follows = |(one, two): &(&u32, &u32)| one.checked_add(1) == Some(**two);
        let run = rest.iter().zip(after).take_while(follows).count();
        if !set.is_empty() {
            set.push(',');
        }
        set.push_str(&first.to_string());
        if run > 0 {
            let last = rest.get(run).unwrap_or(first);
            set.push_str(&format!(":{last}"));
        }
        rest = rest.get(run + 1..).unwrap_or_default();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_three_forms() {
        let mut all = Arguments::new(b"a]b \"c\\\"d\" {3}\r\n\"\r\n {2+}\r\nxy NIL", false);
        for expected in ["a]b", "c\"d", "\"\r\n", "xy"] {
            assert_eq!(all.astring().unwrap(), expected.as_bytes());
            all.space().unwrap();
        }
        assert_eq!(all.nstring().unwrap(), None);
        all.end().unwrap();
        for wrong in [
            "",
            "\"a",
            "\"\\a\"",
            "{3}\r\nab",
            "{x}\r\n",
            "(",
            "\"\u{fc}\"",
        ] {
            assert!(
                Arguments::new(wrong.as_bytes(), false).astring().is_err(),
                "{wrong}"
            );
        }
        assert!(Arguments::new("\"ü\"".as_bytes(), true).astring().is_ok());
    }

    #[test]
    fn sets_mean_places() {
        let uids = [3, 5, 9];
        let places = |text: &str, by_uid| {
            let set = SequenceSet::parse(text).unwrap();
            set.places(&uids, &[5], by_uid)
        };
        for (text, by_uid, expected) in [
            ("1,3", false, &[0, 2][..]),
            ("*:2", false, &[1, 2]),
            ("4:6", true, &[1]),
            ("100:*", true, &[2]),
            ("*", true, &[2]),
            ("1:2", true, &[]),
            ("$", false, &[1]),
        ] {
            assert_eq!(places(text, by_uid).unwrap(), expected, "{text}");
        }
        assert!(places("4", false).is_err());
        for wrong in ["0", "1:", ",", "1,,2", "01", "4294967296", "1:2:3"] {
            assert_eq!(SequenceSet::parse(wrong), None, "{wrong}");
        }
        assert_eq!(compressed(&[1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
    }

    #[test]
    fn dates_are_strict() {
        let date = |text: &str| Arguments::new(text.as_bytes(), false).date_time();
        let text = "\" 7-Feb-1994 21:52:25 -0800\"";
        assert_eq!(format!("\"{}\"", date(text).unwrap()), text);
        for wrong in [
            "\"7-Feb-1994 21:52:25 -0800\"",
            "\"31-Feb-1994 21:52:25 -0800\"",
            "\"x\"",
        ] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Arguments::new(b"2-jan-1970", false).date(), Ok(1));
        assert!(Arguments::new(b"2-1-1970", false).date().is_err());
    }

    #[test]
    fn no_prefix_is_too_much() {
        let command = b"(a \"b\\\"\" {3}\r\nxyz 1:*,5 (\\Seen k))";
        for end in 0..=command.len() {
            let mut all = Arguments::new(&command[..end], false);
            let _ = all.list(Arguments::astring);
            let _ = all.sequence_set();
            let _ = all.flag_list();
        }
    }
}
