//! Documents with keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::signer::{PROVIDER, document, set};
use super::vectors::{KEYS, RFC_KEYS};
use super::*;

fn read(document: &str) -> Result<KeySet, SetError> {
    KeySet::read(document.as_bytes())
}

/// Why this key is left out, beside one that is good.
fn why(key: &str) -> Option<Why> {
    let good = PROVIDER.p256(r#","kid":"good""#);
    set(&[&good, key]).ignored().first().map(|ignored| ignored.why)
}

fn rsa_of(modulus: &[u8], exponent: &[u8]) -> String {
    let (modulus, exponent) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
    format!(r#"{{"kty":"RSA","n":"{modulus}","e":"{exponent}"}}"#)
}

#[test]
fn keys_for_rs256_and_es256_are_taken_and_the_others_are_named() {
    assert_eq!((read(RFC_KEYS).unwrap().count(), read(RFC_KEYS).unwrap().ignored()), (2, [].as_slice()));
    let keys = read(KEYS).unwrap();
    assert_eq!((keys.count(), keys.ignored()), (2, [Ignored { index: 2, why: Why::Bits(1024) }].as_slice()));
    assert_eq!(
        keys.ignored()[0].to_string(),
        "key 2 of the set is left out: it has 1024 bits, not 2048 to 4096"
    );
}

#[test]
fn what_a_key_says_of_its_use_must_fit() {
    for (more, expected) in [
        (r#","use":"sig","alg":"RS256","key_ops":["verify"],"x5c":["a"],"new":{}"#, None),
        (r#","use":"enc""#, Some(Why::Use)),
        (r#","use":null"#, Some(Why::Malformed)),
        (r#","key_ops":["encrypt"]"#, Some(Why::Use)),
        (r#","key_ops":"verify""#, Some(Why::Malformed)),
        (r#","alg":"RS512""#, Some(Why::Algorithm)),
        (r#","alg":"PS256""#, Some(Why::Algorithm)),
        (r#","alg":"ES256""#, Some(Why::Algorithm)),
        (r#","alg":"HS256""#, Some(Why::Algorithm)),
        (r#","alg":"rs256""#, Some(Why::Algorithm)),
        (r#","alg":1"#, Some(Why::Malformed)),
        (r#","kid":1"#, Some(Why::Malformed)),
        (r#","kid":"a","kid":"b""#, Some(Why::Malformed)),
        (r#","d":"AQAB""#, Some(Why::Private)),
        (r#","oth":[]"#, Some(Why::Private)),
        (r#","k":"AQAB""#, Some(Why::Private)),
    ] {
        assert_eq!(why(&PROVIDER.rsa(more)), expected, "{more}");
    }
    assert_eq!(why(&PROVIDER.p256(r#","alg":"RS256""#)), Some(Why::Algorithm));
    assert_eq!(why(&PROVIDER.p256(r#","d":"AQAB""#)), Some(Why::Private));
}

#[test]
fn kinds_that_are_not_taken_harm_no_other() {
    for (key, expected) in [
        (r#"{"kty":"oct","k":"AAAA"}"#, Why::Symmetric),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, Why::Kind),
        (r#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#, Why::Kind),
        (r#"{"kty":"EC","x":"AAAA","y":"AAAA"}"#, Why::Kind),
        (r#"{"kty":"rsa"}"#, Why::Kind),
        (r#"{"kty":"RSA"}"#, Why::Malformed),
        (r#"{"kty":"RSA","n":1,"e":"AQAB"}"#, Why::Malformed),
        (r#"{"kty":"RSA","n":"A=","e":"AQAB"}"#, Why::Malformed),
        (r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#, Why::Malformed),
        (r#"{"kty":["RSA"]}"#, Why::Malformed),
        ("{}", Why::Malformed),
        ("[]", Why::Malformed),
        ("null", Why::Malformed),
    ] {
        assert_eq!(why(key), Some(expected), "{key}");
    }
    // Not on the curve.
    let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
    let nowhere = format!(r#"{{"kty":"EC","crv":"P-256","x":"{zeros}","y":"{zeros}"}}"#);
    assert_eq!(why(&nowhere), Some(Why::Malformed));
}

#[test]
fn an_rsa_key_has_2048_to_4096_bits_and_an_odd_exponent_of_four_bytes_at_most() {
    let modulus = PROVIDER.modulus();
    let of_bits = |bits: usize| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        rsa_of(&modulus, &[1, 0, 1])
    };
    for (bits, expected) in [
        (1024, Some(Why::Bits(1024))),
        (2047, Some(Why::Bits(2047))),
        (2048, None),
        (2049, None),
        (4096, None),
        (4097, Some(Why::Bits(4097))),
        (8192, Some(Why::Bits(8192))),
        (100_000, Some(Why::Bits(100_000))),
    ] {
        assert_eq!(why(&of_bits(bits)), expected, "{bits}");
    }
    for (exponent, expected) in [
        (&[3][..], None),
        (&[0, 1, 0, 1], None),
        (&[0xff; 4], None),
        (&[1], Some(Why::Malformed)),
        (&[0], Some(Why::Malformed)),
        (&[], Some(Why::Malformed)),
        (&[4], Some(Why::Malformed)),
        (&[1, 0, 0, 0, 1], Some(Why::Malformed)),
    ] {
        assert_eq!(why(&rsa_of(&modulus, exponent)), expected, "{exponent:?}");
    }
    // Zeros before it are no bits of it.
    assert_eq!(why(&rsa_of(&[&[0, 0], modulus.as_slice()].concat(), &[1, 0, 1])), None);
    assert_eq!(why(&rsa_of(&[&[0; 200][..], &[0x80; 100]].concat(), &[1, 0, 1])), Some(Why::Bits(800)));
    assert_eq!(why(&rsa_of(&[0; 300], &[1, 0, 1])), Some(Why::Malformed));
}

#[test]
fn of_two_with_a_name_for_the_same_algorithm_the_first_counts() {
    assert_eq!(why(&PROVIDER.p256(r#","kid":"good""#)), Some(Why::Twice));
    assert_eq!(why(&PROVIDER.rsa(r#","kid":"good""#)), None);
    assert_eq!(why(&PROVIDER.p256("")), None);
}

#[test]
fn a_document_without_a_key_that_is_of_use_is_an_error() {
    for (document, error) in [
        ("", SetError::Malformed),
        ("[]", SetError::Malformed),
        ("{}", SetError::Malformed),
        ("<html>", SetError::Malformed),
        (r#"{"keys":{}}"#, SetError::Malformed),
        (r#"{"keys":null}"#, SetError::Malformed),
        (r#"{"keys":[],"keys":[]}"#, SetError::Malformed),
        (r#"{"keys":[]} x"#, SetError::Malformed),
        (r#"{"keys":[1]}"#, SetError::Useless(Ignored { index: 0, why: Why::Malformed })),
    ] {
        assert_eq!(read(document).unwrap_err(), error, "{document}");
    }
    assert!(read(&document(&[&PROVIDER.rsa(r#","d":"""#)])).is_err());
}

#[test]
fn documents_and_their_keys_have_bounds() {
    let good = PROVIDER.p256("");
    let keys = |count: usize| vec![good.as_str(); count];
    assert_eq!(read(&document(&keys(KEYS_MAX))).unwrap().count(), KEYS_MAX);
    assert_eq!(read(&document(&keys(KEYS_MAX + 1))).unwrap_err(), SetError::TooMany);
    let document = document(&keys(1));
    assert!(read(&format!("{document}{}", " ".repeat(SET_LEN_MAX - document.len()))).is_ok());
    assert_eq!(read(&" ".repeat(SET_LEN_MAX + 1)).unwrap_err(), SetError::TooLong);
    // Neither depth nor many elements are a danger.
    let deep = format!(r#"{{"keys":[{}{}]}}"#, "[".repeat(130_000), "]".repeat(130_000));
    assert!(matches!(read(&deep), Err(SetError::Useless(_))));
    let wide = format!(r#"{{"keys":[{}1]}}"#, "1,".repeat(130_000));
    assert_eq!(read(&wide).unwrap_err(), SetError::TooMany);
}

#[test]
fn what_is_refused_says_nothing_of_the_document() {
    let document = document(&[r#"{"kty":"secret","kid":"secret"}"#]);
    let error = read(&document).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_none_without_a_panic(bytes: Vec<u8>, text in "\\PC*") {
        prop_assert!(KeySet::read(&bytes).is_err());
        prop_assert!(read(&text).is_err());
        let _ = read(&document(&[&text]));
    }

    #[test]
    fn any_fields_are_a_key_or_none_without_a_panic(
        kind in "RSA|EC|oct|OKP",
        curve in "P-256|P-384|\\PC{0,4}",
        numbers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 4),
        more in "|,\"use\":\"(sig|enc)\"|,\"alg\":\"(RS256|ES256)\"",
    ) {
        let [n, e, x, y] = [0, 1, 2, 3].map(|at| URL_SAFE_NO_PAD.encode(&numbers[at]));
        let curve = serde_json::to_string(&curve).unwrap();
        let key = format!(r#"{{"kty":"{kind}","crv":{curve},"n":"{n}","e":"{e}","x":"{x}","y":"{y}"{more}}}"#);
        let _ = read(&document(&[&key]));
    }
}
