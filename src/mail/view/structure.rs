//! The parts of a message, as ranges of its bytes.
//!
//! ```text
//! multipart = [preamble] 1*(line-end "--" boundary line-end part) line-end "--" boundary "--" [epilogue]
//! part      = header, empty line, body                          RFC 2046 section 5.1
//! ```
//!
//! One pass over the lines, with the open multiparts on a stack of bounded depth: no recursion, and
//! nothing is looked at twice. The boundary of an outer multipart ends whatever is open inside.
//! Parts are numbered as IMAP numbers them (RFC 9051 section 6.4.5.1).

use std::ops::Range;

use super::parameters::Parameters;
use crate::mail::header::{fields, name_of};

/// How deep parts may lie in parts; people nest four or five.
pub const DEEPEST: usize = 64;

/// The most parts of one message: more would cost memory, and nobody reads them.
pub const MOST: usize = 10_000;

/// How much of one header is looked at.
const LARGEST_HEADER: usize = 4 * 1024 * 1024;

/// A part of a message, or the message itself.
#[derive(Debug)]
pub struct Part {
    /// `1`, `2.3`; a multipart that is a whole message is its `TEXT`.
    pub number: String,
    /// In how many parts it lies.
    pub depth: usize,
    /// Its type and subtype, in lower case, and their parameters.
    pub content_type: Parameters,
    /// Whether it is shown with the message or attached to it, if it is said.
    pub disposition: Option<Parameters>,
    /// Its transfer encoding, in lower case.
    pub encoding: String,
    /// Whether there are parts in it.
    pub is_container: bool,
    /// Whether it is of another message that lies in this one.
    pub is_foreign: bool,
    /// Where its header is, with the empty line.
    pub header: Range<usize>,
    /// Where its body is, not decoded.
    pub body: Range<usize>,
}

impl Part {
    /// The first part is the message; everything else is found in it.
    fn new(start: usize, depth: usize, is_foreign: bool) -> Part {
        Part {
            number: String::new(),
            depth,
            content_type: Parameters::default(),
            disposition: None,
            encoding: String::new(),
            is_container: false,
            is_foreign,
            header: start..start,
            body: start..start,
        }
    }
}

/// Finds the parts, outer before inner, and says what is wrong with them.
pub fn parts(message: &[u8]) -> (Vec<Part>, Vec<String>) {
    let mut walk = Walk {
        message,
        parts: Vec::new(),
        open: Vec::new(),
        notes: Vec::new(),
        is_full: false,
    };
    walk.begin(0, String::new(), false, false);
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        walk.line(line, at);
        at += line.len();
        if walk.is_full {
            break;
        }
    }
    walk.finish();
    (walk.parts, walk.notes)
}

/// A part that has not ended yet.
struct Open {
    part: usize,
    in_header: bool,
    /// What its number begins with, and whether that is all of it.
    prefix: String,
    is_numbered: bool,
    /// What separates the parts in it, until its last has ended.
    boundary: Option<String>,
    is_digest: bool,
    children: usize,
}

struct Walk<'m> {
    message: &'m [u8],
    parts: Vec<Part>,
    open: Vec<Open>,
    notes: Vec<String>,
    is_full: bool,
}

impl Walk<'_> {
    fn begin(&mut self, at: usize, prefix: String, is_numbered: bool, is_foreign: bool) {
        if self.parts.len() >= MOST {
            self.is_full = true;
            let note = format!("more than {MOST} parts; the rest is not looked at");
            return self.notes.push(note);
        }
        let part = Part::new(at, self.open.len(), is_foreign);
        self.open.push(Open {
            part: self.parts.len(),
            in_header: true,
            prefix,
            is_numbered,
            boundary: None,
            is_digest: false,
            children: 0,
        });
        self.parts.push(part);
    }

    fn line(&mut self, line: &[u8], at: usize) {
        if let Some((level, is_last)) = self.boundary(line) {
            return self.separate(level, is_last, at, at + line.len());
        }
        while let Some(start) = self.start_of_header() {
            if matches!(line, b"\n" | b"\r\n") {
                return self.end_of_header(at + line.len());
            }
            // A text that does not begin with a field has no header.
            if start != at || name_of(line).is_some() {
                return;
            }
            self.end_of_header(at);
        }
    }

    /// Where the header begins in which the walk is, if it is in one.
    fn start_of_header(&self) -> Option<usize> {
        let open = self.open.last().filter(|open| open.in_header)?;
        self.parts.get(open.part).map(|part| part.header.start)
    }

    /// Which open multipart a line separates the parts of, and whether it is its last.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(level, open)| {
                let boundary = open.boundary.as_ref()?;
                match text.strip_prefix(boundary.as_bytes())? {
                    b"" => Some((level, false)),
                    b"--" => Some((level, true)),
                    _ => None,
                }
            })
    }

    /// Ends the parts inside of a multipart, and begins its next.
    fn separate(&mut self, level: usize, is_last: bool, at: usize, next: usize) {
        while self.open.len() > level + 1 {
            self.end(at);
        }
        let Some(open) = self.open.get_mut(level) else {
            return;
        };
        if is_last {
            open.boundary = None;
            return;
        }
        open.children += 1;
        let prefix = format!("{}{}", open.prefix, open.children);
        let is_foreign = self
            .parts
            .get(open.part)
            .is_some_and(|part| part.is_foreign);
        self.begin(next, prefix, true, is_foreign);
    }

    /// Ends the innermost part before the line that begins at `at`, whose line end is the boundary's.
    fn end(&mut self, at: usize) {
        // Where one header ends, that of a message inside begins.
        while self.start_of_header().is_some() {
            self.end_of_header(at);
        }
        let Some(open) = self.open.pop() else {
            return;
        };
        let before = self.message.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        if let Some(part) = self.parts.get_mut(open.part) {
            part.body.end = before.len().max(part.body.start);
            let number = &part.number;
            match open.boundary {
                Some(_) if open.children == 0 => {
                    let note = format!("part {number} is a multipart without a part");
                    self.notes.push(note);
                }
                Some(_) => self.notes.push(format!("part {number} has no end")),
                None => {}
            }
        }
    }

    fn finish(&mut self) {
        while let Some(open) = self.open.last() {
            let part = open.part;
            self.end(self.message.len());
            // Nothing separates it from anything: its last line end is its own.
            if let Some(part) = self.parts.get_mut(part) {
                part.body.end = self.message.len().max(part.body.start);
            }
        }
    }

    /// The innermost header ends at `end`: now it shows what the part is.
    fn end_of_header(&mut self, end: usize) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        open.in_header = false;
        part.header.end = end;
        part.body = end..end;
        let parent = self
            .open
            .len()
            .checked_sub(2)
            .and_then(|at| self.open.get(at));
        let in_digest = parent.is_some_and(|parent| parent.is_digest);
        self.look(in_digest);
    }

    /// Reads the innermost header, and opens what it announces.
    fn look(&mut self, in_digest: bool) {
        let is_deepest = self.open.len() >= DEEPEST;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        let limit = part.header.end.min(part.header.start + LARGEST_HEADER);
        let header = self
            .message
            .get(part.header.start..limit)
            .unwrap_or_default();
        read_header(part, header, in_digest);
        let is_multipart = part.content_type.value.starts_with("multipart/");
        let is_message = is_message(part);
        number(part, open, is_multipart);
        if !is_multipart && !is_message {
            return;
        }
        let boundary = part.content_type.token("boundary").map(str::trim_end);
        if is_deepest {
            let note = format!("part {} lies too deep to be taken apart", part.number);
            return self.notes.push(note);
        }
        if is_message {
            part.is_container = true;
            let (at, prefix) = (part.body.start, part.number.clone());
            return self.begin(at, prefix, false, true);
        }
        match boundary.filter(|boundary| !boundary.is_empty()) {
            Some(boundary) => {
                part.is_container = true;
                open.boundary = Some(boundary.to_owned());
                open.is_digest = part.content_type.value == "multipart/digest";
            }
            None => {
                let note = format!("part {} is a multipart without a boundary", part.number);
                self.notes.push(note);
            }
        }
    }
}

/// Whether there is a message inside that can be read as it stands (RFC 2046 section 5.2.1).
fn is_message(part: &Part) -> bool {
    let names = ["message/rfc822", "message/global"];
    let is_plain = ["", "7bit", "8bit", "binary"].contains(&part.encoding.as_str());
    is_plain && names.contains(&part.content_type.value.as_str())
}

/// A message that is one text is the only part of itself; one that is a multipart is the `TEXT` of
/// what it lies in, and that does not count in the numbers of its parts.
fn number(part: &mut Part, open: &mut Open, is_multipart: bool) {
    let prefix = std::mem::take(&mut open.prefix);
    let dot = if prefix.is_empty() { "" } else { "." };
    (part.number, open.prefix) = match (open.is_numbered, is_multipart) {
        (true, _) => (prefix.clone(), format!("{prefix}.")),
        (false, true) => (format!("{prefix}{dot}TEXT"), format!("{prefix}{dot}")),
        (false, false) => (format!("{prefix}{dot}1"), format!("{prefix}{dot}1.")),
    };
}

fn read_header(part: &mut Part, header: &[u8], in_digest: bool) {
    let mut content_type = None;
    let mut encoding = None;
    // Of a field that stands there twice the first counts, as for most readers.
    for (name, value) in fields(header) {
        if name.eq_ignore_ascii_case(b"Content-Type") {
            content_type.get_or_insert_with(|| Parameters::of(value));
        } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
            part.disposition
                .get_or_insert_with(|| Parameters::of(value));
        } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
            encoding.get_or_insert_with(|| Parameters::of(value).value);
        }
    }
    part.content_type = content_type.unwrap_or_default();
    part.encoding = encoding.unwrap_or_default();
    // RFC 2045 section 5.2, RFC 2046 section 5.1.5
    if !part.content_type.value.contains('/') {
        let default = if in_digest {
            "message/rfc822"
        } else {
            "text/plain"
        };
        part.content_type.value = default.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, type and body of each part, in a line each.
    fn tree(message: &str) -> (Vec<String>, usize) {
        let (parts, notes) = parts(message.as_bytes());
        let line = |part: &Part| {
            let body = &message[part.body.clone()];
            let body = if part.is_container { "" } else { body };
            format!("{} {} {body:?}", part.number, part.content_type.value)
        };
        (parts.iter().map(line).collect(), notes.len())
    }

    #[track_caller]
    fn assert_tree(message: &str, wanted: &[&str], notes: usize) {
        for message in [message.to_owned(), message.replace('\n', "\r\n")] {
            let (tree, found) = tree(&message);
            let tree: Vec<String> = tree.iter().map(|line| line.replace("\\r", "")).collect();
            assert_eq!(
                (tree, found),
                (wanted.iter().map(|l| (*l).to_owned()).collect(), notes)
            );
        }
    }

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=a\n\n";

    #[test]
    fn a_message_without_parts() {
        assert_tree("", &["1 text/plain \"\""], 0);
        assert_tree("\n", &["1 text/plain \"\""], 0);
        assert_tree("A: b\n\nc\n", &["1 text/plain \"c\\n\""], 0);
        assert_tree("A: b\n", &["1 text/plain \"\""], 0);
        assert_tree(
            "no field\nA: b\n",
            &["1 text/plain \"no field\\nA: b\\n\""],
            0,
        );
        assert_tree("A: b\ndamaged\n\nc", &["1 text/plain \"c\""], 0);
        assert_tree("A: b\n \n\nc", &["1 text/plain \"c\""], 0);
    }

    #[test]
    fn parts_are_numbered_as_in_imap() {
        let message = format!(
            "{MIXED}before\n--a\n\nfirst\n--a\nContent-Type: multipart/alternative; boundary=\"a b\"\n\
             \n--a b\n\nplain\n--a b  \nContent-Type: text/html\n\n<p>\n\n--a b--\n\
             --a\nContent-Type: message/rfc822\n\nSubject: x\n\ntext\n\
             --a\nContent-Type: message/rfc822\n\nContent-Type: multipart/digest; boundary=c\n\
             \n--c\n\nSubject: y\n\ndeep\n--c--\n--a--\nbehind\n"
        );
        let wanted = [
            "TEXT multipart/mixed \"\"",
            "1 text/plain \"first\"",
            "2 multipart/alternative \"\"",
            "2.1 text/plain \"plain\"",
            "2.2 text/html \"<p>\\n\"",
            "3 message/rfc822 \"\"",
            "3.1 text/plain \"text\"",
            "4 message/rfc822 \"\"",
            "4.TEXT multipart/digest \"\"",
            "4.1 message/rfc822 \"\"",
            "4.1.1 text/plain \"deep\"",
        ];
        assert_tree(&message, &wanted, 0);
    }

    #[test]
    fn damaged_multiparts_are_shown_as_far_as_they_go() {
        assert_tree(
            "Content-Type: multipart/mixed\n\n--a\n",
            &["TEXT multipart/mixed \"--a\\n\""],
            1,
        );
        assert_tree(MIXED, &["TEXT multipart/mixed \"\""], 1);
        assert_tree(
            &format!("{MIXED}--a\n\nb\n"),
            &["TEXT multipart/mixed \"\"", "1 text/plain \"b\\n\""],
            1,
        );
        // The outer boundary ends the inner multipart, and a boundary ends a header.
        let message = format!(
            "{MIXED}--a\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\nb\n--a\nA: b\n--a--\n"
        );
        let wanted = [
            "TEXT multipart/mixed \"\"",
            "1 multipart/mixed \"\"",
            "1.1 text/plain \"b\"",
            "2 text/plain \"\"",
        ];
        assert_tree(&message, &wanted, 1);
        // Without the empty line, text is text.
        let message = format!("{MIXED}--a\nno field\nA: b\n--a--\n");
        let wanted = [
            "TEXT multipart/mixed \"\"",
            "1 text/plain \"no field\\nA: b\"",
        ];
        assert_tree(&message, &wanted, 0);
    }

    #[test]
    fn deep_and_wide_messages_are_bounded() {
        let deep: String = (0..20_000)
            .map(|at| format!("Content-Type: multipart/mixed; boundary={at}\n\n--{at}\n"))
            .collect();
        let (found, notes) = parts(deep.as_bytes());
        assert_eq!(found.len(), DEEPEST);
        assert!(notes[0].contains("too deep"), "{}", notes[0]);
        let wide = format!("{MIXED}{}", "--a\n".repeat(50_000));
        let (found, notes) = parts(wide.as_bytes());
        assert_eq!(found.len(), MOST);
        assert!(notes[0].contains("more than"), "{}", notes[0]);
        let nested = "Content-Type: message/rfc822\n\n".repeat(20_000);
        assert_eq!(parts(nested.as_bytes()).0.len(), DEEPEST);
    }

    /// Another reader of the same grammar finds the same parts in every sample.
    #[test]
    fn mailparse_agrees() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/messages");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let message = std::fs::read(&path).unwrap();
            let Ok(theirs) = mailparse::parse_mail(&message) else {
                continue;
            };
            let ours = parts(&message).0;
            let types: Vec<_> = theirs
                .parts()
                .map(|part| part.ctype.mimetype.clone())
                .collect();
            let found: Vec<_> = ours
                .iter()
                .map(|part| part.content_type.value.clone())
                .collect();
            assert_eq!(found, types, "{}", path.display());
            count += 1;
        }
        assert!(count > 15);
    }

    proptest::proptest! {
        #[test]
        fn ranges_lie_in_the_message(text in "((Content-Type: (multipart/mixed; boundary=[ab]|message/rfc822))?\r?\n|--[ab](--)?\n|A: b\n|x){0,30}") {
            for part in parts(text.as_bytes()).0 {
                proptest::prop_assert!(text.get(part.header).is_some());
                proptest::prop_assert!(text.get(part.body).is_some());
            }
        }
    }
}
