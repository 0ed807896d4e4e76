//! One request and its answer, on one connection.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::answer::{Answer, Failure, Kind, described, source};
use crate::dial::{Body, Mark, Sender};
use crate::limits::Limits;
use crate::pool::Lease;

/// A request.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    /// Without those of the connection.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Parts {
    /// In the form that the connection speaks. `None` where hyper takes it for none.
    fn request(self, authority: &str, is_http2: bool) -> Option<Request<Body>> {
        let (is_post, len) = (self.method == Method::POST, self.body.len());
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            let uri = Uri::builder().scheme("https").authority(authority).path_and_query(self.target);
            *request.uri_mut() = uri.build().ok()?;
        } else {
            *request.uri_mut() = Uri::from(self.target);
            request.headers_mut().insert(HOST, HeaderValue::try_from(authority).ok()?);
        }
        // hyper leaves it out where there is no body, and some services will not have that.
        if is_post {
            request.headers_mut().insert(CONTENT_LENGTH, len.into());
        }
        Some(request)
    }
}

/// Sends a request and reads the answer. `mark` is where it begins, for who gives up waiting.
pub(crate) async fn exchange(
    lease: &mut Lease,
    parts: Parts,
    authority: &str,
    limits: &Limits,
    mark: &Mark,
) -> Result<Answer, Failure> {
    let is_http2 = matches!(lease.link.sender, Sender::Http2(_));
    let Some(request) = parts.request(authority, is_http2) else {
        return Err(Failure::unsent(Kind::Unsendable, "its target or host is not valid"));
    };
    let sent = match &mut lease.link.sender {
        Sender::Http1(sender) => sender.try_send_request(request).await,
        Sender::Http2(sender) => sender.try_send_request(request).await,
    };
    let response = sent.map_err(|error| unanswered(&error, mark))?;
    let (head, body) = whole_head(response, limits)?.into_parts();
    let body = read(body, limits.answer_bytes_max).await?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Why there is no head of an answer, and whether the service may have heard the request.
fn unanswered(error: &TrySendError<Request<Body>>, mark: &Mark) -> Failure {
    let cause = error.error();
    let kind = if cause.is_parse() { Kind::Malformed } else { Kind::Broken };
    // Given back, it never reached the connection.
    if error.message().is_some() || is_refused(cause) || !mark.settle() {
        Failure::unsent(kind, described(cause))
    } else {
        Failure::sent(kind, described(cause))
    }
}

/// Whether the service said by HTTP/2 that it has not looked at a request: it refused the stream, or it goes away and
/// named an earlier stream as the last that it has seen. Such requests are as good as unsent (RFC 9113, 8.7).
fn is_refused(error: &hyper::Error) -> bool {
    source::<h2::Error>(error).is_some_and(|error| {
        let is_reset = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_reset || error.is_go_away())
    })
}

/// Refuses answers whose head says that they are past the bounds.
fn whole_head(response: Response<Incoming>, limits: &Limits) -> Result<Response<Incoming>, Failure> {
    let headers = response.headers();
    if headers.len() > limits.headers_max {
        return Err(Failure::sent(Kind::Malformed, "its head has too many fields"));
    }
    let is_encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(is_encoded) {
        return Err(Failure::sent(Kind::Encoded, "nobody asked for a content encoding"));
    }
    let said = hyper::body::Body::size_hint(response.body()).lower();
    if said > limits.answer_bytes_max as u64 {
        return Err(too_long());
    }
    Ok(response)
}

fn too_long() -> Failure {
    Failure::sent(Kind::TooLong, "")
}

/// The body, if it is no longer than `most` bytes.
async fn read(mut body: Incoming, most: usize) -> Result<Bytes, Failure> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let kind = if error.is_parse() { Kind::Malformed } else { Kind::Broken };
            Failure::sent(kind, described(&error))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > most {
            return Err(too_long());
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// How long a service says that it keeps a connection without requests, less a second.
pub(crate) fn kept(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("keep-alive")?.to_str().ok()?;
    let seconds =
        text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u32>().ok())?;
    Some(Duration::from_secs(u64::from(seconds.saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_service_keeps_connections_is_read_from_its_answers() {
        let said = |text: &'static str| {
            kept(&HeaderMap::from_iter([(
                http::header::HeaderName::from_static("keep-alive"),
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(said("timeout=5"), Some(Duration::from_secs(4)));
        assert_eq!(said("max=100, timeout=0"), Some(Duration::ZERO));
        assert_eq!(said("timeout=x"), None);
        assert_eq!(said("max=3"), None);
        assert_eq!(kept(&HeaderMap::new()), None);
    }
}
