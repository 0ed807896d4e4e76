//! Connections that a shard has handed over, and that may go back.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use holdfast_proto::handshake::parse_request_line;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, getsockname};
use tokio::net::{TcpStream, UnixStream};

use super::handler::Handler;
use super::response::Response;
use super::server::{Ended, Server};
use crate::handle::{HandedRequest, Handle, NotServed};

/// What an upgrade hears to a path that is not a shard's.
const NO_WEBSOCKETS: &str = "There are no WebSockets below /api/, only requests.";
/// What an upgrade hears for which no shard has room.
const FULL: &str = "all connections are taken, please try again later";

/// Serves a connection until it ends or goes back to a shard.
///
/// # Errors
///
/// Where the runtime or the kernel does not take its descriptor.
pub(crate) async fn serve_handed<H: Handler>(
    handed: HandedRequest,
    server: &Server<H>,
    handle: &Handle,
) -> io::Result<()> {
    let HandedRequest { descriptor, bytes, origin, permit } = handed;
    let address = origin.address();
    // A driver may need it as it was.
    let flags = fcntl_getfl(&descriptor)?;
    let mut stream = Stream::new(descriptor)?;
    let Ended::Upgrade { bytes } = stream.serve(server, &bytes, address).await else { return Ok(()) };
    // A shard would hand it over again.
    if parse_request_line(&bytes).is_some_and(|line| line.path.starts_with("/api/")) {
        stream.turn_away(server, Response::text(404, NO_WEBSOCKETS)).await;
        return Ok(());
    }
    let descriptor = stream.into_descriptor()?;
    fcntl_setfl(&descriptor, flags)?;
    // Its place is that of a request, which it is not any more.
    let back = handle.serve(descriptor, bytes, origin);
    if let Err(NotServed { descriptor, origin, .. }) = back {
        let answer = Response::text(503, FULL).with("Retry-After", "1");
        Stream::new(descriptor)?.turn_away(server, answer).await;
        drop(origin);
    }
    drop(permit);
    Ok(())
}

/// A socket of one of the kinds that shards listen on.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
        let family = getsockname(&descriptor)?.address_family();
        Ok(if family == AddressFamily::UNIX {
            Self::Unix(UnixStream::from_std(descriptor.into())?)
        } else {
            Self::Tcp(TcpStream::from_std(descriptor.into())?)
        })
    }

    async fn serve<H: Handler>(&mut self, server: &Server<H>, came: &[u8], address: Option<IpAddr>) -> Ended {
        match self {
            Self::Tcp(stream) => server.serve(stream, came, address).await,
            Self::Unix(stream) => server.serve(stream, came, address).await,
        }
    }

    async fn turn_away<H: Handler>(&mut self, server: &Server<H>, answer: Response) {
        match self {
            Self::Tcp(stream) => server.turn_away(stream, answer).await,
            Self::Unix(stream) => server.turn_away(stream, answer).await,
        }
    }

    fn into_descriptor(self) -> io::Result<OwnedFd> {
        Ok(match self {
            Self::Tcp(stream) => stream.into_std()?.into(),
            Self::Unix(stream) => stream.into_std()?.into(),
        })
    }
}
