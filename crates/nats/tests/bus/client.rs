//! A client of NATS for tests: lines as they are, and nothing of the crate that is tested.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::node::SOON;
use crate::server::Server;

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// What has come.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    /// As they were written.
    pub(crate) headers: String,
    pub(crate) payload: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        client
            .send(
                "CONNECT {\"verbose\":false,\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n"
                    .as_bytes(),
            )
            .await;
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Listens, and returns when the server knows.
    pub(crate) async fn subscribe(&mut self, subject: &str, group: &str) {
        self.send(format!("SUB {subject} {group} 1\r\n").as_bytes()).await;
        self.flush().await;
    }

    /// Returns when the server has dealt with all that was said. What has come meanwhile is lost.
    pub(crate) async fn flush(&mut self) {
        self.send(b"PING\r\n").await;
        while self.line().await != "PONG" {}
    }

    pub(crate) async fn publish(&mut self, subject: &str, payload: &[u8]) {
        let line = format!("PUB {subject} {}\r\n", payload.len());
        self.send(&[line.as_bytes(), payload, b"\r\n"].concat()).await;
    }

    /// With headers as they are, right or wrong.
    pub(crate) async fn publish_with(&mut self, subject: &str, headers: &[u8], payload: &[u8]) {
        let line = format!("HPUB {subject} {} {}\r\n", headers.len(), headers.len() + payload.len());
        self.send(&[line.as_bytes(), headers, payload, b"\r\n"].concat()).await;
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(SOON, self.stream.read_line(&mut line)).await.expect("in time").unwrap();
        assert!(!line.is_empty(), "the server has ended the connection");
        line.trim_end().to_owned()
    }

    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let line = self.line().await;
            let words: Vec<_> = line.split(' ').collect();
            if line == "PING" {
                self.send(b"PONG\r\n").await;
            }
            let lens = match words[0] {
                "MSG" => 1,
                "HMSG" => 2,
                _ => continue,
            };
            let len = |back: usize| words[words.len() - back].parse::<usize>().unwrap();
            let (all, headers) = (len(1), if lens == 2 { len(2) } else { 0 });
            let mut body = vec![0; all + 2];
            self.stream.read_exact(&mut body).await.unwrap();
            return Message {
                subject: words[1].to_owned(),
                reply: (words.len() == 4 + lens).then(|| words[3].to_owned()),
                headers: String::from_utf8_lossy(&body[..headers]).into_owned(),
                payload: body[headers..all].to_vec(),
            };
        }
    }

    /// The next message, if one comes soon.
    pub(crate) async fn next_within(&mut self, within: Duration) -> Option<Message> {
        timeout(within, self.next()).await.ok()
    }

    /// Whether nobody listens there.
    pub(crate) async fn is_nobody_at(&mut self, subject: &str) -> bool {
        self.send(format!("SUB reply.test 9\r\nPUB {subject} reply.test 0\r\n\r\n").as_bytes()).await;
        let answer = self.next_within(Duration::from_millis(200)).await;
        self.send(b"UNSUB 9\r\n").await;
        answer.is_some_and(|answer| answer.headers.starts_with("NATS/1.0 503"))
    }
}
