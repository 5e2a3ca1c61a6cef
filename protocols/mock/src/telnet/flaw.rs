//! What the server does wrong all the time, as servers have been seen to do.

use std::fmt;
use std::str::FromStr;

/// Something that the server does wrong, or other than most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing is negotiated, and nothing echoed.
    Silent,
    /// Every option is asked for and offered.
    Chatty,
    /// Every answer is answered with the opposite.
    Looping,
    /// Every byte of what is negotiated travels alone.
    SplitIac,
    /// An option is offered and taken back a million times.
    Flood,
    /// Something within an option is 10 MB long.
    HugeSub,
    /// Something within an option does not end.
    EndlessSub,
    /// Something within an option is followed by a command that does not belong there.
    UnterminatedSub,
    /// The environment is asked for, agreed or not.
    AskEnvironment,
    /// What is said drives terminals.
    Escapes,
    /// Eight bits both ways are wanted.
    Binary,
    /// Lines end in LF.
    BareLf,
    /// NULs come between all that is said.
    Nuls,
    /// Passwords are echoed.
    EchoPassword,
    /// No command is ever done with talking.
    EndlessOutput,
    /// The connection ends in the middle of a command.
    Cut,
    /// The connection is closed before anything is said.
    Empty,
}

/// Every flaw as it is written, and what it does.
pub const FLAWS: &[(&str, &str)] = &[
    ("silent", "nothing is negotiated, and nothing is echoed"),
    (
        "chatty",
        "every option is asked for and offered, known or not",
    ),
    ("looping", "every answer is answered with the opposite"),
    (
        "split-iac",
        "every byte of what is negotiated travels alone",
    ),
    (
        "flood",
        "an option is offered and taken back a million times",
    ),
    ("huge-sub", "something within an option is 10 MB long"),
    ("endless-sub", "something within an option does not end"),
    (
        "unterminated-sub",
        "something within an option ends with another command",
    ),
    (
        "ask-environment",
        "variables, type and place are asked for, agreed or not",
    ),
    ("escapes", "what is said drives terminals"),
    ("binary", "eight bits both ways are wanted"),
    ("bare-lf", "lines end in LF alone"),
    ("nuls", "NULs come between all that is said"),
    ("echo-password", "passwords are echoed"),
    ("endless-output", "no command is ever done with talking"),
    ("cut", "the connection ends in the middle of a command"),
    ("empty", "the connection ends before anything is said"),
];

/// The same flaws in the same order.
const ALL: [Flaw; 17] = [
    Flaw::Silent,
    Flaw::Chatty,
    Flaw::Looping,
    Flaw::SplitIac,
    Flaw::Flood,
    Flaw::HugeSub,
    Flaw::EndlessSub,
    Flaw::UnterminatedSub,
    Flaw::AskEnvironment,
    Flaw::Escapes,
    Flaw::Binary,
    Flaw::BareLf,
    Flaw::Nuls,
    Flaw::EchoPassword,
    Flaw::EndlessOutput,
    Flaw::Cut,
    Flaw::Empty,
];

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
        let known = FLAWS.iter().position(|(name, _)| *name == text);
        known
            .and_then(|at| ALL.get(at).copied())
            .ok_or_else(|| NotAFlaw(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_that_is_listed_is_read() {
        assert_eq!(FLAWS.len(), ALL.len());
        assert_eq!("empty".parse(), Ok(Flaw::Empty));
        for (name, _) in FLAWS {
            assert!(name.parse::<Flaw>().is_ok(), "{name}");
        }
        for wrong in ["", "x", "cut=1"] {
            let error = wrong.parse::<Flaw>().unwrap_err().to_string();
            assert!(error.contains("there are silent, "), "{error}");
        }
    }
}
