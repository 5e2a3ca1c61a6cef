//! The messages that are sent: composed from options, or read from files.
//!
//! ```text
//! options ── compose ──┐                          ┌─ header     rewritten: no Bcc
//!                      ├─ Message ── load ── Loaded ─ reader    header and body, as often as wanted
//! files ──── sources ──┘                          └─ recipients, sender, message_id
//! ```
//!
//! A [`Message`] is only a name and a place, so that thousands may wait. What is large stays in its
//! file: attachments, big messages and mail boxes stream from there each time they are read.

mod addresses;
mod args;
mod attachment;
mod body;
mod compose;
mod fields;
mod header;
mod mbox;
mod message;
mod parts;
mod random;
mod sources;
mod store;
mod summary;
pub mod view;

pub use addresses::addresses;
pub use args::ComposeArgs;
pub use compose::compose;
pub use fields::stamps;
pub use mbox::date as mbox_date;
pub use message::{Loaded, Message};
pub use random::random_name;
pub use sources::messages;
pub use summary::{date as header_date, Summary};
