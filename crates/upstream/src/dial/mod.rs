//! From an origin to a connection that takes requests.

pub(crate) mod tls;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

pub(crate) use wire::{Mark, Meter};

use crate::address::Origin;
use crate::answer::{Failure, Kind, described};
use crate::client::Client;
use crate::limits::Limits;
use wire::{Socket, Wire};

/// Smallest buffer that hyper allows.
const BUFFER_BYTES_MIN: usize = 8192;
/// What a service may send of one answer by HTTP/2 before it is read, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all answers of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How often a connection with requests under way is asked by HTTP/2 whether it is alive, and how long it may take.
const PING: std::time::Duration = std::time::Duration::from_secs(10);

/// The body of a request.
pub(crate) type Body = Full<Bytes>;

/// What takes requests.
#[derive(Debug)]
pub(crate) enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A connection, which ends when it is dropped and nothing is under way.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) sender: Sender,
    pub(crate) meter: Arc<Meter>,
}

/// Connects within [`Limits::connect_max`], and starts the task of the connection.
pub(crate) async fn dial(origin: &Origin, client: &Client, limits: &Limits) -> Result<Link, Failure> {
    let deadline = Instant::now() + limits.connect_max;
    match origin {
        Origin::Unix(path) => plain(Socket::Unix(unix(path, deadline).await?), limits).await,
        Origin::Tcp { host, port, is_tls, .. } => {
            let places = places(host, *port, client, deadline).await?;
            let socket = Socket::Tcp(tcp(&places, deadline).await?);
            if *is_tls {
                secure(socket, host, client, limits, deadline).await
            } else {
                plain(socket, limits).await
            }
        }
    }
}

/// Where a host is. Digits need no resolver.
async fn places(
    host: &str,
    port: u16,
    client: &Client,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    match within(deadline, client.resolver.resolve(host, port)).await {
        Some(Ok(places)) if places.is_empty() => Err(Failure::unsent(Kind::Resolve, "it has no address")),
        Some(Ok(places)) => Ok(places),
        Some(Err(error)) => Err(Failure::unsent(Kind::Resolve, error)),
        None => Err(Failure::unsent(Kind::Resolve, "it took too long")),
    }
}

/// Connects to the first of `places` that can be connected to; each gets its share of the time that is left.
async fn tcp(places: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Failure> {
    let mut failure = Failure::unsent(Kind::Connect, "");
    for (index, place) in places.iter().enumerate() {
        let left = u32::try_from(places.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(place)).await {
            Ok(Ok(stream)) => {
                // Without it requests wait for acknowledgements; a socket that cannot have it works all the same.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = Failure::unsent(Kind::Connect, error),
            Err(_) => failure = Failure::unsent(Kind::Connect, "it took too long"),
        }
    }
    Err(failure)
}

async fn unix(path: &Path, deadline: Instant) -> Result<UnixStream, Failure> {
    match within(deadline, UnixStream::connect(path)).await {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(Failure::unsent(Kind::Connect, error)),
        None => Err(Failure::unsent(Kind::Connect, "it took too long")),
    }
}

async fn plain(socket: Socket, limits: &Limits) -> Result<Link, Failure> {
    let wire = Wire::new(socket, false);
    let meter = wire.meter();
    http1(wire, meter, limits).await
}

/// TLS, and then what was agreed on in it.
async fn secure(
    socket: Socket,
    host: &str,
    client: &Client,
    limits: &Limits,
    deadline: Instant,
) -> Result<Link, Failure> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Failure::unsent(Kind::Tls, error))?;
    let wire = Wire::new(socket, true);
    let meter = wire.meter();
    let connector = TlsConnector::from(Arc::clone(&client.tls.0));
    let stream = match within(deadline, connector.connect(name, wire)).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return Err(Failure::unsent(Kind::Tls, error)),
        None => return Err(Failure::unsent(Kind::Tls, "it took too long")),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream, meter, limits, deadline).await
    } else {
        http1(stream, meter, limits).await
    }
}

async fn http1<S>(stream: S, meter: Arc<Meter>, limits: &Limits) -> Result<Link, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max.max(BUFFER_BYTES_MIN))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::unsent(Kind::Connect, described(&error)))?;
    // What ends it is told to the request under way.
    tokio::spawn(async move { drop(connection.await) });
    Ok(Link { sender: Sender::Http1(sender), meter })
}

async fn http2<S>(stream: S, meter: Arc<Meter>, limits: &Limits, deadline: Instant) -> Result<Link, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let (sender, connection) = match within(deadline, builder.handshake(TokioIo::new(stream))).await {
        Some(Ok(both)) => both,
        Some(Err(error)) => return Err(Failure::unsent(Kind::Connect, described(&error))),
        None => return Err(Failure::unsent(Kind::Connect, "it took too long")),
    };
    tokio::spawn(async move { drop(connection.await) });
    Ok(Link { sender: Sender::Http2(sender), meter })
}

/// What a future gives, if it gives it in time.
async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    tokio::time::timeout_at(deadline, future).await.ok()
}
