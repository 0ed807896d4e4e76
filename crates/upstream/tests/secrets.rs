//! What is secret is in no log, whatever goes wrong.

#![allow(clippy::unwrap_used, reason = "tests")]

mod rig;

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use holdfast_upstream::{Address, Limits, Repeat};
use http::HeaderMap;
use tokio::join;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use rig::*;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const SECRETS: [&str; 4] = ["marker-code", "marker-user", "marker-password", "marker-token"];

#[tokio::test]
async fn secrets_of_addresses_and_requests_are_neither_logged_nor_shown() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (listener, address) = listen().await;
    let with_secrets = |address: &str| {
        address.replace("http://", "http://marker-user:marker-password@")
            + "events/{hub}?code=marker-code&e={event}"
    };
    let (address, refused) = (with_secrets(&address), with_secrets(&nowhere().await));
    let limits = Limits {
        failures_max: 1,
        open_min: PAST_THE_END,
        open_max: PAST_THE_END,
        delays: [PAST_THE_END; 3],
        ..limits()
    };
    let endpoint = endpoint(&[&refused, &address], limits);
    let mut headers = HeaderMap::new();
    headers.insert("x-token", "marker-token".parse().unwrap());
    let service = async {
        let mut stream = accept(&listener).await;
        let text = heard(&mut stream).await;
        say(&mut stream, &text).await;
        text
    };
    let body = Bytes::from_static(b"marker-token");
    let (outcome, text) = join!(endpoint.post(&[], || headers.clone(), body, Repeat::UnlessSent), service);
    // It was sent, and came back as an answer that is none.
    assert!(
        text.contains("marker-code")
            && text.contains("marker-token")
            && text.contains("authorization: Basic")
    );
    let failure = outcome.result.unwrap_err();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("a service is left alone for a while") && logged.contains("/events/{hub}"),
        "{logged}"
    );
    assert_has_none(&logged, &SECRETS, "the log");
    assert_has_none(&format!("{failure} {failure:?}"), &SECRETS, "the failure");
    assert_has_none(&format!("{endpoint:?}"), &SECRETS, "the endpoint");
    let error = Address::parse(&(address + "#"), &[]).unwrap_err();
    assert_has_none(&format!("{error} {error:?}"), &SECRETS, "the error");
}
