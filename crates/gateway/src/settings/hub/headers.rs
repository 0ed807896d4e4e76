//! Headers of requests to services.

use std::path::PathBuf;

use holdfast_proto::handshake::is_token;
use toml::Value as Toml;

use crate::settings::kinds::Kind;
use crate::settings::secret::{NOT_SHOWN, Secret};

/// A header, and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSource {
    /// In lower case.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// This text.
    Text(Secret),
    /// What is in this file.
    File(PathBuf),
}

/// A table of names, each with its value as text or as `{ file = "PATH" }`.
pub(super) struct Headers;

impl Kind for Headers {
    type Value = Vec<HeaderSource>;

    fn placeholder(&self) -> String {
        "{ NAME = TEXT }".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Vec<HeaderSource>, String> {
        let expected = || "expected a table such as { x-service-key = \"text\" }".to_owned();
        let table = format!("headers = {text}").parse::<toml::Table>();
        let table = table.ok().and_then(|mut table| table.remove("headers")).ok_or_else(expected)?;
        let Toml::Table(table) = table else { return Err(expected()) };
        let mut headers = Vec::<HeaderSource>::new();
        for (name, value) in table {
            let header = HeaderSource { name: header_name(&name)?, value: header_value(&name, value)? };
            if headers.iter().any(|other| other.name == header.name) {
                return Err(format!("expected {name} once: letter case tells no two headers apart"));
            }
            headers.push(header);
        }
        Ok(headers)
    }

    fn show(&self, value: &Vec<HeaderSource>) -> Toml {
        let value_of = |header: &HeaderSource| match &header.value {
            HeaderValue::Text(_) => Toml::String(NOT_SHOWN.to_owned()),
            HeaderValue::File(path) => {
                let path = Toml::String(path.display().to_string());
                Toml::Table([("file".to_owned(), path)].into_iter().collect())
            }
        };
        Toml::Table(value.iter().map(|header| (header.name.clone(), value_of(header))).collect())
    }

    fn is_table(&self) -> bool {
        true
    }

    fn may_hide(&self) -> bool {
        true
    }

    fn hides(&self, value: &Vec<HeaderSource>) -> bool {
        value.iter().any(|header| matches!(header.value, HeaderValue::Text(_)))
    }
}

/// Headers that a request has of its own, or that say how it is sent.
const OWN: [&str; 14] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn header_name(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    if !is_token(&lower) {
        return Err(format!("expected names of headers, without spaces and separators, not \"{name}\""));
    }
    if OWN.contains(&lower.as_str()) || lower.starts_with("ce-") || lower.starts_with("webhook-") {
        return Err(format!("expected no {name}: the gateway sends that itself"));
    }
    Ok(lower)
}

fn header_value(name: &str, value: Toml) -> Result<HeaderValue, String> {
    match value {
        Toml::String(text) => value_of(name, &text).map(HeaderValue::Text),
        Toml::Table(mut table) if table.len() == 1 => match table.remove("file") {
            Some(Toml::String(path)) if !path.is_empty() => Ok(HeaderValue::File(path.into())),
            _ => Err(format!("expected text or {{ file = \"PATH\" }} for {name}")),
        },
        _ => Err(format!("expected text or {{ file = \"PATH\" }} for {name}")),
    }
}

/// The value of the header `name`, without spaces and line ends around it.
pub(super) fn value_of(name: &str, text: &str) -> Result<Secret, String> {
    let text = text.trim_ascii();
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    valid
        .then(|| Secret::new(text))
        .ok_or_else(|| format!("expected one line of visible ASCII characters and spaces for {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_or_comes_from_a_file_and_text_is_not_shown() {
        let headers = Headers.parse("{ X-Key = \"marker\", b = { file = \"/b\" } }").expect("headers");
        let text = |name: &str| headers.iter().find(|header| header.name == name).expect("it").value.clone();
        assert_eq!(text("x-key"), HeaderValue::Text(Secret::new("marker")));
        assert_eq!(text("b"), HeaderValue::File("/b".into()));
        assert!(Headers.hides(&headers) && !Headers.hides(&headers[..0].to_vec()));
        assert_eq!(Headers.show(&headers).to_string(), "{ b = { file = \"/b\" }, x-key = \"(not shown)\" }");
        assert_eq!(Headers.parse("{}"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_header_or_the_gateways_own_is_refused_without_its_value() {
        for text in [
            "",
            "1",
            "\"marker\"",
            "{ a = marker }",
            "{ a = 1 }",
            "{ a = [\"marker\"] }",
            "{ a = \"marker\\n\" , b = \"mar\\nker\" }",
            "{ a = \"\" }",
            "{ a = { env = \"marker\" } }",
            "{ a = { file = \"\" } }",
            "{ \"a b\" = \"marker\" }",
            "{ Host = \"marker\" }",
            "{ ce-userId = \"marker\" }",
            "{ WebHook-Request-Origin = \"marker\" }",
            "{ a = \"marker\", A = \"marker\" }",
        ] {
            let refused = Headers.parse(text).expect_err(text);
            assert!(refused.starts_with("expected ") && !refused.contains("marker"), "{text}: {refused}");
        }
    }
}
