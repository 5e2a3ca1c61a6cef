//! A message from stdin to a mail server, and what became of each recipient.
//!
//! `cargo run --example send_mail -- localhost:2525 a@example.org b@example.org < message.eml`

use std::io::Read;

use proto_smtp::{Address, Client, Envelope, Outgoing, Preferences, Recipient, Survey, Target};
use proto_transport::{Connector, Error, Result};

/// A message in memory. A large one would be read from its file each time.
struct Mail {
    envelope: Envelope,
    survey: Survey,
    content: Vec<u8>,
}

impl Outgoing for Mail {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn survey(&self) -> &Survey {
        &self.survey
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.content.as_slice()))
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, sender, recipients @ ..] = arguments.as_slice() else {
        return Err(Error::illegal(
            "usage: send_mail SERVER SENDER RECIPIENT...",
        ));
    };
    let mut content = Vec::new();
    std::io::stdin()
        .read_to_end(&mut content)
        .map_err(|error| Error::io("reading the message", error))?;
    let recipients = recipients
        .iter()
        .map(|text| text.parse::<Address>().map(Recipient::from));
    let mail = Mail {
        envelope: Envelope {
            sender: Some(sender.parse()?),
            recipients: recipients.collect::<Result<_>>()?,
            ..Envelope::default()
        },
        survey: Survey::of(&mut content.as_slice())?,
        content,
    };

    let target = Target::parse(server)?;
    let mut client = Client::connect(&Connector::default(), &target, &Preferences::default())?;
    client.hello(true)?;
    let mut session = client.into_session();
    let delivery = session.send(mail);
    session.quit();

    for outcome in &delivery.outcomes {
        let reply = outcome.reply.as_ref().map(ToString::to_string);
        let reply = reply.unwrap_or_default();
        println!("{:?} {} {reply}", outcome.fate, outcome.recipient.address);
    }
    delivery.error.map_or(Ok(()), Err)
}
