//! The queue between those who log and standard error: one for the process, as its log is.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::observe::lines::{Line, Out, Report, Sink, Target, Writer, write_within};

/// Lines that may wait to be written.
const LINES_MAX: usize = 4096;
/// Bytes of them all.
const BYTES_MAX: usize = 1 << 20;

static WRITER: OnceLock<Writer<LogLine>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);
static WAITING_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Lines lost so far: they could not be written, or too many waited.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// Starts the thread that writes to standard error.
pub(super) fn start() -> io::Result<Queue> {
    let writer = Writer::start("log", Out::open(Target::Stderr)?, LINES_MAX, Process)?;
    let sink = writer.sink();
    // A second start is refused by whoever installs what writes into this.
    let _ = WRITER.set(writer);
    Ok(Queue(sink))
}

/// Waits until what was logged is written, for about a second at most: a reader that has stopped is not waited for. To
/// be called at the end; later lines may be lost.
pub fn finish() {
    if let Some(writer) = WRITER.get() {
        writer.finish();
    }
}

/// Says the last thing on standard error, behind what was logged, and waits for no reader for longer than a second.
pub fn say_last(text: &str) {
    finish();
    write_within(io::stderr(), text.as_bytes(), Duration::from_secs(1));
}

/// What has been formatted and not written, no more than [`BYTES_MAX`] in all.
pub(super) struct LogLine(Box<[u8]>);

impl LogLine {
    fn new(bytes: &[u8]) -> Option<Self> {
        let waiting = WAITING_BYTES.fetch_add(bytes.len(), Relaxed) + bytes.len();
        if waiting > BYTES_MAX {
            WAITING_BYTES.fetch_sub(bytes.len(), Relaxed);
            return None;
        }
        Some(Self(bytes.into()))
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        WAITING_BYTES.fetch_sub(self.0.len(), Relaxed);
    }
}

impl Line for LogLine {
    fn render(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }
}

/// Where events become lines.
#[derive(Clone)]
pub(super) struct Queue(Sink<LogLine>);

impl<'w> MakeWriter<'w> for Queue {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Write for Queue {
    /// Takes a whole event, as it comes from the formatter. What there is no room for is not an error of who logs.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if !LogLine::new(event).is_some_and(|line| self.0.write(line)) {
            DROPPED.fetch_add(1, Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The process, whose log it is.
struct Process;

impl Report for Process {
    fn lose(&self, lines: u64) {
        DROPPED.fetch_add(lines, Relaxed);
    }

    fn lost(&self) -> u64 {
        dropped()
    }

    /// There is nowhere to say it; the metric does.
    fn fails(&self, _: &io::Error) {}

    fn goes_on(&self, lost: u64) {
        tracing::warn!(lost, "log lines were lost: they could not be written, or were too many at once");
    }

    fn reopened(&self, _: io::Result<()>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_has_a_bound_in_bytes() {
        // Larger than anything that other tests could log at the same time.
        assert!(LogLine::new(&vec![b'x'; BYTES_MAX + 1]).is_none());
        let half = vec![b'x'; BYTES_MAX / 2 + 1];
        let first = LogLine::new(&half);
        assert!(first.is_some() && LogLine::new(&half).is_none());
        drop(first);
        assert!(LogLine::new(&half).is_some(), "there is room again");
    }
}
