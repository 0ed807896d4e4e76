//! Messages of every size and shape come back as they were, in order, on every rung.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use holdfast::settings::{DriverChoice, Settings};
use rig::frame::{BINARY, CONTINUATION, PING, PONG, TEXT, fragment, masked};
use rig::{Rig, pattern, request, settings, text, wait_until};
use tungstenite::{Message, client};

on_every_rung!(
    a_few_pings_in_small_pieces_are_answered_each,
    hello_is_echoed,
    text_and_binary_of_every_size_come_back,
    an_ordinary_client_has_the_conversation,
    fragments_with_control_frames_between_are_one_message,
    a_prefix_comes_before_every_message,
    many_messages_in_one_segment_are_answered_in_order,
    a_short_message_cut_at_every_byte_comes_back,
    long_messages_survive_any_pattern_of_reads,
    frames_right_behind_the_request_are_answered_in_order,
    a_request_and_its_first_message_cut_at_every_byte_are_understood,
    a_close_right_behind_the_request_comes_after_the_answers,
    pings_are_answered_with_their_payload,
    many_connections_talk_at_once,
);

fn hello_is_echoed(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    peer.send_text("hello");
    peer.expect_text("hello");
    peer.close();
    rig.wait_until_empty();
}

/// Around every border: of the header's length fields, of a buffer, of the largest message.
const SIZES: [usize; 17] = [
    0,
    1,
    2,
    125,
    126,
    127,
    2_000,
    4_095,
    16_376,
    16_384,
    16_390,
    65_535,
    65_536,
    65_537,
    200_000,
    (1 << 20) - 1,
    1 << 20,
];

fn text_and_binary_of_every_size_come_back(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    for len in SIZES {
        peer.send(&masked(TEXT, &text(len)));
        peer.expect(TEXT, &text(len));
        peer.send_binary(&pattern(len));
        peer.expect_binary(&pattern(len));
    }
    peer.close();
    rig.wait_until_empty();
}

fn an_ordinary_client_has_the_conversation(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let stream = std::net::TcpStream::connect(rig.address).unwrap();
    let (mut websocket, _) = client(format!("ws://{}/chat", rig.address), stream).expect("it connects");
    for len in [0, 5, 126, 70_000, 1 << 20] {
        for message in [Message::text(String::from_utf8(text(len)).unwrap()), Message::binary(pattern(len))] {
            websocket.send(message.clone()).unwrap();
            assert!(websocket.read().unwrap() == message, "{len} bytes come back");
        }
    }
    websocket.send(Message::Ping("still there?".into())).unwrap();
    assert_eq!(websocket.read().unwrap(), Message::Pong("still there?".into()));
    websocket.close(None).unwrap();
    let ended = std::iter::from_fn(|| Some(websocket.read())).find_map(Result::err);
    assert!(matches!(ended, Some(tungstenite::Error::ConnectionClosed)), "{ended:?}");
    rig.wait_until_empty();
}

fn fragments_with_control_frames_between_are_one_message(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    for len in [0, 1, 100, 5_000, 40_000, 1 << 20] {
        let whole = text(len);
        for pieces in [2, 3, 17] {
            let mut bytes = Vec::new();
            let size = len.div_ceil(pieces).max(1);
            let mut parts: Vec<&[u8]> = whole.chunks(size).collect();
            parts.resize(pieces, b"");
            for (index, part) in parts.iter().enumerate() {
                let opcode = if index == 0 { TEXT } else { CONTINUATION };
                bytes.extend(fragment(index + 1 == pieces, opcode, part));
                if index + 1 < pieces {
                    bytes.extend(masked(PING, format!("{index}").as_bytes()));
                    bytes.extend(masked(PONG, b"not asked for"));
                }
            }
            let sending = peer.send_beside(bytes);
            for index in 0..pieces - 1 {
                peer.expect_pong(format!("{index}").as_bytes());
            }
            peer.expect(TEXT, &whole);
            sending.join().unwrap();
        }
    }
    peer.close();
    rig.wait_until_empty();
}

fn a_prefix_comes_before_every_message(rung: DriverChoice) {
    let rig = Rig::with(&Settings { echo_prefix: "received:".to_owned(), ..settings(rung) });
    let mut peer = rig.peer();
    peer.send_text("123");
    peer.expect_text("received:123");
    peer.send_binary(&[0, 255]);
    peer.expect_binary(b"received:\x00\xff");
    peer.send_text("");
    peer.expect_text("received:");
    let long = text(1 << 20);
    peer.send(&masked(TEXT, &long));
    peer.expect(TEXT, &[b"received:", &long[..]].concat());
    peer.close();
    rig.wait_until_empty();
}

fn many_messages_in_one_segment_are_answered_in_order(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    let payload = |index: usize| [format!("{index}:").as_bytes(), &text(index % 40)].concat();
    let bytes: Vec<u8> = (0..5_000).flat_map(|index| masked(TEXT, &payload(index))).collect();
    let sending = peer.send_beside(bytes);
    for index in 0..5_000 {
        peer.expect(TEXT, &payload(index));
    }
    sending.join().unwrap();
    peer.close();
    rig.wait_until_empty();
}

fn a_short_message_cut_at_every_byte_comes_back(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    let message = text(130);
    let bytes = [masked(TEXT, &message), masked(PING, b"?"), masked(BINARY, b"")].concat();
    let mut received = 0;
    for cut in 0..=bytes.len() {
        peer.send(&bytes[..cut]);
        received += cut as u64;
        // So that the rest is another read.
        wait_until("the first part is read", || rig.sum(|counters| counters.bytes_in.get()) == received);
        peer.send(&bytes[cut..]);
        received += (bytes.len() - cut) as u64;
        peer.expect(TEXT, &message);
        peer.expect_pong(b"?");
        peer.expect_binary(b"");
    }
    peer.close();
    rig.wait_until_empty();
}

fn long_messages_survive_any_pattern_of_reads(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for len in [2_000, 2_048, 4_097, 16_384, 50_000, 300_000, 1 << 20] {
        let message = pattern(len);
        let bytes = masked(BINARY, &message).repeat(2);
        for chunks in [&[1, 1_999, 4_096][..], &[1_447], &[16_384], &[16_385, 3], &[7, 65_536, 100, 30_000]] {
            let mut peer = rig.peer();
            let (mut stream, chunks) = (peer.tcp().try_clone().unwrap(), chunks.to_vec());
            let bytes = bytes.clone();
            let sending = std::thread::spawn(move || {
                let mut rest = &bytes[..];
                for size in chunks.iter().cycle() {
                    let (now, later) = rest.split_at(rest.len().min(*size));
                    std::io::Write::write_all(&mut stream, now).unwrap();
                    rest = later;
                    if rest.is_empty() {
                        return;
                    }
                }
            });
            peer.expect_binary(&message);
            peer.expect_binary(&message);
            sending.join().unwrap();
            peer.close();
        }
    }
    rig.wait_until_empty();
}

fn frames_right_behind_the_request_are_answered_in_order(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    for len in [0, 10, 126, 3_000] {
        let mut peer = rig.silent_peer();
        let messages: Vec<u8> =
            (0..3).flat_map(|index| masked(TEXT, &[&[b'0' + index], &text(len)[..]].concat())).collect();
        peer.send(&[request("/"), messages, masked(PING, b"?")].concat());
        peer.expect_accepted();
        for index in 0..3 {
            peer.expect(TEXT, &[&[b'0' + index], &text(len)[..]].concat());
        }
        peer.expect_pong(b"?");
        peer.check_echo();
        peer.close();
    }
    rig.wait_until_empty();
}

fn a_request_and_its_first_message_cut_at_every_byte_are_understood(rung: DriverChoice) {
    let rig = Rig::with(&Settings { shards: 1, handshakes_max: 400, ..settings(rung) });
    let bytes = [request("/"), masked(TEXT, b"first"), masked(PING, b"?")].concat();
    let mut peers: Vec<_> = (0..=bytes.len()).map(|_| rig.silent_peer()).collect();
    let mut witness = rig.peer();
    for (cut, peer) in peers.iter_mut().enumerate() {
        peer.send(&bytes[..cut]);
    }
    // The shard reads what lay there before it answers this.
    witness.check_echo();
    for (cut, peer) in peers.iter_mut().enumerate() {
        peer.send(&bytes[cut..]);
    }
    for peer in &mut peers {
        peer.expect_accepted();
        peer.expect_text("first");
        peer.expect_pong(b"?");
        peer.close();
    }
    witness.close();
    rig.wait_until_empty();
}

fn a_close_right_behind_the_request_comes_after_the_answers(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.silent_peer();
    let bytes = [request("/"), masked(TEXT, b"one"), masked(TEXT, b"two"), rig::frame::close(4000, "")];
    peer.send(&bytes.concat());
    peer.expect_accepted();
    peer.expect_text("one");
    peer.expect_text("two");
    peer.expect_close(4000);
    peer.expect_end();
    rig.wait_until_empty();
}

fn pings_are_answered_with_their_payload(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    for len in [0, 1, 64, 125] {
        peer.send(&masked(PING, &pattern(len)));
        peer.expect_pong(&pattern(len));
    }
    peer.send(&masked(PONG, b"nobody asked"));
    peer.check_echo();
    peer.close();
    rig.wait_until_empty();
}

fn many_connections_talk_at_once(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peers = rig.peers(300);
    for round in 0..5 {
        for (index, peer) in peers.iter_mut().enumerate() {
            peer.send_text(&format!("{round} from {index}"));
        }
        for (index, peer) in peers.iter_mut().enumerate() {
            peer.expect_text(&format!("{round} from {index}"));
        }
    }
    assert_eq!(rig.held(), 300);
    for peer in &mut peers {
        peer.send_close(1000, "");
    }
    for peer in &mut peers {
        peer.expect_close(1000);
        peer.expect_end();
    }
    rig.wait_until_empty();
}

fn a_few_pings_in_small_pieces_are_answered_each(rung: DriverChoice) {
    let rig = Rig::echo(rung);
    let mut peer = rig.peer();
    // Pieces that come while the answers to those before are on their way.
    for _ in 0..20 {
        for index in 0..10_u8 {
            for byte in masked(PING, &[index; 125]) {
                peer.send(&[byte]);
            }
        }
        for index in 0..10_u8 {
            peer.expect_pong(&[index; 125]);
        }
    }
}
