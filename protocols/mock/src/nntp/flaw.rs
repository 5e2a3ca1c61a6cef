//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// GROUP tells more articles than there are, and higher numbers.
    WrongCounts,
    /// GROUP tells numbers that no 64 bits hold.
    HugeCounts,
    /// In listings the numbers behind the middle jump by 2^40.
    NumberJumps,
    /// In listings the numbers go down.
    BackwardNumbers,
    /// The connection is closed where the final dot of a block would be.
    NoFinalDot,
    /// The second line of each article is a dot, and nothing is stuffed.
    DotInside,
    /// The connection is closed in the middle of this article, or of each.
    CutBody(Option<u64>),
    /// OVER tells four fields of each article.
    OverFewTabs,
    /// OVER tells a thousand fields too many.
    OverManyTabs,
    /// OVER has a NUL in each line.
    OverNul,
    /// OVER tells empty lines.
    OverEmpty,
    /// OVER leaves the article number out.
    OverNoNumber,
    /// OVER tells sizes below zero that no 64 bits hold.
    OverWrongBytes,
    /// Status lines tell another article number than the one that was asked for.
    WrongNumber,
    /// Status lines tell another Message-ID than the one that was asked for.
    WrongId,
    /// Whatever is asked for, the header is that of another article.
    OtherArticle,
    /// LIST does not end.
    EndlessList,
    /// Whoever logs in is told to log in.
    LoginLoop,
    /// TLS is demanded, also where it is.
    TlsLoop,
    /// With the greeting come these replies.
    EarlyReplies(String),
    /// Status lines are 10,000 octets longer than usual; 512 are allowed.
    LongLines,
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    (
        "wrong-counts",
        "GROUP tells more articles than there are, and higher numbers",
    ),
    ("huge-counts", "GROUP tells numbers that no 64 bits hold"),
    (
        "number-jumps",
        "in listings the numbers behind the middle jump by 2^40",
    ),
    ("backward-numbers", "in listings the numbers go down"),
    (
        "no-final-dot",
        "blocks end without the dot, and the connection with them",
    ),
    (
        "dot-inside",
        "the second line of each article is a dot, and nothing is stuffed",
    ),
    (
        "cut-body[=N]",
        "the connection ends in the middle of article N, or of each",
    ),
    ("over-few-tabs", "OVER tells four fields of each article"),
    ("over-many-tabs", "OVER tells a thousand fields too many"),
    ("over-nul", "OVER has a NUL in each line"),
    ("over-empty", "OVER tells empty lines"),
    ("over-no-number", "OVER leaves the article number out"),
    (
        "over-wrong-bytes",
        "OVER tells sizes below zero that no 64 bits hold",
    ),
    (
        "wrong-number",
        "status lines tell another article number than was asked for",
    ),
    (
        "wrong-id",
        "status lines tell another Message-ID than was asked for",
    ),
    (
        "other-article",
        "whatever is asked for, the header is that of another article",
    ),
    ("endless-list", "LIST does not end"),
    ("login-loop", "480, also to those who have logged in"),
    ("tls-loop", "483, also under TLS"),
    (
        "early-replies[=TEXT]",
        "with the greeting come replies that nobody asked for; \\n divides them",
    ),
    (
        "long-lines",
        "status lines are 10,000 octets longer; 512 are allowed",
    ),
];

/// What is said too early.
const EARLY: &str = "281 welcome\n211 1 1 1 early";

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
    let flaw = match (name, value) {
        ("early-replies", value) => {
            let replies = value.unwrap_or(EARLY).replace("\\n", "\n");
            return (!replies.contains('\r')).then_some(Flaw::EarlyReplies(replies));
        }
        ("cut-body", Some(number)) => return number.parse().ok().map(|n| Flaw::CutBody(Some(n))),
        ("cut-body", None) => Flaw::CutBody(None),
        ("wrong-counts", _) => Flaw::WrongCounts,
        ("huge-counts", _) => Flaw::HugeCounts,
        ("number-jumps", _) => Flaw::NumberJumps,
        ("backward-numbers", _) => Flaw::BackwardNumbers,
        ("no-final-dot", _) => Flaw::NoFinalDot,
        ("dot-inside", _) => Flaw::DotInside,
        ("over-few-tabs", _) => Flaw::OverFewTabs,
        ("over-many-tabs", _) => Flaw::OverManyTabs,
        ("over-nul", _) => Flaw::OverNul,
        ("over-empty", _) => Flaw::OverEmpty,
        ("over-no-number", _) => Flaw::OverNoNumber,
        ("over-wrong-bytes", _) => Flaw::OverWrongBytes,
        ("wrong-number", _) => Flaw::WrongNumber,
        ("wrong-id", _) => Flaw::WrongId,
        ("other-article", _) => Flaw::OtherArticle,
        ("endless-list", _) => Flaw::EndlessList,
        ("login-loop", _) => Flaw::LoginLoop,
        ("tls-loop", _) => Flaw::TlsLoop,
        ("long-lines", _) => Flaw::LongLines,
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
            let with_value = format!("{bare}=7").parse::<Flaw>();
            assert_eq!(with_value.is_ok(), name.contains('='), "{name}");
        }
        for wrong in ["", "x", "cut-body=x", "early-replies=a\rb"] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are wrong-counts, "), "{error}");
        }
    }
}
