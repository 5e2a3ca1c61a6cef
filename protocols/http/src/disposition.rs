//! The file name that a server suggests (RFC 6266), as it was meant. It may still be a path, hidden
//! or harmful; cleaning it is the business of whoever makes the file.
//!
//! ```text
//! content-disposition = disposition-type *( ";" disposition-parm )
//! filename-parm       = "filename" "=" value / "filename*" "=" ext-value
//! ext-value           = charset "'" [ language ] "'" value-chars        (RFC 8187 section 3.2)
//! ```

use crate::fields::{quoted_string, split_unquoted, trimmed};

/// The suggested name: that of `filename*` if it can be read, else that of `filename` (RFC 6266
/// section 4.3). Of a parameter that is there twice, the first one counts.
pub fn file_name(value: &[u8]) -> Option<String> {
    let name = parameter(value, b"filename*").and_then(extended);
    name.filter(|name| !name.is_empty())
        .or_else(|| parameter(value, b"filename").map(plain))
        .filter(|name| !name.is_empty())
}

/// The value of a parameter, as it stands. Some servers leave out the type before the first one.
fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    split_unquoted(value, b';').find_map(|part| {
        let equals = part.iter().position(|byte| *byte == b'=')?;
        let (name, value) = part.split_at(equals);
        let value = value.strip_prefix(b"=").unwrap_or(value);
        trimmed(name)
            .eq_ignore_ascii_case(wanted)
            .then(|| trimmed(value))
    })
}

/// `value = token / quoted-string`. Names with spaces come without quotation marks too; they last
/// to the semicolon.
fn plain(value: &[u8]) -> String {
    match quoted_string(value) {
        Some((text, _)) => text_of(text),
        None => text_of(value.to_vec()),
    }
}

/// Old servers write ISO-8859-1 (RFC 6266 section 4.3 and appendix C), newer ones UTF-8, which
/// ISO-8859-1 text hardly ever looks like.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.as_bytes()))
}

/// In ISO-8859-1, each byte is the character of that number.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn extended(value: &[u8]) -> Option<String> {
    // Some servers put quotation marks around it, which RFC 8187 section 3.2.1 does not have.
    let unquoted = quoted_string(value).map(|(text, _)| text);
    let value = unquoted.as_deref().unwrap_or(value);
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = percent_decoded(text)?;
    if charset.eq_ignore_ascii_case(b"UTF-8") {
        return String::from_utf8(bytes).ok();
    }
    charset
        .eq_ignore_ascii_case(b"ISO-8859-1")
        .then(|| latin1(&bytes))
}

/// `value-chars = *( pct-encoded / attr-char )`, `pct-encoded = "%" HEXDIG HEXDIG`
fn percent_decoded(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        match text {
            [] => return Some(bytes),
            [b'%', high, low, rest @ ..] => {
                bytes.push(digit(*high)? * 16 + digit(*low)?);
                text = rest;
            }
            [b'%', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                text = rest;
            }
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_found() {
        for (value, expected) in [
            // The examples of RFC 6266 section 5.
            ("Attachment; filename=example.html", "example.html"),
            ("INLINE; FILENAME= \"an example.html\"", "an example.html"),
            (
                "attachment; filename*= UTF-8''%e2%82%ac%20rates",
                "\u{20ac} rates",
            ),
            (
                "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates",
                "\u{20ac} rates",
            ),
            // RFC 8187 section 3.2.3.
            ("a; filename*=iso-8859-1'en'%A3%20rates", "\u{a3} rates"),
            ("a; filename*=UTF-8''a; filename=b", "a"),
            ("a; filename=\"a;b\\\"c\\\\\"; x=y", "a;b\"c\\"),
            ("a; filename=a b.txt ; x=y", "a b.txt"),
            ("a; filename=one; filename=two", "one"),
            ("filename=x", "x"),
            ("a;filename=\"open", "open"),
            ("a; filename=\"100%25\"", "100%25"),
            ("a; xfilename=x; filename = y", "y"),
            ("a; name=\"; filename=no\"; filename=yes", "yes"),
            ("a; filename=\"Gr\u{fc}n\"", "Gr\u{fc}n"),
            ("a; filename*=\"UTF-8''a%20b\"", "a b"),
            ("a; filename*=UTF-8''it's", "it's"),
            // What cannot be read falls back to the plain form.
            ("a; filename*=UTF-8''%ff; filename=x", "x"),
            ("a; filename*=UTF-8''%2; filename=x", "x"),
            ("a; filename*=UTF-8''%+1; filename=x", "x"),
            ("a; filename*=UTF-16''a; filename=x", "x"),
            ("a; filename*=a; filename=x", "x"),
            ("a; filename*=UTF-8''; filename=x", "x"),
            // Names are told as they are: cleaning comes later.
            (
                "a; filename*=UTF-8''..%2F.bashrc%1b%00",
                "../.bashrc\u{1b}\0",
            ),
        ] {
            assert_eq!(
                file_name(value.as_bytes()).as_deref(),
                Some(expected),
                "{value}"
            );
        }
    }

    #[test]
    fn there_may_be_none() {
        for value in [
            "",
            ";",
            "inline",
            "attachment; filename",
            "attachment; filename=",
            "attachment; filename=\"\"",
            "attachment; x=y",
            "attachment, filename*=UTF-8''%2",
        ] {
            assert_eq!(file_name(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn old_names_are_latin1() {
        assert_eq!(
            file_name(b"a; filename=\"Gr\xfcn\"").as_deref(),
            Some("Gr\u{fc}n")
        );
    }

    proptest! {
        #[test]
        fn any_value_does_no_harm(value: Vec<u8>) {
            file_name(&value);
            file_name(&[b"a; filename*=utf-8'", &value[..]].concat());
            file_name(&[b"a; filename=\"", &value[..]].concat());
        }
    }
}
