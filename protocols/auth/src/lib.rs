//! Credentials in, what to say out. Nothing here talks to anybody: a protocol's client gives what
//! the server asked for and sends what comes back.
//!
//! | scheme | RFC | what it shows to whoever listens |
//! |---|---|---|
//! | [`basic`] | 7617 | the password |
//! | [`bearer`] | 6750 | the token |
//! | [`Digest`] | 7616, 2617 | something to guess the password with |
//!
//! ```
//! use proto_auth::{basic, Digest};
//! use proto_transport::Secret;
//!
//! let password = Secret::from("open sesame");
//! let value = basic("Aladdin", &password)?;
//! assert_eq!(value.reveal(), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
//!
//! let asked = [("realm", "cave"), ("nonce", "abc"), ("qop", "auth"), ("algorithm", "SHA-256")];
//! let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
//! let mut digest = Digest::from_parameters(&asked).ok_or(proto_transport::Error::illegal("?"))?;
//! let value = digest.answer("Aladdin", &password, "GET", "/", &proto_auth::random_cnonce()?)?;
//! assert!(value.reveal().starts_with("username=\"Aladdin\", realm=\"cave\", "));
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod basic;
mod bearer;
mod digest;

pub use basic::basic;
pub use bearer::bearer;
pub use digest::{random_cnonce, Digest};
