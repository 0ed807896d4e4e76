//! What connections are sealed with.

use aws_lc_rs::aead;

use crate::lens::{IV_LEN, MARKS_LEN};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    V12,
    /// TLS 1.3 (RFC 8446, RFC 9846).
    V13,
}

impl Version {
    /// As operators and logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }
}

/// How long each of the two secrets of a state is. A table has one width for all its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// 32 bytes: a state has 80.
    Narrow,
    /// 48 bytes: a state has 112.
    Wide,
}

impl Width {
    /// Bytes of a secret.
    pub(crate) const fn secret_len(self) -> usize {
        match self {
            Self::Narrow => 32,
            Self::Wide => 48,
        }
    }

    /// Bytes of a whole state.
    pub const fn state_len(self) -> usize {
        2 * self.secret_len() + MARKS_LEN
    }
}

/// A version with an AEAD: what a connection's records are sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Suite {
    /// TLS 1.3 with AES-128-GCM and SHA-256.
    Aes128V13 = 1,
    /// TLS 1.3 with ChaCha20-Poly1305 and SHA-256.
    ChaCha20V13 = 2,
    /// TLS 1.3 with AES-256-GCM and SHA-384. Wide.
    Aes256V13 = 3,
    /// TLS 1.2 with AES-128-GCM.
    Aes128V12 = 4,
    /// TLS 1.2 with ChaCha20-Poly1305. Wide.
    ChaCha20V12 = 5,
    /// TLS 1.2 with AES-256-GCM. Wide.
    Aes256V12 = 6,
}

/// The hash of a suite of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
}

impl Hash {
    /// Bytes of a hash, and of a secret.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl Suite {
    /// All of them, the order in which they are preferred.
    pub const ALL: [Self; 6] = [
        Self::Aes128V13,
        Self::ChaCha20V13,
        Self::Aes256V13,
        Self::Aes128V12,
        Self::ChaCha20V12,
        Self::Aes256V12,
    ];

    /// Those whose state has 80 bytes.
    pub const NARROW: [Self; 3] = [Self::Aes128V13, Self::ChaCha20V13, Self::Aes128V12];

    /// As settings and logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128V13 => "tls13-aes128",
            Self::ChaCha20V13 => "tls13-chacha20",
            Self::Aes256V13 => "tls13-aes256",
            Self::Aes128V12 => "tls12-aes128",
            Self::ChaCha20V12 => "tls12-chacha20",
            Self::Aes256V12 => "tls12-aes256",
        }
    }

    /// The suite of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// The suite of this number, which is how states write it.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| *suite as u8 == number)
    }

    /// Its version of TLS.
    pub const fn version(self) -> Version {
        match self {
            Self::Aes128V13 | Self::ChaCha20V13 | Self::Aes256V13 => Version::V13,
            Self::Aes128V12 | Self::ChaCha20V12 | Self::Aes256V12 => Version::V12,
        }
    }

    /// How wide a state must be for it.
    pub const fn width(self) -> Width {
        match self {
            Self::Aes128V13 | Self::ChaCha20V13 | Self::Aes128V12 => Width::Narrow,
            Self::Aes256V13 | Self::ChaCha20V12 | Self::Aes256V12 => Width::Wide,
        }
    }

    pub(crate) const fn hash(self) -> Hash {
        match self {
            Self::Aes256V13 => Hash::Sha384,
            _ => Hash::Sha256,
        }
    }

    pub(crate) fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128V13 | Self::Aes128V12 => &aead::AES_128_GCM,
            Self::Aes256V13 | Self::Aes256V12 => &aead::AES_256_GCM,
            Self::ChaCha20V13 | Self::ChaCha20V12 => &aead::CHACHA20_POLY1305,
        }
    }

    /// Whether its records have a part of the nonce before the ciphertext (RFC 5288 3).
    pub(crate) const fn has_explicit_nonce(self) -> bool {
        matches!(self, Self::Aes128V12 | Self::Aes256V12)
    }

    /// What a state keeps for each direction: a traffic secret, or, where no KeyUpdate can come, key and IV.
    pub(crate) fn kept_len(self) -> usize {
        match self.version() {
            Version::V13 => self.hash().len(),
            Version::V12 => self.algorithm().key_len() + IV_LEN,
        }
    }

    /// After how many records with one key this end takes a new one, or, under TLS 1.2, seals no more data.
    ///
    /// RFC 9846 5.5: AES-GCM is good for 2^24.5 full records. ChaCha20-Poly1305 has no such limit; there it is the
    /// count of 32 bits that must not come to its end.
    pub(crate) const fn records_max(self) -> u32 {
        match self {
            Self::ChaCha20V12 => u32::MAX - SPARE_RECORDS,
            Self::Aes128V12 | Self::Aes256V12 => (1 << 24) - SPARE_RECORDS,
            _ => 1 << 23,
        }
    }
}

/// Records that alerts may use when the limit for data is reached.
const SPARE_RECORDS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::{Suite, Width};

    #[test]
    fn names_and_numbers_lead_back_and_secrets_fit_their_width() {
        for suite in Suite::ALL {
            assert_eq!(Suite::parse(suite.name()), Some(suite));
            assert_eq!(Suite::of_number(suite as u8), Some(suite));
            assert!(suite.kept_len() <= suite.width().secret_len());
            assert_eq!(suite.width() == Width::Narrow, Suite::NARROW.contains(&suite));
        }
        assert_eq!((Suite::parse("rc4"), Suite::of_number(0), Suite::of_number(7)), (None, None, None));
    }
}
