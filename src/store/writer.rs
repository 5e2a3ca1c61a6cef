//! A thread that makes files, so that the next messages come in meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
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
    thread: Option<Thread>,
    next: Vec<Job>,
}

struct Thread {
    jobs: SyncSender<Vec<Job>>,
    /// Those that are done: memory is freed where it was taken, or used again, which costs least.
    done: Receiver<Vec<Job>>,
    handle: JoinHandle<io::Result<()>>,
}

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
        let (ended, done) = channel();
        let within = folder.clone();
        let handle = Builder::new().spawn(move || run_all(&jobs, &ended, &within));
        let thread = |handle| Thread {
            jobs: sender,
            done,
            handle,
        };
        Writer {
            folder,
            thread: handle.ok().map(thread),
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
            Some(thread) => thread
                .jobs
                .send(jobs)
                .map_err(|_| io::ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }

    /// Adds memory that is free again.
    pub fn reclaim(&self, spare: &mut Vec<Vec<u8>>) {
        let done = self.thread.iter().flat_map(|thread| thread.done.try_iter());
        spare.extend(done.flatten().map(|job| job.bytes));
    }

    /// Waits until all files are made.
    pub fn finish(mut self) -> io::Result<()> {
        let handed_over = self.hand_over();
        let Some(thread) = self.thread else {
            return Ok(());
        };
        drop(thread.jobs);
        let broken = |_| Err(io::Error::other("a thread broke off"));
        thread.handle.join().unwrap_or_else(broken).and(handed_over)
    }
}

fn run_all(
    jobs: &Receiver<Vec<Job>>,
    ended: &Sender<Vec<Job>>,
    folder: &OwnedFd,
) -> io::Result<()> {
    for jobs in jobs {
        jobs.iter().try_for_each(|job| job.run(folder))?;
        // When nobody wants them back, all is over.
        let _ = ended.send(jobs);
    }
    Ok(())
}
