//! The file of a Unix socket: known again, and removed at the end.

use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// The file of a Unix socket that is ours, removed when the gateway ends or does not start. While this gateway drains,
/// the next one may have put its own in its place, which stays.
#[derive(Debug)]
pub(crate) struct SocketFile {
    pub(super) path: PathBuf,
    /// What tells a file from another that takes its place: device, inode, and when it was made. (Inode numbers are
    /// given again; of a socket's times, only that of modification stays when its permissions change.)
    identity: (u64, u64, i64, i64),
}

impl SocketFile {
    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let identity = identity(&std::fs::symlink_metadata(path).ok()?);
        Some(Self { path: path.to_owned(), identity })
    }

    /// A descriptor that stands for the file, whatever comes to its path.
    pub(super) fn handle(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, &self.path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&handle)?;
        if (stat.st_dev, stat.st_ino) == (self.identity.0, self.identity.1) {
            Ok(handle)
        } else {
            Err(Errno::NOENT)
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity) {
            // Someone may have removed it already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from another that takes its place.
pub(super) fn identity(file: &Metadata) -> (u64, u64, i64, i64) {
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}
