//! An open account: what every verb needs, and those that are about no mailbox in particular.

mod append;
mod fetch;
mod idle;
mod mailboxes;
mod messages;
mod search;

use proto_transport::{Connection, Error, Result};

use crate::client::ask_capabilities;
use crate::reply::{Capabilities, Data, Identity, Namespaces};
use crate::wire::{nothing, Event, Wire};

pub use append::{Added, Draft, Place};
pub use fetch::{Fetched, Visit};
pub use idle::Watch;
pub use mailboxes::{ListOptions, Selected};
pub use messages::{Change, StoreOptions};

/// An open account. Messages are named by UID everywhere.
pub struct Session {
    wire: Wire,
    selected: Option<Selected>,
}

impl Session {
    /// What a server can do may change with the login (RFC 9051 section 6.2.2), so it is asked again
    /// unless it says so by itself.
    pub(crate) fn open(mut wire: Wire) -> Result<Session> {
        if !wire.has_learned {
            ask_capabilities(&mut wire)?;
        }
        Ok(Session {
            wire,
            selected: None,
        })
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.wire.connection
    }

    /// Whether anything can be said: the server has not said goodbye, nor broken the protocol.
    pub fn is_open(&self) -> bool {
        self.wire.can_hear()
    }

    /// What the server can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.wire.capabilities
    }

    /// What the server wants users to see (ALERT), escaped, each text once. At most 50 are kept.
    pub fn take_alerts(&mut self) -> Vec<String> {
        self.wire.take_alerts()
    }

    /// Which responses broke a rule and were skipped, escaped. At most 50 are kept.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.wire.take_notes()
    }

    /// Changes how long silence may last, for a step that may take longer.
    pub fn set_silence(&mut self, silence: std::time::Duration) {
        self.wire.connection.set_silence(silence);
    }

    /// Says who we are, and hears who the server is (RFC 2971). Nothing is said where `ours` is
    /// empty.
    pub fn id(&mut self, ours: &[(&str, &str)]) -> Result<Identity> {
        self.wire.connection.doing("saying who we are");
        let mut command = self.wire.command("ID");
        match ours {
            [] => command.push(" NIL"),
            _ => {
                command.push(" (");
                for (index, (name, value)) in ours.iter().enumerate() {
                    command.push(if index > 0 { " " } else { "" });
                    command.push_string(name.as_bytes())?;
                    command.push(" ");
                    command.push_string(value.as_bytes())?;
                }
                command.push(")");
            }
        }
        let mut found = Identity::new();
        self.wire.ask(&command, &mut |data| match data {
            Data::Identity(identity) => {
                found = identity;
                Ok(None)
            }
            data => Ok(Some(data)),
        })?;
        Ok(found)
    }

    /// Switches extensions on (RFC 5161), such as `UTF8=ACCEPT` and `CONDSTORE`; which of them the
    /// server switched on. Only before a mailbox is open.
    pub fn enable(&mut self, names: &[&str]) -> Result<Capabilities> {
        self.wire.connection.doing("enabling extensions");
        if !self.wire.capabilities.offers("ENABLE") {
            return Err(self.wire.not_offered("ENABLE"));
        }
        let mut command = self.wire.command("ENABLE");
        for name in names {
            if !crate::reply::flag::is_atom(name) {
                return Err(Error::illegal(format!("{name:?} names no extension")));
            }
            command.push(&format!(" {name}"));
        }
        let mut enabled = Capabilities::default();
        self.wire.ask(&command, &mut |data| match data {
            Data::Enabled(names) => {
                enabled = names;
                Ok(None)
            }
            data => Ok(Some(data)),
        })?;
        // RFC 6855 section 3, RFC 9051 section 5.1.
        let names: Vec<&str> = enabled.iter().collect();
        self.wire.takes_utf8_mail |= names.contains(&"UTF8=ACCEPT");
        self.wire.is_utf8 |= self.wire.takes_utf8_mail || names.contains(&"IMAP4REV2");
        Ok(enabled)
    }

    /// Where mailboxes may be (RFC 2342).
    pub fn namespaces(&mut self) -> Result<Namespaces> {
        self.wire.connection.doing("asking for namespaces");
        if !self.wire.capabilities.offers("NAMESPACE") {
            return Err(self.wire.not_offered("NAMESPACE"));
        }
        let mut found = Namespaces::default();
        let command = self.wire.command("NAMESPACE");
        self.wire.ask(&command, &mut |data| match data {
            Data::Namespaces(namespaces) => {
                found = namespaces;
                Ok(None)
            }
            data => Ok(Some(data)),
        })?;
        Ok(found)
    }

    /// Compresses everything from now on (RFC 4978), where the server offers it. What is secret must
    /// not be said beside what others choose after this; the login is over.
    pub fn compress(&mut self) -> Result<()> {
        self.wire.connection.doing("compressing");
        if !self.wire.capabilities.offers("COMPRESS=DEFLATE") {
            return Err(self.wire.not_offered("COMPRESS=DEFLATE"));
        }
        let command = self.wire.command("COMPRESS DEFLATE");
        self.wire.ask(&command, &mut nothing)?;
        self.wire.connection.compress()
    }

    /// Does nothing, and hands on what the server has said unasked since the last time.
    pub fn noop(&mut self, told: &mut dyn FnMut(Event)) -> Result<()> {
        self.wire.connection.doing("asking for news");
        let command = self.wire.command("NOOP");
        self.wire.ask(&command, &mut nothing)?;
        self.take_events().into_iter().for_each(told);
        Ok(())
    }

    /// What the server has said unasked since the last time, in its order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.wire.next_event()).collect()
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn log_out(mut self) {
        self.wire.log_out();
    }

    /// What is about messages needs an open mailbox.
    fn need_mailbox(&self) -> Result<()> {
        match self.selected {
            Some(_) => Ok(()),
            None => Err(Error::illegal("no mailbox is open")),
        }
    }
}

#[cfg(test)]
mod tests;
