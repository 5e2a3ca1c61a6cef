//! What no listing should hold, and what a careless client would do with it.

use super::flaw::Flaw;
use super::listing::Row;
use super::tree::{Entry, Kind};
use super::FtpServer;

/// The names that [`Flaw::HostileNames`] adds to each listing. Each is shown as a file, the last two
/// also as folders; beside them there are links that lead away.
pub const HOSTILE: [&[u8]; 24] = [
    b"../evil",
    b"../../evil",
    b"/tmp/evil",
    b"evil/../../evil",
    b"sub/evil",
    b"..\\evil",
    b"C:\\evil",
    b"C:evil",
    b"\\\\server\\evil",
    b"evil\0.txt",
    b"evil\x1b[2J\x1b]0;evil\x07",
    b"evil\ttab",
    b"evil\rreturn",
    b"evil\x7f",
    b"\xff\xfe evil",
    b"evil\xe2\x80\xaegpj.exe",
    b" evil",
    b"evil ",
    b"-rf",
    b"~",
    b".bashrc",
    b"NUL",
    b".",
    b"..",
];

/// What each of them holds.
const CONTENT: &[u8] = b"evil\n";

/// Links that lead away, and where.
const LINKS: [(&[u8], &[u8]); 3] = [
    (b"evil-link", b"/tmp"),
    (b"evil-up", b"../.."),
    (b"evil-passwd", b"/etc/passwd"),
];

/// Lines that mean nothing, in any style.
pub(super) const STRANGE: &[u8] =
    b"total 12\r\n???\r\n\r\n-rw\r\n+\r\nls: warning: \x1b[31mstrange\r\n";

/// What is added to a listing.
pub(super) fn rows(server: &FtpServer) -> Vec<Row> {
    if !server.is_flawed(&Flaw::HostileNames) {
        return Vec::new();
    }
    let file = Entry {
        kind: Kind::File,
        size: CONTENT.len() as u64,
        modified: 0,
    };
    let mut rows: Vec<Row> = HOSTILE
        .iter()
        .map(|name| (name.to_vec(), file.clone()))
        .collect();
    for name in [&b"."[..], b"..", b"../evil-folder", b"/tmp/evil-folder"] {
        rows.push((name.to_vec(), Entry::folder()));
    }
    // A link, and then a file that is to be written through it.
    for (name, target) in LINKS {
        let link = Entry {
            kind: Kind::Link(target.to_vec()),
            ..file.clone()
        };
        rows.push((name.to_vec(), link));
        rows.push((name.to_vec(), file.clone()));
        rows.push((name.to_vec(), Entry::folder()));
    }
    rows.push((vec![b'n'; 300], file));
    rows
}

/// What a client gets that asks for one of these names, wherever it believes that it is.
pub(super) fn content(server: &FtpServer, path: &[u8]) -> Option<&'static [u8]> {
    let is_listed = |name: &&[u8]| path.ends_with(name) && !name.ends_with(b".");
    let is_hostile = HOSTILE.iter().any(is_listed) || path.windows(4).any(|part| part == b"evil");
    (server.is_flawed(&Flaw::HostileNames) && is_hostile).then_some(CONTENT)
}
