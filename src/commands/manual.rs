//! `proto manual DIR`

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use proto_transport::{Error, Result};

use crate::cli::Cli;
use crate::exit_code::OK;

/// Write the manual pages to a folder.
#[derive(clap::Args)]
pub struct Args {
    /// The folder, made if it is not there
    folder: PathBuf,
}

/// Writes `proto.1` and a page for each command.
pub fn run(args: &Args) -> Result<u8> {
    let failed = |error| Error::io(format!("writing to {}", args.folder.display()), error);
    fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(failed)?;
    Ok(OK)
}
