//! A password asked for on the terminal, with echo off and back on whatever happens.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::raw::c_int;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use proto_transport::{Error, Result, Secret};
use rustix::process::getpgrp;
use rustix::termios::{tcgetattr, tcgetpgrp, tcsetattr, LocalModes, OptionalActions, Termios};
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGXCPU,
};
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

fn ask(mut terminal: &File, question: &str) -> io::Result<Secret> {
    let quiet = Quiet::new(terminal)?;
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

/// Signals that end or stop the process, and the one that goes on after a stop. Those that tell of
/// a crash cannot be caught by a thread.
const SIGNALS: [c_int; 10] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGTSTP, SIGCONT,
];

/// The terminal that somebody types a password on, while they do.
static ASKING: Mutex<Option<Terminal>> = Mutex::new(None);

static WATCH: Once = Once::new();

struct Terminal {
    file: File,
    before: Termios,
    silent: Termios,
}

impl Terminal {
    fn set(&self, modes: &Termios) {
        // Who changes the terminal from the background is stopped for it.
        if tcgetpgrp(&self.file).is_ok_and(|foreground| foreground == getpgrp()) {
            let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
        }
    }
}

/// Echo is off while this lives. A signal that ends or stops the process puts it back first.
struct Quiet;

impl Quiet {
    fn new(terminal: &File) -> io::Result<Quiet> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        *asking() = Some(Terminal {
            file: terminal.try_clone()?,
            before,
            silent: silent.clone(),
        });
        let quiet = Quiet;
        let mut watching = Ok(());
        WATCH.call_once(|| watching = watch());
        watching?;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(terminal) = asking().take() {
            terminal.set(&terminal.before);
        }
    }
}

fn asking() -> MutexGuard<'static, Option<Terminal>> {
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that meets the signals. It stays: once caught, they would not end the process
/// by themselves.
fn watch() -> io::Result<()> {
    let ignored = ignored();
    let caught = SIGNALS.iter().filter(|&&signal| !ignored(signal));
    let mut signals = Signals::new(caught)?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let terminal = asking();
            match (signal, terminal.as_ref()) {
                (SIGCONT, Some(terminal)) => terminal.set(&terminal.silent),
                (SIGCONT, None) => {}
                (_, terminal) => {
                    if let Some(terminal) = terminal {
                        terminal.set(&terminal.before);
                    }
                    let _ = emulate_default_handler(signal);
                }
            }
        }
    });
    Ok(())
}

/// Which signals were ignored before we came, as `nohup` does: they stay so. Only Linux tells.
fn ignored() -> impl Fn(c_int) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.unwrap_or_default();
    move |signal| mask & 1_u64.wrapping_shl(signal.wrapping_sub(1).unsigned_abs()) != 0
}
