//! `proto demo`: the mock servers on free loopback ports, and the headline jobs against them.
//!
//! Each job is a command line that is shown and then run by the same code that runs it for a user,
//! in a folder of its own that goes when the demonstration is over.

mod ftp;
mod gopher;
mod mail;
mod news;
mod stage;
mod tcp;
mod telnet;
mod web;

use proto_transport::Result;

use self::stage::Stage;
use crate::exit_code::OK;

/// Start the mock servers and run the headline jobs against them.
///
/// Each command is shown, then its conversation with the server, then its result. Nothing is needed
/// but loopback, and nothing is left behind.
#[derive(clap::Args)]
pub struct Args {
    /// Say what each line of the conversations means, and what document says so
    #[arg(long)]
    explain: bool,
}

/// What is shown, in this order: a file each.
const PARTS: [fn(&Stage) -> Result<()>; 7] = [
    web::show,
    mail::show,
    ftp::show,
    news::show,
    gopher::show,
    telnet::show,
    tcp::show,
];

/// Runs every job and shows each conversation.
pub fn run(args: &Args) -> Result<u8> {
    let stage = Stage::new(args.explain)?;
    for part in PARTS {
        part(&stage)?;
    }
    Ok(OK)
}
