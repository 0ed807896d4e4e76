//! Who may change something: whoever is on this machine, and whoever has the token. A web page always needs the token,
//! and must be our own. Who may read: whoever reaches us, but not by a name that may be anybody's where there is more
//! to see than numbers.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use holdfast_webpubsub::token::bearer;

use super::started::host_name;
use crate::settings::Secret;

/// A status and a sentence.
pub(super) type Refused = (StatusCode, &'static str);

const NO_TOKEN: Refused = (
    StatusCode::FORBIDDEN,
    "from elsewhere than this machine, or from a page, a token is needed: set admin-token-file\n",
);
const NO_TOKEN_FOR_INSIDE: Refused = (
    StatusCode::FORBIDDEN,
    "this names users, so a token is needed, on this machine too: set admin-token-file\n",
);
const WRONG_TOKEN: Refused =
    (StatusCode::UNAUTHORIZED, "Authorization: Bearer with the admin token is needed\n");
const FOREIGN_PAGE: Refused = (StatusCode::FORBIDDEN, "not from another site's page\n");
const FOREIGN_HOST: Refused =
    (StatusCode::FORBIDDEN, "Host is no name of this machine: use its address, localhost or its host name\n");

/// What may be read by any name: Prometheus, probes and hooks ask by those of services and of pods.
const BY_ANY_NAME: [&str; 4] = ["/metrics", "/healthz", "/readyz", "/drain"];

/// Why a request is refused; none if it may.
pub(super) fn refused(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    is_local: bool,
    token: Option<&Secret>,
) -> Option<Refused> {
    if *method == Method::GET || *method == Method::HEAD {
        let may =
            BY_ANY_NAME.contains(&path) || is_ours(headers) || token.is_some_and(|it| shows(headers, it));
        return (!may).then_some(FOREIGN_HOST);
    }
    let is_page = is_from_a_page(headers);
    if is_page && !is_own_page(headers) {
        return Some(FOREIGN_PAGE);
    }
    // A page whose name was made to mean this machine shows that name.
    if (is_page || is_local) && !is_ours(headers) {
        return Some(FOREIGN_HOST);
    }
    if is_local && !is_page {
        return None;
    }
    match token {
        None => Some(NO_TOKEN),
        Some(token) if shows(headers, token) => None,
        Some(_) => Some(WRONG_TOKEN),
    }
}

/// Why what is inside is not shown: it names users, so that whoever can reach the port on this machine may not read it.
pub(super) fn hidden(headers: &HeaderMap, token: Option<&Secret>) -> Option<Refused> {
    match token {
        None => Some(NO_TOKEN_FOR_INSIDE),
        Some(token) if shows(headers, token) => None,
        Some(_) => Some(WRONG_TOKEN),
    }
}

/// A page that somebody visits can make his browser send a POST to his own loopback. The browser then says from where
/// (Fetch standard: Origin is sent with every request other than GET and HEAD), and no other client does.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether the page came from here: its Origin (RFC 6454) has the authority that Host has.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let authority = text("origin").and_then(|it| it.strip_prefix("http://").or(it.strip_prefix("https://")));
    let is_same = authority.zip(text("host")).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
    is_same && text("sec-fetch-site").is_none_or(|site| site == "same-origin")
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

/// Whether Host is an address, localhost, or what this machine calls itself. HTTP/1.0 needs none; of several, each
/// must be.
fn is_ours(headers: &HeaderMap) -> bool {
    headers.get_all(header::HOST).iter().all(is_own_host)
}

fn is_own_host(host: &HeaderValue) -> bool {
    let Some(name) = host.to_str().ok().and_then(host_name) else { return false };
    let is_address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    is_address || name.eq_ignore_ascii_case("localhost") || is_host_name(name)
}

/// Whether this machine calls itself so (uname(2)): in Kubernetes, the pod's name.
fn is_host_name(name: &str) -> bool {
    let system = rustix::system::uname();
    system.nodename().to_str().is_ok_and(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn status(headers: &HeaderMap, is_local: bool, token: Option<&Secret>) -> Option<u16> {
        refused(&Method::POST, "/drain", headers, is_local, token).map(|(status, _)| status.as_u16())
    }

    fn read(path: &str, headers: &HeaderMap, token: Option<&Secret>) -> Option<u16> {
        let ask = |method, is_local| refused(&method, path, headers, is_local, token).map(|it| it.0.as_u16());
        let here = ask(Method::GET, true);
        assert_eq!((here, here), (ask(Method::HEAD, true), ask(Method::GET, false)), "{path} {headers:?}");
        here
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
        assert_eq!(read("/status", &HeaderMap::new(), None), None);
    }

    #[test]
    fn the_console_and_the_status_are_read_by_no_name_of_another() {
        for host in ["localhost:9085", "127.0.0.1:9085", "[::1]", "10.0.0.1:9085"] {
            assert_eq!(read("/", &headers(&[("host", host)]), None), None, "{host}");
        }
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let shown = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
        for host in ["evil.example:9085", "localhost.evil.example", "metrics", ""] {
            for path in ["/", "/status", "/cluster", "/other"] {
                assert_eq!(read(path, &headers(&[("host", host)]), Some(&token)), Some(403), "{host} {path}");
                assert_eq!(
                    read(path, &headers(&[("host", host), shown]), Some(&token)),
                    None,
                    "{host} {path}"
                );
            }
            for path in ["/metrics", "/healthz", "/readyz", "/drain"] {
                assert_eq!(read(path, &headers(&[("host", host)]), None), None, "{host} {path}");
            }
        }
    }

    #[test]
    fn a_host_that_is_no_text_is_not_ours_nor_is_a_second_one() {
        let mut odd = HeaderMap::new();
        odd.insert(header::HOST, HeaderValue::from_bytes(b"\xe9vil.example").expect("a header"));
        assert_eq!(status(&odd, true, None), Some(403));
        assert_eq!(read("/status", &odd, None), Some(403));
        let mut two = headers(&[("host", "localhost")]);
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(status(&two, true, None), Some(403));
        assert_eq!(read("/status", &two, None), Some(403));
    }

    #[test]
    fn on_this_machine_the_host_must_be_its_own() {
        for host in ["localhost", "LocalHost:9085", "127.0.0.1:9085", "[::1]:9085", "10.0.0.1"] {
            assert_eq!(status(&headers(&[("host", host)]), true, None), None, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:9085", "", "127.0.0.1:x"] {
            assert_eq!(status(&headers(&[("host", host)]), true, None), Some(403), "{host}");
        }
        assert_eq!(status(&HeaderMap::new(), true, None), None, "HTTP/1.0");
    }

    #[test]
    fn what_is_inside_needs_the_token_wherever_one_is() {
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let good = headers(&[("authorization", "Bearer 0123456789abcdef0123456789abcdef")]);
        let status = |headers: &HeaderMap, token| hidden(headers, token).map(|(status, _)| status.as_u16());
        assert_eq!(status(&good, Some(&token)), None);
        assert_eq!(status(&good, None), Some(403));
        assert_eq!(status(&HeaderMap::new(), None), Some(403));
        for wrong in ["Bearer 0123456789abcdef", "Bearer", "Basic 0123456789abcdef0123456789abcdef", ""] {
            assert_eq!(status(&headers(&[("authorization", wrong)]), Some(&token)), Some(401), "{wrong}");
        }
        assert_eq!(status(&headers(&[("host", "localhost")]), Some(&token)), Some(401));
    }

    #[test]
    fn a_page_needs_the_token_and_must_be_ours() {
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let page = |host, origin, site| {
            let shown = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
            headers(&[("host", host), ("origin", origin), ("sec-fetch-site", site), shown])
        };
        let own = page("localhost:9085", "http://localhost:9085", "same-origin");
        for is_local in [true, false] {
            assert_eq!(status(&own, is_local, Some(&token)), None);
            assert_eq!(status(&own, is_local, None), Some(403));
        }
        let silent = headers(&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1")]);
        assert_eq!(status(&silent, true, Some(&token)), Some(401), "on this machine too");
        let foreign = [
            ("localhost:9085", "http://evil.example", "same-origin"),
            ("localhost:9085", "http://localhost:9086", "same-origin"),
            ("localhost:9085", "http://localhost:9085", "cross-site"),
            ("localhost:9085", "null", "same-origin"),
            // Its name was made to mean this machine.
            ("evil.example:9085", "http://evil.example:9085", "same-origin"),
        ];
        for (host, origin, site) in foreign {
            assert_eq!(status(&page(host, origin, site), true, Some(&token)), Some(403), "{host} {origin}");
        }
    }
}
