//! Menus that people write, as Bucktooth and Gophernicus read them.

use super::item::Item;

/// The items of a map in a folder of this selector. A line is text, or an item whose fields stand
/// between TABs; missing ones are filled in. `*` ends the map with what is in the folder, `.` ends
/// it, `!` begins a title and `#` a comment.
pub(super) fn items(text: &[u8], folder: &[u8], listing: impl Fn() -> Vec<Item>) -> Vec<Item> {
    let mut items = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            b"." => return items,
            b"*" => {
                items.extend(listing());
                return items;
            }
            [b'#', ..] => {}
            [b'!', title @ ..] => items.push(Item::information(title)),
            line if line.contains(&b'\t') => items.push(item(line, folder)),
            line => items.push(Item::information(line)),
        }
    }
    // What stands behind the last line end is no line.
    if text.ends_with(b"\n") || text.is_empty() {
        items.pop();
    }
    items
}

/// `type name TAB [selector] [TAB host [TAB port]]`. A selector without a slash is one of the folder.
fn item(line: &[u8], folder: &[u8]) -> Item {
    let mut fields = line.split(|byte| *byte == b'\t');
    let first = fields.next().unwrap_or_default();
    let (kind, name) = first.split_first().unwrap_or((&b'i', b""));
    let selector = fields.next().unwrap_or_default();
    let host = fields.next().filter(|host| !host.is_empty());
    let port = fields.next().filter(|port| !port.is_empty());
    let selector = match selector {
        b"" => [folder, b"/", name].concat(),
        own if host.is_some() || own.starts_with(b"/") || own.starts_with(b"URL:") => own.to_vec(),
        relative => [folder, b"/", relative].concat(),
    };
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    Item {
        place: host.map(|host| (text(host), port.map_or("70".to_owned(), text))),
        ..Item::new(*kind, name, selector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read() {
        let map = b"!Title\nplain\n# comment\n0A\ta.txt\r\n1B\t/b\th\t7070\n0c.txt\t\nhW\tURL:http://x/\n*\nnever\n";
        let found = items(map, b"/f", || vec![Item::new(b'9', "x", "/f/x")]);
        let place = Some(("h".to_owned(), "7070".to_owned()));
        assert_eq!(
            found,
            [
                Item::information("Title"),
                Item::information("plain"),
                Item::new(b'0', "A", "/f/a.txt"),
                Item {
                    place,
                    ..Item::new(b'1', "B", "/b")
                },
                Item::new(b'0', "c.txt", "/f/c.txt"),
                Item::new(b'h', "W", "URL:http://x/"),
                Item::new(b'9', "x", "/f/x"),
            ]
        );
        assert_eq!(items(b"one\n\n.\ntwo", b"", Vec::new).len(), 2);
        assert_eq!(items(b"one\n", b"", Vec::new).len(), 1);
        assert_eq!(items(b"", b"", Vec::new).len(), 0);
    }
}
