//! A file on its way there: under another name first, and under its own when all of it is there
//! (`upload/naming.rs`).

mod naming;

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path as LocalPath;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto_ftp::{Moment, No, Path, Session, Type};
use proto_transport::certificate::hexadecimal;
use proto_transport::{Error, Refusal, Result};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use self::naming::Unnamed;
use super::download::WORTH_RESUMING;
use super::local::seconds;
use super::lock::Lock;
use super::presence::refuse_taken;
use super::shown;
use crate::cli::CommonArgs;
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::save::Watch;

/// Whether a file has another name until all of it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It has, or it is not sent.
    Always,
    /// It has, where the server lets it.
    WherePossible,
    /// It has not.
    Never,
}

/// Where bytes come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'s> {
    /// A file.
    File(&'s LocalPath),
    /// Standard input.
    Stdin,
}

/// How files are sent.
pub struct Uploads<'a> {
    /// Limits.
    pub common: &'a CommonArgs,
    /// Where progress is shown.
    pub progress: &'a Progress,
    /// Whose files they are.
    pub account: String,
    /// Replace existing files.
    pub force: bool,
    /// Go on with what an earlier run left.
    pub resume: bool,
    /// Under which name they are sent.
    pub safety: Safety,
    /// How they travel.
    pub kind: Type,
    /// What is learned of the server meanwhile.
    pub learned: Learned,
}

/// What uploads learn of the server.
#[derive(Default)]
pub struct Learned {
    /// Whether it has shown that it renames nothing.
    cannot_rename: AtomicBool,
    /// Which files it was asked to give their names, and has not answered.
    named: Mutex<HashSet<Path>>,
}

/// One file on its way.
struct Sending<'a> {
    uploads: &'a Uploads<'a>,
    file: Box<dyn Bytes>,
    /// What the file was when it was opened.
    begun: Option<State>,
    size: Option<u64>,
    modified: Option<Moment>,
    path: &'a Path,
    /// Its name until all of it is there.
    meanwhile: Path,
    /// Whether the server keeps as many bytes as went, by its own account.
    is_measured: bool,
}

/// How long a file is, and when it was changed, with nanoseconds.
type State = (u64, (i64, i64));

/// What can be sent.
trait Bytes: Read {
    fn skip_to(&mut self, offset: u64) -> io::Result<()>;
    /// How long it is and when it was changed; `None` of what is no file.
    fn state(&self) -> Option<State>;
}

impl Bytes for File {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset)).map(drop)
    }

    fn state(&self) -> Option<State> {
        let metadata = self.metadata().ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        metadata.is_file().then_some((metadata.len(), modified))
    }
}

impl Bytes for io::Stdin {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let _ = offset;
        Err(io::ErrorKind::Unsupported.into())
    }

    fn state(&self) -> Option<State> {
        None
    }
}

impl Uploads<'_> {
    /// Puts a file. `goes_on` says that an attempt before this one broke off.
    pub fn put(
        &self,
        session: &mut Session,
        source: Source<'_>,
        path: &Path,
        record: &mut Record,
        goes_on: bool,
    ) -> Result<()> {
        let mut sending = self.open(source, path)?;
        sending.check_size()?;
        let file = match source {
            Source::File(place) => place.to_string_lossy().into_owned(),
            Source::Stdin => "-".to_owned(),
        };
        record.items = vec![json!({ "file": file, "path": shown(path.as_bytes()) })];
        let _lock = Lock::take(&self.account, path)?;
        if self.learned.named().contains(path) && sending.has_name(session)? {
            self.learned.named().remove(path);
            return Ok(());
        }
        if !self.force {
            refuse_taken(session, path)?;
        }
        record.stage = Stage::Transfer;
        session.set_type(self.kind);
        if self.safety == Safety::Never || self.learned.cannot_rename.load(Ordering::Relaxed) {
            return sending.directly(session, record);
        }
        sending.under_another_name(session, record, self.resume || goes_on)
    }

    fn open<'a>(&'a self, source: Source<'_>, path: &'a Path) -> Result<Sending<'a>> {
        let (file, size, metadata): (Box<dyn Bytes>, _, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None, None),
            Source::File(place) => {
                let failed = |error| Error::io(format!("reading {}", place.display()), error);
                let file = File::open(place).map_err(failed)?;
                let metadata = file.metadata().map_err(failed)?;
                if metadata.is_dir() {
                    return Err(failed(io::ErrorKind::IsADirectory.into()));
                }
                let size = metadata.is_file().then_some(metadata.len());
                (Box::new(file), size, Some(metadata))
            }
        };
        // The name tells of which content it is a part, so that no other is gone on with.
        let about = match (size, &metadata) {
            (Some(_), Some(metadata)) => identity(metadata),
            _ => format!("process {}", std::process::id()),
        };
        let digest = hexadecimal(&Sha256::digest(about.as_bytes()));
        let mark = format!(".{}.part", digest.get(..8).unwrap_or_default());
        let modified = metadata.map(|metadata| seconds(metadata.modified().ok()));
        Ok(Sending {
            uploads: self,
            begun: file.state(),
            file,
            size,
            modified: modified.and_then(Moment::from_unix),
            path,
            meanwhile: Path::new([path.as_bytes(), mark.as_bytes()].concat())?,
            is_measured: false,
        })
    }
}

impl Learned {
    fn named(&self) -> MutexGuard<'_, HashSet<Path>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending<'_> {
    /// Whether it is within the limit, if its size is known before it is sent.
    fn check_size(&self) -> Result<()> {
        match (self.uploads.common.connection.max_size, self.size) {
            (Some(limit), Some(size)) if size > limit => Err(Error::TooLarge {
                what: format!("{}, in bytes,", self.path),
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// Whether the file is another than it was. One that only grew, as logs do, is as it was up to
    /// where it was sent.
    fn has_changed(&self) -> bool {
        match (self.begun, self.file.state()) {
            (Some((before, then)), Some((now, last))) => {
                now < before || now == before && then != last
            }
            _ => false,
        }
    }

    fn under_another_name(
        &mut self,
        session: &mut Session,
        record: &mut Record,
        goes_on: bool,
    ) -> Result<()> {
        let meanwhile = self.meanwhile.clone();
        let mut have = match goes_on {
            true => self.there(session)?,
            false => 0,
        };
        record.note("resumed_at", (have > 0).then_some(have));
        let mut result = self.send(session, &meanwhile, have, record);
        if have > 0 && result.as_ref().is_err_and(is_about_appending) {
            // Where nothing may be put at the end of a file, all of it is put once more.
            record.note("resumed_at", Value::Null);
            self.rewind()?;
            have = 0;
            result = self.send(session, &meanwhile, 0, record);
        }
        match result {
            // A server that allows some names only.
            Err(error)
                if self.uploads.safety == Safety::WherePossible
                    && have == 0
                    && record.bytes.is_empty()
                    && matches!(No::of(&error), Some(No::Missing | No::Name)) =>
            {
                self.directly(session, record)
            }
            Err(error) => {
                if is_unwanted(&error) && session.is_usable() {
                    let _ = session.delete(&meanwhile);
                }
                Err(error)
            }
            Ok(()) => match self.name(session, record) {
                Ok(()) => Ok(()),
                Err(Unnamed::Failed(error)) => Err(error),
                Err(Unnamed::Unable(error)) => self.unnamed(session, record, error),
            },
        }
    }

    /// How much of it an earlier attempt has left, if that is worth going on with.
    fn there(&self, session: &mut Session) -> Result<u64> {
        match self.size {
            Some(size) if size >= WORTH_RESUMING && self.uploads.kind == Type::Image => {
                let there = session.about(&self.meanwhile)?.size;
                Ok(there.filter(|there| *there <= size).unwrap_or(0))
            }
            _ => Ok(0),
        }
    }

    fn send(
        &mut self,
        session: &mut Session,
        path: &Path,
        have: u64,
        record: &mut Record,
    ) -> Result<()> {
        let failed = |error| Error::io("reading what is to be sent", error);
        if have > 0 {
            self.file.skip_to(have).map_err(failed)?;
        }
        let connection = &self.uploads.common.connection;
        let progress = self.uploads.progress;
        let mut watch = Watch {
            stored: have,
            before: have,
            started: Instant::now(),
            hash: None,
            max_size: connection.max_size,
            limit_rate: connection.limit_rate,
            deadline: self.uploads.common.deadline(),
            transfer: progress.transfer(&self.path.to_string(), self.size),
        };
        watch.transfer.advance(have);
        let mut metered = Metered {
            source: &mut *self.file,
            watch: &mut watch,
        };
        let result = match have {
            0 => session.put(path, 0, &mut metered),
            _ => session.append(path, &mut metered),
        };
        let sent = watch.stored.saturating_sub(have);
        if sent > 0 || result.is_ok() {
            record.bytes.insert("sent".to_owned(), json!(sent));
        }
        result?;
        if self.has_changed() {
            let _ = session.delete(path);
            return Err(changed(self.path));
        }
        if self.uploads.kind == Type::Image {
            self.check(session, path, have + sent)?;
        }
        self.give_time(session, path, record)
    }

    /// Whether the server keeps as many bytes as went.
    fn check(&mut self, session: &mut Session, path: &Path, size: u64) -> Result<()> {
        let told = session.about(path)?.size;
        self.is_measured = told == Some(size);
        let Some(told) = told.filter(|told| *told != size) else {
            return Ok(());
        };
        let rule = format!("the server keeps {told} of {size} bytes, and said 226");
        let error = session.connection().malformed(rule, b"");
        let _ = session.delete(path);
        Err(error)
    }

    /// Gives the file there the time of the one here, where the server can. That it does not want to
    /// is no loss.
    fn give_time(&self, session: &mut Session, path: &Path, record: &mut Record) -> Result<()> {
        let Some(modified) = self.modified else {
            return Ok(());
        };
        if !session.features().offers("MFMT") {
            return Ok(());
        }
        match session.set_modified(path, modified) {
            Err(error @ Error::Refused { .. }) => {
                record.note("time", error.to_string());
                Ok(())
            }
            result => result,
        }
    }

    /// The server renames nothing, or not for us, as in folders where strangers may leave files. The
    /// file gets its name as with `--direct`; what was put there for nothing goes, if we may do that.
    fn unnamed(&mut self, session: &mut Session, record: &mut Record, no: Error) -> Result<()> {
        let is_sure = No::of(&no) == Some(No::Unsupported) || self.is_measured;
        let is_allowed = self.uploads.safety == Safety::WherePossible;
        if !(is_sure && is_allowed && self.size.is_some()) {
            return Err(self.kept(no));
        }
        if !self.uploads.force {
            refuse_taken(session, self.path)?;
        }
        self.uploads
            .learned
            .cannot_rename
            .store(true, Ordering::Relaxed);
        self.rewind()?;
        self.directly(session, record)
            .map_err(|error| self.kept(error))?;
        if let Err(error) = session.delete(&self.meanwhile) {
            let stays = format!("proto: {} stays: {error}", self.meanwhile);
            self.uploads.progress.say(&stays);
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        let failed = |error| Error::io("reading what is to be sent once more", error);
        self.file.skip_to(0).map_err(failed)
    }

    fn directly(&mut self, session: &mut Session, record: &mut Record) -> Result<()> {
        let path = self.path.clone();
        record.note("direct", true);
        self.send(session, &path, 0, record)
    }
}

/// What went is neither what the file was nor what it is.
fn changed(path: &Path) -> Error {
    Error::Refused {
        peer: "the file here".to_owned(),
        doing: format!("putting {path}"),
        reply: "it was changed while it was sent".to_owned(),
        refusal: Refusal::Transient,
    }
}

/// Whether what was put there need not lie about: what the server did not want, or cannot be sent. What
/// only broke off is gone on with.
fn is_unwanted(error: &Error) -> bool {
    match error {
        Error::Refused { .. } => !error.is_transient() || No::of(error) == Some(No::NoSpace),
        Error::Illegal { .. } | Error::TooLarge { .. } => true,
        _ => false,
    }
}

/// Whether a no may be about APPE, and not about all that is put there.
fn is_about_appending(error: &Error) -> bool {
    let is_no = matches!(
        No::of(error),
        Some(No::Unsupported | No::Missing | No::Name)
    );
    is_no && !error.is_transient()
}

/// What is another when a file here has another content, as far as the system can tell: who sets the
/// time of a change (mtime) back cannot set that of the change of the file itself (ctime).
fn identity(metadata: &Metadata) -> String {
    format!(
        "{} {} {} {}.{} {}.{}",
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// Of which file something with this name is a part, if it is one of ours.
pub fn whole_of(path: &Path) -> Option<Path> {
    let rest = path.as_bytes().strip_suffix(b".part")?;
    let (whole, mark) = rest.split_at_checked(rest.len().checked_sub(9)?)?;
    let digest = mark.strip_prefix(b".")?;
    let is_digest = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match digest.iter().all(is_digest) {
        true => Path::new(whole).ok(),
        false => None,
    }
}

/// What is read on its way to the server.
struct Metered<'m, 'p> {
    source: &'m mut dyn Bytes,
    watch: &'m mut Watch<'p>,
}

impl Read for Metered<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.watch.count(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        let whole = |name: &str| whole_of(&Path::new(name).unwrap()).map(|path| path.to_string());
        assert_eq!(whole("a/b.0123abcd.part").as_deref(), Some("a/b"));
        assert_eq!(whole("b.c.01234567.part").as_deref(), Some("b.c"));
        for other in [
            "b.part",
            "b.0123abcg.part",
            "b.0123abc.part",
            ".01234567.part",
            "b",
        ] {
            assert_eq!(whole(other), None, "{other}");
        }
    }
}
