//! What the server does other than usual, and when: `retr=3 count=1 reply=-ERR [SYS/TEMP] Later`.

use crate::rule;

pub use crate::rule::NotARule;

/// When something happens, and what happens instead:
/// `EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop | drop-after | reset] [reply=TEXT]`.
/// [`RULES`] tells what the words mean.
pub type Rule = rule::Rule<Event>;

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Connect,
    Capa,
    Stls,
    User,
    Pass,
    Apop,
    Auth,
    Login,
    Utf8,
    Lang,
    Stat,
    List,
    Uidl,
    Top,
    Retr,
    Dele,
    Rset,
    Noop,
    Quit,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("capa, stls, utf8", "event: the command"),
    ("user[=GLOB]", "event: USER, with a name that matches"),
    ("pass[=GLOB]", "event: PASS, for a name that matches, with a right password or a wrong one"),
    ("apop[=GLOB]", "event: APOP, with a name that matches and a right digest or a wrong one"),
    ("auth[=GLOB]", "event: AUTH, with a mechanism that matches, before the exchange"),
    ("login[=GLOB]", "event: a name that matches has proved itself, whichever way"),
    ("lang[=GLOB]", "event: LANG, with a language that matches"),
    ("list[=GLOB], uidl[=GLOB]", "event: the command; a GLOB matches the number or unique-id of the one message asked for"),
    ("top[=GLOB], retr[=GLOB], dele[=GLOB]", "event: the command for a message whose number or unique-id matches"),
    ("stat, rset, noop", "event: the command"),
    ("quit", "event: QUIT, before anything is deleted; a refusal deletes nothing"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    ("reply=TEXT", "say this; unless it begins with +OK the command fails; \\n begins another line, and then this is all; all that follows is text"),
];

impl rule::Event for Event {
    /// A whole status line, or several lines with LF between them.
    type Reply = String;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("capa", Event::Capa),
        ("stls", Event::Stls),
        ("user", Event::User),
        ("pass", Event::Pass),
        ("apop", Event::Apop),
        ("auth", Event::Auth),
        ("login", Event::Login),
        ("utf8", Event::Utf8),
        ("lang", Event::Lang),
        ("stat", Event::Stat),
        ("list", Event::List),
        ("uidl", Event::Uidl),
        ("top", Event::Top),
        ("retr", Event::Retr),
        ("dele", Event::Dele),
        ("rset", Event::Rset),
        ("noop", Event::Noop),
        ("quit", Event::Quit),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        !matches!(
            self,
            Event::Connect
                | Event::Capa
                | Event::Stls
                | Event::Utf8
                | Event::Stat
                | Event::Rset
                | Event::Noop
                | Event::Quit
        )
    }

    /// Whatever a server might say, right or wrong.
    fn parse_reply(text: &str) -> Result<String, String> {
        Ok(text.replace("\\n", "\n"))
    }

    fn reply_text(reply: &String) -> String {
        reply.replace('\n', "\\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "connect reply=-ERR [SYS/TEMP] Later",
            "retr=3 count=1 drop",
            "login=fred* after=1 delay=200ms drop-after",
            "capa reply=+OK\\nTOP\\n.",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("rcpt drop", "\"rcpt\" is no event"),
            ("stat=1 drop", "nothing that"),
            ("retr", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains("[reply=TEXT], and an event is one of connect, capa, "));
        }
    }
}
