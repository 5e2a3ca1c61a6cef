//! What the server does other than usual, and when: `retr=*.iso count=1 reply=450 Busy`.

use crate::rule;

pub use crate::rule::NotARule;

/// When something happens, and what happens instead:
/// `EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop | drop-after | reset] [reply=TEXT]`.
/// [`RULES`] tells what the words mean.
pub type Rule = rule::Rule<Event>;

/// What a rule waits for: a name of [`RULES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event(pub(super) &'static str);

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("command[=GLOB]", "event: any command that the server knows, where the whole line matches"),
    ("user[=GLOB], cwd[=GLOB], retr[=GLOB], ...", "event: this command, with an argument that matches; of PASS and ACCT, for a user who matches"),
    ("login[=GLOB]", "event: a user who matches has proved it"),
    ("transfer[=GLOB]", "event: all bytes of a transfer have gone over the data connection, where the argument matches; the reply comes in the place of 226"),
    ("cut[=GLOB]", "event: a transfer begins whose argument matches; reply=N resets the data connection after N bytes, and then 426 is said"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    ("reply=TEXT", "say this, in a transfer in the place of 150; unless it begins with 1, 2 or 3 the command fails; 421 ends the connection; \\n begins another line; all that follows is text"),
];

impl rule::Event for Event {
    /// A whole reply, or several lines with LF between them.
    type Reply = String;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event("connect")),
        ("command", Event("command")),
        ("login", Event("login")),
        ("transfer", Event("transfer")),
        ("cut", Event("cut")),
        ("user", Event("USER")),
        ("pass", Event("PASS")),
        ("acct", Event("ACCT")),
        ("cwd", Event("CWD")),
        ("cdup", Event("CDUP")),
        ("pwd", Event("PWD")),
        ("type", Event("TYPE")),
        ("stru", Event("STRU")),
        ("mode", Event("MODE")),
        ("allo", Event("ALLO")),
        ("pasv", Event("PASV")),
        ("epsv", Event("EPSV")),
        ("port", Event("PORT")),
        ("eprt", Event("EPRT")),
        ("retr", Event("RETR")),
        ("stor", Event("STOR")),
        ("appe", Event("APPE")),
        ("rest", Event("REST")),
        ("rnfr", Event("RNFR")),
        ("rnto", Event("RNTO")),
        ("dele", Event("DELE")),
        ("mkd", Event("MKD")),
        ("rmd", Event("RMD")),
        ("list", Event("LIST")),
        ("nlst", Event("NLST")),
        ("mlsd", Event("MLSD")),
        ("mlst", Event("MLST")),
        ("size", Event("SIZE")),
        ("mdtm", Event("MDTM")),
        ("mfmt", Event("MFMT")),
        ("hash", Event("HASH")),
        ("xcrc", Event("XCRC")),
        ("xmd5", Event("XMD5")),
        ("xsha256", Event("XSHA256")),
        ("feat", Event("FEAT")),
        ("opts", Event("OPTS")),
        ("host", Event("HOST")),
        ("auth", Event("AUTH")),
        ("pbsz", Event("PBSZ")),
        ("prot", Event("PROT")),
        ("abor", Event("ABOR")),
        ("noop", Event("NOOP")),
        ("syst", Event("SYST")),
        ("stat", Event("STAT")),
        ("help", Event("HELP")),
        ("quit", Event("QUIT")),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        self != Event("connect")
    }

    /// Whatever a server might say, right or wrong.
    fn parse_reply(text: &str) -> Result<String, String> {
        Ok(text.replace("\\n", "\n"))
    }

    fn reply_text(reply: &String) -> String {
        reply.replace('\n', "\\n")
    }
}

/// The command of this name, if the server knows it.
pub(super) fn command(verb: &str) -> Option<Event> {
    let mut events = <Event as rule::Event>::EVENTS.iter();
    let (_, event) = events.find(|(_, Event(name))| *name == verb)?;
    // The names of what is no command are in lower case.
    verb.bytes()
        .all(|byte| !byte.is_ascii_lowercase())
        .then_some(*event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "connect reply=120 Soon\\n220 Now",
            "retr=*.iso count=1 drop",
            "command after=7 reply=421 Bye",
            "transfer=* reply=426 Lost",
            "cut=big count=1 reply=1000",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("site drop", "\"site\" is no event"),
            ("connect=1 drop", "nothing that"),
            ("retr", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(command("RETR"), Some(Event("RETR")));
        assert_eq!((command("SITE"), command("connect")), (None, None));
    }
}
