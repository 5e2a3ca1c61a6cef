//! Address lists, as people write them in options and in header fields.
//!
//! ```text
//! address-list = [address] *("," [address])                     RFC 5322 sections 3.4, 4.4
//! address      = mailbox / phrase ":" [mailbox-list] ";"
//! mailbox      = [phrase] "<" addr-spec ">" / addr-spec
//! addr-spec    = local-part "@" domain                          RFC 5322 section 3.4.1
//! local-part   = dot-atom / quoted-string
//! domain       = dot-atom of letters, digits, - and _ / "[" dtext "]"
//! ```
//!
//! An address is a slice of the text it was read from, so none comes out that nobody wrote. Whatever
//! another program might read differently is refused instead of guessed: source routes, comments
//! inside an address, an at sign in a name that is not in quotes.

use std::collections::HashSet;

use proto_transport::escape::is_harmful;
use proto_transport::{excerpt, Error, Result};

/// One entry of an address list.
#[derive(Debug, PartialEq)]
pub enum Address<'t> {
    /// Somebody.
    Mailbox(Mailbox<'t>),
    /// Several under one name; the list may be empty, as in `undisclosed-recipients:;`.
    Group(String, Vec<Mailbox<'t>>),
}

/// Somebody's name, if there is one, and address.
#[derive(Debug, PartialEq)]
pub struct Mailbox<'t> {
    /// The name for people, without its quotes.
    pub name: Option<String>,
    /// The addr-spec, as it was written.
    pub address: &'t str,
}

/// The bare addresses in an option's value, `Name <a@b>, c@d`, each once.
pub fn addresses(text: &str) -> Result<Vec<String>> {
    refuse_controls(text)?;
    Ok(distinct(bare(&parse(text)?)))
}

/// Fails if a text from the command line holds what could end a header line.
pub fn refuse_controls(text: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(wrong(text, "it holds a control character")),
        false => Ok(()),
    }
}

/// The bare addresses of a list, groups included.
pub fn bare<'t>(list: &[Address<'t>]) -> Vec<&'t str> {
    let mailboxes = list.iter().flat_map(|address| match address {
        Address::Mailbox(mailbox) => std::slice::from_ref(mailbox),
        Address::Group(_, members) => members,
    });
    mailboxes.map(|mailbox| mailbox.address).collect()
}

/// Each address once, at its first place. Domains are compared without case, local parts are not
/// ours to compare so (RFC 5321 section 2.4).
pub fn distinct<'t>(list: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut seen = HashSet::new();
    let list = list.into_iter().filter(|address| {
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        seen.insert((local.to_owned(), domain.to_ascii_lowercase()))
    });
    list.map(str::to_owned).collect()
}

/// Reads an address list. White space may hold line ends: whoever passes a header field has
/// unfolded it, whoever passes an option has refused them.
pub fn parse(text: &str) -> Result<Vec<Address<'_>>> {
    Parser { text, at: 0 }
        .list()
        .map_err(|why| wrong(text, &why))
}

fn wrong(text: &str, why: &str) -> Error {
    Error::illegal(format!(
        "\"{}\" is no list of addresses such as `Name <a@b.example>, c@d.example`: {why}",
        excerpt(text.as_bytes())
    ))
}

/// Why a list is none.
type Wrong = String;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Atom,
    Quoted,
    Literal,
    Special(char),
}

#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    start: usize,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn list(mut self) -> std::result::Result<Vec<Address<'t>>, Wrong> {
        let mut list = Vec::new();
        let mut group: Option<(String, Vec<Mailbox<'t>>)> = None;
        let (mut nameless, mut in_brackets) = (None, false);
        loop {
            let item = self.item()?;
            in_brackets |= item.in_brackets;
            let mailbox = item.mailbox()?;
            nameless = nameless.or(mailbox.as_ref().and_then(Mailbox::without_domain));
            match (&mut group, mailbox) {
                (_, None) => {}
                (Some((_, members)), Some(mailbox)) => members.push(mailbox),
                (None, Some(mailbox)) => list.push(Address::Mailbox(mailbox)),
            }
            match (item.end, group.take()) {
                (Some(','), open) => group = open,
                (Some(':'), None) => group = Some((item.name, Vec::new())),
                (Some(';'), Some((name, members))) => {
                    list.push(Address::Group(name, members));
                    self.end_of_group()?;
                }
                (None, None) => break,
                (Some(':'), Some(_)) => return Err("a group cannot hold a group".into()),
                (None, Some(_)) => return Err("a group ends with a semicolon".into()),
                _ => return Err("a semicolon ends a group, and none was begun".into()),
            }
        }
        // `Doe, John <j@x>` is one person whose name wants quotes, not a local user called Doe.
        match nameless.filter(|_| in_brackets) {
            Some(name) => Err(format!(
                "\"{}\" has no domain; a name that holds a comma must be in quotes",
                excerpt(name.as_bytes())
            )),
            None => Ok(list),
        }
    }

    /// What stands before the next comma, colon, semicolon or the end.
    fn item(&mut self) -> std::result::Result<Item<'t>, Wrong> {
        let mut item = Item::default();
        let mut closed = false;
        while let Some(token) = self.token()? {
            match token.kind {
                Kind::Special(end @ (',' | ':' | ';')) => {
                    item.end = Some(end);
                    break;
                }
                _ if closed => return Err("something stands behind the closing bracket".into()),
                Kind::Special('<') => {
                    item.in_brackets = true;
                    item.address = self.brackets()?;
                    closed = true;
                }
                Kind::Special('>') => return Err("a bracket closes that was not opened".into()),
                _ => item.push(self.text, token),
            }
        }
        match (item.end, item.name.is_empty() || !item.is_phrase, closed) {
            (Some(':'), true, _) | (Some(':'), _, true) => Err("a group needs a name".into()),
            (_, _, true) if !item.is_phrase => {
                Err("a name that holds an at sign must be in quotes".into())
            }
            _ => Ok(item),
        }
    }

    /// What stands between angle brackets.
    fn brackets(&mut self) -> std::result::Result<&'t str, Wrong> {
        let mut span: Option<(usize, usize)> = None;
        while let Some(token) = self.token()? {
            match token.kind {
                Kind::Special('>') => {
                    let (start, end) = span.unwrap_or_default();
                    return Ok(self.text.get(start..end).unwrap_or_default());
                }
                Kind::Special(',' | ':') => return Err("source routes are not for sending".into()),
                Kind::Special('<') => return Err("a bracket opens inside another".into()),
                _ => {
                    let start = span.map_or(token.start, |(start, _)| start);
                    span = Some((start, token.start + token.text.len()));
                }
            }
        }
        Err("a bracket is not closed".into())
    }

    fn end_of_group(&mut self) -> std::result::Result<(), Wrong> {
        let before = self.at;
        match self.token()?.map(|token| token.kind) {
            None => self.at = before,
            Some(Kind::Special(',')) => {}
            Some(_) => return Err("a comma must stand behind a group".into()),
        }
        Ok(())
    }

    /// The next token behind white space and comments (CFWS, RFC 5322 section 3.2.2).
    fn token(&mut self) -> std::result::Result<Option<Token<'t>>, Wrong> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(first) = rest.chars().next() else {
                return Ok(None);
            };
            let (kind, length) = match first {
                ' ' | '\t' | '\r' | '\n' => {
                    self.at += 1;
                    continue;
                }
                '(' => {
                    self.at += comment(rest)?;
                    continue;
                }
                '"' => (Kind::Quoted, closed_by(rest, '"', "a quote is not closed")?),
                '[' => (Kind::Literal, closed_by(rest, ']', "a [ is not closed")?),
                '<' | '>' | '@' | ',' | ':' | ';' => (Kind::Special(first), 1),
                _ => match rest.find(|c| !is_atom(c)).unwrap_or(rest.len()) {
                    0 => return Err(format!("{first:?} must be in quotes")),
                    length => (Kind::Atom, length),
                },
            };
            let token = Token {
                kind,
                text: rest.get(..length).unwrap_or_default(),
                start: self.at,
            };
            self.at += length;
            return Ok(Some(token));
        }
    }
}

/// What was found between two commas.
struct Item<'t> {
    /// From the first token to the last before a bracket: the address, if there is no bracket.
    span: Option<(usize, usize)>,
    /// The words before a bracket.
    name: String,
    /// Whether it were words only.
    is_phrase: bool,
    address: &'t str,
    in_brackets: bool,
    end: Option<char>,
}

impl Default for Item<'_> {
    fn default() -> Self {
        Item {
            span: None,
            name: String::new(),
            is_phrase: true,
            address: "",
            in_brackets: false,
            end: None,
        }
    }
}

impl<'t> Item<'t> {
    fn push(&mut self, text: &'t str, token: Token<'t>) {
        let start = self.span.map_or(token.start, |(start, _)| start);
        let end = token.start + token.text.len();
        self.span = Some((start, end));
        if !self.in_brackets {
            self.address = text.get(start..end).unwrap_or_default();
        }
        if !self.name.is_empty() {
            self.name.push(' ');
        }
        match token.kind {
            Kind::Atom => self.name.push_str(token.text),
            Kind::Quoted => self.name.push_str(&unquoted(token.text)),
            _ => self.is_phrase = false,
        }
    }

    fn mailbox(&self) -> std::result::Result<Option<Mailbox<'t>>, Wrong> {
        if self.end == Some(':') || (!self.in_brackets && self.span.is_none()) {
            return Ok(None);
        }
        if !is_address(self.address) {
            let address = excerpt(self.address.as_bytes());
            return Err(format!("\"{address}\" is no address"));
        }
        let named = self.in_brackets && !self.name.is_empty();
        Ok(Some(Mailbox {
            name: named.then(|| self.name.clone()),
            address: self.address,
        }))
    }
}

impl<'t> Mailbox<'t> {
    fn without_domain(&self) -> Option<&'t str> {
        (!self.address.contains('@')).then_some(self.address)
    }
}

/// The one gate for addresses: a strict addr-spec, or the bare name of a local user.
fn is_address(text: &str) -> bool {
    // In a quoted string the at sign is a character like any other.
    let local = match text.starts_with('"') {
        true => closed_by(text, '"', "").unwrap_or(text.len()),
        false => text.find('@').unwrap_or(text.len()),
    };
    let (local, rest) = text.split_at_checked(local).unwrap_or((text, ""));
    let harmless = !text.contains(|c| is_harmful(c) || c == char::REPLACEMENT_CHARACTER);
    harmless
        && (local.starts_with('"') || is_dotted(local, is_atom))
        && match rest.strip_prefix('@') {
            Some(domain) => is_domain(domain),
            None => rest.is_empty() && !local.starts_with('"'),
        }
}

fn is_domain(text: &str) -> bool {
    match text.strip_prefix('[') {
        // dtext (RFC 5322 section 3.4.1)
        Some(literal) => literal.strip_suffix(']').is_some_and(|literal| {
            let dtext = |c: char| c.is_ascii_graphic() && !"[]\\".contains(c);
            !literal.is_empty() && literal.chars().all(dtext)
        }),
        None => is_dotted(text, |c| {
            c.is_ascii_alphanumeric() || "-_".contains(c) || (!c.is_ascii() && is_atom(c))
        }),
    }
}

/// Whether `text` is one or more words of such characters with single dots between them.
fn is_dotted(text: &str, allowed: fn(char) -> bool) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c != '.' && allowed(c));
    text.split('.').all(is_word)
}

/// atext and the dot; what is not ASCII belongs to words too (RFC 6532 section 3.2).
fn is_atom(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c),
        false => !c.is_whitespace() && !c.is_control(),
    }
}

/// The length of what starts at the first character and ends with `close`.
fn closed_by(text: &str, close: char, why: &str) -> std::result::Result<usize, Wrong> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == close => return Ok(at + 1),
            _ => {}
        }
    }
    Err(why.to_owned())
}

/// The length of a comment. Comments nest; counting them needs no stack.
fn comment(text: &str) -> std::result::Result<usize, Wrong> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return Ok(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    Err("a comment is not closed".into())
}

/// The content of a quoted string (RFC 5322 section 3.2.4).
fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let mut content = String::with_capacity(text.len());
    let mut characters = inner.unwrap_or(text).chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.extend(characters.next()),
            _ => content.push(character),
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailparse::MailAddr;

    const GOOD: &[(&str, &[&str])] = &[
        ("", &[]),
        (" , ,", &[]),
        ("a@x", &["a@x"]),
        ("a@x,b@y", &["a@x", "b@y"]),
        ("a@x , a@X, A@x", &["a@x", "A@x"]),
        ("<a@x>", &["a@x"]),
        ("< a@x >", &["a@x"]),
        ("John Q. Public <a@x>", &["a@x"]),
        ("Jörg <a@x>", &["a@x"]),
        ("\"Doe, John\" <j@x>", &["j@x"]),
        ("\"Doe \\\" <evil@x>\" <j@x>", &["j@x"]),
        ("\"a@x>\"@y", &["\"a@x>\"@y"]),
        ("\"a b\"@y", &["\"a b\"@y"]),
        ("<\"a\\\"@evil\"@y>", &["\"a\\\"@evil\"@y"]),
        ("a@[127.0.0.1]", &["a@[127.0.0.1]"]),
        ("a@[IPv6:::1]", &["a@[IPv6:::1]"]),
        ("Friends: a@x, B <b@y>;, c@z", &["a@x", "b@y", "c@z"]),
        ("undisclosed-recipients:;", &[]),
        ("A: a@x; , B:;", &["a@x"]),
        ("a@x (evil@x, b@y (nested \\) ))", &["a@x"]),
        ("(who) John (evil@x) <a@x> (there)", &["a@x"]),
        ("=?utf-8?Q?=3Cevil=40x=3E?= <a@x>", &["a@x"]),
        ("a+b=c%d!e@x_y.example", &["a+b=c%d!e@x_y.example"]),
        ("jörg@müller.example", &["jörg@müller.example"]),
        ("root", &["root"]),
        ("root, a@x", &["root", "a@x"]),
    ];

    const BAD: &[&str] = &[
        "<a@x>b@y",
        "<a@x> <b@y>",
        "a@x b@y",
        "a@x@y",
        "a @x",
        "a@ x",
        "a(comment)@x",
        "<@a:b@c>",
        "<@a,@b:c@d>",
        "a@x <b@y>",
        "=?utf-8?Q?=3Cevil@x=3E?= <a@b>",
        "=?utf-8?Q?a@x?=",
        "Doe, John <j@x>",
        "John Doe",
        "\"root\"",
        "<>",
        "<a@x",
        "a@x>",
        "\"a@x",
        "(a@x",
        "a@[127.0.0.1",
        "a@[]",
        "a@",
        "@x",
        ".a@x",
        "a..b@x",
        "a@x.",
        "a@x..y",
        "a@x%y",
        "a;b@x",
        "A: a@x",
        "A: B: a@x;;",
        ": a@x;",
        "A: a@x; b@y",
        "a\\b@x",
        "a@x\r\nBcc: b@y",
        "a@x\0",
        "a\u{202e}b@x",
        "a\u{fffd}@x",
        "\"a\tb\"@x",
    ];

    #[test]
    fn lists_of_addresses() {
        for (text, wanted) in GOOD {
            let got = addresses(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(got, *wanted, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_differently_is_refused() {
        for text in BAD {
            let got = addresses(text);
            assert!(got.is_err(), "{text:?} gave {got:?}");
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        for (text, name) in [
            ("a@x", None),
            ("<a@x>", None),
            ("John  Doe <a@x>", Some("John Doe")),
            ("\"Doe, \\\"J\\\"\" <a@x>", Some("Doe, \"J\"")),
            ("Jörg \"X.\" <a@x>", Some("Jörg X.")),
        ] {
            let list = parse(text).unwrap();
            let name = name.map(str::to_owned);
            let address = "a@x";
            assert_eq!(
                list,
                [Address::Mailbox(Mailbox { name, address })],
                "{text}"
            );
        }
        let groups = parse("My friends: a@x;").unwrap();
        assert!(matches!(&groups[..], [Address::Group(name, members)]
            if name == "My friends" && members.len() == 1));
    }

    /// Another reader of the same grammar finds the same addresses wherever it finds any. It keeps
    /// the comma behind a group as part of the next address, and does not nest comments.
    #[test]
    fn mailparse_agrees() {
        for (text, wanted) in GOOD {
            let list = match mailparse::addrparse(text) {
                Ok(list) if !text.contains('(') => list,
                _ => continue,
            };
            let mut theirs = Vec::new();
            for address in list.iter() {
                match address {
                    MailAddr::Single(one) => {
                        theirs.push(one.addr.trim_matches([',', ' ']).to_owned())
                    }
                    MailAddr::Group(group) => {
                        theirs.extend(group.addrs.iter().map(|one| one.addr.trim().to_owned()));
                    }
                }
            }
            let theirs = distinct(theirs.iter().map(String::as_str));
            assert_eq!(theirs, *wanted, "{text}");
        }
    }

    #[test]
    fn long_and_deep_lists_are_read() {
        let deep = format!("a@x {}{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(addresses(&deep).unwrap(), ["a@x"]);
        let many = "a@x, ".repeat(100_000);
        assert_eq!(addresses(&many).unwrap(), ["a@x"]);
        assert!(addresses(&"<".repeat(1_000_000)).is_err());
        assert!(addresses(&"\"\" ".repeat(300_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_address_was_written(text in "[ab@<>,:;\"\\\\ ().\\[\\]=?]{0,24}") {
            for address in addresses(&text).unwrap_or_default() {
                proptest::prop_assert!(text.contains(&address));
                proptest::prop_assert!(is_address(&address));
            }
        }
    }
}
