//! A message for people: its fields decoded, its parts, its text, what is attached to it.
//!
//! ```text
//! bytes ── structure ── parts ──┬─ decode ── blocks ─┬─ text          charset decoded, HTML without tags
//!   └───── header ── words      └────────────────────┴─ attachments   bytes, and the name that they had
//! ```
//!
//! Damaged mail is shown as far as it goes; what could not be decoded is told in notes. Every pass is
//! linear, and nothing recurses. What comes out may hold any character: whoever shows it makes it
//! harmless.

mod blocks;
mod decode;
mod html;
mod parameters;
mod people;
mod structure;
mod words;

use std::borrow::Cow;

use super::header;

pub use people::{people, Person};
pub use structure::Part;
pub use words::header_text;

/// The largest message that is shown: all of it is in memory, and its text once more.
pub const LARGEST_MESSAGE: u64 = 100 * 1024 * 1024;

/// How much of the header is shown.
const LARGEST_HEADER: usize = 4 * 1024 * 1024;

/// More files in texts are not taken out: each costs more memory than it takes to write one.
const MOST_ATTACHMENTS: usize = 10_000;

/// A message, looked at.
pub struct View<'m> {
    message: &'m [u8],
    /// Its parts, outer before inner; the first is the message itself.
    pub parts: Vec<Part>,
    /// How large the parts are when decoded.
    pub sizes: Vec<usize>,
    /// Its text, with LF as line end.
    pub text: String,
    /// Whether the text was HTML.
    pub is_html: bool,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// What could not be decoded.
    pub notes: Vec<String>,
}

/// A file in a message.
pub struct Attachment {
    /// The number of the part.
    pub part: String,
    /// The name that it should have, if the sender gave one.
    pub name: Option<String>,
    /// Its type; of a file in a text nobody says it.
    pub content_type: String,
    /// How large it is.
    pub size: usize,
    /// Its place in the list of parts, or the bytes of a file in a text.
    content: std::result::Result<usize, Vec<u8>>,
}

impl Attachment {
    /// Whether it stands in the middle of a text.
    pub fn is_in_text(&self) -> bool {
        self.content.is_err()
    }
}

impl<'m> View<'m> {
    /// Looks at a message.
    pub fn of(message: &'m [u8]) -> View<'m> {
        let (parts, notes) = structure::parts(message);
        let mut view = View {
            message,
            sizes: Vec::with_capacity(parts.len()),
            text: String::new(),
            is_html: false,
            attachments: Vec::new(),
            notes,
            parts: Vec::new(),
        };
        let (mut plain, mut html) = (String::new(), String::new());
        for (at, part) in parts.iter().enumerate() {
            let next = parts.get(at + 1);
            let is_leaf = next.is_none_or(|next| next.depth <= part.depth);
            view.look(at, part, is_leaf, &mut plain, &mut html);
        }
        view.is_html = plain.trim().is_empty() && !html.is_empty();
        view.text = if view.is_html {
            html::words(&html)
        } else {
            plain
        };
        view.parts = parts;
        view
    }

    fn look(
        &mut self,
        at: usize,
        part: &Part,
        is_leaf: bool,
        plain: &mut String,
        html: &mut String,
    ) {
        let (bytes, is_whole) = content(self.message, part);
        self.sizes.push(bytes.len());
        let number = &part.number;
        if !is_whole {
            let encoding = &part.encoding;
            let note = format!("part {number} is damaged or cut off, or no {encoding}");
            self.notes.push(note);
        }
        if is_attachment(part) {
            self.attachments.push(Attachment {
                part: number.clone(),
                name: name_of(part),
                content_type: part.content_type.value.clone(),
                size: bytes.len(),
                content: Ok(at),
            });
        } else if is_leaf && is_text(part) {
            let text = self.text_of(part, &bytes);
            match part.content_type.value.as_str() {
                _ if part.is_foreign => {}
                "text/html" => push_lines(html, &text),
                _ => push_lines(plain, &text),
            }
        }
    }

    /// The text of a part, without the files in it.
    fn text_of(&mut self, part: &Part, bytes: &[u8]) -> String {
        let number = &part.number;
        let most = MOST_ATTACHMENTS.saturating_sub(self.attachments.len());
        let (left, blocks) = blocks::taken_out(bytes, most);
        for block in blocks {
            if let Some(wrong) = block.wrong {
                let note = format!("a {} file in part {number}: {wrong}", block.encoding);
                self.notes.push(note);
            }
            self.attachments.push(Attachment {
                part: number.clone(),
                name: Some(block.name),
                content_type: format!("application/x-{}", block.encoding),
                size: block.bytes.len(),
                content: Err(block.bytes),
            });
        }
        let (text, wrong) = decode::text(&left, charset(part));
        let note = wrong.map(|wrong| format!("the text of part {number}: {wrong}"));
        self.notes.extend(note);
        text
    }

    /// The header, or as much of it as is shown.
    pub fn header(&self) -> &'m [u8] {
        let range = self.parts.first().map(|part| part.header.clone());
        let header = range.and_then(|range| self.message.get(range));
        let header = header.unwrap_or_default();
        header.get(..LARGEST_HEADER).unwrap_or(header)
    }

    /// The fields of the header, in order: name and value as it stands there.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        header::fields(self.header())
    }

    /// The values of all fields of a name.
    pub fn values<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v [u8]> {
        let wanted = move |(this, _): &(&[u8], &[u8])| this.eq_ignore_ascii_case(name.as_bytes());
        self.fields().filter(wanted).map(|(_, value)| value)
    }

    /// The people in all fields of a name.
    pub fn people(&self, name: &str) -> Vec<Person> {
        let list = |value| decode::unlabelled(&header::unfolded(value));
        self.values(name)
            .flat_map(|value| people(&list(value)))
            .collect()
    }

    /// The decoded bytes of the part with a number.
    pub fn part(&self, number: &str) -> Option<Cow<'m, [u8]>> {
        let part = self
            .parts
            .iter()
            .find(|part| part.number.eq_ignore_ascii_case(number))?;
        Some(content(self.message, part).0)
    }

    /// The bytes of an attachment.
    pub fn bytes<'v>(&'v self, attachment: &'v Attachment) -> Cow<'v, [u8]> {
        match &attachment.content {
            Err(bytes) => Cow::Borrowed(bytes),
            Ok(at) => match self.parts.get(*at) {
                Some(part) => content(self.message, part).0,
                None => Cow::Borrowed(&[]),
            },
        }
    }
}

/// The decoded bytes of a part, and whether that is all. What has parts in it is not coded, whatever
/// it says (RFC 2045 section 6.4).
fn content<'m>(message: &'m [u8], part: &Part) -> (Cow<'m, [u8]>, bool) {
    let body = message.get(part.body.clone()).unwrap_or_default();
    let owned = |(bytes, is_whole)| (Cow::Owned(bytes), is_whole);
    match part.encoding.as_str() {
        _ if part.is_container => (Cow::Borrowed(body), true),
        "base64" => owned(decode::base64(body)),
        "quoted-printable" => owned(decode::quoted_printable(body)),
        "" | "7bit" | "8bit" | "binary" => (Cow::Borrowed(body), true),
        _ => (Cow::Borrowed(body), false),
    }
}

/// What the sender calls a part (RFC 2183 section 2.3; older programs say it with the type).
pub fn name_of(part: &Part) -> Option<String> {
    let disposition = part.disposition.as_ref();
    let filename = disposition.and_then(|disposition| disposition.text("filename"));
    filename.or_else(|| part.content_type.text("name"))
}

/// The charset that a part claims to be in.
pub fn charset(part: &Part) -> Option<&str> {
    let charset = part.content_type.token("charset")?;
    // A comment may stand behind it.
    charset.split(['(', ' ']).find(|word| !word.is_empty())
}

/// Whether a part is a file rather than text to be read: it is said to be attached, it has a name,
/// or it is no text.
fn is_attachment(part: &Part) -> bool {
    let kind = part.content_type.value.as_str();
    if kind.starts_with("multipart/") {
        return false;
    }
    let is_attached = |disposition: &parameters::Parameters| disposition.value == "attachment";
    let is_read = kind.starts_with("text/") || kind.starts_with("message/");
    part.disposition.as_ref().is_some_and(is_attached) || name_of(part).is_some() || !is_read
}

/// Whether a part that holds no other is to be read. A multipart in which no part was found is shown
/// as it stands: the text must be somewhere in it (RFC 2049 section 2).
fn is_text(part: &Part) -> bool {
    let kind = part.content_type.value.as_str();
    kind.starts_with("text/") || kind.starts_with("multipart/")
}

/// Adds a text with LF as line end, on a line of its own.
fn push_lines(text: &mut String, more: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&more.replace("\r\n", "\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALTERNATIVE: &[u8] = b"Subject: x\n\
        Content-Type: multipart/alternative; boundary=a\n\n\
        --a\nContent-Type: text/html\n\n<p>styled</p>\n\
        --a\nContent-Type: text/plain; charset=iso-8859-1\n\
        Content-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe\n--a--\n";

    #[test]
    fn plain_text_is_preferred() {
        let view = View::of(ALTERNATIVE);
        assert_eq!((view.text.as_str(), view.is_html), ("Grüße", false));
        assert_eq!(view.sizes[2], 5);
        assert_eq!(view.part("2").unwrap().as_ref(), b"Gr\xfc\xdfe");
        assert!(view.part("3").is_none() && view.attachments.is_empty());
        assert!(view.notes.is_empty());
    }

    #[test]
    fn html_alone_loses_its_tags() {
        let view = View::of(b"Content-Type: text/html\n\n<p>a &amp; b</p>");
        assert_eq!((view.text.as_str(), view.is_html), ("a & b\n", true));
    }

    #[test]
    fn what_cannot_be_decoded_is_told() {
        for (head, body, text) in [
            (
                "Content-Type: text/plain; charset=x-unknown",
                &b"\xfc"[..],
                "ü",
            ),
            (
                "Content-Type: text/plain; charset=utf-8",
                b"a\xff",
                "a\u{fffd}",
            ),
            ("Content-Transfer-Encoding: base64", b"aGVsb", "hel"),
            (
                "Content-Transfer-Encoding: quoted-printable",
                b"a=XX",
                "a=XX",
            ),
            ("Content-Transfer-Encoding: x-own", b"a", "a"),
        ] {
            let message = [head.as_bytes(), b"\n\n", body].concat();
            let view = View::of(&message);
            assert_eq!((view.text.as_str(), view.notes.len()), (text, 1), "{head}");
        }
    }

    #[test]
    fn files_in_a_text_are_attachments() {
        let view = View::of(b"A: b\r\n\r\na\r\nbegin 644 cat\r\n#0V%T\r\n`\r\nend\r\nb\r\n");
        assert_eq!(view.text, "a\nb\n");
        let [attachment] = &view.attachments[..] else {
            panic!("{}", view.attachments.len());
        };
        assert_eq!(attachment.name.as_deref(), Some("cat"));
        assert_eq!(view.bytes(attachment).as_ref(), b"Cat");
    }

    #[test]
    fn a_forwarded_message_is_not_the_text() {
        let view = View::of(b"Content-Type: message/rfc822\n\nSubject: y\n\ninner\n");
        assert_eq!(view.text, "");
        assert_eq!(view.part("1").unwrap().as_ref(), b"Subject: y\n\ninner\n");
        assert_eq!(view.part("1.1").unwrap().as_ref(), b"inner\n");
    }

    #[test]
    fn every_beginning_of_a_message_can_be_shown() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/messages/");
        for name in ["attachment.eml", "inline-image.eml", "folded.eml"] {
            let message = std::fs::read(format!("{folder}{name}")).unwrap();
            for end in 0..=message.len() {
                let view = View::of(&message[..end]);
                assert!(!view.parts.is_empty());
                view.people("From");
            }
        }
        for end in 0..=ALTERNATIVE.len() {
            View::of(&ALTERNATIVE[..end]);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_shown(bytes: Vec<u8>) {
            View::of(&bytes);
        }

        #[test]
        fn any_lines_can_be_shown(lines in "((Content-Type: (multipart/mixed; boundary=[ab]|message/rfc822|text/html|a/b))?\n|Content-Transfer-Encoding: (base64|quoted-printable)\n|--[ab](--)?\n|From: <=?\n|[=A-Z]{0,9}\n){0,30}") {
            let view = View::of(lines.as_bytes());
            for attachment in &view.attachments {
                proptest::prop_assert_eq!(view.bytes(attachment).len(), attachment.size);
            }
            view.people("From");
        }
    }
}
