//! A thread that takes a batch of messages from memory to the disk, while the next ones come in.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::SystemTime;

use super::draft::{self, Draft, Temporary};
use super::finishing::{finish, Folders, Pending};

/// Messages are handed over by the dozen, since each time the thread must be woken; fewer if they
/// have so many bytes. So what waits is bounded to a few of these dozens.
const DOZEN: usize = 12;
const BYTES: usize = 128 * 1024;
const DOZENS: usize = 4;

/// Memory that is worth using again: what is larger would stay as large for ever.
const USUAL: usize = 32 * 1024;

/// What becomes a file.
pub enum Source {
    /// A message in memory, and the name of its file for the time being, if it needs one.
    Memory(Vec<u8>, Option<Temporary>),
    /// It is in its file already.
    Draft(Draft),
}

/// A message on its way to the disk.
pub struct Job {
    /// All of it.
    pub source: Source,
    /// The time that the file gets.
    pub date: Option<SystemTime>,
    /// Which of the folders it goes to.
    pub folder: usize,
    /// The name that it has there.
    pub name: String,
}

enum Order {
    Make(Vec<Job>),
    /// The batch is complete. These folders have something else that is not durable yet.
    Finish(Vec<bool>),
}

/// Works on one batch. Dropped before `finish`, it leaves nothing of it.
pub struct Worker {
    orders: SyncSender<Order>,
    /// Memory that is free again: freed where it was taken, or used again, it costs least.
    free: Receiver<Vec<Vec<u8>>>,
    thread: JoinHandle<io::Result<()>>,
    next: Vec<Job>,
    bytes: usize,
}

/// A worker that has got all of its batch.
pub struct Finishing(JoinHandle<io::Result<()>>);

impl Worker {
    /// Starts the thread.
    pub fn start(folders: Arc<Folders>) -> io::Result<Worker> {
        let (sender, orders) = sync_channel(DOZENS);
        let (freed, free) = channel();
        let thread = Builder::new().spawn(move || work(&orders, &freed, &folders))?;
        Ok(Worker {
            orders: sender,
            free,
            thread,
            next: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes a message. An error tells that the thread has ended; `give_up` then tells why.
    pub fn add(&mut self, job: Job) -> io::Result<()> {
        if let Source::Memory(bytes, _) = &job.source {
            self.bytes += bytes.len();
        }
        self.next.push(job);
        match self.next.len() >= DOZEN || self.bytes >= BYTES {
            true => self.hand_over(),
            false => Ok(()),
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.bytes = 0;
        let jobs = std::mem::take(&mut self.next);
        self.order(Order::Make(jobs))
    }

    fn order(&self, order: Order) -> io::Result<()> {
        let sent = self.orders.send(order);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Adds memory that is free again.
    pub fn reclaim(&self, spare: &mut Vec<Vec<u8>>) {
        spare.extend(self.free.try_iter().flatten());
    }

    /// The batch is complete, and becomes durable from now on.
    pub fn finish(mut self, changed: Vec<bool>) -> Finishing {
        // If the thread has ended, it tells why.
        let _ = self
            .hand_over()
            .and_then(|()| self.order(Order::Finish(changed)));
        Finishing(self.thread)
    }

    /// Gives the batch up. Why the thread has ended, if something went wrong.
    pub fn give_up(self) -> io::Result<()> {
        drop(self.orders);
        Finishing(self.thread).wait()
    }
}

impl Finishing {
    /// Waits until the batch is durable and has its names.
    pub fn wait(self) -> io::Result<()> {
        let broken = |_| Err(io::Error::other("a thread broke off"));
        self.0.join().unwrap_or_else(broken)
    }
}

fn work(
    orders: &Receiver<Order>,
    freed: &Sender<Vec<Vec<u8>>>,
    folders: &Folders,
) -> io::Result<()> {
    let mut pending = Vec::new();
    for order in orders {
        match order {
            Order::Make(jobs) => {
                let mut free = Vec::with_capacity(jobs.len());
                for job in jobs {
                    pending.push(job.run(folders, &mut free)?);
                }
                // When nobody wants it back, all is over.
                let _ = freed.send(free);
            }
            Order::Finish(changed) => return finish(folders, pending, changed),
        }
    }
    Ok(())
}

impl Job {
    fn run(self, folders: &Folders, free: &mut Vec<Vec<u8>>) -> io::Result<Pending> {
        let draft = match self.source {
            Source::Draft(draft) => draft,
            Source::Memory(bytes, mut temporary) => {
                let mut file = draft::create(&folders.from, &mut temporary)?;
                file.write_all(&bytes)?;
                date_file(&file, self.date);
                if bytes.capacity() <= USUAL {
                    free.push(bytes);
                }
                Draft::of(file, temporary)
            }
        };
        Ok(Pending {
            draft,
            folder: self.folder,
            name: self.name,
        })
    }
}

/// Gives a file the time of its message.
pub fn date_file(file: &File, date: Option<SystemTime>) {
    if let Some(date) = date {
        // A time that the file system does not have is no reason to lose the message.
        let _ = file.set_modified(date);
    }
}
