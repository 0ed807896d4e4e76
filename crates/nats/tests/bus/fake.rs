//! A server that says what a test wants.

use std::future::Future;
use std::time::Duration;

use holdfast_nats::{NatsBus, Options};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// What a proper server says of itself. The name distinguishes it.
pub(crate) fn info(name: &str, more: &str) -> String {
    let names = format!("\"server_id\":\"{name}\",\"server_name\":\"{name}\"");
    format!("INFO {{{names},\"max_payload\":2097152,\"headers\":true{more}}}\r\n")
}

pub(crate) const NOBODY: &str = "16 16\r\nNATS/1.0 503\r\n\r\n\r\n";

/// Listens, and gives each connection with its number to `serve`.
pub(crate) async fn listen<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, number));
        }
    });
    port
}

/// Speaks as a server does, and once the client has had its first answer says what is given, each after a time.
pub(crate) async fn proper(stream: TcpStream, info: String, says: Vec<(u64, Vec<u8>)>) {
    let (reader, mut writer) = stream.into_split();
    let (mut lines, mut says) = (BufReader::new(reader).lines(), says.into_iter());
    let _ = writer.write_all(info.as_bytes()).await;
    let (mut is_known, mut next, mut last) = (false, says.next(), Instant::now());
    loop {
        let wait = Duration::from_millis(next.as_ref().map_or(0, |(wait, _)| *wait));
        let line = tokio::select! {
            line = lines.next_line() => line,
            () = sleep_until(last + wait), if is_known && next.is_some() => {
                let _ = writer.write_all(&next.unwrap().1).await;
                (next, last) = (says.next(), Instant::now());
                continue;
            }
        };
        let Ok(Some(line)) = line else { return };
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words[..] {
            ["PING"] => "PONG\r\n".to_owned(),
            ["PUB", _, reply, "0"] => format!("HMSG {reply} 1 {NOBODY}"),
            _ => continue,
        };
        is_known |= words.len() == 4;
        let _ = writer.write_all(answer.as_bytes()).await;
    }
}

/// A bus that knows of the server at this port.
pub(crate) fn bus(port: u16) -> NatsBus {
    NatsBus::start(&Options {
        urls: vec![format!("127.0.0.1:{port}")],
        client_name: "test".to_owned(),
        queue_bytes: 1 << 20,
        subjects: vec!["hf1.test.h.a.*".to_owned()],
        probe: "hf1.test.n.000000000001".to_owned(),
        message_max: 1 << 20,
        ..Options::default()
    })
    .unwrap()
}
