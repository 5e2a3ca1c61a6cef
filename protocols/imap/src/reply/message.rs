//! The data of a message in a FETCH response: attributes that are held, and sections that stream.

use proto_transport::escape::escaped;
use time::OffsetDateTime;

use super::date::date_time;
use super::envelope::Envelope;
use super::flag::Flag;
use super::list_of;
use super::structure::Structure;
use crate::syntax::{number, positive, Parsed, Tokens};

/// What is known of a message. What was not asked for, or not answered in a form that makes sense,
/// is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes {
    /// What names it, as long as the mailbox has its UIDVALIDITY.
    pub uid: Option<u32>,
    /// Its flags.
    pub flags: Option<Vec<Flag>>,
    /// When it came, as the server keeps it.
    pub internal_date: Option<OffsetDateTime>,
    /// Its octets: a hint.
    pub size: Option<u64>,
    /// When it changed last (RFC 7162).
    pub modseq: Option<u64>,
    /// Its header, as the server understands it.
    pub envelope: Option<Envelope>,
    /// Its parts.
    pub structure: Option<Structure>,
}

impl Attributes {
    /// Takes an item. What is not known is passed over.
    pub(crate) fn take(&mut self, name: &[u8], value: &[u8]) -> Parsed<()> {
        let mut tokens = Tokens::new(value);
        let tokens = &mut tokens;
        match name.to_ascii_uppercase().as_slice() {
            b"UID" => self.uid = Some(positive(tokens.atom()?)?),
            b"FLAGS" => self.flags = Some(list_of(tokens, Flag::parse)?),
            b"INTERNALDATE" => self.internal_date = Some(date_time(&tokens.astring()?)?),
            b"RFC822.SIZE" => self.size = Some(tokens.number()?),
            b"MODSEQ" => {
                tokens.open()?;
                self.modseq = Some(tokens.number()?);
            }
            b"ENVELOPE" => self.envelope = Some(Envelope::parse(tokens)?),
            b"BODYSTRUCTURE" | b"BODY" => self.structure = Some(Structure::parse(tokens)?),
            _ => {}
        }
        Ok(())
    }

    /// Whether this is what a server says of itself when flags change, and nothing more.
    pub(crate) fn has_only_flags(&self) -> bool {
        self.internal_date.is_none()
            && self.size.is_none()
            && self.envelope.is_none()
            && self.structure.is_none()
    }
}

/// A section of a message: `section = "[" [section-spec] "]" ["<" number ">"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// What is between the brackets, in capitals: nothing (the whole message), `HEADER`, `1.2`, …
    pub name: String,
    /// Where a part of it begins, if only a part was asked for.
    pub origin: Option<u64>,
    /// Whether it is decoded (BINARY, RFC 3516).
    pub is_binary: bool,
}

impl Section {
    /// Reads the name of an item. `None` if it is no section. The names of IMAP2 are sections, too
    /// (RFC 3501 section 6.4.5).
    pub(crate) fn parse(name: &[u8]) -> Option<Section> {
        let name = escaped(name).to_ascii_uppercase();
        let whole = |name: &str| Section {
            name: name.to_owned(),
            ..Section::default()
        };
        match name.as_str() {
            "RFC822" => return Some(whole("")),
            "RFC822.HEADER" => return Some(whole("HEADER")),
            "RFC822.TEXT" => return Some(whole("TEXT")),
            _ => {}
        }
        let (kind, rest) = name.split_once('[')?;
        let (section, rest) = rest.rsplit_once(']')?;
        let origin = rest
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        let is_known = matches!(kind, "BODY" | "BINARY" | "BODY.PEEK" | "BINARY.PEEK");
        is_known.then(|| Section {
            name: section.to_owned(),
            origin: origin.and_then(|origin| number(origin.as_bytes()).ok()),
            is_binary: kind.starts_with("BINARY"),
        })
    }

    /// Whether both are the same, however the names of fields are written.
    pub(crate) fn is_same(&self, other: &Section) -> bool {
        self.is_binary == other.is_binary
            && self.origin.unwrap_or(0) == other.origin.unwrap_or(0)
            && plain(&self.name) == plain(&other.name)
    }
}

/// `HEADER.FIELDS (A B)` without what may be written otherwise.
fn plain(name: &str) -> Vec<String> {
    let words = name
        .split([' ', '(', ')', '"'])
        .filter(|word| !word.is_empty());
    let mut words: Vec<String> = words.map(str::to_ascii_uppercase).collect();
    if let Some(fields) = words.get_mut(1..) {
        fields.sort_unstable();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_one_by_one() {
        let mut attributes = Attributes::default();
        for (name, value) in [
            ("uid", "7"),
            ("FLAGS", "(\\Seen $x \"odd\")"),
            ("INTERNALDATE", "\"17-Jul-1996 02:44:25 -0700\""),
            ("RFC822.SIZE", "4286"),
            ("MODSEQ", "(624140003)"),
            ("X-GM-MSGID", "1278455344230334865"),
        ] {
            attributes.take(name.as_bytes(), value.as_bytes()).unwrap();
        }
        assert_eq!(attributes.uid, Some(7));
        assert_eq!(attributes.flags.as_ref().map(Vec::len), Some(3));
        assert_eq!(attributes.size, Some(4286));
        assert_eq!(attributes.modseq, Some(624_140_003));
        for (name, value) in [
            ("UID", "0"),
            ("UID", "4294967296"),
            ("UID", "-1"),
            ("RFC822.SIZE", "18446744073709551616"),
            ("MODSEQ", "5"),
            ("FLAGS", "NIL"),
            ("INTERNALDATE", "\"yesterday\""),
        ] {
            assert!(attributes.take(name.as_bytes(), value.as_bytes()).is_err());
        }
    }

    #[test]
    fn sections_by_their_names() {
        let parse = |text: &str| Section::parse(text.as_bytes());
        let section = parse("body[Header.Fields (\"Date\" from)]<0>").unwrap();
        assert_eq!(section.origin, Some(0));
        assert!(section.is_same(&parse("BODY[HEADER.FIELDS (FROM DATE)]").unwrap()));
        assert!(!section.is_same(&parse("BODY[HEADER.FIELDS (FROM)]").unwrap()));
        assert!(parse("RFC822").unwrap().is_same(&parse("BODY[]").unwrap()));
        assert!(!parse("BINARY[1]")
            .unwrap()
            .is_same(&parse("BODY[1]").unwrap()));
        assert!(!parse("BODY[]<5>")
            .unwrap()
            .is_same(&parse("BODY[]").unwrap()));
        for none in [
            "BODY",
            "BODYSTRUCTURE",
            "BODY[",
            "UID",
            "X[1]",
            "BINARY.SIZE[1]",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
