//! The end of a gateway, its listeners, and more than one gateway on a machine.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::BufReader;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::counters::{CloseCode, CloseReason, HandshakeOutcome};
use holdfast::settings::{DrainCode, DriverChoice, Listen, Settings};
use holdfast::{Admission, DrainPlan, Echo, Gateway, Outcome, Reply, StartError};
use rig::{PATIENCE, Peer, Rig, Script, pattern, request, settings, wait_until};

on_every_rung!(
    a_drain_says_goodbye_to_every_connection_and_ends,
    a_drain_answers_503_to_those_who_wait_to_be_accepted,
    a_drain_answers_503_to_unfinished_opening_handshakes,
    a_drain_delivers_what_was_queued_before,
    those_who_wait_for_their_goodbye_are_served_and_stay_when_it_is_taken_back,
    a_drain_that_stays_answers_503_until_it_is_taken_back_or_for_the_end,
    a_spread_drain_says_every_goodbye_once,
    a_drain_for_the_end_cannot_be_taken_back,
    the_listeners_stay_open_until_every_shard_is_empty,
    those_who_are_queued_at_the_end_hear_503,
    a_goodbye_has_the_code_that_was_set,
    a_drain_of_an_empty_gateway_ends_at_once,
    a_second_drain_changes_nothing,
    the_end_cuts_what_is_open_and_counts_it,
    an_end_right_after_the_start_is_heard,
    waiting_can_be_given_up_and_taken_up_again,
    the_port_is_free_after_the_end,
    a_second_instance_on_the_same_port_is_refused,
    a_conversation_over_a_unix_socket,
    a_conversation_over_ipv6,
    several_addresses_serve_the_same_connections,
);

fn say_goodbye(peer: &mut Peer) {
    peer.expect_close(1001);
    peer.send_close(1001, "");
    peer.expect_end();
}

fn a_drain_says_goodbye_to_every_connection_and_ends(rung: DriverChoice) {
    let script = Script::default();
    let mut rig = Rig::scripted(&settings(rung), &script);
    let mut peers = rig.peers(300);
    rig.handle().drain();
    for peer in &mut peers {
        say_goodbye(peer);
    }
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    assert_eq!(rig.closed(CloseReason::Drain, CloseCode::Away), 300);
    assert_eq!(script.log.closed(300), [(CloseReason::Drain, CloseCode::Away); 300]);
    script.log.check_pairs();
    assert_eq!(rig.on_its_way(), [0; 5]);
}

/// A gateway whose one shard is held up by its application, so that peers stay in the listener's queue.
struct Queue {
    rig: Rig,
    /// Waits for the echo of "wait".
    first: Peer,
    /// They have sent their requests.
    queued: Vec<Peer>,
    /// Lets the application go on.
    release: Sender<()>,
}

impl Queue {
    fn of_fifty(rung: DriverChoice) -> Self {
        let (release, released) = channel::<()>();
        let released = Mutex::new(released);
        let script = Script::default().on_message(move |_, _, _| {
            let _ = released.lock().unwrap().recv();
            Reply::Echo
        });
        let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
        let mut first = rig.peer();
        first.send_text("wait");
        wait_until("the shard waits", || rig.sum(|counters| counters.text_in.get()) == 1);
        let mut queued: Vec<Peer> = (0..50).map(|_| rig.silent_peer()).collect();
        for peer in &mut queued {
            peer.send(&request("/"));
        }
        Self { rig, first, queued, release }
    }
}

fn a_drain_answers_503_to_those_who_wait_to_be_accepted(rung: DriverChoice) {
    let Queue { mut rig, mut first, mut queued, release } = Queue::of_fifty(rung);
    rig.handle().drain();
    release.send(()).unwrap();
    for mut peer in queued.drain(..) {
        assert!(peer.expect_refused(503).body.contains("connect again"));
    }
    first.expect_text("wait");
    say_goodbye(&mut first);
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 50);
}

fn a_drain_answers_503_to_unfinished_opening_handshakes(rung: DriverChoice) {
    let deferred = Arc::new(Mutex::new(Vec::new()));
    let ids = Arc::clone(&deferred);
    let script = Script::default().on_open(move |_, opening| {
        ids.lock().unwrap().push(opening.id);
        Admission::Later { within: None, id: None }
    });
    let mut rig = Rig::scripted(&Settings { handshakes_max: 4, ..settings(rung) }, &script);
    let mut silent: Vec<Peer> = (0..20).map(|_| rig.silent_peer()).collect();
    wait_until("all are accepted", || rig.sum(|counters| counters.accepted.get()) == 20);
    silent[0].send(&request("/")[..20]);
    rig.handle().drain();
    for mut peer in silent {
        peer.expect_refused(503);
    }
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });

    let mut rig = Rig::scripted(&settings(rung), &script);
    let mut put_off = rig.silent_peer();
    put_off.send(&request("/"));
    wait_until("its admission is put off", || !deferred.lock().unwrap().is_empty());
    rig.handle().drain();
    put_off.expect_refused(503);
    drop(put_off);
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
}

fn a_drain_delivers_what_was_queued_before(rung: DriverChoice) {
    let script = Script::default();
    let mut rig = Rig::scripted(&Settings { outbox_bytes_max: 16 << 20, ..settings(rung) }, &script);
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    for _ in 0..8 {
        let payload = bytes::Bytes::from(pattern(1 << 20));
        rig.handle().send(script.log.id(0), holdfast::MessageKind::Binary, payload).unwrap();
    }
    rig.handle().drain();
    for _ in 0..8 {
        peer.expect_binary(&pattern(1 << 20));
    }
    say_goodbye(&mut peer);
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
}

const HOUR: Duration = Duration::from_secs(3600);

fn goodbyes(rig: &Rig) -> u64 {
    rig.sum(|counters| counters.goodbyes.get())
}

/// Waits until new peers are refused.
fn wait_until_refused(rig: &Rig) {
    wait_until("new peers are refused", || {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        peer.read_status() == 503
    });
}

fn those_who_wait_for_their_goodbye_are_served_and_stay_when_it_is_taken_back(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut peers = rig.peers(50);
    // So long that hardly any goodbye falls due while the test runs.
    rig.handle().drain_by(DrainPlan { spread: 1000 * HOUR, ends: false });
    wait_until_refused(&rig);
    for peer in &mut peers {
        peer.check_echo();
    }
    rig.handle().resume();
    wait_until("new peers are welcome", || {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        let status = peer.read_status();
        assert!(status == 101 || status == 503, "{status}");
        status == 101
    });
    for peer in &mut peers {
        peer.check_echo();
    }
    assert_eq!(goodbyes(&rig), 0);
    rig.handle().drain();
    for peer in &mut peers {
        say_goodbye(peer);
    }
    assert_eq!(rig.wait_for_the_end().broken, 0);
}

fn a_drain_that_stays_answers_503_until_it_is_taken_back_or_for_the_end(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut first = rig.peers(10);
    rig.handle().drain_by(DrainPlan { spread: Duration::ZERO, ends: false });
    first.iter_mut().for_each(say_goodbye);
    rig.wait_until_empty();
    wait_until_refused(&rig);
    assert_eq!(rig.gateway.wait(Duration::ZERO), None, "it stays");
    rig.handle().resume();
    wait_until("new peers are welcome", || {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        peer.read_status() == 101
    });
    rig.peer().check_echo();
    rig.handle().drain_by(DrainPlan { spread: Duration::ZERO, ends: false });
    wait_until_refused(&rig);
    rig.handle().drain();
    assert_eq!(rig.wait_for_the_end().broken, 0);
}

fn a_spread_drain_says_every_goodbye_once(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut peers = rig.peers(100);
    rig.handle().drain_by(DrainPlan { spread: Duration::from_millis(300), ends: false });
    peers.iter_mut().for_each(say_goodbye);
    assert_eq!(goodbyes(&rig), 100);
    // The next plan finds nobody to say it to again.
    rig.handle().drain_by(DrainPlan { spread: Duration::from_millis(50), ends: true });
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    assert_eq!(rig.closed(CloseReason::Drain, CloseCode::Away), 100);
    assert_eq!(goodbyes(&rig), 100);
}

fn a_drain_for_the_end_cannot_be_taken_back(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut peer = rig.peer();
    rig.handle().drain_by(DrainPlan { spread: HOUR, ends: true });
    rig.handle().resume();
    rig.handle().drain_by(DrainPlan { spread: HOUR, ends: false });
    wait_until_refused(&rig);
    peer.check_echo();
    // Another plan for the end takes the place of the first.
    rig.handle().drain();
    say_goodbye(&mut peer);
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
}

fn the_listeners_stay_open_until_every_shard_is_empty(rung: DriverChoice) {
    let mut rig = Rig::with(&Settings { shards: 4, ..settings(rung) });
    let mut peer = rig.peer();
    rig.handle().drain();
    peer.expect_close(1001);
    // Three shards are empty. Whichever a new peer is sent to answers it.
    for _ in 0..64 {
        let mut late = rig.silent_peer();
        late.send(&request("/"));
        assert!(late.expect_refused(503).body.contains("connect again"));
    }
    peer.send_close(1001, "");
    peer.expect_end();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
}

fn those_who_are_queued_at_the_end_hear_503(rung: DriverChoice) {
    let Queue { mut rig, first: _first, mut queued, release } = Queue::of_fifty(rung);
    rig.handle().end();
    release.send(()).unwrap();
    for peer in &mut queued {
        assert!(peer.expect_refused(503).body.contains("connect again"));
    }
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 1, broken: 0 });
}

fn a_goodbye_has_the_code_that_was_set(rung: DriverChoice) {
    let mut rig = Rig::with(&Settings { drain_code: DrainCode::ServiceRestart, ..settings(rung) });
    let mut peer = rig.peer();
    rig.handle().drain();
    peer.expect_close(1012);
    peer.send_close(1012, "");
    peer.expect_end();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    assert_eq!(rig.closed(CloseReason::Drain, CloseCode::of(1012)), 1);
}

fn a_drain_of_an_empty_gateway_ends_at_once(rung: DriverChoice) {
    let mut rig = Rig::with(&Settings { shards: 4, ..settings(rung) });
    rig.handle().drain();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 }, "and says so again");
}

fn a_second_drain_changes_nothing(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut peer = rig.peer();
    for _ in 0..3 {
        rig.handle().drain();
    }
    say_goodbye(&mut peer);
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    rig.handle().drain();
}

fn the_end_cuts_what_is_open_and_counts_it(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let peers = rig.peers(10);
    rig.handle().end();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 10, broken: 0 });
    for mut peer in peers {
        peer.expect_over();
    }
}

fn an_end_right_after_the_start_is_heard(rung: DriverChoice) {
    for _ in 0..20 {
        let mut rig = Rig::with(&Settings { shards: 3, ..settings(rung) });
        rig.handle().end();
        assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    }
}

fn waiting_can_be_given_up_and_taken_up_again(rung: DriverChoice) {
    let mut rig = Rig::with(&Settings { shards: 3, ..settings(rung) });
    let mut peer = rig.peer();
    assert_eq!(rig.gateway.wait(Duration::ZERO), None);
    rig.handle().drain();
    // Two shards end at once, one when its connection has.
    peer.expect_close(1001);
    for _ in 0..50 {
        assert_eq!(rig.gateway.wait(Duration::from_millis(1)), None);
    }
    peer.send_close(1001, "");
    peer.expect_end();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
}

fn the_port_is_free_after_the_end(rung: DriverChoice) {
    let mut first = Rig::echo(rung);
    let mut peer = first.peer();
    first.handle().drain();
    say_goodbye(&mut peer);
    first.wait_for_the_end();
    let second = Rig::with(&Settings { listen: vec![Listen::Tcp(first.address)], ..settings(rung) });
    assert_eq!(second.address, first.address);
    second.peer().check_echo();
}

fn a_second_instance_on_the_same_port_is_refused(rung: DriverChoice) {
    let first = Rig::echo(rung);
    let second = Settings { listen: vec![Listen::Tcp(first.address)], ..settings(rung) };
    match Gateway::start(&second, |_| Echo::default()) {
        Err(error @ StartError::Listen(_)) => assert!(error.to_string().contains("is taken"), "{error}"),
        other => panic!("{other:?}"),
    }
    first.peer().check_echo();
}

fn a_conversation_over_a_unix_socket(rung: DriverChoice) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let mut rig = Rig::with(&Settings { listen: vec![Listen::Unix(path.clone())], ..settings(rung) });
    let mut peers: Vec<Peer<UnixStream>> = (0..10)
        .map(|_| {
            let stream = UnixStream::connect(&path).expect("a peer connects");
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Peer { stream: BufReader::new(stream) }
        })
        .collect();
    for peer in &mut peers {
        peer.open("/");
        peer.check_echo();
        peer.send_binary(&pattern(300_000));
        peer.expect_binary(&pattern(300_000));
    }
    let half = peers.split_off(5);
    for mut peer in peers {
        peer.close();
    }
    drop(half);
    rig.wait_until_empty();
    rig.handle().drain();
    assert_eq!(rig.wait_for_the_end(), Outcome { cut: 0, broken: 0 });
    drop(rig);
    assert!(!path.exists());
}

fn a_conversation_over_ipv6(rung: DriverChoice) {
    let at = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if std::net::TcpListener::bind(at).is_err() {
        println!("SKIPPED: this machine has no IPv6");
        return;
    }
    let rig = Rig::with(&Settings { listen: vec![Listen::Tcp(at)], ..settings(rung) });
    assert!(rig.address.is_ipv6());
    let mut peer = rig.peer();
    peer.check_echo();
    peer.close();
    rig.wait_until_empty();
}

fn several_addresses_serve_the_same_connections(rung: DriverChoice) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holdfast.sock");
    let loopback = |last| Listen::Tcp(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)));
    let listen = vec![loopback(1), loopback(2), Listen::Unix(path.clone())];
    let rig = Rig::with(&Settings { listen, shards: 3, ..settings(rung) });
    let mut peers: Vec<Peer> = rig
        .gateway
        .addresses()
        .iter()
        .filter_map(|at| match at {
            Listen::Tcp(address) => Some(Peer::connect(*address)),
            Listen::Unix(_) => None,
        })
        .collect();
    assert_eq!(peers.len(), 2);
    for peer in &mut peers {
        peer.open("/");
        peer.check_echo();
    }
    let mut unix = Peer { stream: BufReader::new(UnixStream::connect(&path).unwrap()) };
    unix.open("/");
    unix.check_echo();
    assert_eq!(rig.held(), 3);
}
