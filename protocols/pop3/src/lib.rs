//! POP3 as a client speaks it.
//!
//! | RFC | of it |
//! |---|---|
//! | 1939 | the protocol, with APOP, TOP and UIDL |
//! | 2449 | CAPA, PIPELINING, response codes |
//! | 2595, 8314 | STLS, and TLS from the first byte |
//! | 5034 | AUTH, with the mechanisms of `proto-auth` |
//! | 3206 | what kind of no a response code means |
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | what we say; which messages a URL names |
//! | `reply.rs` | what they say: status lines, response codes, capabilities, listings |
//! | `client.rs` | the conversation before the maildrop opens |
//! | `session.rs` | the open maildrop: messages stream, requests run ahead |
//!
//! ```
//! use proto_auth::SaslCredentials;
//! use proto_pop3::{Client, Request, Target};
//! use proto_transport::{Connection, Memory};
//!
//! let heard = ["+OK hi\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n", "+OK\r\n"];
//! let connection = Connection::over(Memory::in_pieces(heard));
//! let client = Client::over(connection, &Target::parse("pop3://localhost")?)?;
//! let (user, password) = ("me".to_owned(), "secret".into());
//! let mut session = client.log_in(&SaslCredentials::Password { user, password }, None, true)?;
//! let mut message = Vec::new();
//! session.fetch([Request::Retr(1)], &mut |_, body| {
//!     let body = body?;
//!     while let Some(part) = body.next_part()? {
//!         message.extend_from_slice(part);
//!     }
//!     Ok(())
//! })?;
//! session.quit()?;
//! assert_eq!(message, b"Subject: x\r\n\r\n.\r\n");
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod reply;
mod request;
mod session;
mod words;

pub use client::{Client, Method, GREETING, STLS};
pub use reply::{Capabilities, Status};
pub use request::{Numbers, Request, Target};
pub use session::{Session, Visit};
pub use words::WORDS;
