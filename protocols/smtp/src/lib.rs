//! SMTP and LMTP as a client speaks them.
//!
//! | RFC | of it |
//! |---|---|
//! | 5321 | sending: greeting, MAIL, RCPT, DATA, replies, address literals |
//! | 2033 | LMTP: a reply for each recipient |
//! | 2920 | PIPELINING, also across messages |
//! | 1870, 6152, 6531 | SIZE, 8BITMIME, SMTPUTF8 |
//! | 3030 | CHUNKING and BINARYMIME |
//! | 3461 | delivery reports that are asked for |
//! | 2034, 3463, 5248 | enhanced status codes |
//! | 3207, 4954, 8314 | STARTTLS, AUTH, TLS from the first byte |
//! | 5321 section 5, 7505 | which servers take mail for a domain |
//!
//! Every recipient has exactly one outcome, whatever happens: what the server may have although
//! nobody heard its answer is [`Fate::Unknown`], and nothing else may have been delivered without
//! being [`Fate::Accepted`].
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | what we say: commands, their parameters, where they go |
//! | `reply.rs` | what they say: extensions, enhanced status codes |
//! | `address.rs` | the mailbox of an envelope |
//! | `envelope.rs` | who sends to whom, and whether a server can carry it |
//! | `survey.rs` | what a message is made of |
//! | `delivery.rs` | what became of each recipient |
//! | `client.rs` | the conversation before the first message |
//! | `session.rs` | messages over one connection |
//! | `session/chunks.rs` | content by BDAT |
//! | `exchangers.rs`, `dns.rs` | the servers of a domain, and the DNS that names them |
//!
//! ```
//! use std::io::Read;
//!
//! use proto_smtp::{Client, Envelope, Fate, Outgoing, Preferences, Survey, Target};
//! use proto_transport::{Connection, Memory, Result};
//!
//! struct Note(Envelope, Survey);
//!
//! impl Outgoing for Note {
//!     fn envelope(&self) -> &Envelope { &self.0 }
//!     fn survey(&self) -> &Survey { &self.1 }
//!     fn content(&self) -> Result<Box<dyn Read + '_>> { Ok(Box::new(&b"Subject: hi\n\n.\n"[..])) }
//! }
//!
//! let envelope = Envelope { recipients: vec!["a@b".parse::<proto_smtp::Address>()?.into()], ..Envelope::default() };
//! let memory = Memory::in_pieces(["220 hello\r\n", "250 me\r\n", "250\r\n", "250\r\n", "354\r\n", "250\r\n"]);
//! let said = memory.said();
//! let mut client = Client::over(Connection::over(memory), &Target::parse("smtp://me")?, &Preferences::default())?;
//! client.hello(true)?;
//! let delivery = client.into_session().send(Note(envelope, Survey::of(&mut &b"Subject: hi\n\n.\n"[..])?));
//! assert!(delivery.is_all(Fate::Accepted));
//! assert!(said.text().ends_with("RCPT TO:<a@b>\r\nDATA\r\nSubject: hi\r\n\r\n..\r\n.\r\n"));
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod address;
mod client;
mod delivery;
mod dns;
mod envelope;
mod exchangers;
mod reply;
mod request;
mod session;
mod survey;
mod words;

pub use address::Address;
pub use client::{is_host_name, Client, Preferences, GREETING, STARTTLS};
pub use delivery::{Delivery, Fate, Outcome};
pub use envelope::{Envelope, Outgoing};
pub use exchangers::{exchangers, name_servers, Exchanger};
pub use reply::{EnhancedCode, Extension, Extensions};
pub use request::{BodyType, MailParameters, Notify, Protocol, Recipient, Request, Return, Target};
pub use session::{Session, Step};
pub use survey::Survey;
pub use words::WORDS;
