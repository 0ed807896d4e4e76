//! RFC 6455 5.3: masking.

/// How many bytes one step of the main loop handles: a multiple of the key's four, and wide enough for the
/// compiler to use whatever vector registers the target has.
const STEP: usize = 32;

/// Removes (or puts on: it is the same) the mask of `payload`, in place.
///
/// `offset` is the index of `payload[0]` within its frame's whole payload, so that a frame can be unmasked in
/// pieces as they arrive.
///
/// RFC 6455 5.3: "Octet i of the transformed data [...] is the XOR of octet i of the original data [...] with
/// octet at index i modulo 4 of the masking key".
pub fn unmask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let mut wide = [0; STEP];
    for (index, byte) in wide.iter_mut().enumerate() {
        *byte = key[index % 4];
    }
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    for step in steps {
        for (byte, mask) in step.iter_mut().zip(&wide) {
            *byte ^= mask;
        }
    }
    let word = u32::from_ne_bytes(key);
    let (words, rest) = rest.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(key) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmask_naively(payload: &mut [u8], key: [u8; 4], offset: usize) {
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[(index + offset) % 4];
        }
    }

    #[test]
    fn every_start_length_and_offset_agrees_with_the_naive_loop() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let plain: Vec<u8> = (0..=255).cycle().take(300).collect();
        for start in 0..STEP {
            for len in 0..=plain.len() - STEP {
                for offset in 0..4 {
                    let mut fast = plain.clone();
                    let mut naive = plain.clone();
                    unmask(&mut fast[start..start + len], key, offset);
                    unmask_naively(&mut naive[start..start + len], key, offset);
                    assert_eq!(fast, naive, "start {start}, len {len}, offset {offset}");
                }
            }
        }
    }

    #[test]
    fn a_payload_unmasked_in_two_pieces_is_the_payload_unmasked_at_once() {
        let key = [1, 2, 3, 4];
        let mut at_once: Vec<u8> = (0..200).collect();
        unmask(&mut at_once, key, 0);
        for cut in 0..=200 {
            let mut pieces: Vec<u8> = (0..200).collect();
            let (head, tail) = pieces.split_at_mut(cut);
            unmask(head, key, 0);
            unmask(tail, key, cut);
            assert_eq!(pieces, at_once, "cut at {cut}");
        }
    }

    #[test]
    fn the_example_of_the_standard_says_hello() {
        // RFC 6455 5.7: "A single-frame masked text message", 0x37 0xfa 0x21 0x3d is its masking key.
        let mut payload = [0x7F, 0x9F, 0x4D, 0x51, 0x58];
        unmask(&mut payload, [0x37, 0xFA, 0x21, 0x3D], 0);
        assert_eq!(&payload, b"Hello");
    }
}
