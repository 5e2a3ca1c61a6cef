//! What FETCH can be asked for (RFC 9051 section 6.4.5).

use std::ops::Range;

use super::mime::Part;
use super::syntax::{Arguments, Parsed};

/// One item of a FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Body,
    BodyStructure,
    ModSeq,
    /// Content, and what it is called in the response.
    Content(Section, String),
}

/// A part of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Whether \Seen is left alone.
    pub is_peek: bool,
    part: Vec<u32>,
    what: What,
    /// The first octet, and how many.
    partial: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Header,
    /// These fields, or all but these.
    Fields(Vec<String>, bool),
    Text,
    Mime,
}

/// The items of a FETCH: one, several in parentheses, or a macro.
pub(super) fn items(arguments: &mut Arguments<'_>) -> Parsed<Vec<Item>> {
    use Item::{Body, Envelope, Flags, InternalDate, Size};
    if arguments.is_at(b'(') {
        let items = arguments.list(item)?;
        return match items.is_empty() {
            true => Err("an item is missing".to_owned()),
            false => Ok(items),
        };
    }
    let macros = [
        ("ALL", vec![Flags, InternalDate, Size, Envelope]),
        ("FULL", vec![Flags, InternalDate, Size, Envelope, Body]),
        ("FAST", vec![Flags, InternalDate, Size]),
    ];
    for (name, items) in macros {
        if arguments.eat_word(name) {
            return Ok(items);
        }
    }
    Ok(vec![item(arguments)?])
}

fn item(arguments: &mut Arguments<'_>) -> Parsed<Item> {
    for (name, is_peek) in [("BODY.PEEK[", true), ("BODY[", false)] {
        if arguments.eat_word(name) {
            return section(arguments, is_peek);
        }
    }
    let name = arguments.keyword()?;
    let whole = |what, is_peek| {
        let section = Section {
            is_peek,
            part: Vec::new(),
            what,
            partial: None,
        };
        Item::Content(section, name.clone())
    };
    Ok(match name.as_str() {
        "FLAGS" => Item::Flags,
        "UID" => Item::Uid,
        "INTERNALDATE" => Item::InternalDate,
        "RFC822.SIZE" => Item::Size,
        "ENVELOPE" => Item::Envelope,
        "BODY" => Item::Body,
        "BODYSTRUCTURE" => Item::BodyStructure,
        "MODSEQ" => Item::ModSeq,
        "RFC822" => whole(What::All, false),
        "RFC822.HEADER" => whole(What::Header, true),
        "RFC822.TEXT" => whole(What::Text, false),
        _ => return Err(format!("there is no item {name}")),
    })
}

/// `1.2.HEADER]<0.100>`, behind the bracket.
fn section(arguments: &mut Arguments<'_>, is_peek: bool) -> Parsed<Item> {
    let mut part = Vec::new();
    let mut label = String::from("BODY[");
    let mut needs_text = false;
    while arguments.rest().first().is_some_and(u8::is_ascii_digit) {
        match arguments.number32()? {
            0 => return Err("parts have numbers from 1 on".to_owned()),
            number => part.push(number),
        }
        needs_text = arguments.eat(b'.');
        if !needs_text {
            break;
        }
    }
    let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
    label.push_str(&numbers.join("."));
    let what = match arguments.is_at(b']') && !needs_text {
        true => What::All,
        false if !part.is_empty() && !needs_text => return Err("] is missing".to_owned()),
        false => {
            let name = arguments.keyword()?;
            if !part.is_empty() {
                label.push('.');
            }
            label.push_str(&name);
            text(arguments, &name, !part.is_empty(), &mut label)?
        }
    };
    arguments.expect(b']')?;
    label.push(']');
    let mut partial = None;
    if arguments.eat(b'<') {
        let first = arguments.number()?;
        arguments.expect(b'.')?;
        let count = arguments.number()?;
        arguments.expect(b'>')?;
        if count == 0 {
            return Err("of nothing there is no part".to_owned());
        }
        partial = Some((first, count));
        label.push_str(&format!("<{first}>"));
    }
    let section = Section {
        is_peek,
        part,
        what,
        partial,
    };
    Ok(Item::Content(section, label))
}

fn text(
    arguments: &mut Arguments<'_>,
    name: &str,
    is_part: bool,
    label: &mut String,
) -> Parsed<What> {
    Ok(match name {
        "HEADER" => What::Header,
        "TEXT" => What::Text,
        "MIME" if is_part => What::Mime,
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
            arguments.space()?;
            let names = arguments.list(Arguments::text)?;
            if names.is_empty() {
                return Err("a field is missing".to_owned());
            }
            label.push_str(&format!(" ({})", names.join(" ")));
            What::Fields(names, name == "HEADER.FIELDS")
        }
        _ => return Err(format!("there is no section {name}")),
    })
}

impl Section {
    /// The octets that are meant; `None` where there is no such part.
    pub fn of(&self, content: &[u8], message: &Part) -> Option<Vec<u8>> {
        let range = |range: &Range<usize>| content.get(range.clone()).unwrap_or_default().to_vec();
        let is_whole = self.part.is_empty();
        let part = message.numbered(&self.part)?;
        // HEADER and TEXT of a part are those of the message that it is.
        let inner = match is_whole {
            true => Some(part),
            false => part.message.as_deref(),
        };
        let octets = match &self.what {
            What::All if is_whole => content.to_vec(),
            What::All => range(&part.body),
            What::Mime => range(&part.header),
            What::Header => range(&inner?.header),
            What::Text => range(&inner?.body),
            What::Fields(names, wanted) => fields(content, inner?, names, *wanted),
        };
        Some(match self.partial {
            None => octets,
            Some((first, count)) => {
                let start = usize::try_from(first)
                    .unwrap_or(usize::MAX)
                    .min(octets.len());
                let rest = octets.get(start..).unwrap_or_default();
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                rest.get(..count.min(rest.len()))
                    .unwrap_or_default()
                    .to_vec()
            }
        })
    }
}

/// The fields of these names, or all others, and an empty line.
fn fields(content: &[u8], part: &Part, names: &[String], wanted: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    for field in &part.fields {
        let is_named = names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&field.name));
        if is_named == wanted {
            octets.extend_from_slice(content.get(field.place.clone()).unwrap_or_default());
        }
    }
    octets.extend_from_slice(b"\r\n");
    octets
}
