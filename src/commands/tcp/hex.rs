//! Bytes as numbers and letters, as everybody who debugs a protocol knows them.

use std::fmt::Write;

/// Bytes in one row.
const ROW: usize = 16;

/// Rows for some bytes: who sent them (`<` the peer, `>` we), their place in all that this side has
/// sent, and what they are.
pub fn dump(side: char, offset: u64, bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut offset = offset;
    for row in bytes.chunks(ROW) {
        let mut numbers = String::new();
        for (index, byte) in row.iter().enumerate() {
            let gap = if index == ROW / 2 { " " } else { "" };
            // A String takes everything.
            let _ = write!(numbers, "{gap}{byte:02x} ");
        }
        let letters: String = row
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            })
            .collect();
        let _ = writeln!(text, "{side} {offset:08x}  {numbers:49} |{letters}|");
        offset += row.len() as u64;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_everybody_knows_them() {
        assert_eq!(
            dump('<', 0x10, b"220 mail.example\r\n\x1b\xff"),
            "< 00000010  32 32 30 20 6d 61 69 6c  2e 65 78 61 6d 70 6c 65  |220 mail.example|\n\
             < 00000020  0d 0a 1b ff                                       |....|\n"
        );
        assert_eq!(dump('>', 0, b""), "");
    }
}
