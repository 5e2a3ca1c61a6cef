//! N connections, one queue of jobs, for every protocol.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on up to `workers` threads, each with its own end of one queue of jobs. With one
/// worker no thread is started.
pub fn run<J: Sync>(workers: usize, jobs: &[J], work: impl Fn(Queue<'_, J>) + Sync) {
    let workers = workers.min(jobs.len()).max(1);
    let taken = AtomicUsize::new(0);
    let queue = || Queue {
        jobs,
        taken: &taken,
        workers,
        mine: VecDeque::new(),
    };
    if workers == 1 {
        return work(queue());
    }
    thread::scope(|scope| {
        for number in 0..workers {
            let started = thread::Builder::new().spawn_scoped(scope, || work(queue()));
            if started.is_err() {
                // No more threads are to be had; those that are there do all of it.
                if number == 0 {
                    work(queue());
                }
                return;
            }
        }
    });
}

/// A worker's end of the queue.
pub struct Queue<'q, J> {
    jobs: &'q [J],
    taken: &'q AtomicUsize,
    workers: usize,
    /// Jobs that this worker has looked at and will do.
    mine: VecDeque<&'q J>,
}

impl<'q, J> Queue<'q, J> {
    /// The next job.
    pub fn next(&mut self) -> Option<&'q J> {
        self.mine.pop_front().or_else(|| self.take())
    }

    /// The job that comes `ahead` jobs after the next one, which becomes this worker's own. None
    /// when so few are left that others should have them.
    pub fn peek(&mut self, ahead: usize) -> Option<&'q J> {
        while self.mine.len() <= ahead {
            let left = self
                .jobs
                .len()
                .saturating_sub(self.taken.load(Ordering::Relaxed));
            if self.workers > 1 && left <= self.workers * 2 * self.mine.len().max(1) {
                return None;
            }
            let job = self.take()?;
            self.mine.push_back(job);
        }
        self.mine.get(ahead).copied()
    }

    fn take(&self) -> Option<&'q J> {
        self.jobs.get(self.taken.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_job_is_done_once_and_in_order_by_one_worker() {
        let jobs: Vec<usize> = (0..1000).collect();
        for (workers, ahead) in [(1, 0), (1, 7), (4, 0), (4, 7)] {
            let done = Mutex::new(Vec::new());
            run(workers, &jobs, |mut queue| {
                while let Some(job) = queue.next() {
                    if let Some(later) = queue.peek(ahead) {
                        assert!(later > job);
                    }
                    done.lock().unwrap().push(*job);
                }
            });
            let mut done = done.into_inner().unwrap();
            if workers > 1 {
                done.sort_unstable();
            }
            assert_eq!(done, jobs);
        }
    }

    #[test]
    fn the_last_jobs_are_left_to_others() {
        let jobs = [1, 2, 3, 4];
        let taken = AtomicUsize::new(0);
        let mut queue = Queue {
            jobs: &jobs,
            taken: &taken,
            workers: 2,
            mine: VecDeque::new(),
        };
        assert_eq!(queue.next(), Some(&1));
        assert_eq!(queue.peek(0), None);
        queue.workers = 1;
        assert_eq!(queue.peek(1), Some(&3));
        assert_eq!(queue.next(), Some(&2));
    }
}
