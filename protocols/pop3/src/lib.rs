//! POP3 as a client speaks it.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod reply;
mod request;
mod session;

pub use client::{Client, Method, GREETING, STLS};
pub use reply::{Capabilities, Status};
pub use request::{Numbers, Request, Target};
pub use session::Session;
