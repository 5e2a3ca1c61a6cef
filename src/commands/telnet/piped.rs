//! Stdin to the host, and what it says to stdout, both at once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use proto_telnet::{Client, Event};
use proto_transport::{Error, Result};

use super::harmless::Output;
use super::timeline::Timeline;
use super::{silent, Args};
use crate::progress::Progress;
use crate::save::Watch;

/// How much of stdin is sent at once: what there is room for when the system says that there is some.
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
        let limit = match said.ended {
            Some(ended) => args.quit_after_eof.map(|time| (ended, time)),
            None => None,
        };
        let silence = said.ended.map(|_| client.connection().silence());
        let until = [
            limit.and_then(|(ended, time)| ended.checked_add(time)),
            silence.and_then(|silence| Instant::now().checked_add(silence)),
        ];
        let until = until.into_iter().flatten().min();
        let ready = match said.is_waited_for() {
            true => client.wait(&[said.stdin.as_fd()], false, until)?,
            false => client.wait(&[], said.is_pending(), until)?,
        };
        if ready.heard && !heard.hear(client)? {
            return heard.output.finish();
        }
        if ready.has_room {
            said.send(client)?;
        }
        if ready.other.is_some() {
            said.read()?;
        }
        if limit.is_some_and(|(ended, time)| ended.elapsed() >= time) {
            return heard.output.finish();
        }
        if ready == proto_transport::Ready::default() {
            if let Some(silence) = silence {
                return Err(silent(client, silence));
            }
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
    /// What was read and not sent.
    pending: usize,
    ended: Option<Instant>,
    is_finished: bool,
}

impl Said {
    fn new() -> Result<Said> {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        let stdin = stdin.map_err(|error| Error::io("reading stdin", error))?;
        Ok(Said {
            stdin: File::from(stdin),
            block: vec![0; BLOCK],
            pending: 0,
            ended: None,
            is_finished: false,
        })
    }

    /// Whether more of stdin is wanted.
    fn is_waited_for(&self) -> bool {
        self.ended.is_none() && !self.is_pending()
    }

    fn is_pending(&self) -> bool {
        self.pending > 0 || self.ended.is_some() && !self.is_finished
    }

    fn read(&mut self) -> Result<()> {
        self.pending = proto_transport::read_some(&mut self.stdin, &mut self.block)?;
        if self.pending == 0 {
            self.ended = Some(Instant::now());
        }
        Ok(())
    }

    fn send(&mut self, client: &mut Client) -> Result<()> {
        let bytes = self.block.get(..self.pending).unwrap_or_default();
        client.say_text(bytes)?;
        self.pending = 0;
        if self.ended.is_some() && !self.is_finished {
            self.is_finished = true;
            client.finish_text()?;
        }
        Ok(())
    }
}
