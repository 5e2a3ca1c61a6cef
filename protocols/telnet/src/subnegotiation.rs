//! What is said within options.

use std::collections::HashSet;
use std::fmt::Write;

use proto_transport::escape::escaped;

use crate::code::{Code, Verb, IAC, SB, SE};
use crate::negotiation::Negotiation;
use crate::settings::{Settings, Window};

// RFC 1091, RFC 1572 and RFC 859 agree on these two.
const IS: u8 = 0;
const SEND: u8 = 1;

// RFC 1572 section 2.
const VAR: u8 = 0;
const VALUE: u8 = 1;
const ESC: u8 = 2;
const USERVAR: u8 = 3;
const INFO: u8 = 2;

// RFC 2066 section 6.
const REQUEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;

/// The variables that everybody knows (RFC 1572 section 5); the others are the user's.
const WELL_KNOWN: [&str; 6] = ["USER", "JOB", "ACCT", "PRINTER", "SYSTEMTYPE", "DISPLAY"];

/// Bytes that are shown of what has no better form.
const SHOWN: usize = 32;

/// A sub-negotiation as it travels: 255 is doubled.
pub(crate) fn framed(code: Code, bytes: &[u8]) -> Vec<u8> {
    let mut framed = vec![IAC, SB, code.0];
    for byte in bytes {
        framed.push(*byte);
        if *byte == IAC {
            framed.push(IAC);
        }
    }
    framed.extend([IAC, SE]);
    framed
}

/// The size of the window (RFC 1073).
pub(crate) fn window(window: Window) -> Vec<u8> {
    [window.columns.to_be_bytes(), window.rows.to_be_bytes()].concat()
}

/// Whether they ask what the terminal is called (RFC 1091).
pub(crate) fn asks_for_type(bytes: &[u8]) -> bool {
    bytes == [SEND]
}

/// What the terminal is called.
pub(crate) fn terminal_type(name: &str) -> Vec<u8> {
    [&[IS], name.as_bytes()].concat()
}

/// Whether they ask which options are in force (RFC 859).
pub(crate) fn asks_for_status(bytes: &[u8]) -> bool {
    bytes == [SEND]
}

/// Which options are in force, as we see it.
pub(crate) fn status(negotiation: &Negotiation) -> Vec<u8> {
    let mut bytes = vec![IS];
    for (is_ours, code) in negotiation.in_force() {
        let verb = if is_ours { Verb::Will } else { Verb::Do };
        bytes.extend([verb.byte(), code.0]);
        // RFC 859: the option whose code is that of SE is written twice.
        if code.0 == SE {
            bytes.push(SE);
        }
    }
    bytes
}

/// The answer to a request for variables (RFC 1572 section 2): each that is asked for by name, in
/// its order and once, without a value if it may not be told; and what may be told of a kind, or of
/// both, that is asked for without names.
pub(crate) fn variables(bytes: &[u8], settings: &Settings) -> Option<Vec<u8>> {
    let (SEND, asked) = split(bytes)? else {
        return None;
    };
    let mut asked = names(asked);
    if asked.is_empty() {
        asked = vec![(VAR, Vec::new()), (USERVAR, Vec::new())];
    }
    let mut told = HashSet::new();
    let mut answer = vec![IS];
    for (kind, wanted) in asked {
        if wanted.is_empty() {
            for (name, value) in settings.variables() {
                if kind_of(name) == kind && told.insert(name.as_bytes().to_vec()) {
                    push_variable(&mut answer, kind, name.as_bytes(), Some(value));
                }
            }
        } else if told.insert(wanted.clone()) {
            let mut known = settings.variables().iter();
            let known = known.find(|(name, _)| name.as_bytes() == wanted);
            let value = known.map(|(_, value)| value.as_str());
            push_variable(&mut answer, kind, &wanted, value);
        }
    }
    Some(answer)
}

fn kind_of(name: &str) -> u8 {
    match WELL_KNOWN.contains(&name) {
        true => VAR,
        false => USERVAR,
    }
}

/// A name comes back as it was asked for, so it may hold anything.
fn push_variable(answer: &mut Vec<u8>, kind: u8, name: &[u8], value: Option<&str>) {
    answer.push(kind);
    for byte in name {
        if matches!(*byte, VAR | VALUE | ESC | USERVAR) {
            answer.push(ESC);
        }
        answer.push(*byte);
    }
    if let Some(value) = value {
        answer.push(VALUE);
        answer.extend_from_slice(value.as_bytes());
    }
}

/// The kinds and names in a list of variables; values are passed over.
fn names(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut names: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut is_value = false;
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        let literal = match *byte {
            kind @ (VAR | USERVAR) => {
                is_value = false;
                names.push((kind, Vec::new()));
                continue;
            }
            VALUE => {
                is_value = true;
                continue;
            }
            ESC => bytes.next().copied(),
            byte => Some(byte),
        };
        if let (Some((_, name)), Some(byte), false) = (names.last_mut(), literal, is_value) {
            name.push(byte);
        }
    }
    names
}

/// The answer to an offer of character sets (RFC 2066): the best that we know, or none.
pub(crate) fn charset(bytes: &[u8]) -> Option<Vec<u8>> {
    let (REQUEST, offered) = split(bytes)? else {
        return None;
    };
    // A translation table may be offered before them: its version follows.
    // The RFC writes it in two ways.
    let tables = [&b"[TTABLE]"[..], b"[TTABLE ]"];
    let rest = tables.iter().find_map(|table| offered.strip_prefix(*table));
    let offered = match rest {
        Some(rest) => split(rest)?.1,
        None => offered,
    };
    let (separator, list) = split(offered)?;
    let mut names: Vec<&[u8]> = list.split(|byte| *byte == separator).collect();
    // UTF-8 is the best; US-ASCII is part of it.
    names.retain(|name| rank(name) < 2);
    names.sort_by_key(|name| rank(name));
    Some(match names.first() {
        Some(name) => [&[ACCEPTED], *name].concat(),
        None => vec![REJECTED],
    })
}

fn rank(name: &[u8]) -> usize {
    let known: [&[u8]; 2] = [b"UTF-8", b"US-ASCII"];
    let place = known.iter().position(|one| one.eq_ignore_ascii_case(name));
    place.unwrap_or(2)
}

fn split(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// What was said, for people: one harmless line.
pub(crate) fn shown(code: Code, bytes: &[u8]) -> String {
    let text = match (code, bytes) {
        (Code::TERMINAL_TYPE | Code::NEW_ENVIRON, [SEND]) | (Code::STATUS, [SEND, ..]) => {
            "SEND".to_owned()
        }
        (Code::TERMINAL_TYPE, [IS, name @ ..]) => format!("IS {}", quoted(name)),
        (Code::WINDOW_SIZE, [a, b, c, d]) => {
            let number = |high, low| u16::from_be_bytes([high, low]);
            format!("{} x {}", number(*a, *b), number(*c, *d))
        }
        (Code::NEW_ENVIRON, [SEND, rest @ ..]) => format!("SEND{}", shown_variables(rest)),
        (Code::NEW_ENVIRON, [IS, rest @ ..]) => format!("IS{}", shown_variables(rest)),
        (Code::NEW_ENVIRON, [INFO, rest @ ..]) => format!("INFO{}", shown_variables(rest)),
        (Code::CHARSET, [REQUEST, rest @ ..]) => format!("REQUEST {}", quoted(rest)),
        (Code::CHARSET, [ACCEPTED, rest @ ..]) => format!("ACCEPTED {}", quoted(rest)),
        (Code::CHARSET, [REJECTED]) => "REJECTED".to_owned(),
        (Code::STATUS, [IS, rest @ ..]) => format!("IS{}", shown_status(rest)),
        (_, bytes) => return hexadecimal(bytes),
    };
    match text.char_indices().nth(1000) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text,
    }
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", escaped(bytes))
}

fn shown_variables(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match *byte {
            VAR => text.push_str(" VAR "),
            USERVAR => text.push_str(" USERVAR "),
            VALUE => text.push('='),
            ESC => {}
            // A character of several bytes is not worth more here.
            byte => text.push_str(&escaped(&[byte])),
        }
    }
    text
}

fn shown_status(bytes: &[u8]) -> String {
    let mut text = String::new();
    for pair in bytes.chunks(2) {
        if let [verb, code] = pair {
            if let Some(verb) = Verb::of(*verb) {
                let _ = write!(text, " {verb} {}", Code(*code));
            }
        }
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let more = if bytes.len() > SHOWN { " …" } else { "" };
    shown.join(" ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.add_variable("USER", "fred").unwrap();
        settings.add_variable("LANG", "de_DE").unwrap();
        settings
    }

    #[test]
    fn a_255_is_doubled_within() {
        let size = Window {
            columns: 255,
            rows: 24,
        };
        assert_eq!(
            framed(Code::WINDOW_SIZE, &window(size)),
            b"\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0"
        );
    }

    #[test]
    fn only_what_is_asked_for_and_allowed_is_told() {
        let settings = settings();
        for (asked, told) in [
            (&b"\x01"[..], &b"\0\0USER\x01fred\x03LANG\x01de_DE"[..]),
            (b"\x01\0", b"\0\0USER\x01fred"),
            (b"\x01\x03", b"\0\x03LANG\x01de_DE"),
            (b"\x01\0USER", b"\0\0USER\x01fred"),
            (b"\x01\0LANG", b"\0\0LANG\x01de_DE"),
            (
                b"\x01\x03LANG\0USER\x03LANG",
                b"\0\x03LANG\x01de_DE\0USER\x01fred",
            ),
            (b"\x01\0\0\0", b"\0\0USER\x01fred"),
            (b"\x01\0A\x02\x01", b"\0\0A\x02\x01"),
            (b"\x01\0US\x02ER", b"\0\0USER\x01fred"),
            (b"\x01\0HOME\x03SHELL", b"\0\0HOME\x03SHELL"),
            (b"\x01\0HOME\x01USER", b"\0\0HOME"),
            (b"\x01x", b"\0\0USER\x01fred\x03LANG\x01de_DE"),
        ] {
            assert_eq!(
                variables(asked, &settings).as_deref(),
                Some(told),
                "{asked:?}"
            );
        }
        assert_eq!(variables(b"\x01", &Settings::default()), Some(vec![0]));
        for other in [&b""[..], b"\0\0USER\x01x", b"\x02"] {
            assert_eq!(variables(other, &settings), None);
        }
    }

    #[test]
    fn utf_8_comes_first() {
        for (asked, answer) in [
            (&b"\x01;US-ASCII;UTF-8"[..], Some(&b"\x02UTF-8"[..])),
            (b"\x01 us-ascii latin1", Some(b"\x02us-ascii")),
            (b"\x01;KOI8-R", Some(b"\x03")),
            (b"\x01[TTABLE]\x01;utf-8", Some(b"\x02utf-8")),
            (b"\x01[TTABLE ]\x01;utf-8", Some(b"\x02utf-8")),
            (b"\x01", None),
            (b"\x02UTF-8", None),
            (b"", None),
        ] {
            assert_eq!(charset(asked).as_deref(), answer, "{asked:?}");
        }
    }

    #[test]
    fn what_is_said_can_be_read() {
        for (code, bytes, text) in [
            (Code::TERMINAL_TYPE, &b"\x01"[..], "SEND"),
            (Code::TERMINAL_TYPE, b"\0xterm\x1b[", "IS \"xterm\\x1b[\""),
            (Code::WINDOW_SIZE, b"\0\x50\0\x18", "80 x 24"),
            (Code::WINDOW_SIZE, b"\0\x50", "00 50"),
            (
                Code::NEW_ENVIRON,
                b"\x01\0USER\x03X",
                "SEND VAR USER USERVAR X",
            ),
            (Code::NEW_ENVIRON, b"\0\0USER\x01me\n", "IS VAR USER=me\\n"),
            (Code::CHARSET, b"\x01;UTF-8", "REQUEST \";UTF-8\""),
            (Code::STATUS, b"\0\xfb\x01\xfd\x03", "IS WILL ECHO DO SGA"),
            (Code(201), b"abc", "61 62 63"),
        ] {
            assert_eq!(shown(code, bytes), text);
        }
        assert!(shown(Code::TERMINAL_TYPE, &[b'x'; 4096]).len() < 1100);
        assert!(shown(Code(201), &[b'x'; 4096]).len() < 110);
    }
}
