//! What they say: status responses, capabilities, listings and the data of messages. Pure parsers;
//! a response that breaks a rule is a [`Fault`], which costs that response alone.

pub(crate) mod code;
pub(crate) mod date;
pub(crate) mod envelope;
pub(crate) mod flag;
pub(crate) mod hits;
pub(crate) mod message;
pub(crate) mod structure;
pub(crate) mod thread;

use proto_transport::escape::escaped;
use proto_transport::Refusal;

use crate::mailbox::Mailbox;
use crate::set::UidSet;
use crate::syntax::{number, positive, Fault, Parsed, Tokens};
use code::Code;
use flag::Flag;
use thread::Threaded;

/// A status: `("OK" / "NO" / "BAD" / "BYE" / "PREAUTH") SP resp-text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which of them.
    pub kind: Kind,
    /// `"[" resp-text-code "]"`
    pub code: Option<Code>,
    /// The rest, escaped and cut.
    pub text: String,
}

/// The kinds of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes.
    Ok,
    /// No.
    No,
    /// Not understood.
    Bad,
    /// The server hangs up.
    Bye,
    /// A greeting: logged in already.
    Preauth,
}

/// How much of a server's text is kept.
const TEXT: usize = 1_000;

impl Told {
    /// What stands behind `*` or a tag; `None` if it is no status.
    pub(crate) fn parse(text: &[u8]) -> Option<Told> {
        let (word, rest) = split_word(text);
        let kind = match word.to_ascii_uppercase().as_slice() {
            b"OK" => Kind::Ok,
            b"NO" => Kind::No,
            b"BAD" => Kind::Bad,
            b"BYE" => Kind::Bye,
            b"PREAUTH" => Kind::Preauth,
            _ => return None,
        };
        let (code, text) = code::split(rest.trim_ascii());
        let text = text.get(..TEXT).unwrap_or(text);
        Some(Told {
            kind,
            code: code.map(Code::parse),
            text: escaped(text),
        })
    }

    /// What kind of no it is, by its code. `None` without a code that says it.
    pub fn refusal(&self) -> Option<Refusal> {
        self.code.as_ref().and_then(Code::refusal)
    }
}

/// As a server writes it, for reports.
impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
            Kind::Bye => "BYE",
            Kind::Preauth => "PREAUTH",
        };
        f.write_str(kind)?;
        if let Some(code) = &self.code {
            write!(f, " [{}]", code.as_str())?;
        }
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.text),
        }
    }
}

/// What a server can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(Vec<String>);

/// What a server of IMAP4rev2 can do without saying so (RFC 9051 appendix E).
const REV2: [&str; 13] = [
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "ESEARCH",
    "SEARCHRES",
    "ENABLE",
    "IDLE",
    "SASL-IR",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "MOVE",
    "LITERAL-",
    "STATUS=SIZE",
];

impl Capabilities {
    /// `capability = ("AUTH=" auth-type) / atom`, separated by spaces.
    pub(crate) fn parse(text: &[u8]) -> Capabilities {
        let words = text.split(|byte| *byte == b' ').map(<[u8]>::trim_ascii);
        let words = words.filter(|word| !word.is_empty());
        Capabilities(
            words
                .map(|word| escaped(word).to_ascii_uppercase())
                .collect(),
        )
    }

    /// Whether this one is there, by itself or as a part of IMAP4rev2. Names are in capitals.
    pub fn offers(&self, name: &str) -> bool {
        let has = |name: &str| self.0.iter().any(|known| known == name);
        has(name) || (REV2.contains(&name) && has("IMAP4REV2"))
    }

    /// Each of them, in capitals, as the server says them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The SASL mechanisms.
    pub fn mechanisms(&self) -> Vec<String> {
        let names = self.iter().filter_map(|name| name.strip_prefix("AUTH="));
        names.map(str::to_owned).collect()
    }

    /// Whether nothing is known of the server.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A mailbox in a list (RFC 9051 section 7.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// What separates the levels of its name; `None` in a flat world.
    pub delimiter: Option<char>,
    /// Its attributes, such as `\Noselect`, `\HasChildren` and `\Sent` (RFC 6154), as the server
    /// writes them.
    pub attributes: Vec<String>,
    /// What is in it, if that was asked for and the server said it.
    pub status: Option<Status>,
}

/// The uses of mailboxes that have attributes (RFC 6154 section 2, RFC 8457).
const USES: [&str; 8] = [
    "\\All",
    "\\Archive",
    "\\Drafts",
    "\\Flagged",
    "\\Junk",
    "\\Sent",
    "\\Trash",
    "\\Important",
];

impl Listing {
    /// Whether it has an attribute, written in any case.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes
            .iter()
            .any(|known| known.eq_ignore_ascii_case(attribute))
    }

    /// Whether it can be opened.
    pub fn is_selectable(&self) -> bool {
        !self.has("\\Noselect") && !self.has("\\NonExistent")
    }

    /// What it is there for, such as `\Sent`.
    pub fn special_use(&self) -> Option<&'static str> {
        USES.iter().copied().find(|name| self.has(name))
    }

    /// `mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox`,
    /// and extended data that is passed over.
    fn parse(tokens: &mut Tokens<'_>, is_utf8: bool) -> Parsed<Listing> {
        let attributes = list_of(tokens, |tokens| Ok(escaped(tokens.atom()?)))?;
        let delimiter = tokens.nstring()?.and_then(|text| {
            let text = std::str::from_utf8(&text).ok()?;
            text.chars().next()
        });
        let mailbox = Mailbox::from_wire(&tokens.astring()?, is_utf8);
        Ok(Listing {
            mailbox,
            delimiter,
            attributes,
            status: None,
        })
    }
}

/// What is in a mailbox that is not open (RFC 9051 section 7.3.4). What was not asked for, or not
/// answered, is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Messages.
    pub messages: Option<u64>,
    /// Messages that nobody has read.
    pub unseen: Option<u64>,
    /// Messages that are to be deleted.
    pub deleted: Option<u64>,
    /// Octets of all messages together.
    pub size: Option<u64>,
    /// The UID that the next message will have.
    pub uid_next: Option<u32>,
    /// What makes UIDs valid.
    pub uid_validity: Option<u32>,
    /// The last change (RFC 7162).
    pub highest_modseq: Option<u64>,
}

impl Status {
    /// `"(" [status-att-val *(SP status-att-val)] ")"`
    fn parse(tokens: &mut Tokens<'_>) -> Parsed<Status> {
        let mut status = Status::default();
        tokens.open()?;
        while !tokens.closes()? {
            match tokens.atom()?.to_ascii_uppercase().as_slice() {
                b"MESSAGES" => status.messages = Some(tokens.number()?),
                b"UNSEEN" => status.unseen = Some(tokens.number()?),
                b"DELETED" => status.deleted = Some(tokens.number()?),
                b"SIZE" => status.size = Some(tokens.number()?),
                b"UIDNEXT" => status.uid_next = Some(positive(tokens.atom()?)?),
                b"UIDVALIDITY" => status.uid_validity = Some(positive(tokens.atom()?)?),
                b"HIGHESTMODSEQ" => status.highest_modseq = Some(tokens.number()?),
                _ => tokens.skip()?,
            }
        }
        Ok(status)
    }
}

/// Where mailboxes may be (RFC 2342).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// One's own.
    pub personal: Vec<Namespace>,
    /// Those of other users.
    pub others: Vec<Namespace>,
    /// Those that are shared.
    pub shared: Vec<Namespace>,
}

/// How the names of mailboxes begin in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The beginning, in the form of the wire.
    pub prefix: Vec<u8>,
    /// What separates the levels of a name.
    pub delimiter: Option<char>,
}

impl Namespaces {
    fn parse(tokens: &mut Tokens<'_>) -> Parsed<Namespaces> {
        Ok(Namespaces {
            personal: Namespace::parse(tokens)?,
            others: Namespace::parse(tokens)?,
            shared: Namespace::parse(tokens)?,
        })
    }
}

impl Namespace {
    /// `namespace = nil / "(" 1*("(" string SP (DQUOTE char DQUOTE / nil) *extension ")") ")"`
    fn parse(tokens: &mut Tokens<'_>) -> Parsed<Vec<Namespace>> {
        if tokens.takes_nil() {
            return Ok(Vec::new());
        }
        list_of(tokens, |tokens| {
            tokens.open()?;
            let prefix = tokens.astring()?.into_owned();
            let delimiter = tokens.nstring()?;
            while !tokens.closes()? {
                tokens.skip()?;
            }
            let delimiter = delimiter.and_then(|text| text.first().copied().map(char::from));
            Ok(Namespace { prefix, delimiter })
        })
    }
}

/// What a server says of itself (RFC 2971): names and values, escaped.
pub type Identity = Vec<(String, String)>;

fn identity(tokens: &mut Tokens<'_>) -> Parsed<Identity> {
    if tokens.takes_nil() {
        return Ok(Vec::new());
    }
    list_of(tokens, |tokens| {
        let name = escaped(&tokens.astring()?);
        let value = tokens.nstring()?.map(|value| escaped(&value));
        Ok((name, value.unwrap_or_default()))
    })
}

/// A list, parsed one by one.
pub(crate) fn list_of<'a, T>(
    tokens: &mut Tokens<'a>,
    mut each: impl FnMut(&mut Tokens<'a>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    tokens.open()?;
    let mut all = Vec::new();
    while !tokens.closes()? {
        all.push(each(tokens)?);
    }
    Ok(all)
}

/// An untagged response, but for those that have messages' data or hits in them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Told(Told),
    Capabilities(Capabilities),
    Enabled(Capabilities),
    Flags(Vec<Flag>),
    Listing(Listing),
    Status(Mailbox, Status),
    Namespaces(Namespaces),
    Identity(Identity),
    Threads(Vec<Threaded>),
    Hits(hits::Hits),
    Exists(u32),
    Expunged(u32),
    Vanished {
        uids: UidSet,
        is_earlier: bool,
    },
    Message(u32, Box<message::Attributes>),
    /// Known to be of no interest, or not known at all.
    Other,
}

impl Data {
    /// What stands behind `* `.
    pub(crate) fn parse(text: &[u8], is_utf8: bool) -> Parsed<Data> {
        if let Some(told) = Told::parse(text) {
            return Ok(Data::Told(told));
        }
        let (word, rest) = split_word(text);
        if word.first().is_some_and(u8::is_ascii_digit) {
            return counted(number(word)?, rest);
        }
        let mut tokens = Tokens::new(rest);
        let tokens = &mut tokens;
        Ok(match word.to_ascii_uppercase().as_slice() {
            b"CAPABILITY" => Data::Capabilities(Capabilities::parse(rest)),
            b"ENABLED" => Data::Enabled(Capabilities::parse(rest)),
            b"FLAGS" => Data::Flags(list_of(tokens, Flag::parse)?),
            b"LIST" | b"LSUB" => Data::Listing(Listing::parse(tokens, is_utf8)?),
            b"STATUS" => {
                let mailbox = Mailbox::from_wire(&tokens.astring()?, is_utf8);
                Data::Status(mailbox, Status::parse(tokens)?)
            }
            b"NAMESPACE" => Data::Namespaces(Namespaces::parse(tokens)?),
            b"ID" => Data::Identity(identity(tokens)?),
            b"THREAD" => Data::Threads(thread::parse(tokens)?),
            b"VANISHED" => vanished(tokens)?,
            _ => Data::Other,
        })
    }
}

/// `number SP ("EXISTS" / "EXPUNGE" / "RECENT")`
fn counted(number: u32, rest: &[u8]) -> Parsed<Data> {
    match rest.trim_ascii().to_ascii_uppercase().as_slice() {
        b"EXISTS" => Ok(Data::Exists(number)),
        b"EXPUNGE" if number == 0 => Err(Fault("numbers of messages begin at 1")),
        b"EXPUNGE" => Ok(Data::Expunged(number)),
        _ => Ok(Data::Other),
    }
}

/// `"VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162 section 3.2.10)
fn vanished(tokens: &mut Tokens<'_>) -> Parsed<Data> {
    let is_earlier = tokens.is_at_list();
    if is_earlier {
        tokens.skip()?;
    }
    let uids = UidSet::from_wire(tokens.atom()?)?;
    Ok(Data::Vanished { uids, is_earlier })
}

/// The first word, and what follows the space behind it.
pub(crate) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b' ');
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
mod tests;
