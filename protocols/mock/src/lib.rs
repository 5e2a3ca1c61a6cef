//! Mock servers for tests and for users: whatever they do, they do on the loopback, and they leave
//! nothing behind when they stop.
//!
//! They share no parser with the clients that they are there to test: a server that reads with the
//! client's eyes has the client's blind spots.
//!
//! | word | meaning |
//! |---|---|
//! | [`Server`] | listens, and lends each connection to a [`Service`] |
//! | [`Peer`] | a service's side of one conversation: lines, bytes, TLS, and every way to end |
//! | [`Fault`] | what goes wrong on purpose, whatever is served |
//! | [`Replay`] | a service that plays a session file, and says whether the client kept to it |
//! | [`Site`](http::Site) | a service that is a small web site |
//! | [`Mta`](smtp::Mta) | a service that takes mail, by SMTP or LMTP |
//! | [`Maildrop`](pop3::Maildrop) | a service that gives mail out, by POP3 |
//! | [`ImapServer`](imap::ImapServer) | a service that keeps mail, by IMAP |
//! | [`GopherServer`](gopher::GopherServer) | a service of menus and files, by Gopher |
//! | [`TelnetServer`](telnet::TelnetServer) | a service with a login and a little shell, by Telnet |
//! | [`NewsServer`](nntp::NewsServer) | a service that keeps news, by NNTP |
//! | [`SmallServer`](tcp::SmallServer), [`DatagramServer`](udp::DatagramServer) | echo and its like, by TCP and UDP |
//! | [`FtpServer`](ftp::FtpServer) | a service of files, by FTP |
//! | [`MailServer`](mail::MailServer) | SMTP, submission, LMTP, POP3 and IMAP over one store |
//! | [`MailStore`](mailbox::MailStore) | the mail that several services share |
//! | [`sasl`] | the server's side of logging in, for all who need it |
//! | [`Trap`] | a listener that nobody should reach |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::sync::Arc;
//!
//! use proto_mock::{Options, Peer, Server};
//!
//! let echo = |peer: &mut Peer, connection: usize| {
//!     peer.write_line(format!("hello, number {connection}"))?;
//!     while let Some(line) = peer.read_line()? {
//!         peer.write_line(line)?;
//!     }
//!     Ok(())
//! };
//! let faults = vec!["cut=20".parse()?];
//! let server = Server::start(Options { faults, ..Options::default() }, Arc::new(echo))?;
//!
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"how are you?\r\n")?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert_eq!(heard, "hello, number 1\r\nhow");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod channel;
pub mod fault;
mod faulty;
pub mod ftp;
pub mod gopher;
pub mod http;
mod identity;
pub mod imap;
mod journal;
pub mod mail;
pub mod mailbox;
pub mod nntp;
mod peer;
pub mod pop3;
pub mod replay;
mod rule;
pub mod sasl;
mod server;
pub mod smtp;
mod stop;
pub mod tcp;
pub mod telnet;
mod tls;
mod trap;
pub mod udp;

pub use fault::{Fault, NotAFault, FAULTS};
pub use identity::{Identity, AUTHORITY};
pub use peer::Peer;
pub use replay::{Outcome, Replay};
pub use rule::{NotARule, Rule};
pub use server::{Options, Server, Service};
pub use trap::Trap;
