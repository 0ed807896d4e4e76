//! What it costs to verify a token, printed:
//! `cargo test --release -p holdfast-webpubsub --lib -- --ignored --nocapture cost`

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::signer::{PROVIDER, set, signed};
use super::*;
use crate::Endpoint;
use crate::token::{AccessKey, Audiences, ClientToken, Keys, sign_client, verify};

/// The time of one, in the fastest of many rounds: what else runs here makes rounds slower.
fn fastest(mut what: impl FnMut()) -> Duration {
    const ROUND: u32 = 20;
    let mut round = || {
        let begun = Instant::now();
        (0..ROUND).for_each(|_| what());
        begun.elapsed() / ROUND
    };
    (0..300).map(|_| round()).min().unwrap_or_default()
}

fn show(name: &str, cost: Duration) {
    println!("{name}: {:.1} µs", cost.as_secs_f64() * 1e6);
}

/// A key of 4096 bits and a token of its.
fn long() -> (KeySet, String) {
    let pair = RsaKeyPair::generate(KeySize::Rsa4096).unwrap();
    let der = pair.public_key().as_ref();
    let modulus = URL_SAFE_NO_PAD.encode(&der[9..der.len() - 5]);
    let keys = set(&[&format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}"#)]);
    let token = signed(r#"{"alg":"RS256"}"#, &claims(""), |bytes| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
        signature
    });
    (keys, token)
}

#[test]
#[ignore = "it prints and proves nothing"]
fn cost() {
    let (trust, keys) = (trust(), PROVIDER.set());
    let (long_keys, long) = long();
    for (name, keys, token) in [
        ("RS256, 2048 bits", &keys, PROVIDER.rs256(r#"{"alg":"RS256","kid":"r"}"#, &claims(""))),
        ("RS256, 4096 bits", &long_keys, long),
        ("ES256", &keys, PROVIDER.es256(r#"{"alg":"ES256","kid":"e"}"#, &claims(""))),
    ] {
        assert!(judge_by(&trust, keys, &token).is_ok());
        show(name, fastest(|| drop(black_box(judge_by(&trust, keys, &token)))));
        // As dear as a token may be made by who has no key.
        let (head, _) = token.rsplit_once('.').unwrap();
        let head = head.split_once('.').unwrap().0;
        let forged = format!("{head}.{}.{}", "a".repeat(12_000), token.rsplit_once('.').unwrap().1);
        show("  forged, 12 KB", fastest(|| drop(black_box(judge_by(&trust, keys, &forged)))));
    }
    let keys = Keys { primary: AccessKey::new(&"k".repeat(32)).unwrap(), secondary: None };
    let endpoints = [Endpoint::parse(AUDIENCE).unwrap()];
    let token = ClientToken {
        audience: &Audiences::client(&endpoints[0], "chat"),
        user: Some("ann"),
        roles: &[],
        groups: &[],
        issued_s: NOW,
        expires_s: NOW + 60,
    };
    let token = sign_client(&keys.primary, &token);
    let audiences = Audiences::of_client(&endpoints, "chat");
    assert!(verify(&token, &keys, &audiences, NOW).is_ok());
    show("HS256, to compare", fastest(|| drop(black_box(verify(&token, &keys, &audiences, NOW)))));
    let many: Vec<_> = (0..KEYS_MAX).map(|number| PROVIDER.p256(&format!(r#","kid":"{number}""#))).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let _ = black_box(set(&many));
    show("a set of 100 keys, to read", begun.elapsed());
}
