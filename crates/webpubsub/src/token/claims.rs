//! What a token says.

use serde_json::value::RawValue;

use super::error::TokenError;
use crate::object::Object;

/// What a good token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the user, if there is one. An empty one is none.
    pub user: Option<String>,
    /// `role`: what the client may do.
    pub roles: Vec<String>,
    /// `webpubsub.group`: the groups that a client is in from the start. That they are names of groups is not checked.
    pub groups: Vec<String>,
    /// All claims, in the order they came: a text is itself, a list its elements, and what is no text its JSON.
    pub all: Vec<(String, Vec<String>)>,
}

impl Claims {
    pub(super) fn read(object: &Object<'_>) -> Result<Self, TokenError> {
        let user = match object.get("sub") {
            None => None,
            Some(json) => Some(serde_json::from_str(json).map_err(|_| TokenError::Claim("sub"))?),
        };
        Ok(Self {
            user: user.filter(|user: &String| !user.is_empty()),
            roles: texts(object, "role")?.unwrap_or_default(),
            groups: texts(object, "webpubsub.group")?.unwrap_or_default(),
            all: all(object),
        })
    }
}

/// All claims, in the order they came.
pub(crate) fn all(object: &Object<'_>) -> Vec<(String, Vec<String>)> {
    object.0.iter().map(|(name, value)| (name.clone(), values(value))).collect()
}

/// A claim that is a text or a list of texts; nothing if it is not there.
pub(crate) fn texts(object: &Object<'_>, name: &'static str) -> Result<Option<Vec<String>>, TokenError> {
    object.get(name).map(|json| texts_in(json).ok_or(TokenError::Claim(name))).transpose()
}

/// A text or a list of texts.
pub(crate) fn texts_in(json: &str) -> Option<Vec<String>> {
    let one = serde_json::from_str(json).map(|text| vec![text]);
    one.or_else(|_| serde_json::from_str(json)).ok()
}

fn values(value: &RawValue) -> Vec<String> {
    let list: Result<Vec<&RawValue>, _> = serde_json::from_str(value.get());
    match list {
        Ok(list) => list.into_iter().map(text).collect(),
        Err(_) => vec![text(value)],
    }
}

fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Claims, TokenError> {
        Claims::read(&Object::read(json.as_bytes()).unwrap())
    }

    #[test]
    fn a_text_or_a_list_of_texts_will_do() {
        let claims = read(r#"{"sub":"ann","role":"a","webpubsub.group":["g","h"]}"#).unwrap();
        assert_eq!(claims.user.as_deref(), Some("ann"));
        assert_eq!((claims.roles, claims.groups), (vec!["a".into()], vec!["g".into(), "h".into()]));
        let claims = read(r#"{"sub":"","role":[]}"#).unwrap();
        assert_eq!((claims.user, claims.roles, claims.groups), (None, vec![], vec![]));
    }

    #[test]
    fn claims_of_another_kind_are_refused() {
        for (json, name) in [
            (r#"{"sub":1}"#, "sub"),
            (r#"{"sub":null}"#, "sub"),
            (r#"{"sub":["ann"]}"#, "sub"),
            (r#"{"role":{}}"#, "role"),
            (r#"{"role":[1]}"#, "role"),
            (r#"{"role":["a",["b"]]}"#, "role"),
            (r#"{"webpubsub.group":null}"#, "webpubsub.group"),
        ] {
            assert_eq!(read(json), Err(TokenError::Claim(name)), "{json}");
        }
    }

    #[test]
    fn every_claim_is_kept_as_a_list_of_texts() {
        let claims = read(r#"{"a":"x","b":["y",1,{"c": 2}],"d":1.50,"e":{"f":[]},"g":null,"h":true,"i":[]}"#);
        let all = claims.unwrap().all;
        let all: Vec<(&str, Vec<&str>)> = all
            .iter()
            .map(|(name, list)| (name.as_str(), list.iter().map(String::as_str).collect()))
            .collect();
        let expected: [(&str, &[&str]); 7] = [
            ("a", &["x"]),
            ("b", &["y", "1", r#"{"c": 2}"#]),
            ("d", &["1.50"]),
            ("e", &[r#"{"f":[]}"#]),
            ("g", &["null"]),
            ("h", &["true"]),
            ("i", &[]),
        ];
        assert_eq!(all, expected.map(|(name, list)| (name, list.to_vec())));
    }
}
