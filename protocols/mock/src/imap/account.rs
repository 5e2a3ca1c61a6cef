//! The commands about mailboxes (RFC 9051 section 6.3), but LIST and its kind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conversation::{Break, Conversation, Result, IDLE};
use super::flaw::Flaw;
use super::listing::attributes;
use super::rule::Event;
use super::structure::astring;
use super::syntax::{Arguments, Parsed};
use super::text::to_utf7;
use super::view::View;
use super::News;
use crate::mailbox::{canonical, Account, Date, Draft, Flags, Mailbox, Refusal, SYSTEM};

/// How long IDLE waits for the client before it looks for news: what waits for both at once is not
/// given to services.
const GLANCE: Duration = Duration::from_millis(10);

impl Conversation<'_> {
    pub fn account_state(
        &mut self,
        account: &Arc<Account>,
        verb: &str,
        arguments: &mut Arguments<'_>,
    ) -> Result<String> {
        match verb {
            "SELECT" | "EXAMINE" => return self.select(account, verb, arguments),
            "APPEND" => return self.append(account, arguments),
            "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE" | "UNSUBSCRIBE" => {
                self.arrange(account, verb, arguments)?;
            }
            "STATUS" => self.status(account, arguments)?,
            "LIST" => self.list(account, arguments)?,
            "LSUB" => self.lsub(account, arguments)?,
            "NAMESPACE" => {
                self.offered("NAMESPACE")?;
                self.no_arguments(arguments)?;
                self.consult(Event::Namespace, &[])?;
                self.say("* NAMESPACE ((\"\" \"/\")) NIL NIL")?;
            }
            "ENABLE" => self.enable(arguments)?,
            "IDLE" => self.idle(account, arguments)?,
            _ => return self.compress(arguments),
        }
        Ok(format!("OK {verb} completed"))
    }

    fn offered(&mut self, capability: &str) -> Result {
        match self.server.has(capability) {
            true => Ok(()),
            false => Err(self.wrong(&format!("{capability} is not offered"))),
        }
    }

    /// Reads the name of a mailbox behind a space.
    pub fn mailbox(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        self.checked(arguments.space())?;
        let name = arguments.mailbox();
        self.checked(name)
    }

    /// A mailbox name as this client reads it.
    pub fn told_name(&self, name: &str) -> String {
        let mut text = Vec::new();
        match self.is_utf8 {
            true => astring(&mut text, name.as_bytes(), true),
            false => astring(&mut text, to_utf7(name).as_bytes(), false),
        }
        super::text::lossy(&text)
    }

    // --- SELECT ---

    /// RFC 9051 section 6.3.2. The mailbox that was selected before is not any more, whatever
    /// becomes of this.
    fn select(
        &mut self,
        account: &Account,
        verb: &str,
        arguments: &mut Arguments<'_>,
    ) -> Result<String> {
        let name = canonical(&self.mailbox(arguments)?);
        if arguments.is_at(b' ') {
            self.checked(arguments.space())?;
            let parameters = arguments.list(Arguments::keyword);
            for parameter in self.checked(parameters)? {
                match parameter.as_str() {
                    "CONDSTORE" if self.server.has("CONDSTORE") => self.has_modseq = true,
                    _ => return Err(self.wrong("no such parameter is offered")),
                }
            }
        }
        self.no_arguments(arguments)?;
        let is_read_only = verb == "EXAMINE";
        let event = if is_read_only {
            Event::Examine
        } else {
            Event::Select
        };
        if self.view.take().is_some() && (self.is_rev2 || self.has_modseq) {
            self.say("* OK [CLOSED] the mailbox before is closed")?;
        }
        self.consult(event, &[&name])?;
        if self.server.is_flawed(&Flaw::NewUidValidity) {
            account.change(|mailboxes| {
                let id = mailboxes.get(&name).map(Mailbox::id);
                id.map(|id| mailboxes.invalidate(id))
            });
        }
        let found = account.change(|mailboxes| {
            let mailbox = mailboxes.get_mut(&name)?;
            let recent_from = match is_read_only {
                true => mailbox.recent_from(),
                false => mailbox.take_recent(),
            };
            let view = View::new(&name, mailbox, is_read_only, recent_from);
            let facts = self.select_lines(mailbox, &view);
            Some((view, facts))
        });
        let (view, lines) = found.ok_or(Refusal::NoMailbox)?;
        for line in lines {
            self.say(&line)?;
        }
        if self.is_rev2 {
            let attributes = account.read(|mailboxes| attributes(mailboxes, &name, true));
            let told = self.told_name(&name);
            self.say(&format!("* LIST ({}) \"/\" {told}", attributes.join(" ")))?;
        }
        self.view = Some(view);
        let code = if is_read_only {
            "READ-ONLY"
        } else {
            "READ-WRITE"
        };
        Ok(format!("OK [{code}] {verb} completed"))
    }

    fn select_lines(&self, mailbox: &Mailbox, view: &View) -> Vec<String> {
        let mut flags: Flags = SYSTEM.iter().collect();
        flags.extend(&mailbox.keywords());
        let permanent = match view.is_read_only {
            true => String::new(),
            false => format!("{flags} \\*"),
        };
        let mut lines = vec![
            format!("* FLAGS ({flags})"),
            format!("* OK [PERMANENTFLAGS ({permanent})] these stay"),
            format!("* {} EXISTS", view.uids.len()),
        ];
        if !self.is_rev2 {
            lines.push(format!("* {} RECENT", view.recent()));
            let mut messages = mailbox.messages().iter();
            if let Some(place) = messages.position(|message| !message.flags.contains("\\Seen")) {
                lines.push(format!("* OK [UNSEEN {}] the first", View::number(place)));
            }
        }
        if !self.server.is_flawed(&Flaw::NoUidValidity) {
            lines.push(format!(
                "* OK [UIDVALIDITY {}] UIDs are valid",
                mailbox.uid_validity()
            ));
        }
        if self.server.is_flawed(&Flaw::UidNotSticky) {
            lines.push("* NO [UIDNOTSTICKY] UIDs do not last".to_owned());
        }
        lines.push(format!(
            "* OK [UIDNEXT {}] the next UID",
            mailbox.uid_next()
        ));
        if self.server.has("CONDSTORE") {
            lines.push(format!(
                "* OK [HIGHESTMODSEQ {}] the last",
                mailbox.highest_modseq()
            ));
        }
        lines
    }

    // --- the tree ---

    fn arrange(&mut self, account: &Account, verb: &str, arguments: &mut Arguments<'_>) -> Result {
        let name = self.mailbox(arguments)?;
        let to = match verb {
            "RENAME" => self.mailbox(arguments)?,
            _ => String::new(),
        };
        self.no_arguments(arguments)?;
        let event = match verb {
            "CREATE" => Event::Create,
            "DELETE" => Event::Delete,
            "RENAME" => Event::Rename,
            "SUBSCRIBE" => Event::Subscribe,
            _ => Event::Unsubscribe,
        };
        self.consult(event, &[&name])?;
        account.change(|mailboxes| match verb {
            "CREATE" => mailboxes.create(&name),
            "DELETE" => mailboxes.delete(&name),
            "RENAME" => mailboxes.rename(&name, &to),
            _ => {
                mailboxes.subscribe(&name, verb == "SUBSCRIBE");
                Ok(())
            }
        })?;
        Ok(())
    }

    // --- STATUS ---

    fn status(&mut self, account: &Account, arguments: &mut Arguments<'_>) -> Result {
        let name = self.mailbox(arguments)?;
        self.checked(arguments.space())?;
        let items = self.status_items(arguments);
        let items = self.checked(items)?;
        self.no_arguments(arguments)?;
        self.consult(Event::Status, &[&name])?;
        self.say_status(account, &name, &items)
    }

    /// `(MESSAGES UIDNEXT)`
    pub fn status_items(&self, arguments: &mut Arguments<'_>) -> Parsed<Vec<String>> {
        let items = arguments.list(Arguments::keyword)?;
        let is_known = |item: &String| match item.as_str() {
            "MESSAGES" | "RECENT" | "UIDNEXT" | "UIDVALIDITY" | "UNSEEN" | "DELETED" => true,
            "SIZE" => self.server.has("STATUS=SIZE"),
            "HIGHESTMODSEQ" => self.server.has("CONDSTORE"),
            _ => false,
        };
        match items.iter().find(|item| !is_known(item)) {
            None if items.is_empty() => Err("an item is missing".to_owned()),
            None => Ok(items),
            Some(item) => Err(format!("there is no item {item}")),
        }
    }

    pub fn say_status(&mut self, account: &Account, name: &str, items: &[String]) -> Result {
        self.has_modseq |= items.iter().any(|item| item == "HIGHESTMODSEQ");
        let told = account.read(|mailboxes| {
            let mailbox = mailboxes.get(name)?;
            let values = items
                .iter()
                .map(|item| format!("{item} {}", value(mailbox, item)));
            Some(values.collect::<Vec<_>>().join(" "))
        });
        let told = told.ok_or(Refusal::NoMailbox)?;
        let name = self.told_name(&canonical(name));
        Ok(self.say(&format!("* STATUS {name} ({told})"))?)
    }

    // --- APPEND ---

    /// RFC 9051 section 6.3.12, RFC 6855 section 4.
    fn append(&mut self, account: &Account, arguments: &mut Arguments<'_>) -> Result<String> {
        let name = self.mailbox(arguments)?;
        self.checked(arguments.space())?;
        let parsed = self.draft(arguments);
        let draft = self.checked(parsed)?;
        self.no_arguments(arguments)?;
        self.consult(Event::Append, &[&name])?;
        let placed = account.change(|mailboxes| mailboxes.append(&name, draft));
        let (validity, uid) = placed.map_err(|refusal| match refusal {
            Refusal::NoMailbox => {
                Break::Refused("NO [TRYCREATE] there is no such mailbox".to_owned())
            }
            other => other.into(),
        })?;
        let server = self.server;
        server.tell(&News::Appended {
            connection: self.connection,
            mailbox: &name,
            uid,
        });
        Ok(match self.server.has("UIDPLUS") {
            true => format!("OK [APPENDUID {validity} {uid}] APPEND completed"),
            false => "OK APPEND completed".to_owned(),
        })
    }

    fn draft(&self, arguments: &mut Arguments<'_>) -> Parsed<Draft> {
        let mut flags = Flags::default();
        let mut date = Date::now();
        if arguments.is_at(b'(') {
            flags = arguments.flag_list()?;
            arguments.space()?;
        }
        if arguments.is_at(b'"') {
            date = arguments.date_time()?;
            arguments.space()?;
        }
        let content = match arguments.eat_word("UTF8 (~") {
            true if !self.is_utf8 => return Err("UTF8 was not enabled".to_owned()),
            true => {
                let content = arguments.literal()?;
                arguments.expect(b')')?;
                content
            }
            false => arguments.literal()?,
        };
        if content.contains(&0) {
            return Err("NUL in a message".to_owned());
        }
        let mut draft = Draft::new(content);
        (draft.flags, draft.date) = (flags, date);
        Ok(draft)
    }

    // --- ENABLE, IDLE, COMPRESS ---

    /// RFC 5161. What is not known is passed over.
    fn enable(&mut self, arguments: &mut Arguments<'_>) -> Result {
        self.offered("ENABLE")?;
        let mut wanted = Vec::new();
        while wanted.is_empty() || arguments.is_at(b' ') {
            self.checked(arguments.space())?;
            let name = arguments.keyword();
            wanted.push(self.checked(name)?);
        }
        self.no_arguments(arguments)?;
        if self.view.is_some() {
            self.note("ENABLE comes before a mailbox is selected (RFC 5161 section 3.1)");
        }
        self.consult(Event::Enable, &[])?;
        let mut enabled = Vec::new();
        for name in wanted.iter().filter(|name| self.server.has(name)) {
            let is_new = match name.as_str() {
                "IMAP4REV2" => {
                    self.is_utf8 = true;
                    !std::mem::replace(&mut self.is_rev2, true)
                }
                "UTF8=ACCEPT" => !std::mem::replace(&mut self.is_utf8, true),
                "CONDSTORE" => !std::mem::replace(&mut self.has_modseq, true),
                _ => continue,
            };
            if is_new {
                enabled.push(name.replace("REV", "rev"));
            }
        }
        let line = format!("* ENABLED {}", enabled.join(" "));
        Ok(self.say(line.trim_end())?)
    }

    /// RFC 2177: until DONE, news are told as they come.
    fn idle(&mut self, account: &Account, arguments: &Arguments<'_>) -> Result {
        self.offered("IDLE")?;
        self.no_arguments(arguments)?;
        self.check_last_of_a_group();
        self.consult(Event::Idle, &[])?;
        self.say("+ idling")?;
        let end = Instant::now() + IDLE;
        let mut seen = None;
        while !self.channel.has_line() {
            // The last glance has used its deadline up.
            self.channel.peer.set_deadline(Some(end));
            let generation = account.generation();
            if seen != Some(generation) {
                seen = Some(generation);
                self.tell_news(true)?;
            }
            self.channel.flush()?;
            let now = Instant::now();
            if now >= end {
                self.say("* BYE you were idle for too long")?;
                return Err(Break::Over);
            }
            self.channel.peer.set_deadline(Some(now + GLANCE));
            match self.channel.fill() {
                Ok(0) => return Err(Break::Over),
                Err(error) if error.kind() != std::io::ErrorKind::TimedOut => {
                    return Err(error.into());
                }
                Ok(_) | Err(_) => {}
            }
        }
        let line = self.read_line(64)?;
        match line.eq_ignore_ascii_case(b"DONE") {
            true => Ok(()),
            false => Err(self.wrong("IDLE ends with DONE")),
        }
    }

    /// RFC 4978.
    fn compress(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        self.offered("COMPRESS=DEFLATE")?;
        self.checked(arguments.space())?;
        let method = arguments.keyword();
        if self.checked(method)? != "DEFLATE" {
            return Err(self.wrong("there is only DEFLATE"));
        }
        self.no_arguments(arguments)?;
        if self.channel.is_compressed() {
            return Err(Break::Refused(
                "NO [COMPRESSIONACTIVE] it is compressed".to_owned(),
            ));
        }
        self.check_last_of_a_group();
        self.consult(Event::Compress, &[])?;
        let tag = std::mem::take(&mut self.tag);
        self.say(&format!("{tag} OK DEFLATE active"))?;
        self.channel.compress()?;
        // The reply is said already.
        Ok(String::new())
    }
}

fn value(mailbox: &Mailbox, item: &str) -> u64 {
    let without = |flag: &str, wanted: bool| {
        let messages = mailbox.messages().iter();
        let counted = messages.filter(|message| message.flags.contains(flag) == wanted);
        counted.count() as u64
    };
    match item {
        "MESSAGES" => mailbox.messages().len() as u64,
        "RECENT" => mailbox.messages_from(mailbox.recent_from()).len() as u64,
        "UIDNEXT" => mailbox.uid_next().into(),
        "UIDVALIDITY" => mailbox.uid_validity().into(),
        "UNSEEN" => without("\\Seen", false),
        "DELETED" => without("\\Deleted", true),
        "SIZE" => mailbox
            .messages()
            .iter()
            .map(crate::mailbox::Message::size)
            .sum(),
        _ => mailbox.highest_modseq(),
    }
}
