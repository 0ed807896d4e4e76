//! Applications: admission put off, messages from other threads and other shards, and what they hear of it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use holdfast::counters::{CloseCode, CloseReason, HandshakeOutcome};
use holdfast::settings::{DriverChoice, Settings};
use holdfast::{Admission, ConnectionId, HandshakeId, MessageKind, Reply, Verdict};
use rig::frame::{PING, TEXT, masked};
use rig::peer::request_with;
use rig::{PATIENCE, Rig, SOON, Script, request, settings, text, wait_until};

on_every_rung!(
    an_admission_put_off_is_given_from_another_thread,
    an_admission_put_off_is_refused_from_another_thread,
    what_came_behind_the_request_is_delivered_after_a_late_admission,
    without_an_answer_the_peer_gets_503_and_a_late_answer_is_harmless,
    an_application_may_change_how_long_it_takes,
    a_second_answer_is_harmless,
    a_peer_may_leave_before_the_answer,
    a_peer_may_reset_before_the_answer,
    another_thread_sends,
    another_thread_sends_a_lot_in_order,
    another_thread_closes,
    connections_of_all_shards_reach_each_other,
    a_connection_of_another_shard_can_be_closed,
    what_is_sent_in_opened_comes_after_the_answer_and_before_the_rest,
    a_closing_begun_in_opened_completes,
    an_application_that_sends_to_itself_while_it_echoes_keeps_the_order,
    an_application_that_sends_to_itself_keeps_the_order_behind_the_request,
    closed_is_called_once_for_each_opened,
    an_id_of_a_closed_connection_reaches_nobody,
);

/// A script that puts every admission off, and where the ids arrive.
fn deferring() -> (Script, Receiver<HandshakeId>) {
    let (sender, ids) = channel();
    let sender = Mutex::new(sender);
    let script = Script::default().on_open(move |_, opening| {
        sender.lock().unwrap().send(opening.id).unwrap();
        Admission::Later { within: None, id: None }
    });
    (script, ids)
}

fn next(ids: &Receiver<HandshakeId>) -> HandshakeId {
    ids.recv_timeout(PATIENCE).expect("an opening handshake")
}

fn accept() -> Verdict {
    Verdict::Accept { subprotocol: None }
}

fn refuse(status: u16) -> Verdict {
    Verdict::Refuse { status, reason: "not today".to_owned() }
}

fn an_admission_put_off_is_given_from_another_thread(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    let handle = rig.handle().clone();
    let answering = std::thread::spawn(move || {
        for _ in 0..20 {
            let verdict = Verdict::Accept { subprotocol: Some("chat".to_owned()) };
            handle.answer(next(&ids), verdict).unwrap();
        }
    });
    let mut peers: Vec<_> = (0..20).map(|_| rig.silent_peer()).collect();
    for peer in &mut peers {
        peer.send(&request_with("/", "Sec-WebSocket-Protocol: chat\r\n"));
    }
    for peer in &mut peers {
        assert_eq!(peer.expect_accepted().header("Sec-WebSocket-Protocol"), Some("chat"));
        peer.check_echo();
        peer.close();
    }
    answering.join().unwrap();
    rig.wait_until_empty();
}

fn an_admission_put_off_is_refused_from_another_thread(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.silent_peer();
    peer.send(&request("/"));
    rig.handle().answer(next(&ids), refuse(403)).unwrap();
    assert_eq!(peer.expect_refused(403).body, "not today\n");
    rig.wait_until_quiet();
}

fn what_came_behind_the_request_is_delivered_after_a_late_admission(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.silent_peer();
    peer.send(&[request("/"), masked(TEXT, b"right behind"), masked(PING, b"?")[..3].to_vec()].concat());
    let id = next(&ids);
    peer.send(&[&masked(PING, b"?")[3..], &masked(TEXT, &text(50_000))].concat());
    rig.handle().answer(id, accept()).unwrap();
    peer.expect_accepted();
    peer.expect_text("right behind");
    peer.expect_pong(b"?");
    peer.expect(TEXT, &text(50_000));
    peer.close();
    rig.wait_until_empty();
}

fn without_an_answer_the_peer_gets_503_and_a_late_answer_is_harmless(rung: DriverChoice) {
    let (script, ids) = deferring();
    let settings = Settings { shards: 1, handshake_timeout: SOON, ..settings(rung) };
    let rig = Rig::scripted(&settings, &script);
    for verdict in [accept(), refuse(403)] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        let id = next(&ids);
        peer.expect_refused(503);
        // This end has not closed, so that the record is still there.
        rig.handle().answer(id, verdict).unwrap();
        rig.wait_for_a_turn_of_every_shard();
        peer.send(b"still here");
        drop(peer);
        rig.wait_until_quiet();
        // Nor is there one now.
        rig.handle().answer(id, accept()).unwrap();
    }
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(rig.handshakes(HandshakeOutcome::Unavailable), 2);
    assert_eq!(rig.sum(|counters| counters.opened.get()), 0);
    assert_eq!(rig.on_its_way(), [0; 5]);
}

fn an_application_may_change_how_long_it_takes(rung: DriverChoice) {
    let (sender, ids) = channel();
    let (sender, first) = (Mutex::new(sender), Mutex::new(None));
    let script = Script::default().on_open(move |context, opening| {
        // The first one waits for long, until the second one comes: then its time is over.
        let mut first = first.lock().unwrap();
        match *first {
            None => *first = Some(opening.id),
            Some(id) => context.postpone(id, Duration::ZERO),
        }
        sender.lock().unwrap().send(opening.id).unwrap();
        Admission::Later { within: Some(PATIENCE * 60), id: None }
    });
    let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
    let mut peers = [rig.silent_peer(), rig.silent_peer()];
    let of = peers.each_mut().map(|peer| {
        peer.send(&request("/"));
        next(&ids)
    });
    peers[0].expect_refused(503);
    rig.handle().answer(of[0], accept()).unwrap();
    rig.handle().answer(of[1], accept()).unwrap();
    peers[1].expect_accepted();
    peers[1].close();
    rig.wait_until_empty();
}

fn a_second_answer_is_harmless(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    for (first, second) in [(accept(), refuse(403)), (refuse(404), accept())] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        let id = next(&ids);
        let refused = first != accept();
        rig.handle().answer(id, first).unwrap();
        rig.handle().answer(id, second).unwrap();
        if refused {
            peer.expect_refused(404);
        } else {
            peer.expect_accepted();
            peer.check_echo();
            peer.close();
        }
    }
    rig.wait_until_empty();
}

fn a_peer_may_leave_before_the_answer(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    for verdict in [accept(), refuse(403)] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        let id = next(&ids);
        drop(peer);
        rig.handle().answer(id, verdict).unwrap();
        rig.wait_until_quiet();
    }
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn a_peer_may_reset_before_the_answer(rung: DriverChoice) {
    let (script, ids) = deferring();
    let rig = Rig::scripted(&settings(rung), &script);
    for verdict in [accept(), refuse(403)] {
        let mut peer = rig.silent_peer();
        peer.send(&request("/"));
        let id = next(&ids);
        peer.reset();
        rig.handle().answer(id, verdict).unwrap();
        rig.wait_until_quiet();
    }
    rig.wait_until_empty();
    script.log.check_pairs();
}

fn another_thread_sends(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    let id = script.log.id(0);
    rig.handle().send(id, MessageKind::Text, Bytes::from_static(b"news")).unwrap();
    peer.expect_text("news");
    rig.handle().send(id, MessageKind::Binary, Bytes::from(text(1 << 20))).unwrap();
    peer.expect_binary(&text(1 << 20));
    rig.handle().send(id, MessageKind::Binary, Bytes::new()).unwrap();
    peer.expect_binary(b"");
    peer.check_echo();
}

fn another_thread_sends_a_lot_in_order(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers = [rig.peer(), rig.peer(), rig.peer()];
    let ids: Vec<ConnectionId> = (0..3).map(|index| script.log.id(index)).collect();
    let handle = rig.handle().clone();
    let sending = std::thread::spawn(move || {
        for number in 0..2_000 {
            for id in &ids {
                let payload = Bytes::from(format!("{number}"));
                while handle.send(*id, MessageKind::Text, payload.clone()).is_err() {
                    std::thread::yield_now();
                }
            }
        }
    });
    for number in 0..2_000 {
        for peer in &mut peers {
            peer.expect_text(&format!("{number}"));
        }
    }
    sending.join().unwrap();
    assert_eq!(rig.sum(|counters| counters.text_out.get()), 6_000);
}

fn another_thread_closes(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.peer();
    let id = script.log.id(0);
    rig.handle().send(id, MessageKind::Text, Bytes::from_static(b"last words")).unwrap();
    for reason in ["first", "second"] {
        rig.handle().close(id, 4001, reason).unwrap();
    }
    peer.expect_text("last words");
    assert_eq!(peer.read_close(), Some((4001, "first".to_owned())));
    peer.send_close(4001, "");
    peer.expect_end();
    assert_eq!(script.log.closed(1), [(CloseReason::Application, CloseCode::Private)]);
    rig.wait_until_empty();
}

/// A script in which every message goes to all connections that there are, or closes them.
fn chat() -> Script {
    let script = Script::default();
    let log = script.log.clone();
    script.on_message(move |context, from, message| {
        let ids: Vec<ConnectionId> = log.read(|heard| heard.opened.iter().map(|(id, _)| *id).collect());
        for id in ids {
            if message.payload == b"close the others" {
                assert!(id == from || context.close(id, 4002, "asked for"));
            } else {
                assert!(context.send(id, message.kind, &[b"all: ", message.payload]));
            }
        }
        Reply::None
    })
}

fn connections_of_all_shards_reach_each_other(rung: DriverChoice) {
    let script = chat();
    let rig = Rig::scripted(&Settings { shards: 3, ..settings(rung) }, &script);
    let mut peers = rig.peers(24);
    // A peer may read its answer before the application hears of it.
    script.log.id(23);
    for number in 0..10 {
        peers[number].send_text(&format!("{number}"));
        for peer in &mut peers {
            peer.expect_text(&format!("all: {number}"));
        }
    }
}

fn a_connection_of_another_shard_can_be_closed(rung: DriverChoice) {
    let script = chat();
    let rig = Rig::scripted(&Settings { shards: 3, ..settings(rung) }, &script);
    let mut peers = rig.peers(24);
    script.log.id(23);
    peers[0].send_text("close the others");
    for peer in &mut peers[1..] {
        peer.expect_close(4002);
        peer.send_close(4002, "");
        peer.expect_end();
    }
    assert!(script.log.closed(23).iter().all(|how| *how == (CloseReason::Application, CloseCode::Private)));
    rig.wait_until_held(1);
}

fn what_is_sent_in_opened_comes_after_the_answer_and_before_the_rest(rung: DriverChoice) {
    let script = Script::default().on_opened(|context, id| {
        assert!(context.send(id, MessageKind::Text, &[b"wel", b"come"]));
        assert!(context.send(id, MessageKind::Text, &[]));
    });
    let rig = Rig::scripted(&settings(rung), &script);
    for behind in [Vec::new(), masked(TEXT, b"first")] {
        let mut peer = rig.silent_peer();
        let has_first = !behind.is_empty();
        peer.send(&[request("/"), behind].concat());
        peer.expect_accepted();
        peer.expect_text("welcome");
        peer.expect_text("");
        if has_first {
            peer.expect_text("first");
        }
        peer.check_echo();
    }
}

fn a_closing_begun_in_opened_completes(rung: DriverChoice) {
    let script = Script::default().on_opened(|context, id| {
        assert!(context.send(id, MessageKind::Text, &[b"sorry"]));
        assert!(context.close(id, 1013, "too late"));
        assert!(context.close(id, 1000, "twice"));
    });
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peer = rig.silent_peer();
    peer.open("/");
    peer.expect_text("sorry");
    assert_eq!(peer.read_close(), Some((1013, "too late".to_owned())));
    peer.send_close(1013, "");
    peer.expect_end();
    assert_eq!(script.log.closed(1), [(CloseReason::Application, CloseCode::TryAgain)]);
}

/// A script that says, before it echoes a message, that it will, unless the message says not to.
fn announcing() -> Script {
    Script::default().on_message(|context, from, message| {
        if !message.payload.starts_with(b"silently") {
            assert!(context.send(from, MessageKind::Text, &[b"next: ", message.payload]));
        }
        Reply::Echo
    })
}

/// Messages of all kinds one after the other, and what comes back.
fn mixture() -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut sent, mut answers) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let quiet = if number % 3 == 0 { "" } else { "silently " };
        let len = if number % 50 == 7 { 20_000 } else { number };
        let payload = [format!("{quiet}{number} ").as_bytes(), &text(len)].concat();
        sent.extend(masked(TEXT, &payload));
        if quiet.is_empty() {
            answers.push([b"next: ", &payload[..]].concat());
        }
        answers.push(payload);
    }
    (sent, answers)
}

fn an_application_that_sends_to_itself_while_it_echoes_keeps_the_order(rung: DriverChoice) {
    let rig = Rig::scripted(&settings(rung), &announcing());
    let mut peer = rig.peer();
    let (sent, answers) = mixture();
    let sending = peer.send_beside(sent);
    for answer in &answers {
        peer.expect(TEXT, answer);
    }
    sending.join().unwrap();
    peer.close();
    rig.wait_until_empty();
}

fn an_application_that_sends_to_itself_keeps_the_order_behind_the_request(rung: DriverChoice) {
    let rig = Rig::scripted(&settings(rung), &announcing());
    let (sent, answers) = mixture();
    for _ in 0..5 {
        let mut peer = rig.silent_peer();
        let sending = peer.send_beside([request("/"), masked(TEXT, b"silently"), sent.clone()].concat());
        peer.expect_accepted();
        peer.expect_text("silently");
        for answer in &answers {
            peer.expect(TEXT, answer);
        }
        sending.join().unwrap();
        peer.close();
    }
    rig.wait_until_empty();
}

fn closed_is_called_once_for_each_opened(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers = rig.peers(40);
    for (index, mut peer) in peers.drain(..).enumerate() {
        match index % 5 {
            0 => peer.close(),
            1 => peer.reset(),
            2 => drop(peer),
            3 => {
                peer.send(&[0xff; 8]);
                peer.expect_close(1002);
            }
            _ => {
                peer.send_close(3000, "");
                peer.reset();
            }
        }
    }
    rig.wait_until_empty();
    script.log.check_pairs();
    let count =
        |wanted: CloseReason| script.log.closed(40).iter().filter(|(reason, _)| *reason == wanted).count();
    assert_eq!(count(CloseReason::Gone), 8);
    assert_eq!(count(CloseReason::Protocol), 8);
    // A reset may overtake the close frame.
    assert!(count(CloseReason::Reset) >= 8);
    assert_eq!(count(CloseReason::Peer) + count(CloseReason::Reset), 24);
}

fn an_id_of_a_closed_connection_reaches_nobody(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
    let mut first = rig.peer();
    let old = script.log.id(0);
    first.close();
    rig.wait_until_empty();
    // The next connection takes the same slot.
    let mut second = rig.peer();
    rig.handle().send(old, MessageKind::Text, Bytes::from_static(b"for the first")).unwrap();
    rig.handle().close(old, 4000, "for the first").unwrap();
    second.check_echo();
    wait_until("the mailbox is read", || {
        rig.handle().send(script.log.id(1), MessageKind::Text, Bytes::from_static(b"for the second")).is_ok()
    });
    second.expect_text("for the second");
    second.close();
}
