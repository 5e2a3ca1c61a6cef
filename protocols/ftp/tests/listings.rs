//! Every sample in `samples/listings` is read as its rows say.
//!
//! ```text
//! NAME.list    a listing as a server sends it; one whose name begins with mlsd is MLSD's
//! NAME.rows    what it means: a row for each of its lines that means something
//! ```
//!
//! A row is kind, size, time, mode, name and the target of a link, with a bar between them. The
//! listings came at noon on 15 June 2024.

use std::fs;
use std::path::{Path, PathBuf};

use proto_ftp::{machine_line, Entry, Kind, Line, Listing, Moment, Precision};
use proto_transport::escape::escaped;

fn row(line: Line) -> Option<String> {
    match line {
        Line::Entry(entry) => Some(entry_row(&entry)),
        Line::Nothing => None,
        Line::Unknown(raw) => Some(format!("unknown | {}", escaped(&raw))),
        Line::BadName(raw) => Some(format!("bad name | {}", escaped(&raw))),
    }
}

fn entry_row(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Link => "link",
        Kind::Other => "other",
    };
    let size = entry.size.map_or("-".to_owned(), |size| size.to_string());
    let time = entry.modified.map_or("-".to_owned(), |modified| {
        let text = modified.moment.to_string();
        let shown = match modified.precision {
            Precision::Day => &text[..8],
            Precision::Minute => &text[..12],
            Precision::Second => &text,
        };
        format!("{shown}{}", if modified.is_utc { "Z" } else { "" })
    });
    let mode = entry
        .mode
        .map_or("-".to_owned(), |mode| format!("{mode:04o}"));
    let name = escaped(&entry.name);
    let target = entry.target.as_ref();
    let target = target.map_or(String::new(), |target| format!(" | {}", escaped(target)));
    format!("{kind} | {size} | {time} | {mode} | {name}{target}")
}

fn read(path: &Path) -> String {
    let listing = fs::read(path).unwrap();
    let is_for_programs = path
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .starts_with("mlsd");
    let mut reader = Listing::new(Moment::parse(b"20240615120000").unwrap());
    let mut rows = Vec::new();
    let text = listing.strip_suffix(b"\n").unwrap_or(&listing);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        rows.extend(row(match is_for_programs {
            true => machine_line(line),
            false => reader.line(line),
        }));
    }
    rows.extend(row(reader.end()));
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn every_sample_is_read_as_its_rows_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/listings");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "list"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 15, "{paths:?}");
    for path in paths {
        let wanted = fs::read_to_string(path.with_extension("rows")).unwrap_or_default();
        let found = read(&path);
        assert_eq!(found, wanted, "{}\n{found}", path.display());
    }
}
