//! What LIST looks like on many systems. There is no standard, so each is as the servers of that
//! system are known to show it.

use std::fmt;
use std::str::FromStr;

use super::facts::parts;
use super::tree::{Entry, Kind};
use crate::mailbox::{Date, MONTHS};

/// A name, and what it stands for.
pub(super) type Row = (Vec<u8>, Entry);

/// What the lines of LIST look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `ls -l`.
    Unix,
    /// IIS.
    Dos,
    /// Easily parsed LIST format, of publicfile.
    Eplf,
    /// OpenVMS, with versions and a header; names keep their case, as on ODS-5 volumes.
    Vms,
    /// IBM i.
    Os400,
    /// Novell NetWare.
    Netware,
}

/// Every style with its name.
const STYLES: [(&str, Style); 6] = [
    ("unix", Style::Unix),
    ("dos", Style::Dos),
    ("eplf", Style::Eplf),
    ("vms", Style::Vms),
    ("os400", Style::Os400),
    ("netware", Style::Netware),
];

impl Style {
    /// The names of all styles.
    pub const NAMES: [&'static str; 6] = ["unix", "dos", "eplf", "vms", "os400", "netware"];

    /// The reply to SYST of such a system.
    pub(super) fn system(self) -> &'static str {
        match self {
            Style::Unix | Style::Eplf => "215 UNIX Type: L8",
            Style::Dos => "215 Windows_NT",
            Style::Vms => "215 VMS V8.4",
            Style::Os400 => {
                "215 OS/400 is the remote operating system. The TCP/IP version is \"V7R4M0\"."
            }
            Style::Netware => "215 NETWARE Type : L8",
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STYLES.iter().find(|(_, style)| style == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Style {
    type Err = String;

    fn from_str(text: &str) -> Result<Style, String> {
        let style = STYLES.iter().find(|(name, _)| *name == text);
        style
            .map(|(_, style)| *style)
            .ok_or_else(|| format!("there are {}", Style::NAMES.join(", ")))
    }
}

/// The lines of a listing.
pub(super) fn lines(style: Style, rows: &[Row]) -> Vec<Vec<u8>> {
    let now = Date::now().seconds;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    if style == Style::Vms {
        lines.push(b"Directory SYS$USER:[FTP]".to_vec());
        lines.push(Vec::new());
    }
    for (name, entry) in rows {
        lines.push(match style {
            Style::Unix => unix(name, entry, now),
            Style::Dos => dos(name, entry),
            Style::Eplf => eplf(name, entry),
            Style::Vms => vms(name, entry),
            Style::Os400 => os400(name, entry),
            Style::Netware => netware(name, entry, now),
        });
    }
    if style == Style::Vms {
        lines.push(Vec::new());
        lines.push(format!("Total of {} files.", rows.len()).into_bytes());
    }
    lines
}

fn joined(start: String, name: &[u8]) -> Vec<u8> {
    [start.as_bytes(), name].concat()
}

fn month(number: i64) -> &'static str {
    let at = usize::try_from(number - 1).unwrap_or(0);
    MONTHS.get(at).copied().unwrap_or("Jan")
}

/// `Nov  6 08:49`, or of what is older than half a year or in the future `Nov  6  1994`.
fn short_date(seconds: i64, now: i64) -> String {
    const HALF_A_YEAR: i64 = 182 * 86_400;
    let [year, number, day, hour, minute, _] = parts(seconds);
    let month = month(number);
    match (now - HALF_A_YEAR..=now).contains(&seconds) {
        true => format!("{month} {day:2} {hour:02}:{minute:02}"),
        false => format!("{month} {day:2}  {year:04}"),
    }
}

fn unix(name: &[u8], entry: &Entry, now: i64) -> Vec<u8> {
    let (mode, links) = match entry.kind {
        Kind::File => ("-rw-r--r--", 1),
        Kind::Folder => ("drwxr-xr-x", 2),
        Kind::Link(_) => ("lrwxrwxrwx", 1),
    };
    let date = short_date(entry.modified, now);
    let mut line = joined(
        format!(
            "{mode} {links:4} ftp      ftp      {:12} {date} ",
            entry.size
        ),
        name,
    );
    if let Kind::Link(target) = &entry.kind {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(target);
    }
    line
}

fn dos(name: &[u8], entry: &Entry) -> Vec<u8> {
    let [year, month, day, hour, minute, _] = parts(entry.modified);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    let date = format!(
        "{month:02}-{day:02}-{:02}  {hour:02}:{minute:02}{half}",
        year % 100
    );
    match entry.is_folder() {
        true => joined(format!("{date}       <DIR>          "), name),
        false => joined(format!("{date} {:20} ", entry.size), name),
    }
}

/// <https://cr.yp.to/ftp/list/eplf.html>
fn eplf(name: &[u8], entry: &Entry) -> Vec<u8> {
    let facts = match entry.is_folder() {
        true => "/".to_owned(),
        false => format!("r,s{}", entry.size),
    };
    joined(format!("+m{},{facts},\t", entry.modified), name)
}

fn vms(name: &[u8], entry: &Entry) -> Vec<u8> {
    let extension: &[u8] = match (entry.is_folder(), name.contains(&b'.')) {
        (true, _) => b".DIR;1",
        (false, true) => b";1",
        (false, false) => b".;1",
    };
    let [year, number, day, hour, minute, second] = parts(entry.modified);
    let month = month(number).to_ascii_uppercase();
    let blocks = entry.size.div_ceil(512);
    let rest = format!(" {blocks:10}/{blocks:<10} {day:2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02}.00 [FTP,FTP] (RWED,RWED,RE,)");
    [name, extension, rest.as_bytes()].concat()
}

fn os400(name: &[u8], entry: &Entry) -> Vec<u8> {
    let [year, month, day, hour, minute, second] = parts(entry.modified);
    let (kind, end) = match entry.is_folder() {
        true => ("*DIR", "/"),
        false => ("*STMF", ""),
    };
    let start = format!(
        "FTP        {:12} {month:02}/{day:02}/{:02} {hour:02}:{minute:02}:{second:02} {kind:10} ",
        entry.size,
        year % 100
    );
    [start.as_bytes(), name, end.as_bytes()].concat()
}

fn netware(name: &[u8], entry: &Entry, now: i64) -> Vec<u8> {
    let kind = if entry.is_folder() { 'd' } else { '-' };
    let date = short_date(entry.modified, now);
    joined(
        format!("{kind} [RWCEAFMS] ftp {:24} {date} ", entry.size),
        name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_shows_a_file_a_folder_and_a_link() {
        let entry = |kind, size| Entry {
            kind,
            size,
            modified: 784_111_777,
        };
        let rows = [
            (b"a b.txt".to_vec(), entry(Kind::File, 1234)),
            (b"sub".to_vec(), entry(Kind::Folder, 0)),
            (b"l".to_vec(), entry(Kind::Link(b"a".to_vec()), 1)),
        ];
        let text = |style| {
            let lines = lines(style, &rows[..if style == Style::Unix { 3 } else { 2 }]);
            String::from_utf8(lines.join(&b'\n')).unwrap()
        };
        let expected = "\
-rw-r--r--    1 ftp      ftp              1234 Nov  6  1994 a b.txt
drwxr-xr-x    2 ftp      ftp                 0 Nov  6  1994 sub
lrwxrwxrwx    1 ftp      ftp                 1 Nov  6  1994 l -> a";
        assert_eq!(text(Style::Unix), expected);
        let expected = "\
11-06-94  08:49AM                 1234 a b.txt
11-06-94  08:49AM       <DIR>          sub";
        assert_eq!(text(Style::Dos), expected);
        let expected = "+m784111777,r,s1234,\ta b.txt\n+m784111777,/,\tsub";
        assert_eq!(text(Style::Eplf), expected);
        let expected = "\
Directory SYS$USER:[FTP]

a b.txt;1          3/3           6-NOV-1994 08:49:37.00 [FTP,FTP] (RWED,RWED,RE,)
sub.DIR;1          0/0           6-NOV-1994 08:49:37.00 [FTP,FTP] (RWED,RWED,RE,)

Total of 2 files.";
        assert_eq!(text(Style::Vms), expected);
        let expected = "\
FTP                1234 11/06/94 08:49:37 *STMF      a b.txt
FTP                   0 11/06/94 08:49:37 *DIR       sub/";
        assert_eq!(text(Style::Os400), expected);
        let expected = "\
- [RWCEAFMS] ftp                     1234 Nov  6  1994 a b.txt
d [RWCEAFMS] ftp                        0 Nov  6  1994 sub";
        assert_eq!(text(Style::Netware), expected);
        let recent = short_date(784_111_777, 784_111_778);
        assert_eq!(recent, "Nov  6 08:49");
        for name in Style::NAMES {
            assert_eq!(name.parse::<Style>().unwrap().to_string(), name);
        }
    }
}
