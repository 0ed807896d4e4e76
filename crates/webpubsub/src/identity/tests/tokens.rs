//! Tokens of providers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::signer::{PROVIDER, set, signed};
use super::vectors::{
    ANN_DER, ANN_ES256, ANN_PSS, ANN_RS256, ANN_SMALL, KEYS, RFC_ES256, RFC_KEYS, RFC_RS256,
};
use super::*;
use crate::token::{AccessKey, Audiences, Keys, TOKEN_LEN_MAX, verify};

const RS256: &str = r#"{"alg":"RS256","kid":"r"}"#;
const ES256: &str = r#"{"alg":"ES256","kid":"e"}"#;

fn judge(token: &str) -> Result<Claims, TokenError> {
    judge_by(&trust(), &PROVIDER.set(), token)
}

/// Both kinds of keys, which must say the same.
fn with_claims(trust: &Trust, claims: &str) -> Result<Claims, TokenError> {
    let keys = PROVIDER.set();
    let results = [PROVIDER.rs256(RS256, claims), PROVIDER.es256(ES256, claims)];
    let [first, second] = results.map(|token| judge_by(trust, &keys, &token));
    assert_eq!(first, second);
    first
}

fn with_header(header: &str) -> Result<Claims, TokenError> {
    judge(&PROVIDER.rs256(header, &claims("")))
}

#[test]
fn tokens_of_others_are_understood() {
    let keys = KeySet::read(KEYS.as_bytes()).unwrap();
    for token in [ANN_RS256, ANN_ES256] {
        let claims = judge_by(&trust(), &keys, token).unwrap();
        assert_eq!(claims.user.as_deref(), Some("8c4f"));
        // Nobody has named the claims for these.
        assert!(claims.roles.is_empty() && claims.groups.is_empty());
        assert_eq!(claims.all[6], ("email".into(), vec!["ann@example.com".into()]));
        let trust = Trust {
            user_claim: "email".into(),
            roles_claim: Some("roles".into()),
            groups_claim: Some("groups".into()),
            ..trust()
        };
        let claims = judge_by(&trust, &keys, token).unwrap();
        assert_eq!(claims.user.as_deref(), Some("ann@example.com"));
        assert_eq!(
            (claims.roles, claims.groups),
            (vec!["webpubsub.sendToGroup".into()], vec!["a".into(), "b c".into()])
        );
    }
}

#[test]
fn the_examples_of_rfc_7515_have_the_signatures_that_are_printed_there() {
    let keys = KeySet::read(RFC_KEYS.as_bytes()).unwrap();
    let trust = Trust { issuer: "joe".into(), ..trust() };
    for token in [RFC_RS256, RFC_ES256] {
        // Signature and issuer are good, an audience it has none.
        assert_eq!(judge_by(&trust, &keys, token), Err(TokenError::Claim("aud")));
        assert_eq!(judge_by(&super::trust(), &keys, token), Err(TokenError::Issuer));
        let (head, signature) = token.rsplit_once('.').unwrap();
        let other = format!("{head}.{}", signature.replacen(['c', 'D'], "A", 1));
        assert_eq!(judge_by(&trust, &keys, &other), Err(TokenError::Signature));
    }
}

#[test]
fn other_forms_of_a_signature_are_none() {
    let keys = KeySet::read(KEYS.as_bytes()).unwrap();
    assert_eq!(judge_by(&trust(), &keys, ANN_DER), Err(TokenError::Signature));
    assert_eq!(judge_by(&trust(), &keys, ANN_PSS), Err(TokenError::Signature));
    let with_signature = |token: &str, signature: &[u8]| {
        let (head, _) = token.rsplit_once('.').unwrap();
        judge_by(&trust(), &keys, &format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature)))
    };
    for token in [ANN_RS256, ANN_ES256] {
        let signature = URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap();
        for other in [
            vec![],
            vec![0; signature.len()],
            signature[1..].to_vec(),
            signature[..signature.len() - 1].to_vec(),
            [&[0], signature.as_slice()].concat(),
            [signature.as_slice(), &[0]].concat(),
            [signature.as_slice(), signature.as_slice()].concat(),
        ] {
            assert_eq!(with_signature(token, &other), Err(TokenError::Signature), "{other:?}");
        }
    }
}

#[test]
fn a_key_of_1024_bits_opens_nothing() {
    let keys = KeySet::read(KEYS.as_bytes()).unwrap();
    assert_eq!(judge_by(&trust(), &keys, ANN_SMALL), Err(TokenError::Key));
}

#[test]
fn the_header_chooses_nothing_but_the_key() {
    for header in [
        r#"{"alg":"RS256","kid":"r","typ":"JWT","x5t":"a","nonce":"b"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"r","typ":"at+jwt"}"#,
        r#"{"alg":"RS256","kid":"r","typ":"application/AT+JWT"}"#,
    ] {
        assert!(with_header(header).is_ok(), "{header}");
    }
    for (header, error) in [
        (r#"{"alg":"none","kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"alg":"HS256","kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"alg":"RS512","kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"alg":"PS256","kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"alg":"rs256","kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"alg":["RS256"],"kid":"r"}"#, TokenError::ProviderAlgorithm),
        (r#"{"kid":"r"}"#, TokenError::ProviderAlgorithm),
        // The key is for another one.
        (r#"{"alg":"ES256","kid":"r"}"#, TokenError::Key),
        (r#"{"alg":"ES256"}"#, TokenError::Signature),
        (r#"{"alg":"RS256","kid":"e"}"#, TokenError::Key),
        (r#"{"alg":"RS256","kid":"R"}"#, TokenError::Key),
        (r#"{"alg":"RS256","kid":""}"#, TokenError::Key),
        (r#"{"alg":"RS256","kid":null}"#, TokenError::Malformed),
        (r#"{"alg":"RS256","kid":["r"]}"#, TokenError::Malformed),
        (r#"{"alg":"RS256","kid":"r","crit":["exp"]}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","crit":["b64"],"b64":false}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","jku":"https://a"}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","jwk":{}}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","x5u":"https://a"}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","x5c":[]}"#, TokenError::Header),
        (r#"{"alg":"RS256","kid":"r","typ":"logout+jwt"}"#, TokenError::Type),
        (r#"{"alg":"RS256","kid":"r","typ":1}"#, TokenError::Type),
        (r#"{"alg":"RS256","kid":"r","kid":"r"}"#, TokenError::Malformed),
        (r#"{"alg":"none","\u0061lg":"RS256","kid":"r"}"#, TokenError::Malformed),
        (r#"["RS256"]"#, TokenError::Malformed),
        ("", TokenError::Malformed),
    ] {
        assert_eq!(with_header(header), Err(error), "{header}");
    }
}

#[test]
fn what_is_shown_as_a_secret_is_no_secret() {
    // The classic: signed by HMAC, with what everybody knows of the key.
    let secret = AccessKey::new(&URL_SAFE_NO_PAD.encode(PROVIDER.modulus())).unwrap();
    for header in [RS256, r#"{"alg":"HS256","kid":"r"}"#, r#"{"alg":"none"}"#] {
        let token = signed(header, &claims(""), |bytes| secret.sign(bytes).to_vec());
        assert!(
            matches!(judge(&token), Err(TokenError::Signature | TokenError::ProviderAlgorithm)),
            "{header}"
        );
    }
    // And the other way round: what a provider signs is no access key's.
    let keys = Keys { primary: secret, secondary: None };
    let endpoint = crate::Endpoint::parse(AUDIENCE).unwrap();
    let endpoints = [endpoint];
    let audiences = Audiences::of_client(&endpoints, "chat");
    let token = PROVIDER.rs256(RS256, &claims(""));
    assert_eq!(verify(&token, &keys, &audiences, NOW), Err(TokenError::Algorithm));
}

#[test]
fn without_a_name_only_one_key_may_fit() {
    let (rsa, p256) = (PROVIDER.rsa(r#","kid":"r""#), PROVIDER.p256(""));
    let token = PROVIDER.rs256(r#"{"alg":"RS256"}"#, &claims(""));
    let named = PROVIDER.rs256(RS256, &claims(""));
    let judge = |keys: &[&str], token: &str| judge_by(&trust(), &set(keys), token).map(|_| ());
    assert_eq!(judge(&[&rsa, &p256], &token), Ok(()));
    assert_eq!(judge(&[&rsa, &PROVIDER.rsa(r#","kid":"s""#)], &token), Err(TokenError::Key));
    assert_eq!(judge(&[&rsa, &PROVIDER.rsa("")], &token), Err(TokenError::Key));
    assert_eq!(judge(&[&p256], &token), Err(TokenError::Key));
    // A name is never left aside.
    assert_eq!(judge(&[&rsa, &PROVIDER.rsa("")], &named), Ok(()));
    assert_eq!(judge(&[&PROVIDER.rsa("")], &named), Err(TokenError::Key));
}

#[test]
fn three_parts_in_base64url_without_padding_and_nothing_else() {
    for token in [
        "",
        ".",
        "..",
        &format!("{ANN_RS256}."),
        &format!(".{ANN_RS256}"),
        &format!("{ANN_RS256}.x"),
        &format!("{ANN_RS256}="),
        &format!("{ANN_RS256} "),
        "ü.ü.ü",
        // RFC 7516: five parts.
        &PROVIDER.rs256(RS256, &claims("")).replace('.', ".a.b."),
        &"a".repeat(TOKEN_LEN_MAX),
    ] {
        let keys = KeySet::read(KEYS.as_bytes()).unwrap();
        assert_eq!(judge_by(&trust(), &keys, token), Err(TokenError::Malformed), "{token}");
    }
    assert_eq!(judge(&"a".repeat(TOKEN_LEN_MAX + 1)), Err(TokenError::TooLong));
    let filled = |len: usize| PROVIDER.rs256(RS256, &claims(&format!(r#","a":"{}""#, "x".repeat(len))));
    assert!(judge(&filled(36_000)).is_ok());
    assert_eq!(judge(&filled(37_000)), Err(TokenError::TooLong));
}

#[test]
fn claims_are_an_object_without_a_name_twice_and_depth_is_no_danger() {
    for claims in ["", "[]", "1", &claims(r#","sub":"bob""#), &claims(r#","\u0069ss":"x""#), "{} {}"] {
        assert_eq!(with_claims(&trust(), claims), Err(TokenError::Malformed), "{claims}");
    }
    // A token within a token is a text.
    assert_eq!(with_claims(&trust(), ANN_RS256), Err(TokenError::Malformed));
    let deep = claims(&format!(r#","a":{}{}"#, "[".repeat(9_000), "]".repeat(9_000)));
    assert!(with_claims(&trust(), &deep).is_ok());
}

#[test]
fn it_is_good_until_its_exp_and_from_a_minute_before_its_nbf() {
    for (times, result) in [
        (r#""exp":1000000001"#, Ok(())),
        (r#""exp":1000000000"#, Err(TokenError::Expired)),
        (r#""exp":"2000000000""#, Err(TokenError::Claim("exp"))),
        (r#""iat":1"#, Err(TokenError::Claim("exp"))),
        (r#""exp":2e9,"nbf":1000000060"#, Ok(())),
        (r#""exp":2e9,"nbf":1000000061"#, Err(TokenError::NotYet)),
    ] {
        let claims = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"ann",{times}}}"#);
        assert_eq!(with_claims(&trust(), &claims).map(|_| ()), result, "{claims}");
    }
}

#[test]
fn issuer_and_audience_are_those_of_the_settings_letter_by_letter() {
    let judge = |fields: &str| {
        with_claims(&trust(), &format!(r#"{{{fields},"exp":2e9,"sub":"ann"}}"#))
            .map(|claims| claims.user.unwrap())
    };
    let ann = || Ok("ann".to_owned());
    for (fields, result) in [
        (r#""iss":"https://id.example/","aud":"https://chat.example""#, ann()),
        (r#""iss":"https://id.example/","aud":["a","https://chat.example"]"#, ann()),
        (r#""iss":"https://id.example/","aud":["https://other.example"]"#, ann()),
        (r#""iss":"https://id.example","aud":"https://chat.example""#, Err(TokenError::Issuer)),
        (r#""iss":"https://ID.example/","aud":"https://chat.example""#, Err(TokenError::Issuer)),
        (r#""iss":"","aud":"https://chat.example""#, Err(TokenError::Issuer)),
        (r#""iss":["https://id.example/"],"aud":"https://chat.example""#, Err(TokenError::Claim("iss"))),
        (r#""iss":null,"aud":"https://chat.example""#, Err(TokenError::Claim("iss"))),
        (r#""aud":"https://chat.example""#, Err(TokenError::Claim("iss"))),
        (r#""iss":"https://id.example/","aud":"https://CHAT.example""#, Err(TokenError::Audience)),
        (r#""iss":"https://id.example/","aud":"https://chat.example/""#, Err(TokenError::Audience)),
        (r#""iss":"https://id.example/","aud":"https://chat.example a""#, Err(TokenError::Audience)),
        (r#""iss":"https://id.example/","aud":[]"#, Err(TokenError::Audience)),
        (r#""iss":"https://id.example/","aud":["https://chat.example",1]"#, Err(TokenError::Claim("aud"))),
        (r#""iss":"https://id.example/","aud":{"a":"https://chat.example"}"#, Err(TokenError::Claim("aud"))),
        (r#""iss":"https://id.example/""#, Err(TokenError::Claim("aud"))),
    ] {
        assert_eq!(judge(fields), result, "{fields}");
    }
    let nobody = Trust { audiences: vec![], ..trust() };
    assert_eq!(with_claims(&nobody, &claims("")), Err(TokenError::Audience));
}

#[test]
fn a_token_names_a_user_in_one_text() {
    let trust = Trust { user_claim: "https://chat.example/user".into(), ..trust() };
    for (value, user) in
        [(r#""u.1""#, Some("u.1")), (r#""""#, None), ("1", None), ("null", None), (r#"["u"]"#, None)]
    {
        let claims = with_claims(&trust, &claims(&format!(r#","https://chat.example/user":{value}"#)));
        assert_eq!(
            claims.map(|claims| claims.user),
            user.map(|user| Some(user.to_owned())).ok_or(TokenError::User)
        );
    }
    assert_eq!(with_claims(&trust, &claims("")), Err(TokenError::User));
}

#[test]
fn roles_and_groups_come_from_the_claims_that_settings_name_and_from_no_other() {
    let own = concat!(
        r#","role":["webpubsub.sendToGroup"],"webpubsub.group":["g"]"#,
        r#","roles":["r"],"a.b":"x y","scope":" p  q ""#,
    );
    let none = with_claims(&trust(), &claims(own)).unwrap();
    assert!(none.roles.is_empty() && none.groups.is_empty());
    let named = |roles: &str, groups: &str| {
        let trust = Trust { roles_claim: Some(roles.into()), groups_claim: Some(groups.into()), ..trust() };
        with_claims(&trust, &claims(own)).map(|claims| (claims.roles.join("|"), claims.groups.join("|")))
    };
    let both = |roles: &str, groups: &str| Ok((roles.to_owned(), groups.to_owned()));
    assert_eq!(named("role", "webpubsub.group"), both("webpubsub.sendToGroup", "g"));
    // Of other claims than `scope` a space is part of a name.
    assert_eq!(named("scope", "a.b"), both("p|q", "x y"));
    assert_eq!(named("nowhere", "nowhere"), both("", ""));
    assert_eq!(named("exp", "role"), Err(TokenError::Roles));
    assert_eq!(named("role", "exp"), Err(TokenError::Groups));
}

#[test]
fn claims_of_another_kind_are_refused() {
    let trust = Trust { roles_claim: Some("r".into()), groups_claim: Some("g".into()), ..trust() };
    for value in ["1", "null", "{}", "[1]", r#"["a",["b"]]"#, r#"{"r":["a"]}"#] {
        assert_eq!(
            with_claims(&trust, &claims(&format!(r#","r":{value}"#))),
            Err(TokenError::Roles),
            "{value}"
        );
        assert_eq!(
            with_claims(&trust, &claims(&format!(r#","g":{value}"#))),
            Err(TokenError::Groups),
            "{value}"
        );
    }
}

#[test]
fn one_other_bit_spoils_it() {
    let keys = KeySet::read(KEYS.as_bytes()).unwrap();
    for token in [ANN_RS256, ANN_ES256] {
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let other = String::from_utf8(bytes).unwrap();
                assert!(judge_by(&trust(), &keys, &other).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn what_is_refused_and_what_waits_says_nothing_of_the_token() {
    let token = PROVIDER.rs256(r#"{"alg":"RS256","kid":"secret"}"#, r#"{"sub":"secret"}"#);
    let error = judge(&token).unwrap_err();
    let shown = format!("{error} {error:?} {:?}", ProviderToken::read(&token).unwrap());
    assert!(!shown.contains("secret") && !shown.contains(&token[..40]), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_refused_or_good_without_a_panic(token in "\\PC*", header in "\\PC*", claims in "\\PC*") {
        prop_assert!(judge(&token).is_err());
        prop_assert!(judge(&PROVIDER.es256(&header, &claims)).is_err());
        prop_assert!(with_claims(&trust(), &claims).is_err());
    }

    #[test]
    fn what_a_provider_says_comes_out(
        user in "\\PC{1,20}",
        roles in prop::collection::vec("\\PC{0,20}", 0..4),
        groups in prop::collection::vec("\\PC{0,20}", 0..4),
    ) {
        let (roles_claim, groups_claim) = (Some("r".into()), Some("g".into()));
        let trust = Trust { user_claim: "u".into(), roles_claim, groups_claim, ..trust() };
        let json = serde_json::json!({ "u": user, "r": roles, "g": groups });
        let json = json.to_string();
        let claims = with_claims(&trust, &claims(&format!(",{}", &json[1..json.len() - 1]))).unwrap();
        prop_assert_eq!((claims.user, claims.roles, claims.groups), (Some(user), roles, groups));
    }
}
