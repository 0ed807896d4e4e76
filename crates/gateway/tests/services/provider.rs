//! An identity provider of the tests' own: it signs tokens, and has its keys in a file or behind HTTP.

use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::house::now_s;
use super::service::{Answer, Service};

pub const ISSUER: &str = "https://id.example/";
pub const AUDIENCE: &str = "chat-clients";

/// The provider, and another one with keys of the same names.
pub static PROVIDER: LazyLock<Provider> = LazyLock::new(Provider::new);
pub static OTHER: LazyLock<Provider> = LazyLock::new(Provider::new);

/// A provider with a key of each kind.
pub struct Provider {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

impl Provider {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        }
    }

    /// The modulus, which lies in PKCS #1's form of a key of 2048 bits between nine bytes and five.
    pub fn modulus(&self) -> Vec<u8> {
        let der = self.rsa.public_key().as_ref();
        der[9..der.len() - 5].to_vec()
    }

    /// The public key as PKCS #1 has it.
    pub fn der(&self) -> Vec<u8> {
        self.rsa.public_key().as_ref().to_vec()
    }

    /// What it publishes: its keys, by names that begin with `name`.
    pub fn keys(&self, name: &str) -> String {
        let point = self.p256.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rsa = json!({"kty": "RSA", "use": "sig", "kid": format!("{name}-r"), "n": text(&self.modulus()),
            "e": "AQAB"});
        let p256 = json!({"kty": "EC", "crv": "P-256", "kid": format!("{name}-e"), "x": text(&point[1..33]),
            "y": text(&point[33..])});
        let other = json!({"kty": "RSA", "use": "enc", "kid": "other", "n": "AQAB", "e": "AQAB"});
        json!({"keys": [rsa, p256, other]}).to_string()
    }

    /// A token by the RSA key with this name.
    pub fn rs256(&self, name: &str, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("{name}-r")});
        self.rs256_with(&header, claims)
    }

    /// The same with any header.
    pub fn rs256_with(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |bytes| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
            signature
        })
    }

    /// A token by the other key.
    pub fn es256(&self, name: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("{name}-e")});
        self.es256_with(&header, claims)
    }

    pub fn es256_with(&self, header: &Value, claims: &Value) -> String {
        let sign = |bytes: &[u8]| self.p256.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec();
        signed(header, claims, sign)
    }
}

/// A token whose signature is this.
pub fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = format!("{}.{}", text(header), text(claims));
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(sign(head.as_bytes())))
}

/// Claims of a user, good for an hour.
pub fn claims(user: &str) -> Value {
    json!({"iss": ISSUER, "aud": ["account", AUDIENCE], "sub": user, "exp": now_s() + 3600, "iat": now_s()})
}

/// The same, with another value of one claim; null takes it away.
pub fn claims_but(user: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(user);
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// The table of a hub's identity provider.
pub fn identity(hub: &str, keys: &str, more: &str) -> String {
    let whom = format!("issuer = \"{ISSUER}\"\naudience = [\"others\", \"{AUDIENCE}\"]");
    format!("[hub.{hub}.identity]\nkeys = \"{keys}\"\n{whom}\n{more}\n")
}

/// Where a provider publishes its keys.
pub struct Publisher {
    pub server: Service,
    answer: Arc<Mutex<Answer>>,
}

impl Publisher {
    pub fn of(answer: Answer) -> Self {
        Self::waiting(answer, || {})
    }

    /// One that answers when `wait` is over.
    pub fn waiting(answer: Answer, wait: impl Fn() + Send + Sync + 'static) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let server = Service::start({
            let answer = Arc::clone(&answer);
            move |_| {
                wait();
                answer.lock().unwrap().clone()
            }
        });
        Self { server, answer }
    }

    pub fn url(&self) -> String {
        format!("http://{}/certs?p=policy", self.server.address)
    }

    /// What it answers from now on.
    pub fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.heard().len()
    }
}
