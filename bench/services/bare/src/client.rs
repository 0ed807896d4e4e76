//! The client: each connection sends its next request when it has the answer to the last.

use std::cell::Cell;
use std::io::Read as _;
use std::rc::Rc;
use std::time::Instant;

use anyhow::ensure;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

use crate::request::Recorded;

#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) requests: u64,
    /// What each answer must say.
    pub(crate) status: u16,
}

/// Connects, says so, waits for a byte on standard input, sends, says how long it took, waits for another byte: so that
/// whoever measures can look before and after.
pub(crate) async fn run(request: Recorded, address: &str, load: Load) -> anyhow::Result<()> {
    let left = Rc::new(Cell::new(load.requests));
    LocalSet::new()
        .run_until(async {
            let mut connections = Vec::new();
            for _ in 0..load.connections {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                spawn_local(connection);
                connections.push(sender);
            }
            println!("connected");
            wait()?;
            let begin = Instant::now();
            let tasks: Vec<_> = connections
                .into_iter()
                .map(|mut sender| {
                    let (request, left) = (request.clone(), Rc::clone(&left));
                    spawn_local(async move {
                        while let Some(rest) = left.get().checked_sub(1) {
                            left.set(rest);
                            sender.ready().await?;
                            let answer = sender.send_request(request.to_request()?).await?;
                            let status = answer.status().as_u16();
                            let body = answer.into_body().collect().await?.to_bytes();
                            ensure!(
                                status == load.status,
                                "answered {status}: {}",
                                String::from_utf8_lossy(&body)
                            );
                        }
                        anyhow::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            println!("done in {} s", begin.elapsed().as_secs_f64());
            wait()
        })
        .await
}

/// Nothing is under way meanwhile.
fn wait() -> anyhow::Result<()> {
    Ok(std::io::stdin().read_exact(&mut [0])?)
}
