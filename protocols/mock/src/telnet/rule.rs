//! What the server does other than usual, and when: `command=date* reply=Monday\r\n`.

use proto_transport::session::{Session, Side, Step};

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
    Login,
    Command,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    (
        "connect",
        "event: somebody connects; a reply is said before anything else",
    ),
    (
        "login[=GLOB]",
        "event: somebody with such a name has told the right password",
    ),
    ("command[=GLOB]", "event: such a line is typed in the shell"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    (
        "reply=TEXT",
        "say this instead, as it is: escapes are \\r \\n \\t \\xNN; all that follows is text",
    ),
];

impl rule::Event for Event {
    /// All bytes that are said.
    type Reply = Vec<u8>;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("login", Event::Login),
        ("command", Event::Command),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        self != Event::Connect
    }

    /// The escapes are those of the session form.
    fn parse_reply(text: &str) -> Result<Vec<u8>, String> {
        let session = Session::parse(&format!("S| {text}"));
        let mut steps = session
            .map_or(Vec::new(), |session| session.steps)
            .into_iter();
        match steps.next() {
            Some((_, Step::Bytes(_, bytes))) => Ok(bytes),
            _ => Err(format!("{text:?} has an escape that is none")),
        }
    }

    fn reply_text(reply: &Vec<u8>) -> String {
        let step = Step::Bytes(Side::Server, reply.clone()).to_string();
        step.strip_prefix("S| ").unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "connect reset",
            "login=fred count=1 drop",
            "command=date* delay=200ms reply=Monday\\r\\n\\xff",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("get drop", "\"get\" is no event"),
            ("connect=1 drop", "nothing that"),
            ("command reply=\\q", "escape"),
            ("command", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
