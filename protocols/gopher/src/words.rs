//! The words of Gopher, explained. There are hardly any: a line asks for an item, and what comes is
//! the item.

use proto_transport::Words;

/// What the lines of a conversation mean.
pub const WORDS: Words = Words {
    said: &[Words::word(
        "",
        "the selector: this item, please",
        "RFC 1436 section 2",
    )],
    heard: &[
        Words::word(".", "the end of a menu or text", "RFC 1436 section 3.8"),
        Words::word("+-1", "here it is, up to a dot", "Gopher+ section 2.3"),
        Words::word(
            "+-2",
            "here it is, up to the end of the connection",
            "Gopher+ section 2.3",
        ),
        Words::word("--1", "no, and this is why", "Gopher+ section 2.3"),
    ],
    has_tags: false,
};
