//! Names and passwords made comparable before they are hashed: SASLprep (RFC 4013) maps spellings
//! that look the same to one, and refuses what nobody can type.

use proto_transport::{Error, Result, Secret};
use stringprep::{saslprep, tables};

/// `text` by SASLprep. `what` names it in errors, which do not show it.
///
/// Code points that Unicode 3.2 did not know stay as they are, as in a query (RFC 3454 section 7).
/// RFC 5802 section 2.2 has passwords prepared as stored strings, which cannot hold any. But there
/// are servers which let people set such a password, and those which do not will not accept it.
pub(crate) fn prepare(what: &str, text: &str) -> Result<Secret> {
    let mut prepared = String::new();
    for piece in text.split_inclusive(tables::unassigned_code_point) {
        // An unassigned code point does not combine with its neighbours, so that each stretch
        // between them can be prepared by itself.
        let known = piece.trim_end_matches(tables::unassigned_code_point);
        let (known, unknown) = piece.split_at(known.len());
        let known = saslprep(known).map_err(|_| prohibited(what))?;
        prepared.push_str(&known);
        prepared.push_str(unknown);
    }
    let prepared = Secret::new(prepared);
    match mixes_directions(prepared.reveal()) {
        true => Err(prohibited(what)),
        false => Ok(prepared),
    }
}

/// `saslname`: the comma and the equals sign mean something else in SCRAM (RFC 5802 section 5.1)
/// and in the GS2 header (RFC 5801 section 4).
pub(crate) fn escaped_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// RFC 3454 section 6: text that runs from right to left does so from its first character to its
/// last. Each stretch was looked at already; here is how they stand together.
fn mixes_directions(text: &str) -> bool {
    let runs_left = tables::bidi_r_or_al;
    let is_whole = text.starts_with(runs_left) && text.ends_with(runs_left);
    text.contains(runs_left) && (text.contains(tables::bidi_l) || !is_whole)
}

fn prohibited(what: &str) -> Error {
    Error::illegal(format!(
        "{what} holds characters that this mechanism cannot carry, such as control characters, \
         or mixes writing directions (RFC 4013 section 2)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepared(text: &str) -> Option<String> {
        let prepared = prepare("it", text).ok()?;
        Some(prepared.reveal().to_owned())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 4013 section 3.
        for (text, expected) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}\u{31}", None),
        ] {
            assert_eq!(prepared(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn spaces_become_one_kind_and_compositions_compose() {
        assert_eq!(prepared("a\u{a0}b\u{3000}c").unwrap(), "a b c");
        assert_eq!(prepared("e\u{301}").unwrap(), "\u{e9}");
        assert_eq!(prepared("\u{212b}").unwrap(), "\u{c5}");
        assert_eq!(prepared("").unwrap(), "");
        assert_eq!(prepared("\u{ad}").unwrap(), "");
    }

    #[test]
    fn what_cannot_be_typed_is_refused() {
        for text in [
            "a\0",
            "a\n",
            "\u{7f}",
            "\u{85}",
            "\u{e000}",
            "\u{fdd0}",
            "\u{fffd}",
            "\u{2ff0}",
            "\u{200e}",
            "\u{e0001}",
            "\u{10ffff}",
        ] {
            assert_eq!(prepared(text), None, "{text:?}");
        }
        let error = prepare("the password", "hunter2\n").unwrap_err();
        assert!(matches!(error, Error::Illegal { .. }));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn what_was_not_yet_assigned_stays() {
        // U+1F600 came with Unicode 6.1, long after 3.2.
        assert_eq!(prepared("\u{1f600}").unwrap(), "\u{1f600}");
        let text = "a\u{ad}\u{1f600}\u{1f600}e\u{301}\u{2168}";
        assert_eq!(prepared(text).unwrap(), "a\u{1f600}\u{1f600}\u{e9}IX");
        // Not a way around the other rules.
        assert_eq!(prepared("\u{1f600}\n"), None);
        assert_eq!(prepared("\u{627}\u{1f600}a"), None);
        assert_eq!(prepared("\u{627}\u{1f600}"), None);
        let right_to_left = "\u{627}\u{1f600}\u{628}";
        assert_eq!(prepared(right_to_left).unwrap(), right_to_left);
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped_name("a,b=c"), "a=2Cb=3Dc");
        assert_eq!(escaped_name("=2C"), "=3D2C");
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text: String) {
            // What was prepared once is not changed any more (RFC 3454 section 4).
            if let Some(once) = prepared(&text) {
                prop_assert_eq!(prepared(&once), Some(once));
            }
        }
    }
}
