//! Echo over WebSocket on fastwebsockets: a task per connection, all on one thread, opening handshakes by hyper.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8085")]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = listen(arguments.listen)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
            // No descriptors, no memory: until others have gone.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Inherited by every connection: a system call less for each.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(4096)
}

async fn serve(stream: TcpStream) {
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(open));
    // An error is how a connection ends.
    let _ = connection.with_upgrades().await;
}

/// Answers an opening handshake; the connection lives on in a task of its own, without what HTTP needed.
async fn open(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, connection) = upgrade(&mut request)?;
    tokio::spawn(async move {
        let _ = tokio::task::unconstrained(echo(connection)).await;
    });
    Ok(response)
}

async fn echo(connection: UpgradeFut) -> Result<(), WebSocketError> {
    let mut connection = FragmentCollector::new(connection.await?);
    loop {
        let frame = connection.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => connection.write_frame(frame).await?,
            _ => {}
        }
    }
}
