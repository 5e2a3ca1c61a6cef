//! Bytes made harmless before a person sees them: no byte that a peer chose drives a terminal.

use std::fmt::Write;

/// `bytes` as one line of text that is safe on a terminal: control characters (C0, DEL and C1),
/// bidirectional controls and invalid UTF-8 appear as `\r`, `\n`, `\t`, `\xNN` or `\u{…}`.
/// A backslash stays as it is, so this form is for reading, not for reading back.
pub fn escaped(bytes: &[u8]) -> String {
    escape(bytes, "")
}

/// As [`escaped`], but what the text means stands as it is: line feeds and tabs remain.
pub fn escaped_text(bytes: &[u8]) -> String {
    escape(bytes, "\n\t")
}

fn escape(bytes: &[u8], kept: &str) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if kept.contains(character) {
                text.push(character);
            } else {
                push_escaped(&mut text, character);
            }
        }
        for byte in chunk.invalid() {
            push_byte(&mut text, *byte);
        }
    }
    text
}

fn push_escaped(text: &mut String, character: char) {
    match character {
        '\r' => text.push_str("\\r"),
        '\n' => text.push_str("\\n"),
        '\t' => text.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => push_byte(text, character as u8),
        _ if is_harmful(character) => text.extend(character.escape_unicode()),
        _ => text.push(character),
    }
}

/// Whether a character may change how a terminal or a reader sees what stands around it:
/// control characters, line and paragraph separators, and bidirectional controls (UAX #9).
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(crate) fn push_byte(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_passes() {
        assert_eq!(
            escaped(b"a\x1b[2Jb\r\n\t\0\x7f"),
            "a\\x1b[2Jb\\r\\n\\t\\x00\\x7f"
        );
        assert_eq!(escaped("\u{9b}31m".as_bytes()), "\\u{9b}31m");
        assert_eq!(escaped("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(escaped(b"\xff\xc2"), "\\xff\\xc2");
        assert_eq!(escaped("Grüße\\".as_bytes()), "Grüße\\");
    }

    #[test]
    fn text_keeps_its_lines() {
        assert_eq!(escaped_text(b"a\tb\n\x1bc\r\n"), "a\tb\n\\x1bc\\r\n");
    }
}
