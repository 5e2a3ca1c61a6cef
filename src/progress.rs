//! Progress on a terminal's stderr, for whatever takes over a second.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto_transport::escape::escaped;

/// What is faster than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lines of all transfers of a command, and their total.
pub struct Progress {
    lines: Option<MultiProgress>,
    total: Option<ProgressBar>,
    started: Instant,
}

impl Progress {
    /// Shows something only if stderr is a terminal and the user has not asked for quiet.
    pub fn new(quiet: bool, transfers: usize) -> Progress {
        let lines = (!quiet && io::stderr().is_terminal()).then(MultiProgress::new);
        let total = lines.as_ref().filter(|_| transfers > 1).map(|_| {
            let total = hidden(Some(transfers as u64));
            total.with_style(style("{pos} of {len} done {wide_bar} {elapsed}"))
        });
        Progress {
            lines,
            total,
            started: Instant::now(),
        }
    }

    /// The line of one transfer.
    pub fn transfer(&self, name: &str, length: Option<u64>) -> Transfer<'_> {
        let bar = self.lines.as_ref().map(|_| match length {
            Some(_) => hidden(length).with_style(style(
                "{msg:30!} {bytes:>10} of {total_bytes:10} {binary_bytes_per_sec:>12} {wide_bar} {eta}",
            )),
            None => hidden(None)
                .with_style(style("{msg:30!} {bytes:>10} {binary_bytes_per_sec:>12} {elapsed}")),
        });
        Transfer {
            progress: self,
            bar: bar.map(|bar| bar.with_message(escaped(name.as_bytes()))),
            started: Instant::now(),
            shown: false,
        }
    }

    /// One more of the transfers is over.
    pub fn done(&self) {
        if let (Some(lines), Some(total)) = (&self.lines, &self.total) {
            total.inc(1);
            if Some(total.position()) == total.length() {
                total.finish_and_clear();
            } else if self.started.elapsed() > PATIENCE {
                lines.add(total.clone()).tick();
            }
        }
    }

    /// Prints a line without disturbing the bars.
    pub fn say(&self, text: &str) {
        match &self.lines {
            Some(lines) => lines.suspend(|| crate::note(text)),
            None => crate::note(text),
        }
    }
}

/// A line that is not shown before it is added to the others.
fn hidden(length: Option<u64>) -> ProgressBar {
    ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The line of one transfer.
pub struct Transfer<'p> {
    progress: &'p Progress,
    bar: Option<ProgressBar>,
    started: Instant,
    shown: bool,
}

impl Transfer<'_> {
    /// So many bytes more.
    pub fn advance(&mut self, bytes: u64) {
        let (Some(bar), Some(lines)) = (&self.bar, &self.progress.lines) else {
            return;
        };
        bar.inc(bytes);
        if !self.shown && self.started.elapsed() > PATIENCE {
            self.shown = true;
            lines.add(bar.clone());
        }
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.as_ref().filter(|_| self.shown) {
            bar.finish_and_clear();
        }
    }
}
