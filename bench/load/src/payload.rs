//! Payloads and masking keys that follow from a counter: the sender need not keep what it sent.

/// Finaliser of splitmix64: a bijection whose output bits all depend on all input bits.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// What a payload is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// ASCII characters '0' to 'o'.
    Text,
    /// Any bytes.
    Binary,
}

fn word(seed: u64, index: u64, kind: Kind) -> [u8; 8] {
    let word = mix(seed ^ index);
    match kind {
        Kind::Binary => word,
        Kind::Text => (word & 0x3F3F_3F3F_3F3F_3F3F) + 0x3030_3030_3030_3030,
    }
    .to_le_bytes()
}

/// Writes the bytes of message `counter` from byte `offset` of its payload on.
pub(crate) fn fill(counter: u64, offset: usize, kind: Kind, out: &mut [u8]) {
    let seed = mix(counter);
    let mut index = (offset / 8) as u64;
    let skip = offset % 8;
    let mut out = out;
    if skip > 0 {
        let count = out.len().min(8 - skip);
        let (head, tail) = out.split_at_mut(count);
        head.copy_from_slice(&word(seed, index, kind)[skip..skip + count]);
        out = tail;
        index += 1;
    }
    let mut chunks = out.chunks_exact_mut(8);
    for chunk in &mut chunks {
        chunk.copy_from_slice(&word(seed, index, kind));
        index += 1;
    }
    let rest = chunks.into_remainder();
    let count = rest.len();
    rest.copy_from_slice(&word(seed, index, kind)[..count]);
}

/// Masking key of message `counter`.
pub(crate) fn masking_key(counter: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = mix(!counter).to_le_bytes();
    [a, b, c, d]
}

/// RFC 6455 5.3: exclusive-or with the key, from byte `offset` of the payload on.
pub(crate) fn mask(key: [u8; 4], offset: usize, bytes: &mut [u8]) {
    let at = |index: usize| key[(offset + index) % 4];
    let pattern = u64::from_ne_bytes([at(0), at(1), at(2), at(3), at(0), at(1), at(2), at(3)]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ pattern).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(pattern.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_of_a_payload_equals_the_same_piece_of_the_whole() {
        for kind in [Kind::Text, Kind::Binary] {
            let mut whole = [0; 41];
            fill(7, 0, kind, &mut whole);
            for start in 0..=whole.len() {
                for end in start..=whole.len() {
                    let mut piece = vec![0; end - start];
                    fill(7, start, kind, &mut piece);
                    assert_eq!(piece, whole[start..end]);
                }
            }
        }
    }

    #[test]
    fn two_messages_have_different_payloads_and_keys() {
        let (mut one, mut two) = ([0; 8], [0; 8]);
        fill(1, 0, Kind::Binary, &mut one);
        fill(2, 0, Kind::Binary, &mut two);
        assert_ne!(one, two);
        assert_ne!(masking_key(1), masking_key(2));
    }

    #[test]
    fn a_text_payload_is_printable() {
        let mut bytes = [0; 4096];
        fill(3, 0, Kind::Text, &mut bytes);
        assert!(bytes.iter().all(u8::is_ascii_graphic));
    }

    #[test]
    fn masking_in_pieces_equals_masking_byte_by_byte() {
        let key = [1, 2, 3, 4];
        let plain: Vec<u8> = (0..37).collect();
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        for cut in 0..=plain.len() {
            let mut bytes = plain.clone();
            let (head, tail) = bytes.split_at_mut(cut);
            mask(key, 0, head);
            mask(key, cut, tail);
            assert_eq!(bytes, expected);
        }
    }
}
