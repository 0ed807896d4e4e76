//! Who answers.

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;
use holdfast_proto::handshake::PlainRequest;

use super::response::Response;

/// A request of which the body has not been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'b> {
    /// Method, target and headers.
    pub(crate) request: PlainRequest<'b>,
    /// The client's address, if it is known.
    pub(crate) address: Option<IpAddr>,
}

/// Answers requests, in two steps: what may not ask is refused before anything is held of it.
pub(crate) trait Handler: Sync {
    /// What is known of a request from its head: all that is needed to serve it.
    type Judged: Send;

    /// Says what a request asks for, and whether it may.
    ///
    /// # Errors
    ///
    /// The answer where it may not. A body is not read then, and the connection ends if there is one.
    fn judge(&self, head: &Head<'_>) -> Result<Self::Judged, Response>;

    /// What to say where this answer is not the handler's: what came is no request, or the body of one that was judged
    /// is not taken.
    fn refused(&self, _judged: Option<&Self::Judged>, answer: Response) -> Response {
        answer
    }

    /// Answers it. Bounds its own time: neither the body's share of the budget nor the connection is free before.
    fn handle(&self, judged: Self::Judged, body: Bytes) -> impl Future<Output = Response> + Send;
}
