//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong. A message that is not named is the one in the middle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// UIDL tells the same unique-id for every message.
    DuplicateUids,
    /// Unique-ids have 300 octets; RFC 1939 section 7 allows 70.
    LongUids,
    /// Unique-ids hold spaces.
    SpacedUids,
    /// Unique-ids begin with `../../`.
    UidPath,
    /// Unique-ids hold control characters.
    UidControl,
    /// LIST tells half of each size, and RETR the double.
    WrongSizes,
    /// STAT, LIST and RETR tell that sizes are 0.
    ZeroSizes,
    /// STAT tells more messages and octets than there are.
    LyingStat,
    /// LIST and UIDL end with this line, which is none of theirs.
    ExtraLineInList(String),
    /// The connection is closed behind a message, without the final dot.
    NoFinalDot,
    /// The second line of each message is a dot, and nothing is stuffed.
    UnstuffedDot,
    /// RETR of this message is refused.
    ErrInMiddle(Option<u32>),
    /// The connection is closed in the middle of this message.
    CutBody(Option<u32>),
    /// Every line ends in LF.
    BareLf,
    /// The timestamp for APOP holds a blank and what is not ASCII.
    MalformedTimestamp,
    /// Status lines begin with `+ok` and `-err`.
    LowerCase,
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    ("duplicate-uids", "the same unique-id for every message"),
    ("long-uids", "unique-ids of 300 octets; 70 are allowed"),
    ("spaced-uids", "unique-ids with spaces in them"),
    ("uid-path", "unique-ids that begin with ../../"),
    ("uid-control", "unique-ids with control characters in them"),
    (
        "wrong-sizes",
        "LIST tells half of each size, RETR the double",
    ),
    ("zero-sizes", "STAT, LIST and RETR tell 0 octets"),
    ("lying-stat", "STAT tells more than there is"),
    (
        "extra-line-in-list[=TEXT]",
        "LIST and UIDL end with a line that is none of theirs",
    ),
    (
        "no-final-dot",
        "messages end without the dot, and the connection with them",
    ),
    (
        "unstuffed-dot",
        "the second line of each message is a dot, and nothing is stuffed",
    ),
    (
        "err-in-middle[=N]",
        "RETR of message N, or the one in the middle, is refused",
    ),
    (
        "cut-body[=N]",
        "the connection ends in the middle of message N, or the one in the middle",
    ),
    ("bare-lf", "every line ends in LF alone"),
    (
        "malformed-timestamp",
        "the timestamp for APOP is not ASCII and has a blank",
    ),
    ("lower-case", "replies begin with +ok and -err"),
];

/// The line that is in no listing.
const EXTRA_LINE: &str = "and that is all";

/// A text that is no flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFlaw(String);

impl fmt::Display for NotAFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = FLAWS.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        write!(f, "{:?} is not a flaw; there are {names}", self.0)
    }
}

impl std::error::Error for NotAFlaw {}

impl FromStr for Flaw {
    type Err = NotAFlaw;

    fn from_str(text: &str) -> Result<Flaw, NotAFlaw> {
        parse(text).ok_or_else(|| NotAFlaw(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Flaw> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let flaw = match name {
        "extra-line-in-list" => {
            let line = value.unwrap_or(EXTRA_LINE);
            let is_one_line = !line.contains(['\r', '\n']);
            return is_one_line.then(|| Flaw::ExtraLineInList(line.to_owned()));
        }
        "err-in-middle" => return number(value).map(Flaw::ErrInMiddle),
        "cut-body" => return number(value).map(Flaw::CutBody),
        "duplicate-uids" => Flaw::DuplicateUids,
        "long-uids" => Flaw::LongUids,
        "spaced-uids" => Flaw::SpacedUids,
        "uid-path" => Flaw::UidPath,
        "uid-control" => Flaw::UidControl,
        "wrong-sizes" => Flaw::WrongSizes,
        "zero-sizes" => Flaw::ZeroSizes,
        "lying-stat" => Flaw::LyingStat,
        "no-final-dot" => Flaw::NoFinalDot,
        "unstuffed-dot" => Flaw::UnstuffedDot,
        "bare-lf" => Flaw::BareLf,
        "malformed-timestamp" => Flaw::MalformedTimestamp,
        "lower-case" => Flaw::LowerCase,
        _ => return None,
    };
    value.is_none().then_some(flaw)
}

fn number(value: Option<&str>) -> Option<Option<u32>> {
    match value {
        Some(digits) => digits.parse().ok().map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_that_is_listed_is_read() {
        for (name, _) in FLAWS {
            let bare = name.split('[').next().unwrap();
            assert!(bare.parse::<Flaw>().is_ok(), "{name}");
            let with_value = format!("{bare}=7").parse::<Flaw>();
            assert_eq!(with_value.is_ok(), name.contains('='), "{name}");
        }
        assert_eq!("cut-body=7".parse(), Ok(Flaw::CutBody(Some(7))));
        for wrong in ["", "x", "cut-body=x", "extra-line-in-list=a\nb"] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are duplicate-uids, "), "{error}");
        }
    }
}
