//! The words that a client begins its commands with and a server its answers.

use std::collections::HashMap;

use proto_transport::session::{matches, Side, Step};

/// The client's own tags, by those that the session has in their place.
#[derive(Default)]
pub struct Tags(HashMap<String, String>);

impl Tags {
    /// Whether a line is the expected one with another tag. A tag is a first word that a line of the
    /// server begins with later on; it is remembered.
    pub fn learn(&mut self, expected: &str, came: &str, rest: &[(usize, Step)]) -> bool {
        let words = (expected.split_once(' '), came.split_once(' '));
        let (Some((tag, expected)), Some((own, came))) = words else {
            return false;
        };
        let answers = |(_, step): &(usize, Step)| match step {
            Step::Line(Side::Server, text) => first_word(text) == Some(tag),
            _ => false,
        };
        let is_same = !own.is_empty() && matches(expected, came) && rest.iter().any(answers);
        if is_same {
            self.0.insert(tag.to_owned(), own.to_owned());
        }
        is_same
    }

    /// A line of the server with the client's own tag.
    pub fn of_the_client(&self, text: &str) -> String {
        match first_word(text).and_then(|tag| Some((tag, self.0.get(tag)?))) {
            Some((tag, own)) => format!("{own}{}", text.get(tag.len()..).unwrap_or_default()),
            None => text.to_owned(),
        }
    }
}

fn first_word(text: &str) -> Option<&str> {
    text.split_once(' ').map(|(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_the_clients_own() {
        let server = |text: &str| (1, Step::Line(Side::Server, text.to_owned()));
        let rest = [server("* OK hi"), server("a1 OK done")];
        let mut tags = Tags::default();
        assert_eq!(tags.of_the_client("a1 OK done"), "a1 OK done");
        assert!(!tags.learn("a1 NOOP", "x7 LIST", &rest));
        assert!(!tags.learn("a1", "x7", &rest));
        assert!(!tags.learn("a2 NOOP", "x7 NOOP", &rest));
        assert!(!tags.learn("a1 NOOP", " NOOP", &rest));
        assert!(tags.learn("a1 LOGIN me (secret)", "x7 LOGIN me 1 2", &rest));
        assert_eq!(tags.of_the_client("a1 OK done"), "x7 OK done");
        assert_eq!(tags.of_the_client("a1"), "a1");
        assert_eq!(tags.of_the_client("* a1 OK"), "* a1 OK");
    }
}
