//! A file on its way here.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::Path as LocalPath;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto_ftp::{About, Modified, Moment, No, Path, Precision, Session, Type};
use proto_transport::certificate::hexadecimal;
use proto_transport::{Body, Error, Result, UntilClose};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::digest::{compare, Checksum};
use super::lasting;
use super::local::seconds;
use crate::cli::CommonArgs;
use crate::output::{refuse_existing, writing, Origin, PartFile};
use crate::progress::Progress;
use crate::report::{Record, Stage};
use crate::save::{check_digest, Sink, Watch};

/// A file on the server, and what is known of it.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Its path.
    pub path: Path,
    /// Its URL, without a password: what is written beside a file that is not whole.
    pub url: String,
    /// How many bytes it has.
    pub size: Option<u64>,
    /// When it was changed.
    pub modified: Option<Modified>,
    /// Whether another file belongs where this one would be before it is whole.
    pub has_no_part: bool,
}

impl Remote {
    /// A file of which nothing but its path is known.
    pub fn unknown(path: &Path, url: &str) -> Remote {
        Remote {
            path: path.clone(),
            url: url.to_owned(),
            size: None,
            modified: None,
            has_no_part: false,
        }
    }

    /// The same with what SIZE and MDTM tell.
    pub fn told(&self, about: &About) -> Remote {
        let exact = |moment: Moment| Modified {
            moment,
            precision: Precision::Second,
            is_utc: true,
        };
        Remote {
            size: about.size.or(self.size),
            modified: about.modified.map(exact).or(self.modified),
            ..self.clone()
        }
    }

    /// Whether it is known to be so small that it rather comes anew.
    fn is_small(&self) -> bool {
        self.size.is_some_and(|size| size < WORTH_RESUMING)
    }

    /// What tells another content from this one: the exact time of its change.
    fn validator(&self) -> Option<String> {
        let exact =
            |modified: &Modified| modified.is_utc && modified.precision == Precision::Second;
        let modified = self.modified.filter(exact)?;
        Some(modified.moment.to_string())
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It came.
    Got,
    /// It was here already.
    Whole,
}

/// How files are fetched.
pub struct Downloads<'a> {
    /// Limits.
    pub common: &'a CommonArgs,
    /// Where progress is shown.
    pub progress: &'a Progress,
    /// Replace existing files.
    pub force: bool,
    /// Go on with what an earlier run left.
    pub resume: bool,
    /// What the whole must be.
    pub checksum: Option<Checksum>,
    /// How they travel.
    pub kind: Type,
}

/// From this size on it is worth a question for the exact time, so that a later run can go on.
pub const WORTH_RESUMING: u64 = 1 << 20;

/// Below this, what the kernel needs to move bytes by itself costs more than moving them.
const WORTH_SPLICING: u64 = 64 * 1024;

impl Downloads<'_> {
    /// Gets a file into a file that appears when it is whole, with the time of the other.
    /// `goes_on` says that an attempt before this one broke off.
    pub fn to_file(
        &self,
        session: &mut Session,
        remote: &Remote,
        place: &LocalPath,
        record: &mut Record,
        goes_on: bool,
    ) -> Result<Fetched> {
        let name = place.to_string_lossy();
        record.items = vec![json!({ "url": remote.url, "file": name })];
        let is_file = || fs::symlink_metadata(place).is_ok_and(|file| file.is_file());
        if self.resume && !self.force && is_file() {
            self.check_whole(session, remote, place)?;
            record.note("skipped", "it is whole already");
            return Ok(Fetched::Whole);
        }
        refuse_existing(place, self.force)?;
        if self.checksum == Some(Checksum::Server) && !session.offers_hash() {
            return Err(no_digest(session));
        }
        // Of a small file nothing is left that could be gone on with.
        let has_part = !remote.is_small() && !remote.has_no_part;
        let earlier = match (self.resume || goes_on) && has_part {
            true => PartFile::resume(place, self.force)?,
            false => None,
        };
        let remote = self.known(session, remote, earlier.is_some())?;
        let (mut part, mut have) = match earlier.and_then(|earlier| continued(earlier, &remote)) {
            Some((part, have)) if self.kind == Type::Image => (part, have),
            _ => (self.begin(&remote, place)?, 0),
        };
        let mut result = self.transfer(
            session,
            &remote,
            Sink::File(part.file(), true),
            have,
            record,
        );
        if have > 0 && result.as_ref().is_err_and(is_about_restart) {
            part.cut(0)?;
            have = 0;
            result = self.transfer(session, &remote, Sink::File(part.file(), true), 0, record);
        }
        record.note("resumed_at", (have > 0).then_some(have));
        let result = result.and_then(|()| self.check(session, &remote, part.file()));
        match result {
            Ok(()) => {
                record.stage = Stage::Store;
                if let Some(modified) = &remote.modified {
                    set_time(part.file(), modified);
                }
                part.commit()?;
                Ok(Fetched::Got)
            }
            // What is wrong in itself is not worth going on with.
            Err(error @ (Error::Malformed { .. } | Error::TooLarge { .. })) => {
                part.abandon();
                Err(error)
            }
            Err(error) => {
                part.interrupted();
                Err(error)
            }
        }
    }

    /// Gets a file to where it cannot be taken back. `began` is told when bytes went there.
    pub fn straight(
        &self,
        session: &mut Session,
        remote: &Remote,
        sink: Sink<'_>,
        record: &mut Record,
    ) -> Result<()> {
        record.items = vec![json!({ "url": remote.url })];
        let remote = self.known(session, remote, false)?;
        self.transfer(session, &remote, sink, 0, record)
    }

    /// Fails unless the file here is the one there: by its digest if one is wanted, else by size and
    /// time.
    fn check_whole(&self, session: &mut Session, remote: &Remote, place: &LocalPath) -> Result<()> {
        let reading = |error| Error::io(format!("reading {}", place.display()), error);
        match self.checksum {
            Some(Checksum::Sha256(wanted)) => return check_digest(place, wanted),
            Some(Checksum::Server) => {
                let mut file = File::open(place).map_err(reading)?;
                return self.check(session, remote, &mut file);
            }
            None => {}
        }
        let told = self.known(session, remote, true)?;
        let here = fs::symlink_metadata(place).map_err(reading)?;
        let time = seconds(here.modified().ok());
        // An earlier run may have had its time from a listing.
        let mut times = [remote.modified, told.modified].into_iter().flatten();
        let is_other_time = told.modified.is_some() && !times.any(|there| agrees(time, &there));
        let why = match told.size.filter(|_| self.kind == Type::Image) {
            Some(size) if size != here.len() => {
                format!("has {} bytes, and the one on the server {size}", here.len())
            }
            _ if is_other_time => "has another time than the one on the server".to_owned(),
            None if told.modified.is_none() => "cannot be compared with the server's".to_owned(),
            _ => return Ok(()),
        };
        let why = format!("exists and {why}; --force replaces it");
        Err(writing(
            place,
            io::Error::new(io::ErrorKind::AlreadyExists, why),
        ))
    }

    /// What is known of a file, after it was asked for if that is needed.
    fn known(&self, session: &mut Session, remote: &Remote, is_exact: bool) -> Result<Remote> {
        let size = remote.size;
        let is_large = size.is_none_or(|size| size >= WORTH_RESUMING);
        let needs_time = is_exact || is_large && self.kind == Type::Image;
        match size.is_none() || needs_time && remote.validator().is_none() {
            true => Ok(remote.told(&session.about(&remote.path)?)),
            false => Ok(remote.clone()),
        }
    }

    /// Begins a file. What is needed to go on with it is written beside it, if it is large.
    fn begin(&self, remote: &Remote, place: &LocalPath) -> Result<PartFile> {
        if remote.has_no_part {
            return PartFile::begin_apart(place, self.force);
        }
        if remote.is_small() || self.kind == Type::Ascii || remote.validator().is_none() {
            return PartFile::begin_small(place, self.force);
        }
        let mut part = PartFile::begin(place, self.force)?;
        let origin = Origin {
            url: remote.url.clone(),
            validator: remote.validator(),
            length: remote.size,
        };
        match part.remember(&origin) {
            Ok(()) => Ok(part),
            Err(error) => {
                part.abandon();
                Err(error)
            }
        }
    }

    fn transfer(
        &self,
        session: &mut Session,
        remote: &Remote,
        mut sink: Sink<'_>,
        have: u64,
        record: &mut Record,
    ) -> Result<()> {
        let connection = &self.common.connection;
        let is_image = self.kind == Type::Image;
        let size = remote.size.filter(|_| is_image);
        if let (Some(limit), Some(size)) = (connection.max_size, size) {
            if size > limit {
                return Err(Error::TooLarge {
                    what: format!("{}, in bytes,", remote.path),
                    limit,
                });
            }
        }
        let is_file = matches!(sink, Sink::File(_, true));
        let mut watch = Watch {
            stored: have,
            before: have,
            started: Instant::now(),
            hash: match self.checksum {
                // A file is read again when it is whole, so that its bytes may come unseen.
                Some(Checksum::Sha256(_)) if !is_file => Some(Sha256::new()),
                _ => None,
            },
            max_size: connection.max_size,
            limit_rate: connection.limit_rate,
            deadline: self.common.deadline(),
            transfer: self.progress.transfer(&remote.path.to_string(), size),
        };
        watch.transfer.advance(have);
        record.stage = Stage::Transfer;
        session.set_type(self.kind);
        let splices = size.is_none_or(|size| size >= WORTH_SPLICING);
        let result = session.get(&remote.path, have, &mut |body| match is_image {
            true => bytes_to(body, &mut sink, &mut watch, splices),
            false => text_to(body, &mut sink, &mut watch),
        });
        let stored = watch.stored;
        record
            .bytes
            .insert("received".to_owned(), json!(stored.saturating_sub(have)));
        record.bytes.insert("stored".to_owned(), json!(stored));
        result?;
        sink.finish()?;
        if let (Some(Checksum::Sha256(wanted)), Some(hash)) = (self.checksum, watch.hash) {
            check_sha256(hash.finalize().into(), wanted, session)?;
        }
        check_length(stored, size, have, session)
    }

    /// Compares what came with the digest that is wanted.
    fn check(&self, session: &mut Session, remote: &Remote, file: &mut File) -> Result<()> {
        let peer = session.connection().peer().to_owned();
        match self.checksum {
            None => Ok(()),
            Some(Checksum::Sha256(wanted)) => {
                let told = proto_ftp::Digest {
                    algorithm: "SHA-256".to_owned(),
                    hex: hexadecimal(&wanted),
                };
                compare(file, &told, &peer)
            }
            Some(Checksum::Server) => match session.hash(&remote.path)? {
                Some(told) => compare(file, &told, &peer),
                None => Err(no_digest(session)),
            },
        }
    }
}

fn no_digest(session: &Session) -> Error {
    let why = "the server offers neither HASH nor a command like it";
    lasting(session, "asking for a digest", why)
}

/// What an earlier run has left, if it is the beginning of what is there now.
fn continued(earlier: (PartFile, Origin, u64), remote: &Remote) -> Option<(PartFile, u64)> {
    let (part, origin, have) = earlier;
    let is_same = origin.url == remote.url
        && origin.length.is_some()
        && origin.length == remote.size
        && origin.validator.is_some()
        && origin.validator == remote.validator()
        && remote.size.is_some_and(|size| have <= size);
    is_same.then_some((part, have))
}

/// Whether a no is about beginning in the middle.
fn is_about_restart(error: &Error) -> bool {
    let is_no = matches!(No::of(error), Some(No::Unsupported | No::Other));
    is_no && !error.is_transient()
}

/// A server that tells the size of a file and then sends less has not sent all of it, whatever it
/// says. More is no error in a file that was begun now: it may be growing.
fn check_length(stored: u64, size: Option<u64>, have: u64, session: &Session) -> Result<()> {
    let Some(size) = size else {
        return Ok(());
    };
    let connection = session.connection();
    if stored < size {
        return Err(connection.closed(format!("{stored} of {size} bytes came")));
    }
    if stored > size && have > 0 {
        let rule = format!("the rest of the file has {} bytes (REST)", size - have);
        return Err(connection.malformed(rule, b""));
    }
    Ok(())
}

fn check_sha256(found: [u8; 32], wanted: [u8; 32], session: &Session) -> Result<()> {
    match found == wanted {
        true => Ok(()),
        false => Err(session.connection().malformed(
            format!(
                "the content has the digest sha256:{}, not the one that was asked for",
                hexadecimal(&found)
            ),
            b"",
        )),
    }
}

/// The bytes as they come, inside the kernel where nobody must look at them.
fn bytes_to(
    body: &mut Body<'_, UntilClose>,
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
    splices: bool,
) -> Result<()> {
    loop {
        let count = match sink {
            Sink::File(file, true) if splices && watch.looks_away() => {
                match body.next_part_to(file)? {
                    Some(count) => count,
                    None => return Ok(()),
                }
            }
            _ => match body.next_part()? {
                Some(part) => {
                    watch.look(part)?;
                    sink.write(part)?;
                    part.len() as u64
                }
                None => return Ok(()),
            },
        };
        watch.count(count)?;
    }
}

/// Text, whose lines end in CRLF on their way and in LF here.
fn text_to(
    body: &mut Body<'_, UntilClose>,
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut text = Vec::new();
    let mut after_cr = false;
    while let Some(part) = body.next_part()? {
        text.clear();
        for byte in part {
            if after_cr && *byte != b'\n' {
                text.push(b'\r');
            }
            after_cr = *byte == b'\r';
            if !after_cr {
                text.push(*byte);
            }
        }
        watch.look(&text)?;
        sink.write(&text)?;
        watch.count(text.len() as u64)?;
    }
    match after_cr {
        true => sink.write(b"\r"),
        false => Ok(()),
    }
}

/// Gives a file the time of the other. That it fails is no loss.
fn set_time(file: &File, modified: &Modified) {
    let _ = file.set_times(FileTimes::new().set_modified(system_time(modified.moment)));
}

fn system_time(moment: Moment) -> SystemTime {
    let seconds = moment.to_unix();
    let apart = Duration::from_secs(seconds.unsigned_abs());
    match seconds >= 0 {
        true => UNIX_EPOCH + apart,
        false => UNIX_EPOCH.checked_sub(apart).unwrap_or(UNIX_EPOCH),
    }
}

/// Whether a file here is the same as one there, as far as size and time tell: what is not known of
/// them is not compared, but there must be a time.
pub fn is_same(place: &LocalPath, remote: &Remote) -> bool {
    let Ok(metadata) = fs::symlink_metadata(place) else {
        return false;
    };
    metadata.is_file()
        && remote.size.is_none_or(|size| size == metadata.len())
        && remote
            .modified
            .is_some_and(|modified| agrees(seconds(metadata.modified().ok()), &modified))
}

/// Whether a time that a listing tells leaves open whether a file here is the one there: in the same
/// minute it may have been changed once more, and unless the zone of what is new is known, it may be
/// any. `fetched` is when the file here came, or will. What is old enough is certain if it agrees.
pub fn is_doubtful(here: Option<i64>, fetched: i64, there: &Modified, zone: Option<i64>) -> bool {
    const ZONES: i64 = 26 * 60 * 60;
    /// So much the clocks here and there may differ.
    const CLOCKS: i64 = 2 * 60;
    let is_exact = there.is_utc && there.precision == Precision::Second;
    let is_other = here.is_some_and(|here| !agrees(here, there));
    let end = there.moment.to_unix().saturating_add(unit(there.precision));
    let end = match zone {
        Some(ahead) => end.saturating_sub(ahead).saturating_add(CLOCKS),
        None => end.saturating_add(ZONES),
    };
    !is_exact && (is_other || fetched < end)
}

/// How far the zone of a listing is ahead of UTC, in seconds, as the exact time of one file shows.
/// Zones are whole quarters of an hour apart.
pub fn zone(listed: &Modified, exact: Moment) -> Option<i64> {
    const QUARTER: i64 = 15 * 60;
    let ahead = listed.moment.to_unix() - exact.to_unix();
    let is_fine = listed.precision != Precision::Day && ahead.abs() <= 24 * 60 * 60;
    is_fine.then(|| (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER)
}

/// How exact a time is, in seconds.
pub fn unit(precision: Precision) -> i64 {
    match precision {
        Precision::Second => 1,
        Precision::Minute => 60,
        Precision::Day => 24 * 60 * 60,
    }
}

/// Whether two times agree, as far as the one there is known.
pub fn agrees(here: i64, there: &Modified) -> bool {
    let unit = unit(there.precision);
    here.div_euclid(unit) == there.moment.to_unix().div_euclid(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, precision: Precision) -> Modified {
        Modified {
            moment: Moment::parse(text.as_bytes()).unwrap(),
            precision,
            is_utc: false,
        }
    }

    #[test]
    fn what_was_fetched_soon_after_its_change_is_doubtful() {
        let listed = at("20240615120900", Precision::Minute);
        let time = listed.moment.to_unix();
        let (day, soon) = (24 * 60 * 60, time + 90);
        for (here, fetched, is_open) in [
            (Some(time + 30), soon, true),
            (Some(time + 30), time + 3 * day, false),
            (Some(time + 3600), time + 3 * day, true),
            (None, soon, true),
            (None, time + 3 * day, false),
        ] {
            let found = is_doubtful(here, fetched, &listed, None);
            assert_eq!(found, is_open, "{here:?}");
        }
        // The listing of a server that is an hour ahead.
        let exact = Moment::parse(b"20240615110937").unwrap();
        assert_eq!(zone(&listed, exact), Some(3_600));
        for (fetched, is_open) in [(soon - 3_600, true), (soon, false)] {
            let found = is_doubtful(None, fetched, &listed, Some(3_600));
            assert_eq!(found, is_open, "{fetched}");
        }
        assert_eq!(zone(&at("20240615000000", Precision::Day), exact), None);
        for ahead in [-43_200, 0, 20_700, 50_400] {
            for second in [0, 59] {
                let listed = at("20240615120900", Precision::Minute);
                let exact = Moment::from_unix(time - ahead + second).unwrap();
                assert_eq!(zone(&listed, exact), Some(ahead), "{second}");
            }
        }
        let exact = Modified {
            is_utc: true,
            ..at("20240615120930", Precision::Second)
        };
        assert!(!is_doubtful(Some(0), soon, &exact, None));
    }

    #[test]
    fn times_agree_as_far_as_they_are_known() {
        let here = Moment::parse(b"20240615120930").unwrap().to_unix();
        for (text, precision, is_same) in [
            ("20240615120930", Precision::Second, true),
            ("20240615120931", Precision::Second, false),
            ("20240615120900", Precision::Minute, true),
            ("20240615121000", Precision::Minute, false),
            ("20240615000000", Precision::Day, true),
            ("20240616000000", Precision::Day, false),
        ] {
            assert_eq!(agrees(here, &at(text, precision)), is_same, "{text}");
        }
        let before = Moment::parse(b"19600101120930").unwrap();
        let minute = at("19600101120900", Precision::Minute);
        assert!(agrees(before.to_unix(), &minute));
        assert!(system_time(before) < UNIX_EPOCH);
    }
}
