//! `proto imap-move URL`.

use proto_transport::Result;

use crate::cli::CommonArgs;
use crate::imap::ImapArgs;

/// Move messages to another mailbox.
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
