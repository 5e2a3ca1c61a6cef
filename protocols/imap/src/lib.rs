//! IMAP as a client speaks it.
//!
//! | RFC | of it |
//! |---|---|
//! | 9051, 3501 | the protocol, as IMAP4rev2 and IMAP4rev1 |
//! | 2177, 2971, 3691, 5161 | IDLE, ID, UNSELECT, ENABLE |
//! | 2342, 5258, 5819, 6154 | NAMESPACE, LIST-EXTENDED, LIST-STATUS, SPECIAL-USE |
//! | 4315, 6851 | UIDPLUS, MOVE |
//! | 4731, 5256 | ESEARCH, SORT and THREAD |
//! | 7162 | CONDSTORE; of QRESYNC, the responses are understood |
//! | 4959, 7888, 6855, 4978 | SASL-IR, LITERAL+ and LITERAL-, UTF8=ACCEPT, COMPRESS=DEFLATE |
//! | 5530 | what kind of no a response code means |
//! | 5092, 8314 | URLs, and TLS from the first byte |
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` `search.rs` `set.rs` `mailbox.rs` | what we say, and what about |
//! | `target.rs` | what a URL names |
//! | `syntax.rs` | tokens, and where literals begin |
//! | `reply.rs` and `reply/` | what they say |
//! | `wire.rs` `wire/` `content.rs` `tags.rs` | responses one by one, sections that stream; commands |
//! | `client.rs` | the conversation before the account opens |
//! | `session.rs` and `session/` | the open account |
//!
//! ```
//! use proto_auth::SaslCredentials;
//! use proto_imap::{Client, Fetch, Fetched, Item, Mailbox, SectionItem, Tags, Target, UidSet};
//! use proto_transport::{Connection, Memory};
//!
//! let heard = [
//!     "* OK [CAPABILITY IMAP4rev2] hi\r\n", "a1 OK [CAPABILITY IMAP4rev2] in\r\n",
//!     "* 1 EXISTS\r\n", "a2 OK [READ-ONLY] open\r\n",
//!     "* 1 FETCH (UID 7 BODY[] {14}\r\nSubject: x\r\n\r\n)\r\n", "a3 OK\r\n", "* BYE\r\n", "a4 OK\r\n",
//! ];
//! let (connection, tags) = (Connection::over(Memory::in_pieces(heard)), Tags::with_prefix("a"));
//! let target = Target::parse("imap://localhost/INBOX")?;
//! let client = Client::over_with_tags(connection, &target, tags)?;
//! let (user, password) = ("me".to_owned(), "secret".into());
//! let mut session = client.log_in(&SaslCredentials::Password { user, password }, None, true)?;
//! session.examine(&Mailbox::new("inbox")?)?;
//! let whole = Item::Section(SectionItem::new("")?);
//! let mut message = Vec::new();
//! session.fetch([Fetch::new(UidSet::parse("7")?, vec![whole])], &mut |fetched| {
//!     if let Fetched::Section { content, .. } = fetched {
//!         while let Some(part) = content.next_part()? {
//!             message.extend_from_slice(part);
//!         }
//!     }
//!     Ok(())
//! })?;
//! session.log_out();
//! assert_eq!(message, b"Subject: x\r\n\r\n");
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod content;
mod mailbox;
mod reply;
mod request;
mod search;
mod session;
mod set;
mod syntax;
mod tags;
mod target;
mod wire;
mod words;

pub use client::{Client, Method, GREETING, STARTTLS};
pub use content::Content;
pub use mailbox::Mailbox;
pub use reply::code::{Code, Copied};
pub use reply::envelope::{Address, Envelope};
pub use reply::flag::Flag;
pub use reply::message::{Attributes, Section};
pub use reply::structure::{Parameters, Part, Structure};
pub use reply::thread::Threaded;
pub use reply::{Capabilities, Identity, Kind, Listing, Namespace, Namespaces, Status, Told};
pub use request::{Fetch, Item, SectionItem};
pub use search::{Key, Search};
pub use session::{
    Added, Change, Draft, Fetched, ListOptions, Place, Selected, Session, StoreOptions, Visit,
    Watch,
};
pub use set::{UidSet, Windows};
pub use tags::Tags;
pub use target::Target;
pub use wire::Event;
pub use words::WORDS;
