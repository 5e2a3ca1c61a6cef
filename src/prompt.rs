//! A password asked for on the terminal, with echo off and back on whatever happens.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use proto_transport::{Error, Result, Secret};
use rustix::termios::LocalModes;

use crate::terminal::Modes;

/// Asks for a password. Nothing that a server said may be in the question.
pub fn password(question: &str) -> Result<Secret> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|_| {
        Error::illegal("a password is needed and there is no terminal to ask on; see --password-file and --password-command")
    })?;
    ask(&terminal, question).map_err(|error| Error::io("asking for a password", error))
}

fn ask(mut terminal: &File, question: &str) -> io::Result<Secret> {
    let quiet = Modes::change(terminal, |modes| modes.local_modes -= LocalModes::ECHO)?;
    write!(terminal, "{question}: ")?;
    let mut line = String::new();
    let count = BufReader::new(terminal).read_line(&mut line);
    let secret = Secret::new(std::mem::take(&mut line).trim_end_matches(['\r', '\n']));
    drop(quiet);
    writeln!(terminal)?;
    // Nothing at all, not even an empty line, is no password.
    match count? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(secret),
    }
}
