//! What an operator must mend is one sentence.

use holdfast_cluster::bus::{Bus, BusState};
use holdfast_nats::{Credentials, NatsBus, Options};

use crate::node::{here, next, number, options, say, until, until_error};
use crate::server::Server;

const USERS: &str = r#"
accounts { HOLDFAST { users: [
  { user: holdfast, password: hunter2hunter2, permissions: { publish: ["hf1.test.>"], subscribe: ["hf1.test.>"] } }
  { user: narrow, password: narrow, permissions: { publish: ["hf1.test.>"], subscribe: ["hf1.test.n.>"] } }
  { user: silent, password: silent, permissions: { publish: ["hf1.test.n.>"], subscribe: ["hf1.test.>"] } }
  { user: mute, password: mute, permissions: { publish: ["other"], subscribe: ["hf1.test.>"] } }
] } }"#;

fn with(server: &Server, credentials: &str, node: u64) -> Options {
    Options { credentials: Some(Credentials::parse(credentials).unwrap()), ..options(server, node) }
}

#[tokio::test]
async fn an_account_of_its_own_with_the_clusters_subjects_is_enough() {
    let Some(server) = Server::start(USERS) else { return };
    let mut a = here(&with(&server, "holdfast:hunter2hunter2", 1)).await;
    let mut b = here(&with(&server, "holdfast:hunter2hunter2", 2)).await;
    say(&mut a, 3, 8).unwrap();
    assert_eq!(number(&next(&mut b).await), 3);
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_said() {
    let Some(server) = Server::start(USERS) else { return };
    let bus = NatsBus::start(&with(&server, "holdfast:wrong", 1)).unwrap();
    let error = until_error(&bus, "credentials").await;
    assert_eq!(error, format!("{} refuses the credentials", server.url()));
    let bus = NatsBus::start(&options(&server, 1)).unwrap();
    let error = until_error(&bus, "credentials").await;
    assert_eq!(error, format!("{} wants credentials, and none are given", server.url()));
}

#[tokio::test]
async fn a_users_key_is_enough() {
    let pair = nkeys::KeyPair::new_user();
    let (public, seed) = (pair.public_key(), pair.seed().unwrap());
    let Some(server) = Server::start(&format!("authorization {{ users: [ {{ nkey: {public} }} ] }}")) else {
        return;
    };
    here(&with(&server, &seed, 1)).await;
    let other = nkeys::KeyPair::new_user().seed().unwrap();
    let bus = NatsBus::start(&with(&server, &other, 2)).unwrap();
    until_error(&bus, "refuses the credentials").await;
}

#[tokio::test]
async fn a_denied_subject_is_said_and_the_bus_is_not_there() {
    let Some(server) = Server::start(USERS) else { return };
    // What it listens to, what it says at its start.
    for (credentials, part) in
        [("narrow:narrow", "Subscription to \"hf1.test.h.a.*\""), ("mute:mute", "Publish to \"hf1.test.n.")]
    {
        let bus = NatsBus::start(&with(&server, credentials, 1)).unwrap();
        let error = until_error(&bus, part).await;
        assert!(error.contains("denies a subject"), "{error}");
        assert_eq!(bus.status().counts.sessions, 0);
    }
    // What it says later.
    let mut bus = here(&with(&server, "silent:silent", 1)).await;
    say(&mut bus, 1, 8).unwrap();
    until_error(&bus, "Publish to \"hf1.test.h.a.all\"").await;
}

#[tokio::test]
async fn a_server_that_takes_too_little_is_said_and_found_whenever_it_is_connected_to() {
    let Some(server) = Server::start("max_payload: 1048576") else { return };
    let bus = NatsBus::start(&options(&server, 1)).unwrap();
    let error = until_error(&bus, "max_payload").await;
    let sentence =
        "takes messages of at most 1048576 bytes, and 1114112 are needed: set its max_payload to 1114112";
    assert_eq!(error, format!("{} {sentence}", server.url()));
    let server = Server::start_on(server.kill(), "").unwrap();
    until(&bus, "it is there", |bus| bus.state() != BusState::Away).await;
    let _server = Server::start_on(server.kill(), "max_payload: 4096").unwrap();
    until_error(&bus, "at most 4096 bytes").await;
}
