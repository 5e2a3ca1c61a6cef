//! An open maildrop: what is in it, messages that stream, and what is deleted at the end.

use proto_transport::{Body, Connection, Dotted, Error, Result};

use crate::client::{ask_capabilities, hear};
use crate::reply::{listing, size, uid, Capabilities};
use crate::request::Request;

/// An open maildrop. Nobody else can open it until this is closed.
pub struct Session {
    connection: Connection,
    capabilities: Capabilities,
}

/// Requests that may be ahead of their replies, where the server allows it (RFC 2449 section 6.6).
const DEPTH: usize = 100;

/// Messages in a maildrop that are listed at most; more than that are an attack on our memory.
const MOST: usize = 10_000_000;

impl Session {
    pub(crate) fn new(mut connection: Connection, known: Capabilities) -> Result<Session> {
        // What a server can do may change with the login (RFC 2449 section 5); one that said nothing
        // of itself before is not asked again.
        let capabilities = if known.iter().next().is_some() {
            connection.doing("asking for capabilities");
            ask_capabilities(&mut connection)?
        } else {
            known
        };
        Ok(Session {
            connection,
            capabilities,
        })
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn ask(&mut self, request: &Request) -> Result<Vec<u8>> {
        self.connection.expect_quiet()?;
        self.connection.write_line(request.to_string())?;
        hear(&mut self.connection)
    }

    /// How many messages there are, and how many octets they have.
    pub fn stat(&mut self) -> Result<(u32, u64)> {
        self.connection.doing("asking what there is");
        let text = self.ask(&Request::Stat)?;
        let parsed = listing_or_zero(&text);
        parsed.ok_or_else(|| {
            self.connection
                .malformed("STAT is answered with two numbers", &text)
        })
    }

    /// The size of each message, as the server tells it.
    pub fn list(&mut self) -> Result<Vec<(u32, u64)>> {
        self.connection.doing("listing sizes");
        self.ask(&Request::List)?;
        self.lines(|line| {
            let (number, value) = listing(line)?;
            // Some servers do not know; a size is only a hint.
            Some((number, size(value).unwrap_or(0)))
        })
    }

    /// The unique-id of each message; `None` where the server has none.
    pub fn uidl(&mut self) -> Result<Option<Vec<(u32, String)>>> {
        self.connection.doing("listing unique-ids");
        match self.ask(&Request::Uidl) {
            Ok(_) => {}
            Err(Error::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let lines = self.lines(|line| {
            let (number, value) = listing(line)?;
            Some((number, uid(value)))
        })?;
        Ok(Some(lines))
    }

    /// Lines up to the final dot.
    fn lines<T>(&mut self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let line = self.connection.read_line()?;
            if line == b"." {
                return Ok(all);
            }
            match parse(line) {
                Some(value) => all.push(value),
                None => {
                    let line = line.to_vec();
                    let rule = "a listing has a number and a value in each line";
                    return Err(self.connection.malformed(rule, &line));
                }
            }
            if all.len() > MOST {
                return Err(Error::TooLarge {
                    what: format!("{}: a listing, in messages,", self.connection.peer()),
                    limit: MOST as u64,
                });
            }
        }
    }

    /// Asks for messages ([`Request::Retr`]) or their beginnings ([`Request::Top`]), ahead of the
    /// replies where the server allows it. `visit` is handed each request with the message as it
    /// streams in, or with the server's no; its own errors end the conversation.
    pub fn fetch(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        visit: &mut dyn FnMut(&Request, Result<&mut Body<'_, Dotted>>) -> Result<()>,
    ) -> Result<()> {
        self.connection.doing("fetching messages");
        self.connection.expect_quiet()?;
        let depth = self.depth();
        self.connection
            .pipeline(depth, requests, |connection, request| {
                match hear(connection) {
                    Ok(_) => {
                        let mut body = connection.body(Dotted::default());
                        visit(&request, Ok(&mut body))?;
                        // What nobody wanted to read is passed over, so that the next reply is next.
                        while body.next_part()?.is_some() {}
                        Ok(())
                    }
                    Err(error @ Error::Refused { .. }) => visit(&request, Err(error)),
                    Err(error) => Err(error),
                }
            })
    }

    /// Marks messages as to be deleted when we say goodbye. `told` hears the server's no.
    pub fn delete(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        told: &mut dyn FnMut(u32, Result<()>),
    ) -> Result<()> {
        self.connection.doing("deleting messages");
        self.connection.expect_quiet()?;
        let depth = self.depth();
        let requests = numbers.into_iter().map(Request::Dele);
        self.connection
            .pipeline(depth, requests, |connection, request| {
                let Request::Dele(number) = request else {
                    return Ok(());
                };
                match hear(connection) {
                    Ok(_) => told(number, Ok(())),
                    Err(error @ Error::Refused { .. }) => told(number, Err(error)),
                    Err(error) => return Err(error),
                }
                Ok(())
            })
    }

    /// How many requests may be ahead of their replies.
    fn depth(&self) -> usize {
        match self.capabilities.offers("PIPELINING") {
            true => DEPTH,
            false => 1,
        }
    }

    /// Says goodbye; what is marked is deleted now (RFC 1939 section 6). A no means that something
    /// was not deleted. Without this nothing is deleted.
    pub fn quit(mut self) -> Result<()> {
        self.connection.doing("saying goodbye");
        self.ask(&Request::Quit).map(|_| ())
    }
}

/// `count SP octets`, where both may be zero.
fn listing_or_zero(text: &[u8]) -> Option<(u32, u64)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut numbers = text.split_ascii_whitespace();
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
