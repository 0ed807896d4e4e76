//! Kinds of values that say who may connect.

use holdfast_proto::handshake::is_token;
use toml::Value as Toml;

use super::kinds::Kind;

/// What happens to a peer that offers only subprotocols that are not spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// It is accepted without one.
    #[default]
    Accept,
    /// It is answered 400.
    Refuse,
}

impl Mismatch {
    pub(super) const ALL: &[(&str, Self)] = &[("accept", Self::Accept), ("refuse", Self::Refuse)];
}

/// The path of a request.
pub(super) struct Path;

impl Kind for Path {
    type Value = String;

    fn placeholder(&self) -> String {
        "PATH".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        let valid = text.starts_with('/') && visible;
        valid.then(|| text.to_owned()).ok_or_else(|| "expected a path such as /healthz".to_owned())
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// An origin.
pub(super) struct Origin;

impl Kind for Origin {
    type Value = String;

    fn placeholder(&self) -> String {
        "ORIGIN".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        origin(text)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

/// The name of a subprotocol.
pub(super) struct Subprotocol;

impl Kind for Subprotocol {
    type Value = String;

    fn placeholder(&self) -> String {
        "NAME".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, String> {
        subprotocol(text)
    }

    fn show(&self, value: &String) -> Toml {
        Toml::String(value.clone())
    }
}

fn subprotocol(text: &str) -> Result<String, String> {
    is_token(text).then(|| text.to_owned()).ok_or_else(|| {
        format!("expected names of subprotocols, without spaces and separators, not \"{text}\"")
    })
}

/// An origin as browsers write it (RFC 6454 6.2): in lower case and without a default port.
fn origin(text: &str) -> Result<String, String> {
    let expected = || format!("expected an origin such as https://example.com, null or *, not \"{text}\"");
    let origin = text.to_ascii_lowercase();
    if origin == "*" || origin == "null" {
        return Ok(origin);
    }
    let (scheme, host) = origin.split_once("://").ok_or_else(expected)?;
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_host = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let valid =
        !name.is_empty() && !name.starts_with(['.', ':']) && is_host && !scheme.is_empty() && is_scheme;
    valid.then(|| format!("{scheme}://{host}")).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        for (text, kept) in [
            ("*", "*"),
            ("null", "null"),
            ("HTTPS://Example.COM:443", "https://example.com"),
            ("http://localhost:80", "http://localhost"),
            ("https://example.com:80", "https://example.com:80"),
            ("https://*.example.com", "https://*.example.com"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "",
            "example.com",
            "https://",
            "https://a/",
            "https://*",
            "https://*.",
            "https://a.*.b",
            "://a",
            "https://u@a",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
