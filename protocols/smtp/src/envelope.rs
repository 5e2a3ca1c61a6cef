//! The envelope of a message, and whether a server can carry it.

use std::io::Read;

use proto_transport::Result;

use crate::address::Address;
use crate::reply::{Extension, Extensions};
use crate::request::{BodyType, MailParameters, Recipient, Return};
use crate::survey::Survey;

/// Who sends a message to whom, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The sender, who hears of failures; `None` is the null sender of such reports.
    pub sender: Option<Address>,
    /// The recipients.
    pub recipients: Vec<Recipient>,
    /// How much of the message a report returns.
    pub returns: Option<Return>,
    /// A name for this envelope.
    pub envelope_id: Option<String>,
    /// Who submitted the message first; the inner `None` is `<>`.
    pub submitter: Option<Option<Address>>,
    /// Send the message as octets that are no lines, by BDAT.
    pub is_binary: bool,
    /// Send octets over 127 also where nobody has said that they may be sent.
    pub eight_bit_anyway: bool,
}

/// A message on its way: what a session needs to know of it.
pub trait Outgoing {
    /// Its envelope.
    fn envelope(&self) -> &Envelope;
    /// What it is made of.
    fn survey(&self) -> &Survey;
    /// Its header and body from the start, each time it is called.
    fn content(&self) -> Result<Box<dyn Read + '_>>;
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// No server could take it.
    Anywhere(String),
    /// This one cannot.
    Here(String),
}

/// The parameters of MAIL for a message, if a server with these extensions can carry it. Nothing is
/// asked of a server that it did not offer, and nothing is sent that it did not agree to.
pub(crate) fn parameters(
    envelope: &Envelope,
    survey: &Survey,
    offered: &Extensions,
) -> std::result::Result<MailParameters, Unfit> {
    let lacks = |extension: Extension, why: &str| {
        Unfit::Here(format!(
            "{why}, and the server does not offer {}",
            extension.keyword()
        ))
    };
    let require = |extension: Extension, why: &str| match offered.offers(extension) {
        true => Ok(()),
        false => Err(lacks(extension, why)),
    };
    let mut all = envelope.recipients.iter();
    if all.any(|recipient| recipient.notify.is_some() || recipient.original.is_some())
        || envelope.returns.is_some()
        || envelope.envelope_id.is_some()
    {
        require(Extension::Dsn, "delivery reports were asked for")?;
    }
    if envelope.submitter.is_some() {
        require(Extension::Auth, "a submitter was named")?;
    }
    let size = match envelope.is_binary {
        true => survey.raw_size,
        false => survey.size,
    };
    if let Some(limit) = offered.size_limit().filter(|limit| size > *limit) {
        return Err(Unfit::Here(format!(
            "the message has {size} octets, and the server takes {limit} at most"
        )));
    }
    let (body, utf8) = coding(envelope, survey, offered, require)?;
    Ok(MailParameters {
        size: offered.offers(Extension::Size).then_some(size),
        body,
        utf8,
        returns: envelope.returns,
        envelope_id: envelope.envelope_id.clone(),
        submitter: envelope.submitter.clone(),
    })
}

/// How octets over 127 are declared.
fn coding(
    envelope: &Envelope,
    survey: &Survey,
    offered: &Extensions,
    require: impl Fn(Extension, &str) -> std::result::Result<(), Unfit>,
) -> std::result::Result<(Option<BodyType>, bool), Unfit> {
    let mut mailboxes = envelope.recipients.iter().map(|to| &to.address);
    let needs_utf8 = mailboxes.any(Address::needs_utf8)
        || envelope.sender.as_ref().is_some_and(Address::needs_utf8);
    if needs_utf8 {
        require(
            Extension::SmtpUtf8,
            "an address has a local part that is not ASCII",
        )?;
    }
    let is_offered = offered.offers(Extension::SmtpUtf8);
    if survey.header_is_eight_bit && !envelope.eight_bit_anyway {
        require(
            Extension::SmtpUtf8,
            "the header is not ASCII (--allow-8bit sends it all the same)",
        )?;
    }
    let utf8 = needs_utf8 || survey.header_is_eight_bit && is_offered;
    if envelope.is_binary {
        require(Extension::BinaryMime, "the message is sent as binary")?;
        require(Extension::Chunking, "the message is sent as binary")?;
        return Ok((Some(BodyType::Binary), utf8));
    }
    if let Some(line) = survey.bare_cr {
        return Err(Unfit::Anywhere(format!(
            "line {line} of the message holds a CR without LF, which servers take for different \
             things; it is not sent"
        )));
    }
    if survey.has_nul {
        return Err(Unfit::Anywhere(
            "the message holds a NUL, which cannot be sent in lines".to_owned(),
        ));
    }
    // RFC 6531 section 3.6 has 8BITMIME offered wherever SMTPUTF8 is.
    let eight_bit = survey.is_eight_bit || utf8;
    if eight_bit && survey.is_eight_bit && !envelope.eight_bit_anyway {
        require(
            Extension::EightBitMime,
            "the message is not ASCII (--allow-8bit sends it all the same)",
        )?;
    }
    let declared = survey.is_eight_bit && offered.offers(Extension::EightBitMime);
    Ok((declared.then_some(BodyType::EightBit), utf8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::StatusReply;

    fn offered(keywords: &str) -> Extensions {
        let mut lines = vec![b"server".to_vec()];
        lines.extend(keywords.split(',').map(|word| word.as_bytes().to_vec()));
        Extensions::parse(&StatusReply { code: 250, lines })
    }

    fn said(text: &str, to: &str, keywords: &str) -> std::result::Result<String, Unfit> {
        let mut survey = Survey::default();
        survey.push(text.as_bytes());
        let envelope = Envelope {
            recipients: vec![to.parse::<Address>().unwrap().into()],
            ..Envelope::default()
        };
        let parameters = parameters(&envelope, &survey.finish(), &offered(keywords))?;
        Ok(parameters.to_string())
    }

    #[test]
    fn only_what_is_offered_is_asked_for() {
        assert_eq!(said("a: b\n\nc", "x@y", "").unwrap(), "");
        assert_eq!(
            said("a: b\n\nc", "x@y", "SIZE,8BITMIME").unwrap(),
            " SIZE=11"
        );
        let body = said("a: b\n\né", "x@y", "8BITMIME,SMTPUTF8").unwrap();
        assert_eq!(body, " BODY=8BITMIME");
        let header = said("a: é\n\n", "x@y", "8BITMIME,SMTPUTF8").unwrap();
        assert_eq!(header, " BODY=8BITMIME SMTPUTF8");
        let address = said("a: b\n\n", "é@y", "8BITMIME,SMTPUTF8").unwrap();
        assert_eq!(address, " SMTPUTF8");
    }

    #[test]
    fn what_the_server_cannot_carry_is_not_sent() {
        for (text, to, keywords, why) in [
            ("a: b\n\né", "x@y", "SMTPUTF8", "8BITMIME"),
            ("a: é\n\n", "x@y", "8BITMIME", "SMTPUTF8"),
            ("a: b\n\n", "é@y", "8BITMIME", "SMTPUTF8"),
            ("a: b\n\n", "x@y", "SIZE 7", "8 octets"),
        ] {
            match said(text, to, keywords).unwrap_err() {
                Unfit::Here(told) => assert!(told.contains(why), "{told}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(said("a: b\n\n", "x@y", "SIZE 8").is_ok());
        for text in ["a\rb", "a\0b"] {
            let unfit = said(text, "x@y", "CHUNKING,BINARYMIME").unwrap_err();
            assert!(matches!(unfit, Unfit::Anywhere(_)), "{text:?}");
        }
    }

    #[test]
    fn binary_needs_both_of_its_extensions() {
        let envelope = Envelope {
            is_binary: true,
            ..Envelope::default()
        };
        let mut survey = Survey::default();
        survey.push(b"a\r\0\xff");
        let survey = survey.finish();
        let ask = |keywords| parameters(&envelope, &survey, &offered(keywords));
        assert!(ask("CHUNKING,SMTPUTF8").is_err());
        assert!(ask("BINARYMIME,SMTPUTF8").is_err());
        let parameters = ask("BINARYMIME,CHUNKING,SMTPUTF8,SIZE").unwrap();
        assert_eq!(parameters.to_string(), " SIZE=4 BODY=BINARYMIME SMTPUTF8");
    }
}
