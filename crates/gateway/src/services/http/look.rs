//! A look at what has come of a head: all that is to be known of it, without waiting for anything.

use std::net::IpAddr;

use holdfast_proto::handshake::{PlainRequest, RequestStatus, parse_request};

use super::framing::{Framing, Persistence, expects_continue};
use super::handler::{Handler, Head};
use super::limits::Limits;
use super::response::Response;

/// What has come.
#[derive(Debug)]
pub(super) enum Look<J> {
    NeedMore,
    /// The next request asks for a WebSocket.
    Upgrade,
    Request(Asked<J>),
    /// It is no request.
    Malformed(Response),
}

/// A request as its head has it.
#[derive(Debug)]
pub(super) struct Asked<J> {
    /// Bytes of the head.
    pub(super) head_len: usize,
    pub(super) is_head: bool,
    pub(super) persistence: Persistence,
    pub(super) framing: Framing,
    /// The client waits to be asked for the body.
    pub(super) waits: bool,
    /// What the handler says.
    pub(super) judged: Result<J, Response>,
}

pub(super) fn look<H: Handler>(
    handler: &H,
    limits: &Limits,
    address: Option<IpAddr>,
    unread: &[u8],
) -> Look<H::Judged> {
    match parse_request(unread, &limits.head) {
        Ok(RequestStatus::NeedMore) => Look::NeedMore,
        Ok(RequestStatus::Upgrade) => Look::Upgrade,
        Ok(RequestStatus::Plain { request, head_len }) => {
            Look::Request(ask(handler, Head { request, address }, head_len))
        }
        Err(error) => Look::Malformed(Response::text(error.status(), &error.to_string())),
    }
}

fn ask<H: Handler>(handler: &H, head: Head<'_>, head_len: usize) -> Asked<H::Judged> {
    let request = head.request;
    let read = || -> Result<_, Response> {
        let framing = Framing::of(&request).map_err(|sentence| refusal(400, sentence))?;
        let waits =
            expects_continue(&request).map_err(|()| refusal(417, "Expect nothing but `100-continue`."))?;
        Ok((framing, waits))
    };
    let (framing, waits, judged) = match read() {
        Ok((framing, waits)) => {
            let judged = handler.judge(&head).map_err(|answer| Response {
                // What follows is a body that nobody reads.
                close: answer.close || framing != Framing::NONE,
                ..answer
            });
            (framing, waits, judged)
        }
        Err(refusal) => (Framing::NONE, false, Err(handler.refused(None, refusal))),
    };
    let PlainRequest { method, .. } = request;
    let persistence = Persistence::of(&request);
    Asked { head_len, is_head: method == "HEAD", persistence, framing, waits, judged }
}

fn refusal(status: u16, sentence: &str) -> Response {
    Response::text(status, sentence).closing()
}
