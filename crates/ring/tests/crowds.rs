//! Ten thousand peers that never read. They live in a process of their own, for the sake of its descriptors.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use holdfast_ring::{Buffers, Close, Config, Driver, Event, Outgoing, Progress, Sent, Token};
use rig::peers::{raise_descriptor_limit, small_receive_buffer, small_send_buffer};
use rig::{Rig, Rung, child, config, tcp_listener};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Resource, getrlimit};

on_every_rung!(ten_thousand_peers_that_never_read_hold_no_buffer_and_can_all_be_closed);

/// The variable that sets another number of peers.
const PEERS: &str = "HOLDFAST_TEST_PEERS";
/// One crowd at a time.
static CROWD: Mutex<()> = Mutex::new(());

fn peer_count() -> usize {
    let wanted = std::env::var(PEERS).map_or(10_000, |count| count.parse().expect("a count of peers"));
    raise_descriptor_limit();
    let room =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
    let count = wanted.min(room.saturating_sub(200));
    if count < wanted {
        println!("only {count} peers: the limit of descriptors is {room}");
    }
    count
}

/// The crowd, in its own process: connects, and reads nothing until the parent is done.
#[test]
fn peers_of_the_other_tests() {
    let Some(argument) = child::role("crowd") else { return };
    let (address, count) = argument.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    raise_descriptor_limit();
    let connected = |_| {
        let peer = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        small_receive_buffer(&peer);
        connect(&peer, &address).unwrap();
        peer
    };
    let peers: Vec<OwnedFd> = (0..count.parse().unwrap()).map(connected).collect();
    child::wait_for_the_parent();
    drop(peers);
}

fn ten_thousand_peers_that_never_read_hold_no_buffer_and_can_all_be_closed<R: Rung>() {
    let _alone = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let count = peer_count();
    let (listener, address) = tcp_listener();
    small_send_buffer(&listener);
    let slots = u32::try_from(count).unwrap() + 1;
    let config = Config { submission_entries: 256, completion_entries: 4096, ..config(slots) };
    let mut rig = Rig::<R>::listening(config, (listener, address));
    let (speaker, mut voice) = rig.connection();
    let crowd = child::Helper::start(child::command(
        "peers_of_the_other_tests",
        "crowd",
        &format!("{address} {count}"),
    ));
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let descriptor = rig.accept();
        let token = rig.own(descriptor);
        rig.driver.receive(token, Buffers::Short);
        tokens.push(token);
    }
    fill(&mut rig, &tokens);
    assert_eq!(rig.driver.stats().buffers_lent, 0);
    hears(&mut rig, speaker, &mut voice);

    let rest = Bytes::from(vec![0; 1 << 20]);
    for token in &tokens {
        assert_eq!(rig.driver.send(*token, Outgoing::Shared(rest.clone())), Progress::Pending);
    }
    hears(&mut rig, speaker, &mut voice);
    assert!(rig.events.is_empty(), "{} sends ended", rig.events.len());
    let stats = rig.driver.stats();
    assert_eq!((stats.buffers_lent, stats.buffers_waiting), (0, 0));

    for (index, token) in tokens.iter().enumerate() {
        rig.driver.close(*token, if index % 2 == 0 { Close::Orderly } else { Close::Reset });
    }
    let mut closed = 0;
    rig.wait_until("all are closed", |rig| {
        for event in rig.events.drain(..) {
            assert!(matches!(event, Event::Closed { .. }), "{event:?}");
            closed += 1;
        }
        closed == count
    });
    hears(&mut rig, speaker, &mut voice);
    rig.assert_idle();
    assert!(crowd.wait().success(), "the crowd came to its end");
}

/// Sends lent buffers to each until one is cut. All buffers are in use, each by another connection.
fn fill<R: Rung>(rig: &mut Rig<R>, tokens: &[Token]) {
    let mut to_send: VecDeque<Token> = tokens.iter().copied().collect();
    let mut cut = 0;
    rig.wait_until("each is cut once", |rig| {
        for event in rig.events.drain(..) {
            match event {
                Event::Sent { sent: Sent::Partial(Outgoing::Lent(rest)), .. } => {
                    assert!(!rest.is_empty());
                    cut += 1;
                }
                Event::Sent { token, sent: Sent::Whole } => to_send.push_back(token),
                event => panic!("{event:?}"),
            }
        }
        while !to_send.is_empty()
            && let Some(buffer) = rig.driver.lend()
        {
            let token = to_send.pop_front().unwrap();
            if rig.driver.send(token, Outgoing::Lent(buffer)) == Progress::Done {
                to_send.push_back(token);
            }
        }
        cut == tokens.len()
    });
}

/// One that speaks is served while the others block.
fn hears<R: Rung>(rig: &mut Rig<R>, speaker: Token, voice: &mut TcpStream) {
    voice.write_all(b"hello").unwrap();
    assert_eq!(&rig.receive(speaker)[..], b"hello");
}
