//! Ctrl-C and SIGTERM, for commands that go on until somebody ends them.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proto_transport::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Ctrl-C and SIGTERM, which end a command in good order; a second one ends it at once, should the
/// order take too long.
pub struct Ending(Signals);

impl Ending {
    /// From now on the first of them does not end the process.
    pub fn new() -> Result<Ending> {
        let register = || {
            let is_second = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                // In this order, the first only sets the flag.
                flag::register_conditional_default(signal, Arc::clone(&is_second))?;
                flag::register(signal, Arc::clone(&is_second))?;
            }
            Signals::new([SIGINT, SIGTERM])
        };
        register()
            .map(Ending)
            .map_err(|error| Error::io("waiting for signals", error))
    }

    /// Whether there was a signal.
    pub fn has_come(&mut self) -> bool {
        self.0.pending().next().is_some()
    }

    /// Waits for a signal, or for so long. True if it was a signal.
    pub fn wait(&mut self, time: Option<Duration>) -> bool {
        let Some(time) = time else {
            return self.0.forever().next().is_some();
        };
        let started = Instant::now();
        loop {
            if self.has_come() {
                return true;
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            thread::sleep(left.min(GLANCE));
        }
    }
}

/// How often a command that waits for something else too looks for a signal.
pub const GLANCE: Duration = Duration::from_millis(20);
