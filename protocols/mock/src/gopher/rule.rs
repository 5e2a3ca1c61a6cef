//! What the server does other than usual, and when: `get=/a* count=1 drop`.

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
    Get,
    Search,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is said before the request"),
    ("get[=GLOB]", "event: a request with a selector that matches, also if there is nothing; <> matches the main menu"),
    ("search[=GLOB]", "event: a request that searches for something that matches"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    ("drop-after", "close the connection after the answer, as always"),
    rule::RESET,
    ("reply=TEXT", "say this instead, as it is: escapes are \\r \\n \\t \\xNN; all that follows is text"),
];

impl rule::Event for Event {
    /// All bytes that are said.
    type Reply = Vec<u8>;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("get", Event::Get),
        ("search", Event::Search),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        self != Event::Connect
    }

    fn parse_reply(text: &str) -> Result<Vec<u8>, String> {
        unescaped(text).ok_or_else(|| format!("{text:?} has an escape that is none"))
    }

    fn reply_text(reply: &Vec<u8>) -> String {
        reply.iter().copied().map(escaped).collect()
    }
}

fn escaped(byte: u8) -> String {
    match byte {
        b'\r' => "\\r".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                    u8::try_from(high * 16 + low).ok()?
                }
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "connect reset",
            "get=/a* count=1 drop",
            "get=<> reply=iHi\\t\\tx\\t1\\r\\n.\\r\\n",
            "search=foo delay=200ms reply=\\\\\\x00\\xff",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("menu drop", "\"menu\" is no event"),
            ("connect=1 drop", "nothing that"),
            ("get reply=\\q", "escape"),
            ("get reply=\\x4", "escape"),
            ("get", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
