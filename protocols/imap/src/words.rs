//! The words of IMAP, explained.

use proto_transport::Words;

const fn word(
    begins: &'static str,
    meaning: &'static str,
    source: &'static str,
) -> proto_transport::Word {
    Words::word(begins, meaning, source)
}

/// What the lines of a conversation mean.
pub const WORDS: Words = Words {
    said: &[
        word("CAPABILITY", "what can you do?", "RFC 9051 section 6.1.1"),
        word("NOOP", "anything new?", "RFC 9051 section 6.1.2"),
        word("LOGOUT", "goodbye", "RFC 9051 section 6.1.3"),
        word(
            "STARTTLS",
            "let us encrypt from here on",
            "RFC 9051 section 6.2.1",
        ),
        word(
            "AUTHENTICATE",
            "who we are, with proof",
            "RFC 9051 section 6.2.2",
        ),
        word(
            "LOGIN",
            "who we are, with the password",
            "RFC 9051 section 6.2.3",
        ),
        word("ENABLE", "use these extensions", "RFC 9051 section 6.3.1"),
        word("SELECT", "open this mailbox", "RFC 9051 section 6.3.2"),
        word(
            "EXAMINE",
            "open this mailbox, to read only",
            "RFC 9051 section 6.3.3",
        ),
        word("CREATE", "make this mailbox", "RFC 9051 section 6.3.4"),
        word("DELETE", "remove this mailbox", "RFC 9051 section 6.3.5"),
        word(
            "LIST",
            "what mailboxes are there?",
            "RFC 9051 section 6.3.9",
        ),
        word(
            "NAMESPACE",
            "where are whose mailboxes?",
            "RFC 9051 section 6.3.10",
        ),
        word(
            "STATUS",
            "how much is in this mailbox?",
            "RFC 9051 section 6.3.11",
        ),
        word(
            "APPEND",
            "put a message into this mailbox",
            "RFC 9051 section 6.3.12",
        ),
        word(
            "IDLE",
            "tell what happens as it does",
            "RFC 9051 section 6.3.13",
        ),
        word("UNSELECT", "close the mailbox", "RFC 9051 section 6.4.2"),
        word(
            "UID EXPUNGE",
            "remove these, if they are marked",
            "RFC 9051 section 6.4.9",
        ),
        word(
            "UID SEARCH",
            "which messages are such?",
            "RFC 9051 section 6.4.4",
        ),
        word(
            "UID FETCH",
            "parts of these messages, please",
            "RFC 9051 section 6.4.5",
        ),
        word(
            "UID STORE",
            "change the flags of these",
            "RFC 9051 section 6.4.6",
        ),
        word(
            "UID COPY",
            "put copies of these there",
            "RFC 9051 section 6.4.7",
        ),
        word("UID MOVE", "move these there", "RFC 9051 section 6.4.8"),
        word(
            "UID SORT",
            "which messages are such, in this order?",
            "RFC 5256 section 3",
        ),
        word(
            "UID THREAD",
            "which messages are such, as conversations?",
            "RFC 5256 section 3",
        ),
        word("ID", "what program we are", "RFC 2971 section 3.1"),
        word(
            "COMPRESS",
            "let us compress from here on",
            "RFC 4978 section 3",
        ),
        word("DONE", "stop telling", "RFC 9051 section 6.3.13"),
    ],
    heard: &[
        word("+", "go on", "RFC 9051 section 7.6"),
        word("tag OK", "done", "RFC 9051 section 7.1.1"),
        word("tag NO", "no: it cannot be done", "RFC 9051 section 7.1.2"),
        word(
            "tag BAD",
            "no: that was not understood",
            "RFC 9051 section 7.1.3",
        ),
        word(
            "* OK",
            "ready, or something worth knowing",
            "RFC 9051 section 7.1.1",
        ),
        word("* NO", "a warning", "RFC 9051 section 7.1.2"),
        word(
            "* BAD",
            "something was not understood",
            "RFC 9051 section 7.1.3",
        ),
        word(
            "* PREAUTH",
            "ready, and you are logged in",
            "RFC 9051 section 7.1.4",
        ),
        word("* BYE", "goodbye", "RFC 9051 section 7.1.5"),
        word("* CAPABILITY", "what I can do", "RFC 9051 section 7.2.2"),
        word(
            "* LIST",
            "a mailbox: attributes, what divides its name, its name",
            "RFC 9051 section 7.3.1",
        ),
        word(
            "* STATUS",
            "how much is in a mailbox",
            "RFC 9051 section 7.3.3",
        ),
        word(
            "* ESEARCH",
            "the messages that were looked for",
            "RFC 9051 section 7.3.4",
        ),
        word(
            "* SEARCH",
            "the messages that were looked for, one by one",
            "RFC 3501 section 7.2.5",
        ),
        word(
            "* FLAGS",
            "the flags that there are",
            "RFC 9051 section 7.3.5",
        ),
        word(
            "* n EXISTS",
            "so many messages are in the mailbox",
            "RFC 9051 section 7.4.1",
        ),
        word(
            "* n RECENT",
            "so many are new to all clients",
            "RFC 3501 section 7.3.2",
        ),
        word(
            "* n EXPUNGE",
            "the message of this number is gone",
            "RFC 9051 section 7.5.1",
        ),
        word(
            "* n FETCH",
            "facts and parts of this message",
            "RFC 9051 section 7.5.2",
        ),
        word(
            "* OK [UIDVALIDITY",
            "UIDs hold as long as this number stays",
            "RFC 9051 section 2.3.1.1",
        ),
        word(
            "* OK [UIDNEXT",
            "the next message gets this UID",
            "RFC 9051 section 2.3.1.1",
        ),
        word(
            "* OK [PERMANENTFLAGS",
            "flags that can be changed for good",
            "RFC 9051 section 7.1",
        ),
        word(
            "* OK [ALERT]",
            "something for the user to read",
            "RFC 9051 section 7.1",
        ),
    ],
    has_tags: true,
};
