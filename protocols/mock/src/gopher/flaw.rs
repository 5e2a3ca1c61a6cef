//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Menus and texts end with the connection, without the dot.
    NoFinalDot,
    /// No dot of a text is doubled.
    Unstuffed,
    /// Behind the final dot come more lines.
    BehindDot,
    /// Menus do not end.
    EndlessMenu,
    /// Binaries do not end.
    EndlessBinary,
    /// Menus have lines that are no items.
    MalformedLines,
    /// The types of items say text where there is a binary, and the reverse.
    WrongTypes,
    /// Every line ends in LF.
    BareLf,
    /// Every item is on this host and port.
    ForeignItems(String),
    /// Menus lead to files of the client.
    FileUrls,
    /// Names hold what drives terminals.
    Escapes,
    /// Names and selectors begin with `../../`.
    PathNames,
    /// Names are 100,000 octets long.
    LongNames,
    /// Names are in Latin-1.
    Latin1,
    /// The connection is closed in the middle of each answer.
    Cut,
    /// Nothing is said before the connection is closed.
    Empty,
    /// Gopher+ answers tell a length that is not theirs.
    WrongLength,
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    (
        "no-final-dot",
        "menus and texts end with the connection, without the dot",
    ),
    ("unstuffed", "no dot of a text is doubled"),
    ("behind-dot", "behind the final dot come more lines"),
    ("endless-menu", "menus do not end"),
    ("endless-binary", "binaries do not end"),
    ("malformed-lines", "menus have lines that are no items"),
    (
        "wrong-types",
        "items are said to be texts where they are binaries, and the reverse",
    ),
    ("bare-lf", "every line ends in LF alone"),
    (
        "foreign-items[=HOST:PORT]",
        "every item is elsewhere (127.0.0.1:25)",
    ),
    ("file-urls", "menus lead to files of the client"),
    ("escapes", "names hold what drives terminals"),
    ("path-names", "names and selectors begin with ../../"),
    ("long-names", "names are 100,000 octets long"),
    ("latin1", "names are in Latin-1"),
    ("cut", "the connection ends in the middle of each answer"),
    ("empty", "the connection ends before anything is said"),
    (
        "wrong-length",
        "Gopher+ answers tell a length that is not theirs",
    ),
];

/// Where items are that should not be asked for.
const ELSEWHERE: &str = "127.0.0.1:25";

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
        "foreign-items" => {
            let place = value.unwrap_or(ELSEWHERE);
            return Some(Flaw::ForeignItems(place.to_owned()));
        }
        "no-final-dot" => Flaw::NoFinalDot,
        "unstuffed" => Flaw::Unstuffed,
        "behind-dot" => Flaw::BehindDot,
        "endless-menu" => Flaw::EndlessMenu,
        "endless-binary" => Flaw::EndlessBinary,
        "malformed-lines" => Flaw::MalformedLines,
        "wrong-types" => Flaw::WrongTypes,
        "bare-lf" => Flaw::BareLf,
        "file-urls" => Flaw::FileUrls,
        "escapes" => Flaw::Escapes,
        "path-names" => Flaw::PathNames,
        "long-names" => Flaw::LongNames,
        "latin1" => Flaw::Latin1,
        "cut" => Flaw::Cut,
        "empty" => Flaw::Empty,
        "wrong-length" => Flaw::WrongLength,
        _ => return None,
    };
    value.is_none().then_some(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_that_is_listed_is_read() {
        for (name, _) in FLAWS {
            let bare = name.split('[').next().unwrap();
            assert!(bare.parse::<Flaw>().is_ok(), "{name}");
            let with_value = format!("{bare}=x:7").parse::<Flaw>();
            assert_eq!(with_value.is_ok(), name.contains('='), "{name}");
        }
        for wrong in ["", "x", "cut=1"] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are no-final-dot, "), "{error}");
        }
    }
}
