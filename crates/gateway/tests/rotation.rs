//! The access log's file: moved, cut, full, too long, or a FIFO whose reader comes and goes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::settings::DriverChoice;
use rig::process::{Process, command, name};
use rig::wait_until;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

on_every_rung!(
    a_log_that_is_moved_is_opened_anew_on_sighup_and_no_line_is_lost,
    a_log_that_is_copied_and_cut_goes_on_at_its_beginning,
    a_log_that_cannot_be_opened_anew_goes_on_and_that_is_said,
    a_full_disk_costs_lines_which_are_counted_until_there_is_room,
    a_limit_on_its_size_costs_lines_and_not_the_process,
    a_fifo_need_not_have_a_reader,
);

const DROPPED: &str = "holdfast_access_log_dropped_total";

/// A gateway that logs to this path.
struct Logging {
    process: Process,
    path: PathBuf,
}

impl Logging {
    fn to(path: PathBuf, rung: DriverChoice) -> Self {
        let flags = ["--driver", name(rung), "--access-log", path.to_str().unwrap()];
        Self { process: Process::of(&mut command(&flags)), path }
    }

    /// A connection, which writes two lines; returns when its end is counted.
    #[track_caller]
    fn visit(&self) {
        let mut peer = self.process.peer();
        peer.close();
        wait_until("it is gone", || self.process.metric("holdfast_connections") == 0);
    }

    #[track_caller]
    fn wait_for_lines(&self, count: usize) {
        wait_until(&format!("{count} lines are there"), || lines(&self.path).len() >= count);
        assert_eq!(lines(&self.path).len(), count, "{:?}", lines(&self.path));
    }

    /// What it said on standard error until its end.
    #[track_caller]
    fn end(self) -> String {
        self.process.signal(Signal::INT);
        let (code, said) = self.process.wait();
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

/// The whole lines of a file.
fn lines(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    String::from_utf8(bytes[..whole].to_vec()).expect("text").lines().map(str::to_owned).collect()
}

fn is_json(line: impl AsRef<str>) -> bool {
    serde_json::from_str::<Value>(line.as_ref()).is_ok_and(|line| line["event"].is_string())
}

fn a_log_that_is_moved_is_opened_anew_on_sighup_and_no_line_is_lost(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let logging = Logging::to(path.clone(), rung);
    logging.visit();
    logging.wait_for_lines(2);
    fs::rename(&path, &moved).unwrap();
    logging.visit();
    wait_until("lines go on in the old file", || lines(&moved).len() == 4);
    logging.process.signal(Signal::HUP);
    wait_until("there is a new file", || path.exists());
    logging.visit();
    logging.wait_for_lines(2);
    assert_eq!(logging.process.metric(DROPPED), 0);
    let said = logging.end();
    assert!(said.contains("the access log was opened anew"), "{said}");
    assert!(lines(&moved).len() == 4 && lines(&moved).iter().chain(&lines(&path)).all(is_json));
}

fn a_log_that_is_copied_and_cut_goes_on_at_its_beginning(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let logging = Logging::to(folder.path().join("access.log"), rung);
    logging.visit();
    logging.wait_for_lines(2);
    OpenOptions::new().write(true).truncate(true).open(&logging.path).unwrap();
    logging.visit();
    logging.wait_for_lines(2);
    // No hole where the others were.
    assert!(lines(&logging.path).iter().all(is_json));
    logging.end();
}

fn a_log_that_cannot_be_opened_anew_goes_on_and_that_is_said(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let (inner, moved) = (folder.path().join("logs"), folder.path().join("moved"));
    fs::create_dir(&inner).unwrap();
    let mut logging = Logging::to(inner.join("access.log"), rung);
    fs::rename(&inner, &moved).unwrap();
    logging.process.signal(Signal::HUP);
    let log = BufReader::new(logging.process.child.stderr.take().unwrap()).lines();
    assert!(log.map(|line| line.unwrap()).any(|line| line.contains("the old file goes on")));
    logging.visit();
    wait_until("lines go on", || lines(&moved.join("access.log")).len() == 2);
}

/// A disk of 64 KiB; nothing where that is not to be had.
fn small_disk(at: &Path) -> Option<Mounted> {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at);
    let is_mounted = mount.status().is_ok_and(|status| status.success());
    if !is_mounted {
        println!("SKIPPED: only root can mount a small disk");
    }
    is_mounted.then(|| Mounted(at.to_owned()))
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Though somebody may still have it open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn a_full_disk_costs_lines_which_are_counted_until_there_is_room(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = small_disk(folder.path()) else { return };
    let logging = Logging::to(disk.0.join("access.log"), rung);
    let filler = disk.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    wait_until("lines are lost", || {
        logging.visit();
        logging.process.metric(DROPPED) > 0
    });
    fs::remove_file(&filler).unwrap();
    let before = lines(&logging.path).len();
    logging.visit();
    wait_until("lines are written again", || lines(&logging.path).len() >= before + 2);
    let lost = logging.process.metric(DROPPED);
    let broken = lines(&logging.path).iter().filter(|line| !is_json(line)).count();
    assert!(broken as u64 <= lost, "only what is counted as lost: {:?}", lines(&logging.path));
    let path = logging.path.clone();
    let said = logging.end();
    assert!(said.contains("the access log cannot be written"), "{said}");
    assert!(lines(&path)[before + 1..].iter().all(is_json), "{:?}", lines(&path));
}

fn a_limit_on_its_size_costs_lines_and_not_the_process(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let mut logging = Logging::to(folder.path().join("access.log"), rung);
    let pid = Pid::from_child(&logging.process.child);
    let limit = |bytes| {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).expect("a limit");
    };
    logging.visit();
    logging.wait_for_lines(2);
    let len = fs::metadata(&logging.path).unwrap().len();
    // A line is begun, and not ended.
    limit(Some(len + 10));
    logging.visit();
    wait_until("lines are lost", || logging.process.metric(DROPPED) == 2);
    assert_eq!(fs::metadata(&logging.path).unwrap().len(), len + 10);
    limit(None);
    logging.visit();
    logging.wait_for_lines(5);
    let broken: Vec<bool> = lines(&logging.path).iter().map(is_json).collect();
    assert_eq!(broken, [true, true, false, true, true], "the rest of a line is a line of its own");
    // A second later, at the end of lines.
    let log = BufReader::new(logging.process.child.stderr.take().unwrap()).lines();
    let said = log.map(|line| line.unwrap()).find(|line| line.contains("the access log is written again"));
    assert!(said.expect("it is said").contains("lost=2"));
}

fn a_fifo_need_not_have_a_reader(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let logging = Logging::to(path.clone(), rung);
    for _ in 0..2 {
        // Nobody reads yet, or any more.
        let before = logging.process.metric(DROPPED);
        logging.visit();
        wait_until("its lines are counted", || logging.process.metric(DROPPED) == before + 2);
        // Both ends, so that opening waits for nobody.
        let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut lines = BufReader::new(reader).lines();
        logging.visit();
        assert!(is_json(lines.next().unwrap().unwrap()) && is_json(lines.next().unwrap().unwrap()));
    }
    let said = logging.end();
    assert!(said.contains("the access log is a FIFO that nobody reads"), "{said}");
}
