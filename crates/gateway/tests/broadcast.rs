//! Messages to all: everybody gets each once and in order, whoever is slow, and nobody waits for long.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, Settings, SlowPolicy};
use holdfast::{Broadcast, LineFull, MessageKind, PUBLICATIONS_MAX, Prepared, Reply};
use rig::frame::{BINARY, TEXT, read_compressed};
use rig::{Peer, Rig, Script, pattern, settings, text, wait_until};

on_every_rung!(
    everybody_gets_a_message_once_and_whoever_comes_later_does_not,
    an_empty_message_and_a_long_one_reach_everybody,
    what_follows_a_broadcast_does_not_overtake_it,
    an_application_sends_to_all_shards_and_its_echo_comes_behind,
    one_that_does_not_read_gets_it_when_it_reads_and_nobody_waits_for_it,
    one_that_never_reads_is_closed_when_its_outbox_is_full_and_others_hear_everything,
    of_one_that_does_not_read_the_oldest_broadcasts_are_dropped,
    a_drain_says_goodbye_behind_what_was_accepted,
    a_broadcast_is_compressed_once_for_those_who_agreed,
    too_many_at_once_are_refused_and_none_of_them_is_heard,
    a_broadcast_to_nobody_is_over,
);

fn message(payload: &[u8]) -> Prepared {
    Prepared::new(MessageKind::Binary, &[payload])
}

/// Sends to all, trying again while too many are under way.
fn send_to_all(rig: &Rig, message: &Prepared) -> Broadcast {
    let mut accepted = None;
    wait_until("a broadcast is accepted", || {
        accepted = rig.handle().send_to_all(message).ok();
        accepted.is_some()
    });
    accepted.unwrap()
}

fn wait_until_over(broadcast: &Broadcast) {
    wait_until("a broadcast is over", || broadcast.is_over());
}

fn everybody_gets_a_message_once_and_whoever_comes_later_does_not(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peers = rig.peers(300);
    rig.wait_until_held(300);
    for round in 0..3 {
        let broadcast = send_to_all(&rig, &Prepared::new(MessageKind::Text, &[b"news ", b"flash"]));
        wait_until_over(&broadcast);
        assert_eq!((broadcast.handed(), broadcast.left()), (300, 0), "round {round}");
    }
    let mut late = rig.peer();
    for peer in peers.iter_mut().chain([&mut late]) {
        peer.send_text("are you there?");
    }
    for peer in &mut peers {
        (0..3).for_each(|_| peer.expect_text("news flash"));
    }
    for peer in peers.iter_mut().chain([&mut late]) {
        peer.expect_text("are you there?");
    }
    assert_eq!(rig.sum(|counters| counters.broadcasts_handed.get()), 900);
    assert_eq!(rig.sum(|counters| counters.text_out.get()), 900 + 301);
    rig.wait_until_quiet();
}

fn an_empty_message_and_a_long_one_reach_everybody(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peers = rig.peers(20);
    for len in [0, 125, 126, 65_530, 65_535, 65_536, 500_000] {
        let payload = pattern(len);
        let broadcast = send_to_all(&rig, &message(&payload));
        for peer in &mut peers {
            peer.expect_binary(&payload);
        }
        wait_until_over(&broadcast);
        assert_eq!(broadcast.handed(), 20);
    }
    peers.iter_mut().for_each(Peer::check_echo);
}

fn what_follows_a_broadcast_does_not_overtake_it(rung: DriverChoice) {
    const ROUNDS: usize = 50;
    let script = Script::default();
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers = rig.peers(100);
    rig.wait_until_held(100);
    // Those that the walk comes to last have most to overtake.
    for round in 0..ROUNDS {
        send_to_all(&rig, &message(format!("all {round}").as_bytes()));
        for index in 0..peers.len() {
            let text = bytes::Bytes::from(format!("you {round}"));
            rig.handle().send(script.log.id(index), MessageKind::Text, text).unwrap();
        }
    }
    for peer in &mut peers {
        for round in 0..ROUNDS {
            peer.expect_binary(format!("all {round}").as_bytes());
            peer.expect_text(&format!("you {round}"));
        }
    }
}

fn an_application_sends_to_all_shards_and_its_echo_comes_behind(rung: DriverChoice) {
    let script = Script::default().on_message(|context, _, received| {
        let news = Prepared::new(MessageKind::Binary, &[b"heard: ", received.payload]);
        context.send_to_all(&news).unwrap();
        Reply::Echo
    });
    let rig = Rig::scripted(&settings(rung), &script);
    let mut peers = rig.peers(60);
    rig.wait_until_held(60);
    peers[7].send(&[rig::frame::masked(TEXT, b"one"), rig::frame::masked(TEXT, b"two")].concat());
    for (index, peer) in peers.iter_mut().enumerate() {
        for text in ["one", "two"] {
            peer.expect_binary(format!("heard: {text}").as_bytes());
            if index == 7 {
                peer.expect_text(text);
            }
        }
    }
}

/// A peer that takes next to nothing until it reads.
fn slow_peer(rig: &Rig) -> Peer {
    let mut peer = Peer::connect_with_a_small_window(rig.address);
    peer.open("/");
    peer
}

fn one_that_does_not_read_gets_it_when_it_reads_and_nobody_waits_for_it(rung: DriverChoice) {
    const COUNT: usize = 200;
    let settings = Settings { outbox_bytes_max: 64 << 20, ..settings(rung) };
    let rig = Rig::with(&settings);
    let mut slow = slow_peer(&rig);
    let mut others = rig.peers(10);
    rig.wait_until_held(11);
    let payload = |round: usize| pattern(60_000 + round);
    let mut left = 0;
    for round in 0..COUNT {
        let broadcast = send_to_all(&rig, &message(&payload(round)));
        for peer in &mut others {
            peer.expect_binary(&payload(round));
        }
        wait_until_over(&broadcast);
        assert_eq!(broadcast.handed(), 11);
        left += broadcast.left();
    }
    assert!(left > 0, "it was left in an outbox");
    assert_eq!(rig.sum(|counters| counters.broadcasts_left.get()), left);
    (0..COUNT).for_each(|round| slow.expect_binary(&payload(round)));
    slow.check_echo();
    assert_eq!(rig.held(), 11);
}

fn one_that_never_reads_is_closed_when_its_outbox_is_full_and_others_hear_everything(rung: DriverChoice) {
    let rig = Rig::with(&Settings { outbox_bytes_max: 2 << 20, ..settings(rung) });
    let _slow = slow_peer(&rig);
    let mut other = rig.peer();
    rig.wait_until_held(2);
    let payload = pattern(60_000);
    wait_until("its outbox is full", || {
        send_to_all(&rig, &message(&payload));
        other.expect_binary(&payload);
        rig.limited(Limit::OutboxBytes) == 1
    });
    assert!(rig.sum(|counters| counters.outbox_bytes.get()) <= 2 << 20);
    for _ in 0..10 {
        send_to_all(&rig, &message(&payload));
        other.expect_binary(&payload);
    }
    other.check_echo();
    drop(_slow);
    wait_until("it is closed", || rig.closed(CloseReason::Slow, CloseCode::TryAgain) == 1);
}

fn of_one_that_does_not_read_the_oldest_broadcasts_are_dropped(rung: DriverChoice) {
    const COUNT: usize = 200;
    let policy = SlowPolicy::DropOldest;
    let rig = Rig::with(&Settings { outbox_bytes_max: 2 << 20, slow_policy: policy, ..settings(rung) });
    let mut slow = slow_peer(&rig);
    let numbered = |round: usize| [&format!("{round:08}").into_bytes()[..], &pattern(60_000)].concat();
    for round in 0..COUNT {
        wait_until_over(&send_to_all(&rig, &message(&numbered(round))));
    }
    let dropped = rig.sum(|counters| counters.dropped.get());
    assert!(dropped > 0);
    let mut heard = Vec::new();
    while heard.last() != Some(&(COUNT - 1)) {
        let frame = slow.read_frame();
        let round = std::str::from_utf8(&frame.payload[..8]).unwrap().parse().unwrap();
        assert!(frame.opcode == BINARY && frame.payload == numbered(round), "{round} is whole");
        heard.push(round);
    }
    assert!(heard.is_sorted() && heard.len() as u64 + dropped == COUNT as u64, "{heard:?}");
    slow.check_echo();
}

fn a_drain_says_goodbye_behind_what_was_accepted(rung: DriverChoice) {
    let mut rig = Rig::echo(rung);
    let mut peers = rig.peers(200);
    rig.wait_until_held(200);
    let broadcasts: Vec<_> = (0..3).map(|round| send_to_all(&rig, &message(&pattern(round)))).collect();
    rig.handle().drain();
    for peer in &mut peers {
        (0..3).for_each(|round| peer.expect_binary(&pattern(round)));
        peer.expect_close(1001);
        peer.send_close(1001, "");
        peer.expect_end();
    }
    assert_eq!(rig.wait_for_the_end().cut, 0);
    assert!(broadcasts.iter().all(|broadcast| broadcast.is_over() && broadcast.handed() == 200));
    let after = rig.handle().send_to_all(&message(b"is anybody there?")).unwrap();
    assert!(after.is_over() && after.handed() == 0, "nobody is left");
}

fn a_broadcast_is_compressed_once_for_those_who_agreed(rung: DriverChoice) {
    let settings = Settings { deflate: true, deflate_bytes_min: 100, shards: 1, ..settings(rung) };
    let rig = Rig::with(&settings);
    let open = |lines: &str| {
        let mut peer = rig.silent_peer();
        peer.send(&rig::peer::request_with("/", lines));
        peer.expect_accepted();
        peer
    };
    let mut agreed: Vec<_> =
        (0..20).map(|_| open("Sec-WebSocket-Extensions: permessage-deflate\r\n")).collect();
    let mut plain: Vec<_> = (0..20).map(|_| open("")).collect();
    let payload = text(5000);
    let broadcast = send_to_all(&rig, &Prepared::new(MessageKind::Text, &[&payload]));
    for peer in &mut agreed {
        let (frame, compressed) = read_compressed(&mut peer.stream);
        assert!(compressed && frame.payload.len() < 1000, "{} bytes", frame.payload.len());
    }
    plain.iter_mut().for_each(|peer| peer.expect(TEXT, &payload));
    wait_until_over(&broadcast);
    // Shown at the end of the turn in which it is over.
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(rig.sum(|counters| counters.deflate.runs.get()), 1);
    assert_eq!(rig.sum(|counters| counters.deflate.messages_out.get()), 20);
}

fn too_many_at_once_are_refused_and_none_of_them_is_heard(rung: DriverChoice) {
    // A shard takes what is in its mailbox between two turns: while it is in the application, nothing.
    let script = Script::default().on_message(|context, _, _| {
        let own = context.handle().clone();
        let accepted: Vec<_> =
            (0..PUBLICATIONS_MAX).map(|_| own.send_to_all(&message(b"yes")).unwrap()).collect();
        assert_eq!(own.send_to_all(&message(b"no")).err(), Some(LineFull));
        assert_eq!(context.send_to_all(&message(b"no")).err(), Some(LineFull));
        assert!(accepted.iter().all(|broadcast| broadcast.handed() == 0));
        Reply::None
    });
    let rig = Rig::scripted(&Settings { shards: 1, ..settings(rung) }, &script);
    let mut peers = rig.peers(10);
    rig.wait_until_held(10);
    for _ in 0..3 {
        peers[0].send_text("go");
        for peer in &mut peers {
            (0..PUBLICATIONS_MAX).for_each(|_| peer.expect_binary(b"yes"));
        }
        wait_until("all are over", || rig.sum(|counters| counters.broadcasts_open.get()) == 0);
    }
}

fn a_broadcast_to_nobody_is_over(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let broadcast = send_to_all(&rig, &message(b"hello?"));
    wait_until_over(&broadcast);
    assert_eq!((broadcast.handed(), broadcast.left()), (0, 0));
    rig.peer().check_echo();
}
