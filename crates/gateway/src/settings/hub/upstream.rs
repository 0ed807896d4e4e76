//! Where services listen.

use std::fmt;

use toml::Value as Toml;

use crate::settings::kinds::Kind;

/// The URL of a service, in which `{hub}` and `{event}` stand for what they say: `http://host/path`,
/// `https://host/path`, or `unix:/path/of/socket:/path`. Its query may hold a code, so that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamUrl(String);

impl UpstreamUrl {
    /// The whole URL, query and all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn has_query(&self) -> bool {
        self.0.contains('?')
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<&str> for UpstreamUrl {
    type Error = String;

    /// Reads it, or says what was expected instead.
    fn try_from(text: &str) -> Result<Self, String> {
        url(text)
    }
}

/// `text` without what a secret may stand in: its query, and a name and password before its host.
pub(super) fn shown(text: &str) -> String {
    let (path, query) = text.split_once('?').map_or((text, ""), |(path, _)| (path, "?..."));
    let path = match path.rsplit_once('@') {
        Some((_, host)) => format!("...@{host}"),
        None => path.to_owned(),
    };
    format!("{path}{query}")
}

/// A URL of a service.
pub(in crate::settings) struct Upstream;

impl Kind for Upstream {
    type Value = UpstreamUrl;

    fn placeholder(&self) -> String {
        "URL".to_owned()
    }

    fn parse(&self, text: &str) -> Result<UpstreamUrl, String> {
        url(text)
    }

    fn show(&self, value: &UpstreamUrl) -> Toml {
        Toml::String(value.to_string())
    }

    fn may_hide(&self) -> bool {
        true
    }

    fn hides(&self, value: &UpstreamUrl) -> bool {
        value.has_query()
    }
}

fn url(text: &str) -> Result<UpstreamUrl, String> {
    let refused = |expected: &str| Err(format!("{expected}, not \"{}\"", shown(text)));
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return refused("expected a URL without spaces and fragment, in ASCII");
    }
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    let place = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default())
        }
        "unix" if rest.starts_with('/') => rest.split([':', '?']).next(),
        _ => None,
    };
    let Some(place) = place.filter(|place| !place.is_empty() && !place.starts_with(':')) else {
        return refused(
            "expected a URL such as http://127.0.0.1:3000/events or unix:/run/service.sock:/events",
        );
    };
    if place.contains(['{', '}']) {
        return refused("expected {hub} and {event} in the path only");
    }
    if place.contains('@') {
        return refused("expected no name and password in a URL (headers of a handler can carry them)");
    }
    if !templates_are_known(rest) {
        return refused("expected no braces but those of {hub} and {event}");
    }
    Ok(UpstreamUrl(text.to_owned()))
}

fn templates_are_known(text: &str) -> bool {
    !text.replace("{hub}", "").replace("{event}", "").contains(['{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::kinds::List;

    #[test]
    fn a_service_is_reached_by_http_https_or_a_unix_socket() {
        for text in [
            "http://127.0.0.1:3000/events",
            "https://example.com",
            "HTTP://[::1]:3000?code=x",
            "http://a/{hub}/{event}?e={event}",
            "unix:/run/service.sock",
            "unix:/run/service.sock:/{hub}?code=x",
        ] {
            assert_eq!(url(text).map(|url| url.0).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_cannot_be_reached_is_refused() {
        for (text, part) in [
            ("", "expected a URL such as"),
            ("example.com", "expected a URL such as"),
            ("ftp://a", "expected a URL such as"),
            ("http:/a", "expected a URL such as"),
            ("http://", "expected a URL such as"),
            ("http:///a", "expected a URL such as"),
            ("http://:80", "expected a URL such as"),
            ("unix:run/a", "expected a URL such as"),
            ("http://a b", "without spaces"),
            ("http://a/#b", "without spaces and fragment"),
            ("http://é", "in ASCII"),
            ("http://{event}.example.com/", "in the path only"),
            ("http://a/{user}", "no braces but those"),
            ("http://a/{{hub}}", "no braces but those"),
            ("http://a:b@c/", "no name and password"),
        ] {
            let refused = url(text).expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn neither_a_query_nor_a_password_is_shown() {
        let kept = url("http://a/{event}?code=marker").expect("a URL");
        assert_eq!(format!("{kept} {kept:?}"), "http://a/{event}?... \"http://a/{event}?...\"");
        for text in ["http://a:marker@b/?marker", "http://marker@/", "ftp://a?marker", "http://a?marker {"] {
            let refused = url(text).expect_err(text);
            assert!(!refused.contains("marker"), "{refused}");
        }
        let urls = List(Upstream);
        assert!(urls.hides(&vec![kept]) && !urls.hides(&vec![url("http://a/").expect("a URL")]));
    }
}
