//! Files that stand in the middle of a text: uuencode and yEnc.
//!
//! ```text
//! begin MODE NAME                     POSIX uuencode: a line is a length and so many bytes, each
//! #0V%T                               three in four characters
//! `
//! end
//! =ybegin part=1 line=128 size=N name=NAME        yEnc 1.3: each byte is one, shifted by 42
//! =ypart begin=1 end=N
//! ...
//! =yend size=N crc32=HEX
//! ```

/// A file that stands in a text.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// `uuencode` or `yenc`.
    pub encoding: &'static str,
    /// As the sender calls it.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What is wrong with it.
    pub wrong: Option<&'static str>,
}

/// What is left of a text without the files in it, and so many of the files.
pub fn taken_out(text: &[u8], most: usize) -> (Vec<u8>, Vec<Block>) {
    let (mut rest, mut left, mut blocks) = (text, Vec::with_capacity(text.len()), Vec::new());
    while let Some((line, after)) = first_line(rest) {
        let found = match blocks.len() < most {
            true => uuencoded(line, after).or_else(|| yencoded(line, after)),
            false => None,
        };
        match found {
            Some((block, behind)) => {
                blocks.push(block);
                rest = behind;
            }
            None => {
                left.extend_from_slice(rest.get(..rest.len() - after.len()).unwrap_or_default());
                rest = after;
            }
        }
    }
    (left, blocks)
}

/// The first line without its end, and what is behind it.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1);
    let (line, after) = text.split_at_checked(end)?;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Some((line.strip_suffix(b"\r").unwrap_or(line), after))
}

fn uuencoded<'t>(line: &[u8], mut rest: &'t [u8]) -> Option<(Block, &'t [u8])> {
    let (mode, name) = line.strip_prefix(b"begin ")?.split_at_checked(3)?;
    let (mode, name) = match name.strip_prefix(b" ") {
        Some(name) => (mode, name),
        None => (mode, name.get(1..)?.strip_prefix(b" ")?),
    };
    if !mode.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return None;
    }
    let mut bytes = Vec::new();
    let mut wrong = Some("it has no end");
    let mut is_empty = true;
    while let Some((line, after)) = first_line(rest) {
        if line.trim_ascii_end() == b"end" {
            (rest, wrong) = (after, None);
            break;
        }
        // What follows is text again, and perhaps it was nothing else all the time.
        if !push_uuencoded(&mut bytes, line) {
            break;
        }
        is_empty = false;
        rest = after;
    }
    let name = super::decode::unlabelled(name.trim_ascii());
    let block = Block {
        encoding: "uuencode",
        name,
        bytes,
        wrong,
    };
    (!is_empty || wrong.is_none()).then_some((block, rest))
}

/// Pushes the bytes of a line; `false` if it is none of uuencode.
fn push_uuencoded(bytes: &mut Vec<u8>, line: &[u8]) -> bool {
    let value = |byte: &u8| matches!(byte, b' '..=b'`').then(|| u32::from((byte - b' ') & 63));
    let Some((length, line)) = line.split_first() else {
        return false;
    };
    let Some(length) = value(length).and_then(|length| usize::try_from(length).ok()) else {
        return false;
    };
    let groups = length.div_ceil(3);
    // A check character may stand at the end.
    if line.len() < groups * 4 || line.len() > groups * 4 + 2 {
        return false;
    }
    let before = bytes.len();
    for group in line.chunks_exact(4).take(groups) {
        let mut bits = 0;
        for character in group {
            let Some(value) = value(character) else {
                bytes.truncate(before);
                return false;
            };
            bits = bits << 6 | value;
        }
        bytes.extend(bits.to_be_bytes().iter().skip(1));
    }
    bytes.truncate(before + length);
    true
}

fn yencoded<'t>(line: &[u8], mut rest: &'t [u8]) -> Option<(Block, &'t [u8])> {
    let keywords = line.strip_prefix(b"=ybegin ")?;
    let size = keyword(keywords, "size=")?;
    let part = keyword(keywords, "part=").and_then(|text| text.parse::<u32>().ok());
    let at = memchr::memmem::find(keywords, b" name=")?;
    let name = keywords.get(at + 6..).unwrap_or_default();
    let mut bytes = Vec::new();
    let mut wrong = Some("it has no end");
    while let Some((line, after)) = first_line(rest) {
        rest = after;
        if let Some(keywords) = line.strip_prefix(b"=yend ") {
            wrong = check(keywords, &bytes);
            break;
        }
        if !line.starts_with(b"=ypart ") {
            push_yencoded(&mut bytes, line);
        }
    }
    let mut name = super::decode::unlabelled(name.trim_ascii());
    // A part of a file must not pass for all of it; in the order of their names they are the file.
    if let Some(part) = part.filter(|_| size.parse() != Ok(bytes.len())) {
        name = format!("{name}.{part:03}");
    }
    let block = Block {
        encoding: "yenc",
        name,
        bytes,
        wrong,
    };
    Some((block, rest))
}

fn push_yencoded(bytes: &mut Vec<u8>, line: &[u8]) {
    let mut is_escaped = false;
    for byte in line {
        match byte {
            b'=' if !is_escaped => is_escaped = true,
            _ => {
                let shift = if is_escaped { 42 + 64 } else { 42 };
                bytes.push(byte.wrapping_sub(shift));
                is_escaped = false;
            }
        }
    }
}

/// Size and checksum in the last line; that of a part of a file is `pcrc32`.
fn check(keywords: &[u8], bytes: &[u8]) -> Option<&'static str> {
    let size = keyword(keywords, "size=").and_then(|text| text.parse::<u64>().ok());
    if size != Some(bytes.len() as u64) {
        return Some("it is not of the size that it should be");
    }
    let sum = keyword(keywords, "pcrc32=").or_else(|| keyword(keywords, "crc32="));
    match sum.map(|text| u32::from_str_radix(text, 16)) {
        Some(sum) if sum != Ok(crc32(bytes)) => Some("its checksum is wrong"),
        _ => None,
    }
}

/// The value of a keyword, up to the next blank.
fn keyword<'k>(keywords: &'k [u8], name: &str) -> Option<&'k str> {
    let mut words = keywords.split(|byte| *byte == b' ');
    let value = words.find_map(|word| word.strip_prefix(name.as_bytes()))?;
    std::str::from_utf8(value).ok()
}

/// The checksum of ISO 3309, as in zip files.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
    let add = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &[u8]) -> (String, Block) {
        let (left, mut blocks) = taken_out(text, 9);
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        (String::from_utf8(left).unwrap(), blocks.remove(0))
    }

    #[test]
    fn uuencoded_files() {
        // The example of POSIX uuencode: "Cat" is `#0V%T`.
        for end in ["\n", "\r\n"] {
            let text = "before\nbegin 644 my cat.txt\n#0V%T\n`\nend\nbehind\n".replace('\n', end);
            let (left, block) = one(text.as_bytes());
            assert_eq!(left, "before\nbehind\n".replace('\n', end));
            assert_eq!(
                (block.name.as_str(), &block.bytes[..]),
                ("my cat.txt", &b"Cat"[..])
            );
            assert_eq!((block.encoding, block.wrong), ("uuencode", None));
        }
        let (_, block) = one(b"begin 0644 a\n\"0V$`\n`\nend");
        assert_eq!((&block.bytes[..], block.wrong), (&b"Ca"[..], None));
        let (left, block) = one(b"begin 644 a\n#0V%T\nno more of it");
        assert_eq!(
            (&block.bytes[..], left.as_str()),
            (&b"Cat"[..], "no more of it")
        );
        assert!(block.wrong.is_some());
    }

    #[test]
    fn text_stays_text() {
        for text in [
            "begin 644 a\nand so on\n",
            "begin with\n",
            "begin 999 a\n#0V%T\nend\n",
            "begin 6",
            "=ybegin is how it begins",
            "=yend size=1",
            "\n\n",
            "",
        ] {
            let (left, blocks) = taken_out(text.as_bytes(), 9);
            assert_eq!(
                (left.as_slice(), blocks.len()),
                (text.as_bytes(), 0),
                "{text}"
            );
        }
    }

    #[test]
    fn yencoded_files() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = b"before\r\n=ybegin line=128 size=256 name=all bytes.bin\r\n".to_vec();
        for line in bytes.chunks(128) {
            for byte in line {
                match byte.wrapping_add(42) {
                    coded @ (0 | b'\n' | b'\r' | b'=') => {
                        text.extend([b'=', coded.wrapping_add(64)])
                    }
                    coded => text.push(coded),
                }
            }
            text.extend(b"\r\n");
        }
        let whole = [&text[..], b"=yend size=256 crc32=29058c73\r\nbehind"].concat();
        let (left, block) = one(&whole);
        assert_eq!(left, "before\r\nbehind");
        assert_eq!((block.name.as_str(), block.wrong), ("all bytes.bin", None));
        assert!(block.bytes == bytes);
        for end in [
            "",
            "=yend size=255\r\n",
            "=yend size=256 pcrc32=1\r\n",
            "=yend \r\n",
        ] {
            let broken = [&text[..], end.as_bytes()].concat();
            assert!(one(&broken).1.wrong.is_some(), "{end}");
        }
    }

    #[test]
    fn parts_of_yencoded_files_have_numbers() {
        for (begin, end, name) in [
            (
                "part=2 total=2 line=128 size=5",
                "size=3 part=2",
                "a.bin.002",
            ),
            ("part=1 total=1 line=128 size=3", "size=3 part=1", "a.bin"),
            ("line=128 size=3", "size=3", "a.bin"),
        ] {
            let text =
                format!("=ybegin {begin} name=a.bin\n=ypart begin=3 end=5\nabc\n=yend {end}\n");
            let (_, block) = one(text.as_bytes());
            assert_eq!((block.name.as_str(), block.wrong), (name, None));
        }
    }

    #[test]
    fn checksums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(begin 644 a\n|=ybegin line=1 size=1 name=a\n|#0V%T\n|end\n|=yend size=1\n|[ -z]{0,5}\n){0,20}") {
            taken_out(text.as_bytes(), 9);
        }

        #[test]
        fn any_bytes_are_text(bytes: Vec<u8>) {
            taken_out(&bytes, 9);
        }
    }
}
