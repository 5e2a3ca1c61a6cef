//! What the commands of a conversation mean, as the session form writes them.

use proto_transport::Words;

/// The words of Telnet. There are no lines with a meaning: what is explained is `--show-options`.
pub const WORDS: Words = Words {
    said: &[],
    heard: &[],
    has_tags: false,
};
