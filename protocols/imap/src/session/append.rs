//! Adding a message to a mailbox (RFC 9051 section 6.3.12).

use std::io::Read;

use proto_transport::{Error, Result};
use time::OffsetDateTime;

use super::Session;
use crate::mailbox::Mailbox;
use crate::reply::code::Code;
use crate::reply::flag::Flag;
use crate::wire::nothing;

/// What is sent at a time: no more than the connection sends before it listens.
const BLOCK: u64 = 64 * 1024;

impl Session {
    /// Adds a message of exactly `size` octets to a mailbox. Returns UIDVALIDITY and UID, where the
    /// server says them (UIDPLUS). A source of another length costs the connection, if it is too
    /// short; what it has more is not read.
    pub fn append(
        &mut self,
        mailbox: &Mailbox,
        flags: &[Flag],
        date: Option<OffsetDateTime>,
        size: u64,
        source: &mut dyn Read,
    ) -> Result<Option<(u32, u32)>> {
        self.wire.connection.doing("adding a message");
        let command = self.wire.command("APPEND").mailbox(mailbox)?;
        let command = match flags {
            [] => command,
            flags => command.flags(flags)?,
        };
        let runs_ahead = self.wire.may_run_ahead(size);
        let plus = if runs_ahead { "+" } else { "" };
        let command = command.date(date).text(&format!(" {{{size}{plus}}}"));
        let tag = self.wire.say(&command)?;
        if !runs_ahead {
            self.wire.await_go_ahead(&tag)?;
        }
        self.send(size, source)?;
        // The line goes on behind the literal, and ends.
        self.wire.connection.write_line("")?;
        let told = self.wire.finish(&tag, &mut nothing)?;
        match told.code {
            Some(Code::AppendUid { validity, uid }) => Ok(Some((validity, uid))),
            _ => Ok(None),
        }
    }

    /// In blocks that are whole before they go, so that what the server says meanwhile, as it may at
    /// any moment, is no reason to stop: a literal that nobody waited with has to come even where
    /// the answer is no already (RFC 7888 section 4).
    fn send(&mut self, size: u64, source: &mut dyn Read) -> Result<()> {
        let mut block = Vec::new();
        let mut left = size;
        while left > 0 {
            block.clear();
            let part = (&mut *source).take(left.min(BLOCK)).read_to_end(&mut block);
            let sent = match part {
                Ok(0) => Err(Error::illegal(format!(
                    "the message that was to be added is shorter than {size} bytes"
                ))),
                Ok(_) => Ok(block.len() as u64),
                Err(error) => Err(Error::io("reading the message that was to be added", error)),
            };
            let count = sent.inspect_err(|_| self.wire.connection.give_up_sending())?;
            let mut bytes = block.as_slice();
            self.wire.connection.send_exactly(&mut bytes, count)?;
            left -= count;
        }
        Ok(())
    }
}
