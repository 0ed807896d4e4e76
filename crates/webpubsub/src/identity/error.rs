//! What is wrong with keys.

use std::fmt;

use super::bounds::{KEYS_MAX, RSA_BITS_MAX, RSA_BITS_MIN, SET_LEN_MAX};

/// Why a key of a set is left out. Nothing of the set is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is no JSON object, has a name twice, or a field is not what it must be.
    Malformed,
    /// It has a private half, which a published set must not have.
    Private,
    /// It is a shared secret: `oct`.
    Symmetric,
    /// Its kind or curve is another than RSA and P-256.
    Kind,
    /// It is for encryption, or for signing only.
    Use,
    /// It is for another algorithm than RS256 or ES256.
    Algorithm,
    /// It is an RSA key of this many bits, which is too few or too many.
    Bits(usize),
    /// An earlier one has the same `kid` and algorithm.
    Twice,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Private => "it has a private half, which everybody can read",
            Self::Symmetric => "it is a shared secret, which everybody can read",
            Self::Kind => "it is neither RSA nor EC P-256",
            Self::Use => "it is not for verifying signatures",
            Self::Algorithm => "it is for another algorithm than RS256 and ES256",
            Self::Bits(bits) => {
                return write!(f, "it has {bits} bits, not {RSA_BITS_MIN} to {RSA_BITS_MAX}");
            }
            Self::Twice => "an earlier one has the same kid",
        })
    }
}

/// A key of a set that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ignored {
    /// Which one, counted from 0.
    pub index: usize,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of the set is left out: {}", self.index, self.why)
    }
}

/// Why a document is no set of keys: a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// It has more than [`SET_LEN_MAX`] bytes.
    TooLong,
    /// It is no JSON object with a list `keys`, or a name is there twice.
    Malformed,
    /// It has more than [`KEYS_MAX`] keys.
    TooMany,
    /// None of its keys is of use; the first that was left out, if there is one.
    Useless(Ignored),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a set of keys has at most {SET_LEN_MAX} bytes"),
            Self::Malformed => f.write_str("it is no JSON Web Key Set: an object with a list of keys"),
            Self::TooMany => write!(f, "a set has at most {KEYS_MAX} keys"),
            Self::Useless(ignored) => write!(f, "the set has no key that is of use: {ignored}"),
        }
    }
}

impl std::error::Error for SetError {}
