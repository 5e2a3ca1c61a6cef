//! Fetching messages: questions run ahead of their answers, sections stream.
//!
//! A server may answer several questions at once and finish them in any order (RFC 9051 section
//! 5.5), and Dovecot does so when its output is full. So it is by its UID alone that a message is
//! known, and by its tag that a question is over.

use proto_transport::escape::escaped;
use proto_transport::Result;

use super::Session;
use crate::content::Content;
use crate::reply::message::{Attributes, Section};
use crate::reply::{Data, Kind, Told};
use crate::request::Fetch;
use crate::set::UidSet;
use crate::wire::{check_unasked, Response};

/// Questions that may be ahead of their answers.
pub(super) const AHEAD: usize = 8;

/// Bytes of questions that may be ahead: well below the smallest default socket buffers, so that
/// neither side can block on writing while the other does too.
pub(super) const AHEAD_BYTES: usize = 8 * 1024;

/// What happens while messages are fetched. Only what was asked for is here: a message that nobody
/// asked for is an [`Event`](crate::Event).
pub enum Fetched<'f, 'c> {
    /// A section begins. What is not read of it is passed over. It counts only when its message is
    /// over, too: until then, the connection may break.
    Section {
        /// The message.
        uid: u32,
        /// What is known of it so far.
        attributes: &'f Attributes,
        /// Which section.
        section: &'f Section,
        /// Its content.
        content: &'f mut Content<'c>,
    },
    /// All of a message has come.
    Message {
        /// The message.
        uid: u32,
        /// What is known of it.
        attributes: &'f Attributes,
        /// Whether every section came that was asked for.
        is_whole: bool,
    },
    /// A question was answered, or the server said no to it; the others go on.
    Window {
        /// The question.
        fetch: &'f Fetch,
        /// The messages of it that came. Others may be gone.
        came: &'f UidSet,
        /// The server's no.
        result: Result<()>,
    },
}

/// What is done with each of them. Its own errors end the conversation.
pub type Visit<'v> = dyn FnMut(Fetched<'_, '_>) -> Result<()> + 'v;

/// A question under way.
struct Asked {
    tag: String,
    fetch: Fetch,
    bytes: usize,
    /// Messages that are over.
    came: UidSet,
    /// Messages whose sections came before their UID, so that nobody could know whose they were.
    again: UidSet,
}

impl Asked {
    /// Whether a message is still to come.
    fn awaits(&self, uid: u32) -> bool {
        self.fetch.uids.contains(uid) && !self.came.contains(uid)
    }

    fn wants(&self, section: &Section) -> bool {
        self.fetch.sections().any(|wanted| wanted.is_same(section))
    }
}

/// What became of the message that is being heard.
#[derive(Default)]
struct Current {
    /// Sections of it that were handed on.
    sections: Vec<Section>,
    /// A section of it was passed over because its UID was not known.
    was_passed_over: bool,
}

impl Session {
    /// Asks for messages, ahead of the answers. Each question should be about so few messages that
    /// losing its answer costs little: see [`UidSet::windows`].
    pub fn fetch(
        &mut self,
        questions: impl IntoIterator<Item = Fetch>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.wire.connection.doing("fetching messages");
        self.need_mailbox()?;
        self.wire.settle()?;
        let mut again = Vec::new();
        self.fetch_all(questions.into_iter(), AHEAD, &mut again, visit)?;
        // Alone, a message is known without its UID.
        let single = again.iter().flat_map(|fetch: &Fetch| {
            let one = |uid| Fetch {
                uids: std::iter::once(uid).collect(),
                ..fetch.clone()
            };
            fetch.uids.iter().map(one)
        });
        self.fetch_all(single, 1, &mut Vec::new(), visit)
    }

    fn fetch_all(
        &mut self,
        questions: impl Iterator<Item = Fetch>,
        depth: usize,
        again: &mut Vec<Fetch>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let mut questions = questions.filter(|fetch| !fetch.uids.is_empty());
        let mut under_way = Vec::new();
        loop {
            self.ask_ahead(&mut questions, depth, &mut under_way)?;
            if under_way.is_empty() {
                return Ok(());
            }
            self.hear_one(&mut under_way, again, visit)?;
        }
    }

    /// Asks as long as there is room for it.
    fn ask_ahead(
        &mut self,
        questions: &mut impl Iterator<Item = Fetch>,
        depth: usize,
        under_way: &mut Vec<Asked>,
    ) -> Result<()> {
        let bytes = |under_way: &[Asked]| under_way.iter().map(|asked| asked.bytes).sum::<usize>();
        while under_way.len() < depth && bytes(under_way) < AHEAD_BYTES {
            let Some(fetch) = questions.next() else {
                break;
            };
            let tag = self.wire.tags.next();
            let line = format!("{tag} {fetch}");
            self.wire.connection.write_line(&line)?;
            under_way.push(Asked {
                tag,
                fetch,
                bytes: line.len() + 2,
                came: UidSet::default(),
                again: UidSet::default(),
            });
        }
        Ok(())
    }

    /// Hears one response.
    fn hear_one(
        &mut self,
        under_way: &mut Vec<Asked>,
        again: &mut Vec<Fetch>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let mut current = Current::default();
        let response = self.wire.hear(&mut |_, attributes, section, content| {
            section_begins(under_way, &mut current, attributes, section, content, visit)
        })?;
        match response {
            Response::Data(Data::Message(number, attributes)) => {
                match self.message_ends(under_way, &current, &attributes, visit)? {
                    true => self.wire.progress(),
                    false => self.wire.unasked(Data::Message(number, attributes)),
                }
            }
            Response::Data(data) => self.wire.unasked(data),
            Response::Skipped => {}
            Response::Tagged(tag, told) => {
                match under_way.iter().position(|asked| asked.tag == tag) {
                    Some(place) => {
                        let asked = under_way.remove(place);
                        self.question_ends(&asked, &told, again, visit)?;
                    }
                    None => return Err(self.wire.unexpected(&format!("{tag} {told}"))),
                }
            }
            Response::GoAhead(text) => {
                return Err(self.wire.unexpected(&format!("+ {}", escaped(&text))));
            }
        }
        Ok(())
    }

    fn question_ends(
        &mut self,
        asked: &Asked,
        told: &Told,
        again: &mut Vec<Fetch>,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let left = asked.again.without(&asked.came);
        if !left.is_empty() && told.kind == Kind::Ok {
            again.push(Fetch {
                uids: left,
                ..asked.fetch.clone()
            });
        }
        visit(Fetched::Window {
            fetch: &asked.fetch,
            came: &asked.came,
            result: match told.kind {
                Kind::Ok => Ok(()),
                _ => Err(self.wire.refused(told)),
            },
        })
    }

    /// A message is over; whether it was asked for.
    fn message_ends(
        &mut self,
        under_way: &mut [Asked],
        current: &Current,
        attributes: &Attributes,
        visit: &mut Visit<'_>,
    ) -> Result<bool> {
        let guessed = only_one(under_way).filter(|_| !current.sections.is_empty());
        let Some(uid) = attributes.uid.or(guessed) else {
            return Ok(false);
        };
        if guessed.is_some_and(|guessed| guessed != uid) {
            let rule = "a question about one message is answered with that message";
            let text = uid.to_string();
            return Err(self.wire.connection.malformed(rule, text.as_bytes()));
        }
        let is_wanted = |asked: &Asked| {
            let wants_all = current.sections.iter().all(|section| asked.wants(section));
            // What a server says of itself when flags change is no answer, unless flags were asked
            // for.
            let says_little = current.sections.is_empty() && attributes.has_only_flags();
            wants_all && (!says_little || asked.fetch.is_about_flags() || current.was_passed_over)
        };
        let mut waiting = under_way.iter_mut().filter(|asked| asked.awaits(uid));
        let Some(asked) = waiting.find(|asked| is_wanted(asked)) else {
            return Ok(false);
        };
        if current.was_passed_over {
            asked.again.insert(uid);
            return Ok(true);
        }
        asked.came.insert(uid);
        let is_there = |wanted: &Section| {
            let mut sections = current.sections.iter();
            sections.any(|section| section.is_same(wanted))
        };
        visit(Fetched::Message {
            uid,
            attributes,
            is_whole: asked.fetch.sections().all(is_there),
        })?;
        Ok(true)
    }
}

/// The message that is meant where none is named: the only one that any question is about.
fn only_one(under_way: &[Asked]) -> Option<u32> {
    match under_way {
        [asked] => asked.fetch.uids.single(),
        _ => None,
    }
}

/// A section begins: it is handed on if it was asked for, of a message that was asked for.
fn section_begins(
    under_way: &[Asked],
    current: &mut Current,
    attributes: &Attributes,
    section: &Section,
    content: &mut Content<'_>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let is_new = !current.sections.iter().any(|other| other.is_same(section));
    let Some(uid) = attributes.uid.or(only_one(under_way)) else {
        current.was_passed_over |= under_way.iter().any(|asked| asked.wants(section));
        return Ok(());
    };
    let is_wanted = |asked: &Asked| asked.awaits(uid) && asked.wants(section);
    if !is_new || !under_way.iter().any(is_wanted) {
        return check_unasked(content);
    }
    current.sections.push(section.clone());
    visit(Fetched::Section {
        uid,
        attributes,
        section,
        content,
    })
}
