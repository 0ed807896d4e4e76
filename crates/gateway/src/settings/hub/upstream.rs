//! Where services listen.

use std::fmt;

use toml::Value as Toml;

use crate::settings::kinds::Kind;

/// The URL of a service, in which `{hub}` and `{event}` stand for what they say: `http://host/path`,
/// `https://host/path`, or `unix:/path/of/socket:/path`; or that of a NATS server and a subject below which a service
/// listens: `nats://host/subject`, `tls://host/subject`. Its query may hold a code, so that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamUrl(String);

impl UpstreamUrl {
    /// The whole URL, query and all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The server and the subject, if it is a URL of NATS.
    #[must_use]
    pub fn nats(&self) -> Option<(&str, &str)> {
        let (scheme, rest) = self.0.split_once("://").filter(|(scheme, _)| is_nats(scheme))?;
        let (place, subject) = rest.split_once('/')?;
        Some((&self.0[..scheme.len() + "://".len() + place.len()], subject))
    }

    fn has_query(&self) -> bool {
        self.0.contains('?')
    }
}

fn is_nats(scheme: &str) -> bool {
    matches!(scheme, "nats" | "tls")
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

/// A URL of NATS.
pub(in crate::settings) struct OfNats;

impl Kind for OfNats {
    type Value = UpstreamUrl;

    fn placeholder(&self) -> String {
        "URL".to_owned()
    }

    fn parse(&self, text: &str) -> Result<UpstreamUrl, String> {
        let url = url(text)?;
        url.nats().is_some().then_some(url).ok_or_else(|| format!("{NATS_EXPECTED}, not \"{}\"", shown(text)))
    }

    fn show(&self, value: &UpstreamUrl) -> Toml {
        Upstream.show(value)
    }

    fn may_hide(&self) -> bool {
        true
    }
}

const NATS_EXPECTED: &str =
    "expected a URL such as nats://127.0.0.1:4222/events or tls://HOST:PORT/a.subject";
/// Most bytes of the subject in a URL. A hub and an event are appended to it.
const SUBJECT_LEN_MAX: usize = 256;

/// `nats://HOST:PORT/SUBJECT`.
fn of_nats(text: &str, rest: &str) -> Result<UpstreamUrl, String> {
    let refused = |expected: &str| Err(format!("{expected}, not \"{}\"", shown(text)));
    if rest.contains('@') {
        return refused("expected no name and password in a URL (credentials names a file with them)");
    }
    let parts = rest.strip_prefix("//").and_then(|rest| rest.split_once('/'));
    let Some((_, subject)) = parts.filter(|(place, _)| !place.is_empty() && !place.starts_with(':')) else {
        return refused(NATS_EXPECTED);
    };
    let is_token = |token: &str| !token.is_empty() && !token.contains(['*', '>', '/', '?', '{', '}']);
    if subject.len() > SUBJECT_LEN_MAX || !subject.split('.').all(is_token) {
        return refused(
            "expected a subject of NATS behind the server, without wildcards, slashes and braces",
        );
    }
    Ok(UpstreamUrl(text.to_owned()))
}

fn url(text: &str) -> Result<UpstreamUrl, String> {
    let refused = |expected: &str| Err(format!("{expected}, not \"{}\"", shown(text)));
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return refused("expected a URL without spaces and fragment, in ASCII");
    }
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    if is_nats(scheme) {
        return of_nats(text, rest);
    }
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
    fn a_url_of_nats_has_a_server_and_a_subject() {
        for (text, server, subject) in [
            ("nats://127.0.0.1:4222/events", "nats://127.0.0.1:4222", "events"),
            ("tls://bus.example/a.b-c", "tls://bus.example", "a.b-c"),
            ("nats://[::1]:1/$x", "nats://[::1]:1", "$x"),
        ] {
            assert_eq!(OfNats.parse(text).expect(text).nats(), Some((server, subject)));
        }
        assert_eq!(url("http://a/b").expect("a URL").nats(), None);
        for (text, part) in [
            ("nats://a", "expected a URL such as nats://"),
            ("nats:///x", "expected a URL such as nats://"),
            ("nats://a/", "expected a subject"),
            ("nats://a/b..c", "expected a subject"),
            ("nats://a/b.*", "expected a subject"),
            ("nats://a/>", "expected a subject"),
            ("nats://a/b/c", "expected a subject"),
            ("nats://a/{hub}", "expected a subject"),
            ("nats://a/b?c", "expected a subject"),
            ("http://a/b", "expected a URL such as nats://"),
        ] {
            let refused = OfNats.parse(text).expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
        let refused = url("nats://u:marker@a/b").expect_err("a password");
        assert!(refused.contains("credentials") && !refused.contains("marker"), "{refused}");
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
