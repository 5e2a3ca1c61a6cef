//! FTP as a client speaks it.
//!
//! | RFC | of it |
//! |---|---|
//! | 959, 1123 | the protocol: stream mode, types A and I, passive and active mode, accounts |
//! | 1738 | URLs |
//! | 2228, 4217 | AUTH TLS, PBSZ and PROT P, and TLS from the first byte; what is protected stays so |
//! | 2389 | FEAT and OPTS |
//! | 2428 | EPSV and EPRT |
//! | 2640 | UTF-8 in names |
//! | 3659 | MLSD, MLST, SIZE, MDTM and REST |
//! | 7151 | HOST |
//!
//! Beyond them: HASH and MFMT of the drafts, XCRC and its family, and listings in every form that
//! LIST was seen to bring.
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `target.rs` | what a URL names |
//! | `request.rs` | what we say |
//! | `reply.rs` `moment.rs` | what they say |
//! | `listing.rs` and `listing/` | what is in a folder |
//! | `wire.rs` | a command and its reply |
//! | `words.rs` | what the lines of a conversation mean |
//! | `data.rs` | data connections: the one place that makes them |
//! | `client.rs` | the conversation before: TLS, login |
//! | `session.rs` and `session/` | files and folders, and their transfers |
//!
//! ```
//! use proto_ftp::{Client, Login, Path, Target};
//! use proto_transport::{Connection, Connector, Memory};
//!
//! let heard = [
//!     "220-hello\r\nfree text\r\n220 there\r\n", "331 password?\r\n", "230 in\r\n",
//!     "211-Features:\r\n SIZE\r\n211 End\r\n", "200 binary\r\n", "213 42\r\n", "221 bye\r\n",
//! ];
//! let memory = Memory::in_pieces(heard);
//! let said = memory.said();
//! let target = Target::parse("ftp://localhost/a%20file")?;
//! let client = Client::over(Connection::over(memory), &Connector::default(), &target)?;
//! let mut session = client.log_in(&Login::anonymous(), true)?;
//! assert_eq!(session.size(&Path::new("a file")?)?, 42);
//! session.quit();
//! let wanted = "USER anonymous\r\nPASS anonymous@\r\nFEAT\r\nTYPE I\r\nSIZE a file\r\nQUIT\r\n";
//! assert_eq!(said.text(), wanted);
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod data;
mod listing;
mod moment;
mod reply;
mod request;
mod session;
mod target;
mod wire;
mod words;

pub use client::{Client, Login, GREETING, STARTTLS};
pub use data::{DataPolicy, Mode};
pub use listing::{machine_line, Entry, Kind, Line, Listing};
pub use moment::{Modified, Moment, Precision};
pub use reply::{Digest, Features, No};
pub use request::{Path, Type};
pub use session::{About, Session, Visit};
pub use target::Target;
pub use words::WORDS;
