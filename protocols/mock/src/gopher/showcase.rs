//! What is there without a folder: something of every kind, under `/mock/`.

use super::item::{Item, KINDS};

/// A text with the lines that are easily read wrong.
pub(super) const DOTS: &str = "The next line is a dot.\n.\nTwo dots:\n..\n.begins with a dot\n\
    Gr\u{fc}\u{df}e, and a last line without an end";

/// A text.
pub(super) const TEXT: &str = "Hello from a mock server.\nThis is the second line.\n";

/// How many octets the binary has.
pub(super) const BINARY: u64 = 100_000;

/// The main menu.
pub(super) fn main_menu() -> Vec<Item> {
    vec![
        Item::information("A mock server"),
        Item::new(b'0', "A text", "/mock/text"),
        Item::new(b'0', "A text with dots", "/mock/dots"),
        Item::new(b'1', "Every type of item", "/mock/types"),
        Item::new(b'7', "Search the names of items", "/mock/search"),
        Item::new(b'7', "Echo", "/mock/echo"),
        Item::new(b'9', "A binary", "/mock/binary"),
        Item::new(b'0', "What is not there", "/mock/none"),
        Item::new(b'h', "A web page", "URL:https://example.org/"),
    ]
}

/// A menu with every type.
pub(super) fn types() -> Vec<Item> {
    let items = KINDS.iter().map(|(kind, name)| {
        let selector = match kind {
            b'1' => "/mock/types".to_owned(),
            b'7' => "/mock/search".to_owned(),
            b'h' => "URL:https://example.org/".to_owned(),
            b'i' => return Item::information(*name),
            b'2' | b'8' | b'T' => {
                let place = Some(("localhost".to_owned(), "1".to_owned()));
                return Item {
                    place,
                    ..Item::new(*kind, *name, "")
                };
            }
            kind if super::item::is_text(*kind) => "/mock/text".to_owned(),
            _ => "/mock/binary".to_owned(),
        };
        Item::new(*kind, *name, selector)
    });
    items.collect()
}

/// One of the items that are made while they are sent.
pub(super) fn generated(number: u64) -> Item {
    Item::new(
        b'0',
        format!("Item {number}"),
        format!("/generated/{number}"),
    )
}

/// The text of such an item.
pub(super) fn generated_text(selector: &[u8], count: u64) -> Option<String> {
    let digits = std::str::from_utf8(selector)
        .ok()?
        .strip_prefix("/generated/")?;
    let number: u64 = digits.parse().ok()?;
    let text = format!("This is item {number} of {count}.\n.\n..and no more\n");
    (1..=count).contains(&number).then_some(text)
}

/// Bytes of every value, in no order that a line end or a dot could hide in.
pub(super) fn binary() -> Vec<u8> {
    let byte = |index: u64| index.wrapping_mul(2_654_435_761).to_be_bytes()[4];
    let mut bytes: Vec<u8> = (0..BINARY).map(byte).collect();
    // What would end a text.
    bytes.splice(1000..1005, *b"\r\n.\r\n");
    bytes
}
