//! An open maildrop: what is in it, messages that stream, and what is deleted at the end.

use proto_transport::{Body, Connection, Dotted, Error, Refusal, Result};

use crate::client::{ask_capabilities, hear};
use crate::reply::{listing, size, uid, Capabilities};
use crate::request::Request;

/// An open maildrop. Nobody else can open it until this is closed.
pub struct Session {
    connection: Connection,
    capabilities: Capabilities,
}

/// What is done with each message: it streams in, or the server said no.
pub type Visit<'v> = dyn FnMut(&Request, Result<&mut Body<'_, Dotted>>) -> Result<()> + 'v;

/// Requests that may be ahead of their replies, where the server allows it (RFC 2449 section 6.6).
const DEPTH: usize = 100;

/// Messages in a maildrop that are listed at most; more than that are an attack on our memory.
const MOST: usize = 2_000_000;

/// Octets of a listing at most: a line has a number of 7 digits and a unique-id of 70 octets
/// (RFC 1939 section 7), and as much again for what servers put between and behind.
const MOST_OCTETS: u64 = MOST as u64 * 160;

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

    /// The size of each message, as the server tells it. More than 2,000,000 messages, or 320 MB
    /// of lines, are an error.
    pub fn list(&mut self) -> Result<Vec<(u32, u64)>> {
        self.connection.doing("listing sizes");
        self.ask(&Request::List)?;
        self.lines(|line| {
            let (number, value) = listing(line)?;
            // Some servers do not know; a size is only a hint.
            Some((number, size(value).unwrap_or(0)))
        })
    }

    /// The unique-id of each message; `None` where the server has none. Those with more than 70
    /// octets are none (RFC 1939 section 7), and left out. Limits are those of [`Session::list`].
    pub fn uidl(&mut self) -> Result<Option<Vec<(u32, String)>>> {
        self.connection.doing("listing unique-ids");
        match self.ask(&Request::Uidl) {
            Ok(_) => {}
            Err(Error::Refused {
                refusal: Refusal::Lasting,
                ..
            }) => return Ok(None),
            // A no for the time being is not one for ever: without the ids all would look new.
            Err(error) => return Err(error),
        }
        let lines = self.lines(|line| {
            let (number, value) = listing(line)?;
            Some((number, uid(value)))
        })?;
        let uids = lines.into_iter();
        Ok(Some(
            uids.filter_map(|(number, uid)| Some((number, uid?)))
                .collect(),
        ))
    }

    /// Lines up to the final dot.
    fn lines<T>(&mut self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut octets = 0_u64;
        loop {
            let line = self.connection.read_line()?;
            if line == b"." {
                return Ok(all);
            }
            octets += line.len() as u64;
            match parse(line) {
                Some(value) => all.push(value),
                None => {
                    let line = line.to_vec();
                    let rule = "a listing has a number and a value in each line";
                    return Err(self.connection.malformed(rule, &line));
                }
            }
            if all.len() > MOST {
                return Err(self.too_large("in messages", MOST as u64));
            }
            if octets > MOST_OCTETS {
                return Err(self.too_large("in octets", MOST_OCTETS));
            }
        }
    }

    fn too_large(&self, unit: &str, limit: u64) -> Error {
        Error::TooLarge {
            what: format!("{}: a listing, {unit},", self.connection.peer()),
            limit,
        }
    }

    /// Asks for messages ([`Request::Retr`]) or their beginnings ([`Request::Top`]), ahead of the
    /// replies where the server allows it. `visit` is handed each request with the message as it
    /// streams in, or with the server's no; its own errors end the conversation.
    pub fn fetch(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        visit: &mut Visit<'_>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::Memory;

    fn session(heard: &str, capabilities: &[&str]) -> (Session, proto_transport::Said) {
        let memory = Memory::in_pieces(heard.split_inclusive('\n'));
        let said = memory.said();
        let mut known = Capabilities::default();
        for line in capabilities {
            known.add(line.as_bytes());
        }
        let session = Session {
            connection: Connection::over(memory),
            capabilities: known,
        };
        (session, said)
    }

    fn bodies(session: &mut Session, numbers: &[u32]) -> Result<Vec<String>> {
        let mut all = Vec::new();
        let requests = numbers.iter().map(|number| Request::Retr(*number));
        session.fetch(requests, &mut |request, body| {
            let mut text = format!("{request}: ");
            match body {
                Ok(body) => {
                    while let Some(part) = body.next_part()? {
                        text.push_str(&String::from_utf8_lossy(part));
                    }
                }
                Err(error) => text.push_str(&error.to_string()),
            }
            all.push(text);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn messages_are_asked_for_ahead_where_that_is_offered() {
        let heard = "+OK\r\na\r\n..b\r\n.\r\n-ERR gone\r\n+OK\r\n.\r\n";
        for (capabilities, first) in [
            (&["PIPELINING"][..], "RETR 1\r\nRETR 2\r\nRETR 3\r\n"),
            (&[], "RETR 1\r\n"),
        ] {
            let (mut session, said) = session(heard, capabilities);
            let mut asked = None;
            let probe = said.clone();
            let requests = [Request::Retr(1)]
                .into_iter()
                .chain([2, 3].map(Request::Retr));
            session
                .fetch(requests, &mut |_, _| {
                    asked.get_or_insert(probe.text());
                    Ok(())
                })
                .unwrap();
            assert_eq!(asked.as_deref(), Some(first));
            let (mut session, said) = self::session(heard, capabilities);
            let all = bodies(&mut session, &[1, 2, 3]).unwrap();
            assert_eq!(all[0], "RETR 1: a\r\n.b\r\n");
            assert!(all[1].contains("-ERR gone"), "{}", all[1]);
            assert_eq!(all[2], "RETR 3: ");
            assert_eq!(said.text(), "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
        }
    }

    #[test]
    fn without_pipelining_each_reply_is_waited_for() {
        let (mut session, said) = session("+OK\r\nx\r\n.\r\n", &[]);
        assert!(bodies(&mut session, &[1, 2]).is_err());
        assert_eq!(said.text(), "RETR 1\r\nRETR 2\r\n");
        let (mut session, said) = self::session("+OK\r\nx\r\n", &[]);
        assert!(bodies(&mut session, &[1, 2]).is_err());
        assert_eq!(said.text(), "RETR 1\r\n");
    }

    #[test]
    fn what_nobody_reads_is_passed_over() {
        let (mut session, _) = session("+OK\r\na\r\nb\r\n.\r\n+OK bye\r\n", &[]);
        session
            .fetch([Request::Retr(1)], &mut |_, _| Ok(()))
            .unwrap();
        session.quit().unwrap();
    }

    #[test]
    fn a_body_without_its_dot_is_no_message() {
        let text = "+OK\r\nSubject: x\r\n\r\nhello\r\n.\r\n";
        for length in 0..text.len() {
            let (mut session, _) = session(&text[..length], &[]);
            let error = bodies(&mut session, &[1]).unwrap_err();
            assert!(matches!(error, Error::Closed { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn listings_are_read_and_refusals_are_told() {
        let heard = "+OK 2 320\r\n+OK\r\n1 120\r\n2 200\r\n.\r\n-ERR what?\r\n";
        let (mut session, said) = session(heard, &[]);
        assert_eq!(session.stat().unwrap(), (2, 320));
        assert_eq!(session.list().unwrap(), [(1, 120), (2, 200)]);
        assert_eq!(session.uidl().unwrap(), None);
        assert_eq!(said.text(), "STAT\r\nLIST\r\nUIDL\r\n");
        let (mut session, _) = self::session("+OK\r\nnonsense\r\n.\r\n", &[]);
        assert!(matches!(session.list(), Err(Error::Malformed { .. })));
        let (mut session, _) = self::session("250 OK\r\n", &[]);
        assert!(matches!(session.stat(), Err(Error::Malformed { .. })));
    }

    #[test]
    fn what_is_too_long_is_no_unique_id() {
        let heard = format!("+OK\r\n1 {}\r\n2 a\r\n.\r\n", "x".repeat(71));
        let (mut session, _) = session(&heard, &[]);
        assert_eq!(session.uidl().unwrap().unwrap(), [(2, "a".to_owned())]);
    }

    #[test]
    fn what_is_not_deleted_is_told() {
        let heard = "+OK\r\n-ERR no\r\n-ERR some are left\r\n";
        let (mut session, _) = session(heard, &["PIPELINING"]);
        let mut told = Vec::new();
        session
            .delete([1, 2], &mut |number, result| {
                told.push((number, result.is_ok()))
            })
            .unwrap();
        assert_eq!(told, [(1, true), (2, false)]);
        assert!(session.quit().is_err());
    }

    #[test]
    fn an_answer_before_the_question_is_refused() {
        let memory = Memory::new("+OK 1 2\r\n+OK early\r\n");
        let said = memory.said();
        let mut session = Session {
            connection: Connection::over(memory),
            capabilities: Capabilities::default(),
        };
        session.stat().unwrap();
        assert!(matches!(session.list(), Err(Error::Malformed { .. })));
        assert_eq!(said.text(), "STAT\r\n");
    }
}
