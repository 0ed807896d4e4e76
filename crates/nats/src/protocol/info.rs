//! What a server says of itself, and what is said to it of us.

use serde::{Deserialize, Serialize};

/// What a server says of itself. What it leaves out is nothing, and not so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    pub(crate) server_id: String,
    pub(crate) server_name: String,
    pub(crate) version: String,
    pub(crate) headers: bool,
    pub(crate) max_payload: u64,
    pub(crate) tls_required: bool,
    pub(crate) tls_available: bool,
    /// What credentials with a seed sign.
    pub(crate) nonce: String,
    /// Addresses of others.
    pub(crate) connect_urls: Vec<String>,
    /// It is about to end.
    #[serde(rename = "ldm")]
    pub(crate) is_lame: bool,
}

impl Info {
    /// From its JSON.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        // A list would do for a structure.
        let is_object = json.trim_ascii_start().first() == Some(&b'{');
        is_object.then(|| serde_json::from_slice(json).ok())?
    }
}

/// What is said to a server of us. No Debug: it has secrets.
#[derive(Default, Serialize)]
pub(crate) struct Connect<'c> {
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) tls_required: bool,
    pub(crate) name: &'c str,
    pub(crate) lang: &'c str,
    pub(crate) version: &'c str,
    /// 1: it may say `INFO` at any time.
    pub(crate) protocol: u8,
    /// Whether what we publish comes back to us.
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    /// Whether it says that nobody listens.
    pub(crate) no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sig: Option<String>,
}
