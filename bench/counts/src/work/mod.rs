//! Fixed pieces of work.

mod list;
mod proto;
mod shard;

pub(crate) use list::{all, find};

/// A name, and what does the work.
type Named = (&'static str, fn() -> u32);

/// What is called by way of this function is counted, and nothing else. Callgrind knows it by its name, so it must stay
/// one function: neither inlined nor generic.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// An opening handshake as browsers send it.
const HEAD: &[u8] = b"GET /chat HTTP/1.1\r\nHost: gateway.example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://www.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// Masking key of all frames.
const KEY: [u8; 4] = [0x9A, 0x3C, 0xE7, 0x51];

/// First bytes of frames that are whole messages.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// A peer's frame.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match (payload.len(), u16::try_from(payload.len())) {
        (len @ 0..126, _) => frame.push(0x80 | u8::try_from(len).unwrap_or(0)),
        (_, Ok(len)) => frame.extend([&[0x80 | 126][..], &len.to_be_bytes()].concat()),
        (len, Err(_)) => frame.extend([&[0x80 | 127][..], &(len as u64).to_be_bytes()].concat()),
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Text of this many bytes that looks like what people write: words that come again, and letters beyond ASCII.
fn prose(len: usize) -> String {
    const WORDS: [&str; 12] = [
        "tide ",
        "{\"user\":",
        "größer ",
        "the ",
        "морской ",
        "rock, ",
        "и ",
        "hold ",
        "昆布 ",
        "\"at\":17,",
        "kelp ",
        "of ",
    ];
    let mut text = String::new();
    let mut state = 17_u32;
    while text.len() < len {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        text.push_str(WORDS[(state >> 16) as usize % WORDS.len()]);
    }
    let end = (0..=len).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    // Cut between two letters, then filled up.
    format!("{text:.<width$}", width = text.chars().count() + len - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_has_the_length_that_was_asked_for() {
        for len in [0, 1, 2, 3, 64, 1000, 1024, 16_384] {
            assert_eq!(prose(len).len(), len);
        }
    }
}
