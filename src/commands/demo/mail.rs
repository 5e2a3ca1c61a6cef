//! The journey of a mail: from who writes it to who reads it.

use proto_mock::mail::{MailServer, Taking};
use proto_mock::smtp::NotARule;
use proto_mock::{imap, pop3};
use proto_transport::{Error, Result};

use super::stage::{all_but, failed, Stage};
use crate::exit_code::{OK, UNAVAILABLE};

/// What the servers offer.
const OF_IMAP: [&str; 7] = [
    "IMAP4rev1",
    "STARTTLS",
    "LOGIN",
    "LITERAL+",
    "UIDPLUS",
    "IDLE",
    "MOVE",
];
const OF_POP3: [&str; 6] = ["CAPA", "TOP", "UIDL", "USER", "STLS", "PIPELINING"];

/// A mail is sent, fetched in two ways, and read.
pub fn show(stage: &Stage) -> Result<()> {
    let mail = MailServer {
        smtp_rules: vec!["rcpt=nobody@* reply=550 5.1.1 No such person"
            .parse()
            .map_err(|error: NotARule| Error::illegal(error.to_string()))?],
        ..MailServer::default()
    };
    let smtp = stage.start(mail.mta(Taking::Smtp).map_err(failed)?)?;
    let mut server = mail.imap();
    server.without = all_but(&OF_IMAP, &imap::CAPABILITIES);
    let imap = stage.start(server)?;
    let mut maildrop = mail.maildrop();
    maildrop.without = all_but(&OF_POP3, &pop3::CAPABILITIES);
    let pop3 = stage.start(maildrop)?;
    stage.write("password", "pencil\n")?;

    stage.say(
        "A mock mail server starts, which knows no nobody, and this sends a mail to two people:\n",
    )?;
    let url = format!("smtp://{}/", smtp.address());
    let from_to = ["--from", "ann@example.org", "--to"];
    let recipients = "bob@example.org,nobody@example.org";
    let content = ["--subject", "hello", "--text", "Hello from proto."];
    let words = [&["smtp-send", &url][..], &from_to, &[recipients], &content];
    stage.talk(&words.concat(), UNAVAILABLE)?;
    stage.say("The exit status is 69, because one of them was refused for good.\n")?;

    stage.say("The same server speaks IMAP. This fetches what is new:\n")?;
    let login = ["--password-file", "password"];
    let url = format!("imap://bob@{}/INBOX", imap.address());
    let places = ["--maildir", "mail", "--state", "imap.state"];
    stage.talk(&[&["imap-fetch", &url][..], &login, &places].concat(), OK)?;

    stage.say("And POP3. This deletes on the server what is stored here:\n")?;
    let url = format!("pop3://bob@{}", pop3.address());
    let places = ["--delete", "--mbox", "inbox.mbox", "--state", "pop3.state"];
    stage.talk(&[&["pop3-fetch", &url][..], &login, &places].concat(), OK)?;

    stage.say("The mail has arrived:\n")?;
    stage.job(&["mail-show", "inbox.mbox"], OK)
}
