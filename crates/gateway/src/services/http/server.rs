//! A connection from its first request to its last.

use std::net::IpAddr;
use std::pin::pin;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::body::{self, NoBody};
use super::budget::Budget;
use super::framing::Persistence;
use super::handler::Handler;
use super::limits::Limits;
use super::look::{Asked, Look, look};
use super::response::Response;
use super::wire::Wire;

/// How serving a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The next request asks for a WebSocket.
    Upgrade {
        /// All that came behind the last request: the upgrade's whole head, and what followed it.
        bytes: Vec<u8>,
    },
    /// It is over, and all that was to be said is said. Drop the stream.
    Closed,
}

/// Serves connections: what they share.
#[derive(Debug)]
pub(crate) struct Server<H> {
    limits: Limits,
    budget: Budget,
    draining: watch::Receiver<bool>,
    /// Somebody wants the place of a connection that waits for nothing in particular.
    crowded: Notify,
    handler: H,
}

/// Why the next request is not there.
enum NoRequest {
    Upgrade,
    Malformed(Response),
    /// Nobody waits for an answer.
    Over,
}

impl<H: Handler> Server<H> {
    /// While `draining` is true, or when its sender is gone, each connection ends behind its next answer, and at once
    /// where it is between two requests.
    pub(crate) fn new(limits: Limits, budget: Budget, draining: watch::Receiver<bool>, handler: H) -> Self {
        Self { limits, budget, draining, crowded: Notify::new(), handler }
    }

    /// Closes the connection that has been without a request for longest; where there is none, the next.
    pub(crate) fn make_room(&self) {
        self.crowded.notify_one();
    }

    /// Serves the requests of a connection, one after the other, until it ends or one is an upgrade. `came` is what has
    /// been read of it.
    pub(crate) async fn serve<S>(&self, stream: &mut S, came: &[u8], address: Option<IpAddr>) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut wire = Wire::new(stream, came);
        let mut is_first = true;
        loop {
            match self.next(&mut wire, address, is_first).await {
                Ok(asked) => {
                    if !self.answer(&mut wire, asked).await {
                        return Ended::Closed;
                    }
                }
                Err(NoRequest::Upgrade) => return Ended::Upgrade { bytes: wire.unread.into() },
                Err(NoRequest::Malformed(answer)) => {
                    let answer = self.handler.refused(None, answer);
                    self.say_last(&mut wire, answer, false).await;
                    return Ended::Closed;
                }
                Err(NoRequest::Over) => return Ended::Closed,
            }
            is_first = false;
        }
    }

    /// Answers a connection's next request without looking at it, and ends.
    pub(crate) async fn turn_away<S>(&self, stream: &mut S, answer: Response)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.say_last(&mut Wire::new(stream, &[]), answer, false).await;
    }

    /// Waits for the next request's head, which stays unread.
    async fn next<S>(
        &self,
        wire: &mut Wire<'_, S>,
        address: Option<IpAddr>,
        is_first: bool,
    ) -> Result<Asked<H::Judged>, NoRequest>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = &self.limits;
        let mut leave = pin!(self.leave(is_first));
        let mut deadline = Instant::now() + if is_first { limits.head_time } else { limits.idle_time };
        let (mut looked, mut has_begun) = (0, false);
        loop {
            let is_long = wire.unread.len() >= limits.head.head_bytes_max;
            // Only the end of a line can end the head, or show that it is wrong.
            if is_long || wire.unread[looked..].contains(&b'\n') {
                match look(&self.handler, limits, address, &wire.unread) {
                    Look::NeedMore => {}
                    Look::Upgrade => return Err(NoRequest::Upgrade),
                    Look::Request(asked) => return Ok(asked),
                    Look::Malformed(answer) => return Err(NoRequest::Malformed(answer)),
                }
            }
            looked = wire.unread.len();
            if !has_begun && begins(&wire.unread) {
                has_begun = true;
                deadline = if is_first { deadline } else { Instant::now() + limits.head_time };
            }
            tokio::select! {
                biased;
                filled = timeout_at(deadline, wire.fill()) => match filled {
                    Ok(Ok(())) => {}
                    Err(_) if has_begun => {
                        let late = Response::text(408, "the request did not come in time");
                        return Err(NoRequest::Malformed(late));
                    }
                    Ok(Err(_)) | Err(_) => return Err(NoRequest::Over),
                },
                () = &mut leave, if !has_begun => return Err(NoRequest::Over),
            }
        }
    }

    /// Is done when a connection without a request is to end. In a drain a new one may have its first: that is on its
    /// way.
    async fn leave(&self, is_first: bool) {
        let mut draining = self.draining.clone();
        tokio::select! {
            () = self.crowded.notified() => {}
            _ = draining.wait_for(|it| *it), if !is_first => {}
        }
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow() || self.draining.has_changed().is_err()
    }

    /// Reads a request's body and answers it. Returns whether the connection goes on.
    async fn answer<S>(&self, wire: &mut Wire<'_, S>, asked: Asked<H::Judged>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let Asked { head_len, is_head, persistence, framing, waits, judged } = asked;
        wire.unread.advance(head_len);
        let answer = match judged {
            Ok(judged) => match body::read(wire, framing, waits, &self.limits, &self.budget).await {
                Ok((body, _share)) => self.handler.handle(judged, body).await,
                Err(NoBody::Refused(answer)) => self.handler.refused(Some(&judged), answer).closing(),
                Err(NoBody::Gone) => return false,
            },
            Err(answer) => answer,
        };
        if answer.close || persistence == Persistence::Ends || self.is_draining() {
            self.say_last(wire, answer, is_head).await;
            return false;
        }
        let connection = (persistence == Persistence::Told).then_some("keep-alive");
        wire.send(answer, is_head, connection, self.limits.answer_time).await.is_ok()
    }

    async fn say_last<S>(&self, wire: &mut Wire<'_, S>, answer: Response, is_head: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let said = wire.send(answer, is_head, Some("close"), self.limits.answer_time).await;
        if said.is_ok() {
            wire.linger(self.limits.linger_time).await;
        }
    }
}

/// Whether a request has begun. Empty lines before it are none of it (RFC 9112 2.2).
fn begins(unread: &[u8]) -> bool {
    unread.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
}
