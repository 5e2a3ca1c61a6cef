//! Tokens (RFC 9051 section 4): atoms, quoted strings, literals and lists; and where in a response
//! a literal begins, so that it can stream.
//!
//! ```text
//! * 12 FETCH (FLAGS (\Seen) BODY[HEADER.FIELDS (DATE)]<0> {25}CRLF … literal … UID 7)CRLF
//!            ├─────────────┤├──────────────────────────┤├──┤                   ├───┤
//!                 item              its name          announced                 item
//! ```
//!
//! A response is held as it came, with its held literals in it; those that stream leave no trace.

use std::borrow::Cow;
use std::ops::Range;

/// The rule that a response broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// What a parser says.
pub(crate) type Parsed<T> = std::result::Result<T, Fault>;

/// Lists in lists that are followed down. Real messages nest a handful of times.
pub(crate) const DEPTH: usize = 64;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Open,
    Close,
    Atom(&'a [u8]),
    /// What a quoted string or a literal holds.
    Text(Cow<'a, [u8]>),
}

/// A response that is taken apart from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Tokens<'a> {
        Tokens(text)
    }

    /// What is left. Spaces between tokens mean nothing, however many.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.0 = self.0.trim_ascii_start();
        self.0
    }

    /// The next token; `None` at the end.
    pub(crate) fn next(&mut self) -> Parsed<Option<Token<'a>>> {
        let rest = self.rest();
        let (token, length) = match rest.first() {
            None => return Ok(None),
            Some(b'(') => (Token::Open, 1),
            Some(b')') => (Token::Close, 1),
            Some(b'"') => {
                let (text, length) = quoted(rest)?;
                (Token::Text(text), length)
            }
            Some(b'{') => literal(rest, 0)?,
            Some(b'~') if rest.starts_with(b"~{") => literal(rest, 1)?,
            Some(_) => {
                let length = atom_length(rest);
                (Token::Atom(rest.get(..length).unwrap_or_default()), length)
            }
        };
        self.0 = rest.get(length..).unwrap_or_default();
        Ok(Some(token))
    }

    /// Whether a list begins here.
    pub(crate) fn is_at_list(&mut self) -> bool {
        self.rest().first() == Some(&b'(')
    }

    pub(crate) fn open(&mut self) -> Parsed<()> {
        match self.next()? {
            Some(Token::Open) => Ok(()),
            _ => Err(Fault("a list begins here with (")),
        }
    }

    /// Whether the list ends here; then its end is taken.
    pub(crate) fn closes(&mut self) -> Parsed<bool> {
        match self.rest().first() {
            Some(b')') => self.next().map(|_| true),
            Some(_) => Ok(false),
            None => Err(Fault("a list ends with )")),
        }
    }

    pub(crate) fn atom(&mut self) -> Parsed<&'a [u8]> {
        match self.next()? {
            Some(Token::Atom(atom)) => Ok(atom),
            _ => Err(Fault("an atom stands here")),
        }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub(crate) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.next()? {
            Some(Token::Atom(atom)) => Ok(Cow::Borrowed(atom)),
            Some(Token::Text(text)) => Ok(text),
            _ => Err(Fault("a string stands here")),
        }
    }

    /// `nstring = string / nil`; a server that says an atom instead means a string.
    pub(crate) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        match self.next()? {
            Some(Token::Atom(atom)) if is_nil(atom) => Ok(None),
            Some(Token::Atom(atom)) => Ok(Some(Cow::Borrowed(atom))),
            Some(Token::Text(text)) => Ok(Some(text)),
            _ => Err(Fault("a string or NIL stands here")),
        }
    }

    /// Whether NIL stands here; then it is taken.
    pub(crate) fn takes_nil(&mut self) -> bool {
        let rest = self.rest();
        let length = atom_length(rest);
        let is_nil = rest.get(..length).is_some_and(is_nil);
        if is_nil {
            self.0 = rest.get(length..).unwrap_or_default();
        }
        is_nil
    }

    /// `number = 1*DIGIT`, as large as its type.
    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Parsed<N> {
        number(self.atom()?)
    }

    /// Passes over one value, whatever it is. Depth costs nothing here.
    pub(crate) fn skip(&mut self) -> Parsed<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                Some(Token::Open) => depth += 1,
                Some(Token::Close) if depth == 0 => return Err(Fault("a value stands here")),
                Some(Token::Close) => depth -= 1,
                Some(_) => {}
                None => return Err(Fault("a value stands here, and a list ends with )")),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

pub(crate) fn number<N: std::str::FromStr>(atom: &[u8]) -> Parsed<N> {
    let is_number = atom.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(atom)
        .ok()
        .and_then(|text| text.parse().ok());
    number
        .filter(|_| is_number)
        .ok_or(Fault("a number within its range stands here"))
}

/// A number that is not zero.
pub(crate) fn positive(atom: &[u8]) -> Parsed<u32> {
    match number(atom)? {
        0 => Err(Fault("numbers of messages begin at 1")),
        number => Ok(number),
    }
}

fn is_nil(atom: &[u8]) -> bool {
    atom.eq_ignore_ascii_case(b"NIL")
}

/// Servers put more into atoms than they may; what ends one is what they cannot mean.
fn atom_length(rest: &[u8]) -> usize {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'(' | b')' | b'"' | b'\r' | b'\n');
    let end = rest.iter().position(is_end);
    end.unwrap_or(rest.len()).max(1).min(rest.len())
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, with 8-bit text as some servers have it; and its length
/// with the quotation marks.
fn quoted(rest: &[u8]) -> Parsed<(Cow<'_, [u8]>, usize)> {
    let inner = rest.get(1..).unwrap_or_default();
    let mut plain = Cow::Borrowed(&b""[..]);
    let mut start = 0;
    loop {
        let tail = inner.get(start..).unwrap_or_default();
        let end = tail.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let end = end.ok_or(Fault("a quoted string ends with a quotation mark"))?;
        let part = tail.get(..end).unwrap_or_default();
        match tail.get(end) {
            Some(b'"') if start == 0 => return Ok((Cow::Borrowed(part), end + 2)),
            Some(b'"') => {
                plain.to_mut().extend_from_slice(part);
                return Ok((plain, start + end + 2));
            }
            _ => {
                let escaped = tail.get(end + 1);
                let escaped = escaped.ok_or(Fault("a backslash stands before what it escapes"))?;
                plain.to_mut().extend_from_slice(part);
                plain.to_mut().push(*escaped);
                start += end + 2;
            }
        }
    }
}

/// A literal that is held: its announcement, CRLF and its bytes.
fn literal(rest: &[u8], tilde: usize) -> Parsed<(Token<'_>, usize)> {
    let lost = Fault("a literal is as long as it was announced");
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(lost)?;
    let line = rest.get(tilde..end).unwrap_or_default();
    let size = announced(line.strip_suffix(b"\r").unwrap_or(line))?.ok_or(lost)?;
    let size = usize::try_from(size).map_err(|_| lost)?;
    let stop = (end + 1).checked_add(size).ok_or(lost)?;
    let text = rest.get(end + 1..stop).ok_or(lost)?;
    Ok((Token::Text(Cow::Borrowed(text)), stop))
}

/// How many bytes of literal follow this line: `literal = "{" number64 ["+"] "}" CRLF *CHAR8`, at
/// the line's end and after a space, a parenthesis or a tilde. A size that is no size is a fault:
/// nobody knows where the next response begins.
pub(crate) fn announced(line: &[u8]) -> Parsed<Option<u64>> {
    let Some(inner) = line.strip_suffix(b"}") else {
        return Ok(None);
    };
    let Some(start) = inner.iter().rposition(|byte| *byte == b'{') else {
        return Ok(None);
    };
    let (before, size) = inner.split_at(start);
    let size = size.get(1..).unwrap_or_default();
    let is_token = matches!(before.last(), None | Some(b' ' | b'(' | b'~' | b'\n'));
    let is_like_number = size
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
    if !is_token || !is_like_number {
        return Ok(None);
    }
    let digits = size.strip_suffix(b"+").unwrap_or(size);
    match number(digits) {
        Ok(size) => Ok(Some(size)),
        Err(_) => Err(Fault("a literal is announced by its size in bytes")),
    }
}

/// What comes next in the items of a FETCH response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// An item is complete.
    Item {
        name: Range<usize>,
        value: Range<usize>,
    },
    /// The line ends with the announcement of a literal, which is the whole value of this item, or
    /// else a part of one.
    Literal { of: Option<Range<usize>>, size: u64 },
    /// The response is over.
    End,
}

/// Finds the items of a FETCH response in its text as it arrives, from literal to literal. Each
/// byte is looked at once. `msg-att = "(" item *(SP item) ")"`
#[derive(Debug, Clone)]
pub(crate) struct Items {
    at: usize,
    depth: usize,
    name: Option<Range<usize>>,
    value: usize,
    after_literal: bool,
    is_over: bool,
}

impl Items {
    /// The items begin at this offset of the text.
    pub(crate) fn at(at: usize) -> Items {
        Items {
            at,
            depth: 0,
            name: None,
            value: at,
            after_literal: false,
            is_over: false,
        }
    }

    /// Looks at the text, which ends where the last line that came ends.
    pub(crate) fn next(&mut self, text: &[u8]) -> Parsed<Piece> {
        loop {
            let rest = text.get(self.at..).unwrap_or_default();
            let Some(byte) = rest.first() else {
                return match self.is_over {
                    true => Ok(Piece::End),
                    false => Err(Fault("the items of a message end with )")),
                };
            };
            let is_gap = matches!(byte, b' ' | b')');
            if std::mem::take(&mut self.after_literal) && !is_gap {
                return Err(Fault("a literal is as long as it was announced"));
            }
            if self.is_over && *byte != b' ' {
                return Err(Fault("nothing follows the items of a message"));
            }
            if let Some(piece) = self.step(rest, *byte)? {
                return Ok(piece);
            }
        }
    }

    fn step(&mut self, rest: &[u8], byte: u8) -> Parsed<Option<Piece>> {
        if self.depth == 0 && !matches!(byte, b' ' | b'(') {
            return Err(Fault("the items of a message begin with ("));
        }
        if self.depth == 1 && self.name.is_some() && byte != b' ' {
            self.value = self.at;
        }
        let is_name = self.depth == 1 && self.name.is_none();
        match byte {
            b' ' => self.at += 1,
            b'(' if is_name => return Err(Fault("an item begins with its name")),
            b'(' => {
                self.depth += 1;
                self.at += 1;
            }
            b')' if self.depth == 1 && self.name.is_some() => {
                return Err(Fault("each item has a name and a value"));
            }
            b')' => {
                self.depth -= 1;
                self.at += 1;
                self.is_over = self.depth == 0;
                return Ok(self.completed());
            }
            b'"' => {
                self.at += quoted(rest)?.1;
                return Ok(self.completed());
            }
            b'{' | b'~' if rest.starts_with(b"{") || rest.starts_with(b"~{") => {
                return self.announce(rest).map(Some);
            }
            _ if is_name => {
                let length = name_length(rest)?;
                self.name = Some(self.at..self.at + length);
                self.at += length;
            }
            _ => {
                self.at += atom_length(rest);
                return Ok(self.completed());
            }
        }
        Ok(None)
    }

    fn announce(&mut self, rest: &[u8]) -> Parsed<Piece> {
        let line = rest.strip_prefix(b"~").unwrap_or(rest);
        let is_last = line.iter().position(|byte| *byte == b'}') == line.len().checked_sub(1);
        let size = announced(line)?.filter(|_| is_last);
        let size = size.ok_or(Fault("a literal is announced at the end of a line"))?;
        if self.depth == 1 && self.name.is_none() {
            return Err(Fault("an item begins with its name"));
        }
        self.at += rest.len();
        self.after_literal = true;
        let of = (self.depth == 1).then(|| self.name.clone()).flatten();
        Ok(Piece::Literal { of, size })
    }

    /// The literal that was announced is not in the text: it has streamed by, and was the value of
    /// its item.
    pub(crate) fn passed(&mut self) {
        self.name = None;
    }

    /// The literal that was announced was added to the text, with this many bytes before and in it.
    pub(crate) fn held(&mut self, bytes: usize) -> Option<Piece> {
        self.at += bytes;
        self.completed()
    }

    fn completed(&mut self) -> Option<Piece> {
        let name = self.name.take_if(|_| self.depth == 1)?;
        let value = self.value..self.at;
        Some(Piece::Item { name, value })
    }
}

/// The name of an item, with the section in brackets that may follow: `BODY[HEADER.FIELDS (A B)]<0>`
fn name_length(rest: &[u8]) -> Parsed<usize> {
    let length = atom_length(rest);
    let atom = rest.get(..length).unwrap_or_default();
    let Some(bracket) = atom.iter().position(|byte| *byte == b'[') else {
        return Ok(length);
    };
    let mut at = bracket + 1;
    loop {
        match rest.get(at) {
            Some(b']') => break,
            Some(b'"') => at += quoted(rest.get(at..).unwrap_or_default())?.1,
            Some(_) => at += 1,
            None => return Err(Fault("a section ends with ]")),
        }
    }
    let after = rest.get(at..).unwrap_or_default();
    Ok(at + atom_length(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8]) -> Parsed<Vec<Token<'_>>> {
        let mut tokens = Tokens::new(text);
        std::iter::from_fn(|| tokens.next().transpose()).collect()
    }

    #[test]
    fn every_kind_of_token() {
        let text =
            b"FLAGS  (\\Seen NIL) \"a \\\"b\\\\\" \"\" {3}\r\n\"(\n ~{2}\r\n\0\xff \"\xe4\" ";
        let text_of = |bytes: &'static [u8]| Token::Text(Cow::Borrowed(bytes));
        assert_eq!(
            all(text).unwrap(),
            [
                Token::Atom(b"FLAGS"),
                Token::Open,
                Token::Atom(b"\\Seen"),
                Token::Atom(b"NIL"),
                Token::Close,
                text_of(b"a \"b\\"),
                text_of(b""),
                text_of(b"\"(\n"),
                text_of(b"\0\xff"),
                text_of(b"\xe4"),
            ]
        );
        for wrong in [
            &b"\"a"[..],
            b"\"a\\",
            b"{3}\r\nab",
            b"{3}",
            b"{x}\r\nabc",
            b"{99999999999999999999}\r\n",
        ] {
            assert!(all(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        for (line, size) in [
            (&b"* LIST () NIL {5}"[..], Some(5)),
            (b"* 1 FETCH (BODY[] ~{0}", Some(0)),
            (b"a ({4294967295}", Some(4_294_967_295)),
            (b"{18446744073709551615}", Some(u64::MAX)),
            (b" {3+}", Some(3)),
            (b"a{3}", None),
            (b" {3} ", None),
            (b" {abc}", None),
            (b"}", None),
        ] {
            assert_eq!(announced(line), Ok(size), "{line:?}");
        }
        for wrong in [
            &b" {18446744073709551616}"[..],
            b" {-1}",
            b" {+}",
            b" {}",
            b"({1++}",
        ] {
            assert!(announced(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn skipping_needs_no_stack() {
        let deep = [vec![b'('; 200_000], vec![b')'; 200_000]].concat();
        assert_eq!(Tokens::new(&deep).skip(), Ok(()));
        assert!(Tokens::new(&deep[..300_000]).skip().is_err());
    }

    fn pieces(lines: &[&str]) -> Parsed<Vec<String>> {
        let mut text = Vec::new();
        let mut items = Items::at(0);
        let mut found = Vec::new();
        for line in lines {
            text.extend_from_slice(line.as_bytes());
            loop {
                let shown =
                    |range: Range<usize>| String::from_utf8_lossy(&text[range]).into_owned();
                match items.next(&text)? {
                    Piece::Item { name, value } => {
                        found.push(format!("{}={}", shown(name), shown(value)));
                    }
                    Piece::Literal {
                        of: Some(name),
                        size,
                    } => {
                        found.push(format!("{}#{size}", shown(name)));
                        items.passed();
                        break;
                    }
                    Piece::Literal { of: None, size } => {
                        text.extend_from_slice(b"\r\n");
                        text.extend(std::iter::repeat_n(b'x', size as usize));
                        items.held(2 + size as usize);
                        break;
                    }
                    Piece::End => return Ok(found),
                }
            }
        }
        panic!("no end");
    }

    #[test]
    fn items_are_found_between_literals() {
        let found = pieces(&[
            "(FLAGS (\\Seen) BODY[HEADER.FIELDS (\"A]\" B)]<0> {25}",
            " ENVELOPE (\"a)\" {2}",
            " (NIL {1}",
            ")) UID 7 BODY[] NIL BODY[1] \"x)\" ) ",
        ]);
        assert_eq!(
            found.unwrap(),
            [
                "FLAGS=(\\Seen)",
                "BODY[HEADER.FIELDS (\"A]\" B)]<0>#25",
                "ENVELOPE=(\"a)\" {2}\r\nxx (NIL {1}\r\nx))",
                "UID=7",
                "BODY[]=NIL",
                "BODY[1]=\"x)\"",
            ]
        );
        assert_eq!(pieces(&["()"]), Ok(vec![]));
    }

    #[test]
    fn a_literal_of_another_length_is_found_out() {
        for wrong in [
            &["(BODY[] {3}", "x)"][..],
            &["(BODY[] {3}", "* 2 FETCH (UID 1)"],
            &["(BODY[] {3}", " OK done"],
            &["(BODY[] {3}", "UID 7)"],
            &["(BODY[] {3} UID 1)"],
            &["(BODY[] {-1}"],
            &["(UID 1"],
            &["(UID)"],
            &["(UID 1) x"],
            &["UID 1"],
            &["((UID 1))"],
            &["({3}"],
            &["(BODY[ 1)"],
            &[")"],
            &[""],
        ] {
            assert!(pieces(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text: Vec<u8>, odd in "[ ()\\[\\]{}~\"\\\\a-c0-9]{0,40}") {
            for text in [&text, odd.as_bytes()] {
                let _ = all(text);
                let _ = announced(text);
                let _ = Tokens::new(text).skip();
                let mut items = Items::at(0);
                while let Ok(Piece::Item { name, value }) = items.next(text) {
                    prop_assert!(text.get(name).is_some() && text.get(value).is_some());
                }
            }
        }
    }
}
