//! Memory limits: the one that is planned with is that of the cgroup, and too much is shed before the kernel kills.
//!
//! Needs a cgroup below this process's own with the memory controller, version 1 or 2; root mostly may make one.
//! With ten times the peers: `cargo test -p holdfast --test memory -- --ignored`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast::settings::DriverChoice;
use rig::cgroup::Cgroup;
use rig::frame::{BINARY, masked};
use rig::{Peer, pattern, request, wait_until};

on_every_rung!(
    the_limit_above_is_planned_with_and_named,
    as_many_as_are_planned_for_are_held_and_the_next_is_answered_503,
    everybody_may_begin_a_megabyte_and_never_end_it,
    very_many_may_begin_a_little_message,
    those_who_never_read_are_closed_before_memory_is_full,
    heads_that_come_in_pieces_take_no_more_than_their_share,
);

/// The same with many more peers.
mod many {
    macro_rules! on_every_rung_and_size {
        ($($test:ident),*) => { $(
            #[test]
            #[ignore = "takes minutes"]
            fn $test() {
                use holdfast::settings::DriverChoice::{Epoll, Uring, UringBaseline};
                for rung in [Uring, UringBaseline, Epoll].into_iter().filter(|it| super::rig::is_available(*it)) {
                    [64, 96].into_iter().for_each(|mib| super::$test(rung, mib, 10));
                }
            }
        )* };
    }
    on_every_rung_and_size!(fill, unfinished, little, unread, pieces);
}

/// One gateway at a time: peers of several would need more descriptors than a process may have.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    holdfast::limits::raise_descriptor_limit();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gateway in a cgroup.
struct Limited {
    child: Child,
    lines: [String; 2],
    websocket: SocketAddr,
    admin: SocketAddr,
    // Removed when the process is gone.
    group: Cgroup,
    _alone: MutexGuard<'static, ()>,
}

impl Limited {
    fn start(rung: DriverChoice, mib: u64) -> Option<Self> {
        let alone = alone();
        let group = Cgroup::new(mib)?;
        let rung = match rung {
            DriverChoice::Epoll => "epoll",
            DriverChoice::UringBaseline => "uring-baseline",
            DriverChoice::Uring | DriverChoice::Auto => "uring",
        };
        let enter = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", group.inner().display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &enter, "sh", env!("CARGO_BIN_EXE_holdfast"), "--driver", rung, "--shards", "2"]);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a shell starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line
        };
        let lines = [line(), line()];
        let address = |before: &str| {
            let rest = lines[1].split(before).nth(1).unwrap_or_else(|| panic!("{before} in {lines:?}"));
            rest.split('/').next().unwrap().parse().expect("an address")
        };
        let (websocket, admin) = (address("ws://"), address("http://"));
        Some(Self { child, lines, websocket, admin, group, _alone: alone })
    }

    /// How many connections it said fit.
    fn room(&self) -> usize {
        let rest = self.lines[0].split("room for ").nth(1).expect("it says how many fit");
        rest.split(' ').next().unwrap().parse().expect("a number")
    }

    /// How often a limit was applied.
    fn limited(&self, limit: &str) -> u64 {
        let mut stream = TcpStream::connect(self.admin).expect("the admin server is there");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).expect("metrics");
        let series = format!("holdfast_limited_total{{limit=\"{limit}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series)).expect("the limit is shown");
        value.parse().expect("a number")
    }

    fn silent(&self) -> TcpStream {
        TcpStream::connect(self.websocket).expect("a peer connects")
    }

    /// A connection whose peer neither waits nor cares for what becomes of what it says.
    fn careless(&self) -> TcpStream {
        let mut peer = Peer::connect_with_a_small_window(self.websocket);
        peer.open("/");
        let stream = peer.stream.into_inner();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// It was not killed, and goes on: one who comes now is served.
    #[track_caller]
    fn check_that_it_serves(&mut self) {
        let ended = self.child.try_wait().expect("its status");
        assert_eq!(ended, None, "it goes on; at most {} were in use", self.group.peak());
        let mut peer = Peer::connect(self.websocket);
        peer.open("/");
        peer.check_echo();
        println!("at most {} were in use", self.group.peak());
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends all of it, or as much as goes.
fn try_send(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while let Ok(len @ 1..) = stream.write(&bytes[sent..]) {
        sent += len;
    }
    sent
}

fn the_limit_above_is_planned_with_and_named(rung: DriverChoice) {
    for mib in [64, 96] {
        let Some(gateway) = Limited::start(rung, mib) else { return };
        let version = if gateway.group.is_v1 { 1 } else { 2 };
        let said =
            format!("memory {mib} MiB (cgroup version {version}, {})", gateway.group.limit_file().display());
        assert!(gateway.lines[1].contains(&said), "{said} in {:?}", gateway.lines);
        assert!(gateway.lines[0].ends_with(" connections (memory)\n"), "{:?}", gateway.lines);
    }
}

fn as_many_as_are_planned_for_are_held_and_the_next_is_answered_503(rung: DriverChoice) {
    fill(rung, 64, 1);
}

fn fill(rung: DriverChoice, mib: u64, rounds: usize) {
    let Some(mut gateway) = Limited::start(rung, mib) else { return };
    let mut peers: Vec<Peer> = (0..gateway.room())
        .map(|_| {
            let mut peer = Peer::connect(gateway.websocket);
            peer.open("/");
            peer
        })
        .collect();
    let mut late = Peer::connect(gateway.websocket);
    let _ = late.try_send(&request("/"));
    late.expect_refused(503);
    for _ in 0..rounds {
        let payload = pattern(1000);
        peers.iter_mut().for_each(|peer| peer.send_binary(&payload));
        peers.iter_mut().for_each(|peer| peer.expect_binary(&payload));
    }
    peers.truncate(10);
    wait_until("there is room again", || {
        let mut peer = Peer::connect(gateway.websocket);
        peer.try_send(&request("/")).is_ok() && peer.read_status() == 101
    });
    gateway.check_that_it_serves();
}

fn everybody_may_begin_a_megabyte_and_never_end_it(rung: DriverChoice) {
    [64, 96].into_iter().for_each(|mib| unfinished(rung, mib, 1));
}

fn unfinished(rung: DriverChoice, mib: u64, times: usize) {
    let Some(mut gateway) = Limited::start(rung, mib) else { return };
    let mut whole = masked(BINARY, &pattern(1_000_001));
    whole.pop();
    let peers: Vec<_> = (0..150 * times).map(|_| gateway.careless()).collect();
    let mut sent = vec![0; peers.len()];
    wait_until("it closes some, and everybody has sent all or was closed", || {
        let before: usize = sent.iter().sum();
        for (peer, sent) in peers.iter().zip(&mut sent) {
            *sent += try_send(peer, &whole[*sent..]);
        }
        sent.iter().sum::<usize>() == before && gateway.limited("shard_partial_bytes") > 0
    });
    gateway.check_that_it_serves();
}

fn very_many_may_begin_a_little_message(rung: DriverChoice) {
    little(rung, 64, 1);
}

fn little(rung: DriverChoice, mib: u64, _: usize) {
    let Some(mut gateway) = Limited::start(rung, mib) else { return };
    let begun = &masked(BINARY, &pattern(1800))[..1700];
    let peers: Vec<_> = (0..gateway.room() - 1).map(|_| gateway.careless()).collect();
    peers.iter().for_each(|peer| assert_eq!(try_send(peer, begun), begun.len()));
    wait_until("it closes some", || gateway.limited("shard_partial_bytes") > 0);
    drop(peers);
    wait_until("there is room again", || {
        let mut peer = Peer::connect(gateway.websocket);
        peer.try_send(&request("/")).is_ok() && peer.read_status() == 101
    });
    gateway.check_that_it_serves();
}

fn those_who_never_read_are_closed_before_memory_is_full(rung: DriverChoice) {
    [64, 96].into_iter().for_each(|mib| unread(rung, mib, 1));
}

fn unread(rung: DriverChoice, mib: u64, times: usize) {
    let Some(mut gateway) = Limited::start(rung, mib) else { return };
    let peers: Vec<_> = (0..600 * times).map(|_| gateway.careless()).collect();
    // More than the kernel holds of each for it.
    let messages = masked(BINARY, &pattern(16_000)).repeat(300);
    let mut sent = vec![0; peers.len()];
    wait_until("it closes some, and nobody gets rid of any more", || {
        let before: usize = sent.iter().sum();
        for (peer, sent) in peers.iter().zip(&mut sent) {
            *sent += try_send(peer, &messages[*sent..]);
        }
        sent.iter().sum::<usize>() == before && gateway.limited("shard_outbox_bytes") > 0
    });
    gateway.check_that_it_serves();
}

fn heads_that_come_in_pieces_take_no_more_than_their_share(rung: DriverChoice) {
    pieces(rung, 64, 1);
}

fn pieces(rung: DriverChoice, mib: u64, times: usize) {
    let Some(mut gateway) = Limited::start(rung, mib) else { return };
    let mut head = b"GET / HTTP/1.1\r\nHost: test\r\n".to_vec();
    (0..60).for_each(|index| head.extend(format!("X-{index}: {}\r\n", "y".repeat(110)).bytes()));
    let peers: Vec<_> = (0..1500 * times).map(|_| gateway.silent()).collect();
    for piece in head.chunks(700) {
        peers.iter().for_each(|mut peer| drop(peer.write(piece)));
    }
    wait_until("some wait for their turn", || gateway.limited("handshakes") > 0);
    drop(peers);
    gateway.check_that_it_serves();
}
