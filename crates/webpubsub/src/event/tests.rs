//! Headers of events, and texts that would like to be some.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;
use crate::data::DataKind;
use crate::token::{AccessKey, Keys};

fn keys(count: usize) -> Keys {
    let key = |letter: &str| AccessKey::new(&letter.repeat(32)).unwrap();
    Keys { primary: key("a"), secondary: (count > 1).then(|| key("b")) }
}

fn event<'a>() -> Event<'a> {
    Event {
        kind: EventKind::Connect,
        hub: "chat",
        connection_id: "0123456789abcdef",
        id: "7",
        time_s: 1_000_000_000,
        user: None,
        subprotocol: None,
        state: None,
        traceparent: None,
        origin: "127.0.0.1",
    }
}

fn value<'h>(headers: &'h [(&'static str, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
}

#[test]
fn an_event_has_these_headers() {
    let headers = event().headers(Some(&keys(1)));
    let expected = [
        ("webhook-request-origin", "127.0.0.1"),
        ("ce-awpsversion", "1.0"),
        ("ce-specversion", "1.0"),
        ("ce-type", "azure.webpubsub.sys.connect"),
        ("ce-source", "/hubs/chat/client/0123456789abcdef"),
        ("ce-id", "7"),
        ("ce-time", "2001-09-09T01:46:40Z"),
        ("ce-hub", "chat"),
        ("ce-connectionid", "0123456789abcdef"),
        ("ce-eventname", "connect"),
        ("content-type", "application/json; charset=utf-8"),
        // By Python's hmac.
        ("ce-signature", "sha256=658b53e029bbf8abe110a324f73338f8e8cc1c91423a960e9777e2f0f7b8d4a4"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn what_there_is_comes_along() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let kind = EventKind::User { name: "echo", kind: DataKind::Text };
    let full = Event {
        kind,
        user: Some("ann"),
        subprotocol: Some("json.webpubsub.azure.v1"),
        state: Some("eyJhIjoxfQ=="),
        traceparent: Some(trace),
        ..event()
    };
    let headers = full.headers(Some(&keys(2)));
    for (name, expected) in [
        ("ce-type", "azure.webpubsub.user.echo"),
        ("ce-eventname", "echo"),
        ("content-type", "text/plain"),
        ("ce-userid", "ann"),
        ("ce-subprotocol", "json.webpubsub.azure.v1"),
        ("ce-connectionstate", "eyJhIjoxfQ=="),
        ("traceparent", trace),
        (
            "ce-signature",
            concat!(
                "sha256=658b53e029bbf8abe110a324f73338f8e8cc1c91423a960e9777e2f0f7b8d4a4,",
                "sha256=4320d077d19fc9402b10f403f92f3a8db68775b97e2bbb32e64b961f9f823e87"
            ),
        ),
    ] {
        assert_eq!(value(&headers, name), Some(expected), "{name}");
    }
    let bare =
        Event { user: Some(""), state: Some(""), traceparent: Some("no trace"), ..event() }.headers(None);
    for name in ["ce-userid", "ce-connectionstate", "traceparent", "ce-signature", "ce-subprotocol"] {
        assert_eq!(value(&bare, name), None, "{name}");
    }
}

#[test]
fn users_of_ascii_go_as_they_are_and_no_two_look_alike() {
    for (user, expected) in [
        ("ann", "ann"),
        ("ann@chat.example, \"x\" 100%", "ann@chat.example, \"x\" 100%"),
        ("é", "%C3%A9"),
        ("%C3%A9", "%25C3%25A9"),
        ("50%", "50%"),
        (" a b ", "%20a b%20"),
        ("a\r\nx-evil: 1", "a%0D%0Ax-evil: 1"),
        ("\u{0}\u{7f}\t", "%00%7F%09"),
    ] {
        let headers = Event { user: Some(user), ..event() }.headers(None);
        assert_eq!(value(&headers, "ce-userid"), Some(expected), "{user}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_header_that_is_none(
        text in prop_oneof!["\\PC*", prop::collection::vec(any::<char>(), 0..20).prop_map(String::from_iter)],
    ) {
        let text = text.as_str();
        let hostile = Event {
            kind: EventKind::User { name: text, kind: DataKind::Binary },
            hub: text, connection_id: text, id: text, user: Some(text), subprotocol: Some(text), state: Some(text),
            traceparent: Some(text), origin: text, ..event()
        };
        let headers = hostile.headers(Some(&keys(2)));
        for (name, value) in &headers {
            prop_assert!(value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{}: {}", name, value);
            prop_assert_eq!(value.trim(), value);
        }
        // A user is what a service decodes.
        if let Some(user) = value(&headers, "ce-userid") {
            prop_assert_eq!(percent_decode_str(user).decode_utf8().unwrap(), text);
        }
    }
}
