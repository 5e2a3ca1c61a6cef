//! `proto imap-fetch URL`.

use proto_transport::Result;

use crate::cli::CommonArgs;
use crate::imap::ImapArgs;

/// Fetch messages of a mailbox into a Maildir, an mbox, a folder or a command.
#[derive(clap::Args)]
pub struct Args {
    /// The mailbox: imap://user@host/INBOX, imaps:// or host[:port]/INBOX
    url: String,
    #[command(flatten)]
    imap: ImapArgs,
    #[command(flatten)]
    common: CommonArgs,
}

pub fn run(_args: &Args) -> Result<u8> {
    Err(proto_transport::Error::illegal("not yet"))
}
