//! Who may connect, by what the request says: paths, origins, subprotocols. These rules apply before the application is
//! asked.

use holdfast_proto::Request;

use super::policy::covers;
use crate::counters::HandshakeOutcome;
use crate::settings::{Mismatch, Settings};

/// The rules of the settings. A list that is empty allows everything.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    paths: Vec<String>,
    origins: Vec<String>,
    origin_required: bool,
    subprotocols: Vec<String>,
    mismatch: Mismatch,
}

/// The rule that a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleViolation {
    Path,
    Origin,
    Subprotocol,
}

impl RuleViolation {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Path => 404,
            Self::Origin => 403,
            Self::Subprotocol => 400,
        }
    }

    pub(crate) fn outcome(self) -> HandshakeOutcome {
        match self {
            Self::Path => HandshakeOutcome::Path,
            Self::Origin => HandshakeOutcome::Origin,
            Self::Subprotocol => HandshakeOutcome::Subprotocol,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Path => "there is nothing to connect to at this path",
            Self::Origin => "pages of this origin may not connect",
            Self::Subprotocol => "none of the subprotocols offered is spoken here",
        }
    }
}

impl Rules {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            paths: settings.paths.clone(),
            origins: settings.origins.clone(),
            origin_required: settings.origin_required,
            subprotocols: settings.subprotocols.clone(),
            mismatch: settings.subprotocol_mismatch,
        }
    }

    /// The index of the subprotocol that is preferred among those the peer offers, if there is one.
    ///
    /// # Errors
    /// The first rule that is broken: path, origin, subprotocol.
    pub(crate) fn judge(&self, request: &Request<'_>) -> Result<Option<usize>, RuleViolation> {
        if !self.paths.is_empty() && !self.paths.iter().any(|rule| allows_path(rule, request.path())) {
            return Err(RuleViolation::Path);
        }
        if !self.allows(request.origin()) {
            return Err(RuleViolation::Origin);
        }
        let found = self.subprotocols.iter().position(|name| request.subprotocols().any(|it| it == name));
        let mismatch = !self.subprotocols.is_empty() && found.is_none();
        if mismatch && self.mismatch == Mismatch::Refuse && request.subprotocols().next().is_some() {
            return Err(RuleViolation::Subprotocol);
        }
        Ok(found)
    }

    fn allows(&self, origin: Option<&str>) -> bool {
        match origin {
            None => !self.origin_required,
            Some(origin) => {
                self.origins.is_empty() || self.origins.iter().any(|rule| allows_origin(rule, origin))
            }
        }
    }

    /// The subprotocol with this index.
    pub(crate) fn subprotocol(&self, index: usize) -> Option<&str> {
        self.subprotocols.get(index).map(String::as_str)
    }

    /// The same, as the peer wrote it.
    pub(crate) fn offered<'b>(&self, index: usize, request: &Request<'b>) -> Option<&'b str> {
        let name = self.subprotocol(index)?;
        request.subprotocols().find(|it| *it == name)
    }
}

/// Whether a rule allows a path. A beginning allows none that leads out of it once someone resolves its dot segments.
fn allows_path(rule: &str, path: &str) -> bool {
    let leads_out = || path.split('/').any(is_dot_segment);
    covers(rule, path) && !(rule.ends_with('*') && leads_out())
}

/// RFC 3986 3.3 and 6.2.2.2: "." and "..", and the same percent-encoded. Slashes and backslashes that were encoded, or
/// that some take for slashes, separate as well.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    plain.split(['/', '\\']).any(|part| part == "." || part == "..")
}

/// Whether a rule, which is in lower case and without a default port, allows an origin. RFC 6454 4: scheme and host of
/// an origin are in lower case; who sends others is given the benefit.
fn allows_origin(rule: &str, origin: &str) -> bool {
    if rule == "*" {
        return true;
    }
    let Some((scheme, host)) = rule.split_once("://*.") else { return origin.eq_ignore_ascii_case(rule) };
    let Some((its_scheme, its_host)) = origin.split_once("://") else { return false };
    // The dot before the domain, and something that is a host before that.
    let Some(dot) = its_host.len().checked_sub(host.len() + 1).filter(|dot| *dot > 0) else { return false };
    let is_below = its_host.as_bytes()[dot] == b'.'
        && its_host.as_bytes()[dot + 1..].eq_ignore_ascii_case(host.as_bytes());
    let is_host =
        its_host.as_bytes()[..dot].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    its_scheme.eq_ignore_ascii_case(scheme) && is_below && is_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_whole() {
        for (rule, origin, allowed) in [
            ("*", "https://anything.example", true),
            ("https://example.com", "https://example.com", true),
            ("https://example.com", "HTTPS://EXAMPLE.com", true),
            ("https://example.com", "http://example.com", false),
            ("https://example.com", "https://example.com:444", false),
            ("https://example.com", "https://example.com.evil.org", false),
            ("https://example.com", "https://evil-example.com", false),
            ("https://example.com", "null", false),
            ("null", "null", true),
        ] {
            assert_eq!(allows_origin(rule, origin), allowed, "{rule} {origin}");
        }
    }

    #[test]
    fn a_star_stands_for_hosts_below_a_domain() {
        let rule = "https://*.example.com:8443";
        for (origin, allowed) in [
            ("https://a.example.com:8443", true),
            ("https://a.b.EXAMPLE.com:8443", true),
            ("https://example.com:8443", false),
            ("https://.example.com:8443", false),
            ("https://aexample.com:8443", false),
            ("https://a.example.com", false),
            ("http://a.example.com:8443", false),
            ("https://evil.org/.example.com:8443", false),
            ("https://evil.org:1.example.com:8443", false),
            ("https://u@a.example.com:8443", false),
            ("null", false),
        ] {
            assert_eq!(allows_origin(rule, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn no_path_leads_out_of_a_beginning() {
        for (rule, path, allowed) in [
            ("/chat", "/chat", true),
            ("/chat", "/chat/", false),
            ("/chat", "/%63hat", false),
            ("/chat/*", "/chat/a/b", true),
            ("/chat/*", "/chat/..a/b.", true),
            ("/chat/*", "/chat", false),
            ("/chat/*", "/chat/../admin", false),
            ("/chat/*", "/chat/%2E./admin", false),
            ("/chat/*", "/chat/..%2fadmin", false),
            ("/chat/*", "/chat/..\\admin", false),
            ("/chat/*", "/chat/.", false),
        ] {
            assert_eq!(allows_path(rule, path), allowed, "{rule} {path}");
        }
    }
}
