//! The structure of a message (RFC 5322, RFC 2045): where its header, its body and its parts are.

use std::ops::Range;

use memchr::memmem;

/// A message or a part of one. Ranges are octets of the whole message.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its header, with the empty line.
    pub header: Range<usize>,
    pub body: Range<usize>,
    pub fields: Vec<Field>,
    /// In lower case.
    pub kind: String,
    pub subtype: String,
    /// Of a multipart.
    pub children: Vec<Part>,
    /// Of a message/rfc822.
    pub message: Option<Box<Part>>,
}

/// A header field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Where it is, with its line end.
    pub place: Range<usize>,
    pub name: String,
    /// Unfolded, without blanks around it.
    pub value: Vec<u8>,
}

/// A field such as `text/plain; charset=x`: the first word in lower case, and the parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameterized {
    pub value: String,
    pub parameters: Vec<(String, String)>,
}

/// How deep parts are looked into. What is deeper is content.
const DEPTH: usize = 50;

/// How many parts are looked for in one multipart.
const PARTS: usize = 10_000;

impl Part {
    /// Reads a whole message.
    pub fn message(content: &[u8]) -> Part {
        Part::parse(content, 0..content.len(), "text/plain", DEPTH)
    }

    fn parse(content: &[u8], range: Range<usize>, default: &str, depth: usize) -> Part {
        let end = header_end(content, &range);
        let fields = fields(content, range.start..end);
        let mut part = Part {
            header: range.start..end,
            body: end..range.end,
            fields,
            kind: String::new(),
            subtype: String::new(),
            children: Vec::new(),
            message: None,
        };
        let mut content_type = part.parameterized("Content-Type").unwrap_or_default();
        if !content_type.value.contains('/') {
            content_type = parameterized(default.as_bytes());
        }
        let (kind, subtype) = content_type.value.split_once('/').unwrap_or_default();
        (part.kind, part.subtype) = (kind.to_owned(), subtype.to_owned());
        if depth == 0 {
            return part;
        }
        if let ("multipart", Some(boundary)) = (kind, content_type.parameter("boundary")) {
            let default = match subtype {
                "digest" => "message/rfc822",
                _ => "text/plain",
            };
            let ranges = between(content, part.body.clone(), boundary.as_bytes());
            let children = ranges
                .into_iter()
                .map(|range| Part::parse(content, range, default, depth - 1));
            part.children = children.collect();
        }
        if (kind, subtype) == ("message", "rfc822") {
            let inner = Part::parse(content, part.body.clone(), "text/plain", depth - 1);
            part.message = Some(Box::new(inner));
        }
        part
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let found = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(&found.value)
    }

    /// The values of all fields of this name.
    pub fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p [u8]> {
        let named = move |field: &&Field| field.name.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(named)
            .map(|field| field.value.as_slice())
    }

    pub fn parameterized(&self, name: &str) -> Option<Parameterized> {
        self.field(name).map(parameterized)
    }

    /// The part of a number such as `[2, 1]` (RFC 9051 section 6.4.5.1). A message that is no
    /// multipart has the one part 1.
    pub fn numbered(&self, number: &[u32]) -> Option<&Part> {
        let Some((first, rest)) = number.split_first() else {
            return Some(self);
        };
        let index = usize::try_from(*first).ok()?.checked_sub(1)?;
        if self.kind == "multipart" {
            return self.children.get(index)?.within(rest);
        }
        match index {
            0 => self.within(rest),
            _ => None,
        }
    }

    /// What a number further in means.
    fn within(&self, rest: &[u32]) -> Option<&Part> {
        match (&self.message, rest) {
            (_, []) => Some(self),
            (Some(message), _) => message.numbered(rest),
            (None, _) if self.kind == "multipart" => self.numbered(rest),
            (None, _) => None,
        }
    }

    /// The body without its transfer encoding.
    pub fn decoded(&self, content: &[u8]) -> Vec<u8> {
        let body = content.get(self.body.clone()).unwrap_or_default();
        let encoding = self.field("Content-Transfer-Encoding").unwrap_or_default();
        match encoding.to_ascii_lowercase().as_slice() {
            b"base64" => super::text::base64(body),
            b"quoted-printable" => super::text::quoted_printable(body, false),
            _ => body.to_vec(),
        }
    }
}

impl Parameterized {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Where the header ends: behind the empty line, or where there is none, at the end.
fn header_end(content: &[u8], range: &Range<usize>) -> usize {
    let text = content.get(range.clone()).unwrap_or_default();
    if text.starts_with(b"\r\n") {
        return range.start + 2;
    }
    match memmem::find(text, b"\r\n\r\n") {
        Some(at) => range.start + at + 4,
        None => range.end,
    }
}

fn fields(content: &[u8], range: Range<usize>) -> Vec<Field> {
    let text = content.get(range.clone()).unwrap_or_default();
    let mut fields: Vec<Field> = Vec::new();
    let mut at = range.start;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let place = at..at + line.len();
        at = place.end;
        let shown = line.trim_ascii_end();
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        match (is_folded, fields.last_mut()) {
            (true, Some(field)) => {
                field.place.end = place.end;
                if !field.value.is_empty() {
                    field.value.push(b' ');
                }
                field.value.extend_from_slice(shown.trim_ascii_start());
            }
            _ => {
                let Some(colon) = shown.iter().position(|byte| *byte == b':') else {
                    continue;
                };
                let (name, value) = shown.split_at(colon);
                let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
                let value = value.get(1..).unwrap_or_default().trim_ascii().to_vec();
                fields.push(Field { place, name, value });
            }
        }
    }
    fields
}

/// What is between the delimiters of a multipart (RFC 2046 section 5.1.1). The line end before a
/// delimiter belongs to it.
fn between(content: &[u8], range: Range<usize>, boundary: &[u8]) -> Vec<Range<usize>> {
    let text = content.get(range.clone()).unwrap_or_default();
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let begin = at;
        at += line.len();
        let rest = line
            .strip_prefix(b"--")
            .and_then(|rest| rest.strip_prefix(boundary));
        let Some(rest) = rest else {
            continue;
        };
        let is_last = rest.starts_with(b"--");
        if !is_last && !rest.trim_ascii().is_empty() {
            continue;
        }
        if let Some(start) = start {
            let end = begin.saturating_sub(2).max(start);
            parts.push(range.start + start..range.start + end);
        }
        start = (!is_last && parts.len() < PARTS).then_some(at);
        if start.is_none() {
            break;
        }
    }
    if let Some(start) = start {
        // A last delimiter is missing.
        parts.push(range.start + start..range.end);
    }
    parts
}

/// Reads a value with parameters (RFC 2045 section 5.1). What is no parameter is left out.
pub(super) fn parameterized(field: &[u8]) -> Parameterized {
    let text = String::from_utf8_lossy(field);
    let mut pieces = split_outside_quotes(&text).into_iter();
    let value = pieces.next().unwrap_or_default();
    let parameters = pieces.filter_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted.strip_suffix('"').unwrap_or(quoted)),
            None => value.to_owned(),
        };
        Some((name.trim().to_ascii_lowercase(), value))
    });
    Parameterized {
        value: value.trim().to_ascii_lowercase(),
        parameters: parameters.collect(),
    }
}

fn unquoted(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            _ => plain.push(letter),
        }
    }
    plain
}

fn split_outside_quotes(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for letter in text.chars() {
        if letter == ';' && !is_quoted {
            pieces.push(String::new());
            continue;
        }
        is_quoted ^= letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && is_quoted && !is_escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &str = "Subject: out\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\n\
        preamble\r\n--a b\r\n\r\none\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: in\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n\
        --x\r\n\r\ntwo.one\r\n--x\r\nContent-Type: text/html\r\n\r\ntwo.two\r\n--x--\r\n\
        --a b--\r\nepilogue\r\n";

    fn body(number: &[u32]) -> Option<&'static str> {
        let message = Part::message(NESTED.as_bytes());
        message
            .numbered(number)
            .map(|part| &NESTED[part.body.clone()])
    }

    #[test]
    fn parts_have_numbers() {
        assert_eq!(body(&[1]), Some("one"));
        assert!(body(&[2]).unwrap().starts_with("Subject: in\r\n"));
        assert_eq!(body(&[2, 1]), Some("two.one"));
        assert_eq!(body(&[2, 2]), Some("two.two"));
        for none in [[3, 1], [0, 1], [1, 1], [2, 3]] {
            assert_eq!(body(&none), None, "{none:?}");
        }
        let plain = Part::message(b"A: b\r\n\r\nbody");
        assert_eq!(plain.numbered(&[1]).unwrap().body, 8..12);
        assert!(plain.numbered(&[2]).is_none());
    }

    #[test]
    fn every_prefix_is_a_message_of_some_kind() {
        for end in 0..=NESTED.len() {
            let part = Part::message(&NESTED.as_bytes()[..end]);
            assert!(part.body.end <= end);
        }
    }

    #[test]
    fn parameters_may_be_quoted() {
        let field = parameterized(b"Text/Plain; charset=UTF-8; name=\"a;\\\"b\"; x");
        assert_eq!(field.value, "text/plain");
        assert_eq!(field.parameter("charset"), Some("UTF-8"));
        assert_eq!(field.parameter("name"), Some("a;\"b"));
        assert_eq!(field.parameters.len(), 2);
    }
}
