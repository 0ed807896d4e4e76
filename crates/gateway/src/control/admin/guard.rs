//! Who may change something: whoever is on this machine, and whoever has the token.

use axum::http::{HeaderMap, Method, StatusCode, header};
use holdfast_webpubsub::token::bearer;

use crate::settings::Secret;

/// Why a request is refused that would change something; none if it may, or changes nothing.
pub(super) fn refused(
    method: &Method,
    headers: &HeaderMap,
    is_local: bool,
    token: Option<&Secret>,
) -> Option<(StatusCode, &'static str)> {
    if *method == Method::GET || *method == Method::HEAD {
        return None;
    }
    if !is_local {
        return match token {
            None => Some((
                StatusCode::FORBIDDEN,
                "from elsewhere than this machine a token is needed: set admin-token-file\n",
            )),
            Some(token) if shows(headers, token) => None,
            Some(_) => {
                Some((StatusCode::UNAUTHORIZED, "Authorization: Bearer with the admin token is needed\n"))
            }
        };
    }
    // A page whose name was made to mean this machine would show that name.
    (!is_ours(headers))
        .then_some((StatusCode::FORBIDDEN, "Host is no name of this machine: use its address or localhost\n"))
}

fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(bearer).is_some_and(|shown| is_same(shown.as_bytes(), token.expose().as_bytes()))
}

/// Takes the same time wherever they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

/// Whether Host is an address or localhost.
fn is_ours(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn status(headers: &HeaderMap, is_local: bool, token: Option<&Secret>) -> Option<u16> {
        refused(&Method::POST, headers, is_local, token).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn from_elsewhere_only_the_token_changes_something() {
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let good = headers(&[("authorization", "Bearer 0123456789abcdef0123456789abcdef")]);
        assert_eq!(status(&good, false, Some(&token)), None);
        for wrong in
            ["Bearer 0123456789abcdef0123456789abcdeF", "Bearer ", "Basic 0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(
                status(&headers(&[("authorization", wrong)]), false, Some(&token)),
                Some(401),
                "{wrong}"
            );
        }
        assert_eq!(status(&HeaderMap::new(), false, Some(&token)), Some(401));
        assert_eq!(status(&good, false, None), Some(403));
        assert!(refused(&Method::GET, &HeaderMap::new(), false, None).is_none());
    }

    #[test]
    fn on_this_machine_the_host_must_be_its_own() {
        for host in ["localhost", "LocalHost:9085", "127.0.0.1:9085", "[::1]:9085", "10.0.0.1"] {
            assert_eq!(status(&headers(&[("host", host)]), true, None), None, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:9085", ""] {
            assert_eq!(status(&headers(&[("host", host)]), true, None), Some(403), "{host}");
        }
        assert_eq!(status(&HeaderMap::new(), true, None), None, "HTTP/1.0");
    }
}
