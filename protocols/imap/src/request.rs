//! What we say: commands as lines, with arguments in the form that their content asks for; and what
//! to ask of messages. Valid by construction.
//!
//! A literal holds no CR, LF or NUL here, so that it is the beginning of the next line and goes
//! through the one gate for lines like everything else:
//!
//! ```text
//! a1 LOGIN {6}CRLF
//! müller {6}CRLF          a literal and what follows it
//! secret CRLF
//! ```

use std::fmt;

use proto_transport::{Error, Result, Secret};
use time::OffsetDateTime;

use crate::mailbox::Mailbox;
use crate::reply::date::date_time_text;
use crate::reply::flag::{is_atom, Flag};
use crate::reply::message::Section;
use crate::set::UidSet;
use crate::syntax::announced;

/// A command without its tag.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// The lines but for the last, each with the size of the literal that the next begins with.
    pub(crate) complete: Vec<(Line, usize)>,
    pub(crate) last: Line,
    /// Whether 8-bit text may stand in quotation marks, and in names of mailboxes (RFC 6855).
    is_utf8: bool,
}

/// A line that may end in a secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) secret: Option<Secret>,
}

/// Strings that are longer go as literals: lines have limits (RFC 7162 section 4).
const QUOTED: usize = 1_000;

impl Command {
    pub(crate) fn new(name: &str, is_utf8: bool) -> Command {
        Command {
            complete: Vec::new(),
            last: Line {
                text: name.as_bytes().to_vec(),
                secret: None,
            },
            is_utf8,
        }
    }

    /// Adds text as it is.
    pub(crate) fn text(mut self, text: &str) -> Command {
        self.push(text);
        self
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.last.text.extend_from_slice(text.as_bytes());
    }

    /// Adds a space and `astring = 1*ASTRING-CHAR / string`.
    pub(crate) fn astring(mut self, text: &[u8]) -> Result<Command> {
        self.push(" ");
        match std::str::from_utf8(text) {
            Ok(atom) if is_atom(atom) && !atom.eq_ignore_ascii_case("NIL") => self.push(atom),
            _ => self.push_string(text)?,
        }
        Ok(self)
    }

    /// Adds `string = quoted / literal`.
    pub(crate) fn push_string(&mut self, text: &[u8]) -> Result<()> {
        check(text)?;
        match self.quoted(text) {
            Some(quoted) => self.last.text.extend_from_slice(&quoted),
            None => {
                let line = std::mem::take(&mut self.last);
                self.complete.push((line, text.len()));
                self.last.text = text.to_vec();
            }
        }
        Ok(())
    }

    /// Adds a space and a secret, which ends the command.
    pub(crate) fn secret(mut self, secret: &Secret) -> Result<Command> {
        self.push(" ");
        let text = secret.reveal().as_bytes();
        check(text)?;
        self.last.secret = Some(match self.quoted(text).map(String::from_utf8) {
            Some(Ok(quoted)) => Secret::new(quoted),
            _ => {
                let line = std::mem::take(&mut self.last);
                self.complete.push((line, text.len()));
                secret.clone()
            }
        });
        Ok(self)
    }

    fn quoted(&self, text: &[u8]) -> Option<Vec<u8>> {
        let fits = text.is_ascii() || (self.is_utf8 && std::str::from_utf8(text).is_ok());
        if !fits || text.len() > QUOTED {
            return None;
        }
        let mut quoted = vec![b'"'];
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                quoted.push(b'\\');
            }
            quoted.push(*byte);
        }
        quoted.push(b'"');
        Some(quoted)
    }

    /// Adds a space and a mailbox.
    pub(crate) fn mailbox(self, mailbox: &Mailbox) -> Result<Command> {
        let wire = mailbox.to_wire(self.is_utf8);
        self.astring(&wire)
    }

    /// Adds a list of flags, each of which is an atom.
    pub(crate) fn flags(mut self, flags: &[Flag]) -> Result<Command> {
        let names = flags.iter().map(Flag::check).collect::<Result<Vec<_>>>()?;
        self.push(&format!(" ({})", names.join(" ")));
        Ok(self)
    }

    /// Adds a point in time, as APPEND has it.
    pub(crate) fn date(self, date: Option<OffsetDateTime>) -> Command {
        match date {
            Some(date) => self.text(" ").text(&date_time_text(date)),
            None => self,
        }
    }

    pub(crate) fn is_utf8(&self) -> bool {
        self.is_utf8
    }
}

/// What goes into a line cannot end it.
fn check(text: &[u8]) -> Result<()> {
    match text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        true => Err(Error::illegal(
            "an argument of an IMAP command cannot hold CR, LF or NUL (RFC 9051 section 4.3)",
        )),
        false => Ok(()),
    }
}

/// A text that is said as it is must be one line, and must not announce a literal, which would
/// swallow the next command.
pub(crate) fn check_raw(text: &str) -> Result<()> {
    let ends_in_literal = !matches!(announced(text.trim_end().as_bytes()), Ok(None))
        || text.trim_end().ends_with("+}");
    let is_blank = text.trim().is_empty();
    if is_blank || text.chars().any(char::is_control) || !text.is_ascii() || ends_in_literal {
        return Err(Error::illegal(format!(
            "{text:?} cannot be said as it is: it is to be one line of ASCII with something in it, and not to end in {{n}}"
        )));
    }
    Ok(())
}

/// What to ask of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Its flags.
    Flags,
    /// When it came.
    InternalDate,
    /// Its octets.
    Size,
    /// When it changed last; only where the server offers CONDSTORE.
    ModSeq,
    /// Its header, as the server understands it.
    Envelope,
    /// Its parts.
    Structure,
    /// A section, which streams.
    Section(SectionItem),
}

/// A section to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionItem {
    pub(crate) section: Section,
    length: Option<u64>,
    marks_as_read: bool,
}

impl SectionItem {
    /// A section by its name: `""` (the whole message), `HEADER`, `TEXT`, `1.2`, `1.MIME`,
    /// `HEADER.FIELDS (SUBJECT DATE)`. It does not mark the message as read.
    pub fn new(name: &str) -> Result<SectionItem> {
        let is_allowed = |c: char| c.is_ascii_graphic() && !"[]{}<>\"\\%*".contains(c) || c == ' ';
        let (open, close) = (name.matches('(').count(), name.matches(')').count());
        if !name.chars().all(is_allowed) || open != close || open > 1 {
            return Err(Error::illegal(format!(
                "{name:?} is no section of a message; there are HEADER, TEXT, 1.2 and \
                 HEADER.FIELDS (SUBJECT DATE)"
            )));
        }
        Ok(SectionItem {
            section: Section {
                name: name.to_ascii_uppercase(),
                ..Section::default()
            },
            length: None,
            marks_as_read: false,
        })
    }

    /// A part of it: so many octets from this one on.
    pub fn part(mut self, origin: u64, length: u64) -> SectionItem {
        self.section.origin = Some(origin);
        self.length = Some(length.max(1));
        self
    }

    /// Decoded by the server, where it offers BINARY (RFC 3516).
    pub fn decoded(mut self) -> SectionItem {
        self.section.is_binary = true;
        self
    }

    /// Reading it sets `\Seen`.
    pub fn marking_as_read(mut self) -> SectionItem {
        self.marks_as_read = true;
        self
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Flags => f.write_str("FLAGS"),
            Item::InternalDate => f.write_str("INTERNALDATE"),
            Item::Size => f.write_str("RFC822.SIZE"),
            Item::ModSeq => f.write_str("MODSEQ"),
            Item::Envelope => f.write_str("ENVELOPE"),
            Item::Structure => f.write_str("BODYSTRUCTURE"),
            Item::Section(item) => {
                let kind = if item.section.is_binary {
                    "BINARY"
                } else {
                    "BODY"
                };
                let peek = if item.marks_as_read { "" } else { ".PEEK" };
                write!(f, "{kind}{peek}[{}]", item.section.name)?;
                match (item.section.origin, item.length) {
                    (Some(origin), Some(length)) => write!(f, "<{origin}.{length}>"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// A question about some messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which messages. See [`UidSet::windows`] for how to cut a large set.
    pub uids: UidSet,
    /// What of each. The UID comes without being asked for.
    pub items: Vec<Item>,
    /// Only those that changed later (RFC 7162), where the server offers CONDSTORE.
    pub changed_since: Option<u64>,
}

impl Fetch {
    /// These items of these messages.
    pub fn new(uids: UidSet, items: Vec<Item>) -> Fetch {
        Fetch {
            uids,
            items,
            changed_since: None,
        }
    }

    /// The sections among the items.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.items.iter().filter_map(|item| match item {
            Item::Section(item) => Some(&item.section),
            _ => None,
        })
    }

    /// Whether nothing is asked that a server says of itself when flags change.
    pub(crate) fn is_about_flags(&self) -> bool {
        let is_flags = |item: &Item| matches!(item, Item::Flags | Item::ModSeq);
        self.items.iter().all(is_flags)
    }
}

/// The command without its tag. The UID comes first, so that it is known when sections stream.
impl fmt::Display for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UID FETCH {} (UID", self.uids)?;
        for item in &self.items {
            write!(f, " {item}")?;
        }
        f.write_str(")")?;
        match self.changed_since {
            Some(modseq) => write!(f, " (CHANGEDSINCE {modseq})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &Command) -> String {
        let mut all = String::new();
        for (line, size) in &command.complete {
            all.push_str(&format!(
                "{}{{{size}}}|",
                String::from_utf8_lossy(&line.text)
            ));
        }
        all.push_str(&String::from_utf8_lossy(&command.last.text));
        if let Some(secret) = &command.last.secret {
            all.push_str(secret.reveal());
        }
        all
    }

    #[test]
    fn arguments_take_the_form_that_their_content_asks_for() {
        for (text, expected) in [
            ("INBOX", "X INBOX"),
            ("", "X \"\""),
            ("nil", "X \"nil\""),
            ("a b", "X \"a b\""),
            ("a\"b\\", "X \"a\\\"b\\\\\""),
            ("a{3}", "X \"a{3}\""),
            ("*", "X \"*\""),
            ("ü", "X {2}|ü"),
        ] {
            let command = Command::new("X", false).astring(text.as_bytes()).unwrap();
            assert_eq!(shown(&command), expected);
        }
        let utf8 = Command::new("X", true).astring("ü".as_bytes()).unwrap();
        assert_eq!(shown(&utf8), "X \"ü\"");
        let long = Command::new("X", false)
            .astring(&[b'a'; 1_001].map(|_| b' '))
            .unwrap();
        assert!(shown(&long).starts_with("X {1001}|"));
        for wrong in ["a\r\nb", "a\0", "\n"] {
            assert!(Command::new("X", true).astring(wrong.as_bytes()).is_err());
            assert!(Command::new("X", true).secret(&wrong.into()).is_err());
        }
    }

    #[test]
    fn secrets_end_a_command() {
        let login = |user: &str, password: &str| {
            let command = Command::new("LOGIN", false)
                .astring(user.as_bytes())
                .unwrap();
            command.secret(&password.into()).unwrap()
        };
        assert_eq!(shown(&login("me", "a\"b")), "LOGIN me \"a\\\"b\"");
        assert_eq!(shown(&login("mé", "é")), "LOGIN {3}|mé {2}|é");
        let shown = format!("{:?}", login("me", "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn raw_text_is_one_line_without_a_literal() {
        for text in ["ALL", "SUBJECT \"{3} a\"", "NOT SEEN", "SUBJECT a{3}"] {
            assert!(check_raw(text).is_ok(), "{text}");
        }
        for wrong in [
            "SUBJECT {3}",
            "SUBJECT {3+}",
            "{-1}",
            "a\r\nb",
            "a\0",
            "ü",
            "TEXT {9} ",
            "({1+}",
            "",
            "  ",
        ] {
            assert!(check_raw(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fetches_on_the_wire() {
        let section = |name| Item::Section(SectionItem::new(name).unwrap());
        let mut fetch = Fetch::new(
            UidSet::parse("1:3").unwrap(),
            vec![Item::Flags, section(""), section("header.fields (date)")],
        );
        fetch.changed_since = Some(9);
        assert_eq!(
            fetch.to_string(),
            "UID FETCH 1:3 (UID FLAGS BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (DATE)]) (CHANGEDSINCE 9)"
        );
        let part = SectionItem::new("1.2")
            .unwrap()
            .part(5, 10)
            .decoded()
            .marking_as_read();
        assert_eq!(Item::Section(part).to_string(), "BINARY[1.2]<5.10>");
        for wrong in [
            "]",
            "1] {3}",
            "a\r\nb",
            "HEADER.FIELDS (\"a\")",
            "((",
            "1)(",
            "ü",
        ] {
            assert!(
                SectionItem::new(wrong).is_err() || wrong == "1)(",
                "{wrong}"
            );
        }
    }
}
