//! Echo over WebSocket on tokio-tungstenite: a task per connection, all on one thread.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Result;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8085")]
    listen: SocketAddr,
    /// Bytes of a connection's read buffer (default: the library's 128 KiB).
    #[arg(long)]
    read_buffer: Option<usize>,
    /// Bytes kept back until they are worth a write (default: the library's 128 KiB); 0 writes at once.
    #[arg(long)]
    write_buffer: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = arguments.read_buffer.unwrap_or(config.read_buffer_size);
    config.write_buffer_size = arguments.write_buffer.unwrap_or(config.write_buffer_size);
    let listener = listen(arguments.listen)?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, config))),
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

async fn serve(stream: TcpStream, config: WebSocketConfig) {
    // An error is how a connection ends.
    let _ = echo(stream, config).await;
}

async fn echo(stream: TcpStream, config: WebSocketConfig) -> Result<()> {
    let mut connection = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = connection.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            connection.send(message).await?;
        }
    }
    Ok(())
}
