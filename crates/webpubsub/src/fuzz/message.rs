//! Messages of JSON clients.

use crate::data::{Data, DataKind};
use crate::json::{Message, TTL_S_MAX, parse};
use crate::names::{is_event, is_group};

/// Any bytes as a text frame of a JSON client.
///
/// # Panics
///
/// When a promise is broken.
pub fn json_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = parse(text) else { return };
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    assert!(is_json && text.trim().starts_with('{'), "no object was taken for a message");
    match &message {
        Message::JoinGroup { group, .. } | Message::LeaveGroup { group, .. } => assert!(is_group(group)),
        Message::SendToGroup { group, ttl_s, content, .. } => {
            assert!(is_group(group) && *ttl_s <= TTL_S_MAX);
            check(content.data(), text);
        }
        Message::Event { event, content, .. } => {
            assert!(is_event(event));
            check(content.data(), text);
        }
        Message::Bad { why, .. } => assert!(!why.is_empty()),
        Message::Ping
        | Message::SequenceAck { .. }
        | Message::Invoke { .. }
        | Message::CancelInvocation
        | Message::Unknown { .. } => {}
    }
    // White space around it says nothing.
    assert_eq!(parse(&format!(" {text}\n")).as_ref(), Ok(&message));
}

/// What came is what its kind says, and no longer than the message.
fn check(content: Data<'_>, text: &str) {
    assert!(content.bytes.len() <= text.len());
    match content.kind {
        DataKind::Text => assert!(std::str::from_utf8(content.bytes).is_ok()),
        DataKind::Json => {
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(content.bytes).is_ok());
        }
        DataKind::Binary | DataKind::Protobuf => {}
    }
}
