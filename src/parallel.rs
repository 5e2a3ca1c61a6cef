//! N connections, one queue of jobs, for every protocol.

use std::sync::Mutex;
use std::thread;

/// Runs all jobs on up to `workers` threads. Each thread makes a worker of its own, which holds a
/// connection and serves one job after the other. With one worker no thread is started.
pub fn run<J: Send, W: FnMut(J)>(
    workers: usize,
    jobs: impl Iterator<Item = J> + Send,
    make_worker: impl Fn() -> W + Sync,
) {
    if workers <= 1 {
        return jobs.for_each(make_worker());
    }
    let queue = Mutex::new(jobs);
    let next = || {
        let mut queue = queue
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        queue.next()
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut worker = make_worker();
                while let Some(job) = next() {
                    worker(job);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_job_is_done_once_by_at_most_so_many() {
        for workers in [1, 4] {
            let made = AtomicUsize::new(0);
            let done = Mutex::new(Vec::new());
            run(workers, 0..100, || {
                made.fetch_add(1, Ordering::Relaxed);
                |job| done.lock().unwrap().push(job)
            });
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (0..100).collect::<Vec<_>>());
            assert!(made.into_inner() <= workers);
        }
    }
}
