//! The words of POP3, explained.

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
        word("CAPA", "what can you do?", "RFC 2449 section 5"),
        word("STLS", "let us encrypt from here on", "RFC 2595 section 4"),
        word("USER", "whose maildrop it is", "RFC 1939 section 7"),
        word("PASS", "the password", "RFC 1939 section 7"),
        word(
            "APOP",
            "whose maildrop it is, with a digest for proof",
            "RFC 1939 section 7",
        ),
        word(
            "AUTH",
            "whose maildrop it is, with proof",
            "RFC 5034 section 4",
        ),
        word("STAT", "how much is there?", "RFC 1939 section 5"),
        word("LIST", "how large is each message?", "RFC 1939 section 5"),
        word(
            "UIDL",
            "by what name can each be known again?",
            "RFC 1939 section 7",
        ),
        word("RETR", "this message, please", "RFC 1939 section 5"),
        word(
            "TOP",
            "the header of this message, and so many lines",
            "RFC 1939 section 7",
        ),
        word(
            "DELE",
            "mark this message; it goes at the end",
            "RFC 1939 section 5",
        ),
        word("RSET", "mark nothing after all", "RFC 1939 section 5"),
        word("NOOP", "are you there?", "RFC 1939 section 5"),
        word(
            "QUIT",
            "goodbye; what is marked goes now",
            "RFC 1939 section 6",
        ),
    ],
    heard: &[
        word("+OK", "yes", "RFC 1939 section 3"),
        word("+ ", "go on with the login", "RFC 5034 section 4"),
        word("-ERR", "no", "RFC 1939 section 3"),
        word(
            "-ERR [IN-USE]",
            "not now: somebody else has the maildrop open",
            "RFC 2449 section 8.1.2",
        ),
        word(
            "-ERR [LOGIN-DELAY]",
            "not now: it was asked too soon",
            "RFC 2449 section 8.1.1",
        ),
        word(
            "-ERR [SYS/TEMP]",
            "not now: the server has a trouble that may pass",
            "RFC 3206 section 4",
        ),
        word(
            "-ERR [AUTH]",
            "no: these credentials are not good",
            "RFC 3206 section 4",
        ),
        word(".", "the end of a list or message", "RFC 1939 section 3"),
    ],
    has_tags: false,
};
