//! SEARCH (RFC 9051 section 6.4.4) with what it returns (RFC 4731, RFC 5182).

use super::conversation::{Break, Conversation, Result};
use super::flaw::Flaw;
use super::keys::{keys, Candidate, Key};
use super::rule::Event;
use super::syntax::{compressed, Arguments};
use super::view::View;
use crate::mailbox::Message;

/// What a search found, by number.
pub(super) type Found = Vec<(u32, Message)>;

impl Conversation<'_> {
    pub fn search(&mut self, arguments: &mut Arguments<'_>, by_uid: bool) -> Result<String> {
        let options = self.return_options(arguments)?;
        if arguments.eat_word(" CHARSET ") {
            self.charset(arguments)?;
        }
        self.checked(arguments.space())?;
        let mut key = self.key(arguments)?;
        self.consult(Event::Search, &[])?;
        let found = self.find(&mut key)?;
        let has_modseq = key.has_modseq();
        self.has_modseq |= has_modseq;
        let modseq = found.iter().map(|(_, message)| message.modseq).max();
        let modseq = modseq.filter(|_| has_modseq);
        let number = |(number, message): &(u32, Message)| match by_uid {
            true => message.uid,
            false => *number,
        };
        let mut numbers: Vec<u32> = found.iter().map(number).collect();
        if let Some(count) = self.huge() {
            numbers = (1..=count).collect();
        }
        let mut options = options;
        if let Some(options) = &mut options {
            if options.iter().any(|option| option == "SAVE") {
                self.save(&found, options);
            }
        }
        match options {
            None if !self.is_rev2 => self.say_search("SEARCH", &numbers, modseq)?,
            options => {
                let options = options.unwrap_or_default();
                self.say_esearch(&options, &numbers, by_uid, modseq)?;
            }
        }
        Ok("OK SEARCH completed".to_owned())
    }

    /// ` RETURN (MIN MAX)`
    fn return_options(&mut self, arguments: &mut Arguments<'_>) -> Result<Option<Vec<String>>> {
        if !arguments.eat_word(" RETURN ") {
            return Ok(None);
        }
        if !self.server.has("ESEARCH") {
            return Err(self.wrong("ESEARCH is not offered"));
        }
        let options = arguments.list(Arguments::keyword);
        let mut options = self.checked(options)?;
        let is_known = |option: &String| match option.as_str() {
            "MIN" | "MAX" | "ALL" | "COUNT" => true,
            "SAVE" => self.server.has("SEARCHRES"),
            _ => false,
        };
        if !options.iter().all(is_known) {
            return Err(self.wrong("that cannot be returned"));
        }
        if options.is_empty() {
            options.push("ALL".to_owned());
        }
        Ok(Some(options))
    }

    /// Only what is in every server (RFC 9051 section 6.4.4).
    pub fn charset(&mut self, arguments: &mut Arguments<'_>) -> Result {
        let charset = arguments.text();
        match self.checked(charset)?.to_ascii_uppercase().as_str() {
            "UTF-8" | "US-ASCII" => Ok(()),
            _ => Err(Break::Refused(
                "NO [BADCHARSET (US-ASCII UTF-8)] no such character set".to_owned(),
            )),
        }
    }

    /// Reads keys up to the end of the command.
    pub fn key(&mut self, arguments: &mut Arguments<'_>) -> Result<Key> {
        let key = keys(arguments);
        let mut key = self.checked(key)?;
        self.no_arguments(arguments)?;
        if key.has_modseq() && !self.server.has("CONDSTORE") {
            return Err(self.wrong("CONDSTORE is not offered"));
        }
        let resolved = match &self.view {
            Some(view) => key.resolve(&view.uids, &view.saved),
            None => Ok(()),
        };
        self.checked(resolved)?;
        Ok(key)
    }

    /// The messages that a key fits, by number.
    pub fn find(&mut self, key: &mut Key) -> Result<Found> {
        let mut found = Vec::new();
        let (Some(account), Some(view)) = (&self.account, &self.view) else {
            return Ok(found);
        };
        // Messages are looked at without the lock: deliveries go on meanwhile.
        let messages: Vec<Message> = account.read(|mailboxes| {
            let mailbox = mailboxes.by_id(view.id);
            mailbox
                .map(|mailbox| mailbox.messages().to_vec())
                .unwrap_or_default()
        });
        for message in messages {
            let Ok(place) = view.uids.binary_search(&message.uid) else {
                continue;
            };
            if self.channel.peer.is_stopping() {
                return Err(Break::Over);
            }
            let mut candidate = Candidate::new(&message, view.is_recent(message.uid));
            if key.fits(&mut candidate) {
                found.push((View::number(place), message));
            }
        }
        Ok(found)
    }

    pub fn huge(&self) -> Option<u32> {
        self.server.flaw_value(|flaw| match flaw {
            Flaw::HugeSearch(count) => Some(*count),
            _ => None,
        })
    }

    /// RFC 5182 section 2.1: with MIN or MAX only those are saved.
    fn save(&mut self, found: &Found, options: &mut Vec<String>) {
        let has = |name: &str| options.iter().any(|option| option == name);
        let mut uids: Vec<u32> = found.iter().map(|(_, message)| message.uid).collect();
        if !has("ALL") && !has("COUNT") && (has("MIN") || has("MAX")) {
            let first = uids.first().copied().filter(|_| has("MIN"));
            let last = uids.last().copied().filter(|_| has("MAX"));
            uids = first.into_iter().chain(last).collect();
            uids.dedup();
        }
        options.retain(|option| option != "SAVE");
        if let Some(view) = &mut self.view {
            view.saved = uids;
        }
    }

    /// `* SEARCH 1 2`, or the same of SORT.
    pub fn say_search(&mut self, name: &str, numbers: &[u32], modseq: Option<u64>) -> Result {
        self.say_raw(format!("* {name}").as_bytes())?;
        for number in numbers {
            self.channel.write_all(format!(" {number}").as_bytes())?;
        }
        if let Some(modseq) = modseq {
            self.channel
                .write_all(format!(" (MODSEQ {modseq})").as_bytes())?;
        }
        Ok(self.end_line()?)
    }

    /// `* ESEARCH (TAG "1") UID MIN 1`
    fn say_esearch(
        &mut self,
        options: &[String],
        numbers: &[u32],
        by_uid: bool,
        modseq: Option<u64>,
    ) -> Result {
        let mut line = format!("* ESEARCH (TAG \"{}\")", self.tag);
        if by_uid {
            line.push_str(" UID");
        }
        // Without options, in IMAP4rev2, all are told; with SAVE alone, none.
        let all = ["ALL".to_owned()];
        let options = match options.is_empty() && self.is_rev2 {
            true => all.as_slice(),
            false => options,
        };
        for option in options {
            match (option.as_str(), numbers.first(), numbers.last()) {
                ("COUNT", ..) => line.push_str(&format!(" COUNT {}", numbers.len())),
                ("MIN", Some(first), _) => line.push_str(&format!(" MIN {first}")),
                ("MAX", _, Some(last)) => line.push_str(&format!(" MAX {last}")),
                ("ALL", Some(_), _) => line.push_str(&format!(" ALL {}", compressed(numbers))),
                _ => {}
            }
        }
        if let Some(modseq) = modseq {
            line.push_str(&format!(" MODSEQ {modseq}"));
        }
        Ok(self.say(&line)?)
    }
}
