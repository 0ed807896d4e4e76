//! Tokens made here and elsewhere, good ones and hostile ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::endpoint::Endpoint;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_000_000_000;
const AUDIENCE: &str = "http://127.0.0.1:8085/client/hubs/chat";

fn keys() -> Keys {
    Keys { primary: AccessKey::new(KEY).unwrap(), secondary: None }
}

fn endpoints() -> [Endpoint; 1] {
    [Endpoint::parse("http://127.0.0.1:8085").unwrap()]
}

fn judge(token: &str) -> Result<Claims, TokenError> {
    verify(token, &keys(), &Audiences::of_client(&endpoints(), "chat"), NOW)
}

/// A token of these parts, rightly signed.
fn signed(header: &str, claims: &str) -> String {
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = keys().primary.sign(head.as_bytes());
    format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with_claims(claims: &str) -> Result<Claims, TokenError> {
    judge(&signed(r#"{"alg":"HS256"}"#, claims))
}

fn good() -> String {
    format!(r#"{{"aud":"{AUDIENCE}","exp":2000000000}}"#)
}

// Made by Python's hmac and json.
const ANN: &str = concat!(
    "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiAiaHR0cDovLzEyNy4wLjAuMTo4MDg1L2NsaWVudC9odWJ",
    "zL2NoYXQiLCAiZXhwIjogMjAwMDAwMDAwMCwgInN1YiI6ICJhbm4iLCAicm9sZSI6IFsid2VicHVic3ViLnNlbmRUb0dyb3V",
    "wIl19.cY9Wsij3XtfbcFJ1tOMnwlg8GiaYc3FCAK4DA-ge2Yo",
);
const NOBODY: &str = concat!(
    "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJhdWQiOiBbIngiLCAiSFRUUDovLzEyNy4wLjAuMTo4MDg1L2NsaWV",
    "udC9odWJzL0NIQVQiXSwgImV4cCI6IDIwMDAwMDAwMDAuNSwgIm5iZiI6IDEwMDAwMDAwNjB9.mlRZoL-",
    "bx6ZuQknCA9nQQVsVMQzomGgfzBgPqeEK1WM",
);

#[test]
fn tokens_of_others_are_understood() {
    let claims = judge(ANN).unwrap();
    assert_eq!(claims.user.as_deref(), Some("ann"));
    assert_eq!(claims.roles, ["webpubsub.sendToGroup"]);
    assert_eq!(claims.all[1], ("exp".into(), vec!["2000000000".into()]));
    // A list of audiences in another case, a float for exp, an nbf a minute ahead.
    let claims = judge(NOBODY).unwrap();
    assert_eq!((claims.user, claims.roles, claims.groups), (None, vec![], vec![]));
}

#[test]
fn the_first_example_of_rfc_7515_has_the_signature_that_is_printed_there() {
    // Appendix A.1.
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let token = concat!(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt",
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
    let keys = Keys {
        primary: AccessKey::of_bytes(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap(),
        secondary: None,
    };
    let endpoints = endpoints();
    let audiences = Audiences::of_client(&endpoints, "chat");
    assert_eq!(verify(token, &keys, &audiences, NOW), Err(TokenError::Claim("aud")));
    assert_eq!(verify(token, &keys, &audiences, 1_300_819_380), Err(TokenError::Expired));
    let other = token.replace(".dB", ".eB");
    assert_eq!(verify(&other, &keys, &audiences, NOW), Err(TokenError::Signature));
}

#[test]
fn either_of_two_keys_is_good_and_no_third() {
    let (old, new) = (AccessKey::new(KEY).unwrap(), AccessKey::new(&"n".repeat(32)).unwrap());
    let endpoints = endpoints();
    let audiences = Audiences::of_client(&endpoints, "chat");
    let judge = |keys: &Keys| verify(ANN, keys, &audiences, NOW).map(|_| ());
    assert_eq!(judge(&Keys { primary: old.clone(), secondary: Some(new.clone()) }), Ok(()));
    assert_eq!(judge(&Keys { primary: new.clone(), secondary: Some(old) }), Ok(()));
    assert_eq!(judge(&Keys { primary: new.clone(), secondary: Some(new) }), Err(TokenError::Signature));
}

#[test]
fn the_header_chooses_nothing() {
    assert!(judge(&signed(r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#, &good())).is_ok());
    for (header, error) in [
        (r#"{"alg":"none"}"#, TokenError::Algorithm),
        (r#"{"alg":"hs256"}"#, TokenError::Algorithm),
        (r#"{"alg":"HS512"}"#, TokenError::Algorithm),
        (r#"{"alg":"RS256"}"#, TokenError::Algorithm),
        (r#"{"alg":["HS256"]}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT"}"#, TokenError::Algorithm),
        (r#"{"ALG":"HS256"}"#, TokenError::Algorithm),
        (r#"{"alg":"HS256","crit":["exp"]}"#, TokenError::Header),
        (r#"{"alg":"HS256","crit":[]}"#, TokenError::Header),
        (r#"{"alg":"HS256","jku":"http://a"}"#, TokenError::Header),
        (r#"{"alg":"HS256","jwk":{}}"#, TokenError::Header),
        (r#"{"alg":"HS256","x5u":"http://a"}"#, TokenError::Header),
        (r#"{"alg":"HS256","x5c":null}"#, TokenError::Header),
        (r#"{"alg":"none","alg":"HS256"}"#, TokenError::Malformed),
        (r#"{"alg":"HS256","\u0061lg":"HS256"}"#, TokenError::Malformed),
        (r#"["HS256"]"#, TokenError::Malformed),
        ("", TokenError::Malformed),
    ] {
        assert_eq!(judge(&signed(header, &good())), Err(error), "{header}");
    }
}

#[test]
fn a_token_without_its_signature_is_nothing() {
    let head = ANN.rsplit_once('.').unwrap().0;
    assert_eq!(judge(&format!("{head}.")), Err(TokenError::Signature));
    // A part of it will not do either.
    for len in 1..43 {
        let part = &ANN[..head.len() + 1 + len];
        assert!(matches!(judge(part), Err(TokenError::Signature | TokenError::Malformed)), "{part}");
    }
}

#[test]
fn three_parts_in_base64url_without_padding_and_nothing_else() {
    let other = ANN.strip_suffix('o').unwrap();
    for token in [
        "",
        ".",
        "..",
        "...",
        &format!("{ANN}."),
        &format!(".{ANN}"),
        &format!("{ANN}.x"),
        &format!("{ANN}="),
        &format!("{ANN} "),
        &format!("{ANN}\n"),
        // Bits behind the last byte are not zero.
        &format!("{other}p"),
        &ANN.replace('-', "+"),
        "ü.ü.ü",
    ] {
        assert_eq!(judge(token), Err(TokenError::Malformed), "{token}");
    }
    assert_eq!(judge(&"a".repeat(TOKEN_LEN_MAX + 1)), Err(TokenError::TooLong));
}

#[test]
fn claims_are_an_object_without_a_name_twice_and_depth_is_no_danger() {
    for claims in ["", "[]", "1", r#"{"exp":1,"exp":2000000000}"#, "{\"a\":\"\u{1}\"}", "{} {}"] {
        assert_eq!(with_claims(claims), Err(TokenError::Malformed), "{claims}");
    }
    let deep = format!(r#"{{"aud":"{AUDIENCE}","exp":2e9,"a":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(with_claims(&deep).unwrap().all[2].1[0].len(), 17_998);
}

#[test]
fn it_is_good_until_its_exp_and_from_a_minute_before_its_nbf() {
    for (times, result) in [
        (r#""exp":1000000001"#, Ok(())),
        (r#""exp":1000000000.5"#, Ok(())),
        (r#""exp":1000000000"#, Err(TokenError::Expired)),
        (r#""exp":999996400"#, Err(TokenError::Expired)),
        (r#""exp":-1"#, Err(TokenError::Expired)),
        (r#""exp":1e300"#, Ok(())),
        (r#""exp":1e999"#, Err(TokenError::Claim("exp"))),
        (r#""exp":"2000000000""#, Err(TokenError::Claim("exp"))),
        (r#""exp":null"#, Err(TokenError::Claim("exp"))),
        (r#""exp":[2000000000]"#, Err(TokenError::Claim("exp"))),
        (r#""iat":1"#, Err(TokenError::Claim("exp"))),
        (r#""exp":2e9,"nbf":1000000060"#, Ok(())),
        (r#""exp":2e9,"nbf":1000000061"#, Err(TokenError::NotYet)),
        (r#""exp":2e9,"nbf":"now""#, Err(TokenError::Claim("nbf"))),
    ] {
        let claims = format!(r#"{{"aud":"{AUDIENCE}",{times}}}"#);
        assert_eq!(with_claims(&claims).map(|_| ()), result, "{claims}");
    }
}

#[test]
fn a_clients_token_opens_no_rest_and_a_services_no_hub() {
    let target = "/api/hubs/chat/:send?api-version=2024-12-01";
    let endpoints = endpoints();
    let (client, rest) =
        (Audiences::of_client(&endpoints, "chat"), Audiences::of_request(&endpoints, target));
    let service = sign_rest(&keys().primary, &format!("http://127.0.0.1:8085{target}"), NOW, NOW + 60);
    assert!(verify(&service, &keys(), &rest, NOW).is_ok());
    assert_eq!(verify(&service, &keys(), &client, NOW), Err(TokenError::Audience));
    assert!(verify(ANN, &keys(), &client, NOW).is_ok());
    assert_eq!(verify(ANN, &keys(), &rest, NOW), Err(TokenError::Audience));
    // Another hub, another request.
    let other = Audiences::of_client(&endpoints, "xchat");
    assert_eq!(verify(ANN, &keys(), &other, NOW), Err(TokenError::Audience));
    let other = Audiences::of_request(&endpoints, "/api/hubs/chat/:closeConnections");
    assert_eq!(verify(&service, &keys(), &other, NOW), Err(TokenError::Audience));
}

#[test]
fn an_audience_is_a_text_or_a_list_of_texts() {
    for (audience, result) in [
        (format!(r#"["a","{AUDIENCE}"]"#), Ok(())),
        ("[]".into(), Err(TokenError::Audience)),
        (r#""""#.into(), Err(TokenError::Audience)),
        ("null".into(), Err(TokenError::Claim("aud"))),
        (format!(r#"["{AUDIENCE}",1]"#), Err(TokenError::Claim("aud"))),
        (format!(r#"{{"a":"{AUDIENCE}"}}"#), Err(TokenError::Claim("aud"))),
    ] {
        let claims = format!(r#"{{"aud":{audience},"exp":2e9}}"#);
        assert_eq!(with_claims(&claims).map(|_| ()), result, "{claims}");
    }
}

#[test]
fn what_is_refused_says_nothing_of_the_token() {
    let error = judge(&signed(r#"{"alg":"secret"}"#, r#"{"sub":"secret"}"#)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

proptest! {
    #[test]
    fn what_is_signed_here_is_good_here(
        user in prop::option::of("\\PC{1,20}"),
        roles in prop::collection::vec("\\PC{0,20}", 0..4),
        groups in prop::collection::vec("\\PC{0,20}", 0..4),
    ) {
        let token = ClientToken {
            audience: &Audiences::client(&endpoints()[0], "chat"),
            user: user.as_deref(),
            roles: &roles,
            groups: &groups,
            issued_s: NOW,
            expires_s: NOW + 1,
        };
        let signed = sign_client(&keys().primary, &token);
        let claims = judge(&signed).unwrap();
        prop_assert_eq!((&claims.user, &claims.roles, &claims.groups), (&user, &roles, &groups));
        let names: Vec<_> = claims.all.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(names.contains(&"role"), !roles.is_empty());
        prop_assert_eq!(&names[..3], ["aud", "iat", "exp"]);
    }

    #[test]
    fn any_text_is_refused_or_good_without_a_panic(token in "\\PC*", header in "\\PC*", claims in "\\PC*") {
        prop_assert!(judge(&token).is_err());
        prop_assert!(judge(&signed(&header, &claims)).is_err());
        prop_assert!(with_claims(&claims).is_err());
    }

    #[test]
    fn one_other_character_spoils_it(at in 0..ANN.len(), other in "[A-Za-z0-9_.-]") {
        let token = format!("{}{other}{}", &ANN[..at], &ANN[at + 1..]);
        prop_assert_eq!(judge(&token).is_ok(), token == ANN);
    }
}
