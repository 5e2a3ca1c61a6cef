//! What the server does other than usual, and when: `article=3 count=1 reply=430 No`.

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
    Capabilities,
    ModeReader,
    StartTls,
    Compress,
    User,
    Pass,
    Sasl,
    Login,
    Group,
    ListGroup,
    Last,
    Next,
    Stat,
    Head,
    Body,
    Article,
    Over,
    Hdr,
    List,
    NewGroups,
    NewNews,
    Date,
    Help,
    Posting,
    Post,
    Ihave,
    Transfer,
    Quit,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("capabilities, mode-reader, starttls, compress, date, help, quit", "event: the command"),
    ("user[=GLOB], pass[=GLOB]", "event: AUTHINFO USER or PASS for a name that matches, with a right password or a wrong one"),
    ("sasl[=GLOB]", "event: AUTHINFO SASL, with a mechanism that matches, before the exchange"),
    ("login[=GLOB]", "event: a name that matches has proved itself, whichever way"),
    ("group[=GLOB], listgroup[=GLOB]", "event: the command for a newsgroup that matches"),
    ("last, next, newgroups", "event: the command"),
    ("stat, head, body, article [=GLOB]", "event: the command for an article whose number or Message-ID matches"),
    ("over[=GLOB]", "event: OVER or XOVER with an argument that matches"),
    ("hdr[=GLOB]", "event: HDR or XHDR for a field that matches"),
    ("list[=GLOB]", "event: LIST with a keyword that matches, as ACTIVE"),
    ("newnews[=GLOB]", "event: NEWNEWS with a wildmat that matches"),
    ("posting", "event: POST, before the article"),
    ("post[=GLOB]", "event: an article of POST has come whose Message-ID or newsgroup matches; drop and reset keep it and lose the reply, unless the reply refuses it"),
    ("ihave[=GLOB]", "event: IHAVE with a Message-ID that matches, before the article"),
    ("transfer[=GLOB]", "event: an article of IHAVE has come, as with post"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    ("reply=TEXT", "say this; unless it begins with 1, 2 or 3 the command fails; 400 ends the connection; \\n begins another line, and then this is all; all that follows is text"),
];

impl rule::Event for Event {
    /// A whole status line, or several lines with LF between them.
    type Reply = String;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("capabilities", Event::Capabilities),
        ("mode-reader", Event::ModeReader),
        ("starttls", Event::StartTls),
        ("compress", Event::Compress),
        ("user", Event::User),
        ("pass", Event::Pass),
        ("sasl", Event::Sasl),
        ("login", Event::Login),
        ("group", Event::Group),
        ("listgroup", Event::ListGroup),
        ("last", Event::Last),
        ("next", Event::Next),
        ("stat", Event::Stat),
        ("head", Event::Head),
        ("body", Event::Body),
        ("article", Event::Article),
        ("over", Event::Over),
        ("hdr", Event::Hdr),
        ("list", Event::List),
        ("newgroups", Event::NewGroups),
        ("newnews", Event::NewNews),
        ("date", Event::Date),
        ("help", Event::Help),
        ("posting", Event::Posting),
        ("post", Event::Post),
        ("ihave", Event::Ihave),
        ("transfer", Event::Transfer),
        ("quit", Event::Quit),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        !matches!(
            self,
            Event::Connect
                | Event::Capabilities
                | Event::ModeReader
                | Event::StartTls
                | Event::Compress
                | Event::Last
                | Event::Next
                | Event::NewGroups
                | Event::Date
                | Event::Help
                | Event::Posting
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
            "connect reply=400 Later",
            "article=3 count=1 drop",
            "post=<*@x> after=1 delay=200ms drop-after",
            "capabilities reply=101 here\\nVERSION 2\\n.",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("retr drop", "\"retr\" is no event"),
            ("next=1 drop", "nothing that"),
            ("article", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
