//! The words of SMTP, explained.

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
        word(
            "EHLO",
            "who we are; what can you do?",
            "RFC 5321 section 4.1.1.1",
        ),
        word(
            "HELO",
            "who we are, as of old, without extensions",
            "RFC 5321 section 4.1.1.1",
        ),
        word(
            "LHLO",
            "the same for a server that delivers",
            "RFC 2033 section 4.1",
        ),
        word(
            "STARTTLS",
            "let us encrypt from here on",
            "RFC 3207 section 4",
        ),
        word("AUTH", "who we are, with proof", "RFC 4954 section 4"),
        word(
            "MAIL FROM",
            "a message begins; failures are told to this address",
            "RFC 5321 section 4.1.1.2",
        ),
        word(
            "RCPT TO",
            "it is for this address",
            "RFC 5321 section 4.1.1.3",
        ),
        word(
            "DATA",
            "the message itself comes",
            "RFC 5321 section 4.1.1.4",
        ),
        word(
            "BDAT",
            "so many bytes of the message come",
            "RFC 3030 section 2",
        ),
        word(".", "the message is complete", "RFC 5321 section 4.1.1.4"),
        word("RSET", "forget what was begun", "RFC 5321 section 4.1.1.5"),
        word("NOOP", "are you there?", "RFC 5321 section 4.1.1.9"),
        word(
            "VRFY",
            "is there such an address?",
            "RFC 5321 section 4.1.1.6",
        ),
        word("QUIT", "goodbye", "RFC 5321 section 4.1.1.10"),
    ],
    heard: &[
        word("220", "ready", "RFC 5321 section 4.2.3"),
        word("221", "goodbye", "RFC 5321 section 4.2.3"),
        word("235", "logged in", "RFC 4954 section 6"),
        word("250", "yes", "RFC 5321 section 4.2.3"),
        word(
            "251",
            "yes, and it will be forwarded",
            "RFC 5321 section 3.4",
        ),
        word("334", "go on with the login", "RFC 4954 section 4"),
        word(
            "354",
            "go on: the message ends with a line that is a dot",
            "RFC 5321 section 4.2.3",
        ),
        word("4", "not now", "RFC 5321 section 4.2.1"),
        word("421", "not now, and goodbye", "RFC 5321 section 3.8"),
        word(
            "450",
            "not now: the mailbox is busy",
            "RFC 5321 section 4.2.3",
        ),
        word("452", "not now: there is no room", "RFC 5321 section 4.2.3"),
        word("5", "no", "RFC 5321 section 4.2.1"),
        word("530", "no: log in first", "RFC 4954 section 6"),
        word(
            "535",
            "no: these credentials are not good",
            "RFC 4954 section 6",
        ),
        word(
            "550",
            "no: there is no such mailbox, or it may not be used",
            "RFC 5321 section 4.2.3",
        ),
        word(
            "552",
            "no: the message is too large",
            "RFC 5321 section 4.2.3",
        ),
        word(
            "554",
            "no: the message is not taken",
            "RFC 5321 section 4.2.3",
        ),
        word(
            "250-SIZE",
            "extension: how large a message may be",
            "RFC 1870 section 4",
        ),
        word(
            "250-PIPELINING",
            "extension: commands may come ahead of the answers",
            "RFC 2920 section 3",
        ),
        word(
            "250-STARTTLS",
            "extension: the connection can be encrypted",
            "RFC 3207 section 2",
        ),
        word(
            "250-8BITMIME",
            "extension: messages may hold bytes over 127",
            "RFC 6152 section 2",
        ),
        word(
            "250-SMTPUTF8",
            "extension: addresses may be international",
            "RFC 6531 section 3.1",
        ),
        word(
            "250-AUTH",
            "extension: ways to log in",
            "RFC 4954 section 3",
        ),
        word(
            "250-CHUNKING",
            "extension: messages may come in pieces of known length",
            "RFC 3030 section 2",
        ),
        word(
            "250-BINARYMIME",
            "extension: messages need not be lines",
            "RFC 3030 section 3",
        ),
        word(
            "250-DSN",
            "extension: reports of delivery can be asked for",
            "RFC 3461 section 3",
        ),
        word(
            "250-ENHANCEDSTATUSCODES",
            "extension: answers have a second, finer code",
            "RFC 2034 section 3",
        ),
    ],
    has_tags: false,
};
