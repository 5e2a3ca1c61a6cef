//! What we say: the commands of RFC 5321 section 4.1.1 with the parameters of their extensions, and
//! where they go.

use std::fmt;
use std::str::FromStr;

use proto_transport::{parse_url, Endpoint, Error, Result, Security, Url};

use crate::address::Address;

/// Which of the two protocols is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: delivery, with a reply of its own for each recipient.
    Lmtp,
}

/// *What* a URL names: a server and the protocol that it speaks.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What it speaks.
    pub protocol: Protocol,
    url: Url,
}

impl Target {
    /// Reads `smtp://` (25), `smtps://` and `submissions://` (465, RFC 8314), `submission://` (587,
    /// RFC 6409, with STARTTLS), `lmtp://` (24), or a bare `host[:port]`.
    pub fn parse(text: &str) -> Result<Target> {
        Target::from_url(&parse_url(text, "smtp")?)
    }

    /// The server that a URL names.
    pub fn from_url(url: &Url) -> Result<Target> {
        let (port, security, protocol) = match url.scheme() {
            "smtp" => (25, Security::Plain, Protocol::Smtp),
            "smtps" | "submissions" => (465, Security::Tls, Protocol::Smtp),
            "submission" => (587, Security::StartTls, Protocol::Smtp),
            "lmtp" => (24, Security::Plain, Protocol::Lmtp),
            other => {
                return Err(Error::illegal(format!(
                    "{other}:// is no mail server; there are smtp, smtps, submission, submissions and lmtp"
                )))
            }
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(Error::illegal(
                "the URL of a mail server ends with its host and port",
            ));
        }
        Ok(Target {
            endpoint: Endpoint::from_url(url, port, security)?,
            protocol,
            url: url.clone(),
        })
    }

    /// The same server, reached at another endpoint or with other security.
    pub fn at(&self, endpoint: Endpoint) -> Target {
        Target {
            endpoint,
            ..self.clone()
        }
    }

    /// The URL, with the user that it may name.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// How the bytes of a message are declared (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// Lines of ASCII; nothing is declared.
    SevenBit,
    /// Lines of octets: `BODY=8BITMIME`.
    EightBit,
    /// Octets that are no lines at all: `BODY=BINARYMIME`.
    Binary,
}

/// What a failed delivery should be told with (RFC 3461 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// When the sender wants to hear what became of a recipient (RFC 3461 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify(String);

impl FromStr for Notify {
    type Err = Error;

    /// `never`, or some of `success,failure,delay`.
    fn from_str(text: &str) -> Result<Notify> {
        let text = text.to_ascii_uppercase();
        let mut words: Vec<&str> = text.split(',').collect();
        let known = |word: &&str| ["SUCCESS", "FAILURE", "DELAY"].contains(word);
        if text != "NEVER" && !words.iter().all(known) {
            return Err(Error::illegal(format!(
                "{text:?} is no occasion to notify: never, or some of success,failure,delay"
            )));
        }
        words.dedup();
        Ok(Notify(words.join(",")))
    }
}

/// The parameters of MAIL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// Octets of the message as it is sent (RFC 1870).
    pub size: Option<u64>,
    /// What its octets are, if that must be declared.
    pub body: Option<BodyType>,
    /// Whether addresses or header hold UTF-8 (RFC 6531).
    pub utf8: bool,
    /// How much of the message a report returns.
    pub returns: Option<Return>,
    /// A name for this envelope, which reports give back (RFC 3461 section 4.4).
    pub envelope_id: Option<String>,
    /// Who submitted the message first, as a server that is trusted says it (RFC 4954 section 5);
    /// the inner `None` is `<>`.
    pub submitter: Option<Option<Address>>,
}

/// One to whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Their address.
    pub address: Address,
    /// When the sender wants to hear of them.
    pub notify: Option<Notify>,
    /// The address that the sender first wrote (ORCPT, RFC 3461 section 4.2).
    pub original: Option<String>,
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Recipient {
        Recipient {
            address,
            notify: None,
            original: None,
        }
    }
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who we are, and what can you do?
    Hello(&'static str, String),
    /// Upgrade to TLS (RFC 3207).
    StartTls,
    /// A message from this sender; `None` is the null sender.
    Mail(Option<Address>, MailParameters),
    /// To this recipient too.
    Rcpt(Recipient),
    /// The message follows, and a final dot.
    Data,
    /// So many octets of the message follow; whether they are the last (RFC 3030).
    Bdat(u64, bool),
    /// Forget the message that was begun.
    Reset,
    /// The end.
    Quit,
}

/// The wire form, without its CRLF.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Hello(verb, name) => write!(f, "{verb} {name}"),
            Request::StartTls => f.write_str("STARTTLS"),
            Request::Mail(sender, parameters) => {
                match sender {
                    Some(sender) => write!(f, "MAIL FROM:<{sender}>")?,
                    None => f.write_str("MAIL FROM:<>")?,
                }
                parameters.fmt(f)
            }
            Request::Rcpt(recipient) => {
                write!(f, "RCPT TO:<{}>", recipient.address)?;
                if let Some(Notify(occasions)) = &recipient.notify {
                    write!(f, " NOTIFY={occasions}")?;
                }
                match &recipient.original {
                    Some(original) => write!(f, " ORCPT=rfc822;{}", Xtext(original)),
                    None => Ok(()),
                }
            }
            Request::Data => f.write_str("DATA"),
            Request::Bdat(size, false) => write!(f, "BDAT {size}"),
            Request::Bdat(size, true) => write!(f, "BDAT {size} LAST"),
            Request::Reset => f.write_str("RSET"),
            Request::Quit => f.write_str("QUIT"),
        }
    }
}

impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            Some(BodyType::SevenBit) => f.write_str(" BODY=7BIT")?,
            Some(BodyType::EightBit) => f.write_str(" BODY=8BITMIME")?,
            Some(BodyType::Binary) => f.write_str(" BODY=BINARYMIME")?,
            None => {}
        }
        if self.utf8 {
            f.write_str(" SMTPUTF8")?;
        }
        match self.returns {
            Some(Return::Full) => f.write_str(" RET=FULL")?,
            Some(Return::Headers) => f.write_str(" RET=HDRS")?,
            None => {}
        }
        if let Some(id) = &self.envelope_id {
            write!(f, " ENVID={}", Xtext(id))?;
        }
        match &self.submitter {
            Some(Some(address)) => write!(f, " AUTH={}", Xtext(&address.to_string())),
            Some(None) => f.write_str(" AUTH=<>"),
            None => Ok(()),
        }
    }
}

/// Text as the value of a parameter, so that it can be no other parameter.
/// `xtext = *( %d33-42 / %d44-60 / %d62-126 / "+" 2HEXDIG )` (RFC 3461 section 4)
struct Xtext<'a>(&'a str);

impl fmt::Display for Xtext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'!'..=b'~' if !matches!(byte, b'+' | b'=') => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "+{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn commands_as_they_are_said() {
        let parameters = MailParameters {
            size: Some(1234),
            body: Some(BodyType::EightBit),
            utf8: true,
            returns: Some(Return::Headers),
            envelope_id: Some("QQ 3+1=4".into()),
            submitter: Some(Some(address("e=mc2@example.com"))),
        };
        let recipient = Recipient {
            address: address("bob@example.org"),
            notify: Some("success,failure".parse().unwrap()),
            original: Some("Bob@Example.org".into()),
        };
        for (request, line) in [
            (
                Request::Hello("EHLO", "[127.0.0.1]".into()),
                "EHLO [127.0.0.1]",
            ),
            (
                Request::Mail(None, MailParameters::default()),
                "MAIL FROM:<>",
            ),
            (
                Request::Mail(Some(address("a@x")), parameters),
                // The AUTH value is an example of RFC 4954 section 5.
                "MAIL FROM:<a@x> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+203+2B1+3D4 \
                 AUTH=e+3Dmc2@example.com",
            ),
            (
                Request::Rcpt(recipient),
                "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@Example.org",
            ),
            (Request::Rcpt(address("c@x").into()), "RCPT TO:<c@x>"),
            (Request::Bdat(86, false), "BDAT 86"),
            (Request::Bdat(0, true), "BDAT 0 LAST"),
        ] {
            assert_eq!(request.to_string(), line);
        }
    }

    #[test]
    fn parameters_cannot_smuggle() {
        let parameters = MailParameters {
            envelope_id: Some("a\r\nRCPT TO:<b> SIZE=1".into()),
            ..MailParameters::default()
        };
        let line = Request::Mail(None, parameters).to_string();
        assert_eq!(line, "MAIL FROM:<> ENVID=a+0D+0ARCPT+20TO:<b>+20SIZE+3D1");
    }

    #[test]
    fn occasions_to_notify_are_checked() {
        for right in ["never", "SUCCESS", "success,failure,delay"] {
            assert!(right.parse::<Notify>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "never,success",
            "often",
            "success, delay",
            "success\r\n",
        ] {
            assert!(wrong.parse::<Notify>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn targets_have_their_ports_and_security() {
        for (text, port, security, protocol) in [
            ("a", 25, Security::Plain, Protocol::Smtp),
            ("a:2525", 2525, Security::Plain, Protocol::Smtp),
            ("smtps://a", 465, Security::Tls, Protocol::Smtp),
            ("submissions://a/", 465, Security::Tls, Protocol::Smtp),
            ("submission://u@a", 587, Security::StartTls, Protocol::Smtp),
            ("lmtp://a", 24, Security::Plain, Protocol::Lmtp),
        ] {
            let target = Target::parse(text).unwrap();
            let endpoint = target.endpoint;
            assert_eq!(
                (endpoint.port, endpoint.security, target.protocol),
                (port, security, protocol)
            );
        }
        for wrong in [
            "http://a",
            "smtp://a/x",
            "smtp://a?x",
            "smtp://",
            "smtp://a%0d%0aDATA",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
