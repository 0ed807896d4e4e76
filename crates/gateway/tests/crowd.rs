//! Crowds: thousands of connections that end in the same moment, and those that stay.
//!
//! `HOLDFAST_TEST_PEERS` says how many peers there are, 15,000 by default; two thirds of them leave. They live in a
//! process of their own, so that both ends of a connection need not fit into one descriptor table.

mod rig;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use holdfast::counters::{CloseCode, CloseReason};
use holdfast::settings::{DriverChoice, Settings};
use rig::child::{Helper, answer_lines, role};
use rig::frame::{TEXT, masked};
use rig::{Peer, Rig, Script, request, settings, wait_until};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

on_every_rung!(
    a_crowd_that_resets_at_once_frees_its_records,
    a_crowd_that_closes_without_a_word_frees_its_records,
    a_crowd_that_is_closed_from_the_gateways_side_frees_its_records,
);

const PEERS: &str = "HOLDFAST_TEST_PEERS";
const CROWD: &str = "crowd";

/// As many as are asked for, and as fit: the process needs a few descriptors besides.
fn crowd_size() -> usize {
    let wanted = std::env::var(PEERS).map_or(15_000, |count| count.parse().expect("a count of peers"));
    let fit = holdfast::limits::raise_descriptor_limit().now.saturating_sub(400);
    wanted.min(usize::try_from(fit).unwrap_or(usize::MAX))
}

/// A gateway and a crowd of peers in another process, all of them open.
struct Crowd {
    rig: Rig,
    script: Script,
    peers: Helper,
    size: usize,
}

impl Crowd {
    fn gather(rung: DriverChoice) -> Self {
        let size = crowd_size();
        let script = Script::default();
        let room = Settings {
            connections_max: Some(size as u64 + 10),
            handshakes_max: 1024,
            backlog: 65_536,
            ..settings(rung)
        };
        let rig = Rig::scripted(&room, &script);
        let mut peers = Helper::start("plays_the_crowd", CROWD, &rig.address.to_string());
        assert_eq!(peers.ask(&format!("open {size}")), "done");
        rig.wait_until_held(size as u64);
        Self { rig, script, peers, size }
    }

    /// How many leave.
    fn leaving(&self) -> usize {
        self.size / 3 * 2
    }

    /// Checks that those who stay are as before.
    fn check_those_who_stay(&mut self) {
        self.rig.wait_until_held((self.size - self.leaving()) as u64);
        assert_eq!(self.peers.ask("echo"), "done");
        self.rig.wait_until_quiet();
        let heard = self.script.log.read(|heard| (heard.opened.len(), heard.closed.len()));
        assert_eq!(heard, (self.size, self.leaving()));
        // And there is room for as many again.
        assert_eq!(self.peers.ask(&format!("open {}", self.leaving())), "done");
        self.rig.wait_until_held(self.size as u64);
        assert_eq!(self.peers.ask("echo"), "done");
    }
}

fn a_crowd_that_resets_at_once_frees_its_records(rung: DriverChoice) {
    let mut crowd = Crowd::gather(rung);
    assert_eq!(crowd.peers.ask(&format!("reset {}", crowd.leaving())), "done");
    crowd.check_those_who_stay();
    assert_eq!(crowd.rig.closed(CloseReason::Reset, CloseCode::None), crowd.leaving() as u64);
}

fn a_crowd_that_closes_without_a_word_frees_its_records(rung: DriverChoice) {
    let mut crowd = Crowd::gather(rung);
    assert_eq!(crowd.peers.ask(&format!("close {}", crowd.leaving())), "done");
    crowd.check_those_who_stay();
    assert_eq!(crowd.rig.closed(CloseReason::Gone, CloseCode::None), crowd.leaving() as u64);
}

fn a_crowd_that_is_closed_from_the_gateways_side_frees_its_records(rung: DriverChoice) {
    let mut crowd = Crowd::gather(rung);
    let (size, leaving) = (crowd.size, crowd.leaving());
    let ids: Vec<_> = crowd.script.log.read(|heard| heard.opened.iter().map(|(id, _)| *id).collect());
    assert_eq!(ids.len(), size);
    for id in &ids[..leaving] {
        crowd.rig.handle().close(*id, 4000, "").unwrap();
    }
    assert_eq!(crowd.peers.ask(&format!("answer {leaving} closes")), "done");
    crowd.check_those_who_stay();
    assert_eq!(crowd.rig.closed(CloseReason::Application, CloseCode::Private), leaving as u64);
}

/// Not a test of its own: the peers, in a process that is started for it.
#[test]
fn plays_the_crowd() {
    let Some(address) = role(CROWD) else { return };
    let address: SocketAddr = address.parse().expect("an address");
    holdfast::limits::raise_descriptor_limit();
    let mut peers: Vec<TcpStream> = Vec::new();
    answer_lines(|line| {
        let mut words = line.split(' ');
        let command = words.next().expect("a command");
        let count = words.next().map_or(0, |count| count.parse().expect("a count"));
        match command {
            "open" => open(&mut peers, address, count),
            "reset" => peers.drain(..count).for_each(|stream| Peer::over(stream).reset()),
            "close" => drop(peers.drain(..count)),
            "echo" => echo(&mut peers),
            "answer" => answer_closes(&mut peers, count),
            other => panic!("{other}"),
        }
        "done".to_owned()
    });
}

/// Opens so many connections, a few hundred at a time, from so many addresses that ports do not run out.
fn open(peers: &mut Vec<TcpStream>, address: SocketAddr, count: usize) {
    let start = peers.len();
    while peers.len() < start + count {
        let batch = (start + count - peers.len()).min(500);
        let first = peers.len();
        peers.extend((first..first + batch).map(|index| connect_from(index, address)));
        for stream in &mut peers[first..] {
            stream.write_all(&request("/")).expect("a request");
        }
        for stream in &mut peers[first..] {
            // Read to the byte, so that nothing of what comes next is lost with a buffer.
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).expect("an answer");
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        }
    }
}

fn connect_from(index: usize, address: SocketAddr) -> TcpStream {
    let socket: OwnedFd =
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    let last = u8::try_from(2 + index / 5_000 % 200).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0))).expect("an address to come from");
    connect(&socket, &address).expect("a peer connects");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(rig::PATIENCE)).unwrap();
    stream
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
    wait_until("all close frames have come", || {
        peers.retain_mut(|stream| {
            if left == 0 || !has_something(stream) {
                return true;
            }
            let frame = rig::frame::read(stream);
            assert_eq!((frame.opcode, frame.payload), (rig::frame::CLOSE, 4000_u16.to_be_bytes().to_vec()));
            stream.write_all(&rig::frame::close(4000, "")).expect("the gateway waits for it");
            assert_eq!(stream.read(&mut [0]).expect("no reset"), 0);
            left -= 1;
            false
        });
        left == 0
    });
}

fn has_something(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let waits = stream.peek(&mut [0]).is_err();
    stream.set_nonblocking(false).unwrap();
    !waits
}
