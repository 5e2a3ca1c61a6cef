//! What is told of a file: the facts of MLSD and MLST (RFC 3659 section 7), its time, and why not.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use super::conversation::Break;
use super::flaw::Flaw;
use super::tree::{Entry, Kind};
use super::FtpServer;
use crate::mailbox::{civil, Date};

/// The facts that are known.
pub(super) const FACTS: [&str; 4] = ["type", "size", "modify", "perm"];

/// The value of the fact `type`.
pub(super) fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Folder => "dir",
        // RFC 3659 section 7.5.1.5: what an operating system calls it.
        Kind::Link(_) => "OS.unix=symlink",
    }
}

/// `type=file;size=6;modify=20260101120000;perm=adfrw; name`, with the facts that are wanted.
pub(super) fn line(wanted: &[&str], kind: &str, entry: &Entry, name: &[u8]) -> Vec<u8> {
    let mut line = String::new();
    for fact in wanted {
        let value = match *fact {
            "type" => kind.to_owned(),
            "size" if entry.is_folder() => continue,
            "size" => entry.size.to_string(),
            "modify" => digits(entry.modified),
            "perm" if entry.is_folder() => "cdeflmp".to_owned(),
            _ => "adfrw".to_owned(),
        };
        line.push_str(&format!("{fact}={value};"));
    }
    [line.as_bytes(), b" ", name].concat()
}

/// Year, month, day, hour, minute and second, in UTC.
pub(super) fn parts(seconds: i64) -> [i64; 6] {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let time = seconds.rem_euclid(86_400);
    [year, month, day, time / 3600, time / 60 % 60, time % 60]
}

/// RFC 3659 section 2.3: `YYYYMMDDHHMMSS`.
pub(super) fn digits(seconds: i64) -> String {
    let [year, month, day, hour, minute, second] = parts(seconds);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// The moment that such digits name; a fraction is dropped.
pub(super) fn moment(digits: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<i64>().ok();
    let day = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let time = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    Date::of(day, time, 0).map(|date| date.seconds)
}

/// The time that a client is told.
pub(super) fn told_time(server: &FtpServer, seconds: i64) -> i64 {
    static QUESTIONS: AtomicI64 = AtomicI64::new(1);
    match server.is_flawed(&Flaw::WrongTime) {
        true => seconds + QUESTIONS.fetch_add(1, Ordering::SeqCst) * 3600,
        false => seconds,
    }
}

/// Why something cannot be done (RFC 959 section 5.4).
pub(super) fn cannot(error: io::Error) -> Break {
    let reply = match error.kind() {
        io::ErrorKind::NotFound => "550 there is no such file or folder",
        io::ErrorKind::AlreadyExists => "550 it is there already",
        io::ErrorKind::DirectoryNotEmpty => "550 the folder is not empty",
        io::ErrorKind::NotADirectory => "550 that is no folder",
        io::ErrorKind::IsADirectory => "550 that is no file",
        io::ErrorKind::StorageFull => "552 the disk is full",
        io::ErrorKind::InvalidInput => "554 that cannot be",
        _ => "550 not allowed",
    };
    Break::Refused(reply.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        assert_eq!(digits(784_111_777), "19941106084937");
        assert_eq!(moment(b"19941106084937"), Some(784_111_777));
        assert_eq!(moment(b"19941106084937.123"), Some(784_111_777));
        for wrong in [
            "",
            "1994",
            "19941131084937",
            "19941106084937.",
            "1994110608493x",
        ] {
            assert_eq!(moment(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_facts_that_are_wanted_are_told() {
        let entry = Entry {
            kind: Kind::File,
            size: 6,
            modified: 0,
        };
        assert_eq!(
            line(&FACTS, "file", &entry, b"a b"),
            b"type=file;size=6;modify=19700101000000;perm=adfrw; a b"
        );
        assert_eq!(line(&[], "file", &entry, b"a"), b" a");
        assert_eq!(
            line(&["size", "type"], "dir", &Entry::folder(), b"d"),
            b"type=dir; d"
        );
    }
}
