//! Header text for people: folding undone, encoded words decoded.
//!
//! ```text
//! encoded-word = "=?" charset ["*" language] "?" ("B" / "Q") "?" text "?="
//!                                              RFC 2047 section 2, RFC 2231 section 5
//! ```
//!
//! Each question mark is looked at a few times at most, so that no header takes long.

use super::decode;
use crate::mail::header::unfolded;

/// The value of a field for people, and whether everything in it could be decoded. It may hold any
/// character, also line ends: whoever shows it makes it harmless.
pub fn header_text(value: &[u8]) -> (String, bool) {
    let text = decode::unlabelled(unfolded(value).trim_ascii());
    decoded(&text)
}

/// A text with its encoded words decoded, and whether all of them could be.
pub fn decoded(text: &str) -> (String, bool) {
    let mut shown = Shown {
        text: String::with_capacity(text.len()),
        is_whole: true,
    };
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = rest.find("=?").and_then(|at| rest.split_at_checked(at)) {
        let found = word(from);
        // White space between two encoded words is not shown (RFC 2047 section 6.2).
        if words.is_empty() || found.is_none() || !before.trim().is_empty() {
            shown.push_words(&words);
            words.clear();
            shown.text.push_str(before);
        }
        match found {
            Some((word, after)) => {
                words.push(word);
                rest = after;
            }
            None => {
                shown.text.push_str("=?");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    shown.push_words(&words);
    shown.text.push_str(rest);
    (shown.text, shown.is_whole)
}

/// An encoded word, decoded to bytes.
struct Word<'t> {
    /// How it was written.
    source: &'t str,
    charset: &'t str,
    bytes: Vec<u8>,
    is_whole: bool,
}

/// The encoded word that a text begins with, and what is behind it.
fn word(from: &str) -> Option<(Word<'_>, &str)> {
    let (charset, rest) = from.get(2..)?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (text, rest) = rest.split_once('?')?;
    let after = rest.strip_prefix('=')?;
    let charset = charset.split('*').next().unwrap_or_default();
    if charset.is_empty() || !charset.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let (bytes, is_whole) = match encoding {
        "B" | "b" => decode::base64(text.as_bytes()),
        "Q" | "q" => decode::q(text.as_bytes()),
        _ => return None,
    };
    let source = from.get(..from.len() - after.len()).unwrap_or_default();
    let word = Word {
        source,
        charset,
        bytes,
        is_whole,
    };
    Some((word, after))
}

struct Shown {
    text: String,
    is_whole: bool,
}

impl Shown {
    fn push_words(&mut self, words: &[Word<'_>]) {
        let same = |a: &Word<'_>, b: &Word<'_>| a.charset.eq_ignore_ascii_case(b.charset);
        for words in words.chunk_by(same) {
            self.is_whole &= words.iter().all(|word| word.is_whole);
            self.push_same(words);
        }
    }

    /// Words of one charset. Each should be whole (RFC 2047 section 5), yet many programs cut them in
    /// the middle of a character; then together they are.
    fn push_same(&mut self, words: &[Word<'_>]) {
        let charset = words.first().and_then(|word| decode::charset(word.charset));
        let Some(charset) = charset else {
            let sources: Vec<&str> = words.iter().map(|word| word.source).collect();
            self.text.push_str(&sources.join(" "));
            self.is_whole &= words.is_empty();
            return;
        };
        let before = self.text.len();
        let mut is_whole = true;
        for word in words {
            let (text, is_broken) = charset.decode_without_bom_handling(&word.bytes);
            self.text.push_str(&text);
            is_whole &= !is_broken;
        }
        if !is_whole {
            self.text.truncate(before);
            let bytes: Vec<u8> = words.iter().flat_map(|word| &word.bytes).copied().collect();
            let (text, is_broken) = charset.decode_without_bom_handling(&bytes);
            self.text.push_str(&text);
            self.is_whole &= !is_broken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words() {
        for (text, wanted, is_whole) in [
            ("", "", true),
            ("plain", "plain", true),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße", true),
            ("=?UTF-8?b?R3LDvMOfZQ==?= you", "Grüße you", true),
            ("a =?utf-8?q?b?= c", "a b c", true),
            // The examples of RFC 2047 section 8.
            ("(=?ISO-8859-1?Q?a?=)", "(a)", true),
            ("(=?ISO-8859-1?Q?a?= b)", "(a b)", true),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)", true),
            (
                "(=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=)",
                "(ab)",
                true,
            ),
            ("(=?ISO-8859-1?Q?a_b?=)", "(a b)", true),
            ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)", true),
            ("=?utf-8*en?Q?a?=", "a", true),
            // Cut in the middle of a character.
            ("=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC?=", "Grü", true),
            ("=?utf-8?B?R3LD?=\r\n =?UTF-8?B?vMOfZQ==?=", "Grüße", true),
            (
                "=?iso-2022-jp?B?GyRCRnwbKEI=?= =?iso-2022-jp?B?GyRCS1wbKEI=?=",
                "日本",
                true,
            ),
            ("=?utf-8?Q?a=0Ab?=", "a\nb", true),
            // What cannot be decoded.
            ("=?x-unknown?Q?a?= b", "=?x-unknown?Q?a?= b", false),
            ("=?utf-8?Q?=FF?=", "\u{fffd}", false),
            ("=?utf-8?Q?=X?=", "=X", false),
            ("=?utf-8?B?YQ?=", "a", false),
            // What is no encoded word.
            ("=?utf-8?X?a?=", "=?utf-8?X?a?=", true),
            ("=?utf-8?Q?a", "=?utf-8?Q?a", true),
            ("=??Q?a?=", "=??Q?a?=", true),
            ("=?=?utf-8?Q?a?=", "=?a", true),
            ("a =? b =?utf-8?Q?c?=", "a =? b c", true),
        ] {
            let got = header_text(text.as_bytes());
            assert_eq!(got, (wanted.to_owned(), is_whole), "{text:?}");
        }
    }

    #[test]
    fn raw_bytes_are_utf_8_or_latin_1() {
        assert_eq!(header_text("ü ".as_bytes()).0, "ü");
        assert_eq!(header_text(b" \xfc\xff").0, "üÿ");
        assert_eq!(header_text(b"a\r\n\tb\r\n").0, "a\tb");
    }

    #[test]
    fn the_longest_headers_are_read() {
        for piece in [
            "=?",
            "=?a?",
            "=?a?Q?",
            "?=",
            "=?utf-8?Q?=C3?= ",
            "=?utf-8?B?YQ==?=",
        ] {
            let text = piece.repeat(1024 * 1024 / piece.len());
            header_text(text.as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[=?qQbB_ a8C3üé\r\n-]{0,60}") {
            decoded(&text);
        }

        #[test]
        fn any_bytes_are_text(bytes: Vec<u8>) {
            header_text(&bytes);
        }
    }
}
