//! Bodies: read as far as they may be.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::budget::{Budget, Share};
use super::chunked::{Chunked, NotChunks, Step};
use super::framing::Framing;
use super::limits::Limits;
use super::response::Response;
use super::wire::Wire;

/// Seconds after which a client may try again that found no room for its body.
const RETRY_SECONDS: &str = "1";

/// Why there is no body.
#[derive(Debug)]
pub(super) enum NoBody {
    /// The client hears so, and the connection ends.
    Refused(Response),
    /// The client is gone.
    Gone,
}

impl NoBody {
    fn refused(status: u16, sentence: &str) -> Self {
        Self::Refused(Response::text(status, sentence))
    }

    fn too_long(most: usize) -> Self {
        Self::refused(413, &format!("Send a body of at most {most} bytes."))
    }

    fn no_room() -> Self {
        let answer = Response::text(503, "too many bodies are on their way, please try again later");
        Self::Refused(answer.with("Retry-After", RETRY_SECONDS))
    }
}

impl From<io::Error> for NoBody {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<NotChunks> for NoBody {
    fn from(_: NotChunks) -> Self {
        Self::refused(400, "Send chunks as HTTP/1.1 has them, or a body with Content-Length.")
    }
}

/// Reads a body, and what it has of the budget. One that `waits` is asked for when it is known to be wanted.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    framing: Framing,
    waits: bool,
    limits: &Limits,
    budget: &Budget,
) -> Result<(Bytes, Share), NoBody> {
    let mut share = budget.share();
    if framing == Framing::NONE {
        return Ok((Bytes::new(), share));
    }
    let most = limits.body_bytes_max;
    let read = async {
        let len = match framing {
            Framing::Length(len) => Some(within(len, most)?),
            Framing::Chunked => None,
        };
        grow(&mut share, len.unwrap_or(0))?;
        // One that did not wait needs no asking (RFC 9110 10.1.1).
        if waits && wire.unread.is_empty() {
            wire.ask_for_body().await?;
        }
        match len {
            Some(len) => Ok(wire.take(len).await?),
            None => chunks(wire, most, &mut share).await,
        }
    };
    match timeout(limits.body_time, read).await {
        Ok(body) => Ok((body?, share)),
        Err(_) => Err(NoBody::refused(408, "the body did not come in time")),
    }
}

async fn chunks<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<'_, S>,
    most: usize,
    share: &mut Share,
) -> Result<Bytes, NoBody> {
    let (mut chunked, mut body) = (Chunked::default(), BytesMut::new());
    loop {
        match chunked.step(&mut wire.unread)? {
            Step::NeedMore => wire.fill().await?,
            Step::Begins(len) => {
                within(len, most - body.len()).map_err(|_| NoBody::too_long(most))?;
            }
            Step::Data(data) => {
                grow(share, data.len())?;
                body.extend_from_slice(&data);
            }
            Step::End => return Ok(body.freeze()),
        }
    }
}

fn within(len: u64, most: usize) -> Result<usize, NoBody> {
    usize::try_from(len).ok().filter(|len| *len <= most).ok_or_else(|| NoBody::too_long(most))
}

fn grow(share: &mut Share, more: usize) -> Result<(), NoBody> {
    if share.grow(more) { Ok(()) } else { Err(NoBody::no_room()) }
}
