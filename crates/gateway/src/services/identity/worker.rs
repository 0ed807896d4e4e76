//! A thread for what is too dear for shards.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Most jobs that wait.
pub(super) const WAITING_MAX: usize = 1024;

/// Something to be done.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread.
#[derive(Clone)]
pub(super) struct Queue(SyncSender<Job>);

/// The thread, which is there from when it is needed first.
#[derive(Debug, Default)]
pub(crate) struct Worker(Mutex<Option<Queue>>);

impl Worker {
    /// The way to it. It ends when nobody has one any more.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn queue(&self) -> io::Result<Queue> {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = &*started {
            return Ok(queue.clone());
        }
        let (queue, jobs) = Queue::new();
        thread::Builder::new().name("tokens".to_owned()).spawn(move || jobs.iter().for_each(|job| job()))?;
        *started = Some(queue.clone());
        Ok(queue)
    }
}

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (queue, jobs) = sync_channel(WAITING_MAX);
        (Self(queue), jobs)
    }

    /// Hands over a job, and waits for nothing. Whether there was room for it; if not it is dropped.
    pub(super) fn offer(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.0.try_send(Box::new(job)).is_ok()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn so_many_jobs_wait_and_no_more() {
        let (queue, jobs) = Queue::new();
        for _ in 0..WAITING_MAX {
            assert!(queue.offer(|| {}));
        }
        assert!(!queue.offer(|| panic!("it is dropped")));
        jobs.recv().expect("a job")();
        assert!(queue.offer(|| {}), "there is room again");
        drop(jobs);
        assert!(!queue.offer(|| {}), "nobody is there");
    }

    #[test]
    fn jobs_are_done_in_order_by_one_thread() {
        let worker = Worker::default();
        let (said, heard) = mpsc::channel();
        for number in 0..3 {
            let said = said.clone();
            let job = move || said.send((number, thread::current().id())).expect("heard");
            assert!(worker.queue().expect("a thread").offer(job));
        }
        let all: Vec<_> = heard.iter().take(3).collect();
        assert!(all.iter().map(|(number, _)| *number).eq(0..3), "{all:?}");
        assert!(all.iter().all(|(_, id)| *id == all[0].1 && *id != thread::current().id()), "{all:?}");
    }
}
