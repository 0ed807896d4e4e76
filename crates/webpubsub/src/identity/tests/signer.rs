//! A provider of the tests' own, with one key of each kind.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::KeySet;

pub(super) static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
});

pub(super) struct Provider {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

impl Provider {
    /// The modulus, which lies in PKCS #1's form of a key of 2048 bits between nine bytes and five.
    pub(super) fn modulus(&self) -> Vec<u8> {
        let der = self.rsa.public_key().as_ref();
        der[9..der.len() - 5].to_vec()
    }

    /// The RSA key, with `more` in it.
    pub(super) fn rsa(&self, more: &str) -> String {
        format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"{more}}}"#, URL_SAFE_NO_PAD.encode(self.modulus()))
    }

    /// The other one.
    pub(super) fn p256(&self, more: &str) -> String {
        let point = self.p256.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..]);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"{more}}}"#)
    }

    /// Both, by the names r and e.
    pub(super) fn set(&self) -> KeySet {
        set(&[&self.rsa(r#","kid":"r""#), &self.p256(r#","kid":"e""#)])
    }

    /// A token of these parts, signed by the RSA key.
    pub(super) fn rs256(&self, header: &str, claims: &str) -> String {
        signed(header, claims, |bytes| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
            signature
        })
    }

    /// The same by the other one.
    pub(super) fn es256(&self, header: &str, claims: &str) -> String {
        signed(header, claims, |bytes| self.p256.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec())
    }
}

pub(super) fn document(keys: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

pub(super) fn set(keys: &[&str]) -> KeySet {
    KeySet::read(document(keys).as_bytes()).unwrap()
}

pub(super) fn signed(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(sign(head.as_bytes())))
}
