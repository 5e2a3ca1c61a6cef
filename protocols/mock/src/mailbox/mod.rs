//! Mail that several services share: one delivers it, others give it out, and those who wait for it
//! are woken.
//!
//! | file | what it knows |
//! |---|---|
//! | `store.rs` | who the users are |
//! | `account.rs` | one user's mail, its lock, and who waits for changes |
//! | `tree.rs` | a user's mailboxes by name, and what happens between them |
//! | `folder.rs` | one mailbox: UIDs, flags, modification sequences |
//! | `message.rs`, `flags.rs`, `date.rs` | one message |
//! | `address.rs` | which user an address means |
//! | `mirror.rs` | a user's mail as files |
//! | `source.rs`, `generated.rs`, `octets.rs`, `load.rs` | where messages come from |
//!
//! ```
//! use proto_mock::mailbox::MailStore;
//!
//! let store = MailStore::default();
//! let alice = store.account("alice").ok_or("there is no alice")?;
//! let seen = alice.generation();
//! assert_eq!(alice.deliver(b"Subject: hi\n\nHello\n"), Ok(1));
//! assert_ne!(alice.generation(), seen);
//! let subject = alice.read(|mailboxes| {
//!     let message = mailboxes.get("inbox")?.message(1)?;
//!     Some(message.content()[..11].to_vec())
//! });
//! assert_eq!(subject.as_deref(), Some(b"Subject: hi".as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod address;
mod date;
mod flags;
mod folder;
pub(crate) mod generated;
mod load;
mod message;
mod mirror;
pub(crate) mod octets;
pub(crate) mod source;
mod store;
mod tree;

use std::fmt;

pub use account::Account;
pub use address::Addresses;
pub use date::Date;
pub(crate) use date::{civil, days_of, month, MONTHS};
pub use flags::Flags;
pub(crate) use flags::SYSTEM;
pub use folder::{Mailbox, MailboxId, Placed};
pub use message::{Draft, Message};
pub use source::Source;
pub use store::{Limits, MailStore};
pub(crate) use tree::canonical;
pub use tree::{Mailboxes, DELIMITER, INBOX};

/// Why the store does not do what it is asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such mailbox.
    NoMailbox,
    /// There is one of that name already.
    Exists,
    /// A mailbox cannot have that name, or INBOX cannot lose it.
    BadName,
    /// There are as many mailboxes or messages as there may be.
    Full,
    /// The message is larger than messages may be.
    TooLarge,
    /// The files of the mailbox cannot be written.
    NotKept,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NoMailbox => "there is no such mailbox",
            Refusal::Exists => "there is a mailbox of that name",
            Refusal::BadName => "no mailbox can have that name",
            Refusal::Full => "there is no room for more",
            Refusal::TooLarge => "the message is too large",
            Refusal::NotKept => "the files of the mailbox cannot be written",
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
