//! NNTP as a client speaks it.
//!
//! | RFC | of it |
//! |---|---|
//! | 3977 | the protocol, without LAST, NEXT and HELP |
//! | 2980 | XOVER and XHDR, for servers that know no better |
//! | 4642, 8143 | STARTTLS, and TLS from the first byte |
//! | 4643 | AUTHINFO USER and PASS, and SASL with the mechanisms of `proto-auth` |
//! | 6048 | more lists, and what may be posted in a group |
//! | 8054 | COMPRESS DEFLATE |
//! | 5536, 5537 | what the header of an article must have, and what a poster must leave to the server |
//! | 5538 | URLs |
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `argument.rs` `request.rs` | what we say, and what about |
//! | `target.rs` | what a URL names |
//! | `reply.rs` `listing.rs` `overview.rs` | what they say |
//! | `header.rs` | the header of an article that we post |
//! | `wire.rs` | a command and its reply, and the lines of a block |
//! | `words.rs` | what lines mean |
//! | `client.rs` | the conversation before: capabilities, TLS, login |
//! | `session.rs` and `session/` | reading and posting |
//!
//! ```
//! use proto_nntp::{Article, Client, Fetch, Fetched, Group, Part, Target};
//! use proto_transport::{Connection, Memory};
//!
//! let heard = [
//!     "200 hi\r\n", "101 list\r\n", "VERSION 2\r\nREADER\r\n.\r\n", "211 2 1 2 misc.test\r\n",
//!     "220 1 <a@b>\r\nSubject: x\r\n\r\n..\r\n.\r\n", "423 no such article\r\n", "205 bye\r\n",
//! ];
//! let connection = Connection::over(Memory::in_pieces(heard));
//! let mut client = Client::over(connection, &Target::parse("nntp://localhost/misc.test")?)?;
//! client.ask_capabilities()?;
//! let mut session = client.into_session();
//! assert_eq!(session.group(&Group::new("misc.test")?)?.count, 2);
//! let wishes = [1, 2].map(|number| Fetch::new(Part::Article, Article::Number(number)));
//! let (mut article, mut missing) = (Vec::new(), 0);
//! session.fetch(wishes, &mut |_, fetched| {
//!     match fetched {
//!         Ok(Fetched { body: Some(body), .. }) => {
//!             while let Some(part) = body.next_part()? {
//!                 article.extend_from_slice(part);
//!             }
//!         }
//!         _ => missing += 1,
//!     }
//!     Ok(())
//! })?;
//! session.quit();
//! assert_eq!((article.as_slice(), missing), (&b"Subject: x\r\n\r\n.\r\n"[..], 1));
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod argument;
mod client;
mod header;
mod listing;
mod overview;
mod reply;
mod request;
mod session;
mod target;
mod wire;
mod words;

pub use argument::{Article, Articles, Field, Group, MessageId, Moment, Range, Wildmat};
pub use client::{Client, Method, GREETING, STARTTLS};
pub use header::{check_content, Header};
pub use listing::{Active, Counted, Created, Described, Posting};
pub use overview::{Overview, OverviewFormat};
pub use reply::{Capabilities, No, Summary};
pub use request::{Fetch, List, Part};
pub use session::{Fate, Fetched, Posted, Session, Visit};
pub use target::{Target, What};
pub use words::WORDS;
