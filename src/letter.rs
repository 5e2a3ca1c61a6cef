//! A message with its envelope, ready to go.

use std::io::Read;
use std::sync::Arc;

use proto_smtp::{Address, Envelope, Notify, Outgoing, Recipient, Return, Survey};
use proto_transport::{Error, Result};

use crate::mail::{addresses, ComposeArgs, Loaded, Message};

/// Options for the envelope.
#[derive(clap::Args)]
#[command(next_help_heading = "Envelope")]
pub struct EnvelopeArgs {
    /// The sender in the envelope, if it is not that of --from; '<>' is the null sender
    #[arg(long, value_name = "ADDRESS")]
    pub sender: Option<String>,
    /// Ask for delivery reports: never, or some of success,failure,delay
    #[arg(long, value_name = "WHEN")]
    pub notify: Option<Notify>,
    /// How much of the message a delivery report returns
    #[arg(long = "return", value_name = "PART", value_parser = returns)]
    pub returns: Option<Return>,
    /// A name for the envelope, which delivery reports give back
    #[arg(long, value_name = "ID", value_parser = envelope_id)]
    pub envelope_id: Option<String>,
    /// Who submitted the message first, for a server that trusts us to say so; '<>' for unknown
    #[arg(long, value_name = "ADDRESS")]
    pub submitter: Option<String>,
    /// Send octets over 127 also to a server that does not offer 8BITMIME or SMTPUTF8
    #[arg(long = "allow-8bit")]
    pub allow_8bit: bool,
    /// Send the message byte for byte, by BINARYMIME
    #[arg(long)]
    pub binary: bool,
}

/// RFC 3461 section 4.4: printable ASCII, at most 100 characters as it is written.
fn envelope_id(text: &str) -> std::result::Result<String, String> {
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match (1..=100).contains(&text.len()) && text.bytes().all(is_printable) {
        true => Ok(text.to_owned()),
        false => Err("an envelope's name is up to 100 characters of printable ASCII".to_owned()),
    }
}

fn returns(text: &str) -> std::result::Result<Return, String> {
    match text {
        "full" => Ok(Return::Full),
        "headers" => Ok(Return::Headers),
        _ => Err("full or headers".to_owned()),
    }
}

/// What all messages of a command have in common on their envelopes.
pub struct Stationery {
    /// `None` leaves the sender to each message.
    sender: Option<Option<Address>>,
    recipients: Vec<Recipient>,
    reads_headers: bool,
    notify: Option<Notify>,
    template: Envelope,
}

impl Stationery {
    /// Reads the options, and refuses what no envelope can hold.
    pub fn new(compose: &ComposeArgs, args: &EnvelopeArgs) -> Result<Stationery> {
        let sender = match (&args.sender, &compose.from) {
            (Some(sender), _) => Some(sender_of(sender)?),
            (None, Some(from)) => Some(sender_of(from)?),
            (None, None) if compose.recipients_from_headers => None,
            (None, None) => {
                return Err(Error::illegal(
                    "who sends the message? See --from ('<>' is the null sender)",
                ))
            }
        };
        let mut stationery = Stationery {
            sender,
            recipients: Vec::new(),
            reads_headers: compose.recipients_from_headers,
            notify: args.notify.clone(),
            template: Envelope {
                returns: args.returns,
                envelope_id: args.envelope_id.clone(),
                submitter: args.submitter.as_deref().map(sender_of).transpose()?,
                is_binary: args.binary,
                eight_bit_anyway: args.allow_8bit,
                ..Envelope::default()
            },
        };
        for text in compose.recipients()? {
            stationery.recipients.push(stationery.recipient(&text)?);
        }
        if stationery.recipients.is_empty() && !stationery.reads_headers {
            return Err(Error::illegal(
                "who gets the message? See --to and --recipients-from-headers",
            ));
        }
        Ok(stationery)
    }

    fn recipient(&self, text: &str) -> Result<Recipient> {
        let address: Address = text.parse()?;
        // RFC 3461 section 4.2: where reports are asked for, they should name whom the sender knows.
        let original =
            (self.notify.is_some() && !address.needs_utf8()).then(|| address.to_string());
        Ok(Recipient {
            address,
            notify: self.notify.clone(),
            original,
        })
    }

    /// The envelope of one message.
    fn envelope(&self, message: &Loaded) -> Result<Envelope> {
        let mut recipients = self.recipients.clone();
        if self.reads_headers {
            for text in message.recipients()? {
                let recipient = self.recipient(&text)?;
                if !recipients.contains(&recipient) {
                    recipients.push(recipient);
                }
            }
        }
        if recipients.is_empty() {
            return Err(Error::illegal("its header names no recipient"));
        }
        let sender = match &self.sender {
            Some(sender) => sender.clone(),
            None => match message.sender()? {
                Some(text) => Some(text.parse()?),
                None => return Err(Error::illegal("its header names no sender; see --from")),
            },
        };
        Ok(Envelope {
            sender,
            recipients,
            ..self.template.clone()
        })
    }
}

/// One address, or `<>`.
fn sender_of(text: &str) -> Result<Option<Address>> {
    if matches!(text.trim(), "<>" | "") {
        return Ok(None);
    }
    match addresses(text)?.as_slice() {
        [one] => one.parse().map(Some),
        several => Err(Error::illegal(format!(
            "a message has one sender, not {}: {text}",
            several.len()
        ))),
    }
}

/// A message with all that must be known of it.
pub struct Prepared {
    /// The message.
    pub loaded: Loaded,
    /// Its envelope, with all recipients.
    pub envelope: Envelope,
    /// What it is made of.
    pub survey: Survey,
}

impl Prepared {
    /// Reads a message once, and finds out whether it can be sent at all.
    pub fn new(message: &Message, stationery: &Stationery) -> Result<Prepared> {
        let loaded = message.load()?;
        let envelope = stationery.envelope(&loaded)?;
        let survey = Survey::of(&mut *loaded.reader()?)?;
        Ok(Prepared {
            loaded,
            envelope,
            survey,
        })
    }
}

/// A message on its way to those recipients who do not have it yet.
pub struct Letter {
    /// Which job it is.
    pub job: usize,
    /// What is sent.
    pub prepared: Arc<Prepared>,
    /// To whom.
    pub envelope: Envelope,
    /// How often it was tried before.
    pub tries: u32,
}

impl Letter {
    /// The sender in the envelope, empty for the null sender.
    pub fn sender(&self) -> String {
        let sender = self.envelope.sender.as_ref();
        sender.map(ToString::to_string).unwrap_or_default()
    }
}

impl Outgoing for Letter {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn survey(&self) -> &Survey {
        &self.prepared.survey
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        self.prepared.loaded.reader()
    }
}
