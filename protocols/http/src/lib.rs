//! HTTP/1.1 as a client speaks it.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod authorize;
mod challenge;
mod chunked;
mod client;
mod coding;
mod disposition;
mod fields;
mod pool;
mod redirect;
mod reply;
mod request;
mod validator;

pub use authorize::{Authorizer, CredentialSource, Credentials, Mechanism};
pub use challenge::{parse_challenges, Challenge};
pub use chunked::Chunked;
pub use client::{Client, Exchanged, Hop, Response, ResponseFraming};
pub use coding::{codings_of, decoder, Coding, Unsupported, ACCEPT_ENCODING};
pub use disposition::file_name;
pub use fields::Fields;
pub use redirect::Redirects;
pub use reply::{
    body_length, is_strong_etag, keeps_alive, parse_field_line, parse_status_line,
    parse_unsatisfied_range, retry_after, BodyLength, ContentRange, Head, StatusLine,
};
pub use request::{Content, Method, Request, Target};
pub use validator::strong_validator;
