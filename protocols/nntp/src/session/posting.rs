//! Articles that we send: what became of each is told, also when the connection breaks.

use std::io::Read;

use proto_transport::{Connection, Error, Refusal, Result, StatusReply};

use super::{expect, hear, Session};
use crate::argument::MessageId;
use crate::reply::status;
use crate::request::Request;
use crate::wire::{ask, no};

/// What became of an article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The server has taken it.
    Accepted,
    /// The server has it already, or does not want it (435).
    Unwanted,
    /// No, but perhaps later.
    RefusedForNow,
    /// No.
    RefusedForGood,
    /// It was not sent to its end, for a reason that is not the server's judgement: it has nothing.
    NotSent,
    /// All of it was sent and no answer came: the server may have it or not. To send it again is
    /// safe only with the same message-id (RFC 3977 section 6.3.1.2).
    Unknown,
}

/// What became of an article, and how we know.
#[derive(Debug)]
pub struct Posted {
    /// What became of it.
    pub fate: Fate,
    /// The reply that decided it. `None` where there was none.
    pub reply: Option<StatusReply>,
    /// Why it was not accepted, as an error. `None` only if it was.
    pub error: Option<Error>,
}

/// How much longer than for other replies a server may take to answer for an article, which it may
/// file and filter first: three times the usual silence.
const PATIENCE: u32 = 3;

impl Session {
    /// Sends an article of our own. It streams: line ends become CRLF, and a bare CR cannot be sent.
    /// With [`Fate::NotSent`] the error may say that TLS or a login is needed first; an article that
    /// was begun and not finished costs the connection.
    pub fn post(&mut self, article: &mut dyn Read) -> Posted {
        self.doing("asking to post");
        self.send(&Request::Post, [340, 240], article)
    }

    /// Sends an article from elsewhere to a server, which is told its message-id first and may not
    /// want it.
    pub fn ihave(&mut self, id: &MessageId, article: &mut dyn Read) -> Posted {
        self.doing("offering an article");
        self.send(&Request::IHave(id.clone()), [335, 235], article)
    }

    fn send(&mut self, request: &Request, codes: [u16; 2], article: &mut dyn Read) -> Posted {
        let [go_ahead, done] = codes;
        let connection = &mut self.client.connection;
        match ask(connection, request) {
            Err(error) => return not_sent(error),
            Ok(reply) if reply.code != go_ahead => return refused(connection, reply, go_ahead),
            Ok(_) => {}
        }
        if let Err(error) = send_content(connection, article) {
            return match said_before(connection, &error) {
                Some(reply) => refused(connection, reply, done),
                None => not_sent(error),
            };
        }
        connection.doing("waiting for the answer to the article");
        let silence = connection.silence();
        connection.set_silence(silence.saturating_mul(PATIENCE));
        let reply = hear(connection);
        connection.set_silence(silence);
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return unknown(error),
        };
        match (reply.code, expect(connection, reply.clone(), done)) {
            (_, Ok(reply)) => Posted {
                fate: Fate::Accepted,
                reply: Some(reply),
                error: None,
            },
            // Neither yes nor no: nobody knows.
            (100..=399, Err(error)) => unknown(error),
            (_, Err(_)) => refused(connection, reply, done),
        }
    }
}

fn send_content(connection: &mut Connection, article: &mut dyn Read) -> Result<()> {
    connection.doing("sending the article");
    // What the server says before it has the article could pass for the answer to it.
    connection
        .expect_quiet()
        .inspect_err(|_| connection.give_up_sending())?;
    connection.send_dotted(article).map(|_| ())
}

/// The refusal that a server which hung up had sent before, if there is one.
fn said_before(connection: &mut Connection, error: &Error) -> Option<StatusReply> {
    if !matches!(error, Error::Closed { .. }) {
        return None;
    }
    let line = connection.last_words()?;
    status(line.as_bytes()).filter(|reply| (400..600).contains(&reply.code))
}

/// What a reply that is not the wanted one means.
fn refused(connection: &Connection, reply: StatusReply, wanted: u16) -> Posted {
    let error = no(connection, &reply, wanted);
    let fate = match (&error, reply.code) {
        (_, 435) => Fate::Unwanted,
        (Error::Refused { refusal, .. }, _) => match refusal {
            Refusal::Transient => Fate::RefusedForNow,
            Refusal::Lasting => Fate::RefusedForGood,
            // A login may help, and then it can be sent.
            Refusal::Credentials => Fate::NotSent,
        },
        _ => Fate::NotSent,
    };
    Posted {
        fate,
        reply: Some(reply),
        error: Some(error),
    }
}

fn not_sent(error: Error) -> Posted {
    Posted {
        fate: Fate::NotSent,
        reply: None,
        error: Some(error),
    }
}

fn unknown(error: Error) -> Posted {
    Posted {
        fate: Fate::Unknown,
        reply: None,
        error: Some(error),
    }
}
