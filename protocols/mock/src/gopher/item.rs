//! One line of a menu (RFC 1436 section 3.9): `type name TAB selector TAB host TAB port`.

use std::path::Path;

/// An item of a menu. Without a host it is on this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub kind: u8,
    pub name: Vec<u8>,
    pub selector: Vec<u8>,
    /// The host and port, if it is elsewhere.
    pub place: Option<(String, String)>,
}

/// Every type that is in use, and what it is: those of RFC 1436 section 3.8, and those that came
/// after it.
pub(super) const KINDS: [(u8, &str); 24] = [
    (b'0', "text"),
    (b'1', "menu"),
    (b'2', "CSO phone book"),
    (b'3', "error"),
    (b'4', "BinHex"),
    (b'5', "DOS archive"),
    (b'6', "uuencoded"),
    (b'7', "search"),
    (b'8', "telnet"),
    (b'9', "binary"),
    (b'+', "mirror"),
    (b'T', "tn3270"),
    (b'g', "GIF"),
    (b'I', "image"),
    (b'h', "HTML"),
    (b'i', "information"),
    (b's', "sound"),
    (b'd', "document"),
    (b'P', "PDF"),
    (b'p', "PNG"),
    (b'c', "calendar"),
    (b'M', "MIME"),
    (b'X', "XML"),
    (b';', "video"),
];

impl Item {
    pub fn new(kind: u8, name: impl Into<Vec<u8>>, selector: impl Into<Vec<u8>>) -> Item {
        Item {
            kind,
            name: name.into(),
            selector: selector.into(),
            place: None,
        }
    }

    /// A line that leads nowhere.
    pub fn information(text: impl Into<Vec<u8>>) -> Item {
        Item {
            place: Some(("error.host".to_owned(), "1".to_owned())),
            ..Item::new(b'i', text, "")
        }
    }

    /// What tells that something is not there.
    pub fn error(text: &str) -> Item {
        Item {
            place: Some(("error.host".to_owned(), "1".to_owned())),
            ..Item::new(b'3', text, "")
        }
    }
}

/// Whether an item of this type is sent as text, with dots (RFC 1436 section 3.8).
pub(super) fn is_text(kind: u8) -> bool {
    matches!(kind, b'0' | b'2' | b'3' | b'4' | b'6' | b'c')
}

/// The type of a file: what its name says, or else whether it begins like a text.
pub(super) fn kind_of(path: &Path, beginning: &[u8]) -> u8 {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str().unwrap_or_default() {
        "txt" | "md" | "log" => b'0',
        "hqx" => b'4',
        "uue" | "uu" => b'6',
        "gif" => b'g',
        "jpg" | "jpeg" | "bmp" | "webp" | "tif" | "tiff" => b'I',
        "png" => b'p',
        "html" | "htm" => b'h',
        "wav" | "mp3" | "ogg" | "flac" | "au" => b's',
        "pdf" => b'P',
        "xml" => b'X',
        "ics" => b'c',
        "eml" => b'M',
        "mp4" | "mkv" | "avi" => b';',
        "exe" | "com" => b'5',
        "zip" | "gz" | "tar" | "bin" => b'9',
        _ if beginning.contains(&0) => b'9',
        _ => b'0',
    }
}
