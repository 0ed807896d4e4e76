//! Which signals end the program, how, and which do not.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use holdfast::settings::{DriverChoice, Settings};
use holdfast::{Control, Drainer, Phase, Readiness};
use rig::process::{Process, command, name, wait_for};
use rig::{NEVER, Peer, Rig, Script, child, settings, wait_until};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

on_every_rung!(
    signals_sent_out_of_habit_end_nothing,
    sigquit_ends_at_once,
    a_signal_before_it_serves_is_kept,
    process_1_keeps_a_signal_of_its_first_moments,
    signals_that_were_blocked_or_ignored_are_heard,
    a_second_signal_ends_it_though_the_shards_hang,
    one_thread_hears_signals_answers_and_reports,
);

fn signals_sent_out_of_habit_end_nothing(rung: DriverChoice) {
    let mut process =
        Process::start(&["--driver", name(rung), "--log", "info,holdfast::control::signals=debug"]);
    let mut peer = process.peer();
    process.signal(Signal::PIPE);
    let mut log = BufReader::new(process.child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    for (signal, said) in [
        (Signal::HUP, "there is nothing to open anew"),
        (Signal::USR1, "SIGUSR1: nothing is done"),
        (Signal::USR2, "SIGUSR2: nothing is done"),
        (Signal::ALARM, "SIGALRM: nothing is done"),
        (Signal::XFSZ, "SIGXFSZ: nothing is done"),
        (Signal::VTALARM, "SIGVTALRM: nothing is done"),
        (Signal::PROF, "SIGPROF: nothing is done"),
        (Signal::IO, "SIGIO: nothing is done"),
    ] {
        process.signal(signal);
        assert!(log.any(|line| line.contains(said)), "{said}");
        peer.check_echo();
    }
}

fn sigquit_ends_at_once(rung: DriverChoice) {
    let flags = ["--driver", name(rung), "--close-timeout", "1h", "--drain-timeout", "1h"];
    for is_draining in [false, true] {
        let process = Process::start(&flags);
        let mut peer = process.peer();
        peer.check_echo();
        if is_draining {
            process.signal(Signal::INT);
            peer.expect_close(1001);
        }
        process.signal(Signal::QUIT);
        peer.expect_over();
        let (code, said) = process.wait();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("SIGQUIT") && said.contains("ending at once"), "{said}");
    }
    let process = Process::start(&flags);
    process.signal(Signal::QUIT);
    assert_eq!(process.wait().0, Some(0), "nobody was cut");
}

/// Whether a process has a handler for this signal by now.
fn catches(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask");
    caught >> (signal.as_raw() - 1) & 1 == 1
}

/// The words of a command that waits for its settings until they are written to this FIFO.
fn waiting_at(fifo: &Path, rung: DriverChoice) -> Command {
    mkfifoat(CWD, fifo, Mode::RUSR | Mode::WUSR).unwrap();
    command(&["--driver", name(rung), "--config", fifo.to_str().unwrap()])
}

/// Starts it and waits until it catches signals; it has read no setting yet.
fn start(command: &mut Command) -> (Child, Pid) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    wait_until("it catches signals", || catches(pid, Signal::TERM));
    (child, pid)
}

fn a_signal_before_it_serves_is_kept(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    // It starts, drains, and ends.
    let fifo = folder.path().join("first");
    let (mut child, pid) = start(&mut waiting_at(&fifo, rung));
    kill_process(pid, Signal::TERM).unwrap();
    writeln!(OpenOptions::new().write(true).open(&fifo).unwrap(), "shards = 2").unwrap();
    assert_eq!(wait_for(&mut child), Some(0));
    // Where the start takes long it ends without.
    for signals in [&[Signal::TERM][..], &[Signal::TERM, Signal::INT], &[Signal::QUIT]] {
        let fifo = folder.path().join(format!("{signals:?}"));
        let (mut child, pid) = start(&mut waiting_at(&fifo, rung));
        for signal in signals {
            kill_process(pid, *signal).unwrap();
        }
        assert_eq!(wait_for(&mut child), Some(0));
    }
}

/// The same command behind these words.
fn behind(words: &[&str], inner: &Command) -> Command {
    let mut command = Command::new(words[0]);
    let inner = std::iter::once(inner.get_program()).chain(inner.get_args()).map(OsString::from);
    command.args(&words[1..]).args(inner).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn process_1_keeps_a_signal_of_its_first_moments(rung: DriverChoice) {
    let unshare = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child"];
    if !Command::new(unshare[0]).args(&unshare[1..]).arg("true").status().is_ok_and(|it| it.success()) {
        println!("SKIPPED: only root can make a process number 1 here, by unshare");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let mut outer = behind(&unshare, &waiting_at(&fifo, rung));
    let mut outer = outer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let children = format!("/proc/{pid}/task/{pid}/children", pid = outer.id());
    let inner = || fs::read_to_string(&children).ok()?.trim().parse().ok().and_then(Pid::from_raw);
    wait_until("it catches signals", || inner().is_some_and(|pid| catches(pid, Signal::TERM)));
    kill_process(inner().unwrap(), Signal::TERM).unwrap();
    writeln!(OpenOptions::new().write(true).open(&fifo).unwrap(), "shards = 2").unwrap();
    assert_eq!(wait_for(&mut outer), Some(0));
}

fn signals_that_were_blocked_or_ignored_are_heard(rung: DriverChoice) {
    let env = ["/usr/bin/env", "--block-signal=TERM", "--ignore-signal=HUP", "--ignore-signal=TERM"];
    if !Command::new(env[0]).args(&env[1..]).arg("true").status().is_ok_and(|it| it.success()) {
        println!("SKIPPED: env cannot block signals here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let flags = ["--driver", name(rung), "--access-log", log.to_str().unwrap()];
    let process = Process::of(&mut behind(&env, &command(&flags)));
    fs::remove_file(&log).unwrap();
    process.signal(Signal::HUP);
    wait_until("the log is opened anew", || log.exists());
    process.signal(Signal::TERM);
    assert_eq!(process.wait().0, Some(0));
}

/// Plays a gateway whose shards never come back from their application.
#[test]
fn hanging() {
    let Some(rung) = child::role("hang") else { return };
    let rungs = [DriverChoice::Uring, DriverChoice::UringBaseline, DriverChoice::Epoll];
    let rung = rungs.into_iter().find(|it| name(*it) == rung).unwrap();
    let control = Control::start().unwrap();
    let settings = Settings { shards: 1, drain_timeout: NEVER, ..settings(rung) };
    let script = Script::default().on_message(|_, _, _| {
        loop {
            std::thread::park();
        }
    });
    let mut rig = Rig::scripted(&settings, &script);
    let (handle, counters) = (rig.handle().clone(), Arc::clone(rig.gateway.counters()));
    let readiness = Arc::new(Readiness::default());
    readiness.set(Phase::Accepting);
    let drainer = Arc::new(Drainer::new(handle, counters, Arc::clone(&readiness), &settings));
    control.attend(Arc::clone(&drainer), rig.gateway.reopener(), None);
    println!("\n{}{}", child::ANSWER, rig.address);
    std::thread::spawn(move || {
        wait_until("a signal is taken", || readiness.phase() == Phase::Ending);
        println!("\n{}", child::ANSWER);
    });
    drainer.supervise(&mut rig.gateway);
    unreachable!("the shard hangs");
}

fn a_second_signal_ends_it_though_the_shards_hang(rung: DriverChoice) {
    let mut command = child::command("hanging", "hang", name(rung));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let address = lines.find_map(|line| line.split_once(child::ANSWER).map(|it| it.1.to_owned()));
    let address = address.expect("it starts").parse().unwrap();
    let mut peer = Peer::connect(address);
    peer.open("/");
    // From here on nobody is told anything by the shard.
    peer.send_text("hang");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    // Two that come at once would be one.
    assert!(lines.any(|line| line.contains(child::ANSWER)), "the first is taken");
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(wait_for(&mut child), Some(3));
    peer.expect_over();
}

fn one_thread_hears_signals_answers_and_reports(rung: DriverChoice) {
    let process = Process::start(&["--driver", name(rung), "--shards", "2", "--drain-timeout", "1h"]);
    let mut peer = process.peer();
    peer.check_echo();
    process.signal(Signal::TERM);
    peer.expect_close(1001);
    let pid = process.child.id();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let name =
        |it: std::io::Result<fs::DirEntry>| fs::read_to_string(it.unwrap().path().join("comm")).unwrap();
    let mut names: Vec<_> = threads.map(name).map(|name| name.trim().to_owned()).collect();
    // Those of the kernel's part of a ring are not ours, and who has said the start may be about to end.
    names.retain(|name| !name.starts_with("iou-") && name != "start-lines");
    names.sort_unstable();
    let expected = ["control", "holdfast", "log", "shard-0", "shard-1"];
    assert_eq!(names, expected);
    process.signal(Signal::TERM);
    process.wait();
}
