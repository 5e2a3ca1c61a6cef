//! The conversation: one line asks, and what comes is the answer.

use proto_transport::{Connection, Connector, Dotted, Error, Length, Result, UntilClose};

use crate::attributes::{Attribute, Attributes};
use crate::ending::{Ending, Text};
use crate::kind::{Form, Kind};
use crate::menu::{refusal, Item, Row};
use crate::reader::{refused, refused_by_plus, Reader, DOING};
use crate::target::Target;

/// A server that can be asked once: it hangs up after its answer (RFC 1436 section 2).
pub struct Client {
    connection: Connection,
    target: Target,
    was_asked: bool,
}

/// Rows of a menu at most; the largest real ones have some ten thousand.
const MOST_ROWS: u64 = 100_000;

/// Octets of a menu at most: 16 MiB.
const MOST_OCTETS: u64 = 16 << 20;

/// Octets of a row at most; what is longer is cut.
const LONGEST_ROW: usize = 4096;

/// Octets of what a Gopher+ server says when it refuses, at most.
const LONGEST_REFUSAL: u64 = 4096;

/// How a Gopher+ reply begins (Gopher+ section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// `+5340`: so many bytes.
    Bytes(u64),
    /// `+-1`: up to a dot.
    Dot,
    /// `+-2`: up to the end of the connection.
    Close,
    /// `--1`: an error, up to a dot.
    Refusal,
}

impl Client {
    /// Connects.
    pub fn connect(connector: &Connector, target: &Target) -> Result<Client> {
        let connection = connector.connect(&target.endpoint)?;
        Ok(Client::over(connection, target))
    }

    /// A server on a connection that is there.
    pub fn over(connection: Connection, target: &Target) -> Client {
        Client {
            connection,
            target: target.clone(),
            was_asked: false,
        }
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Asks for the item, which streams. Text loses its dots: the one at its end, and those that were
    /// put before others. Everything else comes as it is, also a menu; see [`Client::menu`].
    pub fn fetch(&mut self) -> Result<Reader<'_>> {
        let form = self.target.kind.form();
        self.fetch_as(form)
    }

    /// As [`Client::fetch`], whatever the item's kind is: [`Form::Text`] undoes dots, the others
    /// leave every byte as it is.
    pub fn fetch_as(&mut self, form: Form) -> Result<Reader<'_>> {
        let target = self.target.clone();
        self.ask(&target)?;
        if target.plus().is_some() {
            return self.announced();
        }
        let ending = match form {
            Form::Text => Ending::Text(Text::default()),
            Form::Menu | Form::Bytes => Ending::Close(UntilClose),
        };
        // A text that is an error is no surprise.
        let may_refuse = target.kind != Kind::Error;
        Ok(Reader::new(&mut self.connection, ending, may_refuse))
    }

    /// Asks for the item as a menu and hands on each row. A row of the kind `3` that comes first is
    /// the server's no. At most 100,000 rows or 16 MiB. Whether a line with a dot ended it: where
    /// none did, and no TLS says so, nobody knows whether it is whole.
    pub fn menu(&mut self, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<bool> {
        let target = self.target.clone();
        self.ask(&target)?;
        let peer = self.connection.peer().to_owned();
        let mut rows = 0;
        let mut reader = match target.plus() {
            Some(_) => self.announced()?,
            None => {
                let ending = Ending::Close(UntilClose);
                Reader::new(&mut self.connection, ending, false)
            }
        };
        reader.lines(LONGEST_ROW, MOST_OCTETS, &mut |line| {
            if line == b"." {
                return Ok(false);
            }
            rows += 1;
            if rows > MOST_ROWS {
                return Err(Error::TooLarge {
                    what: format!("{peer}: a menu, in rows,"),
                    limit: MOST_ROWS,
                });
            }
            match Row::parse(line) {
                Row::Item(Item {
                    kind: Kind::Error,
                    display,
                    ..
                }) if rows == 1 => Err(refused(&peer, &display)),
                row => each(row).map(|()| true),
            }
        })
    }

    /// Asks a Gopher+ server for what it knows of the item (Gopher+ section 2.5). It is held whole,
    /// within the connection's limits of replies.
    pub fn attributes(&mut self) -> Result<Vec<Attribute>> {
        let target = self.target.clone().with_plus("!")?;
        self.ask(&target)?;
        let limits = self.connection.limits().clone();
        let peer = self.connection.peer().to_owned();
        let mut reader = self.announced()?;
        let mut attributes = Attributes::default();
        let mut count = 0;
        reader.lines(limits.line, limits.reply_bytes as u64, &mut |line| {
            count += 1;
            if count > limits.reply_lines {
                return Err(Error::TooLarge {
                    what: format!("{peer}: attributes, in lines,"),
                    limit: limits.reply_lines as u64,
                });
            }
            attributes.add(line);
            Ok(line != b".")
        })?;
        Ok(attributes.into_all())
    }

    fn ask(&mut self, target: &Target) -> Result<()> {
        self.connection.doing(DOING);
        if std::mem::replace(&mut self.was_asked, true) {
            return Err(Error::illegal(
                "a gopher server is asked once; the next question needs another connection",
            ));
        }
        self.connection.expect_quiet()?;
        self.connection.write_line(target.request())
    }

    /// What a Gopher+ server sends behind the line that tells its length.
    fn announced(&mut self) -> Result<Reader<'_>> {
        let line = self.connection.read_line()?.to_vec();
        let ending = match announced(&line) {
            Some(Announced::Bytes(count)) => Ending::Counted(Length::new(count)),
            Some(Announced::Dot) => Ending::Dotted(Dotted::default()),
            Some(Announced::Close) => Ending::Close(UntilClose),
            Some(Announced::Refusal) => return Err(self.refusal_by_plus()),
            None => {
                return Err(match refusal(&line) {
                    Some(why) => refused(self.connection.peer(), &why),
                    None => self.connection.malformed(
                        "a Gopher+ reply begins with + or - and a number; this server may not \
                         know Gopher+",
                        &line,
                    ),
                })
            }
        };
        Ok(Reader::new(&mut self.connection, ending, false))
    }

    /// What is said before the server hangs up or a dot comes is all there is to tell.
    fn refusal_by_plus(&mut self) -> Error {
        let peer = self.connection.peer().to_owned();
        let mut said = Vec::new();
        let mut reader = Reader::new(&mut self.connection, Ending::Text(Text::default()), false);
        let _ = reader.lines(LONGEST_ROW, LONGEST_REFUSAL, &mut |line| {
            if line != b"." {
                said.extend_from_slice(line);
                said.push(b' ');
            }
            Ok(line != b".")
        });
        refused_by_plus(&peer, &said)
    }
}

/// `( "+" / "-" ) ( "-1" / "-2" / 1*DIGIT )`
fn announced(line: &[u8]) -> Option<Announced> {
    let (sign, rest) = line.split_first()?;
    let token = rest.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    let is_number = token.strip_prefix(b"-").unwrap_or(token);
    let is_number = !is_number.is_empty() && is_number.iter().all(u8::is_ascii_digit);
    match (sign, token) {
        (b'-', _) if is_number => Some(Announced::Refusal),
        (b'+', b"-1") => Some(Announced::Dot),
        (b'+', b"-2") => Some(Announced::Close),
        (b'+', digits) if is_number => {
            let digits = std::str::from_utf8(digits).ok()?;
            digits.parse().ok().map(Announced::Bytes)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
