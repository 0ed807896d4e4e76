//! Bodies of requests.

use serde::Deserialize;

use super::error::RestError;
use crate::data::{Data, DataKind};
use crate::names::is_group;

/// Most groups that one request names.
pub const GROUPS_MAX: usize = 1000;

/// What a request sends: its body, of the kind that its Content-Type says.
///
/// # Errors
/// 415 for another type or none, 400 for text that is not UTF-8 and for JSON that is none.
pub fn payload<'b>(content_type: Option<&[u8]>, body: &'b [u8]) -> Result<Data<'b>, RestError> {
    let kind = content_type.and_then(DataKind::from_content_type).ok_or_else(RestError::unsupported_type)?;
    Data::checked(kind, body)
        .ok_or_else(|| RestError::bad_request("body", "the body is not what its Content-Type says"))
}

/// The body of a request that puts connections into groups, or takes them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsBody {
    /// Which groups: 1 to [`GROUPS_MAX`] valid names.
    pub groups: Vec<String>,
    /// An expression that chooses connections; all of the hub are meant without.
    pub filter: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    groups: Vec<String>,
    filter: Option<String>,
}

impl GroupsBody {
    /// Reads it.
    ///
    /// # Errors
    /// 415 if it is not JSON by its Content-Type, 400 if it is not what it must be.
    pub fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Self, RestError> {
        if content_type.and_then(DataKind::from_content_type) != Some(DataKind::Json) {
            return Err(RestError::new(
                415,
                "Error.UnsupportedMediaType",
                "Content-Type is not application/json",
            ));
        }
        let malformed =
            || RestError::bad_request("body", r#"the body is not {"groups":[...],"filter":"..."}"#);
        // An array would be taken for a struct.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(malformed());
        }
        let Fields { groups, filter } = serde_json::from_slice(body).map_err(|_| malformed())?;
        if groups.is_empty() || groups.len() > GROUPS_MAX {
            return Err(RestError::bad_request("groups", "these are not 1 to 1000 groups"));
        }
        if !groups.iter().all(|group| is_group(group)) {
            return Err(RestError::bad_request("groups", "one of these is no name of a group"));
        }
        Ok(Self { groups, filter: filter.filter(|filter| !filter.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_what_its_type_says() {
        let read = |kind: &str, body| payload(Some(kind.as_bytes()), body);
        let data = |kind, bytes| Ok(Data { kind, bytes });
        assert_eq!(read("text/plain; charset=utf-8", b""), data(DataKind::Text, b""));
        assert_eq!(read("application/json", b" {\"a\": 1}\n"), data(DataKind::Json, b"{\"a\": 1}"));
        assert_eq!(read("application/octet-stream", &[255, 0]), data(DataKind::Binary, &[255, 0]));
        let bad: [(&str, &[u8]); 6] = [
            ("text/plain", &[255]),
            ("application/json", b""),
            ("application/json", b"{"),
            ("application/json", b"1 2"),
            ("application/json", b"\"\xff\""),
            ("application/json", b"\xef\xbb\xbf1"),
        ];
        for (kind, body) in bad {
            assert_eq!(read(kind, body).unwrap_err().status(), 400, "{kind} {body:?}");
        }
        assert_eq!(read("text/html", b"").unwrap_err().status(), 415);
        assert_eq!(payload(None, b"").unwrap_err().status(), 415);
    }

    #[test]
    fn a_body_of_groups_names_some() {
        let read = |body: &str| GroupsBody::read(Some(b"application/json"), body.as_bytes());
        let expected = GroupsBody { groups: vec!["a".into(), "b".into()], filter: Some("x".into()) };
        assert_eq!(read(r#"{"groups":["a","b"],"filter":"x","other":1}"#), Ok(expected));
        assert_eq!(read(r#"{"groups":["a"],"filter":null}"#).unwrap().filter, None);
        let many = json!({ "groups": vec!["g"; GROUPS_MAX + 1] }).to_string();
        for body in [
            "",
            "[]",
            r#"[["a"],null]"#,
            "{}",
            r#"{"groups":[]}"#,
            r#"{"groups":[" "]}"#,
            r#"{"groups":[1]}"#,
            &many,
        ] {
            assert_eq!(read(body).unwrap_err().status(), 400, "{body}");
        }
        assert_eq!(GroupsBody::read(Some(b"text/plain"), b"{}").unwrap_err().status(), 415);
    }
}
