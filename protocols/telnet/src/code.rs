//! Commands and options, by number and by name.

use std::fmt;

/// Interpret as command: what follows is no data (RFC 854).
pub(crate) const IAC: u8 = 255;

/// A sub-negotiation begins.
pub(crate) const SB: u8 = 250;

/// A sub-negotiation ends.
pub(crate) const SE: u8 = 240;

/// What is said of an option (RFC 854).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// I want to use it, or do.
    Will,
    /// I do not use it.
    Wont,
    /// You may use it, please do.
    Do,
    /// You may not use it.
    Dont,
}

impl Verb {
    pub(crate) fn of(byte: u8) -> Option<Verb> {
        match byte {
            251 => Some(Verb::Will),
            252 => Some(Verb::Wont),
            253 => Some(Verb::Do),
            254 => Some(Verb::Dont),
            _ => None,
        }
    }

    pub(crate) fn byte(self) -> u8 {
        match self {
            Verb::Will => 251,
            Verb::Wont => 252,
            Verb::Do => 253,
            Verb::Dont => 254,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Will => "WILL",
            Verb::Wont => "WONT",
            Verb::Do => "DO",
            Verb::Dont => "DONT",
        })
    }
}

/// A command that is neither a negotiation nor a sub-negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u8);

impl Command {
    /// End of record (RFC 885).
    pub const END_OF_RECORD: Command = Command(239);
    /// Nothing.
    pub const NO_OPERATION: Command = Command(241);
    /// The place in the stream that belongs to an urgent notice.
    pub const DATA_MARK: Command = Command(242);
    /// The break key.
    pub const BREAK: Command = Command(243);
    /// Stop what is running.
    pub const INTERRUPT: Command = Command(244);
    /// Let it run, but do not send what it says.
    pub const ABORT_OUTPUT: Command = Command(245);
    /// Say something, so that I know that you are there.
    pub const ARE_YOU_THERE: Command = Command(246);
    /// Take back the last character.
    pub const ERASE_CHARACTER: Command = Command(247);
    /// Take back the line.
    pub const ERASE_LINE: Command = Command(248);
    /// It is your turn.
    pub const GO_AHEAD: Command = Command(249);
}

/// The names of RFC 854, RFC 885 and RFC 1184.
const COMMANDS: [(u8, &str); 14] = [
    (236, "EOF"),
    (237, "SUSP"),
    (238, "ABORT"),
    (239, "EOR"),
    (240, "SE"),
    (241, "NOP"),
    (242, "DM"),
    (243, "BRK"),
    (244, "IP"),
    (245, "AO"),
    (246, "AYT"),
    (247, "EC"),
    (248, "EL"),
    (249, "GA"),
];

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(self.0, &COMMANDS, f)
    }
}

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// Eight bits, and no meaning for CR, LF and NUL (RFC 856).
    pub const BINARY: Code = Code(0);
    /// Who echoes (RFC 857).
    pub const ECHO: Code = Code(1);
    /// Nobody says whose turn it is (RFC 858).
    pub const SUPPRESS_GO_AHEAD: Code = Code(3);
    /// Which options are in force (RFC 859).
    pub const STATUS: Code = Code(5);
    /// When all before it was processed (RFC 860).
    pub const TIMING_MARK: Code = Code(6);
    /// What the terminal is called (RFC 1091).
    pub const TERMINAL_TYPE: Code = Code(24);
    /// Marks between records (RFC 885).
    pub const END_OF_RECORD: Code = Code(25);
    /// How large the window is (RFC 1073).
    pub const WINDOW_SIZE: Code = Code(31);
    /// Who edits lines (RFC 1184).
    pub const LINEMODE: Code = Code(34);
    /// Variables (RFC 1572).
    pub const NEW_ENVIRON: Code = Code(39);
    /// Characters (RFC 2066).
    pub const CHARSET: Code = Code(42);
}

/// The names of the IANA registry that are met.
const OPTIONS: [(u8, &str); 32] = [
    (0, "BINARY"),
    (1, "ECHO"),
    (2, "RCP"),
    (3, "SGA"),
    (5, "STATUS"),
    (6, "TIMING-MARK"),
    (7, "RCTE"),
    (17, "EXTENDED-ASCII"),
    (18, "LOGOUT"),
    (23, "SEND-LOCATION"),
    (24, "TERMINAL-TYPE"),
    (25, "END-OF-RECORD"),
    (26, "TUID"),
    (27, "OUTPUT-MARKING"),
    (29, "3270-REGIME"),
    (31, "NAWS"),
    (32, "TERMINAL-SPEED"),
    (33, "TOGGLE-FLOW-CONTROL"),
    (34, "LINEMODE"),
    (35, "XDISPLOC"),
    (36, "OLD-ENVIRON"),
    (37, "AUTHENTICATION"),
    (38, "ENCRYPT"),
    (39, "NEW-ENVIRON"),
    (40, "TN3270E"),
    (42, "CHARSET"),
    (44, "COM-PORT"),
    (46, "START-TLS"),
    (69, "MSDP"),
    (70, "MSSP"),
    (86, "MCCP2"),
    (201, "GMCP"),
];

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(self.0, &OPTIONS, f)
    }
}

/// The name of a number, or the number.
fn name(byte: u8, names: &[(u8, &str)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match names.iter().find(|(known, _)| *known == byte) {
        Some((_, name)) => f.write_str(name),
        None => write!(f, "{byte}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_their_bytes() {
        for byte in 0..=255 {
            if let Some(verb) = Verb::of(byte) {
                assert_eq!(verb.byte(), byte);
            }
        }
        assert_eq!(Verb::of(250), None);
    }

    #[test]
    fn what_has_no_name_is_a_number() {
        assert_eq!(Code::ECHO.to_string(), "ECHO");
        assert_eq!(Code(99).to_string(), "99");
        assert_eq!(Command::ARE_YOU_THERE.to_string(), "AYT");
        assert_eq!(Command(3).to_string(), "3");
    }
}
