//! Rows of menus (RFC 1436 section 3.4). Pure parsers: whatever a server sends becomes a row.

use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

use crate::kind::Kind;
use crate::target::Target;

/// A row of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// An item.
    Item(Item),
    /// A line that is none, as text.
    Malformed(String),
}

/// An item of a menu. All of it is the server's text, and not harmless on a terminal before it is
/// escaped, nor as a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// What people see.
    pub display: String,
    /// The server's name for it. Any bytes but TAB and LF.
    pub selector: Vec<u8>,
    /// The server.
    pub host: String,
    /// Its port; 0 where an item that leads nowhere has none.
    pub port: u16,
    /// What Gopher+ can do with it.
    pub plus: Option<Plus>,
}

/// What Gopher+ can do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plus {
    /// It has attributes, and perhaps views (`+`).
    Attributes,
    /// It has a form to be filled in first (`?`).
    Form,
}

impl Row {
    /// `type display TAB selector TAB host TAB port [TAB plus]`. Rows that lead nowhere may lack all
    /// that says where.
    pub fn parse(line: &[u8]) -> Row {
        match item(line) {
            Some(item) => Row::Item(item),
            None => Row::Malformed(text(line)),
        }
    }
}

fn item(line: &[u8]) -> Option<Item> {
    let (first, rest) = line.split_first()?;
    let kind = match first.is_ascii_graphic() {
        true => Kind::of(char::from(*first)),
        false => return None,
    };
    let mut fields = rest.split(|byte| *byte == b'\t');
    let display = text(fields.next().unwrap_or_default());
    let selector = fields.next();
    let host = fields.next().map(|host| text(host.trim_ascii()));
    let port = fields.next().and_then(port);
    let leads_nowhere = matches!(kind, Kind::Info | Kind::Error);
    if !leads_nowhere && (host.as_deref().is_none_or(str::is_empty) || port.unwrap_or(0) == 0) {
        return None;
    }
    let plus = match fields.next().map(<[u8]>::trim_ascii) {
        Some([b'+', ..]) => Some(Plus::Attributes),
        Some([b'?', ..]) => Some(Plus::Form),
        _ => None,
    };
    Some(Item {
        kind,
        display,
        selector: selector.unwrap_or_default().to_vec(),
        host: host.unwrap_or_default(),
        port: port.unwrap_or(0),
        plus,
    })
}

/// Digits, between spaces if need be.
fn port(field: &[u8]) -> Option<u16> {
    let digits = field.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

/// UTF-8, or else Latin-1, as RFC 1436 has it.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

impl Item {
    /// What asks for the item; an error if it is none that can be fetched, or names no host.
    /// `security` is how its server is spoken to: no menu says that.
    pub fn target(&self, security: Security) -> Result<Target> {
        if !self.kind.can_be_fetched() {
            return Err(Error::illegal(format!(
                "nothing can be fetched from an item of the kind {}",
                self.kind.name()
            )));
        }
        let url = self.server("gopher")?;
        let endpoint = Endpoint::from_url(&url, self.port, security)?;
        Target::new(endpoint, self.kind, &self.selector)
    }

    /// Where the item leads, as a URL that may be shown: `gopher://`, or `http://` and `https://` of
    /// an `h` item, or `telnet://`. Nothing follows it by itself. `None` where it leads nowhere that
    /// is allowed.
    pub fn url(&self, security: Security) -> Option<String> {
        match self.kind {
            Kind::Telnet | Kind::Tn3270 => {
                let scheme = match self.kind {
                    Kind::Telnet => "telnet",
                    _ => "tn3270",
                };
                Some(self.server(scheme).ok()?.to_string())
            }
            Kind::Html if self.web().is_some() => self.web(),
            Kind::Html if is_link(&self.selector) => None,
            _ => Some(self.target(security).ok()?.url()),
        }
    }

    /// The URL in an `h` item whose selector is `URL:http…`: only http and https.
    fn web(&self) -> Option<String> {
        let selector = self.selector.as_slice();
        let link = selector.get(link_start(selector)?..)?;
        let url = parse_url(std::str::from_utf8(link).ok()?, "none").ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        (is_web && url.has_host()).then(|| url.to_string())
    }

    fn server(&self, scheme: &str) -> Result<Url> {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host.trim_matches(['[', ']'])),
            false => self.host.clone(),
        };
        if host.contains(['/', '?', '#', '@']) {
            return Err(Error::illegal(format!("{host:?} is no host")));
        }
        parse_url(&format!("{scheme}://{host}:{}", self.port), scheme)
    }
}

/// Where the URL begins in a selector `URL:…` or `/URL:…`.
fn link_start(selector: &[u8]) -> Option<usize> {
    [&b"URL:"[..], b"/URL:"].iter().find_map(|prefix| {
        let start = selector.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(prefix.len())
    })
}

fn is_link(selector: &[u8]) -> bool {
    link_start(selector).is_some()
}

/// Whether a line in the place of an item says that there is none: a row of the kind `3`, with all
/// its TABs, as no text begins. What it says.
pub(crate) fn refusal(line: &[u8]) -> Option<String> {
    let tabs = line.iter().filter(|byte| **byte == b'\t').count();
    match Row::parse(line) {
        Row::Item(item) if item.kind == Kind::Error && tabs >= 3 => Some(item.display),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Item {
        match Row::parse(line) {
            Row::Item(item) => item,
            Row::Malformed(line) => panic!("{line}"),
        }
    }

    #[test]
    fn the_menu_of_the_rfc() {
        // RFC 1436 section 2.
        for (line, kind, display, selector, host, port) in [
            (
                "0About internet Gopher\tStuff:About us\trawBits.micro.umn.edu\t70",
                Kind::Text,
                "About internet Gopher",
                "Stuff:About us",
                "rawBits.micro.umn.edu",
                70,
            ),
            (
                "1Around University of Minnesota\tZ,5692,AUM\tunderdog.micro.umn.edu\t70",
                Kind::Menu,
                "Around University of Minnesota",
                "Z,5692,AUM",
                "underdog.micro.umn.edu",
                70,
            ),
            (
                "1Courses, Schedules, Calendars\t\tevents.ais.umn.edu\t9120",
                Kind::Menu,
                "Courses, Schedules, Calendars",
                "",
                "events.ais.umn.edu",
                9120,
            ),
        ] {
            let item = parse(line.as_bytes());
            assert_eq!((item.kind, item.display.as_str()), (kind, display));
            assert_eq!(item.selector, selector.as_bytes());
            assert_eq!(
                (item.host.as_str(), item.port, item.plus),
                (host, port, None)
            );
        }
    }

    #[test]
    fn rows_that_lead_nowhere_need_not_say_where() {
        for line in [
            "iWelcome\tfake\t(NULL)\t0",
            "iWelcome\t\terror.host\t1",
            "iWelcome",
            "iWelcome\t",
        ] {
            assert_eq!(parse(line.as_bytes()).display, "Welcome", "{line}");
        }
        assert_eq!(parse(b"i").display, "");
        assert_eq!(parse(b"3Not found\t\t\t").kind, Kind::Error);
    }

    #[test]
    fn broken_lines_are_rows_too() {
        for line in [
            &b""[..],
            b"Hello",
            b"0a",
            b"0a\tb",
            b"0a\tb\tc",
            b"0a\tb\tc\t",
            b"0a\tb\tc\tx",
            b"0a\tb\tc\t0",
            b"0a\tb\tc\t65536",
            b"0a\tb\tc\t-1",
            b"0a\tb\t\t70",
            b"\x1b[2J",
            b"\xe9t\xe9",
        ] {
            assert_eq!(Row::parse(line), Row::Malformed(text(line)));
        }
        let line = b"1Around\tZ,5692\tunderdog.micro.umn.edu\t70\t+";
        for length in 0..line.len() {
            let _ = Row::parse(&line[..length]);
        }
    }

    #[test]
    fn text_is_utf_8_or_latin_1() {
        assert_eq!(parse("0κόσμε\tx\ta\t70".as_bytes()).display, "κόσμε");
        let item = parse(b"0\xe9t\xe9\t\xe9\ta\t70 ");
        assert_eq!(
            (item.display.as_str(), item.selector.as_slice()),
            ("été", &b"\xe9"[..])
        );
    }

    #[test]
    fn gopher_plus_is_noticed() {
        assert_eq!(parse(b"0a\tb\tc\t70\t+").plus, Some(Plus::Attributes));
        assert_eq!(parse(b"0a\tb\tc\t70\t?").plus, Some(Plus::Form));
        assert_eq!(parse(b"0a\tb\tc\t70\tx\ty").plus, None);
    }

    #[test]
    fn items_lead_where_it_is_allowed() {
        for (line, url) in [
            ("0a\t/x y\tb\t70", Some("gopher://b/0/x%20y")),
            ("1a\t\t::1\t7070", Some("gopher://[::1]:7070/1")),
            ("8a\t\tb\t23", Some("telnet://b:23")),
            ("Ta\t\tb\t23", Some("tn3270://b:23")),
            ("hWeb\tURL:http://c/x\tb\t70", Some("http://c/x")),
            ("hWeb\t/url:https://c/\tb\t70", Some("https://c/")),
            ("hWeb\t/page.html\tb\t70", Some("gopher://b/h/page.html")),
            ("hWeb\tURL:file:///etc/passwd\tb\t70", None),
            ("hWeb\tURL:javascript:alert(1)\tb\t70", None),
            ("hWeb\tURL:gopher://c/\tb\t70", None),
            ("hWeb\tURL:http://c/\x1b[2J\tb\t70", None),
            ("hWeb\tURL:\tb\t70", None),
            ("ia\t\tb\t70", None),
            ("0a\tx\tb/c\t70", None),
            ("0a\tx\tu:p@b\t70", None),
            ("0a\tx\tb c\t70", None),
            ("0a\tx\rMAIL\tb\t70", None),
            ("0a\tx\0\tb\t70", None),
        ] {
            let found = parse(line.as_bytes()).url(Security::Plain);
            assert_eq!(found.as_deref(), url, "{line}");
        }
    }

    #[test]
    fn only_a_whole_row_is_a_refusal() {
        assert_eq!(
            refusal(b"3No such file\t\terror.host\t1").as_deref(),
            Some("No such file")
        );
        for text in [&b"3 blind mice"[..], b"3\ta\tb", b"0a\tb\tc\t70", b""] {
            assert_eq!(refusal(text), None);
        }
    }
}
