//! Transfers: RETR, STOR, APPE and REST (RFC 959, RFC 3659 section 5), listings, and how all of these
//! end.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;

use super::conversation::{refused, Break, Conversation, Result};
use super::facts::{self, cannot};
use super::flaw::Flaw;
use super::hostile;
use super::listing::{self, Row};
use super::rule::Event;
use super::tree::{Entry, Kind, Names, Start};
use super::News;
use crate::peer::Peer;

/// How much goes at once.
const BLOCK: usize = 64 * 1024;

/// How long the other side of a data connection may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a client may take to close a data connection that is waited for.
const CLOSING: Duration = Duration::from_secs(3);

/// A transfer under way.
struct Transfer {
    data: Peer,
    /// What globs match.
    argument: String,
    bytes: u64,
    /// After so many bytes the connection is reset.
    reset_at: Option<u64>,
    /// After so many bytes it ends.
    cut_at: Option<u64>,
}

impl Conversation<'_> {
    /// RFC 3659 section 5.3.
    pub fn rest(&mut self, argument: &[u8]) -> Result {
        let offset = std::str::from_utf8(argument).ok();
        let offset = offset.and_then(|digits| digits.parse().ok());
        let Some(offset) = offset else {
            return Err(self.wrong("501 REST takes a number"));
        };
        self.offset = match self.server.is_flawed(&Flaw::RestIgnored) {
            true => Some(0),
            false => Some(offset),
        };
        self.ok("350 and then?")
    }

    pub fn retr(&mut self, argument: &[u8], offset: u64) -> Result {
        let names = self.required(argument)?;
        let mut source: Box<dyn Read> = match hostile::content(self.server, argument) {
            Some(content) => Box::new(content),
            None => {
                let opened = self.server.with_tree(|tree| {
                    let size = tree.entry(&names)?.size;
                    if offset > size {
                        return Err(io::ErrorKind::InvalidInput.into());
                    }
                    tree.read(&names, offset)
                });
                opened.map_err(cannot)?
            }
        };
        let kind = if self.is_text { "text" } else { "binary" };
        let mut transfer = self.begin_transfer(argument, &format!("150 here it comes, {kind}"))?;
        let mut block = vec![0; BLOCK];
        loop {
            let count = source.read(&mut block)?;
            let bytes = block.get(..count).unwrap_or_default();
            let ends = match self.is_text {
                true => self.send(&mut transfer, &with_crlf(bytes))?,
                false => self.send(&mut transfer, bytes)?,
            };
            if count == 0 || ends {
                return self.end_sending(transfer);
            }
        }
    }

    pub fn stor(&mut self, argument: &[u8], offset: u64) -> Result {
        self.store(argument, Start::At(offset))
    }

    pub fn appe(&mut self, argument: &[u8]) -> Result {
        self.store(argument, Start::End)
    }

    fn store(&mut self, argument: &[u8], start: Start) -> Result {
        let names = self.required(argument)?;
        self.check_writable()?;
        let there = self.server.with_tree(|tree| tree.entry(&names));
        let there = there.map_or(0, |entry| entry.size);
        let begun = match start {
            Start::At(offset) if offset > there => return refused("554 the file is not so long"),
            Start::At(offset) => offset,
            Start::End => there,
        };
        let opened = self.server.with_tree(|tree| tree.write(&names, start));
        let mut sink = opened.map_err(cannot)?;
        let mut transfer = self.begin_transfer(argument, "150 let it come")?;
        let mut block = vec![0; BLOCK];
        loop {
            let deadline = Some(Instant::now() + SILENCE);
            transfer.data.set_deadline(deadline);
            let Ok(count) = transfer.data.read_some(&mut block) else {
                return self.failed(transfer, "426 the data connection broke");
            };
            let bytes = block.get(..count).unwrap_or_default();
            if self.is_text {
                sink.write_all(&without_cr(bytes)).map_err(cannot)?;
            } else if let Err(error) = sink.write_all(bytes) {
                let Break::Refused(reply) = cannot(error) else {
                    return Err(Break::Over);
                };
                return self.failed(transfer, &reply);
            }
            transfer.bytes += count as u64;
            let size = begun + transfer.bytes;
            if self.server.room.is_some_and(|room| size > room) {
                return self.failed(transfer, "552 the disk is full");
            }
            if transfer.reset_at.is_some_and(|at| transfer.bytes >= at) {
                return self.failed(transfer, "426 the data connection broke");
            }
            if self.is_aborted()? {
                return self.failed(transfer, "426 as you wish\n226 and that is all");
            }
            if count == 0 {
                break;
            }
        }
        // An end without close_notify may be a cut (RFC 8446 section 6.1).
        if transfer.data.is_encrypted() && transfer.data.has_ended() {
            return self.failed(transfer, "426 no close_notify came");
        }
        sink.flush().map_err(cannot)?;
        drop(sink);
        self.complete(transfer)
    }

    pub fn check_writable(&mut self) -> Result {
        match self.server.read_only {
            true => refused("550 nothing can be changed here"),
            false => Ok(()),
        }
    }

    // --- listings ---

    /// What is at a path: the entries of a folder, or the file itself.
    fn rows(&mut self, names: &Names) -> Result<Vec<Row>> {
        let server = self.server;
        let found = server.with_tree(|tree| {
            let entry = tree.entry(names)?;
            if entry.is_folder() {
                return tree.entries(names);
            }
            let name = names.last().cloned().unwrap_or_default();
            Ok(vec![(name, entry)])
        });
        let endless = server.is_flawed(&Flaw::EndlessFolders);
        let deeper = || vec![(b"deeper".to_vec(), Entry::folder())];
        let mut rows = match found {
            Err(_) if endless && names.last().is_some_and(|name| name == b"deeper") => deeper(),
            Err(error) => return Err(cannot(error)),
            Ok(mut rows) => {
                if endless {
                    rows.extend(deeper());
                }
                rows
            }
        };
        rows.extend(hostile::rows(server));
        for (_, entry) in &mut rows {
            entry.modified = facts::told_time(server, entry.modified);
        }
        Ok(rows)
    }

    pub fn list(&mut self, argument: &[u8]) -> Result {
        let (path, shows_hidden) = without_options(argument);
        let names = self.names(path)?;
        let mut rows = self.rows(&names)?;
        if !shows_hidden && !self.server.is_flawed(&Flaw::HostileNames) {
            rows.retain(|(name, _)| !name.starts_with(b"."));
        }
        let lines = listing::lines(self.server.style, &rows);
        self.send_lines(argument, lines)
    }

    pub fn nlst(&mut self, argument: &[u8]) -> Result {
        let (path, shows_hidden) = without_options(argument);
        let names = self.names(path)?;
        let rows = self.rows(&names)?.into_iter();
        let lines = rows.map(|(name, _)| name);
        let lines = lines.filter(|name| shows_hidden || !name.starts_with(b"."));
        self.send_lines(argument, lines.collect())
    }

    /// RFC 3659 section 7.
    pub fn mlsd(&mut self, argument: &[u8]) -> Result {
        let names = self.names(argument)?;
        let rows = self.rows(&names)?;
        let here = self.server.with_tree(|tree| tree.entry(&names));
        let here = here.unwrap_or_else(|_| Entry::folder());
        if !here.is_folder() {
            return refused("501 that is no folder");
        }
        let mut lines = vec![facts::line(&self.facts, "cdir", &here, b".")];
        if !names.is_empty() {
            lines.push(facts::line(&self.facts, "pdir", &here, b".."));
        }
        for (name, entry) in &rows {
            lines.push(facts::line(
                &self.facts,
                facts::kind(&entry.kind),
                entry,
                name,
            ));
        }
        self.send_lines(argument, lines)
    }

    fn send_lines(&mut self, argument: &[u8], lines: Vec<Vec<u8>>) -> Result {
        let server = self.server;
        let mut transfer = self.begin_transfer(argument, "150 here it comes")?;
        let mut text = Vec::new();
        for line in &lines {
            text.extend_from_slice(line);
            text.extend_from_slice(b"\r\n");
        }
        if server.is_flawed(&Flaw::StrangeLines) {
            text.extend_from_slice(hostile::STRANGE);
        }
        if self.send(&mut transfer, &text)? {
            return self.end_sending(transfer);
        }
        if server.is_flawed(&Flaw::EndlessLine) {
            let more = vec![b'x'; BLOCK];
            while !self.send(&mut transfer, &more)? {}
        }
        if server.is_flawed(&Flaw::EndlessList) {
            let line = lines
                .last()
                .map_or(&b"-rw-r--r-- 1 a b 1 Jan 1 2020 f"[..], |line| line);
            let mut numbers = 0_u64..;
            loop {
                // Each with another name.
                let mut more = Vec::new();
                for number in numbers.by_ref().take(1000) {
                    more.extend_from_slice(line);
                    more.extend_from_slice(format!("{number}\r\n").as_bytes());
                }
                if self.send(&mut transfer, &more)? {
                    break;
                }
            }
        }
        self.end_sending(transfer)
    }

    // --- how a transfer goes, and ends ---

    fn begin_transfer(&mut self, argument: &[u8], reply: &str) -> Result<Transfer> {
        let argument = escaped(argument);
        let (mut reset_at, mut cut_at) = (None, None);
        for flaw in &self.server.flaws {
            match flaw {
                Flaw::DataReset(count) => reset_at = Some(*count),
                Flaw::DataCut(count) => cut_at = Some(*count),
                _ => {}
            }
        }
        if let Some(rule) = self.server.rule_for(Event("cut"), &[&argument]) {
            let count = rule.reply.as_deref().unwrap_or("0");
            reset_at = Some(count.parse().unwrap_or(0));
        }
        Ok(Transfer {
            data: self.open(reply)?,
            argument,
            bytes: 0,
            reset_at,
            cut_at,
        })
    }

    /// Sends a piece. Whether the transfer ends there.
    fn send(&mut self, transfer: &mut Transfer, bytes: &[u8]) -> Result<bool> {
        let left = |at: Option<u64>| {
            let left = at.map(|at| at.saturating_sub(transfer.bytes));
            left.map_or(usize::MAX, |left| {
                usize::try_from(left).unwrap_or(usize::MAX)
            })
        };
        let (reset, cut) = (left(transfer.reset_at), left(transfer.cut_at));
        let count = bytes.len().min(reset).min(cut);
        let piece = bytes.get(..count).unwrap_or_default();
        let deadline = Some(Instant::now() + SILENCE);
        transfer.data.set_deadline(deadline);
        let sent = transfer.data.write_all(piece);
        if sent.and_then(|()| transfer.data.flush()).is_err() {
            transfer.data.reset();
            return refused("426 the data connection broke");
        }
        transfer.bytes += count as u64;
        if self.is_aborted()? {
            transfer.data.reset();
            return refused("426 as you wish\n226 and that is all");
        }
        if reset <= bytes.len() {
            // What was sent should arrive before the reset does.
            self.peer.wait(Duration::from_millis(20))?;
            transfer.data.reset();
            return refused("426 the data connection broke");
        }
        Ok(cut <= bytes.len())
    }

    /// All bytes were sent.
    fn end_sending(&mut self, mut transfer: Transfer) -> Result {
        let server = self.server;
        let data = &mut transfer.data;
        data.set_deadline(Some(Instant::now() + SILENCE));
        if server.is_flawed(&Flaw::DataStaysOpen) {
            self.say("226 all of it")?;
            // The client ends it, or nobody does.
            self.peer.flush()?;
            is_closed(data);
            return Ok(());
        }
        let _ = data.end_writing();
        if server.is_flawed(&Flaw::WaitsForClose) {
            data.set_deadline(Some(Instant::now() + CLOSING));
            if !is_closed(data) {
                return refused("426 the data connection was not closed");
            }
        }
        self.complete(transfer)
    }

    /// All bytes have gone. What is said of that?
    fn complete(&mut self, transfer: Transfer) -> Result {
        let Transfer {
            data,
            argument,
            bytes,
            ..
        } = transfer;
        drop(data);
        let server = self.server;
        let said = self.consult(Event("transfer"), &[&argument])?;
        server.tell(&News::Transfer {
            connection: self.connection,
            command: &escaped(self.line.as_bytes()),
            bytes,
        });
        if server.is_flawed(&Flaw::Late426) {
            return refused("426 it did not go well");
        }
        if server.is_flawed(&Flaw::Drop226) {
            return Err(Break::Over);
        }
        if server.is_flawed(&Flaw::No226) || server.is_flawed(&Flaw::Early226) {
            return Ok(());
        }
        let reply = said.as_deref().unwrap_or("226 all of it");
        self.say(reply)?;
        if server.is_flawed(&Flaw::Twice226) {
            self.say(reply)?;
        }
        Ok(())
    }

    /// A transfer does not come to its end: its connection is reset.
    fn failed(&mut self, mut transfer: Transfer, reply: &str) -> Result {
        transfer.data.reset();
        refused(reply)
    }
}

/// Whether the client closes a data connection before its deadline.
fn is_closed(data: &mut Peer) -> bool {
    let mut rest = [0; 4096];
    loop {
        match data.read_some(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The options that LIST is often given, as `-la`, and the path behind them. Whether they ask for names
/// that begin with a dot.
fn without_options(argument: &[u8]) -> (&[u8], bool) {
    let mut rest = argument;
    let mut shows_hidden = false;
    while rest.starts_with(b"-") {
        let end = rest.iter().position(|byte| *byte == b' ');
        let (options, after) = rest.split_at(end.unwrap_or(rest.len()));
        shows_hidden |= options.iter().any(|byte| matches!(byte, b'a' | b'A'));
        rest = after.trim_ascii_start();
    }
    (rest, shows_hidden)
}

/// Text as it travels.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if *byte == b'\n' {
            text.push(b'\r');
        }
        text.push(*byte);
    }
    text
}

/// Text as it is kept.
fn without_cr(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect()
}

/// Whether a link can be read: never.
pub(super) fn is_link(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Link(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_not_paths() {
        assert_eq!(without_options(b"-la"), (&b""[..], true));
        assert_eq!(without_options(b"-l  a b"), (&b"a b"[..], false));
        assert_eq!(without_options(b"a -b"), (&b"a -b"[..], false));
        assert_eq!(without_options(b""), (&b""[..], false));
    }
}
