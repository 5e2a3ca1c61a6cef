//! The parts of a composed message.
//!
//! ```text
//! mixed ─┬─ alternative ─┬─ text/plain
//!        │               └─ related ─┬─ text/html
//!        │                           └─ inline files, by Content-ID
//!        └─ attachments
//! ```
//!
//! A level with only one part in it is left out. Each file is a random word here, which is cut out
//! of what was written and replaced by the file when the message is sent.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;
use proto_transport::{Error, Result};

use super::args::ComposeArgs;
use super::attachment::Attachment;
use super::body::Piece;
use super::header;
use super::random::random_name;

/// Texts are held in memory; more than this nobody reads, and it can be attached.
const LARGEST_TEXT: u64 = 1024 * 1024;

/// The fields that tell of the message's parts, up to the empty line, and the parts.
pub fn parts(args: &ComposeArgs, stdin: &mut dyn Read) -> Result<(Vec<u8>, Vec<Piece>)> {
    let text = Given::new("--text", args.text.as_deref(), args.text_file.as_deref());
    let html = Given::new("--html", args.html.as_deref(), args.html_file.as_deref());
    if text.is_stdin() && html.is_stdin() {
        return Err(Error::illegal("stdin (-) can be read only once"));
    }
    let (text, html) = (text.read(stdin)?, html.read(stdin)?);
    if html.is_none() && !args.inline.is_empty() {
        let why = "--inline is for images that HTML shows, and there is none; use --attach";
        return Err(Error::illegal(why));
    }
    let mut builder = Builder {
        boundary: boundary(&[&text, &html])?,
        levels: 0,
        files: Vec::new(),
    };
    let root = builder.root(args, text, html)?;
    let mut header = b"MIME-Version: 1.0\r\n".to_vec();
    root.write_part(&mut header);
    let body = header.split_off(header::length(&header).unwrap_or(header.len()));
    Ok((header, cut(&body, builder.files)))
}

/// A text, as an option's value or by the name of a file.
enum Given<'a> {
    Nothing,
    Value(&'static str, &'a str),
    Stdin(&'static str),
    File(&'a Path),
}

impl<'a> Given<'a> {
    fn new(option: &'static str, value: Option<&'a str>, file: Option<&'a Path>) -> Given<'a> {
        match (value, file) {
            (Some("-"), _) => Given::Stdin(option),
            (Some(value), _) => Given::Value(option, value),
            (None, Some(path)) if path.as_os_str() == "-" => Given::Stdin(option),
            (None, Some(path)) => Given::File(path),
            (None, None) => Given::Nothing,
        }
    }

    fn is_stdin(&self) -> bool {
        matches!(self, Given::Stdin(_))
    }

    /// The text, with line ends as mail has them.
    fn read(&self, stdin: &mut dyn Read) -> Result<Option<String>> {
        let (name, text) = match self {
            Given::Nothing => return Ok(None),
            Given::Value(option, text) => ((*option).to_owned(), (*text).to_owned()),
            Given::Stdin(option) => ((*option).to_owned(), read("stdin", stdin)?),
            Given::File(path) => {
                let name = path.display().to_string();
                let failed = |error| Error::io(format!("reading {name}"), error);
                let text = read(&name, &mut File::open(path).map_err(failed)?)?;
                (name, text)
            }
        };
        match text.contains('\0') {
            true => Err(Error::illegal(format!(
                "{name}: the text holds a NUL, which mail cannot carry; use --attach"
            ))),
            false => Ok(Some(with_crlf(&text))),
        }
    }
}

fn read(name: &str, source: &mut dyn Read) -> Result<String> {
    let mut bytes = Vec::new();
    source
        .take(LARGEST_TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io(format!("reading {name}"), error))?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(Error::TooLarge {
            what: format!("{name}: the text, in bytes (--attach takes any size),"),
            limit: LARGEST_TEXT,
        });
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::illegal(format!(
            "{name}: the text is not UTF-8; convert it, or use --attach"
        ))
    })
}

/// A text whose line ends, of whatever kind, are CRLF. A CR alone must not remain: other servers
/// take it for a line end, and so may see the end of the message there.
fn with_crlf(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
        let (line, end) = rest.split_at_checked(at).unwrap_or((rest, ""));
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = end
            .strip_prefix("\r\n")
            .unwrap_or(end.get(1..).unwrap_or_default());
    }
    lines.push_str(rest);
    lines
}

/// What no text holds. A level of the message adds its number.
fn boundary(texts: &[&Option<String>]) -> Result<String> {
    loop {
        // These two characters cannot stand in quoted-printable or base64 (RFC 2045 section 6.7).
        let boundary = format!("=_{}", random_name()?);
        let holds =
            |text: &&&Option<String>| text.as_ref().is_some_and(|text| text.contains(&boundary));
        if !texts.iter().any(|text| holds(&text)) {
            return Ok(boundary);
        }
    }
}

struct Builder {
    boundary: String,
    levels: usize,
    /// The words that stand for files, in the order in which they are written.
    files: Vec<(String, Attachment)>,
}

impl Builder {
    fn root(
        &mut self,
        args: &ComposeArgs,
        text: Option<String>,
        html: Option<String>,
    ) -> Result<MimePart<'static>> {
        let text = text.map(|text| MimePart::new("text/plain", text));
        let html = html.map(|html| self.html(html, &args.inline)).transpose()?;
        let body = match (text, html) {
            (Some(text), Some(html)) => Some(self.multipart("alternative", vec![text, html])),
            (text, html) => text.or(html),
        };
        if args.attach.is_empty() {
            return Ok(body.unwrap_or_else(|| MimePart::new("text/plain", "")));
        }
        let mut parts = Vec::from_iter(body);
        for path in &args.attach {
            parts.push(self.file(Attachment::new(path)?, "attachment")?);
        }
        Ok(self.multipart("mixed", parts))
    }

    /// HTML, with the images that it shows (RFC 2387).
    fn html(&mut self, html: String, images: &[PathBuf]) -> Result<MimePart<'static>> {
        let mut parts = vec![MimePart::new("text/html", html)];
        let mut names = HashSet::new();
        for path in images {
            let image = Attachment::new(path)?;
            let name = image.name.clone();
            // It stands in a URL and between angle brackets (RFC 2392 section 2).
            if !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
            {
                return Err(Error::illegal(format!(
                    "--inline {name:?}: HTML refers to it by name, which may be of ASCII letters, \
                     digits and -_.+ only; rename it"
                )));
            }
            if !names.insert(name.clone()) {
                let why = format!("--inline {name:?}: another image has the same name");
                return Err(Error::illegal(why));
            }
            parts.push(self.file(image, "inline")?.cid(name));
        }
        Ok(match images {
            [] => parts.remove(0),
            _ => self.multipart("related", parts),
        })
    }

    /// A part whose content is a word that stands for a file.
    fn file(&mut self, file: Attachment, disposition: &'static str) -> Result<MimePart<'static>> {
        let word = random_name()?;
        let shown = ContentType::new(disposition).attribute("filename", file.name.clone());
        let part = MimePart::new(file.content_type(), word.clone().into_bytes())
            .header("Content-Disposition", shown)
            .transfer_encoding("base64");
        self.files.push((word, file));
        Ok(part)
    }

    fn multipart(&mut self, kind: &str, parts: Vec<MimePart<'static>>) -> MimePart<'static> {
        self.levels += 1;
        let boundary = format!("{}.{}", self.boundary, self.levels);
        let mut content_type = ContentType::new(format!("multipart/{kind}"));
        if kind == "related" {
            content_type = content_type.attribute("type", "text/html");
        }
        MimePart::new(content_type.attribute("boundary", boundary), parts)
    }
}

/// Puts the files in the places of the words that stand for them.
fn cut(body: &[u8], files: Vec<(String, Attachment)>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = body;
    for (word, file) in files {
        let at = memchr::memmem::find(rest, word.as_bytes()).unwrap_or(rest.len());
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        pieces.push(Piece::Text(before.to_vec()));
        pieces.push(Piece::File(file));
        rest = behind.get(word.len()..).unwrap_or_default();
    }
    pieces.push(Piece::Text(rest.to_vec()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn line_ends_become_crlf() {
        for (text, wanted) in [
            ("", ""),
            ("a", "a"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\rb\r", "a\r\nb\r\n"),
            ("\r\r\n\n\r", "\r\n\r\n\r\n\r\n"),
            ("ü\n.\nß", "ü\r\n.\r\nß"),
        ] {
            assert_eq!(with_crlf(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_utf8() {
        let large = vec![b'a'; LARGEST_TEXT as usize + 1];
        assert!(read("a", &mut &large[1..]).is_ok());
        assert!(read("a", &mut &large[..]).is_err());
        assert!(read("a", &mut &b"\xe4"[..]).is_err());
        let nul = Given::new("--text", Some("a\0b"), None);
        assert!(nul.read(&mut io::empty()).is_err());
    }
}
