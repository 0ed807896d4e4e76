//! From a text frame to a message.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{Content, Message, TTL_S_MAX};
use crate::data::DataKind;
use crate::names::{is_event, is_group};

/// The text is no message: the connection is to be closed, with the close code 1007.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message of the JSON subprotocol")
    }
}

impl std::error::Error for Invalid {}

/// What a message may have. Fields are looked at when the type says that they matter; others are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    ack_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    no_echo: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl_seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    data_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_id: Option<&'a RawValue>,
    #[serde(borrow)]
    invocation_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why there is nothing to do.
enum Refusal {
    Invalid,
    Bad(&'static str),
}

impl From<serde_json::Error> for Refusal {
    fn from(_: serde_json::Error) -> Self {
        Self::Invalid
    }
}

type Parsed<T> = Result<T, Refusal>;

/// Reads the message that a client sent in a text frame.
///
/// It is a message if it is one JSON object, no field of it twice, with a `type` and with the fields that the type
/// needs, each of its JSON type, and JSON data is not null. What then cannot be done for its values is
/// [`Message::Bad`]: names that are none, a time out of range, another `dataType`, no base64.
///
/// # Errors
/// When it is no message.
pub fn parse(text: &str) -> Result<Message<'_>, Invalid> {
    // An array would be taken for a struct.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Invalid);
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| Invalid)?;
    let ack_id = optional(fields.ack_id).map_err(|_| Invalid)?;
    match message(&fields, ack_id) {
        Ok(message) => Ok(message),
        Err(Refusal::Bad(why)) => Ok(Message::Bad { ack_id, why }),
        Err(Refusal::Invalid) => Err(Invalid),
    }
}

fn message<'a>(fields: &Fields<'a>, ack_id: Option<u64>) -> Parsed<Message<'a>> {
    let is = |name| fields.kind.eq_ignore_ascii_case(name);
    Ok(if is("sendToGroup") {
        Message::SendToGroup {
            group: group(fields)?,
            ack_id,
            no_echo: optional(fields.no_echo)?.unwrap_or_default(),
            ttl_s: ttl(fields)?,
            content: content(fields)?,
        }
    } else if is("event") {
        Message::Event { event: event(fields)?, ack_id, content: content(fields)? }
    } else if is("joinGroup") {
        Message::JoinGroup { group: group(fields)?, ack_id }
    } else if is("leaveGroup") {
        Message::LeaveGroup { group: group(fields)?, ack_id }
    } else if is("ping") {
        Message::Ping
    } else if is("sequenceAck") {
        Message::SequenceAck { sequence_id: optional(fields.sequence_id)?.ok_or(Refusal::Invalid)? }
    } else if is("invoke") {
        Message::Invoke { invocation_id: text(fields.invocation_id)? }
    } else if is("cancelInvocation") {
        Message::CancelInvocation
    } else {
        Message::Unknown { ack_id }
    })
}

/// A field that may be missing, or null.
fn optional<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Parsed<Option<T>> {
    Ok(field.map(|value| serde_json::from_str(value.get())).transpose()?)
}

fn text<'a>(field: Option<&'a RawValue>) -> Parsed<Cow<'a, str>> {
    let text: Option<Text<'a>> = optional(field)?;
    text.map(|text| text.0).ok_or(Refusal::Invalid)
}

fn group<'a>(fields: &Fields<'a>) -> Parsed<Cow<'a, str>> {
    let name = text(fields.group)?;
    is_group(&name).then_some(name).ok_or(Refusal::Bad("group is no name of a group"))
}

fn event<'a>(fields: &Fields<'a>) -> Parsed<Cow<'a, str>> {
    let name = text(fields.event)?;
    is_event(&name).then_some(name).ok_or(Refusal::Bad("event is no name of an event"))
}

fn ttl(fields: &Fields<'_>) -> Parsed<u16> {
    let bad = Refusal::Bad("ttlSeconds is not 0 to 300");
    let Ok(ttl) = optional::<u16>(fields.ttl_seconds) else { return Err(bad) };
    ttl.map_or(Ok(0), |ttl| if ttl <= TTL_S_MAX { Ok(ttl) } else { Err(bad) })
}

fn content<'a>(fields: &Fields<'a>) -> Parsed<Content<'a>> {
    let kind = match fields.data_type {
        None => DataKind::Json,
        Some(_) => {
            DataKind::from_name(&text(fields.data_type)?).ok_or(Refusal::Bad("dataType is not known"))?
        }
    };
    let bytes = match kind {
        DataKind::Json => Cow::Borrowed(fields.data.ok_or(Refusal::Invalid)?.get().as_bytes()),
        DataKind::Text => into_bytes(text(fields.data)?),
        DataKind::Binary | DataKind::Protobuf => {
            let decoded = STANDARD.decode(text(fields.data)?.as_bytes());
            Cow::Owned(decoded.map_err(|_| Refusal::Bad("data is no base64"))?)
        }
    };
    Ok(Content { kind, bytes })
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
