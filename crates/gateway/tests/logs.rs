//! Whatever becomes of those who read standard output and standard error, the program starts, serves, drains and ends.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use holdfast::logging;
use holdfast::settings::{DriverChoice, Settings};
use rig::process::{Process, command, full_pipe, name, wait_for};
use rig::{Peer, child, wait_until};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pipe::pipe;
use rustix::process::{Pid, Signal, kill_process};

on_every_rung!(
    nobody_reads_standard_error_and_it_serves_drains_and_ends,
    a_second_signal_ends_it_though_nobody_reads_standard_error,
    an_access_log_that_nobody_reads_does_not_hold_up_the_end,
    standard_error_that_cannot_be_written_ends_nothing,
    when_standard_error_is_read_again_it_is_said_how_many_lines_were_lost,
    standard_output_may_be_full_or_closed,
);

const DROPPED: &str = "holdfast_log_dropped_total";

/// Leads a peer through a drain, to the end with this exit code.
#[track_caller]
fn expect_drain(mut process: Process, mut peer: Peer) {
    process.signal(Signal::TERM);
    peer.expect_close(1001);
    peer.send_close(1001, "");
    peer.expect_end();
    assert_eq!(process.code(), Some(0));
}

fn nobody_reads_standard_error_and_it_serves_drains_and_ends(rung: DriverChoice) {
    let (_reader, writer) = full_pipe();
    let flags = ["--driver", name(rung), "--log", "debug", "--drain-spread", "100ms"];
    let process = Process::of(command(&flags).stderr(writer));
    let mut peer = process.peer();
    // A line each: more of them than may wait.
    wait_until("log lines are dropped", || {
        for _ in 0..100 {
            drop(process.peer());
            process.signal(Signal::USR1);
        }
        process.metric(DROPPED) > 0
    });
    peer.check_echo();
    expect_drain(process, peer);
}

fn a_second_signal_ends_it_though_nobody_reads_standard_error(rung: DriverChoice) {
    let (_reader, writer) = full_pipe();
    let flags = ["--driver", name(rung), "--close-timeout", "1h", "--drain-timeout", "1h"];
    let mut process = Process::of(command(&flags).stderr(writer));
    let mut peer = process.peer();
    process.signal(Signal::INT);
    peer.expect_close(1001);
    process.signal(Signal::TERM);
    peer.expect_over();
    assert_eq!(process.code(), Some(3));
}

fn an_access_log_that_nobody_reads_does_not_hold_up_the_end(rung: DriverChoice) {
    let (_reader, writer) = full_pipe();
    let flags = ["--driver", name(rung), "--access-log", "stderr", "--drain-spread", "100ms"];
    let process = Process::of(command(&flags).stderr(writer));
    let mut peer = process.peer();
    peer.check_echo();
    expect_drain(process, peer);
}

fn standard_error_that_cannot_be_written_ends_nothing(rung: DriverChoice) {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(writer), Stdio::from(full)] {
        let process =
            Process::of(command(&["--driver", name(rung), "--drain-spread", "100ms"]).stderr(stderr));
        let mut peer = process.peer();
        let before = process.metric(DROPPED);
        process.signal(Signal::HUP);
        wait_until("what SIGHUP logs is counted", || process.metric(DROPPED) > before);
        peer.check_echo();
        expect_drain(process, peer);
    }
}

fn when_standard_error_is_read_again_it_is_said_how_many_lines_were_lost(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    // For reading and writing, so that nobody waits for anybody.
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let reader = open();
    let stderr = OpenOptions::new().write(true).open(&path).unwrap();
    let process = Process::of(command(&["--driver", name(rung)]).stderr(stderr));
    drop(reader);
    process.signal(Signal::HUP);
    wait_until("a line is lost", || process.metric(DROPPED) > 0);
    let reader = BufReader::new(open());
    process.signal(Signal::HUP);
    let mut lines = reader.lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line.contains("log lines were lost") && line.contains("lost=")));
}

/// The program, which listens at this path.
fn listening_at(path: &Path, rung: DriverChoice, stdout: impl Into<Stdio>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["--driver", name(rung), "--admin", "off", "--drain-spread", "100ms", "--listen"]);
    command.arg(format!("unix:{}", path.display())).env_clear();
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().expect("it starts")
}

#[track_caller]
fn converse_and_end(mut child: Child, path: &Path) {
    wait_until("it listens", || UnixStream::connect(path).is_ok());
    let mut peer = Peer { stream: BufReader::new(UnixStream::connect(path).unwrap()) };
    peer.open("/");
    peer.check_echo();
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is ours");
    peer.expect_close(1001);
    peer.send_close(1001, "");
    peer.expect_end();
    assert_eq!(wait_for(&mut child), Some(0));
}

fn standard_output_may_be_full_or_closed(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let (reader, writer) = full_pipe();
    converse_and_end(listening_at(&path, rung, writer), &path);
    drop(reader);
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    converse_and_end(listening_at(&path, rung, writer), &path);
    // Read late, they are all there.
    let (reader, writer) = full_pipe();
    let child = listening_at(&path, rung, writer);
    wait_until("it listens", || UnixStream::connect(&path).is_ok());
    let mut lines = BufReader::new(File::from(reader)).lines().map(|line| line.expect("a line"));
    assert!(lines.next().expect("the first").contains(" · driver "));
    assert!(lines.next().expect("the second").starts_with("websocket unix:"));
    converse_and_end(child, &path);
}

#[test]
fn a_start_that_fails_ends_though_nobody_hears_why() {
    let (_reader, writer) = full_pipe();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let writer = File::from(writer);
    let mut settings = command(&["--no-such-flag"]);
    let mut child = settings.stderr(writer.try_clone().unwrap()).spawn().unwrap();
    assert_eq!(wait_for(&mut child), Some(2));
    let mut flags = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    flags.args(["--listen", "127.0.0.1:0", "--admin", &address]).env_clear().stdout(Stdio::null());
    assert_eq!(wait_for(&mut flags.stderr(writer).spawn().unwrap()), Some(1));
}

/// Plays a program of which a thread panics.
#[test]
fn panicking() {
    if child::role("panic").is_none() {
        return;
    }
    logging::init(&Settings::default()).unwrap();
    let thread = std::thread::Builder::new().name("shard-7".to_owned());
    let thread = thread.spawn(|| panic!("on purpose")).unwrap();
    assert!(thread.join().is_err());
    logging::finish();
}

fn panicking_to(stderr: impl Into<Stdio>) -> Child {
    let mut command = child::command("panicking", "panic", "");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
}

#[test]
fn a_panic_is_logged_and_waits_for_no_reader() {
    let mut child = panicking_to(Stdio::piped());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(wait_for(&mut child), Some(0), "{said}");
    let line = said.lines().find(|line| line.contains("ERROR")).expect("a line");
    assert!(line.contains("thread shard-7 panicked: on purpose at ") && line.contains("logs.rs"), "{said}");

    let (_reader, writer) = full_pipe();
    assert_eq!(wait_for(&mut panicking_to(writer)), Some(0));
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    assert_eq!(wait_for(&mut panicking_to(writer)), Some(0));
}
