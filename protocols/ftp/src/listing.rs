//! What is in a folder, as servers list it: MLSD (RFC 3659 section 7), and what LIST brings, which no
//! document describes. Each line is tried in every form, because servers mix them. Pure.
//!
//! | file | forms |
//! |---|---|
//! | `facts.rs` | MLSD and MLST |
//! | `unix.rs` | `ls -l` of every age, and NetWare, which is near to it |
//! | `dates.rs` | the dates in those |
//! | `others.rs` | DOS and IIS, EPLF, OS/400 |
//! | `vms.rs` | VMS, whose names may have a line of their own |

mod dates;
mod facts;
mod others;
mod unix;
mod vms;

#[cfg(test)]
mod tests;

use crate::moment::{Modified, Moment};

pub(crate) use facts::{fact_line, Facts};

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: bytes as the server sent them, never empty, and always one component of a path. It
    /// may hold anything but `/`, NUL, CR and LF, and is no name of a file here before it was made
    /// safe.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// How many bytes it has, where that is told exactly.
    pub size: Option<u64>,
    /// When it was changed.
    pub modified: Option<Modified>,
    /// Where a symbolic link leads, as the server says.
    pub target: Option<Vec<u8>>,
    /// The bits of its permissions, as in Unix: 0 to 0o7777.
    pub mode: Option<u16>,
}

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; to what, only the server knows.
    Link,
    /// A device, a pipe, a socket or anything else.
    Other,
}

/// What a line of a listing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Something in the folder.
    Entry(Entry),
    /// A heading, a sum, the folder itself or the one above it.
    Nothing,
    /// What nobody understands: the line as it came. It may be a file.
    Unknown(Vec<u8>),
    /// Something whose name is no name, such as `../x`: the line as it came.
    BadName(Vec<u8>),
}

impl Entry {
    fn new(name: &[u8], kind: Kind) -> Entry {
        Entry {
            name: name.to_vec(),
            kind,
            size: None,
            modified: None,
            target: None,
            mode: None,
        }
    }
}

/// Reads the lines of LIST, one after the other.
#[derive(Debug, Clone)]
pub struct Listing {
    now: Moment,
    pending: Option<Vec<u8>>,
    /// The name of the last file that had a version.
    last: Option<Vec<u8>>,
}

impl Listing {
    /// A listing that came about `now`: dates without a year are of the last twelve months.
    pub fn new(now: Moment) -> Listing {
        Listing {
            now,
            pending: None,
            last: None,
        }
    }

    /// What the next line is, without its line end. A line that is the first part of an entry is
    /// [`Line::Nothing`].
    pub fn line(&mut self, line: &[u8]) -> Line {
        if let Some(name) = self.pending.take() {
            if let Some(entry) = vms::continued(&name, line) {
                return self.newest(entry, line);
            }
            // The name was none, and is not lost: it comes before this line.
            return match self.line(line) {
                Line::Nothing => Line::Unknown(name),
                _ => Line::Unknown([&name, &b" / "[..], line].concat()),
            };
        }
        if is_nothing(line) {
            return Line::Nothing;
        }
        if let Some(entry) = self.entry(line) {
            return checked(entry, line);
        }
        if let Some(entry) = vms::parse(line) {
            return self.newest(entry, line);
        }
        if vms::is_name(line) {
            self.pending = Some(line.to_vec());
            return Line::Nothing;
        }
        Line::Unknown(line.to_vec())
    }

    /// What is left at the end of the listing.
    pub fn end(&mut self) -> Line {
        self.pending.take().map_or(Line::Nothing, Line::Unknown)
    }

    fn entry(&self, line: &[u8]) -> Option<Entry> {
        others::eplf(line)
            .or_else(|| unix::parse(line, self.now))
            .or_else(|| unix::netware(line, self.now))
            .or_else(|| others::dos(line))
            .or_else(|| others::os400(line))
    }

    /// A file of VMS. The versions of one are listed together, and the newest, which is what its name
    /// alone means, comes first.
    fn newest(&mut self, entry: Entry, line: &[u8]) -> Line {
        if self.last.as_ref() == Some(&entry.name) {
            return Line::Nothing;
        }
        self.last = Some(entry.name.clone());
        checked(entry, line)
    }
}

/// Reads a line of MLSD, without its line end.
pub fn machine_line(line: &[u8]) -> Line {
    match fact_line(line) {
        Some(Facts::Entry(entry)) => checked(entry, line),
        Some(Facts::Itself) => Line::Nothing,
        None if line.trim_ascii().is_empty() => Line::Nothing,
        None => Line::Unknown(line.to_vec()),
    }
}

/// How `ls` calls the sum of all sizes.
const TOTALS: [&str; 9] = [
    "total",
    "totale",
    "totaal",
    "totalt",
    "insgesamt",
    "yhteensä",
    "razem",
    "celkem",
    "итого",
];

/// Lines that are not about anything in the folder.
fn is_nothing(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let space = text.iter().position(|byte| *byte == b' ');
    let sum = space.and_then(|at| text.split_at_checked(at));
    let sum = sum.filter(|(word, _)| TOTALS.iter().any(|total| total.as_bytes() == *word));
    let is_sum = sum.map(|(_, sum)| sum.trim_ascii());
    let is_sum = is_sum.is_some_and(|sum| {
        sum.iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".,".contains(byte))
    });
    let is_vms = text.starts_with(b"Directory ") && text.ends_with(b"]")
        || text.starts_with(b"Total of ")
            && text
                .windows(5)
                .any(|word| word.eq_ignore_ascii_case(b" file"));
    text.is_empty() || is_sum || is_vms
}

/// The entry, if its name is one component of a path.
fn checked(entry: Entry, line: &[u8]) -> Line {
    let name = entry.name.as_slice();
    let is_dots = matches!(name, b"." | b"..");
    if is_dots && entry.kind == Kind::Folder {
        return Line::Nothing;
    }
    let is_bad = |byte: &u8| matches!(byte, b'/' | 0 | b'\r' | b'\n');
    match is_dots || name.is_empty() || name.iter().any(is_bad) {
        true => Line::BadName(line.to_vec()),
        false => Line::Entry(entry),
    }
}

/// The first word, and what is behind it, which begins with the space that ends the word.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = line.iter().position(|byte| *byte != b' ')?;
    let rest = line.get(start..)?;
    let end = rest
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(rest.len());
    rest.split_at_checked(end)
}
