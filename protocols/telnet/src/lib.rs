//! Telnet as a client speaks it.
//!
//! | document | of it |
//! |---|---|
//! | RFC 854, RFC 855 | the protocol, and how options are negotiated |
//! | RFC 1143 | the Q method: negotiation without loops |
//! | RFC 856 BINARY, RFC 857 ECHO, RFC 858 SGA, RFC 885 EOR | agreed to |
//! | RFC 859 STATUS, RFC 860 TIMING-MARK | answered |
//! | RFC 1073 NAWS, RFC 1091 TTYPE | told, where the user gave a window and a type |
//! | RFC 1572 NEW-ENVIRON | told: the variables that the user named, and no others |
//! | RFC 2066 CHARSET | UTF-8 and US-ASCII |
//! | RFC 4248 | URLs; `telnets://` is TLS from the first byte |
//!
//! Everything else is refused, LINEMODE (RFC 1184) among it.
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `target.rs` | what a URL names |
//! | `code.rs` | commands and options, by number and by name |
//! | `parser.rs` | what they say: data, commands, sub-negotiations, at every cut |
//! | `negotiation.rs` | which options are in force: RFC 1143's table |
//! | `settings.rs` | what may be told of us |
//! | `subnegotiation.rs` | what is said within options |
//! | `encoder.rs` | what we say: text, keys, commands |
//! | `nvt.rs` | our side of the conversation: all of these together |
//! | `prompt.rs` | whether they ask for a password |
//! | `client.rs` | the conversation |
//!
//! ```
//! use proto_telnet::{Client, Event, Settings};
//! use proto_transport::{Connection, Memory};
//!
//! let memory = Memory::in_pieces([&b"\xff\xfb\x01\xff"[..], b"\xfd\x18login: "]);
//! let said = memory.said();
//! let mut client = Client::over(Connection::over(memory), Settings::default())?;
//! let mut shown = Vec::new();
//! while client.receive(&mut |event| {
//!     if let Event::Data(bytes) = event {
//!         shown.extend_from_slice(bytes);
//!     }
//!     Ok(())
//! })? {}
//! client.flush()?;
//! // WILL ECHO: DO ECHO. DO TERMINAL-TYPE: WONT, because none may be told.
//! assert_eq!(said.bytes(), b"\xff\xfd\x01\xff\xfc\x18");
//! assert_eq!(shown, b"login: ");
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod code;
mod encoder;
mod negotiation;
mod nvt;
mod parser;
mod prompt;
mod settings;
mod subnegotiation;
mod target;

pub use client::Client;
pub use code::{Code, Command, Verb};
pub use negotiation::{Negotiation, Outcome, State};
pub use nvt::{Event, Notice, Nvt, What};
pub use parser::{Parser, Token};
pub use settings::{Settings, Window};
pub use target::Target;
