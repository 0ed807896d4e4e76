//! Headers of an event.

use std::borrow::Cow;

use super::time::rfc3339;
use super::trace::is_traceparent;
use crate::data::DataKind;
use crate::token::Keys;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// A client wants to connect, and waits.
    Connect,
    /// It is connected.
    Connected,
    /// It is no more.
    Disconnected,
    /// It says something, and waits.
    User {
        /// The event's name.
        name: &'a str,
        /// Of what kind the body is.
        kind: DataKind,
    },
}

/// An event, but for its body. Texts may be any: what no header can carry is percent-encoded.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// What happened.
    pub kind: EventKind<'a>,
    /// In which hub.
    pub hub: &'a str,
    /// With which connection: the id as text.
    pub connection_id: &'a str,
    /// Which event of the connection this is: the same text each time that it is sent.
    pub id: &'a str,
    /// When it happened, in seconds since 1970.
    pub time_s: u64,
    /// Whose connection it is.
    pub user: Option<&'a str>,
    /// Which subprotocol was agreed on; none before the connect event is answered.
    pub subprotocol: Option<&'a str>,
    /// What the service said last that is to be kept. An empty one is left out.
    pub state: Option<&'a str>,
    /// The trace that the client's request belongs to. Left out if it is none.
    pub traceparent: Option<&'a str>,
    /// The host of the gateway's endpoint: [`Endpoint::host`](crate::Endpoint::host).
    pub origin: &'a str,
}

impl Event<'_> {
    /// The headers, names in lowercase, and none of them twice. Without keys there is no signature.
    ///
    /// `ce-userid` is the user's name as it is if it is of printable ASCII, spaces only inside, and without `%` and two
    /// hex digits. All other bytes of it, and such a `%`, are percent-encoded, so no two users look alike.
    #[must_use]
    pub fn headers(&self, keys: Option<&Keys>) -> Vec<(&'static str, String)> {
        let (kind, name) = match self.kind {
            EventKind::Connect => ("sys", "connect"),
            EventKind::Connected => ("sys", "connected"),
            EventKind::Disconnected => ("sys", "disconnected"),
            EventKind::User { name, .. } => ("user", name),
        };
        let content_type = match self.kind {
            EventKind::User { kind, .. } => kind.media_type(),
            _ => "application/json; charset=utf-8",
        };
        let name = safe(name);
        let (hub, connection) = (safe(self.hub), safe(self.connection_id));
        let mut headers = validation_headers(self.origin);
        headers.extend([
            ("ce-specversion", "1.0".to_owned()),
            ("ce-type", format!("azure.webpubsub.{kind}.{name}")),
            ("ce-source", format!("/hubs/{hub}/client/{connection}")),
            ("ce-id", safe(self.id).into_owned()),
            ("ce-time", rfc3339(self.time_s)),
            ("ce-hub", hub.into_owned()),
            ("ce-connectionid", connection.into_owned()),
            ("ce-eventname", name.into_owned()),
            ("content-type", content_type.to_owned()),
        ]);
        let mut add = |name, value: Option<Cow<'_, str>>| {
            headers.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value.into_owned())));
        };
        add("ce-signature", keys.map(|keys| signature(keys, self.connection_id).into()));
        add("ce-userid", self.user.map(unambiguous));
        add("ce-subprotocol", self.subprotocol.map(safe));
        add("ce-connectionstate", self.state.map(safe));
        add("traceparent", self.traceparent.filter(|value| is_traceparent(value)).map(Cow::Borrowed));
        headers
    }
}

/// The headers of the OPTIONS that asks whether events are welcome; events have them too. `origin` is the host of the
/// gateway's endpoint.
#[must_use]
pub fn validation_headers(origin: &str) -> Vec<(&'static str, String)> {
    vec![("webhook-request-origin", safe(origin).into_owned()), ("ce-awpsversion", "1.0".to_owned())]
}

/// `sha256=` and HMAC-SHA256 of the connection's id in lowercase hex, by each key, with a comma between.
#[must_use]
pub fn signature(keys: &Keys, connection_id: &str) -> String {
    let mut text = String::new();
    for key in keys.iter() {
        text.push_str(if text.is_empty() { "sha256=" } else { ",sha256=" });
        for byte in key.sign(connection_id.as_bytes()) {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
    }
    text
}

/// The text with all percent-encoded that a header's value cannot carry: control characters, what is beyond ASCII, and
/// spaces at its ends.
fn safe(text: &str) -> Cow<'_, str> {
    encoded(text, |_, _| false)
}

/// The same, and it can be decoded again: a `%` that begins what looks like an escape is one.
fn unambiguous(text: &str) -> Cow<'_, str> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    encoded(text, |bytes, at| bytes[at] == b'%' && is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)))
}

fn encoded(text: &str, also: impl Fn(&[u8], usize) -> bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let stays = |at: usize| {
        let is_end = at == 0 || at + 1 == bytes.len();
        (bytes[at].is_ascii_graphic() || bytes[at] == b' ' && !is_end) && !also(bytes, at)
    };
    if (0..bytes.len()).all(stays) {
        return Cow::Borrowed(text);
    }
    let one = |at: usize| match stays(at) {
        true => char::from(bytes[at]).to_string(),
        false => format!("%{:02X}", bytes[at]),
    };
    Cow::Owned((0..bytes.len()).map(one).collect())
}
