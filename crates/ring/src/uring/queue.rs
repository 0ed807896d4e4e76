//! The submission and the completion queue of one ring.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use io_uring::{IoUring, Submitter, cqueue, opcode, squeue, types};
use rustix::io::Errno;

use super::capabilities::Capabilities;
use super::enter::Entrance;
use super::op::Op;

/// With deferred task run an enter hands out so many completions of what has been waiting (IO_LOCAL_TW_DEFAULT_MAX of
/// the kernel, since 6.13), and the rest at the next ones.
const PORTION: usize = 20;

/// A completion: its operation, result and flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) op: Op,
    /// Zero or more on success, a negated errno otherwise.
    pub(crate) result: i32,
    more: bool,
    buffer: Option<u16>,
}

impl Completion {
    /// Whether a multishot operation goes on after this completion. It ends silently when the completion queue
    /// overflows, so this is to be looked at every time.
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// The identifier of the provided buffer that the kernel used.
    pub(crate) fn buffer(&self) -> Option<u16> {
        self.buffer
    }

    /// The result as a count, or the error.
    pub(crate) fn outcome(&self) -> Result<usize, Errno> {
        usize::try_from(self.result).map_err(|_| Errno::from_raw_os_error(-self.result))
    }
}

/// The end of a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) now: Instant,
    /// From `now`, more than nothing.
    pub(crate) timeout: Duration,
}

impl Until {
    fn end(self) -> Instant {
        self.now + self.timeout
    }
}

/// A ring: entries pushed here go to the kernel in order, completions come back in whatever order they happen.
pub(crate) struct Queue {
    ring: IoUring,
    entrance: Entrance,
    /// Completions come in portions.
    portions: bool,
    completion_entries: usize,
    /// When the timer in flight fires.
    timer_until: Option<Instant>,
    timer_count: u32,
    timer: Box<types::Timespec>,
    completions: VecDeque<Completion>,
    /// Completions with bytes in them, and those of sends from lent buffers, among the ones taken in.
    streams: usize,
    sends: usize,
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) entered: u64,
    pub(crate) overflows: u64,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("entrance", &self.entrance).finish_non_exhaustive()
    }
}

impl Queue {
    /// Sets up a ring with what `capabilities` say.
    ///
    /// # Errors
    /// Of io_uring_setup(2): EPERM, ENOSYS, EINVAL, ENOMEM, EMFILE.
    pub(crate) fn new(
        capabilities: &Capabilities,
        submission_entries: u32,
        completion_entries: u32,
    ) -> rustix::io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completion_entries).setup_clamp().dontfork();
        if capabilities.submit_all {
            builder.setup_submit_all();
        }
        if capabilities.single_issuer {
            builder.setup_single_issuer();
        }
        if capabilities.defer_taskrun {
            builder.setup_defer_taskrun();
        }
        let ring = builder
            .build(submission_entries)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))?;
        let entrance =
            if capabilities.registered_ring { Entrance::registered(&ring)? } else { Entrance::normal(&ring) };
        Ok(Self {
            ring,
            entrance,
            portions: capabilities.defer_taskrun,
            completion_entries: completion_entries as usize,
            timer_until: None,
            timer_count: 0,
            timer: Box::default(),
            completions: VecDeque::with_capacity(completion_entries as usize),
            streams: 0,
            sends: 0,
            submitted: 0,
            completed: 0,
            entered: 0,
            overflows: 0,
        })
    }

    /// Entries of the submission queue.
    pub(crate) fn submission_entries(&self) -> u32 {
        self.ring.params().sq_entries()
    }

    /// For registering files and buffers.
    pub(crate) fn submitter(&self) -> Submitter<'_> {
        self.ring.submitter()
    }

    /// Queues an operation; the next enter submits it.
    ///
    /// # Safety
    /// Whatever memory `entry` names stays valid, and is touched by nobody else, until its completion has been seen.
    ///
    /// # Errors
    /// When the queue is full and the kernel refuses to take anything from it.
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry, op: Op) -> rustix::io::Result<()> {
        let entry = entry.user_data(op.to_user_data());
        loop {
            // SAFETY: passed on to the caller.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.flush()?;
        }
    }

    /// Submits everything, waits for a completion until `until` if none is there, and takes in all that have happened,
    /// up to what the completion queue holds. Without `until` it does not wait.
    ///
    /// # Errors
    /// When the ring is broken.
    pub(crate) fn wait(&mut self, until: Option<Until>) -> rustix::io::Result<()> {
        let until = until.filter(|_| self.completions.is_empty());
        let mut portion = self.enter(until)?;
        // A full portion has more behind it. Taking in all of it is what lets those who speak overtake a crowd that
        // hangs up. Where it has brought bytes already, those are handled first, while they are in the cache.
        while self.portions
            && portion >= PORTION
            && self.streams == 0
            && self.completions.len() < self.completion_entries
        {
            portion = self.enter(None)?;
        }
        Ok(())
    }

    /// Counts a system call that is not an enter.
    pub(crate) fn count_call(&mut self) {
        self.entered += 1;
    }

    /// Submits everything without waiting, and takes in what the kernel hands out.
    ///
    /// # Errors
    /// When the ring is broken.
    pub(crate) fn flush(&mut self) -> rustix::io::Result<()> {
        self.enter(None).map(drop)
    }

    /// One system call. Returns how many completions it brought.
    fn enter(&mut self, until: Option<Until>) -> rustix::io::Result<usize> {
        let entered = match until {
            None => self.submit(),
            Some(until) => {
                self.arm_timer(until)?;
                let count = self.pending();
                self.entered += 1;
                // Arming may have had to make room, and taken in completions.
                if self.completions.is_empty() {
                    self.entrance.submit_and_wait(count)
                } else {
                    self.entrance.submit(count)
                }
            }
        };
        match entered {
            Ok(count) => self.submitted += count as u64,
            // A signal came; the completion queue is to be emptied first, which happens now.
            Err(Errno::INTR | Errno::AGAIN | Errno::BUSY) => {}
            Err(error) => return Err(error),
        }
        Ok(self.take_in())
    }

    /// Whether an enter hands out no more than a portion of what has happened.
    pub(crate) fn has_portions(&self) -> bool {
        self.portions
    }

    /// Whether entries are queued that the kernel has not seen.
    pub(crate) fn has_pending(&mut self) -> bool {
        self.pending() > 0
    }

    /// Whether the kernel has seen every entry, and every completion that it made was taken in: nothing is left in its
    /// overflow list.
    pub(crate) fn is_settled(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.is_empty() && !submission.cq_overflow()
    }

    /// The next completion that was taken in.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        let completion = self.completions.pop_front();
        match completion.map(|it| it.op) {
            Some(Op::Stream(_)) => self.streams -= 1,
            Some(Op::SendLent(_)) => self.sends -= 1,
            _ => {}
        }
        completion
    }

    /// The next completion of a send from a lent buffer, before all others.
    pub(crate) fn next_send(&mut self) -> Option<Completion> {
        if self.sends == 0 {
            return None;
        }
        let index = self.completions.iter().position(|it| matches!(it.op, Op::SendLent(_)))?;
        self.sends -= 1;
        self.completions.remove(index)
    }

    fn submit(&mut self) -> rustix::io::Result<usize> {
        let count = self.pending();
        self.entered += 1;
        self.entrance.submit(count)
    }

    fn pending(&mut self) -> u32 {
        u32::try_from(self.ring.submission().len()).unwrap_or(u32::MAX)
    }

    fn take_in(&mut self) -> usize {
        let before = self.completed;
        if self.ring.submission().cq_overflow() {
            self.overflows += 1;
        }
        for entry in self.ring.completion() {
            self.completed += 1;
            let op = Op::from_user_data(entry.user_data());
            self.streams += usize::from(matches!(op, Op::Stream(_)));
            self.sends += usize::from(matches!(op, Op::SendLent(_)));
            match op {
                Op::Timer(count) if count == self.timer_count => self.timer_until = None,
                Op::Timer(_) | Op::Cancel => {}
                op => self.completions.push_back(Completion {
                    op,
                    result: entry.result(),
                    more: cqueue::more(entry.flags()),
                    buffer: cqueue::buffer_select(entry.flags()),
                }),
            }
        }
        usize::try_from(self.completed - before).unwrap_or(usize::MAX)
    }

    /// A TIMEOUT operation ends the wait, since one that is in flight from an earlier wait will do if it fires in time:
    /// it only ends this wait early. (A timeout of the wait itself, which 5.11 has, sets and takes back a timer of the
    /// kernel each time, 0.5 us.) One that fires too late is replaced.
    fn arm_timer(&mut self, until: Until) -> rustix::io::Result<()> {
        match self.timer_until {
            Some(armed) if armed <= until.end() => return Ok(()),
            Some(_) => {
                let late = Op::Timer(self.timer_count).to_user_data();
                // SAFETY: the entry names no memory.
                unsafe { self.push(opcode::TimeoutRemove::new(late).build(), Op::Cancel) }?;
            }
            None => {}
        }
        self.timer_until = Some(until.end());
        self.timer_count = self.timer_count.wrapping_add(1);
        *self.timer = types::Timespec::from(until.timeout);
        let entry = opcode::Timeout::new(&raw const *self.timer).build();
        // SAFETY: the kernel reads the timespec when it takes the entry, and its box lives as long as the ring; written
        // again before that, it is still a timespec.
        unsafe { self.push(entry, Op::Timer(self.timer_count)) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.entrance.unregister(&self.ring);
    }
}
