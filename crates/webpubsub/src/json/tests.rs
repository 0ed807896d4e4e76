//! What clients say and hear, byte for byte.

use std::borrow::Cow;

use super::*;
use crate::data::{Data, DataKind};

fn content(kind: DataKind, bytes: &[u8]) -> Content<'static> {
    Content { kind, bytes: Cow::Owned(bytes.to_vec()) }
}

fn written(outgoing: &Outgoing<'_>) -> String {
    let mut out = Vec::new();
    outgoing.write(&mut out);
    assert_eq!(out.len(), outgoing.encoded_len());
    String::from_utf8(out).unwrap()
}

fn data(kind: DataKind, bytes: &[u8]) -> Data<'_> {
    Data { kind, bytes }
}

#[test]
fn each_message_of_a_client_is_understood() {
    let group = || Cow::Borrowed("g");
    let to_group = |no_echo, ttl_s, content| Message::SendToGroup {
        group: group(),
        ack_id: None,
        no_echo,
        ttl_s,
        content,
    };
    for (text, message) in [
        (
            r#"{"type":"joinGroup","group":"g","ackId":1}"#,
            Message::JoinGroup { group: group(), ack_id: Some(1) },
        ),
        (r#"{"type":"leaveGroup","group":"g"}"#, Message::LeaveGroup { group: group(), ack_id: None }),
        (
            concat!(
                r#" { "ttlSeconds":300, "noEcho":true, "dataType":"Text", "data":"a\nb", "#,
                r#""group":"\u0067", "type":"SENDTOGROUP"} "#
            ),
            to_group(true, 300, content(DataKind::Text, b"a\nb")),
        ),
        (
            r#"{"type":"sendToGroup","group":"g","data": {"b":1.50, "a":12345678901234567890} ,"x":[]}"#,
            to_group(false, 0, content(DataKind::Json, br#"{"b":1.50, "a":12345678901234567890}"#)),
        ),
        (
            r#"{"type":"sendToGroup","group":"g","dataType":"binary","data":"AAH+/w==","ackId":null,"noEcho":null}"#,
            to_group(false, 0, content(DataKind::Binary, &[0, 1, 254, 255])),
        ),
        (
            r#"{"type":"event","event":"e","ackId":18446744073709551615,"dataType":"protobuf","data":""}"#,
            Message::Event {
                event: "e".into(),
                ack_id: Some(u64::MAX),
                content: content(DataKind::Protobuf, b""),
            },
        ),
        (
            r#"{"type":"event","event":"e","data":false}"#,
            Message::Event { event: "e".into(), ack_id: None, content: content(DataKind::Json, b"false") },
        ),
        (r#"{"type":"ping","group":5,"data":null}"#, Message::Ping),
        (r#"{"type":"sequenceAck","sequenceId":7}"#, Message::SequenceAck { sequence_id: 7 }),
        (
            r#"{"type":"invoke","invocationId":"1","target":"event","event":"e","data":1}"#,
            Message::Invoke { invocation_id: "1".into() },
        ),
        (r#"{"type":"cancelInvocation","invocationId":"1"}"#, Message::CancelInvocation),
        (r#"{"type":"streamData","ackId":3}"#, Message::Unknown { ack_id: Some(3) }),
    ] {
        assert_eq!(parse(text), Ok(message), "{text}");
    }
}

#[test]
fn what_is_no_message_is_invalid() {
    for text in [
        "",
        "hello",
        "1",
        "null",
        r#""ping""#,
        r#"["ping",null,null,null,null,null,null,null,null,null]"#,
        "{}",
        r#"{"type":1}"#,
        r#"{"type":null}"#,
        r#"{"type":"ping"} x"#,
        r#"{"type":"ping"}{"type":"ping"}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"ping","ackId":"1"}"#,
        r#"{"type":"ping","ackId":-1}"#,
        r#"{"type":"ping","ackId":1.5}"#,
        r#"{"type":"ping","ackId":18446744073709551616}"#,
        r#"{"type":"joinGroup"}"#,
        r#"{"type":"joinGroup","group":1}"#,
        r#"{"type":"joinGroup","group":null}"#,
        r#"{"type":"joinGroup","group":"\ud800"}"#,
        r#"{"type":"sendToGroup","group":"g","ackId":1}"#,
        r#"{"type":"sendToGroup","group":"g","data":null}"#,
        r#"{"type":"sendToGroup","group":"g","dataType":"text","data":1}"#,
        r#"{"type":"sendToGroup","group":"g","dataType":"binary","data":[1]}"#,
        r#"{"type":"sendToGroup","group":"g","dataType":1,"data":1}"#,
        r#"{"type":"sendToGroup","group":"g","data":1,"noEcho":1}"#,
        r#"{"type":"sendToGroup","group":"g","data":1,"data":2}"#,
        r#"{"type":"event","data":1}"#,
        r#"{"type":"sequenceAck"}"#,
        r#"{"type":"sequenceAck","sequenceId":"1"}"#,
        r#"{"type":"invoke"}"#,
        "{\"type\":\"event\",\"event\":\"e\",\"dataType\":\"text\",\"data\":\"\n\"}",
    ] {
        assert_eq!(parse(text), Err(Invalid), "{text}");
    }
}

#[test]
fn a_message_that_asks_for_the_impossible_is_answered_and_the_connection_stays() {
    for (rest, why) in [
        (r#""type":"joinGroup","group":"""#, "group is no name of a group"),
        (r#""type":"leaveGroup","group":" ""#, "group is no name of a group"),
        (r#""type":"event","event":"a b","data":1"#, "event is no name of an event"),
        (r#""type":"sendToGroup","group":"g","data":1,"ttlSeconds":301"#, "ttlSeconds is not 0 to 300"),
        (r#""type":"sendToGroup","group":"g","data":1,"ttlSeconds":-1"#, "ttlSeconds is not 0 to 300"),
        (r#""type":"sendToGroup","group":"g","data":1,"ttlSeconds":"x""#, "ttlSeconds is not 0 to 300"),
        (r#""type":"event","event":"e","dataType":"xml","data":"x""#, "dataType is not known"),
        (r#""type":"event","event":"e","dataType":"binary","data":"A""#, "data is no base64"),
        (r#""type":"event","event":"e","dataType":"binary","data":"AA==\n""#, "data is no base64"),
        (r#""type":"event","event":"e","dataType":"binary","data":"AA""#, "data is no base64"),
    ] {
        let text = format!(r#"{{{rest},"ackId":5}}"#);
        assert_eq!(parse(&text), Ok(Message::Bad { ack_id: Some(5), why }), "{text}");
        assert_eq!(parse(&format!("{{{rest}}}")), Ok(Message::Bad { ack_id: None, why }), "{text}");
    }
}

#[test]
fn data_is_borrowed_where_it_lies_as_it_is_and_depth_is_no_danger() {
    let deep =
        format!(r#"{{"type":"event","event":"e","data":{}{}}}"#, "[".repeat(99_999), "]".repeat(99_999));
    for text in [r#"{"type":"event","event":"e","dataType":"text","data":"plain"}"#, &deep] {
        let Ok(Message::Event { content, event, .. }) = parse(text) else { panic!("no event: {text}") };
        assert!(matches!((content.bytes, event), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }
    assert_eq!(parse(&deep[..150_000]), Err(Invalid));
}

#[test]
fn what_clients_hear_is_written_in_this_order() {
    let json = data(DataKind::Json, br#"{"b":1.0,"a":2}"#);
    for (outgoing, text) in [
        (
            Outgoing::Connected { user: Some("a\"nn"), connection_id: "01", reconnection_token: None },
            r#"{"type":"system","event":"connected","userId":"a\"nn","connectionId":"01"}"#,
        ),
        (
            Outgoing::Connected { user: None, connection_id: "01", reconnection_token: Some("t-_") },
            concat!(
                r#"{"type":"system","event":"connected","userId":null,"connectionId":"01","#,
                r#""reconnectionToken":"t-_"}"#
            ),
        ),
        (
            Outgoing::Disconnected { message: "bye" },
            r#"{"type":"system","event":"disconnected","message":"bye"}"#,
        ),
        (Outgoing::Ack { ack_id: 7 }, r#"{"type":"ack","ackId":7,"success":true}"#),
        (
            Outgoing::AckError { ack_id: 0, name: ErrorName::Forbidden, message: "no" },
            r#"{"type":"ack","ackId":0,"success":false,"error":{"name":"Forbidden","message":"no"}}"#,
        ),
        (
            Outgoing::FromGroup { group: "g", data: json, from_user: Some("ann") },
            concat!(
                r#"{"type":"message","from":"group","group":"g","dataType":"json","#,
                r#""data":{"b":1.0,"a":2},"fromUserId":"ann"}"#
            ),
        ),
        (
            Outgoing::FromGroup {
                group: "g", data: data(DataKind::Text, "ü\n".as_bytes()), from_user: None
            },
            r#"{"type":"message","from":"group","group":"g","dataType":"text","data":"ü\n"}"#,
        ),
        (
            Outgoing::FromServer { data: data(DataKind::Binary, &[0, 255]) },
            r#"{"type":"message","from":"server","dataType":"binary","data":"AP8="}"#,
        ),
        (Outgoing::Pong, r#"{"type":"pong"}"#),
        (
            Outgoing::InvokeFailed { invocation_id: "1", name: ErrorName::BadRequest, message: "not known" },
            concat!(
                r#"{"type":"invokeResponse","invocationId":"1","success":false,"#,
                r#""error":{"name":"BadRequest","message":"not known"}}"#
            ),
        ),
    ] {
        assert_eq!(written(&outgoing), text);
    }
}

#[test]
fn a_number_has_its_place_in_what_is_numbered() {
    let data = data(DataKind::Text, b"hello");
    for outgoing in
        [Outgoing::FromGroup { group: "g", data, from_user: Some("ann") }, Outgoing::FromServer { data }]
    {
        let text = written(&outgoing);
        let rest = text.strip_prefix(NUMBERED).expect("it begins so");
        let numbered = format!("{NUMBERED}{SEQUENCE_ID}{},{rest}", u64::MAX);
        let read = |text: &str| serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(text).unwrap();
        let mut read_numbered = read(&numbered);
        assert_eq!(read_numbered.remove("sequenceId"), Some(u64::MAX.into()));
        assert_eq!(read_numbered, read(&text));
    }
}
