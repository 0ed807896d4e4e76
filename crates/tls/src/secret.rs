//! HKDF-Expand-Label (RFC 8446 7.1), by as few compressions as it can be done with.
//!
//! HMAC begins with a block that has nothing but the key, inside and outside. Here these two are compressed once for
//! each secret, and every label costs two more: key and IV together are six. A library's HKDF costs twice as much,
//! since it does not know that each of our messages is one block.

use std::slice::from_ref;

use sha2::block_api::{compress256, compress512};
use zeroize::{DefaultIsZeroes, Zeroize};

use crate::lens::SECRET_LEN_MAX;
use crate::suite::Hash;

/// Bytes around a label: two of a length, one of another, the name of the protocol, an empty context, the counter.
const AROUND: usize = 2 + 1 + PROTOCOL.len() + 1 + 1;
const PROTOCOL: &[u8] = b"tls13 ";

/// The longest label here.
const LABEL_LEN_MAX: usize = 11;

/// What HMAC makes of one secret before any message: the two states.
pub(crate) enum Expander {
    Sha256(Pads<u32>),
    Sha384(Pads<u64>),
}

/// The states of a hash behind the inner and the outer block of a key.
pub(crate) struct Pads<W: DefaultIsZeroes> {
    inner: [W; 8],
    outer: [W; 8],
}

impl<W: DefaultIsZeroes> Drop for Pads<W> {
    fn drop(&mut self) {
        self.inner[..].zeroize();
        self.outer[..].zeroize();
    }
}

/// Memory that is wiped when it is done with. As a slice: an array would be wiped byte by byte.
struct Scratch<T: DefaultIsZeroes, const LEN: usize>([T; LEN]);

impl<T: DefaultIsZeroes, const LEN: usize> Drop for Scratch<T, LEN> {
    fn drop(&mut self) {
        self.0[..].zeroize();
    }
}

impl Expander {
    /// For a secret, which has as many bytes as the hash. What is missing counts as zeros, as HMAC has it.
    pub(crate) fn new(hash: Hash, secret: &[u8]) -> Self {
        match hash {
            Hash::Sha256 => {
                Self::Sha256(pads(H256, secret, |state, block| compress256(state, from_ref(block))))
            }
            Hash::Sha384 => {
                Self::Sha384(pads(H384, secret, |state, block| compress512(state, from_ref(block))))
            }
        }
    }

    /// HKDF-Expand-Label with an empty context. `out` is no longer than a hash and has its own length as the length
    /// asked for.
    pub(crate) fn expand(&self, label: &[u8], out: &mut [u8]) {
        match self {
            Self::Sha256(pads) => {
                let message = last_block::<64>(label, out.len());
                hmac(
                    pads,
                    &message,
                    out,
                    |state, block| compress256(state, from_ref(block)),
                    u32::to_be_bytes,
                );
            }
            Self::Sha384(pads) => {
                let message = last_block::<128>(label, out.len());
                hmac(
                    pads,
                    &message,
                    out,
                    |state, block| compress512(state, from_ref(block)),
                    u64::to_be_bytes,
                );
            }
        }
    }
}

/// The first bytes of what HMAC makes of a message that is one block with its padding.
fn hmac<W: DefaultIsZeroes, const BLOCK: usize, const WORD: usize>(
    pads: &Pads<W>,
    message: &[u8; BLOCK],
    out: &mut [u8],
    compress: impl Fn(&mut [W; 8], &[u8; BLOCK]),
    bytes: impl Fn(W) -> [u8; WORD],
) {
    // SHA-384 is SHA-512 without its last two words.
    let words = if WORD == 8 { 6 } else { 8 };
    let mut state = Scratch(pads.inner);
    compress(&mut state.0, message);
    // The inner hash, as the last block of the outer one.
    let mut block = Scratch(padded::<BLOCK>(words * WORD));
    block
        .0
        .chunks_exact_mut(WORD)
        .zip(&state.0[..words])
        .for_each(|(to, word)| to.copy_from_slice(&bytes(*word)));
    state.0 = pads.outer;
    compress(&mut state.0, &block.0);
    for (to, word) in out.chunks_mut(WORD).zip(&state.0[..words]) {
        to.copy_from_slice(&bytes(*word)[..to.len()]);
    }
}

/// The states behind the key's blocks (RFC 2104).
fn pads<W: DefaultIsZeroes, const BLOCK: usize>(
    start: [W; 8],
    secret: &[u8],
    compress: impl Fn(&mut [W; 8], &[u8; BLOCK]),
) -> Pads<W> {
    let mut pads = Pads { inner: start, outer: start };
    let mut block = Scratch([0x36; BLOCK]);
    block.0.iter_mut().zip(secret).for_each(|(byte, key)| *byte ^= key);
    compress(&mut pads.inner, &block.0);
    block.0.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
    compress(&mut pads.outer, &block.0);
    pads
}

/// `HkdfLabel` with its counter, as the last block of a hash that had one block before.
fn last_block<const BLOCK: usize>(label: &[u8], out_len: usize) -> [u8; BLOCK] {
    debug_assert!(label.len() <= LABEL_LEN_MAX && out_len <= SECRET_LEN_MAX);
    let label = &label[..label.len().min(LABEL_LEN_MAX)];
    let whole = PROTOCOL.len() + label.len();
    let mut block = padded(AROUND + label.len());
    // Both are below 64.
    #[expect(clippy::cast_possible_truncation, reason = "lengths of labels and hashes fit a byte")]
    let lens = [0, out_len as u8, whole as u8];
    block[..3].copy_from_slice(&lens);
    block[3..3 + PROTOCOL.len()].copy_from_slice(PROTOCOL);
    block[3 + PROTOCOL.len()..3 + whole].copy_from_slice(label);
    // An empty context, then HKDF's first and only counter.
    block[3 + whole + 1] = 1;
    block
}

/// What a hash puts behind a message of so many bytes that follows one block: a bit, zeros, the length in bits.
fn padded<const BLOCK: usize>(len: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[len] = 0x80;
    let bits = ((BLOCK + len) * 8) as u64;
    block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    block
}

/// What SHA-256 begins with (FIPS 180-4 5.3.3).
const H256: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What SHA-384 begins with (FIPS 180-4 5.3.4).
const H384: [u64; 8] = [
    0xcbbb_9d5d_c105_9ed8,
    0x629a_292a_367c_d507,
    0x9159_015a_3070_dd17,
    0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31,
    0x8eb4_4a87_6858_1511,
    0xdb0c_2e0d_64f9_8fa7,
    0x47b5_481d_befa_4fa4,
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::hkdf;
    use proptest::prelude::*;

    use super::Expander;
    use crate::suite::Hash;

    const LABELS: [&[u8]; 5] = [b"key", b"iv", b"traffic upd", b"finished", b""];

    struct Len(usize);

    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }

    /// The same by a library.
    fn reference(hash: Hash, secret: &[u8], label: &[u8], len: usize) -> Vec<u8> {
        let algorithm = match hash {
            Hash::Sha256 => hkdf::HKDF_SHA256,
            Hash::Sha384 => hkdf::HKDF_SHA384,
        };
        let head = [0, u8::try_from(len).expect("short"), u8::try_from(label.len() + 6).expect("short")];
        let prk = hkdf::Prk::new_less_safe(algorithm, secret);
        let info = [&head[..], b"tls13 ", label, &[0]];
        let mut out = vec![0; len];
        prk.expand(&info, Len(len)).and_then(|okm| okm.fill(&mut out)).expect("short enough");
        out
    }

    proptest! {
        #[test]
        fn every_label_of_every_secret_is_what_a_library_makes_of_it(
            secret in prop::array::uniform32(any::<u8>()),
            more in prop::array::uniform16(any::<u8>()),
            label in prop::sample::select(&LABELS[..]),
            len in 1usize..=48,
        ) {
            let long = [&secret[..], &more].concat();
            for (hash, secret) in [(Hash::Sha256, &secret[..]), (Hash::Sha384, &long)] {
                let len = len.min(hash.len());
                let mut out = vec![0; len];
                Expander::new(hash, secret).expand(label, &mut out);
                prop_assert_eq!(&out, &reference(hash, secret, label, len));
            }
        }
    }
}
