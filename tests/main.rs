//! The binary itself, and whatever should keep working: one integration test binary, a file per
//! command, plus sessions, hostile servers, soups of bytes, documents and real servers.

mod completions;
mod demo;
mod documents;
mod harness;
mod hostile;
mod http_get;
mod http_head;
mod interop;
mod manual;
mod memory;
mod mock;
mod mock_smtp;
mod sessions;
mod soup;
mod terminal;
