//! One article: its header, its body, and what an overview tells of it.

use std::io::Read;

use super::generated;

/// An article as readers get it. Every line ends with CRLF.
#[derive(Debug)]
pub(super) struct Article {
    pub message_id: String,
    /// The groups it is in, and its number in each.
    pub places: Vec<(String, u64)>,
    /// When it came, in seconds since 1970.
    pub arrived: i64,
    pub header: Vec<u8>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Kept(Vec<u8>),
    Generated { number: u64, octets: u64 },
}

impl Article {
    /// One that is held in memory.
    pub fn kept(
        message_id: &str,
        places: Vec<(String, u64)>,
        arrived: i64,
        header: &[u8],
        body: &[u8],
    ) -> Article {
        let mut header = header.to_vec();
        header.extend_from_slice(xref(&places).as_bytes());
        Article {
            message_id: message_id.to_owned(),
            places,
            arrived,
            header,
            body: Body::Kept(body.to_vec()),
        }
    }

    /// One of so many octets, or as many as it needs at least.
    pub fn generated(group: &str, number: u64, size: u64) -> Article {
        let places = vec![(group.to_owned(), number)];
        let arrived = generated::BEGINNING + i64::try_from(number).unwrap_or(0);
        let rest = format!(
            "Date: {}\r\n{}",
            super::time::written(arrived),
            xref(&places)
        );
        let head = |lines| generated::header(group, number, lines) + &rest;
        // How many digits the number of lines has depends on how long the header is; so the header
        // is taken for as long as it is with one digit, and then the body loses what it grew.
        let room = |header: &str| size.saturating_sub(header.len() as u64 + 2);
        let guess = generated::Body::new(number, room(&head(1))).lines();
        let octets = generated::Body::new(number, room(&head(guess))).octets();
        let lines = generated::Body::new(number, octets).lines();
        Article {
            message_id: generated::message_id(group, number),
            places,
            arrived,
            header: head(lines).into_bytes(),
            body: Body::Generated { number, octets },
        }
    }

    /// What stands behind the header and the empty line.
    pub fn body(&self) -> Box<dyn Read + '_> {
        match &self.body {
            Body::Kept(octets) => Box::new(octets.as_slice()),
            Body::Generated { number, octets } => Box::new(generated::Body::new(*number, *octets)),
        }
    }

    /// `:bytes` (RFC 3977 section 8.1): all octets, with CRLF, without stuffing.
    pub fn octets(&self) -> u64 {
        let body = match &self.body {
            Body::Kept(octets) => octets.len() as u64,
            Body::Generated { octets, .. } => *octets,
        };
        self.header.len() as u64 + 2 + body
    }

    /// `:lines` (RFC 3977 section 8.1): the lines of the body.
    pub fn lines(&self) -> u64 {
        match &self.body {
            Body::Kept(octets) => octets.iter().filter(|byte| **byte == b'\n').count() as u64,
            Body::Generated { number, octets } => generated::Body::new(*number, *octets).lines(),
        }
    }

    /// The content of the first field of this name, or of this metadata item, as HDR and OVER tell
    /// it; `None` if there is none.
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        match name.to_ascii_lowercase().as_str() {
            ":bytes" => Some(self.octets().to_string().into()),
            ":lines" => Some(self.lines().to_string().into()),
            name => field(&self.header, name),
        }
    }
}

fn xref(places: &[(String, u64)]) -> String {
    let places = places
        .iter()
        .map(|(group, number)| format!(" {group}:{number}"));
    match places.collect::<String>() {
        none if none.is_empty() => none,
        places => format!("Xref: localhost{places}\r\n"),
    }
}

/// The content of the first field of this name. RFC 3977 section 8.3.2: line breaks go, and what
/// else could end a field or a line becomes a space.
pub(super) fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let (_, content) = fields(header).find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let content = content.split(|byte| *byte == b'\n').flat_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.iter().map(|byte| match byte {
            b'\t' | b'\r' | 0 => b' ',
            byte => *byte,
        })
    });
    Some(content.collect::<Vec<u8>>().trim_ascii().to_vec())
}

/// The fields of a header with their names, folded as they are. A line that begins none counts with
/// an empty name.
pub(super) fn fields(header: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (field, after) = rest.split_at(field_length(rest));
        rest = after;
        let colon = field.iter().position(|byte| *byte == b':');
        let (name, content) = field.split_at(colon.unwrap_or(0));
        let name = std::str::from_utf8(name).unwrap_or_default();
        Some((name, content.strip_prefix(b":").unwrap_or(content)))
    })
}

/// Lines that begin with a blank belong to the field before them.
fn field_length(header: &[u8]) -> usize {
    let ends = header.windows(2).enumerate();
    let mut ends =
        ends.filter(|(_, two)| matches!(two, [b'\n', next] if !matches!(next, b' ' | b'\t')));
    ends.next().map_or(header.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_unfolded() {
        let header = b"A: one\r\nSubject: two\r\n\tthree\0\r\n four\r\nodd\r\nB:\r\n";
        assert_eq!(field(header, "subject").unwrap(), b"two three  four");
        assert_eq!(field(header, "b").unwrap(), b"");
        assert_eq!(field(header, "c"), None);
        let names: Vec<&str> = fields(header).map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "Subject", "", "B"]);
    }

    #[test]
    fn generated_articles_have_the_size_that_was_asked_for() {
        for size in [600, 601, 617, 1000, 1001, 9000, 100_000] {
            let article = Article::generated("a.b", 3, size);
            let mut body = Vec::new();
            article.body().read_to_end(&mut body).unwrap();
            let octets = (article.header.len() + 2 + body.len()) as u64;
            assert_eq!(article.octets(), octets);
            assert!(octets.abs_diff(size) <= 2, "{octets} for {size}");
            let lines = String::from_utf8(article.field("lines").unwrap()).unwrap();
            assert_eq!(lines, article.lines().to_string());
        }
        assert_eq!(Article::generated("a.b", 3, 0).lines(), 0);
    }
}
