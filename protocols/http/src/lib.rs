//! HTTP/1.1 as a client speaks it.
//!
//! | RFC | of it |
//! |---|---|
//! | 9110 | methods, redirects, ranges, validators, content codings, credentials |
//! | 9112 | messages: heads, where bodies end, chunks, persistent connections |
//! | 1950, 1951, 1952, 7932, 8878, 9659 | deflate, gzip, brotli and zstd |
//! | 6266, 8187 | the file name that a server suggests |
//! | 7616, 7617, 6750 | Digest, Basic and Bearer, in `proto-auth` |
//!
//! What interprets bytes is pure: it neither reads nor writes, and knows no clock.
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | what we say: method, target, fields |
//! | `reply.rs` | what they say: status line, fields, where the body ends |
//! | `fields.rs` | header fields and trailers |
//! | `chunked.rs` | the chunked transfer coding |
//! | `range.rs` | whether a response is the rest of what we have |
//! | `coding.rs`, `coding/` | content codings as streams |
//! | `challenge.rs` | what a server wants to know of us |
//! | `authorize.rs` | what it is told, and what it never is |
//! | `redirect.rs` | where a redirect leads |
//! | `validator.rs` | what proves that content is the same |
//! | `disposition.rs` | a suggested file name |
//!
//! Two files name `Connection`: `client.rs`, the conversation, and `pool.rs`, the connections that
//! wait for their next request.
//!
//! ```
//! use proto_http::{body_length, parse_field_line, parse_status_line, BodyLength, Chunked, Head};
//! use proto_transport::{Connection, Memory};
//!
//! let heard = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
//! let mut connection = Connection::over(Memory::new(heard));
//! let line = parse_status_line(connection.read_line()?).map_err(|wrong| wrong.0)?;
//! let (minor_version, status) = (line.minor_version, line.status);
//! let mut head = Head { minor_version, status, ..Head::default() };
//! while let line @ [_, ..] = connection.read_line()? {
//!     let (name, value) = parse_field_line(line).map_err(|wrong| wrong.0)?;
//!     head.fields.push(name, value);
//! }
//! assert_eq!(body_length(false, &head), Ok(BodyLength::Chunked));
//! let mut body = connection.body(Chunked::default());
//! let mut content = Vec::new();
//! while let Some(part) = body.next_part()? {
//!     content.extend_from_slice(part);
//! }
//! assert_eq!(content, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod authorize;
mod challenge;
mod chunked;
mod client;
mod coding;
mod disposition;
mod fields;
mod pool;
mod range;
mod redirect;
mod reply;
mod request;
mod validator;
mod words;

pub use authorize::{Authorizer, CredentialSource, Credentials, Mechanism, Privacy};
pub use challenge::{parse_challenges, Challenge};
pub use chunked::Chunked;
pub use client::{Client, Exchanged, Hop, Response, ResponseFraming};
pub use coding::{codings_of, decoder, Coding, Unsupported, ACCEPT_ENCODING};
pub use disposition::file_name;
pub use fields::Fields;
pub use range::Rest;
pub use redirect::Redirects;
pub use reply::{
    body_length, is_strong_etag, keeps_alive, parse_field_line, parse_status_line, retry_after,
    BodyLength, ContentRange, Head, StatusLine,
};
pub use request::{Content, Method, Request, Target};
pub use validator::strong_validator;
pub use words::WORDS;
