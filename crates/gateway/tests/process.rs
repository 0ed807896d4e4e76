//! The program as an operator runs it: what it says, how it ends, and with which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::ffi::OsString;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use holdfast::settings::DriverChoice;
use rig::process::{Process, between, command, get, name};
use rig::{PATIENCE, Peer, request};
use rustix::process::{Pid, Signal, kill_process};

on_every_rung!(
    it_says_what_it_started_and_echoes,
    a_signal_drains_and_ends_with_0,
    a_second_signal_ends_at_once_with_3,
    the_end_of_the_time_for_the_drain_ends_with_3,
    sixty_four_shards_serve_an_ordinary_user_with_8_mib_of_locked_memory,
    a_pool_that_may_not_be_locked_is_used_all_the_same_and_that_is_said,
    its_logs_are_json_when_asked_for,
    an_access_log_on_standard_output_is_whole_when_it_ends,
    a_start_right_after_a_hard_end_is_not_refused,
    it_starts_where_nothing_arrives_over_loopback,
);

/// Runs the program to its end, which comes by itself.
fn run(flags: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(flags).output().expect("the program starts");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn it_says_what_it_started_and_echoes(rung: DriverChoice) {
    let process = Process::start(&["--driver", name(rung), "--shards", "3", "--echo-prefix", "received:"]);
    let [first, second] = &process.lines;
    assert!(first.starts_with(concat!("holdfast ", env!("CARGO_PKG_VERSION"), " · driver ")), "{first}");
    let driver = if rung == DriverChoice::Epoll { "driver epoll · 3 shards" } else { "driver io_uring (" };
    assert!(first.contains(driver) && first.contains("3 shards · room for "), "{first}");
    assert!(second.ends_with("application echo\n"), "{second}");
    let mut peer = process.peer();
    peer.send_text("123");
    peer.expect_text("received:123");
    let metrics = get(process.admin, "/metrics");
    assert!(metrics.contains("holdfast_connections 1\n"), "{metrics}");
    assert!(get(process.admin, "/readyz").starts_with("HTTP/1.1 200 "));
}

fn an_access_log_on_standard_output_is_whole_when_it_ends(rung: DriverChoice) {
    let mut process =
        Process::start(&["--driver", name(rung), "--access-log", "stdout", "--drain-spread", "100ms"]);
    let mut peer = process.peer();
    process.signal(Signal::TERM);
    peer.expect_close(1001);
    peer.send_close(1001, "");
    peer.expect_end();
    let mut log = String::new();
    process.stdout.read_to_string(&mut log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].contains("\"event\":\"open\"") && lines[0].contains("\"address\":\"127.0.0.1\""),
        "{log}"
    );
    assert!(lines[1].contains("\"reason\":\"drain\"") && lines[1].contains("\"code\":\"1001\""), "{log}");
}

fn a_signal_drains_and_ends_with_0(rung: DriverChoice) {
    for signal in [Signal::TERM, Signal::INT] {
        let process = Process::start(&["--driver", name(rung), "--drain-spread", "100ms"]);
        let mut peer = process.peer();
        peer.check_echo();
        process.signal(signal);
        peer.expect_close(1001);
        let mut late = Peer::connect_or_refused(process.websocket);
        if let Some(late) = &mut late {
            let _ = late.try_send(&request("/"));
        }
        peer.send_close(1001, "");
        peer.expect_end();
        drop(late);
        let (code, said) = process.wait();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("draining"), "{said}");
    }
}

fn a_second_signal_ends_at_once_with_3(rung: DriverChoice) {
    let process = Process::start(&["--driver", name(rung), "--close-timeout", "1h", "--drain-timeout", "1h"]);
    let mut peer = process.peer();
    process.signal(Signal::INT);
    // From a terminal: nobody is spread over half an hour.
    peer.expect_close(1001);
    process.signal(Signal::TERM);
    peer.expect_over();
    let (code, said) = process.wait();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("SIGTERM, the second signal"), "{said}");
}

fn the_end_of_the_time_for_the_drain_ends_with_3(rung: DriverChoice) {
    let process =
        Process::start(&["--driver", name(rung), "--close-timeout", "1h", "--drain-timeout", "100ms"]);
    let mut peer = process.peer();
    process.signal(Signal::TERM);
    peer.expect_close(1001);
    peer.expect_over();
    let (code, said) = process.wait();
    assert_eq!(code, Some(3), "{said}");
}

const NOBODY: u32 = 65_534;

/// The program as this ordinary user runs it, who may lock so much memory in all of his processes; nothing where that
/// is not to be had.
fn limited(user: u32, kib: u32, flags: &[&str]) -> Option<Command> {
    let inner = command(flags);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args()).map(OsString::from);
    // Only a shell sets limits of a process to be without `unsafe`.
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", &format!("ulimit -l {kib} && exec \"$@\""), "sh"]).args(words).env_clear();
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
    if rustix::process::geteuid().is_root() {
        limited.uid(user).gid(user);
    }
    match limited.spawn() {
        Ok(mut probe) => {
            let _ = probe.kill();
            let _ = probe.wait();
            Some(limited)
        }
        Err(error) => {
            println!("SKIPPED: an ordinary user cannot run the program here: {error}");
            None
        }
    }
}

fn a_pool_that_may_not_be_locked_is_used_all_the_same_and_that_is_said(rung: DriverChoice) {
    let flags = ["--driver", name(rung), "--shards", "2", "--pool-bytes", "4MiB"];
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can have a user for each rung, and what a user locks is counted in all");
        return;
    }
    let user = NOBODY - 1 - rung as u32;
    let Some(mut limited) = limited(user, 512, &flags) else { return };
    let process = Process::of(&mut limited);
    process.peer().check_echo();
    process.signal(Signal::TERM);
    let registers = rung == DriverChoice::Uring && process.lines[0].contains("fixed buffers");
    let (_, said) = process.wait();
    let lines = said.lines().filter(|line| line.contains("RLIMIT_MEMLOCK")).count();
    assert_eq!(lines, usize::from(registers), "once, whatever the number of shards: {said}");
}

fn sixty_four_shards_serve_an_ordinary_user_with_8_mib_of_locked_memory(rung: DriverChoice) {
    let Some(mut limited) = limited(NOBODY, 8192, &["--driver", name(rung), "--shards", "64"]) else {
        return;
    };
    let process = Process::of(&mut limited);
    assert!(process.lines[0].contains("64 shards"), "{}", process.lines[0]);
    let mut peers: Vec<Peer> = (0..200).map(|_| process.peer()).collect();
    for peer in &mut peers {
        peer.check_echo();
    }
    process.signal(Signal::INT);
    for peer in &mut peers {
        peer.expect_close(1001);
        peer.send_close(1001, "");
        peer.expect_end();
    }
    let (code, said) = process.wait();
    assert_eq!(code, Some(0), "{said}");
}

fn its_logs_are_json_when_asked_for(rung: DriverChoice) {
    let mut child = command(&["--driver", name(rung), "--log-format", "json"]).spawn().expect("it starts");
    let mut events = BufReader::new(child.stderr.take().expect("its errors")).lines().map(|line| {
        let line = line.expect("a line");
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let started =
        events.find(|event| event["fields"]["message"] == "started" || event["message"] == "started");
    let started = started.expect("an event says so").to_string();
    let address: SocketAddr = between(&started, "ws://", "/").parse().expect("an address");
    let mut peer = Peer::connect(address);
    peer.open("/");
    peer.close();
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it is ours");
    assert!(events.count() > 0, "the drain is logged too");
    assert_eq!(child.wait().expect("its status").code(), Some(0));
    let mut said = String::new();
    child.stdout.take().expect("its output").read_to_string(&mut said).unwrap();
    assert_eq!(said, "", "all is in the log");
}

#[test]
fn a_port_that_is_taken_ends_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, said) = run(&["--listen", &address]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("is taken") && said.contains("--listen"), "{said}");
    let flags = ["--listen", "127.0.0.1:0", "--admin", &address];
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(flags).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_second_instance_is_refused() {
    let first = Process::start(&["--driver", "epoll"]);
    let (code, _, said) = run(&["--listen", &first.websocket.to_string()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is taken"), "{said}");
    first.peer().check_echo();
}

/// The kernel tears a ring down some time after its process is gone, and its listeners with it.
fn a_start_right_after_a_hard_end_is_not_refused(rung: DriverChoice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.sock");
    let unix = format!("unix:{}", path.display());
    let flags = ["--driver", name(rung), "--listen", &unix];
    let mut process = Process::start(&flags);
    for _ in 0..3 {
        let mut peers: Vec<Peer> = (0..20).map(|_| process.peer()).collect();
        peers.iter_mut().for_each(Peer::check_echo);
        let (listen, admin) = (process.websocket.to_string(), process.admin.to_string());
        process.signal(Signal::KILL);
        process.child.wait().expect("its end");
        let mut again = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        again.args(["--listen", &listen, "--admin", &admin]).args(flags).env_clear();
        process = Process::of(again.stdout(Stdio::piped()).stderr(Stdio::piped()));
        process.peer().check_echo();
        assert!(is_healthy(&path), "on its Unix socket too");
    }
    process.signal(Signal::INT);
    assert_eq!(process.wait().0, Some(0));
    assert!(!path.exists());
}

/// Whether a gateway answers a health check on this Unix socket.
fn is_healthy(path: &Path) -> bool {
    let talk = || {
        let mut peer = UnixStream::connect(path)?;
        peer.set_read_timeout(Some(PATIENCE))?;
        peer.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")?;
        let mut answer = String::new();
        peer.read_to_string(&mut answer).map(|_| answer)
    };
    talk().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn it_starts_where_nothing_arrives_over_loopback(rung: DriverChoice) {
    const DROP: &str = "ip link set lo up && nft add table inet t && \
        nft add chain inet t i '{ type filter hook input priority 0; }' && nft add rule inet t i iif lo drop";
    let in_a_network_of_its_own = |rules: &str| {
        let mut wrapped = Command::new("unshare");
        wrapped.args(["-n", "sh", "-c", &format!("{rules} && exec \"$@\""), "sh"]);
        wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        wrapped
    };
    for (what, rules) in [("down", "true"), ("dropped by a firewall", DROP)] {
        let probe = in_a_network_of_its_own(rules).arg("true").output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            println!("SKIPPED: loopback cannot be {what} here: it takes root, unshare, ip and nft");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.sock");
        let listen = format!("unix:{}", path.display());
        let flags = ["--driver", name(rung), "--listen", &listen, "--admin", "off"];
        let mut command = in_a_network_of_its_own(rules);
        let mut child = command.arg(env!("CARGO_BIN_EXE_holdfast")).args(flags).spawn().expect("it starts");
        let deadline = Instant::now() + PATIENCE;
        while !is_healthy(&path) {
            assert!(
                child.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "it serves: loopback {what}"
            );
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        let told = said.contains("nothing arrives over loopback");
        let tried = rung != DriverChoice::Epoll;
        assert_eq!(told, tried && !said.contains("using epoll"), "loopback {what}: {said}");
    }
}

#[test]
fn what_is_not_ours_at_the_path_of_a_unix_socket_ends_with_1_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious.db");
    std::fs::write(&path, "not yours").unwrap();
    let (code, _, said) = run(&["--listen", &format!("unix:{}", path.display())]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("an ordinary file") && said.lines().count() == 1, "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "not yours");
}

#[test]
fn a_user_without_permission_is_told_which_is_missing() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can start it as another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let as_nobody = |flags: &[&str]| {
        let mut command = command(flags);
        let output = command.uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let listen = |name: &str| format!("unix:{}", path(name).display());
    let said = as_nobody(&["--listen", &listen("s")]);
    assert!(said.contains("has no permission to make a socket in"), "{said}");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let private = UnixListener::bind(path("private")).unwrap();
    std::fs::set_permissions(path("private"), Permissions::from_mode(0o600)).unwrap();
    let said = as_nobody(&["--listen", &listen("private")]);
    assert!(said.contains("may not connect to"), "{said}");
    assert!(UnixStream::connect(path("private")).is_ok(), "it is left alone");
    drop(private);
    let said = as_nobody(&["--listen", &listen("s"), "--unix-group", "0"]);
    assert!(said.contains("may not give its socket to the group 0"), "{said}");
    assert!(!path("s").exists(), "nothing is left of the attempt");
}

#[test]
fn settings_that_cannot_be_end_with_2() {
    for flags in [
        &["--shards", "0"][..],
        &["--driver", "kqueue"],
        &["--no-such-flag"],
        &["--config", "/no/such/file"],
        &["--frame-bytes-max", "2MiB"],
    ] {
        let (code, stdout, said) = run(flags);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{said}");
        assert!(said.starts_with("holdfast: ") && said.lines().count() == 1, "one line: {said}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("--drain-timeout"));
    let (code, stdout, _) = run(&["--version"]);
    assert_eq!((code, stdout), (Some(0), format!("holdfast {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_file_holds_settings_that_variables_and_flags_override() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "driver = \"epoll\"\nshards = 2\necho-prefix = \"from the file:\"").unwrap();
    let path = file.path().to_str().unwrap();
    let talk = |process: &Process| {
        let mut peer = process.peer();
        peer.send_text("");
        String::from_utf8(peer.read_frame().payload).unwrap()
    };
    let process = Process::start(&["--config", path]);
    assert!(process.lines[0].contains("epoll · 2 shards"), "{}", process.lines[0]);
    assert_eq!(talk(&process), "from the file:");
    let process = Process::of(command(&["--config", path]).env("HOLDFAST_ECHO_PREFIX", "from a variable:"));
    assert_eq!(talk(&process), "from a variable:");
    let process = Process::of(
        command(&["--config", path, "--echo-prefix", "from a flag:"]).env("HOLDFAST_ECHO_PREFIX", "no"),
    );
    assert_eq!(talk(&process), "from a flag:");
}

#[test]
fn without_io_uring_auto_takes_epoll_and_uring_is_refused() {
    let Err(refusal) = holdfast::Rung::choose(DriverChoice::Uring) else {
        println!("SKIPPED: io_uring is permitted here, and only the machine's administrator can change that");
        return;
    };
    for driver in ["uring", "uring-baseline"] {
        let (code, _, said) = run(&["--driver", driver]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&refusal.to_string()) && said.contains("--driver auto"), "{said}");
    }
    let process = Process::start(&["--driver", "auto"]);
    assert!(process.lines[0].contains("driver epoll"), "{}", process.lines[0]);
    process.peer().check_echo();
    process.signal(Signal::INT);
    let (_, said) = process.wait();
    assert!(said.contains("using epoll"), "{said}");
}
