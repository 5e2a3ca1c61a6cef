//! What somebody may want in the middle of a session, as they type it behind the escape character.

use proto_telnet::Command;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing: back to the session.
    GoOn,
    /// Hang up.
    Quit,
    /// Tell how things are.
    Status,
    /// Say a command.
    Send(Command),
    /// Send the escape character itself.
    SendEscape,
    /// Send lines (`true`) or every key, whatever the host says; `None`: as the host says.
    Lines(Option<bool>),
    /// Tell what there is.
    Help,
}

/// The commands that can be said, by the names that people know.
const COMMANDS: [(&str, Command); 10] = [
    ("ao", Command::ABORT_OUTPUT),
    ("ayt", Command::ARE_YOU_THERE),
    ("break", Command::BREAK),
    ("brk", Command::BREAK),
    ("ec", Command::ERASE_CHARACTER),
    ("el", Command::ERASE_LINE),
    ("eor", Command::END_OF_RECORD),
    ("ga", Command::GO_AHEAD),
    ("ip", Command::INTERRUPT),
    ("nop", Command::NO_OPERATION),
];

/// What there is.
pub(super) const HELP: &str = "\
quit                       hang up
status                     how things are
send ayt                   are you there?
send ip | break | ao       interrupt, break, abort output
send ec | el               erase character, erase line
send ga | nop | eor        go ahead, nothing, end of record
send escape                the escape character itself
mode line | character      send lines, or every key
mode auto                  as the host says
(nothing)                  back to the session
";

/// Reads what was typed. Words may be cut short as long as it is clear what they mean.
pub(super) fn parse(line: &str) -> Result<Wish, String> {
    let line = line.trim().to_ascii_lowercase();
    let mut words = line.split_whitespace();
    let unknown = || format!("{line:?} is nothing that can be done here; there is help");
    let (first, second, third) = (words.next(), words.next(), words.next());
    if third.is_some() {
        return Err(unknown());
    }
    match (first, second) {
        (None, _) => Ok(Wish::GoOn),
        (Some(word), None) if begins("quit", word) || begins("close", word) => Ok(Wish::Quit),
        (Some(word), None) if begins("status", word) => Ok(Wish::Status),
        (Some(word), None) if begins("help", word) || word == "?" => Ok(Wish::Help),
        (Some(word), Some("escape")) if begins("send", word) => Ok(Wish::SendEscape),
        (Some(word), Some(what)) if begins("send", word) => {
            let known = COMMANDS.iter().find(|(name, _)| *name == what);
            known
                .map(|(_, command)| Wish::Send(*command))
                .ok_or_else(unknown)
        }
        (Some(word), Some(what)) if begins("mode", word) => match what {
            what if begins("line", what) => Ok(Wish::Lines(Some(true))),
            what if begins("character", what) => Ok(Wish::Lines(Some(false))),
            what if begins("auto", what) => Ok(Wish::Lines(None)),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

fn begins(whole: &str, word: &str) -> bool {
    whole.starts_with(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_short() {
        for (line, wish) in [
            ("", Wish::GoOn),
            ("  ", Wish::GoOn),
            ("q", Wish::Quit),
            ("QUIT\n", Wish::Quit),
            ("close", Wish::Quit),
            ("st", Wish::Status),
            ("send ayt", Wish::Send(Command::ARE_YOU_THERE)),
            ("send break", Wish::Send(Command::BREAK)),
            ("send ip", Wish::Send(Command::INTERRUPT)),
            ("send escape", Wish::SendEscape),
            ("mode l", Wish::Lines(Some(true))),
            ("mode char", Wish::Lines(Some(false))),
            ("mode auto", Wish::Lines(None)),
            ("?", Wish::Help),
            ("help", Wish::Help),
        ] {
            assert_eq!(parse(line), Ok(wish), "{line}");
        }
        for wrong in [
            "x",
            "send",
            "send x",
            "mode",
            "mode x",
            "quit now",
            "send ayt x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_can_be_sent_is_in_the_help() {
        for (name, _) in COMMANDS.iter().filter(|(name, _)| *name != "brk") {
            assert!(HELP.contains(name), "{name}");
        }
    }
}
