//! Echo over WebSocket on tokio-uring: a task and a buffer per connection, all on one thread. The library has no
//! framing, so the opening handshake and the frames are handled here, as those who build on it have to.

mod buffer;
mod frames;
mod handshake;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use socket2::{Domain, Socket, Type};
use tokio_uring::buf::BoundedBuf as _;
use tokio_uring::net::{TcpListener, TcpStream};

use buffer::{Buffer, Buffers};
use frames::{Echo, Turn};

/// A message may be as large as with the other variants.
const FRAME_BYTES_MAX: usize = 64 << 20;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8085")]
    listen: SocketAddr,
    /// Bytes of a connection's buffer; a frame that is longer is collected elsewhere.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u16).range(16..))]
    buffer: u16,
    /// Buffers registered with the ring at the start, at most what the library takes; connections beyond have one
    /// that is not.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    registered: u16,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    tokio_uring::builder().entries(4096).start(async {
        let buffers = Rc::new(Buffers::new(arguments.buffer.into(), arguments.registered.into())?);
        let listener = listen(arguments.listen)?;
        println!("listening on ws://{}/", listener.local_addr()?);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio_uring::spawn(serve(stream, Rc::clone(&buffers)))),
                // No descriptors, no memory: until others have gone.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Inherited by every connection: a system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

async fn serve(stream: TcpStream, buffers: Rc<Buffers>) {
    if handshake::open(&stream).await.is_err() {
        return;
    }
    // In a task of its own, without what the opening handshake needed. An error is how a connection ends.
    match buffers.registered() {
        Some(buffer) => tokio_uring::spawn(async move { drop(echo(&stream, buffer).await) }),
        None => {
            let buffer = buffers.own();
            tokio_uring::spawn(async move { drop(echo(&stream, buffer).await) })
        }
    };
}

async fn echo(stream: &TcpStream, mut buffer: impl Buffer) -> io::Result<()> {
    let mut echo = Echo::default();
    let mut len = 0;
    loop {
        let (result, slice) = buffer.read(stream, len).await;
        buffer = slice.into_inner();
        len += some(result)?;
        let Turn { mut reply, consumed, frame_len, end } = echo.turn(&mut buffer[..len]);
        while !reply.is_empty() {
            let (result, slice) = buffer.write(stream, reply.clone()).await;
            buffer = slice.into_inner();
            reply.start += result?;
        }
        // What is rare is boxed, so that a task has no room for it while it waits.
        if let Some(end) = end {
            return Box::pin(end_with(stream, end)).await;
        }
        buffer.copy_within(consumed..len, 0);
        len -= consumed;
        if frame_len > buffer.len() {
            let frame = Box::pin(collect(stream, &buffer[..len], frame_len)).await?;
            if !Box::pin(echo_one(stream, &mut echo, frame)).await? {
                return Ok(());
            }
            len = 0;
        }
    }
}

/// The count of a read, which is 0 at the end of the stream.
fn some(result: io::Result<usize>) -> io::Result<usize> {
    result.and_then(|count| if count > 0 { Ok(count) } else { Err(io::ErrorKind::UnexpectedEof.into()) })
}

/// The rest of a frame that is too long for the buffer, behind what has come of it.
async fn collect(stream: &TcpStream, start: &[u8], frame_len: usize) -> io::Result<Vec<u8>> {
    if frame_len > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; frame_len];
    frame[..start.len()].copy_from_slice(start);
    let mut len = start.len();
    while len < frame_len {
        let (result, slice) = frame.read(stream, len).await;
        frame = slice.into_inner();
        len += some(result)?;
    }
    Ok(frame)
}

/// Whether the connection goes on.
async fn echo_one(stream: &TcpStream, echo: &mut Echo, mut frame: Vec<u8>) -> io::Result<bool> {
    let turn = echo.turn(&mut frame);
    if !turn.reply.is_empty() {
        stream.write_all(frame.slice(turn.reply)).await.0?;
    }
    match turn.end {
        None => Ok(true),
        Some(end) => end_with(stream, end).await.map(|()| false),
    }
}

async fn end_with(stream: &TcpStream, end: frames::End) -> io::Result<()> {
    if let frames::End::Error(code) = end {
        let [high, low] = code.to_be_bytes();
        stream.write_all(vec![0x88, 2, high, low]).await.0?;
    }
    stream.shutdown(std::net::Shutdown::Write)
}
