//! Gopher as a client speaks it.
//!
//! | document | of it |
//! |---|---|
//! | RFC 1436 | the protocol |
//! | RFC 4266 | URLs; `gophers://` is TLS from the first byte |
//! | Gopher+ (1993) | attributes and views, where an item has them |
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `kind.rs` | what an item is |
//! | `target.rs` | what a URL names, and the line that asks for it |
//! | `menu.rs` `attributes.rs` | what they say |
//! | `ending.rs` | where an item ends |
//! | `reader.rs` | an item on its way |
//! | `client.rs` | the conversation |
//! | `words.rs` | what its lines mean |
//!
//! ```
//! use proto_gopher::{Client, Row, Target};
//! use proto_transport::{Connection, Memory};
//!
//! let memory = Memory::new("0About us\tabout.txt\tlocalhost\t70\r\nnonsense\r\n.\r\n");
//! let said = memory.said();
//! let target = Target::parse("gopher://localhost/1/docs")?;
//! let mut client = Client::over(Connection::over(memory), &target);
//! let mut rows = Vec::new();
//! let has_dot = client.menu(&mut |row| Ok(rows.push(row)))?;
//! assert!(has_dot && said.text() == "/docs\r\n");
//! assert!(matches!(&rows[0], Row::Item(item) if item.selector == b"about.txt"));
//! assert_eq!(rows[1], Row::Malformed("nonsense".to_owned()));
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod attributes;
mod client;
mod ending;
mod kind;
mod menu;
mod reader;
mod target;
mod words;

pub use attributes::Attribute;
pub use client::Client;
pub use kind::{Form, Kind};
pub use menu::{Item, Plus, Row};
pub use reader::Reader;
pub use target::Target;
pub use words::WORDS;
