//! The modes of a terminal, changed for a while and put back whatever happens: at the end, after a
//! panic, and before a signal ends or stops the process.

use std::fs::{self, File};
use std::io;
use std::os::raw::c_int;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use rustix::process::getpgrp;
use rustix::termios::{tcgetattr, tcgetpgrp, tcsetattr, OptionalActions, Termios};
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGXCPU,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Signals that end or stop the process, and the one that goes on after a stop. Those that tell of
/// a crash cannot be caught by a thread.
const SIGNALS: [c_int; 10] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGTSTP, SIGCONT,
];

/// The terminal whose modes are changed, while they are.
static CHANGED: Mutex<Option<Terminal>> = Mutex::new(None);

static WATCH: Once = Once::new();

struct Terminal {
    file: File,
    before: Termios,
    now: Termios,
}

impl Terminal {
    fn set(&self, modes: &Termios) {
        // Who changes the terminal from the background is stopped for it.
        if tcgetpgrp(&self.file).is_ok_and(|foreground| foreground == getpgrp()) {
            let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
        }
    }
}

/// The modes of a terminal are changed while this lives; there is one at a time.
pub struct Modes;

impl Modes {
    /// Changes the modes of a terminal. What was typed before is forgotten: it was not meant for
    /// what comes now.
    pub fn change(terminal: &File, edit: impl FnOnce(&mut Termios)) -> io::Result<Modes> {
        let before = tcgetattr(terminal)?;
        let mut now = before.clone();
        edit(&mut now);
        *changed() = Some(Terminal {
            file: terminal.try_clone()?,
            before,
            now: now.clone(),
        });
        let modes = Modes;
        let mut watching = Ok(());
        WATCH.call_once(|| watching = watch());
        watching?;
        tcsetattr(terminal, OptionalActions::Flush, &now)?;
        Ok(modes)
    }

    /// Changes the modes that there were at first in another way. Nothing that was typed is lost.
    pub fn edit(&self, edit: impl FnOnce(&mut Termios)) {
        if let Some(terminal) = changed().as_mut() {
            let mut now = terminal.before.clone();
            edit(&mut now);
            terminal.set(&now);
            terminal.now = now;
        }
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        if let Some(terminal) = changed().take() {
            terminal.set(&terminal.before);
        }
    }
}

fn changed() -> MutexGuard<'static, Option<Terminal>> {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that meets the signals. It stays: once caught, they would not end the process
/// by themselves.
fn watch() -> io::Result<()> {
    let ignored = ignored();
    let caught = SIGNALS.iter().filter(|&&signal| !ignored(signal));
    let mut signals = Signals::new(caught)?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let terminal = changed();
            match (signal, terminal.as_ref()) {
                (SIGCONT, Some(terminal)) => terminal.set(&terminal.now),
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
