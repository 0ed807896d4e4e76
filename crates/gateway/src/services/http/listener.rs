//! Addresses for requests alone, where no shard listens.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::handler::Handler;
use super::response::Response;
use super::server::{Ended, Server};

/// Connections that the kernel queues while there is no place for them.
const BACKLOG: i32 = 1024;
/// How long nothing is accepted when there was no descriptor or no memory for it.
const PAUSE: Duration = Duration::from_millis(200);

/// A socket that listens. Who connects waits in the kernel's queue until it is served.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: StdListener,
    address: SocketAddr,
    connections_max: usize,
}

impl Listener {
    /// Listens on `address`; port 0 takes a free port. Serves `connections_max` connections at once.
    ///
    /// # Errors
    ///
    /// As the kernel has them: the address is in use, not ours or not permitted.
    pub(crate) fn bind(address: SocketAddr, connections_max: usize) -> io::Result<Self> {
        let socket = StdListener::bind(address)?;
        socket.set_nonblocking(true)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { address: socket.local_addr()?, socket, connections_max })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then until those that are open have ended: at once, between two requests, if the
    /// server drains. Dropped, it ends them all.
    ///
    /// # Errors
    ///
    /// Where the runtime does not take the socket.
    pub(crate) async fn serve<H>(
        self,
        server: Arc<Server<H>>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        H: Handler + Send + 'static,
    {
        let listener = TcpListener::from_std(self.socket)?;
        let places = Arc::new(Semaphore::new(self.connections_max));
        let mut open = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let next = async {
                // One place is to be free before somebody comes for it.
                if places.available_permits() == 0 {
                    server.make_room();
                }
                let place = Arc::clone(&places).acquire_owned().await;
                (place, accept(&listener).await)
            };
            let (place, (stream, peer)) = tokio::select! {
                () = &mut stop => break,
                next = next => next,
            };
            while open.try_join_next().is_some() {}
            let server = Arc::clone(&server);
            open.spawn(async move {
                converse(&server, stream, peer).await;
                drop(place);
            });
        }
        drop(listener);
        while open.join_next().await.is_some() {}
        Ok(())
    }
}

async fn converse<H: Handler>(server: &Server<H>, mut stream: TcpStream, peer: SocketAddr) {
    // Answers are whole: nothing is gained by waiting for more. A socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    if let Ended::Upgrade { .. } = server.serve(&mut stream, &[], Some(peer.ip().to_canonical())).await {
        let answer = Response::text(404, "There are no WebSockets at this address, only requests.");
        server.turn_away(&mut stream, answer).await;
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                let pause = pause_after(&error);
                if !pause.is_zero() {
                    tracing::warn!(%error, "a connection for requests cannot be accepted");
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// How long to wait after this error. Where there is no descriptor for a connection, it stays in the kernel's queue and
/// the next try would fail at once.
fn pause_after(error: &io::Error) -> Duration {
    // That connection is gone, the next may be there.
    if error.kind() == io::ErrorKind::ConnectionAborted { Duration::ZERO } else { PAUSE }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn without_a_descriptor_it_is_tried_again_after_a_while() {
        for (error, pause) in
            [(Errno::MFILE, PAUSE), (Errno::NFILE, PAUSE), (Errno::CONNABORTED, Duration::ZERO)]
        {
            assert_eq!(pause_after(&error.into()), pause, "{error}");
        }
    }
}
