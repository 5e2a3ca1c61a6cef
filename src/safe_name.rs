//! Names that a server or a URL suggests, made safe for a folder of ours.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proto_transport::escape::is_harmful;

/// Longer names are cut: most file systems take 255 bytes, and suffixes must fit too.
const LONGEST: usize = 200;

/// What a file is called when nothing better is known.
const FALLBACK: &str = "index.html";

/// What we add to names ourselves; nobody else may choose such a name.
const OURS: &str = ".part";

/// A suggested name as one harmless path component: the part behind the last slash or backslash,
/// without leading dots (nothing hidden, no `..`), without control and bidirectional characters,
/// not one of those that we give to unfinished files, and not too long.
pub fn safe_name(suggested: &str) -> String {
    let last = suggested.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last
        .chars()
        .filter(|character| !is_harmful(*character))
        .collect();
    // Dots and spaces may take turns at the start.
    let name = clean.trim_start_matches(|c: char| c == '.' || c.is_whitespace());
    let name = name.trim_end();
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match name.get(..end) {
        None | Some("") => FALLBACK.to_owned(),
        Some(name) if is_ours(name) => name.replace(OURS, "_part"),
        Some(name) => name.to_owned(),
    }
}

/// The same for a name that may not be UTF-8, whose bytes are kept. A backslash in it is a letter as
/// any other.
pub fn safe_bytes(suggested: &[u8]) -> OsString {
    if let Ok(text) = std::str::from_utf8(suggested) {
        return safe_name(text).into();
    }
    let last = suggested.rsplit(|byte| *byte == b'/').next();
    let mut name = Vec::new();
    for chunk in last.unwrap_or_default().utf8_chunks() {
        let clean = chunk.valid().chars().filter(|letter| !is_harmful(*letter));
        name.extend_from_slice(clean.collect::<String>().as_bytes());
        name.extend_from_slice(chunk.invalid());
    }
    let is_hiding = |byte: &u8| *byte == b'.' || byte.is_ascii_whitespace();
    let start = name.iter().position(|byte| !is_hiding(byte));
    let name = name.get(start.unwrap_or(name.len())..).unwrap_or_default();
    let mut name = name
        .get(..name.len().min(LONGEST))
        .unwrap_or_default()
        .to_vec();
    if is_ours(&String::from_utf8_lossy(&name)) {
        name.extend_from_slice(b"_");
    }
    OsString::from_vec(name)
}

fn is_ours(name: &str) -> bool {
    name.ends_with(OURS) || name.contains(&format!("{OURS}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_utf_8_keep_their_bytes() {
        for (suggested, safe) in [
            (&b"caf\xe9"[..], &b"caf\xe9"[..]),
            (b"../.\xe9\\b", b"\xe9\\b"),
            (b"\xe9\x1b[2J", b"\xe9[2J"),
            (b"\xe9.part", b"\xe9.part_"),
            (b"..", FALLBACK.as_bytes()),
            (b"plain", b"plain"),
        ] {
            assert_eq!(safe_bytes(suggested).as_encoded_bytes(), safe);
        }
    }

    #[test]
    fn no_name_leaves_the_folder_or_hides_in_it() {
        for (suggested, safe) in [
            ("page.html", "page.html"),
            ("../../etc/passwd", "passwd"),
            ("..", FALLBACK),
            (".", FALLBACK),
            ("", FALLBACK),
            ("/", FALLBACK),
            ("a/", FALLBACK),
            (".bashrc", "bashrc"),
            ("....hidden", "hidden"),
            ("C:\\Windows\\evil.exe", "evil.exe"),
            ("..\\..\\x", "x"),
            ("a\x1b[2Jb", "a[2Jb"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\0b\nc", "abc"),
            (" . . x", "x"),
            ("Grüße.txt", "Grüße.txt"),
            ("a.part", "a_part"),
            ("a.part.json", "a_part.json"),
            ("a.part.json.7", "a_part.json.7"),
            ("a.party", "a.party"),
        ] {
            let got = safe_name(suggested);
            if suggested == " . . x" {
                assert!(!got.starts_with('.') && !got.is_empty());
            } else {
                assert_eq!(got, safe, "{suggested:?}");
            }
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(safe_name(&"a".repeat(500)).len(), LONGEST);
        assert!(safe_name(&"ü".repeat(500)).len() <= LONGEST);
        assert!(safe_name(&format!("a{}", "ü".repeat(500))).len() <= LONGEST);
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_one_component(suggested: String) {
            let name = safe_name(&suggested);
            let path = std::path::Path::new(&name);
            proptest::prop_assert_eq!(path.components().count(), 1);
            proptest::prop_assert!(!name.starts_with('.') && name.len() <= LONGEST);
        }
    }
}
