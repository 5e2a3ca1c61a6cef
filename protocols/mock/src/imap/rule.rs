//! What the server does other than usual, and when: `fetch=3 count=1 reply=NO Later`.

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
    /// Any command.
    Command,
    Login,
    Literal,
    Message,
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Authenticate,
    Enable,
    Select,
    Examine,
    Create,
    Delete,
    Rename,
    Subscribe,
    Unsubscribe,
    List,
    Lsub,
    Namespace,
    Status,
    Append,
    Idle,
    Compress,
    Check,
    Close,
    Unselect,
    Expunge,
    Search,
    Sort,
    Thread,
    Fetch,
    Store,
    Copy,
    Move,
}

/// Every word of a rule, and what it means.
pub const RULES: &[(&str, &str)] = &[
    ("connect", "event: somebody connects; a reply is the greeting"),
    ("*[=GLOB]", "event: any command whose name matches, once it has arrived whole"),
    ("login[=GLOB]", "event: a name that matches has proved itself, whichever way"),
    ("authenticate[=GLOB]", "event: AUTHENTICATE, with a mechanism that matches, before the exchange"),
    ("literal[=GLOB]", "event: a literal whose size matches waits for its continuation"),
    ("select, examine, create, delete, rename, subscribe, unsubscribe, status, append [=GLOB]", "event: the command for a mailbox whose name matches"),
    ("list[=GLOB], lsub[=GLOB]", "event: the command with a pattern that matches"),
    ("fetch, store, copy, move, expunge [=GLOB]", "event: the command for a message whose number or UID, or the set as it was written, matches"),
    ("message[=GLOB]", "event: FETCH is about to tell of a message whose number or UID matches"),
    ("search, sort, thread", "event: the command"),
    ("capability, noop, logout, id, starttls, enable, namespace, idle, compress, check, close, unselect", "event: the command"),
    rule::COUNT,
    rule::AFTER,
    rule::DELAY,
    rule::DROP,
    rule::DROP_AFTER,
    rule::RESET,
    ("reply=TEXT", "say this with the tag; unless it begins with OK the command fails; BYE ends the connection; lines before it, divided by \\n and beginning with * or +, are said as they are; all that follows is text"),
];

impl rule::Event for Event {
    /// Lines that are said as they are, and a status without its tag, with LF between them.
    type Reply = String;

    const EVENTS: &'static [(&'static str, Event)] = &[
        ("connect", Event::Connect),
        ("*", Event::Command),
        ("login", Event::Login),
        ("literal", Event::Literal),
        ("message", Event::Message),
        ("capability", Event::Capability),
        ("noop", Event::Noop),
        ("logout", Event::Logout),
        ("id", Event::Id),
        ("starttls", Event::StartTls),
        ("authenticate", Event::Authenticate),
        ("enable", Event::Enable),
        ("select", Event::Select),
        ("examine", Event::Examine),
        ("create", Event::Create),
        ("delete", Event::Delete),
        ("rename", Event::Rename),
        ("subscribe", Event::Subscribe),
        ("unsubscribe", Event::Unsubscribe),
        ("list", Event::List),
        ("lsub", Event::Lsub),
        ("namespace", Event::Namespace),
        ("status", Event::Status),
        ("append", Event::Append),
        ("idle", Event::Idle),
        ("compress", Event::Compress),
        ("check", Event::Check),
        ("close", Event::Close),
        ("unselect", Event::Unselect),
        ("expunge", Event::Expunge),
        ("search", Event::Search),
        ("sort", Event::Sort),
        ("thread", Event::Thread),
        ("fetch", Event::Fetch),
        ("store", Event::Store),
        ("copy", Event::Copy),
        ("move", Event::Move),
    ];

    const REPLY: &'static str = "TEXT";

    fn has_subject(self) -> bool {
        !matches!(
            self,
            Event::Connect
                | Event::Capability
                | Event::Noop
                | Event::Logout
                | Event::Id
                | Event::StartTls
                | Event::Enable
                | Event::Namespace
                | Event::Idle
                | Event::Compress
                | Event::Check
                | Event::Close
                | Event::Unselect
                | Event::Search
                | Event::Sort
                | Event::Thread
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
            "connect reply=BYE Later",
            "fetch=3 count=1 drop",
            "*=UID after=1 delay=200ms drop-after",
            "login=fred* reply=* OK [ALERT] now\\nNO [AUTHENTICATIONFAILED] No",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for (text, why) in [
            ("retr drop", "\"retr\" is no event"),
            ("noop=1 drop", "nothing that"),
            ("fetch", "it does nothing"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
