//! What is written is JSON, and is read back as it was.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::data::DataKind;

fn written(outgoing: &Outgoing<'_>) -> String {
    let mut out = Vec::new();
    outgoing.write(&mut out);
    assert_eq!(out.len(), outgoing.encoded_len());
    String::from_utf8(out).unwrap()
}

fn content(kind: DataKind, bytes: &[u8]) -> Content<'static> {
    Content { kind, bytes: Cow::Owned(bytes.to_vec()) }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,40}", "[\u{0}-\u{7f}]{0,40}"]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_content() -> impl Strategy<Value = Content<'static>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        any_text().prop_map(|text| content(DataKind::Text, text.as_bytes())),
        any_json().prop_map(|json| content(DataKind::Json, json.to_string().as_bytes())),
        bytes().prop_map(|bytes| content(DataKind::Binary, &bytes)),
        bytes().prop_map(|bytes| content(DataKind::Protobuf, &bytes)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_json_that_says_the_same(
        content in any_content(), group in any_text(), user in prop::option::of(any_text()), ack_id in any::<u64>(),
    ) {
        let text = written(&Outgoing::FromGroup { group: &group, data: content.data(), from_user: user.as_deref() });
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&value["group"], &json!(group));
        prop_assert_eq!(value.get("fromUserId").and_then(Value::as_str), user.as_deref());
        let text = written(&Outgoing::AckError { ack_id, name: ErrorName::Duplicate, message: &group });
        let value: Value = serde_json::from_str(&text).unwrap();
        let error = json!({ "name": "Duplicate", "message": group });
        prop_assert_eq!(value, json!({ "type": "ack", "ackId": ack_id, "success": false, "error": error }));
    }

    #[test]
    fn content_that_was_written_is_parsed_as_the_same(
        content in any_content(), ack_id in prop::option::of(any::<u64>()),
    ) {
        let text = written(&Outgoing::FromServer { data: content.data() });
        // As a client says it.
        let said = text.replacen(r#""message","from":"server""#, r#""event","event":"e""#, 1);
        let said = ack_id.map_or(said.clone(), |ack_id| said.replacen('{', &format!(r#"{{"ackId":{ack_id},"#), 1));
        prop_assert_eq!(parse(&said), Ok(Message::Event { event: "e".into(), ack_id, content }));
    }

    #[test]
    fn any_text_is_a_message_or_none_without_a_panic(text in "\\PC*", value in any_json()) {
        let _ = parse(&text);
        let _ = parse(&value.to_string());
        const FIELDS: [&str; 9] = [
            "group", "event", "data", "dataType", "ackId", "noEcho", "ttlSeconds", "sequenceId", "invocationId",
        ];
        for kind in ["joinGroup", "sendToGroup", "event", "sequenceAck", "invoke"] {
            for field in FIELDS {
                let mut message = json!({ "type": kind, "group": "g", "event": "e", "data": "x" });
                message[field] = value.clone();
                let _ = parse(&message.to_string());
            }
        }
    }
}
