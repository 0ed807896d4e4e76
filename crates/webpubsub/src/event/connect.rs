//! The answer to a connect event.

use serde::Deserialize;

use super::answer::{Answer, Failure};
use crate::names::{is_group, is_user};

/// Most bytes of what a refused client is told.
pub const REFUSAL_LEN_MAX: usize = 1024;

/// What a service says of a client that wants to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectAnswer {
    /// It may. What is there takes the place of what its token says.
    Accept {
        /// Who it is: a valid id.
        user: Option<String>,
        /// The groups that it is in from the start: valid names, at least one.
        groups: Option<Vec<String>>,
        /// What it may do; an empty list takes all away.
        roles: Option<Vec<String>>,
        /// A token, in the sense of HTTP. Whether the client offers it is not known here.
        subprotocol: Option<String>,
        /// What comes along with later events. May be empty.
        state: Option<String>,
    },
    /// It may not.
    Refuse {
        /// A status from 400 to 499.
        status: u16,
        /// What it is told: at most [`REFUSAL_LEN_MAX`] bytes, without control characters but line ends and tabs.
        text: String,
    },
    /// The service failed: the client gets 500.
    Failed(Failure),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    user_id: Option<String>,
    groups: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    subprotocol: Option<String>,
}

impl ConnectAnswer {
    /// What an answer means: 2xx accepts, with JSON or an empty body, whatever its Content-Type; 4xx refuses.
    /// Null, an empty user, an empty subprotocol and empty groups replace nothing.
    #[must_use]
    pub fn read(answer: &Answer<'_>) -> Self {
        match answer.status {
            status @ 400..500 => Self::Refuse { status, text: told(answer.body) },
            _ if answer.is_success() => Self::accept(answer).unwrap_or_else(Self::Failed),
            status => Self::Failed(Failure::Status(status)),
        }
    }

    fn accept(answer: &Answer<'_>) -> Result<Self, Failure> {
        let state = answer.state()?.map(str::to_owned);
        let fields = match answer.body.trim_ascii() {
            [] => Fields::default(),
            // An array would be taken for a struct.
            body @ [b'{', ..] => serde_json::from_slice(body).map_err(|_| Failure::Body)?,
            _ => return Err(Failure::Body),
        };
        let groups = fields.groups.filter(|groups| !groups.is_empty());
        let subprotocol = fields.subprotocol.filter(|name| !name.is_empty());
        let are_groups = groups.iter().flatten().all(|group| is_group(group));
        if !are_groups || !subprotocol.as_deref().is_none_or(is_token) {
            return Err(Failure::Body);
        }
        let user = fields.user_id.filter(|user| !user.is_empty());
        if !user.as_deref().is_none_or(is_user) {
            return Err(Failure::Body);
        }
        Ok(Self::Accept { user, groups, roles: fields.roles, subprotocol, state })
    }
}

/// RFC 9110 5.6.2.
fn is_token(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn told(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(REFUSAL_LEN_MAX)]);
    let shown = text.chars().filter(|char| !char.is_control() || "\r\n\t".contains(*char));
    // What was replaced may be longer than what was there.
    let mut len = 0;
    let fits = |char: &char| {
        len += char.len_utf8();
        len <= REFUSAL_LEN_MAX
    };
    shown.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(status: u16, state: Option<&str>, body: &[u8]) -> ConnectAnswer {
        ConnectAnswer::read(&Answer { status, content_type: None, state: state.map(str::as_bytes), body })
    }

    fn unchanged(state: Option<&str>) -> ConnectAnswer {
        let state = state.map(str::to_owned);
        ConnectAnswer::Accept { user: None, groups: None, roles: None, subprotocol: None, state }
    }

    #[test]
    fn an_empty_body_lets_the_client_in_as_it_is() {
        for (status, body) in [(204, ""), (200, ""), (200, " \n"), (200, "{}"), (299, r#"{"other":1}"#)] {
            assert_eq!(read(status, None, body.as_bytes()), unchanged(None), "{status} {body}");
        }
        let empty = r#"{"userId":"","groups":[],"roles":null,"subprotocol":""}"#;
        assert_eq!(read(200, Some(""), empty.as_bytes()), unchanged(Some("")));
        assert_eq!(read(204, Some(" eyJhIjoxfQ== "), b""), unchanged(Some("eyJhIjoxfQ==")));
    }

    #[test]
    fn what_is_there_takes_the_place_of_the_tokens() {
        let body = r#"{"userId":"ann","groups":["a"],"roles":[],"subprotocol":"chat.two"}"#;
        let expected = ConnectAnswer::Accept {
            user: Some("ann".into()),
            groups: Some(vec!["a".into()]),
            roles: Some(vec![]),
            subprotocol: Some("chat.two".into()),
            state: None,
        };
        assert_eq!(read(200, None, body.as_bytes()), expected);
    }

    #[test]
    fn a_client_is_refused_with_the_services_status_and_a_bounded_text() {
        let refuse = |status, text: &str| ConnectAnswer::Refuse { status, text: text.into() };
        assert_eq!(read(401, Some("\u{1}"), b"not you\0\x1b\n"), refuse(401, "not you\n"));
        assert_eq!(read(499, None, &[b'x'; 5000]), refuse(499, &"x".repeat(REFUSAL_LEN_MAX)));
        let ConnectAnswer::Refuse { text, .. } = read(400, None, &[0xff; 5000]) else {
            panic!("not refused")
        };
        assert!((1022..=REFUSAL_LEN_MAX).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn nonsense_is_a_failure() {
        for status in [0, 100, 199, 300, 302, 500, 503, 999] {
            assert_eq!(read(status, None, b"{}"), ConnectAnswer::Failed(Failure::Status(status)));
        }
        for body in [
            "hello",
            "[]",
            r#"["ann",null,null,null]"#,
            "null",
            "{",
            r#"{"userId":1}"#,
            &format!(r#"{{"userId":"{}"}}"#, "u".repeat(1025)),
            r#"{"groups":"a"}"#,
            r#"{"groups":[" "]}"#,
            r#"{"roles":[1]}"#,
            r#"{"subprotocol":"a b"}"#,
            r#"{"subprotocol":"a\r\nb: c"}"#,
            r#"{"userId":"a","userId":"b"}"#,
        ] {
            assert_eq!(read(200, None, body.as_bytes()), ConnectAnswer::Failed(Failure::Body), "{body}");
        }
        for state in ["a\nb", "é", &"x".repeat(8193)] {
            assert_eq!(read(200, Some(state), b""), ConnectAnswer::Failed(Failure::State));
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(
            status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..2000), text in "\\PC*",
        ) {
            let answers = [read(status, Some(&text), &body), read(200, None, text.as_bytes()), read(400, None, &body)];
            for answer in answers {
                if let ConnectAnswer::Refuse { text, .. } = answer {
                    prop_assert!(text.len() <= REFUSAL_LEN_MAX);
                }
            }
        }
    }
}
