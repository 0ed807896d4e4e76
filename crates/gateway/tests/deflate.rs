//! permessage-deflate between the gateway and its peers, on every rung.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::time::Duration;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use holdfast::counters::{CloseCode, CloseReason, Limit};
use holdfast::settings::{DriverChoice, RatePolicy, Settings};
use holdfast::{Admission, MessageKind, Prepared, Reply, Verdict};
use rig::frame::{BINARY, CLOSE, CONTINUATION, PING, RSV1, TEXT, fragment, masked, read_compressed};
use rig::{Peer, Rig, Script, pattern, settings, text, wait_until};

on_every_rung!(
    messages_of_every_size_come_back,
    what_is_answered_depends_on_offer_setting_and_path,
    rsv1_without_an_agreement_is_a_protocol_error,
    the_window_that_a_peer_asks_for_is_kept,
    messages_in_fragments_and_over_any_reads_come_back,
    answers_stay_in_order_whatever_is_compressed,
    a_bomb_is_closed_with_1009_and_nobody_else_notices,
    a_bomb_in_one_connection_does_not_outgrow_the_limit,
    what_is_no_deflate_data_is_closed_with_1007,
    a_rate_of_bytes_counts_what_messages_become,
    what_an_application_sends_is_compressed,
    a_message_for_many_is_compressed_once_for_each_window,
    an_agreement_outlives_an_answer_that_is_put_off,
    a_compressed_message_behind_our_close_frame_is_no_error,
    peers_without_the_agreement_are_answered_as_ever,
    only_those_without_the_agreement_are_read_into_long_buffers,
);

const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// Everything above 100 bytes is compressed.
fn with_deflate(rung: DriverChoice) -> Settings {
    Settings { deflate: true, deflate_bytes_min: 100, ..settings(rung) }
}

/// A peer that has agreed on compression.
#[track_caller]
fn open(rig: &Rig, path: &str, offer: &str) -> (Peer, Option<String>) {
    let mut peer = rig.silent_peer();
    let line = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    peer.send(&rig::peer::request_with(path, &line));
    let response = peer.expect_accepted();
    let answer = response.header("Sec-WebSocket-Extensions").map(str::to_owned);
    (peer, answer)
}

#[track_caller]
fn deflating_peer(rig: &Rig) -> Peer {
    let (peer, answer) = open(rig, "/", OFFER);
    let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(answer.as_deref(), Some(expected));
    peer
}

/// The payload of a compressed message (RFC 7692 7.2.1).
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new_with_window_bits(Compression::default(), false, 15);
    let mut payload = Vec::with_capacity(message.len() + 1000);
    stream.compress_vec(message, &mut payload, FlushCompress::Sync).unwrap();
    assert!(payload.ends_with(&[0, 0, 0xff, 0xff]));
    payload.truncate(payload.len() - 4);
    payload
}

/// The message of a compressed payload (RFC 7692 7.2.2), if no longer than this; with a window of 2^`bits` bytes.
fn inflated(payload: &[u8], bits: u8, most: usize) -> Vec<u8> {
    let mut stream = Decompress::new_with_window_bits(false, bits);
    let mut message = Vec::with_capacity(most + 1);
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    stream.decompress_vec(&whole, &mut message, FlushDecompress::Sync).expect("it is DEFLATE data");
    assert!(message.len() <= most, "at most {most} bytes");
    message
}

fn compressed(opcode: u8, message: &[u8]) -> Vec<u8> {
    masked(opcode | RSV1, &deflated(message))
}

/// Waits for a message; returns whether it was compressed.
#[track_caller]
fn expect_of(peer: &mut Peer, opcode: u8, message: &[u8], bits: u8) -> bool {
    let (frame, compressed) = read_compressed(&mut peer.stream);
    assert!(frame.fin && frame.opcode == opcode, "opcode {opcode}, not {frame:?}");
    let payload = if compressed { inflated(&frame.payload, bits, message.len()) } else { frame.payload };
    assert!(payload == message, "{} bytes, not {}", message.len(), payload.len());
    compressed
}

#[track_caller]
fn expect_compressed(peer: &mut Peer, opcode: u8, message: &[u8]) {
    assert!(expect_of(peer, opcode, message, 15), "{} bytes come compressed", message.len());
}

fn messages_of_every_size_come_back(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut peer = deflating_peer(&rig);
    let sizes = [0, 1, 99, 100, 125, 126, 2_000, 16_383, 16_384, 65_536, 200_000, (1 << 20) - 1, 1 << 20];
    for len in sizes {
        for (opcode, message) in [(TEXT, text(len)), (BINARY, pattern(len))] {
            // Compressed or not, as the sender likes; what comes back is compressed where that helps.
            for bytes in [compressed(opcode, &message), masked(opcode, &message)] {
                let sending = peer.send_beside(bytes);
                let is_compressed = expect_of(&mut peer, opcode, &message, 15);
                // The pattern repeats from 251 bytes on.
                assert_eq!(is_compressed, len >= 2_000 || (len >= 100 && opcode == TEXT), "{len} bytes");
                sending.join().unwrap();
            }
        }
    }
    let count = |read: fn(&holdfast::counters::DeflateCounters) -> u64| rig.sum(|shard| read(&shard.deflate));
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(count(|it| it.opened.get()), 1);
    assert_eq!(count(|it| it.messages_in.get()), 2 * sizes.len() as u64);
    let plain = 2 * sizes.iter().sum::<usize>() as u64;
    assert_eq!(count(|it| it.plain_in.get()), plain);
    assert!((plain / 1000..plain / 2).contains(&count(|it| it.compressed_in.get())));
    assert!((plain..=2 * plain).contains(&count(|it| it.plain_out.get())));
    assert!(count(|it| it.compressed_out.get()) < count(|it| it.plain_out.get()) / 2);
    peer.close();
    rig.wait_until_empty();
}

fn what_is_answered_depends_on_offer_setting_and_path(rung: DriverChoice) {
    let off = Rig::echo(rung);
    assert_eq!(open(&off, "/", OFFER).1, None);
    let paths = vec!["/feed".to_owned(), "/chat/*".to_owned()];
    let rig = Rig::with(&Settings { deflate_paths: paths, ..with_deflate(rung) });
    for (path, offer, agreed) in [
        ("/feed", OFFER, true),
        ("/feed?token=/chat/", OFFER, true),
        ("/chat/room", OFFER, true),
        ("/", OFFER, false),
        ("/feeder", OFFER, false),
        ("/feed", "permessage-deflate; server_max_window_bits=8", false),
        ("/feed", "x-webkit-deflate-frame, permessage-deflate; mode=9", false),
        ("/feed", "permessage-deflate; mode=9, permessage-deflate", true),
    ] {
        let (mut peer, answer) = open(&rig, path, offer);
        assert_eq!(answer.is_some(), agreed, "{path} {offer}: {answer:?}");
        peer.check_echo();
        peer.close();
    }
    assert_eq!(rig.sum(|shard| shard.deflate.opened.get()), 4);
}

fn rsv1_without_an_agreement_is_a_protocol_error(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut peer = rig.peer();
    peer.send(&compressed(TEXT, &text(1000)));
    peer.expect_close(1002);
    let mut peer = deflating_peer(&rig);
    peer.send(&masked(PING | RSV1, b""));
    peer.expect_close(1002);
}

fn the_window_that_a_peer_asks_for_is_kept(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    for bits in 9..=15 {
        let (mut peer, answer) =
            open(&rig, "/", &format!("permessage-deflate; server_max_window_bits={bits}"));
        assert!(answer.unwrap().ends_with(&format!("; server_max_window_bits={bits}")));
        let message = text(100_000);
        peer.send(&compressed(TEXT, &message));
        let (frame, _) = read_compressed(&mut peer.stream);
        // In small pieces, so that only the window remembers.
        let mut stream = Decompress::new_with_window_bits(false, bits);
        let (mut got, mut piece) = (Vec::<u8>::new(), [0; 200]);
        while got.len() < message.len() {
            let before = stream.total_out();
            let rest = &frame.payload[usize::try_from(stream.total_in()).unwrap()..];
            stream.decompress(rest, &mut piece, FlushDecompress::None).unwrap();
            let made = usize::try_from(stream.total_out() - before).unwrap();
            assert!(made > 0, "it ends too soon");
            got.extend(&piece[..made]);
        }
        assert!(got == message);
        peer.close();
    }
    // One compressor each; a shard has those that it needed.
    rig.wait_until_empty();
    assert!(rig.sum(|shard| shard.deflate.memory.get()) < 2 * (3 << 20));
}

fn messages_in_fragments_and_over_any_reads_come_back(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut peer = deflating_peer(&rig);
    for len in [1_500, 5_000, 100_000] {
        let message = pattern(len);
        let payload = deflated(&message);
        for size in [1, 7, payload.len() / 2 + 1, payload.len()] {
            let pieces: Vec<&[u8]> = payload.chunks(size).collect();
            let mut bytes = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                let opcode = if index == 0 { BINARY | RSV1 } else { CONTINUATION };
                bytes.extend(fragment(index + 1 == pieces.len(), opcode, piece));
            }
            // Byte by byte only what is short: each is a segment of its own.
            let step = if bytes.len() < 2000 { 1 } else { 1447 };
            for segment in bytes.chunks(step) {
                peer.send(segment);
            }
            expect_compressed(&mut peer, BINARY, &message);
        }
    }
    peer.close();
    rig.wait_until_empty();
}

fn answers_stay_in_order_whatever_is_compressed(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut peer = deflating_peer(&rig);
    let message = |index: usize| format!("{index} {}", "x".repeat(index * 37 % 400));
    let count = 200;
    let mut bytes = Vec::new();
    for index in 0..count {
        let message = message(index);
        match index % 3 {
            0 => bytes.extend(masked(TEXT, message.as_bytes())),
            1 => bytes.extend(compressed(TEXT, message.as_bytes())),
            _ => bytes.extend(masked(PING, index.to_string().as_bytes())),
        }
    }
    let sending = peer.send_beside(bytes);
    for index in 0..count {
        match index % 3 {
            0 | 1 => {
                let message = message(index);
                let is_compressed = expect_of(&mut peer, TEXT, message.as_bytes(), 15);
                assert_eq!(is_compressed, message.len() >= 100, "{index}");
            }
            _ => peer.expect_pong(index.to_string().as_bytes()),
        }
    }
    sending.join().unwrap();
    peer.close();
    rig.wait_until_empty();
}

fn a_bomb_is_closed_with_1009_and_nobody_else_notices(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut honest = deflating_peer(&rig);
    let bomb = compressed(BINARY, &vec![0; 50 << 20]);
    assert!(bomb.len() < 60_000, "{} bytes", bomb.len());
    for _ in 0..3 {
        let mut peer = deflating_peer(&rig);
        peer.send(&bomb);
        peer.expect_close(1009);
        peer.end();
        peer.expect_end();
        honest.send(&compressed(TEXT, &text(500)));
        expect_compressed(&mut honest, TEXT, &text(500));
    }
    wait_until("the bombs are counted", || rig.closed(CloseReason::TooBig, CloseCode::TooBig) == 3);
    assert_eq!(rig.sum(|shard| shard.limited[Limit::MessageBytes as usize].get()), 3);
    honest.close();
    rig.wait_until_empty();
}

fn a_bomb_in_one_connection_does_not_outgrow_the_limit(rung: DriverChoice) {
    // Exactly at the limit it is a message, a byte more is not.
    let rig = Rig::with(&Settings { message_bytes_max: 5000, frame_bytes_max: 5000, ..with_deflate(rung) });
    let mut peer = deflating_peer(&rig);
    peer.send(&compressed(BINARY, &[7; 5000]));
    expect_compressed(&mut peer, BINARY, &[7; 5000]);
    peer.send(&compressed(BINARY, &[7; 5001]));
    peer.expect_close(1009);
}

fn what_is_no_deflate_data_is_closed_with_1007(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let cut = &deflated(&text(300))[..9];
    for (opcode, payload) in
        [(BINARY, &b"\xff\xff"[..]), (TEXT, &deflated(b"\xff")), (TEXT, b""), (BINARY, cut)]
    {
        let mut peer = deflating_peer(&rig);
        peer.send_text("before");
        peer.send(&masked(opcode | RSV1, payload));
        peer.expect_text("before");
        peer.expect_close(1007);
        peer.end();
        peer.expect_end();
    }
    wait_until("all are counted", || rig.closed(CloseReason::Protocol, CloseCode::Invalid) == 4);
    rig.wait_until_empty();
}

fn a_rate_of_bytes_counts_what_messages_become(rung: DriverChoice) {
    let rig = Rig::with(&Settings {
        bytes_per_second_max: Some(10_000),
        rate_burst: Duration::from_secs(10),
        rate_policy: RatePolicy::Close,
        ..with_deflate(rung)
    });
    let mut peer = deflating_peer(&rig);
    peer.send(&compressed(BINARY, &[0; 90_000]));
    expect_compressed(&mut peer, BINARY, &[0; 90_000]);
    peer.send(&compressed(BINARY, &[0; 900_000]));
    expect_compressed(&mut peer, BINARY, &[0; 900_000]);
    peer.expect_close(1008);
}

fn what_an_application_sends_is_compressed(rung: DriverChoice) {
    let prefix = "received: ".to_owned();
    let rig = Rig::with(&Settings { echo_prefix: prefix.clone(), ..with_deflate(rung) });
    let mut peer = deflating_peer(&rig);
    for len in [10, 89, 90, 91, 10_000] {
        peer.send(&masked(TEXT, &text(len)));
        let expected = [prefix.as_bytes(), &text(len)].concat();
        assert_eq!(expect_of(&mut peer, TEXT, &expected, 15), len >= 90, "{len} bytes");
    }
    peer.close();
    // And what comes from another thread.
    let script = Script::default();
    let rig = Rig::scripted(&with_deflate(rung), &script);
    let mut peer = deflating_peer(&rig);
    rig.handle().send(script.log.id(0), MessageKind::Text, text(1000).into()).unwrap();
    expect_compressed(&mut peer, TEXT, &text(1000));
    peer.close();
}

fn a_message_for_many_is_compressed_once_for_each_window(rung: DriverChoice) {
    // Each message from anyone goes to everyone.
    let script = Script::default();
    let log = script.log.clone();
    let script = script.on_message(move |context, _, message| {
        let prepared = Prepared::new(message.kind, &[message.payload]);
        for id in log.read(|heard| heard.opened.iter().map(|(id, _)| *id).collect::<Vec<_>>()) {
            context.send_prepared(id, &prepared);
        }
        Reply::None
    });
    let rig = Rig::scripted(&Settings { shards: 1, ..with_deflate(rung) }, &script);
    let mut peers = Vec::new();
    for (offer, bits) in [(OFFER, 15), ("permessage-deflate; server_max_window_bits=10", 10)] {
        peers.extend((0..20).map(|_| (open(&rig, "/", offer).0, bits)));
    }
    let mut plain: Vec<Peer> = (0..20).map(|_| rig.peer()).collect();
    let news = text(3000);
    peers[0].0.send(&masked(TEXT, &news));
    for (peer, bits) in &mut peers {
        assert!(expect_of(peer, TEXT, &news, *bits));
    }
    for peer in &mut plain {
        peer.expect(TEXT, &news);
    }
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(rig.sum(|shard| shard.deflate.runs.get()), 2, "once for each window");
    assert_eq!(rig.sum(|shard| shard.deflate.messages_out.get()), 40);
    // From another thread too, and what is too short stays as it is.
    for message in
        [Prepared::new(MessageKind::Binary, &[&news]), Prepared::new(MessageKind::Binary, &[b"hi"])]
    {
        for index in 0..60 {
            rig.handle().send_prepared(script.log.id(index), &message).unwrap();
        }
    }
    for (peer, bits) in &mut peers {
        assert!(expect_of(peer, BINARY, &news, *bits));
        assert!(!expect_of(peer, BINARY, b"hi", *bits));
    }
    for peer in &mut plain {
        peer.expect(BINARY, &news);
        peer.expect(BINARY, b"hi");
    }
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(rig.sum(|shard| shard.deflate.runs.get()), 4);
}

fn an_agreement_outlives_an_answer_that_is_put_off(rung: DriverChoice) {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(None));
    let put = std::sync::Arc::clone(&asked);
    let script = Script::default().on_open(move |_, opening| {
        *put.lock().unwrap() = Some(opening.id);
        Admission::Later { within: None, id: None }
    });
    let rig = Rig::scripted(&with_deflate(rung), &script);
    let mut peer = rig.silent_peer();
    peer.send(&rig::peer::request_with("/", &format!("Sec-WebSocket-Extensions: {OFFER}\r\n")));
    // Its first message does not wait for the answer.
    peer.send(&masked(TEXT, b"early"));
    wait_until("the application is asked", || asked.lock().unwrap().is_some());
    let id = asked.lock().unwrap().unwrap();
    rig.handle().answer(id, Verdict::Accept { subprotocol: None }).unwrap();
    assert!(peer.expect_accepted().header("Sec-WebSocket-Extensions").is_some());
    peer.expect_text("early");
    peer.send(&compressed(TEXT, &text(1000)));
    expect_compressed(&mut peer, TEXT, &text(1000));
    peer.close();
}

fn a_compressed_message_behind_our_close_frame_is_no_error(rung: DriverChoice) {
    let script = Script::default();
    let rig = Rig::scripted(&with_deflate(rung), &script);
    let mut peer = deflating_peer(&rig);
    rig.handle().close(script.log.id(0), 1001, "bye").unwrap();
    let (frame, _) = read_compressed(&mut peer.stream);
    assert_eq!(frame.opcode, CLOSE);
    peer.send(&compressed(TEXT, &text(1000)));
    peer.send_close(1001, "");
    peer.expect_end();
    assert_eq!(script.log.closed(1), [(CloseReason::Application, CloseCode::Away)]);
}

fn peers_without_the_agreement_are_answered_as_ever(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let mut peer = rig.peer();
    for len in [0, 5, 500, 50_000, 1 << 20] {
        peer.send(&masked(TEXT, &text(len)));
        peer.expect(TEXT, &text(len));
    }
    rig.wait_for_a_turn_of_every_shard();
    assert_eq!(rig.sum(|shard| shard.deflate.memory.get()), 0, "nothing is made that nobody needs");
    peer.close();
    rig.wait_until_empty();
}

fn only_those_without_the_agreement_are_read_into_long_buffers(rung: DriverChoice) {
    let rig = Rig::with(&with_deflate(rung));
    let used = || rig.sum(|counters| counters.long_buffer_bytes.get());
    let message = pattern(100_000);
    let mut peer = deflating_peer(&rig);
    for _ in 0..5 {
        let sending = peer.send_beside(masked(BINARY, &message));
        expect_compressed(&mut peer, BINARY, &message);
        sending.join().unwrap();
    }
    assert_eq!(used(), 0, "all that one read brings may be inflated in one turn");
    peer.close();
    let mut plain = rig.peer();
    wait_until("a long buffer was used", || {
        // Who is slow enough is read in small pieces, whatever buffers there are: then once more.
        let sending = plain.send_beside(masked(BINARY, &message));
        plain.expect_binary(&message);
        sending.join().unwrap();
        rig.wait_for_a_turn_of_every_shard();
        used() > 0
    });
    plain.close();
    rig.wait_until_empty();
}
