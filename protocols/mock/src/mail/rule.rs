//! What happens to mail on its way from a server that took it to the mailbox:
//! `deliver=b@* count=1 delay=2s`.

use crate::rule;

pub use crate::rule::NotARule;

/// When something happens on the way, and what:
/// `EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop] [reply=LINE]`. [`RULES`] tells what the
/// words mean.
pub type Rule = rule::Rule<Event>;

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Deliver,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("deliver[=GLOB]", "event: a message is on its way to a recipient that matches; the sender was told that it was taken"),
    rule::COUNT,
    rule::AFTER,
    ("delay=TIME", "it comes so much later (200ms, 2s)"),
    ("drop", "it is lost"),
    ("reply=LINE", "it comes with this line behind it, as some servers add one; all that follows is text"),
];

impl rule::Event for Event {
    type Reply = String;

    const EVENTS: &'static [(&'static str, Event)] = &[("deliver", Event::Deliver)];

    const REPLY: &'static str = "LINE";

    fn has_subject(self) -> bool {
        true
    }

    fn parse_reply(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn reply_text(reply: &String) -> String {
        reply.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "deliver drop",
            "deliver=b@* count=1 after=2 delay=2000ms",
            "deliver reply=-- \u{e4} checked",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for wrong in ["deliver", "dot drop", "deliver delay=x"] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }
}
