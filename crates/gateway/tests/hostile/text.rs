//! Text cut inside a code point, at every place: by fragments, by reads, and for good.

use holdfast::settings::DriverChoice;

use crate::rig::frame::{CONTINUATION, PING, TEXT, fragment, masked};
use crate::{Siege, on_every_rung};

on_every_rung!(
    text_cut_by_fragments_at_every_two_places_comes_back,
    text_cut_by_reads_at_every_place_comes_back,
    text_that_ends_inside_a_code_point_is_answered_1007,
    text_that_can_never_be_valid_is_answered_1007_before_its_frame_is_whole,
);

/// Code points of one, two, three and four bytes, the borders of each length among them (RFC 3629 section 3).
const WHOLE: &str = "a\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}z";

fn text_cut_by_fragments_at_every_two_places_comes_back(rung: DriverChoice) {
    let siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    let bytes = WHOLE.as_bytes();
    let mut stream = Vec::new();
    let mut count = 0;
    for second in 0..=bytes.len() {
        for first in 0..=second {
            stream.extend(fragment(false, TEXT, &bytes[..first]));
            stream.extend(fragment(false, CONTINUATION, &bytes[first..second]));
            stream.extend(masked(PING, b"between"));
            stream.extend(fragment(true, CONTINUATION, &bytes[second..]));
            count += 1;
        }
    }
    let sending = peer.send_beside(stream);
    for _ in 0..count {
        peer.expect_pong(b"between");
        peer.expect_text(WHOLE);
    }
    sending.join().unwrap();
    peer.close();
    siege.end();
}

fn text_cut_by_reads_at_every_place_comes_back(rung: DriverChoice) {
    let siege = Siege::new(rung);
    let mut peer = siege.rig.peer();
    let middle = WHOLE.len() / 2;
    let stream = [
        fragment(false, TEXT, &WHOLE.as_bytes()[..middle]),
        masked(PING, b"?"),
        fragment(true, CONTINUATION, &WHOLE.as_bytes()[middle..]),
    ]
    .concat();
    let mut received = siege.read_bytes();
    for cut in 1..stream.len() {
        peer.send(&stream[..cut]);
        // So that the rest is another read.
        siege.wait_until_read(received + cut as u64);
        peer.send(&stream[cut..]);
        received += stream.len() as u64;
        peer.expect_pong(b"?");
        peer.expect_text(WHOLE);
    }
    // And each byte by itself.
    for byte in &stream {
        peer.send(std::slice::from_ref(byte));
        received += 1;
        siege.wait_until_read(received);
    }
    peer.expect_pong(b"?");
    peer.expect_text(WHOLE);
    peer.close();
    siege.end();
}

fn text_that_ends_inside_a_code_point_is_answered_1007(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    let bytes = WHOLE.as_bytes();
    let cuts = (0..bytes.len()).filter(|cut| std::str::from_utf8(&bytes[..*cut]).is_err());
    for cut in cuts {
        let cut_text = &bytes[..cut];
        siege.expect_code("one frame", &masked(TEXT, cut_text), 1007);
        let fragments =
            [fragment(false, TEXT, &cut_text[..cut / 2]), masked(CONTINUATION, &cut_text[cut / 2..])];
        siege.expect_code("two fragments", &fragments.concat(), 1007);
        let empty_end = [fragment(false, TEXT, cut_text), masked(CONTINUATION, b"")];
        siege.expect_code("an empty end", &empty_end.concat(), 1007);
    }
    siege.end();
}

fn text_that_can_never_be_valid_is_answered_1007_before_its_frame_is_whole(rung: DriverChoice) {
    let mut siege = Siege::new(rung);
    // RFC 3629 section 4: overlong forms, surrogates, beyond the last code point, bytes that are in no code point.
    let impossible: [&[u8]; 9] = [
        b"\x80",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\xf5\x80",
        b"\xff",
    ];
    for bytes in impossible {
        let text = [WHOLE.as_bytes(), bytes].concat();
        // A frame of which more never comes, and a fragment that is whole.
        let mut frame = masked(TEXT, &[&text[..], &[b'x'; 50]].concat());
        frame.truncate(frame.len() - 50);
        siege.expect_code("a frame that is not whole", &frame, 1007);
        siege.expect_code("the first fragment", &fragment(false, TEXT, &text), 1007);
    }
    siege.end();
}
