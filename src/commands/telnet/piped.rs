//! Stdin to the host, and what it says to stdout, both at once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use proto_telnet::{Client, Event};
use proto_transport::{read_some, Error, Result};

use super::harmless::Output;
use super::timeline::Timeline;
use super::{silent, Args, A_LONG_TIME};
use crate::progress::Progress;
use crate::save::Watch;

/// How much of stdin is sent at once.
const BLOCK: usize = 4096;

/// Sends stdin and writes what comes until the host hangs up, or until the time is over that it has
/// after the end of stdin.
pub(super) fn run(args: &Args, client: &mut Client, timeline: Option<Timeline>) -> Result<()> {
    let progress = Progress::new(true, 1);
    let connection = &args.common.connection;
    let mut heard = Heard {
        output: Output::stdout()?,
        timeline,
        watch: Watch {
            stored: 0,
            before: 0,
            started: Instant::now(),
            hash: None,
            max_size: connection.max_size,
            limit_rate: connection.limit_rate,
            deadline: args.common.deadline(),
            transfer: progress.transfer("telnet", None),
        },
    };
    let mut said = Said::new()?;
    loop {
        let now = Instant::now();
        let end = said.end(args, now);
        let silence = client.connection().silence();
        let patience = said.ended.and_then(|_| now.checked_add(silence));
        let until = [end, patience].into_iter().flatten().min();
        let until = until.unwrap_or(now + A_LONG_TIME);
        // One block at a time: what the host does not take must not pile up here.
        let stdin = match said.ended.is_none() && client.connection().queued() == 0 {
            true => Some(said.stdin.as_fd()),
            false => None,
        };
        let ready = client.wait(stdin, until)?;
        if ready.peer && !heard.hear(client)? {
            return heard.output.finish();
        }
        if ready.other {
            said.read(client)?;
        }
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            return heard.output.finish();
        }
        if !ready.peer && patience.is_some_and(|patience| now >= patience) {
            return Err(silent(client, silence));
        }
    }
}

/// What the host says.
struct Heard<'w> {
    output: Output,
    timeline: Option<Timeline>,
    watch: Watch<'w>,
}

impl Heard<'_> {
    /// Takes what has come; whether there may be more.
    fn hear(&mut self, client: &mut Client) -> Result<bool> {
        let mut count = 0;
        let goes_on = client.receive(&mut |event| {
            if let Event::Data(bytes) = &event {
                self.watch.look(bytes)?;
                count += bytes.len() as u64;
            }
            match (&mut self.timeline, event) {
                (Some(timeline), event) => timeline.add(&event),
                (None, Event::Data(bytes)) => self.output.write(bytes),
                (None, Event::Notice(_)) => Ok(()),
            }
        })?;
        self.watch.count(count)?;
        Ok(goes_on)
    }
}

/// What we say: stdin.
struct Said {
    stdin: File,
    block: Vec<u8>,
    ended: Option<Instant>,
}

impl Said {
    fn new() -> Result<Said> {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        let stdin = stdin.map_err(|error| Error::io("reading stdin", error))?;
        Ok(Said {
            stdin: File::from(stdin),
            block: vec![0; BLOCK],
            ended: None,
        })
    }

    /// When to hang up, if that is known.
    fn end(&self, args: &Args, now: Instant) -> Option<Instant> {
        let end = self.ended?.checked_add(args.quit_after_eof?);
        Some(end.unwrap_or(now + A_LONG_TIME))
    }

    fn read(&mut self, client: &mut Client) -> Result<()> {
        let count = read_some(&mut self.stdin, &mut self.block)?;
        if count == 0 {
            self.ended = Some(Instant::now());
            return client.finish_text();
        }
        client.say_text(self.block.get(..count).unwrap_or_default())
    }
}
