//! What a client says: `selector [TAB search] [TAB "+" | "!" | "$" ...]` (RFC 1436 section 2, and
//! Gopher+, the University of Minnesota's draft of 1993).

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub selector: Vec<u8>,
    pub search: Option<Vec<u8>>,
    pub plus: Option<Plus>,
}

/// What Gopher+ asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// `+`: the content, with its length before it.
    Content,
    /// `!`: what there is to know of it.
    Attributes,
    /// `$`: a menu, and what there is to know of its items.
    MenuAttributes,
}

/// The longest selector (RFC 1436 appendix).
const SELECTOR: usize = 255;

/// Reads a line without its end. What is wrong with it comes along; the rest counts all the same.
pub(super) fn parse(line: &[u8]) -> (Request, Vec<&'static str>) {
    let mut wrong = Vec::new();
    let mut fields = line.split(|byte| *byte == b'\t');
    let selector = fields.next().unwrap_or_default().to_vec();
    let mut request = Request {
        selector,
        search: None,
        plus: None,
    };
    for (index, field) in fields.enumerate() {
        let plus = match field.first() {
            // What is searched for may begin with such a character, if a search is what this is.
            _ if index == 0 && is_search(&request.selector) => None,
            Some(b'+') => Some(Plus::Content),
            Some(b'!') => Some(Plus::Attributes),
            Some(b'$') => Some(Plus::MenuAttributes),
            _ => None,
        };
        match (index, plus, request.plus) {
            (_, Some(_), None) => request.plus = plus,
            (0, None, _) => request.search = Some(field.to_vec()),
            // A data flag, which no client here needs.
            (_, _, Some(_)) => {}
            _ => wrong.push("there are more fields than a selector and a search"),
        }
    }
    if request.selector.len() > SELECTOR {
        wrong.push("the selector is longer than 255 octets");
    }
    if line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        wrong.push("CR or NUL in a request");
    }
    (request, wrong)
}

/// Whether this is the selector of an item of type 7.
pub(super) fn is_search(selector: &[u8]) -> bool {
    matches!(selector, b"/mock/search" | b"/mock/echo")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> (String, Option<String>, Option<Plus>, usize) {
        let (request, wrong) = parse(line.as_bytes());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            text(request.selector),
            request.search.map(text),
            request.plus,
            wrong.len(),
        )
    }

    #[test]
    fn requests_have_a_selector_and_perhaps_more() {
        let some = |text: &str| Some(text.to_owned());
        for (line, selector, search, plus, wrong) in [
            ("", "", None, None, 0),
            ("/a b", "/a b", None, None, 0),
            ("/a\tfoo", "/a", some("foo"), None, 0),
            ("/a\t+", "/a", None, Some(Plus::Content), 0),
            ("/a\t!", "/a", None, Some(Plus::Attributes), 0),
            ("/a\t$", "/a", None, Some(Plus::MenuAttributes), 0),
            ("/mock/echo\t+x", "/mock/echo", some("+x"), None, 0),
            (
                "/mock/echo\tx\t+",
                "/mock/echo",
                some("x"),
                Some(Plus::Content),
                0,
            ),
            ("/a\tb\tc", "/a", some("b"), None, 1),
            ("/a\0", "/a\0", None, None, 1),
        ] {
            let expected = (selector.to_owned(), search, plus, wrong);
            assert_eq!(parsed(line), expected, "{line:?}");
        }
        assert_eq!(parsed(&"x".repeat(255)).3, 0);
        assert_eq!(parsed(&"x".repeat(256)).3, 1);
    }
}
