//! What the tests stand on: services written by hand, byte by byte, on sockets of this process, and a resolver that
//! says what it is told.

#![allow(dead_code, unreachable_pub, reason = "each test binary is a crate and uses its own part of the rig")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use holdfast_upstream::{Address, Client, Endpoint, Limits, Lookup, Outcome, Repeat, Resolve, Tls};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any test takes.
pub const NEVER: Duration = Duration::from_secs(3600);
/// Longer than [`NEVER`], whatever the jitter.
pub const PAST_THE_END: Duration = Duration::from_secs(10 * 3600);
/// A time limit that is to be met in a test.
pub const SOON: Duration = Duration::from_millis(100);
/// What a content service says.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What a discontent one says.
pub const BAD: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/// No time limit is met, repeats follow at once.
pub fn limits() -> Limits {
    Limits {
        timeout: NEVER,
        attempt_max: NEVER,
        connect_max: NEVER,
        idle_max: NEVER,
        age_max: NEVER,
        delays: [Duration::from_millis(1); 3],
        failures_max: 1000,
        ..Limits::default()
    }
}

pub fn endpoint(addresses: &[&str], limits: Limits) -> Endpoint {
    endpoint_of(&Client::new(Tls::new(None).unwrap()), addresses, limits)
}

pub fn endpoint_of(client: &Client, addresses: &[&str], limits: Limits) -> Endpoint {
    let addresses = addresses.iter().map(|text| Address::parse(text, &["hub", "event"]).unwrap());
    Endpoint::new(client, addresses.collect(), limits)
}

pub async fn post(endpoint: &Endpoint, repeat: Repeat) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert("ce-id", "7".parse().unwrap());
    endpoint
        .post(
            &[("hub", "chat"), ("event", "message")],
            || headers.clone(),
            Bytes::from_static(b"hello"),
            repeat,
        )
        .await
}

pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    (listener, address)
}

/// An address at which nobody listens.
pub async fn nowhere() -> String {
    listen().await.1
}

pub async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// The next request, head and body.
pub async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the end after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            return text;
        }
    }
}

pub async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Waits until the other side has closed.
pub async fn ended(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// A resolver that says what it is told.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<SocketAddr>>>);

impl Told {
    pub fn say(&self, places: &[SocketAddr]) {
        *self.0.lock().unwrap() = places.to_vec();
    }

    pub fn client(&self, tls: Tls) -> Client {
        Client::with_resolver(tls, Arc::new(self.clone()))
    }
}

impl Resolve for Told {
    fn resolve(&self, _host: &str, _port: u16) -> Lookup {
        let places = self.0.lock().unwrap().clone();
        Box::pin(async move { if places.is_empty() { Err(io::Error::other("unknown")) } else { Ok(places) } })
    }
}

/// Asserts that a text has none of some words.
pub fn assert_has_none(text: &str, words: &[&str], whence: impl Debug) {
    for word in words {
        assert!(!text.contains(word), "{word} in {whence:?}: {text}");
    }
}
