//! ENVELOPE (RFC 9051 section 7.5.2): the header as the server understands it. Text stays bytes:
//! encoded words and stray 8-bit are for those who show it.

use crate::syntax::{Fault, Parsed, Tokens};

/// The header of a message, as the server understands it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`, as it stands there.
    pub date: Option<Vec<u8>>,
    /// `Subject`, with its encoded words.
    pub subject: Option<Vec<u8>>,
    /// `From`.
    pub from: Vec<Address>,
    /// `Sender`, or the same as `from`.
    pub sender: Vec<Address>,
    /// `Reply-To`, or the same as `from`.
    pub reply_to: Vec<Address>,
    /// `To`.
    pub to: Vec<Address>,
    /// `Cc`.
    pub cc: Vec<Address>,
    /// `Bcc`.
    pub bcc: Vec<Address>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<Vec<u8>>,
    /// `Message-ID`, with its angle brackets.
    pub message_id: Option<Vec<u8>>,
}

/// An address. Without a host, its mailbox is the name of a group that begins; without either, a
/// group ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The name of a person, with its encoded words.
    pub name: Option<Vec<u8>>,
    /// What is before the `@`.
    pub mailbox: Option<Vec<u8>>,
    /// What is behind it.
    pub host: Option<Vec<u8>>,
}

impl Envelope {
    /// `envelope = "(" date SP subject SP from SP sender SP reply-to SP to SP cc SP bcc SP
    /// in-reply-to SP message-id ")"`
    pub(crate) fn parse(tokens: &mut Tokens<'_>) -> Parsed<Envelope> {
        tokens.open()?;
        let envelope = Envelope {
            date: text(tokens)?,
            subject: text(tokens)?,
            from: addresses(tokens)?,
            sender: addresses(tokens)?,
            reply_to: addresses(tokens)?,
            to: addresses(tokens)?,
            cc: addresses(tokens)?,
            bcc: addresses(tokens)?,
            in_reply_to: text(tokens)?,
            message_id: text(tokens)?,
        };
        match tokens.closes()? {
            true => Ok(envelope),
            false => Err(Fault("an envelope has ten fields")),
        }
    }
}

fn text(tokens: &mut Tokens<'_>) -> Parsed<Option<Vec<u8>>> {
    Ok(tokens.nstring()?.map(|text| text.into_owned()))
}

/// `"(" 1*address ")" / nil`; some servers leave the list empty instead.
fn addresses(tokens: &mut Tokens<'_>) -> Parsed<Vec<Address>> {
    if tokens.takes_nil() {
        return Ok(Vec::new());
    }
    super::list_of(tokens, |tokens| {
        tokens.open()?;
        let name = text(tokens)?;
        // The route is obsolete (RFC 5322 section 4.4).
        tokens.nstring()?;
        let address = Address {
            name,
            mailbox: text(tokens)?,
            host: text(tokens)?,
        };
        match tokens.closes()? {
            true => Ok(address),
            false => Err(Fault("an address has four fields")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9051 section 8.
    const EXAMPLE: &str = "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \
        \"IMAP4rev2 WG mtg summary and minutes\" \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
        ((NIL NIL \"imap\" \"cac.washington.edu\")) \
        ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) \
        NIL NIL \"<B27397-0100000@cac.washington.ed>\")";

    #[test]
    fn the_example_of_the_rfc() {
        let envelope = Envelope::parse(&mut Tokens::new(EXAMPLE.as_bytes())).unwrap();
        assert_eq!(
            envelope.subject.unwrap(),
            b"IMAP4rev2 WG mtg summary and minutes"
        );
        assert_eq!(envelope.from[0].name.as_deref(), Some(&b"Terry Gray"[..]));
        assert_eq!(envelope.cc.len(), 2);
        assert_eq!(envelope.cc[1].mailbox.as_deref(), Some(&b"KLENSIN"[..]));
        assert_eq!(envelope.bcc, []);
        assert_eq!(envelope.in_reply_to, None);
        assert_eq!(
            envelope.message_id.unwrap(),
            b"<B27397-0100000@cac.washington.ed>"
        );
    }

    #[test]
    fn what_real_servers_say() {
        let text = b"({3}\r\na\"b \"Gr\xfc\xdfe\" () nil NIL ((NIL NIL \"group\" NIL)(NIL NIL NIL NIL)) NIL NIL \"\" x)";
        let envelope = Envelope::parse(&mut Tokens::new(text)).unwrap();
        assert_eq!(envelope.date.unwrap(), b"a\"b");
        assert_eq!(envelope.subject.unwrap(), b"Gr\xfc\xdfe");
        assert_eq!(envelope.to.len(), 2);
        assert_eq!(envelope.message_id.unwrap(), b"x");
    }

    #[test]
    fn no_prefix_is_an_envelope() {
        for end in 0..EXAMPLE.len() {
            assert!(Envelope::parse(&mut Tokens::new(&EXAMPLE.as_bytes()[..end])).is_err());
        }
    }
}
