//! The messages of the domain name system, as far as a question for MX records needs them
//! (RFC 1035 section 4.1). Numbers are big-endian.
//!
//! ```text
//! message  = header question *answer …         authority and additional records are not read
//! header   = ID(2) flags(2) QDCOUNT(2) ANCOUNT(2) NSCOUNT(2) ARCOUNT(2)
//! flags    = QR OPCODE(4) AA TC RD RA Z(3) RCODE(4)                              in bits
//! question = name QTYPE(2) QCLASS(2)
//! answer   = name TYPE(2) CLASS(2) TTL(4) RDLENGTH(2) RDATA
//! RDATA    = PREFERENCE(2) name / name         of an MX record, of a CNAME record
//! name     = *label ( %x00 / pointer )
//! label    = length 1*63OCTET
//! pointer  = %b11 offset(14 bits)              of an earlier name (section 4.1.4)
//! ```

/// A name: labels in lower case, each with its length before it, and the empty one at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(Vec<u8>);

/// What a name server knows of the exchangers of a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its MX records, as received: preference and host.
    Records(Vec<(u16, Name)>),
    /// There is no such name.
    NoSuchName,
    /// Nothing: it could not, or would not, look.
    Failure(&'static str),
}

/// The rule of the format that a message broke.
pub(crate) type Rule = &'static str;

impl Name {
    /// A host name as text, without the final dot. Its labels must be letters, digits, hyphens or
    /// underscores: whatever else the system can carry names no host (RFC 1123 section 2.1).
    pub(crate) fn from_text(text: &str) -> Option<Name> {
        let mut name = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if !is_host_label(label.as_bytes()) {
                return None;
            }
            name.push(u8::try_from(label.len()).ok()?);
            name.extend(label.to_ascii_lowercase().bytes());
        }
        name.push(0);
        (name.len() <= LONGEST_NAME).then_some(Name(name))
    }

    /// The same backwards; `None` where it is no host name.
    pub(crate) fn to_text(&self) -> Option<String> {
        let mut labels = Vec::new();
        let mut rest = self.0.as_slice();
        while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
            let (label, after) = after.split_at_checked(length.into())?;
            if !is_host_label(label) {
                return None;
            }
            labels.push(String::from_utf8_lossy(label));
            rest = after;
        }
        (!labels.is_empty()).then(|| labels.join("."))
    }

    /// Whether it is the root of all names, `.`.
    pub(crate) fn is_root(&self) -> bool {
        self.0 == [0]
    }
}

fn is_host_label(label: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.iter().all(is_inner)
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

/// The question for the MX records of a name.
pub(crate) fn query(id: u16, name: &Name) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.0.len() + 4);
    for number in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(&name.0);
    message.extend(MX.to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    message
}

/// Whether a message answers this query: a response with the same ID and the same question. Anything
/// else was said by somebody who has not heard the question (RFC 5452 section 9.1).
pub(crate) fn is_answer(message: &[u8], query: &[u8]) -> bool {
    let same_id = message.get(..2) == query.get(..2);
    let same_question = match (message.get(HEADER..query.len()), query.get(HEADER..)) {
        (Some(theirs), Some(ours)) => theirs.eq_ignore_ascii_case(ours),
        _ => false,
    };
    let is_one = message.get(4..6) == Some(&[0, 1]);
    same_id && same_question && is_one && flags(message) & KIND == RESPONSE
}

/// Whether an answer was cut because it did not fit into a datagram.
pub(crate) fn is_truncated(message: &[u8]) -> bool {
    flags(message) & TRUNCATED != 0
}

fn flags(message: &[u8]) -> u16 {
    let mut reader = Reader { message, at: 2 };
    reader.number().unwrap_or_default()
}

/// Reads an answer: the MX records of the name that was asked for, or of the name that it is an
/// alias of.
pub(crate) fn read_answer(message: &[u8]) -> Result<Answer, Rule> {
    let mut reader = Reader { message, at: 2 };
    let flags = reader.number()?;
    let (questions, answers) = (reader.number()?, reader.number()?);
    reader.take(4)?;
    if flags & TRUNCATED != 0 {
        return Err("an answer is whole");
    }
    match flags & RCODE {
        0 => {}
        1 => return Ok(Answer::Failure("format error (FORMERR)")),
        2 => return Ok(Answer::Failure("server failure (SERVFAIL)")),
        3 => return Ok(Answer::NoSuchName),
        4 => return Ok(Answer::Failure("not implemented (NOTIMP)")),
        5 => return Ok(Answer::Failure("query refused (REFUSED)")),
        _ => return Ok(Answer::Failure("an error of another kind")),
    }
    if questions != 1 {
        return Err("an answer repeats its one question");
    }
    let asked = reader.name()?;
    reader.take(4)?;
    // A server that neither owns the name nor looks it up for us only says whom else to ask; that
    // there are no records does not follow from it.
    if answers == 0 && flags & (AUTHORITATIVE | RECURSION_AVAILABLE) == 0 {
        return Ok(Answer::Failure("it does not look up names for others"));
    }
    let records = (0..answers).map(|_| reader.record());
    let records = records.collect::<Result<Vec<Record>, Rule>>()?;
    exchangers_among(asked, records).map(Answer::Records)
}

/// The MX records of a name. If it has a CNAME record, the name there takes its place (RFC 5321
/// section 5.1).
fn exchangers_among(mut name: Name, records: Vec<Record>) -> Result<Vec<(u16, Name)>, Rule> {
    let alias_of = |name: &Name| {
        records.iter().find_map(|record| match &record.data {
            Data::Alias(other) if record.owner == *name => Some(other.clone()),
            _ => None,
        })
    };
    for _ in 0..MOST_ALIASES {
        match alias_of(&name) {
            Some(other) => name = other,
            None => break,
        }
    }
    if alias_of(&name).is_some() {
        return Err("a name is an alias of at most eight others");
    }
    let exchangers = records.into_iter().filter(|record| record.owner == name);
    let exchangers = exchangers.filter_map(|record| match record.data {
        Data::Exchanger(preference, host) => Some((preference, host)),
        _ => None,
    });
    Ok(exchangers.collect())
}

struct Record {
    owner: Name,
    data: Data,
}

enum Data {
    Exchanger(u16, Name),
    Alias(Name),
    Other,
}

/// Reads a message from `at` on. A copy that sees less of the message follows pointers.
struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn take(&mut self, count: usize) -> Result<&'m [u8], Rule> {
        let rest = self.message.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(CUT_SHORT)?;
        self.at += count;
        Ok(taken)
    }

    fn bytes<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Rule> {
        self.take(COUNT)?.try_into().map_err(|_| CUT_SHORT)
    }

    fn number(&mut self) -> Result<u16, Rule> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn record(&mut self) -> Result<Record, Rule> {
        let owner = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        self.take(4)?;
        let length = usize::from(self.number()?);
        let end = self.at + length;
        let data = match (kind, class) {
            (MX, INTERNET) => Data::Exchanger(self.number()?, self.name()?),
            (CNAME, INTERNET) => Data::Alias(self.name()?),
            _ => {
                self.take(length)?;
                Data::Other
            }
        };
        match self.at == end {
            true => Ok(Record { owner, data }),
            false => Err("a record is as long as it says"),
        }
    }

    /// A name, free of pointers. What a pointer leads to must lie before the name that the pointer
    /// is in: each step sees less of the message, so that no chain of pointers is a circle.
    fn name(&mut self) -> Result<Name, Rule> {
        let mut name = Vec::new();
        let mut start = self.at;
        let mut pointer = self.labels(&mut name)?;
        for _ in 0..MOST_POINTERS {
            let Some(offset) = pointer else {
                return Ok(Name(name));
            };
            if offset >= start {
                return Err("a pointer leads backwards");
            }
            let mut earlier = Reader {
                message: self.message.get(..start).unwrap_or_default(),
                at: offset,
            };
            start = offset;
            pointer = earlier.labels(&mut name)?;
        }
        match pointer {
            None => Ok(Name(name)),
            Some(_) => Err("a name has at most 126 pointers"),
        }
    }

    /// Adds labels to a name until it ends, or until the pointer that is given back.
    fn labels(&mut self, name: &mut Vec<u8>) -> Result<Option<usize>, Rule> {
        loop {
            let [length] = self.bytes()?;
            match length {
                0..=63 => {
                    let label = self.take(length.into())?;
                    name.push(length);
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                }
                0xc0.. => {
                    let [low] = self.bytes()?;
                    let offset = u16::from_be_bytes([length & 0x3f, low]);
                    return Ok(Some(offset.into()));
                }
                _ => return Err("a label has a length or is a pointer"),
            }
            if name.len() > LONGEST_NAME {
                return Err("a name has at most 255 octets");
            }
            if length == 0 {
                return Ok(None);
            }
        }
    }
}

const CUT_SHORT: Rule = "a message ends behind its last record";

/// Octets of a header.
const HEADER: usize = 12;

/// Octets of a label and of a name with its lengths (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 255;

/// A name of 255 octets has 126 labels besides the root at most, and each pointer leads to one.
const MOST_POINTERS: usize = 126;

/// How many aliases lead to a name. More than one is already against the advice of RFC 1034
/// section 3.6.2; eight is what resolvers follow.
const MOST_ALIASES: usize = 8;

/// The flags: QR and OPCODE, what they are in a response to a query, and the others by their names.
const KIND: u16 = 0xf800;
const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;
const RCODE: u16 = 0x000f;

/// Types of records (RFC 1035 section 3.2.2), and the one class.
const CNAME: u16 = 5;
const MX: u16 = 15;
const INTERNET: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `www.example.org` is an alias of `example.org`, which has two exchangers; one of them with a
    /// pointer inside its name, as servers write it.
    const KNOWN: &[u8] = b"\xab\xcd\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00\
        \x03www\x07example\x03org\x00\x00\x0f\x00\x01\
        \xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00\x02\xc0\x10\
        \xc0\x10\x00\x0f\x00\x01\x00\x00\x0e\x10\x00\x06\x00\x14\x01b\xc0\x10\
        \xc0\x10\x00\x0f\x00\x01\x00\x00\x0e\x10\x00\x09\x00\x0a\x04Mail\xc0\x10";

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn a_known_answer() {
        let records = vec![(20, name("b.example.org")), (10, name("mail.example.org"))];
        assert_eq!(read_answer(KNOWN), Ok(Answer::Records(records)));
    }

    #[test]
    fn every_prefix_of_it_is_an_error() {
        for end in 0..KNOWN.len() {
            let prefix = &KNOWN[..end];
            assert_eq!(read_answer(prefix), Err(CUT_SHORT), "{end}");
        }
    }

    #[test]
    fn a_query_as_it_is_sent() {
        let query = query(0xabcd, &name("WWW.example.org"));
        let bytes = b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
            \x03www\x07example\x03org\x00\x00\x0f\x00\x01";
        assert_eq!(query, bytes);
        assert!(is_answer(KNOWN, &query));
    }

    #[test]
    fn only_a_response_to_the_same_question_is_an_answer() {
        let query = query(0xabcd, &name("www.example.org"));
        assert!(!is_answer(&query, &query), "a query");
        // The ID, the opcode, the number of questions, the name, the type and the class.
        for at in [0, 1, 2, 5, 13, 20, 30, 32] {
            let mut other = KNOWN.to_vec();
            other[at] ^= 0x08;
            assert!(!is_answer(&other, &query), "{at}");
        }
        for end in 0..query.len() {
            assert!(!is_answer(&KNOWN[..end], &query), "{end}");
        }
    }

    #[test]
    fn failures_by_their_codes() {
        let with_code = |code: u8| {
            let mut message = KNOWN.to_vec();
            message[3] |= code;
            read_answer(&message)
        };
        let failure = Answer::Failure("server failure (SERVFAIL)");
        assert_eq!(with_code(2), Ok(failure));
        assert_eq!(with_code(3), Ok(Answer::NoSuchName));
        assert!(matches!(with_code(15), Ok(Answer::Failure(_))));
    }

    #[test]
    fn whom_else_to_ask_is_no_answer() {
        let mut message = KNOWN[..33].to_vec();
        message[7] = 0;
        assert_eq!(read_answer(&message), Ok(Answer::Records(vec![])));
        message[3] = 0;
        assert!(matches!(read_answer(&message), Ok(Answer::Failure(_))));
    }

    /// A name at the end of what comes before it.
    fn name_after(before: &[u8], bytes: &[u8]) -> Result<Name, Rule> {
        let message = [before, bytes].concat();
        let mut reader = Reader {
            message: &message,
            at: before.len(),
        };
        let name = reader.name()?;
        assert_eq!(reader.at, message.len());
        Ok(name)
    }

    #[test]
    fn pointers_lead_backwards() {
        assert_eq!(name_after(b"\x01a\x00", b"\x01B\xc0\x00"), Ok(name("b.a")));
        let chain = b"\x01a\x00\x01b\xc0\x00\x01c\xc0\x03";
        assert_eq!(name_after(chain, b"\xc0\x07"), Ok(name("c.b.a")));
        for (before, bytes) in [
            // To itself, forwards, into its own name, into a circle, and beyond the end.
            (b"".as_slice(), b"\xc0\x00".as_slice()),
            (b"\x00", b"\xc0\x03"),
            (b"", b"\x01a\xc0\x00"),
            (b"\xc0\x02", b"\xc0\x00"),
            (b"", b"\xff\xff"),
            // To what runs on into the name with the pointer.
            (b"\x02a", b"\xc0\x00"),
            // Neither length nor pointer.
            (b"", b"\x40\x00"),
            (b"", b"\x80\x00"),
        ] {
            assert!(name_after(before, bytes).is_err(), "{before:?} {bytes:?}");
        }
    }

    #[test]
    fn exactly_the_limits_are_allowed() {
        let pointers = |count: u16| {
            let to = |at: u16| (0xc000 | at).to_be_bytes();
            let mut message = vec![0];
            message.extend(to(0));
            (1..count).for_each(|number| message.extend(to(2 * number - 1)));
            let last = message.split_off(message.len() - 2);
            name_after(&message, &last)
        };
        assert!(pointers(126).is_ok());
        assert!(pointers(127).is_err());

        let text = |last: usize| {
            let label = "a".repeat(63);
            format!("{label}.{label}.{label}.{}", "a".repeat(last))
        };
        let longest = Name::from_text(&text(61)).unwrap();
        assert_eq!(longest.0.len(), 255);
        assert_eq!(name_after(b"", &longest.0), Ok(longest));
        assert_eq!(Name::from_text(&text(62)), None);
        assert_eq!(Name::from_text(&"a".repeat(64)), None);
        let mut longer = b"\x3f".repeat(64).repeat(3);
        longer.extend(b"\x3e".repeat(63));
        longer.push(0);
        assert_eq!(
            name_after(b"", &longer),
            Err("a name has at most 255 octets")
        );
    }

    #[test]
    fn a_chain_of_aliases_ends() {
        let chain = |length: usize| {
            let owner = |number: usize| name(&format!("n{number}"));
            let aliases = (0..length).map(|number| Record {
                owner: owner(number),
                data: Data::Alias(owner(number + 1)),
            });
            let last = Record {
                owner: owner(length),
                data: Data::Exchanger(1, name("mail")),
            };
            exchangers_among(owner(0), aliases.chain([last]).collect())
        };
        assert_eq!(chain(0), Ok(vec![(1, name("mail"))]));
        assert_eq!(chain(8), Ok(vec![(1, name("mail"))]));
        assert!(chain(9).is_err());
        let circle = vec![Record {
            owner: name("a"),
            data: Data::Alias(name("a")),
        }];
        assert!(exchangers_among(name("a"), circle).is_err());
    }

    #[test]
    fn a_record_is_as_long_as_it_says() {
        for length in [8, 10] {
            let mut message = KNOWN.to_vec();
            message[76] = length;
            assert!(read_answer(&message).is_err(), "{length}");
        }
    }

    #[test]
    fn only_host_names_are_text() {
        for wrong in ["", ".", "a..b", "a b", "-a.b", "a-.b", "ä.b", "a.b."] {
            assert_eq!(Name::from_text(wrong), None, "{wrong}");
        }
        for bytes in [b"\x01a\x01.\x00", b"\x01a\x01\n\x00", b"\x01a\x01\xe4\x00"] {
            assert_eq!(Name(bytes.to_vec()).to_text(), None);
        }
        assert_eq!(name("a_b.c-d").to_text().unwrap(), "a_b.c-d");
        assert_eq!(Name(vec![0]).to_text(), None);
        assert!(Name(vec![0]).is_root());
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, query: Vec<u8>) {
            is_answer(&bytes, &query);
            is_truncated(&bytes);
            let _ = read_answer(&bytes);
        }

        #[test]
        fn nor_do_they_inside_of_an_answer(bytes: Vec<u8>, at in 12..KNOWN.len()) {
            let mut message = KNOWN[..at].to_vec();
            message.extend(bytes);
            message.extend(&KNOWN[at..]);
            if let Ok(Answer::Records(records)) = read_answer(&message) {
                for (_, host) in records {
                    let text = host.to_text();
                    prop_assert!(text.is_none_or(|text| name(&text) == host));
                }
            }
        }
    }
}
