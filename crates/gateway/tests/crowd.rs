//! Crowds: thousands of connections that end in the same moment, and those that stay.
//!
//! `HOLDFAST_TEST_PEERS` says how many peers there are, 15,000 by default; two thirds of them leave. They live in a
//! process of their own, so that both ends of a connection need not fit into one descriptor table.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast::counters::{CloseCode, CloseReason};
use holdfast::settings::{DriverChoice, Listen, Settings};
use rig::child::{Helper, answer_lines, role};
use rig::frame::{TEXT, masked};
use rig::{Peer, Rig, Script, request, settings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

on_every_rung!(a_crowd_that_leaves_at_once_frees_its_records_and_the_others_stay);

const PEERS: &str = "HOLDFAST_TEST_PEERS";
const CROWD: &str = "crowd";

/// How many addresses the gateway listens on, so that ports do not run out and are quickly found.
const ADDRESSES: u8 = 4;

fn loopback(last: u8) -> Listen {
    Listen::Tcp(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))
}

/// As many as are asked for, and as fit: the process needs a few descriptors besides.
fn crowd_size() -> usize {
    let wanted = std::env::var(PEERS).map_or(15_000, |count| count.parse().expect("a count of peers"));
    let fit = holdfast::limits::raise_descriptor_limit().now.saturating_sub(400);
    wanted.min(usize::try_from(fit).unwrap_or(usize::MAX))
}

/// One crowd at a time: the gateways of two would share this process's descriptors.
static ALONE: Mutex<()> = Mutex::new(());

/// A gateway and a crowd of peers in another process, all of them open.
struct Crowd {
    rig: Rig,
    script: Script,
    peers: Helper,
    size: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Crowd {
    fn gather(rung: DriverChoice) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let size = crowd_size();
        let script = Script::default();
        let room = Settings {
            connections_max: Some(size as u64 + 10),
            handshakes_max: 1024,
            backlog: 65_536,
            listen: (1..=ADDRESSES).map(loopback).collect(),
            ..settings(rung)
        };
        let rig = Rig::scripted(&room, &script);
        let addresses: Vec<String> = rig.gateway.addresses().iter().map(Listen::to_string).collect();
        let mut peers = Helper::start("plays_the_crowd", CROWD, &addresses.join(","));
        assert_eq!(peers.ask(&format!("open {size}")), "done");
        rig.wait_until_held(size as u64);
        Self { rig, script, peers, size, _alone: alone }
    }

    /// How many leave.
    fn leaving(&self) -> usize {
        self.size / 3 * 2
    }

    /// Checks that so many have left in this way, that the others are as before, and that there is room for as many
    /// again.
    fn check_who_left(&mut self, reason: CloseReason, code: CloseCode) {
        let (size, left) = (self.size as u64, self.leaving() as u64);
        self.rig.wait_until_held(size - left);
        assert_eq!(self.rig.closed(reason, code), left);
        assert_eq!(self.peers.ask("echo"), "done");
        self.rig.wait_until_quiet();
        let heard = self.script.log.read(|heard| (heard.opened.len(), heard.closed.len()));
        assert_eq!(heard.0 - heard.1, self.size - self.leaving());
        assert_eq!(self.peers.ask(&format!("open {left}")), "done");
        self.rig.wait_until_held(size);
    }
}

fn a_crowd_that_leaves_at_once_frees_its_records_and_the_others_stay(rung: DriverChoice) {
    let mut crowd = Crowd::gather(rung);
    let leaving = crowd.leaving();
    assert_eq!(crowd.peers.ask(&format!("reset {leaving}")), "done");
    crowd.check_who_left(CloseReason::Reset, CloseCode::None);
    assert_eq!(crowd.peers.ask(&format!("close {leaving}")), "done");
    crowd.check_who_left(CloseReason::Gone, CloseCode::None);
    // The youngest are those that are there.
    let ids: Vec<_> = crowd.script.log.read(|heard| heard.opened.iter().rev().map(|(id, _)| *id).collect());
    for id in &ids[..leaving] {
        crowd.rig.handle().close(*id, 4000, "").unwrap();
    }
    assert_eq!(crowd.peers.ask(&format!("answer {leaving} closes")), "done");
    crowd.check_who_left(CloseReason::Application, CloseCode::Private);
}

/// Not a test of its own: the peers, in a process that is started for it.
#[test]
fn plays_the_crowd() {
    let Some(addresses) = role(CROWD) else { return };
    let addresses: Vec<SocketAddr> =
        addresses.split(',').map(|address| address.parse().expect("an address")).collect();
    holdfast::limits::raise_descriptor_limit();
    let mut peers: Vec<TcpStream> = Vec::new();
    answer_lines(|line| {
        let mut words = line.split(' ');
        let command = words.next().expect("a command");
        let count = words.next().map_or(0, |count| count.parse().expect("a count"));
        match command {
            "open" => open(&mut peers, &addresses, count),
            "reset" => peers.drain(..count).for_each(|stream| Peer::over(stream).reset()),
            "close" => drop(peers.drain(..count)),
            "echo" => echo(&mut peers),
            "answer" => answer_closes(&mut peers, count),
            other => panic!("{other}"),
        }
        "done".to_owned()
    });
}

/// Opens so many connections, a few hundred at a time.
fn open(peers: &mut Vec<TcpStream>, addresses: &[SocketAddr], count: usize) {
    let start = peers.len();
    while peers.len() < start + count {
        let batch = (start + count - peers.len()).min(500);
        let first = peers.len();
        peers.extend(addresses.iter().cycle().take(batch).map(|address| {
            let stream = TcpStream::connect(address).expect("a peer connects");
            stream.set_read_timeout(Some(rig::PATIENCE)).unwrap();
            stream
        }));
        for stream in &mut peers[first..] {
            stream.write_all(&request("/")).expect("a request");
        }
        for stream in &mut peers[first..] {
            // Nothing comes behind it: the gateway speaks when it is spoken to.
            let (mut head, mut bytes) = (Vec::new(), [0; 1024]);
            while !head.ends_with(b"\r\n\r\n") {
                let len = stream.read(&mut bytes).expect("an answer");
                assert!(len > 0, "the whole answer");
                head.extend_from_slice(&bytes[..len]);
            }
            assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        }
    }
}

fn echo(peers: &mut [TcpStream]) {
    for (index, stream) in peers.iter_mut().enumerate() {
        stream.write_all(&masked(TEXT, format!("{index}").as_bytes())).expect("a message");
    }
    for (index, stream) in peers.iter_mut().enumerate() {
        let frame = rig::frame::read(stream);
        assert_eq!((frame.opcode, frame.payload), (TEXT, format!("{index}").into_bytes()));
    }
}

/// Answers the close frames of so many connections, whichever they are.
fn answer_closes(peers: &mut Vec<TcpStream>, count: usize) {
    let mut left = count;
    while left > 0 {
        let mut polled: Vec<_> = peers.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
        let patience = Timespec::try_from(rig::PATIENCE).expect("a time");
        assert!(poll(&mut polled, Some(&patience)).expect("it waits") > 0, "{left} close frames are missing");
        let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        peers.retain_mut(|stream| {
            if left == 0 || ready.next() != Some(true) {
                return true;
            }
            let frame = rig::frame::read(stream);
            assert_eq!((frame.opcode, frame.payload), (rig::frame::CLOSE, 4000_u16.to_be_bytes().to_vec()));
            stream.write_all(&rig::frame::close(4000, "")).expect("the gateway waits for it");
            assert_eq!(stream.read(&mut [0]).expect("no reset"), 0);
            left -= 1;
            false
        });
    }
}
