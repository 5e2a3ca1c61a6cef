//! The binary itself, and whatever should keep working: one integration test binary, a file per
//! command, plus sessions, hostile servers, soups of bytes, documents and real servers.

mod completions;
mod demo;
mod documents;
mod harness;
mod hostile;
mod hostile_imap;
mod hostile_mail;
mod hostile_pop3;
mod http_get;
mod http_head;
mod imap_append;
mod imap_fetch;
mod imap_flag;
mod imap_list;
mod imap_move;
mod imap_search;
mod imap_watch;
mod interop;
mod mail_show;
mod manual;
mod memory;
mod mock;
mod mock_imap;
mod mock_pop3;
mod mock_smtp;
mod pop3_delete;
mod pop3_fetch;
mod pop3_list;
mod sessions;
mod smtp_probe;
mod smtp_send;
mod soup;
mod terminal;
