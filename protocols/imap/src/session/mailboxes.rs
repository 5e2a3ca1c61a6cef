//! Mailboxes: which there are, what is in them, opening and closing them.

use std::collections::HashMap;

use proto_transport::{Error, Result};

use super::Session;
use crate::mailbox::{encode, Mailbox};
use crate::reply::code::Code;
use crate::reply::flag::Flag;
use crate::reply::{Data, Listing, Status, Told};
use crate::request::Command;
use crate::wire::{nothing, pass_over, Response};

/// Mailboxes in a list at most; more are an attack on our memory.
const MAILBOXES: usize = 100_000;

/// STATUS commands that may be ahead of their answers.
const AHEAD: usize = 32;

/// What to say of each mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only those that are subscribed to.
    pub only_subscribed: bool,
    /// Status items: `MESSAGES`, `UNSEEN`, `UIDNEXT`, `UIDVALIDITY`, `SIZE`, `DELETED`,
    /// `HIGHESTMODSEQ`. Those that the server cannot know are refused by it.
    pub status: Vec<String>,
    /// What each is there for (RFC 6154), where the server has to be asked.
    pub special_use: bool,
}

/// An open mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub mailbox: Mailbox,
    /// How many messages it held when it was opened.
    pub exists: u32,
    /// What makes UIDs valid. When it is another than last time, all that was known of them is void.
    pub uid_validity: Option<u32>,
    /// The UID that the next message will have.
    pub uid_next: Option<u32>,
    /// The flags that messages may have.
    pub flags: Vec<Flag>,
    /// The flags that can be changed for good.
    pub permanent_flags: Vec<Flag>,
    /// Whether new flags can be made up.
    pub may_invent_flags: bool,
    /// Whether nothing can be changed.
    pub is_read_only: bool,
    /// The last change (RFC 7162); `None` where the mailbox keeps no record of that.
    pub highest_modseq: Option<u64>,
    /// Whether UIDs outlive this session.
    pub has_sticky_uids: bool,
}

impl Selected {
    fn unknown(mailbox: &Mailbox) -> Selected {
        Selected {
            mailbox: mailbox.clone(),
            exists: 0,
            uid_validity: None,
            uid_next: None,
            flags: Vec::new(),
            permanent_flags: Vec::new(),
            may_invent_flags: false,
            is_read_only: false,
            highest_modseq: None,
            has_sticky_uids: true,
        }
    }

    fn learn(&mut self, code: Option<Code>) {
        match code {
            Some(Code::UidValidity(number)) => self.uid_validity = Some(number),
            Some(Code::UidNext(number)) => self.uid_next = Some(number),
            Some(Code::HighestModseq(number)) => self.highest_modseq = Some(number),
            Some(Code::NoModseq) => self.highest_modseq = None,
            Some(Code::UidNotSticky) => self.has_sticky_uids = false,
            Some(Code::ReadOnly) => self.is_read_only = true,
            Some(Code::ReadWrite) => self.is_read_only = false,
            Some(Code::PermanentFlags { flags, may_invent }) => {
                (self.permanent_flags, self.may_invent_flags) = (flags, may_invent);
            }
            _ => {}
        }
    }
}

impl Session {
    /// Which mailboxes there are below `reference` that match one of the patterns, where `*` stands
    /// for anything and `%` for anything but the delimiter. Patterns are Unicode.
    pub fn list(
        &mut self,
        reference: &str,
        patterns: &[&str],
        options: &ListOptions,
    ) -> Result<Vec<Listing>> {
        self.wire.connection.doing("listing mailboxes");
        if let Some(wrong) = options.status.iter().find(|item| !is_status_item(item)) {
            return Err(Error::illegal(format!(
                "{wrong:?} is no item of a mailbox's status"
            )));
        }
        let is_extended = self.wire.capabilities.offers("LIST-EXTENDED");
        let has_status = is_extended && self.wire.capabilities.offers("LIST-STATUS");
        let mut found = match is_extended {
            true => {
                let command = self.extended_list(reference, patterns, options, has_status)?;
                self.collect(vec![command])?
            }
            false => {
                let name = if options.only_subscribed {
                    "LSUB"
                } else {
                    "LIST"
                };
                let commands = patterns.iter().map(|pattern| {
                    let mut command = self.wire.command(name).text(" ");
                    self.push_pattern(&mut command, reference)?;
                    command.push(" ");
                    self.push_pattern(&mut command, pattern)?;
                    Ok(command)
                });
                let commands = commands.collect::<Result<Vec<_>>>()?;
                self.collect(commands)?
            }
        };
        if !options.status.is_empty() && !has_status {
            self.add_status(&mut found, &options.status)?;
        }
        Ok(found)
    }

    /// `"LIST" [SP options] SP reference SP "(" patterns ")" [SP "RETURN" options]` (RFC 5258,
    /// RFC 5819, RFC 6154)
    fn extended_list(
        &self,
        reference: &str,
        patterns: &[&str],
        options: &ListOptions,
        has_status: bool,
    ) -> Result<Command> {
        let start = if options.only_subscribed {
            "LIST (SUBSCRIBED) "
        } else {
            "LIST "
        };
        let mut command = self.wire.command(start);
        self.push_pattern(&mut command, reference)?;
        command.push(" (");
        for (index, pattern) in patterns.iter().enumerate() {
            command.push(if index > 0 { " " } else { "" });
            self.push_pattern(&mut command, pattern)?;
        }
        let mut returned = Vec::new();
        if options.special_use && self.wire.capabilities.offers("SPECIAL-USE") {
            returned.push("SPECIAL-USE".to_owned());
        }
        if has_status && !options.status.is_empty() {
            returned.push(format!("STATUS ({})", options.status.join(" ")));
        }
        match returned.is_empty() {
            true => command.push(")"),
            false => command.push(&format!(") RETURN ({})", returned.join(" "))),
        }
        Ok(command)
    }

    /// A pattern, or the beginning of names, in the form of the wire.
    fn push_pattern(&self, command: &mut Command, pattern: &str) -> Result<()> {
        match self.wire.is_utf8 {
            true => command.push_string(pattern.as_bytes()),
            false => command.push_string(encode(pattern).as_bytes()),
        }
    }

    /// The mailboxes that these commands list, each once, with its status.
    fn collect(&mut self, commands: Vec<Command>) -> Result<Vec<Listing>> {
        let mut found: Vec<Listing> = Vec::new();
        let mut places = HashMap::new();
        let peer = self.wire.connection.peer().to_owned();
        for command in commands {
            self.wire.ask(&command, &mut |data| match data {
                Data::Listing(listing) => {
                    if found.len() >= MAILBOXES {
                        let what = format!("{peer}: a listing, in mailboxes,");
                        return Err(Error::TooLarge {
                            what,
                            limit: MAILBOXES as u64,
                        });
                    }
                    places.entry(listing.mailbox.clone()).or_insert_with(|| {
                        found.push(listing);
                        found.len() - 1
                    });
                    Ok(None)
                }
                Data::Status(mailbox, status) => {
                    let place = places.get(&mailbox).copied();
                    if let Some(listing) = place.and_then(|place: usize| found.get_mut(place)) {
                        listing.status = Some(status);
                    }
                    Ok(None)
                }
                data => Ok(Some(data)),
            })?;
        }
        Ok(found)
    }

    /// Asks for the status of each mailbox, ahead of the answers. A mailbox that says no has none.
    fn add_status(&mut self, found: &mut [Listing], items: &[String]) -> Result<()> {
        let mut begin = 0;
        while let Some(window) = found.get_mut(begin..).filter(|rest| !rest.is_empty()) {
            let window = window.iter_mut().take(AHEAD);
            begin += AHEAD;
            let mut asked = Vec::new();
            for listing in window.filter(|listing| listing.is_selectable()) {
                // A name that only a server can say has no status.
                let Ok(command) = self.status_command(&listing.mailbox, items) else {
                    continue;
                };
                // A name that goes as a literal has to wait for its turn.
                let tag = match command.complete.is_empty() {
                    true => self.say_ahead(&command, asked.is_empty())?,
                    false => {
                        self.hear_status(&mut asked)?;
                        match self.wire.say(&command) {
                            Ok(tag) => tag,
                            Err(Error::Refused { .. }) => continue,
                            Err(error) => return Err(error),
                        }
                    }
                };
                asked.push((tag, listing));
            }
            self.hear_status(&mut asked)?;
        }
        Ok(())
    }

    fn say_ahead(&mut self, command: &Command, is_first: bool) -> Result<String> {
        if is_first {
            return self.wire.say(command);
        }
        let tag = self.wire.tags.next();
        let line = [tag.as_bytes(), b" ", &command.last.text].concat();
        self.wire.connection.write_line(line)?;
        Ok(tag)
    }

    /// Hears what was asked for, in whatever order it comes.
    fn hear_status(&mut self, asked: &mut Vec<(String, &mut Listing)>) -> Result<()> {
        while !asked.is_empty() {
            match self.wire.hear(&mut pass_over)? {
                Response::Data(Data::Status(mailbox, status)) => {
                    let mut listings = asked.iter_mut().map(|(_, listing)| listing);
                    if let Some(listing) = listings.find(|listing| listing.mailbox == mailbox) {
                        listing.status = Some(status);
                    }
                }
                Response::Data(data) => self.wire.unasked(data),
                Response::Skipped => {}
                Response::Tagged(tag, told) => {
                    match asked.iter().position(|(other, _)| *other == tag) {
                        Some(place) => drop(asked.remove(place)),
                        None => return Err(self.wire.unexpected(&format!("{tag} {told}"))),
                    }
                }
                Response::GoAhead(_) => return Err(self.wire.unexpected("+")),
            }
        }
        Ok(())
    }

    fn status_command(&self, mailbox: &Mailbox, items: &[String]) -> Result<Command> {
        let command = self.wire.command("STATUS").mailbox(mailbox)?;
        Ok(command.text(&format!(" ({})", items.join(" "))))
    }

    /// What is in a mailbox that is not open.
    pub fn status(&mut self, mailbox: &Mailbox, items: &[&str]) -> Result<Status> {
        self.wire.connection.doing("asking what is in a mailbox");
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        if let Some(wrong) = items.iter().find(|item| !is_status_item(item)) {
            return Err(Error::illegal(format!(
                "{wrong:?} is no item of a mailbox's status"
            )));
        }
        let command = self.status_command(mailbox, &items)?;
        let mut found = None;
        self.wire.ask(&command, &mut |data| match data {
            Data::Status(named, status) if named == *mailbox => {
                found = Some(status);
                Ok(None)
            }
            data => Ok(Some(data)),
        })?;
        let rule = "STATUS is answered with the status of its mailbox";
        found.ok_or_else(|| self.wire.connection.malformed(rule, b""))
    }

    /// Opens a mailbox.
    pub fn select(&mut self, mailbox: &Mailbox) -> Result<Selected> {
        self.open_mailbox("SELECT", mailbox)
    }

    /// Opens a mailbox to look at it: nothing in it changes, not even `\Recent`.
    pub fn examine(&mut self, mailbox: &Mailbox) -> Result<Selected> {
        self.open_mailbox("EXAMINE", mailbox)
    }

    fn open_mailbox(&mut self, name: &str, mailbox: &Mailbox) -> Result<Selected> {
        self.wire.connection.doing("opening a mailbox");
        let command = self.wire.command(name).mailbox(mailbox)?;
        // Whatever comes of it, the mailbox that was open is not any more (RFC 9051 section 6.3.2).
        self.selected = None;
        let (mut selected, mut exists) = (Selected::unknown(mailbox), None);
        let told = self.wire.ask(&command, &mut |data| {
            match data {
                Data::Exists(count) => exists = Some(count),
                Data::Flags(flags) => selected.flags = flags,
                // What came before was about the mailbox that was open (RFC 7162 section 3.2.11).
                Data::Told(Told {
                    code: Some(Code::Closed),
                    ..
                }) => (selected, exists) = (Selected::unknown(mailbox), None),
                Data::Told(told) => selected.learn(told.code),
                data => return Ok(Some(data)),
            }
            Ok(None)
        })?;
        selected.learn(told.code);
        selected.is_read_only |= name == "EXAMINE";
        let rule = "an open mailbox says how many messages it holds";
        let exists = exists.ok_or_else(|| self.wire.connection.malformed(rule, b""))?;
        selected.exists = exists;
        self.selected = Some(selected.clone());
        Ok(selected)
    }

    /// The mailbox that is open, as it was when it was opened.
    pub fn selected(&self) -> Option<&Selected> {
        self.selected.as_ref()
    }

    /// Closes the mailbox and removes nothing (RFC 3691). Without UNSELECT, it is opened again for
    /// looking only, and then closed, which removes nothing either (RFC 9051 section 6.4.1).
    pub fn unselect(&mut self) -> Result<()> {
        let Some(selected) = &self.selected else {
            return Ok(());
        };
        let mailbox = selected.mailbox.clone();
        let name = match self.wire.capabilities.offers("UNSELECT") {
            true => "UNSELECT",
            false => {
                self.examine(&mailbox)?;
                "CLOSE"
            }
        };
        self.wire.connection.doing("closing the mailbox");
        self.wire.ask(&self.wire.command(name), &mut nothing)?;
        self.selected = None;
        Ok(())
    }

    /// Creates a mailbox.
    pub fn create(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.about(mailbox, "CREATE", "creating a mailbox")
    }

    /// Deletes a mailbox with all its messages.
    pub fn delete_mailbox(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.about(mailbox, "DELETE", "deleting a mailbox")
    }

    /// Subscribes to a mailbox.
    pub fn subscribe(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.about(mailbox, "SUBSCRIBE", "subscribing")
    }

    /// Ends the subscription to a mailbox.
    pub fn unsubscribe(&mut self, mailbox: &Mailbox) -> Result<()> {
        self.about(mailbox, "UNSUBSCRIBE", "ending a subscription")
    }

    fn about(&mut self, mailbox: &Mailbox, name: &str, doing: &'static str) -> Result<()> {
        self.wire.connection.doing(doing);
        let command = self.wire.command(name).mailbox(mailbox)?;
        self.wire.ask(&command, &mut nothing).map(|_| ())
    }
}

fn is_status_item(item: &str) -> bool {
    !item.is_empty()
        && item
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
