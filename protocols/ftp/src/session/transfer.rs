//! Transfers: a command, a data connection that opens while the command travels, and the reply that
//! says whether all of it went. Without that reply nothing has succeeded.

use std::io::Read;
use std::time::Duration;

use proto_transport::{Body, Connection, Error, Refusal, Result, StatusReply, UntilClose};

use super::{Ahead, Session};
use crate::data::{accept, connect, listen, peer_host, pour, Mode, Unsent, Way};
use crate::listing::{machine_line, Line, Listing};
use crate::moment::Moment;
use crate::reply::{extended_passive, first, passive, No};
use crate::request::{Path, Request, Type};
use crate::wire::{hear, say};

/// What is done with the bytes of a file as they stream in.
pub type Visit<'v> = dyn FnMut(&mut Body<'_, UntilClose>) -> Result<()> + 'v;

/// How long a reply may take that only tells why something else has failed.
const SOON: Duration = Duration::from_secs(10);

/// The same where there was time enough for it to come.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Replies at most until an aborted transfer has come to rest: of the transfer, of what was asked
/// ahead, of ABOR, of NOOP, and one more.
const LAST_REPLIES: usize = 5;

/// What was in a listing, as far as it tells whether there was one.
#[derive(Default)]
struct Seen {
    /// Lines that are about nothing in the folder.
    nothings: usize,
    /// All other lines.
    others: usize,
    /// The name of a folder that is all there is.
    only_folder: Option<Vec<u8>>,
}

impl Seen {
    fn note(&mut self, line: &Line) {
        if *line == Line::Nothing {
            self.nothings += 1;
            return;
        }
        self.others += 1;
        self.only_folder = match line {
            Line::Entry(entry) if self.others == 1 && entry.kind == super::Kind::Folder => {
                Some(entry.name.clone())
            }
            _ => None,
        };
    }
}

/// Lines of a listing that are handed on at most: more files than anybody has in a folder.
const MOST_LINES: u64 = 2_000_000;

impl Session {
    /// Hands on each line of the listing of a folder; `None` is the folder that we are in. By MLSD
    /// where the server has it, else by LIST, where a path that holds `*`, `?` or `[` may be taken
    /// for a pattern. An error of `each` aborts the listing.
    ///
    /// Some servers have an empty listing for what is not there, or may not be read; that is an error
    /// here, found by going there and back.
    pub fn list(
        &mut self,
        path: Option<&Path>,
        each: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<()> {
        let mut seen = Seen::default();
        self.list_lines(path, &mut |line| {
            seen.note(&line);
            each(line)
        })?;
        let was_closed = self.was_closed;
        path.map_or(Ok(()), |path| self.check_listed(path, &seen))?;
        match was_closed {
            true => {
                self.doing_with("listing", path);
                let told = "it is there, and the server may not read it";
                Err(self.connection.refused(told.to_owned(), Refusal::Lasting))
            }
            false => Ok(()),
        }
    }

    /// Whether a listing that came is one of a folder.
    fn check_listed(&mut self, path: &Path, seen: &Seen) -> Result<()> {
        // The folder itself and the one above it are in the listings of others.
        if seen.nothings > 1 {
            return Ok(());
        }
        let name = path.as_bytes().rsplit(|byte| *byte == b'/').next();
        match &seen.only_folder {
            None if seen.others == 0 => self.check_folder(path),
            // What vsftpd shows of a folder that it may not read.
            Some(only) if name == Some(only) => match self.check_folder(&path.join(only)?) {
                Err(Error::Refused { .. }) => {
                    self.doing_with("listing", Some(path));
                    let told = "nothing but the folder itself, which may not be read";
                    Err(self.connection.refused(told.to_owned(), Refusal::Lasting))
                }
                result => result,
            },
            _ => Ok(()),
        }
    }

    fn list_lines(
        &mut self,
        path: Option<&Path>,
        each: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<()> {
        if self.lists_facts {
            match self.list_facts(path, each) {
                Err(error) if Session::is_unsupported(&error) => self.lists_facts = false,
                // Of a file there is no MLSD (RFC 3659 section 7.2.1); LIST tells of it.
                Err(error) if path.is_some() && is_about_files(&error) => {}
                result => return result,
            }
        }
        // Servers from before FEAT may keep their text in another character set.
        if self.told_kind.is_some() && !self.features.are_told() {
            self.tell_type(Type::Ascii)?;
        }
        if self.shows_hidden {
            let mut lines = 0_u64;
            let listed = self.list_by(Request::List(path.cloned(), true), path, &mut |line| {
                lines += 1;
                each(line)
            });
            match listed {
                // Either "-a" was taken for a name, or there is nothing to list.
                Ok(()) if lines == 0 => {}
                Err(error) if lines == 0 && is_about_files(&error) => {}
                result => return result,
            }
            lines = 0;
            self.list_by(Request::List(path.cloned(), false), path, &mut |line| {
                lines += 1;
                each(line)
            })?;
            self.shows_hidden = lines == 0;
            return Ok(());
        }
        self.list_by(Request::List(path.cloned(), false), path, each)
    }

    fn list_by(
        &mut self,
        request: Request,
        path: Option<&Path>,
        each: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<()> {
        self.doing_with("listing", path);
        let data = self.begin(&request, 0)?;
        let mut listing = Listing::new(Moment::now());
        self.receive(data, &mut |body| {
            each_line(body, &mut |line| each(listing.line(line)))?;
            match listing.end() {
                Line::Nothing => Ok(()),
                last => each(last),
            }
        })
    }

    fn list_facts(
        &mut self,
        path: Option<&Path>,
        each: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<()> {
        self.doing_with("listing", path);
        let data = self.begin(&Request::MachineList(path.cloned()), 0)?;
        self.receive(data, &mut |body| {
            each_line(body, &mut |line| each(machine_line(line)))
        })
    }

    /// Gets a file from `offset` on. `visit` is handed its bytes as they stream in, and must read
    /// them to their end; its own errors abort the transfer. In type A line ends are CRLF, as they
    /// come.
    ///
    /// What `visit` was handed is all of the file only if this succeeds.
    pub fn get(&mut self, path: &Path, offset: u64, visit: &mut Visit<'_>) -> Result<()> {
        self.tell_type(self.kind)?;
        self.doing_with("getting", Some(path));
        let data = self.begin(&Request::Retrieve(path.clone()), offset)?;
        self.receive(data, visit)
    }

    /// Puts a file: all of `source`, which begins at `offset` of the file. Returns how many bytes of
    /// `source` went. An error of `source` aborts the transfer; what has come by then may stay.
    pub fn put(&mut self, path: &Path, offset: u64, source: &mut dyn Read) -> Result<u64> {
        self.send(
            "putting",
            Request::Store(path.clone()),
            path,
            offset,
            source,
        )
    }

    /// Puts `source` at the end of a file.
    pub fn append(&mut self, path: &Path, source: &mut dyn Read) -> Result<u64> {
        self.send(
            "appending to",
            Request::Append(path.clone()),
            path,
            0,
            source,
        )
    }

    fn doing_with(&mut self, what: &str, path: Option<&Path>) {
        let path = path.map_or("the folder".to_owned(), Path::to_string);
        self.doing = format!("{what} {path}");
        self.connection.doing(self.doing.clone());
    }

    fn send(
        &mut self,
        doing: &str,
        request: Request,
        path: &Path,
        offset: u64,
        source: &mut dyn Read,
    ) -> Result<u64> {
        self.tell_type(self.kind)?;
        self.doing_with(doing, Some(path));
        let mut data = self.begin(&request, offset)?;
        match pour(&mut data, source, self.kind) {
            Ok(sent) => {
                // The end of the data connection is the end of the file (RFC 959 section 3.4.1).
                match data.finish() {
                    Ok(()) => self.hear_success().map(|()| sent),
                    Err(error) => Err(self.explained(error)),
                }
            }
            Err(Unsent::Source(error)) => {
                // Before the data connection ends, so that it does not pass for the file's end.
                let said = self.connection.write_line(Request::Abort.line());
                let said = said.and_then(|()| self.connection.flush());
                drop(data);
                self.come_to_rest(said, SOON);
                Err(error)
            }
            Err(Unsent::Connection(error)) => {
                drop(data);
                Err(self.explained(error))
            }
        }
    }

    /// Says the command of a transfer; the data connection, once the server has begun.
    fn begin(&mut self, request: &Request, offset: u64) -> Result<Connection> {
        let way = self.way()?;
        if offset > 0 {
            self.expect(&Request::Restart(offset), 350)?;
        }
        say(&mut self.connection, request)?;
        if self.may_ask_ahead() {
            self.connection
                .write_line(Request::ExtendedPassive.line())?;
            self.ahead = Ahead::Asked;
        }
        self.connection.flush()?;
        let connected = match &way {
            Way::To(host, port) => {
                match connect(&self.connector, &self.endpoint, host.clone(), *port) {
                    Ok(data) => Some(data),
                    Err(error @ Error::Unreachable { .. }) if self.has_extended => {
                        return self.begin_by_passive(request, offset, error);
                    }
                    Err(error) => return Err(self.explained(error)),
                }
            }
            Way::From(_) => None,
        };
        let reply = hear(&mut self.connection)?;
        if !matches!(reply.code, 125 | 150) {
            // A yes that comes too early leaves open what it was for.
            if reply.code < 400 {
                self.connection.give_up_sending();
            }
            return Err(self.no(&reply, "125 or 150"));
        }
        let data = match (connected, way) {
            (Some(data), _) => Ok(data),
            (None, Way::From(listener)) => accept(&listener, &self.connection, &self.connector),
            (None, Way::To(..)) => Err(self.connection.closed("there is no data connection")),
        };
        let mut data = data.map_err(|error| self.explained(error))?;
        data.doing(format!("{} (data connection)", self.doing));
        if self.is_protected {
            let secured = data.resume_tls(&self.connection);
            let tls = data.facts().tls.as_ref();
            self.is_resumed = tls.is_none_or(|tls| tls.resumed);
            if let Err(error) = secured {
                drop(data);
                return Err(self.explained(unsecured(error, &self.doing)));
            }
        }
        Ok(data)
    }

    /// Nobody is where the reply to EPSV leads: some firewalls know only the older PASV, which is then
    /// what is said from here on. The error of EPSV, if PASV leads nowhere either.
    fn begin_by_passive(
        &mut self,
        request: &Request,
        offset: u64,
        nobody: Error,
    ) -> Result<Connection> {
        let said = self.connection.write_line(Request::Abort.line());
        let said = said.and_then(|()| self.connection.flush());
        // Many servers hear nothing while they wait for us.
        let patience = self.connection.silence();
        let first = self.come_to_rest(said, patience);
        let nobody = match first.filter(|reply| reply.code >= 400) {
            // Nobody was waited for.
            Some(no) if !is_about_data(no.code) => return Err(self.no(&no, "125 or 150")),
            Some(no) => self.no(&no, "125 or 150"),
            None => nobody,
        };
        if !self.connection.is_in_step() {
            return Err(nobody);
        }
        self.has_extended = false;
        self.begin(request, offset).map_err(|error| match error {
            Error::Insecure { .. } => error,
            _ => match No::of(&error) {
                None | Some(No::NoDataConnection | No::Unsupported | No::Other) => nobody,
                // That is about the file.
                Some(_) => error,
            },
        })
    }

    /// How the data connection will come to be: agreed before the command.
    fn way(&mut self) -> Result<Way> {
        let ports = match &self.policy.mode {
            Mode::Passive => return self.passive(),
            Mode::Active(ports) => ports.clone(),
        };
        let listener = listen(&self.connection, ports.as_ref())?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::io("listening for the data connection", error))?;
        if self.has_extended {
            let reply = self.ask(&Request::ExtendedPort(address))?;
            if reply.is(2) {
                return Ok(Way::From(listener));
            }
            if !address.ip().to_canonical().is_ipv4() || !reply.is(5) {
                return Err(self.no(&reply, "200"));
            }
            self.has_extended = false;
        }
        self.expect(&Request::Port(address), 2)?;
        Ok(Way::From(listener))
    }

    fn passive(&mut self) -> Result<Way> {
        let host = peer_host(&self.connection, &self.connector, &self.endpoint);
        let mut refused = None;
        if self.has_extended {
            let reply = match std::mem::replace(&mut self.ahead, Ahead::Nothing) {
                Ahead::Answered(reply) => reply,
                Ahead::Asked => self.hear_ahead()?,
                Ahead::Nothing => self.ask(&Request::ExtendedPassive)?,
            };
            match reply.code {
                229 => {
                    self.knows_extended = true;
                    let port = extended_passive(first(&reply));
                    return self.checked(host, port, "EPSV is answered with (|||port|)", &reply);
                }
                400..=420 | 422..=599 => {
                    self.has_extended = false;
                    refused = Some(self.no(&reply, "229"));
                }
                _ => return Err(self.no(&reply, "229")),
            }
        }
        let reply = self.expect(&Request::Passive, 227);
        // Why EPSV was refused tells more than that PASV is not known.
        let reply = reply.map_err(|error| match refused {
            Some(first) if No::of(&first) != Some(No::Unsupported) => first,
            _ => error,
        })?;
        let told = passive(first(&reply));
        let host = match told {
            Some((address, _)) if self.policy.trusts_address => address.to_string(),
            _ => host,
        };
        let port = told.map(|(_, port)| port);
        self.checked(host, port, "PASV is answered with six numbers", &reply)
    }

    /// Whether the data connection of the next transfer is asked for during this one: only where
    /// the server has shown that it knows how.
    fn may_ask_ahead(&self) -> bool {
        let is_passive = self.policy.mode == Mode::Passive;
        self.more_follows && self.is_hasty && is_passive && self.has_extended && self.knows_extended
    }

    /// The reply to what was asked ahead. A server that has lost it is not waited for as long as for
    /// others, and not asked ahead again.
    pub(super) fn hear_ahead(&mut self) -> Result<StatusReply> {
        let silence = self.connection.silence();
        self.connection.set_silence(silence.min(SOON));
        let reply = hear(&mut self.connection);
        self.connection.set_silence(silence);
        reply.inspect_err(|_| self.connection.give_up_sending())
    }

    fn checked(
        &self,
        host: String,
        port: Option<u16>,
        rule: &str,
        reply: &StatusReply,
    ) -> Result<Way> {
        let port = port.ok_or_else(|| self.malformed(rule, reply))?;
        if port < 1024 && !self.policy.allows_low_ports {
            let rule = "a passive port is 1024 or more: other services are below (RFC 2577)";
            return Err(self.malformed(rule, reply));
        }
        Ok(Way::To(host, port))
    }

    /// Has the bytes visited, and hears whether they were all.
    fn receive(&mut self, mut data: Connection, visit: &mut Visit<'_>) -> Result<()> {
        let mut body = data.body(UntilClose);
        let visited = visit(&mut body).and_then(|()| match body.next_part()? {
            None => Ok(()),
            Some(_) => Err(Error::illegal(
                "what the server sends was not read to its end",
            )),
        });
        drop(body);
        // Over TLS some servers wait for this end before they tell theirs.
        drop(data);
        match visited {
            Ok(()) => self.hear_success(),
            Err(
                error @ (Error::Closed { .. } | Error::Insecure { .. } | Error::TimedOut { .. }),
            ) => Err(self.explained(error)),
            Err(error) => {
                let said = self.connection.write_line(Request::Abort.line());
                self.come_to_rest(said, SOON);
                Err(error)
            }
        }
    }

    /// 226, or 250: all of it went (RFC 959 section 5.4).
    fn hear_success(&mut self) -> Result<()> {
        let reply = hear(&mut self.connection)?;
        let reply = match (reply.code, &self.ahead) {
            (226 | 250, _) | (_, Ahead::Nothing | Ahead::Answered(_)) => reply,
            (_, Ahead::Asked) => self.hear_the_other(reply)?,
        };
        match reply.code {
            226 | 250 => {
                // What vsftpd says of a folder that is missing or that it may not read.
                self.was_closed = reply.to_string().contains("failed to open directory");
                Ok(())
            }
            _ => Err(self.no(&reply, "226")),
        }
    }

    /// Two replies are due and the first is not the transfer's yes. Either the transfer has failed,
    /// or the server answers at once what it is asked during a transfer (ProFTPD: with a 450). The
    /// reply to the transfer, once both are known.
    fn hear_the_other(&mut self, first: StatusReply) -> Result<StatusReply> {
        self.ahead = Ahead::Nothing;
        let second = self.hear_ahead()?;
        let (transfer, ahead) = match (first.code, second.code) {
            (229, _) | (400..=599, 226 | 250) => (second, first),
            _ => (first, second),
        };
        match ahead.code {
            229 => self.ahead = Ahead::Answered(ahead),
            _ => self.is_hasty = false,
        }
        Ok(transfer)
    }

    /// The server's own reason why a data connection has failed, if it gives one soon. What is not
    /// secure remains so, whatever the server thinks of it.
    fn explained(&mut self, error: Error) -> Error {
        // Who has been waited for is not waited for once more.
        let patience = match &error {
            Error::TimedOut { .. } => AT_ONCE,
            _ => SOON,
        };
        let mut reply = self.hear_within(patience);
        // It has begun, or believes that it is done: what it says next would be out of place.
        if reply.as_ref().is_some_and(|reply| reply.is(1)) {
            reply = self.hear_within(patience);
        }
        let Some(reply) = reply.filter(|reply| reply.code >= 400) else {
            return error;
        };
        match (error, self.no(&reply, "226")) {
            (error @ Error::Insecure { .. }, no) if !matches!(no, Error::Insecure { .. }) => error,
            (_, no) => no,
        }
    }

    /// Hears what is left to be said after an abort. The replies to it differ in number, so that the
    /// reply to a NOOP tells where they end. The first of them.
    fn come_to_rest(&mut self, said: Result<()>, patience: Duration) -> Option<StatusReply> {
        // What was asked ahead is answered among the rest.
        self.ahead = Ahead::Nothing;
        let first = said.ok().and_then(|()| self.hear_within(patience));
        if first.is_none() || self.connection.write_line(Request::Nothing.line()).is_err() {
            self.connection.give_up_sending();
            return first;
        }
        for _ in 0..LAST_REPLIES {
            match self.hear_within(patience) {
                Some(reply) if reply.code == 200 => return first,
                Some(_) => {}
                None => return first,
            }
        }
        self.connection.give_up_sending();
        first
    }

    /// A reply that comes soon enough. Without one the control connection is given up.
    fn hear_within(&mut self, patience: Duration) -> Option<StatusReply> {
        let silence = self.connection.silence();
        self.connection.set_silence(silence.min(patience));
        let reply = hear(&mut self.connection).ok();
        self.connection.set_silence(silence);
        if reply.is_none() {
            self.connection.give_up_sending();
        }
        reply
    }
}

/// The error of a data connection that cannot be secured, which is the server's fault alone.
fn unsecured(error: Error, doing: &str) -> Error {
    match error {
        Error::Insecure {
            peer,
            why,
            certificate,
            ..
        } => Error::Insecure {
            peer,
            doing: format!("{doing} (securing the data connection)"),
            // What is advised there is for the control connection.
            why: match certificate {
                true => why,
                false => why.split("; try ").next().unwrap_or_default().to_owned(),
            },
            certificate,
        },
        error => error,
    }
}

/// Whether a no is about the data connection, and not about the file.
fn is_about_data(code: u16) -> bool {
    matches!(code, 425 | 426)
}

/// Whether a no to MLSD may mean that the path is no folder.
fn is_about_files(error: &Error) -> bool {
    let codes = ["501", "504", "550"];
    matches!(error, Error::Refused { reply, .. } if codes.iter().any(|code| reply.starts_with(code)))
}

/// Hands on each line, without its line end.
fn each_line(
    body: &mut Body<'_, UntilClose>,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut lines = 0_u64;
    let mut begun = Vec::new();
    while let Some(part) = body.next_part()? {
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if begun.len() > LONGEST {
                return Err(too_large("a line of a listing, in bytes,", LONGEST as u64));
            }
            if !piece.ends_with(b"\n") {
                continue;
            }
            each(without_end(&begun))?;
            begun.clear();
            lines += 1;
        }
        if lines > MOST_LINES {
            return Err(too_large("a listing, in lines,", MOST_LINES));
        }
    }
    // Old servers leave out the last line's end.
    match begun.is_empty() {
        true => Ok(()),
        false => each(without_end(&begun)),
    }
}

fn too_large(what: &str, limit: u64) -> Error {
    Error::TooLarge {
        what: what.to_owned(),
        limit,
    }
}

/// Bytes of a line of a listing at most: a name has 255 on most systems, and a link's target 4096.
const LONGEST: usize = 8 * 1024;

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
