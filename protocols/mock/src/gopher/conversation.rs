//! One conversation: a request, and how its answer travels.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use memchr::memchr;
use proto_transport::escape::escaped;

use super::answer::Answer;
use super::flaw::Flaw;
use super::item::Item;
use super::request::{self, Plus, Request};
use super::rule::Event;
use super::{GopherServer, News};
use crate::peer::Peer;
use crate::rule::Course;

/// What the server knows of one client.
pub(super) struct Conversation<'c> {
    server: &'c GopherServer,
    peer: &'c mut Peer,
    connection: usize,
    /// The request, for what is said of it.
    line: String,
}

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How much of a file is sent at once.
const PIECE: usize = 16 * 1024;

/// How much of an answer is sent that is cut.
const CUT: usize = 40;

/// How long names are that are too long.
const LONG: usize = 100_000;

/// How many items or pieces there are of what does not end, so that a forgotten server does not send
/// for ever.
const ENDLESS: u64 = 10_000_000;

impl<'c> Conversation<'c> {
    pub fn new(
        server: &'c GopherServer,
        peer: &'c mut Peer,
        connection: usize,
    ) -> Conversation<'c> {
        Conversation {
            server,
            peer,
            connection,
            line: String::new(),
        }
    }

    /// Reads the request and answers it; the end of the connection is the end of the answer.
    pub fn hold(mut self) -> io::Result<()> {
        let Some(said) = self.consult(Event::Connect, &[])? else {
            return Ok(());
        };
        self.peer.write_all(&said)?;
        self.expect_progress();
        let Some(line) = self.peer.read_raw_line()? else {
            return Ok(());
        };
        let request = self.hear(&line);
        let selector = String::from_utf8_lossy(&request.selector).into_owned();
        let Some(mut said) = self.consult(Event::Get, &[&selector])? else {
            return Ok(());
        };
        if let (Some(search), []) = (&request.search, said.as_slice()) {
            let search = String::from_utf8_lossy(search).into_owned();
            match self.consult(Event::Search, &[&search])? {
                Some(more) => said = more,
                None => return Ok(()),
            }
        }
        if !said.is_empty() {
            return self.peer.write_all(&said);
        }
        if self.server.is_flawed(&Flaw::Empty) {
            return Ok(());
        }
        self.answer(&request)
    }

    fn hear(&mut self, line: &[u8]) -> Request {
        let server = self.server;
        let end = [&b"\r\n"[..], b"\n"]
            .into_iter()
            .find(|end| line.ends_with(end));
        let text = line.get(..line.len() - end.map_or(0, <[u8]>::len));
        let text = text.unwrap_or_default();
        self.line = escaped(text);
        server.journal.hear(self.connection, &self.line);
        server.tell(&News::Request {
            connection: self.connection,
            line: &self.line,
        });
        if end != Some(b"\r\n") {
            self.note("the request does not end with CRLF");
        }
        let count = self.peer.unread().len();
        if count > 0 {
            self.note(&format!("{count} bytes came behind the request"));
        }
        let (mut request, wrongs) = request::parse(text);
        for wrong in wrongs {
            self.note(wrong);
        }
        if !server.plus && request.plus.take().is_some() {
            self.note("Gopher+ is not offered");
        }
        request
    }

    /// Does what a rule says, and gives what it says instead of the answer, or nothing; `None` if
    /// this is all.
    fn consult(&mut self, event: Event, subjects: &[&str]) -> io::Result<Option<Vec<u8>>> {
        let server = self.server;
        let Some(rule) = server.rule_for(event, subjects) else {
            return Ok(Some(Vec::new()));
        };
        match rule.carry_out(self.peer)? {
            Course::IsOver => Ok(None),
            _ => Ok(Some(rule.reply.clone().unwrap_or_default())),
        }
    }

    fn note(&mut self, what: &str) {
        let server = self.server;
        server.note_violation(self.connection, &self.line, what);
    }

    fn expect_progress(&mut self) {
        self.peer.set_deadline(Some(Instant::now() + IDLE));
    }

    // --- answers ---

    fn answer(&mut self, request: &Request) -> io::Result<()> {
        let answer = self.server.answer(request);
        if self.server.is_flawed(&Flaw::Cut) {
            return self.send_cut(answer);
        }
        if let Some(plus) = request.plus {
            return self.send_plus(request, plus, answer);
        }
        match answer {
            Answer::Error(why) => self.send_menu([Item::error(&why)].into_iter()),
            answer => self.send(answer),
        }
    }

    fn send(&mut self, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Menu(items) => self.send_menu(items),
            Answer::Text(reader) => self.send_text(reader),
            Answer::Binary(reader, _) => self.send_binary(reader),
            Answer::Error(why) => self.send_text(format!("1 {why}\n").as_bytes()),
        }
    }

    fn send_menu(&mut self, items: impl Iterator<Item = Item>) -> io::Result<()> {
        for item in items {
            let line = self.menu_line(item);
            self.say_line(&line)?;
            if self.peer.is_stopping() {
                return Ok(());
            }
        }
        for line in self.extra_lines() {
            self.say_line(&line)?;
        }
        if self.server.is_flawed(&Flaw::EndlessMenu) {
            for number in 0..ENDLESS {
                let line = self.menu_line(Item::new(b'0', format!("Item {number}"), "/mock/text"));
                self.say_line(&line)?;
                self.expect_progress();
                if self.peer.is_stopping() {
                    break;
                }
            }
            return Ok(());
        }
        self.say_dot()
    }

    /// RFC 1436 section 3.9, and Gopher+: a plus sign behind the port.
    fn menu_line(&self, mut item: Item) -> Vec<u8> {
        for flaw in &self.server.flaws {
            self.spoil(&mut item, flaw);
        }
        let (host, port) = item.place.clone().unwrap_or_else(|| self.own_place());
        let plus = match item.place {
            None if self.server.plus => "\t+",
            _ => "",
        };
        let rest = format!("\t{host}\t{port}{plus}");
        let name = &item.name;
        [
            &[item.kind],
            name.as_slice(),
            b"\t",
            &item.selector,
            rest.as_bytes(),
        ]
        .concat()
    }

    fn own_place(&self) -> (String, String) {
        let address = self.peer.local_address();
        let host = match address {
            Some(address) if !address.ip().is_loopback() => address.ip().to_string(),
            _ => "localhost".to_owned(),
        };
        (
            host,
            address.map_or(70, |address| address.port()).to_string(),
        )
    }

    fn spoil(&self, item: &mut Item, flaw: &Flaw) {
        match flaw {
            Flaw::ForeignItems(place) => {
                let (host, port) = place.rsplit_once(':').unwrap_or((place, "70"));
                item.place = Some((host.to_owned(), port.to_owned()));
            }
            Flaw::WrongTypes => {
                item.kind = match item.kind {
                    b'0' => b'9',
                    b'9' | b'I' | b'g' | b'p' => b'0',
                    kind => kind,
                }
            }
            Flaw::Escapes => item
                .name
                .extend_from_slice(b"\x1b[31m\x07\x1b]0;title\x07\x08\x9b2J"),
            Flaw::PathNames => {
                item.name.splice(..0, *b"../../");
                item.selector.splice(..0, *b"../../");
            }
            Flaw::LongNames => item.name.resize(LONG, b'x'),
            Flaw::Latin1 => item.name.extend_from_slice(b" Gr\xfc\xdfe"),
            _ => {}
        }
    }

    fn extra_lines(&self) -> Vec<Vec<u8>> {
        let (host, port) = self.own_place();
        let mut lines: Vec<String> = Vec::new();
        if self.server.is_flawed(&Flaw::FileUrls) {
            for url in [
                "file:///etc/passwd",
                "javascript:alert(1)",
                "data:text/html,x",
            ] {
                lines.push(format!("hA page\tURL:{url}\t{host}\t{port}"));
            }
        }
        if self.server.is_flawed(&Flaw::MalformedLines) {
            lines.extend(
                [
                    "",
                    "0",
                    "no tabs at all",
                    "0One tab\t/mock/text",
                    "0No port\t/mock/text\tlocalhost",
                    "0Bad port\t/mock/text\tlocalhost\t65536",
                    "0No number\t/mock/text\tlocalhost\tgopher",
                    "0Empty host\t/mock/text\t\t70",
                    "0Many\t/mock/text\tlocalhost\t70\t+\tmore\tand more",
                    "\t\t\t",
                    "\u{fc}Not ASCII\t/mock/text\tlocalhost\t70",
                    "0Bare \r CR\t/mock/text\tlocalhost\t70",
                    "0NUL \0\t/mock\0/text\tlocalhost\t70",
                ]
                .map(str::to_owned),
            );
        }
        lines.into_iter().map(String::into_bytes).collect()
    }

    fn send_text(&mut self, reader: impl Read) -> io::Result<()> {
        let is_stuffed = !self.server.is_flawed(&Flaw::Unstuffed);
        let mut lines = Lines::new(reader);
        while let Some(piece) = lines.next()? {
            if piece.begins && is_stuffed && piece.bytes.starts_with(b".") {
                self.peer.write_all(b".")?;
            }
            self.peer.write_all(&piece.bytes)?;
            if piece.ends {
                self.peer.write_all(self.line_end())?;
            }
            self.expect_progress();
        }
        self.say_dot()
    }

    fn send_binary(&mut self, mut reader: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            self.peer
                .write_all(buffer.get(..count).unwrap_or_default())?;
            self.expect_progress();
        }
        if self.server.is_flawed(&Flaw::EndlessBinary) {
            for _ in 0..ENDLESS {
                self.peer.write_all(&buffer)?;
                self.expect_progress();
                if self.peer.is_stopping() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends the beginning of an answer.
    fn send_cut(&mut self, answer: Answer) -> io::Result<()> {
        let mut beginning = Vec::new();
        match answer {
            Answer::Menu(items) => {
                for item in items.take(2) {
                    beginning.extend(self.menu_line(item));
                    beginning.extend_from_slice(b"\r\n");
                }
            }
            Answer::Text(reader) | Answer::Binary(reader, _) => {
                reader.take(CUT as u64).read_to_end(&mut beginning)?;
            }
            Answer::Error(why) => beginning.extend_from_slice(why.as_bytes()),
        }
        beginning.truncate(CUT.min(beginning.len() * 2 / 3));
        self.peer.write_all(&beginning)
    }

    // --- Gopher+ ---

    /// An answer of Gopher+ begins with `+` and its length, `-1` for what ends with a dot, or `-2`
    /// for what ends with the connection; one that is an error with `-`.
    fn send_plus(&mut self, request: &Request, plus: Plus, answer: Answer) -> io::Result<()> {
        if let Answer::Error(why) = answer {
            self.say_line(b"--1")?;
            return self.send(Answer::Error(why));
        }
        match (plus, answer) {
            (Plus::Content, Answer::Binary(reader, length)) => {
                let told = match self.server.is_flawed(&Flaw::WrongLength) {
                    true => length + 1000,
                    false => length,
                };
                self.say_line(format!("+{told}").as_bytes())?;
                self.send_binary(reader)
            }
            (Plus::Content, answer) => {
                self.say_line(b"+-1")?;
                self.send(answer)
            }
            (Plus::MenuAttributes, Answer::Menu(items)) => {
                self.say_line(b"+-1")?;
                for item in items {
                    self.say_attributes(item)?;
                }
                self.say_dot()
            }
            (_, answer) => {
                self.say_line(b"+-1")?;
                let name = request.selector.rsplit(|byte| *byte == b'/').next();
                let name = name.unwrap_or_default();
                let item = Item::new(answer.kind(), name, request.selector.clone());
                self.say_attributes(item)?;
                self.say_dot()
            }
        }
    }

    fn say_attributes(&mut self, item: Item) -> io::Result<()> {
        let view = match item.kind {
            b'1' => "application/gopher+-menu",
            kind if super::item::is_text(kind) => "text/plain",
            _ => "application/octet-stream",
        };
        let info = [b"+INFO: ", self.menu_line(item).as_slice()].concat();
        self.say_line(&info)?;
        for line in [
            "+ADMIN:",
            " Admin: Mock server <gopher@localhost>",
            " Mod-Date: Thu Jan  1 12:00:00 2026 <20260101120000>",
            "+VIEWS:",
        ] {
            self.say_line(line.as_bytes())?;
        }
        self.say_line(format!(" {view}: <1k>").as_bytes())
    }

    // --- lines ---

    fn say_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.peer.write_all(line)?;
        self.peer.write_all(self.line_end())
    }

    fn say_dot(&mut self) -> io::Result<()> {
        if self.server.is_flawed(&Flaw::NoFinalDot) {
            return Ok(());
        }
        self.say_line(b".")?;
        if self.server.is_flawed(&Flaw::BehindDot) {
            self.say_line(b"iThis comes behind the dot\t\terror.host\t1")?;
        }
        Ok(())
    }

    fn line_end(&self) -> &'static [u8] {
        match self.server.is_flawed(&Flaw::BareLf) {
            true => b"\n",
            false => b"\r\n",
        }
    }
}

/// A text, in lines or in pieces of very long ones.
struct Lines<R> {
    reader: R,
    held: Vec<u8>,
    is_over: bool,
    at_line_start: bool,
}

struct Piece {
    bytes: Vec<u8>,
    begins: bool,
    ends: bool,
}

impl<R: Read> Lines<R> {
    fn new(reader: R) -> Lines<R> {
        Lines {
            reader,
            held: Vec::new(),
            is_over: false,
            at_line_start: true,
        }
    }

    /// The next piece, without its line end. The last line ends with the text.
    fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let end = memchr(b'\n', &self.held);
            let is_rest = self.is_over || self.held.len() >= PIECE;
            let length = match end {
                Some(at) => at + 1,
                // A CR at the end may belong to a line end.
                None if is_rest && !self.is_over => {
                    self.held.len() - usize::from(self.held.ends_with(b"\r"))
                }
                None if is_rest => self.held.len(),
                None => {
                    self.fill()?;
                    continue;
                }
            };
            if length == 0 {
                return Ok(None);
            }
            let rest = self.held.split_off(length);
            let mut bytes = std::mem::replace(&mut self.held, rest);
            let begins = self.at_line_start;
            let ends = end.is_some() || self.is_over;
            if end.is_some() {
                bytes.pop();
                bytes.pop_if(|byte| *byte == b'\r');
            }
            self.at_line_start = ends;
            return Ok(Some(Piece {
                bytes,
                begins,
                ends,
            }));
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let before = self.held.len();
        self.held.resize(before + PIECE, 0);
        let count = self
            .reader
            .read(self.held.get_mut(before..).unwrap_or_default())?;
        self.held.truncate(before + count);
        self.is_over = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_length_come_back() {
        for text in [
            String::new(),
            "a\nb\r\n\nc".to_owned(),
            format!("{}\n.\n", "x".repeat(3 * PIECE)),
        ] {
            let mut lines = Lines::new(text.as_bytes());
            let mut joined = String::new();
            while let Some(piece) = lines.next().unwrap() {
                joined += std::str::from_utf8(&piece.bytes).unwrap();
                if piece.ends {
                    joined.push('\n');
                }
            }
            let expected: String = text.lines().map(|line| format!("{line}\n")).collect();
            assert_eq!(joined, expected);
        }
    }
}
