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

mod chunks;

use proto_transport::{Connection, Continuation, Error, Pipeline, Refusal, Result, StatusReply};

use crate::delivery::{refusal, shortened, Delivery, Fate};
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
    /// The last reply, if the server took its leave with it.
    farewell: Option<StatusReply>,
    is_broken: bool,
    /// A reply did not come or was none, so that nobody knows which of the next is for what.
    is_lost: bool,
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
            is_lost: false,
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
        let is_over = self.is_broken || self.is_lost || self.farewell.is_some();
        !is_over && self.connection.is_in_step()
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
        let requests = std::mem::take(&mut this.to_say);
        let is_asked = |request: &Request| match request {
            Request::Rcpt(_) => step != Step::Mail,
            Request::Data => false,
            _ => true,
        };
        let requests: Vec<Request> = requests.filter(is_asked).collect();
        this.to_say = requests.into_iter();
        self.settle(&mut this, |session, _| session.expect_quiet(false));
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
        if self.is_usable() && self.expect_quiet(false).is_ok() {
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
                session.expect_quiet(false)?;
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
            if !self.pipelines() {
                self.expect_quiet(this.may_send)?;
            }
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
            Request::Mail(..) if self.is_yes(&reply)? => this.delivery.sender_reply = Some(reply),
            Request::Mail(..) => {
                this.is_refused = true;
                this.delivery.sender_reply = Some(reply.clone());
                this.to_say = Vec::new().into_iter();
                for outcome in &mut this.delivery.outcomes {
                    outcome.refuse(&reply);
                }
            }
            Request::Rcpt(_) => {
                let is_yes = self.is_yes(&reply)?;
                let mut open = this.delivery.outcomes.iter_mut();
                let outcome = open.nth(this.heard).filter(|_| !this.is_refused);
                this.heard += 1;
                match outcome {
                    Some(outcome) if is_yes => outcome.decide(Fate::Willing, Some(reply)),
                    Some(outcome) => outcome.refuse(&reply),
                    None => {}
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

    /// Whether a reply says yes, and not no.
    fn is_yes(&mut self, reply: &StatusReply) -> Result<bool> {
        match reply.is(2) {
            true => Ok(true),
            false => self.must_refuse(reply).map(|()| false),
        }
    }

    /// A reply that is neither what was asked for nor a no is none that the command allows.
    fn must_refuse(&mut self, reply: &StatusReply) -> Result<()> {
        if matches!(reply.code / 100, 4 | 5) {
            return Ok(());
        }
        self.is_lost = true;
        Err(self.connection.malformed(
            "a command was answered with a code that it does not have",
            reply.to_string().as_bytes(),
        ))
    }

    /// Says the content, if somebody is to have it.
    fn say_content<M: Outgoing>(&mut self, this: &mut Transaction<M>) -> Result<()> {
        if this.content != Content::Unsaid {
            return Ok(());
        }
        if let Some(farewell) = &self.farewell {
            return Err(self.connection.closed(farewell.to_string()));
        }
        let is_partial = self.all_or_nothing && !this.delivery.is_all(Fate::Willing);
        if is_partial || !this.has(Fate::Willing) {
            return self.say_nothing(this);
        }
        self.expect_quiet(this.may_send)?;
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
            self.expect_quiet(true)?;
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
                outcome.decide(Fate::NotSent, None);
            }
        }
        if this.may_send {
            self.expect_quiet(false)?;
            self.end_empty()?;
        }
        Ok(())
    }

    /// The server would have the message although it has nobody for it: an empty one ends that
    /// (RFC 2920 section 3.1). In LMTP it should have refused, and nobody knows how many replies
    /// follow (RFC 2033 section 4.2).
    fn end_empty(&mut self) -> Result<()> {
        if self.protocol == Protocol::Lmtp {
            self.connection.give_up_sending();
            return Ok(());
        }
        self.connection.write_line(".")?;
        let reply = self.hear()?;
        self.is_yes(&reply).map(drop)
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
                if !self.is_yes(&reply)? {
                    this.decide_willing(refusal(&reply), &reply);
                    self.needs_reset = true;
                    if self.protocol == Protocol::Lmtp {
                        // Nothing says how many replies the last chunk has then (RFC 2033 section
                        // 4.3), nor whether a farewell was the last of them.
                        (self.is_lost, self.farewell) = (true, None);
                        return Ok(());
                    }
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
        let fate = match self.is_yes(&reply)? {
            true => Fate::Accepted,
            false => {
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
            match self.is_yes(&reply)? {
                true => outcome.decide(Fate::Accepted, Some(reply)),
                false => {
                    self.needs_reset |= self.chunks();
                    outcome.refuse(&reply);
                }
            }
        }
        Ok(())
    }

    /// One reply. A server that takes its leave with 421 can do so at any point (RFC 5321
    /// section 3.8).
    fn hear(&mut self) -> Result<StatusReply> {
        if self.is_lost {
            return Err(self.connection.closed("a reply before this one was lost"));
        }
        // A server that takes no more may have said why, and what came of the message before.
        // What is read already needs no waiting, so what is queued can become more.
        if !self.connection.has_unread() {
            self.is_broken |= self.connection.flush().is_err();
        }
        let read = StatusReply::read(&mut self.connection, Continuation::Coded);
        let reply = read.map(shortened).inspect_err(|error| {
            self.is_lost = true;
            // Who goes on after a farewell has not gone.
            self.farewell
                .take_if(|_| !matches!(error, Error::Closed { .. }));
        })?;
        self.farewell = reply.is(421).then(|| reply.clone());
        Ok(reply)
    }

    /// Fails if the server has said something unasked. It may take its leave so, or refuse content
    /// that it has not seen, and is heard.
    fn expect_quiet(&mut self, may_refuse: bool) -> Result<()> {
        let Err(error) = self.connection.expect_quiet() else {
            return Ok(());
        };
        match self.hear() {
            Ok(reply) if reply.is(421) || may_refuse && matches!(reply.code, 400..=599) => {
                let error = self.connection.closed(reply.to_string());
                self.farewell = Some(reply);
                Err(error)
            }
            _ => Err(error),
        }
    }

    /// The conversation is over for this transaction and all that follow. What nobody has decided is
    /// unknown if the server may have it all, and not sent otherwise.
    fn fail<M>(&mut self, this: &mut Transaction<M>, error: Error) {
        self.is_broken = true;
        let is_sent = this.content != Content::Unsaid;
        let is_heard = this.heard == this.delivery.outcomes.len();
        let reason = match (is_sent, is_heard) {
            // Only an answer for the message could tell.
            (true, true) => None,
            (false, true) if matches!(error, Error::Closed { .. }) => {
                self.farewell.clone().or_else(|| self.last_words())
            }
            _ => self.farewell.clone(),
        };
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
        if self.is_lost {
            return None;
        }
        let line = self.connection.last_words()?;
        let code = line.get(..3)?.parse().ok()?;
        let text = line.get(4..).unwrap_or_default().as_bytes().to_vec();
        let lines = vec![text];
        matches!(code, 400..=599).then_some(StatusReply { code, lines })
    }
}

impl<M> Transaction<M> {
    fn has(&self, fate: Fate) -> bool {
        self.delivery.outcomes.iter().any(|o| o.fate == fate)
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
