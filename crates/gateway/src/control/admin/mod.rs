//! The admin server: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever supervises the process, `/drain`
//! for whoever deploys it, `/broadcast` for whoever has something to say to everybody, and the console for whoever
//! wants to see what goes on.
//!
//! It is a task of the control thread, and reads what the shards count. It is meant for loopback or a private network:
//! whoever asks from elsewhere, or from a web page, for what changes something needs a token, and a page must be our
//! own. A peer that is slow, silent or greedy costs a bounded amount: [`CONNECTIONS_MAX`] connections at once, one
//! request each of at most [`HEAD_BYTES_MAX`] bytes of head and message-bytes-max of body, all of it within
//! [`CONVERSATION_MAX`]. And it costs nobody else an answer: who comes when all places are taken gets that of another
//! (see `conversations`).

mod broadcast;
mod console;
mod conversations;
mod guard;
mod health;
mod routes;
mod started;
mod state;
mod status;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use conversations::CONNECTIONS_MAX;
pub use health::{Health, SILENCE_MAX, Stuck};
pub use started::Started;
pub use state::AdminState;

use crate::settings::Secret;
use crate::start::Patience;
use conversations::{Conversations, HeadCame};

/// Connections that the kernel queues while the control thread is busy with an answer.
const BACKLOG: i32 = 1024;
/// Longest request head in bytes. hyper allows no smaller bound.
pub const HEAD_BYTES_MAX: usize = 8192;
/// Most header fields of a request.
pub const HEADERS_MAX: usize = 64;
/// How long a request head may take.
pub const HEAD_MAX: Duration = Duration::from_secs(2);
/// How long a connection may take from accept to the last byte of the response.
pub const CONVERSATION_MAX: Duration = Duration::from_secs(10);
/// How long responses under way may still take at the end.
const GRACE: Duration = Duration::from_secs(1);

/// The admin server cannot listen.
#[derive(Debug)]
pub struct AdminError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        write!(f, "the admin server cannot listen on {address}: ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => f.write_str("it is taken, another process listens there")?,
            io::ErrorKind::AddrNotAvailable => f.write_str("it is no address of this machine")?,
            io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                f.write_str("ports below 1024 are not permitted to this process")?;
            }
            _ => error.fmt(f)?,
        }
        f.write_str(": change admin, or set it to off")
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// An admin server that listens and does not answer yet. Bound before the shards start, so that a port in use is known
/// early; what connects meanwhile waits in the kernel's queue.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    head_max: Duration,
}

impl Admin {
    /// Listens on `address`; port 0 takes a free port. An address in use is waited for for some seconds.
    ///
    /// # Errors
    ///
    /// A sentence for the operator where the address is in use, not ours or not permitted.
    pub fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        Self::bind_within(address, &mut Patience::default())
    }

    fn bind_within(address: SocketAddr, patience: &mut Patience) -> Result<Self, AdminError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            rustix::net::listen(&listener, BACKLOG)?;
            Ok(Self { address: listener.local_addr()?, listener, head_max: HEAD_MAX })
        };
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
        patience.retry(&address, bind, is_taken).map_err(|error| AdminError { address, error })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is done, on the runtime that polls this; then gives responses under way a second.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot take the listener: it has no I/O driver, or the process is out of descriptors.
    pub async fn serve(self, state: AdminState, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let token = state.token.clone();
        let router = routes::router(Arc::new(state));
        let mut conversations = Conversations::default();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                () = conversations.one_ends(), if !conversations.is_empty() => {}
                accepted = accept(&listener) => {
                    // Not a pattern of this branch: one that does not match is out until another branch is done.
                    let Some(stream) = accepted else { continue };
                    let token = token.clone();
                    conversations.take(|came| converse(stream, router.clone(), token, self.head_max, came));
                    conversations.make_room().await;
                    // What has come is looked at before the next one is accepted: a crowd does not push out those of
                    // its members who have something to say.
                    tokio::task::yield_now().await;
                }
            }
        }
        drop(listener);
        // What is not answered by then ends with the set.
        let _ = timeout(GRACE, conversations.all_end()).await;
        Ok(())
    }

    /// Answers on this runtime, until what is returned is stopped or dropped.
    pub(super) fn start(self, state: AdminState, runtime: &Handle) -> AdminServer {
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = mpsc::channel();
        runtime.spawn(async move {
            // Dropping `stop` ends it as well as sending.
            let outcome = self.serve(state, async { drop(stopped.await) }).await;
            // Nobody may wait for it any more.
            let _ = end.send(outcome);
        });
        AdminServer { stop: Some(stop), ended }
    }
}

/// An admin server that answers. Ends when dropped.
#[derive(Debug)]
pub struct AdminServer {
    /// None once it was told to stop.
    stop: Option<oneshot::Sender<()>>,
    ended: mpsc::Receiver<io::Result<()>>,
}

impl AdminServer {
    /// Stops answering and waits for responses under way, about a second at most.
    ///
    /// # Errors
    ///
    /// Those of [`Admin::serve`], and where it panicked.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        /// Where the machine has little CPU for it.
        const PATIENCE: Duration = Duration::from_secs(10);
        if self.stop.take().is_none() {
            return Ok(());
        }
        self.ended.recv_timeout(PATIENCE).unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        if !thread::panicking()
            && let Err(error) = self.end()
        {
            tracing::warn!(%error, "the admin server ended");
        }
    }
}

/// The next connection. `None` after an error of accept, which was waited out.
async fn accept(listener: &tokio::net::TcpListener) -> Option<TcpStream> {
    const PAUSE: Duration = Duration::from_millis(200);
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "the admin server cannot accept a connection");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// One request and its response.
async fn converse(
    stream: TcpStream,
    router: Router,
    token: Option<Secret>,
    head_max: Duration,
    came: HeadCame,
) {
    let is_local = stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        came.note();
        let (method, path) = (request.method(), request.uri().path());
        let answer = match guard::refused(method, path, request.headers(), is_local, token.as_ref()) {
            Some(refused) => Err(refused.into_response()),
            None => Ok(router.call(request)),
        };
        async move {
            match answer {
                Ok(answer) => answer.await,
                Err(refused) => Ok(refused),
            }
        }
    });
    match timeout(CONVERSATION_MAX, http.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request to the admin server failed"),
        Err(_) => tracing::debug!("a request to the admin server took too long"),
    }
}

#[cfg(test)]
mod tests;
