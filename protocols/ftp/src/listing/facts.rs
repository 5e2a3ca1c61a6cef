//! MLSD and MLST: `entry = [ facts ] SP pathname`, `fact = factname "=" value ";"`
//! (RFC 3659 section 7.2).

use super::{Entry, Kind};
use crate::moment::{number, Modified, Moment, Precision};

/// What a line of facts is about.
pub(crate) enum Facts {
    /// Something in the folder.
    Entry(Entry),
    /// The folder itself, or the one above it.
    Itself,
}

/// Reads a line of facts.
pub(crate) fn fact_line(line: &[u8]) -> Option<Facts> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (facts, name) = line.split_at_checked(space)?;
    let mut entry = Entry::new(name.get(1..)?, Kind::Other);
    let mut is_itself = false;
    // The facts may all be missing.
    let mut is_told = facts.is_empty();
    for fact in facts
        .split(|byte| *byte == b';')
        .filter(|fact| !fact.is_empty())
    {
        let equals = fact.iter().position(|byte| *byte == b'=')?;
        let (label, value) = fact.split_at_checked(equals)?;
        let value = value.get(1..)?;
        is_told = true;
        match label.to_ascii_lowercase().as_slice() {
            b"type" => {
                is_itself = is_any(value, &["cdir", "pdir"]);
                (entry.kind, entry.target) = kind(value);
            }
            b"size" => entry.size = number(value),
            b"modify" => {
                entry.modified = Moment::parse(value).map(|moment| Modified {
                    moment,
                    precision: Precision::Second,
                    is_utc: true,
                });
            }
            b"unix.mode" => entry.mode = mode(value),
            _ => {}
        }
    }
    if entry.kind != Kind::File {
        entry.size = None;
    }
    match (is_told, is_itself) {
        (false, _) => None,
        (true, true) => Some(Facts::Itself),
        (true, false) => Some(Facts::Entry(entry)),
    }
}

fn is_any(value: &[u8], words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// `type-val = "File" / "cdir" / "pdir" / "dir" / os-type`; links are `OS.unix=slink:target`, or
/// `OS.unix=symlink` on some servers.
fn kind(value: &[u8]) -> (Kind, Option<Vec<u8>>) {
    if is_any(value, &["file"]) {
        return (Kind::File, None);
    }
    if is_any(value, &["dir", "cdir", "pdir"]) {
        return (Kind::Folder, None);
    }
    let lower = value.to_ascii_lowercase();
    for start in ["os.unix=slink", "os.unix=symlink"] {
        if lower.starts_with(start.as_bytes()) {
            let rest = value.get(start.len()..).unwrap_or_default();
            let target = rest.strip_prefix(b":").filter(|target| !target.is_empty());
            return (Kind::Link, target.map(<[u8]>::to_vec));
        }
    }
    (Kind::Other, None)
}

fn mode(value: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(value).ok()?;
    let is_octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u16::from_str_radix(text, 8).ok()?;
    (is_octal && mode <= 0o7777).then_some(mode)
}
