use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn at(path: impl Into<PathBuf>) -> Listen {
    Listen::Unix(path.into())
}

#[track_caller]
fn refused(path: &Path, parts: &[&str]) {
    let before =
        std::fs::symlink_metadata(path).ok().map(|file| (file.ino(), file.mode(), file.mtime_nsec()));
    let error = open(&at(path), 2, &Settings::default()).unwrap_err().to_string();
    let after = std::fs::symlink_metadata(path).ok().map(|file| (file.ino(), file.mode(), file.mtime_nsec()));
    assert_eq!(before, after, "what is there is left as it is");
    for part in parts.iter().chain(&["--listen", &*path.display().to_string()]) {
        assert!(error.contains(part), "{part:?} in {error:?}");
    }
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_unix_socket_left_behind_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let first = open(&at(&path), 2, &Settings::default()).unwrap();
    refused(&path, &["is taken"]);
    drop(first);
    // As a process that was killed leaves it.
    drop(UnixListener::bind(&path).unwrap());
    let next = open(&at(&path), 2, &Settings::default()).expect("nobody listens any more");
    assert!(UnixStream::connect(&path).is_ok());
    drop(next);
}

#[test]
fn what_is_no_socket_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("precious.db"), "not yours").unwrap();
    refused(&path("precious.db"), &["an ordinary file"]);
    assert_eq!(std::fs::read_to_string(path("precious.db")).unwrap(), "not yours");
    std::fs::create_dir(path("folder")).unwrap();
    refused(&path("folder"), &["a folder"]);
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    refused(&path("fifo"), &["a FIFO"]);
    refused(Path::new("/dev/null"), &["a device"]);
    symlink("precious.db", path("link")).unwrap();
    refused(&path("link"), &["a symbolic link to precious.db, which is left"]);
    symlink("nowhere", path("dangling")).unwrap();
    refused(&path("dangling"), &["a symbolic link to nowhere, which is missing"]);
    drop(UnixListener::bind(path("stale")).unwrap());
    symlink("stale", path("link to a socket")).unwrap();
    refused(&path("link to a socket"), &["a symbolic link to stale"]);
    assert!(path("stale").exists(), "nor is what it leads to removed");
}

#[test]
fn sockets_that_are_in_use_otherwise_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let datagram = UnixDatagram::bind(path("datagram")).unwrap();
    refused(&path("datagram"), &["another type"]);
    drop(datagram);
    let kept = open(&at(path("datagram")), 1, &Settings::default()).expect("nobody uses it any more");
    drop(kept);
    // Its queue is full, so that connecting to it would wait.
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &rustix::net::SocketAddrUnix::new(path("full")).unwrap()).unwrap();
    listen(&socket, 0).unwrap();
    let _queued = UnixStream::connect(path("full")).unwrap();
    refused(&path("full"), &["is taken"]);
}

#[test]
fn every_error_of_bind_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    refused(&path("none/s"), &["there is no folder", "none:"]);
    refused(&path("none/below/s"), &["there is no folder", "none/below:"]);
    symlink("nowhere", path("link")).unwrap();
    refused(&path("link/s"), &["link is a symbolic link to nowhere, which is missing"]);
    symlink("loop", path("loop")).unwrap();
    refused(&path("loop/s"), &["leads to itself"]);
    std::fs::write(path("file"), "").unwrap();
    refused(&path("file/s"), &["not a folder"]);
    refused(&path(&"x".repeat(108)), &["107 bytes"]);
    refused(Path::new("/tmp/a\0b"), &["a byte 0"]);
    refused(Path::new("no such folder/s"), &["there is no folder no such folder"]);
    for (errno, part) in [
        (Errno::ROFS, "read-only"),
        (Errno::ACCESS, "no permission"),
        (Errno::PERM, "does not permit"),
        (Errno::NOSPC, "full"),
        (Errno::IO, "/run"),
    ] {
        let why = super::super::unix::bind_problem(Path::new("/run/s"), errno);
        assert!(why.contains(part) && why.contains("/run") && why.contains("--listen"), "{why}");
    }
}

#[test]
fn its_mode_and_group_are_those_of_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let mode = |unix_mode| {
        let listeners = open(&at(&path), 1, &Settings { unix_mode, ..Settings::default() }).unwrap();
        let file = std::fs::symlink_metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        drop(listeners);
        assert!(!path.exists(), "it goes with the listeners, also where the gateway does not start");
        file.permissions().mode() & 0o7777
    };
    assert_eq!((mode(0o660), mode(0o600), mode(0o777)), (0o660, 0o600, 0o777), "whatever the umask is");
    let with = |group: &str| Settings { unix_group: Some(group.to_owned()), ..Settings::default() };
    let error = open(&at(&path), 1, &with("no-such-group")).unwrap_err().to_string();
    assert!(error.contains("there is no group no-such-group"), "{error}");
    assert!(!path.exists(), "nothing is left of the attempt");
    if rustix::process::geteuid().is_root() {
        let _listeners = open(&at(&path), 1, &with("12345")).unwrap();
        let file = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!((file.gid(), file.permissions().mode() & 0o7777), (12_345, 0o660));
    } else {
        println!("SKIPPED: only root may give a file to a group of which it is no member");
        let error = open(&at(&path), 1, &with("0")).unwrap_err().to_string();
        assert!(error.contains("unix-group"), "{error}");
    }
}

#[test]
fn a_gateway_that_ends_leaves_the_next_ones_socket_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let Listeners { sockets, file: old_file, .. } = open(&at(&path), 1, &Settings::default()).unwrap();
    // The old one drains: it has closed its listener and goes on for a while.
    drop(sockets);
    let next = open(&at(&path), 1, &Settings::default()).unwrap();
    drop(old_file);
    assert!(path.exists());
    drop(next);
    assert!(!path.exists());
}

#[test]
fn a_socket_whose_listener_ends_a_moment_later_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let dying = UnixListener::bind(&path).unwrap();
    let (waits, waiting) = std::sync::mpsc::channel();
    let address = at(&path);
    let next = std::thread::spawn(move || {
        waits.send(()).unwrap();
        super::super::open(&address, 1, &Settings::default(), &mut Patience::default())
    });
    waiting.recv().unwrap();
    // The next one has asked whether somebody listens.
    dying.accept().unwrap();
    drop(dying);
    assert!(next.join().unwrap().is_ok());
}
