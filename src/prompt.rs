//! A password asked for on the terminal, with echo off and back on whatever happens.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use proto_transport::{Error, Result, Secret};
use rustix::termios::{tcgetattr, tcsetattr, LocalModes, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Asks for a password. Nothing that a server said may be in the question.
pub fn password(question: &str) -> Result<Secret> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|_| {
        Error::illegal("a password is needed and there is no terminal to ask on; see --password-file and --password-command")
    })?;
    ask(&terminal, question).map_err(|error| Error::io("asking for a password", error))
}

fn ask(mut terminal: &File, question: &str) -> std::io::Result<Secret> {
    let quiet = Quiet::new(terminal)?;
    write!(terminal, "{question}: ")?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    let secret = Secret::new(std::mem::take(&mut line).trim_end_matches(['\r', '\n']));
    drop(quiet);
    writeln!(terminal)?;
    Ok(secret)
}

/// Echo is off while this lives. A signal that ends the process puts it back first.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
    prompting: Arc<AtomicBool>,
}

impl Quiet<'_> {
    fn new(terminal: &File) -> std::io::Result<Quiet<'_>> {
        let before = tcgetattr(terminal)?;
        let prompting = Arc::new(AtomicBool::new(true));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let (again, restored) = (terminal.try_clone()?, before.clone());
        let still = Arc::clone(&prompting);
        // The thread stays: once caught, these signals would not end the process by themselves.
        thread::spawn(move || {
            for signal in signals.forever() {
                if still.load(Ordering::Relaxed) {
                    let _ = tcsetattr(&again, OptionalActions::Now, &restored);
                }
                let _ = emulate_default_handler(signal);
            }
        });
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Quiet {
            terminal,
            before,
            prompting,
        })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
        self.prompting.store(false, Ordering::Relaxed);
    }
}
