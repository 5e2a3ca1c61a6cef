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
            "RFC 3206 section 5",
        ),
        word(".", "the end of a list or message", "RFC 1939 section 3"),
        word("TOP", "capability: headers alone", "RFC 2449 section 6.1"),
        word(
            "USER",
            "capability: a login by name and password",
            "RFC 2449 section 6.2",
        ),
        word("SASL", "capability: ways to log in", "RFC 2449 section 6.3"),
        word(
            "RESP-CODES",
            "capability: answers say why in brackets",
            "RFC 2449 section 6.4",
        ),
        word(
            "LOGIN-DELAY",
            "capability: so many seconds between two logins",
            "RFC 2449 section 6.5",
        ),
        word(
            "PIPELINING",
            "capability: commands may come ahead of the answers",
            "RFC 2449 section 6.6",
        ),
        word(
            "EXPIRE",
            "capability: so many days messages are kept",
            "RFC 2449 section 6.7",
        ),
        word(
            "UIDL",
            "capability: names by which messages are known again",
            "RFC 2449 section 6.8",
        ),
        word(
            "IMPLEMENTATION",
            "capability: what program answers",
            "RFC 2449 section 6.9",
        ),
        word(
            "AUTH-RESP-CODE",
            "capability: answers say whether the credentials were at fault",
            "RFC 3206 section 6",
        ),
        word(
            "STLS",
            "capability: the connection can be encrypted",
            "RFC 2595 section 4",
        ),
        word(
            "UTF8",
            "capability: addresses and names may be international",
            "RFC 6856 section 2",
        ),
        word(
            "LANG",
            "capability: answers in other languages",
            "RFC 6856 section 3",
        ),
    ],
    has_tags: false,
};
