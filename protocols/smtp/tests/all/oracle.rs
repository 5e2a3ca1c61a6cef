//! What a server that said all this must think of what it heard: the commands that were captured, each
//! with the reply that was its turn. It knows nothing of how the client works.

use memchr::memmem;

use crate::model::Event;

/// A message as the server had it.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub mail: Option<u16>,
    pub recipients: Vec<Option<u16>>,
    /// The replies to RSET, to DATA and to all chunks but the last.
    pub leave: Vec<Option<u16>>,
    /// Whether the end of the content has come.
    pub is_whole: bool,
    /// The replies to the end; in LMTP one for each recipient that was accepted.
    pub end: Vec<Option<u16>>,
    /// The content, as it came.
    pub content: Vec<u8>,
}

/// The server's side of a session.
pub struct Oracle<'s> {
    said: &'s [u8],
    events: std::slice::Iter<'s, Event>,
    is_over: bool,
    /// RSET has begun the next message.
    is_reset: bool,
    lmtp: bool,
    pub messages: Vec<Seen>,
}

impl<'s> Oracle<'s> {
    pub fn read(lmtp: bool, said: &'s [u8], events: &'s [Event]) -> Vec<Seen> {
        let mut oracle = Oracle {
            said,
            events: events.iter(),
            is_over: false,
            is_reset: false,
            lmtp,
            messages: Vec::new(),
        };
        while let Some(line) = oracle.line() {
            oracle.command(&line);
        }
        oracle.messages
    }

    fn line(&mut self) -> Option<String> {
        let end = memmem::find(self.said, b"\r\n")?;
        let line = String::from_utf8(self.take(end)).unwrap();
        self.take(2);
        Some(line)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.said.split_at(count.min(self.said.len()));
        self.said = rest;
        taken.to_vec()
    }

    /// The next reply. One that its command does not have is the last that anybody believes.
    fn reply(&mut self, is_right: impl Fn(u16) -> bool) -> Option<u16> {
        match self.events.next() {
            Some(Event::Reply(code)) if !self.is_over => {
                self.is_over = !is_right(*code);
                Some(*code)
            }
            _ => {
                self.is_over = true;
                None
            }
        }
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "RSET" => {
                let reply = self.reply(|code| code / 100 == 2);
                self.begin();
                self.message().leave.push(reply);
                self.is_reset = true;
            }
            "MAIL" => {
                let reply = self.reply(is_usual);
                if !std::mem::take(&mut self.is_reset) {
                    self.begin();
                }
                self.message().mail = reply;
            }
            "RCPT" => {
                let reply = self.reply(is_usual);
                self.message().recipients.push(reply);
            }
            "DATA" => {
                let reply = self.reply(|code| matches!(code, 354 | 400..=599));
                self.message().leave.push(reply);
                if reply == Some(354) {
                    self.dotted();
                }
            }
            "BDAT" => self.chunk(&words),
            _ => panic!("{line:?} is no command of a session"),
        }
    }

    fn begin(&mut self) {
        self.messages.push(Seen::default());
    }

    fn message(&mut self) -> &mut Seen {
        self.messages.last_mut().unwrap()
    }

    fn chunk(&mut self, words: &[&str]) {
        let size = words[1].parse().unwrap();
        let chunk = self.take(size);
        let is_whole = chunk.len() == size;
        self.message().content.extend(chunk);
        if words.get(2) == Some(&"LAST") {
            self.message().is_whole = is_whole;
            self.end();
        } else {
            let reply = self.reply(is_usual);
            self.message().leave.push(reply);
        }
    }

    fn dotted(&mut self) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            if line == "." {
                self.message().is_whole = true;
                self.message().content = lines;
                return self.end();
            }
            lines.extend_from_slice(line.strip_prefix('.').unwrap_or(&line).as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
    }

    fn end(&mut self) {
        let seen = self.message().clone();
        let count = match self.lmtp && is_yes(&seen.mail) {
            true => seen.recipients.iter().filter(|reply| is_yes(reply)).count(),
            false => 1,
        };
        // How many replies there are in LMTP behind a chunk that was refused, nobody knows.
        self.is_over |= self.lmtp && seen.leave.iter().flatten().any(|code| *code >= 400);
        let replies = (0..count.max(1)).map(|_| self.reply(is_usual)).collect();
        self.message().end = replies;
    }
}

fn is_yes(reply: &Option<u16>) -> bool {
    reply.is_some_and(|code| code / 100 == 2)
}

fn is_usual(code: u16) -> bool {
    matches!(code / 100, 2 | 4 | 5)
}
