//! The access log: who came and how it ended, one JSON object a line, written by a thread of its own.
//!
//! Shards hand over entries and go on, whatever becomes of them: what does not fit into the bounded queue is dropped, and
//! counted by the shard (`holdfast_access_log_dropped_total`).

mod entry;

pub(crate) use entry::{Asked, Ending, Entry, Greeting};

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use crate::settings::AccessLog;

/// Entries that may wait to be written. Each has up to [`entry::TEXT_LEN_MAX`] bytes of each text.
const ENTRIES_MAX: usize = 4096;
/// What is written at once. No line is longer, so that each is written whole.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the end waits for what is still to be written: a reader that has stopped is not waited for.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 128 << 10;

/// Where shards put entries. The log ends when the last of them is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Sink(SyncSender<Entry>);

impl Sink {
    /// Hands over an entry, without waiting. Whether there was room for it.
    pub(crate) fn write(&self, entry: Entry) -> bool {
        self.0.try_send(entry).is_ok()
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Nothing is ever sent: it is disconnected when the thread ends.
    ended: Receiver<()>,
}

/// Opens the log.
///
/// # Errors
/// When its file cannot be opened for appending, or the thread cannot be started.
pub(crate) fn start(to: &AccessLog) -> io::Result<(Sink, Writer)> {
    let out: Box<dyn Write + Send> = match to {
        AccessLog::Stdout => Box::new(io::stdout()),
        AccessLog::Stderr => Box::new(io::stderr()),
        AccessLog::File(path) => Box::new(OpenOptions::new().append(true).create(true).open(path)?),
    };
    let (sender, entries) = sync_channel(ENTRIES_MAX);
    let (alive, ended) = channel::<()>();
    let body = move || {
        write_lines(&entries, out);
        drop(alive);
    };
    thread::Builder::new().name("access-log".to_owned()).stack_size(STACK_BYTES).spawn(body)?;
    Ok((Sink(sender), Writer { ended }))
}

impl Writer {
    /// Waits for a while until all is written. Every sink must have been dropped.
    pub(crate) fn finish(&self) {
        if self.ended.recv_timeout(FINISH_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log is not read: its last lines are lost");
        }
    }
}

/// Writes until every sink is gone: several lines at once while there are several, and each as soon as there is no other.
fn write_lines(entries: &Receiver<Entry>, out: impl Write) {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut line = Vec::new();
    let mut failing = false;
    while let Ok(first) = entries.recv() {
        let mut written = Ok(());
        for entry in std::iter::once(first).chain(entries.try_iter()) {
            line.clear();
            entry.render(&mut line);
            written = written.and(out.write_all(&line));
        }
        written = written.and_then(|()| out.flush());
        match written {
            Ok(()) => failing = false,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the access log cannot be written: its lines are lost until that changes");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex, PoisonError};

    fn entry(len: u64) -> Entry {
        Entry::close("0-1-2".to_owned(), Ending { bytes_in: len, ..Ending::default() })
    }

    /// Takes what is written, unless told to fail.
    #[derive(Clone, Default)]
    struct Out {
        text: Arc<Mutex<Vec<u8>>>,
        fails: bool,
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.fails {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_without_waiting() {
        let (sender, entries) = sync_channel(2);
        let sink = Sink(sender);
        assert_eq!([0, 1, 2].map(|len| sink.write(entry(len))), [true, true, false]);
        assert!(entries.recv().is_ok() && sink.write(entry(3)));
        drop(entries);
        assert!(!sink.write(entry(4)), "nobody writes any more");
    }

    #[test]
    fn every_entry_is_a_line_in_the_order_they_came() {
        let (sender, entries) = sync_channel(ENTRIES_MAX);
        // More than a buffer holds.
        let count = 2000;
        (0..count).for_each(|len| sender.send(entry(len)).expect("room"));
        drop(sender);
        let out = Out::default();
        write_lines(&entries, out.clone());
        let text = String::from_utf8(out.text.lock().expect("no panic").clone()).expect("UTF-8");
        assert!(text.len() > BUFFER_BYTES && text.ends_with('\n'));
        let lens = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["bytes_in"].as_u64().expect("a number")
        });
        assert!(lens.eq(0..count));
    }

    #[test]
    fn a_full_disk_does_not_end_the_log() {
        let (sender, entries) = sync_channel(4);
        sender.send(entry(0)).expect("room");
        drop(sender);
        write_lines(&entries, Out { fails: true, ..Out::default() });
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let to = AccessLog::File("/nonexistent/access.log".into());
        assert_eq!(start(&to).map(drop).expect_err("no such folder").kind(), io::ErrorKind::NotFound);
    }
}
