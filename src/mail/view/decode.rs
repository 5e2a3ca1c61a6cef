//! Transfer encodings and charsets, decoded as far as they go.
//!
//! Every function gives what could be decoded, and whether that is all.

use charset::Charset;

/// Base64 (RFC 2045 section 6.8): what is not of its alphabet is left out, and what stands behind
/// the padding is not of it.
pub fn base64(body: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut bits, mut count, mut is_whole) = (0_u32, 0_u32, true);
    let mut rest = body.iter();
    let mut is_padded = false;
    for byte in rest.by_ref() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                is_padded = true;
                break;
            }
            _ => {
                is_whole &= byte.is_ascii_whitespace();
                continue;
            }
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            bytes.extend(bits.to_be_bytes().iter().skip(1));
            (bits, count) = (0, 0);
        }
    }
    // Two characters hold one byte, three hold two; one alone holds none.
    let left = usize::try_from(count.saturating_sub(1)).unwrap_or_default();
    let bits = bits << (6 * (4 - count));
    bytes.extend(bits.to_be_bytes().iter().skip(1).take(left));
    is_whole &= rest.all(|byte| *byte == b'=' || byte.is_ascii_whitespace());
    (bytes, is_whole && is_padded == (count > 1) && count != 1)
}

/// Quoted-printable (RFC 2045 section 6.7). An equals sign that begins nothing stays.
pub fn quoted_printable(body: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(body.len());
    let mut is_whole = true;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let end = line.get(text.len()..).unwrap_or_default();
        // Rule 3: white space at the end of a line came on the way.
        let text = text.trim_ascii_end();
        match text.strip_suffix(b"=") {
            Some(text) => is_whole &= push_hexadecimal(&mut bytes, text, b'='),
            None => {
                is_whole &= push_hexadecimal(&mut bytes, text, b'=');
                bytes.extend_from_slice(end);
            }
        }
    }
    (bytes, is_whole)
}

/// The Q encoding of encoded words (RFC 2047 section 4.2).
pub fn q(text: &[u8]) -> (Vec<u8>, bool) {
    let text: Vec<u8> = text
        .iter()
        .map(|b| if *b == b'_' { b' ' } else { *b })
        .collect();
    let mut bytes = Vec::with_capacity(text.len());
    let is_whole = push_hexadecimal(&mut bytes, &text, b'=');
    (bytes, is_whole)
}

/// Percent encoding (RFC 2231 section 4).
pub fn percent(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    push_hexadecimal(&mut bytes, text, b'%');
    bytes
}

/// Pushes `text`, where `mark` and two hexadecimal digits stand for a byte.
fn push_hexadecimal(bytes: &mut Vec<u8>, text: &[u8], mark: u8) -> bool {
    let mut is_whole = true;
    let mut pieces = text.split(|byte| *byte == mark);
    bytes.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        let byte = piece.split_at_checked(2).and_then(|(digits, rest)| {
            let digits = std::str::from_utf8(digits).ok()?;
            let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = u8::from_str_radix(digits, 16).ok()?;
            are_digits.then_some((byte, rest))
        });
        match byte {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest);
            }
            None => {
                is_whole = false;
                bytes.push(mark);
                bytes.extend_from_slice(piece);
            }
        }
    }
    is_whole
}

/// The text that bytes of a charset stand for, and what is wrong with it.
pub fn text(bytes: &[u8], label: Option<&str>) -> (String, Option<String>) {
    let label = label.map(str::trim).filter(|label| !is_ascii(label));
    match label.map(|label| (label, charset(label))) {
        Some((label, Some(charset))) => {
            let (text, is_broken) = charset.decode_with_bom_removal(bytes);
            let why = || format!("some bytes are no {label}");
            (text.into_owned(), is_broken.then(why))
        }
        Some((label, None)) => {
            let why = || format!("the charset {label} is not known");
            (unlabelled(bytes), (!bytes.is_ascii()).then(why))
        }
        None => {
            let is_broken = std::str::from_utf8(bytes).is_err();
            let why = || "without a charset, and no UTF-8; shown as Latin-1".to_owned();
            (unlabelled(bytes), is_broken.then(why))
        }
    }
}

/// A charset that can be decoded.
pub fn charset(label: &str) -> Option<Charset> {
    Charset::for_label_no_replacement(label.as_bytes())
}

/// ASCII is what everybody names who names nothing; what is more than that speaks for itself.
fn is_ascii(label: &str) -> bool {
    let labels = ["", "us-ascii", "ascii"];
    labels.iter().any(|ascii| ascii.eq_ignore_ascii_case(label))
}

/// UTF-8, or else Latin-1, in which every byte is a character.
pub fn unlabelled(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_as_far_as_it_goes() {
        for (text, bytes, is_whole) in [
            ("", "", true),
            ("aGVsbG8=", "hello", true),
            ("aGVs\r\nbG8=\r\n", "hello", true),
            ("aGVsbA==", "hell", true),
            ("aGVs", "hel", true),
            ("aGVsbG8", "hello", false),
            ("aGVsbA", "hell", false),
            ("aGVsb", "hel", false),
            ("aGVs!bG8=", "hello", false),
            ("aGVsbG8=\r\n-- \r\nthe list", "hello", false),
            ("=", "", false),
            ("b=", "", false),
        ] {
            let got = base64(text.as_bytes());
            assert_eq!(got, (bytes.into(), is_whole), "{text:?}");
        }
    }

    #[test]
    fn base64_is_read_as_others_write_it() {
        use ::base64::{engine::general_purpose::STANDARD, Engine};
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let part = bytes[..length].to_vec();
            assert_eq!(base64(STANDARD.encode(&part).as_bytes()), (part, true));
        }
    }

    #[test]
    fn quoted_printable_goes_as_far_as_it_goes() {
        for (text, bytes, is_whole) in [
            ("", "", true),
            ("a=3Db=3d", "a=b=", true),
            ("a \t\r\nb", "a\r\nb", true),
            ("a=\r\nb", "ab", true),
            ("a= \r\nb", "ab", true),
            ("a=\nb=", "ab", true),
            ("a=20\r\n", "a \r\n", true),
            ("=C3=BC", "ü", true),
            ("ü", "ü", true),
            ("a=XYb", "a=XYb", false),
            ("a=+1b", "a=+1b", false),
            ("a=4", "a=4", false),
            ("a==41", "a=A", false),
        ] {
            let got = quoted_printable(text.as_bytes());
            assert_eq!(got, (bytes.into(), is_whole), "{text:?}");
        }
        assert_eq!(q(b"a_b=5F"), (b"a b_".to_vec(), true));
        assert_eq!(percent(b"%41%4_b%"), b"A%4_b%");
    }

    #[test]
    fn charsets() {
        for (bytes, label, wanted, is_whole) in [
            (&b"a"[..], None, "a", true),
            (b"\xc3\xbc", None, "ü", true),
            (b"\xfc", None, "ü", false),
            (b"\xfc", Some("US-ASCII"), "ü", false),
            (b"\xfc", Some("iso-8859-1"), "ü", true),
            (b"\xa4", Some(" ISO-8859-15 "), "€", true),
            (b"\xff", Some("utf-8"), "\u{fffd}", false),
            (b"\xef\xbb\xbfa", Some("utf-8"), "a", true),
            (b"\x1b$BF|\x1b(B", Some("iso-2022-jp"), "日", true),
            (b"+JgM-", Some("utf-7"), "\u{2603}", true),
            (b"a", Some("x-unknown"), "a", true),
            (b"\xfc", Some("x-unknown"), "ü", false),
        ] {
            let (got, why) = text(bytes, label);
            assert_eq!(
                (got.as_str(), why.is_none()),
                (wanted, is_whole),
                "{label:?}"
            );
        }
    }
}
