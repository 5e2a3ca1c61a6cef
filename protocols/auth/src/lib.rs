//! Credentials in, what to say out. Nothing here talks to anybody: a protocol's client gives what
//! the server asked for and sends what comes back.
//!
//! # HTTP
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
//!
//! # SASL: SMTP, POP3, IMAP, NNTP
//!
//! | mechanism | RFC | what it shows to whoever listens |
//! |---|---|---|
//! | `SCRAM-SHA-256-PLUS`, `SCRAM-SHA-1-PLUS` | 5802, 7677, 5929, 4013 | as below, and nobody can stand in between |
//! | `SCRAM-SHA-256`, `SCRAM-SHA-1` | 5802, 7677, 4013 | something to guess the password with, slowly |
//! | `CRAM-MD5` | 2195 | something to guess the password with |
//! | `PLAIN`, `LOGIN` | 4616, none | the password |
//! | `OAUTHBEARER`, `XOAUTH2` | 7628, none | the token |
//! | `EXTERNAL`, `ANONYMOUS` | 4422, 4505 | a name |
//!
//! [`select`] says which mechanisms may be tried, a [`SaslExchange`] goes through one of them, and
//! [`encode`] and [`decode`] are what the protocols wrap around it. There are two kinds of errors:
//! [`proto_transport::Error`] is about us, and comes before anything is said; [`SaslFailure`] is a
//! rule that the server broke, for the connection to report with the offending bytes.
//!
//! ```
//! use proto_auth::{encode, select, SaslContext, SaslCredentials, SaslExchange};
//!
//! let credentials = SaslCredentials::Password {
//!     user: "tim".to_owned(),
//!     password: "tanstaaftanstaaf".into(),
//! };
//! let context = SaslContext { is_private: true, ..SaslContext::default() };
//! let offered = ["PLAIN", "LOGIN", "CRAM-MD5"].map(str::to_owned);
//! let mechanisms = select(&offered, &credentials, &context, None)?;
//! assert_eq!(mechanisms[0].name(), "PLAIN");
//!
//! let mut exchange = SaslExchange::new(mechanisms[0], &credentials, &context, &offered)?;
//! let first = exchange.initial_response().ok_or("PLAIN speaks first")?;
//! assert_eq!(encode(first.reveal().as_bytes()).reveal(), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
//! // 235 2.7.0 Welcome
//! exchange.finish(None)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The files
//!
//! | file | holds |
//! |---|---|
//! | `basic.rs` `bearer.rs` `digest.rs` | the schemes of HTTP |
//! | `mechanism.rs` `credentials.rs` `select.rs` | which mechanism to use |
//! | `sasl.rs` `failure.rs` | one login, whatever the mechanism |
//! | `plain.rs` `cram.rs` `oauth.rs` | the mechanisms of a message or two |
//! | `scram.rs` `scram_messages.rs` `scram_keys.rs` | SCRAM: what we say, what they say, the arithmetic |
//! | `prepare.rs` `keyed_hash.rs` `encoding.rs` `random.rs` | SASLprep, HMAC, base64, nonces |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod apop;
mod basic;
mod bearer;
mod cram;
mod credentials;
mod digest;
mod encoding;
mod failure;
mod keyed_hash;
mod mechanism;
mod oauth;
mod plain;
mod prepare;
mod random;
mod sasl;
mod scram;
mod scram_keys;
mod scram_messages;
mod select;

pub use apop::apop;
pub use basic::basic;
pub use bearer::bearer;
pub use credentials::{SaslContext, SaslCredentials};
pub use digest::{random_cnonce, Digest};
pub use encoding::{decode, encode};
pub use failure::SaslFailure;
pub use mechanism::SaslMechanism;
pub use sasl::SaslExchange;
pub use select::select;
