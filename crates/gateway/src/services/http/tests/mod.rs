//! A server on a stream that tests hold the other end of.

mod handed;
mod leaving;
mod limits;
mod listening;
mod refused;
mod serving;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::server::Ended;
use super::{Budget, Handler, Head, Limits, Response, Server};

const POST: &[u8] = b"POST /ask?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKS: &[u8] = b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
    3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n";
const GET: &[u8] = b"GET /get HTTP/1.1\r\nHost: h\r\n\r\n";
const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x80abcd";

/// Says what it was asked. Below `/secret` only with a token; `/close` ends the connection.
#[derive(Debug)]
struct Echoes;

#[derive(Debug)]
struct Asked {
    line: String,
    close: bool,
}

impl Handler for Echoes {
    type Judged = Asked;

    fn judge(&self, head: &Head<'_>) -> Result<Asked, Response> {
        let request = head.request;
        if request.path.starts_with("/secret") && request.header("authorization") != Some(b"Bearer t") {
            return Err(Response::text(401, "no").with("WWW-Authenticate", "Bearer"));
        }
        let address = head.address.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let line = format!("{} {} {address} ", request.method, request.target());
        Ok(Asked { line, close: request.path == "/close" })
    }

    async fn handle(&self, judged: Asked, body: Bytes) -> Response {
        let body = Bytes::from([judged.line.as_bytes(), &body].concat());
        Response { body, close: judged.close, ..Response::new(200) }
    }
}

/// What [`Echoes`] answers.
fn answer(line: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len())
}

/// The same, as the last one.
fn last_answer(line: &str) -> String {
    answer(line).replace("Content", "Connection: close\r\nContent")
}

struct Rig {
    server: Arc<Server<Echoes>>,
    budget: Budget,
    draining: watch::Sender<bool>,
}

impl Rig {
    fn new(limits: Limits, budget: usize) -> Self {
        let (draining, is_draining) = watch::channel(false);
        let budget = Budget::new(budget);
        let server = Arc::new(Server::new(limits, budget.clone(), is_draining, Echoes));
        Self { server, budget, draining }
    }

    fn connect(&self) -> Client {
        self.connect_with(b"", 1 << 20)
    }

    /// A client of which `came` has been read before, and whose connection holds `room` bytes.
    fn connect_with(&self, came: &[u8], room: usize) -> Client {
        let (stream, mut other) = duplex(room);
        let (server, came) = (Arc::clone(&self.server), came.to_vec());
        let served = tokio::spawn(async move {
            let ended = server.serve(&mut other, &came, Some(IpAddr::from([192, 0, 2, 1]))).await;
            (ended, other)
        });
        Client { stream, served, _draining: self.draining.clone() }
    }
}

impl Default for Rig {
    fn default() -> Self {
        Self::new(Limits::default(), 1 << 20)
    }
}

struct Client {
    stream: DuplexStream,
    served: JoinHandle<(Ended, DuplexStream)>,
    /// There is no drain while somebody has it.
    _draining: watch::Sender<bool>,
}

impl Client {
    /// Sends, and lets the server have it.
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }

    /// Reads this answer.
    async fn expect(&mut self, answer: &str) {
        let mut bytes = vec![0; answer.len()];
        self.stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), answer);
    }

    /// Reads until the server ends.
    async fn read_all(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// How it ended, once the client says that nothing more comes: what was answered, and what was left unread.
    async fn end(mut self) -> (String, Ended, Vec<u8>) {
        self.stream.shutdown().await.unwrap();
        let (ended, mut other) = self.served.await.unwrap();
        let mut unread = Vec::new();
        other.read_to_end(&mut unread).await.unwrap();
        drop(other);
        let mut answers = Vec::new();
        self.stream.read_to_end(&mut answers).await.unwrap();
        (String::from_utf8(answers).unwrap(), ended, unread)
    }
}

/// What these bytes are answered with, all in all.
async fn answers(bytes: &[u8]) -> String {
    let mut client = Rig::default().connect();
    client.send(bytes).await;
    client.end().await.0
}
