//! A message that waits, and a message that is about to be sent.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto_transport::{Error, Result};

use super::addresses::{bare, distinct, parse};
use super::body::{Piece, Pieces};
use super::header::{self, LARGEST};
use super::mbox::Unquoted;
use super::store::{self, Span, Store, SMALL};

/// A message that waits: its name, and where it is.
pub struct Message {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) keep_bcc: bool,
}

/// Where a message is.
pub(super) enum Source {
    /// A file, opened only to be sent.
    File(PathBuf),
    /// A stretch of something that is open.
    Span(Span),
    /// A message of a mail box, with its separator line and quotes.
    Mbox(Span),
    /// Made of options.
    Composed(Arc<Composed>),
    /// It was named and cannot be read, for this reason.
    Unreadable(io::ErrorKind, String),
}

/// A message made of options.
pub(super) struct Composed {
    pub header: Vec<u8>,
    /// The field that only the sender may see.
    pub bcc: Vec<u8>,
    pub pieces: Vec<Piece>,
}

/// A message that is about to be sent.
pub struct Loaded {
    /// The header as it is sent: without Bcc, with its empty line if there is one.
    pub header: Vec<u8>,
    /// Whether there was a Bcc that is not sent.
    pub removed_bcc: bool,
    name: String,
    /// The fields that are not sent.
    removed: Vec<u8>,
    body: Body,
}

enum Body {
    /// Behind so many bytes of a message in memory.
    Memory(Vec<u8>, usize),
    /// Behind so many bytes of a stretch.
    Span(Span, usize),
    /// The same, counted in what a mail box held before it was quoted.
    Mbox(Span, usize),
    Composed(Arc<Composed>),
}

/// How much of a separator line is looked at.
const LONGEST_SEPARATOR: u64 = 1_000;

impl Message {
    /// What to call it in reports and errors: the name of its file, `-`, `NAME.mbox:3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds it and nothing else.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            _ => None,
        }
    }

    /// The line before it in a mail box; of a long one the beginning.
    pub fn separator(&self) -> Option<Vec<u8>> {
        let Source::Mbox(span) = &self.source else {
            return None;
        };
        let mut line = Vec::new();
        span.reader(0)
            .take(LONGEST_SEPARATOR)
            .read_to_end(&mut line)
            .ok()?;
        line.truncate(memchr::memchr(b'\n', &line).unwrap_or(line.len()));
        Some(line)
    }

    /// Reads the header, and the rest too if it is small.
    pub fn load(&self) -> Result<Loaded> {
        match &self.source {
            Source::File(path) => self.load_file(path),
            Source::Span(span) => self.load_span(span, false),
            Source::Mbox(span) => self.load_span(span, true),
            Source::Composed(composed) => Ok(Loaded {
                header: composed.header.clone(),
                removed_bcc: !composed.bcc.is_empty(),
                name: self.name.clone(),
                removed: composed.bcc.clone(),
                body: Body::Composed(Arc::clone(composed)),
            }),
            Source::Unreadable(kind, why) => Err(self.reading(io::Error::new(*kind, &**why))),
        }
    }

    /// All of it as it was before it came into a mail box, if it is not larger than this.
    pub fn whole(&self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let opened = match &self.source {
            Source::File(path) => {
                store::open(path).map(|(file, _)| -> Box<dyn Read> { Box::new(file) })
            }
            Source::Span(span) => Ok(open(span, false)),
            Source::Mbox(span) => Ok(open(span, true)),
            Source::Composed(_) => {
                return Err(Error::illegal("a message that is composed is not read"))
            }
            Source::Unreadable(kind, why) => Err(io::Error::new(*kind, &**why)),
        };
        opened
            .and_then(|source| source.take(limit + 1).read_to_end(&mut bytes))
            .map_err(|error| self.reading(error))?;
        match bytes.len() as u64 > limit {
            true => Err(Error::TooLarge {
                what: format!("{}: the message, in bytes,", self.name),
                limit,
            }),
            false => Ok(bytes),
        }
    }

    fn load_file(&self, path: &Path) -> Result<Loaded> {
        let (file, length) = store::open(path).map_err(|error| self.reading(error))?;
        match length <= SMALL {
            true => self.load_small(&file, length),
            false => self.load_span(&Span::whole(Arc::new(Store::File(file)), length), false),
        }
    }

    fn load_small(&self, file: &File, length: u64) -> Result<Loaded> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        file.take(SMALL + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.reading(error))?;
        match bytes.len() as u64 == length {
            true => self.load_memory(bytes),
            false => Err(self.reading(store::changed("another length"))),
        }
    }

    fn load_span(&self, span: &Span, is_mbox: bool) -> Result<Loaded> {
        let mut source = open(span, is_mbox);
        if span.end.saturating_sub(span.start) <= SMALL {
            let mut bytes = Vec::new();
            source
                .read_to_end(&mut bytes)
                .map_err(|error| self.reading(error))?;
            return self.load_memory(bytes);
        }
        let mut beginning = Vec::new();
        // Most headers are much smaller than the largest.
        for limit in [SMALL, LARGEST as u64 + 1] {
            let more = limit.saturating_sub(beginning.len() as u64);
            (&mut source)
                .take(more)
                .read_to_end(&mut beginning)
                .map_err(|error| self.reading(error))?;
            if header::length(&beginning).is_some() {
                break;
            }
        }
        drop(source);
        self.loaded(&beginning, |length| match is_mbox {
            false => Body::Span(span.clone(), length),
            true => Body::Mbox(span.clone(), length),
        })
    }

    fn load_memory(&self, bytes: Vec<u8>) -> Result<Loaded> {
        let mut loaded = self.loaded(&bytes, |length| Body::Memory(Vec::new(), length))?;
        if let Body::Memory(whole, _) = &mut loaded.body {
            *whole = bytes;
        }
        Ok(loaded)
    }

    /// Takes the header off the beginning of a message, or off all of it.
    fn loaded(&self, beginning: &[u8], body: impl FnOnce(usize) -> Body) -> Result<Loaded> {
        let length = header::length(beginning).unwrap_or(beginning.len());
        if length > LARGEST {
            return Err(Error::TooLarge {
                what: format!("{}: the header, in bytes,", self.name),
                limit: LARGEST as u64,
            });
        }
        let original = beginning.get(..length).unwrap_or_default();
        let (mut header, removed) = match self.keep_bcc {
            true => (original.to_vec(), Vec::new()),
            false => header::without_bcc(original),
        };
        // Without the empty line, a line of the text such as `Note: ...` would become a field.
        if original.is_empty() && !beginning.is_empty() {
            header.extend_from_slice(b"\r\n");
        }
        Ok(Loaded {
            header,
            removed_bcc: !removed.is_empty(),
            name: self.name.clone(),
            removed,
            body: body(length),
        })
    }

    fn reading(&self, error: io::Error) -> Error {
        Error::io(format!("reading {}", self.name), error)
    }
}

fn open(span: &Span, is_mbox: bool) -> Box<dyn Read> {
    match is_mbox {
        true => Box::new(Unquoted::new(span.reader(0))),
        false => Box::new(span.reader(0)),
    }
}

impl Loaded {
    /// The message as it is sent, header and body; any number of times from the start.
    pub fn reader(&self) -> Result<Box<dyn Read + '_>> {
        let body: Box<dyn Read + '_> = match &self.body {
            Body::Memory(bytes, start) => Box::new(bytes.get(*start..).unwrap_or_default()),
            Body::Span(span, skipped) => Box::new(span.reader(*skipped as u64)),
            Body::Mbox(span, skipped) => {
                let mut source = open(span, true);
                io::copy(&mut (&mut source).take(*skipped as u64), &mut io::sink())
                    .map_err(|error| Error::io(format!("reading {}", self.name), error))?;
                source
            }
            Body::Composed(composed) => Box::new(Pieces::new(&composed.pieces)),
        };
        Ok(Box::new(self.header.as_slice().chain(body)))
    }

    /// Its Message-ID, with the angle brackets, as it stands in the header.
    pub fn message_id(&self) -> Option<String> {
        let ids = header::values(&self.header, "Message-ID");
        ids.into_iter().find(|id| !id.is_empty())
    }

    /// Everybody in To, Cc and Bcc; of a message that was sent on, those to whom it was sent on
    /// (RFC 5322 section 3.6.6).
    pub fn recipients(&self) -> Result<Vec<String>> {
        let prefix = self.prefix(&["Resent-To", "Resent-Cc", "Resent-Bcc"])?;
        let mut all = Vec::new();
        for name in ["To", "Cc", "Bcc"] {
            all.extend(self.addresses(&format!("{prefix}{name}"))?);
        }
        Ok(distinct(all.iter().map(String::as_str)))
    }

    /// Who sends it: Sender, or else the only address in From.
    pub fn sender(&self) -> Result<Option<String>> {
        let prefix = self.prefix(&["Resent-Sender", "Resent-From"])?;
        for name in ["Sender", "From"] {
            let mut all = self.addresses(&format!("{prefix}{name}"))?;
            match all.len() {
                0 => {}
                1 => return Ok(all.pop()),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Which set of fields holds: the usual one, or the one with which somebody sent it on.
    fn prefix(&self, resent: &[&str]) -> Result<&'static str> {
        if resent.iter().all(|name| self.values(name).is_empty()) {
            return Ok("");
        }
        match self.values("Resent-Date").len() {
            0 | 1 => Ok("Resent-"),
            _ => Err(Error::illegal(format!(
                "{}: it was sent on more than once, and its Resent fields do not tell which \
                 belong together; name sender and recipients as options",
                self.name
            ))),
        }
    }

    fn values(&self, name: &str) -> Vec<String> {
        let mut values = header::values(&self.header, name);
        values.extend(header::values(&self.removed, name));
        values
    }

    /// The addresses in all fields of a name.
    fn addresses(&self, name: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for value in self.values(name) {
            let list = parse(&value)
                .map_err(|error| Error::illegal(format!("{}: {name}: {error}", self.name)))?;
            all.extend(bare(&list).into_iter().map(str::to_owned));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn message(path: &Path, keep_bcc: bool) -> Message {
        Message {
            name: path.display().to_string(),
            source: Source::File(path.to_owned()),
            keep_bcc,
        }
    }

    fn sample(name: &str) -> Message {
        message(&sample_path(name), false)
    }

    fn sample_path(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("samples/messages")
            .join(name)
    }

    fn sent(loaded: &Loaded) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut reader = loaded.reader().unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn text(header: &str) -> Loaded {
        bytes(header.as_bytes().to_vec())
    }

    fn bytes(bytes: Vec<u8>) -> Loaded {
        let length = bytes.len() as u64;
        let message = Message {
            name: "a.eml".into(),
            source: Source::Span(Span::whole(Arc::new(Store::Memory(bytes)), length)),
            keep_bcc: false,
        };
        message.load().unwrap()
    }

    #[test]
    fn what_has_no_blind_copy_is_sent_byte_for_byte() {
        let mut count = 0;
        for entry in fs::read_dir(sample_path("")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.ends_with(".eml") || ["blind-copy.eml", "body-only.eml"].contains(&&*name) {
                continue;
            }
            let loaded = message(&path, false).load().unwrap();
            assert!(!loaded.removed_bcc);
            for _ in 0..2 {
                assert_eq!(sent(&loaded), fs::read(&path).unwrap(), "{name}");
            }
            count += 1;
        }
        assert!(count > 15);
    }

    #[test]
    fn blind_copies_are_addressed_and_not_sent() {
        let loaded = sample("blind-copy.eml").load().unwrap();
        assert!(loaded.removed_bcc);
        let text = String::from_utf8(sent(&loaded)).unwrap();
        assert!(text.ends_with("Cc: eve@e.example\r\n\r\nBcc: this line is text\r\n"));
        assert!(!text.contains("carl") && !text.contains("dora") && !text.contains("fred"));
        let all = [
            "bob@b.example",
            "eve@e.example",
            "carl@c.example",
            "dora@d.example",
            "fred@f.example",
        ];
        assert_eq!(loaded.recipients().unwrap(), all);
        let path = sample_path("blind-copy.eml");
        let kept = message(&path, true).load().unwrap();
        assert!(!kept.removed_bcc);
        assert_eq!(sent(&kept), fs::read(&path).unwrap());
        assert_eq!(kept.recipients().unwrap(), all);
    }

    #[test]
    fn a_text_without_header_gets_an_empty_line() {
        let loaded = sample("body-only.eml").load().unwrap();
        assert_eq!(loaded.header, b"\r\n");
        let body = fs::read(sample_path("body-only.eml")).unwrap();
        assert_eq!(sent(&loaded), [b"\r\n", &body[..]].concat());
        assert!(loaded.recipients().unwrap().is_empty());
        assert_eq!(loaded.sender().unwrap(), None);
    }

    #[test]
    fn who_and_what() {
        let loaded = sample("folded.eml").load().unwrap();
        assert_eq!(loaded.message_id().unwrap(), "<folded@a.example>");
        assert_eq!(loaded.sender().unwrap().unwrap(), "ann@a.example");
        assert_eq!(
            loaded.recipients().unwrap(),
            ["bob@b.example", "carl@c.example", "dora@d.example"]
        );
        let resent = sample("resent.eml").load().unwrap();
        assert_eq!(resent.recipients().unwrap(), ["dora@d.example"]);
        assert_eq!(resent.sender().unwrap().unwrap(), "carl@c.example");
        let utf8 = sample("utf-8-header.eml").load().unwrap();
        assert_eq!(utf8.sender().unwrap().unwrap(), "jörg@müller.example");
    }

    #[test]
    fn only_one_sender_is_a_sender() {
        for (header, sender) in [
            ("From: a@x\n\n", Some("a@x")),
            ("From: a@x, b@x\n\n", None),
            ("From: a@x\nFrom: b@x\n\n", None),
            ("From: a@x, b@x\nSender: b@x\n\n", Some("b@x")),
            ("Subject: x\n\n", None),
        ] {
            assert_eq!(text(header).sender().unwrap().as_deref(), sender);
        }
        assert!(text("From: <a@x>b@y\n\n").sender().is_err());
        let twice = "Resent-Date: 2\nResent-To: a@x\nResent-Date: 1\nResent-To: b@x\nTo: c@x\n\n";
        assert!(text(twice).recipients().is_err());
        // No encoded word becomes an address, and no damaged byte is dropped from one.
        assert!(text("To: =?utf-8?Q?=3Cevil@x=3E?=\n\n")
            .recipients()
            .is_err());
        let header = b"To: J\xf6rg <a@x>\n\n".to_vec();
        assert_eq!(bytes(header).recipients().unwrap(), ["a@x"]);
        assert!(bytes(b"To: a\xf6@x\n\n".to_vec()).recipients().is_err());
    }

    #[test]
    fn large_messages_stay_in_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.eml");
        for header in [
            "Bcc: b@x\r\nTo: a@x\r\n\r\n",
            "To: a@x\n\n",
            "\n",
            "no field\n\n",
        ] {
            for length in [SMALL - 30, SMALL, SMALL + 1, 5 * SMALL] {
                let body: String = (0..length / 8).map(|at| format!("{at:07}\n")).collect();
                fs::write(&path, format!("{header}{body}")).unwrap();
                let loaded = message(&path, false).load().unwrap();
                let wanted = match header {
                    "no field\n\n" => format!("\r\n{header}{body}"),
                    _ => format!("{}{body}", header.replace("Bcc: b@x\r\n", "")),
                };
                assert!(sent(&loaded) == wanted.as_bytes(), "{header:?} {length}");
                assert!(sent(&loaded) == wanted.as_bytes());
                let is_file = matches!(loaded.body, Body::Span(..));
                assert_eq!(is_file, (header.len() + body.len()) as u64 > SMALL);
            }
        }
        let loaded = message(&path, false).load().unwrap();
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_len(SMALL)
            .unwrap();
        let error = loaded.reader().unwrap().read_to_end(&mut Vec::new());
        assert!(error.unwrap_err().to_string().contains("shorter"));
    }

    #[test]
    fn headers_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("header.eml");
        for (length, fits) in [(LARGEST, true), (LARGEST + 1, false)] {
            let field = format!("X: {}\n\n", "x\n ".repeat(LARGEST / 3 + 1));
            let header = format!("{}\n\n", &field[..length - 2]);
            fs::write(&path, header + "body").unwrap();
            assert_eq!(message(&path, false).load().is_ok(), fits);
        }
        // A whole file may be header, and then the limit is the same.
        for (length, fits) in [(LARGEST, true), (LARGEST + 1, false)] {
            fs::write(&path, format!("X:{}", "x".repeat(length - 2))).unwrap();
            assert_eq!(message(&path, false).load().is_ok(), fits);
        }
    }
}
