//! Tokens of identity providers: which are good, for what, and by which keys.

use aws_lc_rs::hmac;
use holdfast::settings::DriverChoice;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::house::{House, JSON, Token, errors_to, hub, member, now_s, rest, upgrade};
use super::provider::{
    AUDIENCE, ISSUER, OTHER, PROVIDER, Provider, Publisher, claims, claims_but, identity, signed,
};
use super::service::{Answer, Gate, Service};
use crate::on_every_rung;
use crate::rig::peer::request_with;
use crate::rig::process::get;
use crate::rig::{Peer, wait_until};

on_every_rung!(
    a_token_of_a_provider_is_as_good_as_that_of_an_access_key,
    only_claims_that_settings_name_count,
    what_is_no_good_token_of_a_provider_opens_nothing,
    a_hub_needs_no_access_key,
    tokens_wait_for_keys_that_are_on_their_way,
    where_there_is_no_room_to_wait_tokens_are_put_off,
    who_leaves_while_keys_are_fetched_leaves_nothing_behind,
    a_drain_turns_away_those_whose_tokens_wait,
    until_there_are_keys_tokens_are_put_off,
    old_keys_stay_good_while_there_are_no_new_ones,
    a_key_that_is_not_known_is_asked_for_once_a_minute,
    a_file_of_keys_is_read_again_on_sighup,
);

/// A hub whose provider has its keys in a file, for [`at_home`].
fn with_file(service: &Service, more: &str) -> String {
    hub("chat", service, "") + &identity("chat", "@/keys", more)
}

/// The program, with PROVIDER's keys in a file.
fn at_home(rung: DriverChoice, hubs: &str) -> House {
    House::start(rung, "", hubs, |folder, command| {
        std::fs::write(folder.path().join("keys"), PROVIDER.keys("a")).unwrap();
        errors_to(folder, command, "errors")
    })
}

fn try_to_connect(house: &House, token: &str) -> u16 {
    let mut peer = house.peer();
    peer.send(&upgrade("chat", token, ""));
    peer.read_status()
}

#[track_caller]
fn wait_for_metric(house: &House, name: &str, value: u64) {
    let is_there = || house.process.find_metric(name).unwrap_or(0) == value;
    wait_until(&format!("{name} is {value}"), is_there);
}

fn tokens(outcome: &str) -> String {
    format!("holdfast_hub_identity_tokens_total{{hub=\"chat\",outcome=\"{outcome}\"}}")
}

const OPEN: &str = "holdfast_hub_identity_tokens_open{hub=\"chat\"}";
const FAILED: &str = "holdfast_hub_identity_fetches_total{hub=\"chat\",outcome=\"failed\"}";
const FETCHED: &str = "holdfast_hub_identity_fetches_total{hub=\"chat\",outcome=\"ok\"}";

/// Nothing is left of any opening handshake.
#[track_caller]
fn wait_until_nobody_waits(house: &House) {
    wait_for_metric(house, OPEN, 0);
    wait_for_metric(house, "holdfast_handshakes_open", 0);
    wait_for_metric(house, "holdfast_memory_bytes{part=\"events\"}", 0);
}

fn a_token_of_a_provider_is_as_good_as_that_of_an_access_key(rung: DriverChoice) {
    let service = Service::start(|heard| match (heard.event(), heard.header("ce-userId")) {
        ("sys.connect", "mallory") => Answer::status(403, "not you"),
        ("user.message", _) => Answer::text("yes?"),
        _ => Answer::ok(),
    });
    let limited = hub("chat", &service, "user-connections-max = 2");
    let house = at_home(rung, &(limited + &identity("chat", "@/keys", "")));
    for token in [PROVIDER.rs256("a", &claims("änn")), PROVIDER.es256("a", &claims("änn"))] {
        let before = service.heard_of("sys.connect").len();
        let mut client = house.client(&token);
        let heard = service.wait_for("sys.connect", before + 1).pop().unwrap();
        assert_eq!(heard.header("ce-userId"), "%C3%A4nn");
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!(body["claims"]["aud"], json!(["account", AUDIENCE]), "{body}");
        assert_eq!(body["headers"]["Host"], json!(["test"]), "{body}");
        assert_eq!(body["query"], json!({}), "the token stays here: {body}");
        let connected = service.wait_for("sys.connected", before + 1).pop().unwrap();
        assert_eq!(connected.header("ce-connectionId"), heard.header("ce-connectionId"));
        client.send_text("hello?");
        client.expect_text("yes?");
        client.close();
    }
    // In a header, with the JSON subprotocol.
    let token = PROVIDER.es256("a", &claims("bob"));
    let mut peer = house.peer();
    peer.send(&request_with("/client/hubs/chat", &format!("Authorization: Bearer {token}\r\n{JSON}")));
    peer.expect_accepted();
    assert_eq!(house.ask("HEAD", "hubs/chat/users/bob", "").status, 200);
    // What holds for others holds for these.
    let response = house.refusal(&format!("/client/hubs/chat?access_token={}", of("mallory")), "");
    assert_eq!((response.status, response.body.trim_end()), (403, "not you"));
    let second = house.client(&token);
    assert_eq!(try_to_connect(&house, &token), 429);
    drop(second);
    assert_eq!(try_to_connect(&house, &of(&"x".repeat(1025))), 400);
    house.client(&member());
    wait_for_metric(&house, &tokens("ok"), 7);
    wait_for_metric(&house, "holdfast_hub_identity_keys{hub=\"chat\"}", 2);
    wait_for_metric(&house, FETCHED, 1);
    assert!(house.process.metric("holdfast_hub_identity_keys_age_seconds{hub=\"chat\"}") < 600);
    wait_until_nobody_waits(&house);
}

fn of(user: &str) -> String {
    PROVIDER.rs256("a", &claims(user))
}

fn only_claims_that_settings_name_count(rung: DriverChoice) {
    let service = Service::quiet();
    let named =
        "user-claim = \"email\"\nroles-claim = \"scope\"\ngroups-claim = \"https://x.example/groups\"";
    let hubs = with_file(&service, "") + &hub("named", &service, "") + &identity("named", "@/keys", named);
    let house = at_home(rung, &hubs);
    let mut all = claims("ann");
    all["email"] = json!("ann@x.example");
    for roles in ["role", "roles"] {
        all[roles] = json!(["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]);
    }
    all["scope"] = json!("openid webpubsub.joinLeaveGroup.g");
    all["webpubsub.group"] = json!(["g"]);
    all["https://x.example/groups"] = json!(["h"]);
    let token = PROVIDER.rs256("a", &all);
    let mut client = house.json(&token);
    let join = |group: &str, ack: u32| format!(r#"{{"type":"joinGroup","group":"{group}","ackId":{ack}}}"#);
    assert_eq!(client.request(&join("g", 1)), Some("Forbidden".to_owned()), "no role");
    for group in ["g", "h"] {
        assert_eq!(house.ask("HEAD", &format!("hubs/chat/groups/{group}"), "").status, 404, "{group}");
    }
    assert_eq!(house.ask("HEAD", "hubs/chat/users/ann", "").status, 200);

    let mut peer = house.peer();
    peer.send(&upgrade("named", &token, JSON));
    peer.expect_accepted();
    let hear = |peer: &mut Peer| serde_json::from_slice::<Value>(&peer.read_frame().payload).unwrap();
    assert_eq!(hear(&mut peer)["userId"], "ann@x.example");
    assert_eq!(house.ask("HEAD", "hubs/named/groups/h", "").status, 200);
    assert_eq!(house.ask("HEAD", "hubs/named/groups/g", "").status, 404);
    for (group, success) in [("g", true), ("h", false)] {
        peer.send_text(&join(group, u32::from(success)));
        assert_eq!(hear(&mut peer)["success"], success, "{group}");
    }
    // Of the claims that settings name, each must be what it is to be.
    for (claim, value, status) in [
        ("email", json!(null), 401),
        ("email", json!(7), 401),
        ("scope", json!({"a": 1}), 401),
        ("https://x.example/groups", json!([1]), 401),
        ("https://x.example/groups", json!([" "]), 400),
    ] {
        let mut wrong = all.clone();
        wrong[claim] = value;
        let mut peer = house.peer();
        peer.send(&upgrade("named", &PROVIDER.rs256("a", &wrong), ""));
        assert_eq!(peer.read_status(), status, "{claim}: {wrong}");
    }
}

fn what_is_no_good_token_of_a_provider_opens_nothing(rung: DriverChoice) {
    let service = Service::quiet();
    let house = at_home(rung, &with_file(&service, ""));
    let good = claims("ann");
    let provider: &Provider = &PROVIDER;
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "a-r"});
    let with = |more: &str, value: Value| {
        let mut header = header("RS256");
        header[more] = value;
        provider.rs256_with(&header, &good)
    };
    let hs256 = |key: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        signed(&header("HS256"), &good, |bytes| hmac::sign(&key, bytes).as_ref().to_vec())
    };
    let changed = |name: &str, value: Value| provider.rs256("a", &claims_but("ann", name, value));
    let token = provider.rs256("a", &good);
    let other = provider.rs256("a", &claims("bob"));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let grafted = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    let bad = [
        ("signature", "of another provider", OTHER.rs256("a", &good)),
        ("signature", "of another provider", OTHER.es256("a", &good)),
        ("signature", "of another token", grafted),
        ("signature", "none", format!("{head}.")),
        ("signature", "by the other key", provider.es256_with(&header("RS256"), &good)),
        ("key", "a key that nobody knows", provider.rs256("b", &good)),
        ("key", "the other algorithm's name", provider.rs256_with(&header("ES256"), &good)),
        ("issuer", "another issuer", changed("iss", json!("https://id.example"))),
        ("claim", "no issuer", changed("iss", json!(null))),
        ("audience", "another audience", changed("aud", json!("account"))),
        ("audience", "the hub's own", changed("aud", json!("http://test/client/hubs/chat"))),
        ("claim", "no audience", changed("aud", json!(null))),
        ("time", "over", changed("exp", json!(now_s() - 3600))),
        ("time", "not yet", changed("nbf", json!(now_s() + 3600))),
        ("claim", "no end", changed("exp", json!(null))),
        ("claim", "no user", changed("sub", json!(null))),
        ("claim", "no text", changed("sub", json!(["ann"]))),
        ("malformed", "no algorithm", signed(&header("none"), &good, |_| Vec::new())),
        ("malformed", "another", provider.rs256_with(&header("RS384"), &good)),
        ("malformed", "another", provider.rs256_with(&header("rs256"), &good)),
        ("malformed", "a notice", with("typ", json!("logout+jwt"))),
        ("malformed", "a key of its own", with("jwk", json!({"kty": "RSA"}))),
        ("malformed", "a key from elsewhere", with("jku", json!("https://evil.example/"))),
        // Access keys are asked first, and they are none of these: the public half is no secret.
        ("", "the public key as a secret", hs256(&provider.der())),
        ("", "the modulus as a secret", hs256(&provider.modulus())),
        ("", "the document as a secret", hs256(provider.keys("a").as_bytes())),
        ("", "nothing as a secret", hs256(b"")),
    ];
    for (_, what, token) in &bad {
        let response = house.refusal(&format!("/client/hubs/chat?access_token={token}"), JSON);
        assert_eq!(response.status, 401, "{what}: {response:?}");
        assert!(!response.body.contains(token.as_str()), "{what}: {response:?}");
    }
    for outcome in ["signature", "key", "issuer", "audience", "time", "claim", "malformed"] {
        let count = bad.iter().filter(|(it, ..)| *it == outcome).count() as u64;
        wait_for_metric(&house, &tokens(outcome), count);
    }
    assert_eq!(service.events(), [""; 0], "no service was asked about any of them");
    // It says who somebody is, and not what a service may do.
    let request = String::from_utf8(rest("POST", "hubs/chat/:send", "", "hello")).unwrap();
    let (before, after) = request.split_once("Bearer ").unwrap();
    let after = after.split_once("\r\n").unwrap().1;
    let mut asks = house.rest();
    asks.send(format!("{before}Bearer {token}\r\n{after}").as_bytes());
    assert_eq!(asks.read("POST").status, 401);
    wait_until_nobody_waits(&house);
    house.client(&token);
}

fn a_hub_needs_no_access_key(rung: DriverChoice) {
    let hubs = format!("[hub.chat]\n{}", identity("chat", "@/keys", ""));
    let house = House::start(rung, "access-key-file = []\n", &hubs, |folder, command| {
        std::fs::write(folder.path().join("keys"), PROVIDER.keys("a")).unwrap();
        command
    });
    house.client(&PROVIDER.es256("a", &claims("ann")));
    // Nobody signs with what is no key.
    assert_eq!(try_to_connect(&house, &member()), 401);
    assert_eq!(try_to_connect(&house, &PROVIDER.es256("a", &claims_but("ann", "exp", json!(1)))), 401);
    assert_eq!(house.refusal("/client/hubs/chat", "").status, 401, "it is not anonymous");
}

/// A hub whose provider publishes its keys here.
fn published(rung: DriverChoice, publisher: &Publisher, first: &str) -> House {
    let hubs = format!("[hub.chat]\n{}", identity("chat", &publisher.url(), ""));
    House::start(rung, first, &hubs, |folder, command| errors_to(folder, command, "errors"))
}

fn tokens_wait_for_keys_that_are_on_their_way(rung: DriverChoice) {
    let gate = Gate::default();
    let publisher = Publisher::waiting(Answer::json(&PROVIDER.keys("a")), {
        let gate = gate.clone();
        move || gate.wait()
    });
    // Fewer slots for opening handshakes than there will be who wait.
    let house = published(rung, &publisher, "handshakes-max = 4");
    // It is ready all the same, and whoever has an access key comes in.
    assert!(get(house.process.admin, "/readyz").starts_with("HTTP/1.1 200"));
    let mut peers: Vec<Peer> = (0..16).map(|_| house.peer()).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(&upgrade("chat", &PROVIDER.es256("a", &claims(&format!("user {number}"))), ""));
    }
    wait_for_metric(&house, OPEN, 16);
    house.client(&member());
    gate.open();
    for peer in &mut peers {
        peer.expect_accepted();
    }
    assert_eq!(publisher.asked(), 1);
    wait_for_metric(&house, &tokens("ok"), 16);
    wait_until_nobody_waits(&house);
    drop(peers);
    wait_for_metric(&house, "holdfast_connections", 0);
}

fn where_there_is_no_room_to_wait_tokens_are_put_off(rung: DriverChoice) {
    let gate = Gate::default();
    let publisher = Publisher::waiting(Answer::json(&PROVIDER.keys("a")), {
        let gate = gate.clone();
        move || gate.wait()
    });
    // They count as events: one with so long a name has room.
    let small = "message-bytes-max = \"1KiB\"\nevent-bytes-max = \"4KiB\"";
    let house = published(rung, &publisher, small);
    let ask = || {
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &PROVIDER.es256("a", &claims(&"x".repeat(600))), ""));
        peer
    };
    let mut first = ask();
    wait_for_metric(&house, OPEN, 1);
    let response = ask().expect_refused(503);
    assert!(response.header("Retry-After").is_some(), "{response:?}");
    wait_for_metric(&house, &tokens("full"), 1);
    gate.open();
    first.expect_accepted();
    wait_until_nobody_waits(&house);
    ask().expect_accepted();
}

fn who_leaves_while_keys_are_fetched_leaves_nothing_behind(rung: DriverChoice) {
    let gate = Gate::default();
    let publisher = Publisher::waiting(Answer::json(&PROVIDER.keys("a")), {
        let gate = gate.clone();
        move || gate.wait()
    });
    let house = published(rung, &publisher, "address-connections-max = 8");
    let ask = |user: &str| {
        let mut peer = house.peer();
        peer.send(&upgrade("chat", &of(user), ""));
        peer
    };
    let mut peers: Vec<Peer> = (0..8).map(|number| ask(&format!("user {number}"))).collect();
    wait_for_metric(&house, OPEN, 8);
    peers.split_off(4).into_iter().for_each(Peer::reset);
    gate.open();
    for peer in &mut peers {
        peer.expect_accepted();
    }
    wait_until_nobody_waits(&house);
    wait_for_metric(&house, "holdfast_connections", 4);
    let counted = |outcome: &str| house.process.metric(&tokens(outcome));
    assert_eq!(counted("ok") + counted("gone"), 8);
    // Their places are free for others.
    let late: Vec<Peer> = (0..4).map(|_| house.client(&member())).collect();
    drop((peers, late));
    wait_for_metric(&house, "holdfast_connections", 0);
}

fn a_drain_turns_away_those_whose_tokens_wait(rung: DriverChoice) {
    let gate = Gate::default();
    let publisher = Publisher::waiting(Answer::json(&PROVIDER.keys("a")), {
        let gate = gate.clone();
        move || gate.wait()
    });
    let house = published(rung, &publisher, "");
    let mut peers: Vec<Peer> = (0..4).map(|_| house.peer()).collect();
    for peer in &mut peers {
        peer.send(&upgrade("chat", &of("ann"), ""));
    }
    wait_for_metric(&house, OPEN, 4);
    house.process.signal(Signal::TERM);
    for peer in &mut peers {
        assert_eq!(peer.read_response().status, 503);
    }
    drop(peers);
    let House { mut process, folder: _folder } = house;
    assert_eq!(process.code(), Some(0), "it does not wait for keys");
    gate.open();
}

fn until_there_are_keys_tokens_are_put_off(rung: DriverChoice) {
    let publisher = Publisher::of(Answer::status(500, "not now"));
    let house = published(rung, &publisher, "");
    wait_until("it was tried", || house.process.find_metric(FAILED).is_some_and(|failed| failed > 0));
    assert!(get(house.process.admin, "/readyz").starts_with("HTTP/1.1 200"));
    let mut peer = house.peer();
    peer.send(&upgrade("chat", &of("ann"), ""));
    let response = peer.expect_refused(503);
    assert!(response.header("Retry-After").is_some(), "{response:?}");
    wait_for_metric(&house, &tokens("unavailable"), 1);
    house.client(&member());
    publisher.set(Answer::json(&PROVIDER.keys("a")));
    // Within ten seconds.
    wait_until("there are keys", || try_to_connect(&house, &of("ann")) == 101);
    wait_until_nobody_waits(&house);
    let errors = std::fs::read_to_string(house.path("errors")).unwrap();
    assert_eq!(errors.matches("keys of the identity provider cannot be had").count(), 1, "{errors}");
    assert!(errors.contains("keys of the identity provider were fetched"), "{errors}");
    assert!(!errors.contains("policy"), "no query is logged: {errors}");
}

fn old_keys_stay_good_while_there_are_no_new_ones(rung: DriverChoice) {
    let publisher = Publisher::of(Answer::json(&PROVIDER.keys("a")));
    let house = published(rung, &publisher, "");
    wait_for_metric(&house, FETCHED, 1);
    house.client(&of("ann"));
    let hostile = [
        Answer::status(503, ""),
        Answer::Cut,
        Answer::text("<html>"),
        Answer::json(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        // Longer than any, and as long as it says.
        Answer::text(&" ".repeat(8 << 20)),
        Answer::Say(302, format!("Location: {}\r\n", publisher.url()), Vec::new()),
    ];
    for (count, answer) in (1..).zip(hostile) {
        publisher.set(answer);
        house.process.signal(Signal::HUP);
        wait_for_metric(&house, FAILED, count);
        assert_eq!(try_to_connect(&house, &of("ann")), 101, "{count}");
    }
    assert_eq!(publisher.asked(), 7, "no redirect is followed, and nothing is asked for twice");
    publisher.set(Answer::json(&OTHER.keys("a")));
    house.process.signal(Signal::HUP);
    wait_for_metric(&house, FETCHED, 2);
    assert_eq!(try_to_connect(&house, &of("ann")), 401);
    assert_eq!(try_to_connect(&house, &OTHER.rs256("a", &claims("ann"))), 101);
    assert_eq!(house.process.metric("holdfast_hub_identity_keys{hub=\"chat\"}"), 2);
    // All of them are withdrawn.
    publisher.set(Answer::json(r#"{"keys":[]}"#));
    house.process.signal(Signal::HUP);
    wait_for_metric(&house, FETCHED, 3);
    assert_eq!(try_to_connect(&house, &OTHER.rs256("a", &claims("ann"))), 401);
}

fn a_key_that_is_not_known_is_asked_for_once_a_minute(rung: DriverChoice) {
    let publisher = Publisher::of(Answer::json(&PROVIDER.keys("a")));
    let house = published(rung, &publisher, "");
    wait_for_metric(&house, FETCHED, 1);
    // Just fetched: whoever makes up names has nobody asked.
    for number in 0..50 {
        let token = PROVIDER.rs256(&format!("made up {number}"), &claims("ann"));
        assert_eq!(try_to_connect(&house, &token), 401);
    }
    assert_eq!(publisher.asked(), 1);
    wait_for_metric(&house, &tokens("key"), 50);
    assert_eq!(try_to_connect(&house, &of("ann")), 101);
}

fn a_file_of_keys_is_read_again_on_sighup(rung: DriverChoice) {
    let service = Service::quiet();
    let house = at_home(rung, &with_file(&service, ""));
    let mut client = house.client(&of("ann"));
    let said = || std::fs::read_to_string(house.path("errors")).unwrap();
    let new = OTHER.rs256("b", &claims("ann"));
    // None of them is taken with a file that is of no use.
    let key = "another-access-key-0123456789abcdefgh";
    house.write("second", key);
    for (count, broken) in ["", "{}", "<html>", r#"{"keys":[{"kty":"RSA"}]}"#].iter().enumerate() {
        house.write("keys", broken);
        house.process.signal(Signal::HUP);
        wait_until("it is said", || said().matches("hubs stay as they were").count() > count);
        assert_eq!(try_to_connect(&house, &of("ann")), 101);
        assert_eq!(try_to_connect(&house, &Token { key, ..Token::default() }.sign()), 401);
    }
    assert!(said().contains("the identity provider of hub chat is not good"), "{}", said());
    house.write("keys", &OTHER.keys("b"));
    house.process.signal(Signal::HUP);
    wait_until("the new keys are good", || try_to_connect(&house, &new) == 101);
    assert_eq!(try_to_connect(&house, &of("ann")), 401);
    assert_eq!(try_to_connect(&house, &Token { key, ..Token::default() }.sign()), 101);
    // Who is connected stays.
    client.send_text("still here");
    service.wait_for("user.message", 1);
    // Whom one believes changes, too; and that one believes anybody.
    let settings = std::fs::read_to_string(house.path("settings")).unwrap();
    house.write("settings", &settings.replace(ISSUER, "https://other.example/"));
    house.process.signal(Signal::HUP);
    wait_until("the issuer is another", || try_to_connect(&house, &new) == 401);
    let token = OTHER.rs256("b", &claims_but("ann", "iss", json!("https://other.example/")));
    assert_eq!(try_to_connect(&house, &token), 101);
    house.write("settings", settings.split("[hub.chat.identity]").next().unwrap());
    house.process.signal(Signal::HUP);
    wait_until("there is no provider", || try_to_connect(&house, &token) == 401);
    house.client(&member());
}
