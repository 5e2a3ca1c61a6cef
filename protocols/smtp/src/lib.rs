//! SMTP and LMTP as a client speaks them.

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

pub use address::Address;
pub use client::{Client, Preferences, GREETING, STARTTLS};
pub use delivery::{Delivery, Fate, Outcome};
pub use envelope::{Envelope, Outgoing};
pub use exchangers::{exchangers, name_servers, Exchanger};
pub use reply::{EnhancedCode, Extension, Extensions};
pub use request::{BodyType, MailParameters, Notify, Protocol, Recipient, Request, Return, Target};
pub use session::{Session, Step};
pub use survey::Survey;
