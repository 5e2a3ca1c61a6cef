//! What the server does other than usual, and when: `rcpt=bad@* reply=550 5.1.1 No`.

use super::reply::Reply;
use crate::rule;

pub use crate::rule::NotARule;

/// When something happens, and what happens instead:
/// `EVENT[=GLOB] [count=N] [after=N] [delay=TIME] [drop | drop-after | reset] [reply=CODE TEXT]`.
/// [`RULES`] tells what the words mean.
pub type Rule = rule::Rule<Event>;

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Connect,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
    Rset,
    Quit,
    Noop,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("ehlo[=GLOB]", "event: EHLO, HELO or LHLO, with a name that matches"),
    ("starttls", "event: STARTTLS"),
    ("auth[=GLOB]", "event: AUTH, with a mechanism that matches"),
    ("mail[=GLOB]", "event: MAIL, with a sender that matches; <> is the null sender"),
    ("rcpt[=GLOB]", "event: RCPT, with a recipient that matches"),
    ("data[=GLOB]", "event: DATA or the first BDAT, with a recipient that matches"),
    ("dot[=GLOB]", "event: the end of the message, with a recipient that matches; LMTP: for each recipient"),
    ("rset, quit, noop", "event: the command"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    ("reply=CODE TEXT", "say this; from 400 on the command fails; \\n begins another line; all that follows is text"),
];

impl rule::Event for Event {
    type Reply = Reply;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("ehlo", Event::Ehlo),
        ("starttls", Event::StartTls),
        ("auth", Event::Auth),
        ("mail", Event::Mail),
        ("rcpt", Event::Rcpt),
        ("data", Event::Data),
        ("dot", Event::Dot),
        ("rset", Event::Rset),
        ("quit", Event::Quit),
        ("noop", Event::Noop),
    ];

    const REPLY: &'static str = "CODE TEXT";

    fn has_subject(self) -> bool {
        matches!(
            self,
            Event::Ehlo | Event::Auth | Event::Mail | Event::Rcpt | Event::Data | Event::Dot
        )
    }

    fn parse_reply(text: &str) -> Result<Reply, String> {
        let wrong = || format!("a reply begins with a code from 200 to 599, not with {text:?}");
        let (code, words) = text.split_once(' ').unwrap_or((text, ""));
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|code| (200..600).contains(code));
        match code {
            Some(code) if is_code => Ok(Reply::new(code, "", words.replace("\\n", "\n"))),
            _ => Err(wrong()),
        }
    }

    fn reply_text(reply: &Reply) -> String {
        format!("{} {}", reply.code, reply.text.replace('\n', "\\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back() {
        for text in [
            "rcpt=bad@* reply=550 5.1.1 No",
            "data count=2 reply=451 Try later",
            "mail=<> drop",
            "dot=?@x after=1 delay=200ms reset",
            "ehlo=host count=1 after=3 drop-after reply=250 me\\nSIZE 10\\nHELP",
            "quit delay=2000ms",
            "auth=PLAIN reply=535 ",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        let spaced: Rule = "  noop   delay=2s  drop ".parse().unwrap();
        assert_eq!(spaced.to_string(), "noop delay=2000ms drop");
    }

    #[test]
    fn what_is_no_rule_is_told_what_is_one() {
        for (text, why) in [
            ("", "\"\" is no event"),
            ("rcpt", "it does nothing"),
            ("rcpt count=1", "it does nothing"),
            ("rcpt explode", "\"explode\" is no word"),
            ("rcpt reply=no", "a code from 200 to 599"),
            ("rcpt reply=+50 x", "a code from 200 to 599"),
            ("rcpt reply=600 x", "a code from 200 to 599"),
            ("rcpt count=x drop", "\"x\" is no number"),
            ("rcpt delay=1h", "no time"),
            ("noop=x drop", "nothing that"),
            ("rcpt reply=550 a\r\nb", "control character"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("EVENT[=GLOB]"), "{error}");
            assert!(error.ends_with(
                "connect, ehlo, starttls, auth, mail, rcpt, data, dot, rset, quit, noop"
            ));
        }
    }
}
