//! Text in its encodings: modified UTF-7 (RFC 3501 section 5.1.3), encoded words (RFC 2047), and the
//! transfer encodings of MIME (RFC 2045 section 6).

use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{Engine, BASE64_STANDARD};

const UTF7: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// A mailbox name as it travels in IMAP4rev1.
pub(super) fn to_utf7(name: &str) -> String {
    let mut text = String::new();
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '&' {
            text.push_str("&-");
        } else if matches!(letter, ' '..='~') {
            text.push(letter);
        } else {
            let mut run = letter.to_string();
            while let Some(next) = letters.next_if(|next| !matches!(next, ' '..='~')) {
                run.push(next);
            }
            let units: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            text.push('&');
            text.push_str(&UTF7.encode(units));
            text.push('-');
        }
    }
    text
}

/// The name that travels so. `None` unless it is what [`to_utf7`] makes of a name: RFC 3501 demands
/// that there be one form only.
pub(super) fn from_utf7(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        name.push_str(before);
        let (run, after) = after.split_once('-')?;
        match run {
            "" => name.push('&'),
            _ => {
                let bytes = UTF7.decode(run).ok()?;
                let (units, odd) = bytes.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
                if !odd.is_empty() {
                    return None;
                }
                name.push_str(&String::from_utf16(&units).ok()?);
            }
        }
        rest = after;
    }
    name.push_str(rest);
    (to_utf7(&name) == text).then_some(name)
}

/// A header field for people: encoded words are decoded. Character sets are UTF-8, US-ASCII and
/// ISO-8859-1; others stay encoded.
pub(super) fn decoded_words(value: &[u8]) -> String {
    let text = lossy(value);
    let mut plain = String::new();
    let mut rest = text.as_str();
    let mut was_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let word = encoded_word(from);
        // Blanks between encoded words are none (RFC 2047 section 6.2).
        let is_gap = was_word && word.is_some() && before.trim().is_empty();
        if !is_gap {
            plain.push_str(before);
        }
        was_word = word.is_some();
        match word {
            Some((decoded, length)) => {
                plain.push_str(&decoded);
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                plain.push_str("=?");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The encoded word that a text begins with, decoded, and its length.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut pieces = text.get(2..)?.splitn(3, '?');
    let (charset, encoding, rest) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let end = rest.find("?=")?;
    let encoded = rest.get(..end)?;
    let bytes = match encoding {
        "B" | "b" => base64(encoded.as_bytes()),
        "Q" | "q" => quoted_printable(encoded.as_bytes(), true),
        _ => return None,
    };
    let decoded = from_charset(charset.split('*').next()?, &bytes)?;
    Some((
        decoded,
        2 + charset.len() + 1 + encoding.len() + 1 + end + 2,
    ))
}

/// Text in a character set that is known here.
pub(super) fn from_charset(charset: &str, bytes: &[u8]) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => Some(lossy(bytes)),
        "iso-8859-1" => Some(bytes.iter().copied().map(char::from).collect()),
        _ => None,
    }
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What base64 says, as far as it says anything.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let is_blank = |byte: &u8| !byte.is_ascii_whitespace();
    let text: Vec<u8> = text.iter().copied().filter(is_blank).collect();
    BASE64_STANDARD.decode(text).unwrap_or_default()
}

/// Quoted-printable, or the form of it that is in encoded words.
pub(super) fn quoted_printable(text: &[u8], is_word: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'=', [b'\r', b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, more @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                        rest = more;
                    }
                    _ => plain.push(b'='),
                }
            }
            (b'_', _) if is_word => plain.push(b' '),
            (byte, _) => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for (name, text) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Tom & Jerry", "Tom &- Jerry"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("😀", "&2D3eAA-"),
        ] {
            assert_eq!(to_utf7(name), text);
            assert_eq!(from_utf7(text).as_deref(), Some(name));
        }
        for wrong in ["&", "&-&", "&AGE-", "&!!-", "&APw", "&APw-&APw-", "ü"] {
            assert_eq!(from_utf7(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn words_are_decoded() {
        for (value, expected) in [
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_da?= x", "Grüße da x"),
            ("=?UTF-8?B?SGFsbG8=?= =?utf-8?q?,?= you", "Hallo, you"),
            ("=?iso-8859-1?q?=FC?=", "ü"),
            ("=?klingon?q?x?= =? =?a?b", "=?klingon?q?x?= =? =?a?b"),
        ] {
            assert_eq!(decoded_words(value.as_bytes()), expected);
        }
        assert_eq!(quoted_printable(b"a=\r\nb=3D=x=", false), b"ab==x=");
    }
}
