//! A user's seed: base32 of a prefix of two bytes, 32 bytes of an Ed25519 key, and a CRC-16.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Characters of a seed: 36 bytes.
pub(crate) const SEED_LEN: usize = 58;
/// Prefixes of five bits each, as the letters S and U.
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What signs for a user. Neither Debug nor Display.
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    /// From a user's seed. None: this is none.
    pub(crate) fn new(seed: &str) -> Option<Self> {
        let raw = decode(seed)?;
        let (key, check) = raw.split_at_checked(34).filter(|_| raw.len() == 36)?;
        let kind = (key[0] & 7) << 5 | key[1] >> 3;
        let is_user = key[0] & 0xF8 == SEED && kind == USER && check == crc16(key).to_le_bytes();
        let pair = is_user.then(|| Ed25519KeyPair::from_seed_unchecked(&key[2..]).ok())?;
        pair.map(Self)
    }

    /// The public key, as servers are told of it: `U...`.
    pub(crate) fn public(&self) -> String {
        let mut raw = vec![USER];
        raw.extend_from_slice(self.0.public_key().as_ref());
        raw.extend_from_slice(&crc16(&raw).to_le_bytes());
        encode(&raw)
    }

    pub(crate) fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()))
    }
}

/// The CRC-16 of XMODEM: polynomial 0x1021, from zero.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let next = crc << 1;
            if crc & 0x8000 == 0 { next } else { next ^ 0x1021 }
        })
    })
}

fn encode(raw: &[u8]) -> String {
    let (mut bits, mut count, mut text) = (0_u32, 0, String::new());
    let mut push = |five: u32| text.push(char::from(ALPHABET[(five & 31) as usize]));
    for byte in raw {
        (bits, count) = (bits << 8 | u32::from(*byte), count + 8);
        while count >= 5 {
            count -= 5;
            push(bits >> count);
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        push(bits << (5 - count));
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut raw) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let five = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        (bits, count) = (bits << 5 | u32::from(five), count + 5);
        if count >= 8 {
            count -= 8;
            raw.extend((bits >> count).to_le_bytes().first());
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0 && count < 5).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of NATS's own documentation.
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[test]
    fn a_seed_signs_as_another_program_says() {
        let signer = Signer::new(SEED).unwrap();
        assert_eq!(signer.public(), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
        assert_eq!(
            signer.sign("a nonce"),
            "kEpu5Y9mmop2LEGamb0zUCwC2hcIDiUDyA-sAindWPua-ECTydjqWoqqeEWcLZh_hLjL9vqveLD69vgknXhPCA"
        );
    }

    #[test]
    fn a_seed_with_any_letter_changed_is_none() {
        assert_eq!(SEED.len(), SEED_LEN);
        for at in 0..SEED_LEN {
            for letter in ['A', 'Q', '7', '1', 'a', '=', ' '] {
                let mut text = SEED.to_owned();
                text.replace_range(at..=at, &letter.to_string());
                assert!(text == SEED || Signer::new(&text).is_none(), "{text}");
            }
        }
        // An account's.
        for text in ["", "S", "é", &SEED[..57], "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"]
        {
            assert!(Signer::new(text).is_none(), "{text}");
        }
        assert!(Signer::new(&format!("{SEED}A")).is_none());
    }

    #[test]
    fn base32_is_read_as_it_is_written() {
        for len in 0..40_u8 {
            let raw: Vec<_> = (0..len).map(|at| at.wrapping_mul(73) ^ 0xA5).collect();
            assert_eq!(decode(&encode(&raw)), Some(raw));
        }
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }
}
