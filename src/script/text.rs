//! What a script sends: text with escapes and with what was captured.

/// A text and the names in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<Piece>,
    /// Whether a line end is to follow.
    pub ends_line: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    Name(String),
}

impl Text {
    /// Reads a text as it stands in a script.
    pub fn parse(text: &str) -> Result<Text, String> {
        let quoted = text.strip_prefix('"');
        let quoted = quoted.and_then(|text| text.strip_suffix('"'));
        let mut rest = quoted.unwrap_or(text);
        let mut made = Text {
            pieces: Vec::new(),
            ends_line: true,
        };
        while let Some(at) = rest.find(['\\', '$']) {
            let (before, special) = rest.split_at(at);
            made.add(before.as_bytes());
            rest = match special.strip_prefix('\\') {
                Some(escape) => made.escape(escape)?,
                None => made.name(special)?,
            };
        }
        made.add(rest.as_bytes());
        Ok(made)
    }

    /// Takes what stands behind a backslash, and gives what is left.
    fn escape<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let mut rest = text.chars();
        let byte = match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('e') => 0x1b,
            Some(byte @ ('\\' | '"' | '$')) => byte as u8,
            Some('x') => {
                let digits = rest.as_str().get(..2).unwrap_or_default();
                let digits = digits
                    .bytes()
                    .all(|digit| digit.is_ascii_hexdigit())
                    .then_some(digits);
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                rest.nth(1);
                byte.ok_or("\\x takes two hexadecimal digits")?
            }
            Some('c') if rest.as_str().is_empty() => {
                self.ends_line = false;
                return Ok("");
            }
            Some('c') => return Err("\\c stands only at the end".to_owned()),
            Some(other) => return Err(format!("there is no escape \\{other}")),
            None => return Err("a backslash at the end; \\\\ is a backslash".to_owned()),
        };
        self.add(&[byte]);
        Ok(rest.as_str())
    }

    /// Takes a name, which begins with a dollar sign, and gives what is left. A dollar sign without
    /// a name is itself.
    fn name<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let Some(name) = text.strip_prefix("${") else {
            self.add(b"$");
            return Ok(text.get(1..).unwrap_or_default());
        };
        let (name, rest) = name.split_once('}').ok_or("${ without }")?;
        self.pieces.push(Piece::Name(name.to_owned()));
        Ok(rest)
    }

    fn add(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Bytes(bytes.to_vec())),
        }
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Bytes(_) => None,
        })
    }

    /// Whether this name is in it.
    pub fn uses(&self, name: &str) -> bool {
        self.names().any(|used| used == name)
    }

    /// The bytes, where `value` tells what names stand for.
    pub fn bytes<'v>(&self, value: impl Fn(&str) -> &'v [u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            bytes.extend_from_slice(match piece {
                Piece::Bytes(bytes) => bytes,
                Piece::Name(name) => value(name),
            });
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        Text::parse(text).unwrap().bytes(|_| b"<it>")
    }

    #[test]
    fn escapes_and_names() {
        for (text, wanted) in [
            ("", &b""[..]),
            ("QUIT", b"QUIT"),
            ("\" a \"", b" a "),
            ("\"", b"\""),
            (r"a\r\n\t\e\\\x00\xff", b"a\r\n\t\x1b\\\x00\xff"),
            (r#"\"a\""#, b"\"a\""),
            ("a ${name}b$", b"a <it>b$"),
            ("$5 \\${name}", b"$5 ${name}"),
            ("\u{e4}", "\u{e4}".as_bytes()),
        ] {
            assert_eq!(bytes(text), wanted, "{text}");
            assert!(Text::parse(text).unwrap().ends_line);
        }
        let without = Text::parse(r"password\c").unwrap();
        assert!(!without.ends_line);
        assert_eq!(without.bytes(|_| b""), b"password");
    }

    #[test]
    fn what_is_not_a_text_is_told() {
        for (text, why) in [
            (r"a\", "backslash"),
            (r"\q", "no escape \\q"),
            (r"\x1", "two hexadecimal digits"),
            (r"\x+1", "two hexadecimal digits"),
            ("\\x1\u{e4}", "two hexadecimal digits"),
            (r"\cx", "only at the end"),
            ("${name", "without }"),
        ] {
            let error = Text::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn every_prefix_is_read_or_told() {
        let text = "\"a\\x41 ${name} \\e\\c\"";
        for end in 0..=text.len() {
            let _ = Text::parse(&text[..end]);
        }
    }
}
