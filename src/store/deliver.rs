//! A command for each message, which reads it on stdin.
//!
//! | how it ends | what that means |
//! |---|---|
//! | status 0 | stored |
//! | 64 to 78 but for 75 | refused for good |
//! | 75, any other status, a signal, too late | may work later |
//!
//! It is started when the message is complete, and reads it from a file without a name, so that it
//! never takes a part of a message for the whole, nor do we wait for each other.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use proto_transport::{Error, Refusal, Result};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{kill_process_group, pidfd_open, Pid, PidfdFlags, Signal};

use super::incoming::Incoming;
use super::{About, Kept, Patience, Store};
use crate::exit_code::TEMPORARY;
use crate::tls_roots;

/// What our password may be in; it is not for other programs.
const PASSWORD: &str = "PROTO_PASSWORD";

/// The statuses of sysexits, which mean something.
const SYSEXITS: std::ops::RangeInclusive<i32> = 64..=78;

/// A command that stores messages.
pub struct Deliver {
    program: String,
    arguments: Vec<String>,
    patience: Patience,
    incoming: Incoming,
    uid: String,
    environment: Vec<(&'static str, String)>,
}

impl Deliver {
    /// Takes the command apart as a shell would, and runs it without one.
    pub fn new(command: &str, patience: Patience) -> Result<Deliver> {
        let wrong = |why| Error::illegal(format!("the command {command:?}: {why}"));
        let words = shlex::split(command).ok_or_else(|| wrong("quotation marks do not match"))?;
        let mut words = words.into_iter();
        let program = words.next().filter(|word| !word.is_empty());
        Ok(Deliver {
            program: program.ok_or_else(|| wrong("there is no command"))?,
            arguments: words.collect(),
            patience,
            incoming: Incoming::with_line_feeds(),
            uid: String::new(),
            environment: Vec::new(),
        })
    }

    /// What the command finds in its environment from now on.
    pub fn set_environment(&mut self, environment: Vec<(&'static str, String)>) {
        self.environment = environment;
    }

    fn start(&self, message: File) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(message);
        // Stdout is for what we have to say.
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        command.stdout(Stdio::from(stderr)).stderr(Stdio::inherit());
        command.env_remove(PASSWORD);
        // No name and no value of it can hold a NUL.
        let harmless = |text: &str| text.replace('\0', "");
        command.envs(
            self.environment
                .iter()
                .map(|(name, value)| (name, harmless(value))),
        );
        tls_roots::restore(&mut command);
        // What it starts is of its group, so that nothing of it goes on when it is too late.
        command.process_group(0);
        command.spawn()
    }

    fn refused(&self, reply: String, refusal: Refusal) -> Error {
        Error::Refused {
            peer: self.program.clone(),
            doing: format!("taking the message {:?}", self.uid),
            reply,
            refusal,
        }
    }

    fn judge(&self, status: ExitStatus) -> Result<()> {
        let refusal = match status.code() {
            Some(0) => return Ok(()),
            Some(code) if code == i32::from(TEMPORARY) => Refusal::Transient,
            Some(code) if SYSEXITS.contains(&code) => Refusal::Lasting,
            _ => Refusal::Transient,
        };
        Err(self.refused(status.to_string(), refusal))
    }
}

impl Store for Deliver {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.incoming.clear();
        self.uid = about.uid.to_owned();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.incoming
            .write(bytes, tempfile::tempfile)
            .map_err(keeping)
    }

    fn end(&mut self) -> Result<Kept> {
        let hash = self.incoming.finish().map_err(keeping)?;
        let message = self.incoming.take_file(tempfile::tempfile);
        let mut message = message.map_err(keeping)?;
        message.rewind().map_err(keeping)?;
        let running = |error| Error::io(format!("running {}", self.program), error);
        let mut child = self.start(message).map_err(running)?;
        let started = Instant::now();
        let Some(status) = wait(&mut child, self.patience.until()).map_err(running)? else {
            let why = format!(
                "it was not done after {:.1} s",
                started.elapsed().as_secs_f64()
            );
            return Err(self.refused(why, Refusal::Transient));
        };
        self.judge(status)?;
        let place = self.program.clone();
        Ok(Kept { hash, place })
    }

    fn abandon(&mut self) {
        self.incoming.clear();
    }

    /// The command has seen to it.
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    /// A command that has run cannot be called back.
    fn batch(&self) -> usize {
        1
    }
}

fn keeping(error: io::Error) -> Error {
    Error::io("keeping a message in a temporary file", error)
}

/// Waits until the process has ended; one that takes too long is killed, with all of its group.
fn wait(child: &mut Child, until: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    if ends_by(child, until) {
        return child.wait().map(Some);
    }
    if let Some(group) = pid(child) {
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn ends_by(child: &Child, until: Option<Instant>) -> bool {
    let process = pid(child).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let (Some(process), Some(until)) = (process, until) else {
        // An old system cannot wait for a time.
        return true;
    };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).ok();
        let mut waited = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut waited, left.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(0) => return false,
            _ => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn deliver(command: &str, bytes: &[u8]) -> Result<Kept> {
        let mut deliver = Deliver::new(command, Patience::of(10_000))?;
        let about = About {
            uid: "1",
            flags: "",
            date: None,
        };
        deliver.begin(&about)?;
        deliver.write(b"broken off")?;
        deliver.abandon();
        deliver.begin(&about)?;
        deliver.write(bytes)?;
        deliver.end()
    }

    #[test]
    fn the_command_reads_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b");
        let command = format!("dd status=none 'of={}'", path.display());
        for size in [1, 3_000_000] {
            deliver(&command, &b"x\r\n".repeat(size)).unwrap();
            assert!(std::fs::read(&path).unwrap() == b"x\n".repeat(size));
        }
    }

    #[test]
    fn the_status_decides() {
        // One that does not read its input is not wrong for that.
        deliver("true", &vec![b'x'; 3_000_000]).unwrap();
        for (command, lasting) in [
            ("sh -c 'exit 75'", false),
            ("sh -c 'exit 67'", true),
            ("sh -c 'exit 78'", true),
            ("false", false),
            ("sh -c 'kill -9 $$'", false),
        ] {
            let error = deliver(command, b"x").unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{error}");
            assert_eq!(!error.is_transient(), lasting, "{error}");
        }
        let error = deliver("/nonexistent/command", b"x").unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn there_is_no_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        deliver(&format!("true > {}", path.display()), b"x").unwrap();
        assert!(!path.exists());
        for wrong in ["", "  ", "''", "echo 'x"] {
            assert!(matches!(deliver(wrong, b""), Err(Error::Illegal { .. })));
        }
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let whole = Patience {
            deadline: Instant::now().checked_add(Duration::from_millis(50)),
            ..Patience::of(60_000)
        };
        for patience in [Patience::of(50), whole] {
            let mut deliver = Deliver::new("sleep 60", patience).unwrap();
            let started = Instant::now();
            let error = deliver.end().unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert!(started.elapsed() < Duration::from_secs(30));
        }
    }

    #[test]
    fn what_a_late_command_has_started_is_ended_too() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("late");
        let command = format!("sh -c 'sleep 1; touch {}; true'", mark.display());
        let mut deliver = Deliver::new(&command, Patience::of(50)).unwrap();
        assert!(deliver.end().is_err());
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(!mark.exists());
    }
}
