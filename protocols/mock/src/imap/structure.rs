//! ENVELOPE and BODYSTRUCTURE (RFC 9051 section 7.5.2), and the strings they are made of.

use memchr::memchr_iter;

use super::address::{addresses, Address};
use super::mime::{parameterized, Part};

/// What the strings of structures are like.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Whether quoted strings may be UTF-8.
    pub is_utf8: bool,
    /// Whether they hold 8-bit text though they may not.
    pub is_flawed: bool,
}

/// A quoted string where that is possible, and otherwise a literal.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8], is_utf8: bool) {
    let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) || *byte == b'\t';
    let is_allowed = |byte: &u8| is_plain(byte) || *byte >= 0x80;
    let fits = text.iter().all(is_plain)
        || (is_utf8 && text.iter().all(is_allowed) && std::str::from_utf8(text).is_ok());
    match fits {
        true => quote(out, text),
        false => {
            out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
            out.extend_from_slice(text);
        }
    }
}

fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// An atom where that is possible, and otherwise a string.
pub(super) fn astring(out: &mut Vec<u8>, text: &[u8], is_utf8: bool) {
    let is_atom = |byte: &u8| byte.is_ascii_graphic() && !b"(){%*\"\\".contains(byte);
    match !text.is_empty() && !text.eq_ignore_ascii_case(b"NIL") && text.iter().all(is_atom) {
        true => out.extend_from_slice(text),
        false => string(out, text, is_utf8),
    }
}

impl Style {
    fn string(self, out: &mut Vec<u8>, text: &[u8]) {
        match self.is_flawed {
            true => quote(out, text),
            false => string(out, text, self.is_utf8),
        }
    }

    fn nstring(self, out: &mut Vec<u8>, text: Option<&[u8]>) {
        match text {
            Some(text) => self.string(out, text),
            None => out.extend_from_slice(b"NIL"),
        }
    }

    /// What the header says in short.
    pub fn envelope(self, out: &mut Vec<u8>, part: &Part) {
        out.push(b'(');
        self.nstring(out, part.field("Date"));
        out.push(b' ');
        match (self.is_flawed, part.field("Subject")) {
            (true, subject) => {
                self.string(out, &[subject.unwrap_or_default(), b"\xfc\xff"].concat())
            }
            (false, subject) => self.nstring(out, subject),
        }
        for name in ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"] {
            let mut all: Vec<Address> = part.all(name).flat_map(addresses).collect();
            // Whoever is not named is the author.
            if all.is_empty() && matches!(name, "Sender" | "Reply-To") {
                all = part.all("From").flat_map(addresses).collect();
            }
            out.push(b' ');
            self.addresses(out, &all);
        }
        for name in ["In-Reply-To", "Message-ID"] {
            out.push(b' ');
            self.nstring(out, part.field(name));
        }
        out.push(b')');
    }

    fn addresses(self, out: &mut Vec<u8>, all: &[Address]) {
        if all.is_empty() {
            return out.extend_from_slice(b"NIL");
        }
        out.push(b'(');
        for address in all {
            out.push(b'(');
            self.nstring(out, address.name.as_deref());
            out.extend_from_slice(b" NIL ");
            self.nstring(out, address.mailbox.as_deref());
            out.push(b' ');
            self.nstring(out, address.host.as_deref());
            out.push(b')');
        }
        out.push(b')');
    }

    /// BODYSTRUCTURE, or BODY, which has no extension data.
    pub fn body(self, out: &mut Vec<u8>, content: &[u8], part: &Part, is_extended: bool) {
        out.push(b'(');
        match part.children.is_empty() {
            true => self.single(out, content, part, is_extended),
            false => {
                for child in &part.children {
                    self.body(out, content, child, is_extended);
                }
                out.push(b' ');
                self.string(out, part.subtype.as_bytes());
                if is_extended {
                    out.push(b' ');
                    self.parameters(out, part, "Content-Type");
                    self.extension(out, part);
                }
            }
        }
        out.push(b')');
    }

    fn single(self, out: &mut Vec<u8>, content: &[u8], part: &Part, is_extended: bool) {
        // A multipart without parts is told as what it then is.
        let (kind, subtype) = match part.kind.as_str() {
            "multipart" => ("text", "plain"),
            kind => (kind, part.subtype.as_str()),
        };
        self.string(out, kind.as_bytes());
        out.push(b' ');
        self.string(out, subtype.as_bytes());
        out.push(b' ');
        match part.field("Content-Type") {
            None if kind == "text" => out.extend_from_slice(b"(\"charset\" \"us-ascii\")"),
            _ => self.parameters(out, part, "Content-Type"),
        }
        for name in ["Content-ID", "Content-Description"] {
            out.push(b' ');
            self.nstring(out, part.field(name));
        }
        out.push(b' ');
        self.string(
            out,
            part.field("Content-Transfer-Encoding").unwrap_or(b"7bit"),
        );
        let body = content.get(part.body.clone()).unwrap_or_default();
        out.extend_from_slice(format!(" {}", body.len()).as_bytes());
        let lines = memchr_iter(b'\n', body).count();
        if let Some(message) = &part.message {
            out.push(b' ');
            self.envelope(out, message);
            out.push(b' ');
            self.body(out, content, message, is_extended);
            out.extend_from_slice(format!(" {lines}").as_bytes());
        } else if kind == "text" {
            out.extend_from_slice(format!(" {lines}").as_bytes());
        }
        if is_extended {
            out.push(b' ');
            self.nstring(out, part.field("Content-MD5"));
            self.extension(out, part);
        }
    }

    fn parameters(self, out: &mut Vec<u8>, part: &Part, field: &str) {
        let parameters = part.parameterized(field).unwrap_or_default().parameters;
        if parameters.is_empty() {
            return out.extend_from_slice(b"NIL");
        }
        let mut before = b'(';
        for (name, value) in parameters {
            out.push(before);
            self.string(out, name.as_bytes());
            out.push(b' ');
            self.string(out, value.as_bytes());
            before = b' ';
        }
        out.push(b')');
    }

    /// Disposition, language and location, each behind a space.
    fn extension(self, out: &mut Vec<u8>, part: &Part) {
        out.push(b' ');
        match part.field("Content-Disposition") {
            Some(field) => {
                out.push(b'(');
                self.string(out, parameterized(field).value.as_bytes());
                out.push(b' ');
                self.parameters(out, part, "Content-Disposition");
                out.push(b')');
            }
            None => out.extend_from_slice(b"NIL"),
        }
        for name in ["Content-Language", "Content-Location"] {
            out.push(b' ');
            self.nstring(out, part.field(name));
        }
    }
}
