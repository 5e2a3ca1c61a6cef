//! Messages on stdout: a single one as it was received, several as an mbox (mboxrd), so that they
//! can be read again. Nothing of a message is written before it is complete. On a terminal it is
//! made harmless.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::SystemTime;

use proto_transport::escape::escaped_text;
use proto_transport::{Error, Result};
use rustix::fs::fsync;
use rustix::io::Errno;

use super::incoming::Incoming;
use super::mboxrd::write_message;
use super::{About, Kept, Store};

/// Messages on stdout.
pub struct Stdout {
    file: File,
    is_one: bool,
    is_terminal: bool,
    incoming: Incoming,
    date: Option<SystemTime>,
}

impl Stdout {
    /// Opens stdout, for a single message or several.
    pub fn open(is_one: bool) -> Result<Stdout> {
        let stdout = io::stdout();
        let file = stdout.as_fd().try_clone_to_owned().map_err(failed)?;
        Ok(Stdout::over(File::from(file), is_one))
    }

    fn over(file: File, is_one: bool) -> Stdout {
        let is_terminal = file.is_terminal();
        Stdout {
            file,
            is_one,
            is_terminal,
            // A person does not want to see the CR.
            incoming: match is_one && !is_terminal {
                true => Incoming::as_received(),
                false => Incoming::with_line_feeds(),
            },
            date: None,
        }
    }

    fn finish(&mut self) -> io::Result<Kept> {
        let hash = self.incoming.finish()?;
        let mut out = &self.file;
        let mut harmless = Harmless(&self.file);
        let out: &mut dyn Write = match self.is_terminal {
            true => &mut harmless,
            false => &mut out,
        };
        match self.is_one {
            true => self.incoming.each_part(|part| out.write_all(part))?,
            false => write_message(&self.incoming, self.date, out, b"")?,
        }
        let place = "stdout".to_owned();
        Ok(Kept { hash, place })
    }
}

impl Store for Stdout {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.incoming.clear();
        self.date = about.date;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.incoming
            .write(bytes, tempfile::tempfile)
            .map_err(|error| Error::io("keeping a message in a temporary file", error))
    }

    fn end(&mut self) -> Result<Kept> {
        self.finish().map_err(failed)
    }

    fn abandon(&mut self) {
        self.incoming.clear();
    }

    /// Stdout may be a file.
    fn sync(&mut self) -> Result<()> {
        match fsync(&self.file) {
            // It is none.
            Err(Errno::INVAL | Errno::NOTSUP | Errno::ROFS) => Ok(()),
            other => other.map_err(|error| failed(error.into())),
        }
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("writing to stdout", error)
}

/// A terminal, which gets no byte that drives it.
struct Harmless<'a>(&'a File);

impl Write for Harmless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(escaped_text(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::SMALL;
    use super::*;
    use std::io::{Read, Seek};
    use std::time::UNIX_EPOCH;

    fn shown(is_one: bool, is_terminal: bool, messages: &[&[u8]]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        let mut stdout = Stdout::over(file.try_clone().unwrap(), is_one);
        stdout.is_terminal = is_terminal;
        for message in messages {
            let date = Some(UNIX_EPOCH);
            let about = About {
                uid: "1",
                flags: "",
                date,
            };
            stdout.begin(&about).unwrap();
            stdout.write(b"broken off").unwrap();
            stdout.abandon();
            stdout.begin(&about).unwrap();
            stdout.write(message).unwrap();
            stdout.end().unwrap();
        }
        stdout.sync().unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn one_is_raw_and_several_are_an_mbox() {
        assert_eq!(shown(true, false, &[b"From a\r\n"]), b"From a\r\n");
        let large = b"x\r\n".repeat(SMALL);
        assert!(shown(true, false, &[&large]) == large);
        let line = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n";
        let wanted = format!("{line}>From a\n\n{line}b\n\n");
        let several: [&[u8]; 2] = [b"From a\r\n", b"b"];
        assert_eq!(shown(false, false, &several), wanted.as_bytes());
    }

    #[test]
    fn a_terminal_is_not_driven() {
        assert_eq!(shown(true, true, &[b"a\x1b[2Jb\n"]), b"a\\x1b[2Jb\n");
        let several = shown(false, true, &[b"\x1b]52;c;x\x07"]);
        assert!(!several.contains(&0x1b) && !several.contains(&7));
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut stdout = Stdout::over(full, true);
        stdout.write(b"x").unwrap();
        let error = stdout.end().unwrap_err();
        assert!(
            error.to_string().starts_with("writing to stdout"),
            "{error}"
        );
    }
}
