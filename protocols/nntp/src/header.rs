//! The header of an article (RFC 5536), and what of it somebody who posts may say (RFC 5537).

use std::io::Read;

use proto_transport::escape::escaped;
use proto_transport::{Error, Result};

use crate::argument::{Group, MessageId};

/// Octets in a line of a header at most, without its CRLF (RFC 5536 section 2.2).
const LONGEST_LINE: usize = 998;

/// Fields in a header at most; real ones have thirty.
const MOST_FIELDS: usize = 1_000;

/// Fields without which nothing can be posted. Date, Message-ID and Path are added by the server
/// where they are missing (RFC 5537 section 3.4).
const NEEDED: [&str; 3] = ["From", "Newsgroups", "Subject"];

/// Fields of which there can be only one (RFC 5536 section 3).
const SINGLE: [&str; 19] = [
    "From",
    "Newsgroups",
    "Subject",
    "Date",
    "Message-ID",
    "Path",
    "Approved",
    "Archive",
    "Control",
    "Distribution",
    "Expires",
    "Followup-To",
    "Injection-Date",
    "Injection-Info",
    "Organization",
    "References",
    "Reply-To",
    "Sender",
    "Supersedes",
];

/// Fields that only servers write (RFC 5537 sections 3.4.1 and 3.5).
const OF_SERVERS: [&str; 4] = ["Injection-Date", "Injection-Info", "Xref", "Also-Control"];

/// Fields that act on other articles, or speak for a moderator.
const OF_AUTHORITY: [&str; 3] = ["Control", "Approved", "Supersedes"];

/// The fields of a header, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<(String, Vec<u8>)>);

impl Header {
    /// Reads the beginning of an article, up to the empty line or the end. Lines may end in CRLF or
    /// LF. Errors are [`Error::Illegal`], about the rule that is broken.
    pub fn parse(article: &[u8]) -> Result<Header> {
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in article.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            if line.len() > LONGEST_LINE || line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
                return Err(wrong(
                    "a line is longer than 998 octets, or holds CR or NUL",
                    line,
                ));
            }
            match (line, fields.last_mut()) {
                ([b' ' | b'\t', ..], Some((_, value))) if !line.trim_ascii().is_empty() => {
                    value.extend_from_slice(line);
                }
                _ => fields.push(
                    field(line).ok_or_else(|| wrong("a field is Name: and its value", line))?,
                ),
            }
            if fields.len() > MOST_FIELDS {
                return Err(Error::TooLarge {
                    what: "the header of the article, in fields,".to_owned(),
                    limit: MOST_FIELDS as u64,
                });
            }
        }
        Ok(Header(fields))
    }

    /// The first field of this name, in any case, without the spaces around its value.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn all<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        let fields = self.0.iter();
        let named = fields.filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim_ascii())
    }

    /// The article's message-id: `None` if there is none, an error if it is none.
    pub fn message_id(&self) -> Result<Option<MessageId>> {
        let Some(value) = self.get("Message-ID") else {
            return Ok(None);
        };
        match MessageId::of_server(value).filter(|id| id.as_str().contains('@')) {
            Some(id) => Ok(Some(id)),
            None => Err(wrong("Message-ID looks like <a@b>", value)),
        }
    }

    /// Where the article is to go: `newsgroup-list = *WSP newsgroup-name *( [FWS] "," [FWS]
    /// newsgroup-name ) *WSP`.
    pub fn newsgroups(&self) -> Result<Vec<Group>> {
        let value = self.get("Newsgroups").unwrap_or_default();
        let text = std::str::from_utf8(value).map_err(|_| wrong("Newsgroups is UTF-8", value))?;
        text.split(',')
            .map(|name| Group::new(name.trim()))
            .collect()
    }

    /// Whether this can be posted: what is needed is there, nothing is there twice, and nothing that
    /// only servers write. `with_authority` allows Control, Approved and Supersedes.
    pub fn check_posting(&self, with_authority: bool) -> Result<()> {
        for name in NEEDED {
            if self.get(name).is_none_or(<[u8]>::is_empty) {
                return Err(Error::illegal(format!(
                    "the article needs {name} (RFC 5537 section 3.4.1)"
                )));
            }
        }
        for name in SINGLE {
            if self.all(name).count() > 1 {
                return Err(Error::illegal(format!(
                    "the article has {name} more than once (RFC 5536 section 3)"
                )));
            }
        }
        let is_there = |name: &&str| self.get(name).is_some();
        if let Some(name) = OF_SERVERS.into_iter().find(|name| is_there(name)) {
            return Err(Error::illegal(format!(
                "the article has {name}, which only servers write (RFC 5537 section 3.4.1)"
            )));
        }
        if self.get("Path").is_some_and(is_injected) {
            return Err(Error::illegal(
                "the article has a Path with .POSTED: it was posted before (RFC 5537 section 3.5)",
            ));
        }
        if let Some(name) = OF_AUTHORITY.into_iter().find(|name| is_there(name)) {
            if !with_authority {
                return Err(Error::illegal(format!(
                    "the article has {name}, which acts on others or speaks for a moderator"
                )));
            }
        }
        self.newsgroups()?;
        self.message_id().map(drop)
    }
}

/// Whether an article can be sent: NUL and CR without LF cannot (RFC 3977 section 3.1.1, RFC 5536
/// section 2.2). It is read to its end. Errors are [`Error::Illegal`], and [`Error::Io`] of reading.
pub fn check_content(article: &mut dyn Read) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut is_after_cr = false;
    loop {
        let count = article
            .read(&mut buffer)
            .map_err(|error| Error::io("reading the article", error))?;
        for byte in buffer.get(..count).unwrap_or_default() {
            if *byte == 0 {
                return Err(Error::illegal(
                    "the article holds a NUL, which cannot be sent",
                ));
            }
            if is_after_cr && *byte != b'\n' {
                return Err(Error::illegal("the article holds a CR without LF"));
            }
            is_after_cr = *byte == b'\r';
        }
        match (count, is_after_cr) {
            (0, true) => return Err(Error::illegal("the article ends in a CR without LF")),
            (0, false) => return Ok(()),
            _ => {}
        }
    }
}

/// Whether `.POSTED` is an element of a Path (RFC 5536 section 3.1.5).
fn is_injected(path: &[u8]) -> bool {
    let mut elements = path.split(|byte| *byte == b'!');
    elements.any(|element| {
        let element = element.trim_ascii();
        element == b".POSTED" || element.starts_with(b".POSTED.")
    })
}

/// `header-field = field-name ":" SP value`; a value that is empty may lack the space.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, rest) = line.split_at(colon);
    let value = rest.get(1..)?;
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let is_apart = value.is_empty() || value.starts_with(b" ");
    (is_name && is_apart).then(|| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

fn wrong(rule: &str, line: &[u8]) -> Error {
    let shown = escaped(line.get(..80).unwrap_or(line));
    Error::illegal(format!("the header of the article: {rule}: \"{shown}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3977 section 6.3.1.3.
    const EXAMPLE: &str = "From: \"Demo User\" <nobody@example.net>\r\nNewsgroups: misc.test\r\n\
        Subject: I am just a test article\r\nOrganization: An Example Net\r\n\r\n\
        This is just a test article.\r\n";

    #[test]
    fn the_example_of_the_rfc_can_be_posted() {
        for article in [EXAMPLE.to_owned(), EXAMPLE.replace("\r\n", "\n")] {
            let header = Header::parse(article.as_bytes()).unwrap();
            header.check_posting(false).unwrap();
            assert_eq!(
                header.get("subject"),
                Some(&b"I am just a test article"[..])
            );
            assert_eq!(
                header.newsgroups().unwrap(),
                [Group::new("misc.test").unwrap()]
            );
            assert_eq!(header.message_id().unwrap(), None);
        }
    }

    #[test]
    fn what_a_poster_must_not_say_is_refused() {
        for (added, with_authority, why) in [
            ("Xref: a", true, "only servers"),
            ("Injection-Info: a", true, "only servers"),
            ("Injection-Date: a", true, "only servers"),
            ("Path: b!.POSTED!not-for-mail", true, "posted before"),
            ("Path: b!.POSTED.x!not-for-mail", true, "posted before"),
            ("Control: cancel <a@b>", false, "acts on others"),
            ("Approved: me", false, "acts on others"),
            ("Supersedes: <a@b>", false, "acts on others"),
            ("Subject: again", true, "more than once"),
            ("newsgroups: again", true, "more than once"),
            ("Message-ID: a@b", true, "looks like"),
            ("Message-ID: <a b@c>", true, "looks like"),
            ("Message-ID: <a>", true, "looks like"),
        ] {
            let article = format!("{added}\r\n{EXAMPLE}");
            let header = Header::parse(article.as_bytes()).unwrap();
            let error = header.check_posting(with_authority).unwrap_err();
            assert!(error.to_string().contains(why), "{added}: {error}");
        }
        for allowed in [
            "Control: cancel <a@b>",
            "Path: not-for-mail",
            "Message-ID: <a@b>",
        ] {
            let article = format!("{allowed}\r\n{EXAMPLE}");
            let header = Header::parse(article.as_bytes()).unwrap();
            header.check_posting(true).unwrap();
        }
        for needed in NEEDED {
            let article = EXAMPLE.replace(&format!("{needed}:"), "X-Other:");
            let header = Header::parse(article.as_bytes()).unwrap();
            let error = header.check_posting(true).unwrap_err();
            assert!(error.to_string().contains(needed), "{error}");
        }
    }

    #[test]
    fn broken_headers_are_refused() {
        let long = format!("A: {}", "x".repeat(996));
        for wrong in [
            "no colon",
            ": a",
            "a b: c",
            "A:b",
            " a: b",
            "A: \0",
            "A: b\rC: d",
            &long,
            "A: b\n \nC: d",
        ] {
            assert!(Header::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Header::parse(&long.as_bytes()[..998]).is_ok());
        let many = "A: b\n".repeat(1_001);
        assert!(Header::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn folds_and_lists_are_read() {
        let header = Header::parse(b"Newsgroups: a.b,\r\n\tc.d ,e\r\nX:\r\n\r\nY: z\r\n").unwrap();
        let groups = header.newsgroups().unwrap();
        let names: Vec<&str> = groups.iter().map(Group::as_str).collect();
        assert_eq!(names, ["a.b", "c.d", "e"]);
        assert_eq!((header.get("X"), header.get("Y")), (Some(&b""[..]), None));
        for wrong in ["a,,b", "a b", "", "a,*"] {
            let header = Header::parse(format!("Newsgroups: {wrong}\r\n").as_bytes()).unwrap();
            assert!(header.newsgroups().is_err(), "{wrong}");
        }
        for length in 0..EXAMPLE.len() {
            let _ = Header::parse(&EXAMPLE.as_bytes()[..length]).map(|h| h.check_posting(false));
        }
    }

    /// Gives one byte at a time.
    struct Drop<'a>(&'a [u8]);

    impl Read for Drop<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn content_that_cannot_be_sent_is_known_before() {
        for (content, can_be_sent) in [
            (&b"a: b\r\n\r\n.\r\n\xff\n"[..], true),
            (b"", true),
            (b"a\0b", false),
            (b"a\rb", false),
            (b"a\r", false),
            (b"a\r\r\n", false),
        ] {
            assert_eq!(check_content(&mut { content }).is_ok(), can_be_sent);
            assert_eq!(check_content(&mut Drop(content)).is_ok(), can_be_sent);
        }
    }
}
