//! Where lines go. Nothing here waits for a reader without looking up now and then.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::orders::Orders;

/// Most that is written at once to anything but an ordinary file: a pipe takes so much whole or not at all (PIPE_BUF,
/// pipe(7)), so that lines of several writers are not mixed up.
const PIECE_BYTES: usize = 4096;
/// How often one who waits for a reader looks up.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// What lines are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    Stderr,
    /// What is at this path when it is opened, made if nothing is.
    File(PathBuf),
}

/// Why writing stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file is to be opened anew first.
    Reopen,
    Failed(io::Error),
}

/// An open target.
#[derive(Debug)]
pub(crate) struct Out {
    target: Target,
    /// None while it is a FIFO that nobody reads.
    file: Option<File>,
    /// Whether it is anything but an ordinary file: there is a reader, who may be slow.
    is_read: bool,
    /// A line was begun and not ended.
    is_torn: bool,
}

impl Out {
    /// Opens it. A FIFO that nobody reads is opened later, when there is a reader.
    ///
    /// # Errors
    /// When it cannot be opened for appending.
    pub(crate) fn open(target: Target) -> io::Result<Self> {
        let mut out = Self { target, file: None, is_read: true, is_torn: false };
        match out.reopen() {
            Err(error) if !out.waits_for_reader(&error) => Err(error),
            _ => Ok(out),
        }
    }

    /// Opens what is at its path now. The old file goes on if that fails. Streams of the process stay what they are.
    ///
    /// # Errors
    /// When it cannot be opened for appending, or is a FIFO that nobody reads.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let file = match &self.target {
            Target::File(path) => open(path)?,
            _ if self.file.is_some() => return Ok(()),
            Target::Stdout => io::stdout().as_fd().try_clone_to_owned()?.into(),
            Target::Stderr => io::stderr().as_fd().try_clone_to_owned()?.into(),
        };
        self.is_read = !file.metadata()?.is_file();
        self.file = Some(file);
        self.is_torn = false;
        Ok(())
    }

    /// Whether it is open: a FIFO that nobody reads is not.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it is a FIFO without a reader, by what opening it said. There may be one later.
    fn waits_for_reader(&self, error: &io::Error) -> bool {
        let Target::File(path) = &self.target else { return false };
        let is_fifo = || path.metadata().is_ok_and(|it| it.file_type().is_fifo());
        error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) && is_fifo()
    }

    /// Writes these lines. How many bytes of them were written, and why not all.
    pub(crate) fn write(&mut self, lines: &[u8], orders: &Orders) -> (usize, Option<Stop>) {
        if self.file.is_none()
            && let Err(error) = self.reopen()
        {
            return (0, Some(Stop::Failed(error)));
        }
        let Some(file) = &self.file else { return (0, None) };
        if self.is_torn && !lines.is_empty() {
            // What is left of a line stays a line of its own.
            if let (_, Some(stop)) = put(file, b"\n", self.is_read, orders) {
                return (0, Some(stop));
            }
            self.is_torn = false;
        }
        let (mut at, mut stop) = (0, None);
        while stop.is_none() && at < lines.len() {
            let piece = if self.is_read { first_lines(&lines[at..]) } else { &lines[at..] };
            let (len, stopped) = put(file, piece, self.is_read, orders);
            at += len;
            stop = stopped;
        }
        if at > 0 {
            self.is_torn = lines[at - 1] != b'\n';
        }
        // A FIFO's next reader may come to another FIFO of that name.
        if let Some(Stop::Failed(error)) = &stop
            && error.kind() == io::ErrorKind::BrokenPipe
            && matches!(self.target, Target::File(_))
        {
            self.file = None;
        }
        (at, stop)
    }
}

/// Waits for nobody: not for a FIFO's reader, and not while it is written to.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().append(true).create(true).custom_flags(flags.cast_signed()).open(path)
}

/// As many whole lines as are written at once; the first, if that is longer.
pub(super) fn first_lines(lines: &[u8]) -> &[u8] {
    let end = |byte: &u8| *byte == b'\n';
    let fit = lines[..lines.len().min(PIECE_BYTES)].iter().rposition(end);
    let len = fit.or_else(|| lines.iter().position(end)).map_or(lines.len(), |at| at + 1);
    &lines[..len]
}

/// Writes all of it, unless that fails or something is ordered meanwhile.
fn put(file: &File, bytes: &[u8], is_read: bool, orders: &Orders) -> (usize, Option<Stop>) {
    let mut at = 0;
    while at < bytes.len() {
        if is_read && !takes_more(file, LOOK_PAUSE) {
            if orders.reopen.load(Ordering::Acquire) {
                return (at, Some(Stop::Reopen));
            }
            if orders.give_up.load(Ordering::Acquire) {
                return (at, Some(Stop::Failed(io::ErrorKind::TimedOut.into())));
            }
            continue;
        }
        // Pieces, for the second half of a long line too.
        let len = if is_read { bytes.len().min(at + PIECE_BYTES) } else { bytes.len() };
        match rustix::io::write(file, &bytes[at..len]) {
            Ok(0) => return (at, Some(Stop::Failed(io::ErrorKind::WriteZero.into()))),
            Ok(len) => at += len,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return (at, Some(Stop::Failed(errno.into()))),
        }
    }
    (at, None)
}

/// Whether a write would go on without waiting, or fail at once; waits for that at most so long.
fn takes_more(to: impl AsFd, timeout: Duration) -> bool {
    let mut it = [PollFd::new(&to, PollFlags::OUT)];
    let timeout =
        Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
    matches!(poll(&mut it, Some(&timeout)), Ok(1..))
}

/// Writes what can be written of this within so long: for the end, which waits for no reader.
pub(crate) fn write_within(to: impl AsFd, bytes: &[u8], timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let mut rest = bytes;
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if !takes_more(&to, left) {
            if left.is_zero() {
                return;
            }
            continue;
        }
        match rustix::io::write(&to, &rest[..rest.len().min(PIECE_BYTES)]) {
            Ok(len @ 1..) => rest = &rest[len..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            _ => return,
        }
    }
}
