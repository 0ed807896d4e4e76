//! What is secret is shown nowhere. A process of its own: it looks at all that is logged.

#![allow(dead_code, reason = "the modules are those of other tests, too")]

use std::sync::{Arc, Mutex};
use std::{fs, io};

use holdfast_nats::{Credentials, NatsBus, Options};
use tracing_subscriber::fmt::MakeWriter;

use node::{here, options, until_error};
use server::Server;

#[path = "../bus/node.rs"]
mod node;
#[path = "../bus/server.rs"]
mod server;

const USERS: &str = "authorization { users: [ { user: holdfast, password: hunter2hunter2 } ] }";

fn with(server: &Server, credentials: &str, node: u64) -> Options {
    Options { credentials: Some(Credentials::parse(credentials).unwrap()), ..options(server, node) }
}

/// All that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn credentials_are_in_no_log_no_error_and_no_status() {
    let pair = nkeys::KeyPair::new_user();
    let (public, seed) = (pair.public_key(), pair.seed().unwrap());
    let key = format!("authorization {{ users: [ {{ nkey: {public} }} ] }}");
    let (Some(by_password), Some(by_key)) = (Server::start(USERS), Server::start(&key)) else { return };
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let mut shown = String::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    for (server, secret) in [(&by_password, "holdfast:hunter2hunter2"), (&by_key, &seed)] {
        fs::write(&file, secret).unwrap();
        let options = Options { credentials: Some(Credentials::read(&file).unwrap()), ..options(server, 1) };
        let bus = here(&options).await;
        shown += &format!("{options:?} {bus:?} {:?}", bus.status());
        // Refused, too.
        let wrong = Options { urls: vec![by_key.url()], ..with(server, "holdfast:hunter2hunter2", 2) };
        let bus = NatsBus::start(&wrong).unwrap();
        shown += &until_error(&bus, "refuses").await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap() + &shown;
    assert!(text.contains("the bus is there") && text.contains("async_nats"), "nothing was logged");
    for secret in ["hunter2", &seed[..], &seed[4..50]] {
        let at = text.find(secret).map(|at| &text[at.saturating_sub(200)..(at + 50).min(text.len())]);
        assert_eq!(at, None, "{secret}");
    }
}
