//! A test of a program that sends mail: whoever signs up gets a code. The mail server is in the test.
//!
//! `cargo run --example sign_up_mail`

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use proto_mock::mail::{MailServer, Taking};
use proto_mock::{Options, Server};
use proto_smtp::{Client, Envelope, Outgoing, Preferences, Recipient, Survey, Target};
use proto_transport::{Connector, Result};

/// What is under test: it sends a mail with a code to whoever signs up. Yours is elsewhere, and is
/// told the server's address in whatever way it is told of servers.
fn sign_up(server: &str, address: &str) -> Result<()> {
    let content = format!(
        "From: shop@example.org\r\nTo: {address}\r\nSubject: Your code\r\n\r\nYour code is 4711.\r\n"
    );
    let mail = Mail {
        envelope: Envelope {
            sender: Some("shop@example.org".parse()?),
            recipients: vec![Recipient::from(address.parse::<proto_smtp::Address>()?)],
            ..Envelope::default()
        },
        survey: Survey::of(&mut content.as_bytes())?,
        content,
    };
    let target = Target::parse(server)?;
    let mut client = Client::connect(&Connector::default(), &target, &Preferences::default())?;
    client.hello(true)?;
    let mut session = client.into_session();
    let delivery = session.send(mail);
    session.quit();
    delivery.error.map_or(Ok(()), Err)
}

struct Mail {
    envelope: Envelope,
    survey: Survey,
    content: String,
}

impl Outgoing for Mail {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn survey(&self) -> &Survey {
        &self.survey
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.content.as_bytes()))
    }
}

/// The test: somebody signs up, and gets a mail with a code.
pub fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mail = MailServer::default();
    let smtp = Server::start(Options::default(), Arc::new(mail.mta(Taking::Smtp)?))?;

    sign_up(&format!("smtp://{}", smtp.address()), "ann@example.org")?;

    // It is there as soon as it has come: nothing sleeps, and nobody waits longer than need be.
    let messages = mail.wait_for("ann@example.org", 1, Duration::from_secs(10));
    let [message] = messages.as_slice() else {
        return Err(format!("{} mails came instead of one", messages.len()).into());
    };
    let text = String::from_utf8(message.content().to_vec())?;
    assert!(text.contains("\r\nSubject: Your code\r\n"), "{text}");
    let (_, code) = text.split_once("Your code is ").ok_or("there is no code")?;
    println!("the code is {}", code.trim_end());
    assert_eq!(code, "4711.\r\n");
    assert!(mail
        .wait_for("bob@example.org", 0, Duration::ZERO)
        .is_empty());
    Ok(())
}
