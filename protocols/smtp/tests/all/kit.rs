//! What every test needs: messages, servers that are scripts, and sessions with them.

use std::io::Read;

use proto_smtp::{
    Address, Client, Delivery, Envelope, Fate, Outgoing, Preferences, Session, Survey, Target,
};
use proto_transport::{Connection, Memory, Result, Said, Stream};

/// A message.
#[derive(Clone)]
pub struct Mail {
    pub envelope: Envelope,
    pub survey: Survey,
    pub content: Vec<u8>,
}

impl Mail {
    /// To so many recipients.
    pub fn new(recipients: usize, content: impl Into<Vec<u8>>) -> Mail {
        let content = content.into();
        let address = |text: String| text.parse::<Address>().unwrap();
        let recipient = |number| address(format!("r{number}@example.org")).into();
        let mut survey = Survey::default();
        survey.push(&content);
        Mail {
            envelope: Envelope {
                sender: Some(address("sender@example.org".to_owned())),
                recipients: (0..recipients).map(recipient).collect(),
                ..Envelope::default()
            },
            survey: survey.finish(),
            content,
        }
    }

    /// The content as a server must have it: the last line has its end. All others have theirs.
    pub fn at_the_server(&self) -> Vec<u8> {
        let mut content = self.content.clone();
        if !content.is_empty() && !content.ends_with(b"\r\n") {
            content.extend_from_slice(b"\r\n");
        }
        content
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (recipients, octets) = (self.envelope.recipients.len(), self.content.len());
        write!(f, "{octets} octets to {recipients}")
    }
}

impl Outgoing for Mail {
    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn survey(&self) -> &Survey {
        &self.survey
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.content.as_slice()))
    }
}

/// How a conversation is led.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    pub lmtp: bool,
    pub pipelining: bool,
    pub chunking: bool,
    pub all_or_nothing: bool,
}

/// Every one of them.
pub fn modes() -> impl Iterator<Item = Mode> {
    (0..16).map(|bits| Mode {
        lmtp: bits & 1 > 0,
        pipelining: bits & 2 > 0,
        chunking: bits & 4 > 0,
        all_or_nothing: bits & 8 > 0,
    })
}

impl Mode {
    fn hello(self) -> String {
        let mut text = "250-server.example\r\n".to_owned();
        if self.pipelining {
            text.push_str("250-PIPELINING\r\n");
        }
        if self.chunking {
            text.push_str("250-CHUNKING\r\n250-BINARYMIME\r\n");
        }
        text + "250 HELP\r\n"
    }

    pub fn target(self) -> Target {
        let url = if self.lmtp {
            "lmtp://host"
        } else {
            "smtp://host"
        };
        Target::parse(url).unwrap()
    }

    /// A session with a server that says all this, each piece in a read of its own, and then closes.
    pub fn session<T: AsRef<[u8]>>(self, pieces: impl IntoIterator<Item = T>) -> (Session, Said) {
        let start = [b"220 hello\r\n".to_vec(), self.hello().into_bytes()];
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec());
        let memory = Memory::in_pieces(start.into_iter().chain(pieces));
        let said = memory.said();
        let mut client = client(memory, &self.target());
        client.hello(false).unwrap();
        let mut session = client.into_session();
        session.all_or_nothing = self.all_or_nothing;
        (session, said)
    }
}

/// A client over a script that begins with the greeting.
pub fn client(stream: impl Stream + 'static, target: &Target) -> Client {
    let preferences = Preferences {
        name: Some("me.example".to_owned()),
        ..Preferences::default()
    };
    Client::over(Connection::over(stream), target, &preferences).unwrap()
}

/// What was said after EHLO.
pub fn after_hello(said: &Said) -> Vec<u8> {
    let mut bytes = said.bytes();
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
    bytes.drain(..end + 2);
    bytes
}

pub fn fates(delivery: &Delivery) -> Vec<Fate> {
    let outcomes = delivery.outcomes.iter();
    outcomes.map(|outcome| outcome.fate).collect()
}

/// A message of so many octets in lines.
pub fn lines(octets: usize) -> Vec<u8> {
    let line = b".a line that begins with a dot, of 62 octets with its line end\r\n";
    let mut text: Vec<u8> = line.iter().copied().cycle().take(octets).collect();
    // No bare CR at the end.
    text.truncate(text.strip_suffix(b"\r").map_or(text.len(), <[u8]>::len));
    text
}
