//! The words of HTTP, explained.

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
            "GET ",
            "asks for what the path names",
            "RFC 9110 section 9.3.1",
        ),
        word(
            "HEAD ",
            "asks for the head of the answer alone",
            "RFC 9110 section 9.3.2",
        ),
        word(
            "POST ",
            "hands over data to be worked on",
            "RFC 9110 section 9.3.3",
        ),
        word(
            "PUT ",
            "stores data under this path",
            "RFC 9110 section 9.3.4",
        ),
        word(
            "DELETE ",
            "asks that this be removed",
            "RFC 9110 section 9.3.5",
        ),
        word(
            "CONNECT ",
            "asks a proxy for a tunnel",
            "RFC 9110 section 9.3.6",
        ),
        word(
            "OPTIONS ",
            "asks what can be done",
            "RFC 9110 section 9.3.7",
        ),
        word(
            "Host:",
            "which of the server's sites is meant",
            "RFC 9110 section 7.2",
        ),
        word(
            "User-Agent:",
            "what program asks",
            "RFC 9110 section 10.1.5",
        ),
        word(
            "Accept:",
            "what types of content are wanted",
            "RFC 9110 section 12.5.1",
        ),
        word(
            "Accept-Encoding:",
            "what codings we can undo",
            "RFC 9110 section 12.5.3",
        ),
        word(
            "Authorization:",
            "who asks, with proof",
            "RFC 9110 section 11.6.2",
        ),
        word(
            "Range:",
            "only this part is wanted",
            "RFC 9110 section 14.2",
        ),
        word(
            "If-Range:",
            "the part only if nothing has changed, else all",
            "RFC 9110 section 13.1.5",
        ),
        word(
            "Content-Length:",
            "the bytes of the body that follows",
            "RFC 9110 section 8.6",
        ),
        word(
            "Connection:",
            "what holds for this connection alone",
            "RFC 9110 section 7.6.1",
        ),
    ],
    heard: &[
        word(
            "HTTP/1.1 1",
            "wait: the answer is still to come",
            "RFC 9110 section 15.2",
        ),
        word("HTTP/1.1 2", "yes", "RFC 9110 section 15.3"),
        word(
            "HTTP/1.1 206",
            "yes, and here is the part that was asked for",
            "RFC 9110 section 15.3.7",
        ),
        word("HTTP/1.1 3", "look elsewhere", "RFC 9110 section 15.4"),
        word(
            "HTTP/1.1 304",
            "it has not changed",
            "RFC 9110 section 15.4.5",
        ),
        word(
            "HTTP/1.1 4",
            "no: the request is at fault",
            "RFC 9110 section 15.5",
        ),
        word(
            "HTTP/1.1 401",
            "no: say who you are",
            "RFC 9110 section 15.5.2",
        ),
        word(
            "HTTP/1.1 404",
            "no: there is nothing of this name",
            "RFC 9110 section 15.5.5",
        ),
        word(
            "HTTP/1.1 429",
            "no: too many requests",
            "RFC 6585 section 4",
        ),
        word(
            "HTTP/1.1 5",
            "no: the server is at fault",
            "RFC 9110 section 15.6",
        ),
        word(
            "Date:",
            "when the server said this",
            "RFC 9110 section 6.6.1",
        ),
        word("Server:", "what program answers", "RFC 9110 section 10.2.4"),
        word("Content-Type:", "what the body is", "RFC 9110 section 8.3"),
        word(
            "Content-Length:",
            "the bytes of the body",
            "RFC 9110 section 8.6",
        ),
        word(
            "Content-Encoding:",
            "how the body is compressed",
            "RFC 9110 section 8.4",
        ),
        word(
            "Transfer-Encoding:",
            "the body comes in chunks, with an end of its own",
            "RFC 9112 section 6.1",
        ),
        word(
            "ETag:",
            "the name of this very version",
            "RFC 9110 section 8.8.3",
        ),
        word(
            "Last-Modified:",
            "when it was changed last",
            "RFC 9110 section 8.8.2",
        ),
        word(
            "Accept-Ranges:",
            "parts can be asked for",
            "RFC 9110 section 14.3",
        ),
        word(
            "Content-Range:",
            "which part this is",
            "RFC 9110 section 14.4",
        ),
        word("Location:", "where to look", "RFC 9110 section 10.2.2"),
        word(
            "WWW-Authenticate:",
            "how to say who you are",
            "RFC 9110 section 11.6.1",
        ),
        word(
            "Retry-After:",
            "when to ask again",
            "RFC 9110 section 10.2.3",
        ),
        word(
            "Set-Cookie:",
            "something to be said with the next requests",
            "RFC 6265 section 4.1",
        ),
        word(
            "Connection:",
            "what holds for this connection alone",
            "RFC 9110 section 7.6.1",
        ),
    ],
    has_tags: false,
};
