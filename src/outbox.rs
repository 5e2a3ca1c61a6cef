//! Many messages to one server: over as many connections as wanted, each message answered for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use proto_smtp::{Delivery, Fate, Outcome, Session};
use proto_transport::{Error, Result};

use crate::cli::CommonArgs;
use crate::commands::smtp_send::SendingArgs;
use crate::exit_code::exit_code;
use crate::ledger::{may_pass, Kept, Ledger, Subject};
use crate::letter::{Letter, Prepared, Stationery};
use crate::mail::Message;
use crate::parallel::{self, Queue};
use crate::progress::Progress;
use crate::report::Record;
use crate::smtp::Service;

/// Messages that are to be sent, and where their rows go.
pub struct Outbox<'a> {
    /// The server.
    pub service: &'a Service,
    /// The messages.
    pub messages: &'a [Message],
    /// Their envelopes.
    pub stationery: &'a Stationery,
    /// How they are sent.
    pub sending: &'a SendingArgs,
    /// How often is tried, and until when.
    pub common: &'a CommonArgs,
    /// Whether Bcc fields are meant to be sent.
    pub keeps_bcc: bool,
    /// The rows.
    pub ledger: Ledger,
    /// Progress.
    pub progress: Progress,
    /// Whether help was offered.
    pub hinted: Once,
    /// Whether it was told that rows cannot be written.
    pub told: Once,
}

/// The first pause before another try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

impl Outbox<'_> {
    /// Sends the messages, `count` in all, and gives what the record and the rows came to.
    pub fn send_all(self, record: Record, count: usize) -> (Record, Kept) {
        let record = Mutex::new(record);
        let jobs: Vec<usize> = (0..count).collect();
        let workers = usize::from(self.sending.jobs).min(count);
        let common = Mutex::new(Common {
            at_work: workers,
            left: VecDeque::new(),
        });
        let work = |queue: Queue<'_, usize>| {
            Worker {
                outbox: &self,
                common: &common,
                queue: RefCell::new(queue),
                last: RefCell::default(),
                again: RefCell::default(),
                later: RefCell::default(),
                round: Cell::new(0),
            }
            .run(&record);
        };
        parallel::run(workers, &jobs, work);
        // Where fewer threads were to be had than workers wanted, something may be left to one that
        // never was.
        if common.lock().is_ok_and(|mut common| common.is_only_one()) {
            parallel::run(1, &[], work);
        }
        let record = record.into_inner();
        (
            record.unwrap_or_else(PoisonError::into_inner),
            self.ledger.into_kept(),
        )
    }

    fn say(&self, error: &Error, message: Option<&str>) {
        let name = message.filter(|_| self.messages.len() > 1);
        let name = name.map_or(String::new(), |name| format!("{name}: "));
        self.progress.say(&format!("proto: {name}{error}"));
    }
}

/// What the workers share.
struct Common {
    /// How many are at work.
    at_work: usize,
    /// Letters of one that could not connect, for the others.
    left: VecDeque<Letter>,
}

impl Common {
    /// Makes the next worker the only one, if something is left.
    fn is_only_one(&mut self) -> bool {
        self.at_work = 1;
        !self.left.is_empty()
    }
}

/// One connection's part of the messages.
struct Worker<'a, 'q> {
    outbox: &'a Outbox<'a>,
    common: &'a Mutex<Common>,
    queue: RefCell<Queue<'q, usize>>,
    /// The message that was read last, which `--repeat` wants again.
    last: RefCell<Option<(usize, Arc<Prepared>)>>,
    /// Letters for the next connection.
    again: RefCell<VecDeque<Letter>>,
    /// Letters for another try, after a pause.
    later: RefCell<VecDeque<Letter>>,
    /// How many pauses there were since a message went.
    round: Cell<u32>,
}

/// What became of one connection.
#[derive(Default)]
struct Passage {
    /// How many messages were answered for.
    sent: Cell<usize>,
    /// The server has taken its leave, whether it has closed the connection or not.
    has_left: Cell<bool>,
}

impl Worker<'_, '_> {
    fn run(&self, record: &Mutex<Record>) {
        while let Some(first) = self.next_or_wait().or_else(|| self.last_left()) {
            let opened = self.connect(record);
            match opened {
                Ok(session) => self.use_up(session, first),
                Err(error) if self.may_wait(&error) => self.again.borrow_mut().push_front(first),
                Err(error) => return self.give_up(first, &error, record),
            }
        }
    }

    fn connect(&self, record: &Mutex<Record>) -> Result<Session> {
        // Only the first connection is in the record; the others are like it.
        let mut mine = Record::new("smtp-send", "");
        let result = self.outbox.service.open(&mut mine);
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.peer.is_null() {
            (record.peer, record.tls, record.timings) = (mine.peer, mine.tls, mine.timings);
        }
        record.stage = mine.stage;
        result.map(|mut session| {
            session.all_or_nothing = self.outbox.sending.all_or_nothing;
            session
        })
    }

    /// Sends as much as the connection takes.
    fn use_up(&self, mut session: Session, first: Letter) {
        let first = Cell::new(Some(first));
        let passage = Passage::default();
        session.send_all(
            &mut || match passage.has_left.get() {
                true => None,
                false => first.take().or_else(|| self.next()),
            },
            &mut |letter, delivery| {
                self.ended(letter, delivery, &passage);
            },
        );
        if session.is_usable() {
            session.quit();
        }
        if passage.sent.get() > 0 {
            self.round.set(0);
        }
    }

    /// The next letter that can be sent at all; those that cannot are answered for here.
    fn next(&self) -> Option<Letter> {
        if let Some(letter) = self.again.borrow_mut().pop_front() {
            return Some(letter);
        }
        loop {
            let Some(job) = self.queue.borrow_mut().next().copied() else {
                return self.common().left.pop_front();
            };
            match self.prepared(job) {
                Ok(prepared) => {
                    return Some(Letter {
                        job,
                        envelope: prepared.envelope.clone(),
                        prepared,
                        tries: 0,
                    })
                }
                Err(error) => {
                    let name = self.outbox.message(job).name();
                    self.outbox.say(&error, Some(name));
                    self.outbox.ledger.fail(exit_code(&error));
                    self.outbox.progress.done();
                }
            }
        }
    }

    /// The next letter. When there is none left but those that wait, waits with them.
    fn next_or_wait(&self) -> Option<Letter> {
        self.next().or_else(|| {
            let later = self.later.take();
            if later.is_empty() {
                return None;
            }
            self.pause();
            *self.again.borrow_mut() = later;
            self.next()
        })
    }

    fn prepared(&self, job: usize) -> Result<Arc<Prepared>> {
        let number = self.outbox.number(job);
        if let Some((last, prepared)) = &*self.last.borrow() {
            if *last == number {
                return Ok(Arc::clone(prepared));
            }
        }
        let message = self.outbox.message(job);
        let prepared = Arc::new(Prepared::new(message, self.outbox.stationery)?);
        self.outbox.remark(message, &prepared);
        *self.last.borrow_mut() = Some((number, Arc::clone(&prepared)));
        Ok(prepared)
    }

    // --- what became of a letter ---

    fn ended(&self, mut letter: Letter, delivery: Delivery, passage: &Passage) {
        letter.tries += 1;
        let hung_up = is_unsent(&delivery) && passage.sent.get() > 0;
        passage.has_left.set(hung_up || passage.has_left.get());
        let sent = passage.sent.get() + usize::from(!hung_up);
        passage.sent.set(sent);
        let may_repeat = letter.tries <= self.outbox.common.connection.retry;
        let (open, over): (Vec<&Outcome>, Vec<&Outcome>) = delivery
            .outcomes
            .iter()
            .partition(|outcome| may_pass(outcome, &delivery) && (may_repeat || hung_up));
        self.outbox.tell(&letter, over, delivery.error.as_ref());
        if open.is_empty() {
            self.outbox.progress.done();
            return;
        }
        letter.envelope.recipients = open
            .into_iter()
            .map(|outcome| outcome.recipient.clone())
            .collect();
        if hung_up {
            // Some servers take only so many messages over one connection.
            letter.tries -= 1;
            self.again.borrow_mut().push_back(letter);
        } else {
            self.later.borrow_mut().push_back(letter);
        }
    }

    fn common(&self) -> MutexGuard<'_, Common> {
        self.common.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A last look for letters of others. When there is none, this one's work is over.
    fn last_left(&self) -> Option<Letter> {
        let mut common = self.common();
        let letter = common.left.pop_front();
        common.at_work -= usize::from(letter.is_none());
        letter
    }

    /// Leaves all to others, if others are at work. Gives the letter back if not.
    fn leave(&self, first: Letter) -> Option<Letter> {
        let mut common = self.common();
        if common.at_work < 2 {
            return Some(first);
        }
        common.at_work -= 1;
        common.left.push_back(first);
        common.left.extend(self.again.take());
        common.left.extend(self.later.take());
        None
    }

    /// The server cannot be reached. What is left is sent by others, or not at all.
    fn give_up(&self, first: Letter, error: &Error, record: &Mutex<Record>) {
        let Some(first) = self.leave(first) else {
            let text = format!("proto: warning: a connection less: {error}");
            return self.outbox.progress.say(&text);
        };
        self.outbox.say(error, None);
        record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended(&Err(Error::illegal(error.to_string())));
        self.outbox.ledger.fail(exit_code(error));
        let later = self.later.take();
        let mut left = Some(first);
        self.again.borrow_mut().extend(later);
        while let Some(letter) = left.take().or_else(|| self.next()) {
            let outcomes = letter.envelope.recipients.iter().map(|recipient| Outcome {
                recipient: recipient.clone(),
                fate: Fate::NotSent,
                reply: None,
            });
            let outcomes: Vec<Outcome> = outcomes.collect();
            self.outbox.rows(&letter, &outcomes, Some(error));
            self.outbox.progress.done();
        }
    }

    // --- trying again ---

    fn may_wait(&self, error: &Error) -> bool {
        let may = error.is_transient()
            && self.round.get() < self.outbox.common.connection.retry
            && !self.is_too_late();
        if may {
            self.outbox.say(error, None);
            self.pause();
        }
        may
    }

    fn span(&self) -> Duration {
        FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(self.round.get()))
            .min(LONGEST_PAUSE)
    }

    fn is_too_late(&self) -> bool {
        let end = Instant::now().checked_add(self.span());
        let deadline = self.outbox.common.deadline();
        deadline.is_some_and(|deadline| end.is_none_or(|end| end >= deadline))
    }

    fn pause(&self) {
        let span = self.span();
        if !self.outbox.common.looking.quiet {
            let seconds = span.as_secs_f64();
            let text = format!("proto: trying again in {seconds:.1} s");
            self.outbox.progress.say(&text);
        }
        thread::sleep(match self.outbox.common.deadline() {
            Some(deadline) => span.min(deadline.saturating_duration_since(Instant::now())),
            None => span,
        });
        self.round.set(self.round.get() + 1);
    }
}

impl Outbox<'_> {
    fn number(&self, job: usize) -> usize {
        job / self.sending.repeat as usize
    }

    fn message(&self, job: usize) -> &Message {
        // Jobs were counted from the messages.
        #[expect(clippy::indexing_slicing)]
        &self.messages[self.number(job)]
    }

    fn tell(&self, letter: &Letter, over: Vec<&Outcome>, error: Option<&Error>) {
        if over.is_empty() {
            return;
        }
        if let Some(error) = error {
            self.say(error, Some(self.message(letter.job).name()));
        }
        self.hint(&over);
        self.rows(letter, over, error);
    }

    /// What helps against a refusal that many meet.
    fn hint(&self, over: &[&Outcome]) {
        let mut replies = over.iter().filter_map(|outcome| outcome.reply.as_ref());
        let needs_more = replies.any(|reply| reply.is(530));
        if needs_more && !self.common.looking.quiet {
            let hint =
                "proto: the server wants to know more first: -u logs in, --starttls encrypts";
            self.hinted.call_once(|| self.progress.say(hint));
        }
    }

    fn rows<'o>(
        &self,
        letter: &Letter,
        outcomes: impl IntoIterator<Item = &'o Outcome>,
        error: Option<&Error>,
    ) {
        let message_id = letter.prepared.loaded.message_id();
        let subject = Subject {
            message: self.message(letter.job).name(),
            message_id: message_id.as_deref(),
            sender: &letter.sender(),
            tries: letter.tries,
        };
        if let Err(error) = self.ledger.add(&subject, outcomes, error) {
            self.told.call_once(|| crate::tell(&error));
            self.ledger.fail(exit_code(&error));
        }
    }

    /// What should be known of a message before it goes.
    fn remark(&self, message: &Message, prepared: &Prepared) {
        if self.common.looking.quiet {
            return;
        }
        let name = message.name();
        if prepared.loaded.removed_bcc && !self.keeps_bcc {
            let note = format!("proto: {name}: its Bcc field is not sent; see --keep-bcc");
            self.progress.say(&note);
        }
        // RFC 5322 section 2.1.1
        let longest = prepared.survey.longest_line;
        if longest > LONGEST_LINE && !prepared.envelope.is_binary {
            let note = format!(
                "proto: warning: {name}: a line has {longest} octets; over {LONGEST_LINE} servers may break it"
            );
            self.progress.say(&note);
        }
    }
}

/// Octets in a line of a message, without its end (RFC 5322 section 2.1.1).
const LONGEST_LINE: u64 = 998;

/// Whether a server took its leave before it could take the message.
fn is_unsent(delivery: &Delivery) -> bool {
    let hung_up = matches!(delivery.error, Some(Error::Closed { .. }));
    delivery
        .outcomes
        .iter()
        .all(|outcome| match &outcome.reply {
            Some(reply) => reply.is(421),
            None => hung_up && outcome.fate == Fate::NotSent,
        })
}
