//! Fields with parameters: Content-Type and Content-Disposition.
//!
//! ```text
//! field     = value *(";" name "=" (token / quoted-string))     RFC 2045 section 5.1
//! name*     = charset "'" [language] "'" percent-encoded        RFC 2231 section 4
//! name*0, name*1*, ...   pieces of one value, the first with the charset   sections 3, 4.1
//! ```

use super::{decode, words};
use crate::mail::header::unfolded;

/// More parameters than any field needs; the rest is not read.
const MOST: usize = 500;

/// A field with parameters.
#[derive(Debug, Default)]
pub struct Parameters {
    /// What stands before the parameters, in lower case.
    pub value: String,
    list: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the value of a field; what is damaged is read as far as it goes.
    pub fn of(value: &[u8]) -> Parameters {
        let text = decode::unlabelled(&unfolded(value));
        let (value, mut rest) = text.split_once(';').unwrap_or((&text, ""));
        // A comment may stand behind the value.
        let value = value.split(['(', ' ', '\t']).find(|word| !word.is_empty());
        let mut list = Vec::new();
        while let Some(end) = rest.find(['=', ';']).filter(|_| list.len() < MOST) {
            let (name, after) = rest.split_at_checked(end).unwrap_or_default();
            let Some(after) = after.strip_prefix('=') else {
                rest = after.get(1..).unwrap_or_default();
                continue;
            };
            let (value, after) = parameter_value(after.trim_start());
            list.push((name.trim().to_ascii_lowercase(), value));
            rest = after;
        }
        Parameters {
            value: value.unwrap_or_default().to_ascii_lowercase(),
            list,
        }
    }

    /// A parameter for people, decoded. `name` is in lower case.
    pub fn text(&self, name: &str) -> Option<String> {
        // Encoded words have no place in parameters, yet many programs write them.
        let plain = || self.token(name).map(|value| words::decoded(value).0);
        self.pieced(name).or_else(plain)
    }

    /// A parameter for programs, as it stands there.
    pub fn token(&self, name: &str) -> Option<&str> {
        let found = self.list.iter().find(|(this, _)| this == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter by RFC 2231: encoded, in pieces, or both.
    fn pieced(&self, name: &str) -> Option<String> {
        let piece = |(this, value): &'_ (String, String)| {
            let mark = this.strip_prefix(name)?.strip_prefix('*')?;
            let is_encoded = mark.is_empty() || mark.ends_with('*');
            let number = mark.trim_end_matches('*');
            let number: usize = match number {
                "" => 0,
                _ => number.parse().ok()?,
            };
            Some((number, is_encoded, value.clone()))
        };
        let mut pieces: Vec<_> = self.list.iter().filter_map(piece).collect();
        pieces.sort();
        pieces.dedup_by_key(|(number, ..)| *number);
        let (mut bytes, mut charset) = (Vec::new(), None);
        let mut is_found = false;
        for (at, (number, is_encoded, value)) in pieces.iter().enumerate() {
            if at != *number {
                break;
            }
            is_found = true;
            let mut value = value.as_str();
            if at == 0 && *is_encoded {
                let mut halves = value.splitn(3, '\'');
                if let (Some(label), Some(_), Some(rest)) =
                    (halves.next(), halves.next(), halves.next())
                {
                    (charset, value) = (Some(label.to_owned()), rest);
                }
            }
            match is_encoded {
                true => bytes.extend(decode::percent(value.as_bytes())),
                false => bytes.extend_from_slice(value.as_bytes()),
            }
        }
        is_found.then(|| decode::text(&bytes, charset.as_deref()).0)
    }
}

/// A parameter's value, and what stands behind the next semicolon.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let (value, after) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), after);
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, character) in inner.char_indices() {
        match character {
            _ if is_escaped => {
                value.push(character);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => {
                let behind = inner.get(at..).unwrap_or_default();
                return (value, behind.split_once(';').map_or("", |(_, after)| after));
            }
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_form() {
        for (text, wanted) in [
            ("attachment", None),
            ("attachment; filename=a.txt", Some("a.txt")),
            ("attachment;FileName = \"a b.txt\" ; size=1", Some("a b.txt")),
            ("attachment; filename=a b.txt; size=1", Some("a b.txt")),
            ("attachment; filename=\"a;\\\"b\\\\.txt\"", Some("a;\"b\\.txt")),
            ("attachment; filename=\"open", Some("open")),
            ("attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.bin", Some("Grüße.bin")),
            ("attachment; filename*=iso-8859-1'de'%fc", Some("ü")),
            ("attachment; filename*=x-unknown''%fc", Some("ü")),
            ("attachment; filename=old; filename*=utf-8''new", Some("new")),
            ("attachment; filename*1=b; filename*0=a; filename*3=d", Some("ab")),
            (
                "attachment;\r\n filename*0*=utf-8''%C3;\r\n filename*1*=%BC;\r\n filename*2=\".b\"",
                Some("ü.b"),
            ),
            ("attachment; filename*1=b", None),
            ("attachment; filename*x=b; filename=a", Some("a")),
            ("attachment; filename*99999999999999999999=b", None),
            ("attachment; filename=\"=?utf-8?Q?=C3=BC?=\"", Some("ü")),
            ("attachment;; ; filename=a", Some("a")),
            ("", None),
        ] {
            let got = Parameters::of(text.as_bytes()).text("filename");
            assert_eq!(got.as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn the_value_comes_first() {
        for (text, value) in [
            (" Text/HTML ; charset=x", "text/html"),
            ("text/plain(comment)", "text/plain"),
            ("", ""),
            (";a=b", ""),
        ] {
            assert_eq!(Parameters::of(text.as_bytes()).value, value);
        }
    }

    /// Another reader of the same grammar finds the same.
    #[test]
    fn mailparse_agrees() {
        for text in [
            "multipart/mixed; boundary=\"a b\"",
            "text/plain; charset=utf-8; format=flowed",
            "a/b; name*0*=utf-8''%C3; name*1*=%BC; name*2=x",
        ] {
            let theirs = mailparse::parse_content_type(text);
            let ours = Parameters::of(text.as_bytes());
            assert_eq!(ours.value, theirs.mimetype);
            for (name, value) in theirs.params {
                assert_eq!(ours.text(&name).as_deref(), Some(value.as_str()), "{text}");
            }
        }
    }

    #[test]
    fn the_longest_fields_are_read() {
        for piece in [
            "a*0*=b;",
            "filename*0=b;",
            ";",
            "a=\"",
            "a=\\",
            "filename*=",
        ] {
            let text = format!("x;{}", piece.repeat(1024 * 1024 / piece.len()));
            Parameters::of(text.as_bytes()).text("filename");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[filename*=;\"\\\\'%0-3 ü]{0,60}") {
            Parameters::of(text.as_bytes()).text("filename");
        }
    }
}
