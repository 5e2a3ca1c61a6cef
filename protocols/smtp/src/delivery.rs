//! What became of a message: one outcome for each recipient.

use proto_transport::{Error, StatusReply};

use crate::request::Recipient;

/// What became of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The server has taken the message for them, and answers for it.
    Accepted,
    /// The server would take it: nothing more was asked of it.
    Willing,
    /// No, but perhaps later.
    RefusedForNow,
    /// No.
    RefusedForGood,
    /// The message was not sent, for a reason that is not the server's answer: it has nothing.
    NotSent,
    /// The whole message was sent and no answer came: the server may have it or not
    /// (RFC 5321 section 4.5.3.2.6). To send it again may deliver it twice.
    Unknown,
}

/// A recipient and what became of them.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Who.
    pub recipient: Recipient,
    /// What became of them.
    pub fate: Fate,
    /// The reply that decided it. `None` where there was none.
    pub reply: Option<StatusReply>,
}

impl Outcome {
    pub(crate) fn decide(&mut self, fate: Fate, reply: Option<StatusReply>) {
        (self.fate, self.reply) = (fate, reply);
    }

    /// Notes a reply that says no.
    pub(crate) fn refuse(&mut self, reply: &StatusReply) {
        self.decide(refusal(reply), Some(reply.clone()));
    }
}

/// What a reply that is not a yes means.
pub(crate) fn refusal(reply: &StatusReply) -> Fate {
    match reply.code {
        400..=499 => Fate::RefusedForNow,
        _ => Fate::RefusedForGood,
    }
}

/// How many lines of a reply are kept. One reply can be about thousands of recipients, and each
/// has a copy.
const LINES: usize = 20;

/// How much of a line of a reply is kept: what it may have (RFC 5321 section 4.5.3.1.5).
const LINE: usize = 512;

/// What is kept of a reply.
pub(crate) fn shortened(mut reply: StatusReply) -> StatusReply {
    reply.lines.truncate(LINES);
    reply.lines.iter_mut().for_each(|line| line.truncate(LINE));
    reply
}

/// What became of one message.
#[derive(Debug)]
pub struct Delivery {
    /// One for each recipient, in their order.
    pub outcomes: Vec<Outcome>,
    /// The reply to the sender, if it came.
    pub sender_reply: Option<StatusReply>,
    /// Why the message was not sent, or its answer did not come.
    pub error: Option<Error>,
}

impl Delivery {
    pub(crate) fn of(recipients: &[Recipient]) -> Delivery {
        let outcomes = recipients.iter().map(|recipient| Outcome {
            recipient: recipient.clone(),
            fate: Fate::NotSent,
            reply: None,
        });
        Delivery {
            outcomes: outcomes.collect(),
            sender_reply: None,
            error: None,
        }
    }

    /// Whether all recipients have this fate.
    pub fn is_all(&self, fate: Fate) -> bool {
        self.outcomes.iter().all(|outcome| outcome.fate == fate)
    }
}
