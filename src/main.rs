//! `proto`: talk to Internet services line by line, and see what they say.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod cli;
mod commands;
mod credentials;
mod crlf;
mod deferred;
mod direct;
mod download;
mod ending;
mod exit_code;
mod fetching;
mod folder;
mod ftp;
mod gopher;
mod imap;
mod imap_terms;
mod ledger;
mod letter;
mod login;
mod mail;
mod netrc;
mod nntp;
mod outbox;
mod output;
mod parallel;
mod pop3;
mod progress;
mod prompt;
mod protocol;
mod report;
mod rows;
mod safe_name;
mod save;
mod script;
mod smtp;
mod sockets;
mod store;
mod terminal;
mod tls_roots;
mod trace;
mod units;
mod wanted;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use proto_transport::escape::escaped;
use proto_transport::Error;

fn main() -> ExitCode {
    tls_roots::prepare();
    let code = match cli::Cli::try_parse() {
        Ok(cli) => match commands::run(cli.command) {
            Ok(code) => code,
            Err(error) => {
                tell(&error);
                exit_code::exit_code(&error)
            }
        },
        Err(error) => {
            let printed = print(&error);
            match (error.use_stderr(), printed) {
                (true, _) => exit_code::USAGE,
                // Help and version are no errors, unless nobody could read them.
                (false, Ok(())) => exit_code::OK,
                (false, Err(_)) => exit_code::IO,
            }
        }
    };
    ExitCode::from(code)
}

/// Prints what the command line's parser has to say. It quotes what it was given, which may hold
/// what no terminal should see.
fn print(error: &clap::Error) -> std::io::Result<()> {
    let text = error.render().to_string();
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| escaped(line.as_bytes()))
        .collect();
    let harmless = lines.join("\n");
    match harmless == text {
        true => error.print(),
        false => std::io::stderr().write_all(harmless.as_bytes()),
    }
}

/// Tells an error in one line on stderr. A reader of stdout who went away wants to hear nothing.
pub fn tell(error: &Error) {
    match error {
        Error::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe => {}
        error => note(&format!("proto: {error}")),
    }
}

/// A warning in one line on stderr.
pub fn warn(text: &str) {
    note(&format!("proto: warning: {text}"));
}

/// A line on stderr; if nobody can read it, nothing is lost.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
