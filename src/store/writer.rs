//! A thread that makes files, so that the next messages come in meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::SystemTime;

use super::batch::date_file;
use super::folder;

/// Files are handed over by the dozen, since each time the thread must be woken. With the largest
/// that may wait, what waits is bounded to 2 MiB.
const DOZEN: usize = 12;
const DOZENS: usize = 4;
const LARGEST: usize = 32 * 1024;

/// Makes files in one folder.
pub struct Writer {
    folder: Arc<OwnedFd>,
    /// None where there is no thread to be had.
    thread: Option<(SyncSender<Vec<Job>>, Made)>,
    next: Vec<Job>,
}

/// A thread, and whether it has made all its files.
type Made = JoinHandle<io::Result<()>>;

struct Job {
    name: String,
    bytes: Vec<u8>,
    date: Option<SystemTime>,
}

impl Job {
    fn run(&self, folder: &OwnedFd) -> io::Result<()> {
        let mut file: File = folder::create(folder, &self.name)?;
        file.write_all(&self.bytes)?;
        date_file(&file, self.date);
        Ok(())
    }
}

impl Writer {
    pub fn new(folder: Arc<OwnedFd>) -> Writer {
        let (sender, jobs) = sync_channel(DOZENS);
        let within = folder.clone();
        let thread = Builder::new().spawn(move || run_all(&jobs, &within));
        Writer {
            folder,
            thread: thread.ok().map(|thread| (sender, thread)),
            next: Vec::new(),
        }
    }

    /// Makes a file, now or soon. After an error `finish` tells why.
    pub fn write(
        &mut self,
        name: String,
        bytes: Vec<u8>,
        date: Option<SystemTime>,
    ) -> io::Result<()> {
        let job = Job { name, bytes, date };
        if self.thread.is_none() || job.bytes.len() > LARGEST {
            return job.run(&self.folder);
        }
        self.next.push(job);
        match self.next.len() {
            DOZEN.. => self.hand_over(),
            _ => Ok(()),
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let jobs = std::mem::take(&mut self.next);
        match &self.thread {
            Some((sender, _)) => sender
                .send(jobs)
                .map_err(|_| io::ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }

    /// Waits until all files are made.
    pub fn finish(mut self) -> io::Result<()> {
        let handed_over = self.hand_over();
        let Some((sender, thread)) = self.thread else {
            return Ok(());
        };
        drop(sender);
        let broken = |_| Err(io::Error::other("a thread broke off"));
        thread.join().unwrap_or_else(broken).and(handed_over)
    }
}

fn run_all(jobs: &Receiver<Vec<Job>>, folder: &OwnedFd) -> io::Result<()> {
    jobs.iter().flatten().try_for_each(|job| job.run(folder))
}
