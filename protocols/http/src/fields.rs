//! Fields (RFC 9110 section 5): an ordered list of names and values, and the pieces of grammar that
//! many of their values share.

/// Header or trailer fields, in the order in which they were received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    lines: Vec<(String, Vec<u8>)>,
}

impl Fields {
    /// Adds a field line after all others.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.lines.push((name.into(), value.into()));
    }

    /// The value of the first line of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.lines
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The values of all lines of this name, in any case.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.lines
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The elements of a comma-separated list over all lines of this name (RFC 9110 section 5.3).
    /// Empty elements do not count (section 5.6.1.2).
    pub fn list(&self, name: &str) -> Vec<&[u8]> {
        self.all(name).flat_map(elements).collect()
    }

    /// Whether a list holds this element, in any case, as in `Connection: close`.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.list(name)
            .iter()
            .any(|known| known.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// All lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// `#element = [ element ] *( OWS "," OWS [ element ] )`; a comma inside a quoted string is part
/// of its element. A string that is never closed lasts to the end of the line.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_unquoted(line, b',')
        .map(trimmed)
        .filter(|element| !element.is_empty())
}

/// The parts of a value between separators that stand outside quoted strings.
pub(crate) fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |byte| {
        if escaped {
            escaped = false;
        } else if quoted && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'"' {
            quoted = !quoted;
        } else {
            return !quoted && *byte == separator;
        }
        false
    })
}

/// `OWS = *( SP / HTAB )`, taken away at both ends.
pub(crate) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" /
/// "~" / DIGIT / ALPHA` (RFC 9110 section 5.6.2)
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `token = 1*tchar`
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// `field-content` and `reason-phrase` hold `HTAB / SP / VCHAR / obs-text`, and no other control
/// character (RFC 9110 section 5.5, RFC 9112 section 4).
pub(crate) fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// `quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE` (RFC 9110 section 5.6.4): what it
/// says, and what follows it. `None` if `input` does not start with a quotation mark; a string that
/// is never closed lasts to the end.
pub(crate) fn quoted_string(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = input.strip_prefix(b"\"")?;
    let mut text = Vec::new();
    loop {
        match rest {
            [] => return Some((text, rest)),
            [b'"', after @ ..] => return Some((text, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

/// `1*DIGIT` as a number; `None` for anything else, and for what a `u64` cannot hold. Signs,
/// spaces and an empty text are not numbers here, whatever `str::parse` thinks of them.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.push(*name, *value);
        }
        fields
    }

    #[test]
    fn names_have_no_case_and_lines_have_an_order() {
        let fields = fields(&[("Via", "one"), ("Age", "3"), ("VIA", "two")]);
        assert_eq!(fields.get("via"), Some(&b"one"[..]));
        assert_eq!(fields.get("viae"), None);
        assert_eq!(fields.all("vIa").collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(fields.len(), 3);
        assert!(!fields.is_empty());
        assert_eq!(fields.iter().nth(1), Some(("Age", &b"3"[..])));
    }

    #[test]
    fn lists_run_over_all_lines() {
        let fields = fields(&[
            ("A", "one,\ttwo , ,\"three, \\\" 3\","),
            ("B", "not me"),
            ("a", ""),
            ("a", "four,\"never, closed"),
        ]);
        let expected: [&[u8]; 5] = [
            b"one",
            b"two",
            b"\"three, \\\" 3\"",
            b"four",
            b"\"never, closed",
        ];
        assert_eq!(fields.list("A"), expected);
        assert!(fields.lists("a", "TWO"));
        assert!(!fields.lists("a", "tw"));
        assert!(fields.list("c").is_empty());
    }

    #[test]
    fn quoted_strings_are_unescaped() {
        for (input, text, rest) in [
            (&b"\"a\"b"[..], &b"a"[..], &b"b"[..]),
            (b"\"\"", b"", b""),
            (b"\"a\\\"b\\\\\" c", b"a\"b\\", b" c"),
            (b"\"open", b"open", b""),
            (b"\"open\\", b"open\\", b""),
        ] {
            assert_eq!(quoted_string(input), Some((text.to_vec(), rest)));
        }
        assert_eq!(quoted_string(b"a"), None);
        assert_eq!(quoted_string(b""), None);
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for text in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "0x1",
            "1_0",
            "18446744073709551616",
            "\u{661}",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn white_space_is_trimmed() {
        assert_eq!(trimmed(b" \ta b\t "), b"a b");
        assert_eq!(trimmed(b" \t "), b"");
        assert!(is_token(b"x-y"));
        assert!(!is_token(b"x y") && !is_token(b""));
    }
}
