//! `proto completions SHELL`

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use proto_transport::{Error, Result};

use crate::cli::Cli;
use crate::exit_code::OK;

/// Print the completions for a shell.
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub fn run(args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "proto", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| Error::io("writing to stdout", error))?;
    Ok(OK)
}
