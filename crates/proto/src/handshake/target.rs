//! Request targets and hosts.

use super::HandshakeError;

/// A request target that names a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'b> {
    /// As sent.
    pub(super) raw: &'b str,
    /// From the path's `/` on; empty for an absolute URI that ends with its host.
    pub(super) path_and_query: &'b str,
    /// Of an absolute URI.
    pub(super) authority: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// RFC 6455 4.1: 'The "Request-URI" part of the request MUST match the /resource name/ defined in Section
    /// 3 (a relative URI) or be an absolute http/https URI'; section 3: "Fragment identifiers are meaningless
    /// in the context of WebSocket URIs and MUST NOT be used on these URIs."
    ///
    /// Of what RFC 3986 wants percent-encoded, only what separates (a space, `#`) and control characters are refused:
    /// browsers send `"<>\^`{|}` as they are in some places, other clients all of UTF-8, and other servers take it.
    pub(super) fn parse(raw: &'b str) -> Result<Self, HandshakeError> {
        if raw.chars().any(char::is_control) {
            return Err(HandshakeError::UnencodedTarget);
        }
        if raw.contains(['#', ' ']) {
            return Err(HandshakeError::BadTarget);
        }
        if raw.starts_with('/') {
            return Ok(Self { raw, path_and_query: raw, authority: None });
        }
        let (scheme, rest) = raw.split_once("://").ok_or(HandshakeError::BadTarget)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(HandshakeError::BadTarget);
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(authority_len);
        if !is_host(authority.as_bytes()) {
            return Err(HandshakeError::BadTarget);
        }
        Ok(Self { raw, path_and_query, authority: Some(authority) })
    }

    /// The path, from `/` on and without the query.
    ///
    /// RFC 6455 section 3: the path of an absolute URI that has none is `/`.
    pub(super) fn path(&self) -> &'b str {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        if path.is_empty() { "/" } else { path }
    }
}

/// Whether `value` can be a host with an optional port: the characters of RFC 3986 3.2.2 and 3.2.3.
///
/// RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code [...] to any request message
/// that contains [...] a Host header field with an invalid field value."
pub(super) fn is_host(value: &[u8]) -> bool {
    !value.is_empty()
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_an_absolute_uri_name_the_same_resource() {
        let path = Target::parse("/chat?room=1").unwrap();
        let uri = Target::parse("HTTP://example.com:80/chat?room=1").unwrap();
        assert_eq!((path.path_and_query, path.authority), ("/chat?room=1", None));
        assert_eq!((uri.path_and_query, uri.authority), ("/chat?room=1", Some("example.com:80")));
    }

    #[test]
    fn an_absolute_uri_may_end_with_its_host_or_go_on_with_a_query() {
        assert_eq!(Target::parse("https://[::1]").unwrap().path_and_query, "");
        assert_eq!(Target::parse("https://h?q").unwrap().path_and_query, "?q");
    }

    #[test]
    fn other_targets_are_refused() {
        for raw in [
            "",
            "*",
            "chat",
            "example.com:443",
            "ftp://h/",
            "http://",
            "http://u@h/",
            "/a#b",
            "/a b",
            "http://\u{e9}/",
        ] {
            assert_eq!(Target::parse(raw).err(), Some(HandshakeError::BadTarget), "{raw}");
        }
    }

    #[test]
    fn hosts_have_no_separators_of_a_uri() {
        for host in ["localhost", "example.com:8085", "[2001:db8::1]:80", "127.0.0.1"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["", "a b", "a/b", "u@h", "h?q", "h#f", "a\\b", "\u{e9}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
