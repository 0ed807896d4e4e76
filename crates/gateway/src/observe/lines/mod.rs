//! Lines that leave the process: whoever has one hands it over and goes on, whatever becomes of it, and a thread of
//! their own writes them to standard output, standard error or a file.
//!
//! Only here is anything written there while the gateway serves, and only by those threads: no shard, no signal and no
//! lock ever waits for a reader, and nothing panics for want of one. What cannot be written is dropped and counted.

mod orders;
mod out;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use orders::Orders;
pub(crate) use out::{Out, Target, write_within};

use out::Stop;

/// What is written at once to a file, with the rest of the last line.
const BATCH_BYTES: usize = 64 << 10;
/// How long the end waits for what is still to be written: a reader that has stopped is not waited for.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
/// Lines were lost, and may be written again: so often at most it is said how many.
const SAY_PAUSE: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 128 << 10;

/// What becomes a line.
pub(crate) trait Line: Send + 'static {
    /// Appends the line, its end included.
    fn render(&self, to: &mut Vec<u8>);
}

/// Who counts the lines that are lost, and tells the operator.
pub(crate) trait Report: Send + 'static {
    /// So many lines could not be written.
    fn lose(&self, lines: u64);
    /// How many have been lost until now, those included for which there was no room.
    fn lost(&self) -> u64;
    /// Writing fails now, and did not before.
    fn fails(&self, error: &io::Error);
    /// Lines are written again; meanwhile so many were lost.
    fn goes_on(&self, lost: u64);
    /// The file was opened anew, or could not be, so that the old one goes on.
    fn reopened(&self, outcome: io::Result<()>);
}

enum Job<L> {
    Line(L),
    /// Something was ordered.
    Look,
    /// The last: tell when all before it are written.
    End(SyncSender<()>),
}

/// Where lines are handed over.
#[derive(Debug)]
pub(crate) struct Sink<L>(SyncSender<Job<L>>);

impl<L> Clone for Sink<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L> Sink<L> {
    /// Hands over a line, without waiting. Whether there was room for it.
    pub(crate) fn write(&self, line: L) -> bool {
        self.0.try_send(Job::Line(line)).is_ok()
    }
}

/// Has the file opened anew.
#[derive(Debug)]
pub(crate) struct Reopen<L> {
    sink: Sink<L>,
    orders: Arc<Orders>,
}

impl<L> Reopen<L> {
    /// Orders it, without waiting.
    pub(crate) fn order(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        // One that has no room for it is at work, and sees the order by itself.
        let _ = self.sink.0.try_send(Job::Look);
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer<L> {
    sink: Sink<L>,
    orders: Arc<Orders>,
}

impl<L: Line> Writer<L> {
    /// Starts the thread, for which `lines_max` lines may wait.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(name: &str, out: Out, lines_max: usize, report: impl Report) -> io::Result<Self> {
        let (sender, jobs) = sync_channel(lines_max);
        let orders = Arc::new(Orders::default());
        let seen = Arc::clone(&orders);
        let body = move || Loop { jobs, out, report, orders: &seen, batch: Vec::new() }.run();
        thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(body)?;
        Ok(Self { sink: Sink(sender), orders })
    }

    pub(crate) fn sink(&self) -> Sink<L> {
        self.sink.clone()
    }

    pub(crate) fn reopen(&self) -> Reopen<L> {
        Reopen { sink: self.sink(), orders: Arc::clone(&self.orders) }
    }

    /// Ends the thread when all that was handed over is written, and waits for that for a while. Whether it was.
    pub(crate) fn finish(&self) -> bool {
        let deadline = Instant::now() + FINISH_TIMEOUT;
        let finished = self.order_end(deadline).is_some_and(|ended| {
            let left = deadline.saturating_duration_since(Instant::now());
            ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
        });
        if !finished {
            self.orders.give_up.store(true, Ordering::Release);
        }
        finished
    }

    fn order_end(&self, deadline: Instant) -> Option<Receiver<()>> {
        const PAUSE: Duration = Duration::from_millis(5);
        let (done, ended) = sync_channel(1);
        let mut job = Job::End(done);
        loop {
            match self.sink.0.try_send(job) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return Some(ended),
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return None,
                Err(TrySendError::Full(again)) => job = again,
            }
            thread::sleep(PAUSE);
        }
    }
}

/// What the thread does.
struct Loop<'o, L, R> {
    jobs: Receiver<Job<L>>,
    out: Out,
    report: R,
    orders: &'o Orders,
    /// Lines to be written at once; memory that is used again.
    batch: Vec<u8>,
}

impl<L: Line, R: Report> Loop<'_, L, R> {
    /// Writes until it is told to end, or nobody is left who could hand over a line: several lines at once while there
    /// are several, and each as soon as there is no other.
    fn run(mut self) {
        let mut failing = false;
        let mut said = (self.report.lost(), Instant::now());
        while let Some((ends, is_idle)) = self.take(!failing && self.report.lost() > said.0) {
            if !self.batch.is_empty() || self.orders.reopen.load(Ordering::Acquire) {
                failing = self.write(failing);
            }
            let lost = self.report.lost();
            if !failing && is_idle && lost > said.0 && said.1.elapsed() >= SAY_PAUSE {
                self.report.goes_on(lost - said.0);
                said = (lost, Instant::now());
            }
            if let Some(done) = ends {
                let _ = done.send(());
                return;
            }
        }
    }

    /// Waits for lines and takes those that are there, into the batch. Who is to hear of the end, if that has come, and
    /// whether nothing is left to be taken. Nothing may come for a while where `for_a_while`.
    fn take(&mut self, for_a_while: bool) -> Option<(Option<SyncSender<()>>, bool)> {
        self.batch.clear();
        let first = if for_a_while {
            match self.jobs.recv_timeout(SAY_PAUSE) {
                Err(RecvTimeoutError::Timeout) => return Some((None, true)),
                first => first.ok()?,
            }
        } else {
            self.jobs.recv().ok()?
        };
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Line(line) => line.render(&mut self.batch),
                Job::Look => {}
                Job::End(done) => return Some((Some(done), true)),
            }
            if self.batch.len() >= BATCH_BYTES {
                return Some((None, false));
            }
            next = self.jobs.try_recv().ok();
        }
        Some((None, true))
    }

    /// Writes the batch, and opens the file anew when that is ordered. Whether writing fails.
    fn write(&mut self, failing: bool) -> bool {
        let mut at = 0;
        loop {
            if self.orders.reopen.swap(false, Ordering::AcqRel) {
                self.report.reopened(self.out.reopen());
            }
            let (len, stop) = self.out.write(&self.batch[at..], self.orders);
            at += len;
            match stop {
                // An order alone says nothing about whether lines can be written.
                None => return failing && self.batch.is_empty(),
                // The line that was begun goes into the new file, whole.
                Some(Stop::Reopen) => at = line_start(&self.batch, at),
                Some(Stop::Failed(error)) => {
                    self.report.lose(count_lines(&self.batch[at..]));
                    if !failing {
                        self.report.fails(&error);
                    }
                    return true;
                }
            }
        }
    }
}

/// Where the line begins in which `at` is.
fn line_start(lines: &[u8], at: usize) -> usize {
    lines[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
