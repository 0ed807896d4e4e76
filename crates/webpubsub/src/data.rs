//! What a message carries.

use serde_json::value::RawValue;

/// Which of the three kinds a message's content is, or a fourth that JSON clients may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// UTF-8.
    Text,
    /// One JSON value, as the bytes that came.
    Json,
    /// Any bytes.
    Binary,
    /// Any bytes, which are a protobuf message to those who exchange them. To simple clients and services it is
    /// [`Binary`](Self::Binary).
    Protobuf,
}

impl DataKind {
    /// What the JSON subprotocol calls it in `dataType`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Binary => "binary",
            Self::Protobuf => "protobuf",
        }
    }

    /// The kind with this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [Self::Text, Self::Json, Self::Binary, Self::Protobuf];
        kinds.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The media type in which services get it. They know three.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Binary | Self::Protobuf => "application/octet-stream",
        }
    }

    /// The kind that the value of a Content-Type header says, whatever its parameters.
    #[must_use]
    pub fn from_content_type(value: &[u8]) -> Option<Self> {
        let name = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let kinds = [Self::Text, Self::Json, Self::Binary];
        kinds.into_iter().find(|kind| kind.media_type().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A message's content: its kind and its bytes, which are what the kind says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// What the bytes are.
    pub kind: DataKind,
    /// The content itself: no quotes around text, no base64.
    pub bytes: &'a [u8],
}

impl<'a> Data<'a> {
    /// The bytes as content of this kind, if they are that: text is UTF-8, JSON is one value. Spaces around JSON are
    /// left out.
    #[must_use]
    pub fn checked(kind: DataKind, bytes: &'a [u8]) -> Option<Self> {
        let bytes = match kind {
            DataKind::Json => serde_json::from_slice::<&RawValue>(bytes).ok()?.get().as_bytes(),
            DataKind::Text => std::str::from_utf8(bytes).ok()?.as_bytes(),
            DataKind::Binary | DataKind::Protobuf => bytes,
        };
        Some(Self { kind, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_found_in_any_case_and_with_parameters() {
        for (value, kind) in [
            ("text/plain", Some(DataKind::Text)),
            ("Text/Plain; charset=utf-8", Some(DataKind::Text)),
            (" application/json ;a=b", Some(DataKind::Json)),
            ("application/octet-stream", Some(DataKind::Binary)),
            ("application/jsonp", None),
            ("text/html", None),
            ("", None),
            (";", None),
        ] {
            assert_eq!(DataKind::from_content_type(value.as_bytes()), kind, "{value}");
        }
    }

    #[test]
    fn each_kind_is_found_by_its_name() {
        for kind in [DataKind::Text, DataKind::Json, DataKind::Binary, DataKind::Protobuf] {
            assert_eq!(DataKind::from_name(&kind.name().to_uppercase()), Some(kind));
        }
        assert_eq!(DataKind::from_name("xml"), None);
    }
}
