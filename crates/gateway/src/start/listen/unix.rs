//! Unix sockets: what may be at their path already, who may connect, and what is left when the gateway ends.
//!
//! Nothing is removed from a path but a socket that nobody listens on. Nobody can connect before listen(2), which comes
//! when the file has its group and mode.

use std::fs::Metadata;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::error::ListenError;
use super::group;
use super::listeners::{Listeners, backlog};
use super::socket_file::{SocketFile, identity};
use crate::settings::{Listen, Settings};

/// One socket, shared by all shards.
pub(super) fn open(path: &Path, shards: usize, settings: &Settings) -> Result<Listeners, ListenError> {
    let at = Listen::Unix(path.to_owned());
    let group = settings.unix_group.as_deref().map(group::find).transpose();
    let group = group.map_err(|why| ListenError::because(&at, &why))?;
    let address =
        SocketAddrUnix::new(path).map_err(|errno| ListenError::because(&at, address_problem(errno)))?;
    clear(path, &address).map_err(|problem| problem.into_error(&at))?;
    let os = |errno| ListenError::of(&at, errno);
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(os)?;
    match bind(&socket, &address) {
        Ok(()) => {}
        // Another has been faster.
        Err(Errno::ADDRINUSE) => return Err(ListenError::taken(&at)),
        Err(errno) => return Err(ListenError::because(&at, &bind_problem(path, errno))),
    }
    let file = SocketFile::at(path).ok_or_else(|| os(Errno::NOENT))?;
    set_owner(&file, group, settings).map_err(|why| ListenError::because(&at, &why))?;
    listen(&socket, backlog(settings)).map_err(os)?;
    let mut sockets = Vec::with_capacity(shards);
    for _ in 1..shards {
        sockets.push(rustix::io::fcntl_dupfd_cloexec(&socket, 0).map_err(os)?);
    }
    sockets.push(socket);
    Ok(Listeners { at, sockets, file: Some(file) })
}

/// Why a path is not free.
enum Occupied {
    /// Somebody listens.
    Taken,
    /// Something else, which is left as it is.
    Otherwise(String),
}

impl Occupied {
    fn into_error(self, at: &Listen) -> ListenError {
        match self {
            Self::Taken => ListenError::taken(at),
            Self::Otherwise(why) => ListenError::because(at, &why),
        }
    }
}

/// Makes way at `path`: removes a socket that nobody listens on, and nothing else.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<(), Occupied> {
    let otherwise = |why: String| Err(Occupied::Otherwise(why));
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        // Or its folder is, which bind(2) finds out.
        Err(_) => return Ok(()),
    };
    if !there.file_type().is_socket() {
        let what = kind(path, &there);
        return otherwise(format!("there is {what}, which is left as it is: remove it, or change --listen"));
    }
    match probe(address) {
        // Gone meanwhile.
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::CONNREFUSED) if is_at(path, &there) => {
            rustix::fs::unlink(path).or_else(|errno| {
                otherwise(format!(
                    "there is a socket on which nobody listens, and it cannot be removed ({errno}): remove it, \
                    or change \
                     --listen"
                ))
            })
        }
        // Of two that start at once the other has been faster; one whose queue is full has no room for the probe.
        Ok(()) | Err(Errno::CONNREFUSED | Errno::AGAIN) => Err(Occupied::Taken),
        Err(Errno::PROTOTYPE) => otherwise(
            "another process uses it as a socket of another type (datagram or sequenced packets): stop that, or change \
             --listen"
                .to_owned(),
        ),
        Err(Errno::ACCESS) => otherwise(
            "there is a socket that this user may not connect to, so whether somebody listens there cannot be \
            told: remove \
             it if nobody does, or change --listen"
                .to_owned(),
        ),
        Err(errno) => otherwise(format!(
            "there is a socket, and whether somebody listens there cannot be told ({errno}): remove it if \
            nobody does, or \
             change --listen"
        )),
    }
}

/// Whether the same file is at `path` still.
fn is_at(path: &Path, there: &Metadata) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|now| identity(&now) == identity(there))
}

/// Connects without waiting, and hangs up.
fn probe(address: &SocketAddrUnix) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    connect(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?, address)
}

fn kind(path: &Path, there: &Metadata) -> String {
    let kind = there.file_type();
    if kind.is_symlink() {
        let to = std::fs::read_link(path).map_or_else(|_| "?".to_owned(), |to| to.display().to_string());
        let missing = if path.exists() { "" } else { ", which is missing" };
        return format!("a symbolic link to {to}{missing}");
    }
    let word = match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_file() => "an ordinary file",
        () => "a device",
    };
    word.to_owned()
}

fn address_problem(errno: Errno) -> &'static str {
    match errno {
        Errno::NAMETOOLONG => {
            "the path has more than the 107 bytes that a Unix socket's may have: change --listen"
        }
        _ => "the path has a byte 0 in it: change --listen",
    }
}

/// What bind(2) found wrong with a path at which there is nothing.
pub(super) fn bind_problem(path: &Path, errno: Errno) -> String {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let shown = folder.display();
    match errno {
        Errno::NOENT => match dangling(folder) {
            Some((link, to)) => format!(
                "the folder {} is a symbolic link to {}, which is missing: make that, or change --listen",
                link.display(),
                to.display()
            ),
            None => format!("there is no folder {shown}: make it, or change --listen"),
        },
        Errno::NOTDIR => format!("a part of {shown} is not a folder: change --listen"),
        Errno::LOOP => format!("a part of {shown} is a symbolic link that leads to itself: change --listen"),
        Errno::NAMETOOLONG => {
            format!("a name in {} is too long for the file system: change --listen", path.display())
        }
        Errno::ACCESS => format!(
            "this process (user {}) has no permission to make a socket in {shown}: let it write there, or \
            change --listen",
            rustix::process::geteuid().as_raw()
        ),
        Errno::PERM => {
            format!("a socket cannot be made in {shown}: its file system does not permit it; change --listen")
        }
        Errno::ROFS => format!(
            "{shown} is on a file system that is read-only: mount one there that is not, or change --listen"
        ),
        Errno::NOSPC | Errno::DQUOT => {
            format!("the file system of {shown} is full: make room, or change --listen")
        }
        errno => format!("a socket cannot be made in {shown}: {errno} (change --listen)"),
    }
}

/// The first part of `folder` that is a link to nothing, and where it leads.
fn dangling(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let parts: Vec<_> = folder.ancestors().collect();
    let missing = parts.into_iter().rev().find(|part| *part != Path::new("") && !part.exists())?;
    Some((missing.to_owned(), std::fs::read_link(missing).ok()?))
}

/// Sets the group and then the mode of a socket that was just bound, as unix-group and unix-mode say.
fn set_owner(file: &SocketFile, group: Option<Gid>, settings: &Settings) -> Result<(), String> {
    // What is at the path is looked at once: a link that somebody puts there is not followed.
    let handle = file.handle().map_err(|errno| format!("its socket is gone again: {errno}"))?;
    if let Some(gid) = group {
        rustix::fs::chownat(&handle, "", None, Some(gid), AtFlags::EMPTY_PATH).map_err(|errno| match errno {
            Errno::PERM => format!(
                "this process (user {}) may not give its socket to the group {}, of which it is no member: make \
                it one, or \
                 change unix-group",
                rustix::process::geteuid().as_raw(),
                settings.unix_group.as_deref().unwrap_or_default()
            ),
            errno => format!("the group of its socket cannot be set: {errno} (change unix-group)"),
        })?;
    }
    let mode = Mode::from_raw_mode(settings.unix_mode);
    // Of a descriptor for a path alone the mode can be set by this name only, until Linux 6.6.
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let set = match rustix::fs::chmod(&name, mode) {
        Err(Errno::NOENT | Errno::NOTDIR) => rustix::fs::chmod(&file.path, mode),
        set => set,
    };
    set.map_err(|errno| format!("the mode of its socket cannot be set: {errno} (change unix-mode)"))
}
