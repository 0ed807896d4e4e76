//! One key of a set (RFC 7517 4, RFC 7518 6).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bounds::{RSA_BITS_MAX, RSA_BITS_MIN};
use super::error::Why;
use crate::object::Object;

/// Fields that only private keys have, and shared secrets (RFC 7518 6.2.2, 6.3.2, 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a provider's key is for. A key is for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256. The signature is R and S, 32 bytes each.
    Es256,
}

impl Algorithm {
    /// What headers and keys call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The one with this name, in this letter case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256].into_iter().find(|one| one.name() == name)
    }
}

/// A public key.
pub(super) struct Key {
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    public: ParsedPublicKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    pub(super) fn read(json: &str) -> Result<Self, Why> {
        let object = Object::read(json.as_bytes()).ok_or(Why::Malformed)?;
        let kind = text(&object, "kty")?.ok_or(Why::Malformed)?;
        if kind == "oct" {
            return Err(Why::Symmetric);
        }
        if PRIVATE.iter().any(|name| object.get(name).is_some()) {
            return Err(Why::Private);
        }
        let algorithm = match kind.as_str() {
            "RSA" => Algorithm::Rs256,
            "EC" if text(&object, "crv")?.as_deref() == Some("P-256") => Algorithm::Es256,
            _ => return Err(Why::Kind),
        };
        judge_use(&object)?;
        if text(&object, "alg")?.is_some_and(|name| name != algorithm.name()) {
            return Err(Why::Algorithm);
        }
        let public = match algorithm {
            Algorithm::Rs256 => rsa(&object)?,
            Algorithm::Es256 => p256(&object)?,
        };
        let kid = text(&object, "kid")?.map(String::into_boxed_str);
        Ok(Self { kid, algorithm, public })
    }

    /// Whether this is its signature of these bytes.
    pub(super) fn is_signature(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(bytes, signature).is_ok()
    }
}

/// RFC 7517 4.2 and 4.3: what a key is for, if it says so.
fn judge_use(object: &Object<'_>) -> Result<(), Why> {
    let is_for_signatures = text(object, "use")?.is_none_or(|one| one == "sig");
    let operations = object.get("key_ops").map(serde_json::from_str::<Vec<String>>).transpose();
    let operations = operations.map_err(|_| Why::Malformed)?;
    let is_to_verify = operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
    if is_for_signatures && is_to_verify { Ok(()) } else { Err(Why::Use) }
}

/// RFC 7518 6.3.1. Zeros before the modulus are left out: some write them, though they must not.
fn rsa(object: &Object<'_>) -> Result<ParsedPublicKey, Why> {
    let (modulus, exponent) = (number(object, "n")?, number(object, "e")?);
    let first = modulus.first().ok_or(Why::Malformed)?;
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(Why::Bits(bits));
    }
    // With 1 anything is a signature of itself. A great exponent makes verifying as dear as signing.
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || exponent == [1] || exponent.len() > 4 {
        return Err(Why::Malformed);
    }
    let components = RsaPublicKeyComponents { n: modulus, e: exponent };
    components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| Why::Malformed)
}

/// RFC 7518 6.2.1: both coordinates in 32 bytes. That they are a point of the curve is checked.
fn p256(object: &Object<'_>) -> Result<ParsedPublicKey, Why> {
    let (x, y) = (bytes(object, "x")?, bytes(object, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return Err(Why::Malformed);
    }
    // SEC 1 2.3.3: a point that is not compressed begins with 4.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| Why::Malformed)
}

fn number(object: &Object<'_>, name: &str) -> Result<Vec<u8>, Why> {
    let bytes = bytes(object, name)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bytes(object: &Object<'_>, name: &str) -> Result<Vec<u8>, Why> {
    let text = text(object, name)?.ok_or(Why::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Why::Malformed)
}

/// A field that is a text, if it is there.
fn text(object: &Object<'_>, name: &str) -> Result<Option<String>, Why> {
    object.get(name).map(serde_json::from_str).transpose().map_err(|_| Why::Malformed)
}
