//! Dead letters: disconnected events that no service has heard, each a line of a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::observe::lines::{Line, Out, Report, Sink, Target, Writer};

/// Letters that may wait to be written, of some 300 bytes each.
const WAITING_MAX: usize = 1 << 16;

/// A line.
#[derive(Debug, Serialize)]
pub(super) struct Letter {
    /// Seconds since 1970 at which it was given up.
    pub(super) time: u64,
    pub(super) hub: String,
    pub(super) connection: String,
    /// As `ce-id` would have said.
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<Box<str>>,
    pub(super) reason: String,
    pub(super) origin: String,
}

impl Line for Letter {
    fn render(&self, to: &mut Vec<u8>) {
        // Neither a map with keys that are no strings nor a writer that fails: it cannot fail.
        let rendered = serde_json::to_writer(&mut *to, self);
        debug_assert!(rendered.is_ok());
        to.push(b'\n');
    }
}

/// The file of a hub's dead letters, and the thread that writes it.
#[derive(Debug)]
pub(crate) struct Letters {
    path: PathBuf,
    writer: Writer<Letter>,
    sink: Sink<Letter>,
    lost: Arc<AtomicU64>,
}

impl Letters {
    /// Opens the file for appending. What is lost is counted in `lost`.
    ///
    /// # Errors
    /// When it cannot be opened, or a thread cannot be started.
    pub(super) fn open(path: &Path, hub: &str, lost: &Arc<AtomicU64>) -> io::Result<Self> {
        let out = Out::open(Target::File(path.to_owned()))?;
        let counted = Counted { hub: hub.to_owned(), lost: Arc::clone(lost) };
        let writer = Writer::start("dead-letters", out, WAITING_MAX, counted)?;
        Ok(Self { path: path.to_owned(), sink: writer.sink(), writer, lost: Arc::clone(lost) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over a letter, and waits for nothing.
    pub(super) fn write(&self, letter: Letter) {
        if !self.sink.write(letter) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Opens the file anew, for whoever has moved it.
    pub(super) fn reopen(&self) {
        self.writer.reopen().order();
    }

    /// Waits for a while until all that was handed over is written.
    pub(super) fn finish(&self) {
        if !self.writer.finish() {
            tracing::error!(path = %self.path.display(), "the last dead letters could not be written in time");
        }
    }
}

/// Who counts what is lost.
struct Counted {
    hub: String,
    lost: Arc<AtomicU64>,
}

impl Report for Counted {
    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Relaxed);
    }

    fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn fails(&self, error: &io::Error) {
        tracing::error!(hub = self.hub, %error, "dead letters cannot be written: they are lost until that changes");
    }

    fn goes_on(&self, lost: u64) {
        tracing::warn!(hub = self.hub, lost, "dead letters are written again: some were lost");
    }

    fn reopened(&self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            tracing::error!(hub = self.hub, %error, "dead letters cannot be opened anew: the old file goes on");
        }
    }
}
