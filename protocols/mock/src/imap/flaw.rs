//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Literals announce ten octets more than they have.
    LongLiteral,
    /// Literals announce ten octets fewer than they have.
    ShortLiteral,
    /// Literals announce so many octets, and the connection ends behind those that there are.
    HugeLiteral(u64),
    /// Each SELECT finds another UIDVALIDITY.
    NewUidValidity,
    /// SELECT tells no UIDVALIDITY.
    NoUidValidity,
    /// SELECT says that UIDs last for one session only.
    UidNotSticky,
    /// In the middle of FETCH comes an EXPUNGE.
    ExpungeInFetch,
    /// In the middle of FETCH the command is refused.
    NoInFetch,
    /// In the middle of FETCH the server says BYE and closes.
    ByeInFetch,
    /// Before each tagged reply come so many responses that nobody asked for.
    Flood(usize),
    /// SEARCH finds so many messages.
    HugeSearch(u32),
    /// Everybody is logged in from the start.
    Preauth,
    /// With the greeting come replies for these tags.
    EarlyReplies(String),
    /// Capabilities come together with the reply to STARTTLS, before it.
    CapabilityInStartTls,
    /// LOGINDISABLED is announced without TLS, and nothing that tells a password is taken.
    LoginDisabled,
    /// In FETCH responses UID is the last item.
    UidLast,
    /// FETCH also tells of messages that were not asked for, and of one that is not there.
    ForeignFetch,
    /// Body structures are so many lists deep.
    DeepList(usize),
    /// ENVELOPE holds 8-bit text in quoted strings.
    EightBitEnvelope,
    /// The content of messages is NIL.
    NilBody,
    /// Keywords are in lower case.
    LowerCase,
    /// Every line ends in LF.
    BareLf,
    /// Every message has the same UID in FETCH.
    DuplicateUids,
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    (
        "long-literal",
        "literals announce ten octets more than they have",
    ),
    (
        "short-literal",
        "literals announce ten octets fewer than they have",
    ),
    (
        "huge-literal[=N]",
        "literals announce N octets (1 TiB), and the connection ends behind them",
    ),
    ("new-uidvalidity", "each SELECT finds another UIDVALIDITY"),
    ("no-uidvalidity", "SELECT tells no UIDVALIDITY"),
    (
        "uid-not-sticky",
        "SELECT says that UIDs last for one session only",
    ),
    ("expunge-in-fetch", "EXPUNGE comes in the middle of FETCH"),
    ("no-in-fetch", "FETCH is refused after half of its messages"),
    (
        "bye-in-fetch",
        "BYE comes after half of what FETCH asks for",
    ),
    (
        "flood[=N]",
        "N responses (10000) that nobody asked for before each tagged reply",
    ),
    ("huge-search[=N]", "SEARCH finds N messages (1000000)"),
    ("preauth", "everybody is logged in from the start"),
    (
        "early-replies[=TAGS]",
        "with the greeting come replies for these tags, divided by commas",
    ),
    (
        "capability-in-starttls",
        "capabilities come in the same write as the reply to STARTTLS, before it",
    ),
    (
        "login-disabled",
        "LOGINDISABLED without TLS: no password is taken",
    ),
    (
        "uid-last",
        "UID is the last item of FETCH responses, behind the body",
    ),
    (
        "foreign-fetch",
        "FETCH tells of messages that were not asked for, and of one that is not there",
    ),
    ("deep-list[=N]", "body structures are N lists (10000) deep"),
    (
        "eight-bit-envelope",
        "8-bit text in the quoted strings of ENVELOPE",
    ),
    ("nil-body", "the content of messages is NIL"),
    ("lower-case", "keywords are in lower case"),
    ("bare-lf", "every line ends in LF alone"),
    (
        "duplicate-uids",
        "FETCH tells the same UID for every message",
    ),
];

const HUGE_LITERAL: u64 = 1 << 40;
const FLOOD: usize = 10_000;
const HUGE_SEARCH: u32 = 1_000_000;
const DEEP_LIST: usize = 10_000;

/// The tags that clients begin with.
const TAGS: &str = "1,a1,A1,a001,A001,A0001,a0,A0,A00000001,a00000001";

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
        "huge-literal" => return number(value, HUGE_LITERAL).map(Flaw::HugeLiteral),
        "flood" => return number(value, FLOOD).map(Flaw::Flood),
        "huge-search" => return number(value, HUGE_SEARCH).map(Flaw::HugeSearch),
        "deep-list" => return number(value, DEEP_LIST).map(Flaw::DeepList),
        "early-replies" => {
            let tags = value.unwrap_or(TAGS);
            let are_tags = tags
                .split(',')
                .all(|tag| super::syntax::is_tag(tag.as_bytes()));
            return are_tags.then(|| Flaw::EarlyReplies(tags.to_owned()));
        }
        "long-literal" => Flaw::LongLiteral,
        "short-literal" => Flaw::ShortLiteral,
        "new-uidvalidity" => Flaw::NewUidValidity,
        "no-uidvalidity" => Flaw::NoUidValidity,
        "uid-not-sticky" => Flaw::UidNotSticky,
        "expunge-in-fetch" => Flaw::ExpungeInFetch,
        "no-in-fetch" => Flaw::NoInFetch,
        "bye-in-fetch" => Flaw::ByeInFetch,
        "preauth" => Flaw::Preauth,
        "capability-in-starttls" => Flaw::CapabilityInStartTls,
        "login-disabled" => Flaw::LoginDisabled,
        "uid-last" => Flaw::UidLast,
        "foreign-fetch" => Flaw::ForeignFetch,
        "eight-bit-envelope" => Flaw::EightBitEnvelope,
        "nil-body" => Flaw::NilBody,
        "lower-case" => Flaw::LowerCase,
        "bare-lf" => Flaw::BareLf,
        "duplicate-uids" => Flaw::DuplicateUids,
        _ => return None,
    };
    value.is_none().then_some(flaw)
}

fn number<N: FromStr>(value: Option<&str>, usual: N) -> Option<N> {
    match value {
        Some(digits) => digits.parse().ok(),
        None => Some(usual),
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
        assert_eq!("flood=7".parse(), Ok(Flaw::Flood(7)));
        for wrong in ["", "x", "flood=x", "early-replies=a b"] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are long-literal, "), "{error}");
        }
    }
}
