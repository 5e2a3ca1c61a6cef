//! Bytes, lines, time and TLS: the connection that every line-oriented protocol stands on.
//!
//! What interprets bytes is pure ([`framing`], [`session`], the parsers of each protocol); what moves
//! bytes is one [`Connection`] over one [`Stream`]. No protocol is known here.
//!
//! | word | meaning |
//! |---|---|
//! | [`Endpoint`] | *where*: host, port, [`Security`] |
//! | [`Connector`] | *policy*: time, limits, addresses, proxies (RFC 9110 CONNECT, RFC 1928), TLS, transcript |
//! | [`Connection`] | the conversation: lines, bodies, pipelines, STARTTLS |
//! | [`Listener`], [`Datagrams`] | the other side of a connection; and UDP, where there is none (RFC 768) |
//! | [`Framing`] | where a body ends: [`Length`], [`Dotted`], [`UntilClose`] |
//! | [`StatusReply`] | the three-digit reply of SMTP, FTP and NNTP |
//! | [`Transcript`] | who said what, in the [session form](session) |
//!
//! ```
//! use proto_transport::{Connection, Dotted, Memory};
//!
//! let memory = Memory::in_pieces(["+OK ready\r\n", "+OK\r\nSubject: hi\r\n\r\n..dots\r\n.\r\n"]);
//! let said = memory.said();
//! let mut connection = Connection::over(memory);
//! assert_eq!(connection.read_line()?, b"+OK ready");
//! connection.write_line("RETR 1")?;
//! assert_eq!(connection.read_line()?, b"+OK");
//! let mut body = connection.body(Dotted::default());
//! while let Some(part) = body.next_part()? {
//!     print!("{}", String::from_utf8_lossy(part));
//! }
//! assert_eq!(said.text(), "RETR 1\r\n");
//! # Ok::<(), proto_transport::Error>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod body;
mod buffer;
pub mod certificate;
mod connection;
mod connector;
mod datagram;
mod deflate;
mod dial;
mod duplex;
mod endpoint;
mod error;
pub mod escape;
pub mod framing;
mod limits;
mod listener;
mod memory;
mod proxies;
mod proxy;
mod resolve;
#[cfg_attr(
    any(target_os = "windows", target_vendor = "apple"),
    path = "no_resumption.rs"
)]
mod resumption;
mod secret;
mod sending;
pub mod session;
mod socket;
mod status_reply;
mod stream;
mod tls;
mod tls_stream;
mod transcript;
mod words;

pub use body::{error_of, Body};
pub use connection::{Connection, Facts};
pub use connector::Connector;
pub use datagram::{DatagramListener, Datagrams, LARGEST_DATAGRAM};
pub use dial::CONNECTING;
pub use duplex::Ready;
pub use endpoint::{decoded, hide_password, parse_url, without_password, Endpoint, Security};
pub use error::{excerpt, Error, Refusal, Result, Unreachable};
pub use framing::{Dotted, Framing, Length, UntilClose};
pub use limits::{Limits, Timeouts};
pub use listener::Listener;
pub use memory::{Memory, Said};
pub use proxies::{NoProxy, Proxies};
pub use proxy::{Proxy, ProxyKind};
pub use resolve::{Family, RESOLVING};
pub use resumption::Resumption;
pub use secret::Secret;
pub use sending::{read_some, BareCr, CanonicalLines, Pipeline};
pub use socket::Socket;
pub use status_reply::{Continuation, StatusReply};
pub use stream::Stream;
pub use tls::{Tls, TlsFacts, TlsPolicy, TlsVersion, HANDSHAKE, NOT_RESUMED, NO_CLOSE_NOTIFY};
pub use transcript::{Recorder, SessionWriter, Sink, Transcript};
pub use url::{Host, Position, Url};
pub use words::{Word, Words};
