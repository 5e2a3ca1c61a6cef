//! The small services of old, over TCP: what goes in and what comes out is plain to see.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::mailbox::Date;
use crate::peer::Peer;
use crate::server::Service;

/// What a server does with what it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Habit {
    /// It comes back (RFC 862).
    #[default]
    Echo,
    /// It is forgotten (RFC 863).
    Discard,
    /// It comes back in capitals, as far as it is ASCII.
    Uppercase,
    /// The date and time, and no more (RFC 867).
    Daytime,
    /// Characters without a meaning (RFC 864), up to a limit.
    Chargen,
}

/// Every habit as it is written, and what it is.
pub const HABITS: &[(&str, &str)] = &[
    ("echo", "send back what comes (RFC 862)"),
    ("discard", "forget what comes (RFC 863)"),
    ("uppercase", "send back what comes in capitals"),
    ("daytime", "say the date and time (RFC 867)"),
    ("chargen", "say characters without a meaning (RFC 864)"),
];

/// A text that names no habit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAHabit(String);

impl fmt::Display for NotAHabit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = HABITS.iter().map(|(name, _)| *name).collect();
        write!(f, "{:?} is none of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for NotAHabit {}

impl FromStr for Habit {
    type Err = NotAHabit;

    fn from_str(text: &str) -> Result<Habit, NotAHabit> {
        match text {
            "echo" => Ok(Habit::Echo),
            "discard" => Ok(Habit::Discard),
            "uppercase" => Ok(Habit::Uppercase),
            "daytime" => Ok(Habit::Daytime),
            "chargen" => Ok(Habit::Chargen),
            _ => Err(NotAHabit(text.to_owned())),
        }
    }
}

/// One of the small services over TCP.
#[derive(Debug, Clone)]
pub struct SmallServer {
    /// What it does.
    pub habit: Habit,
    /// How many bytes [`Habit::Chargen`] says before it closes.
    pub chargen: u64,
}

/// What [`Habit::Chargen`] says: enough to fill every buffer on the way.
const CHARGEN: u64 = 16 * 1024 * 1024;

impl Default for SmallServer {
    fn default() -> SmallServer {
        SmallServer {
            habit: Habit::default(),
            chargen: CHARGEN,
        }
    }
}

impl Service for SmallServer {
    fn serve(&self, peer: &mut Peer, _connection: usize) -> io::Result<()> {
        match self.habit {
            Habit::Daytime => peer.write_line(daytime()),
            Habit::Chargen => chargen(peer, self.chargen),
            habit => {
                let mut block = [0; 8192];
                loop {
                    let count = peer.read_some(&mut block)?;
                    let Some(bytes) = block.get_mut(..count).filter(|bytes| !bytes.is_empty())
                    else {
                        return Ok(());
                    };
                    if let Some(answer) = answer(habit, bytes) {
                        peer.write_all(answer)?;
                        peer.flush()?;
                    }
                }
            }
        }
    }
}

/// What comes back of some bytes at once.
pub(crate) fn answer(habit: Habit, bytes: &mut [u8]) -> Option<&[u8]> {
    match habit {
        Habit::Echo => Some(bytes),
        Habit::Uppercase => {
            bytes.make_ascii_uppercase();
            Some(bytes)
        }
        Habit::Discard | Habit::Daytime | Habit::Chargen => None,
    }
}

/// The date and time, as a person reads it; RFC 867 leaves the form open.
pub(crate) fn daytime() -> String {
    Date::now().to_string()
}

/// Characters of a line, as RFC 864 proposes: 72 of the 95 that can be printed, and each line begins
/// one further.
const WIDTH: u64 = 72;

/// Line `number` of the pattern, with its line end.
pub(crate) fn chargen_line(number: u64) -> Vec<u8> {
    let character = |column| {
        let place = (number + column) % 95;
        b' ' + u8::try_from(place).unwrap_or(0)
    };
    let mut line: Vec<u8> = (0..WIDTH).map(character).collect();
    line.extend_from_slice(b"\r\n");
    line
}

fn chargen(peer: &mut Peer, limit: u64) -> io::Result<()> {
    let mut left = limit;
    for number in 0.. {
        let line = chargen_line(number);
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(line.len());
        peer.write_all(line.get(..part).unwrap_or_default())?;
        left -= part as u64;
        if left == 0 || peer.is_stopping() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn said(habit: &str, heard: &str) -> String {
        let memory = Memory::new(heard);
        let said = memory.said();
        let server = SmallServer {
            habit: habit.parse().unwrap(),
            chargen: 200,
        };
        let mut peer = Peer::over(memory);
        server.serve(&mut peer, 1).unwrap();
        peer.flush().unwrap();
        said.text()
    }

    #[test]
    fn habits() {
        assert_eq!(said("echo", "Hi\nthere"), "Hi\nthere");
        assert_eq!(said("discard", "Hi"), "");
        assert_eq!(said("uppercase", "Hi \u{e4}"), "HI \u{e4}");
        let now = said("daytime", "");
        assert!(now.ends_with(" +0000\r\n"), "{now}");
        let text = said("chargen", "");
        assert_eq!(text.len(), 200);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(" !\"#$") && lines[0].len() == 72);
        assert!(lines[1].starts_with("!\"#$%") && lines[2].len() == 200 - 2 * 74);
    }

    #[test]
    fn the_pattern_repeats() {
        assert_eq!(chargen_line(0), chargen_line(95));
        assert!(chargen_line(94).starts_with(b"~ !"));
    }

    #[test]
    fn what_is_no_habit_is_told() {
        for (name, _) in HABITS {
            assert!(name.parse::<Habit>().is_ok());
        }
        let error = "shout".parse::<Habit>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"shout\" is none of echo, discard, uppercase, daytime, chargen"
        );
    }
}
