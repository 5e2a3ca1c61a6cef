//! Messages over one connection, with strict account of who said what: every command has its reply,
//! every recipient a fate.
//!
//! ```text
//! MAIL RCPT RCPT DATA →            one write, where PIPELINING is offered
//!                   ← 250 250 550 354
//! content . MAIL RCPT DATA →       the next group follows the content (RFC 2920 section 3.1)
//!                   ← 250 …        the end of the first message
//!
//! MAIL RCPT BDAT content →         with CHUNKING a small message needs no 354 (RFC 3030)
//! ```

use std::io::Read;
use std::time::Duration;

use proto_transport::{
    read_some, CanonicalLines, Connection, Continuation, Error, Pipeline, Refusal, Result,
    StatusReply,
};

use crate::delivery::{refusal, Delivery, Fate};
use crate::envelope::{parameters, Outgoing, Unfit};
use crate::reply::{Extension, Extensions};
use crate::request::{MailParameters, Protocol, Request};

/// A server that takes messages from us.
pub struct Session {
    connection: Connection,
    extensions: Extensions,
    protocol: Protocol,
    /// Send a message to all of its recipients or to none.
    pub all_or_nothing: bool,
    /// The transaction before was left open, so that the next one begins with RSET.
    needs_reset: bool,
    /// A reply with which the server took its leave.
    farewell: Option<StatusReply>,
    is_broken: bool,
    /// What is read of a message at once.
    block: Vec<u8>,
}

/// How far to go with a message that is not to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The sender.
    Mail,
    /// The recipients.
    Rcpt,
    /// Leave to send.
    Data,
}

/// Commands that may be ahead of their replies. The number of bytes bounds them first.
const DEPTH: usize = 1_000;

/// A message of this size is sent behind its recipients without asking whether they are welcome: it
/// fits into the buffers on the way. It is also how much is read at once, and the size of a chunk.
const SMALL: usize = 64 * 1024;

/// How many chunks may be under way without an answer.
const CHUNKS: usize = 4;

/// How much longer than for other replies a server may take to answer for a message: ten minutes,
/// where silence may last one (RFC 5321 section 4.5.3.2.6).
const PATIENCE: u32 = 10;

/// A message under way.
struct Transaction<M> {
    mail: M,
    delivery: Delivery,
    to_say: std::vec::IntoIter<Request>,
    said: Pipeline<Request>,
    /// How many recipients have had their reply.
    heard: usize,
    /// The sender was refused, and with it everybody.
    is_refused: bool,
    /// The server has said that the content may come.
    may_send: bool,
    content: Content,
}

/// How much of the content has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Nothing.
    Unsaid,
    /// All of it, with its end; so many replies are outstanding before the last one.
    Said { chunks: usize },
}

impl Session {
    pub(crate) fn new(
        connection: Connection,
        extensions: Extensions,
        protocol: Protocol,
    ) -> Session {
        Session {
            connection,
            extensions,
            protocol,
            all_or_nothing: false,
            needs_reset: false,
            farewell: None,
            is_broken: false,
            block: vec![0; SMALL],
        }
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server can do.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether another message can be sent.
    pub fn is_usable(&self) -> bool {
        !self.is_broken && self.farewell.is_none() && self.connection.is_in_step()
    }

    /// Sends one message. What became of it is told for each recipient, also when the connection
    /// breaks.
    pub fn send<M: Outgoing>(&mut self, mail: M) -> Delivery {
        let mut mail = Some(mail);
        let mut result = None;
        self.send_all(&mut || mail.take(), &mut |_, delivery| {
            result = Some(delivery)
        });
        result.unwrap_or_else(|| Delivery::of(&[]))
    }

    /// Sends messages as long as `next` gives some and the connection holds; `done` hears what became
    /// of each, in order. A message that `next` gave is always answered for.
    pub fn send_all<M: Outgoing>(
        &mut self,
        next: &mut dyn FnMut() -> Option<M>,
        done: &mut dyn FnMut(M, Delivery),
    ) {
        let mut current = next().map(|mail| self.open(mail, false));
        let mut upcoming = None;
        while let Some(mut this) = current.take() {
            self.settle(&mut this, Session::hear_envelope);
            self.settle(&mut this, Session::say_content);
            let mut following = None;
            if self.is_usable() && self.pipelines() && this.content != Content::Unsaid {
                let mail = upcoming.take().or_else(&mut *next);
                following = mail.map(|mail| self.open(mail, true));
                // While the server works, the message after that can be fetched.
                self.is_broken |= self.connection.flush().is_err();
                upcoming = next();
            }
            self.settle(&mut this, Session::hear_end);
            done(this.mail, this.delivery);
            current = following;
            if current.is_none() && self.is_usable() {
                let mail = upcoming.take().or_else(&mut *next);
                current = mail.map(|mail| self.open(mail, false));
            }
        }
        if let Some(mail) = upcoming {
            let mut delivery = Delivery::of(&mail.envelope().recipients);
            delivery.error = Some(self.connection.closed("the connection ended before"));
            done(mail, delivery);
        }
    }

    /// Asks how far a message would come, and does not send it. After [`Step::Data`] the connection
    /// can only be closed: the server waits for content.
    pub fn rehearse<M: Outgoing>(&mut self, mail: M, step: Step) -> Delivery {
        let mut this = self.begin(mail);
        let wanted = match step {
            Step::Mail => 1,
            _ => usize::MAX,
        };
        let requests = std::mem::take(&mut this.to_say);
        let is_asked = |request: &Request| !matches!(request, Request::Data);
        let requests: Vec<Request> = requests.filter(is_asked).take(wanted).collect();
        this.to_say = requests.into_iter();
        self.settle(&mut this, Session::hear_envelope);
        if step == Step::Data && this.delivery.error.is_none() && this.has(Fate::Willing) {
            this.to_say = vec![Request::Data].into_iter();
            self.settle(&mut this, Session::hear_envelope);
            if this.may_send {
                self.connection.give_up_sending();
            }
        }
        self.needs_reset = true;
        this.delivery
    }

    /// Says goodbye, and waits for the answer. That it fails matters to nobody any more.
    pub fn quit(mut self) {
        if self.is_usable() && self.connection.expect_quiet().is_ok() {
            self.connection.doing("saying goodbye");
            let said = self.connection.write_line(Request::Quit.to_string());
            if said.is_ok() {
                let _ = self.hear();
            }
        }
    }

    // --- one transaction ---

    fn pipelines(&self) -> bool {
        self.extensions.offers(Extension::Pipelining)
    }

    fn chunks(&self) -> bool {
        self.extensions.offers(Extension::Chunking)
    }

    /// Queues the beginning of a transaction, and its content too where that may follow at once.
    /// `ahead` says that the end of the one before is not known yet.
    fn open<M: Outgoing>(&mut self, mail: M, ahead: bool) -> Transaction<M> {
        // A server wants to be told that a failed message is to be forgotten before it takes the
        // next one, if that came in chunks (RFC 3030 section 2); nobody knows yet whether it failed.
        self.needs_reset |= ahead && self.chunks();
        let mut this = self.begin(mail);
        self.settle(&mut this, |session, this| {
            if !ahead {
                session.connection.expect_quiet()?;
            }
            this.said.say(&mut session.connection, &mut this.to_say)?;
            let is_small = this.mail.survey().raw_size <= SMALL as u64;
            let is_said = this.to_say.as_slice().is_empty();
            let may_follow = session.chunks() && session.pipelines() && !session.all_or_nothing;
            match may_follow && is_small && is_said {
                true => session.say_chunks(this),
                false => Ok(()),
            }
        });
        this
    }

    /// What is to be said for a message before its content. One that cannot be carried has failed.
    fn begin<M: Outgoing>(&mut self, mail: M) -> Transaction<M> {
        let envelope = mail.envelope();
        self.connection.doing("sending a message");
        let delivery = Delivery::of(&envelope.recipients);
        let mut requests = Vec::new();
        let fits = parameters(envelope, mail.survey(), &self.extensions);
        if let Ok(parameters) = &fits {
            requests = self.requests(&mail, parameters);
            self.needs_reset = false;
        }
        let mut this = Transaction {
            mail,
            delivery,
            to_say: requests.into_iter(),
            said: Pipeline::new(if self.pipelines() { DEPTH } else { 1 }),
            heard: 0,
            is_refused: false,
            may_send: false,
            content: Content::Unsaid,
        };
        match fits {
            Ok(_) => {}
            Err(Unfit::Anywhere(why)) => this.delivery.error = Some(Error::illegal(why)),
            Err(Unfit::Here(why)) => {
                let error = self.connection.refused(why, Refusal::Lasting);
                this.delivery.error = Some(error);
            }
        }
        this
    }

    fn requests(&self, mail: &impl Outgoing, parameters: &MailParameters) -> Vec<Request> {
        let envelope = mail.envelope();
        let mut requests = Vec::with_capacity(envelope.recipients.len() + 3);
        if self.needs_reset {
            requests.push(Request::Reset);
        }
        requests.push(Request::Mail(envelope.sender.clone(), parameters.clone()));
        let recipients = envelope.recipients.iter().cloned();
        requests.extend(recipients.map(Request::Rcpt));
        if self.pipelines() && !self.chunks() && !self.all_or_nothing {
            requests.push(Request::Data);
        }
        requests
    }

    /// Does one part of a transaction that has not failed yet, and takes account of a failure.
    fn settle<M: Outgoing>(
        &mut self,
        this: &mut Transaction<M>,
        part: impl FnOnce(&mut Session, &mut Transaction<M>) -> Result<()>,
    ) {
        if this.delivery.error.is_some() {
            return;
        }
        if let Err(error) = part(self, this) {
            self.fail(this, error);
        }
    }

    /// The replies to sender and recipients, and to DATA if that was said with them.
    fn hear_envelope<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        loop {
            this.said.say(&mut self.connection, &mut this.to_say)?;
            let Some(request) = this.said.next_answered() else {
                return Ok(());
            };
            let reply = self.hear()?;
            self.take(this, &request, reply)?;
        }
    }

    /// What a reply means for the transaction.
    fn take<M>(
        &mut self,
        this: &mut Transaction<M>,
        request: &Request,
        reply: StatusReply,
    ) -> Result<()> {
        match request {
            Request::Reset => {
                reply.expect(2, &self.connection)?;
            }
            Request::Mail(..) if reply.is(2) => this.delivery.sender_reply = Some(reply),
            Request::Mail(..) => {
                self.must_refuse(&reply)?;
                this.is_refused = true;
                this.delivery.sender_reply = Some(reply.clone());
                this.to_say = Vec::new().into_iter();
                for outcome in &mut this.delivery.outcomes {
                    outcome.refuse(&reply);
                }
            }
            Request::Rcpt(_) => {
                let outcome = this.delivery.outcomes.get_mut(this.heard);
                this.heard += 1;
                match outcome {
                    Some(outcome) if !this.is_refused && reply.is(2) => {
                        outcome.decide(Fate::Willing, Some(reply));
                    }
                    Some(outcome) if !this.is_refused => {
                        self.must_refuse(&reply)?;
                        outcome.refuse(&reply);
                    }
                    _ => {}
                }
            }
            _ if reply.is(354) => this.may_send = true,
            _ => {
                self.must_refuse(&reply)?;
                this.decide_willing(refusal(&reply), &reply);
            }
        }
        Ok(())
    }

    /// A reply that is neither what was asked for nor a no is none that the command allows.
    fn must_refuse(&self, reply: &StatusReply) -> Result<()> {
        match reply.code / 100 {
            4 | 5 => Ok(()),
            _ => Err(self.connection.malformed(
                "a command was answered with a code that it does not have",
                reply.to_string().as_bytes(),
            )),
        }
    }

    /// Says the content, if somebody is to have it.
    fn say_content<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        if this.content != Content::Unsaid {
            return Ok(());
        }
        let is_partial = self.all_or_nothing && !this.delivery.is_all(Fate::Willing);
        if is_partial || !this.has(Fate::Willing) {
            return self.say_nothing(this);
        }
        if self.chunks() {
            return self.say_chunks(this);
        }
        if !this.may_send {
            this.to_say = vec![Request::Data].into_iter();
            self.hear_envelope(this)?;
            if !this.may_send {
                self.needs_reset = true;
                return Ok(());
            }
        }
        self.connection.doing("sending the message");
        let mut content = this.mail.content().inspect_err(|_| {
            self.connection.give_up_sending();
        })?;
        self.connection.send_dotted(&mut content)?;
        this.content = Content::Said { chunks: 0 };
        Ok(())
    }

    /// Ends a transaction in which nobody gets anything.
    fn say_nothing<M>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        self.needs_reset = !this.is_refused;
        for outcome in &mut this.delivery.outcomes {
            if outcome.fate == Fate::Willing {
                outcome.fate = Fate::NotSent;
            }
        }
        if this.may_send {
            // The server would have the message although it has nobody for it: an empty one ends
            // that (RFC 2920 section 3.1).
            self.connection.write_line(".")?;
            self.hear()?;
        }
        Ok(())
    }

    /// Says the content in chunks.
    fn say_chunks<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        self.connection.doing("sending the message");
        let is_binary = this.mail.envelope().is_binary;
        let mut source = this.mail.content()?;
        let mut block = std::mem::take(&mut self.block);
        let result = self.chunks_of(&mut source, &mut block, is_binary, this.content_is_ahead());
        self.block = block;
        drop(source);
        match result {
            Ok(Chunked::All { unanswered }) => {
                this.content = Content::Said { chunks: unanswered };
                Ok(())
            }
            Ok(Chunked::Refused { reply, unanswered }) => {
                this.decide_willing(refusal(&reply), &reply);
                self.needs_reset = true;
                for _ in 0..unanswered {
                    self.hear()?;
                }
                Ok(())
            }
            Err(error) => {
                self.connection.give_up_sending();
                Err(error)
            }
        }
    }

    fn chunks_of(
        &mut self,
        source: &mut dyn Read,
        block: &mut [u8],
        is_binary: bool,
        is_ahead: bool,
    ) -> Result<Chunked> {
        let mut lines = CanonicalLines::plain();
        let mut chunk = Vec::new();
        let mut unanswered = 0;
        loop {
            let got = read_full(source, block)?;
            let part = block.get(..got).unwrap_or_default();
            let is_last = got < block.len();
            chunk.clear();
            if is_binary {
                chunk.extend_from_slice(part);
            } else {
                let mut pushed = lines.push(part, &mut chunk);
                if is_last {
                    pushed = pushed.and_then(|()| lines.finish(&mut chunk));
                }
                pushed.map_err(|_| {
                    Error::illegal("the message has changed: it holds a CR without LF now")
                })?;
            }
            let request = Request::Bdat(chunk.len() as u64, is_last);
            self.connection.write_line(request.to_string())?;
            self.connection.write_block(&chunk)?;
            if is_last {
                return Ok(Chunked::All { unanswered });
            }
            unanswered += 1;
            while !is_ahead && (unanswered >= CHUNKS || unanswered > 0 && !self.pipelines()) {
                let reply = self.hear()?;
                unanswered -= 1;
                if !reply.is(2) {
                    self.must_refuse(&reply)?;
                    return Ok(Chunked::Refused { reply, unanswered });
                }
            }
        }
    }

    /// The answer for the message: one, or in LMTP one for each recipient.
    fn hear_end<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        if this.content == Content::Unsaid {
            return Ok(());
        }
        self.connection
            .doing("waiting for the answer to the message");
        let silence = self.connection.silence();
        self.connection
            .set_silence(silence.saturating_mul(PATIENCE));
        let result = self.hear_answers(this);
        self.connection.set_silence(silence);
        result
    }

    fn hear_answers<M>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        if let Content::Said { chunks } = this.content {
            for _ in 0..chunks {
                let reply = self.hear()?;
                if !reply.is(2) {
                    self.must_refuse(&reply)?;
                    this.decide_willing(refusal(&reply), &reply);
                    self.needs_reset = true;
                }
            }
        }
        match self.protocol {
            Protocol::Lmtp if this.has(Fate::Willing) => self.hear_each(this),
            _ => self.hear_one(this),
        }
    }

    fn hear_one<M>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        let reply = self.hear()?;
        let fate = match reply.is(2) {
            true => Fate::Accepted,
            false => {
                self.must_refuse(&reply)?;
                self.needs_reset |= self.chunks();
                refusal(&reply)
            }
        };
        this.decide_willing(fate, &reply);
        Ok(())
    }

    /// RFC 2033 section 4.2: a reply for each recipient that was accepted, in their order.
    fn hear_each<M>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        for outcome in &mut this.delivery.outcomes {
            if outcome.fate != Fate::Willing {
                continue;
            }
            let reply = self.hear()?;
            match reply.is(2) {
                true => outcome.decide(Fate::Accepted, Some(reply)),
                false => {
                    self.must_refuse(&reply)?;
                    outcome.refuse(&reply);
                }
            }
        }
        Ok(())
    }

    /// One reply. A server that takes its leave with 421 can do so at any point (RFC 5321
    /// section 3.8).
    fn hear(&mut self) -> Result<StatusReply> {
        // A server that takes no more may have said why, and what came of the message before.
        // What is read already needs no waiting, so what is queued can become more.
        if !self.connection.has_unread() {
            self.is_broken |= self.connection.flush().is_err();
        }
        let reply = StatusReply::read(&mut self.connection, Continuation::Coded)?;
        if reply.is(421) {
            self.farewell = Some(reply.clone());
        }
        Ok(reply)
    }

    /// The conversation is over for this transaction and all that follow. What nobody has decided is
    /// unknown if the server may have it all, and not sent otherwise.
    fn fail<M>(&mut self, this: &mut Transaction<M>, error: Error) {
        self.is_broken = true;
        let is_sent = this.content != Content::Unsaid;
        let mut reason = self.farewell.clone();
        if reason.is_none() && !is_sent && matches!(error, Error::Closed { .. }) {
            reason = self.last_words();
        }
        for outcome in &mut this.delivery.outcomes {
            let is_open = matches!(outcome.fate, Fate::Willing | Fate::NotSent);
            match &reason {
                _ if !is_open => {}
                Some(reply) => outcome.refuse(reply),
                None if is_sent => outcome.decide(Fate::Unknown, None),
                None => outcome.decide(Fate::NotSent, None),
            }
        }
        this.delivery.error = Some(error);
    }

    /// The refusal that a server which hung up had sent before, if there is one.
    fn last_words(&mut self) -> Option<StatusReply> {
        self.connection.set_silence(LAST_WORDS);
        self.connection.last_words().and_then(|line| {
            let code = line.get(..3)?.parse().ok()?;
            let text = line.get(4..).unwrap_or_default().as_bytes().to_vec();
            let reply = StatusReply {
                code,
                lines: vec![text],
            };
            matches!(code, 400..=599).then_some(reply)
        })
    }
}

/// How long the last words of a server may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How the chunks of a message went.
enum Chunked {
    /// All were said; so many replies before the last one are outstanding.
    All { unanswered: usize },
    /// One was refused, and nothing more was said.
    Refused {
        reply: StatusReply,
        unanswered: usize,
    },
}

impl<M> Transaction<M> {
    fn has(&self, fate: Fate) -> bool {
        self.delivery.outcomes.iter().any(|o| o.fate == fate)
    }

    /// Whether content that is said now goes out before the replies to the envelope were heard.
    fn content_is_ahead(&self) -> bool {
        self.heard < self.delivery.outcomes.len() && !self.is_refused
    }

    /// Decides for all whom the server was willing to take.
    fn decide_willing(&mut self, fate: Fate, reply: &StatusReply) {
        for outcome in &mut self.delivery.outcomes {
            if outcome.fate == Fate::Willing {
                outcome.decide(fate, Some(reply.clone()));
            }
        }
    }
}

/// Fills the buffer, unless the source ends before.
fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some(source, rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
