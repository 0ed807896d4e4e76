//! Tokens of identity providers: JWTs that somebody else signs, with a key of which only the public half is known here.
//!
//! A provider publishes its keys as a JWK Set (RFC 7517). [`KeySet`] is what of one is of use: RSA for RS256, P-256 for
//! ES256. [`ProviderToken`] is a token whose header has been read, and names one of these keys. [`Trust`] is whom
//! settings believe and what of a token counts; it makes the same [`Claims`](crate::token::Claims) of a token that an
//! access key's token has. [`KeyRing`] says when keys are to be fetched, and who waits for that.
//!
//! An access key never verifies RS256 or ES256, and a provider's key never HS256: [`verify`](crate::token::verify) and
//! [`ProviderToken::read`] refuse each other's algorithms before a key is looked at.

mod bounds;
mod error;
mod jwk;
mod ring;
mod set;
mod token;
mod trust;

pub use bounds::{KEYS_MAX, RSA_BITS_MAX, RSA_BITS_MIN, SET_LEN_MAX};
pub use error::{Ignored, SetError, Why};
pub use jwk::Algorithm;
pub use ring::{Asked, KeyRing, Pace, Refused, Waiting};
pub use set::KeySet;
pub use token::ProviderToken;
pub use trust::Trust;

#[cfg(test)]
mod tests;
