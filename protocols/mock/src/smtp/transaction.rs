//! One message: MAIL, RCPT, and DATA or BDAT.

use std::time::Instant;

use super::command::{check_parameters, parse_chunk, parse_envelope, Chunk, OF_MAIL, OF_RCPT};
use super::content::{Content, Dots, Lost};
use super::conversation::{Break, Conversation, Result, IDLE};
use super::letter::Letter;
use super::reply::Reply;
use super::rule::Event;
use super::store::{refused, Draft, Store};

/// What is known of a message.
pub(super) struct Transaction {
    sender: String,
    parameters: Vec<String>,
    body: Body,
    is_utf8: bool,
    recipients: Vec<(String, Vec<String>)>,
    /// What came by BDAT so far.
    content: Option<Content>,
}

/// What the message may contain (RFC 6152, RFC 3030).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    SevenBit,
    EightBit,
    Binary,
}

/// How many recipients one message may have, so that memory stays bounded.
const RECIPIENTS: usize = 50_000;

impl Conversation<'_> {
    /// RFC 5321 section 4.1.1.2.
    pub fn mail(&mut self, rest: &str) -> Result {
        self.check_greeted()?;
        self.check_reset()?;
        if self.transaction.is_some() {
            return Err(self.wrong(503, "5.5.1", "a message is under way already"));
        }
        if self.mta.requires_login && self.login.is_none() {
            return Err(Break::Refused(Reply::new(
                530,
                "5.7.0",
                "Authentication required",
            )));
        }
        let envelope = parse_envelope("FROM:", rest).map_err(|reply| self.wrong_reply(reply))?;
        let is_offered = |extension: &str| self.offers(extension);
        let checked = check_parameters(OF_MAIL, &envelope.parameters, is_offered);
        let checked = checked.map_err(|reply| self.wrong_reply(reply))?;
        let value = |wanted: &str| {
            let mut found = checked.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| value.unwrap_or_default())
        };
        let body = self.body(value("BODY"))?;
        let is_utf8 = value("SMTPUTF8").is_some();
        self.check_ascii(rest, is_utf8)?;
        self.check_size(value("SIZE"))?;
        let said = self.consult(Event::Mail, &[envelope.path])?;
        self.transaction = Some(Transaction {
            sender: envelope.path.to_owned(),
            parameters: owned(&envelope.parameters),
            body,
            is_utf8,
            recipients: Vec::new(),
            content: None,
        });
        self.say_or(said, 250, "2.1.0", "Sender ok")
    }

    fn body(&mut self, value: Option<&str>) -> Result<Body> {
        match value.map(str::to_ascii_uppercase).as_deref() {
            Some("BINARYMIME") if self.offers("BINARYMIME") => Ok(Body::Binary),
            Some("BINARYMIME") => Err(self.wrong(555, "5.5.4", "BINARYMIME was not offered")),
            Some("8BITMIME") => Ok(Body::EightBit),
            _ => Ok(Body::SevenBit),
        }
    }

    /// RFC 6531 section 3.4: what is beyond ASCII needs the parameter SMTPUTF8.
    fn check_ascii(&mut self, rest: &str, is_utf8: bool) -> Result {
        match is_utf8 || rest.is_ascii() {
            true => Ok(()),
            false => Err(self.wrong(553, "5.6.7", "an address beyond ASCII needs SMTPUTF8")),
        }
    }

    /// RFC 1870 section 6.1. The digits are at most twenty, and more than fit are too many.
    fn check_size(&mut self, value: Option<&str>) -> Result {
        let declared = value.map_or(0, |digits| digits.parse().unwrap_or(u64::MAX));
        match self.mta.max_size {
            limit if limit > 0 && declared > limit => Err(Break::Refused(too_large(limit))),
            _ => Ok(()),
        }
    }

    fn check_reset(&mut self) -> Result {
        match self.needs_reset {
            false => Ok(()),
            true => Err(Break::Refused(Reply::new(
                503,
                "5.5.1",
                "RSET must come first",
            ))),
        }
    }

    /// RFC 5321 section 4.1.1.3.
    pub fn rcpt(&mut self, rest: &str) -> Result {
        self.check_greeted()?;
        self.check_reset()?;
        let Some(transaction) = &self.transaction else {
            // It may have been sent ahead, behind a MAIL that was refused.
            return Err(Break::Refused(Reply::new(
                503,
                "5.5.1",
                "MAIL must come first",
            )));
        };
        let (is_utf8, count) = (transaction.is_utf8, transaction.recipients.len());
        if transaction.content.is_some() {
            return Err(self.wrong(503, "5.5.1", "the message has begun already"));
        }
        let envelope = parse_envelope("TO:", rest).map_err(|reply| self.wrong_reply(reply))?;
        if envelope.path.is_empty() {
            return Err(self.wrong(501, "5.1.3", "a recipient is missing"));
        }
        let is_offered = |extension: &str| self.offers(extension);
        let checked = check_parameters(OF_RCPT, &envelope.parameters, is_offered);
        checked.map_err(|reply| self.wrong_reply(reply))?;
        self.check_ascii(rest, is_utf8)?;
        if count >= RECIPIENTS {
            let why = "Too many recipients";
            return Err(Break::Refused(Reply::new(452, "4.5.3", why)));
        }
        if let Store::Mailboxes(postman) = &self.mta.store {
            let room = postman.room_for(envelope.path);
            room.map_err(|refusal| Break::Refused(refused(refusal)))?;
        }
        let said = self.consult(Event::Rcpt, &[envelope.path])?;
        if let Some(transaction) = &mut self.transaction {
            let recipient = (envelope.path.to_owned(), owned(&envelope.parameters));
            transaction.recipients.push(recipient);
        }
        self.say_or(said, 250, "2.1.5", "Recipient ok")
    }

    /// RFC 5321 section 4.1.1.4.
    pub fn data(&mut self, rest: &str) -> Result {
        self.check_greeted()?;
        self.check_no_argument(rest)?;
        self.check_recipients()?;
        if self
            .transaction
            .as_ref()
            .is_some_and(|one| one.content.is_some())
        {
            self.needs_reset = true;
            return Err(self.wrong(503, "5.5.1", "DATA cannot follow BDAT"));
        }
        if self
            .transaction
            .as_ref()
            .is_some_and(|one| one.body == Body::Binary)
        {
            return Err(self.wrong(503, "5.5.1", "BINARYMIME needs BDAT"));
        }
        let said = self.consult_about_data()?;
        self.say_or(said, 354, "", "Go on, and end with a dot")?;
        if self.is_over {
            return Ok(());
        }
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let content = self.read_dotted()?;
        self.check_unread(false);
        self.finish(transaction, content, false)
    }

    /// What must hold before DATA and BDAT.
    fn check_recipients(&mut self) -> Result {
        self.check_reset()?;
        // These may have been sent ahead, behind commands that were refused.
        let why = match &self.transaction {
            None => "MAIL must come first",
            Some(transaction) if transaction.recipients.is_empty() => "No valid recipients",
            Some(_) => return Ok(()),
        };
        Err(Break::Refused(Reply::new(503, "5.5.1", why)))
    }

    fn consult_about_data(&mut self) -> Result<Option<Reply>> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(None);
        };
        let said = self.consult(Event::Data, &addresses(&transaction.recipients));
        self.transaction = Some(transaction);
        said
    }

    fn new_content(&self) -> Content {
        Content::new(self.mta.store.open(), self.mta.max_size)
    }

    fn read_dotted(&mut self) -> Result<Content> {
        let mut content = self.new_content();
        let mut dots = Dots::new();
        loop {
            let (used, is_ended) = dots.decode(self.peer.unread(), |bytes| content.take(bytes));
            self.peer.skip(used);
            if is_ended {
                break;
            }
            self.read_more()?;
        }
        if dots.has_undoubled {
            self.note("a line begins with a dot that is not doubled (RFC 5321 section 4.5.2)");
        }
        Ok(content)
    }

    fn read_more(&mut self) -> Result {
        self.peer.set_deadline(Some(Instant::now() + IDLE));
        match self.peer.read_more()? {
            0 => Err(Break::Over),
            _ => Ok(()),
        }
    }

    /// RFC 3030 section 2.
    pub fn bdat(&mut self, rest: &str) -> Result {
        let chunk = match parse_chunk(rest) {
            Ok(chunk) => chunk,
            Err(reply) => {
                // Nobody knows where the next command is.
                self.is_over = true;
                return Err(self.wrong_reply(reply));
            }
        };
        let said = match self.check_chunk() {
            Err(Break::Refused(reply)) => {
                self.read_chunk(chunk.size, |_| {})?;
                self.check_unread(false);
                self.needs_reset = true;
                return Err(Break::Refused(reply));
            }
            said => said?,
        };
        let result = self.add_chunk(&chunk, said);
        if let Err(Break::Refused(_)) = &result {
            self.needs_reset = true;
        }
        result
    }

    /// What must hold before a chunk, and what the rules say about the first.
    fn check_chunk(&mut self) -> Result<Option<Reply>> {
        self.check_admission("BDAT")?;
        if !self.mta.has("CHUNKING") {
            return Err(self.wrong(500, "5.5.1", "no such command"));
        }
        self.check_greeted()?;
        if !self.offers("CHUNKING") {
            return Err(self.wrong(503, "5.5.1", "this was not offered"));
        }
        self.check_recipients()?;
        match &self.transaction {
            Some(transaction) if transaction.content.is_none() => self.consult_about_data(),
            _ => Ok(None),
        }
    }

    fn add_chunk(&mut self, chunk: &Chunk, said: Option<Reply>) -> Result {
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(());
        };
        let mut content = match transaction.content.take() {
            Some(content) => content,
            None => self.new_content(),
        };
        self.read_chunk(chunk.size, |bytes| content.take(bytes))?;
        self.check_unread(false);
        if chunk.is_last {
            return self.finish(transaction, content, true);
        }
        if content.is_too_large() {
            return Err(Break::Refused(too_large(self.mta.max_size)));
        }
        transaction.content = Some(content);
        self.transaction = Some(transaction);
        self.say_or(said, 250, "2.0.0", &format!("{} octets taken", chunk.size))
    }

    fn read_chunk(&mut self, size: u64, mut take: impl FnMut(&[u8])) -> Result {
        let mut left = size;
        while left > 0 {
            let unread = self.peer.unread();
            let length = usize::try_from(left).map_or(unread.len(), |left| left.min(unread.len()));
            take(unread.get(..length).unwrap_or_default());
            self.peer.skip(length);
            left -= length as u64;
            if left > 0 {
                self.read_more()?;
            }
        }
        Ok(())
    }

    /// Decides about a whole message, and says so: once, or in LMTP for each recipient
    /// (RFC 2033 section 4.2).
    fn finish(&mut self, transaction: Transaction, content: Content, by_chunks: bool) -> Result {
        let size = content.size;
        let draft = match self.check_content(&transaction, content) {
            Ok(draft) => draft,
            Err(Break::Refused(reply)) if self.mta.lmtp => {
                for _ in 1..transaction.recipients.len() {
                    self.say(&reply)?;
                }
                return Err(Break::Refused(reply));
            }
            Err(other) => return Err(other),
        };
        let decided = self.decide(&transaction.recipients);
        let mut replies = decided.replies;
        let copy = match (&self.mta.transcripts, draft.content()) {
            (Some(_), Some(content)) => Some(content.to_vec()),
            _ => None,
        };
        if !decided.accepted.is_empty() {
            let letter = self.letter(transaction, decided.accepted, size, by_chunks);
            if let Err(trouble) = self.mta.accept(letter, draft) {
                let trouble = trouble.reply();
                replies
                    .iter_mut()
                    .for_each(|reply| match reply.is_refusal() {
                        true => {}
                        false => reply.clone_from(&trouble),
                    });
            }
        }
        self.write_transcript(copy.as_deref(), &replies, by_chunks);
        for reply in &replies {
            self.say(reply)?;
            self.needs_reset |= by_chunks && !self.mta.lmtp && reply.is_refusal();
        }
        decided.result
    }

    /// Whether the message may contain what it contains.
    fn check_content(&mut self, transaction: &Transaction, content: Content) -> Result<Draft> {
        let (draft, inspection) = match content.finish() {
            Ok(whole) => whole,
            Err(Lost::TooLarge) => return Err(Break::Refused(too_large(self.mta.max_size))),
            Err(Lost::Trouble(error)) => {
                let why = format!("the store fails: {error}");
                return Err(Break::Refused(Reply::new(451, "4.3.0", why)));
            }
        };
        match (transaction.body, inspection.bare) {
            (Body::SevenBit | Body::EightBit, Some(bare)) => {
                // RFC 5321 section 2.3.8.
                return Err(self.wrong(554, "5.6.0", &format!("{bare} in the message")));
            }
            (Body::SevenBit, None) if inspection.has_8bit => {
                return Err(self.wrong(554, "5.6.3", "8-bit content needs BODY=8BITMIME"));
            }
            _ => {}
        }
        Ok(draft)
    }

    /// Asks the rules about the end of the message: once, or in LMTP for each recipient.
    fn decide(&mut self, recipients: &[(String, Vec<String>)]) -> Decided {
        let groups = match self.mta.lmtp {
            true => recipients.chunks(1),
            false => recipients.chunks(recipients.len().max(1)),
        };
        let mut decided = Decided {
            accepted: Vec::new(),
            replies: Vec::new(),
            result: Ok(()),
        };
        for group in groups {
            match self.consult(Event::Dot, &addresses(group)) {
                Ok(said) => {
                    let taken = || Reply::new(250, "2.0.0", "Taken");
                    decided.replies.push(said.unwrap_or_else(taken));
                    decided.accepted.extend_from_slice(group);
                }
                Err(Break::Refused(reply)) => decided.replies.push(reply),
                Err(other) => {
                    decided.result = Err(other);
                    break;
                }
            }
            // A rule may close the connection behind this reply.
            if self.is_over {
                break;
            }
        }
        decided
    }

    fn letter(
        &self,
        transaction: Transaction,
        recipients: Vec<(String, Vec<String>)>,
        size: u64,
        by_chunks: bool,
    ) -> Letter {
        let login = self.login.as_ref();
        let hello = self.hello.as_ref();
        Letter {
            sender: transaction.sender,
            mail_parameters: transaction.parameters,
            recipients,
            content: Vec::new(),
            size,
            hello: hello.map_or_else(String::new, |hello| hello.name.clone()),
            user: login.map(|login| login.user.clone()),
            mechanism: login.map(|login| login.mechanism.to_owned()),
            is_encrypted: self.peer.is_encrypted(),
            by_chunks,
            connection: self.connection,
        }
    }
}

/// What becomes of a message.
struct Decided {
    accepted: Vec<(String, Vec<String>)>,
    replies: Vec<Reply>,
    /// How the command ends when all replies are said.
    result: Result,
}

/// RFC 1870 section 6.
fn too_large(limit: u64) -> Reply {
    let why = format!("The message is larger than {limit} octets");
    Reply::new(552, "5.3.4", why)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn addresses(recipients: &[(String, Vec<String>)]) -> Vec<&str> {
    recipients
        .iter()
        .map(|(address, _)| address.as_str())
        .collect()
}
