//! The header fields of a composed message (RFC 5322 section 3.6). Non-ASCII text becomes encoded
//! words (RFC 2047), non-ASCII domains become A-labels; a non-ASCII local part has no other form and
//! stays as it is (RFC 6532).

use std::collections::HashSet;

use mail_builder::headers::address::Address as Written;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::headers::{Header, HeaderType};
use proto_transport::{Error, Host, Result};

use super::addresses::{bare, parse, refuse_controls, Address, Mailbox};
use super::args::ComposeArgs;
use super::header::{parse_field, values, LARGEST, LONGEST_LINE};
use super::random::random_name;

/// Fields whose value is a list of addresses.
const OF_ADDRESSES: [&str; 9] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
];

/// Fields that stand at most once (RFC 5322 section 3.6); so do those that we write.
const AT_MOST_ONCE: [&str; 10] = [
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
];

type Field = (String, HeaderType<'static>);

/// The fields of a message, without those that tell of its parts, and the Bcc field that is not
/// sent.
pub fn fields(args: &ComposeArgs) -> Result<(Vec<u8>, Vec<u8>)> {
    let given = given(&args.header)?;
    let from = sender(args, &given)?;
    let mut fields = Vec::new();
    let mut ours = |name: &str, value: HeaderType<'static>| {
        if !given
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            fields.push((name.to_owned(), value));
        }
    };
    ours("Date", HeaderType::Date(Date::now()));
    if let Some(from) = &args.from {
        ours("From", list(std::slice::from_ref(from))?);
    }
    for (name, texts) in [("To", &args.to), ("Cc", &args.cc)] {
        if texts.iter().any(|text| !text.trim().is_empty()) {
            ours(name, list(texts)?);
        }
    }
    if let Some(subject) = &args.subject {
        refuse_line_ends("--subject", subject)?;
        ours("Subject", Text::new(subject.clone()).into());
    }
    ours("Message-ID", Raw::new(message_id(&from)?).into());
    for (name, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
        fields.push((name.clone(), written(name, value)?));
    }
    let bcc = match args.bcc.is_empty() {
        true => Vec::new(),
        false => write(&[("Bcc".to_owned(), list(&args.bcc)?)])?,
    };
    Ok((write(&fields)?, bcc))
}

/// The fields of --header.
fn given(texts: &[String]) -> Result<Vec<(String, String)>> {
    let (mut given, mut seen) = (Vec::new(), HashSet::new());
    for text in texts {
        let (name, value) = parse_field(text)?;
        let lower = name.to_ascii_lowercase();
        if AT_MOST_ONCE.contains(&lower.as_str()) && !seen.insert(lower) {
            let why = format!("--header: a message has the field {name} only once");
            return Err(Error::illegal(why));
        }
        given.push((name.to_owned(), value.to_owned()));
    }
    Ok(given)
}

/// The address in From: without one there is no message.
fn sender(args: &ComposeArgs, given: &[(String, String)]) -> Result<String> {
    if let Some(from) = &args.from {
        refuse_controls(from)?;
        return match bare(&parse(from)?).as_slice() {
            [one] => ascii_domain(one),
            _ => Err(Error::illegal(format!(
                "--from {from:?}: one address is wanted"
            ))),
        };
    }
    let mut given = given.iter();
    let from = given.find(|(name, _)| name.eq_ignore_ascii_case("From"));
    let list = from.map(|(_, value)| parse(value)).transpose()?;
    match list.map(|list| bare(&list).first().copied().map(ascii_domain)) {
        Some(Some(first)) => first,
        _ => Err(Error::illegal(
            "a message needs a sender; say who with --from",
        )),
    }
}

/// An identifier of the sender's domain. The name of this machine is nobody's business, and an
/// address without a domain has none to give.
fn message_id(from: &str) -> Result<String> {
    let domain = match from.rsplit_once('@') {
        Some((_, domain)) => domain,
        None => "localhost",
    };
    Ok(format!("<{}@{domain}>", random_name()?))
}

/// The fields that a message of our own should have and this one lacks: Date and Message-ID.
pub fn stamps(header: &[u8]) -> Result<Vec<u8>> {
    let mut missing: Vec<Field> = Vec::new();
    if values(header, "Date").is_empty() {
        missing.push(("Date".to_owned(), HeaderType::Date(Date::now())));
    }
    if values(header, "Message-ID").is_empty() {
        let from = values(header, "From").into_iter().next();
        let from = from.unwrap_or_default();
        let list = parse(&from)?;
        let id = match bare(&list).first() {
            Some(one) => message_id(&ascii_domain(one)?)?,
            None => message_id("")?,
        };
        missing.push(("Message-ID".to_owned(), Raw::new(id).into()));
    }
    write(&missing)
}

/// The value of a field of --header.
fn written(name: &str, value: &str) -> Result<HeaderType<'static>> {
    let lower = name.to_ascii_lowercase();
    if OF_ADDRESSES.contains(&lower.as_str()) {
        return list(&[value.to_owned()]);
    }
    Ok(match value.is_ascii() {
        true => Raw::new(value.to_owned()).into(),
        false => Text::new(value.to_owned()).into(),
    })
}

fn list(texts: &[String]) -> Result<HeaderType<'static>> {
    let mut all = Vec::new();
    for text in texts {
        refuse_controls(text)?;
        for address in parse(text)? {
            all.push(match address {
                Address::Mailbox(one) => mailbox(one)?,
                Address::Group(name, members) => {
                    let members: Result<Vec<_>> = members.into_iter().map(mailbox).collect();
                    Written::new_group(Some(name), members?)
                }
            });
        }
    }
    Ok(Written::new_list(all).into())
}

fn mailbox(mailbox: Mailbox<'_>) -> Result<Written<'static>> {
    Ok(Written::new_address(
        mailbox.name,
        ascii_domain(mailbox.address)?,
    ))
}

/// An address with its domain as A-labels (RFC 5891).
fn ascii_domain(address: &str) -> Result<String> {
    let Some((local, domain)) = address.rsplit_once('@').filter(|(_, it)| !it.is_ascii()) else {
        return Ok(address.to_owned());
    };
    match Host::parse(domain) {
        Ok(Host::Domain(domain)) => Ok(format!("{local}@{domain}")),
        _ => Err(Error::illegal(format!(
            "{address:?}: the domain cannot be written as A-labels"
        ))),
    }
}

fn refuse_line_ends(what: &str, text: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(Error::illegal(format!(
            "{what} {text:?}: it holds a line end or another control character"
        ))),
        false => Ok(()),
    }
}

fn write(fields: &[Field]) -> Result<Vec<u8>> {
    let mut header = Vec::new();
    for (name, value) in fields {
        let start = header.len();
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(b": ");
        value.write_header(&mut header, name.len() + 2);
        let field = header.get(start..).unwrap_or_default();
        let mut lines = field.split(|byte| *byte == b'\n');
        if lines.any(|line| line.len() > LONGEST_LINE + 1) {
            return Err(Error::TooLarge {
                what: format!("{name}: a line of it that has no place to fold, in bytes,"),
                limit: LONGEST_LINE as u64,
            });
        }
    }
    match header.len() > LARGEST {
        true => Err(Error::TooLarge {
            what: "the header, in bytes,".into(),
            limit: LARGEST as u64,
        }),
        false => Ok(header),
    }
}
