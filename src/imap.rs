//! What the IMAP commands share: the way to an account, and which messages are meant.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use proto_imap::{
    Client, Flag, Key, Mailbox, Method, Search, Selected, Session, Target, UidSet, Watch,
};
use proto_transport::escape::escaped;
use proto_transport::{without_password, Connector, Error, Refusal, Result, Security};

use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching;
use crate::imap_terms::search;
use crate::login::{is_private, login, no_mechanism, secured, Login, UpgradeArgs};
use crate::protocol::IMAP;
use crate::report::{Record, Stage};
use crate::rows::Rows;

/// What every IMAP command can be asked for.
#[derive(clap::Args, Clone, Default)]
pub struct ImapArgs {
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
    /// Compress both ways, where the server can (RFC 4978)
    #[arg(long, help_heading = "Connection")]
    pub compress: bool,
}

/// The way to one account.
pub struct Service {
    connector: Connector,
    target: Target,
    login: Option<Login>,
    method: Option<Method>,
    is_private: bool,
    compress: bool,
    is_quiet: bool,
    /// Alerts that were shown.
    shown: RefCell<HashSet<String>>,
    /// The server offers IDLE and said no to it.
    refuses_idle: Cell<bool>,
}

/// Alerts that are remembered: of more, the same may be shown again.
const REMEMBERED: usize = 100;

impl Service {
    /// The way to the account that `target` names, with the security that its use asks for.
    pub fn new(target: &Target, args: &ImapArgs, common: &CommonArgs) -> Result<Service> {
        let connector = common.connector(&IMAP)?;
        let login = login(common, target.url(), &target.endpoint)?;
        let method = login.as_ref().and_then(|login| login.mechanism.as_deref());
        let method =
            method.map(|name| Method::from_name(name).ok_or_else(|| no_mechanism(name, &[])));
        // Without a user, only a server that has us logged in already will do; that too is private.
        let endpoint = secured(&target.endpoint, common, &args.upgrade, true, &connector)?;
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            method: method.transpose()?,
            connector,
            target: target.at(endpoint),
            login,
            compress: args.compress,
            is_quiet: common.looking.quiet,
            shown: RefCell::default(),
            refuses_idle: Cell::new(false),
        })
    }

    /// A name for the account, which the state is kept under.
    pub fn account(&self) -> String {
        let user = self.login.as_ref().map_or("", Login::user);
        format!("{user}@{}", self.target.endpoint)
    }

    /// What the URL names.
    pub fn target(&self) -> &Target {
        &self.target
    }

    fn reach(&self, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let mut client = Client::connect(&self.connector, &self.target)?;
        record.connected(client.connection().facts(), false);
        if self.target.endpoint.security == Security::StartTls {
            record.stage = Stage::Tls;
            if client.capabilities().is_empty() {
                client.ask_capabilities()?;
            }
            client = client.start_tls()?;
            record.connected(client.connection().facts(), false);
        }
        record.stage = Stage::Auth;
        if client.capabilities().is_empty() {
            client.ask_capabilities()?;
        }
        Ok(client)
    }

    /// Connects, upgrades where that is asked for, and logs in.
    pub fn open(&self, record: &mut Record) -> Result<Session> {
        let mut client = self.connector.once_more(|| self.reach(record))?;
        let is_encrypted = client.connection().is_encrypted();
        self.show(client.take_alerts(), is_encrypted);
        let mut session = match &self.login {
            Some(login) => client.log_in(&login.credentials, self.method, self.is_private)?,
            None if client.is_preauthenticated() => client.enter(self.is_private)?,
            None => {
                client.log_out();
                return Err(Error::illegal("whose account? See -u, or imap://user@host"));
            }
        };
        record.stage = Stage::Command;
        if self.compress && session.capabilities().offers("COMPRESS=DEFLATE") {
            session.compress()?;
        }
        self.tell(&mut session);
        Ok(session)
    }

    /// The same as often as `--retry` says, for commands that must not do again what comes then.
    pub fn open_patiently(&self, record: &mut Record, common: &CommonArgs) -> Result<Session> {
        retrying(common, crate::note, |_| self.open(record))
    }

    /// Opens the mailbox that the URL names, to look at it or to change it. Where the URL tells
    /// UIDVALIDITY, it must still be that.
    pub fn enter(&self, session: &mut Session, access: Access) -> Result<Selected> {
        let mailbox = mailbox_of(&self.target)?;
        let selected = match access {
            Access::Look => session.examine(mailbox)?,
            Access::Change => session.select(mailbox)?,
        };
        let refused = |reply: String| {
            Err(Error::Refused {
                peer: self.target.endpoint.to_string(),
                doing: "opening a mailbox".to_owned(),
                reply,
                refusal: Refusal::Lasting,
            })
        };
        match (self.target.uid_validity, selected.uid_validity) {
            (Some(wanted), found) if found != Some(wanted) => {
                let found = found.map_or("none".to_owned(), |found| found.to_string());
                return refused(format!(
                    "the URL is out of date: it says UIDVALIDITY {wanted}, and the mailbox has {found}"
                ));
            }
            _ => {}
        }
        if access == Access::Change && selected.is_read_only {
            return refused("nothing can be changed in it (READ-ONLY)".to_owned());
        }
        Ok(selected)
    }

    /// Shows what the server wants users to see (RFC 9051 section 7.1), and what was passed over.
    pub fn tell(&self, session: &mut Session) {
        let is_encrypted = session.connection().is_encrypted();
        self.show(session.take_alerts(), is_encrypted);
        for note in session.take_notes() {
            crate::warn(&note);
        }
    }

    /// Shows each text once, however often the server says it.
    fn show(&self, alerts: Vec<String>, is_encrypted: bool) {
        if self.is_quiet {
            return;
        }
        let who = match is_encrypted {
            true => "the server says",
            // RFC 9051 section 7.1: such alerts are marked.
            false => {
                "in the clear, so that anybody on the way could have written it, the server says"
            }
        };
        let mut shown = self.shown.borrow_mut();
        for alert in alerts {
            if shown.len() >= REMEMBERED {
                shown.clear();
            }
            if shown.insert(alert.clone()) {
                crate::note(&format!("{who}: {}", escaped(alert.as_bytes())));
            }
        }
    }

    /// Waits for news by IDLE ([`Session::idle`]); `false` where the server does not offer it, or
    /// offers it and says no: then it is to be asked now and then.
    pub fn idle(
        &self,
        session: &mut Session,
        time: Duration,
        told: &mut Watch<'_>,
    ) -> Result<bool> {
        if self.refuses_idle.get() || !session.capabilities().offers("IDLE") {
            return Ok(false);
        }
        match session.idle(time, told) {
            Err(error @ Error::Refused { .. }) if session.is_open() => {
                self.refuses_idle.set(true);
                if !self.is_quiet {
                    crate::warn(&format!("{error}; it is asked now and then instead"));
                }
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }
}

/// What a mailbox is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing in it changes.
    Look,
    /// Something in it is to change.
    Change,
}

/// The mailbox that a URL names.
pub fn mailbox_of(target: &Target) -> Result<&Mailbox> {
    let mailbox = target.mailbox.as_ref();
    mailbox.ok_or_else(|| Error::illegal("which mailbox? imap://user@host/INBOX names one"))
}

/// How messages are chosen, but by UID.
#[derive(clap::Args, Clone, Default)]
pub struct ChoiceArgs {
    /// Messages that are like this, such as: --search from:alice unseen (see imap-search --help);
    /// every word up to the next option or -- is a term
    #[arg(long, value_name = "TERM", num_args = 1..)]
    pub search: Vec<String>,
}

/// Which messages are meant: those with these UIDs that are found, or all of them.
#[derive(Debug, Clone)]
pub struct Choice {
    uids: Option<UidSet>,
    search: Search,
    is_search: bool,
}

/// Messages found at most: a server that finds more wants our time.
const MOST_FOUND: u64 = 10_000_000;

impl Choice {
    /// What was asked for: by UID, in the command line or else in the URL, by terms, and in the
    /// search of the URL. All of it must be true of a message.
    pub fn new(uids: Option<&UidSet>, terms: &[String], target: &Target) -> Result<Choice> {
        if let Some(word) = terms.iter().find(|word| UidSet::parse(word).is_ok()) {
            return Err(Error::illegal(format!(
                "{word} is no term: uid:{word} names messages, and text:{word} looks for it in \
                 them; UIDs by themselves stand before --search"
            )));
        }
        let found = search(terms, target.search.as_deref())?;
        let uids = uids.or(target.uids.as_ref()).cloned();
        Ok(Choice {
            is_search: !terms.is_empty() || target.search.is_some(),
            search: match &uids {
                Some(uids) => found.and(Key::Uid(uids.clone())),
                None => found,
            },
            uids,
        })
    }

    /// Whether nothing was said, which means every message.
    pub fn is_everything(&self) -> bool {
        self.uids.is_none() && !self.is_search
    }

    /// The same for a command that does something to messages: nobody means all of them by
    /// saying nothing.
    pub fn needed(self) -> Result<Choice> {
        match self.is_everything() {
            false => Ok(self),
            true => Err(Error::illegal(
                "which messages? Name them by UID, as in 1,3,5-9 or 1:*, or by --search",
            )),
        }
    }

    /// The messages that are there. One that is asked for by its UID alone and is not there is an
    /// error, unless there is a search as well.
    pub fn find(&self, session: &mut Session) -> Result<UidSet> {
        let found = session.search(&self.search)?;
        self.check(session, found)
    }

    /// The same in an order (RFC 5256), such as `["REVERSE", "DATE"]`.
    pub fn find_in_order(&self, session: &mut Session, order: &[&str]) -> Result<Vec<u32>> {
        let mut found = session.sort(order, &self.search)?;
        let allowed = self.check(session, found.iter().copied().collect())?;
        found.retain(|uid| allowed.contains(*uid));
        Ok(found)
    }

    fn check(&self, session: &Session, found: UidSet) -> Result<UidSet> {
        let peer = session.connection().peer();
        let found = match &self.uids {
            Some(uids) => found.intersection(uids),
            None => found,
        };
        if found.len() > MOST_FOUND {
            return Err(Error::TooLarge {
                what: format!("{peer}: an answer to a search, in messages,"),
                limit: MOST_FOUND,
            });
        }
        let uids = self.uids.iter().filter(|_| !self.is_search);
        let mut alone = uids.flat_map(|uids| uids.ranges()).copied();
        match alone.find(|(first, last)| first == last && !found.contains(*first)) {
            None => Ok(found),
            Some((uid, _)) => Err(Error::Refused {
                peer: peer.to_owned(),
                doing: "looking for messages".to_owned(),
                reply: format!("there is no message with the UID {uid}"),
                refusal: Refusal::Lasting,
            }),
        }
    }
}

/// Does something with a mailbox that may be missing. If the server says that it could be created,
/// that is done and tried again, or told.
pub fn try_creating<T>(
    session: &mut Session,
    mailbox: &Mailbox,
    creates: bool,
    mut act: impl FnMut(&mut Session) -> Result<T>,
) -> Result<T> {
    match act(session) {
        Err(Error::Refused {
            peer,
            doing,
            reply,
            refusal,
        }) if reply.starts_with("NO [TRYCREATE]") => match creates {
            true => {
                session.create(mailbox)?;
                act(session)
            }
            false => Err(Error::Refused {
                peer,
                doing,
                reply: format!("{reply} (--create makes the mailbox)"),
                refusal,
            }),
        },
        result => result,
    }
}

/// The flags of a message by name. `\Recent` is no property of it, but of a session of old (RFC 9051
/// appendix E).
pub fn flag_names(flags: &[Flag]) -> Vec<&str> {
    let names = flags.iter().map(Flag::as_str);
    names
        .filter(|name| !name.eq_ignore_ascii_case("\\Recent"))
        .collect()
}

/// What a command did, so far.
pub struct Doings<'d> {
    /// What happened with the account.
    pub record: &'d mut Record,
    /// What is shown.
    pub rows: Rows,
    /// Statuses of what failed by itself, and did not stop the rest.
    pub codes: &'d mut Vec<u8>,
}

/// Runs a command about one account, and writes its report.
pub fn reported(
    command: &'static str,
    target: &Target,
    is_json: bool,
    common: &CommonArgs,
    act: impl FnOnce(&mut Doings<'_>) -> Result<()>,
) -> Result<u8> {
    let url = without_password(target.url());
    fetching::reported(command, url, common, |record, codes| {
        let mut doings = Doings {
            record,
            rows: Rows::new(is_json, common.report.is_some()),
            codes,
        };
        let result = act(&mut doings);
        let Doings {
            record, mut rows, ..
        } = doings;
        let written = rows.write();
        record.items = rows.into_items();
        result.and(written)
    })
}
