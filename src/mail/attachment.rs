//! Attached files, streamed as base64 each time the message is read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use base64::prelude::{Engine, BASE64_STANDARD};
use proto_transport::{Error, Result};

use super::store::{changed, open};

/// The bytes of a line of 76 characters (RFC 2045 section 6.8).
const LINE: usize = 57;

/// How much of the file is encoded at once.
const BLOCK: usize = 512 * LINE;

/// A file that is sent with a message.
#[derive(Debug)]
pub struct Attachment {
    path: PathBuf,
    /// How long it was when the message was composed.
    length: u64,
    /// What it is called in the message.
    pub name: String,
}

impl Attachment {
    /// Looks whether the file can be read, before anything is sent.
    pub fn new(path: &Path) -> Result<Attachment> {
        let (_, length) = open(path)
            .map_err(|error| Error::io(format!("attaching {}", path.display()), error))?;
        let name = path.file_name().and_then(|name| name.to_str());
        match name.filter(|name| !name.chars().any(char::is_control)) {
            Some(name) => Ok(Attachment {
                path: path.to_owned(),
                length,
                name: name.to_owned(),
            }),
            None => Err(Error::illegal(format!(
                "attaching {path:?}: its name is not UTF-8 or holds a control character; rename it"
            ))),
        }
    }

    /// What it is, by its name. What must not be sent as base64 goes as mere bytes
    /// (RFC 2045 section 6.4: a message or multipart has no such encoding).
    pub fn content_type(&self) -> &'static str {
        match mime_guess::from_path(&self.name).first_raw() {
            Some(kind) if !kind.starts_with("message/") && !kind.starts_with("multipart/") => kind,
            _ => "application/octet-stream",
        }
    }

    /// The whole file as base64, from the start.
    pub fn reader(&self) -> io::Result<Encoded<'_>> {
        let (file, length) = open(&self.path).map_err(|error| self.named(error))?;
        match length.cmp(&self.length) {
            std::cmp::Ordering::Less => Err(self.named(changed("shorter"))),
            std::cmp::Ordering::Greater => Err(self.named(changed("longer"))),
            std::cmp::Ordering::Equal => Ok(Encoded {
                attachment: self,
                file,
                left: length,
                lines: Vec::new(),
                at: 0,
                has_ended: false,
            }),
        }
    }

    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }
}

/// Lines of base64, with CRLF between them and none behind the last.
pub struct Encoded<'a> {
    attachment: &'a Attachment,
    file: File,
    /// How many bytes of the file are to come.
    left: u64,
    lines: Vec<u8>,
    /// What of the lines has been given out.
    at: usize,
    has_ended: bool,
}

impl Encoded<'_> {
    fn fill(&mut self) -> io::Result<()> {
        let is_first = self.at == 0;
        self.lines.clear();
        self.at = 0;
        let wanted = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        let mut block = vec![0; wanted];
        match self.file.read_exact(&mut block) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(changed("shorter")),
            other => other,
        }?;
        self.left -= wanted as u64;
        for (number, bytes) in block.chunks(LINE).enumerate() {
            if !is_first || number > 0 {
                self.lines.extend_from_slice(b"\r\n");
            }
            let mut line = [0; 76];
            let length = BASE64_STANDARD
                .encode_slice(bytes, &mut line)
                .map_err(io::Error::other)?;
            self.lines
                .extend_from_slice(line.get(..length).unwrap_or_default());
        }
        if self.left == 0 {
            self.has_ended = true;
            if self.file.read(&mut [0])? > 0 {
                return Err(changed("longer"));
            }
        }
        Ok(())
    }
}

impl Read for Encoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.lines.len() && !self.has_ended {
            self.fill().map_err(|error| self.attachment.named(error))?;
        }
        let mut rest = self.lines.get(self.at..).unwrap_or_default();
        let got = rest.read(buffer)?;
        self.at += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn encoded(attachment: &Attachment) -> io::Result<String> {
        let mut text = String::new();
        attachment.reader()?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn files_become_lines_of_base64() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        for length in [
            0,
            1,
            2,
            3,
            56,
            57,
            58,
            114,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            2 * BLOCK,
        ] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let attachment = Attachment::new(&path).unwrap();
            let text = encoded(&attachment).unwrap();
            assert_eq!(text, encoded(&attachment).unwrap());
            assert!(text.split("\r\n").all(|line| line.len() <= 76));
            assert!(!text.ends_with("\r\n"));
            let decoded = BASE64_STANDARD.decode(text.replace("\r\n", "")).unwrap();
            assert!(decoded == bytes, "{length}");
        }
    }

    #[test]
    fn a_file_that_changed_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"12345").unwrap();
        let attachment = Attachment::new(&path).unwrap();
        for content in ["1234", "123456"] {
            fs::write(&path, content).unwrap();
            assert!(encoded(&attachment).is_err());
            fs::write(&path, b"12345").unwrap();
            let mut reader = attachment.reader().unwrap();
            fs::write(&path, content).unwrap();
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(
                error.to_string().contains("a.bin: the file became"),
                "{error}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(encoded(&attachment).is_err());
    }

    #[test]
    fn types_come_from_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind) in [
            ("a.png", "image/png"),
            ("a.PDF", "application/pdf"),
            ("a.txt", "text/plain"),
            ("a.eml", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            assert_eq!(Attachment::new(&path).unwrap().content_type(), kind);
        }
    }

    #[test]
    fn only_files_with_harmless_names_are_attached() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        assert!(Attachment::new(folder.path()).is_err());
        assert!(Attachment::new(&folder.path().join("nothing")).is_err());
        for name in [&b"a\nb"[..], b"a\rb", b"a\x1bb", b"a\xff"] {
            let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
            fs::write(&path, "").unwrap();
            assert!(Attachment::new(&path).is_err(), "{name:?}");
        }
    }
}
