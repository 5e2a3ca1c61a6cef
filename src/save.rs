//! A response's body on its way to where it is kept: decoded, counted, bounded, checked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto_http::{
    codings_of, decoder, strong_validator, Coding, ContentRange, Method, Request, Response, Rest,
};
use proto_transport::certificate::hexadecimal;
use proto_transport::escape::{escaped, escaped_text};
use proto_transport::{error_of, without_password, Body, Error, Framing, Result, Url};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::direct::Direct;
use crate::download::HttpArgs;
use crate::output::{Origin, PartFile};
use crate::progress::{Progress, Transfer};
use crate::report::{Record, Stage};

/// Where a body goes.
pub enum Destination {
    /// Straight away; `harmless` shows text as a terminal may see it.
    Direct { output: Direct, harmless: bool },
    /// A file.
    File(PathBuf),
}

/// What an earlier try left, and what must come to make it whole.
pub struct Resume {
    part: PartFile,
    rest: Rest,
}

impl Resume {
    /// Looks for what is left of `name`.
    pub fn find(name: &Path, force: bool, url: &Url) -> Result<Option<Resume>> {
        let Some((mut part, origin, length)) = PartFile::resume(name, force)? else {
            return Ok(None);
        };
        if origin.url != without_password(url) {
            return Ok(None);
        }
        let Some(rest) = Rest::new(length, origin.length, origin.validator) else {
            return Ok(None);
        };
        part.cut(rest.have())?;
        Ok(Some(Resume { part, rest }))
    }

    /// Asks for the rest. No coding: what is there is not coded.
    pub fn request(&self, args: &HttpArgs, url: &Url) -> Result<Request> {
        let mut request = args.request(Method::get(), url)?;
        request.field("Accept-Encoding", "identity")?;
        self.rest.ask(&mut request)?;
        Ok(request)
    }

    /// Whether the response can be used: as the rest, or as the whole of other content.
    pub fn is_answered_by(&self, response: &Response<'_>) -> bool {
        match response.head().status {
            206 => self.rest.is_in(response.head(), response.length()),
            204 | 205 | 416 => false,
            _ => true,
        }
    }
}

/// Below this, a file that broke off is not worth a record of how to go on with it.
const WORTH_RESUMING: u64 = 64 * 1024;

/// One body on its way.
pub struct Save<'a> {
    /// The URL that the user named.
    pub url: &'a Url,
    /// Keep the bytes as they come.
    pub raw: bool,
    /// Replace an existing file.
    pub force: bool,
    /// The digest that the whole must have.
    pub checksum: Option<[u8; 32]>,
    /// The most bytes that are taken, after decoding.
    pub max_size: Option<u64>,
    /// The most bytes a second.
    pub limit_rate: Option<u64>,
    /// When everything must be over.
    pub deadline: Option<Instant>,
    /// Whether all came, and is not what was asked for.
    pub digest_differs: bool,
    /// Where progress is shown.
    pub progress: &'a Progress,
    /// Where it is written down.
    pub record: &'a mut Record,
}

impl Save<'_> {
    /// Reads the body to its end and keeps it.
    pub fn run(
        mut self,
        response: Response<'_>,
        destination: Destination,
        resume: Option<Resume>,
    ) -> Result<()> {
        match destination {
            Destination::Direct { output, harmless } => self.directly(response, output, harmless),
            Destination::File(name) => self.keep(response, &name, resume),
        }
    }

    fn directly(&mut self, response: Response<'_>, output: Direct, harmless: bool) -> Result<()> {
        let mut file = output.file;
        let name = without_password(self.url);
        let sink = match harmless {
            true => Sink::Terminal(&mut file, Vec::new()),
            false => Sink::File(&mut file, output.can_splice),
        };
        self.transfer(response, &name, 0, sink)
    }

    fn keep(&mut self, response: Response<'_>, name: &Path, resume: Option<Resume>) -> Result<()> {
        let origin = self.origin(&response);
        let (mut part, have) = match resume {
            Some(resume) if response.head().status == 206 => (resume.part, resume.rest.have()),
            // The content has changed, or the server knows no ranges: all of it comes again.
            Some(mut resume) => {
                resume.part.cut(0)?;
                (resume.part, 0)
            }
            None if origin.is_none() => (PartFile::begin_small(name, self.force)?, 0),
            None => (PartFile::begin(name, self.force)?, 0),
        };
        if have == 0 {
            let remembered = match &origin {
                Some(origin) => part.remember(origin),
                None => {
                    part.forget();
                    Ok(())
                }
            };
            if let Err(error) = remembered {
                part.abandon();
                return Err(error);
            }
        }
        let shown = name.to_string_lossy();
        self.record.note("file", shown.as_ref());
        self.record.note("resumed_at", (have > 0).then_some(have));
        match self.transfer(response, &shown, have, Sink::File(part.file(), true)) {
            Ok(()) => {
                self.record.stage = Stage::Store;
                part.commit()
            }
            // What is wrong in itself is not worth going on with; what was there before is. A digest
            // may be mistyped, and a limit meant for this run alone.
            Err(error @ (Error::Malformed { .. } | Error::TooLarge { .. }))
                if !self.digest_differs =>
            {
                match have {
                    0 => part.abandon(),
                    have => {
                        part.cut(have)?;
                        part.interrupted();
                    }
                }
                Err(error)
            }
            Err(error) => {
                part.interrupted();
                Err(error)
            }
        }
    }

    /// What to write down beside a file that may break off.
    fn origin(&self, response: &Response<'_>) -> Option<Origin> {
        let head = response.head();
        let length = response.length();
        if length.is_some_and(|length| length < WORTH_RESUMING) {
            return None;
        }
        let coded = head.fields.get("Content-Encoding").is_some() && !self.raw;
        Some(Origin {
            url: without_password(self.url),
            validator: strong_validator(&head.fields).filter(|_| !coded),
            length: length.filter(|_| !coded),
        })
    }

    /// Moves the whole body. `have` bytes of it are there already.
    fn transfer(
        &mut self,
        mut response: Response<'_>,
        name: &str,
        have: u64,
        mut sink: Sink<'_>,
    ) -> Result<()> {
        let head = response.head();
        if head.status == 206 && have == 0 {
            return Err(malformed(
                &response,
                "206 answers only a request for a range",
            ));
        }
        let codings = match self.raw {
            true => Vec::new(),
            false => {
                codings_of(&head.fields).map_err(|why| malformed(&response, &why.to_string()))?
            }
        };
        let range = match head.status {
            206 => ContentRange::of(head),
            _ => None,
        };
        let length = response.length();
        self.check_announced(have, length, codings.is_empty())?;
        let hash = match self.checksum {
            Some(_) => Some(hash_of(&mut sink, have)?),
            None => None,
        };
        let total = length
            .filter(|_| codings.is_empty())
            .map(|length| length.saturating_add(have));
        let mut watch = Watch {
            stored: have,
            before: have,
            started: Instant::now(),
            hash,
            max_size: self.max_size,
            limit_rate: self.limit_rate,
            deadline: self.deadline,
            transfer: self.progress.transfer(name, total),
        };
        watch.transfer.advance(have);
        let counted = Counted {
            body: response.body(),
            received: 0,
        };
        let (result, received) = match codings.is_empty() && self.limit_rate.is_none() {
            true => plain(counted, &mut sink, &mut watch),
            false => decoded(counted, &codings, &mut sink, &mut watch),
        };
        self.record
            .bytes
            .insert("received".to_owned(), json!(received));
        self.record
            .bytes
            .insert("stored".to_owned(), json!(watch.stored));
        result?;
        sink.finish()?;
        // The rest of a file may come in other lengths than its Content-Range says.
        let end = range.map(|range| range.last.saturating_add(1));
        if end.is_some_and(|end| end != watch.stored) {
            return Err(malformed(
                &response,
                "a 206 holds all of its range (RFC 9110 section 15.3.7)",
            ));
        }
        if let (Some(wanted), Some(hash)) = (self.checksum, watch.hash) {
            let found: [u8; 32] = hash.finalize().into();
            if found != wanted {
                self.digest_differs = true;
                return Err(malformed(&response, &wrong_digest(&found)));
            }
        }
        response.finish();
        Ok(())
    }

    fn check_announced(&self, have: u64, length: Option<u64>, plain: bool) -> Result<()> {
        match (self.max_size, length) {
            (Some(limit), Some(length)) if plain && have.saturating_add(length) > limit => {
                Err(too_large(limit))
            }
            _ => Ok(()),
        }
    }
}

fn wrong_digest(found: &[u8; 32]) -> String {
    let found = hexadecimal(found);
    format!("the content has the digest sha256:{found}, not the one that was asked for")
}

/// Checks a file that is there already.
pub fn check_digest(path: &Path, wanted: [u8; 32]) -> Result<()> {
    let failed = |error| Error::io(format!("reading {}", path.display()), error);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let found: [u8; 32] = hash_of(&mut Sink::File(&mut file, false), length)?
        .finalize()
        .into();
    match found == wanted {
        true => Ok(()),
        false => Err(failed(io::Error::new(
            io::ErrorKind::InvalidData,
            wrong_digest(&found),
        ))),
    }
}

/// The error of a response that breaks a rule.
pub fn malformed(response: &Response<'_>, rule: &str) -> Error {
    Error::Malformed {
        peer: response.facts().peer.clone(),
        doing: format!("reading {}", without_password(response.url())),
        rule: escaped(rule.as_bytes()),
        excerpt: String::new(),
    }
}

fn too_large(limit: u64) -> Error {
    Error::TooLarge {
        what: "the body, in bytes,".to_owned(),
        limit,
    }
}

/// The digest of what is there already.
fn hash_of(sink: &mut Sink<'_>, have: u64) -> Result<Sha256> {
    let mut hash = Sha256::new();
    if let (Sink::File(file, _), 1..) = (sink, have) {
        let failed = |error| Error::io("reading what was downloaded before", error);
        io::Seek::rewind(*file).map_err(failed)?;
        let mut block = vec![0; BLOCK];
        let mut left = have;
        while left > 0 {
            let wanted = proto_transport::framing::at_most(BLOCK, left);
            let part = block.get_mut(..wanted).unwrap_or_default();
            file.read_exact(part).map_err(failed)?;
            hash.update(part);
            left -= wanted as u64;
        }
    }
    Ok(hash)
}

/// A body as it comes, to where it goes.
fn plain<F: Framing>(
    mut counted: Counted<'_, F>,
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
) -> (Result<()>, u64) {
    let result = loop {
        let moved = match sink {
            // Moved inside the kernel, unless somebody must look at the bytes.
            Sink::File(file, true) if watch.looks_away() => counted
                .body
                .next_part_to(file)
                .and_then(|count| count.map_or(Ok(None), |count| watch.count(count).map(Some))),
            _ => counted.body.next_part().and_then(|part| match part {
                Some(part) => {
                    watch.look(part)?;
                    sink.write(part)?;
                    watch.count(part.len() as u64).map(Some)
                }
                None => Ok(None),
            }),
        };
        match moved {
            Ok(Some(())) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (result, watch.stored.saturating_sub(watch.before))
}

/// Decoded bytes that are held at once.
const BLOCK: usize = 64 * 1024;

fn decoded<F: Framing>(
    mut counted: Counted<'_, F>,
    codings: &[Coding],
    sink: &mut Sink<'_>,
    watch: &mut Watch<'_>,
) -> (Result<()>, u64) {
    let mut reader = decoder(codings, Box::new(&mut counted));
    let mut block = vec![0; watch.block()];
    let result = loop {
        let count = match reader.read(&mut block) {
            Ok(0) => break Ok(()),
            Ok(count) => count,
            Err(error) => break Err(undecodable(error)),
        };
        let part = block.get(..count).unwrap_or_default();
        let done = watch
            .look(part)
            .and_then(|()| sink.write(part))
            .and_then(|()| watch.count(count as u64));
        if let Err(error) = done {
            break Err(error);
        }
    };
    drop(reader);
    (result, counted.received)
}

/// What the decoder says is about the peer's bytes; what comes through it from below is not.
fn undecodable(error: io::Error) -> Error {
    match error_of(error, "") {
        Error::Io { source, .. } => Error::Malformed {
            peer: "the server".to_owned(),
            doing: "decoding the body".to_owned(),
            rule: source.to_string(),
            excerpt: String::new(),
        },
        error => error,
    }
}

/// A body whose bytes are counted before they are decoded.
struct Counted<'c, F: Framing> {
    body: Body<'c, F>,
    received: u64,
}

impl<F: Framing> Read for Counted<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        self.received += count as u64;
        Ok(count)
    }
}

/// Where the bytes go.
pub enum Sink<'f> {
    /// A file; `true` if bytes may be moved to it unseen.
    File(&'f mut File, bool),
    /// A person's terminal: text is shown, everything else is escaped. A character whose end has
    /// not come yet waits.
    Terminal(&'f mut File, Vec<u8>),
}

impl Sink<'_> {
    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match self {
            Sink::File(file, _) => file.write_all(bytes),
            Sink::Terminal(file, waiting) => {
                waiting.extend_from_slice(bytes);
                let whole = waiting.len() - cut_character(waiting);
                let shown: Vec<u8> = waiting.drain(..whole).collect();
                file.write_all(escaped_text(&shown).as_bytes())
            }
        };
        written.map_err(|error| Error::io("writing the body", error))
    }

    /// Writes what waited for more.
    pub fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Terminal(file, waiting) => file
                .write_all(escaped_text(waiting).as_bytes())
                .map_err(|error| Error::io("writing the body", error)),
            Sink::File(..) => Ok(()),
        }
    }
}

/// How many bytes at the end are the beginning of a UTF-8 character.
fn cut_character(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    let tail = last.map_or(&[][..], |chunk| chunk.invalid());
    let begins = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    if begins {
        tail.len()
    } else {
        0
    }
}

/// Counts, bounds and slows what goes by.
pub struct Watch<'p> {
    /// Bytes that are there.
    pub stored: u64,
    /// Bytes that were there before.
    pub before: u64,
    /// When it began.
    pub started: Instant,
    /// The digest so far, if one is wanted.
    pub hash: Option<Sha256>,
    /// The most bytes that are taken.
    pub max_size: Option<u64>,
    /// The most bytes a second.
    pub limit_rate: Option<u64>,
    /// When everything must be over.
    pub deadline: Option<Instant>,
    /// Where progress is shown.
    pub transfer: Transfer<'p>,
}

impl Watch<'_> {
    /// Whether bytes may go by unseen, in large steps.
    pub fn looks_away(&self) -> bool {
        self.hash.is_none() && self.max_size.is_none()
    }

    /// How much is read at once: little enough that a slow rate has no long pauses.
    fn block(&self) -> usize {
        let eighth = self.limit_rate.map_or(u64::MAX, |rate| (rate / 8).max(1));
        proto_transport::framing::at_most(BLOCK, eighth)
    }

    /// Looks at bytes before they are written.
    pub fn look(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        match self.max_size {
            Some(limit) if self.stored.saturating_add(bytes.len() as u64) > limit => {
                Err(too_large(limit))
            }
            _ => Ok(()),
        }
    }

    /// Counts bytes that were written.
    pub fn count(&mut self, bytes: u64) -> Result<()> {
        self.stored += bytes;
        self.transfer.advance(bytes);
        if let Some(limit) = self.max_size.filter(|limit| self.stored > *limit) {
            return Err(too_large(limit));
        }
        if let Some(rate) = self.limit_rate {
            let moved = self.stored.saturating_sub(self.before) as f64;
            let due = Duration::try_from_secs_f64(moved / rate.max(1) as f64);
            let early = due
                .unwrap_or(Duration::MAX)
                .saturating_sub(self.started.elapsed());
            return self.pause(early);
        }
        Ok(())
    }

    fn pause(&self, time: Duration) -> Result<()> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        std::thread::sleep(left.map_or(time, |left| left.min(time)));
        match left.is_some_and(|left| left < time) {
            true => Err(Error::TimedOut {
                peer: "the server".to_owned(),
                doing: "keeping to --limit-rate".to_owned(),
                after: self.started.elapsed(),
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_waits_for_its_end() {
        for (bytes, waiting) in [
            (&b"abc"[..], 0),
            ("ü".as_bytes(), 0),
            (b"a\xc3", 1),
            (b"a\xe2\x82", 2),
            (b"a\xff", 0),
            (b"", 0),
        ] {
            assert_eq!(cut_character(bytes), waiting, "{bytes:?}");
        }
    }
}
