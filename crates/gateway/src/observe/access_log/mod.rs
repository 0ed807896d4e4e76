//! The access log: who came and how it ended, one JSON object a line, written by a thread of its own.
//!
//! Shards hand over entries and go on, whatever becomes of them: what does not fit into the bounded queue is dropped
//! and counted by the shard, what cannot be written by the thread (`holdfast_access_log_dropped_total`).

mod entry;
mod visits;

use std::io;
use std::sync::Arc;

pub(crate) use entry::{Asked, Ending, Entry, Greeting};
pub(crate) use visits::{Log, Sink, Visit};

use crate::counters::Counters;
use crate::observe::lines::{self, Line, Out, Report, Target};
use crate::settings::AccessLog;

/// Entries that may wait to be written. Each has up to [`entry::TEXT_LEN_MAX`] bytes of each text.
const ENTRIES_MAX: usize = 4096;

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: lines::Writer<Entry>,
    is_file: bool,
}

/// Opens what was opened by its path anew, for whoever has moved it: the access log, where that is a file.
#[derive(Debug)]
pub struct Reopener {
    access_log: Option<lines::Reopen<Entry>>,
}

/// Opens the log of these shards. What is lost is counted with the first.
///
/// # Errors
/// When its file cannot be opened for appending, or the thread cannot be started.
pub(crate) fn start(to: &AccessLog, shards: Arc<[Arc<Counters>]>) -> io::Result<Writer> {
    let out = Out::open(match to {
        AccessLog::Stdout => Target::Stdout,
        AccessLog::Stderr => Target::Stderr,
        AccessLog::File(path) => Target::File(path.clone()),
    })?;
    if !out.is_open() {
        tracing::warn!(
            "the access log is a FIFO that nobody reads: its lines are dropped until somebody does"
        );
    }
    let lines = lines::Writer::start("access-log", out, ENTRIES_MAX, Shards(shards))?;
    Ok(Writer { lines, is_file: matches!(to, AccessLog::File(_)) })
}

impl Writer {
    pub(crate) fn sink(&self) -> Sink {
        self.lines.sink()
    }

    /// Waits for a while until all that the shards have logged is written.
    pub(crate) fn finish(&self) {
        if !self.lines.finish() {
            tracing::warn!("the access log is not read: its last lines are lost");
        }
    }
}

impl Reopener {
    pub(crate) fn new(access_log: Option<&Writer>) -> Self {
        let file = access_log.filter(|writer| writer.is_file);
        Self { access_log: file.map(|writer| writer.lines.reopen()) }
    }

    /// Orders it, and waits for nothing. A file that cannot be opened is logged, and the old one goes on.
    pub fn reopen(&self) {
        match &self.access_log {
            Some(access_log) => access_log.order(),
            None => tracing::info!("the access log goes to no file: there is nothing to open anew"),
        }
    }
}

impl Line for Entry {
    fn render(&self, to: &mut Vec<u8>) {
        self.append(to);
    }
}

/// The shards whose log it is.
struct Shards(Arc<[Arc<Counters>]>);

impl Report for Shards {
    fn lose(&self, lines: u64) {
        if let Some(first) = self.0.first() {
            first.log_unwritten.add(lines);
        }
    }

    fn lost(&self) -> u64 {
        self.0.iter().map(|shard| shard.access_log_dropped()).sum()
    }

    fn fails(&self, error: &io::Error) {
        tracing::warn!(%error, "the access log cannot be written: its lines are lost until that changes");
    }

    fn goes_on(&self, lost: u64) {
        tracing::warn!(lost, "the access log is written again: some of its lines were lost");
    }

    fn reopened(&self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => tracing::info!("the access log was opened anew"),
            Err(error) => {
                tracing::error!(%error, "the access log cannot be opened anew: the old file goes on");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards() -> Arc<[Arc<Counters>]> {
        (0..2).map(|_| Arc::new(Counters::default())).collect()
    }

    #[test]
    fn every_entry_is_a_line_in_the_order_they_came() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let writer = start(&AccessLog::File(path.clone()), shards()).expect("a log");
        for bytes_in in 0..100 {
            let ending = Ending { bytes_in, ..Ending::default() };
            assert!(writer.sink().write(Entry::close("0-1-2".to_owned(), ending)), "there is room");
        }
        writer.finish();
        let text = std::fs::read_to_string(path).expect("the log");
        let lens = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["bytes_in"].as_u64().expect("a number")
        });
        assert!(lens.eq(0..100), "{text}");
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        let shards = shards();
        let writer = start(&AccessLog::File("/dev/full".into()), Arc::clone(&shards)).expect("a log");
        for _ in 0..3 {
            assert!(writer.sink().write(Entry::close("0-1-2".to_owned(), Ending::default())));
        }
        writer.finish();
        assert_eq!(shards.iter().map(|shard| shard.access_log_dropped()).sum::<u64>(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let to = AccessLog::File("/nonexistent/access.log".into());
        assert_eq!(start(&to, shards()).map(drop).expect_err("no folder").kind(), io::ErrorKind::NotFound);
    }
}
